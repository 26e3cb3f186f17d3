using Commander.Judging.Evidence;
using CsCheck;

namespace Commander.Judging.Tests.Simulated;

/// <summary>What a broken source, or an honest one of a strange service, may send.</summary>
internal static class Odd
{
    /// <summary>Larger counts and levels are no number: sums of doubles would lose whole events.</summary>
    private const double Largest = 1e15;

    private static readonly double[] NoCount = [double.NaN, double.PositiveInfinity, double.NegativeInfinity, -1, -double.Epsilon, 2 * Largest, double.MaxValue];

    private static readonly double[] NoLevel = [double.NaN, double.PositiveInfinity, double.NegativeInfinity, 2 * Largest, -2 * Largest, double.MinValue];

    /// <summary>From nothing to the largest count, every size as likely as every other.</summary>
    private static readonly Gen<double> Size = Gen.OneOf(
        Gen.Const(0.0),
        Gen.Int[0, 300].Select(static count => (double)count),
        Gen.Double[-320, 15].Select(static power => Math.Pow(10, power)));

    /// <summary>A reading that says itself that there is no number.</summary>
    public static Gen<Reading> Missing { get; } =
        Gen.OneOf(Quality.Empty, Quality.Stale, Quality.Nan, Quality.Denied, Quality.Timeout, Quality.Error).Select(static quality => Reading.Missing(quality));

    /// <summary>A reading that is called a number and cannot be one.</summary>
    public static Gen<Reading> Nonsense(MetricKind kind) => Gen.Select(Gen.OneOf(Quality.Value, Quality.Partial), kind switch
    {
        MetricKind.Ratio => Gen.OneOf(
            Gen.OneOf(NoCount).Select(static bad => new Reading(default, bad, 100)),
            Gen.OneOf(NoCount).Select(static total => new Reading(default, 0, total)),
            Gen.Int[1, 500].Select(static more => new Reading(default, 100 + more, 100))),
        MetricKind.Histogram => NoBuckets.Select(static buckets => new Reading(default, Buckets: buckets)),
        MetricKind.Count => Gen.OneOf(NoCount).Select(static value => new Reading(default, value)),
        _ => Gen.OneOf(NoLevel).Select(static value => new Reading(default, value)),
    }).Select(static (quality, reading) => reading with { Quality = quality });

    /// <summary>A reading that says that nothing came; a level has none.</summary>
    public static Gen<Reading> Silence(MetricKind kind) => kind switch
    {
        MetricKind.Ratio or MetricKind.Count => Gen.Const(new Reading(Quality.Value)),
        MetricKind.Histogram => Gen.Const(new Reading(Quality.Value, Buckets: new Buckets([1, 2, double.PositiveInfinity], [0, 0, 0]))),
        _ => Gen.Const(Reading.Missing(Quality.Empty)),
    };

    /// <summary>A number of any size.</summary>
    public static Gen<Reading> Number(MetricKind kind) => kind switch
    {
        MetricKind.Ratio => Gen.Select(Size, Gen.Double[0, 1]).Select(static (total, share) => new Reading(Quality.Value, Math.Min(total, total * share), total)),
        MetricKind.Histogram => Histogram,
        MetricKind.Count => Size.Select(static value => new Reading(Quality.Value, value)),
        _ => Gen.Select(Size, Gen.Bool).Select(static (value, below) => new Reading(Quality.Partial, below ? -value : value)),
    };

    private static readonly Gen<Buckets?> NoBuckets = Gen.OneOf<Buckets?>(
        null,
        new Buckets([], []),
        new Buckets([1, 2], [1, 2]),
        new Buckets([1, double.PositiveInfinity], [1, 2, 3]),
        new Buckets([2, 1, double.PositiveInfinity], [1, 2, 3]),
        new Buckets([1, 1, double.PositiveInfinity], [1, 2, 3]),
        new Buckets([double.NaN, double.PositiveInfinity], [1, 2]),
        new Buckets([double.NegativeInfinity, double.PositiveInfinity], [1, 2]),
        new Buckets([1, 2, double.PositiveInfinity], [3, 2, 4]),
        new Buckets([1, 2, double.PositiveInfinity], [-1, 2, 4]),
        new Buckets([1, 2, double.PositiveInfinity], [1, double.NaN, 4]),
        new Buckets([1, 2, double.PositiveInfinity], [1, 2, double.PositiveInfinity]),
        new Buckets([1, double.PositiveInfinity], [1, 2 * Largest]));

    // One to forty edges, of any sign, now and then others than a moment ago.
    private static readonly Gen<Reading> Histogram = Gen.Select(Gen.Int[0, 39], Gen.OneOf(-50.0, 0, 0.001, 1, 1e6), Size.Array[40]).Select(static (finite, first, sizes) =>
    {
        var (edges, counts) = (new double[finite + 1], new double[finite + 1]);
        double sum = 0;
        for (var at = 0; at <= finite; at++)
        {
            edges[at] = at == finite ? double.PositiveInfinity : first + (at * 10);
            counts[at] = sum = Math.Min(Largest, sum + sizes[at]);
        }
        return new Reading(Quality.Value, Buckets: new Buckets(edges, counts));
    });
}
