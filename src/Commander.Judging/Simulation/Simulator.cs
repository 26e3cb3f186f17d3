using Commander.Judging.Evidence;
using Commander.Judging.Policies;

namespace Commander.Judging.Simulation;

/// <summary>Makes the ticks of one simulated deployment, in order. The same scenario, policy and seed give the same ticks, bit by bit, everywhere.</summary>
public sealed class Simulator
{
    private const double Day = 86_400;
    private const double StalledErrors = 0.1;
    private const double StalledLatency = 4;

    private readonly Scenario _scenario;
    private readonly Policy _policy;
    private readonly Noise _noise;
    private readonly double _keep;
    private readonly double _fresh;
    private readonly double _own;
    private readonly double _common;
    private readonly Wander[] _wanders = new Wander[Words.ArmCount];
    private double _load;
    private double _loadYesterday;
    private double _traffic;
    private int _next;
    private bool _promoted;

    /// <summary>A deployment before its first tick.</summary>
    /// <param name="scenario">What happens.</param>
    /// <param name="policy">What is measured: metrics are recognised by kind and family. Its step is replaced by the scenario's; take it from <see cref="Policy"/>.</param>
    /// <param name="seed">Which of all deployments of this kind.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number of the scenario lies outside its range.</exception>
    public Simulator(Scenario scenario, Policy policy, ulong seed)
    {
        Check(scenario);
        _scenario = scenario;
        _policy = policy with { Watch = policy.Watch with { Step = TimeSpan.FromSeconds(scenario.StepSeconds) } };
        _noise = new Noise(seed);
        _keep = scenario.Autocorrelation;
        _fresh = Math.Sqrt(1 - (_keep * _keep));
        _common = Math.Sqrt(scenario.Correlation);
        _own = Math.Sqrt(1 - scenario.Correlation);
        _next = 1 - scenario.PastTicks;
        _load = _noise.Normal();
        _loadYesterday = _noise.Normal();
        _traffic = _noise.Normal();
        for (var arm = 0; arm < _wanders.Length; arm++)
        {
            _wanders[arm] = Wander.Start(_noise);
        }
    }

    /// <summary>The policy with the scenario's step.</summary>
    public Policy Policy => _policy;

    /// <summary>The number of the next tick; of the past while it is 0 or less. The last one is the scenario's WatchTicks.</summary>
    public int NextTick => _next;

    /// <summary>From the next tick on the new version has all the traffic and the old one is gone.</summary>
    public void Promote() => _promoted = true;

    /// <summary>Makes the next tick.</summary>
    public Tick Next()
    {
        var n = _next++;
        var tick = new Tick(n, 1, _policy.Metrics.Count);
        _load = Walk(_load);
        _traffic = Walk(_traffic);
        var seconds = n * _scenario.StepSeconds;
        var swing = Exact.SineOfTurns((seconds / Day) + (_scenario.Hour / 24));
        var rate = _scenario.Traffic * (1 + (_scenario.DailyTraffic * swing)) * Exact.Exp(_scenario.TrafficNoise * _traffic);
        var stalled = _scenario.StallsPerHour > 0 && _noise.Uniform() < _scenario.StallsPerHour * _scenario.StepSeconds / 3600;
        if (_scenario.Seasonal)
        {
            _loadYesterday = Walk(_loadYesterday);
            Measure(tick, Arm.Seasonal, Usual(Arm.Seasonal, _loadYesterday, swing) with { Rate = _scenario.Traffic * (1 + (_scenario.DailyTraffic * swing)) });
        }
        if (n <= 0)
        {
            // The old version that was before runs on as the control.
            Measure(tick, Arm.Before, Disturbed(Usual(Arm.Control, _load, swing) with { Rate = rate }, stalled, 0, ofControl: true));
            return tick;
        }
        // Happenings begin in the tick that covers them.
        var begun = seconds - _scenario.StepSeconds;
        var beside = _scenario.Control && !(begun >= _scenario.ControlGoneAfter) && !_promoted;
        var share = beside ? ShareAt(begun) : 1;
        if (beside)
        {
            Measure(tick, Arm.Control, Disturbed(Usual(Arm.Control, _load, swing) with { Rate = (1 - share) * rate }, stalled, begun, ofControl: true));
        }
        var candidate = Disturbed(Usual(Arm.Candidate, _load, swing) with { Rate = share * rate }, stalled, begun, ofControl: false);
        if (_scenario.WarmUpSeconds > 0)
        {
            var cold = Exact.Exp(-begun / _scenario.WarmUpSeconds);
            candidate = candidate with { Median = candidate.Median * (1 + (2 * cold)), Cpu = candidate.Cpu * (1 + cold) };
        }
        if (_scenario.Fault is { } fault && begun >= fault.After)
        {
            if (fault.Kind == FaultKind.Silent)
            {
                return tick;
            }
            candidate = Broken(candidate, fault);
        }
        Measure(tick, Arm.Candidate, candidate);
        return tick;
    }

    private double Walk(double value) => (_keep * value) + (_fresh * _noise.Normal());

    private double ShareAt(double seconds) => _scenario.ShareEnd is { } end
        ? _scenario.Share + ((end - _scenario.Share) * Math.Clamp(seconds / _scenario.RampSeconds, 0, 1))
        : _scenario.Share;

    // The service as it always is at this hour, with its wandering.
    private Behaviour Usual(Arm arm, double load, double swing)
    {
        ref var wander = ref _wanders[(int)arm];
        wander = new Wander(Walk(wander.Errors), Walk(wander.Latency), Walk(wander.Cpu), Walk(wander.Memory));
        var daily = 1 + (_scenario.DailyLevels * swing);
        return new Behaviour
        {
            Errors = Math.Min(1, _scenario.Errors * Factor(_scenario.ErrorNoise, wander.Errors, load)),
            Dispersion = _scenario.Dispersion,
            FailuresSlow = _scenario.FailuresSlow,
            Median = _scenario.Median * daily * Factor(_scenario.LatencyNoise, wander.Latency, load),
            Spread = _scenario.Spread,
            Cpu = _scenario.Cpu * daily * Factor(_scenario.CpuNoise, wander.Cpu, load) * Spike(),
            CpuNoise = 0,
            Memory = _scenario.Memory * Factor(_scenario.MemoryNoise, wander.Memory, load) * Spike(),
            MemoryNoise = 0,
        };
    }

    private double Spike() => _scenario.Spikes > 0 && _noise.Uniform() < _scenario.Spikes ? _scenario.SpikeFactor : 1;

    private double Factor(double deviation, double own, double load) => deviation <= 0 ? 1 : Exact.Exp(deviation * ((_own * own) + (_common * load)));

    private Behaviour Disturbed(Behaviour usual, bool stalled, double begun, bool ofControl)
    {
        if (stalled)
        {
            usual = usual with { Errors = Math.Min(1, usual.Errors + StalledErrors), Median = StalledLatency * usual.Median };
        }
        if (_scenario.Incident is { } incident && begun >= incident.At && begun < incident.At + incident.Length && (ofControl || !incident.ControlOnly))
        {
            usual = usual with { Errors = Math.Min(1, usual.Errors + (incident.ErrorPoints / 100)), Median = incident.LatencyFactor * usual.Median };
        }
        return usual;
    }

    private static Behaviour Broken(Behaviour usual, Fault fault) => fault.Kind switch
    {
        FaultKind.ErrorPoints => usual with { Errors = Math.Min(1, usual.Errors + (fault.Size / 100)) },
        FaultKind.ErrorRatio => usual with { Errors = Math.Min(1, usual.Errors * fault.Size) },
        FaultKind.SlowShare => usual with { SlowShare = fault.Size },
        FaultKind.LatencyFactor => usual with { Median = usual.Median * fault.Size },
        // Behaviour counts from the start: what it would have lost before the fault began is given back.
        FaultKind.Leak => usual with { Leak = fault.Size, Memory = usual.Memory - (fault.Size * fault.After) },
        FaultKind.CpuFactor => usual with { Cpu = usual.Cpu * fault.Size },
        // A process that just began has little memory and much to do.
        _ => usual with { Errors = Math.Max(usual.Errors, fault.Size), Memory = 0.5 * usual.Memory, Cpu = 2 * usual.Cpu },
    };

    private void Measure(Tick tick, Arm arm, Behaviour behaviour)
    {
        if (_scenario.Stale > 0 && _noise.Uniform() < _scenario.Stale)
        {
            Fill(tick, arm, Quality.Stale);
            return;
        }
        // A counter that starts again loses what came before that within the tick.
        var kept = _scenario.Resets > 0 && _noise.Uniform() < _scenario.Resets ? _noise.Uniform() : 1;
        (kept < 1 ? behaviour with { Rate = kept * behaviour.Rate } : behaviour).Measure(_policy, _noise, tick, arm);
        for (var index = 0; index < tick.Metrics; index++)
        {
            ref var reading = ref tick[index, arm];
            if (_scenario.Missing > 0 && _noise.Uniform() < _scenario.Missing)
            {
                reading = Reading.Missing(Quality.Empty);
            }
            else if (kept < 1 && reading.HasValue && _policy.Metrics[index].Kind != MetricKind.Gauge)
            {
                reading = reading with { Quality = Quality.Partial };
            }
        }
    }

    private static void Fill(Tick tick, Arm arm, Quality quality)
    {
        for (var index = 0; index < tick.Metrics; index++)
        {
            tick[index, arm] = Reading.Missing(quality);
        }
    }

    private static void Check(Scenario scenario)
    {
        In(scenario.StepSeconds, 0.1, 3600, nameof(scenario.StepSeconds));
        In(scenario.PastTicks, 0, 10_000, nameof(scenario.PastTicks));
        In(scenario.WatchTicks, 1, 100_000, nameof(scenario.WatchTicks));
        In(scenario.Traffic, 0.01, 100_000, nameof(scenario.Traffic));
        In(scenario.TrafficNoise, 0, 1, nameof(scenario.TrafficNoise));
        In(scenario.Share, 0.001, 1, nameof(scenario.Share));
        In(scenario.Errors, 0, 0.5, nameof(scenario.Errors));
        In(scenario.ErrorNoise, 0, 1, nameof(scenario.ErrorNoise));
        In(scenario.Dispersion, 1, 10, nameof(scenario.Dispersion));
        In(scenario.FailuresSlow, 0, 1, nameof(scenario.FailuresSlow));
        In(scenario.Median, 0.1, 10_000, nameof(scenario.Median));
        In(scenario.Spread, 0.01, 2, nameof(scenario.Spread));
        In(scenario.LatencyNoise, 0, 1, nameof(scenario.LatencyNoise));
        In(scenario.CpuNoise, 0, 1, nameof(scenario.CpuNoise));
        In(scenario.MemoryNoise, 0, 1, nameof(scenario.MemoryNoise));
        In(scenario.Spikes, 0, 0.5, nameof(scenario.Spikes));
        In(scenario.SpikeFactor, 1, 100, nameof(scenario.SpikeFactor));
        In(scenario.Autocorrelation, 0, 0.95, nameof(scenario.Autocorrelation));
        In(scenario.Correlation, 0, 0.95, nameof(scenario.Correlation));
        In(scenario.DailyTraffic, 0, 0.9, nameof(scenario.DailyTraffic));
        In(scenario.DailyLevels, 0, 0.9, nameof(scenario.DailyLevels));
        In(scenario.Stale, 0, 0.9, nameof(scenario.Stale));
        In(scenario.Missing, 0, 0.9, nameof(scenario.Missing));
        In(scenario.Resets, 0, 0.9, nameof(scenario.Resets));

        static void In(double value, double low, double high, string name)
        {
            if (!(value >= low && value <= high))
            {
                throw new ArgumentOutOfRangeException(nameof(value), $"{name} is {value}; give {low} to {high}");
            }
        }
    }

    // Where an arm's levels stand, in standard deviations from their means.
    private readonly record struct Wander(double Errors, double Latency, double Cpu, double Memory)
    {
        public static Wander Start(Noise noise) => new(noise.Normal(), noise.Normal(), noise.Normal(), noise.Normal());
    }
}
