using Commander.Judging.Evidence;
using Commander.Judging.Policies;

namespace Commander.Server.Sources.Prometheus;

/// <summary>A populated bucket of a native histogram.</summary>
/// <param name="Lower">Its lower bound, in the source's unit.</param>
/// <param name="Upper">Its upper bound, in the source's unit.</param>
/// <param name="Count">Observations in it, not below it.</param>
internal readonly record struct NativeBucket(double Lower, double Upper, double Count);

/// <summary>A native histogram as it was scraped once.</summary>
/// <param name="At">When, Unix milliseconds.</param>
/// <param name="Count">All observations so far.</param>
/// <param name="Buckets">Those with observations, ascending.</param>
internal readonly record struct NativePoint(long At, double Count, NativeBucket[] Buckets)
{
    /// <summary>How many observations lie at or below an edge; inside of a bucket they are spread evenly.</summary>
    public double AtOrBelow(double edge)
    {
        double count = 0;
        foreach (var bucket in Buckets)
        {
            if (bucket.Upper <= edge * (1 + (edge > 0 ? 1e-9 : -1e-9)))
                count += bucket.Count;
            else if (bucket.Lower < edge && double.IsFinite(bucket.Upper - bucket.Lower))
                count += bucket.Count * (edge - bucket.Lower) / (bucket.Upper - bucket.Lower);
        }

        return count;
    }
}

/// <summary>
/// The bounds of custom buckets (schema -53), by metric. Only buckets with observations are told, and those come and go; a bound that
/// was seen once stays known, so that every reading has it. Safe for several ticks at once.
/// </summary>
internal sealed class CustomBounds
{
    private const int MaxMetrics = 256;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, SortedSet<double>> _known = new(StringComparer.Ordinal);

    /// <summary>Learns from a series' newest point; one with exponential buckets teaches nothing, unless the metric has others.</summary>
    public void See(PromSeries series)
    {
        if (series.Histograms is not [.., { Buckets: { Length: > 0 } buckets }])
            return;
        var name = Label.Find(series.Labels, "__name__");
        lock (_lock)
        {
            if (!_known.TryGetValue(name, out var bounds))
            {
                if (Array.TrueForAll(buckets, IsExponential))
                    return;
                if (_known.Count >= MaxMetrics)
                    _known.Clear();
                _known[name] = bounds = [];
            }

            foreach (var bucket in buckets)
            {
                // One more than are read is enough to say that there are too many.
                if (bounds.Count > ClassicHistogram.MaxBuckets)
                    break;
                foreach (var bound in (ReadOnlySpan<double>)[bucket.Lower, bucket.Upper])
                {
                    if (double.IsFinite(bound))
                        bounds.Add(bound);
                }
            }
        }
    }

    /// <summary>All bounds known of the metric that these are series of, ascending; null where its buckets are exponential.</summary>
    public double[]? Of(IReadOnlyList<PromSeries> series)
    {
        if (series.Count == 0)
            return null;
        lock (_lock)
        {
            return _known.TryGetValue(Label.Find(series[0].Labels, "__name__"), out var bounds) ? [.. bounds] : null;
        }
    }

    // The upper bound is a whole power of the factor between the two, and that factor 2 to the power of 2 to the power of -schema.
    private static bool IsExponential(NativeBucket bucket)
    {
        var (lower, upper) = bucket.Upper <= 0 ? (-bucket.Upper, -bucket.Lower) : (bucket.Lower, bucket.Upper);
        // The bucket around zero fits every schema.
        if (lower <= 0)
            return double.IsFinite(upper) && double.IsFinite(lower);
        var factor = Math.Log2(upper / lower);
        return double.IsFinite(factor) && factor > 0 && IsWhole(Math.Log2(factor)) && IsWhole(Math.Log2(upper) / factor);
    }

    private static bool IsWhole(double number) => Math.Abs(number - Math.Round(number)) < 1e-6;
}

/// <summary>
/// Native histograms as classic ones: their populated buckets come and go, and the judge keeps the edges it saw first, so they are
/// counted at edges that depend on the metric alone. Powers of two are bucket bounds at every resolution that clients write
/// (schema 0 and finer), so counts at them are exact.
/// </summary>
internal static class NativeHistogram
{
    // As many as the judge keeps, infinity included.
    private const int Edges = 18;

    /// <summary>The edges of a metric in the source's unit, infinity last: about 1 ms to 64 s for durations, 1 to 2^32 for anything else.</summary>
    public static double[] EdgesOf(MetricPolicy metric)
    {
        // A factor of a thousand into ms says that the source has seconds.
        var (first, step) = metric.Unit is "ms" ? (metric.Scale >= 100 ? -10 : 0, 1) : metric.Unit is "s" ? (-10, 1) : (0, 2);
        var edges = new double[Edges];
        for (var i = 0; i < Edges - 1; i++)
            edges[i] = Math.ScaleB(1, first + (i * step));
        edges[^1] = double.PositiveInfinity;
        return edges;
    }

    /// <summary>Those of the bounds at which every bucket can be counted exactly, infinity last: none lies inside of a bucket.</summary>
    public static double[] Exact(double[] bounds, IReadOnlyList<PromSeries> series)
    {
        var buckets = series.SelectMany(one => one.Histograms).SelectMany(point => point.Buckets).Select(bucket => (bucket.Lower, bucket.Upper)).Distinct().ToArray();
        return [.. bounds.Where(bound => Array.TrueForAll(buckets, bucket => bound <= bucket.Lower || bound >= bucket.Upper)), double.PositiveInfinity];
    }

    /// <summary>Growth per edge over (from, to], by the rules of <see cref="Increments"/>; what is added up is in <paramref name="counts"/>.</summary>
    public static Increment Grown(NativePoint[] points, long from, long to, bool born, double[] edges, double[] counts)
    {
        NativePoint? before = born ? new NativePoint(0, 0, []) : null;
        var (whole, any, stepped) = (born, false, false);
        double amount = 0;
        long at = 0;
        foreach (var point in points)
        {
            if (point.At > to)
                break;
            if (!double.IsFinite(point.Count) || point.Count < 0)
                continue;
            if (point.At > from)
            {
                (any, at) = (true, point.At);
                if (before is { } last)
                {
                    stepped = true;
                    // Fewer than before: it has counted on from nothing.
                    var restarted = point.Count < last.Count;
                    amount += restarted ? point.Count : point.Count - last.Count;
                    for (var i = 0; i < edges.Length; i++)
                        counts[i] += i == edges.Length - 1 ? (restarted ? point.Count : point.Count - last.Count) : Math.Max(0, point.AtOrBelow(edges[i]) - (restarted ? 0 : last.AtOrBelow(edges[i])));
                }
            }
            else
            {
                whole = true;
            }

            before = point;
        }

        return new Increment(amount, any, stepped, whole, at);
    }
}
