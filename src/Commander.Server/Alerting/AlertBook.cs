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
        // Whatever an entry wants to hear and how it says it, a place where people read is one.
        var key = JsonSerializer.Serialize(to with { On = [], Severity = null, Template = null, Quiet = null }, Json.Tolerant);
        return await _queues.GetOrAdd(key, _ => new Queue(this, clock)).Add(channel, worded, cancel);
    }

    /// <summary>Whether a channel could be told: null, or what is wrong.</summary>
    public async Task<string?> Check(AlertPolicy to, CancellationToken cancel)
    {
        if (make(to) is not { } channel)
            return $"this version cannot tell a channel of type '{to.Channel}'";
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        try
        {
            return await channel.Check(deadline.Token).WaitAsync(Deadline, clock, cancel);
        }
        catch (TimeoutException)
        {
            await deadline.CancelAsync();
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
            return new Delivery(Told.Later, Message: $"did not answer within {Deadline.TotalSeconds:0} s") { MayHaveArrived = true };
        }
        catch (Exception e)
        {
            // A channel that throws is a mistake of ours; whoever waits shall hear of it. Its message may have an address in it that is a secret.
            return new Delivery(Told.Later, Message: $"could not be told: {e.GetType().Name}") { MayHaveArrived = true };
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
            bool begins;
            lock (_lock)
            {
                _channel = channel;
                _waiting.Add(one);
                (begins, _running) = (!_running, true);
            }

            // Outside of the lock: it calls the channel before it waits for the first time.
            if (begins)
                _ = Run();
            await using var taken = cancel.Register(() =>
            {
                bool waited;
                lock (_lock)
                    waited = _waiting.Remove(one);
                // What is out already is waited for: whoever asks again would tell it twice.
                if (waited)
                    done.TrySetCanceled(cancel);
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
                List<(Worded Alert, TaskCompletionSource<Delivery> Done)> all;
                IAlertChannel channel;
                lock (_lock)
                {
                    if (_waiting.Count == 0)
                    {
                        _running = false;
                        return;
                    }

                    (all, channel) = ([.. _waiting], _channel!);
                    _waiting.Clear();
                }

                if (all.Count > 1)
                    _pause = _pause * 2 < Longest ? _pause * 2 : Longest;
                _last = clock.GetUtcNow();
                // What one message cannot hold goes out with the next one now: whoever has waited does not wait again.
                foreach (var group in all.Chunk(channel.Most))
                {
                    var came = await book.Try(channel, [.. group.Select(one => one.Alert)]);
                    foreach (var (_, done) in group)
                        done.TrySetResult(came);
                }
            }
        }
    }
}
