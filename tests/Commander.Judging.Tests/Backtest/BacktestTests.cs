using System.Text;
using Commander.Judging.Backtest;
using Commander.Judging.Verdicts;
using Case = Commander.Judging.Backtest.Case;

namespace Commander.Judging.Tests.Backtest;

public class BacktestTests(ITestOutputHelper output)
{
    // The contract's two cases, word by word.
    private const string Cases =
        """
        {"id": "bad-1", "source": "example", "change_time": 1700000000, "step_seconds": 60, "restarted": true, "metrics": {"requests": {"unit": "count", "baseline": [1200, 1180, 1210, 1195], "candidate": [600, 610, 590], "control": [605, 600, 598]}, "errors": {"unit": "count", "baseline": [5, 6, 4, 5], "candidate": [31, 30, 28], "control": [2, 3, 2]}, "latency_p95": {"unit": "ms", "baseline": [120, 118, 125, 121], "candidate": [131, 128, 130], "control": [119, 122, 120]}}, "label": "BAD", "fault": "errors", "group": "example"}
        {"id": "good-1", "source": "example", "change_time": 1700000600, "step_seconds": 60, "restarted": false, "metrics": {"requests": {"unit": "count", "baseline": [1200, 1180, 1210, 1195], "candidate": [1190, null, 1205]}, "errors": {"unit": "count", "baseline": [5, 6, 4, 5], "candidate": [5, null, 6]}}, "label": "GOOD", "group": "example"}
        """;

    private static List<Case> Read() => CaseFile.Read(new MemoryStream(Encoding.UTF8.GetBytes(Cases))).ToList();

    [Fact]
    public void The_contract_s_bad_case_is_rolled_back_after_one_tick_and_the_good_one_is_not()
    {
        var lines = Read().ConvertAll(static found => Backtests.Run(found, "commander"));
        (lines[0].Id, lines[0].Decision, lines[0].Tick, lines[0].DelaySeconds).ShouldBe(("bad-1", "ROLLBACK", 1, 60d));
        var finding = lines[0].Findings[0];
        (finding.Metric, finding.Candidate, finding.Reference, finding.Difference, finding.ReferenceArm, finding.Verdict, finding.Reason)
            .ShouldBe(("errors", 5.2, 0.3, 4.8, "control", "worse", "4.8 pp worse than control, tolerance 0.4 pp"));
        (lines[1].Decision == "ROLLBACK", lines[1].Tick, lines[1].DelaySeconds).ShouldBe((false, 3, null));
    }

    [Fact]
    public void A_judge_is_given_nothing_of_what_is_known_about_a_case()
    {
        foreach (var found in Read())
        {
            var blind = found with { Label = null, Fault = null, Group = null, Source = "", BelowTolerance = true };
            foreach (var judge in Backtests.Judges)
            {
                var (one, other) = (Backtests.Run(found, judge), Backtests.Run(blind, judge));
                (other with { Findings = one.Findings, Source = one.Source, Label = one.Label }).ShouldBe(one);
                other.Findings.ShouldBe(one.Findings);
            }
        }
    }

    [Fact]
    public void The_horizon_ends_a_case_early_and_must_be_a_tick()
    {
        Backtests.Run(Read()[1], "commander", horizon: 2).Tick.ShouldBe(2);
        Backtests.Run(Read()[1], "commander", horizon: 100).Tick.ShouldBe(3);
        Should.Throw<RefusedException>(() => Backtests.Run(Read()[1], "commander", horizon: 0)).Message.ShouldBe("horizon: must be at least 1 tick");
        Should.Throw<RefusedException>(() => Backtests.Run(Read()[1], "oracle")).Message.ShouldBe($"judge: 'oracle' is unknown; give one of {string.Join(", ", Backtests.Judges)}");
    }

    [Fact]
    public void Every_judge_s_verdict_is_given_at_the_end_of_its_tick_and_holds_where_nothing_was_recorded()
    {
        foreach (var judge in Backtests.Judges)
        {
            foreach (var found in Read())
            {
                var (verdict, tick) = Backtests.Decide(found.Recording, judge);
                verdict.DecidedAt.ShouldBe(DateTimeOffset.FromUnixTimeSeconds((long)found.Recording.ChangeTime + (60 * tick)), judge);
                verdict.ElapsedMs.ShouldBe(60_000 * tick, judge);
            }
            var nothing = Backtests.Decide(new Recording(0, 60, false, []), judge);
            (nothing.Verdict.Decision, nothing.Tick).ShouldBe(("HOLD", 0), judge);
        }
    }

    [Fact]
    public void A_recording_is_as_long_as_its_longest_series_before_and_after_the_change()
    {
        static Series Of(int before, int after) => new("m", "", null, null, null, new double[before], new double[after], null, null, null);
        var recording = new Recording(0, 60, false, [Of(2, 3), Of(5, 1), Of(1, 4)]);
        (recording.Past, recording.Length).ShouldBe((5, 4));
        (recording with { Series = [] }).ShouldSatisfyAllConditions(static none => none.Past.ShouldBe(0), static none => none.Length.ShouldBe(0));
    }

    [Fact]
    public void The_health_score_came_as_near_as_its_lowest_score_and_rolls_back_below_fifty_only()
    {
        // 2 points a percent.
        Peak(10).ShouldBe(0.4, 1e-12);
        Peak(25).ShouldBe(1, 1e-12);
        Peak(10, 30, 1, 40, 1).ShouldBe(1.6, 1e-12);
        Peak(double.NaN).ShouldBe(0);
        Backtests.Decide(Rates(25, 25), "health-score").Verdict.Decision.ShouldBe("CONTINUE");
        Backtests.Decide(Rates(25, 25.01), "health-score").ShouldSatisfyAllConditions(static told => told.Verdict.Decision.ShouldBe("ROLLBACK"), static told => told.Tick.ShouldBe(2));

        static double Peak(params double[] rates) => Backtests.Examine(new Case("c", "s", Rates(rates), null, null, null, false), "health-score").Peak;

        static Recording Rates(params double[] rates) => new(0, 60, false, [new Series("error_rate", "%", null, null, null, [0], rates, null, null, null)]);
    }

    [Fact]
    public void A_rule_came_as_near_as_its_largest_score_also_after_its_rollback()
    {
        Peak("argo", 2.5, 2.5, 2.5).ShouldBe(0.5, 1e-12);
        Peak("argo", 10, 10, 10, 1, 20, 20, 20).ShouldBe(4, 1e-12);
        Peak("three-sigma", 4, 2, 13, 2).ShouldBe(11 / 3.0, 1e-12);
        Peak("flagger", 3, 3, 3, 3, 3, 3, 2).ShouldBe(3, 1e-12);
        Peak("cusum", 3, 3, 1).ShouldBe(0);

        static double Peak(string judge, params double[] rates) => Backtests.Examine(
            new Case("c", "s", new Recording(0, 60, false, [new Series("error_rate", "%", null, null, null, [1, 2, 3], rates, null, null, null)]), null, null, null, false), judge).Peak;
    }

    [Fact]
    public void Commander_came_as_near_as_its_largest_probability_and_one_more_where_it_alarmed()
    {
        foreach (var errors in (double[][])[[50, 50, 50], [50, 400, 50, 900], [60, 70, 80, 60, 50, 50], [56, 61, 58, 62]])
        {
            var recording = new Recording(0, 60, false,
            [
                new Series("requests", "count", null, null, null, [.. Enumerable.Repeat(5000.0, 10)], [.. errors.Select(static _ => 5000.0)], null, null, null),
                new Series("errors", "count", null, null, null, [.. Enumerable.Repeat(50.0, 10)], errors, null, null, null),
            ]);
            var watch = new CaseWatch(recording);
            double nearest = 0;
            while (watch.Tick < recording.Length)
            {
                var step = watch.Next();
                nearest = Math.Max(nearest, Math.Min(step.PBad, 0.999999) + (step is { Decision: Decision.Rollback, Alarm: true } ? 1 : 0));
            }
            Backtests.Examine(new Case("c", "s", recording, null, null, null, false), "commander").Peak.ShouldBe(nearest);
        }
    }

    [Fact]
    public void The_health_score_rolls_back_below_fifty_at_the_first_such_tick()
    {
        var found = CaseFile.Parse(Encoding.UTF8.GetBytes(
            """{"id":"h","source":"s","change_time":0,"step_seconds":60,"restarted":false,"metrics":{"error_rate":{"unit":"%","baseline":[0],"candidate":[1,30,1]}}}"""), 1);
        var line = Backtests.Run(found, "health-score");
        (line.Decision, line.Tick, line.DelaySeconds, line.PBad).ShouldBe(("ROLLBACK", 2, 120d, 0.6));
        line.Findings.ShouldBeEmpty();
        Backtests.Run(found, "health-score", horizon: 1).Decision.ShouldBe("CONTINUE");
    }

    [Fact]
    public void A_summary_counts_only_rollbacks_as_called_bad_and_keeps_hold_and_small_effects_apart()
    {
        var summary = new Summary();
        foreach (var (label, decision, below) in new[]
        {
            ("BAD", "ROLLBACK", false), ("BAD", "HOLD", false), ("GOOD", "ROLLBACK", false), ("GOOD", "CONTINUE", false), ("GOOD", "HOLD", false), ("BAD", "ROLLBACK", true), (null, "ROLLBACK", false),
        })
        {
            var recording = new Recording(0, 60, false, []);
            summary.Add(new Case("c", "s", recording, label, null, null, below), new BacktestLine("c", decision, 2, decision == "ROLLBACK" ? 120 : null, 0.9, 0.9, []));
        }
        var row = summary.Rows[0];
        (row.TruePositives, row.FalsePositives, row.FalseNegatives, row.TrueNegatives, row.Hold).ShouldBe((1, 1, 1, 2, 2));
        (row.BelowTolerance, row.BelowToleranceRolledBack, row.Unlabelled, row.MedianDelaySeconds).ShouldBe((1, 1, 1, 120d));
        (row.Precision.Value, row.Recall.Value, row.F1).ShouldBe((0.5, 0.5, 0.5));
        row.FalseAlarmRate.Value!.Value.ShouldBe(1 / 3.0, 1e-12);
        summary.Rows[^1].Source.ShouldBe("all");
        summary.ToString().ShouldContain("all");
    }

    [Fact]
    public void Good_cases_on_hold_are_counted_by_whether_their_data_was_enough()
    {
        var (summary, rule) = (new Summary(), new Summary());
        foreach (var (label, decision, tooLittle) in new (string, string, bool?)[]
        {
            ("GOOD", "HOLD", true), ("GOOD", "HOLD", true), ("GOOD", "HOLD", false), ("GOOD", "CONTINUE", null), ("BAD", "HOLD", true),
        })
        {
            var found = new Case("c", "s", new Recording(0, 60, false, []), label, null, null, false);
            var line = new BacktestLine("c", decision, 2, null, 0.9, 0.1, [], tooLittle);
            summary.Add(found, line);
            rule.Add(found, line with { TooLittleData = null });
        }
        var row = summary.Rows[0];
        (row.Hold, row.HoldGood, row.HoldGoodTooLittle, row.HoldGoodEnough).ShouldBe((4, 3, 2, 1));
        summary.ToString().ShouldContain("s: 3 of 4 good cases on HOLD at the end, 2 with too little data to exclude the tolerance, 1 with enough\n");
        rule.ToString().ShouldContain("s: 3 of 4 good cases on HOLD at the end\n");
    }

    [Fact]
    public void A_summary_is_told_as_a_table_with_the_means_of_the_sources()
    {
        var summary = new Summary();
        void Add(string source, string label, string decision, double? delay = null) =>
            summary.Add(new Case("c", source, new Recording(0, 60, false, []), label, null, null, false), new BacktestLine("c", decision, 2, delay, 0.9, 0.9, []));

        Add("b", "BAD", "ROLLBACK", 60);
        Add("b", "BAD", "ROLLBACK", 90.5);
        Add("b", "BAD", "CONTINUE");
        Add("b", "GOOD", "CONTINUE");
        Add("a", "GOOD", "CONTINUE");
        Add("a", "GOOD", "ROLLBACK", 30);
        summary.ToString().ShouldBe(
            """
            source               TP    FP    FN    TN  HOLD  below  precision            recall               F1    false alarms         median delay
            a                     0     1     0     1     0      0  0.0 % (0-79)         -                    0.00  50.0 % (9-91)        -
            b                     2     0     1     1     0      0  100.0 % (34-100)     66.7 % (21-94)       0.80  0.0 % (0-79)         75.3 s
            all                   2     1     1     2     0      0  66.7 % (21-94)       66.7 % (21-94)       0.67  33.3 % (6-79)        75.3 s
            mean over sources                                       50.0 %               66.7 %               0.40  25.0 %

            """);
        var mean = summary.Mean;
        (mean.Sources, mean.Precision, mean.FalseAlarmRate).ShouldBe((2, 0.5, 0.25));
        mean.Recall!.Value.ShouldBe(2 / 3.0, 1e-12);
        Add("b", "BAD", "ROLLBACK", 600);
        summary.Rows.Select(static row => (row.Source, row.MedianDelaySeconds)).ShouldBe([("a", null), ("b", 90.5), ("all", 90.5)]);
    }

    [Fact]
    public void A_summary_of_one_source_has_no_means_and_of_none_no_figures()
    {
        var summary = new Summary();
        summary.Add(new Case("c", "s", new Recording(0, 60, false, []), "GOOD", null, null, false), new BacktestLine("c", "HOLD", 2, null, 0.9, 0.1, []));
        summary.Add(new Case("d", "s", new Recording(0, 60, false, []), null, null, null, false), new BacktestLine("d", "HOLD", 2, null, 0.9, 0.1, []));
        summary.ToString().ShouldBe(
            """
            source    TP    FP    FN    TN  HOLD  below  precision            recall               F1    false alarms         median delay
            s          0     0     0     1     1      0  -                    -                    -     0.0 % (0-79)         -
            all        0     0     0     1     1      0  -                    -                    -     0.0 % (0-79)         -
            s: 1 of 1 good cases on HOLD at the end
            all: 1 of 1 good cases on HOLD at the end
            1 cases have no label and stand in no number above; --out lists what was said of them

            """);
        new Summary().Mean.ShouldBe(new MeanRow(0, null, null, null, null));
        var none = new Summary().Rows.ShouldHaveSingleItem();
        (none.Source, none.Cases, none.F1, none.MedianDelaySeconds, none.Precision).ShouldBe(("all", 0, null, null, new Share(null, 0, 1)));
    }

    [Fact]
    public void Wilson_s_interval_is_the_textbook_s()
    {
        var share = Share.Of(3, 10);
        share.Low.ShouldBe(0.1078, 1e-4);
        share.High.ShouldBe(0.6032, 1e-4);
        Share.Of(0, 0).Value.ShouldBeNull();
        (Share.Of(0, 1).Value, Share.Of(0, 1).Low, Share.Of(7, 7).High).ShouldBe((0, 0, 1));
        Share.Of(0, 1).High.ShouldBe(0.7935, 1e-4);
    }

    [Theory]
    [InlineData("canary-rollouts", 20, 0.88, 0.06)]
    [InlineData("petshop-issues", 3, 0.60, 0.03)]
    [InlineData("microservice-faults", 6, 0.70, 0.03)]
    [InlineData("diurnal-injected", 60, 0.80, 0.04)]
    [Trait("Category", "Measured")]
    public void The_data_sets_beside_the_repository_are_judged_no_worse_than_known(string file, int horizon, double f1, double falseAlarms)
    {
        var path = Beside(Path.Combine("shared", "data", file + ".jsonl"));
        Assert.SkipWhen(path is null, "the data sets do not lie beside the repository");
        var (summary, score) = (new Summary(), new Summary());
        using var stream = File.OpenRead(path!);
        foreach (var found in CaseFile.Read(stream))
        {
            summary.Add(found, Backtests.Run(found, "commander", horizon: horizon));
            score.Add(found, Backtests.Run(found, "health-score", horizon: horizon));
        }
        output.WriteLine(summary.ToString());
        var row = summary.Rows[^1];
        row.F1!.Value.ShouldBeGreaterThanOrEqualTo(f1);
        row.FalseAlarmRate.Value!.Value.ShouldBeLessThanOrEqualTo(falseAlarms);
        row.F1.Value.ShouldBeGreaterThan(score.Rows[^1].F1 ?? 0);
    }

    private static string? Beside(string path)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Commander.slnx")))
            {
                var found = Path.Combine(folder.Parent!.FullName, path);
                return File.Exists(found) ? found : null;
            }
        }
        return null;
    }
}
