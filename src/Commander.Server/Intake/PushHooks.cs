using System.Text.Json;
using Commander.Server.Learning;
using Commander.Server.Loop;
using Commander.Server.Storage;

namespace Commander.Server.Intake;

/// <summary>What was pushed.</summary>
/// <param name="Repository">Where to: acme/checkout; null where it is not said.</param>
/// <param name="Commits">Hash and message of the newest, bounded.</param>
internal sealed record Push(string? Repository, IReadOnlyList<(string Sha, string Message)> Commits);

/// <summary>A push says what an earlier deployment really was, where a commit of it takes that one back or mends it.</summary>
internal static class PushHooks
{
    private const int MostCommits = 20;
    private const int MostText = 64 * 1024;
    private const int MostDeployments = 500;
    private const int MostLabels = 20;

    public static Push? OfGitHub(IHeaderDictionary headers, JsonElement body) =>
        headers["X-GitHub-Event"] == "push" ? Of(body, Hooks.Text(body, "repository", "full_name")) : null;

    public static Push? OfGitLab(IHeaderDictionary headers, JsonElement body) =>
        Hooks.Text(body, "object_kind") == "push" ? Of(body, Hooks.Text(body, "project", "path_with_namespace")) : null;

    public static async Task<IResult> Take(Push push, IDeployments deployments, TimeProvider clock, CancellationToken cancel)
    {
        var named = push.Commits.SelectMany(commit => Mentions.In(commit.Message).Select(mention => (commit.Sha, commit.Message, mention.Source, mention.Name))).Take(MostLabels).ToList();
        if (named.Count == 0)
            return Results.Json(new Labelled(null, "the event push: no commit of it says that it reverts or fixes a deployment"));
        var page = await deployments.List(new DeploymentFilter(Since: clock.GetUtcNow() - Mentions.Back, Limit: MostDeployments), cancel);
        var labelling = new Labelling(deployments);
        foreach (var (sha, message, source, name) in named)
        {
            var (meant, why) = Mentions.Meant(page.Items, name, push.Repository);
            if (why is not null)
                labelling.Ignore(why);
            var by = push.Repository is null ? Short(sha) : $"{Short(sha)} {push.Repository}";
            foreach (var deployment in meant)
                await labelling.Bad(deployment.Id, source, by, message.Split('\n')[0], cancel);
        }

        return labelling.Answer();
    }

    private static string Short(string sha) => Outcomes.Kept(sha, 12) is { } kept ? kept[..Math.Min(kept.Length, 10)] : "a commit";

    // The newest stand last.
    private static Push Of(JsonElement body, string? repository)
    {
        var commits = new List<(string Sha, string Message)>();
        if (body.ValueKind == JsonValueKind.Object && body.TryGetProperty("commits", out var all) && all.ValueKind == JsonValueKind.Array)
        {
            var left = MostText;
            foreach (var commit in all.EnumerateArray().Reverse().Take(MostCommits))
            {
                if (Hooks.Text(commit, "id") is not { } sha || Hooks.Text(commit, "message") is not { } message)
                    continue;
                message = message[..Math.Min(message.Length, left)];
                left -= message.Length;
                commits.Add((sha, message));
            }
        }

        return new Push(repository, commits);
    }
}

/// <summary>What came of an event that says what deployments really were.</summary>
/// <param name="Labels">What was labelled, also when it had that label already; null for nothing.</param>
/// <param name="Ignored">What was not, and why; null for nothing.</param>
internal sealed record Labelled(
    [property: System.Text.Json.Serialization.JsonPropertyName("labelled"), System.Text.Json.Serialization.JsonIgnore(Condition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<Labelled.One>? Labels,
    [property: System.Text.Json.Serialization.JsonPropertyName("ignored"), System.Text.Json.Serialization.JsonIgnore(Condition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull)] string? Ignored)
{
    internal sealed record One(string Deployment, string Label, string Source, string By);
}

/// <summary>Labels the deployments that one event names, and keeps what to answer.</summary>
internal sealed class Labelling(IDeployments deployments)
{
    private const int MostSaid = 20;
    private readonly List<Labelled.One> _labelled = [];
    private readonly List<string> _ignored = [];

    /// <summary>Says that something is not labelled, and why.</summary>
    public void Ignore(string why)
    {
        if (_ignored.Count < MostSaid && !_ignored.Contains(why))
            _ignored.Add(why);
    }

    /// <summary>Labels one BAD. What cannot be stored now throws: whoever sent it sends it again, and what was labelled by then is not labelled twice.</summary>
    public async Task Bad(string id, string source, string by, string? note, CancellationToken cancel)
    {
        var answer = await deployments.Label(id, Outcomes.Bad, source, by, Outcomes.Kept(note, Outcomes.MaxBy), cancel);
        if (answer.Status == StatusCodes.Status202Accepted)
            _labelled.Add(new Labelled.One(id, Outcomes.Bad, source, by));
        else if (answer.Status is StatusCodes.Status404NotFound or StatusCodes.Status409Conflict)
            Ignore($"{id}: {answer.Message}");
        else
            throw new StoreUnavailableException(answer.Message ?? "it could not be stored");
    }

    public IResult Answer() => Results.Json(
        new Labelled(_labelled.Count > 0 ? _labelled : null, _ignored.Count > 0 ? string.Join("; ", _ignored) : null),
        statusCode: _labelled.Count > 0 ? StatusCodes.Status202Accepted : StatusCodes.Status200OK);
}
