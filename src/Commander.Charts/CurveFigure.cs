using Commander.Judging.Backtest;

namespace Commander.Charts;

/// <summary>
/// Recall against false-alarm rate of one or two judges on one source, as an SVG. The axis of false alarms is a square root: what matters lies below 10 %, and a plain axis would press it
/// against the edge.
/// </summary>
internal static class CurveFigure
{
    private const double Width = 320, Height = 236, Left = 40, Right = 14, Top = 12, Bottom = 36;

    /// <summary>A judge's curve, and where it stands.</summary>
    public readonly record struct Judged(string Name, IReadOnlyList<CurvePoint> Points, double? Recall, double? FalseAlarmRate);

    /// <summary>Draws it; says so in words where the cases have one label only.</summary>
    /// <param name="html">Where it is appended.</param>
    /// <param name="source">The source.</param>
    /// <param name="judges">One or two.</param>
    public static void Draw(Markup html, string source, IReadOnlyList<Judged> judges)
    {
        html.Raw("<figure class=\"m\"><figcaption>").Element("b", source).Raw("</figcaption>");
        if (judges.All(static judge => judge.Points.Count == 0))
        {
            html.Raw("<p class=\"soft\">No curve: all its cases have the same label.</p></figure>");
            return;
        }

        html.Raw("<svg role=\"img\" viewBox=\"0 0 320 236\"><title>").Text($"Recall against false-alarm rate on {source}").Raw("</title><desc>");
        foreach (var judge in judges)
        {
            html.Text($"{judge.Name} rolls back {Percent(judge.Recall)} of the bad cases and {Percent(judge.FalseAlarmRate)} of the good ones. ");
        }

        html.Raw("</desc>");
        Frame(html);
        for (var at = 0; at < judges.Count; at++)
        {
            Path(html, judges[at].Points, at == 0 ? "c" : "r");
        }

        for (var at = 0; at < judges.Count; at++)
        {
            Point(html, judges[at], second: at > 0);
        }

        html.Raw("</svg></figure>");
    }

    /// <summary>A share as a whole percentage, one decimal below 10 %, rounded as a terminal shows it; "–" for none.</summary>
    public static string Percent(double? share) => share is { } value ? Figures.Number(Math.Round(100 * value, value < 0.0995 ? 1 : 0, MidpointRounding.AwayFromZero)) + " %" : "–";

    private static void Frame(Markup html)
    {
        foreach (var share in (ReadOnlySpan<double>)[0, 0.01, 0.05, 0.1, 0.25, 0.5, 1])
        {
            html.Raw("<path class=\"g\" d=\"M").Number(X(share)).Raw(" ").Number(Top).Raw("V").Number(Height - Bottom)
                .Raw("\"/><text text-anchor=\"middle\"").Attribute("x", X(share)).Attribute("y", Height - Bottom + 14).Raw(">").Text(Figures.Number(100 * share)).Raw("</text>");
        }

        foreach (var share in (ReadOnlySpan<double>)[0, 0.25, 0.5, 0.75, 1])
        {
            html.Raw("<path class=\"g\" d=\"M").Number(Left).Raw(" ").Number(Y(share)).Raw("H").Number(Width - Right)
                .Raw("\"/><text text-anchor=\"end\"").Attribute("x", Left - 6).Attribute("y", Y(share) + 4).Raw(">").Text(Figures.Number(100 * share)).Raw("</text>");
        }

        html.Raw("<text text-anchor=\"middle\"").Attribute("x", (Left + Width - Right) / 2).Attribute("y", Height - 4)
            .Raw(">false alarms, % of the good cases</text><text class=\"up\" text-anchor=\"middle\"").Attribute("x", 0.0).Attribute("y", 0.0).Raw(" transform=\"translate(9 106)rotate(-90)\">recall, %</text>");
    }

    private static void Path(Markup html, IReadOnlyList<CurvePoint> points, string style)
    {
        if (points.Count == 0)
        {
            return;
        }

        html.Raw("<path").Attribute("class", style).Raw(" d=\"");
        var (x, y) = (double.NaN, double.NaN);
        for (var at = 0; at < points.Count; at++)
        {
            var point = points[at];
            // Corners that fall on the pixel of the last one say nothing; thousands of cases make thousands of them.
            if (at > 0 && at < points.Count - 1 && Math.Abs(X(point.FalseAlarmRate) - x) < 0.5 && Math.Abs(Y(point.Recall) - y) < 0.5)
            {
                continue;
            }

            (x, y) = (X(point.FalseAlarmRate), Y(point.Recall));
            html.Raw(at == 0 ? "M" : "L").Number(x).Raw(" ").Number(y);
        }

        html.Raw("\"/>");
    }

    private static void Point(Markup html, Judged judge, bool second)
    {
        if (judge is not { Recall: { } recall, FalseAlarmRate: { } alarms })
        {
            return;
        }

        var (x, y) = (X(alarms), Y(recall));
        if (second)
        {
            html.Raw("<rect class=\"dr\" width=\"9\" height=\"9\"").Attribute("x", x - 4.5).Attribute("y", y - 4.5).Raw("/>");
        }
        else
        {
            html.Raw("<circle class=\"dc\" r=\"5\"").Attribute("cx", x).Attribute("cy", y).Raw("/>");
        }
    }

    private static double X(double share) => Left + ((Width - Left - Right) * Math.Sqrt(Math.Clamp(share, 0, 1)));

    private static double Y(double share) => Height - Bottom - ((Height - Top - Bottom) * Math.Clamp(share, 0, 1));
}
