using System.Globalization;
using Commander.Judging.Evidence;
using Commander.Judging.Policies;

namespace Commander.Server.Sources;

/// <summary>One bucket of one instance, with what it grew by.</summary>
internal readonly record struct GrownBucket(Label[] Labels, Increment Grown);

/// <summary>Adds up the buckets (label le) of classic histograms over their instances.</summary>
internal static class ClassicHistogram
{
    /// <summary>No histogram has more.</summary>
    public const int MaxBuckets = 256;

    /// <param name="series">The buckets of all instances; those without a point in the interval are passed over.</param>
    /// <param name="metric">The metric.</param>
    /// <param name="what">Whose buckets they are, for messages.</param>
    /// <param name="notWhole">Why a growth does not cover its interval.</param>
    public static Reading AddUp(IReadOnlyList<GrownBucket> series, MetricPolicy metric, string what, string notWhole)
    {
        var instances = new HashSet<Label[]>(SameInstance.Only);
        var edges = new Dictionary<double, (Increment Grown, int Instances)>(16);
        var all = Increment.None;
        foreach (var (labels, grown) in series)
        {
            if (!grown.Any)
            {
                continue;
            }
            if (!Edge(Label.Find(labels, "le"), out var edge))
            {
                return Reading.Missing(Quality.Error, $"metrics.{metric.Name}: {what} has a series without a bucket's bound (label le); ask for ..._bucket");
            }
            instances.Add(labels);
            var before = edges.GetValueOrDefault(edge, (Grown: Increment.None, Instances: 0));
            edges[edge] = (before.Grown + grown, before.Instances + 1);
            all += grown;
        }
        // Instances with other bounds than the rest can only be added up where all have one.
        var kept = edges.Where(pair => pair.Value.Instances == instances.Count).ToArray();
        Array.Sort(kept, static (one, other) => one.Key.CompareTo(other.Key));
        if (kept.Length == 0 || !double.IsPositiveInfinity(kept[^1].Key))
        {
            return Reading.Missing(Quality.Error, $"{what}: its buckets have no common bound +Inf");
        }
        if (kept.Length > MaxBuckets)
        {
            return Reading.Missing(Quality.Error, $"{what} has {kept.Length} buckets, at most {MaxBuckets} are read");
        }
        var bounds = new double[kept.Length];
        var counts = new double[kept.Length];
        double least = 0;
        for (var i = 0; i < kept.Length; i++)
        {
            bounds[i] = kept[i].Key * metric.Scale;
            // Buckets that an exporter writes one after the other may disagree by an observation.
            counts[i] = least = Math.Max(least, kept[i].Value.Grown.Amount);
        }
        return new Reading(
            all.Whole ? Quality.Value : Quality.Partial,
            Buckets: new Buckets(bounds, counts),
            At: all.At,
            Detail: all.Whole ? null : notWhole);
    }

    private static bool Edge(string le, out double edge)
    {
        edge = double.PositiveInfinity;
        return le is "+Inf" or "inf" or "Inf" || (double.TryParse(le, NumberStyles.Float, CultureInfo.InvariantCulture, out edge) && !double.IsNaN(edge));
    }

    /// <summary>Labels that differ in nothing but the bucket's bound.</summary>
    private sealed class SameInstance : IEqualityComparer<Label[]>
    {
        public static readonly SameInstance Only = new();

        public bool Equals(Label[]? one, Label[]? other)
        {
            var (i, j) = (0, 0);
            while (true)
            {
                i += i < one!.Length && one[i].Name == "le" ? 1 : 0;
                j += j < other!.Length && other[j].Name == "le" ? 1 : 0;
                if (i == one.Length || j == other.Length)
                {
                    return i == one.Length && j == other.Length;
                }
                if (one[i++] != other[j++])
                {
                    return false;
                }
            }
        }

        public int GetHashCode(Label[] labels)
        {
            var hash = 0;
            foreach (var (name, value) in labels)
            {
                hash = name == "le" ? hash : (hash * 31) + string.GetHashCode(value, StringComparison.Ordinal);
            }
            return hash;
        }
    }
}
