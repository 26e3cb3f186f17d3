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

    // Four points' worth of "noise is a third of the tolerance", for short pasts.
    private const double PriorPoints = 4;
    private const double LargestResidual = 8;

    // ln of a thousand: as far below its reference as nothing is taken to be.
    private const double Nothing = 6.9;

    // A trend leaves the median of the past behind: beside the same clock times of another day its newest values are what a candidate is compared with.
    private const int RecentPoints = 6;

    /// <summary>So many ticks of a gauge must have been seen before CONTINUE.</summary>
    public const int EnoughTicks = 6;

    /// <summary>A tick of the past.</summary>
    public static void Past(MetricPolicy metric, ref MetricState state, Tick tick, int index, double seconds)
    {
        ref var level = ref state.Level;
        NoteZero(metric, ref level, tick[index, Arm.Before]);
        if (!TryLevel(metric, tick[index, Arm.Before], seconds, out var value))
        {
            return;
        }
        level.Origin = level.Base.Stride == 0 ? value : level.Origin;
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
        var hasControl = TryLevel(metric, tick[index, Arm.Control], seconds, out var control);
        if (hasControl && !counted)
        {
            if (level.Control.Count > 0)
            {
                level.Noise.Add(level.NoiseValues, control - level.Control.Median);
            }
            level.Control.Add(control);
            level.ControlSum += control;
            level.ControlValues++;
        }
        ref var candidate = ref tick[index, Arm.Candidate];
        // Nothing left of what was never nothing is the largest drop there is.
        var nothing = !blind && metric.Direction != Direction.Up && level.Zeros == 0 && level.Base.Count + level.ControlValues > 0 && IsNothing(metric, candidate);
        if (Numbers.Of(candidate, metric.Kind) != Presence.Number && !nothing)
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
        if (!TryLevel(metric, candidate.Value, seconds, out var value))
        {
            if (!nothing)
            {
                return;
            }
            Seal(metric, ref level);
            value = (level.Base.Count > 0 ? level.Median : level.Control.Median) - Nothing;
        }
        level.Candidate.Add(value);
        Seal(metric, ref level);
        ChooseReference(policy, metric, ref state, Numbers.Of(tick[index, Arm.Control], metric.Kind));
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
                var earlier = hasBase ? value - level.Median : beside;
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
                if (TryLevel(metric, tick[index, Arm.Seasonal], seconds, out var season))
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
        if (counted && hasControl && TryLevel(metric, candidate.Value + tick[index, Arm.Control].Value, seconds, out var both))
        {
            // Whether a count is that of an instance or of an arm with a share that nobody promised, it does not say: harm is what is harm either way.
            up = Nearer(up, up + both - value);
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
        level.Sealed = 0;
    }

    /// <summary>The reference asked for when it is known, else the past, else none.</summary>
    public static ReferenceKind Known(in MetricState state, ReferenceKind wanted)
    {
        ref readonly var level = ref state.Level;
        return wanted switch
        {
            ReferenceKind.Control => ReferenceKind.Control,
            ReferenceKind.Seasonal when level.Shape.Count >= EnoughBase => ReferenceKind.Seasonal,
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
        var error = 2 * level.Scale / Math.Sqrt(level.Residuals);
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
    public static double Value(MetricPolicy metric, double level) => metric.Tolerance.Relative ? Math.Exp(level) - metric.Floor : level;

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

    /// <summary>The smallest residual up and down that is worth a rollback.</summary>
    public static (double Up, double Down) Tolerances(MetricPolicy metric)
    {
        var tolerance = metric.Tolerance;
        if (!tolerance.Relative)
        {
            return (tolerance.Amount, tolerance.Amount);
        }
        var log = Math.Log(1 + tolerance.Amount);
        return (log, log);
    }

    // The residual nearer to nothing; nothing when they disagree about the side.
    private static double Nearer(double one, double other) => one * other <= 0 ? 0 : Math.Abs(one) < Math.Abs(other) ? one : other;

    private static void Judge(MetricPolicy metric, ref MetricState state, double up, double down, in Budget budget)
    {
        ref var level = ref state.Level;
        ref var head = ref state.Head;
        var (toleranceUp, toleranceDown) = Tolerances(metric);
        level.ResidualSum += metric.Direction == Direction.Down ? -down : up;
        level.Residuals++;
        double score = 0;
        var beyond = false;
        if (metric.Direction != Direction.Down)
        {
            Side(ref level.Up, up, toleranceUp, level.Scale, metric.Family, budget, ref score, ref beyond);
        }
        if (metric.Direction != Direction.Up)
        {
            Side(ref level.Down, down, toleranceDown, level.Scale, metric.Family, budget, ref score, ref beyond);
        }
        head.Score = score;
        head.Beyond = (byte)(beyond ? 1 : 0);
    }

    private static void Side(ref Page page, double residual, double tolerance, double scale, Family family, in Budget budget, ref double score, ref bool beyond)
    {
        var drift = Math.Max(1, 0.75 * tolerance / scale);
        page.Add(Math.Clamp(residual / scale, -LargestResidual, LargestResidual), drift, residual);
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
        level.ScaledAt = (int)Math.Min(level.ControlValues, 1e9);
        Span<double> residuals = stackalloc double[LevelState.BaseSlots + LevelState.NoiseSlots];
        var shaped = reference == ReferenceKind.Seasonal;
        var count = shaped ? level.Shape.Count : level.Base.Count;
        for (var at = 0; at < count; at++)
        {
            residuals[at] = shaped ? level.ShapeValues[at] - level.ShapeMedian : level.Origin + level.BaseValues[at] - level.Median;
        }
        for (var at = 0; at < level.Noise.Count; at++)
        {
            residuals[count++] = level.NoiseValues[at];
        }
        var scatter = Robust.Scatter(residuals[..count]);
        var (up, down) = Tolerances(metric);
        var smallest = Math.Min(up, down) / 3;
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
        else if (policy.Compare is Compare.Auto or Compare.Seasonal && level.Shape.Count >= EnoughBase)
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
