using System.Globalization;
using Commander.Judging.Backtest;

namespace Commander.Charts;

/// <summary>A backtest as one HTML file to keep or send: figures with intervals, the curve of every source, and every case that was judged wrongly. No script, no reference to anything outside.</summary>
/// <param name="judges">One judge, or two that are compared.</param>
public sealed class BacktestReport(IReadOnlyList<string> judges)
{
    /// <summary>Of each source at most so many false alarms and so many missed cases are drawn, the first in the order of the files.</summary>
    public const int MostDrawn = 12;

    /// <summary>At most so many wrong cases of a source are listed beside the drawn ones; the rest are counted.</summary>
    public const int MostListed = 200;

    private const string Css = ChartStyle.Css + """

        *{box-sizing:border-box}body{margin:0 auto;max-width:76rem;padding:1.5rem 1rem 4rem;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
        h1{font-size:1.7rem;line-height:1.2;margin:0 0 .25rem}h2{font-size:1.2rem;margin:2.5rem 0 .5rem}h3{font-size:1rem;margin:2rem 0 .5rem}.lead{font-size:1.1rem;margin:.25rem 0}.soft{color:var(--soft)}p{margin:.4rem 0;max-width:72ch}
        .all{border-collapse:collapse;font-variant-numeric:tabular-nums}.all th,.all td{text-align:right;white-space:nowrap;padding:.35rem 0 .35rem 1.4rem;border-top:1px solid var(--rule)}.all th{font-weight:600}.all thead th{border-top:0;color:var(--soft);font-weight:400}
        .all th:first-child,.all td:first-child,.all .w{text-align:left}.all th:first-child{padding-left:0;white-space:normal;overflow-wrap:anywhere;min-width:10rem}.all .sum th,.all .sum td{border-top:2px solid var(--soft)}.all small{color:var(--soft);font-size:.8em}.scroll{overflow-x:auto}
        .yes{font-weight:600}.curves{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:1rem 1.5rem}.curves figcaption{overflow-wrap:anywhere}
        .many{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,176px),1fr));gap:.5rem 1rem}.case{background:var(--card);border:1px solid var(--rule);border-radius:6px;padding:.7rem .9rem;margin:.8rem 0;break-inside:avoid}
        .case h4{margin:0;font-size:.95rem;overflow-wrap:anywhere}.case p{margin:.15rem 0;overflow-wrap:anywhere}.case .many{margin-top:.5rem}.m .u{font-weight:400;fill:var(--soft)}.m .two{stroke:var(--ask);stroke-dasharray:4 2}.m .z{stroke-width:1;opacity:.55}.m .n{fill:var(--ink);font-weight:600}
        .key{display:flex;flex-wrap:wrap;gap:.2rem 1.4rem;align-items:center;color:var(--soft);font-size:.9rem}.key svg{width:30px!important;height:12px!important;display:inline-block!important;vertical-align:-1px}.key span{white-space:nowrap}.wrong{color:var(--bad);font-weight:600}.right{color:var(--good)}details{margin:.5rem 0}summary{cursor:pointer}li{overflow-wrap:anywhere}
        """;

    private readonly SortedDictionary<string, Kept> _sources = new(StringComparer.Ordinal);

    /// <summary>Adds a case with what each judge said of it. Of rightly judged cases only their place on the curve is kept.</summary>
    public void Add(Case found, IReadOnlyList<Examined> said)
    {
        ArgumentNullException.ThrowIfNull(found);
        ArgumentNullException.ThrowIfNull(said);
        if (found.Label is null || found.BelowTolerance)
        {
            return;
        }

        if (!_sources.TryGetValue(found.Source, out var kept))
        {
            _sources.Add(found.Source, kept = new Kept(judges.Count));
        }

        var bad = found.Label == "BAD";
        for (var judge = 0; judge < judges.Count; judge++)
        {
            kept.Curves[judge].Add(said[judge].Peak, bad);
        }

        if (!said.Any(one => Wrong(found, one.Line.Decision)))
        {
            return;
        }

        kept.Wrong++;
        var drawn = bad ? kept.Missed : kept.Alarms;
        if (drawn.Count < MostDrawn)
        {
            drawn.Add((found, said));
        }
        else if (kept.Listed.Count < MostListed)
        {
            kept.Listed.Add($"{found.Id} ({found.Label}{Fault(found)}): {string.Join("; ", said.Select((one, judge) => Said(judge, one.Line)))}");
        }
    }

    /// <summary>The report.</summary>
    /// <param name="files">The names of the case files.</param>
    /// <param name="horizon">How far after the change was judged, in words.</param>
    /// <param name="summaries">One per judge, of the same cases.</param>
    /// <param name="differences">Of two judges; empty for one.</param>
    public string Html(IReadOnlyList<string> files, string horizon, IReadOnlyList<Summary> summaries, IReadOnlyList<DifferenceRow> differences)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(summaries);
        ArgumentNullException.ThrowIfNull(differences);
        var rows = summaries.Select(static summary => summary.Rows).ToArray();
        var title = judges.Count == 1 ? $"Backtest of {judges[0]}" : $"{judges[0]} against {judges[1]}";
        var html = new Markup();
        html.Raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">").Element("title", title).Raw("<style>").Raw(Css)
            .Raw("</style></head><body><main>").Element("h1", title).Raw("<p class=\"lead\">").Text(Lead(rows)).Raw("</p><p class=\"soft\">").Text($"{string.Join(", ", files)} · {horizon}").Raw("</p>");
        html.Raw("<h2>Figures</h2><p class=\"soft\">Only ROLLBACK counts as calling a case bad. Small: 95 % intervals (Wilson), as if every case were independent evidence.</p>");
        for (var judge = 0; judge < judges.Count; judge++)
        {
            Table(html, judge, rows[judge], summaries[judge].Mean);
        }

        if (differences.Count > 0)
        {
            Differences(html, differences);
        }

        Curves(html, rows);
        html.Raw("<h2>Judged wrongly</h2><p class=\"soft\">").Text(string.Create(CultureInfo.InvariantCulture,
            $"Of every source the first {MostDrawn} false alarms and the first {MostDrawn} missed cases are drawn, up to {MostListed} more are listed, the rest are counted. Cases below the tolerance are left out: no alarm is right there."))
            .Raw("</p>");
        Key(html);
        foreach (var (source, kept) in _sources)
        {
            Source(html, source, kept);
        }

        return html.Raw("</main></body></html>").ToString();
    }

    private string Lead(IReadOnlyList<SummaryRow>[] rows)
    {
        var all = rows.Select(static row => row[^1]).ToArray();
        return string.Join(" ", all.Select((row, judge) =>
            $"{judges[judge]} rolled back {row.TruePositives} of {row.TruePositives + row.FalseNegatives} bad cases and {row.FalsePositives} of {row.FalsePositives + row.TrueNegatives} good ones."));
    }

    private void Table(Markup html, int judge, IReadOnlyList<SummaryRow> rows, MeanRow mean)
    {
        if (judges.Count > 1)
        {
            html.Element("h3", judges[judge]);
        }

        html.Raw("<div class=\"scroll\"><table class=\"all\"><thead><tr><th>source<th>bad, found<th>good, false alarms<th>HOLD<th>precision<th>recall<th>F1<th>false-alarm rate<th>median delay</thead>");
        foreach (var row in rows)
        {
            html.Raw(ReferenceEquals(row, rows[^1]) ? "<tr class=\"sum\">" : "<tr>").Element("th", row.Source)
                .Element("td", $"{Whole(row.TruePositives)} of {Whole(row.TruePositives + row.FalseNegatives)}").Element("td", $"{Whole(row.FalsePositives)} of {Whole(row.FalsePositives + row.TrueNegatives)}").Element("td", Whole(row.Hold));
            Share(html, row.Precision);
            Share(html, row.Recall);
            html.Element("td", row.F1?.ToString("0.00", CultureInfo.InvariantCulture) ?? "–");
            Share(html, row.FalseAlarmRate);
            html.Element("td", row.MedianDelaySeconds is { } delay ? Figures.Duration(TimeSpan.FromSeconds(Math.Min(delay, 1e10))) : "–");
        }

        if (mean.Sources > 1)
        {
            html.Raw("<tr>").Element("th", Comparison.Mean).Raw("<td><td><td>").Element("td", CurveFigure.Percent(mean.Precision)).Element("td", CurveFigure.Percent(mean.Recall))
                .Element("td", mean.F1?.ToString("0.00", CultureInfo.InvariantCulture) ?? "–").Element("td", CurveFigure.Percent(mean.FalseAlarmRate)).Raw("<td>");
        }

        html.Raw("</table></div>");
        if (rows[^1].HoldGood > 0)
        {
            html.Raw("<p class=\"soft\">").Text(rows[^1].HoldOfGood() + ".").Raw("</p>");
        }

        if (rows[^1] is { Unlabelled: > 0 and var unlabelled })
        {
            html.Raw("<p class=\"soft\">").Text(unlabelled == 1 ? "One case has no label and stands in no number." : $"{Whole(unlabelled)} cases have no label and stand in no number.").Raw("</p>");
        }

        if (rows[^1] is { BelowTolerance: > 0 } all)
        {
            html.Raw("<p class=\"soft\">").Text($"Besides, {all.BelowToleranceRolledBack} of {all.BelowTolerance} cases whose effect is below the tolerance were rolled back.").Raw("</p>");
        }
    }

    private static void Share(Markup html, Share share)
    {
        html.Raw("<td>").Text(CurveFigure.Percent(share.Value));
        if (share.Value is not null)
        {
            html.Raw(" <small>").Text($"{Figures.Number(Math.Round(100 * share.Low, MidpointRounding.AwayFromZero))}–{Figures.Number(Math.Round(100 * share.High, MidpointRounding.AwayFromZero))}").Raw("</small>");
        }
    }

    private void Differences(Markup html, IReadOnlyList<DifferenceRow> differences)
    {
        html.Raw("<h2>Difference</h2><p class=\"soft\">").Text(string.Create(CultureInfo.InvariantCulture,
            $"{judges[0]} minus {judges[1]} on the same cases, with 95 % intervals from {Comparison.Resamples} resamples that draw whole groups within each source. With fewer than {Comparison.FewGroups} groups an interval is a rough guess, and nothing is said of 0."))
            .Raw("</p><div class=\"scroll\"><table class=\"all\"><thead><tr><th>source<th class=\"w\">figure").Element("th", judges[0]).Element("th", judges[1]).Raw("<th>difference<th>95 % interval<th class=\"w\">0 excluded<th>groups</thead>");
        foreach (var row in differences)
        {
            var share = row.Measure != "f1";
            html.Raw(row is { Source: Comparison.Mean, Measure: "f1" } ? "<tr class=\"sum\">" : "<tr>").Element("th", row.Measure == "f1" ? row.Source : "").Raw("<td class=\"w\">")
                .Text(row.Measure switch { "f1" => "F1", "recall" => "recall", _ => "false-alarm rate" }).Raw("</td>")
                .Element("td", Told(row.First)).Element("td", Told(row.Second)).Element("td", Signed(row.Difference))
                .Element("td", row is { Low: not null, High: not null } ? $"{Signed(row.Low)} to {Signed(row.High)}" : "–")
                .Raw(row.ExcludesZero == true ? "<td class=\"w yes\">" : "<td class=\"w\">").Text(row.Zero()).Raw("</td>").Element("td", row.Measure == "f1" ? Whole(row.Groups) : "");

            string Told(double? value) => value is not { } known ? "–" : share ? CurveFigure.Percent(known) : known.ToString("0.00", CultureInfo.InvariantCulture);

            string Signed(double? value) => value is not { } known ? "–"
                : (known > 0 ? "+" : known < 0 ? "−" : "") + (share ? (100 * Math.Abs(known)).ToString("0.#", CultureInfo.InvariantCulture) + " pp" : Math.Abs(known).ToString("0.00", CultureInfo.InvariantCulture));
        }

        html.Raw("</table></div>");
    }

    private void Curves(Markup html, IReadOnlyList<SummaryRow>[] rows)
    {
        html.Raw("<h2>With every other threshold</h2><p class=\"soft\">").Text(
            "What each judge would reach if its threshold were moved: the cases in the order of how near it ever came to a rollback, with the point where it stands. Up and to the left is better.").Raw("</p><p class=\"m key\">");
        for (var judge = 0; judge < judges.Count; judge++)
        {
            html.Raw(judge == 0
                ? "<span><svg viewBox=\"0 0 30 12\"><path class=\"c\" d=\"M0 6H30\"/><circle class=\"dc\" r=\"5\" cx=\"15\" cy=\"6\"/></svg> "
                : "<span><svg viewBox=\"0 0 30 12\"><path class=\"r\" d=\"M0 6H30\"/><rect class=\"dr\" x=\"10.5\" y=\"1.5\" width=\"9\" height=\"9\"/></svg> ").Text(judges[judge]).Raw("</span>");
        }

        html.Raw("</p><div class=\"curves\">");
        foreach (var (source, kept) in _sources)
        {
            CurveFigure.Draw(html, source, [.. judges.Select((name, judge) =>
            {
                var row = rows[judge].First(row => row.Source == source);
                return new CurveFigure.Judged(name, kept.Curves[judge].Points, row.Recall.Value, row.FalseAlarmRate.Value);
            })]);
        }

        html.Raw("</div>");
    }

    private void Key(Markup html)
    {
        html.Raw("<p class=\"m key\">");
        Entry("<path class=\"c\" d=\"M0 6H30\"/>", "candidate");
        Entry("<path class=\"r\" d=\"M0 6H30\"/>", "control, the old version beside it");
        Entry("<path class=\"p\" d=\"M0 6H30\"/>", "before");
        Entry("<path class=\"z\" d=\"M0 6H30\"/>", "a day before (or a week)");
        Entry("<path class=\"d\" d=\"M15 0V12\"/>", "change");
        for (var judge = 0; judge < judges.Count; judge++)
        {
            Entry(judge == 0 ? "<path class=\"v\" d=\"M15 0V12\"/>" : "<path class=\"v two\" d=\"M15 0V12\"/>", judges.Count == 1 ? "rollback" : $"rollback by {judge + 1}, {judges[judge]}");
        }

        html.Raw("</p>");

        void Entry(string picture, string words) => html.Raw("<span><svg viewBox=\"0 0 30 12\">").Raw(picture).Raw("</svg> ").Text(words).Raw("</span>");
    }

    private void Source(Markup html, string source, Kept kept)
    {
        html.Raw("<h3>").Text($"{source}: {(kept.Wrong == 0 ? "none wrong" : $"{kept.Wrong} wrong")}").Raw("</h3>");
        foreach (var (found, said) in kept.Alarms.Concat(kept.Missed))
        {
            html.Raw("<section class=\"case\"><h4>").Text($"{found.Id} · {found.Label}{Fault(found)}").Raw("</h4>");
            for (var judge = 0; judge < said.Count; judge++)
            {
                var wrong = Wrong(found, said[judge].Line.Decision);
                html.Raw(wrong ? "<p><span class=\"wrong\">✗ " : "<p><span class=\"right\">✓ ").Text(Said(judge, said[judge].Line)).Raw("</span>: ").Text(said[judge].Reasoning).Raw("</p>");
            }

            CaseFigure.Draw(html, found, [.. said.Select(static one => one.Line.Decision == "ROLLBACK" ? one.Line.Tick : (int?)null)]);
            html.Raw("</section>");
        }

        if (kept.Listed.Count == 0)
        {
            return;
        }

        html.Raw("<details><summary>").Text($"{kept.Listed.Count} more, not drawn").Raw("</summary><ul>");
        foreach (var line in kept.Listed)
        {
            html.Raw("<li>").Text(line).Raw("</li>");
        }

        html.Raw("</ul>");
        var rest = kept.Wrong - kept.Alarms.Count - kept.Missed.Count - kept.Listed.Count;
        if (rest > 0)
        {
            html.Raw("<p>").Text($"and {rest} more").Raw("</p>");
        }

        html.Raw("</details>");
    }

    private string Said(int judge, BacktestLine line) =>
        (judges.Count == 1 ? "" : judges[judge] + " ") + line.Decision + (line.DelaySeconds is { } delay ? $" after {Figures.Duration(TimeSpan.FromSeconds(Math.Min(delay, 1e10)))}" : "");

    private static bool Wrong(Case found, string decision) => (found.Label == "BAD") != (decision == "ROLLBACK");

    private static string Fault(Case found) => string.IsNullOrEmpty(found.Fault) ? "" : ", " + found.Fault;

    private static string Whole(int number) => number.ToString(CultureInfo.InvariantCulture);

    private sealed class Kept(int judges)
    {
        public Curve[] Curves { get; } = [.. Enumerable.Range(0, judges).Select(static _ => new Curve())];

        public List<(Case Case, IReadOnlyList<Examined> Said)> Alarms { get; } = [];

        public List<(Case Case, IReadOnlyList<Examined> Said)> Missed { get; } = [];

        public List<string> Listed { get; } = [];

        public int Wrong { get; set; }
    }
}
