using Commander.Judging.Simulation;
using Commander.Judging.Statistics;

namespace Commander.Judging.Tests.Statistics;

public class ShareMismatchTests
{
    [Theory]
    [InlineData(3, 5, 0.25)]
    [InlineData(40, 160, 0.1)]
    [InlineData(0, 30, 0.5)]
    public void The_e_value_is_the_mean_likelihood_ratio_over_the_prior(int candidate, int control, double intended)
    {
        // The predictive chance of each request, one after the other, over its intended chance.
        var (one, other, log) = (100 * intended, 100 * (1 - intended), 0.0);
        for (var request = 0; request < candidate + control; request++)
        {
            var mine = request < candidate;
            log += Math.Log((mine ? one : other) / (one + other) / (mine ? intended : 1 - intended));
            (one, other) = mine ? (one + 1, other) : (one, other + 1);
        }
        ShareMismatch.LogE(candidate, control, intended).ShouldBe(log, 1e-9);
    }

    [Fact]
    [Trait("Category", "Measured")]
    public void A_share_as_intended_is_hardly_ever_called_another_however_often_it_is_looked_at()
    {
        var called = 0;
        for (ulong run = 0; run < 2000; run++)
        {
            var noise = new Noise(run);
            double candidate = 0, control = 0;
            for (var look = 0; look < 200; look++)
            {
                var mine = noise.Binomial(50, 0.1);
                candidate += mine;
                control += 50 - mine;
                if (ShareMismatch.LogE(candidate, control, 0.1) >= Math.Log(100))
                {
                    called++;
                    break;
                }
            }
        }
        // At most one in a hundred: 20.
        called.ShouldBeLessThanOrEqualTo(30);
        ShareMismatch.LogE(200, 800, 0.1).ShouldBeGreaterThan(Math.Log(1000));
    }
}
