using Commander.Judging.Evidence;
using Commander.Judging.Simulation;
using Commander.Judging.Statistics;
using Commander.Judging.Tests.Simulated;
using CsCheck;

namespace Commander.Judging.Tests.Statistics;

public class RateRatioTests
{
    private static readonly Gen<(double Bad, double Total, double ReferenceBad, double ReferenceTotal)> Counts =
        Gen.Select(Gen.Int[1, 500], Gen.Int[1, 500]).SelectMany((total, reference) =>
            Gen.Select(Gen.Int[0, total], Gen.Int[0, reference]).Select((bad, referenceBad) => ((double)bad, (double)total, (double)referenceBad, (double)reference)));

    [Fact]
    public void At_a_steady_share_the_grid_agrees_with_the_closed_form()
    {
        Gen.Select(Gen.Int[0, 40], Gen.Int[0, 40], Gen.Double[0.1, 0.6]).Sample((bad, referenceBad, share) =>
        {
            var ratio = new RateRatio();
            ratio.Add(bad, 1e6 * share, referenceBad, 1e6 * (1 - share), Direction.Up);
            var (found, closed) = (ratio.LogE(1), ErrorSplit.LogE(bad, referenceBad, share));
            // Two priors of the same events differ by the weight they give to the true ratio, never by the data's exponent. Where there is no harm the one that begins nearer to
            // "no worse" loses less.
            return closed < 0 ? found < 1 : Math.Abs(found - closed) < 3;
        });
    }

    [Fact]
    public void How_ticks_are_grouped_makes_no_difference_at_a_steady_share() =>
        Gen.Select(Gen.Int[0, 20], Gen.Int[0, 20], Gen.Int[0, 20], Gen.Int[0, 20]).Sample((one, two, three, four) =>
        {
            var apart = new RateRatio();
            apart.Add(one, 100, two, 300, Direction.Up);
            apart.Add(three, 50, four, 150, Direction.Up);
            var together = new RateRatio();
            together.Add(one + three, 150, two + four, 450, Direction.Up);
            return Math.Abs(apart.LogE(1) - together.LogE(1)) < 1e-9;
        });

    [Fact]
    public void Dividing_by_a_dispersion_is_dividing_the_counts() =>
        Gen.Select(Counts, Gen.Double[1, 8]).Sample((counts, dispersion) =>
        {
            var whole = new RateRatio();
            whole.Add(counts.Bad, counts.Total, counts.ReferenceBad, counts.ReferenceTotal, Direction.Either);
            var divided = new RateRatio();
            divided.Add(counts.Bad / dispersion, counts.Total / dispersion, counts.ReferenceBad / dispersion, counts.ReferenceTotal / dispersion, Direction.Either);
            return Math.Abs(whole.LogE(dispersion) - divided.LogE(1)) < 1e-3;
        });

    [Fact]
    public void A_silent_arm_says_nothing()
    {
        var (candidate, reference) = (new RateRatio(), new RateRatio());
        candidate.Add(10, 100, 0, 0, Direction.Up);
        reference.Add(0, 0, 10, 100, Direction.Up);
        candidate.LogE(1).ShouldBe(0, 1e-12);
        reference.LogE(1).ShouldBe(0, 1e-12);
    }

    [Fact]
    public void Ticks_with_a_request_now_and_then_say_what_they_would_say_together()
    {
        var (apart, together) = (new RateRatio(), new RateRatio());
        for (var tick = 0; tick < 40; tick++)
        {
            // Every fourth tick has a request of the candidate, every twelfth one that fails; the control has five a tick.
            apart.Add(tick % 12 == 0 ? 1 : 0, tick % 4 == 0 ? 1 : 0, tick == 20 ? 1 : 0, 5, Direction.Up);
        }
        together.Add(4, 10, 1, 200, Direction.Up);
        // The block closed when the tenth request came, three ticks before the end.
        apart.LogE(1).ShouldBe(together.LogE(1), 0.5);
        apart.LogE(1).ShouldBeGreaterThan(5);
    }

    [Fact]
    public void Fewer_errors_are_evidence_only_where_less_is_worse()
    {
        var (up, down, either) = (new RateRatio(), new RateRatio(), new RateRatio());
        up.Add(2, 1000, 40, 1000, Direction.Up);
        down.Add(2, 1000, 40, 1000, Direction.Down);
        either.Add(2, 1000, 40, 1000, Direction.Either);
        up.LogE(1).ShouldBeLessThan(0);
        down.LogE(1).ShouldBeGreaterThan(5);
        either.LogE(1).ShouldBeGreaterThan(4);
    }

    [Theory]
    [InlineData(0.002, 0.5, 0.5)]
    [InlineData(0.02, 0.05, 0.5)]
    [InlineData(0.2, 0.1, 0.1)]
    [Trait("Category", "Measured")]
    public void A_look_at_every_tick_of_a_ramp_keeps_the_level(double errors, double firstShare, double lastShare)
    {
        const double alpha = 0.05;
        var alarms = 0;
        const int runs = 600;
        for (var run = 0; run < runs; run++)
        {
            var noise = new Noise((ulong)run);
            var ratio = new RateRatio();
            for (var tick = 0; tick < 120; tick++)
            {
                // The rate moves too: only the arms' difference counts.
                var rate = errors * (1 + (0.5 * Math.Sin(tick / 20.0)));
                var candidate = (int)(200 * (firstShare + ((lastShare - firstShare) * tick / 120)));
                ratio.Add(noise.Binomial(candidate, rate), candidate, noise.Binomial(200 - candidate, rate), 200 - candidate, Direction.Up);
                if (ratio.LogE(1) >= -Math.Log(alpha))
                {
                    alarms++;
                    break;
                }
            }
        }
        // Six standard errors above the level would be 0.10; Ville says at most 0.05.
        (alarms / (double)runs).ShouldBeLessThanOrEqualTo(alpha + 0.02);
    }

    [Fact]
    public void At_a_grid_s_ratio_the_evidence_is_the_mixture_over_that_ratio_s_likelihood() =>
        Gen.Select(Counts, Gen.Double[1, 5]).Sample((counts, dispersion) =>
        {
            var ratio = new RateRatio();
            ratio.Add(counts.Bad, counts.Total, counts.ReferenceBad, counts.ReferenceTotal, Direction.Up);
            var (events, share) = (counts.Bad + counts.ReferenceBad, counts.Total / (counts.Total + counts.ReferenceTotal));
            var likelihood = (counts.Bad * Math.Log(2.7)) - (events * Math.Log(1 + (1.7 * share)));
            return Math.Abs(At(Math.Log(2.7)) - (ratio.LogE(dispersion) - (likelihood / dispersion))) < 1e-9
                && Math.Abs(At(0) - ratio.LogE(dispersion)) < 1e-9;

            double At(double log) => ratio.LogE(dispersion, log, Direction.Up, counts.Bad, events, share);
        });

    [Theory]
    [InlineData(1, 0.05, 0.5)]
    [InlineData(3, 0.05, 0.5)]
    [InlineData(3, 0.5, 0.1)]
    [InlineData(25, 0.1, 0.5)]
    [Trait("Category", "Measured")]
    public void The_true_ratio_is_hardly_ever_refuted_at_any_tick_of_a_ramp(double truth, double firstShare, double lastShare)
    {
        const double alpha = 0.05;
        const int runs = 400;
        var refuted = 0;
        for (var run = 0; run < runs; run++)
        {
            var noise = new Noise((ulong)run);
            var ratio = new RateRatio();
            double bad = 0, events = 0, total = 0, all = 0;
            for (var tick = 0; tick < 120; tick++)
            {
                var rate = 0.01 * (1 + (0.5 * Math.Sin(tick / 20.0)));
                var candidate = (int)(200 * (firstShare + ((lastShare - firstShare) * tick / 120)));
                var (own, other) = (noise.Binomial(candidate, truth * rate), noise.Binomial(200 - candidate, rate));
                ratio.Add(own, candidate, other, 200 - candidate, Direction.Up);
                (bad, events, total, all) = (bad + own, events + own + other, total + candidate, all + 200);
                if (ratio.LogE(1, Math.Log(truth), Direction.Up, bad, events, total / all) >= -Math.Log(alpha))
                {
                    refuted++;
                    break;
                }
            }
        }
        (refuted / (double)runs).ShouldBeLessThanOrEqualTo(alpha + 0.02);
    }
}
