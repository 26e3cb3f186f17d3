using Commander.Judging.Evidence;

namespace Commander.Judging.Policies;

/// <summary>What a metric is about, read off its name where nobody says so (design 5.4).</summary>
public static class Families
{
    /// <summary>The family of a metric's name, first match: service_*, downstream_*, error, latency or duration or p50..p99, cpu, memory, requests or throughput, else kpi.</summary>
    public static Family Of(string metric)
    {
        ArgumentNullException.ThrowIfNull(metric);
        if (metric.StartsWith("service_", StringComparison.Ordinal))
            return Family.Service;
        if (metric.StartsWith("downstream_", StringComparison.Ordinal))
            return Family.Downstream;
        if (Has(metric, "error"))
            return Family.Error;
        if (Has(metric, "latency") || Has(metric, "duration") || HasQuantile(metric))
            return Family.Latency;
        if (Has(metric, "cpu"))
            return Family.Cpu;
        if (Has(metric, "memory"))
            return Family.Memory;
        return Has(metric, "requests") || Has(metric, "throughput") ? Family.Traffic : Family.Kpi;
    }

    /// <summary>In which direction a difference of this family is harm where nobody says so: traffic down, kpi either, all others up.</summary>
    public static Direction DirectionOf(Family family) => family switch
    {
        Family.Traffic => Direction.Down,
        Family.Kpi => Direction.Either,
        _ => Direction.Up,
    };

    private static bool Has(string metric, string word) => metric.Contains(word, StringComparison.OrdinalIgnoreCase);

    /// <summary>p50 to p99 as a word of its own: latency_p95, p99, but not http500 or step12.</summary>
    private static bool HasQuantile(string metric)
    {
        for (var i = 0; i + 2 < metric.Length; i++)
        {
            var begins = i == 0 || !char.IsAsciiLetterOrDigit(metric[i - 1]);
            if (begins && metric[i] is 'p' or 'P' && metric[i + 1] is >= '5' and <= '9' && char.IsAsciiDigit(metric[i + 2]))
                return true;
        }

        return false;
    }
}
