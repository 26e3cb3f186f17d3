using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;
using Commander.Judging.Tests.Simulated;
using Commander.Judging.Verdicts;
using static Commander.Judging.Tests.Simulated.Usual;

namespace Commander.Judging.Tests.Verdicts;

/// <summary>Gauges and plain counts whose noise, zeros or references are not what a bell curve has.</summary>
public class LevelsTests
{
    private static readonly MetricPolicy Cpu = Shop.CpuMetric with { Warmup = TimeSpan.Zero };
    private static readonly MetricPolicy Slow = Cpu with { Name = "latency_p99", Family = Family.Latency, Unit = "ms", Tolerance = new Tolerance(0.2, true), Floor = 25 };
    private static readonly MetricPolicy Share = Cpu with { Name = "error_rate", Family = Family.Error, Tolerance = new Tolerance(1, false), Floor = 0 };
    private static readonly MetricPolicy Queue = Cpu with { Name = "queue_length", Family = Family.Kpi, Direction = Direction.Either, Unit = "", Floor = 0 };
    private static readonly MetricPolicy Exceptions = Cpu with { Name = "exceptions", Kind = MetricKind.Count, Family = Family.Error, Unit = "count", Tolerance = new Tolerance(1, true), Floor = 0 };
    private static readonly MetricPolicy Requests = Cpu with { Name = "requests", Kind = MetricKind.Count, Family = Family.Traffic, Direction = Direction.Down, Unit = "count", Tolerance = new Tolerance(0.6, true), Floor = 0 };

    private static Reading Value(double value) => new(Quality.Value, value);

    // How many of so many watches, half an hour beside half an hour of past, are rolled back.
    private static int RolledBack(MetricPolicy metric, int watches, int past, Func<Noise, Arm, Reading> measure, bool control = true)
    {
        var policy = Policy(metric);
        var count = 0;
        for (var seed = 0; seed < watches; seed++)
        {
            var noise = new Noise((ulong)seed + 1);
            var state = Judge.Start(policy, restarted: false);
            for (var n = 1 - past; n <= 120; n++)
            {
                var tick = new Tick(n, 1, 1);
                foreach (var arm in n <= 0 ? [Arm.Before] : control ? (Arm[])[Arm.Candidate, Arm.Control] : [Arm.Candidate])
                {
                    tick[0, arm] = measure(noise, arm);
                }
                if (Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick)).Decision == Decision.Rollback)
                {
                    count++;
                    break;
                }
            }
        }
        return count;
    }

    [Fact]
    public void The_share_of_failures_of_a_small_canary_scatters_more_than_that_of_the_others() =>
        RolledBack(Share, 200, 30, static (noise, arm) =>
        {
            var requests = noise.Poisson(arm == Arm.Candidate ? 30 : 270);
            return requests > 0 ? Value(100.0 * noise.Binomial(requests, 0.01) / requests) : Reading.Missing(Quality.Empty);
        }).ShouldBeLessThanOrEqualTo(8);

    [Fact]
    public void Two_bad_ticks_of_six_are_no_lasting_fault()
    {
        double[] usual = [0.3, 0.7, 0.5];
        double[] candidate = [0, 0, 7, 7, 0, 0];
        Watch(Policy(Share), candidate.Length, 8, (tick, _) =>
        {
            var at = usual[(tick.N + 30) % 3];
            tick[0, tick.N <= 0 ? Arm.Before : Arm.Control] = Value(at);
            if (tick.N > 0)
            {
                tick[0, Arm.Candidate] = Value(candidate[tick.N - 1]);
            }
        }).RolledBack.ShouldBeNull();
    }

    [Theory]
    [InlineData(0.02, true)]
    [InlineData(0.05, true)]
    [InlineData(0.1, true)]
    [InlineData(0.02, false)]
    [InlineData(0.1, false)]
    public void Spikes_that_every_arm_has_are_no_fault(double often, bool control) =>
        RolledBack(Slow, 200, 120, (noise, _) => Value(300 * (1 + (0.05 * noise.Normal())) * (noise.Uniform() < often ? 3 : 1)), control).ShouldBeLessThanOrEqualTo(5);

    [Theory]
    [InlineData(0, 4)]
    [InlineData(0.05, 12)]
    public void A_fault_as_high_as_the_spikes_is_found_because_it_stays(double often, int within)
    {
        var tick = Watch(Policy(Slow), 60, 120, (tick, noise) =>
        {
            foreach (var arm in tick.N <= 0 ? (Arm[])[Arm.Before] : [Arm.Candidate, Arm.Control])
            {
                tick[0, arm] = Value((arm == Arm.Candidate && tick.N > 20 ? 900 : 300) * (1 + (0.05 * noise.Normal())) * (noise.Uniform() < often ? 3 : 1));
            }
        }).RolledBack;
        tick.ShouldNotBeNull().ShouldBeInRange(21, 20 + within);
    }

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.5)]
    public void Traffic_that_falls_in_both_arms_is_no_fault_of_one(double share) =>
        Watch(Policy(Shop.ErrorMetric, Requests), 120, 120, (tick, noise) =>
        {
            var whole = 300 * (1 - (0.8 * Math.Clamp((tick.N - 10) / 80.0, 0, 1)));
            foreach (var arm in tick.N <= 0 ? (Arm[])[Arm.Before] : [Arm.Candidate, Arm.Control])
            {
                var requests = noise.Poisson(whole * (arm switch { Arm.Candidate => share, Arm.Control => 1 - share, _ => 1 }));
                (tick[0, arm], tick[1, arm]) = (Of(0, requests), Value(requests));
            }
        }).RolledBack.ShouldBeNull();

    [Theory]
    [InlineData(Quality.Timeout)]
    [InlineData(Quality.Empty)]
    public void A_control_that_is_missing_for_a_while_takes_no_traffic_from_the_whole(Quality quality) =>
        Watch(Policy(Shop.ErrorMetric, Requests), 120, 120, (tick, noise) =>
        {
            foreach (var arm in tick.N <= 0 ? (Arm[])[Arm.Before] : [Arm.Candidate, Arm.Control])
            {
                var requests = noise.Poisson(300 * (arm switch { Arm.Candidate => 0.1, Arm.Control => 0.9, _ => 1 }));
                (tick[0, arm], tick[1, arm]) = (Of(0, requests), arm == Arm.Control && tick.N is > 40 and <= 60 ? Reading.Missing(quality) : Value(requests));
            }
        }).RolledBack.ShouldBeNull();

    [Fact]
    public void Errors_that_both_arms_count_alike_are_no_fault_of_one() =>
        Watch(Policy(Exceptions), 60, 60, (tick, _) =>
        {
            foreach (var arm in tick.N <= 0 ? (Arm[])[Arm.Before] : [Arm.Candidate, Arm.Control])
            {
                tick[0, arm] = Value(tick.N <= 0 ? 1 : 60);
            }
        }).RolledBack.ShouldBeNull();

    [Fact]
    public void Orders_that_a_small_canary_loses_are_missed_for_each_of_its_requests() =>
        Watch(Policy(Shop.ErrorMetric, Requests with { Name = "orders", Family = Family.Kpi }), 60, 60, (tick, noise) =>
        {
            foreach (var arm in tick.N <= 0 ? (Arm[])[Arm.Before] : [Arm.Candidate, Arm.Control])
            {
                var requests = noise.Poisson(3000 * (arm switch { Arm.Candidate => 0.1, Arm.Control => 0.9, _ => 1 }));
                (tick[0, arm], tick[1, arm]) = (Of(0, requests), Value(noise.Binomial(requests, arm == Arm.Candidate ? 0.01 : 0.1)));
            }
        }).RolledBack.ShouldNotBeNull();

    [Fact]
    public void A_tick_without_an_exception_is_a_tick_that_was_compared()
    {
        static (Decision Decision, int? RolledBack, bool EverContinued) Thrown(int bad) => Watch(Policy(Shop.CpuMetric with { Warmup = TimeSpan.Zero }, Requests, Exceptions), 40, 40, (tick, noise) =>
        {
            foreach (var arm in tick.N <= 0 ? (Arm[])[Arm.Before] : [Arm.Candidate, Arm.Control])
            {
                tick[0, arm] = Value(30 + noise.Normal());
                tick[1, arm] = Value(150);
                tick[2, arm] = Value(arm == Arm.Candidate ? bad : tick.N == -10 ? 1 : 0);
            }
        });

        Thrown(0).Decision.ShouldBe(Decision.Continue);
        Thrown(20).Decision.ShouldBe(Decision.Rollback);
    }

    [Fact]
    public void A_gauge_that_is_0_in_every_arm_is_the_same_and_one_that_is_not_any_more_is_worse()
    {
        static (Decision Decision, int? RolledBack, bool EverContinued) Queued(double candidate) => Watch(Policy(Queue), 40, 40, (tick, _) =>
        {
            foreach (var arm in tick.N <= 0 ? (Arm[])[Arm.Before] : [Arm.Candidate, Arm.Control])
            {
                tick[0, arm] = Value(arm == Arm.Candidate ? candidate : 0);
            }
        });

        Queued(0).Decision.ShouldBe(Decision.Continue);
        var grown = Queued(5000);
        grown.Decision.ShouldBe(Decision.Rollback);
        grown.RolledBack.ShouldNotBeNull().ShouldBeGreaterThan(4);
    }

    [Fact]
    public void A_bad_past_excuses_only_while_the_control_is_still_as_bad()
    {
        static int? Past(double control) => Watch(Policy(Slow), 60, 60, (tick, noise) =>
        {
            foreach (var arm in tick.N <= 0 ? (Arm[])[Arm.Before] : [Arm.Candidate, Arm.Control])
            {
                tick[0, arm] = Value((arm == Arm.Control ? control : 600) * (1 + (0.05 * noise.Normal())));
            }
        }).RolledBack;

        Past(200).ShouldNotBeNull();
        Past(560).ShouldBeNull();
    }

    [Theory]
    [InlineData(0.5, false)]
    [InlineData(0.7, true)]
    public void A_tolerance_of_60_percent_downwards_is_passed_below_40_percent_of_the_reference(double loss, bool bad) =>
        (Watch(Policy(Requests), 60, 60, (tick, noise) => tick[0, tick.N <= 0 ? Arm.Before : Arm.Candidate] = Value(noise.Poisson(3000 * (tick.N <= 0 ? 1 : 1 - loss)))).RolledBack is not null).ShouldBe(bad);

    [Theory]
    [InlineData(5, "before")]
    [InlineData(6, "seasonal")]
    public void Another_day_is_believed_from_six_points_on(int past, string reference)
    {
        var policy = Policy(Slow);
        var state = Judge.Start(policy, restarted: false);
        for (var n = 1 - past; n <= 10; n++)
        {
            var tick = new Tick(n, 1, 1);
            tick[0, n <= 0 ? Arm.Before : Arm.Candidate] = Value(300 + (n & 3));
            tick[0, Arm.Seasonal] = Value(290 + (n & 3));
            Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick));
        }
        Judge.Read(policy, Model.Shipped, state, new Reader(DateTimeOffset.UnixEpoch, 0, [], true)).Findings[0].ReferenceArm.ShouldBe(reference);
    }
}
