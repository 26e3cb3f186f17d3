using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Statistics;

namespace Commander.Judging.Verdicts;

/// <summary>The candidate's and the control's counts so far.</summary>
internal readonly struct Cumulated(in CountState count)
{
    public readonly double Bad = count.Candidate.Bad;
    public readonly double Total = count.Candidate.Total;
    public readonly double ControlBad = count.Control.Bad;
    public readonly double ControlTotal = count.Control.Total;
}

/// <summary>
/// What the other tests cannot see after CONTINUE: levels that climb without end, and errors that begin late, when all the requests before them drown them.
/// It looks at a fixed schedule, and each look of each metric has its own part of the false-alarm budget.
/// </summary>
internal static class SlowLayer
{
    /// <summary>At most so many looks.</summary>
    public const int MostLooks = 32;

    // A slope at the end of less than half of the whole's: a climb that comes to an end by itself.
    private const double StillClimbing = 0.5;

    // A window is suspect, and goes on, from half of the tolerance on.
    private const double Suspect = 0.5;

    // How many times the dispersion the upper limit may make of a past of a few ticks.
    private const double MostDoubt = 4;

    /// <summary>Whether it looks at a metric: counts, and levels whose harm is up.</summary>
    public static bool Sees(MetricPolicy metric) => metric.Family != Family.Service
        && (metric.Kind is MetricKind.Ratio or MetricKind.Histogram || (metric.Kind == MetricKind.Gauge && metric.Direction == Direction.Up));

    /// <summary>How often it looks: evenly over the time that it has, never twice within a minute or a step.</summary>
    public static int Looks(WatchPolicy watch)
    {
        var seconds = Seconds(watch);
        var least = Math.Max(WatchPolicy.CoarseStep.TotalSeconds, watch.Step.TotalSeconds);
        return seconds <= 0 ? 0 : (int)Math.Clamp(seconds / least, 1, MostLooks);
    }

    /// <summary>How many looks have passed by a tick.</summary>
    public static int Passed(WatchPolicy watch, int carriedOn, int tick)
    {
        var looks = carriedOn > 0 ? Looks(watch) : 0;
        return looks == 0 ? 0 : (int)Math.Min(looks, watch.Step.TotalSeconds * (tick - carriedOn) * looks / Seconds(watch));
    }

    /// <summary>The look that a tick is, counted from 1; 0 when it is none.</summary>
    public static int Due(WatchPolicy watch, int carriedOn, int previous, int tick)
    {
        if (carriedOn == 0)
        {
            return 0;
        }
        var look = Passed(watch, carriedOn, tick);
        return look > Passed(watch, carriedOn, previous) ? look : 0;
    }

    /// <summary>What a tick brought to a count.</summary>
    public static void Add(ref MetricState state, in Cumulated before)
    {
        // What came before there was anything to compare it with is not compared afterwards.
        if (state.Head.Slow != 0 || state.Head.Reference == ReferenceKind.None)
        {
            return;
        }
        ref var window = ref state.Count.Window;
        var now = new Cumulated(state.Count);
        var (bad, total) = (now.Bad - before.Bad, now.Total - before.Total);
        if (total <= 0)
        {
            return;
        }
        window.Bad += (float)bad;
        if (state.Head.Reference != ReferenceKind.Control)
        {
            window.Weight += (float)total;
            return;
        }
        var (controlBad, controlTotal) = (now.ControlBad - before.ControlBad, now.ControlTotal - before.ControlTotal);
        var share = total / (total + controlTotal);
        var expected = share * (bad + controlBad);
        window.Events += (float)(bad + controlBad);
        window.Expected += (float)expected;
        window.Weight += (float)(share * controlTotal);
        if (Math.Abs(bad - expected) > Math.Abs(window.WorstBad - window.WorstExpected))
        {
            (window.WorstBad, window.WorstEvents, window.WorstExpected) = ((float)bad, (float)(bad + controlBad), (float)expected);
        }
    }

    /// <summary>What a tick brought to a level.</summary>
    public static void Add(WatchPolicy watch, MetricPolicy metric, ref MetricState state, Tick tick, int index, double seconds)
    {
        if (state.Head.Slow != 0 || !Sees(metric) || watch.Slow <= TimeSpan.Zero || !Levels.TryLevel(metric, tick[index, Arm.Candidate], seconds, out var own))
        {
            return;
        }
        var beside = Levels.TryLevel(metric, tick[index, state.Head.Reference == ReferenceKind.Seasonal ? Arm.Seasonal : Arm.Control], seconds, out var other) ? own - other : double.NaN;
        state.Level.Climb.Add(tick.N, Math.Max(1, (int)(WatchPolicy.CoarseStep / watch.Step)), own, beside);
    }

    /// <summary>A look at one metric.</summary>
    public static void Look(WatchPolicy watch, MetricPolicy metric, ref MetricState state, int tick, int look, in Budget budget)
    {
        ref var head = ref state.Head;
        if (head.Slow != 0 || !Sees(metric) || head.Reference == ReferenceKind.None)
        {
            return;
        }
        bool found;
        if (metric.Kind == MetricKind.Gauge)
        {
            found = Climbed(metric, state, tick, watch, budget.Look);
        }
        else
        {
            var length = Math.Max(1, look - head.SlowFrom);
            // Windows of every length are tried, but for those that began with nothing: 6 / (pi^2 n^2) of the level for length n.
            found = Late(metric, state, budget.Look * 6 / (Math.PI * Math.PI * length * length), out var suspect);
            if (!found && !suspect)
            {
                (state.Count.Window, head.SlowFrom) = (default, (byte)look);
            }
        }
        if (found)
        {
            (head.Slow, head.SlowLook) = (1, (byte)look);
        }
    }

    /// <summary>A metric in which something was found is an alarm from then on.</summary>
    public static void Hold(ref MetricHead head)
    {
        if (head.Slow != 0)
        {
            (head.Score, head.Beyond) = (Math.Max(1, head.Score), 1);
        }
    }

    /// <summary>A new comparison from here on.</summary>
    public static void Restart(MetricPolicy metric, ref MetricState state, int passed)
    {
        if (state.Head.Slow != 0)
        {
            return;
        }
        if (metric.Kind is MetricKind.Ratio or MetricKind.Histogram)
        {
            (state.Count.Window, state.Head.SlowFrom) = (default, (byte)passed);
        }
        else
        {
            // With the old version's part of the traffic a level takes a step, which is no climb.
            state.Level.Climb = default;
        }
    }

    /// <summary>What was found in a metric, as a sentence without its name.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="index">The metric's index.</param>
    /// <param name="state">The state.</param>
    /// <param name="began">When the watch began.</param>
    public static string Words(Policy policy, int index, in WatchState state, DateTimeOffset began)
    {
        var metric = policy.Metrics[index];
        ref readonly var metricState = ref state.Metrics[index];
        ref readonly var head = ref metricState.Head;
        if (metric.Kind == MetricKind.Gauge)
        {
            var course = new Course(stackalloc double[3 * Climb.Slots], metricState.Level.Climb, TickOf(policy.Watch, state.CarriedOn, head.SlowLook));
            var growth = GrowthOf(metricState.Level, course, policy.Watch);
            return Words(metric, head.Reference, growth, Since(growth.Since));
        }
        ref readonly var window = ref metricState.Count.Window;
        var beside = head.Reference == ReferenceKind.Control;
        var share = window.Bad / (double)window.Weight;
        var difference = beside ? (window.Bad - window.Expected) / window.Weight : share - Counts.ReferenceShare(metric, metricState);
        var what = metric.Kind == MetricKind.Histogram ? "the share of slow requests " : "";
        var apart = $"{Display.Number(100 * Math.Abs(difference))} pp {(difference >= 0 ? "above" : "below")}";
        return $"since {Since(TickOf(policy.Watch, state.CarriedOn, head.SlowFrom))} "
            + (beside ? $"{what}{apart} control in the same seconds" : $"{what}{Display.With(100 * share, "%")} of {Display.Number(window.Weight)} requests, {apart} {(head.Reference == ReferenceKind.Objective ? "the objective" : "the past")}");

        string Since(int tick) => Display.Clock(began, tick * policy.Watch.Step.TotalSeconds);
    }

    private static string Words(MetricPolicy metric, ReferenceKind reference, in Growth growth, string since)
    {
        var to = Levels.Value(metric, growth.From + growth.Own);
        var from = Levels.Value(metric, growth.From);
        var relative = metric.Tolerance.Relative && from > 0;
        var minutes = growth.Seconds / 60;
        var so = growth.Other > 0.1 * growth.Own ? $"by {Amount(Levels.Value(metric, growth.From + growth.Other) - from, minutes)} a minute" : null;
        var other = reference switch
        {
            ReferenceKind.Control => $"the old version {so ?? "does not"}",
            ReferenceKind.Seasonal => $"the same hour of another day {so ?? "did not"}",
            _ => $"before it {(so is null ? "did not" : "did " + so)}",
        };
        return $"grows {Amount(to - from, minutes)} a minute since {since}, {other}; {Amount(to - from, 1)} in {Display.Seconds(growth.Seconds)}";

        string Amount(double by, double over) => relative ? Display.With(100 * by / from / over, "%") : Display.With(by / over, metric.Unit);
    }

    private static int TickOf(WatchPolicy watch, int carriedOn, int look) =>
        carriedOn + (int)Math.Ceiling(look * Seconds(watch) / (Looks(watch) * watch.Step.TotalSeconds));

    // The sums are of floats: what is left of one that was subtracted again may be a rounding below nothing.
    private static double Less(float sum, float part) => Math.Max(0, (double)sum - part);

    private static bool Late(MetricPolicy metric, in MetricState state, double alpha, out bool suspect)
    {
        ref readonly var head = ref state.Head;
        ref readonly var count = ref state.Count;
        ref readonly var window = ref count.Window;
        suspect = false;
        if (window.Weight <= 0)
        {
            return false;
        }
        var tolerance = Counts.Tolerance(metric, state);
        var dispersion = Math.Max(1, head.Dispersion);
        double harm, chance;
        if (head.Reference == ReferenceKind.Control)
        {
            // Without its worst tick too: one burst of one arm is no fault, however many events it has.
            var (bad, events, expected) = (Less(window.Bad, window.WorstBad), Less(window.Events, window.WorstEvents), Less(window.Expected, window.WorstExpected));
            harm = Numbers.Harm(metric.Direction, (bad - expected) / window.Weight);
            chance = events > 0 ? Tail(metric.Direction, Math.Min(bad, events) / dispersion, events / dispersion, Math.Clamp(expected / events, 0, 1)) : 1;
        }
        else
        {
            // Without a control it must be more than the past had, in its worst block too, and more than the candidate itself had before; and no single tick's burst.
            var share = window.Bad / (double)window.Weight;
            // What is less than the rounding of the window is nothing.
            var earlier = count.Candidate.Total > 1.0001 * window.Weight ? count.Candidate.Total - window.Weight : 0;
            var own = earlier > 0 ? Math.Max(0, count.Candidate.Bad - window.Bad) / earlier : Counts.ReferenceShare(metric, state);
            harm = Math.Min(Numbers.Harm(metric.Direction, share - Counts.ReferenceShare(metric, state) - Counts.SeasonShift(count)), Numbers.Harm(metric.Direction, share - own));
            if (head.Run < 2 || (metric.Direction == Direction.Up && share <= count.Wandering.Highest))
            {
                suspect = harm > Suspect * tolerance;
                return false;
            }
            var (pastBad, pastTotal) = Counts.Reference(state);
            dispersion *= Doubt(count.Before.Ticks);
            var (bad, total) = (window.Bad / dispersion, window.Weight / dispersion);
            chance = Math.Max(
                pastTotal > 0 ? Against(pastBad / dispersion, pastTotal / dispersion) : Tail(metric.Direction, bad, total, Counts.ReferenceShare(metric, state)),
                earlier > 0 ? Against(Math.Max(0, count.Candidate.Bad - window.Bad) / dispersion, earlier / dispersion) : 0);

            double Against(double otherBad, double otherTotal) => Tail(metric.Direction, bad, bad + otherBad, total / (total + otherTotal));
        }
        suspect = harm > Suspect * tolerance;
        return harm > tolerance && chance <= alpha;
    }

    // Without a control how far a rate wanders over minutes is known from the blocks of the past: the upper 90 % limit for so few of them.
    private static double Doubt(int ticks)
    {
        var freedom = Math.Max(1, (ticks / Wandering.BlockTicks) - 1);
        return Math.Min(MostDoubt, freedom / Dispersion.LowerLimit(freedom, Dispersion.NormalNinth));
    }

    private static double Tail(Direction direction, double bad, double events, double share) => direction switch
    {
        Direction.Up => Binomial.UpperTail(bad, events, share),
        Direction.Down => Binomial.LowerTail(bad, events, share),
        _ => Math.Min(1, 2 * Math.Min(Binomial.UpperTail(bad, events, share), Binomial.LowerTail(bad, events, share))),
    };

    /// <summary>Whether a level climbs beyond its tolerance: by itself, and beside what it is compared with; higher than the old version was ever seen; and no end in sight.</summary>
    private static bool Climbed(MetricPolicy metric, in MetricState state, int tick, WatchPolicy watch, double alpha)
    {
        ref readonly var level = ref state.Level;
        var course = new Course(stackalloc double[3 * Climb.Slots], level.Climb, tick);
        if (course.When.Length < Slope.Least)
        {
            return false;
        }
        // What a process is given to do changes by the hour; without anything beside it only memory is not expected to.
        if (!course.Compared && metric.Family != Family.Memory)
        {
            return false;
        }
        var correlation = Slope.OfMeans(level.BaseCorrelation.Value, level.Climb.Width);
        if (Slope.Chance(course.When, course.Own, correlation, out var ending) > alpha || ending < StillClimbing)
        {
            return false;
        }
        if (course.Compared && (Slope.Chance(course.When, course.Beside, correlation, out ending) > alpha || ending < StillClimbing || course.Beside[^1] < 0))
        {
            return false;
        }
        for (var at = 0; at < level.Base.Count; at++)
        {
            if (course.Own[^1] < level.Origin + level.BaseValues[at])
            {
                return false;
            }
        }
        var growth = GrowthOf(level, course, watch);
        return growth.Own - Math.Max(0, growth.Other) > Levels.Tolerances(metric).Up;
    }

    private static Growth GrowthOf(in LevelState level, in Course course, WatchPolicy watch)
    {
        var slope = Slope.TheilSen(course.When, course.Own);
        var other = course.Compared ? slope - Slope.TheilSen(course.When, course.Beside) : PastSlope(level) * level.Climb.Width;
        var blocks = course.When[^1] - course.When[0];
        var first = level.Climb.First + (int)(level.Climb.Width * (course.When[0] + 0.5));
        return new Growth(course.Own[0], slope * blocks, other * blocks, blocks * level.Climb.Width * watch.Step.TotalSeconds, first);
    }

    private static double Seconds(WatchPolicy watch) => Math.Min(watch.Slow.TotalSeconds, watch.After.TotalSeconds);

    // The past's own slope a step: its ticks are one step each, and of every so many one is kept.
    private static double PastSlope(in LevelState level)
    {
        if (level.Base.Count < Slope.Least)
        {
            return 0;
        }
        Span<double> when = stackalloc double[LevelState.BaseSlots];
        Span<double> values = stackalloc double[LevelState.BaseSlots];
        for (var at = 0; at < level.Base.Count; at++)
        {
            (when[at], values[at]) = (at * level.Base.Stride, level.BaseValues[at]);
        }
        return Slope.TheilSen(when[..level.Base.Count], values[..level.Base.Count]);
    }
}

/// <summary>The blocks of a level's climb.</summary>
internal readonly ref struct Course
{
    /// <summary>When, in blocks from the first.</summary>
    public readonly Span<double> When;

    /// <summary>Where the level stood, as levels are compared: logarithms where the tolerance is relative.</summary>
    public readonly Span<double> Own;

    /// <summary>How far above what it is compared with.</summary>
    public readonly Span<double> Beside;

    /// <summary>Whether every block has something beside it.</summary>
    public readonly bool Compared;

    /// <summary>The blocks up to a tick.</summary>
    /// <param name="room">Three times <see cref="Climb.Slots"/>.</param>
    /// <param name="climb">The blocks.</param>
    /// <param name="tick">The newest tick.</param>
    public Course(Span<double> room, in Climb climb, int tick)
    {
        When = room[..Climb.Slots];
        Own = room[Climb.Slots..(2 * Climb.Slots)];
        Beside = room[(2 * Climb.Slots)..];
        var count = climb.Copy(tick, When, Own, Beside);
        When = When[..count];
        Own = Own[..count];
        Beside = Beside[..count];
        Compared = true;
        foreach (var difference in Beside)
        {
            Compared &= !double.IsNaN(difference);
        }
    }
}

/// <summary>How far a level climbed.</summary>
/// <param name="From">From where, as levels are compared.</param>
/// <param name="Own">By how much.</param>
/// <param name="Other">By how much what it is compared with climbed in the same time, or would have at the past's pace.</param>
/// <param name="Seconds">In how many seconds.</param>
/// <param name="Since">Since which tick.</param>
internal readonly record struct Growth(double From, double Own, double Other, double Seconds, int Since);
