using Commander.Judging.Evidence;
using Commander.Judging.Simulation;
using MathNet.Numerics.Statistics;

namespace Commander.Judging.Backtest.Rules;

/// <summary>What Kayenta's judge says of one metric.</summary>
public enum KayentaLabel
{
    /// <summary>No difference that counts.</summary>
    Pass = 0,
    /// <summary>Higher than allowed.</summary>
    High,
    /// <summary>Lower than allowed.</summary>
    Low,
    /// <summary>One side has no data.</summary>
    Nodata,
    /// <summary>One side has no data, and the metric must have some.</summary>
    NodataFailMetric,
    /// <summary>The test has no answer. In no counter of the score.</summary>
    Error,
}

/// <summary>How the size of a difference is measured.</summary>
public enum KayentaEffect
{
    /// <summary>Mean of the experiment over mean of the control; NaN when either is 0.</summary>
    MeanRatio = 0,
    /// <summary>Common language effect size (Vargha and Delaney, J. Educational and Behavioral Statistics 2000): the chance that a value of the experiment is above one of the control.</summary>
    Cles,
}

/// <summary>A metric's part of a canary configuration, with the judge's defaults.</summary>
/// <param name="Direction">Which difference counts.</param>
/// <param name="ReplaceNan">nanStrategy: true for replace (by 0), false for remove.</param>
/// <param name="Critical">Whether a failure fails the canary.</param>
/// <param name="MustHaveData">Whether no data is a failure of the metric.</param>
/// <param name="Effect">effectSize.measure.</param>
/// <param name="AllowedIncrease">An effect below it is not High; null for the measure's own (1, of cles .5). The others alike.</param>
/// <param name="AllowedDecrease">An effect above it is not Low.</param>
/// <param name="CriticalIncrease">The effect from which High of a critical metric is critical.</param>
/// <param name="CriticalDecrease">The effect down from which Low of a critical metric is critical.</param>
/// <param name="Tolerance">Share of the estimated shift by which the interval must clear 0. The judge has it fixed.</param>
/// <param name="Confidence">Of the interval. The judge has it fixed.</param>
public sealed record KayentaMetric(
    Direction Direction = Direction.Either,
    bool ReplaceNan = false,
    bool Critical = false,
    bool MustHaveData = false,
    KayentaEffect Effect = KayentaEffect.MeanRatio,
    double? AllowedIncrease = null,
    double? AllowedDecrease = null,
    double? CriticalIncrease = null,
    double? CriticalDecrease = null,
    double Tolerance = 0.25,
    double Confidence = 0.98);

/// <summary>A metric's classification.</summary>
/// <param name="Label">The label.</param>
/// <param name="Critical">Whether it fails the canary.</param>
/// <param name="Deviation">Experiment over control, means; 1 without data.</param>
/// <param name="Reason">Why; null for a Pass that needs none.</param>
public readonly record struct KayentaResult(KayentaLabel Label, bool Critical, double Deviation, string? Reason);

/// <summary>
/// Netflix' canary judge, NetflixACAJudge-v1.0, as spinnaker/kayenta@a69573b has it, so that its answers can be had without it: classifiers, effect sizes, outliers and the weighted
/// score, with the same solver, Brent's to an absolute tolerance of 1e-4. Held to the project's own test cases. What it is weak in (no least effect, no least sample, errors that pass) is reproduced.
/// </summary>
public static class Kayenta
{
    /// <summary>Tukey's fences as the judge uses them: outliers.outlierFactor.</summary>
    public const double OutlierFactor = 3;

    // Both samples constant: noise of this share of the value makes ranks. Any seed does; a fixed one makes answers repeatable, which Kayenta's are not.
    private const double NoiseShare = 1e-5;
    private const ulong NoiseSeed = 1;

    private const double MostNodataPercent = 50;

    /// <summary>Compares by the Mann-Whitney test (MannWhitneyClassifier). Samples come without NaN: <see cref="Clean"/>.</summary>
    public static KayentaResult Classify(double[] experiment, double[] control, KayentaMetric metric)
    {
        if (Missing(experiment, control, metric) is { } missing)
        {
            return missing;
        }
        if (experiment.Order().SequenceEqual(control.Order()))
        {
            return new KayentaResult(KayentaLabel.Pass, false, 1, "the data of both sides are identical");
        }
        var constant = Constant(experiment) && Constant(control);
        if (constant && experiment[0] == control[0])
        {
            return new KayentaResult(KayentaLabel.Pass, false, 1, null);
        }
        if (constant)
        {
            var noise = new Noise(NoiseSeed);
            (experiment, control) = (Noisy(experiment, noise), Noisy(control, noise));
        }
        if (Shift.Of(experiment, control, metric.Confidence) is not { } shift)
        {
            return new KayentaResult(KayentaLabel.Error, false, 1, "the test has no answer: all observations are tied");
        }
        var deviation = MeanRatio(experiment, control);
        var effect = metric.Effect == KayentaEffect.Cles ? Cles(experiment, control) : deviation;
        var none = metric.Effect == KayentaEffect.Cles ? 0.5 : 1.0;
        var bound = metric.Tolerance * Math.Abs(shift.Estimate);
        var label = metric.Direction != Direction.Down && shift.Low > bound && AtLeast(effect, metric.AllowedIncrease ?? none) ? KayentaLabel.High
            : metric.Direction != Direction.Up && shift.High < -bound && AtMost(effect, metric.AllowedDecrease ?? none) ? KayentaLabel.Low
            : KayentaLabel.Pass;
        var critical = metric.Critical && label switch
        {
            KayentaLabel.High => AtLeast(effect, metric.CriticalIncrease ?? none),
            KayentaLabel.Low => AtMost(effect, metric.CriticalDecrease ?? none),
            _ => false,
        };
        return new KayentaResult(label, critical, deviation, label == KayentaLabel.Pass ? null : $"classified as {label}{(critical ? " (critical)" : "")}");

        static bool AtLeast(double effect, double limit) => double.IsNaN(effect) || effect >= limit;

        static bool AtMost(double effect, double limit) => double.IsNaN(effect) || effect <= limit;
    }

    /// <summary>Compares the means alone (MeanInequalityClassifier). Kayenta measures its other classifiers by it; its judge does not use it.</summary>
    public static KayentaResult ByMean(double[] experiment, double[] control, KayentaMetric metric)
    {
        if (Missing(experiment, control, metric) is { } missing)
        {
            return missing;
        }
        var (one, other) = (experiment.Mean(), control.Mean());
        var label = metric.Direction != Direction.Down && one > other ? KayentaLabel.High
            : metric.Direction != Direction.Up && one < other ? KayentaLabel.Low
            : KayentaLabel.Pass;
        return label == KayentaLabel.Pass ? new KayentaResult(label, false, 1, null) : new KayentaResult(label, metric.Critical, one / other, $"the means differ: {label}");
    }

    /// <summary>A series as the judge takes it: NaN removed, or replaced by 0 (Transforms).</summary>
    public static double[] Clean(double[] values, bool replaceNan) =>
        replaceNan ? Array.ConvertAll(values, static value => double.IsNaN(value) ? 0 : value) : Array.FindAll(values, static value => !double.IsNaN(value));

    /// <summary>Without the values that are outliers.</summary>
    public static double[] Without(double[] values, bool[] outliers) => [.. values.Where((_, at) => !outliers[at])];

    /// <summary>Which values lie beyond Tukey's fences (IQRDetector): so many interquartile ranges below the lower or above the upper quartile.</summary>
    /// <param name="values">The values.</param>
    /// <param name="factor">How many, above 0.</param>
    /// <param name="lessSensitive">Whether the 1st and 99th percentile must be passed too: as the judge does.</param>
    public static bool[] BeyondFences(double[] values, double factor, bool lessSensitive)
    {
        var (low, high) = (Percentile(values, 25), Percentile(values, 75));
        var range = high - low;
        (low, high) = (low - (factor * range), high + (factor * range));
        if (lessSensitive)
        {
            (low, high) = (Math.Min(Percentile(values, 1), low), Math.Max(Percentile(values, 99), high));
        }
        return Array.ConvertAll(values, value => value > high || value < low);
    }

    /// <summary>Which values lie more than so many population standard deviations from the mean (KSigmaDetector). Kayenta has it beside the fences; its judge does not use it.</summary>
    public static bool[] BeyondSigma(double[] values, double factor)
    {
        var (mean, deviation) = (values.Mean(), values.PopulationStandardDeviation());
        return Array.ConvertAll(values, value => Math.Abs(value - mean) > deviation * factor);
    }

    /// <summary>A percentile, 0 to 100, by linear interpolation between neighbours (R's type 7); NaN of none.</summary>
    public static double Percentile(IEnumerable<double> values, double percent) => values.QuantileCustom(percent / 100, QuantileDefinition.R7);

    /// <summary>Mean of the experiment over mean of the control; NaN when either is 0.</summary>
    public static double MeanRatio(double[] experiment, double[] control)
    {
        var (one, other) = (experiment.Mean(), control.Mean());
        return one == 0 || other == 0 ? double.NaN : one / other;
    }

    /// <summary>The chance that a value of the experiment is above one of the control, ties counting half.</summary>
    public static double Cles(double[] experiment, double[] control)
    {
        double above = 0;
        foreach (var one in experiment)
        {
            foreach (var other in control)
            {
                above += one > other ? 1 : one == other ? 0.5 : 0;
            }
        }
        return above / ((double)experiment.Length * control.Length);
    }

    /// <summary>Cohen's d: the difference of the means in pooled standard deviations. Kayenta has it beside the others; its judge does not use it.</summary>
    public static double CohenD(double[] experiment, double[] control)
    {
        var pooled = (((experiment.Length - 1) * experiment.Variance()) + ((control.Length - 1) * control.Variance())) / (experiment.Length + control.Length - 2);
        return Math.Abs(experiment.Mean() - control.Mean()) / Math.Sqrt(pooled);
    }

    /// <summary>The summary score, 0 to 100 (WeightedSumScorer): 0 when a critical metric failed or at least half of all have no data, else the groups' shares of passed metrics by their weights.</summary>
    /// <param name="metrics">Each metric's group and result; at least one.</param>
    /// <param name="weights">The groups' weights in percent; those without share what is left of 100.</param>
    /// <returns>The score, and each group's own; a group in which nothing counts has 0 and is counted as passed.</returns>
    public static (double Score, IReadOnlyDictionary<string, double> Groups) Score(
        IReadOnlyList<(string Group, KayentaResult Result)> metrics, IReadOnlyDictionary<string, double> weights)
    {
        var scores = new Dictionary<string, double>(StringComparer.Ordinal);
        double score = 0;
        var groups = metrics.GroupBy(static metric => metric.Group, static metric => metric.Result.Label, StringComparer.Ordinal).ToArray();
        var without = groups.Count(group => !weights.ContainsKey(group.Key));
        var rest = without > 0 ? (100 - weights.Values.Sum()) / without : 0;
        foreach (var group in groups)
        {
            var counted = group.Count(static label => label is KayentaLabel.Pass or KayentaLabel.High or KayentaLabel.Low or KayentaLabel.NodataFailMetric);
            scores[group.Key] = counted == 0 ? 0 : 100.0 * group.Count(static label => label == KayentaLabel.Pass) / counted;
            score += (counted == 0 ? 100 : scores[group.Key]) * (weights.GetValueOrDefault(group.Key, rest) / 100);
        }
        var failed = metrics.Any(static metric => metric.Result.Critical && metric.Result.Label != KayentaLabel.Pass)
            || 100.0 * metrics.Count(static metric => metric.Result.Label == KayentaLabel.Nodata) / metrics.Count >= MostNodataPercent;
        return (failed ? 0 : (double)Math.Round((decimal)score, 2, MidpointRounding.AwayFromZero), scores);
    }

    private static KayentaResult? Missing(double[] experiment, double[] control, KayentaMetric metric)
    {
        if (experiment.Length > 0 && control.Length > 0)
        {
            return null;
        }
        if (metric.ReplaceNan)
        {
            return new KayentaResult(KayentaLabel.Pass, false, 1, null);
        }
        return metric.MustHaveData && !metric.Critical
            ? new KayentaResult(KayentaLabel.NodataFailMetric, false, 1, "data are missing")
            : new KayentaResult(KayentaLabel.Nodata, metric.Critical, 1, "data are missing");
    }

    private static bool Constant(double[] values) => Array.TrueForAll(values, value => value == values[0]);

    private static double[] Noisy(double[] values, Noise noise) => Array.ConvertAll(values, value => value + (NoiseShare * value * noise.Normal()));
}
