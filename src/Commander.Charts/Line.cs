using System.Globalization;
using Commander.Judging.Evidence;

namespace Commander.Charts;

/// <summary>A point of a line: seconds from the start of the deployment, and a level; NaN where there is a gap.</summary>
internal readonly record struct Point(double X, double Y);

/// <summary>How one metric's readings become levels.</summary>
/// <param name="Kind">The kind's word: ratio, histogram, gauge or count.</param>
/// <param name="Quantile">For histograms: which quantile, 0 to 1.</param>
internal readonly record struct Scale(string Kind, double Quantile);

/// <summary>Lines from evidence.</summary>
internal static class Line
{
    /// <summary>More points than this are thinned out: a chart is 370 pixels wide.</summary>
    public const int MaxPoints = 240;

    /// <summary>Larger levels are no measurements; drawn, their differences would no longer be numbers.</summary>
    public const double Largest = 1e18;

    /// <summary>The level of a reading, NaN where there is none: ratios in %, histograms as their quantile, counts a second, gauges as they are.</summary>
    public static double Level(EvidenceReading? reading, in Scale scale, double seconds)
    {
        if (reading is null || reading.Quality is not ("value" or "partial"))
        {
            return double.NaN;
        }

        var level = scale.Kind switch
        {
            "ratio" => reading.Total > 0 ? 100 * (reading.Bad ?? double.NaN) / reading.Total.Value : double.NaN,
            "histogram" => reading.Buckets is { } buckets ? Quantile(Buckets(buckets), scale.Quantile) : double.NaN,
            "count" => seconds > 0 ? (reading.Value ?? double.NaN) / seconds : double.NaN,
            _ => reading.Value ?? double.NaN,
        };
        return Math.Abs(level) <= Largest ? level : double.NaN;
    }

    /// <summary>The line of one arm of one metric, in the order of time; gaps are points whose level is NaN.</summary>
    public static List<Point> Of(EvidenceDocument evidence, DateTimeOffset start, string metric, string arm, in Scale scale)
    {
        var points = new List<Point>(evidence.Ticks.Count);
        DateTimeOffset? last = null;
        foreach (var tick in evidence.Ticks)
        {
            var reading = Reading(tick, metric, arm);
            if (reading is null)
            {
                continue;
            }

            var length = (tick.To - tick.From).TotalSeconds;
            // Ticks that were never measured leave a gap too, not a straight line across it.
            if (last is { } end && (tick.From - end).TotalSeconds > length / 2 && points.Count > 0)
            {
                points.Add(new Point(((end + ((tick.From - end) / 2)) - start).TotalSeconds, double.NaN));
            }

            points.Add(new Point((tick.To - start).TotalSeconds, Level(reading, scale, length)));
            last = tick.To;
        }

        return points;
    }

    /// <summary>
    /// The difference the evidence shows up to each tick: for ratios and histograms over everything since the start,
    /// as the finding says it; for gauges and counts at that tick. Against the past where the reference has no readings beside the candidate.
    /// </summary>
    public static List<Point> Difference(EvidenceDocument evidence, DateTimeOffset start, string metric, string referenceArm, in Scale scale)
    {
        var points = new List<Point>(evidence.Ticks.Count);
        var candidate = new Sum();
        var reference = new Sum();
        var besides = referenceArm is not "before";
        var past = new List<double>();
        foreach (var tick in evidence.Ticks)
        {
            var length = (tick.To - tick.From).TotalSeconds;
            var theirs = Reading(tick, metric, referenceArm);
            if (tick.N <= 0)
            {
                if (!besides)
                {
                    reference.Add(theirs);
                    if (Level(theirs, scale, length) is var level && !double.IsNaN(level))
                    {
                        past.Add(level);
                    }
                }

                continue;
            }

            var ours = Reading(tick, metric, "candidate");
            if (ours is null && theirs is null)
            {
                continue;
            }

            candidate.Add(ours);
            if (besides)
            {
                reference.Add(theirs);
            }

            var difference = scale.Kind is "ratio" or "histogram"
                ? candidate.Level(scale) - reference.Level(scale)
                : Level(ours, scale, length) - (besides ? Level(theirs, scale, length) : Median(past));
            // Where the candidate was silent nothing new is known: a gap.
            var known = !double.IsNaN(Level(ours, scale, length)) && Math.Abs(difference) <= Largest;
            points.Add(new Point((tick.To - start).TotalSeconds, known ? difference : double.NaN));
        }

        return points;
    }

    /// <summary>At most <paramref name="most"/> points: per stretch of equal length the lowest and the highest, so that no spike is lost; gaps stay gaps.</summary>
    public static List<Point> Thin(List<Point> points, int most)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 6);
        if (points.Count <= most)
        {
            return points;
        }

        // First and last are kept as they are; a stretch gives at most three points: lowest, highest, one gap.
        var stretches = (most - 2) / 3;
        var thin = new List<Point>(most) { points[0] };
        for (var s = 0; s < stretches; s++)
        {
            var from = 1 + (int)((long)(points.Count - 2) * s / stretches);
            var to = 1 + (int)((long)(points.Count - 2) * (s + 1) / stretches);
            int low = -1, high = -1, gap = -1;
            for (var i = from; i < to; i++)
            {
                if (double.IsNaN(points[i].Y))
                {
                    gap = gap < 0 ? i : gap;
                    continue;
                }

                low = low < 0 || points[i].Y < points[low].Y ? i : low;
                high = high < 0 || points[i].Y > points[high].Y ? i : high;
            }

            Span<int> kept = [low, high == low ? -1 : high, gap];
            kept.Sort();
            foreach (var i in kept)
            {
                if (i >= 0)
                {
                    thin.Add(points[i]);
                }
            }
        }

        thin.Add(points[^1]);
        return thin;
    }

    /// <summary>
    /// The quantile of cumulative bucket counts by linear interpolation inside the bucket, the lower bound of the first being 0
    /// (the rule of Prometheus' histogram_quantile). In the last, unbounded bucket: its lower bound. NaN without observations.
    /// </summary>
    public static double Quantile(IReadOnlyList<(double Edge, double Count)> buckets, double quantile)
    {
        if (buckets.Count == 0 || !(buckets[^1].Count > 0))
        {
            return double.NaN;
        }

        var rank = Math.Clamp(quantile, 0, 1) * buckets[^1].Count;
        double lower = 0, below = 0;
        foreach (var (edge, count) in buckets)
        {
            if (count >= rank && count > below)
            {
                return double.IsPositiveInfinity(edge) ? lower : lower + ((edge - lower) * Math.Clamp((rank - below) / (count - below), 0, 1));
            }

            // Counts that descend are no histogram; the highest seen is the least that can be true.
            below = Math.Max(below, count);
            lower = edge;
        }

        return lower;
    }

    /// <summary>The middle value; NaN of none.</summary>
    public static double Median(List<double> values) => Percentile(values, 0.5);

    /// <summary>The value below which a share of the values lies, by linear interpolation between neighbours; NaN of none.</summary>
    public static double Percentile(List<double> values, double share)
    {
        if (values.Count == 0)
        {
            return double.NaN;
        }

        var sorted = values.Order().ToArray();
        var place = share * (sorted.Length - 1);
        var index = (int)place;
        return index + 1 >= sorted.Length ? sorted[^1] : sorted[index] + ((place - index) * (sorted[index + 1] - sorted[index]));
    }

    /// <summary>A reading of a tick, or null when the metric or arm was not asked.</summary>
    public static EvidenceReading? Reading(EvidenceTick tick, string metric, string arm) =>
        tick.Metrics.TryGetValue(metric, out var arms) && arms.TryGetValue(arm, out var reading) ? reading : null;

    private static List<(double Edge, double Count)> Buckets(IReadOnlyDictionary<string, double> buckets)
    {
        var list = new List<(double Edge, double Count)>(buckets.Count);
        foreach (var (text, count) in buckets)
        {
            if (Edge(text) is { } edge && double.IsFinite(count))
            {
                list.Add((edge, count));
            }
        }

        list.Sort((a, b) => a.Edge.CompareTo(b.Edge));
        return list;
    }

    private static double? Edge(string text) =>
        text is "+Inf" or "Inf" ? double.PositiveInfinity
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var edge) && !double.IsNaN(edge) ? edge
        : null;

    /// <summary>Everything one arm was so far.</summary>
    private sealed class Sum
    {
        private readonly Dictionary<string, double> _buckets = new(StringComparer.Ordinal);
        private double _bad;
        private double _total;

        public void Add(EvidenceReading? reading)
        {
            if (reading is null || reading.Quality is not ("value" or "partial"))
            {
                return;
            }

            _bad += reading.Bad ?? 0;
            _total += reading.Total ?? 0;
            foreach (var (edge, count) in reading.Buckets ?? new Dictionary<string, double>(StringComparer.Ordinal))
            {
                _buckets[edge] = _buckets.GetValueOrDefault(edge) + count;
            }
        }

        public double Level(in Scale scale) => scale.Kind == "ratio"
            ? _total > 0 ? 100 * _bad / _total : double.NaN
            : Quantile(Buckets(_buckets), scale.Quantile);
    }
}
