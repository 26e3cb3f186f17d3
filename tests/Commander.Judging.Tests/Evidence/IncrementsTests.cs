using Commander.Judging.Evidence;
using CsCheck;

namespace Commander.Judging.Tests.Evidence;

public class IncrementsTests
{
    private static CounterPoint[] At(params (long At, double Value)[] points) =>
        [.. points.Select(point => new CounterPoint(point.At, point.Value))];

    /// <summary>Points with whole values that now and then restart, at ascending instants.</summary>
    private static readonly Gen<CounterPoint[]> Counters =
        Gen.Select(Gen.Long[1, 50], Gen.Int[0, 100], Gen.Int[0, 9]).Array[0, 40].Select(steps =>
        {
            long at = 0;
            double value = 0;
            return steps.Select(step =>
            {
                at += step.Item1;
                value = step.Item3 == 0 ? step.Item2 % 7 : step.Item3 == 1 ? double.NaN : (double.IsNaN(value) ? 0 : value) + step.Item2;
                return new CounterPoint(at, value);
            }).ToArray();
        });

    [Fact]
    public void Growth_is_from_the_last_point_before_the_interval_to_the_last_point_in_it()
    {
        var grown = Increments.Of(At((10, 100), (20, 130), (30, 150), (40, 170)), 20, 35);
        grown.ShouldBe(new Increment(20, Any: true, Known: true, Whole: true, At: 30));
    }

    [Fact]
    public void A_counter_that_resets_counts_on_from_zero() =>
        Increments.Of(At((10, 100), (20, 130), (30, 5), (40, 9)), 10, 40).Amount.ShouldBe(30 + 5 + 4);

    [Fact]
    public void A_counter_that_stands_still_has_not_grown() =>
        Increments.Of(At((10, 5), (20, 5), (30, 5)), 10, 30).ShouldBe(new Increment(0, Any: true, Known: true, Whole: true, At: 30));

    [Fact]
    public void A_counter_that_begins_at_zero_counts_from_there() =>
        Increments.Of(At((10, 0), (20, 5)), 10, 20).ShouldBe(new Increment(5, Any: true, Known: true, Whole: true, At: 20));

    [Fact]
    public void Of_two_counters_the_growth_is_known_where_one_is_and_whole_where_both_are()
    {
        var known = new Increment(3, Any: true, Known: true, Whole: true, At: 10);
        var unknown = new Increment(0, Any: true, Known: false, Whole: false, At: 20);
        (known + unknown).ShouldBe(new Increment(3, Any: true, Known: true, Whole: false, At: 20));
        (Increment.None + known).ShouldBe(known);
        (Increment.None + Increment.None).ShouldBe(new Increment(0, Any: false, Known: false, Whole: true, At: 0));
    }

    [Fact]
    public void A_first_point_alone_says_nothing_of_growth()
    {
        var grown = Increments.Of(At((10, 100)), 0, 20);
        grown.Any.ShouldBeTrue();
        grown.Known.ShouldBeFalse();
        grown.Amount.ShouldBe(0);
    }

    [Fact]
    public void A_counter_that_was_looked_for_and_not_there_counts_from_zero() =>
        Increments.Of(At((10, 7), (20, 9)), 5, 20, bornAfter: 8).ShouldBe(new Increment(9, Any: true, Known: true, Whole: true, At: 20));

    [Fact]
    public void Two_points_inside_the_interval_are_growth_that_does_not_cover_it()
    {
        var grown = Increments.Of(At((10, 7), (20, 9)), 5, 20);
        grown.Amount.ShouldBe(2);
        grown.Known.ShouldBeTrue();
        grown.Whole.ShouldBeFalse();
    }

    [Fact]
    public void A_value_that_no_counter_has_is_passed_over() =>
        Increments.Of(At((10, 7), (20, double.NaN), (30, double.PositiveInfinity), (35, -3), (40, 9)), 10, 40).Amount.ShouldBe(2);

    [Fact]
    public void Without_a_point_in_the_interval_there_is_nothing() =>
        Increments.Of(At((10, 7), (50, 9)), 10, 40).ShouldBe(new Increment(0, Any: false, Known: false, Whole: true, At: 0));

    [Fact]
    public void Growths_over_consecutive_intervals_add_up_to_the_growth_over_all() =>
        Gen.Select(Counters, Gen.Long[0, 2100].Array[2, 6], Gen.Bool).Sample((points, cuts, born) =>
        {
            Array.Sort(cuts);
            long? bornAfter = born ? 0 : null;
            var parts = Increment.None;
            for (var i = 1; i < cuts.Length; i++)
            {
                parts += Increments.Of(points, cuts[i - 1], cuts[i], bornAfter);
            }
            var whole = Increments.Of(points, cuts[0], cuts[^1], bornAfter);
            return parts.Amount == whole.Amount && parts.Any == whole.Any && parts.At == whole.At;
        });

    [Fact]
    public void Growth_is_never_negative_and_without_restarts_it_is_last_minus_first() =>
        Gen.Select(Counters, Gen.Long[0, 1000], Gen.Long[0, 1000]).Sample((points, from, length) =>
        {
            var grown = Increments.Of(points, from, from + length);
            if (grown.Amount < 0)
            {
                return false;
            }
            var sound = points.Where(point => double.IsFinite(point.Value)).ToArray();
            var before = sound.LastOrDefault(point => point.At <= from);
            var inside = sound.Where(point => point.At > from && point.At <= from + length).ToArray();
            var path = (before.At > 0 ? new[] { before } : []).Concat(inside).Select(point => point.Value).ToArray();
            var rising = path.Zip(path.Skip(1)).All(pair => pair.Second >= pair.First);
            return !rising || grown.Amount == (path.Length == 0 ? 0 : path[^1] - path[0]);
        });
}
