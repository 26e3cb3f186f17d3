using Commander.Judging.Statistics;
using Commander.Judging.Tests.Simulated;
using CsCheck;
using MathNet.Numerics;
using ChiSquared = MathNet.Numerics.Distributions.ChiSquared;

namespace Commander.Judging.Tests.Statistics;

public class ReferenceValueTests
{
    [Theory]
    [InlineData(8, 1, 1.0 / 3, 5.099663)]
    [InlineData(0, 10, 0.1, -2.397895)]
    [InlineData(5, 0, 0.05, 13.238195)]
    [InlineData(20, 60, 0.1, 5.374875)]
    public void The_error_split_gives_the_published_evidence(double candidate, double reference, double share, double expected) =>
        ErrorSplit.LogE(candidate, reference, share).ShouldBe(expected, 1e-6);

    [Fact]
    public void The_binomial_tail_and_the_incomplete_beta_function_give_the_published_values()
    {
        Binomial.UpperTail(8, 9, 1.0 / 3).ShouldBe(0.00096530, 5e-9);
        Binomial.IncompleteBeta(0.3, 4, 7).ShouldBe(0.35038928, 5e-9);
        SpecialFunctions.GammaLn(7.5).ShouldBe(7.53436424, 5e-9);
    }

    [Fact]
    public void Both_tails_count_the_value_itself() =>
        Gen.Select(Gen.Int[1, 60], Gen.Double[0.01, 0.99]).SelectMany((n, p) => Gen.Int[0, n].Select(x => (n, p, x))).Sample((n, p, x) =>
        {
            var upper = Enumerable.Range(x, n - x + 1).Sum(k => MathNet.Numerics.Distributions.Binomial.PMF(p, n, k));
            var lower = Enumerable.Range(0, x + 1).Sum(k => MathNet.Numerics.Distributions.Binomial.PMF(p, n, k));
            return Math.Abs(Binomial.UpperTail(x, n, p) - upper) < 1e-9
                && Math.Abs(Binomial.LowerTail(x, n, p) - lower) < 1e-9;
        });

    [Fact]
    public void The_lower_tenth_of_chi_square_is_within_half_a_percent() =>
        Gen.Int[8, 5000].Sample(freedom => Math.Abs((Dispersion.LowerLimit(freedom, 1.2815515655446004) / ChiSquared.InvCDF(freedom, 0.1)) - 1) < 0.005);
}
