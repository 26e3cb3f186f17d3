using Commander.Judging.Evidence;

namespace Commander.Judging.Backtest.Rules;

/// <summary>A series' points as distances from its past, in standard deviations of the past.</summary>
/// <param name="Mean">The baseline's mean.</param>
/// <param name="Deviation">The baseline's sample standard deviation; 0 when it never moved.</param>
/// <param name="Direction">In which direction a difference is harm.</param>
internal sealed record Scores(double Mean, double Deviation, Direction Direction)
{
    /// <summary>Null when the baseline has fewer than two points.</summary>
    public static Scores? Of(Series series)
    {
        var known = series.Baseline.Where(static value => !double.IsNaN(value)).ToArray();
        if (known.Length < 2)
        {
            return null;
        }
        // A mean of equal values that is rounded would make each of them differ from it.
        var mean = Array.TrueForAll(known, value => value == known[0]) ? known[0] : known.Average();
        double squares = 0;
        foreach (var value in known)
        {
            squares += (value - mean) * (value - mean);
        }
        return new Scores(mean, Math.Sqrt(squares / (known.Length - 1)), DirectionOf(series));
    }

    /// <summary>In which direction a difference of a series is harm: as it says, else its family's.</summary>
    public static Direction DirectionOf(Series series) => series.Direction ?? (series.Family ?? FamilyNames.Of(series.Name)).Direction();

    /// <summary>The score of the candidate's point at a tick from 1 on, above 0 for more than before; infinite when the past never moved; NaN without a sample.</summary>
    public double At(Series series, int tick)
    {
        if (tick > series.Candidate.Length)
        {
            return double.NaN;
        }
        var difference = series.Candidate[tick - 1] - Mean;
        return difference == 0 ? 0 : difference / Deviation;
    }
}
