namespace Commander.Server.Storage;

/// <summary>The read table's row of a deployment. Written in the transaction of the facts that change it; can be rebuilt from them.</summary>
/// <param name="Id">dep- and a ULID: ids sort by time.</param>
/// <param name="Service">The service.</param>
/// <param name="Environment">The environment.</param>
/// <param name="Version">The version.</param>
/// <param name="State">queued, watching, waiting_for_person, acting, verifying, observing or closed.</param>
/// <param name="ClosedReason">decided, on_hold, superseded, cancelled, failed; null while open.</param>
/// <param name="Decision">The newest verdict's word; null before the first.</param>
/// <param name="StartedAt">When the rollout began.</param>
/// <param name="ReceivedAt">When it was announced.</param>
/// <param name="DueAt">When the owner must be awake next; null once closed and everybody is told. A sweep wakes what is overdue.</param>
/// <param name="RolledBackAt">When a rollback of it was done; null when none was.</param>
/// <param name="RolledBackTo">The version that it is or was rolled back to, from the intent on: an announcement of that version is Commander's own change and joins.</param>
/// <param name="Snapshot">Whether it carries a metrics snapshot: such announcements never join.</param>
/// <param name="Document">The deployment resource as JSON (design 5.2), as of the row's last fact.</param>
internal sealed record DeploymentRow(
    string Id,
    string Service,
    string Environment,
    string Version,
    string State,
    string? ClosedReason,
    string? Decision,
    DateTimeOffset StartedAt,
    DateTimeOffset ReceivedAt,
    DateTimeOffset? DueAt,
    DateTimeOffset? RolledBackAt,
    string? RolledBackTo,
    bool Snapshot,
    byte[] Document)
{
    /// <summary>Whether the watch still goes on.</summary>
    public bool Open => State != "closed";
}

/// <summary>A deployment that asks to be accepted.</summary>
/// <param name="Fact">The first fact of its stream (seq 1).</param>
/// <param name="Row">Its row.</param>
/// <param name="IdempotencyKey">The caller's key; null for none.</param>
/// <param name="RequestHash">SHA-256 of the request body, compared when the key is repeated.</param>
/// <param name="JoinWindow">An announcement of the same service, environment and version joins a watch that is open, or whose <see cref="DeploymentRow.StartedAt"/> is no longer than this before <see cref="DeploymentRow.ReceivedAt"/>.</param>
/// <param name="MaxOpen">How many deployments of its service may be open, in all environments. One that is known, joins or supersedes is taken all the same; nodes that are asked at once may pass it by a group of writes.</param>
internal sealed record Announcement(Fact Fact, DeploymentRow Row, string? IdempotencyKey, byte[] RequestHash, TimeSpan JoinWindow, int MaxOpen = int.MaxValue);

/// <summary>How long idempotency keys are kept.</summary>
internal static class IdempotencyKeys
{
    /// <summary>How long a repeated key is recognised.</summary>
    public static readonly TimeSpan Life = TimeSpan.FromHours(24);

    /// <summary>How often those that have outlived it are deleted.</summary>
    public static readonly TimeSpan PurgeEvery = TimeSpan.FromMinutes(10);
}

/// <summary>What became of an announcement.</summary>
internal enum AnnounceResult
{
    /// <summary>Stored: a new watch.</summary>
    Accepted,
    /// <summary>It belongs to a watch that is there already; nothing was stored but the idempotency key.</summary>
    Joined,
    /// <summary>The idempotency key was used before with the same body.</summary>
    Repeated,
    /// <summary>The idempotency key was used before with another body.</summary>
    KeyReused,
    /// <summary>The service has too many open watches already; nothing was stored.</summary>
    Crowded,
}

/// <summary>The answer to an announcement.</summary>
/// <param name="Result">What became of it.</param>
/// <param name="Id">The deployment it belongs to.</param>
/// <param name="Superseded">Open watches of the same service and environment with another version, which the new one supersedes.</param>
internal sealed record Announced(AnnounceResult Result, string Id, IReadOnlyList<string> Superseded);

/// <summary>Facts for one stream, and what changes with them, in one transaction.</summary>
/// <param name="Facts">At least one, following each other; the first's seq must be the stream's next and its hash follow from the stream's last.</param>
/// <param name="Row">The deployment's row after them; null for other streams.</param>
/// <param name="DueAt">When only the due time changes: the id's new due time (<paramref name="Row"/> null).</param>
internal sealed record Append(IReadOnlyList<Fact> Facts, DeploymentRow? Row, DateTimeOffset? DueAt = null);

/// <summary>Which deployments are asked for; every part is optional. Since looks at when they were announced; BeforeId is the last id of the page before; Skip passes over so many of the newest.</summary>
internal sealed record DeploymentFilter(
    string? Service = null,
    string? Environment = null,
    string? Decision = null,
    bool? Open = null,
    DateTimeOffset? Since = null,
    string? BeforeId = null,
    int Limit = 50,
    int Skip = 0);

/// <summary>
/// The store cannot take the work now (disk full, database away, closed, queue full): answered with 503 and this reason.
/// When the message says that it is not known whether the work was stored, who asks again learns it: an announcement joins or
/// its key is known, an append no longer follows.
/// </summary>
internal sealed class StoreUnavailableException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Facts and read tables. Every call answers only after its commit is durable.</summary>
internal interface IFactStore : IAsyncDisposable
{
    /// <summary>Accepts, joins or recognises an announcement, atomically. What it supersedes is due at once, in the same transaction.</summary>
    Task<Announced> Announce(Announcement announcement, CancellationToken cancel);

    /// <summary>Appends; false when the stream has moved on (somebody else owns it now): the caller throws its state away and reads again.</summary>
    Task<bool> Append(Append append, CancellationToken cancel);

    /// <summary>A stream's facts after <paramref name="afterSeq"/>, in order, at most <paramref name="limit"/>.</summary>
    Task<IReadOnlyList<Fact>> Read(string stream, long afterSeq, int limit, CancellationToken cancel);

    /// <summary>One deployment's row.</summary>
    Task<DeploymentRow?> Find(string id, CancellationToken cancel);

    /// <summary>Rows, newest id first.</summary>
    Task<IReadOnlyList<DeploymentRow>> List(DeploymentFilter filter, CancellationToken cancel);

    /// <summary>Ids of deployments whose owner is overdue: those under way before those that are closed and of whom something is to be told, most overdue first.</summary>
    Task<IReadOnlyList<string>> Due(DateTimeOffset now, int limit, CancellationToken cancel);

    /// <summary>Ids of queued deployments that could have begun by then, the longest waiting first.</summary>
    Task<IReadOnlyList<string>> Waiting(DateTimeOffset now, int limit, CancellationToken cancel);

    /// <summary>The number of all deployments.</summary>
    Task<int> Count(CancellationToken cancel);

    /// <summary>The number of open deployments.</summary>
    Task<int> CountOpen(CancellationToken cancel);

    /// <summary>Rows of a service and environment that closed as CONTINUE or were rolled back (open ones too): what versions are chosen by and cool-downs counted from. Newest first, at most <paramref name="limit"/>.</summary>
    Task<IReadOnlyList<DeploymentRow>> History(string service, string environment, int limit, CancellationToken cancel);

    /// <summary>
    /// Which of these versions of a service and environment were rolled back and did not close as CONTINUE since: per version the row
    /// that says so, however many deployments there are. The deployment <paramref name="except"/> is passed over.
    /// </summary>
    Task<IReadOnlyList<DeploymentRow>> RolledBack(string service, string environment, IReadOnlyCollection<string> versions, string except, CancellationToken cancel);
}

/// <summary>What keeps a store small and whole, beside the work. Every call is one short step: nobody who writes waits long for it.</summary>
internal interface IStoreUpkeep
{
    /// <summary>Names of streams after <paramref name="after"/> ("" for the first), in the order of their bytes, at most <paramref name="limit"/>.</summary>
    Task<IReadOnlyList<string>> StreamNames(string after, int limit, CancellationToken cancel);

    /// <summary>Ids of deployments after <paramref name="after"/> ("" for the first) that were announced before an instant, with whether they are open, in their order, at most <paramref name="limit"/>.</summary>
    Task<IReadOnlyList<(string Id, bool Open)>> Announced(string after, DateTimeOffset before, int limit, CancellationToken cancel);

    /// <summary>Drops the bodies of a closed deployment's ticks, at most <paramref name="limit"/>; their hashes stay. How many were dropped.</summary>
    Task<int> DropTicks(string id, int limit, CancellationToken cancel);

    /// <summary>Puts a deployment's row in the place of the one that is there, or where none is.</summary>
    Task Put(DeploymentRow row, CancellationToken cancel);

    /// <summary>Why the last write failed; null when it did not.</summary>
    string? Trouble { get; }

    /// <summary>Writes something of no meaning, to see whether it can.</summary>
    Task Probe(CancellationToken cancel);

    /// <summary>What the clock of a database on another machine says; null where the store has this machine's.</summary>
    Task<DateTimeOffset?> Now(CancellationToken cancel);

    /// <summary>Removes the row of a deployment that has no facts.</summary>
    Task RemoveRow(string id, CancellationToken cancel);
}
