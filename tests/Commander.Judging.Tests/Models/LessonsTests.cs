using Commander.Judging.Backtest;
using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Simulation;
using Case = Commander.Judging.Backtest.Case;

namespace Commander.Judging.Tests.Models;

public class LessonsTests
{
    [Fact]
    public void A_lesson_is_what_the_judge_saw_at_its_first_alarm()
    {
        var (features, alarm) = Lessons.Of(Recorded(ticks: 10, badFrom: 3), horizon: 10);
        alarm.ShouldBeTrue();
        features[(int)Family.Error].ShouldBeGreaterThanOrEqualTo(1);
        // What came after the alarm has no part in it.
        Scores(Lessons.Of(Recorded(ticks: 10, badFrom: 3, badTo: 4), horizon: 10).Features).ShouldBe(Scores(features));
    }

    [Fact]
    public void Without_an_alarm_a_lesson_is_what_the_judge_saw_at_the_horizon()
    {
        Lessons.Of(Recorded(ticks: 10, badFrom: 6), horizon: 5).Alarm.ShouldBeFalse();
        Lessons.Of(Recorded(ticks: 10, badFrom: 6), horizon: 9).Alarm.ShouldBeTrue();
        Scores(Lessons.Of(Recorded(ticks: 5, badFrom: 6), horizon: 99).Features).ShouldBe(Scores(Lessons.Of(Recorded(ticks: 10, badFrom: 6), horizon: 5).Features));
        Lessons.Of(Recorded(ticks: 10, badFrom: 99), horizon: 99).Alarm.ShouldBeFalse();
    }

    [Fact]
    public void Errors_of_the_past_are_no_alarm()
    {
        var (features, alarm) = Lessons.Of(Recorded(ticks: 3, badFrom: -20, badTo: 0), horizon: 3);
        alarm.ShouldBeFalse();
        features[(int)Family.Error].ShouldBeLessThan(1);
    }

    [Fact]
    public void Only_labelled_cases_whose_effect_is_beyond_the_tolerance_teach_in_their_order()
    {
        var good = new Case("g", "one", Recorded(ticks: 5, badFrom: 99), "GOOD", null, null, BelowTolerance: false);
        var bad = new Case("b", "other", Recorded(ticks: 5, badFrom: 1), "BAD", null, null, BelowTolerance: false);
        var rows = Lessons.Of([good, bad with { Label = null }, bad with { BelowTolerance = true }, bad, good], horizon: 5);
        rows.Select(static row => (row.Bad, row.Source)).ShouldBe([(false, "one"), (true, "other"), (false, "one")]);
        rows[1].Features[(int)Family.Error].ShouldBeGreaterThanOrEqualTo(1);
        Scores(rows[0].Features).ShouldBe(Scores(rows[2].Features));
    }

    [Fact]
    public void Simulated_deployments_teach_both_labels_and_the_same_ones_again_for_the_same_seed()
    {
        var rows = Lessons.Simulated(1, 20, "simulator");
        rows.ShouldAllBe(static row => row.Source == "simulator");
        // Faulty ones have scores, harmless ones next to none.
        Mean(bad: true).ShouldBeGreaterThan(1);
        Mean(bad: false).ShouldBeLessThan(0.5);
        var told = Told(rows);
        Told(Lessons.Simulated(1, 20, "simulator")).ShouldBe(told);
        Told(Lessons.Simulated(1, 21, "simulator")).ShouldNotBe(told);

        double Mean(bool bad) => rows.Where(row => row.Bad == bad).Average(static row => Scores(row.Features).Max());

        static string[] Told(IEnumerable<Labelled> rows) => [.. rows.Select(static row => $"{row.Bad} {string.Join(' ', Scores(row.Features))}")];
    }

    [Fact]
    public void The_file_of_a_model_gives_every_number_back_to_the_bit()
    {
        var source = ShippedRecipe.Source(new Model("own-9", -1 / 3.0, [1, 0.1 + 0.2, double.Epsilon, 0, 2, 3, 4, 5], 7.25, 0.1));
        source.ShouldBe(
            """
            namespace Commander.Judging.Models;

            public sealed partial record Model
            {
                /// <summary>What a new installation starts with; written by <c>Commander.Benchmarks train-shipped</c>, see docs/model-card.md.</summary>
                public static Model Shipped { get; } = new(
                    "own-9",
                    Intercept: -0.3333333333333333,
                    Weights: [1, 0.30000000000000004, 5E-324, 0, 2, 3, 4, 5],
                    NoData: 7.25,
                    Guard: 0.1);
            }

            """);
    }

    [Fact]
    public void The_shipped_model_is_trained_by_its_recipe_s_constants()
    {
        var noise = new Noise(3);
        List<Labelled> rows = [.. Enumerable.Range(0, 100).Select(at =>
        {
            var features = new Features();
            features[at % Features.Count] = 2 * noise.Uniform();
            return new Labelled(features, at % 3 == 0, "one");
        })];
        var (one, other) = (ShippedRecipe.Train(rows).Model.ShouldNotBeNull(), Training.Fit(rows, Model.Assumed, ShippedRecipe.Version, 0.05, 10).Model.ShouldNotBeNull());
        ShippedRecipe.Source(one).ShouldBe(ShippedRecipe.Source(other));
        ShippedRecipe.Sets.ShouldBe([("petshop-issues", 3), ("microservice-faults", 6)]);
        ShippedRecipe.Unseen.ShouldBe([("canary-rollouts", 20), ("diurnal-injected", 60)]);
    }

    [Fact]
    public void A_set_is_one_source_whatever_its_cases_call_theirs()
    {
        var row = new Labelled(default, true, "shop");
        ShippedRecipe.Named([row, row with { Source = "cart", Bad = false }], "set").Select(static named => (named.Source, named.Bad)).ShouldBe([("set", true), ("set", false)]);
    }

    private static double[] Scores(Features features) => ((ReadOnlySpan<double>)features).ToArray();

    // Twenty points of a past with 5 errors of 1200 requests; from tick badFrom to badTo 300 of them.
    private static Recording Recorded(int ticks, int badFrom, int badTo = int.MaxValue)
    {
        double[] Errors(int from, int count) => [.. Enumerable.Range(from, count).Select(n => n >= badFrom && n <= badTo ? 300.0 : 5)];
        double[] Requests(int count) => [.. Enumerable.Repeat(1200.0, count)];
        return new Recording(0, 60, false,
        [
            new Series("requests", "count", null, null, null, Requests(20), Requests(ticks), null, null, null),
            new Series("errors", "count", null, null, null, Errors(-19, 20), Errors(1, ticks), null, null, null),
        ]);
    }
}
