using MathNet.Numerics;

namespace Commander.Judging.Statistics;

/// <summary>Binomial and beta functions on counts that may be fractional, because counts are divided by their dispersion.</summary>
public static class Binomial
{
    /// <summary>Smaller probabilities are given as this one, so that their logarithm stays finite.</summary>
    public const double Smallest = 1e-300;

    // From here on the continued fraction of the beta function runs out of digits, and the normal limit (de Moivre) is right to six of them.
    private const double Large = 1e12;

    /// <summary>ln B(a, b), for a, b &gt; 0.</summary>
    public static double LnBeta(double a, double b) =>
        SpecialFunctions.GammaLn(a) + SpecialFunctions.GammaLn(b) - SpecialFunctions.GammaLn(a + b);

    /// <summary>The regularised incomplete beta function I_x(a, b), for a, b &gt; 0 and x in 0..1.</summary>
    public static double IncompleteBeta(double x, double a, double b) => x <= 0 ? 0 : x >= 1 ? 1 : SpecialFunctions.BetaRegularized(a, b, x);

    /// <summary>P(Bin(n, p) &gt;= x) = I_p(x, n - x + 1), at least <see cref="Smallest"/>. Counts are at least 0, x at most n.</summary>
    public static double UpperTail(double x, double n, double p) =>
        x <= 0 ? 1 : x > n ? Smallest : n > Large ? Normal((x - 0.5 - (n * p)) / Math.Sqrt(n * p * (1 - p))) : Math.Clamp(IncompleteBeta(p, x, n - x + 1), Smallest, 1);

    /// <summary>P(Bin(n, p) &lt;= x) = I_(1-p)(n - x, x + 1), at least <see cref="Smallest"/>. Counts are at least 0, x at most n.</summary>
    public static double LowerTail(double x, double n, double p) =>
        x >= n ? 1 : x < 0 ? Smallest : n > Large ? Normal(((n * p) - x - 0.5) / Math.Sqrt(n * p * (1 - p))) : Math.Clamp(IncompleteBeta(1 - p, n - x, x + 1), Smallest, 1);

    // The chance that a standard normal is above z. A p of 0 or 1 gives an infinite z, or none where nothing is expected otherwise.
    private static double Normal(double z) => double.IsNaN(z) ? 1 : Math.Clamp(0.5 * SpecialFunctions.Erfc(z / Math.Sqrt(2)), Smallest, 1);

    /// <summary>x ln p + (n - x) ln (1 - p), with 0 ln 0 = 0.</summary>
    public static double LogLikelihood(double x, double n, double p)
    {
        var good = n - x;
        return (x > 0 ? x * Math.Log(p) : 0) + (good > 0 ? good * Math.Log(1 - p) : 0);
    }

    /// <summary>The log likelihood of x of n, averaged over p with the prior Beta(a, b): a martingale in n whatever the true p is, when p is drawn from the prior.</summary>
    public static double LogMixture(double x, double n, double a, double b) => LnBeta(x + a, n - x + b) - LnBeta(a, b);
}
