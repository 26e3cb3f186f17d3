using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Commander.Judging.Policies;

namespace Commander.Judging.Tests.Policies;

/// <summary>
/// A table of policies and what their reader answers, word by word: every error with its place and its remedy, every value that is not as shipped.
/// After a change that is meant: run once with COMMANDER_RECORD=1, and read the difference of the file that it writes.
/// </summary>
public class PolicyTableTests
{
    private const string File = "recorded-policies.txt";
    private const string Case = "\n## ";
    private const string Answer = "> ";

    private static readonly Dictionary<string, string> Table = Cases(Recorded()).ToDictionary(part => part[..part.IndexOf('\n')], StringComparer.Ordinal);

    private static readonly Dictionary<string, JsonElement> Shipped = Members(PolicySet.Empty.Defaults);

    public static TheoryData<string> Titles => [.. Table.Keys];

    [Theory]
    [MemberData(nameof(Titles))]
    public void A_policy_is_read_as_the_table_says(string title)
    {
        var lines = Table[title].Split('\n')[1..];
        var yaml = string.Join('\n', lines.Where(line => !line.StartsWith(Answer, StringComparison.Ordinal))).TrimEnd();
        var now = Told(PolicyReader.Read(yaml, "p.yaml")).Select(line => Answer + line).ToArray();
        if (Environment.GetEnvironmentVariable("COMMANDER_RECORD") is { Length: > 0 })
            Record(title, $"{title}\n{yaml}\n{string.Join('\n', now)}\n");
        else
            string.Join('\n', now).ShouldBe(string.Join('\n', lines.Where(line => line.StartsWith(Answer, StringComparison.Ordinal))));
    }

    private static IEnumerable<string> Told(PolicyReadResult read)
    {
        if (read.Policies is not { } set)
            return read.Errors.Select(error => error.ToString());
        read.Errors.ShouldBeEmpty();
        return
        [
            .. set.Sources.Select(source => $"source {source.Key}: {source.Value.Type} {JsonSerializer.Serialize(source.Value.Settings, Json.Strict)}{(source.Key == source.Value.Name ? "" : " named " + source.Value.Name)}"),
            .. Differences("defaults", set.Defaults),
            .. set.Services.SelectMany(service => Differences(service.Key, service.Value)),
        ];
    }

    private static IEnumerable<string> Differences(string key, Policy policy)
    {
        // What the key says already is told only where it says otherwise.
        var (name, environment) = key.Split('/') is [var before, var after] ? (before, after) : (key, null);
        var expected = policy with { Name = name == PolicySet.AnyService ? "defaults" : name, Environment = environment };
        if (policy.Name != expected.Name || policy.Environment != expected.Environment)
            yield return $"{key} name: {policy.Name} environment: {policy.Environment}";
        var told = 0;
        foreach (var (member, value) in Members(policy))
        {
            if (member is "name" or "environment" || (Shipped.TryGetValue(member, out var shipped) && shipped.GetRawText() == value.GetRawText()))
                continue;
            told++;
            yield return $"{key} {member}: {Text(value)}";
        }

        if (told == 0)
            yield return $"{key} as shipped";
    }

    /// <summary>A policy's stored body, by the paths of its members: two levels, and of a list each entry.</summary>
    private static Dictionary<string, JsonElement> Members(Policy policy)
    {
        var members = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var member in JsonSerializer.Deserialize<JsonElement>(PolicyHash.Body(policy)).EnumerateObject())
        {
            if (member.Value.ValueKind == JsonValueKind.Object)
            {
                foreach (var inner in member.Value.EnumerateObject())
                    members[$"{member.Name}.{inner.Name}"] = inner.Value;
            }
            else if (member.Value.ValueKind == JsonValueKind.Array)
            {
                foreach (var (at, item) in member.Value.EnumerateArray().Index())
                    members[$"{member.Name}[{at}]"] = item;
            }
            else
            {
                members[member.Name] = member.Value;
            }
        }

        return members;
    }

    /// <summary>JSON without quoted keys and without what is null.</summary>
    private static string Text(JsonElement value) => value.ValueKind == JsonValueKind.Object
        ? "{ " + string.Join(", ", value.EnumerateObject().Where(member => member.Value.ValueKind != JsonValueKind.Null).Select(member => $"{member.Name}: {Text(member.Value)}")) + " }"
        : value.GetRawText();

    private static string Recorded()
    {
        using var stream = typeof(PolicyTableTests).Assembly.GetManifestResourceStream(File)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static string[] Cases(string text) => text.Split(Case)[1..];

    private static void Record(string title, string with, [CallerFilePath] string here = "")
    {
        var path = Path.Combine(Path.GetDirectoryName(here)!, File);
        var text = System.IO.File.ReadAllText(path);
        var written = new StringBuilder(text[..text.IndexOf(Case, StringComparison.Ordinal)]);
        foreach (var part in Cases(text))
            written.Append(Case).Append(part.StartsWith(title + "\n", StringComparison.Ordinal) ? with : part.TrimEnd('\n') + "\n");
        System.IO.File.WriteAllText(path, written.ToString());
    }
}
