using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;
using Commander.Judging.Tests.Simulated;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Tests.Verdicts;

/// <summary>The judge on a simulated service: 100 requests a second per arm, ticks of half a second, the past 20 s.</summary>
[Trait("Category", "Measured")]
public class JudgeSimulationTests(ITestOutputHelper output)
{
    private static readonly Behaviour Good = new();

    [Fact]
    public void A_quarter_of_errors_is_rolled_back_within_two_ticks()
    {
        var run = Run(100, Good, Good with { Errors = 0.25 }, 20);
        run.RolledBackWithin(2).ShouldBeGreaterThanOrEqualTo(0.75);
        run.RolledBackWithin(4).ShouldBeGreaterThanOrEqualTo(0.99);
        run.Continued.ShouldBeEmpty();
    }

    [Fact]
    public void Two_percent_instead_of_a_thousandth_is_mostly_rolled_back_within_ten_to_twenty_seconds_and_never_waved_through()
    {
        var run = Run(100, Good, Good with { Errors = 0.02 }, 60);
        run.RolledBackWithin(20).ShouldBeGreaterThanOrEqualTo(0.5);
        run.RolledBackWithin(40).ShouldBeGreaterThanOrEqualTo(0.9);
        run.Continued.ShouldBeEmpty();
    }

    [Fact]
    public void Three_times_the_response_time_is_rolled_back_within_ten_seconds() =>
        Run(50, Good, Good with { Median = 60 }, 20).RolledBackWithin(20).ShouldBe(1);

    [Fact]
    public void Stalls_of_the_past_do_not_hide_that_a_quarter_of_the_requests_is_slow()
    {
        var policy = Shop.Policy();
        for (var seed = 0; seed < 30; seed++)
        {
            var noise = new Noise((ulong)seed);
            var state = Judge.Start(policy, restarted: true);
            for (var n = -59; n <= 0; n++)
            {
                var old = Good with { Rate = 2 * Good.Rate, SlowShare = n is -45 or -44 or -20 ? 0.6 : 0 };
                Judge.Next(policy, Model.Shipped, ref state, Input.Of(Shop.Tick(policy, noise, n, null, null, old)));
            }
            var slow = Good with { SlowShare = 0.25 };
            Shop.First(policy, noise, ref state, Decision.Rollback, 24, _ => slow, _ => Good).ShouldNotBeNull($"seed {seed}");
        }
    }

    [Fact]
    public void A_leak_is_rolled_back_within_fifteen_seconds() =>
        Run(50, Good, Good with { Leak = 8 }, 30).RolledBackWithin(30).ShouldBe(1);

    [Fact]
    public void A_candidate_without_traffic_is_dead_after_three_seconds()
    {
        var policy = Shop.Policy();
        var noise = new Noise(11);
        var state = Shop.Begin(policy, noise, Good);
        Shop.First(policy, noise, ref state, Decision.Rollback, 20, _ => null, _ => Good).ShouldBe(6);
        Judge.Read(policy, Model.Shipped, state, new Reader(default, 0, [], false)).Reasoning.ShouldContain("no data from the candidate for 3 s");
    }

    [Fact]
    public void A_good_version_carries_on_within_fifteen_seconds_and_is_left_alone_after_promotion()
    {
        var run = Run(200, Good, Good, 150, promote: true);
        run.RolledBack.Count.ShouldBeLessThanOrEqualTo(1);
        run.Continued.Min().ShouldBeGreaterThanOrEqualTo(20);
        (run.Continued.Count(static tick => tick <= 30) / 200.0).ShouldBeGreaterThanOrEqualTo(0.97);
        run.Continued.Count.ShouldBeGreaterThanOrEqualTo(199);
    }

    [Theory]
    [InlineData(0.001, 1, 40)]
    [InlineData(0.02, 1, 40)]
    [InlineData(0.001, 2, 40)]
    [InlineData(0.02, 2, 0)]
    [InlineData(0.02, 5, 40)]
    public void Errors_that_both_versions_make_are_no_alarm_even_in_bursts(double errors, double burst, int past)
    {
        var same = Good with { Errors = errors, Dispersion = (2 * burst) - 1 };
        var run = Run(300, same, same, 120, Shop.Policy(Shop.ErrorMetric), past: past);
        // The part of the budget for one count test is 0.2 %: two of 300 would be three times that.
        run.RolledBack.Count.ShouldBeLessThanOrEqualTo(2);
    }

    [Fact]
    public void Without_a_control_a_stall_that_goes_is_hardly_ever_an_alarm()
    {
        var policy = Shop.Policy(Shop.ErrorMetric);
        var alarms = 0;
        for (var seed = 0; seed < 100; seed++)
        {
            var noise = new Noise((ulong)seed);
            var state = Shop.Begin(policy, noise, Good);
            // Every ten seconds a stall fails ten requests of one tick.
            for (var n = 1; n <= 120; n++)
            {
                var tick = Shop.Tick(policy, noise, n, Good, null);
                if (n % 20 == 7)
                {
                    tick[Shop.Errors, Arm.Candidate] = tick[Shop.Errors, Arm.Candidate] with { Value = 10 };
                }
                if (Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick)).Decision == Decision.Rollback)
                {
                    alarms++;
                    break;
                }
            }
        }
        // 17 of 500: stalls of which the past showed none.
        alarms.ShouldBeLessThanOrEqualTo(8);
    }

    [Fact]
    public void Without_a_control_a_quarter_of_errors_is_found_against_the_past()
    {
        var policy = Shop.Policy();
        var late = 0;
        for (var seed = 0; seed < 100; seed++)
        {
            var noise = new Noise((ulong)seed);
            var state = Shop.Begin(policy, noise, Good);
            late += Shop.First(policy, noise, ref state, Decision.Rollback, 6, _ => Good with { Errors = 0.25 }, _ => null) is null ? 1 : 0;
        }
        late.ShouldBe(0);
    }

    private Outcome Run(int seeds, Behaviour old, Behaviour young, int ticks, Policy? given = null, bool promote = false, int past = 40)
    {
        var policy = given ?? Shop.Policy();
        var outcome = new Outcome(seeds, [], []);
        for (var seed = 0; seed < seeds; seed++)
        {
            var noise = new Noise((ulong)(1000 + seed));
            var state = Shop.Begin(policy, noise, old, past: past);
            var continued = 0;
            for (var n = 1; n <= Math.Max(ticks, promote && continued > 0 ? continued + 120 : 0); n++)
            {
                var promoted = promote && continued > 0;
                var step = Judge.Next(policy, Model.Shipped, ref state, Input.Of(Shop.Tick(
                    policy, noise, n, promoted ? young with { Rate = 2 * young.Rate } : young, promoted ? null : old)));
                if (step.Decision == Decision.Continue && continued == 0)
                {
                    continued = n;
                    outcome.Continued.Add(n);
                    if (promote)
                    {
                        Judge.Next(policy, Model.Shipped, ref state, Input.Of(new ReferenceChange(Subject.Promoted, Arm.Before)));
                    }
                }
                if (step.Decision == Decision.Rollback)
                {
                    outcome.RolledBack.Add(n);
                    output.WriteLine($"seed {seed}, tick {n}: {Judge.Read(policy, Model.Shipped, state, new Reader(default, 0, [], false)).Reasoning}");
                    break;
                }
            }
        }
        output.WriteLine(outcome.ToString());
        return outcome;
    }

    private sealed record Outcome(int Seeds, List<int> Continued, List<int> RolledBack)
    {
        public double RolledBackWithin(int ticks) => RolledBack.Count(tick => tick <= ticks) / (double)Seeds;

        public override string ToString() =>
            $"of {Seeds}: rolled back {RolledBack.Count} (ticks {Quantiles(RolledBack)}), continued {Continued.Count} (ticks {Quantiles(Continued)})";

        private static string Quantiles(List<int> ticks) => ticks.Count == 0
            ? "-"
            : string.Join("/", new[] { 0, 0.5, 0.9, 1 }.Select(share => ticks.Order().ElementAt((int)(share * (ticks.Count - 1)))));
    }
}
