using Commander.Judging.Statistics;

namespace Commander.Judging.Tests.Simulated;

/// <summary>
/// The conditional-binomial e-value of two arms that run at the same time: given that an error happened, under "the candidate is no worse"
/// it is the candidate's with at most the candidate's share of the requests.
/// Source: Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022; the prior is cut to the side of harm.
/// The judge uses a grid of ratios instead, which a ramp does not mislead; at a steady share this says what the grid must.
/// </summary>
internal static class ErrorSplit
{
    /// <summary>
    /// ln E with the prior Beta(a, b) cut to (share, 1). Evidence against "no worse" is e-value 1/alpha or more, at any time.
    /// </summary>
    /// <param name="candidate">Errors of the candidate, &gt;= 0; may be divided by the dispersion.</param>
    /// <param name="reference">Errors of the reference in the same seconds, &gt;= 0.</param>
    /// <param name="share">The candidate's share of the requests, in (0, 1).</param>
    /// <param name="a">The prior's first parameter, &gt; 0.</param>
    /// <param name="b">The prior's second parameter, &gt; 0.</param>
    public static double LogE(double candidate, double reference, double share, double a = 1, double b = 1) =>
        Binomial.LnBeta(candidate + a, reference + b)
        + LogAbove(share, candidate + a, reference + b)
        - Binomial.LnBeta(a, b)
        - LogAbove(share, a, b)
        - (candidate * Math.Log(share))
        - (reference * Math.Log(1 - share));

    // ln (1 - I_x(a, b)) as the other tail, so that it keeps its digits.
    private static double LogAbove(double x, double a, double b) =>
        Math.Log(Math.Max(Binomial.IncompleteBeta(1 - x, b, a), Binomial.Smallest));
}
