using Commander.Server.Storage;

namespace Commander.Server.Tests.Loop.Simulated;

/// <summary>A store in memory, with what the other stores promise: a transaction is all or nothing, and a fact follows the stream's last or is refused.</summary>
internal sealed class SimulatedStore(TimeProvider clock) : IFactStore
{
    private readonly Dictionary<string, List<Fact>> _streams = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, DeploymentRow> _rows = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (byte[] Hash, string Id, DateTimeOffset At)> _keys = new(StringComparer.Ordinal);

    public IEnumerable<DeploymentRow> Rows => _rows.Values;

    public IReadOnlyList<Fact> Stream(string stream) => _streams.TryGetValue(stream, out var facts) ? facts : [];

    public Task<Announced> Announce(Announcement announcement, CancellationToken cancel)
    {
        var (row, key, now) = (announcement.Row, announcement.IdempotencyKey, clock.GetUtcNow());
        if (key is not null && _keys.TryGetValue(key, out var known) && known.At > now - IdempotencyKeys.Life)
            return Task.FromResult(new Announced(known.Hash.AsSpan().SequenceEqual(announcement.RequestHash) ? AnnounceResult.Repeated : AnnounceResult.KeyReused, known.Id, []));
        var own = Of(row.Service, row.Environment).ToList();
        if (!row.Snapshot && ToJoin(own, row, row.ReceivedAt - announcement.JoinWindow) is { } joined)
        {
            Remember(joined);
            return Task.FromResult(new Announced(AnnounceResult.Joined, joined, []));
        }

        string[] superseded = [.. own.Where(other => other.Open && other.Version != row.Version).Select(other => other.Id)];
        foreach (var older in superseded)
            _rows[older] = _rows[older] with { DueAt = _rows[older].DueAt is { } due && due < now ? due : now };
        _streams.Add(announcement.Fact.Stream, [announcement.Fact]);
        _rows.Add(row.Id, row);
        Remember(row.Id);
        return Task.FromResult(new Announced(AnnounceResult.Accepted, row.Id, superseded));

        void Remember(string id)
        {
            if (key is not null)
                _keys[key] = (announcement.RequestHash, id, now);
        }
    }

    public Task<bool> Append(Append append, CancellationToken cancel)
    {
        var stream = append.Facts[0].Stream;
        var facts = _streams.TryGetValue(stream, out var known) ? known : [];
        var end = facts.Count == 0 ? FactChain.Start(stream) : FactChain.After(stream, facts[^1].Seq, facts[^1].Hash);
        if (end.Next(append.Facts[0]) is not null)
            return Task.FromResult(false);
        _streams[stream] = facts;
        facts.AddRange(append.Facts);
        if (append.Row is { } row)
            _rows[row.Id] = row;
        else if (append.DueAt is { } due && _rows.TryGetValue(stream[Streams.Deployment.Length..], out var only) && only.Open)
            _rows[only.Id] = only with { DueAt = due };
        return Task.FromResult(true);
    }

    public Task<IReadOnlyList<Fact>> Read(string stream, long afterSeq, int limit, CancellationToken cancel) =>
        Task.FromResult<IReadOnlyList<Fact>>([.. Stream(stream).Where(fact => fact.Seq > afterSeq).Take(limit)]);

    public Task<DeploymentRow?> Find(string id, CancellationToken cancel) => Task.FromResult(_rows.GetValueOrDefault(id));

    public Task<IReadOnlyList<DeploymentRow>> List(DeploymentFilter filter, CancellationToken cancel) => Task.FromResult<IReadOnlyList<DeploymentRow>>(
    [
        .. _rows.Values.Reverse()
            .Where(row => (filter.Service is null || row.Service == filter.Service)
                && (filter.Environment is null || row.Environment == filter.Environment)
                && (filter.Decision is null || row.Decision == filter.Decision)
                && (filter.Open is null || row.Open == filter.Open)
                && (filter.Since is null || row.ReceivedAt >= filter.Since)
                && (filter.BeforeId is null || string.CompareOrdinal(row.Id, filter.BeforeId) < 0))
            .Skip(filter.Skip).Take(filter.Limit),
    ]);

    public Task<IReadOnlyList<string>> Due(DateTimeOffset now, int limit, CancellationToken cancel) => Task.FromResult(By(now, limit, queued: false));

    public Task<IReadOnlyList<string>> Waiting(DateTimeOffset now, int limit, CancellationToken cancel) => Task.FromResult(By(now, limit, queued: true));

    public Task<int> Count(CancellationToken cancel) => Task.FromResult(_rows.Count);

    public Task<int> CountOpen(CancellationToken cancel) => Task.FromResult(_rows.Values.Count(row => row.Open));

    public Task<IReadOnlyList<DeploymentRow>> History(string service, string environment, int limit, CancellationToken cancel) =>
        Task.FromResult<IReadOnlyList<DeploymentRow>>([.. Of(service, environment).Where(Tells).Reverse().Take(limit)]);

    public Task<IReadOnlyList<DeploymentRow>> RolledBack(string service, string environment, IReadOnlyCollection<string> versions, string except, CancellationToken cancel) =>
        Task.FromResult<IReadOnlyList<DeploymentRow>>(
        [
            .. versions.Distinct(StringComparer.Ordinal)
                .Select(version => Of(service, environment).LastOrDefault(row => row.Version == version && row.Id != except && Tells(row)))
                .OfType<DeploymentRow>()
                .Where(row => row.RolledBackAt is not null),
        ]);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static bool Tells(DeploymentRow row) => row.RolledBackAt is not null || row is { Open: false, Decision: "CONTINUE" };

    private static string? ToJoin(List<DeploymentRow> own, DeploymentRow row, DateTimeOffset since)
    {
        var same = own.LastOrDefault(other => other.Version == row.Version && !other.Snapshot && other.Open)
            ?? own.LastOrDefault(other => other.Version == row.Version && !other.Snapshot && other.StartedAt >= since);
        return same?.Id ?? (own is [.., { } newest] && newest.RolledBackTo == row.Version && (newest.Open || newest.RolledBackAt >= since) ? newest.Id : null);
    }

    private IEnumerable<DeploymentRow> Of(string service, string environment) => _rows.Values.Where(row => row.Service == service && row.Environment == environment);

    private IReadOnlyList<string> By(DateTimeOffset now, int limit, bool queued) =>
        [.. _rows.Values.Where(row => row.DueAt <= now && row.State == "queued" == queued).OrderBy(row => !row.Open).ThenBy(row => row.DueAt).ThenBy(row => row.Id, StringComparer.Ordinal).Take(limit).Select(row => row.Id)];
}
