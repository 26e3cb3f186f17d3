using System.Runtime.CompilerServices;
using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;
using Commander.Judging.Tests.Simulated;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Tests.Verdicts;

/// <summary>The slow layer on a service of 20 requests a second per arm, ticks of 15 s, the past half an hour, watched for two hours after CONTINUE.</summary>
public class SlowLayerTests
{
    private const int Minute = 4;
    private static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly Behaviour Good = new() { Rate = 20, Errors = 0.005, Memory = 400 };

    private static Policy Policy(double hours, params MetricPolicy[] metrics)
    {
        var shop = Shop.Policy(metrics);
        return shop with
        {
            Watch = shop.Watch with { Step = TimeSpan.FromSeconds(15), Min = TimeSpan.FromMinutes(2), After = TimeSpan.FromHours(2), Slow = TimeSpan.FromHours(hours) },
        };
    }

    private static Verdict Read(Policy policy, in WatchState state) => Judge.Read(
        policy, Model.Shipped, state, new Reader(Noon.AddSeconds(15 * state.LastTick), 15_000.0 * state.LastTick, [], false));

    private static int? RolledBack(Policy policy, ref WatchState state, Func<int, Behaviour?> candidate, Func<int, Behaviour?> control, int minutes, ulong seed = 1) =>
        Shop.First(policy, new Noise(seed), ref state, Decision.Rollback, minutes * Minute, candidate, control);

    private static WatchState Begin(Policy policy, Behaviour? old = null) => Shop.Begin(policy, new Noise(9), old ?? Good, restarted: false, past: 120);

    // A fresh process begins with half of the old one's memory.
    private static Behaviour Leaks(int tick) => Good with { Memory = 200 * (1 + (0.02 * tick / Minute)) };

    [Fact]
    public void A_leak_from_far_below_is_told_when_it_passes_the_old_version()
    {
        var policy = Policy(2, Shop.MemoryMetric);
        var state = Begin(policy);
        var found = RolledBack(policy, ref state, Leaks, static _ => Good, 140).ShouldNotBeNull();
        // It stands where the old version does after 50 minutes; 25 % and more above it is where levels alone are judged.
        found.ShouldBeInRange(50 * Minute, 60 * Minute);
        var verdict = Read(policy, state);
        verdict.Reasoning.ShouldBe(verdict.Findings[0].Metric + " " + verdict.Findings[0].Reason);
        verdict.Reasoning.ShouldMatch(@"^memory grows [12](\.\d)? % a minute since 12:\d\d UTC, the old version does not; \d+(\.\d)? % in \d\d(\.\d)? min$");
        (verdict.Findings[0].Verdict, verdict.Findings[0].Score).ShouldBe(("worse", 1));

        var without = Policy(0, Shop.MemoryMetric);
        var other = Begin(without);
        RolledBack(without, ref other, Leaks, static _ => Good, 140).ShouldNotBeNull().ShouldBeGreaterThan(60 * Minute);
    }

    [Fact]
    public void What_fills_up_to_where_the_old_version_stands_is_no_leak()
    {
        var policy = Policy(2, Shop.MemoryMetric);
        var state = Begin(policy);
        RolledBack(policy, ref state, static tick => Good with { Memory = 400 - (200 * Math.Exp(-tick / (40.0 * Minute))) }, static _ => Good, 140).ShouldBeNull();
        state.LastTick.ShouldBe(140 * Minute);
    }

    [Fact]
    public void What_both_versions_leak_is_nobodys_fault()
    {
        var policy = Policy(2, Shop.MemoryMetric);
        var state = Begin(policy);
        RolledBack(policy, ref state, static tick => Good with { Memory = 400 + (2 * tick / Minute) }, static tick => Good with { Memory = 400 + (2 * tick / Minute) }, 140).ShouldBeNull();
    }

    [Fact]
    public void Without_a_control_what_the_past_leaked_at_the_same_pace_is_no_alarm_of_the_slow_layer()
    {
        // Two per cent of 400 MB in half an hour, and so on: the level alone stays within its tolerance for two hours.
        var policy = Policy(2, Shop.MemoryMetric with { Tolerance = new Tolerance(0.1, true) });
        double Pace(int tick) => 400 + (0.8 * tick / Minute);
        for (ulong seed = 0; seed < 5; seed++)
        {
            var state = Judge.Start(policy, restarted: false);
            var noise = new Noise(seed);
            for (var n = -119; n <= 0; n++)
            {
                Judge.Next(policy, Model.Shipped, ref state, Input.Of(Shop.Tick(policy, noise, n, null, null, Good with { Memory = Pace(n) })));
            }
            if (RolledBack(policy, ref state, tick => Good with { Memory = Pace(tick) }, static _ => null, 140, seed) is not null)
            {
                Read(policy, state).Findings[0].Reason.ShouldNotContain("grows");
            }
        }
    }

    [Fact]
    public void Without_a_control_a_cpu_that_rises_with_the_day_is_no_alarm_of_the_slow_layer()
    {
        var policy = Policy(2, Shop.CpuMetric);
        var state = Begin(policy);
        if (RolledBack(policy, ref state, static tick => Good with { Cpu = 20 * (1 + (0.006 * tick / Minute)) }, static _ => null, 140) is not null)
        {
            Read(policy, state).Findings[0].Reason.ShouldNotContain("grows");
        }
    }

    [Fact]
    public void Errors_that_begin_late_are_not_drowned_by_the_requests_before_them()
    {
        static Behaviour Late(int tick) => tick > 90 * Minute ? Good with { Errors = 0.025 } : Good;
        var policy = Policy(2, Shop.ErrorMetric);
        var state = Begin(policy);
        RolledBack(policy, ref state, Late, static _ => Good, 140).ShouldNotBeNull().ShouldBeInRange(90 * Minute, 105 * Minute);
        Read(policy, state).Reasoning.ShouldMatch(@"^error rate: since 13:2\d UTC [12](\.\d)? pp above control in the same seconds$");

        var without = Policy(0, Shop.ErrorMetric);
        var other = Begin(without);
        RolledBack(without, ref other, Late, static _ => Good, 140).ShouldBeNull();
    }

    [Fact]
    public void Slow_requests_that_begin_late_are_found_too()
    {
        var policy = Policy(2, Shop.LatencyMetric);
        var state = Begin(policy);
        RolledBack(policy, ref state, static tick => tick > 60 * Minute ? Good with { SlowShare = 0.1 } : Good, static _ => Good, 120).ShouldNotBeNull().ShouldBeInRange(60 * Minute, 75 * Minute);
        Read(policy, state).Reasoning.ShouldContain("the share of slow requests");
    }

    [Fact]
    public void Without_a_control_late_errors_must_exceed_the_past_and_what_the_candidate_had_before()
    {
        var policy = Policy(2, Shop.ErrorMetric);
        var state = Begin(policy);
        RolledBack(policy, ref state, static tick => tick > 60 * Minute ? Good with { Errors = 0.03 } : Good, static _ => null, 120).ShouldNotBeNull().ShouldBeInRange(60 * Minute, 75 * Minute);
        Read(policy, state).Reasoning.ShouldMatch(@"^error rate: since 1[23]:\d\d UTC \d(\.\d)? % of \d+ requests, \d(\.\d)? pp above the past$");
    }

    [Fact]
    public void A_share_that_grows_during_an_incident_in_both_arms_is_no_alarm()
    {
        // Five percent of the requests, then half of them, while both versions fail one in ten: together it looks as if the new one failed more.
        var policy = Policy(2, Shop.ErrorMetric);
        for (ulong seed = 0; seed < 10; seed++)
        {
            var state = Begin(policy);
            RolledBack(policy, ref state, tick => Arm(tick, 0.05, 0.5), tick => Arm(tick, 0.95, 0.5), 120, seed).ShouldBeNull();
        }

        static Behaviour Arm(int tick, double share, double later) => Good with
        {
            Rate = 200 * (tick > 62 * Minute ? later : share),
            Errors = tick > 62 * Minute && tick <= 65 * Minute ? 0.1 : 0.005,
        };
    }

    [Fact]
    public void What_was_found_stays_as_it_was_found()
    {
        var policy = Policy(2, Shop.ErrorMetric, Shop.MemoryMetric);
        var state = Begin(policy);
        RolledBack(policy, ref state, static tick => tick > 60 * Minute ? Good with { Errors = 0.03 } : Good, static _ => Good, 120).ShouldNotBeNull();
        var found = Read(policy, state).Reasoning;
        Shop.First(policy, new Noise(3), ref state, Decision.Hold, 30 * Minute, static _ => Good, static _ => Good).ShouldBeNull();
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(new ReferenceChange(Subject.Restored, Arm.Before)));
        Shop.First(policy, new Noise(3), ref state, Decision.Hold, Minute, static _ => null, static _ => Good).ShouldBeNull();
        Read(policy, state).Reasoning.ShouldBe(found);
    }

    [Fact]
    public void Promotion_is_a_step_of_every_level_and_no_climb()
    {
        var policy = Policy(2, Shop.MemoryMetric with { Tolerance = new Tolerance(0.2, true) });
        for (ulong seed = 0; seed < 5; seed++)
        {
            var state = Begin(policy);
            RolledBack(policy, ref state, static tick => Good with { Memory = 300 + (2 * tick / Minute) }, static _ => Good, 30, seed).ShouldBeNull();
            Judge.Next(policy, Model.Shipped, ref state, Input.Of(new ReferenceChange(Subject.Promoted, Arm.Before)));
            RolledBack(policy, ref state, static _ => Good with { Memory = 420 }, static _ => null, 100, seed).ShouldBeNull();
        }
    }

    [Fact]
    public void Nothing_is_looked_at_before_CONTINUE_nor_after_its_time()
    {
        static Behaviour Late(int tick) => tick > 90 * Minute ? Good with { Errors = 0.025 } : Good;
        var shortly = Policy(1, Shop.ErrorMetric);
        var state = Begin(shortly);
        RolledBack(shortly, ref state, Late, static _ => Good, 140).ShouldBeNull();
        var waiting = Policy(2, Shop.ErrorMetric);
        waiting = waiting with { Watch = waiting.Watch with { Min = TimeSpan.FromHours(3) } };
        state = Begin(waiting);
        RolledBack(waiting, ref state, Late, static _ => Good, 140).ShouldBeNull();
    }

    [Fact]
    public void A_look_at_long_ticks_after_short_ones_sees_the_same_leak()
    {
        var policy = Policy(2, Shop.MemoryMetric);
        var state = Begin(policy);
        var noise = new Noise(5);
        int? found = null;
        for (var n = 1; n <= 140 * Minute && found is null; n += n < 10 * Minute ? 1 : Minute)
        {
            var span = n <= 10 * Minute ? 1 : Minute;
            var tick = new Tick(n, span, 1);
            Leaks(n).Measure(policy, noise, tick, Arm.Candidate);
            Good.Measure(policy, noise, tick, Arm.Control);
            found = Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick)).Decision == Decision.Rollback ? n : null;
        }
        found.ShouldNotBeNull().ShouldBeInRange(50 * Minute, 62 * Minute);
    }

    [Fact]
    public void A_look_allocates_nothing_and_a_watch_s_state_stays_within_16_KiB()
    {
        Unsafe.SizeOf<WatchState>().ShouldBeLessThanOrEqualTo(16384);
        var policy = Policy(2);
        var state = Begin(policy);
        var noise = new Noise(4);
        var inputs = Enumerable.Range(1, 90 * Minute).Select(n => Input.Of(Shop.Tick(policy, noise, n, Good with { Memory = 400 + (0.3 * n / Minute) }, Good))).ToArray();
        foreach (var input in inputs.AsSpan(0, 40 * Minute))
        {
            Judge.Next(policy, Model.Shipped, ref state, input);
        }
        var before = GC.GetAllocatedBytesForCurrentThread();
        foreach (var input in inputs.AsSpan(40 * Minute))
        {
            Judge.Next(policy, Model.Shipped, ref state, input);
        }
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);
    }
}
