using Commander.Judging.Simulation;
using Commander.Judging.Statistics;

namespace Commander.Judging.Tests.Statistics;

public class WanderingTests
{
    private static double Mean(double autocorrelation, double deviation, int ticks)
    {
        double sum = 0;
        for (var seed = 0; seed < 100; seed++)
        {
            var noise = new Noise((ulong)seed);
            var past = new Wandering();
            var level = noise.Normal();
            for (var tick = 0; tick < ticks; tick++)
            {
                level = (autocorrelation * level) + (Math.Sqrt(1 - (autocorrelation * autocorrelation)) * noise.Normal());
                past.Add(noise.Binomial(300, 0.02 * Math.Exp(deviation * level)), 300);
            }
            sum += past.Value;
        }
        return sum / 100;
    }

    [Fact]
    public void A_steady_rate_scatters_as_a_binomial_does() => Mean(0.9, 0, 120).ShouldBe(1, 0.1);

    [Fact]
    public void A_rate_that_wanders_scatters_over_blocks_by_more_than_it_does_from_tick_to_tick()
    {
        // Ticks of 300 with 6 failing whose rate has the coefficient of variation 0.53: about 2.7 from tick to tick.
        Mean(0, 0.5, 120).ShouldBe(2.7, 0.5);
        Mean(0.9, 0.5, 120).ShouldBeGreaterThan(6);
    }

    [Fact]
    public void A_past_of_few_blocks_says_nothing()
    {
        Mean(0.9, 0.5, 31).ShouldBe(0);
        Mean(0.9, 0.5, 32).ShouldBeGreaterThan(0);
    }

    [Fact]
    public void Nothing_bad_says_nothing()
    {
        var past = new Wandering();
        for (var tick = 0; tick < 80; tick++)
        {
            past.Add(0, 100);
        }
        past.Value.ShouldBe(0);
    }
}
