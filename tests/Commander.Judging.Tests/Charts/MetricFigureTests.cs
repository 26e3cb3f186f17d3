using System.IO.Compression;
using System.Text;
using System.Xml.Linq;
using Commander.Charts;
using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;
using Sample = Commander.Samples.Sample;

namespace Commander.Judging.Tests.Charts;

public class MetricFigureTests
{
    [Fact]
    public void A_figure_says_in_words_what_it_shows()
    {
        var (deployment, evidence) = Sample.Rollback();

        var html = Draw(deployment, evidence, 0);

        html.ShouldContain("<figcaption><b>errors</b> 25.3 % on 1.42.0, 0.5 % on the old version at the same time: difference +24.8 pp, between +16.4 pp and +33.2 pp; tolerance 1 pp.</figcaption>");
        html.ShouldContain("<title id=\"m-errors-dt\">errors: difference to control</title>");
        html.ShouldContain("role=\"img\"");
        html.ShouldContain(">tolerance</text>");
        html.ShouldContain(">start</text>");
        html.ShouldContain(">ROLLBACK</text>");
    }

    [Fact]
    public void A_figure_of_300_ticks_stays_small()
    {
        var (deployment, evidence) = Sample.Rollback(after: 300);

        for (var i = 0; i < deployment.Verdict!.Findings.Count; i++)
        {
            Zipped(Draw(deployment, evidence, i)).ShouldBeLessThan(4700, deployment.Verdict.Findings[i].Metric);
        }
    }

    [Fact]
    public void Nothing_inline_that_a_strict_content_security_policy_would_refuse()
    {
        foreach (var (deployment, evidence) in Sample.All())
        {
            foreach (var finding in deployment.Verdict!.Findings)
            {
                var html = MetricFigure.Draw(deployment, evidence, finding, null);
                html.ShouldNotContain("style=");
                html.ShouldNotContain("<script");
            }
        }
    }

    [Fact]
    public void A_metric_without_data_says_why_instead_of_drawing()
    {
        var (deployment, evidence) = Sample.NoData();

        var html = Draw(deployment, evidence, 0);

        html.ShouldContain("has no data (denied): prom answered 403: the token may not read this series");
        html.ShouldNotContain("<svg");
    }

    [Fact]
    public void Gaps_are_not_drawn_over()
    {
        var (deployment, evidence) = Sample.Rollback(after: 20);
        var ticks = evidence.Ticks.Where(t => t.N is not (5 or 6 or 7)).ToList();

        var whole = Stretches(Draw(deployment, evidence, 2));
        var holed = Stretches(Draw(deployment, evidence with { Ticks = ticks }, 2));

        holed.ShouldBe(whole + 1);

        static int Stretches(string html)
        {
            var svg = html[html.LastIndexOf("<svg", StringComparison.Ordinal)..];
            var path = svg[(svg.IndexOf("<path class=\"c\" d=\"", StringComparison.Ordinal) + 19)..];
            return path[..path.IndexOf('"')].Count(c => c == 'M');
        }
    }

    [Fact]
    public void Hostile_names_cannot_become_markup()
    {
        const string hostile = "</title><script>alert(1)</script>\" onload='x' &amp; ]]>\u0001";
        var (deployment, evidence) = Sample.Rollback(after: 10);
        var finding = deployment.Verdict!.Findings[0] with { Metric = hostile, Reason = hostile, Query = hostile, Unit = hostile, Quality = hostile };
        deployment = deployment with
        {
            Service = hostile,
            Version = hostile,
            PreviousVersion = hostile,
            Environment = hostile,
            Verdict = deployment.Verdict with { Reasoning = hostile, Findings = [finding] },
            Verdicts = [new VerdictEntry("ROLLBACK", false, Sample.Start, hostile)],
            Actions = [deployment.Actions[0] with { Target = hostile, By = hostile, Message = hostile, ServingVersion = hostile }],
        };
        var renamed = new EvidenceDocument(0.5, [.. evidence.Ticks.Select(t => t with
        {
            Metrics = t.Metrics.ToDictionary(m => m.Key == "errors" ? hostile : m.Key, m => m.Value, StringComparer.Ordinal),
        })]);

        foreach (var html in new[] { MetricFigure.Draw(deployment, renamed, finding, null), Report.Html(deployment, renamed), Sparkline.Draw(deployment, renamed) })
        {
            html.ShouldNotContain("<script");
            html.ShouldNotContain("onload='");
            html.ShouldNotContain("\u0001");
        }

        Report.Markdown(deployment).ShouldNotContain("<script");
        XDocument.Parse(Sparkline.Draw(deployment, renamed)).Root!.Name.LocalName.ShouldBe("svg");
    }

    [Fact]
    public void Names_that_differ_only_in_signs_get_different_ids()
    {
        var (deployment, evidence) = Sample.Rollback(after: 4);
        var finding = deployment.Verdict!.Findings[0];

        var a = MetricFigure.Draw(deployment, evidence, finding with { Metric = "errors a" }, null);
        var b = MetricFigure.Draw(deployment, evidence, finding with { Metric = "errors_a" }, null);

        Id(a).ShouldNotBe(Id(b));

        static string Id(string html) => html.Split("id=\"", 3)[1].Split('"')[0];
    }

    [Fact]
    public void Numbers_that_are_no_numbers_draw_nothing_and_break_nothing()
    {
        var (deployment, _) = Sample.Rollback();
        foreach (var odd in new[] { double.NaN, double.PositiveInfinity, double.MaxValue, -double.MaxValue, double.Epsilon, 0 })
        {
            var evidence = Sample.Evidence(6, 0.1, past: 6);
            evidence = evidence with
            {
                Ticks = [.. evidence.Ticks.Select(t => t with
                {
                    Metrics = t.Metrics.ToDictionary(m => m.Key, m => (IReadOnlyDictionary<string, EvidenceReading>)m.Value.ToDictionary(a => a.Key, a => a.Value with { Value = odd, Bad = odd, Total = odd, Buckets = new Dictionary<string, double>(StringComparer.Ordinal) { ["x"] = 1, ["1"] = odd, ["+Inf"] = odd } }, StringComparer.Ordinal), StringComparer.Ordinal),
                })],
            };
            foreach (var finding in deployment.Verdict!.Findings)
            {
                var html = MetricFigure.Draw(deployment, evidence, finding with { Candidate = odd, Difference = odd, Low = -odd, High = odd }, Sample.Policy.Metrics[0]);
                html.ShouldNotContain("NaN");
                html.ShouldNotContain("∞");
                html.ShouldNotContain("Infinity");
            }
        }
    }

    private static string Draw(Deployment deployment, EvidenceDocument evidence, int finding) =>
        MetricFigure.Draw(deployment, evidence, deployment.Verdict!.Findings[finding], Sample.Policy.Metrics.FirstOrDefault(m => m.Name == deployment.Verdict.Findings[finding].Metric));

    private static int Zipped(string html)
    {
        using var memory = new MemoryStream();
        using (var zip = new GZipStream(memory, CompressionLevel.Optimal, leaveOpen: true))
        {
            zip.Write(Encoding.UTF8.GetBytes(html));
        }

        return (int)memory.Length;
    }
}
