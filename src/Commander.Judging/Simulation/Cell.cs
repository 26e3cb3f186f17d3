using Commander.Judging.Evidence;
using Commander.Judging.Policies;

namespace Commander.Judging.Simulation;

/// <summary>One cell of the grid: many deployments of one kind, told apart by their seeds.</summary>
/// <param name="Name">Its name: what differs from a plain deployment.</param>
/// <param name="Scenario">What happens in each of its deployments; those with a fault are the fault table's, the others the false-alarm table's.</param>
/// <param name="Policy">The policy its deployments are judged by when none is given; null: <see cref="Grid.Policy"/>.</param>
public sealed record Cell(string Name, Scenario Scenario, Policy? Policy = null)
{
    /// <summary>The seed of the n-th deployment of this cell: it depends on the cell's name and nothing beside it, so a cell gives the same figures alone and among others.</summary>
    public ulong Seed(ulong seed, int n)
    {
        // FNV-1a over the name.
        var hash = 14695981039346656037;
        foreach (var letter in Name)
        {
            hash = (hash ^ letter) * 1099511628211;
        }
        var state = seed ^ hash;
        return Noise.Split(ref state) + (ulong)n;
    }
}

/// <summary>
/// The cells that a judge is measured on. Harmless ones differ in one thing from a plain deployment (20 requests a second, half of them to the new version, 0.5 % errors,
/// ticks of 15 s, half an hour of past and half an hour of watch); in faulty ones traffic, share and effect are crossed (ticks of 5 s, ten minutes of past and of watch).
/// Long ones are watched for two hours and a half, of which the slow layer looks for two.
/// </summary>
public static class Grid
{
    private static readonly Scenario Plain = new();
    private static readonly Scenario Lengthy = Plain with { WatchTicks = 600 };
    private static readonly Scenario Noisy = Lengthy with { LatencyNoise = 0.05, CpuNoise = 0.3, MemoryNoise = 0.1 };
    private static readonly Scenario Short = new() { StepSeconds = 5, PastTicks = 120, WatchTicks = 120 };

    private static readonly (string Name, Fault Fault)[] Effects =
    [
        ("errors +2 pp", new(FaultKind.ErrorPoints, 2)),
        ("errors +10 pp", new(FaultKind.ErrorPoints, 10)),
        ("errors x5", new(FaultKind.ErrorRatio, 5)),
        ("slow 15 %", new(FaultKind.SlowShare, 0.15)),
        ("latency x2", new(FaultKind.LatencyFactor, 2)),
        ("leak 1 MB/s", new(FaultKind.Leak, 1)),
        ("cpu x2.5", new(FaultKind.CpuFactor, 2.5)),
        ("crash 90 %", new(FaultKind.Crash, 0.9)),
        ("silent", new(FaultKind.Silent, 1)),
        ("late errors +10 pp", new(FaultKind.ErrorPoints, 10, After: 300)),
    ];

    /// <summary>The policy that cells are judged by when none is given: errors, response time, cpu, memory and traffic, with the tolerances of the documentation and a budget of 1 %.</summary>
    public static Policy Policy { get; } = PolicySet.Empty.Defaults with
    {
        Name = "simulated",
        Metrics =
        [
            Metric("errors", MetricKind.Ratio, Family.Error, new Tolerance(0.5, true), 0.5, "%", 0) with { Critical = true },
            Metric("latency", MetricKind.Histogram, Family.Latency, new Tolerance(0.2, true), 25, "ms", 120) with { Critical = true },
            Metric("cpu", MetricKind.Gauge, Family.Cpu, new Tolerance(0.5, true), 5, "%", 180),
            Metric("memory", MetricKind.Gauge, Family.Memory, new Tolerance(0.25, true), 16, "MB", 180),
            Metric("requests", MetricKind.Count, Family.Traffic, new Tolerance(0.4, true), 0, "count", 0) with { Direction = Direction.Down },
        ],
    };

    /// <summary>Harmless deployments: every rollback is a false alarm.</summary>
    public static IReadOnlyList<Cell> Harmless { get; } =
    [
        new("plain", Plain),
        new("2 requests/s", Plain with { Traffic = 2 }),
        new("2 requests/s, share 10 %, ticks of 5 s", Plain with { Traffic = 2, Share = 0.1, StepSeconds = 5, WatchTicks = 360 }),
        new("2 requests/s, share 1 %", Plain with { Traffic = 2, Share = 0.01 }),
        new("200 requests/s", Plain with { Traffic = 200 }),
        new("share 5 %", Plain with { Share = 0.05 }),
        new("share 5 %, 200 requests/s", Plain with { Share = 0.05, Traffic = 200 }),
        new("ramp 5 to 50 %", Plain with { Share = 0.05, ShareEnd = 0.5, RampSeconds = 900 }),
        new("no errors", Plain with { Errors = 0 }),
        new("errors 2 %", Plain with { Errors = 0.02 }),
        new("errors 5 %", Plain with { Errors = 0.05 }),
        new("errors 10 %", Plain with { Errors = 0.1 }),
        new("bursts phi 2", Plain with { Dispersion = 2, Errors = 0.02 }),
        new("bursts phi 5", Plain with { Dispersion = 5, Errors = 0.02 }),
        new("bursts phi 10", Plain with { Dispersion = 10, Errors = 0.02 }),
        new("bursts phi 5, 200 requests/s", Plain with { Dispersion = 5, Traffic = 200 }),
        new("bursts phi 5, past of 2", Plain with { Dispersion = 5, Errors = 0.02, PastTicks = 2 }),
        new("past of 2", Plain with { PastTicks = 2 }),
        new("no past", Plain with { PastTicks = 0 }),
        new("ticks of 1 s", Plain with { StepSeconds = 1, PastTicks = 300, WatchTicks = 1800 }),
        new("levels rho .5", Plain with { Autocorrelation = 0.5, LatencyNoise = 0.05 }),
        new("levels rho .9", Plain with { Autocorrelation = 0.9, LatencyNoise = 0.05 }),
        new("levels rho .9, cpu noise .3", Plain with { Autocorrelation = 0.9, LatencyNoise = 0.05, CpuNoise = 0.3, MemoryNoise = 0.1 }),
        new("levels with spikes in 2 % of ticks", Plain with { Spikes = 0.02 }),
        new("levels with spikes in 10 % of ticks", Plain with { Spikes = 0.1 }),
        new("error rate wanders, rho .8", Plain with { Autocorrelation = 0.8, ErrorNoise = 0.5, Errors = 0.02 }),
        new("error rate wanders, rho .9", Plain with { Autocorrelation = 0.9, ErrorNoise = 0.5, Errors = 0.02 }),
        new("correlated families", Plain with { Correlation = 0.7, LatencyNoise = 0.1, ErrorNoise = 0.3, CpuNoise = 0.2, Errors = 0.02 }),
        new("failing requests are slow", Plain with { FailuresSlow = 1, Errors = 0.02, Dispersion = 3 }),
        new("stale and missing 10 %", Plain with { Stale = 0.1, Missing = 0.1 }),
        new("counter resets", Plain with { Resets = 0.1 }),
        new("warm-up", Plain with { Restarted = true, WarmUpSeconds = 60 }),
        new("control gone", Plain with { ControlGoneAfter = 300 }),
        new("promoted", Plain with { PromotedAfter = 60 }),
        new("promoted, bursts phi 5", Plain with { PromotedAfter = 60, Dispersion = 5, Errors = 0.02 }),
        new("incident in both arms", Plain with { Incident = new(300, 300, 10, 3) }),
        new("control sick", Plain with { Incident = new(0, 3600, 10, 3, ControlOnly: true) }),
        new("stalls", Plain with { StallsPerHour = 20 }),
        new("no control", Plain with { Control = false }),
        new("no control, 2 requests/s", Plain with { Control = false, Traffic = 2 }),
        new("no control, bursts phi 5", Plain with { Control = false, Dispersion = 5, Errors = 0.02 }),
        new("no control, past of 2", Plain with { Control = false, PastTicks = 2 }),
        new("no control, past of 1", Plain with { Control = false, PastTicks = 1, LatencyNoise = 0.05 }),
        new("no control, bursts phi 5, past of 2", Plain with { Control = false, Dispersion = 5, Errors = 0.02, PastTicks = 2 }),
        new("no control, rho .9", Plain with { Control = false, Autocorrelation = 0.9, LatencyNoise = 0.05 }),
        new("no control, levels with spikes in 2 % of ticks", Plain with { Control = false, Spikes = 0.02 }),
        new("no control, levels with spikes in 10 % of ticks", Plain with { Control = false, Spikes = 0.1 }),
        new("no control, error rate wanders, rho .8", Plain with { Control = false, Autocorrelation = 0.8, ErrorNoise = 0.5, Errors = 0.02 }),
        new("no control, error rate wanders, rho .9", Plain with { Control = false, Autocorrelation = 0.9, ErrorNoise = 0.5, Errors = 0.02 }),
        new("no control, stalls", Plain with { Control = false, StallsPerHour = 20 }),
        new("no control, day's rise", Plain with { Control = false, StepSeconds = 60, DailyTraffic = 0.6, DailyLevels = 0.5, Hour = 21 }),
        new("no control, day's rise, seasonal", Plain with { Control = false, StepSeconds = 60, DailyTraffic = 0.6, DailyLevels = 0.5, Hour = 21, Seasonal = true }),
    ];

    /// <summary>Faulty deployments.</summary>
    public static IReadOnlyList<Cell> Faulty { get; } =
    [
        .. from effect in Effects
           from traffic in new[] { 2.0, 20, 200 }
           from share in new[] { 0.1, 0.5 }
           select new Cell($"{effect.Name}, {traffic}/s, share {100 * share} %", Short with { Traffic = traffic, Share = share, Fault = effect.Fault }),
        .. from effect in Effects
           select new Cell($"{effect.Name}, 20/s, no control", Short with { Control = false, Fault = effect.Fault }),
    ];

    /// <summary>
    /// Error rates alone, watched for an hour: how small a rise is found at how much traffic, and beside each rate the same without a rise. Their policy has one metric
    /// with a tolerance of a tenth of a point, below every rise of the table.
    /// </summary>
    public static IReadOnlyList<Cell> Detection { get; } =
    [
        .. from arm in ((double Share, double Traffic)[])[(0.05, 1), (0.05, 10), (0.1, 10), (0.5, 10), (0.1, 100)]
           from rise in ((double From, double To)[])[(0.1, 0.1), (0.1, 0.3), (0.1, 1), (0.1, 5), (1, 1), (1, 2), (1, 5)]
           let scenario = new Scenario { StepSeconds = 1, PastTicks = 1800, WatchTicks = 3600, Traffic = arm.Traffic, Share = arm.Share, Errors = rise.From / 100 }
           select rise.From == rise.To
               ? new Cell($"error rate {rise.From} % stays, share {100 * arm.Share} %, {arm.Traffic}/s", scenario, ErrorsAlone)
               : new Cell($"error rate {rise.From} -> {rise.To} %, share {100 * arm.Share} %, {arm.Traffic}/s", scenario with { Fault = new(FaultKind.ErrorPoints, rise.To - rise.From) }, ErrorsAlone),
    ];

    /// <summary>Harmless deployments with a long watch after CONTINUE.</summary>
    public static IReadOnlyList<Cell> LongHarmless { get; } =
    [
        .. from cell in ((string Name, Scenario Scenario)[])
           [
               ("plain", Lengthy),
               ("levels rho .8", Lengthy with { Autocorrelation = 0.8, LatencyNoise = 0.05 }),
               ("levels rho .8, noise .3", Noisy with { Autocorrelation = 0.8 }),
               ("levels rho .9, noise .3", Noisy with { Autocorrelation = 0.9 }),
               ("day's rhythm", Lengthy with { StepSeconds = 60, WatchTicks = 150, DailyTraffic = 0.6, DailyLevels = 0.5, Hour = 21 }),
               ("bursts phi 5", Lengthy with { Dispersion = 5, Errors = 0.02 }),
               ("error rate wanders, rho .8", Lengthy with { Autocorrelation = 0.8, ErrorNoise = 0.5, Errors = 0.02 }),
               ("incident in both arms", Lengthy with { Incident = new(4000, 600, 10, 3) }),
               ("ramp 5 to 50 % during an incident in both arms", Lengthy with { Share = 0.05, ShareEnd = 0.5, RampSeconds = 6000, Incident = new(3000, 1200, 10, 3) }),
               ("promoted", Lengthy with { PromotedAfter = 600 }),
               ("promoted, bursts phi 5", Lengthy with { PromotedAfter = 600, Dispersion = 5, Errors = 0.02 }),
               ("promoted, levels rho .8, noise .3", Noisy with { PromotedAfter = 600, Autocorrelation = 0.8 }),
               ("no control", Lengthy with { Control = false }),
               ("no control, levels rho .8, noise .3", Noisy with { Control = false, Autocorrelation = 0.8 }),
               ("no control, bursts phi 5", Lengthy with { Control = false, Dispersion = 5, Errors = 0.02 }),
               ("no control, day's rhythm", Lengthy with { Control = false, StepSeconds = 60, WatchTicks = 150, DailyTraffic = 0.6, DailyLevels = 0.5, Hour = 21 }),
               ("no control, error rate wanders, rho .8", Lengthy with { Control = false, Autocorrelation = 0.8, ErrorNoise = 0.5, Errors = 0.02 }),
               ("no control, stalls", Lengthy with { Control = false, StallsPerHour = 20 }),
           ]
           select new Cell($"long, {cell.Name}", cell.Scenario, Watched),
    ];

    /// <summary>Faults that show late: leaks from the start on, in percent of the memory a minute, and errors that begin an hour after the start.</summary>
    public static IReadOnlyList<Cell> LongFaulty { get; } =
    [
        .. from leak in new[] { 0.3, 1 }
           from around in ((string Name, Scenario Scenario)[])
           [
               ("", Lengthy),
               (", levels rho .8", Lengthy with { Autocorrelation = 0.8 }),
               (", no control", Lengthy with { Control = false }),
           ]
           select new Cell($"long, leak {leak} %/min{around.Name}", around.Scenario with { Fault = new(FaultKind.Leak, leak / 100 * around.Scenario.Memory / 60) }, Watched),
        .. from rise in new[] { 1.0, 2, 10 }
           from around in ((string Name, Scenario Scenario)[])
           [
               ("share 50 %", Lengthy),
               ("share 10 %", Lengthy with { Share = 0.1 }),
               ("no control", Lengthy with { Control = false }),
           ]
           select new Cell($"long, errors +{rise} pp after an hour, 20/s, {around.Name}", around.Scenario with { Fault = new(FaultKind.ErrorPoints, rise, After: 3600) }, Watched),
    ];

    /// <summary>
    /// The cells that are asked for, in the grid's order: parts of their names, separated by semicolons; "false-alarms", "faults" and "detection" stand for the tables, nothing for all.
    /// </summary>
    /// <exception cref="RefusedException">A part names no cell.</exception>
    public static IReadOnlyList<Cell> Choose(string? wanted)
    {
        Cell[] all = [.. Harmless, .. LongHarmless, .. Faulty, .. LongFaulty, .. Detection];
        if (string.IsNullOrWhiteSpace(wanted))
        {
            return all;
        }
        var chosen = new HashSet<Cell>();
        foreach (var part in wanted.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            Cell[] found = part switch
            {
                "false-alarms" => [.. Harmless, .. LongHarmless],
                "faults" => [.. Faulty, .. LongFaulty],
                "detection" => [.. Detection],
                // A whole name is one cell, also where it is part of another one's.
                _ when Array.Find(all, cell => cell.Name.Equals(part, StringComparison.OrdinalIgnoreCase)) is { } whole => [whole],
                _ => [.. all.Where(cell => cell.Name.Contains(part, StringComparison.OrdinalIgnoreCase))],
            };
            if (found.Length == 0)
            {
                throw new RefusedException("cells", $"no cell's name has '{part}' in it; give false-alarms, faults, detection, or parts of names such as \"bursts; no control\"");
            }
            chosen.UnionWith(found);
        }
        return [.. all.Where(chosen.Contains)];
    }

    private static Policy Watched => Policy with { Watch = Policy.Watch with { After = TimeSpan.FromHours(2), Slow = TimeSpan.FromHours(2) } };

    private static Policy ErrorsAlone => Policy with
    {
        Metrics = [Metric("errors", MetricKind.Ratio, Family.Error, new Tolerance(0.1, false), 0, "%", 0) with { Critical = true }],
    };

    private static MetricPolicy Metric(string name, MetricKind kind, Family family, Tolerance tolerance, double floor, string unit, double warmup) =>
        new(name, kind, family, Direction.Up, null, null, null, 0.95, tolerance, floor, null, false, unit, 1, null, TimeSpan.FromSeconds(warmup));
}
