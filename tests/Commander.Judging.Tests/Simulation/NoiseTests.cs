using Commander.Judging.Simulation;

namespace Commander.Judging.Tests.Simulation;

public class NoiseTests
{
    [Fact]
    public void SplitMix64_gives_its_authors_numbers()
    {
        ulong state = 1234567;
        Enumerable.Range(0, 5).Select(_ => Noise.Split(ref state)).ShouldBe(
            [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]);
    }

    [Fact]
    public void Xoshiro256_starstar_gives_its_authors_numbers()
    {
        var noise = new Noise(1, 2, 3, 4);
        Enumerable.Range(0, 10).Select(_ => noise.Bits()).ShouldBe(
        [
            11520, 0, 1509978240, 1215971899390074240, 1216172134540287360, 607988272756665600,
            16172922978634559625, 8476171486693032832, 10595114339597558777, 2904607092377533576,
        ]);
        noise = new Noise(42);
        Enumerable.Range(0, 3).Select(_ => noise.Bits()).ShouldBe([1546998764402558742, 6990951692964543102, 12544586762248559009]);
    }

    [Fact]
    public void Every_kind_of_number_is_the_same_bit_by_bit_everywhere()
    {
        var noise = new Noise(2026);
        var drawn = new[] { noise.Uniform(), noise.Normal(), noise.Normal(), noise.Exponential(), noise.Gamma(0.4), noise.Gamma(7.5) };
        drawn.Select(BitConverter.DoubleToInt64Bits).ShouldBe([4603342933509657365, -4619827557206513771, 4605931969778188126, 4612229268636093975, 4581944090587711753, 4621105887111593945]);
        new[] { noise.Poisson(3), noise.Poisson(400), noise.Binomial(50, 0.1), noise.Binomial(5000, 0.3), noise.Bursts(20, 5) }.ShouldBe([4, 399, 3, 1467, 12]);
    }

    [Fact]
    public void Logarithms_of_exact_operations_agree_with_the_platform_s()
    {
        var (one, other) = (new Noise(5), new Noise(5));
        for (var draw = 0; draw < 10_000; draw++)
        {
            var expected = -Math.Log(1 - other.Uniform());
            one.Exponential().ShouldBe(expected, 4e-16 * Math.Max(1, expected));
        }
    }

    [Theory]
    [InlineData(0.3)]
    [InlineData(4)]
    [InlineData(9.9)]
    [InlineData(10)]
    [InlineData(75)]
    [InlineData(3000)]
    public void Poisson_numbers_have_their_mean_as_variance(double mean) =>
        Moments(noise => noise.Poisson(mean)).ShouldSatisfyAllConditions(
            found => found.Mean.ShouldBe(mean, 5 * Math.Sqrt(mean / Draws)),
            found => (found.Variance / mean).ShouldBe(1, 0.04),
            found => found.Skewness.ShouldBe(1 / Math.Sqrt(mean), 0.06));

    [Theory]
    [InlineData(20, 0.02)]
    [InlineData(100, 0.05)]
    [InlineData(100, 0.5)]
    [InlineData(1000, 0.02)]
    [InlineData(1000, 0.97)]
    public void Binomial_numbers_have_their_mean_and_variance(int n, double p)
    {
        var (mean, variance) = (n * p, n * p * (1 - p));
        Moments(noise => noise.Binomial(n, p)).ShouldSatisfyAllConditions(
            found => found.Mean.ShouldBe(mean, 5 * Math.Sqrt(variance / Draws)),
            found => (found.Variance / variance).ShouldBe(1, 0.04),
            found => found.Skewness.ShouldBe((1 - (2 * p)) / Math.Sqrt(variance), 0.06));
    }

    [Fact]
    public void Binomial_numbers_follow_the_distribution_where_the_fast_method_begins()
    {
        var noise = new Noise(9);
        var counts = new double[41];
        for (var draw = 0; draw < Draws; draw++)
        {
            counts[noise.Binomial(40, 0.3)]++;
        }
        // Chi-square over the cells from 5 to 20: 15 degrees of freedom, 99.9 % quantile 37.7.
        double squares = 0;
        for (var k = 5; k <= 20; k++)
        {
            var chance = Enumerable.Range(1, k).Aggregate(Math.Pow(0.7, 40 - k), (product, at) => product * 0.3 * (40 - k + at) / at);
            squares += (counts[k] - (Draws * chance)) * (counts[k] - (Draws * chance)) / (Draws * chance);
        }
        squares.ShouldBeLessThan(40);
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(1)]
    [InlineData(20)]
    public void Gamma_numbers_have_their_shape_as_mean_and_variance(double shape) =>
        Moments(noise => noise.Gamma(shape)).ShouldSatisfyAllConditions(
            found => found.Mean.ShouldBe(shape, 5 * Math.Sqrt(shape / Draws)),
            found => (found.Variance / shape).ShouldBe(1, 0.06));

    [Theory]
    [InlineData(0.5, 2)]
    [InlineData(5, 5)]
    [InlineData(200, 10)]
    public void Bursts_multiply_the_variance_and_leave_the_mean(double mean, double dispersion) =>
        Moments(noise => noise.Bursts(mean, dispersion)).ShouldSatisfyAllConditions(
            found => found.Mean.ShouldBe(mean, 5 * Math.Sqrt(mean * dispersion / Draws)),
            found => (found.Variance / mean).ShouldBe(dispersion, 0.06 * dispersion));

    [Fact]
    public void Normal_and_exponential_numbers_have_their_moments()
    {
        Moments(static noise => noise.Normal()).ShouldSatisfyAllConditions(
            found => found.Mean.ShouldBe(0, 0.02),
            found => found.Variance.ShouldBe(1, 0.03),
            found => found.Skewness.ShouldBe(0, 0.05));
        Moments(static noise => noise.Exponential()).ShouldSatisfyAllConditions(
            found => found.Mean.ShouldBe(1, 0.02),
            found => found.Variance.ShouldBe(1, 0.05));
    }

    private const int Draws = 60_000;

    private static (double Mean, double Variance, double Skewness) Moments(Func<Noise, double> draw)
    {
        var noise = new Noise(7);
        var drawn = Enumerable.Range(0, Draws).Select(_ => draw(noise)).ToArray();
        var mean = drawn.Average();
        var variance = drawn.Sum(value => (value - mean) * (value - mean)) / (Draws - 1);
        return (mean, variance, drawn.Sum(value => Math.Pow((value - mean) / Math.Sqrt(variance), 3)) / Draws);
    }
}
