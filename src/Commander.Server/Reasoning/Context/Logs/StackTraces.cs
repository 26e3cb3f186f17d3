namespace Commander.Server.Reasoning.Context.Logs;

/// <summary>Systems that keep a log line by line tear stack traces apart: here they are put together again, while the order of the lines is still known.</summary>
internal static class StackTraces
{
    /// <summary>The lines of one stream, each with the lines behind it that continue it; the parts are joined by a line feed and bear the first one's instant.</summary>
    /// <param name="lines">Oldest first.</param>
    public static IEnumerable<(DateTimeOffset At, string Line)> Join(IEnumerable<(DateTimeOffset At, string Line)> lines)
    {
        string? entry = null;
        var begun = DateTimeOffset.MinValue;
        var python = false;
        foreach (var (at, line) in lines)
        {
            // A Python trace ends with the first line that is not indented: what was raised.
            var ends = python && line.Length > 0 && !char.IsWhiteSpace(line[0]);
            if (entry is not null && entry.Length < LogLimits.MaxLine && (ends || Continues(line)))
            {
                entry = entry + "\n" + line;
                python &= !ends;
                continue;
            }

            if (entry is not null)
                yield return (begun, LogLimits.Cut(entry));
            (begun, entry) = (at, line);
            python = line.Contains("Traceback (most recent call last)", StringComparison.Ordinal);
        }

        if (entry is not null)
            yield return (begun, LogLimits.Cut(entry));
    }

    private static bool Continues(string line)
    {
        if (line.StartsWith("Caused by: ", StringComparison.Ordinal) || line.StartsWith("goroutine ", StringComparison.Ordinal))
            return true;
        if (line.Length == 0 || !char.IsWhiteSpace(line[0]))
            return false;
        var text = line.AsSpan().TrimStart();
        return text.StartsWith("at ") || text.StartsWith("... ") || text.StartsWith("--- ") || text.StartsWith("File \"") || line[0] == '\t' || line.StartsWith("    ", StringComparison.Ordinal);
    }
}
