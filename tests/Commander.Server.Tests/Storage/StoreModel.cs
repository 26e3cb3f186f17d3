using System.Security.Cryptography;
using System.Text;
using Commander.Server.Storage;
using CsCheck;
using static Commander.Server.Tests.Storage.Written;

namespace Commander.Server.Tests.Storage;

/// <summary>One step of a random history.</summary>
internal abstract record Step
{
    /// <summary>Random histories of a service.</summary>
    public static Gen<Step[]> Histories { get; } = Gen.OneOf(
        Gen.Select(Gen.Int[1, 3], Gen.Int[0, 3], Gen.Bool, Gen.Int[0, 400], (version, key, snapshot, seconds) =>
            (Step)new Announces(version.ToString(), key == 0 ? null : "key-" + key, snapshot, seconds)),
        Gen.Select(Gen.Int[0, 7], Gen.Int[-1, 1], Gen.Int[1, 3], Gen.Int[0, 3], (stream, shift, count, how) =>
            (Step)new Appends(stream, shift, count, how))).Array[1, 25];

    /// <summary>Announces a version, some seconds after the last step.</summary>
    internal sealed record Announces(string Version, string? Key, bool Snapshot, int Seconds) : Step;

    /// <summary>Appends to the n-th stream, at its end or one off; how: 0 facts alone, 1 due time, 2 a verdict, 3 closes.</summary>
    internal sealed record Appends(int Stream, int Shift, int Count, int How) : Step;
}

/// <summary>What a store should answer, said the simple way, beside a store that is asked the same.</summary>
internal sealed class StoreModel(IFactStore store, DateTimeOffset now)
{
    private readonly Dictionary<string, List<Fact>> _streams = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, DeploymentRow> _rows = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (string Hash, string Id)> _keys = new(StringComparer.Ordinal);
    private readonly DateTimeOffset _clock = now;
    private DateTimeOffset _at = now;
    private int _number;

    public async Task Run(IEnumerable<Step> steps, CancellationToken cancel)
    {
        foreach (var step in steps)
        {
            switch (step)
            {
                case Step.Announces announces:
                    await Announce(announces, cancel);
                    break;
                case Step.Appends appends when _rows.Count > 0:
                    await Append(appends, cancel);
                    break;
            }
        }

        await Compare(cancel);
    }

    private async Task Announce(Step.Announces step, CancellationToken cancel)
    {
        _at = _at.AddSeconds(step.Seconds);
        var row = Row(++_number, version: step.Version, at: _at, snapshot: step.Snapshot);
        var announcement = Announcement(row, step.Key, request: step.Version);
        var hash = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(step.Version)));

        AnnounceResult result;
        string id;
        string[] superseded = [];
        if (step.Key is not null && _keys.TryGetValue(step.Key, out var known))
        {
            (result, id) = (known.Hash == hash ? AnnounceResult.Repeated : AnnounceResult.KeyReused, known.Id);
        }
        else
        {
            var joined = step.Snapshot ? null : _rows.Values
                .Where(r => r.Version == step.Version && !r.Snapshot && (r.Open || _at - r.StartedAt <= JoinWindow))
                .OrderByDescending(r => r.Open).ThenByDescending(r => r.Id, StringComparer.Ordinal)
                .FirstOrDefault();
            (result, id) = joined is null ? (AnnounceResult.Accepted, row.Id) : (AnnounceResult.Joined, joined.Id);
            if (joined is null)
            {
                superseded = [.. _rows.Values.Where(r => r.Open && r.Version != step.Version).Select(r => r.Id)];
                foreach (var old in superseded)
                {
                    _rows[old] = _rows[old] with { DueAt = _rows[old].DueAt < _clock ? _rows[old].DueAt : _clock };
                }

                _rows[row.Id] = row;
                _streams[Streams.Of(row.Id)] = [announcement.Fact];
            }

            if (step.Key is not null)
            {
                _keys[step.Key] = (hash, id);
            }
        }

        var announced = await store.Announce(announcement, cancel);
        announced.Result.ShouldBe(result);
        announced.Id.ShouldBe(id);
        announced.Superseded.ShouldBe(superseded);
    }

    private async Task Append(Step.Appends step, CancellationToken cancel)
    {
        var row = _rows.Values.ElementAt(step.Stream % _rows.Count);
        var facts = _streams[Streams.Of(row.Id)];
        // One too early: the owner has not seen the last fact. One too late: a gap.
        var last = step.Shift switch
        {
            0 => facts[^1],
            > 0 => Following(facts[^1], 1)[0],
            _ => facts.Count > 1 ? facts[^2] : facts[^1],
        };
        var follows = last == facts[^1];
        var next = Following(last, step.Count, "tick");
        var due = _at.AddSeconds(step.Count);
        var after = step.How switch
        {
            2 => row with { Decision = row.Open ? "CONTINUE" : row.Decision },
            3 => row with { State = "closed", ClosedReason = "decided", DueAt = null },
            _ => null,
        };

        var stored = await store.Append(new Append(next, after, step.How == 1 ? due : null), cancel);

        stored.ShouldBe(follows);
        if (follows)
        {
            facts.AddRange(next);
            _rows[row.Id] = after ?? (step.How == 1 && row.Open ? row with { DueAt = due } : row);
        }
    }

    private async Task Compare(CancellationToken cancel)
    {
        var newestFirst = _rows.Values.Reverse().ToArray();
        (await Listed(new())).ShouldBe(newestFirst.Select(Words));
        (await Listed(new(Service: "checkout", Open: true, Limit: 3))).ShouldBe(newestFirst.Where(r => r.Open).Take(3).Select(Words));
        (await Listed(new(Decision: "CONTINUE"))).ShouldBe(newestFirst.Where(r => r.Decision == "CONTINUE").Select(Words));
        (await Listed(new(Since: _at))).ShouldBe(newestFirst.Where(r => r.ReceivedAt >= _at).Select(Words));
        (await store.CountOpen(cancel)).ShouldBe(_rows.Values.Count(r => r.Open));
        (await store.Due(_at, 5, cancel)).ShouldBe(_rows.Values.Where(r => r.State != "queued" && r.DueAt <= _at).OrderBy(r => !r.Open).ThenBy(r => r.DueAt).Take(5).Select(r => r.Id));
        (await store.Waiting(_at, 5, cancel)).ShouldBe(_rows.Values.Where(r => r.State == "queued" && r.DueAt <= _at).OrderBy(r => r.DueAt).Take(5).Select(r => r.Id));
        (await store.History("checkout", "prod", 4, cancel)).Select(Words)
            .ShouldBe(newestFirst.Where(r => !r.Open && r.Decision == "CONTINUE").Take(4).Select(Words));
        foreach (var (stream, facts) in _streams)
        {
            (await store.Read(stream, 0, 1_000, cancel)).Select(f => Convert.ToHexString(f.Hash)).ShouldBe(facts.Select(f => Convert.ToHexString(f.Hash)));
            (await FactChain.Verify(store, stream, cancel)).ShouldBeNull();
        }

        async Task<IEnumerable<string>> Listed(DeploymentFilter filter) => (await store.List(filter, cancel)).Select(Words);

        static string Words(DeploymentRow r) =>
            $"{r.Id} {r.Version} {r.State} {r.ClosedReason} {r.Decision} {r.StartedAt:O} {r.ReceivedAt:O} {r.DueAt:O} {r.Snapshot} {Encoding.UTF8.GetString(r.Document)}";
    }
}
