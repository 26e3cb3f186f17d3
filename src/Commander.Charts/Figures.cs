using System.Globalization;
using Commander.Judging.Verdicts;

namespace Commander.Charts;

/// <summary>Numbers, differences, durations and instants as a person reads them: three significant digits, the unit after a space.</summary>
public static class Figures
{
    /// <summary>A bare number with three significant digits and no trailing zeros; "–" for none.</summary>
    /// <param name="value">Any number; null, NaN and infinities are none.</param>
    public static string Number(double? value)
    {
        if (value is not { } number || !double.IsFinite(number))
        {
            return "–";
        }

        var size = Math.Abs(number);
        var (scaled, suffix) = size switch
        {
            >= 1e12 => (number, "e"),
            >= 1e9 => (number / 1e9, " G"),
            >= 1e6 => (number / 1e6, " M"),
            _ => (number, ""),
        };
        if (suffix == "e")
        {
            return number.ToString("0.##e+0", CultureInfo.InvariantCulture);
        }

        var text = Math.Abs(scaled) switch
        {
            >= 100 => scaled.ToString("0", CultureInfo.InvariantCulture),
            >= 10 => scaled.ToString("0.#", CultureInfo.InvariantCulture),
            >= 1 => scaled.ToString("0.##", CultureInfo.InvariantCulture),
            _ => scaled.ToString("0.###", CultureInfo.InvariantCulture),
        };
        return (text == "-0" ? "0" : text) + suffix;
    }

    /// <summary>A level in its unit: "25.3 %", "182 ms".</summary>
    /// <param name="value">The level.</param>
    /// <param name="unit">Its unit; null, empty and "count" add nothing.</param>
    public static string Level(double? value, string? unit) => WithUnit(Number(value), unit);

    /// <summary>A difference in its unit, with its sign; of percentages in percentage points: "+24.8 pp".</summary>
    /// <param name="value">Candidate minus reference.</param>
    /// <param name="unit">The unit of the levels.</param>
    public static string Difference(double? value, string? unit)
    {
        var text = Number(value);
        return WithUnit(value > 0 && text != "0" ? "+" + text : text.Replace('-', '−'), DifferenceUnit(unit));
    }

    /// <summary>The unit of a difference: percentage points for percentages, otherwise the levels' own.</summary>
    /// <param name="unit">The unit of the levels.</param>
    public static string? DifferenceUnit(string? unit) => unit == "%" ? "pp" : unit;

    /// <summary>A duration in its two largest units: "12 ms", "2.3 s", "4 min 10 s", "2 h 5 min", "3 d 4 h".</summary>
    /// <param name="duration">Negative ones are shown with a minus.</param>
    public static string Duration(TimeSpan duration)
    {
        if (duration < TimeSpan.Zero)
        {
            return "−" + Duration(duration == TimeSpan.MinValue ? TimeSpan.MaxValue : -duration);
        }

        if (duration.TotalMilliseconds < 1)
        {
            return duration == TimeSpan.Zero ? "0 ms" : "< 1 ms";
        }

        if (duration.TotalSeconds is >= 59.95 and < 1e9)
        {
            duration = TimeSpan.FromSeconds(Math.Round(duration.TotalSeconds));
        }

        return duration.TotalSeconds switch
        {
            < 0.9995 => Number(Math.Round(duration.TotalMilliseconds)) + " ms",
            < 60 => duration.TotalSeconds.ToString(duration.TotalSeconds < 10 ? "0.##" : "0.#", CultureInfo.InvariantCulture) + " s",
            < 3600 => Two((int)duration.TotalMinutes, "min", duration.Seconds, "s"),
            < 86400 => Two((int)duration.TotalHours, "h", duration.Minutes, "min"),
            _ => Two((int)duration.TotalDays, "d", duration.Hours, "h"),
        };
    }

    /// <summary>How sure a verdict is: "97 %"; "–" for a HOLD that nothing has been measured for yet.</summary>
    public static string Confidence(Verdict verdict)
    {
        ArgumentNullException.ThrowIfNull(verdict);
        return verdict.Decision == "HOLD" && verdict.Findings.All(f => f.Verdict is "no_data" or "warming_up") ? "–" : Probability(verdict.Confidence);
    }

    /// <summary>With what a metric is compared, as a person says it: "old version", "before", "same hour before", "allowed".</summary>
    /// <param name="reference">The arm's word; null for the objective.</param>
    public static string Arm(string? reference) => reference switch
    {
        "control" => "old version",
        "before" => "before",
        "seasonal" => "same hour before",
        _ => "allowed",
    };

    /// <summary>What is to be said beside a health score that points the other way than the verdict; null when it does not.</summary>
    /// <param name="verdict">The verdict.</param>
    public static string? Dissent(Verdict verdict)
    {
        ArgumentNullException.ThrowIfNull(verdict);
        return verdict switch
        {
            { Decision: "ROLLBACK", HealthScore: >= 50 } => "a fixed formula, blind to the comparison; it does not decide",
            { Decision: "CONTINUE", HealthScore: < 50 } => "a fixed formula, blind to the comparison; it does not decide",
            _ => null,
        };
    }

    /// <summary>A probability as a whole percentage that never claims certainty: "98 %", "> 99 %", "&lt; 1 %".</summary>
    /// <param name="probability">0 to 1.</param>
    public static string Probability(double probability) => probability switch
    {
        // What would be rounded to 100 % is not certain.
        >= 0.995 => "> 99 %",
        < 0.005 => "< 1 %",
        _ => probability.ToString("0 %", CultureInfo.InvariantCulture).Replace("%", " %").Replace("  ", " "),
    };

    /// <summary>An instant in UTC to the second: "2026-11-23 10:30:45 UTC".</summary>
    /// <param name="at">The instant.</param>
    public static string Instant(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);

    /// <summary>An instant as machines read it, with milliseconds: "2026-11-23T10:30:45.000Z".</summary>
    /// <param name="at">The instant.</param>
    public static string Iso(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private static string WithUnit(string number, string? unit) => number == "–" || unit is null or "" or "count" ? number : number + " " + unit;

    private static string Two(int large, string largeUnit, int small, string smallUnit) =>
        small == 0 ? $"{large} {largeUnit}" : $"{large} {largeUnit} {small} {smallUnit}";
}
