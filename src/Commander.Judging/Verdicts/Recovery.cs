using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Statistics;

namespace Commander.Judging.Verdicts;

/// <summary>
/// After a rollback: whether the restored version (arm control) is back at the reference. Judged in blocks of at least four ticks with traffic and three seconds,
/// so that what was still on its way when the traffic moved spoils the first block only.
/// </summary>
internal static class Recovery
{
    private const int Ticks = 4;
    private const double Seconds = 3;
    private const int Back = 1;
    private const int Worse = 2;

    /// <summary>A tick after the rollback.</summary>
    public static void Observe(Policy policy, ref WatchState state, Tick tick)
    {
        var step = policy.Watch.Step.TotalSeconds;
        var needed = Math.Max(Ticks, (int)Math.Ceiling(Seconds / (step * tick.Span)));
        var (back, worse, unknown) = (0, 0, 0);
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            var metric = policy.Metrics[index];
            ref var metricState = ref state.Metrics[index];
            // A count says how much traffic moved, not how the version fares.
            if (metric.Kind == MetricKind.Count)
            {
                continue;
            }
            Fold(metric, ref metricState, tick, index, step * tick.Span, needed);
            switch (metricState.Head.Recovered)
            {
                case Back:
                    back++;
                    break;
                case Worse:
                    worse++;
                    break;
                default:
                    // A metric that was never compared cannot hold the answer up.
                    unknown += metricState.Head.Judged > 0 ? 1 : 0;
                    break;
            }
        }
        state.Recovered = worse > 0 ? Worse : unknown > 0 || back == 0 ? 0 : Back;
    }

    /// <summary>The answer as a step gives it.</summary>
    public static bool? Answer(in WatchState state) => state.Recovered switch
    {
        Back => true,
        Worse => false,
        _ => null,
    };

    private static void Fold(MetricPolicy metric, ref MetricState state, Tick tick, int index, double seconds, int needed)
    {
        ref var head = ref state.Head;
        ref var reading = ref tick[index, Arm.Control];
        if (Numbers.Of(reading, metric.Kind) != Presence.Number)
        {
            return;
        }
        switch (metric.Kind)
        {
            case MetricKind.Ratio:
                head.RecoveryBad += reading.Value;
                head.RecoveryTotal += reading.Total;
                break;
            case MetricKind.Histogram:
                ref var histogram = ref state.Count.Histogram;
                HistogramState.HistogramCounts scratch = default;
                if (histogram.SlowEdge == 0 || !Histograms.Add(ref histogram, scratch, reading.Buckets!, out var slow))
                {
                    return;
                }
                head.RecoveryBad += slow;
                head.RecoveryTotal += reading.Buckets!.Total;
                break;
            default:
                if (!Levels.TryLevel(metric, reading, seconds, out var level))
                {
                    return;
                }
                head.RecoveryBad += level;
                head.RecoveryTotal++;
                break;
        }
        if (++head.RecoveryTicks < needed)
        {
            return;
        }
        if (metric.Kind == MetricKind.Gauge)
        {
            Levels.Seal(metric, ref state.Level);
        }
        head.Recovered = (byte)(metric.Kind == MetricKind.Gauge ? Level(metric, state) : Share(metric, state));
        (head.RecoveryBad, head.RecoveryTotal, head.RecoveryTicks) = (0, 0, 0);
    }

    private static int Share(MetricPolicy metric, in MetricState state)
    {
        ref readonly var head = ref state.Head;
        ref readonly var count = ref state.Count;
        var (bad, total) = Counts.Past(count);
        if (total <= 0)
        {
            // No past: what the control was while the watch decided.
            (bad, total) = (count.Control.Bad, count.Control.Total);
        }
        if (total <= 0)
        {
            return 0;
        }
        var reference = bad / total;
        var share = head.RecoveryBad / head.RecoveryTotal;
        var tolerance = metric.Kind == MetricKind.Ratio
            ? Numbers.RatioTolerance(metric, reference)
            : Math.Max(count.Histogram.CriticalShare - reference, 0.25 * (1 - metric.Quantile));
        if (Numbers.Harm(metric.Direction, share - reference) <= tolerance)
        {
            return Back;
        }
        var dispersion = Math.Max(1, head.Dispersion);
        var clear = metric.Direction == Direction.Down
            ? Binomial.LowerTail(head.RecoveryBad / dispersion, head.RecoveryTotal / dispersion, Math.Max(0, reference - tolerance))
            : Binomial.UpperTail(head.RecoveryBad / dispersion, head.RecoveryTotal / dispersion, Math.Min(1, reference + tolerance));
        return clear < 0.01 ? Worse : 0;
    }

    private static int Level(MetricPolicy metric, in MetricState state)
    {
        ref readonly var head = ref state.Head;
        ref readonly var level = ref state.Level;
        var reference = level.Base.Count > 0 ? level.Median : level.ControlValues > 0 ? level.ControlSum / level.ControlValues : double.NaN;
        if (double.IsNaN(reference))
        {
            return 0;
        }
        var residual = (head.RecoveryBad / head.RecoveryTotal) - reference;
        var (up, down) = Levels.Tolerances(metric);
        var harm = metric.Direction switch
        {
            Direction.Up => residual / up,
            Direction.Down => -residual / down,
            _ => Math.Max(residual / up, -residual / down),
        };
        return harm <= 1 ? Back : harm > 2 ? Worse : 0;
    }
}
