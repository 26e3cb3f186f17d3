using Commander.Server.Loop;
using Commander.Server.Storage;

namespace Commander.Server.Tests.Loop.Simulated;

/// <summary>A store as one process sees it when something is wrong with it on purpose.</summary>
internal sealed class FaultyStore(SimulatedStore store, PlantedFault fault) : IFactStore
{
    private readonly Dictionary<string, List<Fact>> _held = new(StringComparer.Ordinal);

    public Task<Announced> Announce(Announcement announcement, CancellationToken cancel) => store.Announce(announcement, cancel);

    public async Task<bool> Append(Append append, CancellationToken cancel)
    {
        if (fault == PlantedFault.IntentAfterEffect)
        {
            var stream = append.Facts[0].Stream;
            if (_held.Remove(stream, out var held))
                append = append with { Facts = [.. held, .. append.Facts] };
            if (append.Facts.Any(fact => fact.Kind == FactKind.Intent))
            {
                _held[stream] = [.. append.Facts];
                return true;
            }
        }

        if (fault == PlantedFault.TimerLost)
            append = append with { Row = append.Row is { } row ? row with { DueAt = null } : null, DueAt = null };
        return await store.Append(append, cancel) || fault == PlantedFault.NoFence;
    }

    public async Task<IReadOnlyList<Fact>> Read(string stream, long afterSeq, int limit, CancellationToken cancel) => await store.Read(stream, afterSeq, limit, cancel);

    public Task<DeploymentRow?> Find(string id, CancellationToken cancel) => store.Find(id, cancel);

    public Task<IReadOnlyList<DeploymentRow>> List(DeploymentFilter filter, CancellationToken cancel) => store.List(filter, cancel);

    public Task<IReadOnlyList<string>> Due(DateTimeOffset now, int limit, CancellationToken cancel) =>
        store.Due(now, limit, cancel);

    public Task<IReadOnlyList<string>> Waiting(DateTimeOffset now, int limit, CancellationToken cancel) =>
        store.Waiting(now, limit, cancel);

    public Task<int> Count(CancellationToken cancel) => store.Count(cancel);

    public Task<int> CountOpen(CancellationToken cancel) => store.CountOpen(cancel);

    public Task<IReadOnlyList<DeploymentRow>> History(string service, string environment, int limit, CancellationToken cancel) => store.History(service, environment, limit, cancel);

    public Task<IReadOnlyList<DeploymentRow>> RolledBack(string service, string environment, IReadOnlyCollection<string> versions, string except, CancellationToken cancel) =>
        store.RolledBack(service, environment, versions, except, cancel);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
