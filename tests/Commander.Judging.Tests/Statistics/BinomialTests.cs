using Commander.Judging.Statistics;
using CsCheck;

namespace Commander.Judging.Tests.Statistics;

public class BinomialTests
{
    // Beta(x + a, n - x + b) / Beta(a, b) as a product: x times (a + i), n - x times (b + i), over n times (a + b + i).
    private static double Mixture(int x, int n, double a, double b)
    {
        double log = 0;
        for (var at = 0; at < n; at++)
        {
            log += (at < x ? Math.Log(a + at) : Math.Log(b + at - x)) - Math.Log(a + b + at);
        }
        return log;
    }

    private static double LogMean(params (double Weight, double Log)[] parts)
    {
        var largest = parts.Max(static part => part.Log);
        return largest + Math.Log(parts.Sum(part => part.Weight * Math.Exp(part.Log - largest)));
    }

    [Fact]
    public void The_mixture_is_the_chance_of_the_sequence_under_polya_s_urn() =>
        Gen.Select(Gen.Int[0, 40], Gen.Int[0, 40], Gen.Double[0.1, 30], Gen.Double[0.1, 30]).Sample((x, good, a, b) =>
            Math.Abs(Binomial.LogMixture(x, x + good, a, b) - Mixture(x, x + good, a, b)) < 1e-9);

    [Theory]
    [InlineData(0, 10, 0.3, 1, 0.0282475249)]
    [InlineData(10, 10, 0.3, 0.0000059049, 1)]
    [InlineData(1, 1, 0.25, 0.25, 1)]
    [InlineData(0, 0, 0.25, 1, 1)]
    [InlineData(3, 10, 0, 1e-300, 1)]
    [InlineData(3, 10, 1, 1, 1e-300)]
    [InlineData(900, 1000, 1e-6, 1e-300, 1)]
    [InlineData(1, 1000, 0.999999, 1, 1e-300)]
    public void Tails_reach_from_one_down_to_the_smallest_that_has_a_logarithm(double x, double n, double p, double upper, double lower)
    {
        Binomial.UpperTail(x, n, p).ShouldBe(upper, 1e-9 * upper);
        Binomial.LowerTail(x, n, p).ShouldBe(lower, 1e-9 * lower);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(-0.5, 0)]
    [InlineData(1, 1)]
    [InlineData(1.5, 1)]
    [InlineData(0.5, 0.6875)]
    public void The_incomplete_beta_function_ends_at_nought_and_one(double x, double expected) =>
        Binomial.IncompleteBeta(x, 2, 3).ShouldBe(expected, 1e-12);

    [Theory]
    [InlineData(0, 5, 0, 0)]
    [InlineData(5, 5, 1, 0)]
    [InlineData(2, 5, 0.4, -3.3650583)]
    [InlineData(0, 5, 0.4, -2.5541281)]
    [InlineData(5, 5, 0.4, -4.5814537)]
    public void What_did_not_happen_counts_nothing_in_a_likelihood(double x, double n, double p, double expected) =>
        Binomial.LogLikelihood(x, n, p).ShouldBe(expected, 1e-6);

    [Fact]
    public void Against_a_level_the_evidence_is_a_mixture_of_a_narrow_and_a_wide_prior() =>
        Gen.Select(Gen.Int[0, 30], Gen.Int[0, 300], Gen.Double[0.01, 0.3], Gen.Double[0.005, 0.3], Gen.Double[0.01, 0.6]).Sample((bad, good, level, scale, difference) =>
        {
            var (n, p) = (bad + good, level + difference);
            var mixture = LogMean((0.6, Mixture(bad, n, 0.5, 0.5 / scale)), (0.4, Mixture(bad, n, 0.5, 0.5)));
            var found = new Difference(bad, n, level, scale);
            return Math.Abs(found.LogE(difference) - (mixture - Binomial.LogLikelihood(bad, n, p))) < 1e-8
                && Math.Abs(found.Estimate - ((n == 0 ? 0 : (double)bad / n) - level)) < 1e-12;
        });

    [Fact]
    public void Between_two_arms_it_is_one_of_alike_alike_anywhere_different_and_as_before() =>
        Gen.Select(Gen.Int[0, 20], Gen.Int[1, 200], Gen.Int[0, 20], Gen.Int[1, 200], Gen.Int[0, 20], Gen.Int[0, 200], Gen.Double[0.005, 0.3]).Sample((bad, good, referenceBad, referenceGood, pastBad, pastGood, scale) =>
        {
            var (n, m, against) = (bad + good, referenceBad + referenceGood, 0.5 / scale);
            var mixture = LogMean(
                (0.5, Mixture(bad + referenceBad, n + m, 0.5, against)),
                (0.2, Mixture(bad + referenceBad, n + m, 0.5, 0.5)),
                (0.3, Mixture(bad, n, 0.5, 0.5) + Mixture(referenceBad, m, 0.5, against)));
            if (pastBad + pastGood > 0)
            {
                mixture = LogMean((0.5, mixture), (0.5, Mixture(bad + referenceBad, n + m, 0.5 + pastBad, against + pastGood)));
            }
            // At the estimate the most likely proportions are the observed ones.
            double p = (double)bad / n, q = (double)referenceBad / m;
            var found = new Difference(bad, n, referenceBad, m, scale, pastBad, pastBad + pastGood);
            return Math.Abs(found.Estimate - (p - q)) < 1e-12
                && Math.Abs(found.LogE(p - q) - (mixture - Binomial.LogLikelihood(bad, n, p) - Binomial.LogLikelihood(referenceBad, m, q))) < 1e-6;
        });

    [Fact]
    public void Arms_without_requests_leave_every_difference_possible()
    {
        var none = new Difference(0, 0, 0.0, 0, 0.01);
        (none.Estimate, none.Low(0.05), none.High(0.05)).ShouldBe((0, -1, 1));
        none.Below(0.5, 0.05).ShouldBeFalse();
        none.Above(-0.5, 0.05).ShouldBeFalse();
        var level = new Difference(0, 0, 0.1, 0.01);
        (level.Estimate, level.Low(0.05), level.High(0.05)).ShouldBe((-0.1, -0.1, 0.9));
        // One arm alone is compared with nothing.
        new Difference(5, 10, 0.0, 0, 0.01).Estimate.ShouldBe(0.5);
        new Difference(0, 0, 5.0, 10, 0.01).Estimate.ShouldBe(-0.5);
    }

    [Fact]
    public void Limits_are_where_the_evidence_reaches_one_over_alpha() =>
        Gen.Select(Gen.Int[0, 300], Gen.Int[1, 3000], Gen.Int[0, 300], Gen.Int[1, 3000], Gen.Double[0.001, 0.2]).Sample((bad, good, referenceBad, referenceGood, alpha) =>
        {
            var found = new Difference(bad, bad + good, referenceBad, referenceBad + referenceGood, 0.01);
            return Reached(found.Low(alpha), -1, 2e-6) && Reached(found.High(alpha), 1, -2e-6)
                && found.Below(found.High(alpha) + 1e-9, alpha) == found.High(alpha) < 1
                && found.Above(found.Low(alpha) - 1e-9, alpha) == found.Low(alpha) > -1
                && !found.Below(found.Estimate, alpha) && !found.Above(found.Estimate, alpha);

            bool Reached(double limit, double end, double inwards) =>
                limit == end || (found.LogE(limit) >= -Math.Log(alpha) && found.LogE(limit + inwards) < -Math.Log(alpha));
        });

    [Fact]
    public void Beyond_a_million_million_trials_a_tail_is_the_normal_s()
    {
        // The mean is 1e12; above two standard deviations lie 2.275 % of a normal.
        const double n = 4e12, p = 0.25;
        var far = 2 * Math.Sqrt(n * p * (1 - p));
        Binomial.UpperTail((n * p) + far + 0.5, n, p).ShouldBe(0.0227501319, 1e-7);
        Binomial.LowerTail((n * p) - far - 0.5, n, p).ShouldBe(0.0227501319, 1e-7);
        Binomial.UpperTail((n * p) - far + 0.5, n, p).ShouldBe(1 - 0.0227501319, 1e-7);
        Binomial.LowerTail((n * p) + far - 0.5, n, p).ShouldBe(1 - 0.0227501319, 1e-7);
        // Where every trial or none succeeds nothing else is expected.
        Binomial.UpperTail(5, n, 0).ShouldBe(Binomial.Smallest);
        Binomial.LowerTail(n - 5, n, 1).ShouldBe(Binomial.Smallest);
    }

    [Fact]
    public void The_ends_of_the_tails_are_all_and_next_to_nothing()
    {
        (Binomial.UpperTail(0, 10, 0.5), Binomial.LowerTail(10, 10, 0.5)).ShouldBe((1, 1));
        (Binomial.UpperTail(11, 10, 0.5), Binomial.LowerTail(-1, 10, 0.5)).ShouldBe((Binomial.Smallest, Binomial.Smallest));
        Binomial.UpperTail(10, 10, 0.5).ShouldBe(Math.Pow(0.5, 10), 1e-12);
        Binomial.LowerTail(0, 10, 0.5).ShouldBe(Math.Pow(0.5, 10), 1e-12);
    }
}
