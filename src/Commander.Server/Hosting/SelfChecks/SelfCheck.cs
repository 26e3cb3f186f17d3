using System.Diagnostics.Metrics;
using Commander.Server.Storage;

namespace Commander.Server.Hosting.SelfChecks;

/// <summary>
/// Looks every five minutes whether everything that judging and telling need is there, each thing for itself and bounded in time. What fails
/// is looked at a second time before it counts. What changes goes to the book, and from there to people.
/// </summary>
internal sealed class SelfCheck : BackgroundService
{
    /// <summary>Under which name the gauge is measured.</summary>
    public const string Meter = "Commander.SelfChecks";

    /// <summary>How often everything is looked at.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromMinutes(5);

    /// <summary>The first time after the start.</summary>
    public static readonly TimeSpan First = TimeSpan.FromSeconds(20);

    /// <summary>What failed is looked at again so long after.</summary>
    public static readonly TimeSpan Again = TimeSpan.FromSeconds(30);

    /// <summary>How long one check may take.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    // Who asks right after a look has the answer of that one.
    private static readonly TimeSpan Shared = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(10);
    private const int Longest = 400;

    private readonly IReadOnlyList<Check> _checks;
    private readonly CheckBook _book;
    private readonly CheckTeller _teller;
    private readonly Func<IReadOnlyCollection<string>> _members;
    private readonly Func<string, string> _scrub;
    private readonly TimeProvider _clock;
    private readonly ILogger<SelfCheck> _log;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly Meter _meter = new(Meter);
    private readonly Dictionary<string, CheckState> _states = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (Task Look, DateTimeOffset Began)> _hanging = new(StringComparer.Ordinal);
    private IReadOnlyList<CheckState> _seen = [];
    private IReadOnlyList<CheckState> _shown = [];
    private long _finished;
    private bool _whole;

    /// <param name="checks">What is looked at.</param>
    /// <param name="book">Where changes are stored.</param>
    /// <param name="teller">Who tells them.</param>
    /// <param name="members">The names of the nodes there are, this one among them.</param>
    /// <param name="node">This node's name.</param>
    /// <param name="scrub">Takes secrets out of a text.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">The log.</param>
    public SelfCheck(IReadOnlyList<Check> checks, CheckBook book, CheckTeller teller, Func<IReadOnlyCollection<string>> members, string node, Func<string, string> scrub, TimeProvider clock, ILogger<SelfCheck> log)
    {
        (_checks, _book, _teller, _members, Node, _scrub, _clock, _log) = (checks, book, teller, members, node, scrub, clock, log);
        _finished = clock.GetUtcNow().UtcTicks;
        _meter.CreateObservableGauge("commander.check.ok", () => Shown.Select(state => new Measurement<int>(state.Ok ? 1 : 0, new KeyValuePair<string, object?>("check", state.Name))), description: "Whether a check of the server itself holds.");
    }

    /// <summary>This node's name.</summary>
    public string Node { get; }

    /// <summary>Every check as it stands, in the order of the checks; of other nodes what fails there. Empty before the first look.</summary>
    public IReadOnlyList<CheckState> Shown => Volatile.Read(ref _shown);

    /// <summary>When everything was looked at the last time; before the first time the start.</summary>
    public DateTimeOffset Finished => new(Interlocked.Read(ref _finished), TimeSpan.Zero);

    /// <summary>Whether everything was looked at once.</summary>
    public bool Looked => Volatile.Read(ref _whole);

    public override void Dispose()
    {
        _meter.Dispose();
        _gate.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            var next = _clock.GetUtcNow() + First;
            while (true)
            {
                await Task.Delay(Tick, _clock, stoppingToken);
                try
                {
                    if (_clock.GetUtcNow() >= next)
                    {
                        next = _clock.GetUtcNow() + Every;
                        await Run(stoppingToken);
                    }
                    else
                    {
                        await LookAgain(stoppingToken);
                    }
                }
                catch (Exception e) when (!stoppingToken.IsCancellationRequested)
                {
                    _log.CheckStumbled(e);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    /// <summary>Looks at everything now, or waits for the look that is under way; answers what was just seen, before a second look.</summary>
    public async Task<IReadOnlyList<CheckState>> Run(CancellationToken cancel)
    {
        await _gate.WaitAsync(cancel);
        try
        {
            if (Looked && _clock.GetUtcNow() - Finished < Shared)
                return _seen;
            _seen = await Look(_checks, cancel);
            Interlocked.Exchange(ref _finished, _clock.GetUtcNow().UtcTicks);
            Volatile.Write(ref _whole, true);
            return _seen;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Looks a second time at what failed a first time half a minute ago.</summary>
    internal async Task LookAgain(CancellationToken cancel)
    {
        await _gate.WaitAsync(cancel);
        try
        {
            var now = _clock.GetUtcNow();
            var doubted = _checks.Where(check => _states.GetValueOrDefault(check.Name)?.Doubt is { } since && now - since >= Again).ToList();
            if (doubted.Count > 0)
                await Look(doubted, cancel);
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task<List<CheckState>> Look(IReadOnlyList<Check> checks, CancellationToken cancel)
    {
        var known = Stored(() => _book.Newest(cancel), cancel);
        var looks = new Dictionary<string, (Found Found, double TookMs)>(StringComparer.Ordinal);
        foreach (var together in checks.GroupBy(check => check.Last).OrderBy(group => group.Key))
        {
            foreach (var (check, came) in await Task.WhenAll(together.Select(async check => (check, await One(check, cancel)))))
                looks[check.Name] = came;
        }

        var stored = await known;
        var seen = new List<CheckState>();
        var trouble = false;
        foreach (var check in checks)
        {
            var (found, took) = looks[check.Name];
            var state = Next(check, found, took, stored?.FirstOrDefault(change => change.Name == check.Name));
            Say(check.Name, _states.GetValueOrDefault(check.Name), state);
            _states[check.Name] = state;
            seen.Add(state with { Ok = found.Ok, Message = found.Message });
            if (check.AtOnce && !found.Ok)
            {
                trouble = true;
                _teller.FailedUnstored(check.Name, found.Message, state.Since);
            }
        }

        if (!trouble)
        {
            stored = await Stored(
                async () =>
                {
                    await _teller.StoreUnstored(cancel);
                    return await _book.Settle([.. _states.Values], Node, _members(), cancel);
                },
                cancel);
        }

        Show(stored);
        return seen;
    }

    // A first failure is doubted; one that follows on a doubt of half a minute, or on a failure that is stored, counts.
    private CheckState Next(Check check, Found found, double took, CheckChange? stored)
    {
        var now = _clock.GetUtcNow();
        var before = _states.GetValueOrDefault(check.Name);
        if (found.Ok)
            return new CheckState(check.Name, true, found.Message, before is { Ok: true } ? before.Since : stored is { Ok: true } ? stored.At : now, now, took);
        if (before is { Ok: false })
            return before with { Message = found.Message, At = now, TookMs = took };
        if (stored is { Ok: false })
            return new CheckState(check.Name, false, found.Message, stored.At, now, took);
        if (check.AtOnce || (before?.Doubt is { } since && now - since >= Again))
            return new CheckState(check.Name, false, found.Message, before?.Doubt ?? now, now, took);
        return new CheckState(check.Name, true, $"failed once and is looked at again: {found.Message}", before?.Since ?? now, now, took, before?.Doubt ?? now);
    }

    private void Show(IReadOnlyList<CheckChange>? stored)
    {
        var shown = new List<CheckState>();
        foreach (var check in _checks)
        {
            if (!_states.TryGetValue(check.Name, out var state))
                continue;
            // What holds here may fail on another node.
            shown.Add(state.Ok && stored?.FirstOrDefault(change => change.Name == check.Name && !change.Ok) is { } there && there.Node != Node
                ? state with { Ok = false, Message = $"{there.Message} (seen by {there.Node})", Since = there.At }
                : state);
        }

        foreach (var other in stored?.Where(change => !change.Ok && !_states.ContainsKey(change.Name)) ?? [])
            shown.Add(new CheckState(other.Name, false, other.Message, other.At, other.At, 0));
        Volatile.Write(ref _shown, shown);
    }

    private async Task<(Found Found, double TookMs)> One(Check check, CancellationToken cancel)
    {
        var began = _clock.GetTimestamp();
        var found = await Bounded(check, cancel);
        var message = _scrub(found.Message).ReplaceLineEndings(" ");
        return (found with { Message = message.Length <= Longest ? message : message[..Longest] + "..." }, Math.Round(_clock.GetElapsedTime(began).TotalMilliseconds, 1));
    }

    private async Task<Found> Bounded(Check check, CancellationToken cancel)
    {
        lock (_hanging)
        {
            // What hangs is not begun a second time beside itself.
            if (_hanging.TryGetValue(check.Name, out var hangs))
            {
                if (!hangs.Look.IsCompleted)
                    return Found.Not($"has not come back since {hangs.Began:HH:mm:ss}");
                _hanging.Remove(check.Name);
            }
        }

        var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var look = Task.Run(() => check.Look(deadline.Token), CancellationToken.None);
        // However late it ends, nobody is missing what it then still wanted.
        _ = look.ContinueWith(
            ended =>
            {
                _ = ended.Exception;
                deadline.Dispose();
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        try
        {
            return await look.WaitAsync(Deadline, _clock, cancel);
        }
        catch (TimeoutException) when (!look.IsCompleted)
        {
            lock (_hanging)
                _hanging[check.Name] = (look, _clock.GetUtcNow());
            await deadline.CancelAsync();
            return Found.Not($"did not answer within {Deadline.TotalSeconds:0} s");
        }
        catch (StoreUnavailableException unavailable)
        {
            return Found.Not(unavailable.Message);
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            // What a stranger's exception says may hold an address: its kind is said, and no more.
            return Found.Not($"could not be looked at: {e.GetType().Name}");
        }
    }

    // Nothing that the store does may keep the next look from being made.
    private async Task<IReadOnlyList<CheckChange>?> Stored(Func<Task<IReadOnlyList<CheckChange>>> work, CancellationToken cancel)
    {
        try
        {
            return await work().WaitAsync(Deadline, _clock, cancel);
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            _log.NotStored(e is StoreUnavailableException ? e.Message : e.GetType().Name);
            return null;
        }
    }

    private void Say(string name, CheckState? before, CheckState now)
    {
        if (!now.Ok && before is not { Ok: false })
            _log.CheckFailed(name, now.Message);
        else if (now.Ok && before is { Ok: false })
            _log.CheckHolds(name, now.Message);
    }
}
