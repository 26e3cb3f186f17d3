using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;

namespace Commander.Judging.Tests.Simulated;

/// <summary>
/// A watch with one metric of nearly every form that a policy can give one (kind, family, direction, tolerance, quantile, objective), in a
/// world that a test chooses: which arms there are, and what becomes of the new version. Ticks of 15 s, an hour of past.
/// </summary>
internal static class Stage
{
    public const int Past = 60;
    public const int Ticks = 150;
    private const double Seconds = 15;
    private static readonly double[] Edges = [25, 50, 100, 150, 250, 400, 800, 1600, double.PositiveInfinity];

    /// <summary>The worlds by name.</summary>
    public static IReadOnlyList<string> Worlds { get; } =
        ["control", "control without past", "past alone", "past and season", "control goes", "control comes late", "sick control", "bursts", "nothing to compare", "holes"];

    /// <summary>What becomes of the new version.</summary>
    public static IReadOnlyList<string> Fates { get; } = ["same", "slightly worse", "worse", "much worse", "better", "worse later", "climbs", "silent"];

    /// <summary>Fates of one metric alone, for worlds where that is told apart.</summary>
    public static IEnumerable<string> FatesOfOne(string world) =>
        world is "control" or "past alone" ? Policy.Metrics.Select(metric => "only " + metric.Name).Concat(Policy.Metrics.Select(metric => "creeping " + metric.Name))
        : world is "past and season" or "bursts" ? Policy.Metrics.Select(metric => "only " + metric.Name)
        : [];

    public static Policy Policy { get; } = Of(
    [
        Metric("errors", MetricKind.Ratio, Family.Error, Direction.Up, new(0.5, true), 0.5, "%") with { Critical = true },
        Metric("success", MetricKind.Ratio, Family.Kpi, Direction.Down, new(2, false), 0, "%"),
        Metric("mix", MetricKind.Ratio, Family.Kpi, Direction.Either, new(3, false), 0, "%"),
        Metric("calls_failed", MetricKind.Ratio, Family.Downstream, Direction.Up, new(1, false), 0, "%"),
        Metric("all_errors", MetricKind.Ratio, Family.Service, Direction.Up, new(1, false), 0, "%"),
        Metric("promised", MetricKind.Ratio, Family.Error, Direction.Up, new(1, false), 0, "%") with { Objective = 3 },
        Metric("latency", MetricKind.Histogram, Family.Latency, Direction.Up, new(0.2, true), 25, "ms") with { Critical = true, Warmup = TimeSpan.FromSeconds(60) },
        Metric("usual_latency", MetricKind.Histogram, Family.Latency, Direction.Up, new(0.3, true), 10, "ms") with { Quantile = 0.5, Objective = 400 },
        Metric("size", MetricKind.Histogram, Family.Kpi, Direction.Down, new(0.3, true), 0, "KB") with { Quantile = 0.9 },
        Metric("cpu", MetricKind.Gauge, Family.Cpu, Direction.Up, new(0.5, true), 5, "%") with { Warmup = TimeSpan.FromSeconds(60) },
        Metric("memory", MetricKind.Gauge, Family.Memory, Direction.Up, new(0.25, true), 16, "MB"),
        Metric("hits", MetricKind.Gauge, Family.Kpi, Direction.Down, new(10, false), 0, "%"),
        Metric("balance", MetricKind.Gauge, Family.Kpi, Direction.Either, new(5, false), 0, ""),
        Metric("requests", MetricKind.Count, Family.Traffic, Direction.Down, new(0.6, true), 0, "count"),
        Metric("orders", MetricKind.Count, Family.Kpi, Direction.Either, new(0.4, true), 0, "count"),
        Metric("retries", MetricKind.Count, Family.Kpi, Direction.Up, new(0.5, true), 1, "count"),
    ]);

    /// <summary>One tick of a world.</summary>
    public static Tick Tick(Noise noise, string world, string fate, int n)
    {
        var tick = new Tick(n, 1, Policy.Metrics.Count);
        if (n <= 0)
        {
            if (world is not ("control without past" or "nothing to compare"))
                All(tick, noise, Arm.Before, n, 0, "", 1, world);
            if (world == "past and season")
                All(tick, noise, Arm.Seasonal, n, 0, "", 1, world);
            return tick;
        }

        if (world == "past and season")
            All(tick, noise, Arm.Seasonal, n, 0, "", 1.2, world);
        var control = world switch
        {
            "past alone" or "past and season" or "nothing to compare" => false,
            "control goes" => n <= 40,
            "control comes late" => n > 12,
            _ => true,
        };
        if (control)
            All(tick, noise, Arm.Control, n, world == "sick control" && n > 5 ? 3 : 0, "", 0.5, world);
        var harm = fate switch
        {
            "slightly worse" => 0.15,
            "worse" => 1,
            "much worse" => 6,
            "better" => -0.4,
            "worse later" => n > 60 ? 1.5 : 0,
            "climbs" => n / 60.0,
            _ => 0,
        };
        if (fate != "silent" || n <= 8)
            All(tick, noise, Arm.Candidate, n, harm, fate, control ? 0.5 : world == "past and season" ? 1.2 : 1, world);
        return tick;
    }

    private static void All(Tick tick, Noise noise, Arm arm, int n, double everywhere, string fate, double share, string world)
    {
        var requests = noise.Poisson(300 * share);
        var bursts = world == "bursts" ? 3.0 : 1;
        for (var index = 0; index < Policy.Metrics.Count; index++)
        {
            var metric = Policy.Metrics[index];
            var harm = fate == "only " + metric.Name ? 0.7 : fate == "creeping " + metric.Name ? n / 200.0 : everywhere;
            if (world == "holes" && noise.Uniform() < 0.15)
            {
                tick[index, arm] = Reading.Missing(noise.Uniform() < 0.5 ? Quality.Timeout : Quality.Stale);
                continue;
            }

            tick[index, arm] = metric.Kind switch
            {
                MetricKind.Ratio => Ratio(noise, Share(metric.Name, harm), requests, bursts),
                MetricKind.Histogram => Histogram(noise, metric.Name == "size" ? 300 / (1 + harm) : 80 * (1 + harm), requests),
                MetricKind.Count => new(Quality.Value, noise.Poisson(metric.Name == "retries" ? 12 * share * (1 + harm) : (metric.Name == "orders" ? 40 : 300) * share / (1 + Math.Max(-0.5, harm)))),
                _ => new(Quality.Value, Level(noise, metric.Name, harm)),
            };
        }
    }

    private static double Share(string name, double harm) => name switch
    {
        "success" => 0.97 - (0.08 * harm),
        "mix" => 0.4 + (0.08 * harm),
        "calls_failed" => 0.01 * (1 + (2 * harm)),
        _ => 0.02 * (1 + (2 * harm)),
    };

    private static double Level(Noise noise, string name, double harm) => name switch
    {
        "cpu" => 30 * (1 + harm) * (1 + (0.05 * noise.Normal())),
        "memory" => 400 * (1 + (0.5 * harm)) * (1 + (0.02 * noise.Normal())),
        "hits" => 90 - (20 * harm) + noise.Normal(),
        _ => (10 * harm) + (0.8 * noise.Normal()),
    };

    private static Reading Ratio(Noise noise, double share, int requests, double bursts)
    {
        share = Math.Clamp(share, 0, 1);
        var bad = bursts > 1 && share < 0.2 ? Math.Min(requests, noise.Bursts(requests * share, bursts)) : noise.Binomial(requests, share);
        return new(Quality.Value, bad, requests);
    }

    // Log-logistic durations, told as cumulated buckets of one tick.
    private static Reading Histogram(Noise noise, double median, int requests)
    {
        var counts = new double[Edges.Length];
        var (left, below) = (requests, 0.0);
        for (var at = 0; at < Edges.Length; at++)
        {
            var until = at == Edges.Length - 1 ? 1 : 1 / (1 + Math.Pow(median / Edges[at], 3));
            var here = until <= below ? 0 : noise.Binomial(left, Math.Min(1, (until - below) / (1 - below)));
            left -= here;
            counts[at] = (at == 0 ? 0 : counts[at - 1]) + here;
            below = until;
        }

        counts[^1] = requests;
        return new(Quality.Value, Buckets: new Buckets(Edges, counts));
    }

    private static Policy Of(MetricPolicy[] metrics)
    {
        var shop = Shop.Policy(metrics);
        return shop with
        {
            Watch = shop.Watch with { Step = TimeSpan.FromSeconds(Seconds), Min = TimeSpan.FromMinutes(2), Max = TimeSpan.FromMinutes(30), Reference = TimeSpan.FromMinutes(15), After = TimeSpan.FromMinutes(35), Slow = TimeSpan.FromMinutes(30) },
        };
    }

    private static MetricPolicy Metric(string name, MetricKind kind, Family family, Direction direction, Tolerance tolerance, double floor, string unit) =>
        new(name, kind, family, direction, kind == MetricKind.Ratio ? null : name, kind == MetricKind.Ratio ? name + "_bad" : null, kind == MetricKind.Ratio ? name + "_total" : null, 0.95, tolerance, floor, null, false, unit, 1, null, TimeSpan.Zero);
}
