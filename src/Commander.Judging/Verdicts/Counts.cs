using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Statistics;

namespace Commander.Judging.Verdicts;

/// <summary>The count test: ratios, and the slow requests of histograms.</summary>
internal static class Counts
{
    private const double Calm = 1.25;
    private const double Restless = 1.75;

    // How much of what the steps of a test jump past its limit it may spend, and the fewest events that are taken for that many steps.
    private const double OvershootPart = 0.5;
    private const double FewestSteps = 2;

    // The level of the upper limit that CONTINUE needs; it spends nothing of the false-alarm budget.
    public const double UpperAlpha = 0.1;

    // The past is another hour: it weighs less than the same number of requests now.
    private const double PastWeight = 0.25;

    private const double Fade = 0.75;

    // A score that no single burst reaches.
    private const double Overwhelming = 3;

    // By so much the blocks of a steady past exceed its ticks by accident.
    private const double Clearly = 1.3;

    // From so many times the past's worst block on, wandering explains no slow requests; from one less on, less and less.
    private const double FarAbove = 1.5;

    // ln of the largest ratio of two rates that is told apart from an infinite one.
    private const double Farthest = 13.8;

    /// <summary>A tick of the past.</summary>
    public static void Past(MetricPolicy metric, ref MetricState state, Tick tick, int index)
    {
        ref var count = ref state.Count;
        ref var before = ref tick[index, Arm.Before];
        if (Numbers.Of(before, metric.Kind) == Presence.Number)
        {
            if (metric.Kind == MetricKind.Ratio)
            {
                count.Before.Add(before.Value, before.Total);
                count.Wandering.Add(before.Value, before.Total);
            }
            else
            {
                var (slow, total) = Slow(metric, ref count, count.Histogram.Before, before.Buckets!, ref count.Before);
                count.Wandering.Add(slow, total);
            }
        }
        ref var season = ref tick[index, Arm.Seasonal];
        if (metric.Kind == MetricKind.Ratio && Numbers.Of(season, metric.Kind) == Presence.Number)
        {
            count.SeasonBeforeBad += (float)season.Value;
            count.SeasonBeforeTotal += (float)season.Total;
        }
    }

    /// <summary>A tick of the watch.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="metric">The metric.</param>
    /// <param name="state">Its memory.</param>
    /// <param name="tick">The tick.</param>
    /// <param name="index">The metric's index.</param>
    /// <param name="elapsed">Seconds from the start to the end of the tick.</param>
    /// <param name="warming">Whether the candidate's values stand in the warm-up.</param>
    /// <param name="budget">The levels.</param>
    public static void Observe(Policy policy, MetricPolicy metric, ref MetricState state, Tick tick, int index, double elapsed, bool warming, in Budget budget)
    {
        ref var head = ref state.Head;
        ref var count = ref state.Count;
        ref var candidate = ref tick[index, Arm.Candidate];
        ref var control = ref tick[index, Arm.Control];
        ref var season = ref tick[index, Arm.Seasonal];
        var seen = Numbers.Of(candidate, metric.Kind) == Presence.Number;
        var controlSeen = Numbers.Of(control, metric.Kind);
        double bad = 0, total = 0, controlBad = 0, controlTotal = 0;
        if (controlSeen == Presence.Number)
        {
            if (metric.Kind == MetricKind.Ratio)
            {
                (controlBad, controlTotal) = (control.Value, control.Total);
                count.Control.Add(controlBad, controlTotal);
            }
            else
            {
                (controlBad, controlTotal) = Slow(metric, ref count, count.Histogram.Control, control.Buckets!, ref count.Control);
            }
        }
        if (metric.Kind == MetricKind.Ratio && Numbers.Of(season, metric.Kind) == Presence.Number)
        {
            count.SeasonBad += (float)season.Value;
            count.SeasonTotal += (float)season.Total;
        }
        if (!seen)
        {
            if (head.Reference == ReferenceKind.Control && Numbers.Of(candidate, metric.Kind) == Presence.Silent)
            {
                // No request of the candidate is a number too: what the control had meanwhile belongs to the block.
                count.Ratio.Add(0, 0, controlBad, controlTotal, metric.Direction);
            }
            return;
        }
        head.Seen++;
        head.Warming = (byte)(warming ? 1 : 0);
        if (metric.Kind == MetricKind.Ratio)
        {
            (bad, total) = (candidate.Value, candidate.Total);
            head.RecentBad = (float)((head.RecentBad * Fade) + bad);
            head.RecentTotal = (float)((head.RecentTotal * Fade) + total);
        }
        else
        {
            ref var histogram = ref count.Histogram;
            var chosen = histogram.SlowEdge > 0;
            if (warming)
            {
                // Not counted, but the last p95 is the candidate's own.
                head.Last = Histograms.Quantile(candidate.Buckets!.Edges, candidate.Buckets.Counts, 0.95);
                return;
            }
            if (!Histograms.Add(ref histogram, metric, histogram.Candidate, candidate.Buckets!, out bad))
            {
                head.BadEdges++;
                return;
            }
            total = chosen ? candidate.Buckets!.Total : 0;
            head.Last = candidate.Buckets!.Total >= 20
                ? Histograms.Quantile(candidate.Buckets.Edges, candidate.Buckets.Counts, 0.95)
                : Histograms.Quantile(((ReadOnlySpan<double>)histogram.Edges)[..histogram.EdgeCount], ((ReadOnlySpan<double>)histogram.Candidate)[..histogram.EdgeCount], 0.95);
        }
        ChooseReference(policy, metric, ref state, controlSeen);
        count.Candidate.Add(bad, total);
        count.Trend.Add(bad, total);
        if (head.Reference == ReferenceKind.Control)
        {
            count.Ratio.Add(bad, total, controlBad, controlTotal, metric.Direction);
        }
        if (head.Reference != ReferenceKind.None && total > 0 && !References.IsOver(policy, metric, head.Reference, elapsed))
        {
            head.Judged++;
            var own = Numbers.Harm(metric.Direction, (bad / total) - ReferenceShare(metric, state));
            head.Run = (byte)(own > Tolerance(metric, state) ? Math.Min(2, head.Run + 1) : 0);
            Judge(metric, ref state, budget);
        }
    }

    /// <summary>A new comparison from here on; what is known of the references stays.</summary>
    public static void Restart(ref MetricState state, bool forgetCandidate)
    {
        ref var count = ref state.Count;
        count.Ratio = default;
        if (!forgetCandidate)
        {
            return;
        }
        count.Candidate = default;
        count.Trend = default;
        state.Head.Run = 0;
        (count.SeasonBad, count.SeasonTotal) = (0, 0);
        count.Histogram.Candidate = default;
    }

    /// <summary>The reference's counts.</summary>
    public static (double Bad, double Total) Reference(in MetricState state) => state.Head.Reference switch
    {
        ReferenceKind.Control => (state.Count.Control.Bad, state.Count.Control.Total),
        ReferenceKind.Before or ReferenceKind.Seasonal => Past(state.Count),
        _ => (0, 0),
    };

    /// <summary>The past's counts: of a histogram all of them, also those from before its edge was chosen.</summary>
    public static (double Bad, double Total) Past(in CountState count) => count.Histogram.EdgeCount > 0
        ? (Histograms.Slow(count.Histogram, count.Histogram.Before), Histograms.Total(count.Histogram, count.Histogram.Before))
        : (count.Before.Bad, count.Before.Total);

    /// <summary>The reference's share of bad events, 0..1; a control's as the same seconds have it.</summary>
    public static double ReferenceShare(MetricPolicy metric, in MetricState state)
    {
        if (state.Head.Reference == ReferenceKind.Objective)
        {
            return metric.Kind == MetricKind.Ratio ? metric.Objective!.Value / 100 : 1 - metric.Quantile;
        }
        if (state.Head.Reference == ReferenceKind.Control && state.Count.Ratio.TryShares(out _, out var beside))
        {
            return beside;
        }
        var (bad, total) = Reference(state);
        return total > 0 ? bad / total : 0;
    }

    /// <summary>
    /// What the alarm's test calls "no worse", 0..1: the reference's share. An objective's is half of the tolerance beyond what is promised: a promise of none is broken by a single
    /// event, and one slightly missed by enough requests, neither of which is worth a rollback.
    /// </summary>
    private static double NoWorse(MetricPolicy metric, in MetricState state)
    {
        var share = ReferenceShare(metric, state);
        if (state.Head.Reference != ReferenceKind.Objective || metric.Kind != MetricKind.Ratio || metric.Direction == Direction.Either)
        {
            return share;
        }
        var half = 0.5 * Tolerance(metric, state);
        return Math.Clamp(metric.Direction == Direction.Up ? share + half : share - half, 0, 1);
    }

    /// <summary>The candidate's share of bad events, 0..1; beside a control as the same seconds have it. It has requests.</summary>
    public static double Share(in MetricState state) => state.Head.Reference == ReferenceKind.Control && state.Count.Ratio.TryShares(out var beside, out _)
        ? beside
        : state.Count.Candidate.Bad / state.Count.Candidate.Total;

    /// <summary>By how much the share of bad events of the same hours of another day rose from before the start to after it; 0 where that is not known.</summary>
    public static double SeasonShift(in CountState count) => count.SeasonTotal > 0 && count.SeasonBeforeTotal > 0
        ? ((double)count.SeasonBad / count.SeasonTotal) - ((double)count.SeasonBeforeBad / count.SeasonBeforeTotal)
        : 0;

    /// <summary>The smallest difference of the shares that is worth a rollback.</summary>
    public static double Tolerance(MetricPolicy metric, in MetricState state) => metric.Kind == MetricKind.Ratio
        ? Numbers.RatioTolerance(metric, ReferenceShare(metric, state))
        : state.Head.Reference == ReferenceKind.Objective
            ? 0.5 * (1 - metric.Quantile)
            // Where the reference's own quantile lies beyond the last edge, no share above it means the tolerance: as much more of them as of a quantile.
            : Math.Max(
                Math.Max(0.25 * (1 - metric.Quantile), state.Count.Histogram.CriticalShare - ChosenShare(state)),
                (metric.Tolerance.Relative ? metric.Tolerance.Amount : 0.25) * ChosenShare(state));

    /// <summary>The confidence sequence of the difference of the shares that CONTINUE asks for its upper limit.</summary>
    /// <param name="metric">The metric.</param>
    /// <param name="state">Its memory.</param>
    /// <param name="more">So many times the requests again, of which the candidate fails as many as the reference: what a version without fault would come to.</param>
    /// <param name="equal">Whether the candidate is taken to have failed as the reference did from the start.</param>
    public static Difference Difference(MetricPolicy metric, in MetricState state, double more = 0, bool equal = false)
    {
        ref readonly var count = ref state.Count;
        var isBeside = state.Head.Reference == ReferenceKind.Control;
        // A past that is over does not grow: only the candidate and a control beside it do.
        var dispersion = Math.Max(1, Math.Max(Dispersion.Mean(count.Before, count.Control, isBeside), count.Candidate.Value(isBeside)));
        var share = ReferenceShare(metric, state);
        var candidates = count.Candidate.Total / dispersion;
        var failed = candidates * ((equal ? share : Share(state)) + (more * share));
        candidates *= 1 + more;
        var scale = Math.Clamp(Tolerance(metric, state), 1e-6, 0.5);
        if (state.Head.Reference == ReferenceKind.Objective)
        {
            return new Difference(failed, candidates, share, scale);
        }
        var (_, total) = Reference(state);
        total *= (isBeside ? 1 + more : 1) / dispersion;
        // Beside a control the past says where both are likely to be; where the past is the reference itself, it has said so already.
        var (pastBad, pastTotal) = isBeside ? Past(count) : default;
        return new Difference(failed, candidates, share * total, total, scale, PastWeight * pastBad / dispersion, PastWeight * pastTotal / dispersion);
    }

    /// <summary>Whether the upper limit of harm lies below the tolerance: what CONTINUE needs.</summary>
    /// <param name="metric">The metric.</param>
    /// <param name="state">Its memory.</param>
    /// <param name="more">As for <see cref="Difference"/>.</param>
    /// <param name="equal">As for <see cref="Difference"/>.</param>
    public static bool UpperBelow(MetricPolicy metric, in MetricState state, double more = 0, bool equal = false)
    {
        if (state.Head.Reference == ReferenceKind.None || state.Count.Candidate.Total <= 0)
        {
            return false;
        }
        var tolerance = Tolerance(metric, state);
        var difference = Difference(metric, state, more, equal);
        return (metric.Direction == Direction.Down || difference.Below(tolerance, UpperAlpha))
            && (metric.Direction == Direction.Up || difference.Above(-tolerance, UpperAlpha));
    }

    /// <summary>
    /// The differences of the shares that the alarm's own test has not refuted at its level: the ratios of the rates that it has not, each as the difference that it means
    /// at the bad events seen. So the limit on the side of harm lies beyond 0 exactly when the test by itself is an alarm.
    /// </summary>
    public static (double Low, double High) Limits(MetricPolicy metric, in MetricState state, in Budget budget)
    {
        var wanted = -Math.Log(budget.Alpha(metric.Kind, state.Head.ReferenceChanges)) - Spared(metric, state, budget);
        var share = Share(state);
        var reference = NoWorse(metric, state);
        var estimate = share <= 0 ? (reference > 0 ? -Farthest : 0) : reference <= 0 ? Farthest : Math.Clamp(Math.Log(share / reference), -Farthest, Farthest);
        // At the farthest ratio rounding must not carry a limit past the difference itself.
        var difference = share - ReferenceShare(metric, state);
        return (
            Math.Min(difference, Meaning(metric, state, Unrefuted(metric, state, wanted, estimate, -Farthest))),
            Math.Max(difference, Meaning(metric, state, Unrefuted(metric, state, wanted, estimate, Farthest))));
    }

    // The ratio nearest to an end that is not refuted, as its logarithm, within 1e-9.
    private static double Unrefuted(MetricPolicy metric, in MetricState state, double wanted, double inside, double outside)
    {
        if (Against(metric, state, outside) < wanted)
        {
            return outside;
        }
        for (var halving = 0; halving < 35; halving++)
        {
            var middle = 0.5 * (inside + outside);
            if (Against(metric, state, middle) < wanted)
            {
                inside = middle;
            }
            else
            {
                outside = middle;
            }
        }
        return outside;
    }

    // The difference of the shares at a ratio of the rates: the reference's share is the one that makes the bad events seen most likely at that ratio.
    private static double Meaning(MetricPolicy metric, in MetricState state, double logRatio)
    {
        var ratio = Math.Exp(logRatio);
        if (state.Head.Reference == ReferenceKind.Objective)
        {
            return Math.Min(1, ratio * NoWorse(metric, state)) - ReferenceShare(metric, state);
        }
        var (bad, total) = Reference(state);
        return (ratio - 1) * (state.Count.Candidate.Bad + bad) / (total + (ratio * state.Count.Candidate.Total));
    }

    // ln of the evidence against a ratio of the rates (its logarithm), and against everything beyond it seen from the estimate; at 0 it is what an alarm needs.
    private static double Against(MetricPolicy metric, in MetricState state, double logRatio)
    {
        ref readonly var count = ref state.Count;
        if (state.Head.Reference == ReferenceKind.Control)
        {
            return count.Ratio.LogE(
                Math.Max(1, state.Head.Dispersion),
                logRatio,
                metric.Direction,
                count.Candidate.Bad,
                count.Candidate.Bad + count.Control.Bad,
                count.Candidate.Total / (count.Candidate.Total + count.Control.Total));
        }
        // Spent over the looks: alpha_t = alpha 6 / (pi^2 t^2), taken off here so that what is left compares with the whole alpha.
        var looks = Math.Max(1, state.Head.Looks);
        return -Math.Log(Tail(metric, state, Math.Exp(logRatio))) - Math.Log(Math.PI * Math.PI * looks * looks / 6);
    }

    /// <summary>
    /// What a test leaves of its level while counts scatter hardly more than independent ones do: it would reach its level only at the end of time, a watch ends sooner, and here
    /// nothing else spends what is left. All of it up to a dispersion of <see cref="Calm"/>, nothing from <see cref="Restless"/> on or while too little is known of it.
    /// </summary>
    private static double Spared(MetricPolicy metric, in MetricState state, in Budget budget) => state.Count.Before.Ticks + state.Count.Control.Ticks < Dispersion.Plenty
        ? 0
        : (budget.LogSpared(metric.Kind) + Overshoot(metric, state, budget)) * Math.Clamp((Restless - Math.Max(1, state.Head.Dispersion)) / (Restless - Calm), 0, 1);

    /// <summary>
    /// Of few events each is a long step: the test jumps past its limit instead of reaching it, and what lies between is never spent (Siegmund, "Sequential analysis", 1985, on the
    /// excess over the boundary). A limit ln(1/alpha) that is reached in n events has steps of s = ln(1/alpha) / n; an excess that is anything up to s alike is worth (e^s - 1) / s
    /// times the evidence in the mean. ln of the part of it that the simulator found unspent. Events that are evidence are the candidate's, or the reference's where fewer are harm.
    /// </summary>
    private static double Overshoot(MetricPolicy metric, in MetricState state, in Budget budget)
    {
        if (state.Head.Reference != ReferenceKind.Control)
        {
            return 0;
        }
        var (own, reference) = (state.Count.Candidate.Bad, state.Count.Control.Bad);
        var events = metric.Direction switch { Direction.Up => own, Direction.Down => reference, _ => Math.Max(own, reference) };
        var step = -Math.Log(budget.Alpha(metric.Kind, state.Head.ReferenceChanges)) / Math.Max(FewestSteps, events);
        return OvershootPart * Math.Log((Math.Exp(step) - 1) / step);
    }

    private static void Judge(MetricPolicy metric, ref MetricState state, in Budget budget)
    {
        ref var head = ref state.Head;
        ref var count = ref state.Count;
        var isBeside = head.Reference == ReferenceKind.Control;
        // Where no control shows what the same seconds brought, and the past is short.
        var unknown = !isBeside && count.Before.Ticks + count.Candidate.Ticks < Dispersion.Known;
        head.Dispersion = Wandered(metric, count, isBeside) + (unknown
            ? Math.Max(Dispersion.Least, Math.Max(count.Before.Value(isBeside), count.Trend.Value))
            : Math.Max(Dispersion.Upper(count.Before, isBeside || count.Before.Ticks >= Dispersion.Known ? count.Control : count.Candidate, isBeside), count.Before.Ticks + count.Control.Ticks < Dispersion.Plenty ? count.Candidate.Value(isBeside) : count.Candidate.Lower(isBeside)));
        var reference = ReferenceShare(metric, state);
        var share = Share(state);
        var tolerance = Tolerance(metric, state);
        var harm = Numbers.Harm(metric.Direction, share - reference);
        if (head.Reference != ReferenceKind.Control)
        {
            // The same hours of another day rose too: only what is beyond that is the candidate's.
            harm = Math.Min(harm, Numbers.Harm(metric.Direction, share - reference - SeasonShift(count)));
        }
        head.Looks += isBeside ? 0 : 1;
        var logE = Against(metric, state, 0) + Spared(metric, state, budget);
        head.LogE = logE;
        // One tick without a past: whether its errors are a fault or a single burst cannot be told.
        var alone = head.Judged < 2 && Past(count).Total <= 0;
        var score = Math.Max(0, logE / -Math.Log(budget.Alpha(metric.Kind, head.ReferenceChanges)));
        // While nothing is known about bursts, one tick may be one.
        alone |= unknown && head.Run < 2 && score < Overwhelming;
        // How far the estimate is on its way to what is beyond the tolerance.
        var way = harm / tolerance;
        if (metric.Kind == MetricKind.Histogram)
        {
            way = Math.Max(way, Way(metric, state));
        }
        head.Beyond = (byte)(way > 1 && !alone ? 1 : 0);
        if (head.Beyond == 0)
        {
            way = Math.Clamp(way, 0, 1);
            score = Math.Min(score, 0.95) * way * way;
        }
        head.Score = score;
    }

    /// <summary>
    /// How far the candidate's quantile is on its way from the reference's to the largest that is allowed, above 1 beyond it, both as interpolated inside their buckets. Within one wide
    /// bucket a quantile may rise far without a share above the next edge that would be too large by itself; that there is a difference is still for the counts at the edge to say.
    /// </summary>
    private static double Way(MetricPolicy metric, in MetricState state)
    {
        ref readonly var histogram = ref state.Count.Histogram;
        if (metric.Direction == Direction.Down || state.Head.Reference == ReferenceKind.Objective)
        {
            return 0;
        }
        var reference = state.Head.Reference == ReferenceKind.Control ? Of(histogram, histogram.Control) : Of(histogram, histogram.Before);
        var candidate = Of(histogram, histogram.Candidate);
        var way = (candidate - reference) / (Histograms.Allowed(metric, reference) - reference);
        return way > 0 ? way : 0;

        double Of(in HistogramState all, ReadOnlySpan<double> arm) =>
            Histograms.Quantile(((ReadOnlySpan<double>)all.Edges)[..all.EdgeCount], arm[..all.EdgeCount], metric.Quantile);
    }

    /// <summary>What a rate that wanders by itself adds to the dispersion: nothing unless the blocks of the past scatter clearly more than its ticks.</summary>
    private static double Wandered(MetricPolicy metric, in CountState count, bool isBeside)
    {
        var excess = Math.Max(0, count.Wandering.Value - (Clearly * count.Before.Value(beside: false)));
        if (excess <= 0)
        {
            return 0;
        }
        // A block sees hardly a third of what lasts longer than itself.
        excess *= 3.5;
        if (!isBeside)
        {
            return excess;
        }
        if (metric.Kind == MetricKind.Histogram)
        {
            // A stall of the machine makes a whole block slow, and meets both arms: what lies far above the worst block is not explained by it.
            excess *= Math.Clamp(FarAbove - (count.Candidate.Bad / count.Candidate.Total / count.Wandering.Highest), 0, 1);
        }
        // It grows with the requests of a tick. The past is the whole service; two arms of shares s and 1 - s differ by 2 s (1 - s) of it.
        var share = count.Candidate.Total / (count.Candidate.Total + count.Control.Total);
        return 2 * share * (1 - share) * excess;
    }

    // The chance of so many bad events of the candidate, or more, when its rate is so many times the past's or the objective's.
    private static double Tail(MetricPolicy metric, in MetricState state, double ratio)
    {
        ref readonly var count = ref state.Count;
        var dispersion = Math.Max(1, state.Head.Dispersion);
        var share = count.Candidate.Bad / count.Candidate.Total;
        var expected = ratio * NoWorse(metric, state);
        double events, of, probability;
        if (state.Head.Reference == ReferenceKind.Objective)
        {
            (events, of, probability) = (count.Candidate.Bad / dispersion, count.Candidate.Total / dispersion, Math.Min(1, expected));
        }
        else
        {
            var (bad, total) = Past(count);
            events = count.Candidate.Bad / dispersion;
            of = (count.Candidate.Bad + bad) / dispersion;
            probability = ratio * count.Candidate.Total / ((ratio * count.Candidate.Total) + total);
        }
        // The tail on the other side is near 1 and says nothing: it is not computed.
        var up = metric.Direction == Direction.Down || share <= expected ? 1 : Binomial.UpperTail(events, of, probability);
        var down = metric.Direction == Direction.Up || share >= expected ? 1 : Binomial.LowerTail(events, of, probability);
        return metric.Direction == Direction.Either ? Math.Min(1, 2 * Math.Min(up, down)) : Math.Min(up, down);
    }

    // The share above the slow edge in the arm that chose it is in the running reference; while that has nothing, the critical share's half stands in.
    private static double ChosenShare(in MetricState state)
    {
        var (bad, total) = Reference(state);
        return total > 0 ? bad / total : 0.5 * state.Count.Histogram.CriticalShare;
    }

    private static void ChooseReference(Policy policy, MetricPolicy metric, ref MetricState state, Presence control)
    {
        ref var head = ref state.Head;
        ref var count = ref state.Count;
        if (head.Reference != ReferenceKind.None)
        {
            return;
        }
        var hasControl = count.Control.Total > 0 || Histograms.Total(count.Histogram, count.Histogram.Control) > 0;
        var hasBefore = Past(count).Total > 0;
        // One of which nothing is known for long is none; one that went while nothing else was to be had may come back once, with the second reference's level.
        var awaited = References.Awaits(ref head, control);
        var wanted = head.ReferenceChanges == 0 ? hasControl || awaited : head.ReferenceChanges == 1 && hasControl && control == Presence.Number;
        if (policy.Compare is Compare.Auto or Compare.Control && wanted)
        {
            // While nobody knows whether there is a control, nothing is chosen.
            head.Reference = hasControl ? ReferenceKind.Control : ReferenceKind.None;
        }
        else if (policy.Compare != Compare.Control && hasBefore)
        {
            head.Reference = ReferenceKind.Before;
        }
        else if (metric.Objective is not null)
        {
            head.Reference = ReferenceKind.Objective;
            if (metric.Kind == MetricKind.Histogram && count.Histogram.SlowEdge == 0)
            {
                Histograms.Choose(ref count.Histogram, metric, metric.Objective.Value);
            }
        }
    }

    /// <summary>Adds a histogram of a reference: its slow requests count from the tick after the edge was chosen.</summary>
    private static (double Bad, double Total) Slow(MetricPolicy metric, ref CountState count, Span<double> arm, Buckets buckets, ref Dispersion dispersion)
    {
        ref var histogram = ref count.Histogram;
        var chosen = histogram.SlowEdge > 0;
        if (!Histograms.Add(ref histogram, metric, arm, buckets, out var slow))
        {
            return default;
        }
        if (chosen)
        {
            dispersion.Add(slow, buckets.Total);
            return (slow, buckets.Total);
        }
        if (Histograms.Total(histogram, arm) >= Histograms.Enough(metric))
        {
            Histograms.Choose(ref histogram, metric, arm);
        }
        return default;
    }
}
