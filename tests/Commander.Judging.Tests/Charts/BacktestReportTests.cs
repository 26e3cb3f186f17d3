using System.Xml.Linq;
using Commander.Charts;
using Commander.Judging.Backtest;
using Case = Commander.Judging.Backtest.Case;

namespace Commander.Judging.Tests.Charts;

public class BacktestReportTests
{
    private const string Hostile = "</title><script>alert(1)</script>\u0001\"'&";

    [Fact]
    public void The_report_has_figures_a_curve_per_source_and_every_wrong_case_with_its_reason()
    {
        var html = Report(["commander"], [("a", "BAD", [true]), ("a", "BAD", [false]), ("a", "GOOD", [true]), ("a", "GOOD", [false]), ("b", "GOOD", [false])]);

        html.ShouldContain("commander rolled back 1 of 2 bad cases and 1 of 3 good ones.");
        html.ShouldContain("Recall against false-alarm rate on a");
        html.ShouldContain("commander rolls back 50 % of the bad cases and 50 % of the good ones.");
        html.ShouldContain("No curve: all its cases have the same label.");
        html.ShouldContain("<h3>a: 2 wrong</h3>");
        html.ShouldContain("<h3>b: none wrong</h3>");
        html.ShouldContain("<h4>a-1 · BAD, memory leak</h4><p><span class=\"wrong\">✗ HOLD</span>: because of 1</p>");
        html.ShouldContain("<h4>a-2 · GOOD, memory leak</h4><p><span class=\"wrong\">✗ ROLLBACK after 2 min</span>: because of 2</p>");
        html.ShouldNotContain("<h4>a-0");
        html.ShouldContain("error_rate: median 1 % before, 4.5 % after, 1 % on the control");
        html.ShouldNotContain("Difference</h2>");
    }

    [Fact]
    public void A_comparison_shows_both_judges_and_what_they_differ_by()
    {
        var html = Report(["commander", "argo"], [("a", "BAD", [true, false]), ("a", "GOOD", [false, false])]);

        html.ShouldContain("<h1>commander against argo</h1>");
        html.ShouldContain("<td>+100 pp</td>");
        html.ShouldContain("<span class=\"right\">✓ commander ROLLBACK after 2 min</span>");
        html.ShouldContain("<span class=\"wrong\">✗ argo HOLD</span>");
        html.ShouldContain("rollback by 2, argo");
        // Two cases are too few to say whether the interval excludes 0: the report says what the terminal says.
        html.ShouldContain("<th class=\"w\">0 excluded<th>groups");
        html.ShouldContain("<td class=\"w\">too few groups</td>");
        html.ShouldNotContain(">yes</td>");
    }

    [Fact]
    public void Two_rollbacks_at_the_same_tick_are_marked_as_two_judges_and_not_as_twelve()
    {
        var html = Report(["commander", "argo"], [("a", "GOOD", [true, true]), ("a", "BAD", [true, true])]);
        html.ShouldContain(">1, 2</text>");
        Count(html, "class=\"n\"").ShouldBe(1);
        Report(["commander", "argo"], [("a", "GOOD", [true, false])]).ShouldContain("class=\"n\" text-anchor=\"end\"");
    }

    [Fact]
    public void Cases_without_a_label_are_mentioned()
    {
        Report(["commander"], [("a", "GOOD", [false]), ("a", null, [true]), ("b", null, [false])]).ShouldContain("2 cases have no label and stand in no number.");
        Report(["commander"], [("a", null, [true])]).ShouldContain("One case has no label and stands in no number.");
        Report(["commander"], [("a", "GOOD", [true])]).ShouldNotContain("no label");
    }

    [Fact]
    public void A_share_is_rounded_like_on_the_terminal()
    {
        // 1 of 80 is 1.25 %.
        var html = Report(["commander"], [.. Enumerable.Range(0, 80).Select(static at => ("a", "GOOD", (bool[])[at == 0]))]);
        html.ShouldContain("1.3 % <small>0–7</small>");
        var summary = new Summary();
        for (var at = 0; at < 80; at++)
            summary.Add(new Case("c", "a", new Recording(0, 60, false, []), "GOOD", null, null, false), new BacktestLine("c", at == 0 ? "ROLLBACK" : "HOLD", 2, null, 0.9, 0.9, []));
        summary.ToString().ShouldContain("1.3 % (0-7)");
    }

    [Fact]
    public void It_is_bounded_and_says_how_much_is_left_out()
    {
        var html = Report(["commander"], [.. Enumerable.Range(0, 400).Select(static at => ("a", at % 2 == 0 ? "BAD" : "GOOD", (bool[])[at % 2 != 0]))]);

        Count(html, "<section").ShouldBe(2 * BacktestReport.MostDrawn);
        Count(html, "<li>").ShouldBe(BacktestReport.MostListed);
        html.ShouldContain($"{BacktestReport.MostListed} more, not drawn");
        html.ShouldContain($"and {400 - (2 * BacktestReport.MostDrawn) - BacktestReport.MostListed} more");
    }

    [Fact]
    public void A_long_case_of_many_metrics_stays_small()
    {
        double[] values = [.. Enumerable.Range(0, 20_000).Select(static at => at % 7 == 0 ? double.NaN : Math.Sin(at))];
        var series = Enumerable.Range(0, 60).Select(at => new Series($"m{at}", "ms", null, null, null, values, values, values, [.. values, .. values], null)).ToList();
        var html = Report(["commander"], [("a", "BAD", [false])], new Recording(0, 1, false, series));

        html.Length.ShouldBeLessThan(80_000);
        html.ShouldContain("and 48 more metrics");
    }

    [Fact]
    public void Nothing_from_a_case_becomes_markup_and_every_picture_is_well_formed()
    {
        var recording = new Recording(0, 60, false,
        [
            new Series(Hostile, Hostile[..9], null, null, null, [double.NaN, 1e300, -1e300], [double.NaN], [], null, null),
            new Series("flat", "", null, null, null, [], [0], null, [double.NaN], null),
        ]);
        var html = Report(["commander"], [(Hostile, "BAD", [false]), (Hostile, "GOOD", [true])], recording);

        html.ShouldNotContain("<script");
        html.ShouldNotContain("NaN");
        html.ShouldNotContain("Infinity");
        foreach (var picture in html.Split("<svg").Skip(1))
            XElement.Parse("<svg" + picture[..(picture.IndexOf("</svg>", StringComparison.Ordinal) + 6)]).Name.LocalName.ShouldBe("svg");
    }

    private static int Count(string html, string part) => html.Split(part).Length - 1;

    private static string Report(string[] judges, (string Source, string? Label, bool[] RolledBack)[] cases, Recording? recording = null)
    {
        recording ??= new Recording(0, 60, false, [new Series("error_rate", "%", null, null, null, [1, 1, 1], [1, 4, 5, 6], [1, 1, 1, 1], null, null)]);
        var (report, comparison) = (new BacktestReport(judges), new Comparison());
        var summaries = judges.Select(static _ => new Summary()).ToArray();
        for (var at = 0; at < cases.Length; at++)
        {
            var (source, label, rolledBack) = cases[at];
            var found = new Case($"{source}-{at}", source, recording, label, "memory leak", null, false);
            var said = rolledBack.Select(back => new Examined(
                new BacktestLine(found.Id, back ? "ROLLBACK" : "HOLD", 2, back ? 120 : null, 0.9, 0.9, []), $"because of {at}", back ? 1.5 : 0.5)).ToArray();
            report.Add(found, said);
            for (var judge = 0; judge < judges.Length; judge++)
                summaries[judge].Add(found, said[judge].Line);
            if (judges.Length == 2)
                comparison.Add(found, said[0].Line.Decision, said[1].Line.Decision);
        }
        return report.Html(["cases.jsonl"], "to the end", summaries, comparison.Rows(1));
    }
}
