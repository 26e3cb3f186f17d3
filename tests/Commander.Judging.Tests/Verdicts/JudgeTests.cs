using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;
using Commander.Judging.Tests.Simulated;
using Commander.Judging.Verdicts;
using CsCheck;

namespace Commander.Judging.Tests.Verdicts;

public class JudgeTests
{
    private static readonly Behaviour Good = new();
    private static readonly Behaviour Bad = Good with { Errors = 0.25 };

    private static Verdict Read(Policy policy, in WatchState state) => Judge.Read(policy, Model.Shipped, state, new Reader(default, 0, [], false));

    private static Step Tick(Policy policy, ref WatchState state, Tick tick) => Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick));

    [Fact]
    public void A_rollback_says_from_where_to_where_on_how_many_requests_and_at_least_how_much()
    {
        var policy = Shop.Policy(Shop.ErrorMetric);
        var state = Judge.Start(policy, restarted: false);
        for (var n = -19; n <= 0; n++)
        {
            var past = new Tick(n, 1, 1);
            past[0, Arm.Before] = new Reading(Quality.Value, n % 5 == 0 ? 1 : 0, 50);
            Tick(policy, ref state, past);
        }
        var tick = new Tick(1, 1, 1);
        tick[0, Arm.Candidate] = new Reading(Quality.Value, 104, 411);
        tick[0, Arm.Control] = new Reading(Quality.Value, 2, 430);
        Tick(policy, ref state, tick).ShouldSatisfyAllConditions(
            step => step.Decision.ShouldBe(Decision.Rollback),
            step => step.Guard.ShouldBeTrue(),
            step => step.Mild.ShouldBeFalse());
        var verdict = Read(policy, state);
        verdict.Reasoning.ShouldStartWith("error rate 0.4 % -> 25.3 % on 411 requests (control 0.5 % on 430): 24.8 pp worse, at least ");
        var finding = verdict.Findings.Single();
        finding.Reason.ShouldBe("24.8 pp worse than control, tolerance 1 pp");
        (finding.Candidate, finding.Reference, finding.Difference, finding.Verdict, finding.ReferenceArm).ShouldBe((25.3, 0.5, 24.8, "worse", "control"));
        finding.Low!.Value.ShouldBeInRange(5, 24.8);
        finding.High!.Value.ShouldBeInRange(24.8, 45);
        verdict.HealthScore.ShouldBe(49);
        verdict.Confidence.ShouldBe(verdict.PBad);
    }

    [Fact]
    public void What_continue_waits_for_is_said()
    {
        var policy = Shop.Policy(Shop.ErrorMetric);
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        Read(policy, state).Reasoning.ShouldBe("nothing measured yet");
        Tick(policy, ref state, Shop.Tick(policy, noise, 1, Good, Good));
        Read(policy, state).Reasoning.ShouldMatch("^needs about [0-9]+ more requests of the new version to see a change of 1 pp");
        Shop.First(policy, noise, ref state, Decision.Continue, 60, _ => Good, _ => Good).ShouldNotBeNull();
        Read(policy, state).Reasoning.ShouldMatch("^error rate .* requests \\(control .*\\), at most .* pp worse; nothing is beyond its tolerance$");
        Judge.Read(Shop.Policy(Shop.ErrorMetric) with { Metrics = [] }, Model.Shipped, default, new Reader(default, 0, [], false)).Reasoning.ShouldStartWith("no source");
    }

    [Fact]
    public void No_traffic_on_either_arm_and_a_source_that_fails_are_told_apart()
    {
        var policy = Shop.Policy();
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        for (var n = 1; n <= 30; n++)
        {
            Tick(policy, ref state, Shop.Tick(policy, noise, n, null, null)).Decision.ShouldBe(Decision.Hold);
        }
        Read(policy, state).Reasoning.ShouldBe("no traffic on either arm");
        for (var n = 31; n <= 60; n++)
        {
            var tick = new Tick(n, 1, 4);
            for (var metric = 0; metric < 4; metric++)
            {
                tick[metric, Arm.Candidate] = Reading.Missing(Quality.Timeout);
                tick[metric, Arm.Control] = Reading.Missing(Quality.Timeout);
            }
            Tick(policy, ref state, tick).Decision.ShouldBe(Decision.Hold);
        }
        Read(policy, state).Reasoning.ShouldBe("the source gives no values: timeout");
    }

    [Theory]
    [InlineData(NoData.Rollback, Decision.Rollback)]
    [InlineData(NoData.Hold, Decision.Hold)]
    [InlineData(NoData.Ignore, Decision.Hold)]
    public void A_silent_candidate_means_what_the_policy_says(NoData means, Decision expected)
    {
        var policy = Shop.Policy() with { NoData = means };
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        Step step = default;
        for (var n = 1; n <= 20; n++)
        {
            step = Tick(policy, ref state, Shop.Tick(policy, noise, n, null, Good));
        }
        step.Decision.ShouldBe(expected);
    }

    [Fact]
    public void A_small_canary_that_has_no_request_for_some_seconds_is_not_dead()
    {
        var policy = Shop.Policy(Shop.ErrorMetric);
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        for (var n = 1; n <= 200; n++)
        {
            // One request in ten seconds beside five a second.
            var tick = new Tick(n, 1, 1);
            tick[0, Arm.Candidate] = new Reading(Quality.Value, 0, n % 20 == 1 ? 1 : 0);
            tick[0, Arm.Control] = new Reading(Quality.Value, 0, 5);
            Tick(policy, ref state, tick).Alarm.ShouldBeFalse();
        }
    }

    [Fact]
    public void Warm_up_excuses_memory_and_latency_after_a_restart_but_never_errors()
    {
        var patient = TimeSpan.FromSeconds(60);
        var policy = Shop.Policy(Shop.ErrorMetric with { Warmup = patient }, Shop.LatencyMetric with { Warmup = patient }, Shop.MemoryMetric with { Warmup = patient });
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good, restarted: true);
        Shop.First(policy, noise, ref state, Decision.Rollback, 60, _ => Good with { Median = 200, Memory = 200 }, _ => Good).ShouldBeNull();
        Read(policy, state).Findings.Count(static finding => finding.Verdict == "warming_up").ShouldBe(2);
        state = Shop.Begin(policy, noise, Good, restarted: false);
        Shop.First(policy, noise, ref state, Decision.Rollback, 60, _ => Good with { Median = 200, Memory = 200 }, _ => Good).ShouldNotBeNull();
        state = Shop.Begin(policy, noise, Good, restarted: true);
        Shop.First(policy, noise, ref state, Decision.Rollback, 6, _ => Bad, _ => Good).ShouldNotBeNull();
    }

    [Fact]
    public void A_control_that_goes_is_reported_after_three_ticks_and_the_past_takes_its_place()
    {
        var policy = Shop.Policy();
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        for (var n = 1; n <= 4; n++)
        {
            Tick(policy, ref state, Shop.Tick(policy, noise, n, Good, Good)).ControlGone.ShouldBe(0u);
        }
        for (var n = 5; n <= 7; n++)
        {
            Tick(policy, ref state, Shop.Tick(policy, noise, n, Good, null)).ControlGone.ShouldBe(n < 7 ? 0u : 0b1111u);
        }
        for (var metric = 0; metric < 4; metric++)
        {
            Judge.Next(policy, Model.Shipped, ref state, Input.Of(new ReferenceChange(Subject.Candidate, Arm.Before, metric)));
        }
        Tick(policy, ref state, Shop.Tick(policy, noise, 8, Good, null)).ControlGone.ShouldBe(0u);
        Read(policy, state).Findings.ShouldAllBe(static finding => finding.ReferenceArm == "before");
        Shop.First(policy, noise, ref state, Decision.Rollback, 10, _ => Bad, _ => null).ShouldNotBeNull();
    }

    [Fact]
    public void What_both_arms_do_is_nobody_s_fault()
    {
        var policy = Shop.Policy();
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        var sick = new Behaviour { Errors = 0.1, Median = 80, Memory = 120, Cpu = 60 };
        for (var n = 1; n <= 120; n++)
        {
            Tick(policy, ref state, Shop.Tick(policy, noise, n, sick, sick)).Alarm.ShouldBeFalse();
        }
    }

    [Fact]
    public void After_a_rollback_the_restored_version_is_recovered_once_its_newest_ticks_are_back()
    {
        var policy = Shop.Policy();
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        Shop.First(policy, noise, ref state, Decision.Rollback, 10, _ => Bad, _ => Good).ShouldNotBeNull();
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(new ReferenceChange(Subject.Restored, Arm.Before)));
        var at = state.LastTick;
        var answers = new List<bool?>();
        for (var n = at + 1; n <= at + 14; n++)
        {
            // What was on its way still fails in the first second.
            var step = Tick(policy, ref state, Shop.Tick(policy, noise, n, null, n <= at + 2 ? Bad : Good));
            step.Decision.ShouldBe(Decision.Rollback);
            answers.Add(step.Recovered);
        }
        answers[..5].ShouldAllBe(static answer => answer == null);
        answers[^1].ShouldBe(true);
    }

    [Fact]
    public void A_restored_version_that_is_sick_itself_is_not_recovered()
    {
        var policy = Shop.Policy();
        var noise = new Noise(2);
        // No past: what the control was while the watch decided is the measure.
        var state = Judge.Start(policy, restarted: true);
        Shop.First(policy, noise, ref state, Decision.Rollback, 10, _ => Bad, _ => Good).ShouldNotBeNull();
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(new ReferenceChange(Subject.Restored, Arm.Before)));
        Step step = default;
        var at = state.LastTick;
        for (var n = at + 1; n <= at + 8; n++)
        {
            step = Tick(policy, ref state, Shop.Tick(policy, noise, n, null, Bad));
        }
        step.Recovered.ShouldBe(false);
    }

    [Fact]
    public void While_requests_still_reach_the_bad_version_nothing_is_recovered_and_after_the_draining_it_is_told()
    {
        var policy = Shop.Policy();
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        Shop.First(policy, noise, ref state, Decision.Rollback, 10, _ => Bad, _ => Good).ShouldNotBeNull();
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(new ReferenceChange(Subject.Restored, Arm.Before)));
        var (at, told) = (state.LastTick, 0);
        for (var n = at + 1; n <= at + 40; n++)
        {
            var step = Tick(policy, ref state, Shop.Tick(policy, noise, n, Bad, Good));
            step.Recovered.ShouldNotBe(true);
            step.Recovered.ShouldBe(step.StillReached is null ? null : false);
            if (step.StillReached is { } rate)
            {
                rate.ShouldBe(2 * 0.5 * Bad.Rate, 0.3 * Bad.Rate);
                told = told == 0 ? n - at : told;
            }
        }
        // Five seconds drain, three more tell.
        told.ShouldBe(16);
        var silent = Tick(policy, ref state, Shop.Tick(policy, noise, at + 41, null, Good));
        (silent.StillReached, silent.Recovered).ShouldBe((null, true));
        // One late request is no traffic.
        Tick(policy, ref state, Shop.Tick(policy, noise, at + 42, Bad, Good)).StillReached.ShouldBeNull();
    }

    [Fact]
    public void Where_the_versions_cannot_be_told_apart_the_requests_of_the_service_are_not_those_of_the_bad_version()
    {
        foreach (var named in new[] { false, true })
        {
            var policy = Shop.Policy(Shop.ErrorMetric with { Bad = named ? "bad{version=\"{{version}}\"}" : "bad" });
            var noise = new Noise(2);
            var state = Shop.Begin(policy, noise, Good);
            Judge.Next(policy, Model.Shipped, ref state, Input.Of(new ReferenceChange(Subject.Restored, Arm.Before)));
            Step step = default;
            for (var n = 1; n <= 30; n++)
            {
                step = Tick(policy, ref state, Shop.Tick(policy, noise, n, Good, null));
            }
            (step.StillReached is not null).ShouldBe(named);
        }
    }

    [Fact]
    public void Ticks_that_come_after_the_rollback_and_tell_of_before_it_say_nothing_of_it()
    {
        var policy = Shop.Policy();
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        Shop.First(policy, noise, ref state, Decision.Rollback, 10, _ => Bad, _ => Good).ShouldNotBeNull();
        var at = state.LastTick;
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(new ReferenceChange(Subject.Restored, Arm.Before, Tick: at + 60)));
        for (var n = at + 1; n <= at + 60; n++)
        {
            var step = Tick(policy, ref state, Shop.Tick(policy, noise, n, Bad, Good));
            (step.StillReached, step.Recovered).ShouldBe((null, null));
        }
    }

    [Fact]
    public void A_person_s_decision_stands()
    {
        var policy = Shop.Policy();
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        Judge.Next(policy, Model.Shipped, ref state, Input.Person(Decision.Continue)).Decision.ShouldBe(Decision.Continue);
        Shop.First(policy, noise, ref state, Decision.Rollback, 10, _ => Bad, _ => Good).ShouldBeNull();
        Read(policy, state).Reasoning.ShouldStartWith("decided by a person; ");
    }

    [Fact]
    public void A_given_rollback_is_not_taken_back_when_the_errors_stop()
    {
        var policy = Shop.Policy();
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        Shop.First(policy, noise, ref state, Decision.Rollback, 10, _ => Bad, _ => Good).ShouldNotBeNull();
        for (var n = 11; n <= 200; n++)
        {
            Tick(policy, ref state, Shop.Tick(policy, noise, n, Good, Good)).Decision.ShouldBe(Decision.Rollback);
        }
    }

    [Fact]
    public void A_late_fault_turns_continue_into_rollback()
    {
        var policy = Shop.Policy();
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        var carriedOn = Shop.First(policy, noise, ref state, Decision.Continue, 60, _ => Good, _ => Good).ShouldNotBeNull();
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(new ReferenceChange(Subject.Promoted, Arm.Before)));
        var rolledBack = Shop.First(policy, noise, ref state, Decision.Rollback, 40, _ => Bad, _ => null).ShouldNotBeNull();
        (rolledBack - carriedOn).ShouldBeLessThanOrEqualTo(4);
    }

    [Fact]
    public void A_model_that_withholds_an_alarm_makes_it_a_hold()
    {
        var doubter = Model.Shipped with { Intercept = -20, Guard = 0 };
        var policy = Shop.Policy();
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        Step step = default;
        for (var n = 1; n <= 10; n++)
        {
            step = Judge.Next(policy, doubter, ref state, Input.Of(Shop.Tick(policy, noise, n, Bad, Good)));
        }
        (step.Alarm, step.Decision).ShouldBe((true, Decision.Hold));
        Judge.Read(policy, doubter, state, new Reader(default, 0, [], false)).Reasoning.ShouldStartWith("an alarm, but P(BAD)");
    }

    private static readonly MetricPolicy Figure = Shop.CpuMetric with
    {
        Name = "cpu",
        Family = Family.Kpi,
        Direction = Direction.Either,
        Warmup = TimeSpan.Zero,
    };

    private static Opinion Says(string decision, bool grounded = true) => new(decision, 0.9, "because", grounded, "m", ["cpu"]);

    [Theory]
    [InlineData("HOLD", true, Authority.Advise, Decision.Hold)]
    [InlineData("CONTINUE", true, Authority.Advise, Decision.Hold)]
    [InlineData("ROLLBACK", true, Authority.Advise, Decision.Rollback)]
    [InlineData("HOLD", false, Authority.Advise, Decision.Rollback)]
    [InlineData("HOLD", true, Authority.Explain, Decision.Rollback)]
    public void A_mild_alarm_yields_to_a_grounded_opinion_that_has_the_authority(string says, bool grounded, Authority authority, Decision expected)
    {
        var policy = Shop.Policy(Figure);
        policy = policy with { Decide = policy.Decide with { Reasoning = authority } };
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        Shop.First(policy, noise, ref state, Decision.Rollback, 40, _ => Good with { Cpu = 60 }, _ => Good).ShouldNotBeNull();
        Judge.Next(policy, Model.Shipped, ref state, Input.NoOpinion()).ShouldSatisfyAllConditions(
            step => step.Mild.ShouldBeTrue(),
            step => step.Decision.ShouldBe(Decision.Rollback));
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(Says(says, grounded))).Decision.ShouldBe(expected);
    }

    /// <summary>Folds ticks of a slowly worsening figure until a condition holds.</summary>
    private static (Policy Policy, WatchState State, Step Step) Until(Func<double, Step, bool> holds, Authority authority, double cpu)
    {
        var policy = Shop.Policy(Figure);
        policy = policy with { Decide = policy.Decide with { Reasoning = authority } };
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        for (var n = 1; n <= 60; n++)
        {
            var step = Tick(policy, ref state, Shop.Tick(policy, noise, n, Good with { Cpu = cpu }, Good));
            if (holds(Read(policy, state).Findings[0].Score, step))
            {
                return (policy, state, step);
            }
        }
        throw new InvalidOperationException("it never came so far");
    }

    [Theory]
    [InlineData("ROLLBACK", Decision.Rollback)]
    [InlineData("CONTINUE", Decision.Continue)]
    [InlineData("HOLD", Decision.Hold)]
    public void By_the_authority_to_decide_the_opinion_chooses_where_something_is_unclear(string says, Decision expected)
    {
        var (policy, state, before) = Until((score, step) => score >= 0.5 && !step.Alarm, Authority.Decide, 55);
        before.Unclear.ShouldBeTrue();
        before.Decision.ShouldBe(Decision.Hold);
        policy = policy with { Watch = policy.Watch with { Min = TimeSpan.Zero } };
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(Says(says))).Decision.ShouldBe(expected);
        Read(policy, state).Reasoning.ShouldStartWith("chosen by the language model" + (expected == Decision.Rollback ? " without an alarm, outside the false-alarm budget" : ""));
    }

    [Fact]
    public void A_chosen_rollback_needs_grounds_that_it_cites()
    {
        var (policy, state, _) = Until((score, step) => score is > 0.3 and < 0.5 && !step.Alarm, Authority.Decide, 53);
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(Says("ROLLBACK"))).Decision.ShouldBe(Decision.Hold);
        var (other, worse, _) = Until((score, step) => score >= 0.5 && !step.Alarm, Authority.Decide, 55);
        Judge.Next(other, Model.Shipped, ref worse, Input.Of(Says("ROLLBACK") with { Metrics = ["other"] })).Decision.ShouldBe(Decision.Hold);
    }

    [Fact]
    public void A_rollback_without_grounds_holds_no_alarm_up()
    {
        var policy = Shop.Policy(Figure);
        policy = policy with { Decide = policy.Decide with { Reasoning = Authority.Decide } };
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(Says("ROLLBACK") with { Metrics = ["other"], Given = 2 }));
        Shop.First(policy, noise, ref state, Decision.Rollback, 40, _ => Good with { Cpu = 90 }, _ => Good).ShouldNotBeNull();
    }

    [Fact]
    public void No_opinion_lets_a_silent_candidate_pass()
    {
        var policy = Shop.Policy(Shop.ErrorMetric);
        policy = policy with { NoData = NoData.Hold, Decide = policy.Decide with { Reasoning = Authority.Decide }, Watch = policy.Watch with { Min = TimeSpan.Zero } };
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        var step = Tick(policy, ref state, Shop.Tick(policy, noise, 1, Good, Good));
        for (var n = 2; n <= 12; n++)
        {
            step = Tick(policy, ref state, Shop.Tick(policy, noise, n, null, Good));
        }
        step.Unclear.ShouldBeTrue();
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(Says("CONTINUE"))).Decision.ShouldBe(Decision.Hold);
    }

    [Fact]
    public void An_opinion_speaks_for_the_evidence_it_was_given_however_late_it_comes()
    {
        var (policy, state, step) = Until((score, _) => score >= 1.5, Authority.Advise, 60);
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(Says("HOLD") with { Given = 0.5 })).Outgrown.ShouldBeTrue();
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(Says("HOLD") with { Given = step.Worst })).Outgrown.ShouldBeFalse();
    }

    [Fact]
    public void A_chosen_continue_waits_for_the_policy_s_time()
    {
        var (policy, state, _) = Until((_, step) => step.Unclear && !step.Alarm, Authority.Decide, 55);
        policy = policy with { Watch = policy.Watch with { Min = TimeSpan.FromHours(1) } };
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(Says("CONTINUE"))).Decision.ShouldBe(Decision.Hold);
    }

    [Fact]
    public void An_opinion_says_nothing_of_evidence_that_became_much_worse_since()
    {
        var (policy, state, _) = Until((_, step) => step.Unclear && !step.Alarm, Authority.Decide, 60);
        var noise = new Noise(9);
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(Says("HOLD"))).Outgrown.ShouldBeFalse();
        Step step = default;
        for (var n = state.LastTick + 1; n <= 80 && !step.Outgrown; n++)
        {
            step = Tick(policy, ref state, Shop.Tick(policy, noise, n, Good with { Cpu = 60 }, Good));
        }
        step.Outgrown.ShouldBeTrue();
        step.Decision.ShouldBe(step.Alarm && step.PBad >= policy.Decide.Threshold ? Decision.Rollback : Decision.Hold);
    }

    [Fact]
    public void No_opinion_holds_up_a_count_test_or_a_guard()
    {
        var policy = Shop.Policy();
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(Says("CONTINUE")));
        Shop.First(policy, noise, ref state, Decision.Rollback, 10, _ => Bad, _ => Good).ShouldNotBeNull();
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(Says("HOLD"))).Decision.ShouldBe(Decision.Rollback);
    }

    [Fact]
    public void An_opinion_outside_the_grey_zone_does_not_stop_continue()
    {
        var policy = Shop.Policy();
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good);
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(Says("HOLD")));
        Shop.First(policy, noise, ref state, Decision.Continue, 60, _ => Good, _ => Good).ShouldNotBeNull();
    }

    [Fact]
    public void The_first_deployment_is_held_against_its_objective()
    {
        var policy = Shop.Policy(Shop.ErrorMetric with { Objective = 1 }, Shop.LatencyMetric with { Objective = 100, Warmup = TimeSpan.Zero });
        var noise = new Noise(2);
        var state = Judge.Start(policy, restarted: true);
        Shop.First(policy, noise, ref state, Decision.Rollback, 20, _ => Bad, _ => null).ShouldNotBeNull();
        Read(policy, state).Reasoning.ShouldContain("(objective 1 %)");
        state = Judge.Start(policy, restarted: true);
        Shop.First(policy, noise, ref state, Decision.Rollback, 20, _ => Good with { Median = 200 }, _ => null).ShouldNotBeNull();
        Read(policy, state).Findings[0].Metric.ShouldBe("latency");
        state = Judge.Start(policy, restarted: true);
        Shop.First(policy, noise, ref state, Decision.Continue, 120, _ => Good, _ => null).ShouldNotBeNull();
    }

    [Fact]
    public void With_nothing_to_compare_with_there_is_no_alarm_and_no_continue()
    {
        var policy = Shop.Policy();
        var noise = new Noise(2);
        var state = Judge.Start(policy, restarted: false);
        for (var n = 1; n <= 60; n++)
        {
            Tick(policy, ref state, Shop.Tick(policy, noise, n, Bad with { Leak = 8 }, null)).Decision.ShouldBe(Decision.Hold);
        }
        Read(policy, state).Reasoning.ShouldContain("nothing to compare");
    }

    [Fact]
    public void Fewer_conversions_are_harm_where_the_policy_says_down()
    {
        var conversions = Shop.ErrorMetric with { Family = Family.Kpi, Direction = Direction.Down };
        var policy = Shop.Policy(conversions);
        var noise = new Noise(2);
        var usual = Good with { Errors = 0.1 };
        var state = Shop.Begin(policy, noise, usual);
        Shop.First(policy, noise, ref state, Decision.Rollback, 60, _ => usual with { Errors = 0.02 }, _ => usual).ShouldNotBeNull();
        state = Shop.Begin(policy, noise, usual);
        Shop.First(policy, noise, ref state, Decision.Rollback, 60, _ => usual with { Errors = 0.3 }, _ => usual).ShouldBeNull();
    }

    [Fact]
    public void A_daily_rhythm_is_no_alarm_where_the_day_before_is_known()
    {
        var policy = Shop.Policy(Figure with { Family = Family.Cpu });
        var noise = new Noise(2);
        var state = Judge.Start(policy, restarted: false);
        for (var n = -59; n <= 120; n++)
        {
            var level = 20 * (1 + (n > 0 ? n / 60.0 : 0));
            var tick = new Tick(n, 1, 1);
            tick[0, n <= 0 ? Arm.Before : Arm.Candidate] = new Reading(Quality.Value, level * (1 + (0.05 * noise.Normal())));
            tick[0, Arm.Seasonal] = new Reading(Quality.Value, 0.9 * level * (1 + (0.05 * noise.Normal())));
            Tick(policy, ref state, tick).Alarm.ShouldBeFalse();
        }
        Read(policy, state).Findings[0].ReferenceArm.ShouldBe("seasonal");
    }

    [Fact]
    public void Lost_traffic_is_judged_over_both_arms_and_by_what_the_candidate_had_before()
    {
        var policy = Shop.Policy(Shop.CpuMetric with { Name = "requests", Kind = MetricKind.Count, Family = Family.Traffic, Direction = Direction.Down, Tolerance = new Tolerance(0.6, true), Floor = 0, Warmup = TimeSpan.Zero });
        Counted(policy, _ => 10, _ => 90).Alarm.ShouldBeFalse();
        Counted(policy, n => n > 10 ? 8 : 80, n => n > 10 ? 2 : 20).Alarm.ShouldBeFalse();
        Counted(policy, n => n > 10 ? 4 : 80, _ => 20).Alarm.ShouldBeTrue();

        static Step Counted(Policy policy, Func<int, double> candidate, Func<int, double> control)
        {
            var state = Judge.Start(policy, restarted: false);
            Step step = default;
            for (var n = -19; n <= 30; n++)
            {
                var tick = new Tick(n, 1, 1);
                tick[0, n <= 0 ? Arm.Before : Arm.Candidate] = new Reading(Quality.Value, n <= 0 ? 100 : candidate(n));
                tick[0, Arm.Control] = n <= 0 ? default : new Reading(Quality.Value, control(n));
                step = Tick(policy, ref state, tick);
            }
            return step;
        }
    }

    [Theory]
    [InlineData(Arm.Control)]
    [InlineData(Arm.Before)]
    public void The_lower_limit_lies_above_zero_exactly_when_the_count_test_is_an_alarm(Arm reference) =>
        Gen.Select(Gen.Int[0, 60], Gen.Int[100, 600], Gen.Int[0, 20], Gen.Int[100, 600], Gen.Int[2, 12]).Sample((bad, total, referenceBad, referenceTotal, ticks) =>
        {
            var policy = Shop.Policy(Shop.ErrorMetric);
            var state = Judge.Start(policy, restarted: false);
            for (var n = 1 - ticks; n <= ticks; n++)
            {
                var tick = new Tick(n, 1, 1);
                if (n > 0)
                {
                    tick[0, Arm.Candidate] = new Reading(Quality.Value, bad, total);
                }
                if (reference == Arm.Control == n > 0)
                {
                    tick[0, reference] = new Reading(Quality.Value, referenceBad, referenceTotal);
                }
                Tick(policy, ref state, tick);
            }
            var finding = Read(policy, state).Findings.Single();
            var worse = finding.Difference > 1;
            return finding.Low <= finding.Difference && finding.High >= finding.Difference
                // The score is rounded: a shown 1 may be a little less.
                && (!worse || finding.Score == 1 || finding.Score >= 1 == finding.Low > 0);
        });

    [Fact]
    public void More_slow_requests_beside_a_better_quantile_have_no_interval_that_contradicts_itself()
    {
        var finding = Slowed([20, 50, 125, 250, double.PositiveInfinity], [0, 200, 970, 999, 1000], [100, 960, 960, 960, 1000]);
        finding.Verdict.ShouldBe("unclear");
        finding.Difference!.Value.ShouldBeLessThan(0);
        (finding.Low, finding.High).ShouldBe((null, null));
    }

    [Fact]
    public void Edges_below_zero_are_edges()
    {
        var finding = Slowed([-20, -5, 5, 20, double.PositiveInfinity], [100, 500, 980, 999, 1000], [100, 500, 800, 900, 1000]);
        (finding.Quality, finding.Verdict).ShouldBe(("value", "worse"));
    }

    [Fact]
    public void A_tolerance_of_a_quantile_below_zero_lies_above_it()
    {
        // From -10 to between -10 and -5: within twice the size of the reference's 10.
        double[] edges = [-20, -10, -5, 5, double.PositiveInfinity];
        Slowed(edges, [0, 990, 1000, 1000, 1000], [0, 800, 1000, 1000, 1000], new Tolerance(1, true)).Verdict.ShouldNotBe("worse");
        Slowed(edges, [0, 990, 1000, 1000, 1000], [0, 800, 800, 800, 1000], new Tolerance(1, true)).Verdict.ShouldBe("worse");
    }

    // A metric with these edges: the reference's cumulative counts in each of 10 ticks of the past and of the control, the candidate's in each of 10 ticks.
    private static Finding Slowed(double[] edges, double[] reference, double[] candidate, Tolerance? tolerance = null)
    {
        var policy = Shop.Policy(Shop.LatencyMetric with { Warmup = TimeSpan.Zero, Floor = 0, Tolerance = tolerance ?? Shop.LatencyMetric.Tolerance });
        var state = Judge.Start(policy, restarted: false);
        for (var n = -9; n <= 10; n++)
        {
            var tick = new Tick(n, 1, 1);
            tick[0, n > 0 ? Arm.Control : Arm.Before] = new Reading(Quality.Value, Buckets: new Buckets(edges, reference));
            if (n > 0)
            {
                tick[0, Arm.Candidate] = new Reading(Quality.Value, Buckets: new Buckets(edges, candidate));
            }
            Tick(policy, ref state, tick);
        }
        return Read(policy, state).Findings.Single();
    }

    [Fact]
    public void An_alarm_shows_how_much_worse_it_is_at_least_though_the_old_version_never_failed()
    {
        var policy = Shop.Policy(Shop.ErrorMetric);
        var state = Judge.Start(policy, restarted: false);
        for (var n = 1; n <= 3; n++)
        {
            var tick = new Tick(n, 1, 1);
            tick[0, Arm.Candidate] = new Reading(Quality.Value, 14, 51);
            tick[0, Arm.Control] = new Reading(Quality.Value, 0, 51);
            Tick(policy, ref state, tick);
        }
        var finding = Read(policy, state).Findings.Single();
        finding.Difference.ShouldBe(27.5);
        finding.Score.ShouldBeGreaterThanOrEqualTo(1);
        finding.Low!.Value.ShouldBeInRange(1, 20);
    }

    [Theory]
    [InlineData(1, Decision.Continue)]
    [InlineData(3, Decision.Rollback)]
    public void A_single_point_of_the_past_is_compared_with(double factor, Decision expected)
    {
        var policy = Shop.Policy(Shop.CpuMetric);
        var noise = new Noise(2);
        var state = Shop.Begin(policy, noise, Good, restarted: false, past: 1);
        Shop.First(policy, noise, ref state, expected, 40, _ => Good with { Cpu = factor * Good.Cpu }, _ => null).ShouldNotBeNull();
        Read(policy, state).Findings[0].ReferenceArm.ShouldBe("before");
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void A_version_that_never_had_a_request_is_dead_sooner_when_nothing_of_it_is_seen(bool runs, bool expected)
    {
        var policy = Shop.Policy(Shop.ErrorMetric, Shop.MemoryMetric);
        var state = Judge.Start(policy, restarted: false);
        Step step = default;
        for (var n = 1; n <= 10; n++)
        {
            // 300 requests of the control: more than a share of 5 % leaves without one, fewer than one of 1 % does.
            var tick = new Tick(n, 1, 2);
            tick[0, Arm.Control] = new Reading(Quality.Value, 0, 30);
            tick[1, Arm.Control] = new Reading(Quality.Value, 60);
            tick[1, Arm.Candidate] = runs ? new Reading(Quality.Value, 60) : default;
            step = Tick(policy, ref state, tick);
        }
        step.Alarm.ShouldBe(expected);
    }
}
