using Commander.Charts;
using Commander.Judging.Verdicts;
using Sample = Commander.Samples.Sample;

namespace Commander.Judging.Tests.Charts;

public class WordsTests
{
    [Theory]
    [InlineData(25.3, "%", "25.3 %")]
    [InlineData(0.5, "%", "0.5 %")]
    [InlineData(1850, "ms", "1850 ms")]
    [InlineData(0.00001, "%", "0 %")]
    [InlineData(-0.0001, "%", "0 %")]
    [InlineData(1250000, "count", "1.25 M")]
    [InlineData(double.NaN, "%", "–")]
    public void A_level_has_three_digits_and_its_unit(double level, string unit, string text) => Figures.Level(level, unit).ShouldBe(text);

    [Theory]
    [InlineData(24.8, "%", "+24.8 pp")]
    [InlineData(-14, "ms", "−14 ms")]
    [InlineData(0, "ms", "0 ms")]
    public void A_difference_has_its_sign(double difference, string unit, string text) => Figures.Difference(difference, unit).ShouldBe(text);

    [Theory]
    [InlineData(0, "0 ms")]
    [InlineData(0.012, "12 ms")]
    [InlineData(2.25, "2.25 s")]
    [InlineData(11.64, "11.6 s")]
    [InlineData(59.99, "1 min")]
    [InlineData(250, "4 min 10 s")]
    [InlineData(7500, "2 h 5 min")]
    [InlineData(-2, "−2 s")]
    public void A_duration_has_its_two_largest_units(double seconds, string text) => Figures.Duration(TimeSpan.FromSeconds(seconds)).ShouldBe(text);

    [Fact]
    public void A_hold_that_rests_on_nothing_is_not_sure_of_anything()
    {
        var verdict = Sample.Rollback().Deployment.Verdict!;
        Figures.Confidence(verdict).ShouldBe("98 %");
        var hold = verdict with { Decision = "HOLD" };
        Figures.Confidence(hold).ShouldBe("98 %");
        Figures.Confidence(hold with { Findings = [.. hold.Findings.Select(f => f with { Verdict = "no_data" })] }).ShouldBe("–");
    }

    [Fact]
    public void A_probability_never_claims_certainty()
    {
        Figures.Probability(1).ShouldBe("> 99 %");
        Figures.Probability(0.995).ShouldBe("> 99 %");
        Figures.Probability(0.98).ShouldBe("98 %");
        Figures.Probability(0).ShouldBe("< 1 %");
    }

    [Fact]
    public void Every_state_has_its_sentence()
    {
        Headline.Of(Sample.Rollback().Deployment).Sentence.ShouldBe("Rolled back: checkout 1.42.0 in prod: errors 25.3 %, old version 0.5 %, decided 2.25 s after the start. 1.41.3 serves again, 11.6 s after the order; the metrics have recovered.");
        Headline.Of(Sample.Continue().Deployment).Word.ShouldBe("Continue");
        Headline.Of(Sample.Watching().Deployment).Word.ShouldBe("Watching");
        Headline.Of(Sample.OnHold().Deployment).Word.ShouldBe("No verdict");
        var rollback = Sample.Rollback().Deployment;
        Word(rollback with { Actions = [rollback.Actions[0] with { State = "running", FinishedAt = null }] }).ShouldBe("Rolling back");
        Word(rollback with { Actions = [rollback.Actions[0] with { State = "failed" }] }).ShouldBe("Rollback failed");
        Word(rollback with { Actions = [rollback.Actions[0] with { State = "refused" }] }).ShouldBe("Rollback refused");
        Word(rollback with { Actions = [], State = "waiting_for_person", ClosedReason = null }).ShouldBe("Roll back?");
        Word(rollback with { Actions = [], State = "observing", ClosedReason = null }).ShouldBe("Should roll back");
        Word(rollback with { Actions = [] }).ShouldBe("Should have rolled back");
        Headline.Of(rollback with { Actions = [], Reference = null, Metrics = new Dictionary<string, double> { ["error_rate"] = 25.3 } }).Next!.ShouldContain("roll back by hand");
        Headline.Of(rollback with { Actions = [], State = "waiting_for_person", ClosedReason = null }).Next!.ShouldNotContain("below");
        Word(Sample.Deployment("dep-1", "a", "1", null, "queued", null)).ShouldBe("Starting");
        Word(Sample.Deployment("dep-1", "a", "1", null, "queued", null) with { Notes = ["waits for a free watch: 2000 are under way"] }).ShouldBe("Queued");
        Word(rollback with { Actions = [], State = "acting", ClosedReason = null }).ShouldBe("Rolling back");
        Word(rollback with { Actions = [rollback.Actions[0] with { State = "failed", Recovered = false }] }).ShouldBe("Not recovered");
        Word(Sample.Watching().Deployment with { Notes = ["no source: the policy names no metrics"] }).ShouldBe("Not judged");
        Word(Sample.Deployment("dep-1", "a", "1", null, "closed", "superseded")).ShouldBe("Superseded");
        Word(Sample.Deployment("dep-1", "a", "1", null, "closed", "failed")).ShouldBe("Watch failed");

        static string Word(Deployment deployment) => Headline.Of(deployment).Word;
    }

    [Fact]
    public void The_bad_version_that_still_gets_requests_is_told_while_it_is_verified_and_after()
    {
        const string message = "1.41.3 serves, but the bad version 1.42.0 still gets 50 requests a second";
        var rollback = Sample.Rollback().Deployment;
        foreach (var state in new[] { "running", "failed" })
        {
            var head = Headline.Of(rollback with { Actions = [rollback.Actions[0] with { State = state, Recovered = false, Message = message }] });
            head.Proof.ShouldBe(message);
            head.Sentence.ShouldNotContain("have recovered");
        }
    }

    [Fact]
    public void Who_is_asked_after_continue_is_told_that_it_is_a_late_alarm()
    {
        var asked = Sample.Rollback().Deployment with { Actions = [], State = "waiting_for_person", ClosedReason = null };
        Headline.Of(asked).Next!.ShouldContain("act.autonomy");
        Headline.Of(asked with { Verdicts = [new VerdictEntry("CONTINUE", false, Sample.Start, "fine"), .. asked.Verdicts] }).Next!.ShouldContain("act.late");
    }

    [Fact]
    public void Every_number_names_with_what_it_is_compared()
    {
        var verdict = Sample.Rollback().Deployment.Verdict!;
        Report.Reference(verdict.Findings[0]).ShouldBe("old version 0.5 %");
        Report.Reference(verdict.Findings[0] with { ReferenceArm = "before", Reference = 0.4 }).ShouldBe("before 0.4 %");
        Report.Reference(verdict.Findings[0] with { ReferenceArm = null, Reference = 1 }).ShouldBe("allowed 1 %");
        Figures.Dissent(verdict with { HealthScore = 90 }).ShouldNotBeNull();
        Figures.Dissent(verdict with { HealthScore = 20 }).ShouldBeNull();
    }

    [Fact]
    public void Carrying_on_needs_the_interval_inside_the_tolerance_and_no_evidence_of_harm()
    {
        var bad = Requirement.Of(Sample.Rollback().Deployment.Verdict!.Findings[0], Sample.Policy.Metrics[0]);
        bad.ShouldBe(
        [
            new Requirement(false, "surely less than 1 pp worse (could be +33.2 pp)"),
            new Requirement(false, "evidence of harm at most 0.3 (6.2; 1 is an alarm)"),
            new Requirement(false, "objective at most 1 %"),
        ]);
        Requirement.Of(Sample.Continue().Deployment.Verdict!.Findings[0], Sample.Policy.Metrics[0]).ShouldAllBe(r => r.Holds == true);
        Requirement.Of(Sample.NoData().Deployment.Verdict!.Findings[0], Sample.Policy.Metrics[0]).ShouldAllBe(r => r.Holds == null);
    }

    [Fact]
    public void A_report_is_one_file_with_everything_inside()
    {
        var (deployment, evidence) = Sample.Rollback();

        var html = Report.Html(deployment, evidence, Sample.Policy);

        html.ShouldStartWith("<!doctype html>");
        html.ShouldNotContain("src=");
        html.ShouldNotContain("href=");
        html.ShouldContain("<h1>Rolled back</h1>");
        html.ShouldContain("✗ surely less than 1 pp worse");
        Report.Html(deployment, null).ShouldContain("no longer kept");
    }
}
