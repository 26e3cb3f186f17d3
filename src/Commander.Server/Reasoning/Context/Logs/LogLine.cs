using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Commander.Server.Reasoning.Context.Logs;

/// <summary>One entry of a log: what it says, where it was thrown, and how bad it is.</summary>
/// <param name="Says">Its message; of a stack trace the first line.</param>
/// <param name="Frames">Of a stack trace the two innermost methods, else none.</param>
/// <param name="IsTrouble">Whether its level or its words tell of trouble.</param>
internal sealed record LogLine(string Says, IReadOnlyList<string> Frames, bool IsTrouble)
{
    // Of what a line says no more than this is looked at: a template is shorter.
    private const int MaxSaid = 400;
    private const int MaxFrames = 2;
    private const int MaxDepth = 16;

    private static readonly SearchValues<string> TroubleWords = SearchValues.Create(
        [
            "error", "warn", "fatal", "exception", "panic", "fail", "timeout", "timed out", "time-out", "refused", "oom", "out of memory", "outofmemory", "killed", "denied",
            "unavailable", "unreachable", "traceback", "segfault", "segmentation", "abort", "crash", "critical", "severe", "corrupt", "deadlock", "exhausted", "reset by peer",
            "broken pipe", "unhandled", "uncaught", "cannot ", "could not ", "unable to", "not found", "sigkill", "sigterm", "sigsegv", "backoff", "back-off", "rejected", "leak",
        ],
        StringComparison.OrdinalIgnoreCase);

    private static readonly string[] Messages = ["message", "msg", "@m", "@mt", "event", "text", "log"];
    private static readonly string[] Errors = ["error.message", "error", "err.message", "err", "exception.message", "exception", "exc_info", "@x"];
    private static readonly string[] Traces = ["error.stack_trace", "error.stack", "err.stack", "stack_trace", "stacktrace", "stack", "exception.stacktrace"];
    private static readonly string[] Levels = ["level", "severity", "log.level", "lvl", "@l", "levelname", "loglevel"];

    /// <summary>Reads a line; null when it says nothing.</summary>
    /// <param name="raw">As a source gave it: of any length, with anything in it.</param>
    public static LogLine? Read(string raw)
    {
        var line = Plain(raw.AsSpan(0, Math.Min(raw.Length, LogLimits.MaxLine)));
        if (line.Length == 0)
            return null;
        var (said, level) = line[0] == '{' && Json(line) is { } structured ? structured : LogFmt(line);
        var rows = said.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (rows.Length == 0)
            return null;
        var head = Head(said, rows);
        var frames = rows.Length == 1 ? [] : Innermost(rows);
        if (head.Length > MaxSaid)
            head = head[..MaxSaid];
        return new LogLine(head, frames, level ?? head.AsSpan().ContainsAny(TroubleWords));
    }

    /// <summary>Without terminal colours and control characters, which are signs of nothing and may be anybody's; line feeds stay.</summary>
    private static string Plain(ReadOnlySpan<char> raw)
    {
        if (!raw.ContainsAnyInRange('\0', '\u001f') && !raw.ContainsAnyInRange('\u007f', '\u009f'))
            return raw.Trim().ToString();
        var text = new StringBuilder(raw.Length);
        for (var i = 0; i < raw.Length; i++)
        {
            var c = raw[i];
            if (c == '\u001b')
            {
                // ESC [ parameters letter; of another form only the escape itself goes.
                if (i + 1 < raw.Length && raw[i + 1] == '[')
                {
                    i++;
                    while (i + 1 < raw.Length && raw[i + 1] is >= ' ' and <= '?')
                        i++;
                    i++;
                }
            }
            else if (c == '\n')
            {
                text.Append(c);
            }
            else if (char.IsControl(c))
            {
                text.Append(' ');
            }
            else
            {
                text.Append(c);
            }
        }

        return text.ToString().Trim();
    }

    // ---- Forms ----

    /// <summary>A JSON object, whole or cut off: its message with its error, and whether its level says trouble. Null when it has neither.</summary>
    private static (string Said, bool? Trouble)? Json(string line)
    {
        var fields = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        // Not its last part: a line that was cut ends in the middle.
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(line), isFinalBlock: false, new JsonReaderState(new JsonReaderOptions { MaxDepth = MaxDepth }));
        var parent = "";
        var name = "";
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType == JsonTokenType.PropertyName)
                    name = reader.GetString() ?? "";
                else if (reader.TokenType == JsonTokenType.StartObject && reader.CurrentDepth == 1)
                    parent = name + ".";
                else if (reader.TokenType == JsonTokenType.EndObject && reader.CurrentDepth == 1)
                    parent = "";
                else if (reader.CurrentDepth is 1 or 2 && reader.TokenType is JsonTokenType.String)
                    fields.TryAdd((reader.CurrentDepth == 2 ? parent : "") + name, reader.GetString() ?? "");
                else if (reader.CurrentDepth == 1 && reader.TokenType == JsonTokenType.Number)
                    fields.TryAdd(name, Encoding.UTF8.GetString(reader.ValueSpan));
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Not JSON from here on; what was read before counts.
        }

        var trace = First(fields, Traces);
        var parts = new[] { First(fields, Messages), First(fields, Errors) }.Where(part => part is { Length: > 0 }).Distinct(StringComparer.Ordinal).ToList();
        if (parts.Count == 0 && trace is null)
            return null;
        var said = string.Join(": ", parts);
        if (trace is not null)
            said = said.Length == 0 ? trace : said.ReplaceLineEndings(" ") + "\n" + (trace.IndexOf('\n', StringComparison.Ordinal) is > 0 and var first ? trace[(first + 1)..] : trace);
        return (Plain(said), First(fields, Levels) is { } level ? IsTroubleLevel(level) : null);
    }

    private static string? First(Dictionary<string, string> fields, string[] names)
    {
        foreach (var name in names)
        {
            if (fields.TryGetValue(name, out var value) && value.Length > 0)
                return value;
        }

        return null;
    }

    /// <summary>Pairs of key=value with a message among them; any other line as it is.</summary>
    private static (string Said, bool? Trouble) LogFmt(string line)
    {
        if (Value(line, "msg=") is not { Length: > 0 } message)
            return (line, Level(line));
        var level = Value(line, "level=") ?? Value(line, "lvl=");
        var error = Value(line, "err=") ?? Value(line, "error=");
        return (error is { Length: > 0 } ? $"{message}: {error}" : message, level is null ? null : IsTroubleLevel(level));
    }

    private static string? Value(string line, string key)
    {
        var at = line.StartsWith(key, StringComparison.Ordinal) ? 0 : line.IndexOf(" " + key, StringComparison.Ordinal) is >= 0 and var found ? found + 1 : -1;
        if (at < 0)
            return null;
        var from = at + key.Length;
        if (from >= line.Length || line[from] != '"')
            return line.IndexOf(' ', from) is >= 0 and var space ? line[from..space] : line[from..];
        var value = new StringBuilder();
        for (var i = from + 1; i < line.Length && line[i] != '"'; i++)
            value.Append(line[i] == '\\' && i + 1 < line.Length ? line[++i] is 'n' or 't' or 'r' ? ' ' : line[i] : line[i]);
        return value.ToString();
    }

    /// <summary>The level that stands as a word near the beginning of a plain line; null when none does.</summary>
    private static bool? Level(string line)
    {
        var words = 0;
        foreach (var range in line.AsSpan(0, Math.Min(line.Length, 120)).SplitAny(" []|:\t\n"))
        {
            var word = line.AsSpan(0, Math.Min(line.Length, 120))[range];
            if (word.Length == 0)
                continue;
            if (++words > 8)
                break;
            switch (word)
            {
                case "ERROR" or "ERR" or "FATAL" or "CRITICAL" or "SEVERE" or "WARN" or "WARNING" or "PANIC" or "fail" or "crit" or "error" or "warn" or "warning":
                    return true;
                // A line of information may still tell of trouble; its words decide.
                case "INFO" or "DEBUG" or "TRACE" or "NOTICE" or "info" or "debug":
                    return null;
            }
        }

        return null;
    }

    // Names, or the numbers of pino and bunyan.
    private static bool? IsTroubleLevel(string level) =>
        int.TryParse(level, out var number) ? number >= 40 ? true : null
        : level.Length <= 12 && level.ToUpperInvariant() is "ERROR" or "ERR" or "WARN" or "WARNING" or "FATAL" or "CRITICAL" or "CRIT" or "PANIC" or "DPANIC" or "EMERG" or "EMERGENCY" or "ALERT" or "SEVERE" ? true : null;

    // ---- Stack traces ----

    /// <summary>What was thrown: the first line, but of a Python trace the last.</summary>
    private static string Head(string said, string[] rows)
    {
        if (!rows[0].Contains("Traceback (most recent call last)", StringComparison.Ordinal))
            return rows[0];
        var last = said.Split('\n').LastOrDefault(row => row.Length > 0 && !char.IsWhiteSpace(row[0]));
        return last is null || last.Contains("Traceback (", StringComparison.Ordinal) ? rows[0] : last.Trim();
    }

    private static List<string> Innermost(string[] rows)
    {
        var frames = new List<string>();
        var python = false;
        foreach (var row in rows.Skip(1))
        {
            var file = row.StartsWith("File \"", StringComparison.Ordinal);
            python |= file;
            // Python shows the line of the program below each frame, which may look like one of another language.
            if ((file || !python) && Method(row) is { Length: > 0 } method)
                frames.Add(method);
        }

        // Python names the innermost last.
        if (python)
            frames.Reverse();
        return [.. frames.Take(MaxFrames)];
    }

    private static string? Method(string row)
    {
        if (row.StartsWith("at ", StringComparison.Ordinal))
        {
            var call = row["at ".Length..];
            if (call.StartsWith("async ", StringComparison.Ordinal))
                call = call["async ".Length..];
            var end = call.IndexOfAny([' ', '(']);
            return Short(end < 0 ? call : call[..end]);
        }

        if (row.StartsWith("File \"", StringComparison.Ordinal))
            return row.LastIndexOf(", in ", StringComparison.Ordinal) is > 0 and var named ? Short(row[(named + ", in ".Length)..]) : null;
        // Go: package.function(arguments), its file on the next line.
        return row.EndsWith(')') && row.IndexOf('(', StringComparison.Ordinal) > 0 && row.LastIndexOf('(') is > 0 and var open && !row.AsSpan(0, open).Contains(' ') && row.AsSpan(0, open).Contains('.')
            ? Short(row[..open].Replace("(*", "", StringComparison.Ordinal).Replace(")", "", StringComparison.Ordinal))
            : null;
    }

    // Class and method without the packages around them; null for what is a file and no method.
    private static string? Short(string method)
    {
        if (method.Contains("://", StringComparison.Ordinal) || method.StartsWith('/') || method.Contains('\\', StringComparison.Ordinal))
            return null;
        method = method[(method.LastIndexOf('/') + 1)..];
        var parts = method.Split('.', StringSplitOptions.RemoveEmptyEntries);
        return string.Join('.', parts.TakeLast(2));
    }
}
