using System.Text.Json;
using System.Text.Json.Nodes;
using Commander.Judging.Policies;
using NJsonSchema;
using YamlDotNet.Serialization;

namespace Commander.Judging.Tests.Policies;

/// <summary>The published schema and the reader know the same keys, and the schema accepts what the reader accepts.</summary>
public class PolicySchemaTests
{
    private const string Unknown = "qqqqqqqqqq";
    private static readonly JsonNode Root = JsonNode.Parse(PolicySchema.Text)!;

    /// <summary>Where an unknown key is written, and the schema's object that stands for that place.</summary>
    public static TheoryData<string, string> Places
    {
        get
        {
            var places = new TheoryData<string, string>
            {
                { Unknown + ": 1", "" },
                { "services: { s: { " + Unknown + ": 1 } }", "definitions/service" },
                { "services: { s: { environments: { e: { " + Unknown + ": 1 } } } }", "definitions/overrides" },
                { "services: { s: { watch: { " + Unknown + ": 1 } } }", "definitions/overrides/properties/watch" },
                { "services: { s: { decide: { " + Unknown + ": 1 } } }", "definitions/overrides/properties/decide" },
                { "services: { s: { decide: { cost: { " + Unknown + ": 1 } } } }", "definitions/overrides/properties/decide/properties/cost" },
                { "services: { s: { act: { " + Unknown + ": 1 } } }", "definitions/overrides/properties/act" },
                { "services: { s: { learn: { " + Unknown + ": 1 } } }", "definitions/overrides/properties/learn" },
                { "services: { s: { fix: { repository: a/b, " + Unknown + ": 1 } } }", "definitions/overrides/properties/fix/anyOf/2" },
                // Without a channel the reader names the keys of all.
                { "services: { s: { alert: [ { " + Unknown + ": 1 } ] } }", "definitions/overrides/properties/alert/items" },
                { "services: { s: { metrics: { m: { kind: gauge, " + Unknown + ": 1 } } } }", "definitions/metric" },
            };
            foreach (var (section, file) in new[] { ("source", "sources: { x: { type: TYPE, " + Unknown + ": 1 } }"), ("rollback", "services: { s: { act: { rollback: { type: TYPE, " + Unknown + ": 1 } } } }"), ("logs", "services: { s: { logs: { type: TYPE, " + Unknown + ": 1 } } }"), ("changes", "services: { s: { changes: { type: TYPE, " + Unknown + ": 1 } } }") })
            {
                var kinds = Root["definitions"]![section]!["anyOf"]!.AsArray();
                for (var at = 0; at < kinds.Count; at++)
                {
                    if (kinds[at]!["properties"]!["type"] is { } type)
                        places.Add(file.Replace("TYPE", (string)type["enum"]![0]!, StringComparison.Ordinal), $"definitions/{section}/anyOf/{at}");
                }
            }

            return places;
        }
    }

    [Theory]
    [MemberData(nameof(Places))]
    public void Both_know_the_same_keys(string yaml, string place)
    {
        const string known = "is no key here; known are ";
        var error = PolicyReader.Read(yaml, "p.yaml").Errors.Select(e => e.ToString()).Single(e => e.Contains(Unknown, StringComparison.Ordinal) && e.Contains(known, StringComparison.Ordinal));
        var keys = error[(error.IndexOf(known, StringComparison.Ordinal) + known.Length)..].Split(", ");
        var schema = place.Split('/', StringSplitOptions.RemoveEmptyEntries).Aggregate(Root, (node, step) => int.TryParse(step, out var at) ? node[at]! : node[step]!);
        schema["properties"]!.AsObject().Select(p => p.Key).ShouldBe(keys, ignoreOrder: true);
    }

    [Theory]
    [InlineData("sources: { x: { type: qqqqqqqqqq } }", "source")]
    [InlineData("services: { s: { act: { rollback: { type: qqqqqqqqqq } } } }", "rollback")]
    [InlineData("services: { s: { preset: qqqqqqqqqq } }", "preset")]
    [InlineData("services: { s: { logs: { type: qqqqqqqqqq } } }", "logs")]
    [InlineData("services: { s: { changes: { type: qqqqqqqqqq } } }", "changes")]
    public void Both_know_the_same_types_and_presets(string yaml, string section)
    {
        const string known = "write one of ";
        var error = PolicyReader.Read(yaml, "p.yaml").Errors.Select(e => e.ToString()).Single(e => e.Contains(Unknown, StringComparison.Ordinal));
        var words = error[(error.IndexOf(known, StringComparison.Ordinal) + known.Length)..].Split(", ");
        var schema = Root["definitions"]![section]!;
        var published = schema["enum"]?.AsArray().Select(word => (string)word!)
            ?? schema["anyOf"]!.AsArray().Select(kind => kind!["properties"]!["type"]).OfType<JsonNode>().Select(type => (string)type["enum"]![0]!);
        published.ShouldBe(words, ignoreOrder: true);
    }

    [Theory]
    [InlineData("docs/policy.md")]
    [InlineData("examples/policy.yaml")]
    public async Task What_the_documentation_shows_is_accepted(string file)
    {
        var text = DocumentedPolicyTests.Yaml(file);
        PolicyReader.Read(text, file).Errors.ShouldBeEmpty();
        (await Refusals(text)).ShouldBeEmpty();
    }

    [Theory]
    [MemberData(nameof(AlertPolicyTests.Valid), MemberType = typeof(AlertPolicyTests))]
    public async Task What_the_reader_accepts_of_an_alert_the_published_schema_accepts(string alert) =>
        (await Refusals($"services: {{ s: {{ alert: [ {alert} ] }} }}")).ShouldBeEmpty();

    [Theory]
    [InlineData("services: { s: { wach: { step: 1s } } }")]
    [InlineData("services: { s: { compare: never } }")]
    [InlineData("services: { s: { watch: { step: soon } } }")]
    [InlineData("services: { s: { act: { rollback: { type: webhook, secret: plain } } } }")]
    [InlineData("sources: { s: { type: prometheus } }")]
    [InlineData("services: { s: { logs: on } }")]
    [InlineData("services: { s: { changes: { type: github, tag: latest } } }")]
    [InlineData("services: { s: { preset: [http, htp] } }")]
    public async Task What_is_wrong_is_refused_by_both(string text)
    {
        PolicyReader.Read(text, "p.yaml").Errors.ShouldNotBeEmpty();
        (await Refusals(text)).ShouldNotBeEmpty();
    }

    private static async Task<IEnumerable<string>> Refusals(string yaml)
    {
        var schema = await JsonSchema.FromJsonAsync(PolicySchema.Text, TestContext.Current.CancellationToken);
        var document = new DeserializerBuilder().WithAttemptingUnquotedStringTypeDeserialization().Build().Deserialize(yaml);
        return schema.Validate(JsonSerializer.Serialize(document)).Select(error => error.ToString());
    }
}
