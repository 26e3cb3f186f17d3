using System.Globalization;

namespace Commander.Judging.Verdicts;

/// <summary>How numbers are rounded and said: few digits, so that the same evidence always reads the same.</summary>
internal static class Display
{
    /// <summary>A level or difference: one decimal, two significant digits below 0.1.</summary>
    public static double Round(double value)
    {
        var size = Math.Abs(value);
        if (!(size > 0))
        {
            return 0;
        }
        var decimals = size >= 0.1 ? 1 : Math.Clamp(1 - (int)Math.Floor(Math.Log10(size)), 1, 9);
        var rounded = Math.Round(value, decimals, MidpointRounding.AwayFromZero);
        // No minus in front of nothing.
        return rounded == 0 ? 0 : rounded;
    }

    /// <summary>The same; null stays null.</summary>
    public static double? Round(double? value) => value is { } number && double.IsFinite(number) ? Round(number) : null;

    /// <summary>A probability: three decimals, never quite certain.</summary>
    public static double Probability(double value) => Math.Round(Math.Clamp(value, 0.001, 0.999), 3, MidpointRounding.AwayFromZero);

    /// <summary>A number in words' company.</summary>
    public static string Number(double value) => Math.Abs(value) >= 100
        ? Math.Round(value, MidpointRounding.AwayFromZero).ToString("0", CultureInfo.InvariantCulture)
        : Round(value).ToString("0.#########", CultureInfo.InvariantCulture);

    /// <summary>A number with its unit; a count has none.</summary>
    public static string With(double value, string unit) => unit.Length == 0 || unit == "count" ? Number(value) : Number(value) + " " + unit;

    /// <summary>Seconds as a person says them.</summary>
    public static string Seconds(double seconds) => seconds < 120
        ? Number(seconds) + " s"
        : seconds < 7200 ? Number(seconds / 60) + " min" : Number(seconds / 3600) + " h";

    /// <summary>The time of day, to the minute, so many seconds after an instant; the instant itself where there is no such time.</summary>
    public static string Clock(DateTimeOffset instant, double seconds)
    {
        var utc = instant.UtcDateTime;
        var later = seconds < (DateTime.MaxValue - utc).TotalSeconds ? utc.AddSeconds(seconds) : utc;
        return later.ToString("HH:mm 'UTC'", CultureInfo.InvariantCulture);
    }

    /// <summary>A whole number with one or two leading digits, for estimates.</summary>
    public static string About(double value)
    {
        if (value < 20)
        {
            return Math.Ceiling(value).ToString("0", CultureInfo.InvariantCulture);
        }
        var unit = Math.Pow(10, Math.Floor(Math.Log10(value)) - (value < 100 ? 0 : 1));
        return (Math.Ceiling(value / unit) * unit).ToString("0", CultureInfo.InvariantCulture);
    }
}
