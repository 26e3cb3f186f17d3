using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Simulation;

/// <summary>How one version of a simulated service behaves at an instant, and what is measured of it then.</summary>
public sealed record Behaviour
{
    private const double SlowFactor = 10;
    private const double TimeOutFactor = 20;

    // Slow requests are what lies above the edge that so few are above; only they come in bursts.
    private const double SlowAtMost = 0.2;

    private static readonly double[] Edges = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, double.PositiveInfinity];
    private static readonly double[] LogEdges = [.. Edges.Select(Exact.Log)];
    private static readonly double[] EdgesInSeconds = [.. Edges.Select(static edge => edge / 1000)];

    /// <summary>Requests a second.</summary>
    public double Rate { get; init; } = 100;

    /// <summary>The share of requests that fail, 0..1.</summary>
    public double Errors { get; init; } = 0.001;

    /// <summary>The variance of failed (and of slow) requests in a tick, as a multiple of what independent requests would have: at least 1. See <see cref="Noise.Bursts"/>.</summary>
    public double Dispersion { get; init; } = 1;

    /// <summary>The median duration, ms, above 0.</summary>
    public double Median { get; init; } = 20;

    /// <summary>How far durations spread: they are log-logistic, the 95th percentile is 19^Spread times the median. Above 0, usually 0.15 to 0.5.</summary>
    public double Spread { get; init; } = 0.25;

    /// <summary>The share of requests that take ten times as long, 0..1.</summary>
    public double SlowShare { get; init; }

    /// <summary>The share of failed requests that wait for a time-out (20 medians) before they fail, 0..1.</summary>
    public double FailuresSlow { get; init; }

    /// <summary>Processor use, %.</summary>
    public double Cpu { get; init; } = 20;

    /// <summary>Relative standard deviation of one measurement of <see cref="Cpu"/>.</summary>
    public double CpuNoise { get; init; } = 0.1;

    /// <summary>Memory, MB.</summary>
    public double Memory { get; init; } = 60;

    /// <summary>Relative standard deviation of one measurement of <see cref="Memory"/>.</summary>
    public double MemoryNoise { get; init; } = 0.02;

    /// <summary>MB a second that are never given back, from the start of the watch on.</summary>
    public double Leak { get; init; }

    /// <summary>Draws everything that the policy's metrics would measure of this behaviour in a tick, into one arm of it.
    /// A metric is recognised by its kind, a level by its family too; a level that is none of errors, response time, traffic and memory moves as cpu does.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="noise">Where randomness comes from.</param>
    /// <param name="tick">The tick, with one reading per metric of the policy.</param>
    /// <param name="arm">The arm.</param>
    public void Measure(Policy policy, Noise noise, Tick tick, Arm arm)
    {
        var step = policy.Watch.Step.TotalSeconds;
        var requests = noise.Poisson(Rate * step * tick.Span);
        var failed = Failed(noise, requests);
        Span<int> durations = stackalloc int[Edges.Length];
        var drawn = false;
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            var metric = policy.Metrics[index];
            if (!drawn && (metric.Kind == MetricKind.Histogram || metric.Family == Family.Latency))
            {
                Durations(noise, requests, failed, durations);
                drawn = true;
            }
            tick[index, arm] = (metric.Kind, metric.Family) switch
            {
                (MetricKind.Ratio, _) => new Reading(Quality.Value, failed, requests),
                (MetricKind.Histogram, _) => new Reading(Quality.Value, Buckets: Cumulative(durations, metric)),
                (MetricKind.Count, Family.Error) => new Reading(Quality.Value, failed),
                (MetricKind.Count, _) => new Reading(Quality.Value, requests),
                (_, Family.Error) => requests > 0 ? new Reading(Quality.Value, 100.0 * failed / requests) : Reading.Missing(Quality.Empty),
                (_, Family.Latency) => requests > 0 ? Quantile(durations, metric) : Reading.Missing(Quality.Empty),
                (_, Family.Traffic) => new Reading(Quality.Value, requests / (step * tick.Span)),
                (_, Family.Memory) => new Reading(Quality.Value, Math.Max(0, (Memory + (Leak * Math.Max(0, tick.N) * step)) * (1 + (MemoryNoise * noise.Normal())))),
                _ => new Reading(Quality.Value, Math.Max(0, Cpu * (1 + (CpuNoise * noise.Normal())))),
            };
        }
    }

    private int Failed(Noise noise, int requests) =>
        Dispersion <= 1 ? noise.Binomial(requests, Errors) : Math.Min(requests, noise.Bursts(requests * Errors, Dispersion));

    // Counts per bucket, not cumulative.
    private void Durations(Noise noise, int requests, int failed, Span<int> counts)
    {
        var timedOut = noise.Binomial(failed, FailuresSlow);
        var left = requests - timedOut;
        var answered = left;
        Span<double> above = stackalloc double[Edges.Length];
        var (median, slower) = (Exact.Log(Median), Exact.Log(Median * SlowFactor));
        for (var at = 0; at < above.Length - 1; at++)
        {
            above[at] = ((1 - SlowShare) * Above(LogEdges[at] - median)) + (SlowShare > 0 ? SlowShare * Above(LogEdges[at] - slower) : 0);
        }
        var last = above.Length - 1;
        if (Dispersion > 1)
        {
            for (; last > 0 && above[last - 1] <= SlowAtMost; last--)
            {
                counts[last] = Math.Min(left, noise.Bursts(answered * (above[last - 1] - above[last]), Dispersion));
                left -= counts[last];
            }
        }
        // The others, bucket by bucket among those that are left.
        var end = above[last];
        var from = 1.0;
        for (var at = 0; at < last && left > 0; at++)
        {
            counts[at] = noise.Binomial(left, Math.Min(1, (from - above[at]) / (from - end)));
            left -= counts[at];
            from = above[at];
        }
        counts[last] += left;
        var slowest = 0;
        while (Edges[slowest] < Median * TimeOutFactor)
        {
            slowest++;
        }
        counts[slowest] += timedOut;
    }

    private double Above(double logRatio) => 1 / (1 + Exact.Exp(logRatio / Spread));

    private static Buckets Cumulative(ReadOnlySpan<int> durations, MetricPolicy metric)
    {
        var counts = new double[durations.Length];
        double sum = 0;
        for (var at = 0; at < counts.Length; at++)
        {
            counts[at] = sum += durations[at];
        }
        return new Buckets(HealthTerms.Milliseconds(metric.Unit) == 1000 ? EdgesInSeconds : Edges, counts);
    }

    private static Reading Quantile(ReadOnlySpan<int> durations, MetricPolicy metric)
    {
        var buckets = Cumulative(durations, metric);
        return new Reading(Quality.Value, Histograms.Quantile(buckets.Edges, buckets.Counts, metric.Quantile));
    }
}
