using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Acting.Rollback;
using Commander.Server.Loop;
using Commander.Server.Sources;
using Commander.Server.Storage;
using Reading = Commander.Judging.Evidence.Reading;

namespace Commander.Server.Tests.Loop.Simulated;

/// <summary>What is wrong on purpose, to see that it is found.</summary>
internal enum PlantedFault
{
    None,

    /// <summary>The store takes what does not follow for stored: who no longer owns a stream goes on.</summary>
    NoFence,

    /// <summary>An intent is stored only with the fact after it.</summary>
    IntentAfterEffect,

    /// <summary>A timer is not stored: with its process it is lost.</summary>
    TimerLost,
}

/// <summary>One run from one seed: nodes that die and come back, clients, people, a platform, and what must hold.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The store lies in memory: there is nothing to release.")]
internal sealed class SimulatedWorld
{
    private const string PolicyText = """
        sources:
          truth: { type: scrape, targets: { candidate: 'http://127.0.0.1:1/metrics', control: 'http://127.0.0.1:1/metrics' } }
        services:
          checkout:
            source: truth
            metrics:
              errors: { kind: ratio, bad: 'requests_total{version="{{version}}",code=~"5.."}', total: 'requests_total{version="{{version}}"}', tolerance: 1pp, objective: 1%, critical: true }
            watch: { step: 5s, lag: 0s, min: 10s, max: 40s, reference: 30s, after: 30s, warmup: { latency: 2s } }
            act: { autonomy: enforce, rollback: { type: webhook, url: 'http://127.0.0.1:1/rollback' }, late: enforce, ask_for: 20s, cooldown: 0s, max_per_hour: off }
        """;

    private const string Service = "checkout";
    private const string Environment = "prod";
    private const int Rate = 100;
    private static readonly PolicySet Shared = PolicyReader.Read(PolicyText, "policy.yaml").Policies!;
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);

    private readonly PlantedFault _planted;
    private readonly StringBuilder? _trace;
    private readonly SimulatedStore _store;
    private readonly SimulatedClock _clock;
    private readonly DateTimeOffset _start = new(2026, 11, 23, 10, 30, 0, TimeSpan.Zero);
    private readonly List<SimulatedNode> _nodes = [];
    private readonly Dictionary<string, int> _places = new(StringComparer.Ordinal);
    private readonly Dictionary<string, double> _errorShare = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _names = new(StringComparer.Ordinal);
    private readonly HashSet<string> _answered = new(StringComparer.Ordinal);
    private readonly SimulatedPlatform _platform = new("1.0.0");
    private readonly Pump _pump;
    private BrokenInvariantException? _broken;
    private PinBook? _pins;
    private int _busy;
    private int _born;

    private SimulatedWorld(int seed, PlantedFault planted, bool traced)
    {
        Random = new Random(seed);
        _planted = planted;
        _trace = traced ? new StringBuilder() : null;
        Time = new SimulatedTime(_start);
        _clock = new SimulatedClock(Time, TimeSpan.Zero);
        _store = new SimulatedStore(_clock);
        _pump = new Pump(Random);
        RemembersPast = Random.Next(4) > 0;
        StoreTrouble = Random.Next(3) == 0 ? 0 : 0.01;
        MaxWatches = Random.Next(6) == 0 ? 1 : 100;
    }

    public Random Random { get; }

    public SimulatedTime Time { get; }

    public PolicySet Policies => Shared;

    public bool RemembersPast { get; }

    public double StoreTrouble { get; }

    public int MaxWatches { get; }

    /// <summary>Runs a seed to its end; what broke, or null, and the trace when it is wanted.</summary>
    public static (string? Broken, string Trace) Run(int seed, PlantedFault planted = PlantedFault.None, bool traced = false)
    {
        var world = new SimulatedWorld(seed, planted, traced);
        var before = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(world._pump);
        try
        {
            world.Run();
            return (null, world._trace?.ToString() ?? "");
        }
        catch (BrokenInvariantException e)
        {
            return ($"seed {seed}: {world.Named(e.Message)}", world._trace?.ToString() ?? "");
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }
    }

    public void Tell(string happened) => _trace?.Append((Time.Now - _start).TotalSeconds.ToString("F3", CultureInfo.InvariantCulture)).Append(' ').AppendLine(Named(happened));

    /// <summary>Which node a message to an owner reaches: mostly the one that has it, sometimes another, as when a cluster is split.</summary>
    public SimulatedNode Place(string id)
    {
        var up = _nodes.FindAll(node => node is { Dead: false, Desk: not null });
        if (up.Count == 0)
            return _nodes[^1];
        if (Random.NextDouble() < 0.05)
            return up[Random.Next(up.Count)];
        if (_places.TryGetValue(id, out var at) && at < _nodes.Count && up.Contains(_nodes[at]))
            return _nodes[at];
        var chosen = up[Random.Next(up.Count)];
        _places[id] = _nodes.IndexOf(chosen);
        return chosen;
    }

    /// <summary>A node is up, with what it has pinned.</summary>
    public void Up(PinBook pins) => _pins ??= pins;

    public SimulatedPlatform Platform(string service) => service == Service ? _platform : throw new BrokenInvariantException($"the platform is asked for {service}");

    public IFactStore Planted(SimulatedNode node) => _planted switch
    {
        PlantedFault.None => _store,
        _ => new FaultyStore(_store, _planted),
    };

    public void Died(SimulatedNode node)
    {
        _busy++;
        Background(Reborn());

        async Task Reborn()
        {
            await Task.Delay(TimeSpan.FromMilliseconds(Random.Next(200, 8000)), _clock);
            _busy--;
            var slot = _nodes.IndexOf(node);
            _nodes[slot] = Born();
            await Birth(slot);
        }
    }

    /// <summary>What a version's counters grew by.</summary>
    public Reading Answer(Question question, DateTimeOffset from, DateTimeOffset to)
    {
        if (Random.NextDouble() < 0.02)
            return Reading.Missing(Quality.Error, "the simulated source fails");
        var version = question.Query.Split("version=\"")[1].Split('"')[0];
        if (_platform.Effects.Any(effect => effect.Version == version) && question.Arm == Arm.Candidate)
            return new Reading(Quality.Value, 0, 0, null, to.ToUnixTimeMilliseconds());
        var share = _errorShare.GetValueOrDefault(version, 0.001);
        return new Reading(Quality.Value, Bad(to) - Bad(from), Count(to) - Count(from), null, to.ToUnixTimeMilliseconds());

        double Count(DateTimeOffset at) => Math.Floor((at - DateTimeOffset.UnixEpoch).TotalSeconds * Rate);

        double Bad(DateTimeOffset at) => Math.Floor(Count(at) * share);
    }

    /// <summary>An order that is still under way when the node has given it up: it takes effect unless the platform has changed since it was looked at.</summary>
    public void TakeLate(SimulatedNode node, RollbackOrder order)
    {
        _busy++;
        Background(Arrive());

        async Task Arrive()
        {
            await Task.Delay(TimeSpan.FromMilliseconds(Random.Next(1, 8000)), _clock);
            _busy--;
            if (_platform.State.Fence == order.Fence)
                TakeEffect(node, order);
            else
                Tell($"{order.Key} comes too late");
        }
    }

    /// <summary>The platform carries an order out: once for a key, and never what must not be.</summary>
    public void TakeEffect(SimulatedNode node, RollbackOrder order)
    {
        if (_platform.Effects.Any(effect => effect.Key == order.Key))
        {
            Tell($"{node.Name} orders {order.Key} again");
            return;
        }

        Tell($"{node.Name} orders {order.Key}: {order.Version} -> {order.TargetVersion}");
        var facts = _store.Stream("deployment/" + order.Deployment);
        Must(
            facts.Any(fact => fact.Kind == FactKind.Intent && FactBody.Read<IntentBody>(fact.Body!) is var intent && intent.Key == order.Key && intent.TargetVersion == order.TargetVersion),
            $"{order.Key} takes effect without a stored intent");
        foreach (var earlier in _platform.Effects.Where(effect => effect.Deployment == order.Deployment))
        {
            Must(
                facts.Any(fact => fact.Kind == FactKind.Result && FactBody.Read<ResultBody>(fact.Body!) is var result && result.Key == earlier.Key && result.State is "failed" or "refused"),
                $"{order.Key} takes effect although {earlier.Key} did and has not failed");
        }

        if (_platform.Effects.LastOrDefault(effect => effect.Version == order.TargetVersion) is { } bad)
        {
            var good = _store.Rows.Any(row => row.Version == order.TargetVersion
                && string.CompareOrdinal(row.Id, bad.Deployment) >= 0
                && (row is { Open: false, Decision: "CONTINUE" } || FactBody.Read<Deployment>(row.Document).Outcome?.Label == "GOOD"));
            Must(good, $"{order.Key} goes back to {order.TargetVersion}, which {bad.Key} rolled back");
        }

        _platform.Take(order);
    }

    private void Run()
    {
        foreach (var slot in Enumerable.Range(0, Random.Next(1, 4)))
        {
            _nodes.Add(Born());
            Background(Birth(slot));
        }

        foreach (var client in Enumerable.Range(0, Random.Next(1, 5)))
        {
            _busy++;
            Background(Client(client));
        }

        for (var _ = 0; _ < Random.Next(0, 3); _++)
            Background(Person());
        do
        {
            _pump.Drain(50_000);
            if (_broken is not null)
                throw _broken;
            if (_busy == 0 && _store.Rows.All(row => !row.Open))
                break;
            Must(Time.Now - _start < Longest, $"still open: {string.Join(", ", _store.Rows.Where(row => row.Open).Select(row => $"{row.Id} {row.State}"))}");
        }
        while (Time.Next());
        if (_broken is not null)
            throw _broken;
        Ended();
    }

    private SimulatedNode Born() => new(
        this,
        $"n{++_born}",
        TimeSpan.FromMilliseconds(Random.Next(3) == 0 ? Random.Next(-3000, 3000) : 0),
        // Two of three die, most of them early; those that come after the fifth stay.
        _born <= 5 && Random.Next(3) > 0 ? Random.Next(1, 250) : int.MaxValue);

    private async Task Birth(int slot)
    {
        for (var tries = 0; ; tries++)
        {
            Tell($"{_nodes[slot].Name} starts");
            try
            {
                await _nodes[slot].Start();
                return;
            }
            catch (StoreUnavailableException) when (tries < 100)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), _clock);
                _nodes[slot] = Born();
            }
        }
    }

    // What nobody waits for: an exception nobody expects breaks the run too.
    private async void Background(Task task)
    {
        try
        {
            await task;
        }
        catch (Exception e)
        {
            _broken ??= e as BrokenInvariantException ?? new BrokenInvariantException(e.ToString());
        }
    }

    // Somebody rolls a version out and announces it, again with the same key until it is answered.
    private async Task Client(int number)
    {
        await Task.Delay(TimeSpan.FromMilliseconds(Random.Next(1, 90_000)), _clock);
        var version = $"1.0.{Random.Next(1, 5)}";
        _errorShare.TryAdd(version, Random.Next(2) == 0 ? 0.3 : 0.001);
        _platform.RollOut(version);
        Tell($"client {number} rolls {version} out");
        for (var tries = 0; tries < 20; tries++)
        {
            if (Any() is { } node)
            {
                try
                {
                    var announcing = new Announcing(
                        Service, Environment, version, Random.Next(3) == 0 ? null : "1.0.0", null, null, null, null, new Dictionary<string, string>(StringComparer.Ordinal), "release", null, "test", $"key-{number}", [(byte)number]);
                    var (result, deployment) = await node.Desk!.Announce(announcing, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10), _clock);
                    Must(result != AnnounceResult.KeyReused && deployment is not null, $"an announcement is answered {result}");
                    _answered.Add(deployment!.Id);
                    Tell($"client {number} is answered {result}: {deployment.Id}");
                    break;
                }
                catch (Exception e) when (e is StoreUnavailableException or TimeoutException)
                {
                    Tell($"client {number} tries again: {e.GetType().Name}");
                }
            }

            await Task.Delay(TimeSpan.FromMilliseconds(Random.Next(100, 3000)), _clock);
        }

        _busy--;
    }

    private async Task Person()
    {
        for (var times = Random.Next(1, 4); times > 0; times--)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(Random.Next(1, 120_000)), _clock);
            if (Any() is not { } node || _store.Rows.LastOrDefault() is not { } row)
                continue;
            try
            {
                var what = Random.Next(5) switch
                {
                    0 => (await node.Desk!.Label(row.Id, Random.Next(2) == 0 ? "GOOD" : "BAD", "ada", null, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10), _clock)).Status,
                    1 => (await node.Parts.Freezes.Set(Service, null, "ada", "a sale", node.Clock.GetUtcNow() + TimeSpan.FromSeconds(20), CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10), _clock))?.Count,
                    var kind => (await node.Desk!.Act(row.Id, kind % 2 == 0 ? "rollback" : "keep", "ada", null, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10), _clock)).Status,
                };
                Tell($"a person is answered {what}");
            }
            catch (Exception e) when (e is StoreUnavailableException or TimeoutException)
            {
                Tell($"a person is not answered: {e.GetType().Name}");
            }
        }
    }

    private SimulatedNode? Any() => _nodes.FindAll(node => node is { Dead: false, Desk: not null }) is { Count: > 0 } up ? up[Random.Next(up.Count)] : null;

    private void Ended()
    {
        foreach (var id in _answered)
            Must(_store.Stream("deployment/" + id).Count > 0, $"{id} was answered and is not there");
        foreach (var row in _store.Rows)
        {
            var facts = _store.Stream("deployment/" + row.Id);
            var chain = FactChain.Start("deployment/" + row.Id);
            foreach (var fact in facts)
            {
                Must(chain.Next(fact) is null, $"{row.Id}: fact {fact.Seq} does not follow");
            }

            var closings = facts.Where(fact => fact.Kind == FactKind.Closed).ToList();
            Must(closings.Count == 1, $"{row.Id} closes {closings.Count} times");
            Must(facts.SkipWhile(fact => fact.Kind != FactKind.Closed).Skip(1).All(fact => fact.Kind == FactKind.Outcome), $"{row.Id} goes on after it closed: {string.Join(' ', facts.Select(fact => fact.Kind))}");
            Must(FactBody.Read<ClosedBody>(closings[0].Body!) is { Verdict: null or { Final: true } }, $"{row.Id} closes with a verdict that is not final");
            var watch = new Watch(_pins!);
            foreach (var fact in facts)
                watch.Apply(fact);
            var document = Encoding.UTF8.GetString(FactBody.Write(watch.Document(id => "http://127.0.0.1:5080/d/" + id)));
            Must(Encoding.UTF8.GetString(row.Document) == document, $"{row.Id}: the row says {Encoding.UTF8.GetString(row.Document)}, the facts {document}");
            Must(
                (row.State, row.ClosedReason, row.DueAt, row.Version) == (watch.State, watch.ClosedReason, null, watch.Received.Version),
                $"{row.Id}: the row says {row.State} {row.ClosedReason} {row.DueAt}, the facts {watch.State} {watch.ClosedReason}");
        }
    }

    private void Must(bool holds, string otherwise)
    {
        if (holds)
            return;
        Tell("BROKEN: " + otherwise);
        _broken ??= new BrokenInvariantException(otherwise);
        throw _broken;
    }

    // Ids have a random part: in a trace they are told by the order in which they were first named.
    private string Named(string text)
    {
        for (var at = text.IndexOf("dep-", StringComparison.Ordinal); at >= 0 && at + 30 <= text.Length; at = text.IndexOf("dep-", at + 1, StringComparison.Ordinal))
        {
            var id = text.Substring(at, 30);
            if (DeploymentId.IsValid(id))
            {
                if (!_names.TryGetValue(id, out var name))
                    _names[id] = name = $"d{_names.Count + 1}";
                text = text.Replace(id, name, StringComparison.Ordinal);
            }
        }

        return text;
    }
}

/// <summary>What serves, and what took effect.</summary>
internal sealed class SimulatedPlatform(string serving)
{
    private string _serving = serving;
    private int _changes;

    public List<RollbackOrder> Effects { get; } = [];

    public PlatformState State => new(true, _serving, true, _changes.ToString(CultureInfo.InvariantCulture), $"{_serving} serves");

    public void RollOut(string version) => (_serving, _changes) = (version, _changes + 1);

    public void Take(RollbackOrder order)
    {
        Effects.Add(order);
        RollOut(order.TargetVersion);
    }
}
