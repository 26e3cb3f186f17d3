using Commander.Judging.Evidence;

namespace Commander.Judging.Backtest;

/// <summary>Cuts a recording into the ticks a watch would have had.</summary>
public static class CaseTicks
{
    /// <summary>The tick that ends n steps after the change: of the past for n &lt;= 0, down to 1 - <see cref="Recording.Past"/>.</summary>
    public static Tick At(Recording recording, IReadOnlyList<MetricSeries> sources, int n)
    {
        var tick = new Tick(n, 1, sources.Count);
        for (var index = 0; index < sources.Count; index++)
        {
            var source = sources[index];
            if (source.Values < 0)
            {
                continue;
            }
            var values = recording.Series[source.Values];
            if (source.Totals < 0)
            {
                Fill(tick, index, n, values, null);
            }
            else
            {
                Fill(tick, index, n, values, recording.Series[source.Totals]);
            }
        }
        return tick;
    }

    private static void Fill(Tick tick, int index, int n, Series values, Series? totals)
    {
        if (n <= 0)
        {
            tick[index, Arm.Before] = Reading(values.Baseline, totals?.Baseline, values.Baseline.Length - 1 + n, (totals?.Baseline.Length ?? 0) - 1 + n);
        }
        else
        {
            tick[index, Arm.Candidate] = Reading(values.Candidate, totals?.Candidate, n - 1, n - 1);
            if (values.Control is not null)
            {
                tick[index, Arm.Control] = Reading(values.Control, totals?.Control, n - 1, n - 1);
            }
        }
        if ((values.Seasonal ?? values.SeasonalWeek) is null)
        {
            return;
        }
        var at = values.Baseline.Length - 1 + n;
        var totalAt = (totals?.Baseline.Length ?? 0) - 1 + n;
        // Yesterday, and where it has a hole last week.
        var day = Reading(values.Seasonal, totals?.Seasonal, at, totalAt);
        tick[index, Arm.Seasonal] = day.HasValue ? day : Reading(values.SeasonalWeek, totals?.SeasonalWeek, at, totalAt);

        Reading Reading(double[]? own, double[]? all, int position, int totalPosition)
        {
            var value = At(own, position);
            if (double.IsNaN(value))
            {
                return Evidence.Reading.Missing(Quality.Empty);
            }
            if (totals is null)
            {
                return new Reading(Quality.Value, value);
            }
            var total = At(all, totalPosition);
            return double.IsNaN(total) ? Evidence.Reading.Missing(Quality.Empty) : new Reading(Quality.Value, value, total);
        }
    }

    private static double At(double[]? values, int position) => values is not null && position >= 0 && position < values.Length ? values[position] : double.NaN;
}
