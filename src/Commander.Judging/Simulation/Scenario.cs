namespace Commander.Judging.Simulation;

/// <summary>What is wrong with a new version.</summary>
public enum FaultKind
{
    /// <summary>So many percentage points more requests fail.</summary>
    ErrorPoints = 0,
    /// <summary>So many times the share of failing requests.</summary>
    ErrorRatio,
    /// <summary>So large a share (0..1) of requests takes ten times as long.</summary>
    SlowShare,
    /// <summary>Every request takes so many times as long.</summary>
    LatencyFactor,
    /// <summary>So many MB a second are never given back.</summary>
    Leak,
    /// <summary>So many times the processor use.</summary>
    CpuFactor,
    /// <summary>So large a share (0..1) of requests fails at once, and what runs starts again and again.</summary>
    Crash,
    /// <summary>Nothing answers: no requests, no measurements. The size means nothing.</summary>
    Silent,
}

/// <summary>A fault with its size and when it begins.</summary>
/// <param name="Kind">What is wrong.</param>
/// <param name="Size">How much; its unit is that of <paramref name="Kind"/>.</param>
/// <param name="After">Seconds after the start, at least 0.</param>
public sealed record Fault(FaultKind Kind, double Size, double After = 0);

/// <summary>Something that happens beside the deployment and is not its doing.</summary>
/// <param name="At">Seconds after the start.</param>
/// <param name="Length">How long, seconds.</param>
/// <param name="ErrorPoints">So many percentage points more requests fail.</param>
/// <param name="LatencyFactor">Every request takes so many times as long, above 0.</param>
/// <param name="ControlOnly">Whether it meets the old version only; else both.</param>
public sealed record Incident(double At, double Length, double ErrorPoints, double LatencyFactor = 1, bool ControlOnly = false);

/// <summary>
/// A simulated deployment: a service, its traffic, how it is rolled out, what is measured of it and what may be wrong. The truth is known: it is harmful exactly when it has a
/// <see cref="Fault"/>. Levels (response time, error rate, cpu, memory) wander around their means as AR(1) processes of their logarithm.
/// </summary>
public sealed record Scenario
{
    /// <summary>Length of a tick, seconds: 0.1 to 3600.</summary>
    public double StepSeconds { get; init; } = 15;

    /// <summary>Ticks of the past before the start: 0 to 10,000.</summary>
    public int PastTicks { get; init; } = 120;

    /// <summary>Ticks of the watch: 1 to 100,000.</summary>
    public int WatchTicks { get; init; } = 120;

    /// <summary>Requests a second of the whole service: 0.01 to 100,000.</summary>
    public double Traffic { get; init; } = 20;

    /// <summary>Standard deviation of the logarithm of the traffic: 0 to 1.</summary>
    public double TrafficNoise { get; init; } = 0.05;

    /// <summary>The new version's share of the traffic at the start: 0.001 to 1. Without a control it has all of it.</summary>
    public double Share { get; init; } = 0.5;

    /// <summary>The share that a ramp ends at; null: no ramp.</summary>
    public double? ShareEnd { get; init; }

    /// <summary>How long the ramp takes, seconds, evenly.</summary>
    public double RampSeconds { get; init; } = 600;

    /// <summary>Whether the old version runs beside the new one.</summary>
    public bool Control { get; init; } = true;

    /// <summary>After so many seconds the old version is gone and the new one has all the traffic; null: never.</summary>
    public double? ControlGoneAfter { get; init; }

    /// <summary>So many seconds after CONTINUE the new version gets all the traffic and the old one goes; null: never.</summary>
    public double? PromotedAfter { get; init; }

    /// <summary>The share of requests that fail: 0 to 0.5.</summary>
    public double Errors { get; init; } = 0.005;

    /// <summary>Standard deviation of the logarithm of that share: 0 to 1.</summary>
    public double ErrorNoise { get; init; }

    /// <summary>Variance of failed and of slow requests per tick, as a multiple of what independent requests have: 1 to 10. See <see cref="Behaviour.Dispersion"/>.</summary>
    public double Dispersion { get; init; } = 1;

    /// <summary>The share of failed requests that wait for a time-out first: 0 to 1.</summary>
    public double FailuresSlow { get; init; }

    /// <summary>The median duration, ms: 0.1 to 10,000.</summary>
    public double Median { get; init; } = 60;

    /// <summary>See <see cref="Behaviour.Spread"/>.</summary>
    public double Spread { get; init; } = 0.25;

    /// <summary>Standard deviation of the logarithm of the median duration: 0 to 1.</summary>
    public double LatencyNoise { get; init; }

    /// <summary>Processor use, %.</summary>
    public double Cpu { get; init; } = 30;

    /// <summary>Standard deviation of its logarithm: 0 to 1.</summary>
    public double CpuNoise { get; init; } = 0.1;

    /// <summary>Memory, MB.</summary>
    public double Memory { get; init; } = 400;

    /// <summary>Standard deviation of its logarithm: 0 to 1.</summary>
    public double MemoryNoise { get; init; } = 0.02;

    /// <summary>The chance that one measurement of cpu, or of memory, of one arm is a spike: 0 to 0.5.</summary>
    public double Spikes { get; init; }

    /// <summary>How many times as high a spike is: 1 to 100.</summary>
    public double SpikeFactor { get; init; } = 3;

    /// <summary>Correlation of a level with itself one tick later: 0 to 0.95.</summary>
    public double Autocorrelation { get; init; }

    /// <summary>Correlation of any two levels, of one arm or of two: the part of their variance that comes from the common load, 0 to 0.95.</summary>
    public double Correlation { get; init; }

    /// <summary>How far the traffic swings over a day, as a share of its mean: 0 to 0.9.</summary>
    public double DailyTraffic { get; init; }

    /// <summary>How far response time and cpu swing over a day with the traffic, as a share of their means: 0 to 0.9.</summary>
    public double DailyLevels { get; init; }

    /// <summary>Where in the day the start lies, in hours after the steepest rise: 0 to 24.</summary>
    public double Hour { get; init; }

    /// <summary>Whether the same hours of the day before are known.</summary>
    public bool Seasonal { get; init; }

    /// <summary>The chance that an arm's tick is only stale points: 0 to 0.9.</summary>
    public double Stale { get; init; }

    /// <summary>The chance that one reading has no point: 0 to 0.9.</summary>
    public double Missing { get; init; }

    /// <summary>The chance that a counter starts again within an arm's tick, which loses a part of its counts: 0 to 0.9.</summary>
    public double Resets { get; init; }

    /// <summary>Whether processes start new with the deployment.</summary>
    public bool Restarted { get; init; }

    /// <summary>Cold caches: the new version begins with three times the response time and twice the cpu, and gets over it with this time constant, seconds; 0: none.</summary>
    public double WarmUpSeconds { get; init; }

    /// <summary>Ticks an hour in which a stall meets both arms: a tenth of all requests fails, and response time is four times as long.</summary>
    public double StallsPerHour { get; init; }

    /// <summary>Something beside the deployment; null: nothing.</summary>
    public Incident? Incident { get; init; }

    /// <summary>What is wrong with the new version; null: it is harmless.</summary>
    public Fault? Fault { get; init; }
}
