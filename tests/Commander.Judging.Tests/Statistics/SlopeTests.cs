using Commander.Judging.Simulation;
using Commander.Judging.Statistics;

namespace Commander.Judging.Tests.Statistics;

public class SlopeTests
{
    private static readonly double[] Twelve = [.. Enumerable.Range(0, 12)];

    [Fact]
    public void The_slope_is_the_median_of_the_slopes_of_all_pairs()
    {
        var noise = new Noise(1);
        for (var run = 0; run < 50; run++)
        {
            var when = Enumerable.Range(0, 20).Where(at => at < 2 || noise.Uniform() < 0.7).Select(static at => (double)at).ToArray();
            var values = when.Select(at => (0.3 * at) + noise.Normal()).ToArray();
            var slopes = (from one in Enumerable.Range(0, when.Length)
                          from other in Enumerable.Range(0, one)
                          select (values[one] - values[other]) / (when[one] - when[other])).Order().ToArray();
            var median = 0.5 * (slopes[(slopes.Length - 1) / 2] + slopes[slopes.Length / 2]);
            Slope.TheilSen(when, values).ShouldBe(median, 1e-12);
        }
        Slope.TheilSen([0], [1]).ShouldBe(double.NaN);
    }

    [Fact]
    public void The_slope_does_not_follow_a_few_wild_values()
    {
        double[] values = [.. Twelve.Select(static at => 2 * at)];
        (values[1], values[10]) = (1000, -1000);
        Slope.TheilSen(Twelve, values).ShouldBe(2, 0.001);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    public void The_chance_of_a_slope_is_that_of_its_definition(double known)
    {
        var noise = new Noise(2);
        for (var run = 0; run < 30; run++)
        {
            // Holes too.
            var when = Enumerable.Range(0, 18).Where(_ => noise.Uniform() < 0.85).Select(static at => (double)at).ToArray();
            var values = when.Select(at => 5 + (0.2 * at) + (0.01 * at * at) + noise.Normal()).ToArray();
            Slope.Chance(when, values, known, out var ending).ShouldBe(Defined(when, values, known, out var defined), 1e-6);
            ending.ShouldBe(defined, 1e-6 * Math.Max(1, Math.Abs(defined)));
        }
    }

    [Fact]
    public void A_level_that_falls_or_has_few_points_climbs_not()
    {
        Slope.Chance(Twelve, [.. Twelve.Select(static at => -at)], 0, out _).ShouldBe(1);
        Slope.Chance(Twelve, new double[12], 0, out _).ShouldBe(1);
        Slope.Chance([.. Twelve[..7]], [.. Twelve[..7]], 0, out _).ShouldBe(1);
    }

    [Fact]
    public void A_clear_climb_is_certain_a_step_of_the_same_size_is_not()
    {
        var noise = new Noise(3);
        Slope.Chance(Twelve, [.. Twelve.Select(at => Math.Log(1 + (0.03 * at)) + (0.003 * noise.Normal()))], 0, out _).ShouldBeLessThan(1e-6);
        Slope.Chance(Twelve, [.. Twelve.Select(at => (at >= 6 ? 0.3 : 0) + (0.003 * noise.Normal()))], 0, out _).ShouldBeGreaterThan(1e-4);
    }

    [Fact]
    public void A_climb_that_comes_to_rest_has_no_slope_at_its_end()
    {
        Slope.Chance(Twelve, Twelve, 0, out var line);
        line.ShouldBe(1, 1e-9);
        Slope.Chance(Twelve, [.. Twelve.Select(static at => 1 - Math.Exp(-at / 3))], 0, out var filling);
        filling.ShouldBeLessThan(0.1);
    }

    [Theory]
    [InlineData(0, 5)]
    [InlineData(0.5, 1)]
    [InlineData(0.8, 4)]
    [InlineData(0.9, 20)]
    public void Means_of_a_series_are_alike_as_the_sums_over_their_values_say(double correlation, int values)
    {
        double one = 0, next = 0;
        for (var first = 0; first < values; first++)
        {
            for (var other = 0; other < values; other++)
            {
                one += Math.Pow(correlation, Math.Abs(first - other));
                next += Math.Pow(correlation, values + other - first);
            }
        }
        Slope.OfMeans(correlation, values).ShouldBe(correlation == 0 ? 0 : next / one, 1e-9);
    }

    [Theory]
    [Trait("Category", "Measured")]
    [InlineData(0, 0)]
    [InlineData(0.5, 0.5)]
    [InlineData(0.8, 0.8)]
    public void What_wanders_but_goes_nowhere_is_rarely_called_a_climb(double correlation, double known)
    {
        var noise = new Noise(4);
        var values = new double[18];
        double[] when = [.. Enumerable.Range(0, 18)];
        var climbs = 0;
        for (var run = 0; run < 20_000; run++)
        {
            var level = noise.Normal();
            for (var at = 0; at < values.Length; at++)
            {
                values[at] = level;
                level = (correlation * level) + (Math.Sqrt(1 - (correlation * correlation)) * noise.Normal());
            }
            climbs += Slope.Chance(when, values, known, out _) <= 0.001 ? 1 : 0;
        }
        // One in a thousand would be 20.
        climbs.ShouldBeLessThanOrEqualTo(35);
    }

    // Least squares of a parabola by its normal equations, the residuals' autocorrelation, and Student's tail by Simpson's rule.
    private static double Defined(double[] when, double[] values, double known, out double ending)
    {
        var count = when.Length;
        var middle = when.Average();
        double[] time = [.. when.Select(at => at - middle)];
        double Sum(Func<int, double> of) => Enumerable.Range(0, count).Sum(of);
        var slope = Sum(at => time[at] * values[at]) / Sum(at => time[at] * time[at]);
        double[][] rows = [.. Enumerable.Range(0, 3).Select(row => Enumerable.Range(0, 4).Select(column => Sum(at => Math.Pow(time[at], row) * (column < 3 ? Math.Pow(time[at], column) : values[at]))).ToArray())];
        for (var pivot = 0; pivot < 3; pivot++)
        {
            for (var row = 0; row < 3; row++)
            {
                if (row != pivot)
                {
                    var factor = rows[row][pivot] / rows[pivot][pivot];
                    rows[row] = [.. rows[row].Zip(rows[pivot], (own, other) => own - (factor * other))];
                }
            }
        }
        var (constant, linear, square) = (rows[0][3] / rows[0][0], rows[1][3] / rows[1][1], rows[2][3] / rows[2][2]);
        double[] residuals = [.. time.Select((at, index) => values[index] - constant - (linear * at) - (square * at * at))];
        ending = slope > 0 ? (linear + (2 * square * time[^1])) / slope : 0;
        if (slope <= 0)
        {
            return 1;
        }
        var left = residuals.Sum(static residual => residual * residual);
        var alike = Math.Clamp(Math.Max(known, (residuals.Skip(1).Zip(residuals, static (one, other) => one * other).Sum() / left) + (2.0 / count)), 0, 0.95);
        var worth = (1 - alike) / (1 + alike);
        var freedom = Math.Max(1, (count * worth) - 3);
        var student = slope / Math.Sqrt(left / (count - 3) / Sum(at => time[at] * time[at]) / worth);
        // Student's distribution in the angle whose tangent is t / sqrt(freedom): cos^(freedom - 1), from there to a right angle.
        double Density(double angle) => Math.Pow(Math.Cos(angle), freedom - 1);
        return Simpson(Density, Math.Atan(student / Math.Sqrt(freedom)), Math.PI / 2) / Simpson(Density, -Math.PI / 2, Math.PI / 2);
    }

    private static double Simpson(Func<double, double> of, double from, double to)
    {
        const int Parts = 20_000;
        var step = (to - from) / Parts;
        return step / 3 * Enumerable.Range(0, Parts + 1).Sum(at => (at is 0 or Parts ? 1 : at % 2 == 1 ? 4 : 2) * of(from + (at * step)));
    }
}
