namespace Commander.Server.Sources.Prometheus;

/// <summary>What a query is, as far as it decides how it must be asked.</summary>
internal static class Expression
{
    /// <summary>
    /// Whether it is a plain selector, name{label="v"}: then its points can be fetched as they were scraped, with their own times.
    /// Anything else (functions, operators, ranges, offsets) is evaluated by Prometheus.
    /// </summary>
    public static bool IsSelector(ReadOnlySpan<char> query)
    {
        query = query.Trim();
        var at = 0;
        while (at < query.Length && (char.IsAsciiLetterOrDigit(query[at]) || query[at] is '_' or ':'))
            at++;
        if (at > 0 && char.IsAsciiDigit(query[0]))
            return false;
        var name = query[..at];
        query = query[at..].TrimStart();
        if (query.IsEmpty)
            return at > 0 && !name.Equals("nan", StringComparison.OrdinalIgnoreCase) && !name.Equals("inf", StringComparison.OrdinalIgnoreCase);
        if (query[0] != '{')
            return false;
        var quote = '\0';
        for (var i = 1; i < query.Length; i++)
        {
            var c = query[i];
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
            }
            else if (c == '}')
            {
                return i == query.Length - 1;
            }
        }

        return false;
    }
}
