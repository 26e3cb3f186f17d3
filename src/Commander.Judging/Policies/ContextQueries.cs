using System.Text;

namespace Commander.Judging.Policies;

/// <summary>In which language a template of logs or changes is written.</summary>
public enum ContextLanguage
{
    /// <summary>Loki's LogQL.</summary>
    LogQl = 0,
    /// <summary>Lucene's query strings, as Elasticsearch and OpenSearch read them.</summary>
    Lucene,
    /// <summary>Kubernetes' label selectors.</summary>
    Selector,
    /// <summary>The name of a git tag.</summary>
    Tag,
}

/// <summary>
/// The templates by which logs and changes are asked for: like <see cref="Queries"/>, and for the same reason, a value becomes a
/// value in them and never a part of the question.
/// </summary>
public static class ContextQueries
{
    private const int MaxLabelValue = 63;
    private static readonly string[] OfTags = ["service", "version", "environment"];

    /// <summary>The variables that a template may name.</summary>
    public static IReadOnlyList<string> Variables(ContextLanguage language) => language == ContextLanguage.Tag ? OfTags : Queries.Variables;

    /// <summary>The template's text with its variables put in; false with the reason in words, which repeats no value.</summary>
    /// <param name="language">What the template is written in.</param>
    /// <param name="template">From a policy that was read without errors.</param>
    /// <param name="variables">By name; those that the template does not name are passed over.</param>
    /// <param name="text">What is asked; empty when false.</param>
    /// <param name="reason">Why not; null when true.</param>
    public static bool TryResolve(ContextLanguage language, string template, IReadOnlyDictionary<string, string> variables, out string text, out string? reason)
    {
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(variables);
        if (language == ContextLanguage.LogQl)
            return Queries.TryResolve(template, variables, out text, out reason);
        text = "";
        var built = new StringBuilder(template.Length + 32);
        var from = 0;
        foreach (var use in Uses(language, template).Uses)
        {
            built.Append(template, from, use.Start - from);
            from = use.Start + use.Length;
            if (!variables.TryGetValue(use.Name, out var value) || value.Length == 0)
            {
                reason = $"{{{{{use.Name}}}}} has no value for this deployment";
                return false;
            }

            if (Wrong(language, value) is { } wrong)
            {
                reason = $"the value of {{{{{use.Name}}}}} {wrong}";
                return false;
            }

            foreach (var c in value)
            {
                if (language == ContextLanguage.Lucene && c is '"' or '\\')
                    built.Append('\\');
                built.Append(c);
            }
        }

        text = built.Append(template, from, template.Length - from).ToString();
        reason = null;
        return true;
    }

    /// <summary>What is wrong with a template and what to write instead; null when nothing is.</summary>
    internal static (string Message, string Remedy)? Check(ContextLanguage language, string template)
    {
        var (uses, open) = language == ContextLanguage.LogQl && Queries.Scan(template) is var scanned ? (scanned.Uses, scanned.Open) : Uses(language, template);
        if (open is not null)
            return ($"{open} is opened or closed without its counterpart", "check quotes and braces");
        var known = Variables(language);
        foreach (var use in uses)
        {
            if (!known.Contains(use.Name))
            {
                var near = Nearest.To(use.Name, known);
                return ($"{{{{{Quote.Clean(use.Name, 40)}}}}} is no variable", near is null ? $"known are {Section.List(known)}" : $"did you mean {{{{{near}}}}}?");
            }

            if (language is ContextLanguage.LogQl or ContextLanguage.Lucene && use.Quote != '"')
                return ($"{{{{{use.Name}}}}} stands outside of double quotes", language == ContextLanguage.LogQl ? $"write it as a label's value: label=\"{{{{{use.Name}}}}}\"" : $"write it as a phrase: field:\"{{{{{use.Name}}}}}\"");
        }

        // What stands around the values, each of them a letter: checkout/1.2 begins with no slash.
        var around = new StringBuilder(template.Length);
        var from = 0;
        foreach (var use in uses)
        {
            around.Append(template, from, use.Start - from).Append('x');
            from = use.Start + use.Length;
        }

        var filled = around.Append(template, from, template.Length - from).ToString();
        return language switch
        {
            ContextLanguage.Selector when filled.Any(c => !char.IsAsciiLetterOrDigit(c) && !"._/=!,() -".Contains(c, StringComparison.Ordinal)) => ($"{Quote.It(template)} is no label selector", "write app=checkout,version={{version}}"),
            ContextLanguage.Tag when Wrong(ContextLanguage.Tag, filled) is not null || filled[0] is '-' or '/' => ($"{Quote.It(template)} is no name of a tag", "write 'v{{version}}'"),
            ContextLanguage.Tag when uses.All(use => use.Name != "version") => ($"{Quote.It(template)} is one tag for all versions", "write 'v{{version}}'"),
            _ => null,
        };
    }

    // Where a value stands in quotes it may be any text; elsewhere only what can neither end it nor be read as something else.
    private static string? Wrong(ContextLanguage language, string value)
    {
        static bool IsEdge(char c) => char.IsAsciiLetterOrDigit(c);
        return language switch
        {
            ContextLanguage.Lucene when value.Any(char.IsControl) => "has control characters",
            ContextLanguage.Selector when value.Length > MaxLabelValue || !IsEdge(value[0]) || !IsEdge(value[^1]) || value.Any(c => !IsEdge(c) && !"._-".Contains(c, StringComparison.Ordinal)) => "is no value of a Kubernetes label",
            ContextLanguage.Tag when value.Contains("..", StringComparison.Ordinal) || value.Any(c => !IsEdge(c) && !"._-/+".Contains(c, StringComparison.Ordinal)) => "cannot stand in the name of a tag",
            _ => null,
        };
    }

    // Lucene has one kind of quote; a regular expression between slashes is no place for a value.
    private static (IReadOnlyList<Queries.Use> Uses, string? Open) Uses(ContextLanguage language, string template)
    {
        var uses = new List<Queries.Use>();
        var quote = '\0';
        for (var i = 0; i < template.Length; i++)
        {
            var c = template[i];
            if (c == '{' && i + 1 < template.Length && template[i + 1] == '{')
            {
                var end = template.IndexOf("}}", i + 2, StringComparison.Ordinal);
                if (end < 0)
                    return (uses, "{{");
                uses.Add(new Queries.Use(i, end + 2 - i, template[(i + 2)..end].Trim(), quote, Regex: false));
                i = end + 1;
            }
            else if (language == ContextLanguage.Lucene && c == '\\')
            {
                i++;
            }
            else if (language == ContextLanguage.Lucene && quote == '\0' && c is '"' or '/')
            {
                quote = c;
            }
            else if (c == quote)
            {
                quote = '\0';
            }
        }

        return (uses, quote == '\0' ? null : quote.ToString());
    }
}
