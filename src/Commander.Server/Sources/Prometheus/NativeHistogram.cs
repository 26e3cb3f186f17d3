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
            else if (bucket.Lower < edge)
                count += bucket.Count * (edge - bucket.Lower) / (bucket.Upper - bucket.Lower);
        }

        return count;
    }
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
