namespace Commander.Judging.Limits;

/// <summary>
/// The limit that no opinion, model or average may argue with: a large share of all requests so far fails, far more than the reference's,
/// and it is no accident. Read over all requests so far, never per tick: read per tick it rolled back 78 % of harmless services with 5 % errors.
/// </summary>
public static class HardGuard
{
    /// <summary>Fewer requests of the candidate say nothing.</summary>
    public const double Requests = 20;

    /// <summary>The share of failed requests that is too much anywhere.</summary>
    public const double Share = 0.20;

    /// <summary>How far above the reference's share it must be.</summary>
    public const double Above = 0.15;

    /// <summary>The guard's part of the false-alarm budget.</summary>
    public const double Part = 0.1;

    /// <summary>Whether the guard fires.</summary>
    /// <param name="bad">The candidate's failed requests so far.</param>
    /// <param name="total">All requests of the candidate so far.</param>
    /// <param name="referenceShare">The reference's share of failed requests, 0..1.</param>
    /// <param name="logE">ln of the e-value against "no worse"; ln (1 / p) with the looks' spending taken off where there is a p-value.</param>
    /// <param name="falseAlarms">The chance of a false alarm of one metric's guard, 0..1: with the default budget and one metric the e-value must reach 1000.</param>
    public static bool Fires(double bad, double total, double referenceShare, double logE, double falseAlarms) =>
        total >= Requests
        && bad / total >= Math.Max(Share, referenceShare + Above)
        && logE >= Math.Max(Math.Log(1000), -Math.Log(falseAlarms));
}
