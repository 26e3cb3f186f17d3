using Commander.Server.Storage;

namespace Commander.Server.Tests.Hosting.SelfChecks;

/// <summary>A store that a test can keep from writing, as a full disk does: it goes on reading.</summary>
internal sealed class BrokenStore(IFactStore store) : IFactStore, IStoreUpkeep
{
    private readonly IStoreUpkeep _upkeep = (IStoreUpkeep)store;

    public bool Broken { get; set; }

    public string? Trouble => Broken ? "the disk is full" : null;

    public Task Probe(CancellationToken cancel) => Broken ? Refused<int>() : _upkeep.Probe(cancel);

    public Task<bool> Append(Append append, CancellationToken cancel) => Broken ? Refused<bool>() : store.Append(append, cancel);

    public Task<Announced> Announce(Announcement announcement, CancellationToken cancel) => Broken ? Refused<Announced>() : store.Announce(announcement, cancel);

    public Task<IReadOnlyList<Fact>> Read(string stream, long afterSeq, int limit, CancellationToken cancel) => store.Read(stream, afterSeq, limit, cancel);

    public Task<DeploymentRow?> Find(string id, CancellationToken cancel) => store.Find(id, cancel);

    public Task<IReadOnlyList<DeploymentRow>> List(DeploymentFilter filter, CancellationToken cancel) => store.List(filter, cancel);

    public Task<IReadOnlyList<string>> Due(DateTimeOffset now, int limit, CancellationToken cancel) => store.Due(now, limit, cancel);

    public Task<IReadOnlyList<string>> Waiting(DateTimeOffset now, int limit, CancellationToken cancel) => store.Waiting(now, limit, cancel);

    public Task<int> Count(CancellationToken cancel) => store.Count(cancel);

    public Task<int> CountOpen(CancellationToken cancel) => store.CountOpen(cancel);

    public Task<IReadOnlyList<DeploymentRow>> History(string service, string environment, int limit, CancellationToken cancel) => store.History(service, environment, limit, cancel);

    public Task<IReadOnlyList<DeploymentRow>> RolledBack(string service, string environment, IReadOnlyCollection<string> versions, string except, CancellationToken cancel) =>
        store.RolledBack(service, environment, versions, except, cancel);

    public Task<IReadOnlyList<string>> StreamNames(string after, int limit, CancellationToken cancel) => _upkeep.StreamNames(after, limit, cancel);

    public Task<IReadOnlyList<(string Id, bool Open)>> Announced(string after, DateTimeOffset before, int limit, CancellationToken cancel) => _upkeep.Announced(after, before, limit, cancel);

    public Task<int> DropTicks(string id, int limit, CancellationToken cancel) => _upkeep.DropTicks(id, limit, cancel);

    public Task Put(DeploymentRow row, CancellationToken cancel) => _upkeep.Put(row, cancel);

    public Task RemoveRow(string id, CancellationToken cancel) => _upkeep.RemoveRow(id, cancel);

    public Task<DateTimeOffset?> Now(CancellationToken cancel) => _upkeep.Now(cancel);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static Task<T> Refused<T>() => Task.FromException<T>(new StoreUnavailableException("The disk is full. Free some space"));
}
