namespace Commander.Charts;

/// <summary>The plot area all charts of a page share: what is at which place.</summary>
internal readonly record struct Plot(double X0, double X1, double Y0, double Y1)
{
    /// <summary>Width and height of a chart, in its own units; about pixels on a telephone.</summary>
    public const double Width = 440, Height = 156, Left = 42, Right = 62, Top = 20, Bottom = 20;

    /// <summary>Where a time stands.</summary>
    public double X(double seconds) => Left + ((Width - Left - Right) * (seconds - X0) / (X1 - X0));

    /// <summary>Where a level stands.</summary>
    public double Y(double level) => Height - Bottom - ((Height - Top - Bottom) * (level - Y0) / (Y1 - Y0));

    /// <summary>A range that shows all levels: from zero where they are near it, with air above and below.</summary>
    public static (double Low, double High) Range(IEnumerable<double> levels, bool fromZero)
    {
        double low = double.PositiveInfinity, high = double.NegativeInfinity;
        foreach (var level in levels)
        {
            if (double.IsFinite(level))
            {
                low = Math.Min(low, level);
                high = Math.Max(high, level);
            }
        }

        if (low > high)
        {
            return (0, 1);
        }

        if ((fromZero && low >= 0) || (low > 0 && low < (high - low)))
        {
            low = 0;
        }

        var span = high - low;
        if (!(span > 0))
        {
            span = Math.Max(Math.Abs(high), 1);
            high = low + span;
        }

        var air = double.IsFinite(span) ? span * 0.08 : 0;
        return (low == 0 ? 0 : low - air, high + air);
    }

    /// <summary>Two to four round numbers inside a range.</summary>
    public static List<double> Ticks(double low, double high)
    {
        var ticks = new List<double>(5);
        var rough = (high - low) / 3;
        if (!(rough > 0) || !double.IsFinite(rough))
        {
            return ticks;
        }

        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        var step = power * ((rough / power) switch { < 1.5 => 1, < 3.5 => 2, < 7.5 => 5, _ => 10 });
        for (var i = Math.Ceiling(low / step); i * step <= high && ticks.Count < 6; i++)
        {
            ticks.Add(i * step);
        }

        return ticks;
    }

    /// <summary>Two to five round instants inside a range of seconds.</summary>
    public static List<double> Times(double from, double to)
    {
        ReadOnlySpan<double> steps = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400, 172800];
        var step = steps[^1];
        foreach (var s in steps)
        {
            if ((to - from) / s <= 5)
            {
                step = s;
                break;
            }
        }

        var times = new List<double>(8);
        for (var i = Math.Ceiling(from / step); i * step <= to && times.Count < 8; i++)
        {
            times.Add(i * step);
        }

        return times;
    }

    /// <summary>A time on the axis: "−30 s", "0", "5 min".</summary>
    public static string Time(double seconds)
    {
        var size = Math.Abs(seconds);
        var text = size switch
        {
            0 => "0",
            < 60 => Figures.Number(size) + " s",
            < 3600 => size % 60 == 0 ? Figures.Number(size / 60) + " min" : $"{Math.Floor(size / 60)}:{size % 60:00}",
            _ => Figures.Number(size / 3600) + " h",
        };
        return seconds < 0 ? "−" + text : text;
    }
}
