namespace Commander.Judging.Evidence;

/// <summary>Which family a metric belongs to when nobody says so: read off its name, first match (design 5.4).</summary>
public static class FamilyNames
{
    /// <summary>The family of a metric's name; <see cref="Family.Kpi"/> when nothing matches.</summary>
    public static Family Of(string name)
    {
        if (name.StartsWith("service_", StringComparison.Ordinal))
        {
            return Family.Service;
        }
        if (name.StartsWith("downstream_", StringComparison.Ordinal))
        {
            return Family.Downstream;
        }
        if (Has(name, "error"))
        {
            return Family.Error;
        }
        if (Has(name, "latency") || Has(name, "duration") || Has(name, "response_time") || HasQuantile(name))
        {
            return Family.Latency;
        }
        if (Has(name, "cpu"))
        {
            return Family.Cpu;
        }
        if (Has(name, "memory"))
        {
            return Family.Memory;
        }
        return Has(name, "requests") || Has(name, "throughput") ? Family.Traffic : Family.Kpi;
    }

    /// <summary>In which direction a family's difference is harm when nobody says so.</summary>
    public static Direction Direction(this Family family) => family switch
    {
        Family.Traffic => Evidence.Direction.Down,
        Family.Kpi => Evidence.Direction.Either,
        _ => Evidence.Direction.Up,
    };

    private static bool Has(string name, string part) => name.Contains(part, StringComparison.Ordinal);

    // p50 to p99, as a word part of its own: "p95", "x_p99", not "http500".
    private static bool HasQuantile(string name)
    {
        for (var at = 0; at + 2 < name.Length; at++)
        {
            if (name[at] == 'p'
                && (at == 0 || !char.IsAsciiLetterOrDigit(name[at - 1]))
                && name[at + 1] is >= '5' and <= '9'
                && char.IsAsciiDigit(name[at + 2])
                && (at + 3 == name.Length || !char.IsAsciiDigit(name[at + 3]) || name[at + 1] == '9'))
            {
                return true;
            }
        }
        return false;
    }
}
