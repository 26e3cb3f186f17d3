using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Server.Alerting.PagerDuty;

/// <summary>
/// PagerDuty's Events API v2: a rollback, a hold, a failure or a failed check opens an incident, and its end resolves it, by the same
/// dedup_key. A deployment that carries on pages nobody: it is a change event, which responders find beside the next incident. All of it
/// may be sent twice without harm.
/// </summary>
internal sealed class PagerDutyChannel(AlertPolicy to, HttpClient http, TimeProvider clock, Func<string, string?> secret) : IAlertChannel
{
    private const string Usual = "https://events.pagerduty.com";
    private const int KeyLength = 32;
    private const int MaxDedupKey = 255;
    private const int MaxSummary = 1024;
    private const int MaxText = 800;
    private readonly ChannelHttp _channel = new(http, clock, to, secret);

    public int Most => 1;

    public async Task<Delivery> Tell(IReadOnlyList<Worded> alerts, CancellationToken cancel)
    {
        var (alert, text) = (alerts[0].Alert, alerts[0].Text);
        var action = ActionOf(alert);
        if (action is null)
            return Delivery.Done with { Reference = alert.Reference };
        var (key, wrong) = _channel.Value(to.To);
        if (wrong is not null)
            return new Delivery(Told.Later, Message: wrong);
        if (!Uri.TryCreate(to.Settings?.GetValueOrDefault("url") ?? Usual, UriKind.Absolute, out var url))
            return new Delivery(Told.Refused, Message: $"{_channel.Name} is not told: the url of the entry is no address");
        if (action == "change")
            return (await _channel.Send(HttpMethod.Post, ChannelHttp.Below(url, "v2/change/enqueue"), Change(key!, alert, text), null, cancel)).Delivery();
        var dedup = alert.Reference ?? DedupKey(alert);
        var answer = await _channel.Send(HttpMethod.Post, ChannelHttp.Below(url, "v2/enqueue"), Event(key!, action, dedup, alert, text), null, cancel);
        // A test shows that the way is open, and leaves nobody with an incident.
        if (alert.News is { Check: SystemNews.Test } && answer.Delivery(dedup).State == Told.Done)
            answer = await _channel.Send(HttpMethod.Post, ChannelHttp.Below(url, "v2/enqueue"), Event(key!, "resolve", dedup, alert, text), null, cancel);
        return answer.Delivery(dedup);
    }

    public Task<string?> Check(CancellationToken cancel)
    {
        // There is no question that would not be an event.
        var (key, wrong) = _channel.Value(to.To);
        return Task.FromResult(wrong ?? (key!.Length == KeyLength ? null : $"the routing key has {key.Length} characters; the integration key of an Events API v2 integration has {KeyLength}"));
    }

    /// <summary>trigger, resolve or change; null when there is nothing to say.</summary>
    internal static string? ActionOf(Alert alert)
    {
        if (alert.News is { } news)
            return news.Ok ? "resolve" : "trigger";
        var open = alert.Reference is not null;
        return alert.Occasion switch
        {
            Occasions.Rollback or Occasions.Hold or Occasions.Failed => "trigger",
            Occasions.Progress => Ended(alert.Deployment!) ? "resolve" : null,
            // Whoever was paged for a deployment that waited is let go when it carries on or was good.
            Occasions.Continue => open ? "resolve" : "change",
            // One news of what was said at once is told: that it was BAD may come with a rollback that is done.
            Occasions.Outcome => open && Ended(alert.Deployment!) ? "resolve" : null,
            _ => null,
        };
    }

    // A rollback that is done without the metrics having come back leaves somebody with work.
    private static bool Ended(Deployment deployment) =>
        deployment.Actions.Any(action => action is { Kind: "keep", State: "done" })
        || deployment.Actions.LastOrDefault(action => action.Kind == "rollback") is { State: "done", Recovered: true }
        || deployment.Outcome?.Label == "GOOD";

    private static string DedupKey(Alert alert)
    {
        var key = alert.News is { } news ? "commander/check/" + news.Check : "commander/" + alert.Deployment!.Id;
        return key.Length <= MaxDedupKey ? key : "commander/" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
    }

    private static JsonObject Event(string key, string action, string dedup, Alert alert, AlertText text)
    {
        var made = ChannelHttp.Object(("routing_key", key), ("event_action", action), ("dedup_key", dedup));
        if (action != "trigger")
            return made;
        made.Add("payload", ChannelHttp.Object(
            ("summary", Plain.Line($"{text.Title}. {text.Sentence}", MaxSummary)),
            ("source", Source(alert)),
            ("severity", alert.Severity switch { Severity.Critical => "critical", Severity.Warning => "warning", _ => "info" }),
            ("timestamp", ChannelHttp.Time(alert.At)),
            ("component", alert.Deployment?.Service ?? Plain.Line(alert.News!.Check, MaxDedupKey)),
            ("group", alert.Deployment?.Environment),
            ("class", alert.Occasion),
            ("custom_details", Details(alert, text))));
        made.Add("client", "Commander");
        if (ChannelHttp.Web(text.Url) is { } page)
            made.Add("client_url", page);
        made.Add("links", Links(alert, text));
        return made;
    }

    private static JsonObject Change(string key, Alert alert, AlertText text) => ChannelHttp.Object(
        ("routing_key", key),
        ("payload", ChannelHttp.Object(
            ("summary", Plain.Line($"{text.Title}. {text.Sentence}", MaxSummary)),
            ("source", Source(alert)),
            ("timestamp", ChannelHttp.Time(alert.At)),
            ("custom_details", Details(alert, text)))),
        ("links", Links(alert, text)));

    private static string Source(Alert alert) => alert.Deployment is { } deployment ? $"{deployment.Service} in {deployment.Environment}" : "commander";

    private static JsonObject Details(Alert alert, AlertText text) => ChannelHttp.Object(
        ("why", Plain.Line(text.Sentence, MaxText)),
        ("version", alert.Deployment?.Version),
        ("previous_version", alert.Deployment?.PreviousVersion),
        ("started_at", alert.Deployment is { } deployment ? ChannelHttp.Time(deployment.StartedAt) : null),
        ("confidence", text.Confidence is { } sure ? Plain.Line(sure, MaxText) : null),
        ("findings", text.Findings.Count == 0 ? null : new JsonArray([.. text.Findings.Select(finding => ChannelHttp.Object(
            ("metric", Plain.Line(finding.Metric, MaxText)),
            ("says", Plain.Line(finding.Says, MaxText)),
            ("chart", finding.Chart)))])),
        ("reasons", text.Reasons.Count == 0 ? null : new JsonArray([.. text.Reasons.Select(reason => JsonValue.Create(Plain.Line(reason, MaxText)))])),
        ("done", text.Done is { } done ? Plain.Line(done, MaxText) : null),
        ("next", text.Next is { } next ? Plain.Line(next, MaxText) : null));

    private static JsonArray? Links(Alert alert, AlertText text)
    {
        var links = new JsonArray();
        if (ChannelHttp.Web(text.Url) is { } page)
            links.Add(ChannelHttp.Object(("href", page), ("text", alert.Deployment is null ? "All checks" : "The deployment in Commander")));
        if (alert.Deployment?.ChangeUrl is { } announced && ChannelHttp.Web(announced) is { } change)
            links.Add(ChannelHttp.Object(("href", change), ("text", "The change")));
        return links.Count > 0 ? links : null;
    }
}
