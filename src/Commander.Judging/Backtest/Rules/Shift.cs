using MathNet.Numerics.Distributions;

namespace Commander.Judging.Backtest.Rules;

/// <summary>How far one sample lies above another, with the interval that inverts the Mann-Whitney test, as Kayenta computes it (kayenta-mannwhitney, MannWhitney.scala, after R's wilcox.test).</summary>
/// <param name="Low">Lower limit of the shift.</param>
/// <param name="High">Upper limit.</param>
/// <param name="Estimate">The shift at which the test statistic is 0: the Hodges-Lehmann estimate, to the solver's tolerance of 1e-4.</param>
public readonly record struct Shift(double Low, double High, double Estimate)
{
    /// <summary>The shift of x over y.</summary>
    /// <param name="x">First sample, not empty, no NaN.</param>
    /// <param name="y">Second sample, not empty, no NaN.</param>
    /// <param name="confidence">Of the two-sided interval, between 0 and 1.</param>
    /// <returns>Null when every value of both samples is the same, or would be at an end of the search: the statistic has no scatter there.</returns>
    public static Shift? Of(ReadOnlySpan<double> x, ReadOnlySpan<double> y, double confidence)
    {
        var (one, two) = (x.ToArray(), y.ToArray());
        Array.Sort(one);
        Array.Sort(two);
        var (from, to) = (one[0] - two[^1], one[^1] - two[0]);
        if (double.IsNaN(Sorted(from, one, two)) || double.IsNaN(Sorted(to, one, two)))
        {
            return null;
        }
        var z = Normal.InvCDF(0, 1, (1 - confidence) / 2);
        return new Shift(Limit(-z), Limit(z), Root(0));

        double Limit(double quantile) =>
            Sorted(from, one, two) - quantile <= 0 ? from
            : Sorted(to, one, two) - quantile >= 0 ? to
            : Root(quantile);

        double Root(double quantile) =>
            Brent.Root(from, to, Sorted(from, one, two) - quantile, Sorted(to, one, two) - quantile, shift => Sorted(shift, one, two) - quantile);
    }

    /// <summary>The standardised rank sum of x - shift among both, with correction for continuity and ties; NaN when all values are tied.</summary>
    /// <param name="shift">How much is taken off every x.</param>
    /// <param name="x">First sample.</param>
    /// <param name="y">Second sample.</param>
    public static double Statistic(double shift, ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        var (one, two) = (x.ToArray(), y.ToArray());
        Array.Sort(one);
        Array.Sort(two);
        return Sorted(shift, one, two);
    }

    // Both sorted, so one merge gives ranks and ties. All sums are of halves: exact, whatever their order.
    private static double Sorted(double shift, double[] x, double[] y)
    {
        double n = x.Length, m = y.Length, ranks = 0, ties = 0, rank = 0;
        for (int at = 0, other = 0; at < x.Length || other < y.Length;)
        {
            var value = at < x.Length ? x[at] - shift : double.PositiveInfinity;
            if (other < y.Length && y[other] < value)
            {
                value = y[other];
            }
            var (ofX, ofY) = (0, 0);
            for (; at < x.Length && x[at] - shift == value; at++)
            {
                ofX++;
            }
            for (; other < y.Length && y[other] == value; other++)
            {
                ofY++;
            }
            double tied = ofX + ofY;
            if (tied == 0)
            {
                // Values so large that their difference is no number any more.
                return double.NaN;
            }
            ranks += ofX * (rank + ((tied + 1) / 2));
            ties += (tied * tied * tied) - tied;
            rank += tied;
        }
        var difference = ranks - (n * (n + 1) / 2) - (n * m / 2);
        var deviation = Math.Sqrt(n * m / 12 * (n + m + 1 - (ties / ((n + m) * (n + m - 1)))));
        return deviation == 0 ? double.NaN : (difference - (0.5 * Math.Sign(difference))) / deviation;
    }
}
