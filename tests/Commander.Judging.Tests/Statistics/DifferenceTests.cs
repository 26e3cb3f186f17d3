using Commander.Judging.Simulation;
using Commander.Judging.Statistics;
using CsCheck;

namespace Commander.Judging.Tests.Statistics;

public class DifferenceTests
{
    private static readonly Gen<(int Bad, int Total, int ReferenceBad, int ReferenceTotal)> Counts =
        Gen.Select(Gen.Int[1, 3000], Gen.Int[1, 3000]).SelectMany((total, reference) =>
            Gen.Select(Gen.Int[0, total], Gen.Int[0, reference]).Select((bad, referenceBad) => (bad, total, referenceBad, reference)));

    [Fact]
    public void The_largest_likelihood_under_a_difference_is_found() =>
        Gen.Select(Counts, Gen.Double[-0.9, 0.9]).Sample((counts, difference) =>
        {
            var found = new Difference(counts.Bad, counts.Total, counts.ReferenceBad, counts.ReferenceTotal, 0.01);
            // The mixture is the same for every difference: what remains must be no better than what a search finds.
            var unconstrained = found.LogE(found.Estimate) + Likelihood(counts, (double)counts.ReferenceBad / counts.ReferenceTotal, found.Estimate);
            var (low, high) = (Math.Max(0, -difference), Math.Min(1, 1 - difference));
            for (var step = 0; step < 200; step++)
            {
                var (one, two) = (low + ((high - low) / 3), high - ((high - low) / 3));
                if (Likelihood(counts, one, difference) < Likelihood(counts, two, difference))
                {
                    low = one;
                }
                else
                {
                    high = two;
                }
            }
            var best = Likelihood(counts, 0.5 * (low + high), difference);
            return Math.Abs(found.LogE(difference) - (unconstrained - best)) < 1e-4 * (1 + Math.Abs(best));
        });

    [Fact]
    public void The_limits_enclose_the_estimate_and_shrink_with_the_level() =>
        Counts.Sample(counts =>
        {
            var found = new Difference(counts.Bad, counts.Total, counts.ReferenceBad, counts.ReferenceTotal, 0.01);
            return found.Low(0.05) <= found.Estimate + 1e-9 && found.High(0.05) >= found.Estimate - 1e-9
                && found.Low(0.001) <= found.Low(0.05) + 1e-6 && found.High(0.001) >= found.High(0.05) - 1e-6;
        });

    [Fact]
    public void Below_says_what_the_upper_limit_says() =>
        Gen.Select(Counts, Gen.Double[0.001, 0.5]).Sample((counts, tolerance) =>
        {
            var found = new Difference(counts.Bad, counts.Total, counts.ReferenceBad, counts.ReferenceTotal, 0.01);
            var high = found.High(0.05);
            return Math.Abs(high - tolerance) < 1e-5 || found.Below(tolerance, 0.05) == (high < tolerance);
        });

    [Fact]
    public void A_past_like_the_present_narrows_the_limits_and_one_unlike_it_costs_little()
    {
        double High(double pastBad) => new Difference(2, 1000, 1, 1000, 0.01, pastBad, 3000).High(0.1);
        var without = new Difference(2, 1000, 1, 1000, 0.01).High(0.1);
        High(4).ShouldBeLessThan(0.9 * without);
        High(300).ShouldBeLessThan(1.15 * without);
    }

    [Fact]
    public void A_fixed_level_bounds_the_limits()
    {
        var none = new Difference(0, 50, 0.0, 0.025);
        none.Low(0.01).ShouldBe(0, 1e-9);
        none.High(0.05).ShouldBeInRange(0.01, 0.2);
    }

    [Theory]
    [InlineData(0.01, 0.01)]
    [InlineData(0.03, 0.01)]
    [InlineData(0.3, 0.25)]
    [Trait("Category", "Measured")]
    public void Looked_at_every_tick_the_interval_holds_the_truth(double candidate, double reference)
    {
        const double alpha = 0.05;
        var misses = 0;
        const int runs = 300;
        for (var run = 0; run < runs; run++)
        {
            var noise = new Noise((ulong)(77 + run));
            var (bad, total, referenceBad) = (0, 0, 0);
            for (var tick = 0; tick < 60; tick++)
            {
                bad += noise.Binomial(50, candidate);
                referenceBad += noise.Binomial(50, reference);
                total += 50;
                if (new Difference(bad, total, referenceBad, total, 0.01).LogE(candidate - reference) >= -Math.Log(alpha))
                {
                    misses++;
                    break;
                }
            }
        }
        (misses / (double)runs).ShouldBeLessThanOrEqualTo(alpha);
    }

    private static double Likelihood((int Bad, int Total, int ReferenceBad, int ReferenceTotal) counts, double reference, double difference)
    {
        static double Inside(double proportion) => Math.Clamp(proportion, 1e-12, 1 - 1e-12);
        return Binomial.LogLikelihood(counts.Bad, counts.Total, Inside(reference + difference))
            + Binomial.LogLikelihood(counts.ReferenceBad, counts.ReferenceTotal, Inside(reference));
    }
}
