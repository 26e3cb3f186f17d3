using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Serialization;
using Commander.Judging;
using Commander.Server.Storage;

namespace Commander.Server.Hosting.SelfChecks;

/// <summary>A check failed, or holds again, as a fact in the stream system/checks.</summary>
/// <param name="Name">What was checked.</param>
/// <param name="Node">Who found it.</param>
/// <param name="Ok">Whether it holds.</param>
/// <param name="Message">One sentence without a secret.</param>
/// <param name="Began">When it really began, where that could not be stored at once.</param>
internal sealed record CheckBody(
    string Name,
    string Node,
    bool Ok,
    string Message,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? Began = null);

/// <summary>Somebody is about to be told: a node that stores this alone may tell, and whoever reads it knows that a message may have arrived.</summary>
/// <param name="Check">The seq of the check's fact.</param>
/// <param name="Entry">The channel as people name it.</param>
/// <param name="Channel">The channel as <see cref="Channels.IdOf"/> names it.</param>
/// <param name="Node">Who tells.</param>
internal sealed record TellingBody(long Check, string Entry, string Channel, string Node);

/// <summary>What became of telling.</summary>
/// <param name="Check">The seq of the check's fact.</param>
/// <param name="Entry">The channel as people name it.</param>
/// <param name="Channel">The channel as <see cref="Channels.IdOf"/> names it.</param>
/// <param name="Key">The alert's key.</param>
/// <param name="State">done, later or failed.</param>
/// <param name="Reference">The channel's own address of the message.</param>
/// <param name="Message">Why it does not have it.</param>
/// <param name="NotBefore">For later: when it is tried again.</param>
internal sealed record ToldBody(
    long Check,
    string Entry,
    string Channel,
    string Key,
    string State,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Reference = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Message = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? NotBefore = null);

/// <summary>How far one channel has been told of one change.</summary>
/// <param name="State">telling, done, later or failed.</param>
/// <param name="Node">Who told last.</param>
/// <param name="At">When that was stored.</param>
/// <param name="Tries">How often it was tried.</param>
/// <param name="Reference">The channel's own address of the message.</param>
/// <param name="NotBefore">For later: when it is tried again.</param>
/// <param name="InDoubt">Whether a try may have arrived of which nothing was heard.</param>
internal sealed record Telling(string State, string Node, DateTimeOffset At, int Tries, string? Reference, DateTimeOffset? NotBefore, bool InDoubt);

/// <summary>One change of one check, and who was told of it.</summary>
internal sealed class CheckChange(long seq, CheckBody body, DateTimeOffset at, CheckChange? before)
{
    public long Seq => seq;

    public string Name => body.Name;

    public string Node => body.Node;

    public bool Ok => body.Ok;

    public string Message => body.Message;

    /// <summary>When it began.</summary>
    public DateTimeOffset At => body.Began ?? at;

    /// <summary>The change before; forgotten some changes later.</summary>
    public CheckChange? Before { get; set; } = before;

    /// <summary>By the channel's id. Read while others are told.</summary>
    public ConcurrentDictionary<string, Telling> Tellings { get; } = new(StringComparer.Ordinal);
}

/// <summary>
/// Which checks fail, and who was told, as the fold of the stream system/checks. Every node reads what is new there before it adds to it,
/// and of two that add at once one reads again: so a change is written once and told once, whoever notices it and however often they restart.
/// </summary>
internal sealed class CheckBook(IFactStore store, TimeProvider clock) : IDisposable
{
    private const string Checked = "check";
    private const string Begun = "telling";
    private const string Ended = "told";
    private const int PageSize = 500;
    private const int Attempts = 10;

    // What is older was told, or is not told any more.
    private const int Remembered = 6;

    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly Dictionary<string, CheckChange> _newest = new(StringComparer.Ordinal);
    private long _seq;
    private byte[] _hash = Fact.NoHash;

    /// <summary>The newest change of every check that ever failed, after reading what is new; the changes before hang on it.</summary>
    public async Task<IReadOnlyList<CheckChange>> Newest(CancellationToken cancel)
    {
        await _gate.WaitAsync(cancel);
        try
        {
            await Catch(cancel);
            return [.. _newest.Values];
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>
    /// Stores what differs from what is stored. A check that fails is written by whoever comes first; that it holds again by the node
    /// that found it failing, or by any once that one is gone: what one node cannot reach another may, and they shall not contradict each
    /// other every five minutes.
    /// </summary>
    /// <param name="states">What this node found.</param>
    /// <param name="node">Its name.</param>
    /// <param name="members">Which nodes there are, this one among them.</param>
    /// <param name="cancel">Ends it.</param>
    public Task<IReadOnlyList<CheckChange>> Settle(IReadOnlyList<CheckState> states, string node, IReadOnlyCollection<string> members, CancellationToken cancel) =>
        Write(() => Differences(states, node, members), cancel);

    /// <summary>Takes it on to tell a channel; false when somebody else has, or there is nothing to tell any more.</summary>
    /// <param name="due">What there is to tell.</param>
    /// <param name="node">Who tells.</param>
    /// <param name="stillDue">Whether it is, by what stands there now.</param>
    /// <param name="cancel">Ends it.</param>
    public async Task<bool> Claim(Due due, string node, Func<CheckChange, bool> stillDue, CancellationToken cancel)
    {
        var claimed = false;
        await Write(
            () =>
            {
                claimed = Find(due.Change.Name, due.Change.Seq) is { } change && stillDue(change);
                return claimed ? [(Begun, Bytes(new TellingBody(due.Change.Seq, due.Entry, due.Channel, node)))] : [];
            },
            cancel);
        return claimed;
    }

    /// <summary>Stores what became of it.</summary>
    public Task Told(IReadOnlyList<ToldBody> told, CancellationToken cancel) => Write(() => [.. told.Select(one => (Ended, Bytes(one)))], cancel);

    /// <summary>Stores that a check failed while nothing could be stored, and who was told of it all the same.</summary>
    public Task Failed(CheckBody body, Func<long, IReadOnlyList<ToldBody>> told, CancellationToken cancel) =>
        Write(() => _newest.GetValueOrDefault(body.Name) is { Ok: false } ? [] : [(Checked, Bytes(body)), .. told(_seq + 1).Select(one => (Ended, Bytes(one)))], cancel);

    public void Dispose() => _gate.Dispose();

    private List<(string Kind, byte[] Body)> Differences(IReadOnlyList<CheckState> states, string node, IReadOnlyCollection<string> members)
    {
        var facts = new List<(string, byte[])>();
        var looked = new HashSet<string>(StringComparer.Ordinal);
        foreach (var state in states)
        {
            looked.Add(state.Name);
            var stored = _newest.GetValueOrDefault(state.Name);
            if (!state.Ok && stored is not { Ok: false })
                facts.Add((Checked, Bytes(new CheckBody(state.Name, node, false, state.Message))));
            else if (state is { Ok: true, Doubt: null } && stored is { Ok: false } && IsOurs(stored))
                facts.Add((Checked, Bytes(new CheckBody(state.Name, node, true, state.Message))));
        }

        foreach (var stored in _newest.Values.Where(stored => !stored.Ok && !looked.Contains(stored.Name) && IsOurs(stored)))
            facts.Add((Checked, Bytes(new CheckBody(stored.Name, node, true, stored.Node == node ? "is not checked any more" : "is not checked any more: its node is gone"))));
        return facts;

        bool IsOurs(CheckChange stored) => stored.Node == node || !members.Contains(stored.Node);
    }

    private async Task<IReadOnlyList<CheckChange>> Write(Func<IReadOnlyList<(string Kind, byte[] Body)>> decide, CancellationToken cancel)
    {
        await _gate.WaitAsync(cancel);
        try
        {
            for (var attempt = 0; attempt < Attempts; attempt++)
            {
                await Catch(cancel);
                var (seq, hash, now) = (_seq, _hash, clock.GetUtcNow());
                var facts = new List<Fact>();
                foreach (var (kind, body) in decide())
                {
                    var fact = Fact.After(Streams.Checks, ++seq, hash, now, kind, 1, body);
                    hash = fact.Hash;
                    facts.Add(fact);
                }

                // Somebody else may append in between: the loser reads again, and finds perhaps that there is nothing left to write.
                if (facts.Count > 0 && !await store.Append(new Append(facts, null), cancel))
                    continue;
                facts.ForEach(Fold);
                return [.. _newest.Values];
            }

            throw new StoreUnavailableException($"the stream {Streams.Checks} changes faster than it can be read");
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task Catch(CancellationToken cancel)
    {
        for (IReadOnlyList<Fact> page = []; ;)
        {
            page = await store.Read(Streams.Checks, _seq, PageSize, cancel);
            foreach (var fact in page)
                Fold(fact);
            if (page.Count < PageSize)
                return;
        }
    }

    private void Fold(Fact fact)
    {
        (_seq, _hash) = (fact.Seq, fact.Hash);
        switch (fact)
        {
            case { Kind: Checked, Body: { } bytes } when Read<CheckBody>(bytes) is { } body:
                _newest[body.Name] = new CheckChange(fact.Seq, body, fact.At, _newest.GetValueOrDefault(body.Name));
                Forget(_newest[body.Name]);
                break;
            case { Kind: Begun, Body: { } bytes } when Read<TellingBody>(bytes) is { } body && Find(null, body.Check) is { } change:
                var before = change.Tellings.GetValueOrDefault(body.Channel);
                change.Tellings[body.Channel] = new Telling(Begun, body.Node, fact.At, (before?.Tries ?? 0) + 1, before?.Reference, null, before is { State: Begun } or { InDoubt: true });
                break;
            case { Kind: Ended, Body: { } bytes } when Read<ToldBody>(bytes) is { } body && Find(null, body.Check) is { } change:
                var begun = change.Tellings.GetValueOrDefault(body.Channel);
                change.Tellings[body.Channel] = new Telling(body.State, begun?.Node ?? "", fact.At, Math.Max(1, begun?.Tries ?? 1), body.Reference, body.NotBefore, begun?.InDoubt ?? false);
                break;
        }
    }

    private CheckChange? Find(string? name, long seq)
    {
        foreach (var newest in _newest.Values)
        {
            for (var change = newest; change is not null && (name is null || newest.Name == name); change = change.Before)
            {
                if (change.Seq == seq)
                    return change;
            }
        }

        return null;
    }

    private static void Forget(CheckChange newest)
    {
        var change = newest;
        for (var i = 1; i < Remembered && change.Before is { } before; i++)
            change = before;
        change.Before = null;
    }

    private static byte[] Bytes<T>(T body) => JsonSerializer.SerializeToUtf8Bytes(body, Json.Tolerant);

    private static T? Read<T>(byte[] body) => JsonSerializer.Deserialize<T>(body, Json.Tolerant);
}
