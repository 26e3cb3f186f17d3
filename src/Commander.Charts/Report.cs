using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Charts;

/// <summary>A deployment as one file to keep, mail or attach: HTML with everything inside, or Markdown.</summary>
public static class Report
{
    private const string Css = ChartStyle.Css + """

        *{box-sizing:border-box}body{margin:0 auto;max-width:64rem;padding:1.5rem 1rem 4rem;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
        h1{font-size:2rem;line-height:1.15;margin:0 0 .25rem}h2{font-size:1.05rem;margin:2.25rem 0 .5rem}.lead{font-size:1.15rem;margin:.25rem 0}.soft{color:var(--soft)}
        .Bad h1{color:var(--bad)}.Good h1{color:var(--good)}.Ask h1{color:var(--ask)}.Calm h1{color:var(--calm)}
        .all{width:100%;border-collapse:collapse}.all th,.all td{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;border-top:1px solid var(--rule)}.all th{font-weight:600}
        .f td:nth-child(-n+5){white-space:nowrap}.scroll{overflow-x:auto}.m{border-top:1px solid var(--rule);padding:1rem 0}code{font:12.5px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
        """;

    /// <summary>The source expression under which a Content-Security-Policy lets the report's own style sheet pass.</summary>
    public static string StyleSource { get; } = $"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Css)))}'";

    /// <summary>The report as HTML: no script, no reference to anything outside. Everything from outside is escaped.</summary>
    /// <param name="deployment">The deployment.</param>
    /// <param name="evidence">Its evidence; null when retention has dropped it, and the report says so.</param>
    /// <param name="policy">Its pinned policy, for tolerances and objectives; null when it is not known any more.</param>
    public static string Html(Deployment deployment, EvidenceDocument? evidence, Policy? policy = null)
    {
        ArgumentNullException.ThrowIfNull(deployment);
        var head = Headline.Of(deployment);
        var html = new Markup();
        html.Raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">")
            .Element("title", head.Sentence).Raw("<style>").Raw(Css).Raw("</style></head><body><main").Attribute("class", head.Tone.ToString()).Raw(">")
            .Element("h1", head.Word).Raw("<p class=\"lead\"><b>").Text(head.What).Raw("</b>");
        if (head.Because is { } because)
        {
            html.Raw(": ").Text(because);
        }

        html.Raw("</p>");
        foreach (var line in new[] { head.Proof, head.Next })
        {
            if (line is not null)
            {
                html.Element("p", line);
            }
        }

        if (deployment.Verdict is { } verdict)
        {
            html.Raw("<p class=\"soft\">").Text(Facts(deployment, verdict)).Raw("</p><h2>Why</h2>").Element("p", verdict.Reasoning);
            Findings(html, verdict, policy);
            foreach (var reason in Reasons.Of(deployment))
            {
                html.Element("p", reason);
            }

            html.Raw("<h2>Evidence</h2>");
            if (evidence is null)
            {
                html.Raw("<p>The ticks are no longer kept; the findings above are what was made of them.</p>");
            }

            foreach (var finding in evidence is null ? [] : verdict.Findings)
            {
                html.Raw(MetricFigure.Draw(deployment, evidence!, finding, policy?.Metrics.FirstOrDefault(m => m.Name == finding.Metric)));
                if (finding.Query is { } query)
                {
                    html.Element("code", query);
                }
            }
        }

        History(html, deployment);
        html.Raw("<p class=\"soft\">").Text($"{deployment.Id} · policy {deployment.Policy.Name} {deployment.Policy.Version} · {deployment.Url}").Raw("</p></main></body></html>");
        return html.ToString();
    }

    /// <summary>The report as Markdown for pull requests, tickets and chats: sentence, findings, actions. Text from outside cannot become markup.</summary>
    /// <param name="deployment">The deployment.</param>
    public static string Markdown(Deployment deployment)
    {
        ArgumentNullException.ThrowIfNull(deployment);
        var head = Headline.Of(deployment);
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"# {Plain(head.Word)}: {Plain(head.What)}\n\n");
        foreach (var line in new[] { head.Because, head.Proof, head.Next })
        {
            if (line is not null)
            {
                text.Append(Plain(line)).Append("\n\n");
            }
        }

        if (deployment.Verdict is { } verdict)
        {
            text.Append(Plain(Facts(deployment, verdict))).Append("\n\n").Append(Plain(verdict.Reasoning)).Append("\n\n");
            if (verdict.Findings.Count > 0)
            {
                text.Append("| metric | compared with | new | difference | interval | verdict | reason |\n|---|---|---|---|---|---|---|\n");
            }

            foreach (var f in verdict.Findings)
            {
                text.Append(CultureInfo.InvariantCulture, $"| {Plain(f.Metric)} | {Plain(Reference(f))} | {Plain(Figures.Level(f.Candidate, f.Unit))} | {Plain(Figures.Difference(f.Difference, f.Unit))} | {Plain(Interval(f))} | {Plain(Word(f.Verdict))} | {Plain(f.Reason)} |\n");
            }
        }

        foreach (var reason in Reasons.Of(deployment))
        {
            text.Append('\n').Append(Plain(reason)).Append('\n');
        }

        foreach (var action in deployment.Actions)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n- {Figures.Instant(action.RequestedAt)}: {Plain(action.Kind == "alert" ? "alert to " + action.Target : action.Kind)} {Plain(action.State)}{(action.Kind == "alert" ? "" : " by " + Plain(action.By))}{(action.Message is null ? "" : ": " + Plain(action.Message))}");
        }

        foreach (var label in OutcomeWords.Labels(deployment))
        {
            text.Append(CultureInfo.InvariantCulture, $"\n- {Figures.Instant(label.At)}: was really {Plain(label.Label)} ({Plain(label.Source)}{Plain(label.By is null ? "" : ", " + label.By)}{Plain(label.Note is null ? "" : ": " + label.Note)})");
        }

        if (OutcomeWords.Contest(deployment) is { } contest)
        {
            text.Append("\n\n").Append(Plain(contest));
        }

        return text.Append(CultureInfo.InvariantCulture, $"\n\n{Plain(deployment.Url)}\n").ToString();
    }

    /// <summary>The interval of a finding in words; "–" where the kind has none.</summary>
    /// <param name="finding">The finding.</param>
    public static string Interval(Finding finding)
    {
        ArgumentNullException.ThrowIfNull(finding);
        return finding is { Low: { } low, High: { } high }
            ? $"{Figures.Difference(low, null)} to {Figures.Difference(high, finding.Unit)}"
            : "–";
    }

    /// <summary>With what a finding is compared, and its level: "old version 0.5 %"; "–" for nothing.</summary>
    /// <param name="finding">The finding.</param>
    public static string Reference(Finding finding)
    {
        ArgumentNullException.ThrowIfNull(finding);
        return finding.Reference is null ? "–" : $"{Figures.Arm(finding.ReferenceArm)} {Figures.Level(finding.Reference, finding.Unit)}";
    }

    /// <summary>A finding's verdict as a person reads it: "no data" for no_data.</summary>
    /// <param name="verdict">The verdict's word.</param>
    public static string Word(string verdict)
    {
        ArgumentNullException.ThrowIfNull(verdict);
        return verdict.Replace('_', ' ');
    }

    private static string Facts(Deployment deployment, Verdict verdict) =>
        $"verdict {verdict.Decision} · confidence {Figures.Confidence(verdict)} · P(bad) {Figures.Probability(verdict.PBad)}"
        + (verdict.HealthScore is { } health ? $" · health {health} of 100{(Figures.Dissent(verdict) is { } dissent ? $" ({dissent})" : "")}" : "")
        + $" · {deployment.State}{(deployment.ClosedReason is null ? "" : $" ({deployment.ClosedReason.Replace('_', ' ')})")}"
        + $" · started {Figures.Instant(deployment.StartedAt)}"
        + (deployment.PreviousVersion is null ? "" : $" · before: {deployment.PreviousVersion}");

    private static void Findings(Markup html, Verdict verdict, Policy? policy)
    {
        html.Raw("<div class=\"scroll\"><table class=\"all f\"><tr><th>metric<th>compared with<th>new<th>difference<th>interval<th>verdict<th>what carrying on needs");
        foreach (var f in verdict.Findings)
        {
            html.Raw("<tr>").Element("th", f.Metric).Element("td", Reference(f)).Element("td", Figures.Level(f.Candidate, f.Unit))
                .Element("td", Figures.Difference(f.Difference, f.Unit)).Element("td", Interval(f)).Raw("<td><b>").Text(Word(f.Verdict)).Raw("</b><br>").Text(f.Reason).Raw("<td>");
            foreach (var requirement in Requirement.Of(f, policy?.Metrics.FirstOrDefault(m => m.Name == f.Metric)))
            {
                html.Text(requirement.Holds switch { true => "✓ ", false => "✗ ", _ => "? " }).Text(requirement.Words).Raw("<br>");
            }
        }

        html.Raw("</table></div>");
    }

    private static void History(Markup html, Deployment deployment)
    {
        html.Raw("<h2>What happened</h2><div class=\"scroll\"><table class=\"all\">");
        var rows = deployment.Verdicts.Select(v => (v.At, Word: v.Decision, Text: v.Reason))
            .Concat(deployment.Actions.Select(a => (At: a.RequestedAt, Word: $"{a.Kind}: {a.State}", Text: a.State == "refused" ? a.Message ?? "" : $"by {a.By} on {a.Target}. {a.Message}")))
            .Prepend((At: deployment.ReceivedAt, Word: "received", Text: $"{deployment.Service} {deployment.Version} in {deployment.Environment}"))
            .Concat(OutcomeWords.Labels(deployment).Select(label => (label.At, Word: $"was {label.Label}", Text: $"known from: {label.Source}{(label.By is null ? "" : ", " + label.By)}{(label.Note is null ? "" : ": " + label.Note)}")))
            .OrderBy(r => r.At);
        foreach (var (at, word, text) in rows)
        {
            html.Raw("<tr>").Element("td", Figures.Instant(at)).Element("th", word).Element("td", text);
        }

        html.Raw("</table></div>");
        if (OutcomeWords.Contest(deployment) is { } contest)
        {
            html.Element("p", contest);
        }
    }

    /// <summary>Text that Markdown shows as it is: its own signs are escaped, lines are joined, HTML is none.</summary>
    private static string Plain(string? text)
    {
        var plain = new StringBuilder(text?.Length ?? 0);
        foreach (var c in text ?? "")
        {
            _ = c switch
            {
                '\\' or '`' or '*' or '_' or '[' or ']' or '#' or '|' or '~' or '!' => plain.Append('\\').Append(c),
                '<' => plain.Append("&lt;"),
                '>' => plain.Append("&gt;"),
                '&' => plain.Append("&amp;"),
                // A mention would page people who have nothing to do with it.
                '@' => plain.Append("@\u200B"),
                < ' ' => plain.Append(' '),
                _ => plain.Append(c),
            };
        }

        return plain.ToString();
    }
}
