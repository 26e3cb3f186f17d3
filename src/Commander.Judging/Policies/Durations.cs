using System.Buffers;
using System.Globalization;

namespace Commander.Judging.Policies;

/// <summary>Durations as people write them: 500ms, 15s, 2m, 1h30m, 1d.</summary>
public static class Durations
{
    /// <summary>The longest duration that is read: 366 days.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromDays(366);

    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789.");

    private static readonly (string Unit, double Milliseconds)[] Units =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

    /// <summary>
    /// Reads a duration: numbers with the units ms, s, m, h, d, larger units first, or a bare 0.
    /// False for anything else, for a negative one and for one beyond <see cref="Longest"/>.
    /// </summary>
    public static bool TryParse(string? text, out TimeSpan duration)
    {
        duration = default;
        if (text is null || text.Length is 0 or > 32)
            return false;
        if (text == "0")
            return true;

        var rest = text.AsSpan();
        var milliseconds = 0.0;
        var next = 0;
        while (rest.Length > 0)
        {
            var digits = rest.IndexOfAnyExcept(Digits);
            if (digits <= 0 || !double.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
                return false;
            rest = rest[digits..];
            var letters = rest.IndexOfAny(Digits);
            var unit = letters < 0 ? rest : rest[..letters];
            var found = -1;
            for (var i = next; i < Units.Length && found < 0; i++)
            {
                if (unit.SequenceEqual(Units[i].Unit))
                    found = i;
            }

            if (found < 0)
                return false;
            milliseconds += number * Units[found].Milliseconds;
            next = found + 1;
            rest = rest[unit.Length..];
        }

        if (!(milliseconds <= Longest.TotalMilliseconds))
            return false;
        duration = TimeSpan.FromMilliseconds(milliseconds);
        return true;
    }

    /// <summary>The shortest text that <see cref="TryParse"/> reads back as the same duration, to the millisecond.</summary>
    public static string Format(TimeSpan duration)
    {
        var milliseconds = Math.Round(duration.TotalMilliseconds);
        if (milliseconds <= 0)
            return "0s";
        var text = "";
        foreach (var (unit, length) in Units)
        {
            var count = Math.Floor(milliseconds / length);
            if (count > 0)
                text += count.ToString(CultureInfo.InvariantCulture) + unit;
            milliseconds -= count * length;
        }

        return text;
    }
}
