using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;

namespace Commander.Charts;

/// <summary>The worst metric of a deployment in the size of a word, as an SVG file of its own.</summary>
public static class Sparkline
{
    private const double Width = 96, Height = 24;

    /// <summary>Draws it; readable on light and dark ground, so that it can be an image anywhere.</summary>
    /// <param name="deployment">Whose worst finding is drawn: the first of its verdict.</param>
    /// <param name="evidence">What was measured; may be empty.</param>
    public static string Draw(Deployment deployment, EvidenceDocument evidence)
    {
        ArgumentNullException.ThrowIfNull(deployment);
        ArgumentNullException.ThrowIfNull(evidence);
        var svg = new Markup();
        svg.Raw("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"96\" height=\"24\" viewBox=\"0 0 96 24\" fill=\"none\">");
        if (deployment.Verdict?.Findings is [var worst, ..])
        {
            svg.Element("title", $"{worst.Metric}, {worst.Verdict}");
            var scale = new Scale(worst.Kind, 0.95);
            var (from, to) = MetricFigure.Span(deployment, evidence);
            var candidate = Seen("candidate");
            var reference = Seen("before").Concat(Seen("control")).ToList();
            var (low, high) = Plot.Range([.. candidate.Select(p => p.Y), .. reference.Select(p => p.Y)], fromZero: worst.Kind != "gauge");
            Path(reference, "#5b8fd0", "1");
            Path(candidate, "#d9772b", "1.75");

            List<Point> Seen(string arm) =>
                Line.Thin(Line.Of(evidence, deployment.StartedAt, worst.Metric, arm, scale).FindAll(p => p.X >= from), 48);

            void Path(List<Point> points, string colour, string width)
            {
                svg.Raw("<path stroke-linejoin=\"round\"").Attribute("stroke", colour).Attribute("stroke-width", width).Raw(" d=\"");
                var pen = false;
                foreach (var (x, y) in points)
                {
                    if (double.IsFinite(y))
                    {
                        svg.Raw(pen ? "L" : "M").Number(1 + ((Width - 2) * (x - from) / (to - from))).Raw(" ").Number(Height - 2 - ((Height - 4) * (y - low) / (high - low)));
                        pen = true;
                    }
                    else
                    {
                        pen = false;
                    }
                }

                svg.Raw("\"/>");
            }
        }

        return svg.Raw("</svg>").ToString();
    }
}
