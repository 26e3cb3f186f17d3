namespace Commander.Judging.Evidence;

/// <summary>One point of a cumulative counter.</summary>
/// <param name="At">When it was read, Unix milliseconds.</param>
/// <param name="Value">The counter's value; a value that no counter has (NaN, an infinity, less than 0) is passed over.</param>
public readonly record struct CounterPoint(long At, double Value);

/// <summary>What one or several counters grew by over an interval.</summary>
/// <param name="Amount">The growth, in the counter's own unit; never negative.</param>
/// <param name="Any">Whether there was a point inside the interval.</param>
/// <param name="Known">Whether there was a value before such a point to count from: without one nothing is known of the growth.</param>
/// <param name="Whole">Whether the growth covers the interval from its beginning: the counter's value there is known, or it did not exist then.</param>
/// <param name="At">The newest point inside the interval, Unix milliseconds; 0 without one.</param>
public readonly record struct Increment(double Amount, bool Any, bool Known, bool Whole, long At)
{
    /// <summary>Nothing added up yet.</summary>
    public static readonly Increment None = new(0, false, false, true, 0);

    /// <summary>The growth of two counters together: known where one is, whole where both are.</summary>
    public static Increment operator +(Increment a, Increment b) => Add(a, b);

    /// <summary>The growth of two counters together: known where one is, whole where both are.</summary>
    public static Increment Add(Increment left, Increment right) =>
        new(left.Amount + right.Amount, left.Any || right.Any, left.Known || right.Known, left.Whole && right.Whole, Math.Max(left.At, right.At));
}

/// <summary>Growth of cumulative counters by their own points, aware of restarts.</summary>
public static class Increments
{
    /// <summary>
    /// How much one counter grew over (<paramref name="from"/>, <paramref name="to"/>]: the steps between the last point at or before
    /// <paramref name="from"/> and the last one at or before <paramref name="to"/>. What grew between two points belongs whole to the
    /// interval of the later one, so that growths over consecutive intervals add up to the growth over all of them and nothing is counted twice.
    /// A value lower than the one before is a restart: the counter has counted on from zero, so the whole new value is growth
    /// (the rule of Prometheus' increase(), without its extrapolation).
    /// </summary>
    /// <param name="points">Ascending in time; at most one per instant.</param>
    /// <param name="from">The interval's beginning, not in it, Unix milliseconds.</param>
    /// <param name="to">The interval's end, in it, Unix milliseconds.</param>
    /// <param name="bornAfter">When the counter was looked for before its first point and was not there: that instant. It is then known to start at zero.</param>
    public static Increment Of(ReadOnlySpan<CounterPoint> points, long from, long to, long? bornAfter = null)
    {
        var known = bornAfter is not null;
        var whole = known;
        var any = false;
        var stepped = false;
        double before = 0, amount = 0;
        long at = 0;
        foreach (var point in points)
        {
            if (point.At > to)
            {
                break;
            }
            if (!double.IsFinite(point.Value) || point.Value < 0)
            {
                continue;
            }
            if (point.At > from)
            {
                any = true;
                at = point.At;
                if (known)
                {
                    stepped = true;
                    amount += point.Value < before ? point.Value : point.Value - before;
                }
            }
            else
            {
                whole = true;
            }
            known = true;
            before = point.Value;
        }
        return new Increment(amount, any, stepped, whole, at);
    }
}
