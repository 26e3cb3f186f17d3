using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Statistics;

namespace Commander.Judging.Verdicts;

/// <summary>
/// After a rollback: whether the restored version (arm control) is back at the reference. Judged in blocks of at least four ticks with traffic and three seconds,
/// so that what was still on its way when the traffic moved spoils the first block only. And whether the bad version (arm candidate) is out of the traffic:
/// while requests still reach it nothing is recovered, however well the restored version fares beside it.
/// </summary>
internal static class Recovery
{
    private const int Ticks = 4;
    private const double Seconds = 3;
    private const byte Back = 1;
    private const byte Worse = 2;

    // Connections that are open when the traffic moves may finish their requests in this time, in seconds.
    private const double Draining = 5;

    /// <summary>The rollback is verified: from here on the restored version is judged, and what the bad one still gets.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="state">The state.</param>
    /// <param name="tick">The tick in which that was.</param>
    public static void Begin(Policy policy, ref WatchState state, int tick)
    {
        // Ticks come later than what they tell of, and after a long order much later.
        (state.Recovered, state.RestoredTick, state.Apart) = (0, Math.Max(state.LastTick, tick), 0);
        (state.Reaching, state.ReachedTicks, state.Reached, state.ReachedSeconds) = (0, 0, 0, 0);
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            ref var head = ref state.Metrics[index].Head;
            (head.Recovered, head.RecoveryTicks, head.RecoveryBad, head.RecoveryTotal) = (0, 0, 0, 0);
            var metric = policy.Metrics[index];
            if (Queries.NamesVersion(metric.Bad ?? metric.Query ?? ""))
            {
                state.Apart |= 1u << index;
            }
        }
    }

    /// <summary>A tick after the rollback.</summary>
    public static void Observe(Policy policy, ref WatchState state, Tick tick)
    {
        // What was before the rollback says nothing of what it did.
        if (tick.N - tick.Span < state.RestoredTick)
        {
            return;
        }
        var step = policy.Watch.Step.TotalSeconds;
        Reach(policy, ref state, tick, step);
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
        state.Recovered = (byte)(worse > 0 ? Worse : unknown > 0 || back == 0 ? 0 : Back);
    }

    /// <summary>The answer as a step gives it.</summary>
    public static bool? Answer(in WatchState state) => (state.Recovered, state.Reaching) switch
    {
        (Worse, _) or (_, Told) => false,
        (Back, 0) => true,
        _ => null,
    };

    /// <summary>How many requests a second still reach the bad version; null when none do, when they may be the last ones that drain, and when the source cannot tell.</summary>
    public static double? StillReached(in WatchState state) => state.Reaching == Told ? state.Reached / state.ReachedSeconds : null;

    private const byte Some = 1;
    private const byte Told = 2;

    // Told from two ticks and three seconds in a row on that lie wholly behind the rollback and the draining: one late request is no traffic.
    private static void Reach(Policy policy, ref WatchState state, Tick tick, double step)
    {
        double requests = 0;
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            var metric = policy.Metrics[index];
            // Neither what is measured over the whole service nor the calls that a version makes itself are requests that reach it.
            if (metric.Family is Family.Service or Family.Downstream || (metric.Kind == MetricKind.Count && metric.Family != Family.Traffic))
            {
                continue;
            }
            // Where only one arm was asked for, the candidate's may be the whole service.
            if ((state.Apart & (1u << index)) == 0 && !tick[index, Arm.Control].HasValue)
            {
                continue;
            }
            ref var reading = ref tick[index, Arm.Candidate];
            if (Numbers.Of(reading, metric.Kind) == Presence.Number)
            {
                requests = Math.Max(requests, Numbers.Requests(reading, metric.Kind));
            }
        }
        if (!(requests > 0))
        {
            (state.Reaching, state.ReachedTicks, state.Reached, state.ReachedSeconds) = (0, 0, 0, 0);
            return;
        }
        if (tick.N - tick.Span >= state.RestoredTick + (int)Math.Ceiling(Draining / step))
        {
            state.ReachedTicks++;
            state.Reached += requests;
            state.ReachedSeconds += step * tick.Span;
        }
        state.Reaching = state.ReachedTicks >= 2 && state.ReachedSeconds >= Seconds ? Told : Some;
    }

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
                head.RecoveryBad += (float)reading.Value;
                head.RecoveryTotal += (float)reading.Total;
                break;
            case MetricKind.Histogram:
                ref var histogram = ref state.Count.Histogram;
                HistogramState.HistogramCounts scratch = default;
                if (histogram.SlowEdge == 0 || !Histograms.Add(ref histogram, metric, scratch, reading.Buckets!, out var slow))
                {
                    return;
                }
                head.RecoveryBad += (float)slow;
                head.RecoveryTotal += (float)reading.Buckets!.Total;
                break;
            default:
                if (!Levels.TryLevel(metric, reading, seconds, out var level))
                {
                    return;
                }
                head.RecoveryBad += (float)level;
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
        var share = (double)head.RecoveryBad / head.RecoveryTotal;
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
        var residual = ((double)head.RecoveryBad / head.RecoveryTotal) - reference;
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
