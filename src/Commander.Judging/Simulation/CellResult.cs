using Commander.Judging.Statistics;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Simulation;

/// <summary>How many deployments were rolled back early.</summary>
/// <param name="Seconds">At most so long after the fault's beginning.</param>
/// <param name="RolledBack">How many.</param>
public readonly record struct WithinCount(double Seconds, int RolledBack);

/// <summary>What a judge reached in one cell. Everything that is counted is a number of deployments.</summary>
/// <param name="Cell">The cell's name.</param>
/// <param name="Bad">Whether its deployments have a fault.</param>
/// <param name="Deployments">How many there were.</param>
/// <param name="RolledBack">How many were rolled back: found where there is a fault (from its beginning on), false alarms where there is none.</param>
/// <param name="FalseAlarms">Rolled back without a fault, or before it began.</param>
/// <param name="UpperLimit">Upper limit of the chance of a false alarm: it lies below that with 95 % confidence (Clopper and Pearson 1934, one-sided).</param>
/// <param name="LowerLimit">Lower limit of the same kind.</param>
/// <param name="Within">How many were rolled back within 15 s, 1 minute and 5 minutes of the fault's beginning; empty without a fault.</param>
/// <param name="MedianDelaySeconds">From the fault's beginning to its rollback; null without any.</param>
/// <param name="Continued">How many got CONTINUE at some time (with a fault: and was never rolled back, so it was wrongly waved through).</param>
/// <param name="ContinueSeconds">The 10, 50 and 90 % quantiles of the time to CONTINUE over the deployments that got it; null without any.</param>
/// <param name="Held">How many were on HOLD at the end.</param>
/// <param name="Grounds">What false alarms (or, with a fault, rollbacks) were for, most frequent first.</param>
public sealed record CellResult(
    string Cell,
    bool Bad,
    int Deployments,
    int RolledBack,
    int FalseAlarms,
    double UpperLimit,
    double LowerLimit,
    IReadOnlyList<WithinCount> Within,
    double? MedianDelaySeconds,
    int Continued,
    IReadOnlyList<double>? ContinueSeconds,
    int Held,
    IReadOnlyList<KeyValuePair<string, int>> Grounds)
{
    private const double Confidence = 0.95;

    /// <summary>Adds up a cell. The order of the deployments does not matter.</summary>
    public static CellResult Of(Cell cell, IReadOnlyList<Rehearsed> deployments)
    {
        var (step, fault) = (cell.Scenario.StepSeconds, cell.Scenario.Fault);
        var began = fault?.After ?? 0;
        var delays = new List<double>();
        var continued = new List<double>();
        var grounds = new SortedDictionary<string, int>(StringComparer.Ordinal);
        int early = 0, waved = 0, held = 0;
        foreach (var deployment in deployments)
        {
            if (deployment.Continued is { } carried)
            {
                continued.Add(carried * step);
                waved += fault is null || deployment.RolledBack is null ? 1 : 0;
            }
            held += deployment.Decision == Decision.Hold ? 1 : 0;
            if (deployment.RolledBack is not { } tick)
            {
                continue;
            }
            // A tick that ends when the fault begins has nothing of it.
            if (fault is not null && tick * step > began)
            {
                delays.Add((tick * step) - began);
            }
            else
            {
                early++;
            }
            grounds[deployment.Grounds!] = grounds.GetValueOrDefault(deployment.Grounds!) + 1;
        }
        var count = deployments.Count;
        delays.Sort();
        continued.Sort();
        return new CellResult(
            cell.Name,
            fault is not null,
            count,
            fault is null ? early : delays.Count,
            early,
            UpperLimitOf(early, count),
            1 - UpperLimitOf(count - early, count),
            fault is null ? [] : [In(15), In(60), In(300)],
            delays.Count == 0 ? null : Quantile(delays, 0.5),
            waved,
            continued.Count == 0 ? null : [Quantile(continued, 0.1), Quantile(continued, 0.5), Quantile(continued, 0.9)],
            held,
            [.. grounds.OrderByDescending(static entry => entry.Value)]);

        WithinCount In(double seconds) => new(seconds, delays.Count(delay => delay <= seconds));
    }

    /// <summary>The largest chance under which so few of so many would still be seen in 5 % of all runs, within 1e-9.</summary>
    private static double UpperLimitOf(int part, int whole)
    {
        if (part >= whole)
        {
            return 1;
        }
        var (low, high) = (0.0, 1.0);
        for (var halving = 0; halving < 32; halving++)
        {
            var middle = 0.5 * (low + high);
            if (Binomial.LowerTail(part, whole, middle) > 1 - Confidence)
            {
                low = middle;
            }
            else
            {
                high = middle;
            }
        }
        return high;
    }

    private static double Quantile(List<double> sorted, double share) => sorted[(int)(share * (sorted.Count - 1))];
}
