using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Commander.Judging.Models;
using Commander.Server.Acting.Rollback;
using Commander.Server.Loop;
using Commander.Server.Sources;
using Commander.Server.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Reading = Commander.Judging.Evidence.Reading;

namespace Commander.Server.Tests.Loop.Simulated;

/// <summary>
/// One process: the loop's real parts, and around it all that it reaches through. Whenever it reaches out, the seed says
/// whether that takes time, fails, or is where the process dies: then nothing of it ever goes on.
/// </summary>
internal sealed class SimulatedNode
{
    private readonly SimulatedWorld _world;
    private readonly Dictionary<string, SimulatedOwner> _owners = new(StringComparer.Ordinal);
    private int _diesAfter;

    public SimulatedNode(SimulatedWorld world, string name, TimeSpan fast, int diesAfter)
    {
        (_world, Name, _diesAfter) = (world, name, diesAfter);
        Clock = new SimulatedClock(world.Time, fast);
    }

    public string Name { get; }

    public bool Dead { get; private set; }

    public SimulatedClock Clock { get; }

    public LoopParts Parts { get; private set; } = null!;

    /// <summary>Null until the process is up.</summary>
    public DeploymentDesk? Desk { get; private set; }

    public async Task Start()
    {
        var store = new Store(this);
        var pins = await PinBook.Open(store, _world.Policies, Model.Shipped, Clock, CancellationToken.None);
        Parts = new LoopParts(
            store,
            pins,
            new SourceBook(new Dictionary<string, ISource>(StringComparer.Ordinal) { ["truth"] = new Source(this) }),
            new TargetBook(_ => new Target(this)),
            new LiveEvents(),
            Clock,
            new LoopLimits { MaxWatches = _world.MaxWatches },
            id => "http://127.0.0.1:5080/d/" + id,
            NullLogger.Instance,
            new FreezeBook(store, Clock),
            null,
            null,
            null)
        {
            Owner = new Routes(_world, this).Of,
        };
        var owners = new Routes(_world, this);
        Desk = new DeploymentDesk(Parts, owners, new WakeQueue(store, owners, Parts.Limits, Clock, NullLogger<WakeQueue>.Instance), new DeploymentId(Clock, new Randomness(_world.Random)));
        _world.Up(pins);
        _ = Sweep();
    }

    public SimulatedOwner Owner(string id)
    {
        if (_owners.TryGetValue(id, out var known))
            return known;
        var owner = _owners[id] = new SimulatedOwner(this, id, () => _owners.Remove(id));
        owner.Wake();
        return owner;
    }

    public void Die()
    {
        if (Dead)
            return;
        Dead = true;
        Clock.Stop();
        _world.Tell($"{Name} dies");
        _world.Died(this);
    }

    /// <summary>The border of the process.</summary>
    public async Task Cross()
    {
        if (!Dead && _diesAfter-- == 0)
            Die();
        if (Dead)
            await new TaskCompletionSource().Task;
        var chance = _world.Random.NextDouble();
        if (chance < 0.03)
            await Task.Delay(TimeSpan.FromMilliseconds(_world.Random.Next(1, 4000)), Clock);
        else if (chance < 0.6)
            await Task.Yield();
        if (Dead)
            await new TaskCompletionSource().Task;
    }

    // What WakeQueue does each second, beside the timers.
    private async Task Sweep()
    {
        while (true)
        {
            await Task.Delay(TimeSpan.FromSeconds(1), Clock);
            try
            {
                var by = Clock.GetUtcNow() - TimeSpan.FromSeconds(2);
                foreach (var id in await Parts.Store.Due(by, 500, CancellationToken.None))
                    _world.Place(id).Owner(id).Wake();
                if (Parts.Limits.Free is > 0 and var free)
                {
                    foreach (var id in await Parts.Store.Waiting(by, free, CancellationToken.None))
                        _world.Place(id).Owner(id).Wake();
                }
            }
            catch (StoreUnavailableException)
            {
                // The next time.
            }
        }
    }

    private bool Chance(double of) => _world.Random.NextDouble() < of;

    private sealed class Randomness(Random random) : RandomNumberGenerator
    {
        public override void GetBytes(byte[] data) => random.NextBytes(data);
    }

    private sealed class Store(SimulatedNode node) : IFactStore
    {
        private readonly IFactStore _store = node._world.Planted(node);

        public async Task<Announced> Announce(Announcement announcement, CancellationToken cancel) =>
            await Write(() => _store.Announce(announcement, cancel));

        public async Task<bool> Append(Append append, CancellationToken cancel) => await Write(async () =>
        {
            var stored = await _store.Append(append, cancel);
            node._world.Tell($"{node.Name} {append.Facts[0].Stream} {string.Join(' ', append.Facts.Select(fact => $"{fact.Seq}:{fact.Kind}"))}{(stored ? "" : " refused")}");
            return stored;
        });

        public Task<IReadOnlyList<Fact>> Read(string stream, long afterSeq, int limit, CancellationToken cancel) => Ask(() => _store.Read(stream, afterSeq, limit, cancel));

        public Task<DeploymentRow?> Find(string id, CancellationToken cancel) => Ask(() => _store.Find(id, cancel));

        public Task<IReadOnlyList<DeploymentRow>> List(DeploymentFilter filter, CancellationToken cancel) => Ask(() => _store.List(filter, cancel));

        public Task<IReadOnlyList<string>> Due(DateTimeOffset now, int limit, CancellationToken cancel) => Ask(() => _store.Due(now, limit, cancel));

        public Task<IReadOnlyList<string>> Waiting(DateTimeOffset now, int limit, CancellationToken cancel) => Ask(() => _store.Waiting(now, limit, cancel));

        public Task<int> Count(CancellationToken cancel) => Ask(() => _store.Count(cancel));

        public Task<int> CountOpen(CancellationToken cancel) => Ask(() => _store.CountOpen(cancel));

        public Task<IReadOnlyList<DeploymentRow>> History(string service, string environment, int limit, CancellationToken cancel) => Ask(() => _store.History(service, environment, limit, cancel));

        public Task<IReadOnlyList<DeploymentRow>> RolledBack(string service, string environment, IReadOnlyCollection<string> versions, string except, CancellationToken cancel) =>
            Ask(() => _store.RolledBack(service, environment, versions, except, cancel));

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private async Task<T> Ask<T>(Func<Task<T>> ask)
        {
            await node.Cross();
            if (node.Chance(node._world.StoreTrouble))
                throw new StoreUnavailableException("the simulated store is away");
            return await ask();
        }

        // A write may be stored and its answer lost.
        private async Task<T> Write<T>(Func<Task<T>> write)
        {
            var answer = await Ask(write);
            await node.Cross();
            if (node.Chance(node._world.StoreTrouble))
                throw new StoreUnavailableException("the answer of the simulated store was lost. Whether this was stored is not known");
            return answer;
        }
    }

    private sealed class Source(SimulatedNode node) : ISource
    {
        public bool RemembersPast => node._world.RemembersPast;

        public bool SeparatesArms => false;

        public async Task<Reading[]> Observe(IReadOnlyList<Question> questions, CancellationToken cancel)
        {
            await Answering();
            return [.. questions.Select(question => node._world.Answer(question, question.From, question.To))];
        }

        public async Task<Reading[][]> Past(IReadOnlyList<Question> questions, int points, CancellationToken cancel)
        {
            await Answering();
            return [.. questions.Select(question =>
            {
                var width = (question.To - question.From) / points;
                return Enumerable.Range(0, points).Select(point => node._world.Answer(question, question.From + (point * width), question.From + ((point + 1) * width))).ToArray();
            })];
        }

        private async Task Answering()
        {
            await node.Cross();
            if (node.Chance(0.01))
                await Task.Delay(TimeSpan.FromSeconds(15), node.Clock);
        }
    }

    private sealed class Target(SimulatedNode node) : IRollbackTarget
    {
        public string Name => "platform";

        public bool KnowsHistory => false;

        public async Task<PlatformState> Look(string service, string environment, CancellationToken cancel)
        {
            await node.Cross();
            var state = node.Chance(0.05) ? new PlatformState(false, null, false, null, "the platform cannot be reached") : node._world.Platform(service).State;
            await node.Cross();
            return state;
        }

        public async Task<OrderResult> Order(RollbackOrder order, CancellationToken cancel)
        {
            await node.Cross();
            if (node.Chance(0.05))
                return new OrderResult(false, false, "the platform cannot be reached");
            if (node.Chance(0.02))
                return new OrderResult(false, true, "the platform does not take it");
            if (node.Chance(0.03))
            {
                node._world.TakeLate(node, order);
                return new OrderResult(false, false, "the platform did not answer in time");
            }

            node._world.TakeEffect(node, order);
            await node.Cross();
            return node.Chance(0.05) ? new OrderResult(false, false, "the answer of the platform was lost") : new OrderResult(true, false, $"back to {order.TargetVersion}");
        }
    }

    // A message to an owner finds some node that holds it, takes its time, and may come twice.
    private sealed class Routes(SimulatedWorld world, SimulatedNode from) : IOwners
    {
        public IOwner Of(string deployment) => new Route(world, from, deployment);

        private sealed class Route(SimulatedWorld world, SimulatedNode from, string deployment) : IOwner
        {
            public async Task Wake(CancellationToken cancel)
            {
                await from.Cross();
                world.Place(deployment).Owner(deployment).Wake();
            }

            public async Task<byte[]?> Document(CancellationToken cancel)
            {
                await from.Cross();
                return await world.Place(deployment).Owner(deployment).While(loop => loop.Document(cancel));
            }

            public async Task<byte[]> Ask(byte[] command, CancellationToken cancel)
            {
                await from.Cross();
                var answer = await world.Place(deployment).Owner(deployment).While(loop => loop.Ask(command, cancel));
                return from.Chance(0.05) ? await world.Place(deployment).Owner(deployment).While(loop => loop.Ask(command, cancel)) : answer;
            }
        }
    }
}

/// <summary>What the grain does: it keeps one deployment's timer.</summary>
[SuppressMessage("Design", "CA1001", Justification = "Its loop is released when the owner goes.")]
internal sealed class SimulatedOwner(SimulatedNode node, string id, Action gone)
{
    private readonly OwnedLoop _loop = new(node.Parts, id);
    private ITimer? _timer;
    private int _asking;
    private bool _gone;

    public void Wake() => Schedule(TimeSpan.FromMilliseconds(1));

    /// <summary>Asks the loop; an owner that goes waits for those who ask.</summary>
    public async Task<T> While<T>(Func<OwnedLoop, Task<T>> ask)
    {
        _asking++;
        try
        {
            return await ask(_loop);
        }
        finally
        {
            if (--_asking == 0 && _gone)
                await _loop.DisposeAsync();
        }
    }

    private void Schedule(TimeSpan wait)
    {
        if (node.Dead)
            return;
        if (_timer is null)
            _timer = node.Clock.CreateTimer(_ => _ = Tick(), null, wait, Timeout.InfiniteTimeSpan);
        else
            _timer.Change(wait, Timeout.InfiniteTimeSpan);
    }

    private async Task Tick()
    {
        DateTimeOffset? next;
        try
        {
            next = await _loop.Wake(CancellationToken.None);
        }
        catch (Exception e) when (e is not BrokenInvariantException)
        {
            next = node.Clock.GetUtcNow() + TimeSpan.FromSeconds(1);
        }

        if (next is not { } due)
        {
            _timer?.Dispose();
            _gone = true;
            gone();
            if (_asking == 0)
                await _loop.DisposeAsync();
            return;
        }

        var wait = due - node.Clock.GetUtcNow();
        Schedule(wait < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : wait);
    }
}
