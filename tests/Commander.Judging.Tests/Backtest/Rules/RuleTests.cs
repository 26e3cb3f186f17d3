using Commander.Judging.Backtest;
using Commander.Judging.Evidence;
using Commander.Judging.Simulation;
using Case = Commander.Judging.Backtest.Case;

namespace Commander.Judging.Tests.Backtest.Rules;

public class RuleTests
{
    private static readonly string[] Rules = ["argo", "flagger", "mann-whitney", "cusum", "three-sigma"];

    public static TheoryData<string> Names => [.. Rules];

    [Fact]
    public void All_rules_stand_beside_commander_and_the_health_score() =>
        Backtests.Judges.ShouldBe(["commander", "health-score", .. Rules]);

    [Fact]
    public void Argo_fails_at_the_third_failed_measurement_of_one_metric_however_many_good_ones_lie_between()
    {
        Judge("argo", Error(1, 6, 1, 6, 1, 6, 1)).ShouldBe(("ROLLBACK", 6));
        Judge("argo", Error(1, 6, 1, 6, 1, 5, 1)).ShouldBe(("CONTINUE", 7));
        Judge("argo", Error(6, 1, 1), Latency(10, 600, 600)).ShouldBe(("CONTINUE", 3));
    }

    [Fact]
    public void Argo_takes_four_measurements_in_a_row_without_a_sample_and_ends_at_the_fifth()
    {
        const double none = double.NaN;
        Judge("argo", Error(1, none, none, none, none, 1, 1)).ShouldBe(("CONTINUE", 7));
        Judge("argo", Error(1, none, none, none, none, none, 1)).ShouldBe(("ROLLBACK", 6));
        // Nothing is measured before the first sample.
        Judge("argo", Error(none, none, none, none, none, none, 1)).ShouldBe(("CONTINUE", 7));
    }

    [Fact]
    public void Flagger_rolls_back_one_tick_after_the_fifth_failed_check_and_does_not_check_the_first_tick()
    {
        Judge("flagger", Error(9, 9, 9, 9, 9, 9, 0, 0)).ShouldBe(("ROLLBACK", 7));
        Judge("flagger", Error(9, 9, 9, 9, 9, 9)).ShouldBe(("CONTINUE", 6));
        Judge("flagger", Error(9, 9, 9, 9, 9, 0, 0, 0)).ShouldBe(("CONTINUE", 8));
    }

    [Fact]
    public void For_flagger_a_check_without_a_value_has_failed() =>
        Judge("flagger", Error(0, double.NaN, 0, double.NaN, double.NaN, double.NaN, double.NaN, 0)).ShouldBe(("ROLLBACK", 8));

    [Fact]
    public void Two_counts_are_an_error_rate_and_seconds_are_milliseconds_to_fixed_thresholds()
    {
        Judge("argo", Of("requests", "count", [100, 100], [100, 100, 100]), Of("errors", "count", [0, 0], [6, 6, 6])).ShouldBe(("ROLLBACK", 3));
        Judge("argo", Of("latency", "s", [0.1, 0.1], [0.6, 0.6, 0.6])).ShouldBe(("ROLLBACK", 3));
        Judge("argo", Of("latency", "s", [0.1, 0.1], [0.4, 0.4, 0.4])).ShouldBe(("CONTINUE", 3));
    }

    [Theory]
    [InlineData("argo")]
    [InlineData("flagger")]
    public void A_rule_with_nothing_to_measure_holds(string rule) =>
        Judge(rule, Of("cpu", "%", [1, 2, 3], [90, 90, 90, 90, 90, 90, 90])).ShouldBe(("HOLD", 7));

    [Fact]
    public void Three_sigma_rolls_back_at_the_first_point_beyond_and_only_in_the_harmful_direction()
    {
        // Mean 10, standard deviation the root of 4/6.
        double[] past = [9, 10, 11, 9, 10, 11, 10];
        var deviation = Math.Sqrt(4 / 6.0);
        Judge("three-sigma", Of("latency", "ms", past, [10, 10 + (2.9 * deviation), 10 + (3.1 * deviation), 10])).ShouldBe(("ROLLBACK", 3));
        Judge("three-sigma", Of("latency", "ms", past, [10, 10 - (9 * deviation)])).ShouldBe(("CONTINUE", 2));
        Judge("three-sigma", Of("requests", "count", past, [10, 10 - (9 * deviation)])).ShouldBe(("ROLLBACK", 2));
        Judge("three-sigma", Of("orders", "", past, [10, 10 - (9 * deviation)])).ShouldBe(("ROLLBACK", 2));
        Judge("three-sigma", Of("latency", "ms", [10], [99])).ShouldBe(("HOLD", 1));
    }

    [Fact]
    public void Cusum_adds_what_is_beyond_one_deviation_and_forgets_it_again()
    {
        // Errors in %: a third of the tolerance, 1/3 pp, is the least deviation.
        Judge("cusum", Error(1, 1, 1, 1, 1)).ShouldBe(("ROLLBACK", 4));
        Judge("cusum", Error(1, 1, 1, 0, 0, 0, 0, 0, 0, 0)).ShouldBe(("CONTINUE", 10));
        // One point, however high, counts for 8 - 1.
        Judge("cusum", Error(99, 0, 0)).ShouldBe(("CONTINUE", 3));
        Judge("cusum", Error(99, 99, 0)).ShouldBe(("ROLLBACK", 2));
    }

    [Fact]
    public void A_kayenta_canary_fails_pairs_and_holds_a_single_metric_of_five()
    {
        var noise = new Noise(7);
        Series Beside(string name, double more) => new(name, "ms", null, Family.Latency, null, [1, 1], Made(100 + more), Made(100), null, null);
        double[] Made(double level) => [.. Enumerable.Range(0, 30).Select(_ => level + noise.Normal())];
        Judge("mann-whitney", Beside("a", 0), Beside("b", 0), Beside("c", 0), Beside("d", 0), Beside("e", 20)).ShouldBe(("HOLD", 30));
        Judge("mann-whitney", Beside("a", 0), Beside("b", 0), Beside("c", 0), Beside("d", 20), Beside("e", 20)).ShouldBe(("ROLLBACK", 30));
        Judge("mann-whitney", Beside("a", 0), Beside("b", 0), Beside("c", 0)).ShouldBe(("CONTINUE", 30));
    }

    [Theory]
    [InlineData(3, 1, "HOLD", 1.0)]
    [InlineData(18, 1, "HOLD", 0.2104)]
    [InlineData(19, 1, "CONTINUE", 0.2)]
    [InlineData(2, 1, "ROLLBACK", 1.3332)]
    [InlineData(4, 0, "CONTINUE", 0.0)]
    public void A_kayenta_canary_is_marginal_from_75_on_and_passes_from_95_on(int well, int ill, string decision, double peak)
    {
        Series Beside(string name, double more) => new(name, "ms", null, Family.Latency, null, [1, 1], [.. Rising.Select(value => value + more)], [.. Rising], null, null);
        var recording = new Recording(0, 60, false, [.. Enumerable.Range(0, well).Select(at => Beside($"w{at}", 0)), .. Enumerable.Range(0, ill).Select(at => Beside($"i{at}", 50))]);
        var examined = Backtests.Examine(new Case("c", "s", recording, null, null, null, false), "mann-whitney");
        (examined.Line.Decision, examined.Line.Tick, Math.Round(examined.Peak, 9)).ShouldBe((decision, 20, peak));
    }

    private static readonly double[] Rising = [.. Enumerable.Range(0, 20).Select(static at => 100.0 + at)];

    [Fact]
    public void A_kayenta_canary_says_its_score_and_every_metric_that_is_not_well()
    {
        Series Beside(string name, double more) => new(name, "", null, Family.Kpi, null, [1, 1], [.. Rising.Select(value => value + more)], [.. Rising], null, null);
        Reason(Beside("a", 50), Beside("b", 0), Beside("c", -50)).ShouldBe("score 33.33: a High, c Low");
        Reason(Beside("a", 0)).ShouldBe("score 100");
        // Without a control the past is compared with.
        Reason(Beside("a", 50) with { Control = null, Baseline = Rising }).ShouldBe("score 0: a High");
        Reason(Beside("a", 50) with { Control = null, Baseline = [double.NaN] }, Beside("b", 0)).ShouldBe("score 0: a Nodata");

        static string Reason(params Series[] series) => Backtests.Decide(new Recording(0, 60, false, series), "mann-whitney").Verdict.Reasoning;
    }

    [Fact]
    public void A_past_that_hardly_moved_scatters_for_cusum_by_a_third_of_the_tolerance()
    {
        // 20 % of (100 + 25) ms: a deviation is 25 / 3 ms. Three of them are 2 beyond the one that is free.
        double[] past = [100, 100, 100];
        Judge("cusum", Of("latency", "ms", past, [.. Enumerable.Repeat(125.001, 6)])).ShouldBe(("ROLLBACK", 4));
        Judge("cusum", Of("latency", "ms", past, [.. Enumerable.Repeat(124.9, 6)])).ShouldBe(("ROLLBACK", 5));
        // Half of what lies below nothing is as much as of what lies above: 50 % of 30, a deviation of 5.
        double[] below = [-30, -30, -30];
        Judge("cusum", Of("orders", "", below, [.. Enumerable.Repeat(-15.0 + 0.001, 6)])).ShouldBe(("ROLLBACK", 4));
        Judge("cusum", Of("orders", "", below, [.. Enumerable.Repeat(-45.0 - 0.001, 6)])).ShouldBe(("ROLLBACK", 4));
        // A past that moves more than that counts as it is: a deviation of 30.
        Judge("cusum", Of("latency", "ms", [70, 100, 130], [.. Enumerable.Repeat(125.001, 6)])).ShouldBe(("CONTINUE", 6));
    }

    [Fact]
    public void Flagger_names_what_failed_the_check_that_was_one_too_many()
    {
        Reason([0, 9, 9, 9, 9, 9, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]).ShouldContain("for error_rate:");
        Reason([0, 0, 0, 0, 0, 0, 0, 0], [0, 600, 600, 600, 600, 600, 0, 0]).ShouldContain("for latency_p95:");
        // Four of one, the fifth of the other.
        Reason([0, 9, 9, 9, 9, 0, 0, 0], [0, 0, 0, 0, 0, 600, 0, 0]).ShouldContain("for latency_p95:");
        // Both fail: the one that is farther beyond its limit.
        Reason([0, 2, 2, 2, 2, 2, 0, 0], [0, 5000, 5000, 5000, 5000, 5000, 0, 0]).ShouldContain("for latency_p95:");
        Reason([0, 20, 20, 20, 20, 20, 0, 0], [0, 5000, 5000, 5000, 5000, 5000, 0, 0]).ShouldContain("for error_rate:");

        static string Reason(double[] errors, double[] latency) => Backtests.Decide(new Recording(0, 60, false, [Error(errors), Latency(latency)]), "flagger").Verdict.Reasoning;
    }

    [Fact]
    public void A_level_at_its_threshold_is_no_failure_and_one_just_beyond_it_is()
    {
        Judge("argo", Error(5, 5, 5)).ShouldBe(("CONTINUE", 3));
        Judge("argo", Error(5.01, 5.01, 5.01)).ShouldBe(("ROLLBACK", 3));
        Judge("argo", Latency(500, 500, 500)).ShouldBe(("CONTINUE", 3));
        Judge("argo", Latency(501, 501, 501)).ShouldBe(("ROLLBACK", 3));
        Judge("flagger", Error(0, 1, 1, 1, 1, 1, 0)).ShouldBe(("CONTINUE", 7));
        Judge("flagger", Error(0, 1.01, 1.01, 1.01, 1.01, 1.01, 0)).ShouldBe(("ROLLBACK", 7));
        Judge("flagger", Latency(0, 500, 500, 500, 500, 500, 0)).ShouldBe(("CONTINUE", 7));
        Judge("flagger", Latency(0, 501, 501, 501, 501, 501, 0)).ShouldBe(("ROLLBACK", 7));
        double[] past = [9, 10, 11];
        Judge("three-sigma", Of("latency", "ms", past, [13])).ShouldBe(("CONTINUE", 1));
        Judge("three-sigma", Of("latency", "ms", past, [13.01])).ShouldBe(("ROLLBACK", 1));
    }

    [Fact]
    public void Argo_reads_the_p95_and_flagger_the_p99_where_there_are_both()
    {
        Series[] both = [Of("latency_p50", "ms", [1, 1], Flat(9)), Of("latency_p95", "ms", [1, 1], Flat(100)), Of("latency_p99", "ms", [1, 1], Flat(600))];
        Judge("argo", both).Decision.ShouldBe("CONTINUE");
        Judge("flagger", both).Decision.ShouldBe("ROLLBACK");
        Judge("argo", [both[2], both[0]]).Decision.ShouldBe("ROLLBACK");
        // Without either the first there is; what is called downstream is not the service's own.
        Judge("argo", [Of("latency_p50", "ms", [1, 1], Flat(600)), Of("latency_mean", "ms", [1, 1], Flat(1))]).Decision.ShouldBe("ROLLBACK");
        Judge("argo", Of("downstream_latency_p95", "ms", [1, 1], Flat(600))).Decision.ShouldBe("HOLD");
        Judge("argo", Of("latency_p95", "ticks", [1, 1], Flat(600))).Decision.ShouldBe("HOLD");

        static double[] Flat(double level) => [.. Enumerable.Repeat(level, 9)];
    }

    [Fact]
    public void An_error_percentage_is_read_before_two_counts_and_a_tick_without_requests_has_none()
    {
        var (requests, errors) = (Of("requests", "count", [100, 100], [100, 100, 100]), Of("errors", "count", [0, 0], [50, 50, 50]));
        Judge("argo", requests, errors, Error(1, 1, 1)).Decision.ShouldBe("CONTINUE");
        Judge("argo", requests, errors).Decision.ShouldBe("ROLLBACK");
        Judge("argo", requests).Decision.ShouldBe("HOLD");
        Judge("argo", errors).Decision.ShouldBe("HOLD");
        Judge("argo", requests with { Candidate = [100, 0, 0, 0, 0, 0] }, errors with { Candidate = [0, 0, 0, 0, 0, 0] }).ShouldBe(("ROLLBACK", 6));
        Judge("argo", requests with { Name = "calls" }, errors).Decision.ShouldBe("HOLD");
    }

    [Theory]
    [InlineData("argo", 1.0, 7, "fewer than 3 failed measurements")]
    [InlineData("argo", 6.0, 3, "error_rate: 3 measurements beyond 5 %")]
    [InlineData("flagger", 0.5, 7, "fewer than 5 failed checks")]
    [InlineData("flagger", 6.0, 7, "5 failed checks, the last for error_rate: success rate below 99 %, response time above 500 ms, or no value")]
    [InlineData("three-sigma", 1.0, 7, "no point beyond 3 standard deviations")]
    [InlineData("three-sigma", 9.0, 1, "error_rate: a point more than 3 standard deviations from its past")]
    [InlineData("cusum", 1.2, 7, "no cumulative sum reached 8")]
    [InlineData("cusum", 9.0, 2, "error_rate: a cumulative sum of 8 standard deviations beyond 1 each")]
    public void A_rule_says_what_it_saw(string rule, double level, int tick, string reason)
    {
        var series = Of("error_rate", "%", [0.5, 1, 1.5], [.. Enumerable.Repeat(level, 7)]);
        // A second metric that is well: the reason names the one that is not.
        var (verdict, at) = Backtests.Decide(new Recording(0, 60, false, [Of("latency_p95", "ms", [10, 11, 12], [.. Enumerable.Repeat(11.0, 7)]), series]), rule);
        (verdict.Reasoning, at).ShouldBe((reason, tick));
    }

    [Fact]
    public void A_rule_that_measured_too_slow_or_too_little_says_so()
    {
        const double none = double.NaN;
        Reason("argo", Latency(600, 600, 600)).ShouldBe("latency_p95: 3 measurements beyond 500 ms");
        Reason("argo", Error(1, none, none, none, none, none)).ShouldBe("error_rate: more than 4 measurements in a row without a sample");
        Reason("argo", Of("cpu", "%", [1, 1], [1])).ShouldBe("no error rate and no response time to measure");
        Reason("flagger", Of("cpu", "%", [1, 1], [1])).ShouldBe("no error rate and no response time to check");
        Reason("cusum", Of("cpu", "%", [1], [1])).ShouldBe("no metric has two points before the change");
        Reason("three-sigma", Of("cpu", "%", [1], [1])).ShouldBe("no metric has two points before the change");
        Reason("mann-whitney", Of("latency", "ms", [.. Enumerable.Range(1, 30).Select(static at => 10.0 + (at % 3))], [.. Enumerable.Range(1, 30).Select(static at => 30.0 + (at % 3))])).ShouldBe("score 0: latency High");

        static string Reason(string rule, params Series[] series) => Backtests.Decide(new Recording(0, 60, false, series), rule).Verdict.Reasoning;
    }

    [Fact]
    public void A_rule_s_score_is_told_as_a_probability_that_is_one_half_where_it_rolls_back()
    {
        Told(Error(2.5, 2.5, 2.5)).ShouldBe((0.333, 0.667));
        Told(Error(10, 10, 10)).ShouldBe((0.667, 0.667));
        Told(Of("cpu", "%", [1, 1], [1])).ShouldBe((0.001, 0.999));

        static (double, double) Told(Series series)
        {
            var verdict = Backtests.Decide(new Recording(0, 60, false, [series]), "argo").Verdict;
            return (verdict.PBad, verdict.Confidence);
        }
    }

    [Fact]
    public void A_rule_knows_nothing_of_points_that_are_missing_and_takes_the_longest_series_for_the_length()
    {
        const double none = double.NaN;
        Judge("three-sigma", Of("latency", "ms", [9, none, 10, 11], [none, 10])).ShouldBe(("CONTINUE", 2));
        Judge("three-sigma", Of("latency", "ms", [10, none], [99])).ShouldBe(("HOLD", 1));
        Judge("three-sigma", Of("latency", "ms", [10, 10, 10], [10])).ShouldBe(("CONTINUE", 1));
        Judge("three-sigma", Of("latency", "ms", [0.1, 0.1, 0.1], [0.1])).ShouldBe(("CONTINUE", 1));
        Judge("three-sigma", Of("latency", "ms", [10, 10, 10], [10.001])).ShouldBe(("ROLLBACK", 1));
        Judge("cusum", Error(1, none, 1, none, 1, none, 1)).ShouldBe(("ROLLBACK", 7));
        Judge("three-sigma", Of("latency", "ms", [9, 10, 11], [10]), Of("cpu", "%", [9, 10, 11], [10, 10, 10])).ShouldBe(("CONTINUE", 3));
        Judge("argo", Error(6, 6), Of("cpu", "%", [9, 10, 11], [10, 10, 10, 10, 10, 10, 10, 10])).ShouldBe(("ROLLBACK", 7));
    }

    [Fact]
    public void Cusum_watches_each_metric_for_itself_and_in_its_harmful_direction()
    {
        double[] past = [9, 10, 11];
        Judge("cusum", Of("latency", "ms", past, [1, 1, 1, 1, 1, 1])).Decision.ShouldBe("CONTINUE");
        Judge("cusum", Of("requests", "count", past, [30, 30, 30, 30, 30])).Decision.ShouldBe("CONTINUE");
        Judge("cusum", Of("requests", "count", past, [1, 1, 1])).ShouldBe(("ROLLBACK", 2));
        Judge("cusum", Of("orders", "", past, [1, 1, 1])).ShouldBe(("ROLLBACK", 2));
        Judge("cusum", Of("orders", "", past, [99, 99])).ShouldBe(("ROLLBACK", 2));
        // Two metrics of half the sum are not one of the whole.
        Judge("cusum", Error(99, 0, 0), Of("cpu", "%", [10, 10, 10], [99, 10, 10])).Decision.ShouldBe("CONTINUE");
        Judge("cusum", Of("memory", "MB", [1], [99, 99, 99])).Decision.ShouldBe("HOLD");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_rule_s_answer_at_a_tick_does_not_change_with_what_comes_after_it(string rule)
    {
        for (ulong seed = 0; seed < 40; seed++)
        {
            var recording = Made(seed);
            for (var last = 1; last <= recording.Length; last++)
            {
                var cut = recording with { Series = [.. recording.Series.Select(series => series with { Candidate = series.Candidate[..last], Control = series.Control?[..last] })] };
                var (whole, shorter) = (Backtests.Decide(recording, rule, horizon: last), Backtests.Decide(cut, rule));
                (shorter.Verdict.Decision, shorter.Verdict.PBad, shorter.Verdict.Reasoning, shorter.Tick).ShouldBe((whole.Verdict.Decision, whole.Verdict.PBad, whole.Verdict.Reasoning, whole.Tick));
            }
        }
    }

    [Fact]
    public void The_nearest_a_judge_came_to_a_rollback_is_beyond_one_exactly_where_it_rolled_back()
    {
        var (rolled, others) = (0, 0);
        for (ulong seed = 0; seed < 60; seed++)
        {
            var found = new Case("c", "s", Made(seed), "BAD", null, null, false);
            foreach (var judge in Backtests.Judges)
            {
                var examined = Backtests.Examine(found, judge);
                var (line, plain) = (examined.Line, Backtests.Run(found, judge));
                (line.Decision, line.Tick, line.PBad).ShouldBe((plain.Decision, plain.Tick, plain.PBad));
                examined.Reasoning.ShouldNotBeNullOrEmpty();
                if (line.Decision == "ROLLBACK")
                {
                    examined.Peak.ShouldBeGreaterThanOrEqualTo(1, judge);
                    rolled++;
                }
                else
                {
                    examined.Peak.ShouldBeLessThanOrEqualTo(1, judge);
                    others++;
                }
            }
        }
        Math.Min(rolled, others).ShouldBeGreaterThan(50);
    }

    // Errors, latency and cpu, some of them ill, some with holes.
    private static Recording Made(ulong seed)
    {
        var noise = new Noise(seed);
        double[] Points(int count, double level, double holes) =>
            [.. Enumerable.Range(0, count).Select(_ => noise.Uniform() < holes ? double.NaN : Math.Max(0, level * (1 + (0.2 * noise.Normal()))))];
        var (errors, latency) = (noise.Uniform() < 0.4 ? 9 : 1, noise.Uniform() < 0.4 ? 700 : 100);
        var holes = noise.Uniform() < 0.3 ? 0.5 : 0;
        return new Recording(0, 60, false,
        [
            new Series("error_rate", "%", null, null, null, Points(12, 1, 0), Points(14, errors, holes), Points(14, 1, 0), null, null),
            new Series("latency_p95", "ms", null, null, null, Points(12, 100, 0), Points(14, latency, holes), Points(14, 100, 0), null, null),
            new Series("cpu", "%", null, null, null, Points(12, 40, 0), Points(14, 40, holes), Points(14, 40, 0), null, null),
        ]);
    }

    private static (string Decision, int Tick) Judge(string rule, params Series[] series)
    {
        var (verdict, tick) = Backtests.Decide(new Recording(0, 60, false, series), rule);
        verdict.Judge.ShouldBe(rule);
        verdict.Findings.ShouldBeEmpty();
        return (verdict.Decision, tick);
    }

    private static Series Error(params double[] candidate) => Of("error_rate", "%", [0, 0, 0], candidate);

    private static Series Latency(params double[] candidate) => Of("latency_p95", "ms", [10, 10, 10], candidate);

    private static Series Of(string name, string unit, double[] baseline, double[] candidate) => new(name, unit, null, null, null, baseline, candidate, null, null, null);
}
