using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;
using Commander.Judging.Tests.Simulated;
using Commander.Judging.Verdicts;
using static Commander.Judging.Tests.Simulated.Usual;

namespace Commander.Judging.Tests.Verdicts;

/// <summary>What is missing, late, nothing at all or merely quiet: ticks of 15 s under the usual policy.</summary>
public class GapsTests
{
    private static readonly Behaviour Good = new() { Rate = 20, Errors = 0.005 };
    private static readonly Reading TimedOut = Reading.Missing(Quality.Timeout, null);
    private static readonly MetricPolicy Downstream = Shop.ErrorMetric with { Name = "downstream_errors", Family = Family.Downstream, Critical = false };

    private static readonly MetricPolicy Orders = Shop.CpuMetric with
    {
        Name = "orders",
        Kind = MetricKind.Count,
        Family = Family.Kpi,
        Direction = Direction.Either,
        Tolerance = new Tolerance(0.5, true),
        Floor = 0,
        Unit = "count",
        Warmup = TimeSpan.Zero,
    };

    [Fact]
    public void A_control_that_is_there_only_later_is_compared_from_then_on()
    {
        var policy = Policy(Shop.ErrorMetric, Downstream);
        var (decision, _, _) = Watch(policy, 120, 0, (tick, noise) =>
        {
            foreach (var arm in (Arm[])[Arm.Candidate, Arm.Control])
            {
                tick[0, arm] = Ratio(noise, 0.001, 500);
                tick[1, arm] = arm == Arm.Control && tick.N <= 20 ? TimedOut : Ratio(noise, 0.01, 500);
            }
        });
        decision.ShouldBe(Decision.Continue);
    }

    [Fact]
    public void A_warm_up_that_is_not_over_yet_is_waited_for()
    {
        var latency = Shop.LatencyMetric with { Critical = false, Warmup = TimeSpan.FromSeconds(120) };
        var policy = Policy(Shop.ErrorMetric, latency);
        var slow = Good with { Median = 10 * Good.Median };
        var (_, rolledBack, everContinued) = Watch(policy, 20, 40, (tick, noise) =>
        {
            if (tick.N > 0)
            {
                slow.Measure(policy, noise, tick, Arm.Candidate);
                Good.Measure(policy, noise, tick, Arm.Control);
                return;
            }
            Good.Measure(policy, noise, tick, Arm.Before);
        }, restarted: true);
        rolledBack.ShouldNotBeNull();
        everContinued.ShouldBeFalse("before latency was judged");
    }

    [Fact]
    public void A_metric_whose_source_fails_all_the_time_is_no_sign_of_health()
    {
        var policy = Policy(Shop.ErrorMetric, Downstream);
        var (decision, _, _) = Watch(policy, 60, 0, (tick, noise) =>
        {
            (tick[0, Arm.Candidate], tick[0, Arm.Control]) = (Ratio(noise, 0.001, 500), Ratio(noise, 0.001, 500));
            (tick[1, Arm.Candidate], tick[1, Arm.Control]) = (Reading.Missing(Quality.Denied, null), Reading.Missing(Quality.Denied, null));
        });
        decision.ShouldBe(Decision.Hold);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Nothing_left_of_a_key_figure_that_was_never_nothing_is_the_largest_drop(bool besideControl)
    {
        var policy = Policy(Shop.ErrorMetric, Orders);
        var (_, rolledBack, _) = Watch(policy, 60, 60, (tick, noise) => Measure(tick, noise, besideControl, left: 0));
        rolledBack.ShouldNotBeNull();
    }

    [Fact]
    public void What_was_nothing_before_may_be_nothing_again()
    {
        var policy = Policy(Shop.ErrorMetric, Orders);
        var (_, rolledBack, _) = Watch(policy, 60, 60, (tick, noise) =>
        {
            Measure(tick, noise, besideControl: false, left: 0);
            if (tick.N == -20)
            {
                tick[1, Arm.Before] = new Reading(Quality.Value);
            }
        });
        rolledBack.ShouldBeNull();
    }

    private static void Measure(Tick tick, Noise noise, bool besideControl, double left)
    {
        if (tick.N <= 0)
        {
            (tick[0, Arm.Before], tick[1, Arm.Before]) = (Ratio(noise, 0.001, 1000), new Reading(Quality.Value, noise.Binomial(1000, 0.3)));
            return;
        }
        (tick[0, Arm.Candidate], tick[1, Arm.Candidate]) = (Ratio(noise, 0.001, 500), new Reading(Quality.Value, left));
        if (besideControl)
        {
            (tick[0, Arm.Control], tick[1, Arm.Control]) = (Ratio(noise, 0.001, 500), new Reading(Quality.Value, noise.Binomial(500, 0.3)));
        }
    }

    [Fact]
    public void Where_a_control_is_silent_for_a_minute_and_nothing_else_is_known_it_is_compared_again_when_it_is_back()
    {
        var policy = Policy(Shop.ErrorMetric);
        var noise = new Noise(5);
        var state = Judge.Start(policy, restarted: false);
        int? rolledBack = null;
        for (var n = 1; n <= 60; n++)
        {
            var tick = new Tick(n, 1, 1);
            tick[0, Arm.Candidate] = Ratio(noise, n < 10 ? 0.001 : 0.3, 1500);
            tick[0, Arm.Control] = n is >= 2 and <= 4 ? new Reading(Quality.Empty) : Ratio(noise, 0.001, 1500);
            var step = Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick));
            if (step.ControlGone != 0)
            {
                step = Judge.Next(policy, Model.Shipped, ref state, Input.Of(new ReferenceChange(Subject.Candidate, Arm.Before, 0)));
            }
            if (step.Decision == Decision.Rollback)
            {
                rolledBack ??= n;
            }
        }
        rolledBack.ShouldNotBeNull().ShouldBeLessThan(15);
    }

    [Fact]
    public void A_control_with_few_requests_is_not_gone_because_three_ticks_had_none()
    {
        var policy = Policy(Shop.ErrorMetric);
        var gone = 0;
        for (ulong seed = 1; seed <= 40; seed++)
        {
            var noise = new Noise(seed);
            var state = Judge.Start(policy, restarted: false);
            for (var n = 1; n <= 300; n++)
            {
                var tick = new Tick(n, 1, 1);
                (tick[0, Arm.Candidate], tick[0, Arm.Control]) = (Of(0, noise.Poisson(1)), Of(0, noise.Poisson(1)));
                if (Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick)).ControlGone != 0)
                {
                    gone++;
                    break;
                }
            }
        }
        // One in a hundred thousand for each silence, and some fifty of them a watch.
        gone.ShouldBeLessThanOrEqualTo(2);
    }

    [Fact]
    public void One_burst_of_one_arm_is_no_late_fault_beside_a_control()
    {
        var policy = Policy(Shop.ErrorMetric);
        var rolledBack = 0;
        for (ulong seed = 1; seed <= 100; seed++)
        {
            var noise = new Noise(seed);
            var state = Judge.Start(policy, restarted: false);
            var burst = 20 + (int)(100 * noise.Uniform());
            for (var n = -119; n <= 128; n++)
            {
                var tick = new Tick(n, 1, 1);
                foreach (var arm in n <= 0 ? (Arm[])[Arm.Before] : [Arm.Candidate, Arm.Control])
                {
                    tick[0, arm] = Of(noise.Binomial(1000, 0.0005) + (n == burst && arm == Arm.Candidate ? 60 : 0), 1000);
                }
                if (Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick)).Decision == Decision.Rollback)
                {
                    rolledBack++;
                    break;
                }
            }
        }
        rolledBack.ShouldBeLessThan(5);
    }

    /// <summary>Feeds ticks and the changes of reference that they call for; the tick of the first ROLLBACK and the last decision.</summary>
    private static (int? RolledBack, Decision Decision, WatchState State) Live(Policy policy, int past, int ticks, Action<Tick, Noise> measure)
    {
        var noise = new Noise(7);
        var state = Judge.Start(policy, restarted: false);
        var watch = new OfflineWatch();
        int? rolledBack = null;
        var decision = Decision.Hold;
        for (var n = 1 - past; n <= ticks; n++)
        {
            var tick = new Tick(n, 1, policy.Metrics.Count);
            measure(tick, noise);
            decision = watch.Next(policy, Model.Shipped, ref state, tick).Decision;
            rolledBack ??= decision == Decision.Rollback ? n : null;
        }
        return (rolledBack, decision, state);
    }

    [Theory]
    [InlineData(Quality.Error)]
    [InlineData(Quality.Timeout)]
    [InlineData(Quality.Denied)]
    [InlineData(Quality.Stale)]
    public void A_control_whose_source_fails_for_two_minutes_is_taken_for_gone_and_the_past_is_the_reference(Quality quality)
    {
        var policy = Policy(Shop.ErrorMetric);
        var failed = Reading.Missing(quality);
        Live(policy, 120, 40, (tick, noise) =>
        {
            tick[0, tick.N <= 0 ? Arm.Before : Arm.Candidate] = Ratio(noise, tick.N <= 0 ? 0.005 : 0.5, 300);
            tick[0, Arm.Control] = failed;
        }).RolledBack.ShouldNotBeNull("it failed from the start").ShouldBeInRange(8, 12);
        Live(policy, 120, 60, (tick, noise) =>
        {
            tick[0, tick.N <= 0 ? Arm.Before : Arm.Candidate] = Ratio(noise, tick.N <= 20 ? 0.005 : 0.5, 300);
            tick[0, Arm.Control] = tick.N <= 20 ? Ratio(noise, 0.005, 300) : failed;
        }).RolledBack.ShouldNotBeNull("it failed from then on").ShouldBeInRange(28, 34);
        Live(policy, 120, 120, (tick, noise) =>
        {
            tick[0, tick.N <= 0 ? Arm.Before : Arm.Candidate] = Ratio(noise, 0.005, 1500);
            tick[0, Arm.Control] = tick.N % 40 < 6 ? failed : Ratio(noise, 0.005, 1500);
        }).State.Metrics[0].Head.Reference.ShouldBe(ReferenceKind.Control, "a minute and a half is waited for");
    }

    [Fact]
    public void An_incident_in_both_arms_while_the_candidate_had_few_requests_does_not_hide_its_own_errors()
    {
        var policy = Policy(Shop.ErrorMetric with { Tolerance = new Tolerance(0.5, true) });
        var (rolledBack, _, _) = Live(policy, 60, 240, (tick, noise) =>
        {
            if (tick.N <= 0)
            {
                tick[0, Arm.Before] = Ratio(noise, 0.005, 1200);
                return;
            }
            var incident = tick.N <= 20;
            tick[0, Arm.Candidate] = Ratio(noise, incident ? 0.3 : 0.03, incident ? 60 : 600);
            tick[0, Arm.Control] = Ratio(noise, incident ? 0.3 : 0.005, incident ? 1140 : 600);
        });
        rolledBack.ShouldNotBeNull().ShouldBeGreaterThan(20);
    }

    [Theory]
    [InlineData(Family.Error)]
    [InlineData(Family.Downstream)]
    [InlineData(Family.Kpi)]
    public void A_version_that_has_none_of_the_control_s_errors_is_not_dead(Family family)
    {
        var errors = Orders with { Name = "errors", Family = family, Direction = Direction.Up };
        var (rolledBack, _, state) = Live(Policy(errors, Shop.CpuMetric with { Warmup = TimeSpan.Zero }), 40, 60, (tick, noise) =>
        {
            foreach (var arm in tick.N <= 0 ? (Arm[])[Arm.Before] : [Arm.Candidate, Arm.Control])
            {
                tick[0, arm] = new Reading(Quality.Value, arm == Arm.Candidate ? 0 : noise.Poisson(100));
                tick[1, arm] = new Reading(Quality.Value, 40 + noise.Uniform());
            }
        });
        rolledBack.ShouldBeNull();
        state.Silence.ShouldBe(0);
    }

    [Fact]
    public void Few_requests_of_a_small_share_are_taken_for_silence_as_seldom_as_their_part_of_the_budget_says()
    {
        // Half of all watches may be false alarms here, a tenth of them by silence: five in a hundred.
        var policy = Policy(Shop.ErrorMetric);
        policy = policy with { Watch = policy.Watch with { Step = TimeSpan.FromSeconds(1) }, Decide = policy.Decide with { FalseAlarms = 0.5 } };
        var silent = 0;
        for (ulong seed = 1; seed <= 300; seed++)
        {
            var noise = new Noise(seed);
            var state = Judge.Start(policy, restarted: false);
            var dead = false;
            for (var n = 1; n <= 600 && !dead; n++)
            {
                var tick = new Tick(n, 1, 1);
                (tick[0, Arm.Candidate], tick[0, Arm.Control]) = (Of(0, noise.Poisson(1)), Of(0, noise.Poisson(9)));
                dead = Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick)).Silent;
            }
            silent += dead ? 1 : 0;
        }
        // More than 24 of 300 would be seen once in a hundred times.
        silent.ShouldBeLessThanOrEqualTo(24);
    }

    [Theory]
    [InlineData(0, 0.001)]
    [InlineData(0.01, 0.0015)]
    public void An_objective_that_is_slightly_missed_is_no_alarm(double objective, double share)
    {
        var policy = Policy(Shop.ErrorMetric with { Objective = objective, Tolerance = new Tolerance(0.25, false) }) with { Compare = Compare.Before };
        for (ulong seed = 1; seed <= 20; seed++)
        {
            var noise = new Noise(seed);
            var state = Judge.Start(policy, restarted: false);
            for (var n = 1; n <= 120; n++)
            {
                var tick = new Tick(n, 1, 1);
                tick[0, Arm.Candidate] = Ratio(noise, share, 300);
                Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick)).Decision.ShouldNotBe(Decision.Rollback, $"seed {seed}, tick {n}");
            }
        }
        Live(policy, 0, 120, (tick, noise) => tick[0, Arm.Candidate] = Ratio(noise, 0.01, 300)).RolledBack.ShouldNotBeNull("one in a hundred is missed by far");
    }

    [Fact]
    public void A_comparison_with_the_past_is_not_over_before_it_had_a_few_long_steps()
    {
        var latency = Shop.CpuMetric with { Warmup = TimeSpan.Zero, Critical = true };
        var policy = Policy(latency) with { Compare = Compare.Before };
        policy = policy with { Watch = policy.Watch with { Step = TimeSpan.FromMinutes(30) } };
        Live(policy, 40, 12, (tick, noise) => tick[0, tick.N <= 0 ? Arm.Before : Arm.Candidate] = new Reading(Quality.Value, 40 + noise.Uniform())).Decision.ShouldBe(Decision.Continue);
    }

    [Fact]
    public void A_single_tick_without_requests_is_not_called_no_traffic()
    {
        var policy = Policy(Shop.ErrorMetric);
        string After(int empty)
        {
            var (_, _, state) = Live(policy, 0, 6 + empty, (tick, noise) =>
            {
                foreach (var arm in (Arm[])[Arm.Candidate, Arm.Control])
                {
                    tick[0, arm] = tick.N <= 6 ? Of(0, 3) : Of(0, 0);
                }
            });
            return Judge.Read(policy, Model.Shipped, state, new Reader(default, 0, [], false)).Reasoning;
        }
        After(1).ShouldStartWith("needs about ");
        After(4).ShouldBe("no traffic on either arm");
    }

    [Fact]
    public void What_a_hold_waits_for_assumes_a_version_without_fault_and_says_when_the_watch_is_too_short()
    {
        var policy = Policy(Shop.ErrorMetric);
        string At(int bad, int total)
        {
            var (_, _, state) = Live(policy, 0, 4, (tick, _) =>
            {
                (tick[0, Arm.Candidate], tick[0, Arm.Control]) = (Of(bad, total), Of(0, total));
            });
            return Judge.Read(policy, Model.Shipped, state, new Reader(default, 0, [], false)).Reasoning;
        }
        At(0, 40).ShouldMatch("^needs about [0-9]+ more requests of the new version to see a change of 1 pp$");
        At(0, 2).ShouldMatch("^needs about [0-9]+ more requests of the new version to see a change of 1 pp, [0-9.]+ (min|h) at its present traffic; the watch ends before$");
    }

    [Fact]
    public void Silence_is_told_in_the_seconds_that_its_ticks_were_long()
    {
        var policy = Policy(Shop.ErrorMetric);
        var state = Judge.Start(policy, restarted: false);
        for (var (n, at) = (1, 1); at <= 14; at++)
        {
            var tick = new Tick(n, at < 10 ? 1 : 4, 1);
            tick[0, Arm.Control] = Of(0, 500);
            tick[0, Arm.Candidate] = at < 10 ? Of(0, 500) : new Reading(Quality.Empty);
            Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick));
            n += at < 9 ? 1 : 4;
        }
        Judge.Read(policy, Model.Shipped, state, new Reader(default, 0, [], false)).Reasoning.ShouldContain("for 5 min");
    }

    [Fact]
    public void A_gauge_that_stays_as_it_is_is_no_fault_however_large_it_is()
    {
        var constant = Shop.MemoryMetric with { Name = "size", Tolerance = new Tolerance(30, false), Warmup = TimeSpan.Zero };
        var (decision, rolledBack, _) = Watch(Policy(Shop.ErrorMetric, constant), 60, 60, (tick, noise) =>
        {
            var arm = tick.N <= 0 ? Arm.Before : Arm.Candidate;
            (tick[0, arm], tick[1, arm]) = (Ratio(noise, 0.001, 500), new Reading(Quality.Value, 1_790_000_050));
        });
        rolledBack.ShouldBeNull();
        decision.ShouldBe(Decision.Continue);
    }
}
