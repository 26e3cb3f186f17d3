using Commander.Judging.Backtest;
using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Simulation;
using CsCheck;

namespace Commander.Judging.Tests.Models;

public class TrainingTests
{
    private static readonly Model Flat = new("flat", 0, new double[Words.FamilyCount], 0, 0);

    // About as many BAD as GOOD.
    private static readonly Model Even = new("even", -4, [1, 1, 1, 1, 1, 1, 1, 1], 1, 1);

    private static readonly Gen<Model> Truths = Gen.Select(Gen.Double[-4, -2], Gen.Double[0.2, 1].Array[Words.FamilyCount], Gen.Double[0.2, 1], Gen.Double[0.2, 1])
        .Select(static (intercept, weights, noData, guard) => new Model("truth", intercept, weights, noData, guard));

    private static Features Drawn(Noise noise)
    {
        Span<double> families = stackalloc double[Words.FamilyCount];
        foreach (ref var score in families)
        {
            score = noise.Uniform() < 0.5 ? 0 : 2 * noise.Uniform();
        }
        return Features.Of(families, noise.Uniform() < 0.8 ? 0 : 2 * noise.Uniform(), noise.Uniform() < 0.2);
    }

    private static List<Labelled> Rows(Model truth, int count, ulong seed, string source = "one")
    {
        var noise = new Noise(seed);
        var rows = new List<Labelled>(count);
        for (var at = 0; at < count; at++)
        {
            var features = Drawn(noise);
            rows.Add(new Labelled(features, noise.Uniform() < truth.PBad(features), source));
        }
        return rows;
    }

    private static Model Fit(IReadOnlyList<Labelled> rows, Model prior, double strength, double? rate = null) =>
        Training.Fit(rows, prior, "trained", rate ?? rows.Average(static row => row.Bad ? 1.0 : 0), strength).Model.ShouldNotBeNull();

    private static double[] Coefficients(Model model) => [model.Intercept, .. model.Weights, model.NoData, model.Guard];

    [Fact]
    public void The_coefficients_that_made_the_labels_are_found_again() =>
        Truths.Select(Gen.ULong).Sample(static (truth, seed) =>
        {
            var found = Fit(Rows(truth, 20_000, seed), Flat, 0.01);
            foreach (var (one, other) in Coefficients(found).Zip(Coefficients(truth)))
            {
                one.ShouldBe(other, 0.25);
            }
        }, iter: 5);

    [Fact]
    public void More_evidence_never_makes_P_of_BAD_smaller_whatever_the_labels_say() =>
        Truths.Select(Gen.ULong).Sample(static (truth, seed) =>
        {
            // The labels turned over: every score speaks for GOOD.
            var contrary = Rows(truth, 500, seed).ConvertAll(static row => row with { Bad = !row.Bad });
            var found = Fit(contrary, Model.Assumed, 1, 0.3);
            Coefficients(found)[1..].ShouldAllBe(static weight => weight >= 0);
            Coefficients(found)[1..].ShouldContain(0);
        }, iter: 20);

    [Fact]
    public void Few_cases_move_the_prior_little_and_many_move_it_far()
    {
        double Moved(int count) => Math.Abs(Fit(Rows(Even, count, 3), Model.Assumed, 50).Weights[0] - Model.Assumed.Weights[0]);
        Moved(60).ShouldBeLessThan(2);
        Moved(20_000).ShouldBeInRange(4, 6.2);
        Moved(1000).ShouldBeInRange(Moved(60), Moved(20_000));
    }

    [Fact]
    public void What_no_case_has_is_said_as_the_prior_says_it()
    {
        var rows = Rows(Even, 2000, 5)
            .ConvertAll(static row =>
            {
                var features = row.Features;
                features[(int)Family.Kpi] = 0;
                return row with { Features = features };
            });
        var found = Fit(rows, Model.Assumed, 1, 0.05);
        var alone = new Features();
        alone[(int)Family.Kpi] = 1;
        found.Odds(alone).ShouldBe(Model.Assumed.Odds(alone), 1e-6);
        Math.Abs(found.Intercept - Model.Assumed.Intercept).ShouldBeGreaterThan(0.1);
    }

    [Fact]
    public void Training_twice_gives_the_same_bits()
    {
        var rows = Rows(Even, 300, 7);
        Bits(Fit(rows, Model.Assumed, 3, 0.05)).ShouldBe(Bits(Fit(rows, Model.Assumed, 3, 0.05)));
        Bits(Fit(rows, Model.Assumed, 3, 0.05)).ShouldNotBe(Bits(Fit(rows, Model.Assumed, 3, 0.06)));
    }

    [Fact]
    public void No_source_and_no_class_weighs_more_for_having_more_cases()
    {
        List<Labelled> rows = [.. Rows(Even, 400, 1, "large"), .. Rows(Even, 60, 2, "small")];
        var weights = Training.Weights(rows, 0.05);
        weights.Sum().ShouldBe(rows.Count, 1e-9);
        foreach (var source in new[] { "large", "small" })
        {
            Sum(source, bad: true).ShouldBe(0.05 / 2 * rows.Count, 1e-9);
            Sum(source, bad: false).ShouldBe(0.95 / 2 * rows.Count, 1e-9);
        }

        double Sum(string source, bool bad) => rows.Zip(weights).Where(row => row.First.Source == source && row.First.Bad == bad).Sum(static row => row.Second);
    }

    [Fact]
    public void A_smaller_base_rate_makes_the_mean_P_of_BAD_smaller()
    {
        var rows = Rows(Even, 2000, 9);
        var (rare, common) = (Fit(rows, Model.Assumed, 1, 0.01), Fit(rows, Model.Assumed, 1, 0.2));
        rows.Average(row => rare.PBad(row.Features)).ShouldBeLessThan(rows.Average(row => common.PBad(row.Features)));
    }

    [Fact]
    public void What_cannot_be_trained_is_refused_with_the_reason()
    {
        var rows = Rows(Even, 400, 11);
        List<Labelled> good = [.. rows.Where(static row => !row.Bad)];
        List<Labelled> few = [.. good, .. rows.Where(static row => row.Bad).Take(Training.FewestOfAClass - 1)];
        Training.Fit([], Model.Assumed, "x", 0.05, 1).Refused.ShouldBe("0 BAD and 0 GOOD cases are too few to train on: 20 of each are needed");
        Training.Fit(few, Model.Assumed, "x", 0.05, 1).Refused.ShouldNotBeNull().ShouldStartWith("19 BAD and ");
        Training.Fit([.. few, rows.Last(static row => row.Bad)], Model.Assumed, "x", 0.05, 1).Refused.ShouldBeNull();
        Training.Fit([.. few.Select(static row => row with { Bad = !row.Bad })], Model.Assumed, "x", 0.05, 1).Refused.ShouldNotBeNull().ShouldContain(" BAD and 19 GOOD cases are too few");
        foreach (var rate in new[] { 1, 0, -0.1, 1.1, double.NaN })
        {
            Training.Fit(rows, Model.Assumed, "x", rate, 1).Refused.ShouldBe($"the base rate is {rate}: give a share of BAD deployments above 0 and below 1");
        }
        foreach (var strength in new[] { 0, -1, double.NaN, double.PositiveInfinity })
        {
            Training.Fit(rows, Model.Assumed, "x", 0.05, strength).Refused.ShouldBe($"the strength of the prior is {strength}: give a number above 0");
        }
        foreach (var score in new[] { double.NaN, -0.01, 2.01 })
        {
            Training.Fit(With(score), Model.Assumed, "x", 0.05, 1).Refused.ShouldBe($"case 4 of one has {score} as feature 10: scores lie between 0 and 2");
        }
        Training.Fit(With(2), Model.Assumed, "x", 0.05, 1).Refused.ShouldBeNull();
        Training.Fit(With(0), Model.Assumed, "x", 0.05, 1).Refused.ShouldBeNull();

        List<Labelled> With(double score)
        {
            var changed = rows[3].Features;
            changed[Features.Count - 1] = score;
            return [.. rows[..3], rows[3] with { Features = changed }, .. rows[4..]];
        }
    }

    [Theory]
    [InlineData(0.05, 1.0, false)]
    [InlineData(0.3, 30.0, false)]
    [InlineData(0.5, 0.1, true)]
    public void What_is_trained_is_where_the_loss_has_its_least(double rate, double strength, bool contrary)
    {
        List<Labelled> rows = [.. Rows(Even, 300, 13, "large"), .. Rows(Even, 90, 14, "small")];
        if (contrary)
        {
            // Two scores speak for GOOD: their weights end at 0.
            rows = rows.ConvertAll(static row => row.Features[0] + row.Features[3] > 1.5 ? row with { Bad = false } : row);
        }
        var found = Fit(rows, Model.Assumed, strength, rate);
        var (own, centre, weights) = (Coefficients(found), Coefficients(Model.Assumed), Training.Weights(rows, rate));
        var slope = new double[own.Length];
        for (var at = 0; at < rows.Count; at++)
        {
            var beyond = weights[at] * (found.PBad(rows[at].Features) - (rows[at].Bad ? 1 : 0));
            slope[0] += beyond;
            for (var feature = 0; feature < Features.Count; feature++)
            {
                slope[1 + feature] += beyond * rows[at].Features[feature];
            }
        }
        // What is drawn to the prior: the log odds without evidence, and those of each score of 1 alone.
        slope[0] += strength * (own[0] - centre[0]);
        for (var at = 1; at < own.Length; at++)
        {
            var distance = own[0] + own[at] - centre[0] - centre[at];
            slope[0] += strength * distance;
            slope[at] += strength * distance;
        }
        slope[0].ShouldBe(0, 1e-3);
        for (var at = 1; at < own.Length; at++)
        {
            if (own[at] > 0)
            {
                slope[at].ShouldBe(0, 1e-3, $"weight {at}");
            }
            else
            {
                slope[at].ShouldBeGreaterThan(-1e-3, $"weight {at}");
            }
        }
        if (contrary)
        {
            own.ShouldContain(0);
        }
    }

    [Fact]
    public void A_trained_model_has_the_name_that_it_was_given() => Fit(Rows(Even, 300, 7), Model.Assumed, 1, 0.05).Version.ShouldBe("trained");

    [Fact]
    [Trait("Category", "Measured")]
    public void The_shipped_model_is_what_its_recipe_makes()
    {
        var folder = Data();
        Assert.SkipWhen(folder is null, "the data sets do not lie beside the repository");
        var rows = ShippedRecipe.Rows(set =>
        {
            using var stream = File.OpenRead(Path.Combine(folder!, set + ".jsonl"));
            return [.. CaseFile.Read(stream)];
        });
        ShippedRecipe.Source(ShippedRecipe.Train(rows).Model.ShouldNotBeNull()).ShouldBe(ShippedRecipe.Source(Model.Shipped));
    }

    [Fact]
    public void An_alarm_of_any_family_alone_is_enough_for_the_default_threshold()
    {
        for (var feature = 0; feature < Features.Count; feature++)
        {
            var alone = new Features();
            alone[feature] = 1;
            // The guard never fires without errors beside it.
            Model.Shipped.PBad(alone).ShouldBeGreaterThanOrEqualTo(feature == Features.Guard ? 0 : 0.1, $"feature {feature}");
        }
        Model.Shipped.PBad(default).ShouldBeLessThan(0.1 / 4);
    }

    private static long[] Bits(Model model) => [.. Coefficients(model).Select(BitConverter.DoubleToInt64Bits)];

    private static string? Data()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Commander.slnx")))
            {
                var data = Path.Combine(folder.Parent!.FullName, "shared", "data");
                return ShippedRecipe.Sets.All(entry => File.Exists(Path.Combine(data, entry.Set + ".jsonl"))) ? data : null;
            }
        }
        return null;
    }
}
