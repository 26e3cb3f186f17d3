using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Commander.Server.Sources;

/// <summary>A label of a series.</summary>
internal readonly record struct Label(string Name, string Value)
{
    /// <summary>The value of a label; the empty text where the series has none of that name.</summary>
    public static string Find(Label[] labels, string name)
    {
        foreach (var label in labels)
        {
            if (label.Name == name)
            {
                return label.Value;
            }
        }
        return "";
    }
}

/// <summary>How a label is compared.</summary>
internal enum Match
{
    Equal,
    NotEqual,
    Like,
    NotLike,
}

/// <summary>One condition on a label. A label that a series does not have counts as the empty text.</summary>
/// <param name="Label">The label's name.</param>
/// <param name="Match">How it is compared.</param>
/// <param name="Value">With what.</param>
/// <param name="Pattern">The value as a regular expression; null where it is none.</param>
internal sealed record Matcher(string Label, Match Match, string Value, LabelPattern? Pattern)
{
    public bool Holds(string value) => Match switch
    {
        Match.Equal => value == Value,
        Match.NotEqual => value != Value,
        Match.Like => Pattern!.Holds(value),
        _ => !Pattern!.Holds(value),
    };

    /// <summary>Whether <see cref="Holds"/> says what Prometheus would say of this value.</summary>
    public bool SureOf(string value) => Pattern is null || Pattern.SureOf(value);

    public bool Same(Matcher other) => Label == other.Label && Match == other.Match && Value == other.Value;
}

/// <summary>A series selector: name{label="v",code=~"5..",zone!="x",path!~"/health.*"}.</summary>
internal sealed class Selector
{
    public const int MaxLength = 4096;
    private const int MaxMatchers = 32;

    private Selector(string name, Matcher[] matchers, bool exact)
    {
        Name = name;
        NameBytes = Encoding.UTF8.GetBytes(name);
        Matchers = matchers;
        Exact = exact && Array.TrueForAll(matchers, matcher => matcher.Pattern?.Exact != false);
    }

    public string Name { get; }

    public byte[] NameBytes { get; }

    public Matcher[] Matchers { get; }

    /// <summary>Whether Prometheus reads this text in the same way: no escape that it refuses, no pattern that means something else to it.</summary>
    public bool Exact { get; }

    /// <summary>Whether a series of this selector's name is selected.</summary>
    public bool Selects(Label[] labels)
    {
        foreach (var matcher in Matchers)
        {
            if (!matcher.Holds(Label.Find(labels, matcher.Label)))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>Whether everything that the other selects is selected by this one too, as far as their texts show it.</summary>
    public bool Covers(Selector other) =>
        Name == other.Name && Array.TrueForAll(Matchers, mine => Array.Exists(other.Matchers, mine.Same));

    /// <summary>Whether <see cref="Selects"/> says what Prometheus would say of a series with these labels.</summary>
    public bool SureOf(Label[] labels)
    {
        foreach (var matcher in Matchers)
        {
            if (matcher.Pattern is not null && !matcher.SureOf(Label.Find(labels, matcher.Label)))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>
    /// Reads a selector. <paramref name="widen"/> reads a policy's template instead: conditions on a variable ({{version}}) are
    /// left out, so that what is remembered serves every version that comes.
    /// </summary>
    public static bool TryParse(string text, bool widen, [NotNullWhen(true)] out Selector? selector, [NotNullWhen(false)] out string? error)
    {
        selector = null;
        if (text.Length > MaxLength)
        {
            error = $"the selector is longer than {MaxLength} characters";
            return false;
        }
        var at = 0;
        SkipSpace(text, ref at);
        var name = Word(text, ref at, colon: true);
        if (name.Length == 0)
        {
            error = Wrong(text, at, "a metric's name, such as http_requests_total{code=~\"5..\"}");
            return false;
        }
        var matchers = new List<Matcher>();
        var exact = true;
        SkipSpace(text, ref at);
        if (at < text.Length && text[at] == '{')
        {
            at++;
            if (!Conditions(text, ref at, widen, matchers, ref exact, out error))
            {
                return false;
            }
        }
        SkipSpace(text, ref at);
        if (at < text.Length)
        {
            error = Wrong(text, at, "the end: a scrape takes plain selectors, no functions, ranges or operators");
            return false;
        }
        selector = new Selector(name, [.. matchers], exact);
        error = null;
        return true;
    }

    private static bool Conditions(string text, ref int at, bool widen, List<Matcher> matchers, ref bool exact, [NotNullWhen(false)] out string? error)
    {
        while (true)
        {
            SkipSpace(text, ref at);
            if (at < text.Length && text[at] == '}')
            {
                at++;
                error = null;
                return true;
            }
            if (matchers.Count == MaxMatchers)
            {
                error = $"the selector has more than {MaxMatchers} conditions";
                return false;
            }
            var label = Word(text, ref at, colon: false);
            if (label.Length == 0)
            {
                error = Wrong(text, at, "a label's name or }");
                return false;
            }
            SkipSpace(text, ref at);
            if (!Operator(text, ref at, out var match))
            {
                error = Wrong(text, at, "one of = != =~ !~");
                return false;
            }
            SkipSpace(text, ref at);
            if (!Quoted(text, ref at, out var value, ref exact))
            {
                error = Wrong(text, at, "a value in double quotes");
                return false;
            }
            if (!(widen && value.Contains("{{", StringComparison.Ordinal)))
            {
                LabelPattern? pattern = null;
                if (match is Match.Like or Match.NotLike && !LabelPattern.TryRead(value, out pattern, out var wrong))
                {
                    error = $"the pattern {(value.Length > 60 ? "" : $"\"{value}\" ")}of label {label} {wrong}";
                    return false;
                }
                matchers.Add(new Matcher(label, match, value, pattern));
            }
            SkipSpace(text, ref at);
            if (at < text.Length && text[at] == ',')
            {
                at++;
            }
            else if (at >= text.Length || text[at] != '}')
            {
                error = Wrong(text, at, ", or }");
                return false;
            }
        }
    }

    private static bool Operator(string text, ref int at, out Match match)
    {
        var next = at < text.Length ? text[at] : '\0';
        var second = at + 1 < text.Length ? text[at + 1] : '\0';
        (var length, match) = (next, second) switch
        {
            ('=', '~') => (2, Match.Like),
            ('!', '~') => (2, Match.NotLike),
            ('!', '=') => (2, Match.NotEqual),
            ('=', _) => (1, Match.Equal),
            _ => (0, Match.Equal),
        };
        at += length;
        return length > 0;
    }

    private static bool Quoted(string text, ref int at, out string value, ref bool exact)
    {
        value = "";
        if (at >= text.Length || text[at] != '"')
        {
            return false;
        }
        var read = new StringBuilder();
        for (var i = at + 1; i < text.Length; i++)
        {
            var next = text[i];
            if (next == '"')
            {
                at = i + 1;
                value = read.ToString();
                return true;
            }
            if (next == '\\' && i + 1 < text.Length)
            {
                i++;
                exact &= text[i] is 'n' or '"' or '\\';
                // An escape that is none is kept as it stands: patterns are full of them ("\\." and "\." mean the same here).
                _ = text[i] switch
                {
                    'n' => read.Append('\n'),
                    '"' => read.Append('"'),
                    '\\' => read.Append('\\'),
                    var other => read.Append('\\').Append(other),
                };
                continue;
            }
            exact &= next is not ('\n' or '\r');
            read.Append(next);
        }
        return false;
    }

    private static string Word(string text, ref int at, bool colon)
    {
        var start = at;
        while (at < text.Length && (char.IsAsciiLetter(text[at]) || text[at] == '_' || (colon && text[at] == ':') || (at > start && char.IsAsciiDigit(text[at]))))
        {
            at++;
        }
        return text[start..at];
    }

    private static void SkipSpace(string text, ref int at)
    {
        while (at < text.Length && text[at] is ' ' or '\t' or '\n' or '\r')
        {
            at++;
        }
    }

    private static string Wrong(string text, int at, string wanted) =>
        $"the selector {(text.Length > 200 ? text[..200] + "..." : text)} is wrong at character {at + 1}: expected {wanted}";
}
