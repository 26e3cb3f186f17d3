using Commander.Judging.Backtest;
using Case = Commander.Judging.Backtest.Case;

namespace Commander.Judging.Tests.Backtest;

public class ComparisonTests
{
    private static readonly Recording Nothing = new(0, 60, false, []);

    [Fact]
    public void The_differences_are_those_of_the_figures_and_of_their_means_over_sources()
    {
        var comparison = new Comparison();
        Add(comparison, "a", "BAD", 3, "ROLLBACK", "ROLLBACK");
        Add(comparison, "a", "BAD", 1, "ROLLBACK", "HOLD");
        Add(comparison, "a", "GOOD", 4, "CONTINUE", "CONTINUE");
        Add(comparison, "b", "BAD", 2, "ROLLBACK", "CONTINUE");
        Add(comparison, "b", "BAD", 2, "ROLLBACK", "ROLLBACK");
        Add(comparison, "b", "GOOD", 3, "CONTINUE", "CONTINUE");
        Add(comparison, "b", "GOOD", 1, "ROLLBACK", "CONTINUE");
        comparison.Add(new Case("x", "a", Nothing, null, null, null, false), "ROLLBACK", "CONTINUE");
        comparison.Add(new Case("y", "a", Nothing, "BAD", null, null, true), "ROLLBACK", "CONTINUE");

        var rows = comparison.Rows(1);

        rows.Select(static row => (row.Source, row.Measure)).ShouldBe(
            from source in new[] { "a", "b", "mean over sources" } from measure in new[] { "f1", "recall", "false_alarm_rate" } select (source, measure));
        Figures().ShouldBe(
        [
            (1, 0.857143, 8), (1, 0.75, 8), (0, 0, 8),
            (0.888889, 0.666667, 8), (1, 0.5, 8), (0.25, 0, 8),
            (0.944444, 0.761905, 16), (1, 0.625, 16), (0.125, 0, 16),
        ]);

        IEnumerable<(double, double, int)> Figures() => rows.Select(static row => (Math.Round(row.First!.Value, 6), Math.Round(row.Second!.Value, 6), row.Groups));

        rows[1].Difference!.Value.ShouldBe(0.25, 1e-12);
        rows[4].Difference!.Value.ShouldBe(0.5, 1e-12);
        rows[5].Difference!.Value.ShouldBe(0.25, 1e-12);
        rows[6].Difference!.Value.ShouldBe(0.5 * (rows[0].Difference!.Value + rows[3].Difference!.Value), 1e-12);
        rows[7].Difference!.Value.ShouldBe(0.375, 1e-12);
        rows[7].First!.Value.ShouldBe(1, 1e-12);
        foreach (var row in rows)
            row.Difference!.Value.ShouldBeInRange(row.Low!.Value, row.High!.Value);
    }

    [Fact]
    public void A_large_difference_excludes_zero_and_the_same_judge_never_does()
    {
        var (large, none) = (new Comparison(), new Comparison());
        Add(large, "a", "BAD", 50, "ROLLBACK", "CONTINUE");
        Add(none, "a", "BAD", 50, "ROLLBACK", "ROLLBACK");
        foreach (var comparison in new[] { large, none })
            Add(comparison, "a", "GOOD", 50, "CONTINUE", "CONTINUE");
        large.Rows(1).Single(static row => row is { Source: "a", Measure: "recall" }).ExcludesZero.ShouldBe(true);
        none.Rows(1).ShouldAllBe(static row => row.ExcludesZero == false && row.Zero() == "no");
        var turned = new Comparison();
        Add(turned, "a", "BAD", 50, "CONTINUE", "ROLLBACK");
        turned.Rows(1)[1].ShouldSatisfyAllConditions(static row => row.ExcludesZero.ShouldBe(true), static row => (row.Low, row.High).ShouldBe((-1d, -1d)));
        none.Rows(1).Single(static row => row is { Source: "a", Measure: "recall" }).ShouldSatisfyAllConditions(
            static row => (row.Low, row.High).ShouldBe((0d, 0d)), static row => row.Groups.ShouldBe(100), static row => row.Resamples.ShouldBeInRange(1990, 2000));
    }

    [Theory]
    [InlineData(9, null, "too few groups")]
    [InlineData(10, true, "yes")]
    public void With_fewer_than_ten_groups_nothing_is_said_of_zero(int groups, bool? excluded, string told)
    {
        var comparison = new Comparison();
        Add(comparison, "a", "BAD", groups, "ROLLBACK", "CONTINUE");
        var row = comparison.Rows(1)[1];
        (row.ExcludesZero, row.Zero(), row.Low).ShouldBe((excluded, told, 1));
    }

    [Fact]
    public void Cases_of_one_group_are_drawn_together()
    {
        // Half of the cases are found by the first judge only: alone they tell much, in two groups next to nothing.
        var (alone, together) = (new Comparison(), new Comparison());
        for (var at = 0; at < 100; at++)
        {
            var found = new Case($"c{at}", "a", Nothing, "BAD", null, null, false);
            alone.Add(found, "ROLLBACK", at % 2 == 0 ? "ROLLBACK" : "CONTINUE");
            together.Add(found with { Group = at % 2 == 0 ? "even" : "odd" }, "ROLLBACK", at % 2 == 0 ? "ROLLBACK" : "CONTINUE");
        }
        var (narrow, wide) = (Recall(alone), Recall(together));
        (narrow.High - narrow.Low)!.Value.ShouldBeInRange(0.15, 0.25);
        (wide.Low, wide.High, wide.ExcludesZero, wide.Groups).ShouldBe((0d, 1d, null, 2));

        static DifferenceRow Recall(Comparison comparison) => comparison.Rows(3).Single(static row => row is { Source: "a", Measure: "recall" });
    }

    [Fact]
    public void A_case_without_a_group_is_no_part_of_a_group_that_has_its_name()
    {
        var comparison = new Comparison();
        comparison.Add(new Case("a", "s", Nothing, "BAD", null, null, false), "ROLLBACK", "ROLLBACK");
        comparison.Add(new Case("b", "s", Nothing, "BAD", null, "a", false), "ROLLBACK", "ROLLBACK");
        comparison.Add(new Case("c", "s", Nothing, "BAD", null, "a", false), "ROLLBACK", "ROLLBACK");
        comparison.Rows(1)[0].Groups.ShouldBe(2);
    }

    [Fact]
    public void The_same_seed_gives_the_same_intervals_whatever_the_order_of_the_cases()
    {
        var (one, other) = (new Comparison(), new Comparison());
        var cases = Enumerable.Range(0, 60).Select(static at => new Case($"c{at}", at % 3 == 0 ? "b" : "a", Nothing, at % 2 == 0 ? "BAD" : "GOOD", null, $"g{at / 5}", false)).ToList();
        foreach (var found in cases)
            one.Add(found, found.Id.EndsWith('4') ? "ROLLBACK" : "HOLD", found.Id.EndsWith('2') ? "ROLLBACK" : "HOLD");
        foreach (var found in Enumerable.Reverse(cases))
            other.Add(found, found.Id.EndsWith('4') ? "ROLLBACK" : "HOLD", found.Id.EndsWith('2') ? "ROLLBACK" : "HOLD");
        one.Rows(5).ShouldBe(other.Rows(5));
        one.Rows(5).ShouldNotBe(one.Rows(6));
    }

    [Fact]
    public void What_the_cases_do_not_tell_is_null()
    {
        var comparison = new Comparison();
        Add(comparison, "a", "GOOD", 5, "CONTINUE", "ROLLBACK");
        var rows = comparison.Rows(1);
        (rows[1].Difference, rows[1].Low, rows[1].High, rows[1].ExcludesZero, rows[1].Resamples).ShouldBe((null, null, null, null, 0));
        rows[2].Difference.ShouldBe(-1);
        new Comparison().Rows(1).ShouldBeEmpty();
    }

    [Fact]
    public void A_curve_goes_from_nothing_to_everything_over_one_corner_a_threshold()
    {
        var curve = new Curve();
        foreach (var (peak, bad) in new[] { (2d, true), (double.PositiveInfinity, true), (0.5, false), (0.5, true), (0, false), (1, false), (0, true) })
            curve.Add(peak, bad);
        curve.Points.Select(static point => (Math.Round(point.FalseAlarmRate, 6), point.Recall)).ShouldBe([(0, 0), (0, 0.25), (0, 0.5), (0.333333, 0.5), (0.666667, 0.75), (1, 1)]);
        var oneSided = new Curve();
        oneSided.Add(1, true);
        oneSided.Points.ShouldBeEmpty();
        var otherSide = new Curve();
        otherSide.Add(1, false);
        otherSide.Points.ShouldBeEmpty();
        new Curve().Points.ShouldBeEmpty();
    }

    private static void Add(Comparison comparison, string source, string label, int count, string first, string second)
    {
        for (var at = 0; at < count; at++)
            comparison.Add(new Case($"{source}-{label}-{first}-{second}-{at}", source, Nothing, label, null, null, false), first, second);
    }
}
