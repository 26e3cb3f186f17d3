using Commander.Judging.Backtest;
using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Simulation;
using Commander.Judging.Tests.Simulated;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Tests.Verdicts;

/// <summary>What is evidence and what is none, on recordings small enough to be read.</summary>
public class EvidenceTests
{
    [Fact]
    public void Traffic_that_halves_while_the_day_takes_it_down_anyway_is_seen_beside_the_day_before()
    {
        // Both days fall from 3,000 requests to 1,000 over the two hours before; from the change on this one has half of what it had yesterday.
        double[] yesterday = [.. Enumerable.Range(0, 180).Select(at => Math.Max(1000, 3000 - (17.0 * at)) + (at % 3))];
        double[] before = [.. yesterday[..120].Select((value, at) => value * (1.01 + (0.002 * (at % 5))))];
        double[] halved = [.. yesterday[120..].Select(value => 0.5 * value)];
        Decided(new Series("requests", "count", null, null, null, before, halved, null, yesterday, null)).Decision.ShouldBe("ROLLBACK");
        double[] same = [.. yesterday[120..].Select(value => 1.01 * value)];
        Decided(new Series("requests", "count", null, null, null, before, same, null, yesterday, null)).Decision.ShouldNotBe("ROLLBACK");
    }

    [Fact]
    public void An_incident_of_the_past_does_not_hide_a_fault_of_the_present()
    {
        double[] before = [50, 35, 39, 37, 44, 1575, 1035, 48, 37, 51, 28, 30, 24, 31, 38, 41, 33, 38, 25, 37];
        Decided(new Series("latency_p95", "ms", null, null, null, before, [412, 427, 410, 420], null, null, null)).Decision.ShouldBe("ROLLBACK");
    }

    [Theory]
    [InlineData(new double[] { 14, 0, 0 }, false)]
    [InlineData(new double[] { 19, 16, 0 }, true)]
    [InlineData(new double[] { 7, 24, 35 }, true)]
    public void With_a_short_past_and_no_control_one_tick_of_errors_may_be_a_burst_but_two_in_a_row_are_not(double[] errors, bool bad)
    {
        var recording = new Recording(0, 300, false,
        [
            new Series("requests", "count", null, null, null, [480, 490], [480, 470, 490], null, null, null),
            new Series("errors", "count", null, null, null, [0, 2], errors, null, null, null),
        ]);
        (Backtests.Decide(recording, Judge.Name).Verdict.Decision == "ROLLBACK").ShouldBe(bad);
    }

    [Fact]
    public void Errors_and_response_times_that_each_fall_just_short_of_an_alarm_are_one_together()
    {
        Series[] errors =
        [
            new("requests", "count", null, null, null, [489, 463], [520, 472], null, null, null),
            new("errors", "count", null, null, null, [0, 2], [13, 11], null, null, null),
        ];
        var latency = new Series("latency_p99", "ms", null, null, null, [566, 462], [1032, 1052], null, null, null);
        Backtests.Decide(new Recording(0, 300, false, errors), Judge.Name).Verdict.Decision.ShouldBe("HOLD");
        Decided(latency).Decision.ShouldBe("HOLD");
        Backtests.Decide(new Recording(0, 300, false, [.. errors, latency]), Judge.Name).Verdict.Decision.ShouldBe("ROLLBACK");
    }

    [Fact]
    public void Where_nothing_is_said_a_few_more_errors_of_a_good_service_are_beyond_the_tolerance_and_of_a_bad_one_are_not()
    {
        Judged(past: 0.0002, now: 0.0035).Decision.ShouldBe("ROLLBACK");
        Judged(past: 0.04, now: 0.0433).Decision.ShouldNotBe("ROLLBACK");
        Judged(past: 0.01, now: 0.01).Findings.Single(finding => finding.Metric == "errors").Reason.ShouldBe("certainly less than 0.8 pp worse than before");

        static Verdict Judged(double past, double now) => Backtests.Decide(
            new Recording(0, 60, false,
            [
                new Series("requests", "count", null, null, null, [.. Enumerable.Repeat(4000.0, 60)], [.. Enumerable.Repeat(4000.0, 60)], null, null, null),
                new Series("errors", "count", null, null, null, [.. Enumerable.Range(0, 60).Select(at => Whole(4000 * past, at))], [.. Enumerable.Range(0, 60).Select(at => Whole(4000 * now, at))], null, null, null),
            ]),
            Judge.Name).Verdict;

        // Events come whole: the parts of one add up to it.
        static double Whole(double mean, int at) => Math.Floor((at + 1) * mean) - Math.Floor(at * mean);
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(12, false)]
    public void Where_sixty_ticks_show_that_errors_do_not_come_in_bursts_half_the_evidence_is_enough(int burst, bool calm)
    {
        // One tick more of the past changes next to nothing by itself.
        var gain = Score(60) - Score(59);
        (gain > 0.08).ShouldBe(calm, $"{gain}");
        Math.Abs(Score(59) - Score(58)).ShouldBeLessThan(0.045);
        Math.Abs(Score(61) - Score(60)).ShouldBeLessThan(0.045);

        double Score(int past) => Backtests.Decide(
            new Recording(0, 60, false,
            [
                new Series("requests", "count", null, null, null, [.. Enumerable.Repeat(4000.0, past)], [4000, 4000], null, null, null),
                new Series("errors", "count", null, null, null, [.. Enumerable.Range(0, past).Select(at => 20.0 + (at % 2 == 0 ? burst : -burst))], [60, 60], null, null, null),
            ]),
            Judge.Name).Verdict.Findings.Single(static finding => finding.Metric == "errors").Score;
    }

    [Theory]
    [InlineData(Direction.Up, 1, 0, 2)]
    [InlineData(Direction.Up, 2, 0, 2)]
    [InlineData(Direction.Up, 5, 30, 5)]
    [InlineData(Direction.Down, 5, 30, 30)]
    [InlineData(Direction.Either, 5, 30, 30)]
    [InlineData(Direction.Either, 8, 4, 8)]
    public void The_fewer_events_a_calm_count_s_evidence_comes_from_the_more_of_it_jumps_past_the_limit(Direction direction, int own, int controls, int steps)
    {
        var policy = Shop.Policy(Shop.ErrorMetric with { Direction = direction });
        var state = Judge.Start(policy, restarted: false);
        for (var n = -69; n <= 1; n++)
        {
            var tick = new Tick(n, 1, 1);
            if (n <= 0)
            {
                tick[0, Arm.Before] = new Reading(Quality.Value, n & 1, 1000);
            }
            else
            {
                tick[0, Arm.Candidate] = new Reading(Quality.Value, own, 100);
                tick[0, Arm.Control] = new Reading(Quality.Value, controls, 900);
            }
            Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick));
        }
        var (head, count) = (state.Metrics[0].Head, state.Metrics[0].Count);
        head.Dispersion.ShouldBeLessThan(1.25);
        // Errors alone, against their first reference: 85 hundredths of 81 of a budget of 1 %.
        var step = -Math.Log(0.01 * 0.81 * 0.85) / steps;
        (head.LogE - count.Ratio.LogE(Math.Max(1, head.Dispersion))).ShouldBe(Math.Log(1.75) + (0.5 * Math.Log((Math.Exp(step) - 1) / step)), 1e-9);
    }

    [Fact]
    public void Before_the_first_judgement_the_model_s_prior_is_all_that_is_known()
    {
        var policy = Shop.Policy();
        var verdict = Judge.Read(policy, Model.Shipped, Judge.Start(policy, restarted: false), new Reader(default, 0, [], false));
        var prior = 1 / (1 + Math.Exp(-Model.Shipped.Intercept));
        (verdict.Decision, verdict.PBad, verdict.Confidence).ShouldBe(("HOLD", Display.Probability(prior), Display.Probability(1 - prior)));
    }

    [Fact]
    public void A_watch_of_hours_asks_for_more_evidence_of_a_level_and_one_of_up_to_an_hour_for_the_same()
    {
        Score(2).ShouldBe(Score(60));
        // A limit of 9 and of 9 + ln(4).
        (Score(60) / Score(240)).ShouldBe(10.386 / 9, 0.005);

        static double Score(int minutes)
        {
            var policy = Shop.Policy(Shop.MemoryMetric);
            policy = policy with { Watch = policy.Watch with { Max = TimeSpan.FromMinutes(minutes - 1), After = TimeSpan.FromMinutes(1) } };
            var noise = new Noise(5);
            var state = Shop.Begin(policy, noise, new Behaviour());
            for (var n = 1; n <= 60; n++)
            {
                Judge.Next(policy, Model.Shipped, ref state, Input.Of(Shop.Tick(policy, noise, n, new Behaviour() with { Memory = 600 }, new Behaviour())));
            }
            return Judge.Read(policy, Model.Shipped, state, new Reader(default, 0, [], false)).Findings.Single().Score;
        }
    }

    private static Verdict Decided(Series series) => Backtests.Decide(new Recording(0, 60, false, [series]), Judge.Name).Verdict;
}
