using System.Text.Json.Serialization;
using Commander.Judging.Decisions;
using Commander.Server.Storage;

namespace Commander.Server.Loop;

/// <summary>A freeze as a fact in the stream system; with no reason it is the lifting of one. A later fact of the same scope replaces an earlier one.</summary>
internal sealed record FreezeBody(
    string? Service,
    string? Environment,
    string By,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Reason = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? Until = null);

/// <summary>
/// The freezes as the fold of the stream system. Who asks reads what is new there first, so that a freeze that another node
/// stored holds here at once; nothing is decided from an older state.
/// </summary>
internal sealed class FreezeBook(IFactStore store, TimeProvider clock) : IDisposable
{
    /// <summary>At most so many scopes are frozen at once.</summary>
    public const int MaxFreezes = 200;

    private const string Frozen = "frozen";
    private const string Lifted = "lifted";
    private const int PageSize = 500;
    private const int Attempts = 5;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly List<Freeze> _freezes = [];
    private long _seq;
    private byte[] _hash = Fact.NoHash;

    /// <summary>What is frozen now, oldest first.</summary>
    public async Task<IReadOnlyList<Freeze>> Current(CancellationToken cancel)
    {
        await _gate.WaitAsync(cancel);
        try
        {
            await Catch(cancel);
            return Now();
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>The freeze that holds a service in an environment now; null for none.</summary>
    public async Task<Freeze?> Of(string service, string environment, CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        return (await Current(cancel)).FirstOrDefault(freeze => freeze.Holds(service, environment, now));
    }

    /// <summary>Freezes a scope, or replaces its freeze; null when too many scopes are frozen already.</summary>
    public async Task<IReadOnlyList<Freeze>?> Set(string? service, string? environment, string by, string reason, DateTimeOffset? until, CancellationToken cancel)
    {
        if (await Current(cancel) is { Count: >= MaxFreezes } all && !all.Any(freeze => freeze.Service == service && freeze.Environment == environment))
            return null;
        return await Append(Frozen, new FreezeBody(service, environment, by, reason, until), cancel);
    }

    /// <summary>Lifts a scope's freeze; null when there is none.</summary>
    public async Task<IReadOnlyList<Freeze>?> Lift(string? service, string? environment, string by, CancellationToken cancel) =>
        (await Current(cancel)).Any(freeze => freeze.Service == service && freeze.Environment == environment)
            ? await Append(Lifted, new FreezeBody(service, environment, by), cancel)
            : null;

    private async Task<IReadOnlyList<Freeze>> Append(string kind, FreezeBody body, CancellationToken cancel)
    {
        await _gate.WaitAsync(cancel);
        try
        {
            // Somebody else may append in between: the loser reads again and follows.
            for (var attempt = 0; attempt < Attempts; attempt++)
            {
                await Catch(cancel);
                var fact = Fact.After(Streams.System, _seq + 1, _hash, clock.GetUtcNow(), kind, 1, FactBody.Write(body));
                if (!await store.Append(new Append([fact], null), cancel))
                    continue;
                Fold(fact);
                return Now();
            }

            throw new StoreUnavailableException($"the stream {Streams.System} changes faster than it can be read");
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
            page = await store.Read(Streams.System, _seq, PageSize, cancel);
            foreach (var fact in page)
                Fold(fact);
            if (page.Count < PageSize)
                return;
        }
    }

    private void Fold(Fact fact)
    {
        (_seq, _hash) = (fact.Seq, fact.Hash);
        if (fact is not { Kind: Frozen or Lifted, Body: { } bytes })
            return;
        var body = FactBody.Read<FreezeBody>(bytes);
        _freezes.RemoveAll(freeze => freeze.Service == body.Service && freeze.Environment == body.Environment);
        if (fact.Kind == Frozen)
            _freezes.Add(new Freeze(body.Service, body.Environment, body.Reason ?? "", body.By, fact.At, body.Until));
    }

    private List<Freeze> Now()
    {
        var now = clock.GetUtcNow();
        return _freezes.FindAll(freeze => !freeze.Ended(now));
    }

    public void Dispose() => _gate.Dispose();
}
