using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;
using Commander.Server.Alerting;

namespace Commander.Server.Tests.Alerting;

/// <summary>Alerts to tell Slack of.</summary>
internal static class SlackAlerts
{
    public const string Id = "dep-01KB5T0Z8JQ4N2W7X9Y3RDSEFG";
    public static readonly DateTimeOffset Start = new(2026, 11, 28, 12, 0, 0, TimeSpan.Zero);

    public static Deployment Deployment(
        string state = "acting", string decision = "ROLLBACK", string service = "checkout", string version = "1.42.0", string environment = "prod", string? previous = "1.41.0",
        string id = Id, string reason = "errors above control", int findings = 1, string url = "http://127.0.0.1:5080/d/dep-1", params ActionEntry[] actions) =>
        new(
            id, service, environment, version, previous, state, state == "closed" ? "decided" : null, Start, Start, Start.AddMinutes(30), new PolicyReference("checkout", "sha256:1"), "control",
            new Verdict(
                decision, state == "closed", 0.97, 0.97, 27, reason,
                [.. Enumerable.Range(0, findings).Select(n => new Finding(n == 0 ? "errors" : $"errors {n} {reason}", "error", "ratio", 25.3, 0.4, "control", 24.9, 20.1, 29.8, "%", 2, "worse", "value", reason, "sum(x)"))],
                new Opinion(decision, 0.9, reason, true, "a model", []), "shipped-1", "commander", Start.AddSeconds(20), 20_000),
            [new VerdictEntry(decision, false, Start.AddSeconds(20), reason)], actions, null, url);

    public static Worded Of(string occasion, Deployment? deployment = null, int n = 1, string? reference = null, bool inDoubt = false)
    {
        var about = deployment ?? Deployment();
        var alert = new Alert($"{about.Id}/alert/{n}", occasion, Severity.Critical, Start.AddSeconds(20 + n), about)
        {
            Reference = reference,
            InDoubt = inDoubt,
            Evidence = new EvidenceDocument(1, []),
        };
        return new Worded(alert, AlertText.Of(alert));
    }

    public static Worded News(string check, bool ok, string message)
    {
        var alert = new Alert("system/alert/1", Occasions.System, Severity.Warning, Start, null) { News = new SystemNews(check, ok, message, "http://127.0.0.1:5080/health") };
        return new Worded(alert, AlertText.Of(alert));
    }

    public static ActionEntry RolledBack(string state = "done") =>
        new("rollback", state, Id + "/rollback/1", "deployment/checkout", "policy", Start.AddSeconds(21), state == "done" ? Start.AddSeconds(25) : null, "1.41.0", state == "done" ? true : null, null);
}
