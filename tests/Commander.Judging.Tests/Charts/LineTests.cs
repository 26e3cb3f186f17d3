using Commander.Charts;
using CsCheck;

namespace Commander.Judging.Tests.Charts;

public class LineTests
{
    private static readonly Gen<List<Point>> Points =
        Gen.Select(Gen.Double[-1e6, 1e6], Gen.Int[0, 9]).List[0, 2000].Select(levels =>
            levels.Select((l, i) => new Point(i, l.Item2 == 0 ? double.NaN : l.Item1)).ToList());

    [Fact]
    public void Thinning_keeps_the_extremes_the_ends_and_the_order_within_its_bound() =>
        Points.Sample(points =>
        {
            var thin = Line.Thin(points, Line.MaxPoints);
            thin.Count.ShouldBeLessThanOrEqualTo(Line.MaxPoints);
            var levels = points.Where(p => double.IsFinite(p.Y)).Select(p => p.Y).ToList();
            var kept = thin.Where(p => double.IsFinite(p.Y)).Select(p => p.Y).ToList();
            if (levels.Count > 0)
            {
                kept.Max().ShouldBe(levels.Max());
                kept.Min().ShouldBe(levels.Min());
                thin[0].X.ShouldBe(points[0].X);
                thin[^1].X.ShouldBe(points[^1].X);
            }

            thin.Zip(thin.Skip(1)).ShouldAllBe(pair => pair.First.X < pair.Second.X);
        }, iter: 200);

    [Fact]
    public void A_gap_longer_than_a_stretch_survives_thinning()
    {
        var points = Enumerable.Range(0, 2000).Select(i => new Point(i, i is > 900 and < 960 ? double.NaN : i % 7)).ToList();

        Line.Thin(points, Line.MaxPoints).ShouldContain(p => double.IsNaN(p.Y));
    }

    [Fact]
    public void A_quantile_lies_inside_its_bucket()
    {
        (double, double)[] buckets = [(10, 50), (20, 90), (double.PositiveInfinity, 100)];

        Line.Quantile(buckets, 0.5).ShouldBe(10);
        Line.Quantile(buckets, 0.7).ShouldBe(15);
        Line.Quantile(buckets, 0.95).ShouldBe(20);
        Line.Quantile([(10, 0), (double.PositiveInfinity, 0)], 0.5).ShouldBe(double.NaN);
    }

    [Fact]
    public void A_quantile_never_descends_as_the_share_rises() =>
        Gen.Select(Gen.Double[0.1, 50].Array[1, 12], Gen.Int[0, 40].Array[13], Gen.Double[0, 1], Gen.Double[0, 1]).Sample((widths, counts, a, b) =>
        {
            var buckets = new List<(double, double)>();
            double edge = 0, count = 0;
            for (var i = 0; i < widths.Length; i++)
            {
                edge += widths[i];
                count += counts[i];
                buckets.Add((edge, count));
            }

            buckets.Add((double.PositiveInfinity, count + counts[12]));
            if (count + counts[12] > 0)
            {
                Line.Quantile(buckets, Math.Min(a, b)).ShouldBeLessThanOrEqualTo(Line.Quantile(buckets, Math.Max(a, b)) + 1e-9);
            }
        }, iter: 500);

    [Fact]
    public void An_axis_has_few_round_numbers() =>
        Gen.Select(Gen.Double[-1e9, 1e9], Gen.Double[1e-6, 1e9]).Sample((low, span) =>
        {
            var ticks = Plot.Ticks(low, low + span);
            ticks.Count.ShouldBeInRange(1, 6);
            ticks.ShouldAllBe(t => t >= low - (span * 1e-6) && t <= low + (span * 1.000001));
        }, iter: 500);
}
