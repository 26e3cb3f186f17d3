using System.Text;

namespace Commander.Server.Sources.Prometheus;

/// <summary>
/// A selector as a shape (the metric, the labels and how each is compared) and the values that its labels may have. Selectors of one
/// shape become one with all their values, which selects what each of them does, and perhaps more.
/// </summary>
internal sealed class Shape
{
    private readonly Selector _selector;
    private readonly string[]?[] _values;

    private Shape(Selector selector, string[]?[] values)
    {
        (_selector, _values) = (selector, values);
        var key = new StringBuilder(selector.Name);
        for (var i = 0; i < values.Length; i++)
        {
            var matcher = selector.Matchers[i];
            key.Append('\n').Append(matcher.Label);
            if (values[i] is null)
                key.Append('\t').Append(matcher.Match).Append('\t').Append(matcher.Value);
        }

        Key = key.ToString();
        Query = Text();
    }

    /// <summary>The same for selectors that can become one.</summary>
    public string Key { get; }

    /// <summary>The selector's text.</summary>
    public string Query { get; }

    /// <summary>A selector, of which one label (-1 for none) may have several values.</summary>
    public static Shape Of(Selector selector, int label, IReadOnlyList<string> values) => new(
        selector,
        // An empty value selects what has no such label: it stays as it is.
        [.. selector.Matchers.Select((matcher, i) => i == label ? [.. values] : matcher is { Match: Match.Equal, Value.Length: > 0 } ? new[] { matcher.Value } : null)]);

    /// <summary>One that selects what all of these do; they have the same key.</summary>
    public static Shape United(IReadOnlyList<Shape> shapes) => new(
        shapes[0]._selector,
        [.. shapes[0]._values.Select((values, i) => values is null ? null : shapes.SelectMany(shape => shape._values[i]!).Distinct(StringComparer.Ordinal).ToArray())]);

    /// <summary>Of an answer to a union, what each of these selects.</summary>
    public static IReadOnlyList<PromSeries>[] Split(IReadOnlyList<Shape> shapes, IReadOnlyList<PromSeries> answer)
    {
        // By the label that tells most of them apart, so that not every series is held against each of them.
        var by = Enumerable.Range(0, shapes[0]._values.Length).MaxBy(i => shapes[0]._values[i] is null ? 0 : shapes.SelectMany(shape => shape._values[i]!).Distinct(StringComparer.Ordinal).Count());
        var label = shapes[0]._selector.Matchers[by].Label;
        var found = answer.ToLookup(series => Label.Find(series.Labels, label), StringComparer.Ordinal);
        return [.. shapes.Select(shape => shape._values[by]!.SelectMany(value => found[value]).Where(shape.Selects).ToList())];
    }

    private bool Selects(PromSeries series)
    {
        for (var i = 0; i < _values.Length; i++)
        {
            if (_values[i] is { } values && Array.IndexOf(values, Label.Find(series.Labels, _selector.Matchers[i].Label)) < 0)
                return false;
        }

        return true;
    }

    private string Text()
    {
        var text = new StringBuilder(_selector.Name).Append('{');
        for (var i = 0; i < _values.Length; i++)
        {
            var matcher = _selector.Matchers[i];
            text.Append(i > 0 ? "," : "").Append(matcher.Label);
            if (_values[i] is { Length: > 1 } values)
                Quote(text.Append("=~"), string.Join('|', values.Select(Literal)));
            else
                Quote(text.Append(matcher.Match switch { Match.Equal => "=", Match.NotEqual => "!=", Match.Like => "=~", _ => "!~" }), _values[i]?[0] ?? matcher.Value);
        }

        return text.Append('}').ToString();
    }

    /// <summary>A pattern that is nothing but this text.</summary>
    private static string Literal(string value)
    {
        var text = new StringBuilder(value.Length + 8);
        foreach (var c in value)
            text.Append(@"\.+*?()|[]{}^$".Contains(c, StringComparison.Ordinal) ? "\\" : "").Append(c);
        return text.ToString();
    }

    private static void Quote(StringBuilder text, string value)
    {
        text.Append('"');
        foreach (var c in value)
            _ = c == '\n' ? text.Append("\\n") : text.Append(c is '"' or '\\' ? "\\" : "").Append(c);
        text.Append('"');
    }
}
