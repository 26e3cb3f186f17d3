using Commander.Judging.Verdicts;

namespace Commander.Judging.Backtest.Rules;

/// <summary>
/// A Kayenta canary with the judge's defaults: one look at the end, each metric of the candidate against the control, against the baseline where there is no control (Kayenta's
/// controlOffsetInMinutes), all in one group. Spinnaker's usual thresholds: a score below 75 (marginal) is ROLLBACK, from 95 on (pass) CONTINUE, between them HOLD.
/// </summary>
internal sealed class MannWhitneyRule : Rule
{
    private const double Marginal = 75;
    private const double Enough = 95;
    private const string Group = "all";

    private static readonly Dictionary<string, double> NoWeights = [];

    public override string Name => "mann-whitney";

    public override IEnumerable<Look> Looks(Recording recording, int last)
    {
        for (var tick = 1; tick < last; tick++)
        {
            yield return new Look(Decision.Hold, 0);
        }
        if (last < 1)
        {
            yield break;
        }
        var (score, _) = Kayenta.Score([.. Results(recording, last).Select(static result => (Group, result.Result))], NoWeights);
        yield return new Look(
            score < Marginal ? Decision.Rollback : score < Enough ? Decision.Hold : Decision.Continue,
            (100 - score) / (100 - Marginal));
    }

    public override string Reason(Recording recording, int tick, Look look)
    {
        var wrong = Results(recording, tick).Where(static result => result.Result.Label != KayentaLabel.Pass).Select(static result => $"{result.Name} {result.Result.Label}");
        return $"score {Math.Round(100 - (look.Score * (100 - Marginal)), 2)}" + (string.Join(", ", wrong) is { Length: > 0 } names ? ": " + names : "");
    }

    private static IEnumerable<(string Name, KayentaResult Result)> Results(Recording recording, int last)
    {
        foreach (var series in recording.Series)
        {
            var metric = new KayentaMetric(Scores.DirectionOf(series));
            var experiment = Kayenta.Clean(First(series.Candidate, last), metric.ReplaceNan);
            var control = Kayenta.Clean(series.Control is { } beside ? First(beside, last) : series.Baseline, metric.ReplaceNan);
            yield return (series.Name, Kayenta.Classify(experiment, control, metric));
        }
    }

    private static double[] First(double[] values, int count) => values[..Math.Min(count, values.Length)];
}
