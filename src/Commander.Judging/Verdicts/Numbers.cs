using Commander.Judging.Evidence;
using Commander.Judging.Policies;

namespace Commander.Judging.Verdicts;

/// <summary>What a reading is worth to the judge.</summary>
internal enum Presence
{
    /// <summary>It is known that nothing came: no series, no point, no request.</summary>
    Silent = 0,
    /// <summary>A number.</summary>
    Number,
    /// <summary>Nobody knows: the source failed, or its number is none.</summary>
    Unknown,
}

/// <summary>Reads readings: a source's nonsense is no number, and no silence either.</summary>
internal static class Numbers
{
    // Larger numbers would lose whole events in sums of doubles.
    private const double Largest = 1e15;

    public static Presence Of(in Reading reading, MetricKind kind)
    {
        if (!reading.HasValue)
        {
            return reading.Quality == Quality.Empty ? Presence.Silent : Presence.Unknown;
        }
        switch (kind)
        {
            case MetricKind.Ratio:
                if (!(reading.Value >= 0 && reading.Total >= reading.Value && reading.Total <= Largest))
                {
                    return Presence.Unknown;
                }
                return reading.Total > 0 ? Presence.Number : Presence.Silent;
            case MetricKind.Histogram:
                if (reading.Buckets is not { } buckets || !Valid(buckets))
                {
                    return Presence.Unknown;
                }
                return buckets.Total > 0 ? Presence.Number : Presence.Silent;
            case MetricKind.Count:
                if (!(reading.Value >= 0 && reading.Value <= Largest))
                {
                    return Presence.Unknown;
                }
                return reading.Value > 0 ? Presence.Number : Presence.Silent;
            default:
                return Math.Abs(reading.Value) <= Largest ? Presence.Number : Presence.Unknown;
        }
    }

    /// <summary>A reading's quality; of a number that cannot be, why it is none, whatever the source called it.</summary>
    public static Quality QualityOf(in Reading reading, MetricKind kind) => !reading.HasValue || Of(reading, kind) != Presence.Unknown
        ? reading.Quality
        : double.IsFinite(reading.Value) && double.IsFinite(reading.Total) ? Quality.Error : Quality.Nan;

    /// <summary>How many requests a reading stands for; 0 for levels.</summary>
    public static double Requests(in Reading reading, MetricKind kind) => kind switch
    {
        MetricKind.Ratio => reading.Total,
        MetricKind.Histogram => reading.Buckets!.Total,
        MetricKind.Count => reading.Value,
        _ => 0,
    };

    private static bool Valid(Buckets buckets)
    {
        var (edges, counts) = (buckets.Edges, buckets.Counts);
        if (edges.Length == 0 || edges.Length != counts.Length || !double.IsPositiveInfinity(edges[^1]) || !(counts[^1] <= Largest))
        {
            return false;
        }
        double count = 0;
        var edge = double.NegativeInfinity;
        for (var at = 0; at < edges.Length; at++)
        {
            if (!(counts[at] >= count) || !(edges[at] > edge))
            {
                return false;
            }
            (count, edge) = (counts[at], edges[at]);
        }
        return true;
    }

    /// <summary>The tolerance of a ratio as a proportion.</summary>
    public static double RatioTolerance(MetricPolicy metric, double reference) =>
        metric.Tolerance.Relative
            ? Math.Max(1e-4, metric.Tolerance.Amount * (reference + (metric.Floor / 100)))
            : metric.Tolerance.Amount / 100;

    /// <summary>A difference with the sign that makes harm positive.</summary>
    public static double Harm(Direction direction, double difference) => direction switch
    {
        Direction.Up => difference,
        Direction.Down => -difference,
        _ => Math.Abs(difference),
    };
}
