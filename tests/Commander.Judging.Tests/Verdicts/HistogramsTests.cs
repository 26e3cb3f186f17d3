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

    // Exponential response times with this mean, in buckets of the given edges.
    private static Reading Exponential(Noise noise, double[] edges, double mean, int total)
    {
        var counts = new double[edges.Length];
        var (left, below, seen) = (total, 0.0, 0.0);
        for (var at = 0; at < edges.Length - 1; at++)
        {
            var inside = noise.Binomial(left, 1 - Math.Exp((below - edges[at]) / mean));
            (seen, left, below) = (seen + inside, left - (int)inside, edges[at]);
            counts[at] = seen;
        }
        counts[^1] = total;
        return new(Quality.Value, Buckets: new Buckets(edges, counts));
    }

    private static (Decision Decision, int? RolledBack, bool EverContinued) Means(double[] edges, double old, double candidate) =>
        Watch(Policy(Shop.LatencyMetric with { Warmup = TimeSpan.Zero }), 120, 120, (tick, noise) =>
        {
            foreach (var arm in tick.N <= 0 ? (Arm[])[Arm.Before] : [Arm.Candidate, Arm.Control])
            {
                tick[0, arm] = Exponential(noise, edges, arm == Arm.Candidate ? candidate : old, 1000);
            }
        });

    [Theory]
    [InlineData(40)]
    [InlineData(17)]
    [InlineData(200)]
    public void Of_more_edges_than_are_kept_those_near_the_quantile_are(int count)
    {
        // A 95th percentile of 205 ms, and one of 308 where 271 are allowed: between two of the edges that an even choice of forty would keep.
        double[] edges = [.. Enumerable.Range(1, count - 1).Select(at => at * 2000.0 / (count - 1)), double.PositiveInfinity];
        Means(edges, 68.4, 102.7).RolledBack.ShouldNotBeNull().ShouldBeLessThan(10);
        var (decision, rolledBack, _) = Means(edges, 68.4, 68.4);
        rolledBack.ShouldBeNull();
        decision.ShouldBe(Decision.Continue);
    }

    [Fact]
    public void A_little_more_beyond_the_last_edge_is_within_the_tolerance()
    {
        // The 95th percentile is 300 ms, the last edge 100: 37 % are above it. Five percent slower: 39 %.
        double[] edges = [25, 50, 100, double.PositiveInfinity];
        Means(edges, 100, 105).RolledBack.ShouldBeNull();
        Means(edges, 100, 200).RolledBack.ShouldNotBeNull();
    }
}
