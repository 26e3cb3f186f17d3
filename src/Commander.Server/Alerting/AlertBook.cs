using System.Collections.Concurrent;
using System.Text.Json;
using Commander.Judging;
using Commander.Judging.Policies;

namespace Commander.Server.Alerting;

/// <summary>
/// All channels of this process. The first alert goes out at once; what comes shortly after it waits for what comes with it, the longer
/// the more there is, so that a storm is a handful of messages that name everything. Nothing is kept here: who asks stores what came of it.
/// </summary>
/// <param name="make">A channel by what the policy says; null where this version has none.</param>
/// <param name="words">What an alert says, by the policy's template where it has one.</param>
/// <param name="clock">Time.</param>
internal sealed class AlertBook(Func<AlertPolicy, IAlertChannel?> make, Func<AlertPolicy, Alert, AlertText> words, TimeProvider clock)
{
    /// <summary>What comes so soon after a message waits.</summary>
    public static readonly TimeSpan Shortest = TimeSpan.FromSeconds(5);

    /// <summary>And nothing waits longer than this.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(40);

    /// <summary>How long one try may take.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(15);

    private readonly ConcurrentDictionary<string, Queue> _queues = new(StringComparer.Ordinal);

    /// <summary>Tells one channel one thing; in a storm together with others, up to a minute later.</summary>
    /// <param name="to">The policy's entry.</param>
    /// <param name="alert">What.</param>
    /// <param name="cancel">Takes back what is not out yet, by <see cref="OperationCanceledException"/>; what is out is waited for.</param>
    public async Task<Delivery> Tell(AlertPolicy to, Alert alert, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (make(to) is not { } channel)
            return new Delivery(Told.Refused, Message: $"this version cannot tell a channel of type '{to.Channel}'");
        var worded = new Worded(alert, words(to, alert));
        // What goes on in a conversation is a change of a message, and no message more.
        if (channel.Most == 1 || alert.Reference is not null)
            return await Try(channel, [worded]);
        var key = JsonSerializer.Serialize(to, Json.Tolerant);
        return await _queues.GetOrAdd(key, _ => new Queue(this, clock)).Add(channel, worded, cancel);
    }

    /// <summary>Whether a channel could be told: null, or what is wrong.</summary>
    public async Task<string?> Check(AlertPolicy to, CancellationToken cancel)
    {
        if (make(to) is not { } channel)
            return $"this version cannot tell a channel of type '{to.Channel}'";
        try
        {
            return await channel.Check(cancel).WaitAsync(Deadline, clock, cancel);
        }
        catch (TimeoutException)
        {
            return $"did not answer within {Deadline.TotalSeconds:0} s";
        }
    }

    private async Task<Delivery> Try(IAlertChannel channel, IReadOnlyList<Worded> alerts)
    {
        using var deadline = new CancellationTokenSource();
        try
        {
            return await channel.Tell(alerts, deadline.Token).WaitAsync(Deadline, clock, CancellationToken.None);
        }
        catch (TimeoutException)
        {
            await deadline.CancelAsync();
            return new Delivery(Told.Later, Message: $"did not answer within {Deadline.TotalSeconds:0} s");
        }
        catch (Exception e)
        {
            // A channel that throws is a mistake of ours; whoever waits shall hear of it.
            return new Delivery(Told.Later, Message: $"{e.GetType().Name}: {e.Message}");
        }
    }

    /// <summary>What waits for one channel.</summary>
    private sealed class Queue(AlertBook book, TimeProvider clock)
    {
        private readonly Lock _lock = new();
        private readonly List<(Worded Alert, TaskCompletionSource<Delivery> Done)> _waiting = [];
        private IAlertChannel? _channel;
        private bool _running;
        private DateTimeOffset _last = DateTimeOffset.MinValue;
        private TimeSpan _pause = Shortest;

        public async Task<Delivery> Add(IAlertChannel channel, Worded alert, CancellationToken cancel)
        {
            var done = new TaskCompletionSource<Delivery>(TaskCreationOptions.RunContinuationsAsynchronously);
            var one = (alert, done);
            lock (_lock)
            {
                _channel = channel;
                _waiting.Add(one);
                if (!_running)
                {
                    _running = true;
                    _ = Run();
                }
            }

            await using var taken = cancel.Register(() =>
            {
                lock (_lock)
                {
                    if (_waiting.Remove(one))
                        done.TrySetCanceled(cancel);
                }
            });
            return await done.Task;
        }

        private async Task Run()
        {
            while (true)
            {
                var wait = _last + _pause - clock.GetUtcNow();
                if (wait > TimeSpan.Zero)
                    await Task.Delay(wait, clock);
                else if (wait < -_pause)
                    _pause = Shortest;
                List<(Worded Alert, TaskCompletionSource<Delivery> Done)> group;
                IAlertChannel channel;
                lock (_lock)
                {
                    if (_waiting.Count == 0)
                    {
                        _running = false;
                        return;
                    }

                    channel = _channel!;
                    group = _waiting[..Math.Min(_waiting.Count, channel.Most)];
                    _waiting.RemoveRange(0, group.Count);
                }

                if (group.Count > 1)
                    _pause = _pause * 2 < Longest ? _pause * 2 : Longest;
                _last = clock.GetUtcNow();
                var came = await book.Try(channel, [.. group.Select(one => one.Alert)]);
                foreach (var (_, done) in group)
                    done.TrySetResult(came);
            }
        }
    }
}
