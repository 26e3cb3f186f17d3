using Commander.Judging.Evidence;

namespace Commander.Judging.Backtest;

/// <summary>One recorded deployment of a case file (design 5.4).</summary>
/// <param name="Id">Its id.</param>
/// <param name="Source">Where it comes from: summaries are made per source.</param>
/// <param name="Recording">What a judge may see.</param>
/// <param name="Label">BAD, GOOD or null.</param>
/// <param name="Fault">What was wrong, in the data set's words.</param>
/// <param name="Group">What must stay together when data is split.</param>
/// <param name="BelowTolerance">Whether its effect is smaller than the default tolerance, so that no alarm is right: counted apart.</param>
public sealed record Case(string Id, string Source, Recording Recording, string? Label, string? Fault, string? Group, bool BelowTolerance);

/// <summary>What a judge may see of a case: nothing of what is known about it.</summary>
/// <param name="ChangeTime">The change, Unix seconds.</param>
/// <param name="StepSeconds">The distance of the points, above 0.</param>
/// <param name="Restarted">Whether processes started new.</param>
/// <param name="Series">Per metric its series.</param>
public sealed record Recording(double ChangeTime, double StepSeconds, bool Restarted, IReadOnlyList<Series> Series)
{
    /// <summary>How many points there are after the change.</summary>
    public int Length => Series.Count == 0 ? 0 : Series.Max(static series => series.Candidate.Length);

    /// <summary>How many points there are before it.</summary>
    public int Past => Series.Count == 0 ? 0 : Series.Max(static series => series.Baseline.Length);
}

/// <summary>One metric of a case. NaN stands for "no sample".</summary>
/// <param name="Name">Its name.</param>
/// <param name="Unit">Its unit: %, ms, count ...</param>
/// <param name="Kind">gauge or count; null: a count when the unit is "count".</param>
/// <param name="Family">The family; null: read off the name.</param>
/// <param name="Direction">The direction; null: the family's.</param>
/// <param name="Baseline">Up to the change, oldest first.</param>
/// <param name="Candidate">From the change on.</param>
/// <param name="Control">The old version from the change on; null for none.</param>
/// <param name="Seasonal">Baseline and candidate, a day earlier; null for none.</param>
/// <param name="SeasonalWeek">Baseline and candidate, a week earlier; null for none.</param>
public sealed record Series(
    string Name,
    string Unit,
    MetricKind? Kind,
    Family? Family,
    Direction? Direction,
    double[] Baseline,
    double[] Candidate,
    double[]? Control,
    double[]? Seasonal,
    double[]? SeasonalWeek);
