using System.Buffers;
using System.Text;

namespace Commander.Server.Alerting;

/// <summary>Texts of others as a channel may show them: one line, no control characters, whole characters, cut to a bound. Marks that mean something to the channel are escaped by it.</summary>
internal static class Plain
{
    // They turn the order of what is read, or are not seen at all.
    private static readonly SearchValues<char> Unseen = SearchValues.Create("\u200B\u200E\u200F\u202A\u202B\u202C\u202D\u202E\u2060\u2066\u2067\u2068\u2069\uFEFF");

    /// <summary>The text as it is, but on one line.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="most">In UTF-16 units, at least 2; a text that has more ends in an ellipsis.</param>
    public static string Line(string text, int most) => Escaped(text, most, null);

    /// <summary>The same, with a backslash before every mark.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="most">In UTF-16 units, backslashes counted.</param>
    /// <param name="marks">What is escaped; null for nothing.</param>
    public static string Escaped(string text, int most, SearchValues<char>? marks)
    {
        var line = new StringBuilder(Math.Min(text.Length, most));
        // What fits together with an ellipsis, should more follow.
        var fits = 0;
        Span<char> units = stackalloc char[2];
        foreach (var rune in text.EnumerateRunes())
        {
            if (line.Length < most)
                fits = line.Length;
            var shown = Rune.IsControl(rune) || rune.Value is 0x2028 or 0x2029 ? new Rune(' ') : rune;
            if (shown.IsBmp && Unseen.Contains((char)shown.Value))
                continue;
            if (shown.IsBmp && marks?.Contains((char)shown.Value) == true)
                line.Append('\\');
            line.Append(units[..shown.EncodeToUtf16(units)]);
            if (line.Length > most)
            {
                line.Length = fits;
                return line.Append('…').ToString();
            }
        }

        return line.ToString();
    }
}
