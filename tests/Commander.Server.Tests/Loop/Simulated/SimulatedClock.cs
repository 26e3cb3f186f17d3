namespace Commander.Server.Tests.Loop.Simulated;

/// <summary>Time that jumps from one timer to the next.</summary>
internal sealed class SimulatedTime(DateTimeOffset start)
{
    private readonly PriorityQueue<(SimulatedClock.Timer Timer, int Version), (DateTimeOffset Due, long Order)> _timers = new();
    private long _order;

    public DateTimeOffset Now { get; private set; } = start;

    public void Add(SimulatedClock.Timer timer, int version, TimeSpan wait) => _timers.Enqueue((timer, version), (Now + wait, ++_order));

    /// <summary>Goes on to the next timer and runs it; false when there is none.</summary>
    public bool Next()
    {
        while (_timers.TryDequeue(out var next, out var when))
        {
            if (!next.Timer.Is(next.Version))
                continue;
            if (when.Due > Now)
                Now = when.Due;
            next.Timer.Run();
            return true;
        }

        return false;
    }
}

/// <summary>A node's clock: that of the world, fast or slow by some time. When the node dies its timers do too.</summary>
internal sealed class SimulatedClock(SimulatedTime time, TimeSpan fast) : TimeProvider
{
    private bool _stopped;

    public override DateTimeOffset GetUtcNow() => time.Now + fast;

    public override long GetTimestamp() => time.Now.UtcTicks;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public void Stop() => _stopped = true;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    internal sealed class Timer(SimulatedClock clock, TimerCallback callback, object? state) : ITimer
    {
        private readonly SimulatedTime _time = clock.Time;
        private int _version;
        private TimeSpan _period = Timeout.InfiniteTimeSpan;

        public bool Is(int version) => version == _version && !clock._stopped;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _version++;
            _period = period;
            if (dueTime != Timeout.InfiniteTimeSpan)
                _time.Add(this, _version, dueTime < TimeSpan.Zero ? TimeSpan.Zero : dueTime);
            return true;
        }

        public void Run()
        {
            if (_period != Timeout.InfiniteTimeSpan)
                _time.Add(this, _version, _period);
            callback(state);
        }

        public void Dispose() => _version++;

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }

    private SimulatedTime Time => time;
}
