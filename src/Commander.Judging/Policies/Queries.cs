using System.Text;

namespace Commander.Judging.Policies;

/// <summary>
/// Query templates: the text of a policy with {{variables}}, which become escaped label values and nothing else.
/// Whoever may announce a deployment chooses its version's text; a version must never be able to change a query.
/// </summary>
public static class Queries
{
    private static readonly string[] Known = ["service", "version", "environment", "namespace", "pod_template_hash"];

    /// <summary>The variables that a template may name.</summary>
    public static IReadOnlyList<string> Variables => Known;

    /// <summary>What the variables stand for. The namespace is the deployment's label of that name, else the rollback target's.</summary>
    /// <param name="policy">The service's policy.</param>
    /// <param name="service">The service.</param>
    /// <param name="environment">The environment.</param>
    /// <param name="version">The version of the arm that is asked for.</param>
    /// <param name="labels">The deployment's labels.</param>
    public static Dictionary<string, string> Values(Policy policy, string service, string environment, string version, IReadOnlyDictionary<string, string> labels)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(labels);
        var values = new Dictionary<string, string>(StringComparer.Ordinal) { ["service"] = service, ["environment"] = environment, ["version"] = version };
        if (labels.TryGetValue("namespace", out var space) || policy.Act.Rollback?.Settings.TryGetValue("namespace", out space) == true)
            values["namespace"] = space;
        return values;
    }

    /// <summary>The template's text with its variables put in.</summary>
    /// <param name="template">From a policy that was read without errors.</param>
    /// <param name="variables">By name; those that the template does not name are passed over.</param>
    /// <exception cref="ArgumentException">A variable of the template has no value, or one that cannot stand where it is named; the message says which.</exception>
    public static string Resolve(string template, IReadOnlyDictionary<string, string> variables) =>
        TryResolve(template, variables, out var query, out var reason) ? query : throw new ArgumentException(reason, nameof(variables));

    /// <summary>The template's text with its variables put in; false with the reason in words when a variable has no value or one that cannot stand where it is named.</summary>
    /// <param name="template">From a policy that was read without errors.</param>
    /// <param name="variables">By name; those that the template does not name are passed over.</param>
    /// <param name="query">The query; empty when false.</param>
    /// <param name="reason">Why not; null when true.</param>
    public static bool TryResolve(string template, IReadOnlyDictionary<string, string> variables, out string query, out string? reason)
    {
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(variables);
        query = "";
        reason = null;
        var text = new StringBuilder(template.Length + 32);
        var from = 0;
        foreach (var use in Scan(template).Uses)
        {
            text.Append(template, from, use.Start - from);
            from = use.Start + use.Length;
            if (!variables.TryGetValue(use.Name, out var value) || value.Length == 0)
            {
                reason = $"{{{{{use.Name}}}}} has no value for this deployment";
                return false;
            }

            if (!TryAppend(text, value, use))
            {
                reason = $"the value of {{{{{use.Name}}}}} has characters that cannot stand outside of quotes in a query";
                return false;
            }
        }

        query = text.Append(template, from, template.Length - from).ToString();
        return true;
    }

    /// <summary>Whether the template tells versions apart, so that it is asked once per arm: it names version or pod_template_hash.</summary>
    public static bool NamesVersion(string template)
    {
        ArgumentNullException.ThrowIfNull(template);
        return Scan(template).Uses.Any(use => use.Name is "version" or "pod_template_hash");
    }

    /// <summary>Where a variable stands: its quote (or NUL outside of quotes), and whether the last quotes hold a regular expression: without meaning outside of quotes.</summary>
    internal readonly record struct Use(int Start, int Length, string Name, char Quote, bool Regex);

    /// <summary>What is known of a template without asking anybody.</summary>
    /// <param name="Uses">Its variables, in order.</param>
    /// <param name="Names">Its bare words outside of quotes and braces: metric names, functions, keywords.</param>
    /// <param name="Calls">Those of them that an opening parenthesis follows.</param>
    /// <param name="Open">What is opened and never closed; null when all is well.</param>
    internal sealed record Scanned(IReadOnlyList<Use> Uses, IReadOnlyList<string> Names, IReadOnlyList<string> Calls, string? Open);

    internal static Scanned Scan(string template)
    {
        var uses = new List<Use>();
        var names = new List<string>();
        var calls = new List<string>();
        string? open = null;
        var quote = '\0';
        var regex = false;
        var braces = 0;
        var i = 0;
        while (i < template.Length)
        {
            var c = template[i];
            if (c == '{' && i + 1 < template.Length && template[i + 1] == '{')
            {
                var end = template.IndexOf("}}", i + 2, StringComparison.Ordinal);
                if (end < 0)
                {
                    open ??= "{{";
                    break;
                }

                uses.Add(new Use(i, end + 2 - i, template[(i + 2)..end].Trim(), quote, regex));
                i = end + 2;
                continue;
            }

            if (quote != '\0')
            {
                if (c == '\\' && quote != '`')
                    i++;
                else if (c == quote)
                    quote = '\0';
            }
            else if (c is '"' or '\'' or '`')
            {
                quote = c;
                regex = IsRegex(template.AsSpan(0, i));
            }
            else if (c == '{')
            {
                braces++;
            }
            else if (c == '}')
            {
                braces--;
            }
            else if (braces == 0 && (char.IsAsciiLetter(c) || c is '_' or ':'))
            {
                var end = i;
                while (end < template.Length && (char.IsAsciiLetterOrDigit(template[end]) || template[end] is '_' or ':' or '.'))
                    end++;
                names.Add(template[i..end]);
                var after = end;
                while (after < template.Length && template[after] == ' ')
                    after++;
                if (after < template.Length && template[after] == '(')
                    calls.Add(template[i..end]);
                i = end;
                continue;
            }

            i++;
        }

        if (quote != '\0')
            open ??= quote.ToString();
        else if (braces != 0)
            open ??= braces > 0 ? "{" : "}";
        return new Scanned(uses, names, calls, open);
    }

    /// <summary>Whether the text before an opening quote ends in =~ or !~, or in |~, which is how LogQL filters lines by an expression.</summary>
    private static bool IsRegex(ReadOnlySpan<char> before)
    {
        before = before.TrimEnd();
        return before.EndsWith("=~", StringComparison.Ordinal) || before.EndsWith("!~", StringComparison.Ordinal) || before.EndsWith("|~", StringComparison.Ordinal);
    }

    private static bool TryAppend(StringBuilder text, string value, in Use use)
    {
        foreach (var c in value)
        {
            if (use.Quote is '\0' or '`')
            {
                if (!char.IsAsciiLetterOrDigit(c) && !"._-".Contains(c, StringComparison.Ordinal))
                    return false;
                text.Append(c);
                continue;
            }

            // Inside a regular expression a dot means a dot: the value is a name, not a pattern.
            if (use.Regex && @"\.+*?()|[]{}^$".Contains(c, StringComparison.Ordinal))
                text.Append(@"\\");
            if (c == '\\' || c == use.Quote)
                text.Append('\\').Append(c);
            else if (c == '\n')
                text.Append(@"\n");
            else
                text.Append(c);
        }

        return true;
    }
}
