namespace Commander.Judging.Statistics;

/// <summary>
/// Whether requests are shared out as intended: the anytime-valid multinomial test of two arms (Lindon and Malek, NeurIPS 2022). Under the intended share the e-value is a
/// martingale, so the chance that it ever reaches 1/alpha is at most alpha, however often it is looked at.
/// </summary>
public static class ShareMismatch
{
    // How many requests' worth the prior stands on the intended share: mismatches of a few percent of the share are found with the fewest requests.
    private const double Prior = 100;

    /// <summary>ln of the e-value against "every request goes to the candidate with the intended chance".</summary>
    /// <param name="candidate">Requests of the candidate, at least 0; divided by the dispersion where requests come in bursts.</param>
    /// <param name="control">Requests of the control, likewise.</param>
    /// <param name="intended">The candidate's intended share, above 0 and below 1.</param>
    public static double LogE(double candidate, double control, double intended) =>
        Binomial.LogMixture(candidate, candidate + control, Prior * intended, Prior * (1 - intended)) - Binomial.LogLikelihood(candidate, candidate + control, intended);
}
