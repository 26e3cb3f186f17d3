namespace Commander.Judging.Statistics;

/// <summary>Order statistics of small samples.</summary>
public static class Robust
{
    private const double Farthest = 8;

    /// <summary>The median; the mean of the middle two for an even count. Sorts the values in place; NaN when there are none.</summary>
    public static double Median(Span<double> values)
    {
        if (values.IsEmpty)
        {
            return double.NaN;
        }
        Sort(values);
        var middle = values.Length / 2;
        return values.Length % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
    }

    /// <summary>The median of three.</summary>
    public static double Median(double one, double two, double three) => Math.Max(Math.Min(one, two), Math.Min(Math.Max(one, two), three));

    /// <summary>
    /// The scatter of residuals around 0: the larger of 1.4826 times the median absolute value and 0.6 times the root mean square, so that neither one outlier
    /// nor a sample that is mostly one value decides alone. Residuals beyond eight of the former count as eight (Huber 1964): an incident of the past is no measure
    /// of ordinary noise. Overwrites the values; 0 when there are none.
    /// </summary>
    public static double Scatter(Span<double> residuals)
    {
        if (residuals.IsEmpty)
        {
            return 0;
        }
        for (var at = 0; at < residuals.Length; at++)
        {
            residuals[at] = Math.Abs(residuals[at]);
        }
        var deviation = 1.4826 * Median(residuals);
        var most = deviation > 0 ? Farthest * deviation : double.PositiveInfinity;
        double squares = 0;
        for (var at = 0; at < residuals.Length; at++)
        {
            var residual = Math.Min(residuals[at], most);
            squares += residual * residual;
        }
        return Math.Max(deviation, 0.6 * Math.Sqrt(squares / Math.Max(1, residuals.Length - 1)));
    }

    // Samples hold at most some dozens of values: insertion sort neither allocates nor calls back.
    private static void Sort(Span<double> values)
    {
        for (var next = 1; next < values.Length; next++)
        {
            var value = values[next];
            var at = next - 1;
            for (; at >= 0 && values[at] > value; at--)
            {
                values[at + 1] = values[at];
            }
            values[at + 1] = value;
        }
    }
}
