using Commander.Judging.Policies;
using Commander.Server.Alerting;
using Commander.Server.Storage;

namespace Commander.Server.Hosting.SelfChecks;

/// <summary>Something to tell one channel.</summary>
/// <param name="Change">What happened.</param>
/// <param name="To">Whom.</param>
/// <param name="Entry">The channel as people name it.</param>
/// <param name="Channel">Its id.</param>
/// <param name="Reference">Where it has the message that this one follows on.</param>
internal sealed record Due(CheckChange Change, AlertPolicy To, string Entry, string Channel, string? Reference);

/// <summary>
/// Tells the channels of the policies' defaults what the book says and they were not told: that a check failed, those who want to hear of the
/// system; that it holds again, those who were told. What a channel has, and what it may have, is a fact, so that no restart loses or repeats it.
/// </summary>
/// <param name="book">What happened, and who knows.</param>
/// <param name="alerting">The channels.</param>
/// <param name="entries">Who may want to hear of it.</param>
/// <param name="node">This node's name.</param>
/// <param name="url">Where all checks are shown.</param>
/// <param name="clock">Time.</param>
/// <param name="log">The log.</param>
internal sealed class CheckTeller(CheckBook book, AlertBook alerting, IReadOnlyList<AlertPolicy> entries, string node, string url, TimeProvider clock, ILogger<CheckTeller> log) : BackgroundService
{
    /// <summary>How long a channel is tried.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromDays(1);

    /// <summary>How often it is looked for something to tell.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(10);

    // What a storm and a slow channel take together, with room.
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    // Of a node that told for so long nothing will be heard any more.
    private static readonly TimeSpan ClaimLife = TimeSpan.FromMinutes(3);

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongestPause = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _passing = new(1, 1);

    // What this process tells at the moment, and what it told without being able to store that it did.
    private readonly HashSet<(long, string)> _underWay = [];
    private readonly List<ToldBody> _unwritten = [];
    private Unstored? _unstored;

    public override void Dispose()
    {
        _passing.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            for (; ; await Task.Delay(Every, clock, stoppingToken))
            {
                try
                {
                    await Pass(stoppingToken);
                }
                catch (Exception e) when (!stoppingToken.IsCancellationRequested)
                {
                    log.NotTold(e.GetType().Name);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    /// <summary>A check failed and nothing can be stored: who is told now is remembered here until it can.</summary>
    public void FailedUnstored(string name, string message, DateTimeOffset at)
    {
        lock (_lock)
            _unstored ??= new Unstored(name, message, at);
    }

    /// <summary>It can be stored again: what was told meanwhile becomes facts.</summary>
    public async Task StoreUnstored(CancellationToken cancel)
    {
        if (_unstored is null)
            return;
        await _passing.WaitAsync(cancel);
        try
        {
            if (_unstored is not { } failed)
                return;
            await book.Failed(
                new CheckBody(failed.Name, node, false, failed.Message, failed.At),
                seq => [.. failed.Told.Where(one => one.Value.State is "done" or "failed").Select(one => one.Value with { Check = seq })],
                cancel);
            lock (_lock)
                _unstored = null;
        }
        finally
        {
            _passing.Release();
        }
    }

    /// <summary>Tells all that is due now, every channel beside the others.</summary>
    internal async Task Pass(CancellationToken cancel)
    {
        await _passing.WaitAsync(cancel);
        try
        {
            if (_unstored is { } failed)
            {
                await Task.WhenAll(entries.Select(to => Tell(failed, to, cancel)));
                return;
            }

            if (_unwritten.Count > 0)
                await WriteDown(cancel);
            var now = clock.GetUtcNow();
            var due = (await book.Newest(cancel)).SelectMany(newest => DueOf(newest, now)).ToList();
            await Task.WhenAll(due.Select(one => Tell(one, cancel)));
        }
        finally
        {
            _passing.Release();
        }
    }

    /// <summary>What of a check's changes is to be told now.</summary>
    private List<Due> DueOf(CheckChange newest, DateTimeOffset now)
    {
        var due = new List<Due>();
        for (var change = newest; change is not null; change = change.Before)
        {
            foreach (var to in entries.DistinctBy(Channels.IdOf))
            {
                var channel = Channels.IdOf(to);
                if (IsDue(change, newest, to, channel, now))
                    due.Add(new Due(change, to, Routing.NameOf(to), channel, change.Ok ? change.Before?.Tellings.GetValueOrDefault(channel)?.Reference : null));
            }
        }

        return due;
    }

    private bool IsDue(CheckChange change, CheckChange newest, AlertPolicy to, string channel, DateTimeOffset now)
    {
        var severity = Routing.SeverityOf(Occasions.System, bad: !change.Ok);
        if (now - change.At > Patience || Routing.NotBefore(to, severity, now) > now)
            return false;
        if (change.Tellings.GetValueOrDefault(channel) is { } telling && !MayBeTried(telling, change.Seq, channel, now))
            return false;
        // What failed and holds again is told nobody who has not heard of it.
        return change.Ok
            ? change.Before?.Tellings.GetValueOrDefault(channel) is { } heard && (heard.State == "done" || (heard.State == "telling" && MayBeTried(heard, change.Before.Seq, channel, now)))
            : ReferenceEquals(change, newest) && Routing.Wants(to, Occasions.System, severity);
    }

    private bool MayBeTried(Telling telling, long seq, string channel, DateTimeOffset now)
    {
        lock (_lock)
        {
            return telling.State switch
            {
                // Somebody tells at this moment, or ended in the middle of it.
                "telling" => telling.Node == node ? !_underWay.Contains((seq, channel)) : now - telling.At > ClaimLife,
                "later" => now >= telling.NotBefore,
                _ => false,
            };
        }
    }

    private async Task Tell(Due due, CancellationToken cancel)
    {
        var key = (due.Change.Seq, due.Channel);
        if (!await book.Claim(due, node, change => change.Tellings.GetValueOrDefault(due.Channel) is not { } telling || MayBeTried(telling, change.Seq, due.Channel, clock.GetUtcNow()), cancel))
            return;
        lock (_lock)
            _underWay.Add(key);
        var heard = false;
        try
        {
            var telling = due.Change.Tellings.GetValueOrDefault(due.Channel);
            var alert = Alert(due.Change.Name, due.Change.Ok, due.Change.Message, due.Change.At, due.Change.Seq.ToString()) with { Reference = due.Reference, InDoubt = telling?.InDoubt ?? false };
            var came = await Try(due.To, alert, cancel);
            lock (_lock)
                _unwritten.Add(Told(due.Change.Seq, due.Entry, due.Channel, alert.Key, came, telling?.Tries ?? 1));
            // From here on this process knows it, and remembers it until it can be stored.
            heard = true;
            await WriteDown(cancel);
        }
        catch (StoreUnavailableException e)
        {
            log.NotStored(e.Message);
        }
        finally
        {
            // Of what was cut off in the middle nothing is known.
            if (!heard)
            {
                lock (_lock)
                    _underWay.Remove(key);
            }
        }
    }

    private async Task WriteDown(CancellationToken cancel)
    {
        List<ToldBody> told;
        lock (_lock)
            told = [.. _unwritten];
        if (told.Count == 0)
            return;
        await book.Told(told, cancel);
        lock (_lock)
        {
            _unwritten.RemoveAll(told.Contains);
            foreach (var one in told)
                _underWay.Remove((one.Check, one.Channel));
        }
    }

    private async Task Tell(Unstored failed, AlertPolicy to, CancellationToken cancel)
    {
        var (channel, now, severity) = (Channels.IdOf(to), clock.GetUtcNow(), Routing.SeverityOf(Occasions.System, bad: true));
        var before = failed.Told.GetValueOrDefault(channel);
        if (!Routing.Wants(to, Occasions.System, severity) || Routing.NotBefore(to, severity, now) > now || before is { State: "done" or "failed" } || now < before?.NotBefore)
            return;
        var alert = Alert(failed.Name, false, failed.Message, failed.At, failed.At.ToUnixTimeMilliseconds().ToString());
        var came = await Try(to, alert, cancel);
        lock (_lock)
        {
            failed.Tries[channel] = failed.Tries.GetValueOrDefault(channel) + 1;
            failed.Told[channel] = Told(0, Routing.NameOf(to), channel, alert.Key, came, failed.Tries[channel]);
        }
    }

    private Alert Alert(string name, bool ok, string message, DateTimeOffset at, string last) =>
        new($"check/{name}/{last}", Occasions.System, Routing.SeverityOf(Occasions.System, bad: !ok), at, null) { News = new SystemNews(name, ok, message, url) };

    private async Task<Delivery> Try(AlertPolicy to, Alert alert, CancellationToken cancel)
    {
        try
        {
            return await alerting.Tell(to, alert, cancel).WaitAsync(Deadline, clock, cancel);
        }
        catch (TimeoutException)
        {
            return new Delivery(Commander.Server.Alerting.Told.Later, Message: $"was not told within {Deadline.TotalMinutes:0} min");
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            return new Delivery(Commander.Server.Alerting.Told.Later, Message: $"could not be told: {e.GetType().Name}");
        }
    }

    private ToldBody Told(long seq, string entry, string channel, string key, Delivery came, int tries)
    {
        var pause = FirstPause * Math.Pow(2, Math.Min(tries - 1, 10));
        pause = pause > LongestPause ? LongestPause : pause;
        if (came.RetryAfter is { } wanted && wanted > pause)
            pause = wanted < LongestPause ? wanted : LongestPause;
        if (came.State != Commander.Server.Alerting.Told.Done)
            log.ChannelNotTold(entry, key, came.Message ?? "");
        return came.State switch
        {
            Commander.Server.Alerting.Told.Done => new ToldBody(seq, entry, channel, key, "done", came.Reference),
            Commander.Server.Alerting.Told.Later => new ToldBody(seq, entry, channel, key, "later", Message: came.Message, NotBefore: clock.GetUtcNow() + pause),
            _ => new ToldBody(seq, entry, channel, key, "failed", Message: came.Message),
        };
    }

    /// <summary>A failure that could not be stored, and whom it was told.</summary>
    private sealed class Unstored(string name, string message, DateTimeOffset at)
    {
        public string Name => name;

        public string Message => message;

        public DateTimeOffset At => at;

        public Dictionary<string, ToldBody> Told { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, int> Tries { get; } = new(StringComparer.Ordinal);
    }
}
