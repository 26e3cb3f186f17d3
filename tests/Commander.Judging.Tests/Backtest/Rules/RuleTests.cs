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
