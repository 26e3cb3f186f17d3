using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Backtest.Rules;

/// <summary>A level that a rule with a fixed threshold asks for, found in a recording by family and unit.</summary>
/// <param name="Series">The place of the series it is read from; of two counts that of the bad ones.</param>
/// <param name="Total">The place of the series of all events; -1 when <paramref name="Series"/> is the level itself.</param>
/// <param name="Scale">What one unit of the series is worth in the level's unit.</param>
internal readonly record struct Signal(int Series, int Total, double Scale)
{
    /// <summary>The share of failed requests, in %: a percentage of family error, else errors of requests. Null when there is neither.</summary>
    public static Signal? ErrorPercent(Recording recording)
    {
        int errors = -1, requests = -1;
        for (var at = 0; at < recording.Series.Count; at++)
        {
            var series = recording.Series[at];
            if (Of(series) == Family.Error && HealthTerms.IsPercent(series.Unit))
            {
                return new Signal(at, -1, 1);
            }
            if (series.Unit == "count")
            {
                errors = series.Name == "errors" ? at : errors;
                requests = series.Name == "requests" ? at : requests;
            }
        }
        return errors >= 0 && requests >= 0 ? new Signal(errors, requests, 100) : null;
    }

    /// <summary>The response time, in ms: of the service's own the first whose name has one of the parts, in their order, else the first there is. Null when there is none.</summary>
    public static Signal? Milliseconds(Recording recording, params ReadOnlySpan<string> preferred)
    {
        Signal? best = null;
        var rank = int.MaxValue;
        for (var at = 0; at < recording.Series.Count; at++)
        {
            var series = recording.Series[at];
            if (Of(series) != Family.Latency || HealthTerms.Milliseconds(series.Unit) is not { } scale)
            {
                continue;
            }
            var own = preferred.Length;
            for (var part = 0; part < preferred.Length; part++)
            {
                if (series.Name.Contains(preferred[part], StringComparison.Ordinal))
                {
                    own = part;
                    break;
                }
            }
            if (own < rank)
            {
                (best, rank) = (new Signal(at, -1, scale), own);
            }
        }
        return best;
    }

    /// <summary>The candidate's level at a tick from 1 on; NaN without a sample.</summary>
    public double At(Recording recording, int tick)
    {
        var value = Point(recording.Series[Series].Candidate, tick);
        if (Total < 0)
        {
            return Scale * value;
        }
        var total = Point(recording.Series[Total].Candidate, tick);
        return total > 0 ? Scale * value / total : double.NaN;
    }

    private static double Point(double[] values, int tick) => tick <= values.Length ? values[tick - 1] : double.NaN;

    private static Family Of(Series series) => series.Family ?? FamilyNames.Of(series.Name);
}
