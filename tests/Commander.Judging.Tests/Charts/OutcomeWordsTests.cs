using Commander.Charts;
using Commander.Judging.Verdicts;
using Sample = Commander.Samples.Sample;

namespace Commander.Judging.Tests.Charts;

public class OutcomeWordsTests
{
    private static readonly OutcomeLabel Quiet = new("GOOD", "quiet-period", 20, Sample.Start, null, null, false);
    private static readonly OutcomeLabel Incident = new("BAD", "incident", 60, Sample.Start.AddHours(1), "pagerduty:Q1", "checkout is <b>down</b>", true);
    private static readonly OutcomeLabel Good = new("GOOD", "person", 90, Sample.Start.AddHours(2), "ada", null, false);
    private static readonly OutcomeLabel Unsure = Good with { Label = "UNKNOWN" };

    private static Deployment Of(bool contested, params OutcomeLabel[] labels) => Sample.Continue().Deployment with
    {
        Outcome = labels.LastOrDefault(label => label.Standing) is { } stands ? new Outcome(stands.Label, stands.Source, stands.At) : null,
        Outcomes = labels,
        Contested = contested,
    };

    [Fact]
    public void A_contest_is_told_in_the_order_of_the_words_with_what_stands()
    {
        var contested = Of(true, Quiet, Incident);
        OutcomeWords.Contest(contested).ShouldBe("GOOD by a quiet period, then BAD by an incident: BAD stands");
        OutcomeWords.Standing(contested).ShouldBe("BAD by an incident (pagerduty:Q1), over GOOD by a quiet period");
        OutcomeWords.Contest(Of(false, Incident)).ShouldBeNull();
        OutcomeWords.Standing(Of(false)).ShouldBeNull();
    }

    [Fact]
    public void What_persons_took_back_is_nobodys_word()
    {
        OutcomeWords.Standing(Of(false, Good, Incident, Unsure)).ShouldBe("BAD by an incident (pagerduty:Q1)");
        OutcomeWords.Contest(Of(true, Quiet, Good, Incident, Unsure)).ShouldBe("GOOD by a quiet period, then BAD by an incident: BAD stands");
    }

    [Fact]
    public void Trust_is_a_word()
    {
        ((OutcomeLabel[])[Good, Unsure, Incident, Incident with { Trust = 40 }, Quiet, Quiet with { Trust = 0 }]).Select(OutcomeWords.Trust)
            .ShouldBe(["outranks all", "takes persons' words back", "strong", "fair", "weak", "says nothing"]);
    }

    [Fact]
    public void Reports_tell_all_of_it_and_text_by_others_is_no_markup()
    {
        var contested = Of(true, Quiet, Incident);
        var html = Report.Html(contested, null);
        html.ShouldContain("known from: incident, pagerduty:Q1: checkout is &lt;b&gt;down&lt;/b&gt;");
        html.ShouldContain("GOOD by a quiet period, then BAD by an incident: BAD stands");
        var markdown = Report.Markdown(contested);
        markdown.ShouldContain("was really BAD (incident, pagerduty:Q1: checkout is &lt;b&gt;down&lt;/b&gt;)");
        markdown.ShouldContain("BAD stands");
    }

    [Fact]
    public void A_document_without_a_list_tells_what_stands() =>
        OutcomeWords.Standing(Sample.Rollback().Deployment).ShouldBe("BAD by the recovery after the rollback");
}
