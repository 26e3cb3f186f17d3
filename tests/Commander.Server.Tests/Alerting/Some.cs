using System.Text.Json;
using Commander.Judging;
using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;
using Commander.Server.Alerting;
using Commander.Server.Tests.Contract;

namespace Commander.Server.Tests.Alerting;

/// <summary>Alerts to tell, of the contract's deployment.</summary>
internal static class Some
{
    public static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    public static Deployment Deployment => Shape.Golden("deployment.json").Deserialize<Deployment>(Json.Tolerant)!;

    /// <summary>Ticks in which the errors rise.</summary>
    public static EvidenceDocument Evidence(int ticks = 12) => new(15, [.. Enumerable.Range(1, ticks).Select(n => new EvidenceTick(
        n, Noon.AddSeconds(15 * (n - 1)), Noon.AddSeconds(15 * n),
        new Dictionary<string, IReadOnlyDictionary<string, EvidenceReading>>
        {
            ["errors"] = new Dictionary<string, EvidenceReading>
            {
                ["candidate"] = new(null, n * 2, 100, null, "value", Noon.AddSeconds(15 * n), null),
                ["control"] = new(null, 1, 100, null, "value", Noon.AddSeconds(15 * n), null),
            },
        }))]);

    public static Alert Rollback(string key = "dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C/alert/1") => new(key, Occasions.Rollback, Severity.Critical, Noon, Deployment);

    public static Worded Worded(Alert alert) => new(alert, AlertText.Of(alert));
}
