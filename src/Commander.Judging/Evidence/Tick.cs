namespace Commander.Judging.Evidence;

/// <summary>Cumulative counts per bucket over one interval, as a classic histogram has them.</summary>
/// <param name="Edges">Ascending upper bounds in the metric's own unit as the source gives it; the last is positive infinity.</param>
/// <param name="Counts">Per edge, how many observations were at or below it; never descending, same length as <paramref name="Edges"/>.</param>
public sealed record Buckets(double[] Edges, double[] Counts)
{
    /// <summary>All observations.</summary>
    public double Total => Counts.Length == 0 ? 0 : Counts[^1];
}

/// <summary>What one metric of one arm was over one tick. Which numbers count is said by the metric's kind.</summary>
/// <param name="Quality">Whether there is a number, and if not, why.</param>
/// <param name="Value">Gauge: the level. Count: events over the interval. Ratio: bad events over the interval.</param>
/// <param name="Total">Ratio: all events over the interval. Otherwise 0.</param>
/// <param name="Buckets">Histogram: counts per bucket. Otherwise null.</param>
/// <param name="At">The instant the reading ends at, Unix milliseconds; 0 when there is none.</param>
/// <param name="Detail">Why there is no number, in words for a person; null when there is one.</param>
public readonly record struct Reading(Quality Quality, double Value = 0, double Total = 0, Buckets? Buckets = null, long At = 0, string? Detail = null)
{
    /// <summary>Whether the reading carries a number.</summary>
    public bool HasValue => Quality is Quality.Value or Quality.Partial;

    /// <summary>A reading without a number.</summary>
    public static Reading Missing(Quality quality, string? detail = null) => new(quality, Detail: detail);
}

/// <summary>
/// Everything measured for one interval: per metric of the policy and per arm one reading.
/// Tick <c>N</c> ends <c>N</c> steps after the start of the deployment and covers the <c>Span</c> steps before that end.
/// Ticks with <c>N</c> &lt;= 0 cover the past up to the start and carry the arm <see cref="Arm.Before"/>.
/// </summary>
public sealed class Tick
{
    private readonly Reading[] _readings;

    /// <summary>An empty tick: every reading is <see cref="Quality.Empty"/>.</summary>
    /// <param name="n">Where it ends, in steps from the start.</param>
    /// <param name="span">How many steps it covers, at least 1.</param>
    /// <param name="metrics">How many metrics the policy has.</param>
    public Tick(int n, int span, int metrics)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(span, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(metrics);
        N = n;
        Span = span;
        Metrics = metrics;
        _readings = new Reading[metrics * Words.ArmCount];
    }

    /// <summary>Where the tick ends, in steps from the start.</summary>
    public int N { get; }

    /// <summary>How many steps it covers.</summary>
    public int Span { get; }

    /// <summary>How many metrics it has readings for.</summary>
    public int Metrics { get; }

    /// <summary>The reading of a metric (by its index in the policy) in an arm.</summary>
    public ref Reading this[int metric, Arm arm] => ref _readings[(metric * Words.ArmCount) + (int)arm];
}
