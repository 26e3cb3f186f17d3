using System.Collections.Concurrent;
using System.Text.Json;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Server.Storage;

namespace Commander.Server.Loop;

/// <summary>
/// The policies and the model that new watches get, and every body that an old watch has pinned. Bodies are facts
/// (streams policy/NAME and model) and are found by content hash, so that a reload or a promotion never changes a running watch.
/// </summary>
internal sealed class PinBook : IPinned
{
    private const int PageSize = 500;
    private readonly IFactStore _store;
    private readonly ConcurrentDictionary<string, Policy> _policies = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Model> _models = new(StringComparer.Ordinal);

    // Bodies with words that only a newer build knows, by content hash. While nodes are replaced one by one they lie beside those
    // of this build, which must start and go on with its own all the same.
    private readonly ConcurrentDictionary<string, JsonException> _unreadable = new(StringComparer.Ordinal);

    private PinBook(IFactStore store, PolicySet current, Model model)
    {
        _store = store;
        Current = current;
        Model = model;
        ModelHash = PolicyHash.Of(ModelFile.Write(model));
    }

    /// <summary>What new deployments are watched by.</summary>
    public PolicySet Current { get; }

    /// <summary>What new deployments are calibrated by.</summary>
    public Model Model { get; }

    public string ModelHash { get; }

    public Policy? Policy(string hash) => _policies.GetValueOrDefault(hash);

    Model? IPinned.Model(string hash) => _models.GetValueOrDefault(hash);

    /// <summary>For one who only reads: it knows what it is told to <see cref="Know"/>, and stores nothing.</summary>
    public static PinBook ToRead(IFactStore store) => new(store, PolicySet.Empty, Judging.Models.Model.Shipped);

    /// <summary>Reads every kept body and stores those of the current policies and model that are new.</summary>
    public static async Task<PinBook> Open(IFactStore store, PolicySet current, Model model, TimeProvider clock, CancellationToken cancel)
    {
        var book = new PinBook(store, current, model);
        foreach (var policies in current.Services.Values.Append(current.Defaults).GroupBy(p => p.Name, StringComparer.Ordinal))
        {
            await Keep(store, "policy/" + policies.Key, "policy", [.. policies.Select(PolicyHash.Body)], clock, book.RememberPolicy, cancel);
        }

        await Keep(store, "model", "model", [ModelFile.Write(model)], clock, book.RememberModel, cancel);
        return book;
    }

    /// <summary>
    /// Reads what a watch has pinned when this node does not know it: another one has other policies, or a newer model. What this
    /// build cannot read is no watch of its: it says so and stores nothing, and a newer node goes on with it.
    /// </summary>
    /// <exception cref="JsonException">The pinned policy or model was written by a newer build.</exception>
    public async Task Know(PinnedBody pinned, CancellationToken cancel)
    {
        if (!_policies.ContainsKey(pinned.PolicyHash))
            await Remember("policy/" + pinned.Policy, RememberPolicy, cancel);
        if (!_models.ContainsKey(pinned.ModelHash))
            await Remember("model", RememberModel, cancel);
        if (_unreadable.TryGetValue(pinned.PolicyHash, out var why) || _unreadable.TryGetValue(pinned.ModelHash, out why))
            throw new JsonException($"the watch has pinned the policy {pinned.Policy} {pinned.PolicyHash} and the model {pinned.ModelHash}, which this build cannot read: only a newer one can go on with it", why);
    }

    private void RememberPolicy(byte[] body) => Remember(_policies, body, static body => PolicyHash.Read(body));

    private void RememberModel(byte[] body) => Remember(_models, body, static body => FactBody.Read<Model>(body));

    private void Remember<T>(ConcurrentDictionary<string, T> known, byte[] body, Func<byte[], T> read)
    {
        var hash = PolicyHash.Of(body);
        try
        {
            known[hash] = read(body);
        }
        catch (JsonException e)
        {
            _unreadable[hash] = e;
        }
    }

    private async Task Remember(string stream, Action<byte[]> remember, CancellationToken cancel)
    {
        long last = 0;
        for (IReadOnlyList<Fact> page = []; ;)
        {
            page = await _store.Read(stream, last, PageSize, cancel);
            foreach (var fact in page)
            {
                last = fact.Seq;
                if (fact.Body is { } body)
                    remember(body);
            }

            if (page.Count < PageSize)
                return;
        }
    }

    private static async Task Keep(IFactStore store, string stream, string kind, IReadOnlyList<byte[]> bodies, TimeProvider clock, Action<byte[]> remember, CancellationToken cancel)
    {
        // Two servers that start at once may collide on the key: the loser reads again and finds the body there.
        for (var attempt = 0; attempt < 5; attempt++)
        {
            var known = new HashSet<string>(StringComparer.Ordinal);
            Fact? last = null;
            for (IReadOnlyList<Fact> page = []; page.Count == PageSize || last is null;)
            {
                page = await store.Read(stream, last?.Seq ?? 0, PageSize, cancel);
                foreach (var fact in page.Where(f => f.Body is not null))
                {
                    known.Add(PolicyHash.Of(fact.Body));
                    remember(fact.Body!);
                }

                if (page.Count == 0)
                    break;
                last = page[^1];
            }

            var missing = new List<Fact>();
            foreach (var body in bodies.Where(b => known.Add(PolicyHash.Of(b))))
            {
                last = Fact.After(stream, (last?.Seq ?? 0) + 1, last?.Hash ?? Fact.NoHash, clock.GetUtcNow(), kind, 1, body);
                missing.Add(last);
                remember(body);
            }

            if (missing.Count == 0 || await store.Append(new Append(missing, null), cancel))
                return;
        }

        throw new StoreUnavailableException($"the stream {stream} changes faster than it can be read");
    }
}
