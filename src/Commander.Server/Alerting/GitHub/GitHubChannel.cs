using System.Text.Json.Nodes;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Connections;

namespace Commander.Server.Alerting.GitHub;

/// <summary>
/// GitHub, or GitHub Enterprise Server: the verdict as a status of the commit, and of the deployment where GitHub knows one (label
/// <see cref="GitHubApi.DeploymentLabel"/>). Each status replaces the one before it, so nothing comes of saying it twice.
/// </summary>
internal sealed class GitHubChannel(AlertPolicy to, HttpClient http, TimeProvider clock, Func<string, string?> secret) : IAlertChannel
{
    private const string Announced = "announced";
    private const int MaxDescription = 140;
    private readonly ChannelHttp _channel = new(http, clock, to, secret);

    public int Most => 1;

    public async Task<Delivery> Tell(IReadOnlyList<Worded> alerts, CancellationToken cancel)
    {
        var (alert, text) = (alerts[0].Alert, alerts[0].Text);
        // A status is of a commit: what a test can show is that the token lets us in.
        if (alert.News is { Check: SystemNews.Test })
            return await Check(cancel) is { } failed ? new Delivery(Told.Later, Message: failed) : new Delivery(Told.Done, Message: "nothing was written: a status is of a commit; the repository and the token were asked for");
        if (alert.Deployment is not { } deployment)
            return new Delivery(Told.Refused, Message: $"{_channel.Name} has no place for news of the server itself: take system out of the entry's on");
        var (named, missing) = _channel.Value(to.To);
        if (missing is not null)
            return new Delivery(Told.Later, Message: missing);
        var repository = named == Announced ? deployment.Repository : named;
        if (repository is null || !GitHubApi.IsRepository(repository))
            return new Delivery(Told.Refused, Message: $"{_channel.Name} is not told: {(named == Announced ? "announce the deployment with repository" : "write the entry's repository")}, as owner/name");
        var commit = deployment.Commit is { Length: >= 7 and <= 64 } hash && hash.All(char.IsAsciiHexDigit) ? hash : null;
        var id = deployment.Labels.GetValueOrDefault(GitHubApi.DeploymentLabel) is { Length: > 0 and <= 19 } number && number.All(char.IsAsciiDigit) ? number : null;
        if (commit is null && id is null)
            return new Delivery(Told.Refused, Message: $"{_channel.Name} is not told: announce the deployment with commit, the full hash, or with the label {GitHubApi.DeploymentLabel}, GitHub's id of the deployment");
        var (token, wrong) = _channel.Token();
        if (wrong is not null || Start() is not { } start)
            return new Delivery(Told.Later, Message: wrong ?? $"{_channel.Name} is not told: the url of the entry is no address");
        var came = Delivery.Done;
        if (commit is not null)
            came = Worse(came, await Post(ChannelHttp.Below(start, $"repos/{repository}/statuses/{commit}"), Status(alert, deployment, text), token, cancel));
        if (id is not null)
            came = Worse(came, await Post(ChannelHttp.Below(start, $"repos/{repository}/deployments/{id}/statuses"), DeploymentStatus(alert, deployment, text), token, cancel));
        return came;
    }

    public async Task<string?> Check(CancellationToken cancel)
    {
        var (token, wrong) = _channel.Token();
        if (wrong is not null || Start() is not { } start)
            return wrong ?? "the url of the entry is no address";
        var repository = _channel.Value(to.To);
        if (repository.Wrong is { } missing)
            return missing;
        if (repository.Value != Announced && !GitHubApi.IsRepository(repository.Value!))
            return "the repository is not of the form owner/name";
        var path = repository.Value == Announced ? "rate_limit" : "repos/" + repository.Value;
        var answer = await _channel.Send(HttpMethod.Get, ChannelHttp.Below(start, path), null, "", request => GitHubApi.Dress(request, token), cancel);
        return answer.Ok ? null : answer.Why();
    }

    private Uri? Start() => Uri.TryCreate(to.Settings?.GetValueOrDefault("url") ?? GitHubApi.Usual, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" ? url : null;

    private async Task<Delivery> Post(Uri url, JsonObject body, string? token, CancellationToken cancel)
    {
        var answer = await _channel.Send(HttpMethod.Post, url, body, request => GitHubApi.Dress(request, token), cancel);
        var delivery = answer.Delivery();
        if (answer.Headers is null || answer.Ok)
            return delivery;
        var (limited, until) = GitHubApi.Limit(answer.Status, answer.Headers, answer.Text("message")?.Contains("rate limit", StringComparison.OrdinalIgnoreCase) == true, _channel.Now);
        return limited ? delivery with { State = Told.Later, RetryAfter = ChannelHttp.Bounded(until - _channel.Now) ?? delivery.RetryAfter } : delivery;
    }

    // What may still go well is tried again as a whole.
    private static Delivery Worse(Delivery one, Delivery other) => Rank(other) > Rank(one) ? other : one;

    private static int Rank(Delivery delivery) => delivery.State switch { Told.Later => 2, Told.Refused => 1, _ => 0 };

    private static JsonObject Status(Alert alert, Deployment deployment, AlertText text) => ChannelHttp.Object(
        ("state", StateOf(alert, deployment)),
        ("target_url", ChannelHttp.Web(text.Url)),
        ("description", Plain.Line(Says(text), MaxDescription)),
        ("context", Plain.Line("commander/" + deployment.Environment, 200)));

    // Without environment, so that the deployment there keeps its own name of it; what others deployed there before is not ours to end.
    private static JsonObject DeploymentStatus(Alert alert, Deployment deployment, AlertText text) => ChannelHttp.Object(
        ("state", StateOf(alert, deployment) is var state && state == "pending" ? "in_progress" : state),
        ("log_url", ChannelHttp.Web(text.Url)),
        ("description", Plain.Line(GitHubApi.Mark + Says(text), MaxDescription)),
        ("auto_inactive", false));

    /// <summary>error, failure, pending or success.</summary>
    internal static string StateOf(Alert alert, Deployment deployment) => alert.Occasion switch
    {
        Occasions.Rollback => "failure",
        Occasions.Continue => "success",
        Occasions.Failed => "error",
        Occasions.Hold => deployment.State == "closed" ? "error" : "pending",
        Occasions.Outcome when deployment.Outcome?.Label == "GOOD" => "success",
        Occasions.Outcome when deployment.Outcome?.Label == "BAD" => "failure",
        _ when deployment.Actions.Any(action => action is { Kind: "keep", State: "done" }) => "success",
        _ => deployment.Verdict?.Decision switch
        {
            "ROLLBACK" => "failure",
            "CONTINUE" => "success",
            _ => deployment.State == "closed" ? "error" : "pending",
        },
    };

    // GitHub shows it beside the commit: which deployment it is, everybody there knows.
    private static string Says(AlertText text) => text.Title.IndexOf(": ", StringComparison.Ordinal) is > 0 and var at ? $"{text.Title[..at]}: {text.Sentence}" : text.Sentence;
}
