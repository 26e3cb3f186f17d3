using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Statistics;

namespace Commander.Judging.Verdicts;

/// <summary>
/// Gauges, and counts as rates: a cumulative sum (Page) over the residual from the references, in multiples of the smallest change worth a rollback.
/// The residual is the smaller of "against the past" and "against the control now" (or "against the same clock time"): what both arms do is nobody's fault.
/// </summary>
internal static class Levels
{
    // A family's say, in the order of Family: what is only indirectly the service's own weighs less.
    private static readonly double[] Weights = [1, 1, 0.8, 0.8, 0.5, 0.6, 0.3, 0.5];

    // So many points of the past beside a control, or without one, or else of the control, before anything is compared.
    private const int EnoughBase = 2;
    private const int EnoughBefore = 1;
    private const int EnoughControl = 5;

    // So many points of the past, each beside its clock time of another day, before that day is believed rather than the past.
    private const int EnoughShape = 6;

    // Four points' worth of "noise is a third of the tolerance", for short pasts.
    private const double PriorPoints = 4;
    private const double LargestResidual = 8;

    // ln of a thousand: as far below its reference as nothing is taken to be.
    private const double Nothing = 6.9;

    // Where a gauge of 0 stands among logarithms, when no floor says where: below everything that is measured.
    private const double Zero = -30;
    private const double AboveZero = -25;

    // Something beside nothing has no size that a relative tolerance could judge: it adds so much a tick.
    private const double FromNothing = 2;

    // Values of the past of at least so much of a residual are spikes as high as it is.
    private const double AsHigh = 0.6;

    // So many tolerances above the control now: what the past was excuses only where the control is still near it.
    private const double FarBeside = 2;

    // A trend leaves the median of the past behind: beside the same clock times of another day its newest values are what a candidate is compared with.
    private const int RecentPoints = 6;

    /// <summary>So many ticks of a gauge must have been seen before CONTINUE.</summary>
    public const int EnoughTicks = 6;

    /// <summary>A tick of the past.</summary>
    public static void Past(MetricPolicy metric, ref MetricState state, Tick tick, int index, double seconds)
    {
        ref var level = ref state.Level;
        NoteZero(metric, ref level, tick[index, Arm.Before]);
        if (!TryValue(metric, tick[index, Arm.Before], seconds, out var value))
        {
            return;
        }
        level.Origin = level.Base.Stride == 0 ? value : level.Origin;
        Remember(metric, ref level, value - level.Origin);
        level.Base.Add(level.BaseValues, value - level.Origin);
        level.BaseCorrelation.Add(value);
        level.Sealed = 0;
        if (TryLevel(metric, tick[index, Arm.Seasonal], seconds, out var season))
        {
            level.Shape.Add(level.ShapeValues, value - season);
            level.ShapeCorrelation.Add(value - season);
        }
    }

    /// <summary>A tick of the watch; blind when no metric of any arm has a number in it.</summary>
    public static void Observe(Policy policy, MetricPolicy metric, ref MetricState state, Tick tick, int index, double seconds, double elapsed, bool warming, bool blind, in Budget budget)
    {
        ref var head = ref state.Head;
        ref var level = ref state.Level;
        var counted = metric.Kind == MetricKind.Count;
        NoteZero(metric, ref level, tick[index, Arm.Control]);
        NoteZero(metric, ref level, tick[index, Arm.Seasonal]);
        Seal(metric, ref level);
        var controlPresence = Numbers.Of(tick[index, Arm.Control], metric.Kind);
        var hadControl = level.ControlValues > 0;
        var hasControl = TryValue(metric, tick[index, Arm.Control], seconds, out var control);
        if (hasControl)
        {
            if (!counted && level.Control.Count > 0)
            {
                var off = control - level.Control.Median;
                level.Noise.Add(level.NoiseValues, off);
                Remember(metric, ref level, level.Base.Count > 0 ? level.Median - level.Origin + off : off);
            }
            level.Control.Add(control);
            level.ControlSum += control;
            level.ControlValues += level.ControlValues < int.MaxValue ? 1 : 0;
        }
        ref var candidate = ref tick[index, Arm.Candidate];
        // Nothing left of what was never nothing is the largest drop there is.
        var nothing = !blind && metric.Direction != Direction.Up && level.Zeros == 0 && level.Base.Count + level.ControlValues > 0 && IsNothing(metric, candidate);
        // Where nothing is usual, or is no harm, it is a value as any other: of a count, when the arm is alive otherwise.
        var quiet = !nothing && !blind && IsNothing(metric, candidate)
            && (counted ? metric.Direction == Direction.Up && Alive(policy, tick, index) : metric.Direction == Direction.Up || ReferenceIsNothing(level));
        if (Numbers.Of(candidate, metric.Kind) != Presence.Number && !nothing && !quiet)
        {
            return;
        }
        head.Seen++;
        head.Last = candidate.Value;
        head.Warming = (byte)(warming ? 1 : 0);
        if (warming)
        {
            return;
        }
        double value;
        if (nothing)
        {
            value = (level.Base.Count > 0 ? level.Median : level.Control.Median) - Nothing;
        }
        else if (!(quiet ? TryValue(metric, candidate, seconds, out value) : TryLevel(metric, candidate.Value, seconds, out value)))
        {
            return;
        }
        if (level.Candidate.Count > 0)
        {
            level.Own.Add(Math.Clamp(value - level.Candidate.Newest, -Far(metric), Far(metric)));
        }
        level.Candidate.Add(value);
        ChooseReference(policy, metric, ref state, controlPresence);
        if (References.IsOver(policy, metric, head.Reference, elapsed))
        {
            return;
        }
        var hasBase = level.Base.Count >= EnoughBase;
        double up, down;
        switch (head.Reference)
        {
            case ReferenceKind.Control when hasBase || level.Noise.Count >= EnoughControl:
                var beside = value - level.Control.Median;
                var earlier = hasBase && !IsOutdated(metric, level, beside) ? value - level.Median : beside;
                up = Math.Min(beside, earlier);
                down = Math.Min(-beside, -earlier);
                break;
            case ReferenceKind.Before:
            case ReferenceKind.Objective:
                up = value - level.Median;
                down = -up;
                break;
            case ReferenceKind.Seasonal:
                up = value - level.Recent;
                if (TryValue(metric, tick[index, Arm.Seasonal], seconds, out var season))
                {
                    level.Usual = season + level.ShapeMedian;
                    up = Nearer(up, value - level.Usual);
                }
                down = -up;
                break;
            default:
                // No reference, or not enough of it: nothing is said.
                return;
        }
        if (counted)
        {
            if (hasControl)
            {
                up = Beside(policy, metric, ref level, tick, index, seconds, up, value, control);
            }
            else if (controlPresence == Presence.Unknown)
            {
                // What nobody knows of the one may be what became of the other.
                return;
            }
            else if (hadControl && head.ReferenceChanges == 0 && level.Noise.Count > 0)
            {
                // As if the control had what it had beside such a candidate.
                up = Nearer(up, up + Math.Log(1 + Math.Exp(-Usually(ref level))));
            }
            down = -up;
        }
        Scale(metric, ref level, head.Reference);
        head.Judged++;
        Judge(metric, ref state, up, down, budget);
    }

    /// <summary>A new comparison from here on; what is known of the references stays.</summary>
    public static void Restart(ref MetricState state)
    {
        ref var level = ref state.Level;
        (level.Up, level.Down, level.Candidate) = (default, default, default);
        (level.ResidualSum, level.Residuals) = (0, 0);
        level.Own = default;
        level.Sealed = 0;
    }

    /// <summary>The reference asked for when it is known, else the past, else none.</summary>
    public static ReferenceKind Known(in MetricState state, ReferenceKind wanted)
    {
        ref readonly var level = ref state.Level;
        return wanted switch
        {
            ReferenceKind.Control => ReferenceKind.Control,
            ReferenceKind.Seasonal when level.Shape.Count >= EnoughShape => ReferenceKind.Seasonal,
            _ => level.Base.Count >= EnoughBefore ? ReferenceKind.Before : ReferenceKind.None,
        };
    }

    /// <summary>Whether a critical level's mean lies within the tolerance, with two standard errors to spare.</summary>
    public static bool UpperBelow(MetricPolicy metric, in MetricState state)
    {
        ref readonly var level = ref state.Level;
        if (level.Residuals <= 0)
        {
            return false;
        }
        var mean = level.ResidualSum / level.Residuals;
        var error = 2 * Math.Max(level.Scale, Own(metric, level)) / Math.Sqrt(level.Residuals);
        var (up, down) = Tolerances(metric);
        return (metric.Direction == Direction.Down || mean + error < up) && (metric.Direction == Direction.Up || mean - error > -down);
    }

    /// <summary>The value of a level as it is compared.</summary>
    public static bool TryLevel(MetricPolicy metric, in Reading reading, double seconds, out double level)
    {
        level = 0;
        return Numbers.Of(reading, metric.Kind) == Presence.Number && TryLevel(metric, reading.Value, seconds, out level);
    }

    private static bool IsNothing(MetricPolicy metric, in Reading reading) =>
        reading.HasValue && reading.Value == 0 && (metric.Kind == MetricKind.Count || (metric.Tolerance.Relative && metric.Floor <= 0));

    /// <summary>As <see cref="TryLevel(MetricPolicy, in Reading, double, out double)"/>, where 0 is a value too: a gauge's, and that of a count whose harm is more of it, which counts as one.</summary>
    private static bool TryValue(MetricPolicy metric, in Reading reading, double seconds, out double level)
    {
        if (IsNothing(metric, reading))
        {
            if (metric.Kind == MetricKind.Gauge)
            {
                level = Zero;
                return true;
            }
            if (metric.Direction == Direction.Up)
            {
                return TryLevel(metric, metric.Tolerance.Relative && metric.Floor <= 0 ? 1 : 0, seconds, out level);
            }
        }
        return TryLevel(metric, reading, seconds, out level);
    }

    private static bool ReferenceIsNothing(in LevelState level) => (level.Base.Count > 0 ? level.Median : level.Control.Median) < AboveZero;

    // Whether another metric of the candidate has a number, so that none of this one's events is a count of 0 and not the silence of the whole.
    private static bool Alive(Policy policy, Tick tick, int index)
    {
        for (var other = 0; other < policy.Metrics.Count; other++)
        {
            if (other != index && policy.Metrics[other].Family != Family.Service && Numbers.Of(tick[other, Arm.Candidate], policy.Metrics[other].Kind) == Presence.Number)
            {
                return true;
            }
        }
        return false;
    }

    private static void Remember(MetricPolicy metric, ref LevelState level, double value)
    {
        level.Extremes.Add(value, level.Ordinary, metric.Direction != Direction.Down, metric.Direction != Direction.Up);
        level.Ordinary += level.Ordinary < int.MaxValue ? 1 : 0;
    }

    /// <summary>
    /// Whether the past no longer excuses: the control has left it, and the candidate stays certainly above the control now. Only where a request is measured: what a process uses
    /// falls with its traffic.
    /// </summary>
    private static bool IsOutdated(MetricPolicy metric, in LevelState level, double beside)
    {
        if (metric.Family is not (Family.Error or Family.Latency) || metric.Direction == Direction.Either || level.Control.Count < 3)
        {
            return false;
        }
        var scale = Math.Max(level.Scale, Own(metric, level));
        var (up, down) = Tolerances(metric);
        return metric.Direction == Direction.Up
            ? beside > FarBeside * Math.Max(up, scale) && level.Median - level.Control.Median > Math.Max(up, scale)
            : -beside > FarBeside * Math.Max(down, scale) && level.Control.Median - level.Median > Math.Max(down, scale);
    }

    /// <summary>
    /// A count's residual beside a control. Whether it is that of an instance or of an arm with a share that nobody promised, it does not say: harm is what is harm either way,
    /// and what the candidate has more (or less) of than its share of what both have: what both do is nobody's fault. Its share is that of the requests, when they are measured;
    /// or else the promised one; or else, for fewer, what it had so far, and for more, half. Fewer for each request than before is harm without the sum of both.
    /// </summary>
    private static double Beside(Policy policy, MetricPolicy metric, ref LevelState level, Tick tick, int index, double seconds, double residual, double value, double control)
    {
        var own = residual;
        if (TryLevel(metric, tick[index, Arm.Candidate].Value + tick[index, Arm.Control].Value, seconds, out var both))
        {
            residual = Nearer(residual, residual + both - value);
        }
        var beside = value - control;
        var (_, down) = Tolerances(metric);
        // What fell beside the control is not what it usually has.
        if (level.Noise.Count < EnoughControl || beside > Usually(ref level) - down)
        {
            level.Noise.Add(level.NoiseValues, beside);
        }
        if (RequestOdds(policy, metric, tick) is { } requests)
        {
            var apiece = own + Math.Log(1 + Math.Exp(-requests));
            return Nearer(metric.Direction != Direction.Up && apiece < 0 ? apiece : residual, beside - requests);
        }
        var odds = policy.Watch.Share is { } share and > 0 and < 1 ? Math.Log(share / (1 - share)) : residual > 0 ? 0 : Usually(ref level);
        return Nearer(residual, beside - odds);
    }

    // The logarithm of how many times the control's count the candidate's usually is.
    private static double Usually(ref LevelState level)
    {
        Span<double> values = stackalloc double[LevelState.NoiseSlots];
        return Robust.Median(level.Noise.Copy(level.NoiseValues, values));
    }

    // The same of their requests, by a metric that counts them in both arms; null where none does. Traffic itself is what is asked about.
    private static double? RequestOdds(Policy policy, MetricPolicy metric, Tick tick)
    {
        if (metric.Family == Family.Traffic)
        {
            return null;
        }
        double most = 0, odds = 0;
        for (var other = 0; other < policy.Metrics.Count; other++)
        {
            var counting = policy.Metrics[other];
            if (counting.Kind is not (MetricKind.Ratio or MetricKind.Histogram) || counting.Family is Family.Service or Family.Downstream
                || Numbers.Of(tick[other, Arm.Candidate], counting.Kind) != Presence.Number || Numbers.Of(tick[other, Arm.Control], counting.Kind) != Presence.Number)
            {
                continue;
            }
            var own = Numbers.Requests(tick[other, Arm.Candidate], counting.Kind);
            var others = Numbers.Requests(tick[other, Arm.Control], counting.Kind);
            if (own + others > most)
            {
                (most, odds) = (own + others, Math.Log(own / others));
            }
        }
        return most > 0 ? odds : null;
    }

    private static void NoteZero(MetricPolicy metric, ref LevelState level, in Reading reading)
    {
        if (IsNothing(metric, reading))
        {
            level.Zeros = 1;
        }
    }

    private static bool TryLevel(MetricPolicy metric, double value, double seconds, out double level)
    {
        level = metric.Kind == MetricKind.Count ? value / seconds : value;
        if (!metric.Tolerance.Relative)
        {
            return true;
        }
        level += metric.Floor;
        if (level <= 0)
        {
            return false;
        }
        level = Math.Log(level);
        return true;
    }

    /// <summary>A compared value as a level again, in the metric's unit (a count: events a second).</summary>
    public static double Value(MetricPolicy metric, double level) => !metric.Tolerance.Relative ? level : level < AboveZero ? 0 : Math.Exp(level) - metric.Floor;

    /// <summary>The reference's level as it is compared; NaN while there is none.</summary>
    public static double Reference(in MetricState state)
    {
        ref readonly var level = ref state.Level;
        return state.Head.Reference switch
        {
            ReferenceKind.Control => level.Control.Median,
            ReferenceKind.None => double.NaN,
            ReferenceKind.Seasonal => level.Usual,
            _ => level.Median,
        };
    }

    /// <summary>The smallest residual up and down that is worth a rollback; down it is without end where the tolerance is the whole of the reference or more.</summary>
    public static (double Up, double Down) Tolerances(MetricPolicy metric)
    {
        var tolerance = metric.Tolerance;
        if (!tolerance.Relative)
        {
            return (tolerance.Amount, tolerance.Amount);
        }
        return (Math.Log(1 + tolerance.Amount), tolerance.Amount < 1 ? -Math.Log(1 - tolerance.Amount) : double.PositiveInfinity);
    }

    // The residual nearer to nothing; nothing when they disagree about the side.
    private static double Nearer(double one, double other) => one * other <= 0 ? 0 : Math.Abs(one) < Math.Abs(other) ? one : other;

    private static void Judge(MetricPolicy metric, ref MetricState state, double up, double down, in Budget budget)
    {
        ref var level = ref state.Level;
        ref var head = ref state.Head;
        var (toleranceUp, toleranceDown) = Tolerances(metric);
        var far = Far(metric);
        var scale = Math.Max(level.Scale, Own(metric, level));
        level.ResidualSum += Math.Clamp(metric.Direction == Direction.Down ? -down : up, -far, far);
        level.Residuals++;
        double score = 0;
        var beyond = false;
        if (metric.Direction != Direction.Down)
        {
            Side(ref level.Up, up, toleranceUp, scale, far, Rarity(metric, head.Reference, level, up, toleranceUp, 1), metric.Family, budget, ref score, ref beyond);
        }
        if (metric.Direction != Direction.Up)
        {
            Side(ref level.Down, down, toleranceDown, scale, far, Rarity(metric, head.Reference, level, down, toleranceDown, -1), metric.Family, budget, ref score, ref beyond);
        }
        head.Score = score;
        head.Beyond = (byte)(beyond ? 1 : 0);
    }

    // No difference of logarithms is counted for more than from something to nothing.
    private static double Far(MetricPolicy metric) => metric.Tolerance.Relative ? Nothing : double.MaxValue;

    // The candidate's own scatter: a small canary's share of failures, or its slowest request, moves more than that of many. Of what is no share only what it certainly is more.
    private static double Own(MetricPolicy metric, in LevelState level) =>
        metric.Family == Family.Error ? level.Own.Deviation(Smallest(metric), PriorPoints) : level.Own.Lower(Smallest(metric), PriorPoints);

    // The smallest noise that is worth telling from none: a third of the tolerance.
    private static double Smallest(MetricPolicy metric)
    {
        var (up, down) = Tolerances(metric);
        return (metric.Direction switch { Direction.Up => up, Direction.Down => double.IsFinite(down) ? down : up, _ => Math.Min(up, down) }) / 3;
    }

    /// <summary>
    /// The share of ordinary ticks, past and control, that lie as far out as this one; several in a row are one incident. Where the samples are thinned out seldom ones are counted
    /// among all there were, of which the furthest are kept.
    /// </summary>
    private static double Rarity(MetricPolicy metric, ReferenceKind reference, in LevelState level, double residual, double tolerance, int side)
    {
        if (!(residual > tolerance))
        {
            return 1;
        }
        var far = AsHigh * residual;
        var shaped = reference == ReferenceKind.Seasonal;
        var centre = shaped ? level.ShapeMedian : level.Base.Count > 0 ? level.Median - level.Origin : 0;
        // Beside the same clock times of another day the past's own course is no scatter.
        var runs = shaped ? Runs(level.ShapeValues, level.Shape.Count, centre) : Runs(level.BaseValues, level.Base.Count, centre);
        var points = shaped ? level.Shape.Count : level.Base.Count;
        var thinned = !shaped && level.Base.Stride > 1;
        if (metric.Kind == MetricKind.Gauge && !shaped)
        {
            runs += Runs(level.NoiseValues, level.Noise.Count, 0);
            points += level.Noise.Count;
            thinned |= level.Noise.Stride > 1;
        }
        // What was never seen is taken for one in as many as there were; not so of a candidate that is so from its first ticks on, which few pasts are long enough to tell otherwise.
        var unseen = level.Residuals <= EnoughTicks ? 0.0 : 1;
        var rarity = (runs + unseen) / Math.Max(1, points + unseen);
        if (!thinned)
        {
            return rarity;
        }
        var (up, down) = (metric.Direction != Direction.Down, metric.Direction != Direction.Up);
        var rare = (level.Extremes.Beyond(centre + (side * far), level.Ordinary, side < 0, up, down) + unseen) / Math.Max(1, level.Ordinary + unseen);
        return Math.Max(rare, runs / Math.Max(1.0, points));

        int Runs(ReadOnlySpan<float> values, int count, double from)
        {
            var found = 0;
            var within = false;
            for (var at = 0; at < count; at++)
            {
                var beyond = side * (values[at] - from) >= far;
                found += beyond && !within ? 1 : 0;
                within = beyond;
            }
            return found;
        }
    }

    /// <summary>
    /// Adds a tick to one side's sum. What it adds is bounded by how often ordinary ticks lie as far out: such that with spikes that come at random, that often, the chance that the
    /// sum ever passes h falls as exp(-h) (Lundberg).
    /// </summary>
    private static void Side(ref Page page, double residual, double tolerance, double scale, double far, double rarity, Family family, in Budget budget, ref double score, ref bool beyond)
    {
        var drift = Math.Max(1, 0.75 * tolerance / scale);
        var most = residual > 2 * far && double.IsFinite(drift) ? Math.Min(LargestResidual, drift + FromNothing) : LargestResidual;
        if (rarity < 1)
        {
            most = Math.Min(most, drift + Math.Log((1 - ((1 - rarity) * Math.Exp(-drift))) / rarity));
        }
        page.Add(Math.Clamp(residual / scale, -LargestResidual, most), drift, residual);
        var own = Weights[(int)family] * page.Sum / budget.LevelLimit;
        if (family == Family.Service)
        {
            // It cannot tell the arms apart: it may add to a suspicion, never make an alarm.
            own = Math.Min(own, Weights[(int)family]);
        }
        var passed = page.Mean > tolerance;
        if (!passed)
        {
            own = Math.Min(own, 0.95) * Math.Clamp(page.Mean / tolerance, 0, 1);
        }
        if (own > score)
        {
            (score, beyond) = (own, passed);
        }
    }

    /// <summary>Makes the medians of the past, once until more of it comes.</summary>
    public static void Seal(MetricPolicy metric, ref LevelState level)
    {
        if (level.Sealed != 0)
        {
            return;
        }
        Span<double> values = stackalloc double[LevelState.BaseSlots];
        if (level.Base.Count > 0)
        {
            level.Median = Robust.Median(level.Base.Copy(level.BaseValues, values, level.Origin));
        }
        else if (metric.Objective is { } objective && TryLevel(metric, objective, 1, out var limit))
        {
            level.Median = limit;
        }
        if (level.Shape.Count > 0)
        {
            level.Recent = Robust.Median(level.Base.Copy(level.BaseValues, values, level.Origin)[^Math.Min(level.Base.Count, RecentPoints)..]);
            level.ShapeMedian = Robust.Median(level.Shape.Copy(level.ShapeValues, values));
            level.Usual = level.Recent;
        }
        level.Sealed = 1;
        level.Scale = 0;
    }

    /// <summary>The residual's scale: made again only when the sample has grown by a quarter, because it sorts.</summary>
    private static void Scale(MetricPolicy metric, ref LevelState level, ReferenceKind reference)
    {
        if (level.Scale > 0 && level.ControlValues < (1.25 * level.ScaledAt) + 4)
        {
            return;
        }
        level.ScaledAt = level.ControlValues;
        Span<double> residuals = stackalloc double[LevelState.BaseSlots + LevelState.NoiseSlots];
        var shaped = reference == ReferenceKind.Seasonal;
        var far = Far(metric);
        var count = shaped ? level.Shape.Count : level.Base.Count;
        for (var at = 0; at < count; at++)
        {
            residuals[at] = Math.Clamp(shaped ? level.ShapeValues[at] - level.ShapeMedian : level.Origin + level.BaseValues[at] - level.Median, -far, far);
        }
        for (var at = 0; at < level.Noise.Count && metric.Kind == MetricKind.Gauge; at++)
        {
            residuals[count++] = Math.Clamp(level.NoiseValues[at], -far, far);
        }
        var scatter = Robust.Scatter(residuals[..count]);
        var smallest = Smallest(metric);
        var points = Math.Max(0, count - 1);
        var drawn = Math.Sqrt(((PriorPoints * smallest * smallest) + (points * scatter * scatter)) / (PriorPoints + points));
        var correlation = shaped ? level.ShapeCorrelation.Value : level.BaseCorrelation.Value;
        level.Scale = Math.Max(Math.Max(drawn, smallest), scatter * Math.Sqrt((1 + correlation) / (1 - correlation)));
        if (reference == ReferenceKind.Before && level.Base.Count == 1)
        {
            // A single point is as far off as the candidate's.
            level.Scale *= Math.Sqrt(2);
        }
    }

    private static void ChooseReference(Policy policy, MetricPolicy metric, ref MetricState state, Presence control)
    {
        ref var head = ref state.Head;
        ref var level = ref state.Level;
        if (head.Reference != ReferenceKind.None)
        {
            return;
        }
        var counted = metric.Kind == MetricKind.Count;
        if (!counted && head.ReferenceChanges == 0 && policy.Compare is Compare.Auto or Compare.Control && (level.ControlValues > 0 || References.Awaits(ref head, control)))
        {
            head.Reference = level.ControlValues > 0 ? ReferenceKind.Control : ReferenceKind.None;
        }
        else if (policy.Compare is Compare.Auto or Compare.Seasonal && level.Shape.Count >= EnoughShape)
        {
            head.Reference = ReferenceKind.Seasonal;
        }
        else if (policy.Compare is Compare.Auto or Compare.Before && level.Base.Count >= EnoughBefore)
        {
            head.Reference = ReferenceKind.Before;
        }
        else if (metric.Objective is not null && level.Base.Count == 0)
        {
            head.Reference = ReferenceKind.Objective;
        }
    }
}
