using Orleans.Concurrency;
using Orleans.Runtime.Messaging;

namespace Commander.Server.Loop;

/// <summary>A deployment's owner as a grain. Documents are JSON bytes, so that two versions of the program can speak to each other.</summary>
[Alias("commander.deployment")]
internal interface IDeploymentGrain : IGrainWithStringKey
{
    [Alias("wake")]
    Task Wake();

    [Alias("document")]
    Task<byte[]?> Document();

    [Alias("ask")]
    Task<byte[]> Ask(byte[] command);
}

/// <summary>
/// The durable shell of <see cref="VerificationLoop"/>: it keeps the timer, nothing else. Reentrant, because a person who asks
/// must not wait for a source that is slow; the loop's own gate keeps its facts in order.
/// </summary>
[Reentrant]
internal sealed class DeploymentGrain(LoopParts parts) : Grain, IDeploymentGrain, IDisposable
{
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);
    private static readonly TimeSpan AfterTrouble = TimeSpan.FromSeconds(1);
    private readonly CancellationTokenSource _stopping = new();
    private OwnedLoop? _owned;
    private IGrainTimer? _timer;

    private OwnedLoop Owned => _owned ??= new OwnedLoop(parts, this.GetPrimaryKeyString());

    // The first steps here and not in the timer's turn: who wakes thousands waits for each, so that they do not all begin at once.
    public async Task Wake()
    {
        if (await Owned.Begin(_stopping.Token))
            Schedule(Shortest);
        else if (_timer is null)
            DeactivateOnIdle();
    }

    public Task<byte[]?> Document()
    {
        GoOn();
        return Owned.Document(_stopping.Token);
    }

    public Task<byte[]> Ask(byte[] command)
    {
        GoOn();
        return Owned.Ask(command, _stopping.Token);
    }

    // Whoever asks makes it the owner, and an owner goes on by itself: it may just have died somewhere else.
    private void GoOn()
    {
        if (_timer is null)
            Schedule(Shortest);
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        if (_owned is { } owned)
            await owned.DisposeAsync();
    }

    public void Dispose() => _stopping.Dispose();

    private void Schedule(TimeSpan wait)
    {
        if (_stopping.IsCancellationRequested)
            return;
        if (_timer is { } timer)
        {
            timer.Change(wait, Timeout.InfiniteTimeSpan);
            return;
        }

        _timer = this.RegisterGrainTimer(Tick, new GrainTimerCreationOptions(wait, Timeout.InfiniteTimeSpan) { Interleave = true, KeepAlive = true });
    }

    private async Task Tick(CancellationToken cancel)
    {
        DateTimeOffset? next;
        try
        {
            next = await Owned.Wake(cancel);
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            parts.Log.Stumbled(this.GetPrimaryKeyString(), 1, e);
            next = parts.Clock.GetUtcNow() + AfterTrouble;
        }

        if (next is not { } due)
        {
            DeactivateOnIdle();
            return;
        }

        var wait = due - parts.Clock.GetUtcNow();
        Schedule(wait < Shortest ? Shortest : wait > Longest ? Longest : wait);
    }
}

/// <summary>
/// Finds owners among the grains of the cluster. What does not reach one, because its node has just gone, is said again: until
/// another node is known to have the deployment that takes as long as a node that is silent is watched. Saying it twice does no
/// harm: a second order finds the first under way.
/// </summary>
internal sealed class GrainOwners(IGrainFactory grains, TimeProvider clock) : IOwners
{
    private const int Attempts = 6;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    public IOwner Of(string deployment) => new Owner(grains.GetGrain<IDeploymentGrain>(deployment), clock);

    private sealed class Owner(IDeploymentGrain grain, TimeProvider clock) : IOwner
    {
        public Task Wake(CancellationToken cancel) => Reach(async () =>
        {
            await grain.Wake();
            return true;
        }, cancel);

        public Task<byte[]?> Document(CancellationToken cancel) => Reach(grain.Document, cancel);

        public Task<byte[]> Ask(byte[] command, CancellationToken cancel) => Reach(() => grain.Ask(command), cancel);

        private async Task<T> Reach<T>(Func<Task<T>> ask, CancellationToken cancel)
        {
            for (var attempt = 1; ; attempt++)
            {
                try
                {
                    return await ask();
                }
                catch (Exception e) when (e is OrleansMessageRejectionException or ConnectionFailedException && attempt < Attempts && !cancel.IsCancellationRequested)
                {
                    await Task.Delay(Pause * attempt, clock, cancel);
                }
            }
        }
    }
}
