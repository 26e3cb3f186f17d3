using System.Text.Json;
using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;
using Commander.Server.Storage;

namespace Commander.Server.Loop;

/// <summary>What a caller announces (design 5.2). Validated by intake. A version that is null is called by the deployment's id; the trigger is the body as it came, where the door gives it back.</summary>
internal sealed record Announcing(
    string Service,
    string Environment,
    string? Version,
    string? PreviousVersion,
    DateTimeOffset? StartedAt,
    string? Commit,
    string? Repository,
    string? ChangeUrl,
    IReadOnlyDictionary<string, string> Labels,
    string Kind,
    IReadOnlyDictionary<string, double>? Metrics,
    string Intake,
    string? IdempotencyKey,
    byte[] RequestHash,
    JsonElement? Trigger = null);

/// <summary>How the loop answered somebody who wants something of a deployment.</summary>
/// <param name="Status">202 accepted, 404 unknown, 409 when the state forbids it, 503 when nothing can be stored.</param>
/// <param name="Message">Why not, and what to do; null when accepted.</param>
/// <param name="Deployment">The deployment afterwards.</param>
internal sealed record Answer(int Status, string? Message, Deployment? Deployment);

/// <summary>A page of deployments.</summary>
internal sealed record DeploymentPage(IReadOnlyList<Deployment> Items, string? NextCursor);

/// <summary>One event of a deployment for those who watch live.</summary>
/// <param name="Id">The deployment.</param>
/// <param name="Seq">The fact's seq.</param>
/// <param name="Kind">tick, verdict, action, outcome or closed; for the stream of all deployments also received and state.</param>
internal readonly record struct LiveEvent(string Id, long Seq, string Kind);

/// <summary>Everything that intake, API, pages and the demo may ask of the loop.</summary>
internal interface IDeployments
{
    /// <summary>Step 1: accepts, joins or recognises an announcement, durably.</summary>
    Task<(AnnounceResult Result, Deployment? Deployment)> Announce(Announcing announcing, CancellationToken cancel);

    /// <summary>The deployment as it stands this moment; null when there is none.</summary>
    Task<Deployment?> Get(string id, CancellationToken cancel);

    /// <summary>A page, newest first. The cursor is the last page's <see cref="DeploymentPage.NextCursor"/>.</summary>
    Task<DeploymentPage> List(DeploymentFilter filter, CancellationToken cancel);

    /// <summary>All ticks; null when there is no such deployment.</summary>
    Task<EvidenceDocument?> Evidence(string id, CancellationToken cancel);

    /// <summary>The facts after a seq.</summary>
    Task<IReadOnlyList<Fact>> Facts(string id, long afterSeq, int limit, CancellationToken cancel);

    /// <summary>A person (or token) asks for a rollback or keeps the deployment.</summary>
    Task<Answer> Act(string id, string kind, string by, string? reason, CancellationToken cancel);

    /// <summary>A person says what it really was.</summary>
    Task<Answer> Label(string id, string label, string by, string? note, CancellationToken cancel);

    /// <summary>Something else says what it really was: a source of <see cref="Learning.OutcomeSources"/>. Saying it again adds nothing.</summary>
    Task<Answer> Label(string id, string label, string source, string by, string? note, CancellationToken cancel);

    /// <summary>Folds the stored facts again, with the pinned policy and model, or with others that are named by their content hash or as "current"; null when there is no such deployment. Throws <see cref="Judging.RefusedException"/> for a name that is not kept and for a judge that cannot replay.</summary>
    Task<ReplayAnswer?> Replay(string id, string? policy, string? model, string? judge, CancellationToken cancel);

    /// <summary>Live events, of one deployment or (id null) of all, until cancelled. Slow readers lose events, never block the loop: they read facts by seq.</summary>
    IAsyncEnumerable<LiveEvent> Watch(string? id, CancellationToken cancel);
}

/// <summary>What a replay says.</summary>
/// <param name="Verdict">The verdict that the fold gives now.</param>
/// <param name="Identical">Whether every compared field equals the stored one bit by bit.</param>
/// <param name="Differences">Which fields differ: name, stored, replayed.</param>
internal sealed record ReplayAnswer(Verdict? Verdict, bool Identical, IReadOnlyList<string> Differences);
