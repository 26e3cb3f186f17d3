using Commander.Judging.Evidence;
using Commander.Judging.Simulation;
using Commander.Judging.Tests.Simulated;
using Commander.Judging.Verdicts;
using static Commander.Judging.Tests.Simulated.Usual;

namespace Commander.Judging.Tests.Verdicts;

/// <summary>Response times in buckets that are a factor of two wide, the tolerance a fifth and 25 ms.</summary>
public class HistogramsTests
{
    private static readonly double[] Edges = [100, 200, 400, 800, double.PositiveInfinity];

    // The old version's 95th percentile is 236 ms: 308 are allowed.
    private static readonly double[] Old = [0.5, 0.06, 0.004, 0.001];

    // A request's bucket is drawn: the shares above 100, 200, 400 and 800 ms.
    private static Reading Requests(Noise noise, double[] above, int total)
    {
        var counts = new double[Edges.Length];
        for (var request = 0; request < total; request++)
        {
            var drawn = noise.Uniform();
            for (var edge = 0; edge < counts.Length; edge++)
            {
                counts[edge] += edge == above.Length || drawn >= above[edge] ? 1 : 0;
            }
        }
        return new(Quality.Value, Buckets: new Buckets(Edges, counts));
    }

    private static (Decision Decision, int? RolledBack, bool EverContinued) Beside(double[] candidate, bool control = true) =>
        Watch(Policy(Shop.LatencyMetric with { Warmup = TimeSpan.Zero }), 120, 120, (tick, noise) =>
        {
            if (tick.N <= 0)
            {
                tick[0, Arm.Before] = Requests(noise, Old, 2000);
                return;
            }
            tick[0, Arm.Candidate] = Requests(noise, candidate, 1000);
            if (control)
            {
                tick[0, Arm.Control] = Requests(noise, Old, 1000);
            }
        });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_quantile_that_rises_far_within_one_wide_bucket_is_rolled_back(bool control)
    {
        // The 95th percentile goes from 236 to 388 ms, and still only 3.8 % take longer than 400 ms.
        var (_, rolledBack, everContinued) = Beside([0.7, 0.24, 0.038, 0.002], control);
        rolledBack.ShouldNotBeNull().ShouldBeLessThan(4);
        everContinued.ShouldBeFalse();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_quantile_that_rises_by_less_than_the_tolerance_is_not_however_certain_it_is(bool control)
    {
        // 267 ms, and three times as many above 400 ms.
        var (decision, rolledBack, _) = Beside([0.55, 0.068, 0.014, 0.001], control);
        rolledBack.ShouldBeNull();
        decision.ShouldBe(Decision.Continue);
    }

    [Fact]
    public void The_same_response_times_carry_on() => Beside(Old).Decision.ShouldBe(Decision.Continue);
}
