using System.Collections.Concurrent;
using System.Security.Cryptography;
using Commander.Judging.Decisions;
using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Acting.Rollback;
using Commander.Server.Alerting;
using Commander.Server.Learning;
using Commander.Server.Loop;
using Commander.Server.Reasoning;
using Commander.Server.Reasoning.Context;
using Commander.Server.Sources;
using Commander.Server.Storage;
using Commander.Server.Storage.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Reading = Commander.Judging.Evidence.Reading;

namespace Commander.Server.Tests.Loop;

/// <summary>The loop without Orleans: a real store in a folder of its own, a clock that the test turns, a source and a platform whose truth the test sets.</summary>
internal sealed class LoopWorld : IAsyncDisposable
{
    public const string PolicyText = """
        sources:
          truth: { type: scrape, targets: { candidate: 'http://127.0.0.1:1/metrics', control: 'http://127.0.0.1:1/metrics' } }
        services:
          checkout:
            source: truth
            metrics:
              errors: { kind: ratio, bad: 'requests_total{version="{{version}}",code=~"5.."}', total: 'requests_total{version="{{version}}"}', tolerance: 1pp, objective: 1%, critical: true }
            watch: { step: 1s, lag: 0s, min: 10s, max: 2m, reference: 30s, after: 3m, warmup: { latency: 2s } }
            act: { autonomy: enforce, rollback: { type: webhook, url: 'http://127.0.0.1:1/rollback' }, late: enforce, ask_for: 1m, cooldown: 0s, irreversible: [migration] }
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("commander-loop-").FullName;
    private IFactStore? _store;
    private DeploymentDesk? _desk;
    private Owners? _owners;

    public FakeTimeProvider Clock { get; } = new(new DateTimeOffset(2026, 11, 23, 10, 30, 0, TimeSpan.Zero));

    public TruthSource Source { get; }

    public Platform Platform { get; } = new();

    public PolicySet Policies { get; private set; }

    public DeploymentDesk Desk => _desk!;

    public IFactStore Store => _store!;

    public LoopParts Parts { get; private set; } = null!;

    public FreezeBook Freezes { get; private set; } = null!;

    /// <summary>Where logs and changes are read, from the next start on; null for nowhere.</summary>
    public ContextBook? Context { get; set; }

    /// <summary>Stands between a deployment that tells another one something and that one's owner.</summary>
    public Func<string, IOwner, IOwner>? Telling { get; set; }

    /// <summary>Whether the clock stands still while the language model is asked; false for a model that hangs.</summary>
    public bool AwaitsAnswers { get; set; } = true;

    public string Folder => _folder;

    public string SamplesFolder => Path.Combine(_folder, "training-data");

    private readonly Func<RollbackPolicy, IRollbackTarget?>? _targets;

    private readonly ISource? _source;

    private readonly Func<TimeProvider, Task<IFactStore>>? _opens;

    private readonly Func<IFactStore, TimeProvider, Reasoner>? _reasoner;

    /// <summary>The channels, from the next start on; null for nobody who is told.</summary>
    public Func<AlertPolicy, IAlertChannel?>? Channels { get; set; }

    private LoopWorld(string policy, Func<RollbackPolicy, IRollbackTarget?>? targets, ISource? source, Func<TimeProvider, Task<IFactStore>>? opens, Func<IFactStore, TimeProvider, Reasoner>? reasoner)
    {
        (_targets, _source, _opens, _reasoner) = (targets, source, opens, reasoner);
        var read = PolicyReader.Read(policy, "policy.yaml");
        Policies = read.Policies ?? throw new InvalidOperationException(string.Join('\n', read.Errors));
        Source = new TruthSource(Clock, Platform);
    }

    /// <param name="policy">Its source is named truth.</param>
    /// <param name="targets">The rollback targets; without them the world's own platform.</param>
    /// <param name="source">Answers instead of <see cref="Source"/>.</param>
    /// <param name="opens">Opens another store than SQLite's in the world's folder.</param>
    /// <param name="reasoner">Asks a language model.</param>
    public static async Task<LoopWorld> Begin(
        string? policy = null, Func<RollbackPolicy, IRollbackTarget?>? targets = null, ISource? source = null, Func<TimeProvider, Task<IFactStore>>? opens = null, Func<IFactStore, TimeProvider, Reasoner>? reasoner = null)
    {
        var world = new LoopWorld(policy ?? PolicyText, targets, source, opens, reasoner);
        await world.Open();
        return world;
    }

    /// <summary>As after kill -9: nothing under way is finished or stored.</summary>
    public async Task Kill()
    {
        await _store!.DisposeAsync();
        Freezes.Dispose();
        await Open();
    }

    /// <summary>As after a restart or kill: everything in memory is gone, the folder stays.</summary>
    public async Task Restart()
    {
        await Close();
        await Open();
    }

    private async Task Open()
    {
        _store = _opens is null ? SqliteStore.Open(_folder, Clock, NullLogger.Instance) : await _opens(Clock);
        var pins = await PinBook.Open(_store, Policies, Model.Shipped, Clock, CancellationToken.None);
        Parts = new LoopParts(
            _store,
            pins,
            new SourceBook(new Dictionary<string, ISource>(StringComparer.Ordinal) { ["truth"] = _source ?? Source }),
            new TargetBook(_targets ?? (_ => Platform)),
            new LiveEvents(),
            Clock,
            new LoopLimits(),
            id => "http://127.0.0.1:5080/d/" + id,
            NullLogger.Instance,
            Freezes = new FreezeBook(_store, Clock),
            _reasoner?.Invoke(_store, Clock),
            Context,
            new SampleFiles(SamplesFolder, NullLogger.Instance, clock: Clock),
            Channels is { } channels ? new AlertBook(channels, (_, alert) => AlertText.Of(alert), Clock) : null)
        {
            Owner = id => Telling is { } telling ? telling(id, _owners!.Of(id)) : _owners!.Of(id),
        };
        _owners = new Owners(Parts);
        _desk = new DeploymentDesk(Parts, _owners, new WakeQueue(_store, _owners, Parts.Limits, Clock, NullLogger<WakeQueue>.Instance), new DeploymentId(Clock, RandomNumberGenerator.Create()));
    }

    private async Task Close()
    {
        await _owners!.DisposeAsync();
        Freezes.Dispose();
        await _store!.DisposeAsync();
    }

    public async Task<Deployment> Announce(string version, string? previous = "1.0.0", string service = "checkout", IReadOnlyDictionary<string, double>? metrics = null, IReadOnlyDictionary<string, string>? labels = null)
    {
        var announcing = new Announcing(service, "prod", version, previous, null, null, null, null, labels ?? new Dictionary<string, string>(StringComparer.Ordinal), "release", metrics, "test", null, new byte[32]);
        var (_, deployment) = await Desk.Announce(announcing, CancellationToken.None);
        return deployment!;
    }

    /// <summary>Wakes the owners of these deployments when they are due and turns the clock on to the next, until the condition holds or a bound on simulated time is reached.</summary>
    public async Task<Deployment> Run(string id, Func<Deployment, bool> until, TimeSpan? longest = null)
    {
        var end = Clock.GetUtcNow() + (longest ?? TimeSpan.FromMinutes(10));
        while (true)
        {
            var next = await _owners!.Loop(id).Wake(CancellationToken.None);
            // A real server answers in real time, the clock is the test's: it stands still until the answer is there.
            if (AwaitsAnswers && _owners.Loop(id).Answer is { } answer)
                await answer.WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System);
            var deployment = await Get(id);
            if (until(deployment))
                return deployment;
            Clock.GetUtcNow().ShouldBeLessThan(end, $"{id} is still {deployment.State}, {deployment.Verdict?.Decision}: {deployment.Verdict?.Reasoning}");
            var wait = (next ?? throw new InvalidOperationException($"{id} is closed ({deployment.ClosedReason})")) - Clock.GetUtcNow();
            Clock.Advance(wait > TimeSpan.Zero ? wait : TimeSpan.FromMilliseconds(1));
        }
    }

    /// <summary>Wakes the owner of a deployment that is closed until it has nothing left to do: everybody is told.</summary>
    public async Task Settle(string id, TimeSpan? longest = null)
    {
        var end = Clock.GetUtcNow() + (longest ?? TimeSpan.FromHours(2));
        while (await _owners!.Loop(id).Wake(CancellationToken.None) is { } next)
        {
            Clock.GetUtcNow().ShouldBeLessThan(end, $"{id} is not done");
            if (next > Clock.GetUtcNow())
                Clock.Advance(next - Clock.GetUtcNow());
        }
    }

    /// <summary>The same for many at once, each awake whenever it is due.</summary>
    public async Task<IReadOnlyDictionary<string, Deployment>> RunAll(IReadOnlyList<string> ids, Func<Deployment, bool> until)
    {
        var done = new Dictionary<string, Deployment>(StringComparer.Ordinal);
        var due = ids.ToDictionary(id => id, _ => Clock.GetUtcNow(), StringComparer.Ordinal);
        var end = Clock.GetUtcNow() + TimeSpan.FromMinutes(10);
        while (done.Count < ids.Count)
        {
            Clock.GetUtcNow().ShouldBeLessThan(end, $"{ids.Count - done.Count} are not done");
            foreach (var id in ids.Where(id => !done.ContainsKey(id) && due[id] <= Clock.GetUtcNow()))
            {
                due[id] = await _owners!.Loop(id).Wake(CancellationToken.None) ?? DateTimeOffset.MaxValue;
                if (await Get(id) is var deployment && until(deployment))
                    done[id] = deployment;
            }

            var next = ids.Where(id => !done.ContainsKey(id)).Select(id => due[id]).DefaultIfEmpty(Clock.GetUtcNow()).Min();
            if (next > Clock.GetUtcNow())
                Clock.Advance(next - Clock.GetUtcNow());
        }

        return done;
    }

    public async Task<Deployment> Get(string id) => (await Desk.Get(id, CancellationToken.None))!;

    public async Task<IReadOnlyList<Fact>> Facts(string id) => await Desk.Facts(id, 0, 2000, CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        await Close();
        Directory.Delete(_folder, recursive: true);
    }

    private sealed class Owners(LoopParts parts) : IOwners, IAsyncDisposable
    {
        private readonly ConcurrentDictionary<string, OwnedLoop> _loops = new(StringComparer.Ordinal);

        public OwnedLoop Loop(string id) => _loops.GetOrAdd(id, key => new OwnedLoop(parts, key));

        public IOwner Of(string deployment) => new Owner(Loop(deployment));

        public async ValueTask DisposeAsync()
        {
            foreach (var loop in _loops.Values)
                await loop.DisposeAsync();
        }

        private sealed class Owner(OwnedLoop loop) : IOwner
        {
            public Task Wake(CancellationToken cancel) => loop.Wake(cancel);

            public Task<byte[]?> Document(CancellationToken cancel) => loop.Document(cancel);

            public Task<byte[]> Ask(byte[] command, CancellationToken cancel) => loop.Ask(command, cancel);
        }
    }
}

/// <summary>A service under steady traffic: per version an error share, counted exactly by the questions' own instants.</summary>
internal sealed class TruthSource(FakeTimeProvider clock, Platform platform) : ISource
{
    /// <summary>Requests a second of each serving version.</summary>
    public double Rate { get; set; } = 100;

    public ConcurrentDictionary<string, double> ErrorShare { get; } = new(StringComparer.Ordinal);

    public HashSet<string> Silent { get; } = new(StringComparer.Ordinal);

    /// <summary>Versions that requests still reach after they were rolled back.</summary>
    public HashSet<string> Lingering { get; } = new(StringComparer.Ordinal);

    public Quality? Broken { get; set; }

    public Task<Reading[]> Observe(IReadOnlyList<Question> questions, CancellationToken cancel) =>
        Task.FromResult(questions.Select(q => Answer(q, q.From, q.To)).ToArray());

    /// <summary>Runs while the past is asked for, as what others do at that moment.</summary>
    public Func<Task>? PastAsked { get; set; }

    public async Task<Reading[][]> Past(IReadOnlyList<Question> questions, int points, CancellationToken cancel)
    {
        if (PastAsked is { } asked)
            await asked();
        return [.. questions.Select(q =>
        {
            var width = (q.To - q.From) / points;
            return Enumerable.Range(0, points).Select(p => Answer(q, q.From + (p * width), q.From + ((p + 1) * width))).ToArray();
        })];
    }

    public bool RemembersPast => true;

    public bool SeparatesArms => false;

    private Reading Answer(Question question, DateTimeOffset from, DateTimeOffset to)
    {
        if (Broken is { } quality)
            return Reading.Missing(quality, "the test broke it");
        (to <= clock.GetUtcNow()).ShouldBeTrue("a tick is asked for after its end");
        var version = question.Query.Split("version=\"")[1].Split('"')[0];
        if (Silent.Contains(version) || (platform.RolledBackFrom.Contains(version) && question.Arm == Arm.Candidate && !Lingering.Contains(version)))
            return new Reading(Quality.Value, 0, 0, null, to.ToUnixTimeMilliseconds());
        var share = ErrorShare.GetValueOrDefault(version, 0.001);
        double Count(DateTimeOffset at) => Math.Floor((at - DateTimeOffset.UnixEpoch).TotalSeconds * Rate);
        double Bad(DateTimeOffset at) => Math.Floor(Count(at) * share);
        return new Reading(Quality.Value, Bad(to) - Bad(from), Count(to) - Count(from), null, to.ToUnixTimeMilliseconds());
    }
}

/// <summary>A platform that counts what took effect.</summary>
internal sealed class Platform : IRollbackTarget
{
    private readonly HashSet<string> _keys = new(StringComparer.Ordinal);

    public string Serving { get; set; } = "candidate";

    public HashSet<string> RolledBackFrom { get; } = new(StringComparer.Ordinal);

    public List<RollbackOrder> Orders { get; } = [];

    public int Effects => _keys.Count;

    public Func<RollbackOrder, OrderResult?>? Intercept { get; set; }

    public bool Unreachable { get; set; }

    public bool Settled { get; set; } = true;

    /// <summary>It cannot be asked what serves.</summary>
    public bool Mute { get; set; }

    public string Name => "platform:checkout";

    public bool KnowsHistory { get; set; }

    public IReadOnlyList<EarlierVersion> Earlier { get; set; } = [];

    /// <summary>Runs while it is looked at, as what others do at that moment.</summary>
    public Func<Task>? Looked { get; set; }

    public async Task<PlatformState> Look(string service, string environment, CancellationToken cancel)
    {
        if (Looked is { } looked)
            await looked();
        if (Mute)
            return new PlatformState(true, null, true, null, "as the command says", OnlyWord: true);
        return Unreachable
            ? new PlatformState(false, null, false, null, "the platform cannot be reached")
            : new PlatformState(true, Serving, Settled, null, $"{Serving} serves") { Earlier = Earlier };
    }

    public Task<OrderResult> Order(RollbackOrder order, CancellationToken cancel)
    {
        Orders.Add(order);
        if (Unreachable)
            return Task.FromResult(new OrderResult(false, false, "the platform cannot be reached"));
        if (Intercept?.Invoke(order) is { } instead)
            return Task.FromResult(instead);
        if (_keys.Add(order.Key))
        {
            Serving = order.TargetVersion;
            RolledBackFrom.Add(order.Version);
        }

        return Task.FromResult(new OrderResult(true, false, $"back to {order.TargetVersion}"));
    }
}
