using System.Threading.Channels;
using Commander.Server.Storage;

namespace Commander.Server.Loop;

/// <summary>
/// Wakes owners: soon those that were just announced, and, by a sweep over the store, every one that is overdue: after a restart, after
/// a crash, and when the queue was full. Few begin at once, so that a storm of announcements is accepted first and begun after; those
/// under way never stand behind those that wait.
/// </summary>
internal sealed class WakeQueue(IFactStore store, IOwners owners, LoopLimits limits, TimeProvider clock, ILogger<WakeQueue> log) : BackgroundService
{
    private const int Wakers = 8;
    private const int Beginners = 4;
    private const int SweepAtOnce = 2_000;
    private static readonly TimeSpan SweepEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Overdue = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan WakeDeadline = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan HurryFor = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan HurryEvery = TimeSpan.FromMilliseconds(250);

    // Whoever finds no place has nothing to do but to say so; and while more than this comes in a second, to accept it goes before.
    private const int Storm = 1_000;
    private static readonly TimeSpan Slowly = TimeSpan.FromMilliseconds(20);

    private readonly Channel<string> _announced = Queue();
    private readonly Channel<string> _overdue = Queue();

    private long _added;
    private bool _storm;
    private TaskCompletionSource _hurried = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Another node went: for some seconds whatever is due is woken at once. An owner that lives only ticks when it is due anyway.</summary>
    public void Hurry() => Volatile.Read(ref _hurried).TrySetResult();

    /// <summary>Begins the watch of an announced deployment soon. When the queue is full the sweep finds it.</summary>
    public void Add(string id)
    {
        Interlocked.Increment(ref _added);
        _announced.Writer.TryWrite(id);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await Task.WhenAll(
            [
                .. Enumerable.Range(0, Beginners).Select(_ => Wake(_announced, stoppingToken)),
                .. Enumerable.Range(0, Wakers).Select(_ => Wake(_overdue, stoppingToken)),
                Sweep(stoppingToken),
            ]);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops, or could not start.
        }
    }

    private async Task Wake(Channel<string> queue, CancellationToken cancel)
    {
        await foreach (var id in queue.Reader.ReadAllAsync(cancel))
        {
            try
            {
                if (queue == _announced && (limits.Free == 0 || Volatile.Read(ref _storm)))
                    await Task.Delay(Slowly, clock, cancel);
                await owners.Of(id).Wake(cancel).WaitAsync(WakeDeadline, cancel);
            }
            catch (Exception e) when (!cancel.IsCancellationRequested)
            {
                log.Stumbled(id, 1, e);
            }
        }
    }

    private async Task Sweep(CancellationToken cancel)
    {
        // At the start everything that is due is overdue: a restart takes its watches up at once.
        var overdue = TimeSpan.Zero;
        var hurryUntil = DateTimeOffset.MinValue;
        for (long before = 0, since = clock.GetTimestamp(); ;)
        {
            var (added, now) = (Interlocked.Read(ref _added), clock.GetTimestamp());
            Volatile.Write(ref _storm, added - before > Storm * Math.Max(1, clock.GetElapsedTime(since, now).TotalSeconds));
            (before, since) = (added, now);
            try
            {
                var by = clock.GetUtcNow() - overdue;
                foreach (var id in await store.Due(by, SweepAtOnce, cancel))
                    _overdue.Writer.TryWrite(id);
                // Those that this process knows of come by themselves; the others, of the time before a restart or of a node that went, after them.
                if (_announced.Reader.Count == 0 && Math.Min(limits.Free, SweepAtOnce) is > 0 and var free)
                {
                    foreach (var id in await store.Waiting(by, free, cancel))
                        Add(id);
                }

                overdue = Overdue;
            }
            catch (Exception e) when (!cancel.IsCancellationRequested)
            {
                log.SweepStumbled(e);
            }

            var hurried = Volatile.Read(ref _hurried);
            await Task.WhenAny(Task.Delay(clock.GetUtcNow() < hurryUntil ? HurryEvery : SweepEvery, clock, cancel), hurried.Task);
            cancel.ThrowIfCancellationRequested();
            if (hurried.Task.IsCompleted)
            {
                Volatile.Write(ref _hurried, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
                hurryUntil = clock.GetUtcNow() + HurryFor;
            }

            if (clock.GetUtcNow() < hurryUntil)
                overdue = TimeSpan.Zero;
        }
    }

    private static Channel<string> Queue() => Channel.CreateBounded<string>(new BoundedChannelOptions(10_000) { FullMode = BoundedChannelFullMode.DropWrite });
}
