using System.Globalization;
using System.Text.Json.Nodes;

namespace Commander.Server.Tests.Reasoning;

/// <summary>Recorded deployments of the shop whose policy is <see cref="ShopSource.Policy"/>: forty steps of the past, thirty of the new version beside the old one.</summary>
internal static class ShopCases
{
    private const int Past = 40;
    private const int Length = 30;

    /// <summary>One line of a case file.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="label">BAD or GOOD.</param>
    /// <param name="sales">The new version's sales per visitor; 40 is what the old one has.</param>
    /// <param name="errors">The new version's share of failed requests.</param>
    public static string Line(string id, string label, double sales = 40, double errors = 0.001) => new JsonObject
    {
        ["id"] = id,
        ["source"] = "shop",
        ["change_time"] = 1_790_000_000,
        ["step_seconds"] = 1,
        ["restarted"] = false,
        ["metrics"] = new JsonObject
        {
            ["requests"] = Series("count", id, _ => 400, _ => 400),
            ["errors"] = Series("count", id, at => Math.Floor((at + 1) * 0.4) - Math.Floor(at * 0.4), at => Math.Floor((at + 1) * 400 * errors) - Math.Floor(at * 400 * errors)),
            ["sales"] = Series("per visitor", id, at => Math.Round(40 * Noise(id, at), 3), at => Math.Round(sales * Noise(id, at + 7), 3)),
        },
        ["label"] = label,
        ["fault"] = label == "BAD" ? "planted" : null,
    }.ToJsonString();

    /// <summary>A mild alarm that is right, two that are not, a proven one, and three without any.</summary>
    public static IReadOnlyList<string> Mixed =>
    [
        Line("mild-1", "BAD", sales: 29), Line("mild-2", "GOOD", sales: 31), Line("mild-3", "GOOD", sales: 31), Line("proven-1", "BAD", errors: 0.3),
        Line("calm-1", "GOOD"), Line("calm-2", "GOOD"), Line("calm-3", "GOOD", sales: 40.2),
    ];

    private static JsonObject Series(string unit, string id, Func<int, double> old, Func<int, double> young)
    {
        JsonArray Values(int from, int to, Func<int, double> value) => [.. Enumerable.Range(from, to - from).Select(at => (JsonNode)value(at))];
        return new JsonObject { ["unit"] = unit, ["baseline"] = Values(-Past, 0, at => old(at + Past)), ["candidate"] = Values(0, Length, young), ["control"] = Values(0, Length, old) };
    }

    // Within two percent, the same for the same case.
    private static double Noise(string id, int at) => 1 + (0.02 * Math.Sin((at * 1.7) + double.Parse(id[^1..], CultureInfo.InvariantCulture)));
}
