using System.Globalization;
using System.Text;

namespace Commander.Charts;

/// <summary>Writes HTML and SVG. Whatever comes from outside goes through <see cref="Text"/> or <see cref="Attribute(string, string?)"/>; only literals go through <see cref="Raw"/>.</summary>
internal sealed class Markup
{
    private readonly StringBuilder _out = new(4096);

    /// <summary>Appends a literal of ours.</summary>
    public Markup Raw(string literal)
    {
        _out.Append(literal);
        return this;
    }

    /// <summary>Appends a coordinate: at most one decimal, so that a path stays short.</summary>
    public Markup Number(double value)
    {
        var rounded = Math.Round(value, 1, MidpointRounding.AwayFromZero);
        _out.Append((rounded == 0 ? 0 : rounded).ToString("0.#", CultureInfo.InvariantCulture));
        return this;
    }

    /// <summary>Appends text, escaped.</summary>
    public Markup Text(string? text)
    {
        Escape(_out, text);
        return this;
    }

    /// <summary>Appends an attribute with a space before it, its value escaped.</summary>
    public Markup Attribute(string name, string? value)
    {
        _out.Append(' ').Append(name).Append("=\"");
        Escape(_out, value);
        _out.Append('"');
        return this;
    }

    /// <summary>Appends an attribute that is a coordinate.</summary>
    public Markup Attribute(string name, double value)
    {
        _out.Append(' ').Append(name).Append("=\"");
        Number(value);
        _out.Append('"');
        return this;
    }

    /// <summary>Appends a whole element that holds text only.</summary>
    public Markup Element(string tag, string? text)
    {
        _out.Append('<').Append(tag).Append('>');
        Text(text);
        _out.Append("</").Append(tag).Append('>');
        return this;
    }

    public override string ToString() => _out.ToString();

    /// <summary>A part of an id made of a name from outside: letters, digits and hyphens; different names give different parts.</summary>
    public static string Slug(string name)
    {
        var slug = new StringBuilder(name.Length);
        var changed = false;
        foreach (var c in name.AsSpan(0, Math.Min(name.Length, 40)))
        {
            var plain = char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-';
            slug.Append(plain ? c : '-');
            changed |= !plain;
        }

        if (changed || name.Length > 40)
        {
            // FNV-1a: stable over processes, unlike string.GetHashCode.
            var hash = 2166136261u;
            foreach (var c in name)
            {
                hash = (hash ^ c) * 16777619u;
            }

            slug.Append('-').Append(hash.ToString("x8", CultureInfo.InvariantCulture));
        }

        return slug.ToString();
    }

    private static void Escape(StringBuilder to, string? text)
    {
        foreach (var c in text ?? "")
        {
            _ = c switch
            {
                '&' => to.Append("&amp;"),
                '<' => to.Append("&lt;"),
                '>' => to.Append("&gt;"),
                '"' => to.Append("&quot;"),
                '\'' => to.Append("&#39;"),
                // Control characters are no XML and would end an SVG that is read as a file.
                < ' ' and not '\n' and not '\t' => to.Append('\uFFFD'),
                // Lone surrogates are no Unicode text; pairs pass because both halves do.
                '\uFFFE' or '\uFFFF' => to.Append('\uFFFD'),
                _ => to.Append(c),
            };
        }
    }
}
