using Commander.Judging.Evidence;
using Commander.Judging.Policies;

namespace Commander.Judging.Verdicts;

/// <summary>
/// Histograms are judged by the share of slow requests: a count at one bucket's edge, which needs no interpolation. The edge is chosen once, from the reference.
/// Quantiles are interpolated only to be shown, and to say which share of slow requests means "beyond the tolerance".
/// </summary>
internal static class Histograms
{
    private const int Slots = HistogramState.Slots;

    // Of more edges than there is room for, so many are kept next to the quantile, and so many of those below its bucket's upper one.
    private const int Near = 10;
    private const int NearBelow = 4;

    /// <summary>Adds a reading to an arm's counts; false when its buckets do not have the edges that were kept.</summary>
    public static bool Add(ref HistogramState state, MetricPolicy metric, Span<double> arm, Buckets buckets, out double slow)
    {
        slow = 0;
        if (state.EdgeCount == 0)
        {
            Keep(ref state, metric, buckets);
        }
        Span<double> found = stackalloc double[Slots];
        var at = 0;
        for (var kept = 0; kept < state.EdgeCount; kept++)
        {
            var edge = state.Edges[kept];
            // Infinity is only itself.
            var near = double.IsFinite(edge) ? 1e-9 * Math.Abs(edge) : 0;
            while (at < buckets.Edges.Length && buckets.Edges[at] < edge - near)
            {
                at++;
            }
            if (at == buckets.Edges.Length || buckets.Edges[at] > edge + near)
            {
                return false;
            }
            found[kept] = buckets.Counts[at];
        }
        for (var kept = 0; kept < state.EdgeCount; kept++)
        {
            arm[kept] += found[kept];
        }
        if (state.SlowEdge > 0)
        {
            slow = found[state.EdgeCount - 1] - found[state.SlowEdge - 1];
        }
        return true;
    }

    /// <summary>All observations of an arm.</summary>
    public static double Total(in HistogramState state, ReadOnlySpan<double> arm) => state.EdgeCount == 0 ? 0 : arm[state.EdgeCount - 1];

    /// <summary>The observations of an arm above the slow edge.</summary>
    public static double Slow(in HistogramState state, ReadOnlySpan<double> arm) =>
        state.SlowEdge == 0 ? 0 : Total(state, arm) - arm[state.SlowEdge - 1];

    /// <summary>A quantile, interpolated inside its bucket; the last finite edge when it lies beyond; NaN without observations.</summary>
    public static double Quantile(ReadOnlySpan<double> edges, ReadOnlySpan<double> counts, double quantile)
    {
        var total = counts.IsEmpty ? 0 : counts[^1];
        if (total <= 0)
        {
            return double.NaN;
        }
        var wanted = quantile * total;
        for (var at = 0; at < edges.Length; at++)
        {
            if (counts[at] < wanted)
            {
                continue;
            }
            var below = at == 0 ? 0 : edges[at - 1];
            if (double.IsPositiveInfinity(edges[at]))
            {
                return at == 0 ? double.NaN : below;
            }
            var before = at == 0 ? 0 : counts[at - 1];
            if (edges[at] <= 0)
            {
                return edges[at];
            }
            return counts[at] > before ? below + ((edges[at] - below) * (wanted - before) / (counts[at] - before)) : edges[at];
        }
        return double.NaN;
    }

    /// <summary>How many observations a reference needs before its quantile may choose the edge: ten beyond it.</summary>
    public static double Enough(MetricPolicy metric) => 10 / (1 - metric.Quantile);

    /// <summary>Chooses the slow edge from a reference's counts, or from the objective where there is no reference.</summary>
    public static void Choose(ref HistogramState state, MetricPolicy metric, ReadOnlySpan<double> arm)
    {
        var edges = ((ReadOnlySpan<double>)state.Edges)[..state.EdgeCount];
        arm = arm[..state.EdgeCount];
        var reference = Quantile(edges, arm, metric.Quantile);
        if (double.IsNaN(reference))
        {
            return;
        }
        Set(ref state, metric, edges, arm, Allowed(metric, reference));
    }

    /// <summary>The largest quantile that is within the tolerance of a reference's.</summary>
    public static double Allowed(MetricPolicy metric, double reference) => metric.Tolerance.Relative
        ? reference + (Math.Abs(reference) * metric.Tolerance.Amount) + metric.Floor
        : reference + Math.Max(metric.Tolerance.Amount, metric.Floor);

    /// <summary>Chooses the slow edge from the objective.</summary>
    public static void Choose(ref HistogramState state, MetricPolicy metric, double objective)
    {
        var edges = ((ReadOnlySpan<double>)state.Edges)[..state.EdgeCount];
        Set(ref state, metric, edges, [], objective);
    }

    private static void Set(ref HistogramState state, MetricPolicy metric, ReadOnlySpan<double> edges, ReadOnlySpan<double> arm, double allowed)
    {
        var beyond = 1 - metric.Quantile;
        // The last edge is infinity and can never be passed.
        var chosen = edges.Length - 2;
        var critical = beyond;
        for (var at = 0; at < edges.Length - 1; at++)
        {
            var share = arm.IsEmpty ? 0 : 1 - (arm[at] / arm[^1]);
            if (share > 0.5 * beyond)
            {
                continue;
            }
            if (edges[at] >= allowed)
            {
                chosen = at;
                break;
            }
            // An edge just below the allowed quantile serves when the next one is far: the share above it at which interpolation gives the allowed quantile.
            var next = edges[at + 1];
            var way = double.IsPositiveInfinity(next) ? 0 : (allowed - edges[at]) / (next - edges[at]);
            if (next > allowed && way <= 0.5)
            {
                (chosen, critical) = (at, beyond / (1 - way));
                break;
            }
        }
        if (chosen < 0)
        {
            return;
        }
        state.SlowEdge = chosen + 1;
        state.CriticalShare = critical;
    }

    /// <summary>
    /// Keeps the edges of the first reading. Of more than there is room for: those next to its quantile, where the limit will lie, and an even choice of the others for what lies far off;
    /// infinity always among them.
    /// </summary>
    private static void Keep(ref HistogramState state, MetricPolicy metric, Buckets buckets)
    {
        var edges = (ReadOnlySpan<double>)buckets.Edges;
        state.EdgeCount = Math.Min(edges.Length, Slots);
        if (edges.Length <= Slots)
        {
            edges.CopyTo(state.Edges);
            return;
        }
        var wanted = metric.Quantile * buckets.Total;
        var at = 0;
        while (at < edges.Length - 1 && buckets.Counts[at] < wanted)
        {
            at++;
        }
        var first = Math.Clamp(at - NearBelow, 0, edges.Length - 1 - Near);
        // The others: as many before the near ones as their part of all there are, at even steps; the rest after them.
        var others = edges.Length - Near;
        var before = Math.Min((int)((long)(Slots - Near) * first / others), first);
        var after = Slots - Near - before;
        var kept = 0;
        for (var other = 0; other < before; other++)
        {
            state.Edges[kept++] = edges[(int)((long)other * first / before)];
        }
        for (var near = 0; near < Near; near++)
        {
            state.Edges[kept++] = edges[first + near];
        }
        var left = edges.Length - first - Near;
        for (var other = 1; other <= after; other++)
        {
            state.Edges[kept++] = edges[first + Near - 1 + (int)((long)other * left / after)];
        }
    }
}
