using System.Text.Json;
using Commander.Judging.Backtest.Rules;
using Commander.Judging.Evidence;
using MathNet.Numerics.Distributions;
using MathNet.Numerics.Statistics;

namespace Commander.Judging.Tests.Backtest.Rules;

/// <summary>Kayenta's own test cases (kayenta-cases.NOTICE.md), every one.</summary>
public class KayentaTests
{
    private static readonly Dictionary<string, JsonElement> Cases = Read();

    public static TheoryData<string> Ids => [.. Cases.Keys];

    [Fact]
    public void All_cases_are_there() => Cases.Count.ShouldBe(88);

    [Theory]
    [MemberData(nameof(Ids))]
    public void Every_case_of_kayenta_s_own_tests_has_the_expected_answer(string id)
    {
        var found = Cases[id];
        var expected = found.GetProperty("expected");
        switch (Text(found, "kind"))
        {
            case "metric_classification":
                Classified(found, expected);
                break;
            case "wilcoxon_diff":
                foreach (var one in expected.EnumerateArray())
                    (Shift.Statistic(Number(one, "mu"), Values(found, "x"), Values(found, "y")) - Number(one, "quantile")).ShouldBe(Number(one, "value"), Number(found, "tolerance"));
                break;
            case "normal_quantile":
                foreach (var one in expected.EnumerateArray())
                    Normal.InvCDF(0, 1, Number(one, "p")).ShouldBe(Number(one, "value"), Number(found, "tolerance"));
                break;
            case "mann_whitney_ci":
                var interval = Shift.Of(Values(found, "x"), Values(found, "y"), Number(found, "confidenceLevel"))!.Value;
                // The steps of the solver are copied, so artefacts come out as they are: no wider tolerance is needed.
                var tolerance = found.GetProperty("tolerance");
                interval.Low.ShouldBe(Number(expected, "ciLow"), Number(tolerance, "ciLow"));
                interval.High.ShouldBe(Number(expected, "ciHigh"), Number(tolerance, "ciHigh"));
                interval.Estimate.ShouldBe(Number(expected, "estimate"), Number(tolerance, "estimate"));
                break;
            case "mann_whitney_intermediate":
                Intermediate(found, expected);
                break;
            case "weighted_sum_score":
                Scored(found, expected);
                break;
            case "outlier_detection":
                Outliers(found).ShouldBe(expected.EnumerateArray().Select(static value => value.GetBoolean()));
                break;
            case "transform":
                Transformed(found).ShouldBe(Values(found, "expected"));
                break;
            case "summary_statistics":
                var data = Values(found, "data");
                var allowed = Number(found, "tolerance");
                data.Length.ShouldBe((int)Number(expected, "count"));
                if (data.Length > 0)
                {
                    data.Min().ShouldBe(Number(expected, "min"), allowed);
                    data.Max().ShouldBe(Number(expected, "max"), allowed);
                    data.Mean().ShouldBe(Number(expected, "mean"), allowed);
                    (data.Length > 1 ? data.StandardDeviation() : 0).ShouldBe(Number(expected, "std"), allowed);
                }
                break;
            case "percentile_r7":
                Kayenta.Percentile(Values(found, "data"), Number(found, "p")).ShouldBe(expected.GetDouble(), Number(found, "tolerance"));
                break;
            case "effect_size":
                var (experiment, control) = (Values(found, "experiment"), Values(found, "control"));
                var effect = Text(found, "measure") switch
                {
                    "meanRatio" => Kayenta.MeanRatio(experiment, control),
                    "cles" => Kayenta.Cles(experiment, control),
                    _ => Kayenta.CohenD(experiment, control),
                };
                if (expected.ValueKind == JsonValueKind.String)
                    effect.ShouldBe(double.NaN);
                else
                    effect.ShouldBe(expected.GetDouble(), Number(found, "tolerance"));
                break;
            default:
                Assert.Fail($"{id} is of a kind that nobody tests");
                break;
        }
    }

    [Fact]
    public void A_metric_whose_observations_are_all_tied_once_shifted_has_no_answer_and_passes_as_kayenta_lets_it()
    {
        Shift.Of([1, 1], [2, 2], 0.98).ShouldBeNull();
        Kayenta.Score([("g", new KayentaResult(KayentaLabel.Error, false, 1, null))], new Dictionary<string, double>()).Score.ShouldBe(100);
    }

    [Fact]
    public void Every_classification_says_why()
    {
        double[] low = [1, 2, 3, 4, 5, 6, 7, 8], high = [11, 12, 13, 14, 15, 16, 17, 18];
        Kayenta.Classify(high, low, new()).ShouldBe(new KayentaResult(KayentaLabel.High, false, 116 / 36.0, "classified as High"));
        Kayenta.Classify(low, high, new(Critical: true)).ShouldBe(new KayentaResult(KayentaLabel.Low, true, 36 / 116.0, "classified as Low (critical)"));
        Kayenta.Classify(high, low, new(Direction.Down)).ShouldBe(new KayentaResult(KayentaLabel.Pass, false, 116 / 36.0, null));
        Kayenta.Classify(low, high, new(Direction.Up, Critical: true)).ShouldBe(new KayentaResult(KayentaLabel.Pass, false, 36 / 116.0, null));
        Kayenta.Classify(low, [.. low.Reverse()], new()).ShouldBe(new KayentaResult(KayentaLabel.Pass, false, 1, "the data of both sides are identical"));
        Kayenta.Classify([2, 2], [2, 2, 2], new()).ShouldBe(new KayentaResult(KayentaLabel.Pass, false, 1, null));
        Kayenta.Classify([], low, new(Critical: true)).ShouldBe(new KayentaResult(KayentaLabel.Nodata, true, 1, "data are missing"));
        Kayenta.Classify(low, [], new()).ShouldBe(new KayentaResult(KayentaLabel.Nodata, false, 1, "data are missing"));
        Kayenta.Classify(low, [], new(MustHaveData: true)).ShouldBe(new KayentaResult(KayentaLabel.NodataFailMetric, false, 1, "data are missing"));
        Kayenta.Classify(low, [], new(MustHaveData: true, Critical: true)).ShouldBe(new KayentaResult(KayentaLabel.Nodata, true, 1, "data are missing"));
        Kayenta.Classify(low, [], new(MustHaveData: true, ReplaceNan: true)).ShouldBe(new KayentaResult(KayentaLabel.Pass, false, 1, null));
        Kayenta.ByMean(high, low, new(Critical: true)).ShouldBe(new KayentaResult(KayentaLabel.High, true, 116 / 36.0, "the means differ: High"));
        Kayenta.ByMean(low, high, new()).ShouldBe(new KayentaResult(KayentaLabel.Low, false, 36 / 116.0, "the means differ: Low"));
        Kayenta.ByMean(low, low, new(Critical: true)).ShouldBe(new KayentaResult(KayentaLabel.Pass, false, 1, null));
        Kayenta.ByMean(high, low, new(Direction.Down)).Label.ShouldBe(KayentaLabel.Pass);
        Kayenta.ByMean(low, high, new(Direction.Up)).Label.ShouldBe(KayentaLabel.Pass);
    }

    [Fact]
    public void An_effect_at_its_limit_counts()
    {
        // The mean is twice as high, and every value is above every other: an effect of 2, or of 1.
        double[] low = [9, 10, 11, 10, 9, 11, 10], high = [18, 20, 22, 20, 18, 22, 20];
        foreach (var (effect, up, down) in new[] { (KayentaEffect.MeanRatio, 2.0, 0.5), (KayentaEffect.Cles, 1.0, 0.0) })
        {
            Label(high, low, new(Effect: effect, AllowedIncrease: up)).ShouldBe((KayentaLabel.High, false));
            Label(high, low, new(Effect: effect, AllowedIncrease: up + 0.001)).ShouldBe((KayentaLabel.Pass, false));
            Label(low, high, new(Effect: effect, AllowedDecrease: down)).ShouldBe((KayentaLabel.Low, false));
            Label(low, high, new(Effect: effect, AllowedDecrease: down - 0.001)).ShouldBe((KayentaLabel.Pass, false));
            Label(high, low, new(Critical: true, Effect: effect, CriticalIncrease: up)).ShouldBe((KayentaLabel.High, true));
            Label(high, low, new(Critical: true, Effect: effect, CriticalIncrease: up + 0.001)).ShouldBe((KayentaLabel.High, false));
            Label(low, high, new(Critical: true, Effect: effect, CriticalDecrease: down)).ShouldBe((KayentaLabel.Low, true));
            Label(low, high, new(Critical: true, Effect: effect, CriticalDecrease: down - 0.001)).ShouldBe((KayentaLabel.Low, false));
        }

        static (KayentaLabel, bool) Label(double[] experiment, double[] control, KayentaMetric metric)
        {
            var result = Kayenta.Classify(experiment, control, metric);
            return (result.Label, result.Critical);
        }
    }

    [Fact]
    public void Two_constant_sides_are_told_apart_by_a_noise_that_is_the_same_every_time()
    {
        var one = Kayenta.Classify([3, 3, 3, 3, 3, 3], [2, 2, 2, 2, 2, 2], new());
        (one.Label, one.Deviation).ShouldBe((KayentaLabel.High, Kayenta.Classify([3, 3, 3, 3, 3, 3], [2, 2, 2, 2, 2, 2], new()).Deviation));
        one.Deviation.ShouldNotBe(1.5);
        one.Deviation.ShouldBe(1.5, 1e-4);
        // One side alone gets none.
        Kayenta.Classify([3, 3, 3, 3, 3, 3], [2, 2, 2, 2, 2, 1], new()).Deviation.ShouldBe(18 / 11.0);
        Kayenta.Classify([3, 3, 3, 3, 3, 4], [2, 2, 2, 2, 2, 2], new()).Deviation.ShouldBe(19 / 12.0);
    }

    private static void Classified(JsonElement found, JsonElement expected)
    {
        var parameters = found.GetProperty("params");
        double? Optional(string name) => parameters.TryGetProperty(name, out var value) ? value.GetDouble() : null;
        var metric = new KayentaMetric(
            Text(parameters, "direction") switch { "increase" => Direction.Up, "decrease" => Direction.Down, _ => Direction.Either },
            Text(parameters, "nanStrategy") == "replace",
            parameters.GetProperty("critical").GetBoolean(),
            parameters.GetProperty("mustHaveData").GetBoolean(),
            parameters.TryGetProperty("effectSizeMeasure", out var measure) && measure.GetString() == "cles" ? KayentaEffect.Cles : KayentaEffect.MeanRatio,
            Optional("allowedIncrease"),
            Optional("allowedDecrease"),
            Optional("criticalIncrease"),
            Optional("criticalDecrease"));
        metric = metric with { Tolerance = Optional("tolerance") ?? metric.Tolerance, Confidence = Optional("confidenceLevel") ?? metric.Confidence };
        // The suites call the classifiers themselves; NaN are taken out before them.
        var (experiment, control) = (Kayenta.Clean(Values(found, "experiment"), metric.ReplaceNan), Kayenta.Clean(Values(found, "control"), metric.ReplaceNan));
        var result = Text(found, "classifier") == "MeanInequality" ? Kayenta.ByMean(experiment, control, metric) : Kayenta.Classify(experiment, control, metric);
        if (expected.TryGetProperty("classification", out var label))
            result.Label.ToString().ShouldBe(label.GetString());
        if (expected.TryGetProperty("critical", out var critical))
            result.Critical.ShouldBe(critical.GetBoolean());
        if (expected.TryGetProperty("deviation", out var deviation))
            result.Deviation.ShouldBe(deviation.ValueKind == JsonValueKind.String ? double.NaN : deviation.GetDouble());
        if (expected.TryGetProperty("reasonNotEmpty", out _))
            result.Reason.ShouldNotBeNullOrEmpty();
    }

    private static void Intermediate(JsonElement found, JsonElement expected)
    {
        var (x, y, tolerance) = (Values(found, "x"), Values(found, "y"), Number(found, "tolerance"));
        var (from, to) = (x.Min() - y.Max(), x.Max() - y.Min());
        var z = Normal.InvCDF(0, 1, (1 - Number(found, "confidenceLevel")) / 2);
        from.ShouldBe(Number(expected, "rMumin"), tolerance);
        to.ShouldBe(Number(expected, "rMumax"), tolerance);
        (-z).ShouldBe(Number(expected, "rZqLower"), tolerance);
        z.ShouldBe(Number(expected, "rZqUpper"), tolerance);
        (Shift.Statistic(from, x, y) + z).ShouldBe(Number(expected, "rFlower1"), tolerance);
        (Shift.Statistic(to, x, y) + z).ShouldBe(Number(expected, "rFupper1"), tolerance);
        (Shift.Statistic(from, x, y) - z).ShouldBe(Number(expected, "rFlower2"), tolerance);
        (Shift.Statistic(to, x, y) - z).ShouldBe(Number(expected, "rFupper2"), tolerance);
        var interval = Shift.Of(x, y, Number(found, "confidenceLevel"))!.Value;
        interval.Low.ShouldBe(Number(expected, "rCil"), tolerance);
        interval.High.ShouldBe(Number(expected, "rCiu"), tolerance);
        interval.Estimate.ShouldBe(Number(expected, "rEst"), tolerance);
    }

    private static void Scored(JsonElement found, JsonElement expected)
    {
        var metrics = found.GetProperty("metrics").EnumerateArray().Select(static metric => (
            metric.GetProperty("groups")[0].GetString()!,
            new KayentaResult(Enum.Parse<KayentaLabel>(Text(metric, "classification")), metric.GetProperty("critical").GetBoolean(), 1, null))).ToList();
        var weights = found.GetProperty("groupWeights").EnumerateObject().ToDictionary(static weight => weight.Name, static weight => weight.Value.GetDouble());
        var (score, groups) = Kayenta.Score(metrics, weights);
        score.ShouldBe(Number(expected, "summaryScore"));
        if (expected.TryGetProperty("groupScoresSorted", out _))
            groups.Values.Order().ShouldBe(Values(expected, "groupScoresSorted"));
    }

    private static bool[] Outliers(JsonElement found)
    {
        var (data, factor) = (Values(found, "data"), Number(found, "factor"));
        return Text(found, "detector") == "KSigma"
            ? Kayenta.BeyondSigma(data, factor)
            : Kayenta.BeyondFences(data, factor, found.TryGetProperty("reduceSensitivity", out var less) && less.GetBoolean());
    }

    private static double[] Transformed(JsonElement found)
    {
        var data = Values(found, "data");
        return Text(found, "op") switch
        {
            "removeNaNs" => Kayenta.Clean(data, replaceNan: false),
            "replaceNaNs" => Kayenta.Clean(data, replaceNan: true),
            _ => Kayenta.Without(data, Outliers(found)),
        };
    }

    private static double[] Values(JsonElement element, string name) =>
        [.. element.GetProperty(name).EnumerateArray().Select(static value => value.ValueKind == JsonValueKind.Null ? double.NaN : value.GetDouble())];

    private static double Number(JsonElement element, string name) => element.GetProperty(name).GetDouble();

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;

    private static Dictionary<string, JsonElement> Read()
    {
        using var stream = typeof(KayentaTests).Assembly.GetManifestResourceStream("kayenta-cases.json")!;
        using var document = JsonDocument.Parse(stream);
        return document.RootElement.GetProperty("cases").EnumerateArray().ToDictionary(static found => Text(found, "id"), static found => found.Clone());
    }

    [Fact]
    public void A_shift_that_is_no_number_has_no_statistic_and_an_end() => Shift.Statistic(double.NaN, [1], [2]).ShouldBe(double.NaN);
}
