using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Tests.Simulated;

/// <summary>A service of half-second ticks whose arms a test moves by hand.</summary>
internal static class Shop
{
    public const int Errors = 0;
    public const int Latency = 1;
    public const int Memory = 2;
    public const int Cpu = 3;

    public static MetricPolicy ErrorMetric { get; } = new(
        "errors", MetricKind.Ratio, Family.Error, Direction.Up, null, "bad", "total", 0.95, new Tolerance(1, false), 0, null, true, "%", 1, null, TimeSpan.Zero);

    public static MetricPolicy LatencyMetric { get; } = new(
        "latency", MetricKind.Histogram, Family.Latency, Direction.Up, "seconds", null, null, 0.95, new Tolerance(0.2, true), 25, null, true, "ms", 1000, null, TimeSpan.FromSeconds(2));

    public static MetricPolicy MemoryMetric { get; } = new(
        "memory", MetricKind.Gauge, Family.Memory, Direction.Up, "bytes", null, null, 0.95, new Tolerance(0.25, true), 5, null, false, "MB", 1, null, TimeSpan.FromSeconds(2));

    public static MetricPolicy CpuMetric { get; } = new(
        "cpu", MetricKind.Gauge, Family.Cpu, Direction.Up, "cpu", null, null, 0.95, new Tolerance(0.5, true), 5, null, false, "%", 1, null, TimeSpan.FromSeconds(2));

    public static Policy Policy(params MetricPolicy[] metrics) => new(
        "shop",
        null,
        "shop",
        metrics.Length > 0 ? metrics : [ErrorMetric, LatencyMetric, MemoryMetric, CpuMetric],
        Compare.Auto,
        NoData.Rollback,
        new WatchPolicy(TimeSpan.FromSeconds(0.5), TimeSpan.Zero, TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(5), TimeSpan.FromSeconds(20), TimeSpan.FromMinutes(1), TimeSpan.FromHours(6), true, "page"),
        new DecidePolicy(0.01, 1, 9, Authority.Advise),
        new ActPolicy(Autonomy.Enforce, null, Autonomy.Enforce, TimeSpan.FromMinutes(15), TimeSpan.Zero, null, []),
        null,
        [],
        new LearnPolicy(0, "off", "off"));

    public static Tick Tick(Policy policy, Noise noise, int n, Behaviour? candidate, Behaviour? control, Behaviour? before = null)
    {
        var tick = new Tick(n, 1, policy.Metrics.Count);
        candidate?.Measure(policy, noise, tick, Arm.Candidate);
        control?.Measure(policy, noise, tick, Arm.Control);
        before?.Measure(policy, noise, tick, Arm.Before);
        return tick;
    }

    /// <summary>A watch that has seen its past: 40 ticks of the old version under the whole load.</summary>
    public static WatchState Begin(Policy policy, Noise noise, Behaviour old, bool restarted = true, int past = 40)
    {
        var state = Judge.Start(policy, restarted);
        for (var n = 1 - past; n <= 0; n++)
        {
            Judge.Next(policy, Model.Shipped, ref state, Input.Of(Tick(policy, noise, n, null, null, old with { Rate = 2 * old.Rate })));
        }
        return state;
    }

    /// <summary>The first tick at which the decision is the wanted one, or null within so many ticks; the state is left there.</summary>
    public static int? First(Policy policy, Noise noise, ref WatchState state, Decision wanted, int ticks, Func<int, Behaviour?> candidate, Func<int, Behaviour?> control)
    {
        var from = state.LastTick;
        for (var n = from + 1; n <= from + ticks; n++)
        {
            if (Judge.Next(policy, Model.Shipped, ref state, Input.Of(Tick(policy, noise, n, candidate(n), control(n)))).Decision == wanted)
            {
                return n;
            }
        }
        return null;
    }
}
