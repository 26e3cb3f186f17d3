using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Charts;

/// <summary>
/// One metric as a figure of two charts with the same time axis: the difference that decides, with the interval the decision uses
/// and the tolerance; and both versions over time, with the past. A caption says it in words, a table holds the values.
/// </summary>
public static class MetricFigure
{
    /// <summary>The table has at most so many rows; the evidence document has all.</summary>
    private const int MaxRows = 60;

    /// <summary>The chart's title stands to the left of this.</summary>
    private const double TitleEnds = 116;

    /// <summary>Draws the figure as HTML with inline SVG. Everything that comes from outside is escaped; no style attributes, no scripts.</summary>
    /// <param name="deployment">Whose metric it is: start, marks and names of the versions.</param>
    /// <param name="evidence">What was measured; may be empty.</param>
    /// <param name="finding">What the metric says.</param>
    /// <param name="policy">How the pinned policy has the metric: tolerance and quantile; null when it is not known any more.</param>
    public static string Draw(Deployment deployment, EvidenceDocument evidence, Finding finding, MetricPolicy? policy)
    {
        ArgumentNullException.ThrowIfNull(deployment);
        ArgumentNullException.ThrowIfNull(evidence);
        ArgumentNullException.ThrowIfNull(finding);
        var drawing = new Drawing(deployment, evidence, finding, policy);
        return drawing.Html();
    }

    /// <summary>The part of ids that stands for a metric: its figure's id is "m-" and this.</summary>
    /// <param name="metric">The metric's name.</param>
    public static string Anchor(string metric)
    {
        ArgumentNullException.ThrowIfNull(metric);
        return Markup.Slug(metric);
    }

    /// <summary>The time that all charts of a deployment show: the watch, and of the past half as much as the watch is long (at least 6 steps).</summary>
    internal static (double From, double To) Span(Deployment deployment, EvidenceDocument evidence)
    {
        double first = 0, last = 0;
        foreach (var tick in evidence.Ticks)
        {
            first = Math.Min(first, (tick.From - deployment.StartedAt).TotalSeconds);
            last = Math.Max(last, (tick.To - deployment.StartedAt).TotalSeconds);
        }

        var step = evidence.StepSeconds > 0 && double.IsFinite(evidence.StepSeconds) ? evidence.StepSeconds : 1;
        last = Math.Max(last, step);
        return (Math.Max(first, -Math.Max(last / 2, 6 * step)), last);
    }

    private sealed class Drawing
    {
        private readonly Deployment _deployment;
        private readonly EvidenceDocument _evidence;
        private readonly Finding _finding;
        private readonly MetricPolicy? _policy;
        private readonly string _reference;
        private readonly Scale _scale;
        private readonly double _from;
        private readonly double _to;
        private readonly string _id;
        private readonly string? _unit;
        private readonly List<Point> _candidate;
        private readonly List<Point> _control;
        private readonly List<Point> _past;
        private readonly List<Point> _difference;

        public Drawing(Deployment deployment, EvidenceDocument evidence, Finding finding, MetricPolicy? policy)
        {
            _deployment = deployment;
            _evidence = evidence;
            _finding = finding with
            {
                Candidate = Sane(finding.Candidate),
                Reference = Sane(finding.Reference),
                Difference = Sane(finding.Difference),
                Low = Sane(finding.Low),
                High = Sane(finding.High),
            };
            _policy = policy;
            _unit = finding.Kind == "count" ? "/s" : finding.Unit;
            _id = "m-" + Markup.Slug(finding.Metric);
            _scale = new Scale(finding.Kind, policy?.Quantile is > 0 and < 1 and var quantile ? quantile : 0.95);
            (_from, _to) = Span(deployment, evidence);
            _candidate = Seen("candidate");
            _past = Seen("before");
            var seasonal = Seen("seasonal");
            _control = Seen("control");
            _reference = finding.ReferenceArm ?? deployment.Reference ?? (_control.Count > 0 ? "control" : "before");
            _control = _reference == "seasonal" ? seasonal : _control;
            _difference = Line.Difference(evidence, deployment.StartedAt, finding.Metric, _reference, _scale).FindAll(Visible);
        }

        public string Html()
        {
            var html = new Markup();
            html.Raw("<figure class=\"m\"").Attribute("id", _id).Attribute("data-from", _from).Attribute("data-to", _to)
                .Raw("><figcaption>").Element("b", _finding.Metric).Raw(" ").Text(Caption()).Raw("</figcaption>");
            if (_candidate.Count + _control.Count + _past.Count == 0)
            {
                html.Raw("<p>").Text(Silence()).Raw("</p></figure>");
                return html.ToString();
            }

            html.Raw("<div class=\"pair\">");
            DrawDifference(html);
            DrawLevels(html);
            html.Raw("</div>");
            DrawTable(html);
            html.Raw("</figure>");
            return html.ToString();
        }

        private List<Point> Seen(string arm) => Line.Of(_evidence, _deployment.StartedAt, _finding.Metric, arm, _scale).FindAll(Visible);

        private static double? Sane(double? level) => level is { } number && Math.Abs(number) <= Line.Largest ? number : null;

        private bool Visible(Point point) => point.X >= _from - 1e-9;

        private string ReferenceName => _reference switch
        {
            "control" => "control",
            "seasonal" => "a day ago",
            _ => "before",
        };

        private string Caption()
        {
            var f = _finding;
            if (f.Candidate is null)
            {
                return Silence();
            }

            var quantile = f.Kind == "histogram" ? $" (p{Figures.Number(_scale.Quantile * 100)})" : "";
            var text = $"{Figures.Level(f.Candidate, f.Unit)}{quantile} on {_deployment.Version}";
            if (f.Reference is not null)
            {
                text += $", {Figures.Level(f.Reference, f.Unit)} {(_reference == "control" ? "on the old version at the same time" : ReferenceName)}";
            }

            if (f.Difference is not null)
            {
                text += $": difference {Figures.Difference(f.Difference, f.Unit)}";
                if (f is { Low: not null, High: not null })
                {
                    text += $", between {Figures.Difference(f.Low, f.Unit)} and {Figures.Difference(f.High, f.Unit)}";
                }
            }

            return text + (Tolerance is { } most ? $"; tolerance {Figures.Level(most, Figures.DifferenceUnit(f.Unit))}." : ".");
        }

        private double? Tolerance => _policy is null ? null : Requirement.Tolerated(_policy, _finding.Reference);

        private string Silence() => _finding.Verdict == "warming_up"
            ? $"is warming up: {_finding.Reason}"
            : $"has no data ({_finding.Quality}): {_finding.Reason}";

        private void DrawLevels(Markup html)
        {
            var candidate = Line.Thin(_candidate, Line.MaxPoints);
            var control = Line.Thin(_control, Line.MaxPoints);
            var past = Line.Thin(_past, Line.MaxPoints);
            var (low, high) = Plot.Range([.. candidate.Select(p => p.Y), .. control.Select(p => p.Y), .. past.Select(p => p.Y)], _finding.Kind != "gauge");
            var plot = new Plot(_from, _to, low, high);
            Open(html, "l", $"{_finding.Metric} over time", Describe());
            var before = _past.ConvertAll(p => p.Y).FindAll(double.IsFinite);
            if (before.Count >= 5)
            {
                var (bottom, top) = (plot.Y(Line.Percentile(before, 0.1)), plot.Y(Line.Percentile(before, 0.9)));
                html.Raw("<rect class=\"b\"").Attribute("x", Plot.Left).Attribute("y", top).Attribute("width", Plot.Width - Plot.Left - Plot.Right)
                    .Attribute("height", Math.Max(bottom - top, 1)).Raw("/>");
            }

            Frame(html, plot);
            Marks(html, plot, words: true);
            Path(html, plot, past, "p");
            Path(html, plot, control, "r");
            Path(html, plot, candidate, "c");
            if (_control.Count == 0 && _finding.Reference is { } reference && reference >= low && reference <= high)
            {
                html.Raw("<line class=\"r\"").Attribute("x1", plot.X(0)).Attribute("x2", plot.X(_to)).Attribute("y1", plot.Y(reference)).Attribute("y2", plot.Y(reference)).Raw("/>");
            }

            Names(html, plot, candidate, control.Count > 0 ? control : past);
            html.Raw("</svg>");
        }

        private void DrawDifference(Markup html)
        {
            var difference = Line.Thin(_difference, Line.MaxPoints);
            var f = _finding;
            // A very wide interval would press the line flat: it is cut where it leaves the picture.
            var levels = difference.Select(p => p.Y).Append(0).Append(f.Difference ?? 0).ToList();
            if (Tolerance is { } t)
            {
                levels.Add(Down ? -t : t);
            }

            var size = levels.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(1).Max();
            levels.Add(Math.Clamp(f.Low ?? 0, -4 * size, 4 * size));
            levels.Add(Math.Clamp(f.High ?? 0, -4 * size, 4 * size));
            var (low, high) = Plot.Range(levels, fromZero: false);
            var plot = new Plot(_from, _to, low, high);
            Open(html, "d", $"{f.Metric}: difference to {ReferenceName}", Caption());
            if (Tolerance is { } most)
            {
                var edge = Math.Clamp(plot.Y(Down ? -most : most), Plot.Top, Plot.Height - Plot.Bottom);
                html.Raw("<rect class=\"w\"").Attribute("x", Plot.Left).Attribute("y", Down ? edge : Plot.Top).Attribute("width", Plot.Width - Plot.Left - Plot.Right)
                    .Attribute("height", Down ? Plot.Height - Plot.Bottom - edge : edge - Plot.Top).Raw("/>");
            }

            Frame(html, plot);
            html.Raw("<line class=\"z\"").Attribute("x1", Plot.Left).Attribute("x2", Plot.Width - Plot.Right).Attribute("y1", plot.Y(0)).Attribute("y2", plot.Y(0)).Raw("/>");
            Marks(html, plot, words: false);
            if (Tolerance is { } limit && plot.Y(Down ? -limit : limit) is var y && y >= Plot.Top - 1 && y <= Plot.Height - Plot.Bottom + 1)
            {
                html.Raw("<line class=\"t\"").Attribute("x1", Plot.Left).Attribute("x2", Plot.Width - Plot.Right).Attribute("y1", y).Attribute("y2", y)
                    .Raw("/><text class=\"t\"").Attribute("x", Plot.Width - Plot.Right + 6).Attribute("y", y + 4).Raw(">tolerance</text>");
            }

            Path(html, plot, difference, "c");
            var end = difference.FindLast(p => double.IsFinite(p.Y));
            var x = end == default ? plot.X(_to) : plot.X(end.X);
            if (f is { Low: { } from, High: { } to })
            {
                var (a, b) = (Math.Clamp(plot.Y(to), Plot.Top - 6, Plot.Height - Plot.Bottom + 6), Math.Clamp(plot.Y(from), Plot.Top - 6, Plot.Height - Plot.Bottom + 6));
                html.Raw("<path class=\"e\" d=\"M").Number(x - 5).Raw(" ").Number(a).Raw("h10m-5 0V").Number(b).Raw("m-5 0h10\"/>");
            }

            if (f.Difference is { } now && plot.Y(now) is var dot && dot >= Plot.Top - 4 && dot <= Plot.Height - Plot.Bottom + 4)
            {
                html.Raw("<circle class=\"dc\" r=\"4\"").Attribute("cx", x).Attribute("cy", dot).Raw("/>");
            }

            html.Raw("<line class=\"x\"/></svg>");
        }

        private bool Down => _policy?.Direction == Direction.Down;

        private void Open(Markup html, string which, string title, string description) =>
            html.Raw("<svg role=\"img\" viewBox=\"0 0 440 156\"").Attribute("aria-labelledby", $"{_id}-{which}t {_id}-{which}d")
                .Raw("><title").Attribute("id", $"{_id}-{which}t").Raw(">").Text(title).Raw("</title><desc").Attribute("id", $"{_id}-{which}d")
                .Raw(">").Text(description).Raw("</desc><text class=\"h\" y=\"10\">").Text(which == "d" ? $"difference to {ReferenceName}{In(Figures.DifferenceUnit(_unit))}" : $"both versions{In(_unit)}").Raw("</text>");

        private static string In(string? unit) => unit is null or "" or "count" ? "" : $", {(unit.Length <= 8 ? unit : unit[..8])}";

        private static void Frame(Markup html, Plot plot)
        {
            foreach (var level in Plot.Ticks(plot.Y0, plot.Y1))
            {
                var y = plot.Y(level);
                html.Raw("<path class=\"g\" d=\"M").Number(Plot.Left).Raw(" ").Number(y).Raw("H").Number(Plot.Width - Plot.Right)
                    .Raw("\"/><text text-anchor=\"end\"").Attribute("x", Plot.Left - 5).Attribute("y", y + 4).Raw(">").Text(Figures.Number(level).Replace('-', '−')).Raw("</text>");
            }

            foreach (var time in Plot.Times(plot.X0, plot.X1))
            {
                html.Raw("<text text-anchor=\"middle\"").Attribute("x", plot.X(time)).Attribute("y", Plot.Height - 5).Raw(">").Text(Plot.Time(time)).Raw("</text>");
            }
        }

        /// <summary>Start, verdict and rollback as lines; their words beside them where there is room: the start's to the left, the others' to the right.</summary>
        private void Marks(Markup html, Plot plot, bool words)
        {
            var free = TitleEnds;
            foreach (var (seconds, style, word) in Moments())
            {
                if (seconds < plot.X0 || seconds > plot.X1)
                {
                    continue;
                }

                var x = plot.X(seconds);
                html.Raw("<path").Attribute("class", style).Raw(" d=\"M").Number(x).Raw(" ").Number(Plot.Top).Raw("V").Number(Plot.Height - Plot.Bottom).Raw("\"/>");
                var width = word.Length * 6.4;
                if (words && style == "d" && x - width > free)
                {
                    html.Raw("<text text-anchor=\"end\"").Attribute("x", x).Attribute("y", Plot.Top - 8).Raw(">").Text(word).Raw("</text>");
                    free = x + 3;
                }
                else if (words && style != "d" && x >= free && x + width <= Plot.Width)
                {
                    html.Raw("<text").Attribute("x", x).Attribute("y", Plot.Top - 8).Raw(">").Text(word).Raw("</text>");
                    free = x + width + 6;
                }
            }
        }

        private IEnumerable<(double Seconds, string Style, string Word)> Moments()
        {
            yield return (0, "d", "start");
            foreach (var verdict in _deployment.Verdicts)
            {
                if (verdict.Decision != "HOLD")
                {
                    yield return (Seconds(verdict.At), verdict.Decision == "ROLLBACK" ? "v" : "k", verdict.Decision);
                }
            }

            foreach (var action in _deployment.Actions)
            {
                if (action is { Kind: "rollback", State: "done", FinishedAt: { } finished })
                {
                    yield return (Seconds(finished), "k", "restored");
                }
            }
        }

        private double Seconds(DateTimeOffset at) => (at - _deployment.StartedAt).TotalSeconds;

        /// <summary>The lines' names at their ends, so that no legend is needed; a circle and a square besides colour and dash.</summary>
        private static void Names(Markup html, Plot plot, List<Point> candidate, List<Point> reference)
        {
            var ours = candidate.FindLast(p => double.IsFinite(p.Y));
            var theirs = reference.FindLast(p => double.IsFinite(p.Y));
            var (a, b) = (plot.Y(ours.Y), plot.Y(theirs.Y));
            var (textA, textB) = (a, b);
            if (ours != default && theirs != default && Math.Abs(a - b) < 13)
            {
                var middle = Math.Clamp((a + b) / 2, Plot.Top + 7, Plot.Height - Plot.Bottom - 7);
                (textA, textB) = a <= b ? (middle - 6.5, middle + 6.5) : (middle + 6.5, middle - 6.5);
            }

            if (theirs != default)
            {
                html.Raw("<rect class=\"dr\" width=\"7\" height=\"7\"").Attribute("x", plot.X(theirs.X) - 3.5).Attribute("y", b - 3.5)
                    .Raw("/><text class=\"r\"").Attribute("x", Plot.Width - Plot.Right + 8).Attribute("y", textB + 4).Raw(">old</text>");
            }

            if (ours != default)
            {
                html.Raw("<circle class=\"dc\" r=\"4\"").Attribute("cx", plot.X(ours.X)).Attribute("cy", a)
                    .Raw("/><text class=\"c\"").Attribute("x", Plot.Width - Plot.Right + 8).Attribute("y", textA + 4).Raw(">new</text>");
            }

            html.Raw("<line class=\"x\"/>");
        }

        /// <summary>One path; a gap starts a new stretch, a lone point becomes a dot.</summary>
        private static void Path(Markup html, Plot plot, List<Point> points, string style)
        {
            if (points.Count == 0)
            {
                return;
            }

            html.Raw("<path").Attribute("class", style).Raw(" d=\"");
            var pen = false;
            for (var i = 0; i < points.Count; i++)
            {
                if (!double.IsFinite(points[i].Y))
                {
                    pen = false;
                    continue;
                }

                html.Raw(pen ? "L" : "M").Number(plot.X(points[i].X)).Raw(" ").Number(plot.Y(points[i].Y));
                if (!pen && (i + 1 == points.Count || !double.IsFinite(points[i + 1].Y)))
                {
                    html.Raw("h.1");
                }

                pen = true;
            }

            html.Raw("\"/>");
        }

        private string Describe()
        {
            var parts = new List<string>(3);
            Add(_past, "Before the deployment");
            Add(_control, _reference == "seasonal" ? "A day ago" : "Old version");
            Add(_candidate, "New version");
            return string.Join(" ", parts);

            void Add(List<Point> points, string name)
            {
                var levels = points.ConvertAll(p => p.Y).FindAll(double.IsFinite);
                if (levels.Count > 0)
                {
                    var gaps = points.Count(p => double.IsNaN(p.Y));
                    parts.Add($"{name}: {Figures.Level(levels.Min(), _unit)} to {Figures.Level(levels.Max(), _unit)}, last {Figures.Level(levels[^1], _unit)}{(gaps > 0 ? $", {gaps} without a value" : "")}.");
                }
            }
        }

        private void DrawTable(Markup html)
        {
            var ticks = _evidence.Ticks.Where(t => (t.To - _deployment.StartedAt).TotalSeconds >= _from && t.Metrics.ContainsKey(_finding.Metric)).ToList();
            var every = Math.Max(1, (int)Math.Ceiling(ticks.Count / (double)MaxRows));
            var beside = _reference is "before" ? "before" : _reference;
            html.Raw("<details").Attribute("id", _id + "-v").Raw("><summary>Values</summary><table><caption>")
                .Text(every == 1 ? $"{_finding.Metric}{(_unit is null or "" ? "" : $" in {_unit}")}" : $"Every {every}. tick of {_finding.Metric}{(_unit is null or "" ? "" : $" in {_unit}")}; all are in the evidence document")
                .Raw("</caption><tr><th scope=\"col\">seconds<th scope=\"col\">new<th scope=\"col\">old");
            // Counted from the newest, so that it is always there.
            for (var i = (ticks.Count - 1) % every; i < ticks.Count; i += every)
            {
                var tick = ticks[i];
                var length = (tick.To - tick.From).TotalSeconds;
                html.Raw("<tr><td>").Text(Figures.Number(Math.Round(Seconds(tick.To), 1))).Raw("<td>");
                Cell(Line.Reading(tick, _finding.Metric, "candidate"));
                html.Raw("<td>");
                Cell(Line.Reading(tick, _finding.Metric, tick.N <= 0 ? "before" : beside));

                void Cell(EvidenceReading? reading)
                {
                    if (reading is not null)
                    {
                        var level = Line.Level(reading, _scale, length);
                        html.Text(double.IsNaN(level) ? reading.Quality is "value" or "partial" ? "–" : reading.Quality : Figures.Number(level));
                    }
                }
            }

            html.Raw("</table></details>");
        }
    }
}
