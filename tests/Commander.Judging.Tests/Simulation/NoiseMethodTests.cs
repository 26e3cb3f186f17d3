using System.Numerics;
using Commander.Judging.Simulation;

namespace Commander.Judging.Tests.Simulation;

/// <summary>
/// Each method that draws numbers of a distribution, on uniform numbers that a test chooses: what is kept and what is drawn again lies where the paper says, to ten digits.
/// The moments of many draws (<see cref="NoiseTests"/>) would not see a small slip there.
/// </summary>
public class NoiseMethodTests
{
    // Of two uniform numbers these are taken at once by every method with two: the middle.
    private const double Middle = 0.5;
    private const double Small = 0.9;

    [Fact]
    public void The_uniform_numbers_are_those_that_were_chosen()
    {
        var noise = Chosen(0.25, 0, 0.75, 1 - Math.ScaleB(1, -53));
        Enumerable.Range(0, 4).Select(_ => noise.Uniform()).ShouldBe([0.25, 0, 0.75, 1 - Math.ScaleB(1, -53)]);
    }

    [Theory]
    [InlineData(0.01)]
    [InlineData(0.7)]
    [InlineData(2.5)]
    [InlineData(9.99)]
    public void A_small_Poisson_number_counts_how_many_uniform_numbers_multiply_to_more_than_the_chance_of_none(double mean)
    {
        var none = Math.Exp(-mean);
        Chosen(none * (1 - 1e-10), 0.99).Poisson(mean).ShouldBe(0);
        Chosen(none * (1 + 1e-10), 0.1).Poisson(mean).ShouldBe(1);
        // One more after a number that takes almost nothing away.
        Chosen(1 - 1e-12, none * (1 + 1e-10), 0.1).Poisson(mean).ShouldBe(2);
    }

    [Fact]
    public void A_Poisson_number_of_mean_nothing_takes_no_random_number()
    {
        var noise = Chosen(0.3, 0.6);
        noise.Poisson(0).ShouldBe(0);
        noise.Poisson(-1).ShouldBe(0);
        noise.Uniform().ShouldBe(0.3, 1e-15);
    }

    // The first k below ten have their factorials from a product, those from ten on from a series: both are used here.
    [Theory]
    [InlineData(10, 4)]
    [InlineData(10, 5)]
    [InlineData(10, 25)]
    [InlineData(10, 28)]
    [InlineData(12, 7)]
    [InlineData(12, 9)]
    [InlineData(12, 10)]
    [InlineData(12, 17)]
    [InlineData(30.5, 20)]
    [InlineData(75, 95)]
    [InlineData(75, 58)]
    [InlineData(75, 110)]
    [InlineData(3000, 3111)]
    public void A_large_Poisson_number_is_kept_exactly_as_often_as_its_chance_says(double mean, int wanted)
    {
        // Hörmann 1993, algorithm PTRS, with its constants.
        var b = 0.931 + (2.53 * Math.Sqrt(mean));
        var a = -0.059 + (0.02483 * b);
        var inverse = 1.1239 + (1.1328 / (b - 3.4));
        var u = Found(u => (((2 * a / (0.5 - Math.Abs(u))) + b) * u) + mean + 0.43, wanted);
        var us = 0.5 - Math.Abs(u);
        var kept = Chance(mean, wanted) * ((a / (us * us)) + b) / inverse;
        Kept(kept, wanted, noise => noise.Poisson(mean), (int)(mean + 0.43), u);
    }

    [Fact]
    public void A_large_Poisson_number_may_be_nothing_and_is_never_less()
    {
        const double mean = 10;
        var b = 0.931 + (2.53 * Math.Sqrt(mean));
        var a = -0.059 + (0.02483 * b);
        double Number(double u) => (((2 * a / (0.5 - Math.Abs(u))) + b) * u) + mean + 0.43;
        Chosen(0.5 + Found(Number, 0), 1 - 1e-9, Middle, Small).Poisson(mean).ShouldBe(0);
        Chosen(0.5 + Found(Number, -1), 1 - 1e-9, Middle, Small).Poisson(mean).ShouldBe(10);
    }

    [Fact]
    public void Far_out_a_Poisson_number_is_drawn_again_without_its_chance_being_asked()
    {
        // u within 0.013 of its end and v above that: Hörmann's quick refusal. With v below it the chance decides, here of a number that is as good as impossible.
        Chosen(0.01, 0.5, Middle, Small).Poisson(100).ShouldBe(100);
        Chosen(0.01, 0.995, Middle, Small).Poisson(100).ShouldBe(100);
        Chosen(0.99, 0.5, Middle, Small).Poisson(100).ShouldBe(100);
    }

    [Theory]
    [InlineData(1, 0.4)]
    [InlineData(2, 0.5)]
    [InlineData(5, 0.3)]
    [InlineData(19, 0.5)]
    [InlineData(400, 0.02)]
    public void A_small_binomial_number_is_the_one_whose_step_of_the_distribution_holds_the_uniform_number(int n, double p)
    {
        var (below, chance) = (0.0, Math.Pow(1 - p, n));
        for (var count = 0; count <= Math.Min(n, 12); count++)
        {
            if (chance > 1e-7)
            {
                Chosen(below + (1e-10 * (1 + below))).Binomial(n, p).ShouldBe(count, $"just above {below}");
                if (below + chance < 1)
                {
                    Chosen(below + chance - 1e-10).Binomial(n, p).ShouldBe(count, $"just below {below + chance}");
                }
            }
            below += chance;
            chance *= (n - count) * p / ((count + 1) * (1 - p));
        }
    }

    [Fact]
    public void Trials_that_cannot_end_otherwise_take_no_random_number()
    {
        var noise = Chosen(0.3, 0.6);
        noise.Binomial(0, 0.5).ShouldBe(0);
        noise.Binomial(-1, 0.5).ShouldBe(0);
        noise.Binomial(50, 0).ShouldBe(0);
        noise.Binomial(50, -0.1).ShouldBe(0);
        noise.Binomial(50, 1).ShouldBe(50);
        noise.Binomial(50, 1.1).ShouldBe(50);
        noise.Uniform().ShouldBe(0.3, 1e-15);
    }

    [Theory]
    [InlineData(20, 0.5, 7)]
    [InlineData(20, 0.5, 9)]
    [InlineData(20, 0.5, 15)]
    [InlineData(20, 0.5, 18)]
    [InlineData(40, 0.3, 6)]
    [InlineData(40, 0.3, 9)]
    [InlineData(40, 0.3, 22)]
    [InlineData(1000, 0.02, 12)]
    [InlineData(1000, 0.02, 35)]
    [InlineData(5000, 0.4, 1945)]
    [InlineData(5000, 0.4, 2120)]
    public void A_large_binomial_number_is_kept_exactly_as_often_as_its_chance_says(int n, double p, int wanted)
    {
        // Hörmann 1993, algorithm BTRS, with its constants: chances are taken relative to that of the mode.
        var deviation = Math.Sqrt(n * p * (1 - p));
        var b = 1.15 + (2.53 * deviation);
        var a = -0.0873 + (0.0248 * b) + (0.01 * p);
        var alpha = (2.83 + (5.1 / b)) * deviation;
        var u = Found(u => (((2 * a / (0.5 - Math.Abs(u))) + b) * u) + (n * p) + 0.5, wanted);
        var us = 0.5 - Math.Abs(u);
        var mode = (int)((n + 1) * p);
        var kept = Relative(n, p, wanted, mode) * ((a / (us * us)) + b) / alpha;
        Kept(kept, wanted, noise => noise.Binomial(n, p), (int)((n * p) + 0.5), u);
    }

    [Fact]
    public void A_large_binomial_number_may_be_none_or_all_of_the_trials_and_never_lies_beyond()
    {
        const int n = 20;
        const double p = 0.5;
        var b = 1.15 + (2.53 * Math.Sqrt(n * p * (1 - p)));
        var a = -0.0873 + (0.0248 * b) + (0.01 * p);
        double Number(double u) => (((2 * a / (0.5 - Math.Abs(u))) + b) * u) + (n * p) + 0.5;
        foreach (var (wanted, drawn) in new[] { (0, 0), (20, 20), (-1, 10), (21, 10) })
        {
            Chosen(0.5 + Found(Number, wanted), 1 - 1e-12, Middle, Small).Binomial(n, p).ShouldBe(drawn);
        }
    }

    [Fact]
    public void Up_to_one_half_the_successes_are_counted_and_above_it_the_failures()
    {
        // Of ten trials with even chances at most eight succeed in 98.9 % of all cases.
        Chosen(0.985).Binomial(10, 0.5).ShouldBe(8);
        Chosen(0.99).Binomial(10, 0.5).ShouldBe(9);
        Chosen(0.985).Binomial(10, 0.6).ShouldBe(10 - Chosen(0.985).Binomial(10, 1 - 0.6));
        Chosen(0.985).Binomial(10, 0.6).ShouldBeLessThan(6);
    }

    [Fact]
    public void The_two_methods_change_at_ten_expected_successes()
    {
        // The fast method takes two uniform numbers, the other one.
        var (fast, next) = (Chosen(Middle, Small, 0.25), Chosen(Middle, Small, 0.25));
        fast.Binomial(20, 0.5).ShouldBe(10);
        fast.Uniform().ShouldBe(0.25, 1e-15);
        next.Binomial(18, 0.5).ShouldBe(9);
        next.Uniform().ShouldBe(Small, 1e-15);
        var (poisson, small) = (Chosen(Middle, Small, 0.25), Chosen(0.00001, Small));
        poisson.Poisson(10).ShouldBe(10);
        poisson.Uniform().ShouldBe(0.25, 1e-15);
        small.Poisson(9.9999).ShouldBe(0);
        small.Uniform().ShouldBe(Small, 1e-15);
    }

    [Fact]
    public void Normal_numbers_come_in_pairs_from_a_point_within_the_circle_and_points_outside_are_drawn_again()
    {
        // (-0.5, 0.25) lies within.
        var noise = Chosen(0.25, 0.625, 0.75, 0.5);
        const double square = 0.3125;
        var factor = Math.Sqrt(-2 * Math.Log(square) / square);
        noise.Normal().ShouldBe(-0.5 * factor, 1e-14);
        noise.Normal().ShouldBe(0.25 * factor, 1e-14);
        noise.Normal().ShouldBe(0.5 * Math.Sqrt(-2 * Math.Log(0.25) / 0.25), 1e-14);
        noise.Normal().ShouldBe(0, 1e-14);
        // (0.9, 0.9) does not, nor does a point on the circle or in its middle.
        Chosen(0.95, 0.95, 0.25, 0.625).Normal().ShouldBe(-0.5 * factor, 1e-14);
        Chosen(0, 0.5, 0.25, 0.625).Normal().ShouldBe(-0.5 * factor, 1e-14);
        Chosen(0.5, 0.5, 0.25, 0.625).Normal().ShouldBe(-0.5 * factor, 1e-14);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7.5)]
    public void A_gamma_number_is_kept_exactly_as_often_as_its_density_says(double shape)
    {
        // Marsaglia and Tsang 2000. The normal numbers are those of the point (0.1, 0.05).
        const double square = 0.0125;
        var factor = Math.Sqrt(-2 * Math.Log(square) / square);
        var (one, other) = (0.1 * factor, 0.05 * factor);
        var d = shape - (1 / 3.0);
        double Cube(double normal) => Math.Pow(1 + (normal / Math.Sqrt(9 * d)), 3);
        var (first, second) = (Cube(one), Cube(other));
        var kept = Math.Exp((0.5 * one * one) + (d * (1 - first + Math.Log(first))));
        Chosen(0.55, 0.525, 1 - (kept * (1 - 1e-10)), 0.9).Gamma(shape).ShouldBe(d * first, 1e-11);
        Chosen(0.55, 0.525, 1 - (kept * (1 + 1e-10)), 0.9).Gamma(shape).ShouldBe(d * second, 1e-11);
    }

    [Fact]
    public void A_gamma_number_of_a_shape_below_one_is_one_of_a_larger_shape_made_smaller()
    {
        var (small, large) = (Chosen(0.55, 0.6, 0.5, 0.2), Chosen(0.55, 0.6, 0.5, 0.2));
        var larger = large.Gamma(1.25);
        small.Gamma(0.25).ShouldBe(larger * Math.Pow(0.8, 4), 1e-12);
        large.Uniform().ShouldBe(0.2, 1e-15);
    }

    [Fact]
    public void Bursts_of_length_one_are_the_events_themselves()
    {
        foreach (var dispersion in new[] { 1.0, 0.5 })
        {
            var plain = Chosen(0.5, 0.3, 0.7);
            plain.Bursts(1.5, dispersion).ShouldBe(1);
            plain.Uniform().ShouldBe(0.7, 1e-15);
        }
        // No burst, no event: nothing more is drawn.
        var none = Chosen(0.01, 0.3);
        none.Bursts(1.5, 3).ShouldBe(0);
        none.Uniform().ShouldBe(0.3, 1e-15);
    }

    // Just below what is kept the number comes; just above it the next one does, from the middle.
    private static void Kept(double kept, int wanted, Func<Noise, int> draw, int middle, double u)
    {
        kept.ShouldBeInRange(1e-6, 1 - 1e-9, "choose another number: this one is always or never kept");
        wanted.ShouldNotBe(middle);
        // v is 1 less a uniform number. Neither is so near the middle that it is taken without its chance being asked.
        draw(Chosen(0.5 + u, 1 - (kept * (1 - 2e-10)), Middle, Small)).ShouldBe(wanted);
        draw(Chosen(0.5 + u, 1 - (kept * (1 + 2e-10)), Middle, Small)).ShouldBe(middle);
    }

    // The u between -0.5 and 0.5 whose number lies in the middle between the wanted one and the next, as a uniform number can give it: numbers rise with u.
    private static double Found(Func<double, double> number, int wanted)
    {
        var (low, high) = (-0.5, 0.5);
        for (var halving = 0; halving < 50; halving++)
        {
            var middle = 0.5 * (low + high);
            (low, high) = number(middle) < wanted + 0.5 ? (middle, high) : (low, middle);
        }
        return Math.Round(Math.ScaleB(low, 40)) / Math.ScaleB(1, 40);
    }

    private static double Chance(double mean, int k)
    {
        var (product, left) = (1.0, mean);
        for (var at = 1; at <= k; at++)
        {
            // What e to the minus mean takes away is taken bit by bit, so that nothing overflows.
            for (product *= mean / at; product > 1 && left >= 1; left--)
            {
                product /= Math.E;
            }
        }
        return product * Math.Exp(-left);
    }

    private static double Relative(int n, double p, int k, int mode)
    {
        var odds = p / (1 - p);
        var relative = 1.0;
        for (var at = mode; at < k; at++)
        {
            relative *= odds * (n - at) / (at + 1);
        }
        for (var at = mode; at > k; at--)
        {
            relative *= at / (odds * (n - at + 1));
        }
        return relative;
    }

    // A generator whose next uniform numbers are these, up to four: its state is worked out backwards.
    private static Noise Chosen(params ReadOnlySpan<double> uniforms)
    {
        Span<ulong> wanted = stackalloc ulong[4];
        for (var at = 0; at < uniforms.Length; at++)
        {
            // What is multiplied and rotated to become the bits.
            var bits = (ulong)Math.ScaleB(uniforms[at], 53) << 11;
            wanted[at] = BitOperations.RotateRight(bits * 0x8E38E38E38E38E39, 7) * 0xCCCCCCCCCCCCCCCD;
        }
        var (b0, b1, b2, b3) = (wanted[0], wanted[1], wanted[2], wanted[3]);
        var mixed = b0 ^ b1;
        var c1 = mixed ^ (b0 << 17);
        var a1 = b2 ^ b1 ^ c1;
        var c2 = c1 ^ a1 ^ (b1 << 17);
        var a2 = b3 ^ b2 ^ c2;
        var d1 = a2 ^ a1 ^ b1;
        var d0 = BitOperations.RotateRight(d1, 45) ^ b0;
        var a0 = a1 ^ b0 ^ d0;
        return new Noise(a0, b0, mixed ^ a0, d0);
    }
}
