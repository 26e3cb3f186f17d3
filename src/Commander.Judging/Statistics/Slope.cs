namespace Commander.Judging.Statistics;

/// <summary>The slope of a short series: how much, by the median of the slopes of all pairs; and whether it is none, by a test that allows for autocorrelation.</summary>
public static class Slope
{
    /// <summary>With fewer points nothing is said.</summary>
    public const int Least = 8;

    /// <summary>The median of the slopes of all pairs of points (Theil 1950, Sen 1968), in units a unit of time; NaN for fewer than two points.</summary>
    /// <param name="when">When, ascending; at most 48.</param>
    /// <param name="values">The values.</param>
    public static double TheilSen(ReadOnlySpan<double> when, ReadOnlySpan<double> values)
    {
        Span<double> slopes = stackalloc double[48 * 47 / 2];
        var count = 0;
        for (var one = 0; one < when.Length; one++)
        {
            for (var other = one + 1; other < when.Length; other++)
            {
                slopes[count++] = (values[other] - values[one]) / (when[other] - when[one]);
            }
        }
        return Robust.Median(slopes[..count]);
    }

    /// <summary>
    /// The chance of a slope as steep as this one, or steeper, in a series that goes nowhere: Student's test of the linear part of a parabola through the points, so that a
    /// bend is not taken for noise. Its error is made larger, and its degrees of freedom fewer, by what autocorrelation at lag 1 leaves of n points,
    /// n (1 - rho) / (1 + rho) of them; rho is the larger of what is known and what the residuals show.
    /// </summary>
    /// <param name="when">When, ascending, in equal steps with or without holes.</param>
    /// <param name="values">The values.</param>
    /// <param name="correlation">The autocorrelation of neighbours that is known from elsewhere, 0..0.95.</param>
    /// <param name="ending">The slope at the last point, as a multiple of the slope in the middle: 1 for a line, near 0 for what has come to an end.</param>
    /// <returns>0..1; 1 for fewer than <see cref="Least"/> points.</returns>
    public static double Chance(ReadOnlySpan<double> when, ReadOnlySpan<double> values, double correlation, out double ending)
    {
        ending = 0;
        var count = when.Length;
        if (count < Least)
        {
            return 1;
        }
        double meanWhen = 0, meanValue = 0;
        for (var at = 0; at < count; at++)
        {
            meanWhen += when[at];
            meanValue += values[at];
        }
        meanWhen /= count;
        meanValue /= count;
        double squares = 0, cubes = 0, line = 0;
        for (var at = 0; at < count; at++)
        {
            var time = when[at] - meanWhen;
            squares += time * time;
            cubes += time * time * time;
            line += time * (values[at] - meanValue);
        }
        var slope = line / squares;
        // The parabola's own part, at right angles to the mean and to the line.
        var meanSquare = squares / count;
        double bends = 0, bent = 0;
        for (var at = 0; at < count; at++)
        {
            var bow = Bow(when[at] - meanWhen);
            bends += bow * bow;
            bent += bow * (values[at] - meanValue);
        }
        var bend = bends > 0 ? bent / bends : 0;
        double left = 0, neighbours = 0, before = 0;
        for (var at = 0; at < count; at++)
        {
            var time = when[at] - meanWhen;
            var residual = values[at] - meanValue - (slope * time) - (bend * Bow(time));
            left += residual * residual;
            neighbours += residual * before;
            before = residual;
        }
        var last = when[^1] - meanWhen;
        ending = slope > 0 ? 1 + (bend * ((2 * last) - (cubes / squares)) / slope) : 0;
        if (!(slope > 0))
        {
            return 1;
        }
        // Three parameters taken out make residuals look less alike than they are.
        var alike = Math.Clamp(Math.Max(correlation, left > 0 ? (neighbours / left) + (2.0 / count) : 0), 0, 0.95);
        var worth = (1 - alike) / (1 + alike);
        var freedom = Math.Max(1, (count * worth) - 3);
        var error = left / (count - 3) / (squares * worth);
        // A line without any residual is no more certain than its rounding.
        var rounding = 1e-12 * ((meanValue * meanValue) + (slope * slope * squares)) / squares;
        var student = slope * slope / Math.Max(error, rounding);
        return 0.5 * Binomial.IncompleteBeta(freedom / (freedom + student), 0.5 * freedom, 0.5);

        double Bow(double time) => (time * time) - meanSquare - (cubes / squares * time);
    }

    /// <summary>The autocorrelation of neighbouring means of so many values each, of a series whose values have this autocorrelation at lag 1 (AR(1)); below 1.</summary>
    /// <param name="correlation">Of the values, 0 up to 1 exclusive.</param>
    /// <param name="values">How many make a mean, at least 1.</param>
    public static double OfMeans(double correlation, double values)
    {
        var rest = 1 - Math.Pow(correlation, values);
        return correlation <= 0 ? 0 : correlation * rest * rest / ((values * (1 - (correlation * correlation))) - (2 * correlation * rest));
    }
}
