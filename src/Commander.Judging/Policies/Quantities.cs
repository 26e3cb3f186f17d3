using System.Globalization;

namespace Commander.Judging.Policies;

/// <summary>Numbers with units: what they are, and how one becomes another.</summary>
internal static class Quantities
{
    private enum Dimension { Time, Size, Percent }

    // Times in milliseconds, sizes in bytes, shares in percent.
    private static readonly Dictionary<string, (Dimension Dimension, double Base)> Known = new(StringComparer.Ordinal)
    {
        ["ns"] = (Dimension.Time, 1e-6),
        ["us"] = (Dimension.Time, 1e-3),
        ["ms"] = (Dimension.Time, 1),
        ["s"] = (Dimension.Time, 1e3),
        ["m"] = (Dimension.Time, 6e4),
        ["h"] = (Dimension.Time, 3.6e6),
        ["B"] = (Dimension.Size, 1),
        ["kB"] = (Dimension.Size, 1e3),
        ["KB"] = (Dimension.Size, 1e3),
        ["MB"] = (Dimension.Size, 1e6),
        ["GB"] = (Dimension.Size, 1e9),
        ["TB"] = (Dimension.Size, 1e12),
        ["KiB"] = (Dimension.Size, 1024),
        ["MiB"] = (Dimension.Size, 1048576),
        ["GiB"] = (Dimension.Size, 1073741824),
        ["%"] = (Dimension.Percent, 1),
        ["pp"] = (Dimension.Percent, 1),
        ["fraction"] = (Dimension.Percent, 100),
    };

    /// <summary>The unit as levels are shown in it: percent is %, seconds are s.</summary>
    public static string Unit(string word) => word switch
    {
        "percent" or "percentage" or "pp" => "%",
        "milliseconds" => "ms",
        "seconds" => "s",
        "bytes" => "B",
        "KB" => "kB",
        _ => word,
    };

    /// <summary>How many of one unit are one of the other; 1 where nobody knows.</summary>
    public static double Factor(string from, string to) =>
        Known.TryGetValue(from, out var source) && Known.TryGetValue(to, out var target) && source.Dimension == target.Dimension
            ? Rounded(source.Base / target.Base)
            : 1;

    /// <summary>Splits "25ms" into 25 and "ms". False when it begins with no number, and beyond forty characters: what is left is finite, also times a unit.</summary>
    public static bool TrySplit(string text, out double number, out string suffix)
    {
        number = 0;
        suffix = "";
        if (text.Length > 40)
            return false;
        var end = 0;
        while (end < text.Length && (char.IsAsciiDigit(text[end]) || text[end] == '.' || (end == 0 && text[end] is '-' or '+')))
            end++;
        if (!double.TryParse(text.AsSpan(0, end), NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number))
            return false;
        suffix = text[end..].Trim();
        return true;
    }

    /// <summary>An amount in a unit: 25ms in ms is 25, 1s in ms is 1000. A bare number counts where the unit has no suffix of its own, and 0 everywhere.</summary>
    public static bool TryAmount(string text, string unit, out double amount)
    {
        if (!TrySplit(text, out amount, out var suffix))
            return false;
        if (suffix.Length == 0)
            return amount == 0 || !Known.ContainsKey(unit);
        if (suffix == unit)
            return true;
        if (suffix == "fraction" || !Known.TryGetValue(suffix, out var from) || !Known.TryGetValue(unit, out var to) || from.Dimension != to.Dimension)
            return false;
        amount = Rounded(amount * from.Base / to.Base);
        return true;
    }

    /// <summary>A share between 0 and 1: 1% or 0.01.</summary>
    public static bool TryShare(string text, out double share)
    {
        if (!TrySplit(text, out share, out var suffix) || suffix is not ("" or "%"))
            return false;
        if (suffix == "%")
            share = Rounded(share / 100);
        return true;
    }

    /// <summary>An example of an amount in a unit, for messages.</summary>
    public static string Example(string unit) => unit switch
    {
        "%" => "1%",
        "ms" or "us" or "ns" => "25" + unit,
        "s" or "m" or "h" => "2" + unit,
        "" or "count" => "10",
        _ => "10" + (Known.ContainsKey(unit) ? unit : ""),
    };

    /// <summary>Fifteen digits: 1% is 0.01 and not its neighbour, whatever the way of dividing.</summary>
    private static double Rounded(double value) =>
        double.Parse(value.ToString("G15", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
