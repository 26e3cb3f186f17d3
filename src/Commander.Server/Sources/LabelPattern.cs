using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Commander.Server.Sources;

/// <summary>
/// A regular expression on a label's value, anchored as everywhere in the field. Prometheus reads RE2, this reads .NET: what both
/// read alike is <see cref="Exact"/>, and only that may decide in Prometheus' place.
/// </summary>
internal sealed class LabelPattern
{
    private const int MaxLength = 512;
    private const int MaxKnown = 1024;
    private const int MaxRepeat = 1000;

    // Making one costs far more than using it, and the watches of a service share theirs.
    private static readonly ConcurrentDictionary<string, LabelPattern> _known = new(StringComparer.Ordinal);

    private readonly Regex _regex;

    private LabelPattern(Regex regex, bool exact) => (_regex, Exact) = (regex, exact);

    /// <summary>Whether RE2 means the same by it.</summary>
    public bool Exact { get; }

    public bool Holds(string value) => _regex.IsMatch(value);

    /// <summary>Whether <see cref="Holds"/> says of this value what RE2 would: a dot and a line end, and characters of two UTF-16 units, are told apart differently.</summary>
    public bool SureOf(string value)
    {
        if (!Exact)
            return false;
        foreach (var c in value)
        {
            if (c == '\n' || char.IsSurrogate(c))
                return false;
        }

        return true;
    }

    /// <summary>Reads a pattern; false with the reason, which follows its name.</summary>
    public static bool TryRead(string text, [NotNullWhen(true)] out LabelPattern? pattern, [NotNullWhen(false)] out string? wrong)
    {
        wrong = null;
        if (_known.TryGetValue(text, out pattern))
            return true;
        if (text.Length > MaxLength)
        {
            wrong = $"is longer than {MaxLength} characters";
            return false;
        }

        try
        {
            // Non-backtracking, so that no pattern takes more than linear time.
            pattern = new LabelPattern(new Regex($@"\A(?:{text})\z", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant), IsCommon(text));
        }
        catch (Exception refused) when (refused is ArgumentException or NotSupportedException)
        {
            wrong = $"cannot be used: {refused.Message}";
            return false;
        }

        if (_known.Count >= MaxKnown)
            _known.Clear();
        _known[text] = pattern;
        return true;
    }

    /// <summary>Whether a text that .NET reads consists of nothing but what RE2 reads in the same way: plain characters, dots, choices, groups, repetitions, simple sets, escaped punctuation.</summary>
    private static bool IsCommon(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c is >= '\x7f' or < ' ' or '^' or '$')
                return false;
            switch (c)
            {
                case '\\':
                    if (++i == text.Length || !IsPunctuation(text[i]))
                        return false;
                    break;
                case '(' when i + 1 < text.Length && text[i + 1] == '?':
                    if (i + 2 == text.Length || text[i + 2] != ':')
                        return false;
                    i += 2;
                    break;
                case '[':
                    if (!PassSet(text, ref i))
                        return false;
                    break;
                case '{':
                    if (!PassRepeat(text, ref i))
                        return false;
                    break;
            }
        }

        return true;
    }

    // Leaves i on the closing bracket. Nested brackets and subtractions mean different things to the two.
    private static bool PassSet(string text, ref int i)
    {
        i++;
        if (i < text.Length && text[i] == '^')
            i++;
        for (var first = i; i < text.Length; i++)
        {
            var c = text[i];
            if (c == ']')
                return i > first;
            var plain = char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or ':' or '/' or ' ' or ','
                || (c == '-' && (i == first || (i + 1 < text.Length && (text[i + 1] == ']' || char.IsAsciiLetterOrDigit(text[i + 1])))));
            if (!plain)
                return false;
        }

        return false;
    }

    // {3}, {3,} and {3,5}; leaves i on the closing brace.
    private static bool PassRepeat(string text, ref int i)
    {
        var end = text.IndexOf('}', i);
        if (end < 0)
            return false;
        var parts = text[(i + 1)..end].Split(',');
        i = end;
        return parts.Length <= 2 && IsCount(parts[0]) && (parts.Length == 1 || parts[1].Length == 0 || IsCount(parts[1]));
    }

    private static bool IsCount(string text) => text.Length is > 0 and <= 4 && text.All(char.IsAsciiDigit) && int.Parse(text) <= MaxRepeat;

    // \< and \' begin a reference to a group in .NET.
    private static bool IsPunctuation(char c) => c is > ' ' and < '\x7f' && !char.IsAsciiLetterOrDigit(c) && c is not ('_' or '<' or '\'');
}
