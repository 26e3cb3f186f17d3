using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Tests.Simulated;

/// <summary>How one version of the simulated service behaves.</summary>
internal sealed record Behaviour
{
    public double Rate { get; init; } = 100;
    public double Errors { get; init; } = 0.001;
    // Mean errors per burst, as retries make them; 1 for independent errors.
    public double Burst { get; init; } = 1;
    public double Median { get; init; } = 20;
    public double Memory { get; init; } = 60;
    public double Leak { get; init; }
    public double Cpu { get; init; } = 20;
}

/// <summary>A service under simulated load: ticks as a scrape would give them.</summary>
internal static class Shop
{
    public const int Errors = 0;
    public const int Latency = 1;
    public const int Memory = 2;
    public const int Cpu = 3;

    private static readonly double[] Edges = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, double.PositiveInfinity];

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
        Fill(policy, noise, tick, Arm.Candidate, candidate, n);
        Fill(policy, noise, tick, Arm.Control, control, n);
        Fill(policy, noise, tick, Arm.Before, before, n);
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

    private static void Fill(Policy policy, Noise noise, Tick tick, Arm arm, Behaviour? behaviour, int n)
    {
        if (behaviour is null)
        {
            return;
        }
        const double seconds = 0.5;
        var requests = noise.Poisson(behaviour.Rate * seconds);
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            var metric = policy.Metrics[index];
            tick[index, arm] = metric.Name switch
            {
                "errors" => new Reading(Quality.Value, Failed(noise, behaviour, requests), requests),
                "latency" => new Reading(Quality.Value, Buckets: Durations(noise, behaviour, requests)),
                "memory" => new Reading(Quality.Value, (behaviour.Memory + (behaviour.Leak * Math.Max(0, n) * seconds)) * (1 + (0.02 * noise.Normal()))),
                "cpu" => new Reading(Quality.Value, Math.Max(0, behaviour.Cpu * (1 + (0.1 * noise.Normal())))),
                _ => Reading.Missing(Quality.Empty),
            };
        }
    }

    private static double Failed(Noise noise, Behaviour behaviour, int requests)
    {
        if (behaviour.Burst <= 1)
        {
            return noise.Binomial(requests, behaviour.Errors);
        }
        var failed = 0;
        for (var bursts = noise.Poisson(requests * behaviour.Errors / behaviour.Burst); bursts > 0; bursts--)
        {
            // Geometric with the wanted mean.
            failed += 1 + (int)(Math.Log(1 - noise.Uniform()) / Math.Log(1 - (1 / behaviour.Burst)));
        }
        return Math.Min(failed, requests);
    }

    private static Buckets Durations(Noise noise, Behaviour behaviour, int requests)
    {
        var counts = new double[Edges.Length];
        for (var request = 0; request < requests; request++)
        {
            var duration = behaviour.Median * Math.Exp(0.45 * noise.Normal());
            var at = 0;
            while (duration > Edges[at])
            {
                at++;
            }
            counts[at]++;
        }
        for (var at = 1; at < counts.Length; at++)
        {
            counts[at] += counts[at - 1];
        }
        return new Buckets(Edges, counts);
    }
}
