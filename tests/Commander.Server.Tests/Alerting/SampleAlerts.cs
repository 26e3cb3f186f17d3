using System.Text.Json;
using Commander.Charts;
using Commander.Judging;
using Commander.Judging.Verdicts;
using Commander.Server.Alerting;

namespace Commander.Server.Tests.Alerting;

/// <summary>Alerts of the deployment that the contract shows, and what hostile hands would write into them.</summary>
internal static class SampleAlerts
{
    public const string Commit = "d6fde92930d4715a2b49857d24b940956b26d2d3";
    public static readonly DateTimeOffset Now = new(2026, 11, 23, 10, 31, 0, TimeSpan.Zero);

    /// <summary>Texts that mean something to one channel or another, or nothing to anybody.</summary>
    public static readonly string[] Hostile =
    [
        "**bold** _it_ ~~no~~ `code` ||spoiler|| [free beer](https://evil.example/x) ![x](https://evil.example/y)",
        "@everyone @here <@1234567890> <@&99> <#42> <!channel> <at>Ada</at> {{DATE(2026-01-01T00:00:00Z)}}",
        "# Head\r\n> quote\n- list\n1. one\n---\n```sh\nrm -rf /\n```",
        "</a><script>alert(1)</script><img src=x onerror=alert(1)> & \"quoted\" 'single'",
        "half \ud83d and \ude00 the other way round, \0\a\b\u001b[31m red, \u202Egnp.exe\u202C, zero\u200Bwidth, \u2028 line",
        new string('x', 200_000),
        string.Concat(Enumerable.Repeat("😀", 20_000)),
        string.Concat(Enumerable.Repeat("*_[", 20_000)),
        "",
    ];

    private static readonly Lazy<Deployment> Contract = new(() =>
        JsonSerializer.Deserialize<Deployment>(File.ReadAllText(Repository.At("tests/Commander.Server.Tests/Contract/deployment.json")), Json.Tolerant)!);

    /// <summary>Rolled back, recovered, closed.</summary>
    public static Deployment Deployment => Contract.Value with { Commit = Commit, Repository = "acme/checkout", Url = "http://commander.example/d/" + Contract.Value.Id };

    /// <summary>Just judged: nothing has been done yet.</summary>
    public static Deployment Judged => Deployment with { State = "acting", ClosedReason = null, Actions = [], Outcome = null };

    public static Deployment Carrying => Judged with
    {
        State = "observing",
        Verdict = Deployment.Verdict! with { Decision = "CONTINUE", Final = false, Reasoning = "no metric is worse" },
        Verdicts = [new VerdictEntry("CONTINUE", false, Now, "no metric is worse")],
    };

    public static Deployment Waiting => Judged with { State = "waiting_for_person", Verdict = null, Verdicts = [] };

    public static Deployment OnHold => Waiting with { State = "closed", ClosedReason = "on_hold" };

    public static Deployment Kept => Carrying with
    {
        State = "closed",
        ClosedReason = "decided",
        Actions = [new ActionEntry("keep", "done", Deployment.Id + "/keep/1", "checkout", "ada", Now, Now, null, null, "looked at it")],
    };

    public static Deployment RolledBack(bool? recovered) => Deployment with
    {
        Outcome = null,
        Actions = [new ActionEntry("rollback", "done", Deployment.Id + "/rollback/1", "kubernetes", "policy", Now, Now.AddSeconds(20), "1.41.3", recovered, null)],
    };

    public static Alert Of(string occasion, Deployment deployment, string? reference = null) =>
        new(deployment.Id + "/alert/1", occasion, Routing.SeverityOf(occasion), Now, deployment) { Reference = reference };

    public static Alert News(bool ok, string check = "source prom", string? reference = null) =>
        new($"check/{check}/alert/1", Occasions.System, Routing.SeverityOf(Occasions.System, bad: !ok), Now, null)
        {
            News = new SystemNews(check, ok, ok ? "it answers again" : "it has not answered for a minute", "http://commander.example/health"),
            Reference = reference,
        };

    public static Worded Worded(Alert alert) => new(alert, AlertText.Of(alert));

    public static Worded Rollback(string? reference = null) => Worded(Of(Occasions.Rollback, Judged, reference));

    /// <summary>An alert each of whose texts is the given one.</summary>
    public static Worded Saying(string text) => new(
        Of(Occasions.Rollback, Judged),
        new AlertText(text, text, [new AlertFinding(text, text, "▁▂█"), new AlertFinding(text, text, null), new AlertFinding(text, text, null)], text, text, text, [text, text], Deployment.Url, Tone.Bad));

    /// <summary>So many deployments of as many services, some rolled back and some carrying on.</summary>
    public static IReadOnlyList<Worded> Many(int count) =>
    [
        .. Enumerable.Range(0, count).Select(n => Worded(n % 3 == 0
            ? Of(Occasions.Continue, Carrying with { Id = $"dep-{n}", Service = Service(n), Url = $"http://commander.example/d/dep-{n}" })
            : Of(Occasions.Rollback, Judged with { Id = $"dep-{n}", Service = Service(n), Url = $"http://commander.example/d/dep-{n}" }))),
    ];

    public static string Service(int n) => $"svc-{n:000}-payments";
}
