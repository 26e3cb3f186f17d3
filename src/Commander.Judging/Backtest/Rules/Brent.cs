namespace Commander.Judging.Backtest.Rules;

/// <summary>Brent's method to find a root ("Algorithms for Minimization without Derivatives", 1973, chapter 4), step for step as netlib's zeroin, R's uniroot and Kayenta's BrentSolver do it.</summary>
internal static class Brent
{
    /// <summary>Kayenta's absolute tolerance. Its judge's answers depend on it: roots of samples on scales near or below it are artefacts that are reproduced here.</summary>
    public const double Tolerance = 1e-4;

    private const int MostIterations = 1001;
    private const double Epsilon = 2.220446049250313e-16;

    /// <summary>A root of a function between two points at which it has different signs.</summary>
    /// <param name="a">One end.</param>
    /// <param name="b">The other end.</param>
    /// <param name="fa">The function at <paramref name="a"/>.</param>
    /// <param name="fb">The function at <paramref name="b"/>.</param>
    /// <param name="function">The function.</param>
    public static double Root(double a, double b, double fa, double fb, Func<double, double> function)
    {
        if (fa == 0)
        {
            return a;
        }
        if (fb == 0)
        {
            return b;
        }
        // b is the best so far, a the one before it, c lies on the other side of the root.
        var (c, fc) = (a, fa);
        for (var iteration = 0; iteration < MostIterations; iteration++)
        {
            var previous = b - a;
            if (Math.Abs(fc) < Math.Abs(fb))
            {
                (a, b, c) = (b, c, b);
                (fa, fb, fc) = (fb, fc, fb);
            }
            var tolerance = (2 * Epsilon * Math.Abs(b)) + (Tolerance / 2);
            var step = (c - b) / 2;
            if (Math.Abs(step) <= tolerance || fb == 0)
            {
                return b;
            }
            if (Math.Abs(previous) >= tolerance && Math.Abs(fa) > Math.Abs(fb))
            {
                double p, q;
                var width = c - b;
                if (a == c)
                {
                    // Linear.
                    var ratio = fb / fa;
                    (p, q) = (width * ratio, 1 - ratio);
                }
                else
                {
                    // Inverse quadratic.
                    q = fa / fc;
                    var (one, two) = (fb / fc, fb / fa);
                    p = two * ((width * q * (q - one)) - ((b - a) * (one - 1)));
                    q = (q - 1) * (one - 1) * (two - 1);
                }
                (p, q) = p > 0 ? (p, -q) : (-p, q);
                if (p < (0.75 * width * q) - (Math.Abs(tolerance * q) / 2) && p < Math.Abs(previous * q / 2))
                {
                    step = p / q;
                }
            }
            if (Math.Abs(step) < tolerance)
            {
                step = step > 0 ? tolerance : -tolerance;
            }
            (a, fa) = (b, fb);
            b += step;
            fb = function(b);
            if ((fb > 0 && fc > 0) || (fb < 0 && fc < 0))
            {
                (c, fc) = (a, fa);
            }
        }
        return b;
    }
}
