using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Server.Alerting.Grafana;

/// <summary>
/// Annotations in Grafana: the time from the rollout's start to the verdict, with tags that a dashboard can filter by. Later news of
/// the same deployment changes the annotation. A check of the server is one too, until it holds again.
/// </summary>
internal sealed class GrafanaChannel(AlertPolicy to, HttpClient http, TimeProvider clock, Func<string, string?> secret) : IAlertChannel
{
    // As JSON, all tags together may have 500 characters unless Grafana is told otherwise.
    private const int MaxTag = 80;
    private const int MaxText = 1000;
    private readonly ChannelHttp _channel = new(http, clock, to, secret);

    public int Most => 1;

    public async Task<Delivery> Tell(IReadOnlyList<Worded> alerts, CancellationToken cancel)
    {
        var (start, token, wrong) = Settings();
        if (wrong is not null)
            return new Delivery(Told.Later, Message: wrong);
        var (alert, text) = (alerts[0].Alert, alerts[0].Text);
        if (alert.Reference is { Length: > 0 and <= 19 } id && id.All(char.IsAsciiDigit))
        {
            var changed = await Send(HttpMethod.Patch, ChannelHttp.Below(start!, "api/annotations/" + id), Annotation(alert, text, anew: false), token, cancel);
            // Somebody may have deleted it; then it is written anew.
            if (changed.Status != 404)
                return changed.Delivery(id);
        }

        var answer = await Send(HttpMethod.Post, ChannelHttp.Below(start!, "api/annotations"), Annotation(alert, text, anew: true), token, cancel);
        return answer.Delivery(answer.Text("id"));
    }

    public async Task<string?> Check(CancellationToken cancel)
    {
        var (start, token, wrong) = Settings();
        if (wrong is not null)
            return wrong;
        var health = await _channel.Send(HttpMethod.Get, ChannelHttp.Below(start!, "api/health"), null, "", null, cancel);
        if (!health.Ok)
            return health.Why();
        var org = await _channel.Send(HttpMethod.Get, ChannelHttp.Below(start!, "api/org"), null, "", Dress(token), cancel);
        // Who may write annotations need not be allowed to read this; a token that is none gets a 401.
        return org.Ok || org.Status == 403 ? null : org.Why();
    }

    private (Uri? Start, string? Token, string? Wrong) Settings()
    {
        var (url, wrong) = _channel.Address();
        string? token = null;
        if (wrong is null)
            (token, wrong) = _channel.Token();
        return (url, token, wrong);
    }

    private Task<ChannelAnswer> Send(HttpMethod method, Uri url, JsonObject body, string? token, CancellationToken cancel) => _channel.Send(method, url, body, Dress(token), cancel);

    private static Action<HttpRequestMessage> Dress(string? token) => request =>
    {
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
    };

    private JsonObject Annotation(Alert alert, AlertText text, bool anew)
    {
        var (from, until) = alert.Deployment is { } deployment ? Span(alert, deployment) : (alert.At, alert.At);
        // A check that holds again ends what began when it failed: that beginning stands there already.
        var begins = anew || alert.News is null;
        return ChannelHttp.Object(
            ("dashboardUID", anew && to.Settings?.GetValueOrDefault("dashboard") is { Length: > 0 } dashboard ? dashboard : null),
            ("time", begins ? from.ToUnixTimeMilliseconds() : null),
            ("timeEnd", until.ToUnixTimeMilliseconds()),
            ("tags", new JsonArray([.. Tags(alert).Select(tag => JsonValue.Create(Plain.Line(tag, MaxTag)))])),
            ("text", Html(alert, text)));
    }

    // From the rollout to the verdict; while there is none, until now.
    private static (DateTimeOffset From, DateTimeOffset Until) Span(Alert alert, Deployment deployment)
    {
        var decided = deployment.Verdicts.LastOrDefault(verdict => verdict.Decision != "HOLD")?.At ?? alert.At;
        return (deployment.StartedAt, decided > deployment.StartedAt ? decided : deployment.StartedAt);
    }

    private static IEnumerable<string> Tags(Alert alert)
    {
        if (alert.Deployment is not { } deployment)
            return ["commander", "check:" + alert.News!.Check];
        return
        [
            "deployment",
            "service:" + deployment.Service,
            "env:" + deployment.Environment,
            "version:" + deployment.Version,
            "verdict:" + (deployment.Verdict?.Decision ?? "none"),
            .. deployment.Outcome is { } outcome ? ["outcome:" + outcome.Label] : Array.Empty<string>(),
        ];
    }

    // Grafana shows it as HTML.
    private static string Html(Alert alert, AlertText text)
    {
        var words = $"{Escaped(text.Title)}\n{Escaped(text.Sentence)}";
        if (text.Done is { } done)
            words += $"\n{Escaped(done)}";
        return ChannelHttp.Web(text.Url) is { } page
            ? $"{words}\n<a href=\"{WebUtility.HtmlEncode(page)}\">{(alert.Deployment is null ? "All checks" : "Open in Commander")}</a>"
            : words;
    }

    private static string Escaped(string text) => WebUtility.HtmlEncode(Plain.Line(text, MaxText));
}
