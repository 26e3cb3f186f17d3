using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;
using Commander.Judging.Tests.Simulated;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Tests.Verdicts;

public class RoutingTests
{
    private static readonly Behaviour Good = new() { Rate = 100 };

    private static (WatchState State, int? Continued, Policy Policy) Watch(double? intended, double candidate, double control, params MetricPolicy[] metrics)
    {
        var policy = Shop.Policy(metrics);
        policy = policy with { Watch = policy.Watch with { Share = intended } };
        var noise = new Noise(1);
        var state = Shop.Begin(policy, noise, Good);
        var continued = Shop.First(policy, noise, ref state, Decision.Continue, 120, _ => Good with { Rate = candidate }, _ => Good with { Rate = control });
        return (state, continued, policy);
    }

    private static string Reasoning(in WatchState state, Policy policy) => Judge.Read(policy, Model.Shipped, state, new Reader(default, 0, [], false)).Reasoning;

    [Fact]
    public void A_candidate_with_another_share_than_intended_waits_and_the_reason_names_both()
    {
        var (state, continued, policy) = Watch(0.1, 100, 200);
        continued.ShouldBeNull();
        Reasoning(state, policy).ShouldMatch(@"^the candidate has 3[23](\.\d)? % of the requests where 10 % are intended \(watch\.share\): look at the routing$");
    }

    [Fact]
    public void Too_small_a_share_waits_as_well()
    {
        var (state, continued, policy) = Watch(0.5, 100, 400);
        continued.ShouldBeNull();
        Reasoning(state, policy).ShouldContain("where 50 % are intended");
    }

    [Theory]
    [InlineData(0.33)]
    [InlineData(0.28)]
    [InlineData(null)]
    public void A_share_as_intended_or_nearly_so_or_not_intended_at_all_carries_on(double? intended) => Watch(intended, 100, 200).Continued.ShouldNotBeNull();

    [Fact]
    public void It_is_no_alarm_and_delays_none()
    {
        var (state, _, policy) = Watch(0.1, 100, 200);
        var noise = new Noise(2);
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(Shop.Tick(policy, noise, state.LastTick + 1, Good, Good with { Rate = 200 }))).Alarm.ShouldBeFalse();
        Shop.First(policy, noise, ref state, Decision.Rollback, 10, _ => Good with { Errors = 0.5 }, _ => Good with { Rate = 200 }).ShouldNotBeNull();
    }

    [Fact]
    public void A_warm_up_that_only_one_arm_counts_is_no_other_share() =>
        Watch(0.5, 100, 100, Shop.LatencyMetric with { Warmup = TimeSpan.FromSeconds(20) }).Continued.ShouldNotBeNull();
}
