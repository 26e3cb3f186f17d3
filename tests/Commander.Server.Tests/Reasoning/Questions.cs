using System.Text.Json.Nodes;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Reasoning;
using Commander.Server.Reasoning.Context;

namespace Commander.Server.Tests.Reasoning;

/// <summary>A question about a shop whose sales fell, and what stands in it.</summary>
internal static class Questions
{
    private static readonly DateTimeOffset Start = new(2026, 11, 23, 10, 30, 0, TimeSpan.Zero);

    public static Policy Policy(string authority) => PolicyReader.Read(ShopSource.Policy(authority), "policy.yaml").Policies!.For("checkout", "prod");

    public static Inquiry Of(string authority = "advise", double sales = 31.5) => new(
        new Deployment("dep-1", "checkout", "prod", "2.0.0", "1.0.0", "watching", null, Start, Start, Start.AddMinutes(2), new PolicyReference("defaults", "sha256:1"), "control", Verdict(sales), [], [], null, "http://127.0.0.1:5080/d/dep-1")
        {
            Labels = new Dictionary<string, string>(StringComparer.Ordinal) { ["team"] = "payments" },
            ChangeUrl = "https://git.example/acme/shop/pull/9",
        },
        Policy(authority),
        Purpose.Advise,
        20,
        new Signatures([new Signature("l1", "timeout after <*> for order <*>", 12, 1)], null),
        new ChangeList([new Change("c1", "0123456789ab", "fix: round prices up", Start)], 1, ["src/Shop/Cart/CartTotals.cs"], null));

    public static Verdict Verdict(double sales) => new(
        "HOLD", false, 0.7, 0.7, 90, "unclear: sales",
        [
            new("sales", "kpi", "gauge", sales, 40, "control", sales - 40, null, null, null, 0.8, "worse", "value", "less than control", "sales{version=\"2.0.0\"}"),
            new("errors", "error", "ratio", 0.1, 0.1, "control", 0, -0.4, 0.4, "%", 0.05, "same", "value", "within 1 pp", "requests_total"),
        ],
        null, "shipped-1", "commander", Start.AddSeconds(20), 20_000);

    /// <summary>What stands between the fences.</summary>
    public static JsonObject Data(Prompt prompt) => JsonNode.Parse(Fenced(prompt).Split('\n')[1])!.AsObject();

    /// <summary>The message with the data.</summary>
    public static string Fenced(Prompt prompt) => prompt.Messages.Single(message => message.Role == "user").Content;

    /// <summary>Every text in a document, with the names of properties left out.</summary>
    public static IEnumerable<string> Texts(JsonNode? node) => node switch
    {
        JsonObject all => all.SelectMany(entry => Texts(entry.Value)),
        JsonArray all => all.SelectMany(Texts),
        JsonValue value when value.TryGetValue<string>(out var text) => [text],
        _ => [],
    };

    /// <summary>The names and kinds of a document without its values.</summary>
    public static string Shape(JsonNode? node) => node switch
    {
        JsonObject all => $"{{{string.Join(',', all.Select(entry => $"{entry.Key}:{Shape(entry.Value)}"))}}}",
        JsonArray all => $"[{string.Join(',', all.Select(Shape))}]",
        null => "null",
        _ => node.GetValueKind().ToString(),
    };
}
