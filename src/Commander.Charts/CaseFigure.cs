using Commander.Judging.Backtest;

namespace Commander.Charts;

/// <summary>One recorded case as small multiples: per metric its past, the candidate and the control over time, with the change and the rollbacks marked.</summary>
internal static class CaseFigure
{
    private const double Width = 236, Height = 114, Left = 38, Right = 8, Top = 28, Bottom = 18;

    // A line in a chart of 190 pixels.
    private const int MaxPoints = 96;

    /// <summary>More metrics of a case are only counted.</summary>
    private const int MaxMetrics = 12;

    /// <summary>Draws it.</summary>
    /// <param name="html">Where it is appended.</param>
    /// <param name="found">The case.</param>
    /// <param name="rollbacks">Per judge the tick of its rollback; null without one.</param>
    public static void Draw(Markup html, Case found, IReadOnlyList<int?> rollbacks)
    {
        html.Raw("<div class=\"m many\">");
        foreach (var series in found.Recording.Series.Take(MaxMetrics))
        {
            Draw(html, found.Recording, series, rollbacks);
        }

        html.Raw("</div>");
        if (found.Recording.Series.Count > MaxMetrics)
        {
            html.Raw("<p class=\"soft\">").Text($"and {found.Recording.Series.Count - MaxMetrics} more metrics").Raw("</p>");
        }
    }

    private static void Draw(Markup html, Recording recording, Series series, IReadOnlyList<int?> rollbacks)
    {
        var step = recording.StepSeconds;
        var past = Thinned(series.Baseline, 1 - series.Baseline.Length, step);
        var candidate = Thinned(series.Candidate, 1, step);
        var control = series.Control is null ? [] : Thinned(series.Control, 1, step);
        var seasonal = (series.Seasonal ?? series.SeasonalWeek) is { } earlier ? Thinned(earlier, 1 - series.Baseline.Length, step) : [];
        var (low, high) = Plot.Range([.. seasonal.Select(static p => p.Y), .. past.Select(static p => p.Y), .. candidate.Select(static p => p.Y), .. control.Select(static p => p.Y)], fromZero: false);
        var from = -(recording.Past + 0.5) * step;
        var to = (recording.Length + 0.5) * step;

        double X(double seconds) => Left + ((Width - Left - Right) * (seconds - from) / (to - from));
        double Y(double level) => Height - Bottom - ((Height - Top - Bottom) * (level - low) / (high - low));

        html.Raw("<svg role=\"img\" viewBox=\"0 0 236 114\"><title>").Text(Words(series)).Raw("</title><text class=\"h\" y=\"10\">").Text(Short(series.Name, 26)).Raw("<tspan class=\"u\">")
            .Text(series.Unit.Length > 0 ? " " + Short(series.Unit, 8) : "").Raw("</tspan></text>");
        foreach (var level in Plot.Ticks(low, high))
        {
            html.Raw("<path class=\"g\" d=\"M").Number(Left).Raw(" ").Number(Y(level)).Raw("H").Number(Width - Right)
                .Raw("\"/><text text-anchor=\"end\"").Attribute("x", Left - 5).Attribute("y", Y(level) + 4).Raw(">").Text(Figures.Number(level).Replace('-', '−')).Raw("</text>");
        }

        // The end of the axis keeps its word inside the picture.
        foreach (var time in Plot.Times(from, to).Where(time => X(time) < Width - 14))
        {
            html.Raw("<text text-anchor=\"middle\"").Attribute("x", X(time)).Attribute("y", Height - 4).Raw(">").Text(Plot.Time(time)).Raw("</text>");
        }

        Mark(html, X(0.5 * step), "d", null, "middle");
        // Two marks at one tick, or next to it, would read as one number.
        var together = rollbacks is [{ } first, { } second] && Math.Abs(X(first * step) - X(second * step)) < 2;
        for (var judge = 0; judge < rollbacks.Count; judge++)
        {
            if (rollbacks[judge] is { } tick)
            {
                var word = rollbacks.Count == 1 || (together && judge > 0) ? null : together ? "1, 2" : judge == 0 ? "1" : "2";
                Mark(html, X(tick * step), judge == 0 ? "v" : "v two", word, together ? "middle" : judge == 0 ? "end" : "start");
            }
        }

        Path(html, seasonal, "z");
        Path(html, past, "p");
        Path(html, control, "r");
        Path(html, candidate, "c");
        html.Raw("</svg>");

        void Path(Markup to, List<Point> points, string style)
        {
            if (!points.Exists(static point => double.IsFinite(point.Y)))
            {
                return;
            }

            to.Raw("<path").Attribute("class", style).Raw(" d=\"");
            for (var at = 0; at < points.Count; at++)
            {
                if (!double.IsFinite(points[at].Y))
                {
                    continue;
                }

                var joined = at > 0 && double.IsFinite(points[at - 1].Y);
                to.Raw(joined ? "L" : "M").Number(X(points[at].X)).Raw(" ").Number(Y(points[at].Y));
                // A point between two gaps would have no length.
                if (!joined && (at + 1 == points.Count || !double.IsFinite(points[at + 1].Y)))
                {
                    to.Raw("h.1");
                }
            }

            to.Raw("\"/>");
        }
    }

    private static void Mark(Markup html, double x, string style, string? word, string anchor)
    {
        html.Raw("<path").Attribute("class", style).Raw(" d=\"M").Number(x).Raw(" ").Number(Top - 3).Raw("V").Number(Height - Bottom).Raw("\"/>");
        if (word is not null)
        {
            html.Raw("<text class=\"n\"").Attribute("text-anchor", anchor).Attribute("x", x).Attribute("y", Top - 6).Raw(">").Text(word).Raw("</text>");
        }
    }

    private static List<Point> Thinned(double[] values, int first, double step)
    {
        var points = new List<Point>(values.Length);
        for (var at = 0; at < values.Length; at++)
        {
            points.Add(new Point((first + at) * step, Math.Abs(values[at]) <= Line.Largest ? values[at] : double.NaN));
        }

        return Line.Thin(points, MaxPoints);
    }

    private static string Words(Series series)
    {
        var text = $"{series.Name}: median {Level(series.Baseline)} before, {Level(series.Candidate)} after";
        return series.Control is null ? text : $"{text}, {Level(series.Control)} on the control";

        string Level(double[] values) => Figures.Level(Line.Median([.. values.Where(static value => !double.IsNaN(value))]), series.Unit);
    }

    private static string Short(string text, int most) => text.Length <= most ? text : text[..(most - 1)] + "…";
}
