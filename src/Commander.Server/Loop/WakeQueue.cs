using System.Threading.Channels;
using Commander.Server.Storage;

namespace Commander.Server.Loop;

/// <summary>
/// Wakes owners: at once those that were just announced or told something, and, by a sweep over the store, every one that is
/// overdue: after a restart, after a crash, and when the queue was full.
/// </summary>
internal sealed class WakeQueue(IFactStore store, IOwners owners, TimeProvider clock, ILogger<WakeQueue> log) : BackgroundService
{
    private const int Wakers = 8;
    private const int SweepAtOnce = 500;
    private static readonly TimeSpan SweepEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Overdue = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan WakeDeadline = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan HurryFor = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan HurryEvery = TimeSpan.FromMilliseconds(250);

    private readonly Channel<string> _queue = Channel.CreateBounded<string>(new BoundedChannelOptions(10_000) { FullMode = BoundedChannelFullMode.DropWrite });

    private TaskCompletionSource _hurried = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Another node went: for some seconds whatever is due is woken at once. An owner that lives only ticks when it is due anyway.</summary>
    public void Hurry() => Volatile.Read(ref _hurried).TrySetResult();

    /// <summary>Wakes a deployment's owner soon. When the queue is full the sweep finds it.</summary>
    public void Add(string id) => _queue.Writer.TryWrite(id);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await Task.WhenAll(Enumerable.Range(0, Wakers).Select(_ => Wake(stoppingToken)).Append(Sweep(stoppingToken)));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops, or could not start.
        }
    }

    private async Task Wake(CancellationToken cancel)
    {
        await foreach (var id in _queue.Reader.ReadAllAsync(cancel))
        {
            try
            {
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
        while (true)
        {
            try
            {
                foreach (var id in await store.Due(clock.GetUtcNow() - overdue, SweepAtOnce, cancel))
                    Add(id);
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
}
