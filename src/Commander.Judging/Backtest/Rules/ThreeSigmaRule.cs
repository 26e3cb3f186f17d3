using Commander.Judging.Verdicts;

namespace Commander.Judging.Backtest.Rules;

/// <summary>
/// Shewhart's control chart ("Economic Control of Quality of Manufactured Product", 1931): rolls back at the first point of any metric that lies more than three standard
/// deviations from the mean of its baseline, in the harmful direction.
/// </summary>
internal sealed class ThreeSigmaRule : Rule
{
    private const double Limit = 3;

    public override string Name => "three-sigma";

    public override IEnumerable<Look> Looks(Recording recording, int last)
    {
        var scores = recording.Series.Select(Scores.Of).ToArray();
        var known = Array.Exists(scores, static score => score is not null);
        for (var tick = 1; tick <= last; tick++)
        {
            var worst = new Look(known ? Decision.Continue : Decision.Hold, 0);
            for (var at = 0; at < scores.Length; at++)
            {
                if (scores[at] is not { } score)
                {
                    continue;
                }
                var beyond = Numbers.Harm(score.Direction, score.At(recording.Series[at], tick)) / Limit;
                if (beyond > worst.Score)
                {
                    worst = new Look(beyond > 1 ? Decision.Rollback : Decision.Continue, beyond, at);
                }
            }
            yield return worst;
        }
    }

    public override string Reason(Recording recording, int tick, Look look) => look.Decision switch
    {
        Decision.Hold => "no metric has two points before the change",
        Decision.Continue => $"no point beyond {Limit} standard deviations",
        _ => $"{recording.Series[look.Series].Name}: a point more than {Limit} standard deviations from its past",
    };
}
