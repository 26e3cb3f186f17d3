namespace Commander.Judging.Verdicts;

/// <summary>The literal health score: 100 - 2 error% - 0.5 (memory% - 70) - 0.01 (response ms - 500), terms with no value left out.</summary>
internal static class HealthTerms
{
    /// <summary>Below this score the judge health-score rolls back.</summary>
    public const double Bad = 50;

    public static double ErrorCost(double percent) => 2 * percent;

    public static double MemoryCost(double percent) => 0.5 * (percent - 70);

    public static double ResponseCost(double milliseconds) => 0.01 * (milliseconds - 500);

    /// <summary>Unrounded, clamped to 0..100; null when no term has a value.</summary>
    public static double? Score(double? errors, double? memory, double? response)
    {
        if (errors is null && memory is null && response is null)
        {
            return null;
        }
        var cost = (errors is { } error ? ErrorCost(error) : 0)
            + (memory is { } used ? MemoryCost(used) : 0)
            + (response is { } time ? ResponseCost(time) : 0);
        return Math.Clamp(100 - cost, 0, 100);
    }

    public static bool IsPercent(string? unit) => unit is "%" or "percent";

    /// <summary>What a latency's unit is worth in milliseconds; null for what is no time.</summary>
    public static double? Milliseconds(string? unit) => unit switch
    {
        "ms" => 1,
        "s" => 1000,
        "us" => 0.001,
        _ => null,
    };

    /// <summary>p95, else p99, else the mean: lower is preferred.</summary>
    public static int Rank(string metric, bool histogram)
    {
        if (histogram || metric.Contains("p95", StringComparison.Ordinal))
        {
            return 0;
        }
        if (metric.Contains("p99", StringComparison.Ordinal))
        {
            return 1;
        }
        // Other quantiles are no mean.
        return metric.Contains("p50", StringComparison.Ordinal) || metric.Contains("p90", StringComparison.Ordinal) ? 3 : 2;
    }
}
