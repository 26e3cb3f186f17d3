using System.Text.Json;
using System.Text.Json.Nodes;
using Commander.Judging;
using Commander.Judging.Policies;
using Commander.Server.Connections;

namespace Commander.Server.Alerting.Webhook;

/// <summary>
/// Any program that takes CloudEvents: one a message, in structured mode, with the alert's words and the deployment as the API gives
/// it. Signed when the policy has a secret; the alert's key is the event's id and the Idempotency-Key, the same for every try.
/// </summary>
internal sealed class WebhookChannel(AlertPolicy to, HttpClient http, TimeProvider clock, Func<string, string?> secret) : IAlertChannel
{
    private const int MaxText = 800;
    private readonly ChannelHttp _channel = new(http, clock, to, secret);

    public int Most => 1;

    public async Task<Delivery> Tell(IReadOnlyList<Worded> alerts, CancellationToken cancel)
    {
        var (url, key, wrong) = Settings();
        if (wrong is not null)
            return new Delivery(Told.Later, Message: wrong);
        var body = ChannelHttp.Bytes(Event(alerts[0]));
        var answer = await _channel.Send(HttpMethod.Post, url!, body, "application/cloudevents+json", request =>
        {
            // A check may have a name that cannot stand in a header.
            request.Headers.Add("Idempotency-Key", alerts[0].Alert.Key.All(c => c is > ' ' and < '\x7f') ? alerts[0].Alert.Key : Uri.EscapeDataString(alerts[0].Alert.Key));
            if (key is not null)
                SignedBody.Sign(request, key, body, _channel.Now);
        }, cancel);
        return answer.Delivery();
    }

    // Whatever is posted there may be acted on.
    public Task<string?> Check(CancellationToken cancel) => Task.FromResult(Settings().Wrong);

    // Nothing is ever sent unsigned by accident.
    private (Uri? Url, string? Key, string? Wrong) Settings()
    {
        var (url, wrong) = _channel.Address();
        string? key = null;
        if (wrong is null && to.Settings?.GetValueOrDefault("secret") is { } reference)
            (key, wrong) = _channel.Value(reference);
        return (url, key, wrong);
    }

    private static JsonObject Event(Worded one)
    {
        var (alert, text) = (one.Alert, one.Text);
        return ChannelHttp.Object(
            ("specversion", "1.0"),
            ("id", alert.Key),
            ("source", Uri.TryCreate(text.Url, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" ? url.GetLeftPart(UriPartial.Authority) : "urn:commander"),
            ("type", alert.News is { } news ? $"io.commander.check.{(news.Ok ? "ok" : "failed")}" : "io.commander.deployment." + alert.Occasion),
            ("subject", alert.Deployment?.Id ?? alert.News!.Check),
            ("time", ChannelHttp.Time(alert.At)),
            ("datacontenttype", "application/json"),
            ("data", ChannelHttp.Object(
                ("alert", ChannelHttp.Object(
                    ("occasion", alert.Occasion),
                    ("severity", JsonSerializer.SerializeToNode(alert.Severity, Json.Tolerant)),
                    ("title", Line(text.Title)),
                    ("sentence", Line(text.Sentence)),
                    ("findings", JsonSerializer.SerializeToNode(text.Findings.Select(finding => finding with { Metric = Line(finding.Metric)!, Says = Line(finding.Says)! }), Json.Tolerant)),
                    ("confidence", Line(text.Confidence)),
                    ("done", Line(text.Done)),
                    ("next", Line(text.Next)),
                    ("url", text.Url))),
                ("deployment", JsonSerializer.SerializeToNode(alert.Deployment, Json.Tolerant)),
                ("check", JsonSerializer.SerializeToNode(alert.News, Json.Tolerant)))));
    }

    private static string? Line(string? text) => text is null ? null : Plain.Line(text, MaxText);
}
