using System.Globalization;
using System.Text.Json;
using Commander.Judging.Policies;

namespace Commander.Server.Reasoning.Context.Logs;

/// <summary>Log lines out of Loki, by the LogQL of the policy. Where the time has more lines than are read, those that look like trouble.</summary>
internal sealed class LokiLogs(ContextPolicy policy, HttpClient http, TimeProvider clock, Func<string, string?> secret) : ILogSource
{
    // A line filter may stand at the end of any query that selects lines.
    private const string Trouble = " |~ \"(?i)(error|warn|fatal|exception|panic|fail|timeout|timed out|refused|oom|out of memory|killed|denied|unavailable|crash|critical|segfault)\"";

    // The year 2200; a line of a later one is not put in order.
    private const long MaxNanoseconds = 7_258_118_400_000_000_000;

    private readonly LogServer _server = new(policy, http, clock, secret);

    public Task<LogAnswer> Read(LogQuestion question, CancellationToken cancel) => _server.Within(token => Ask(question, token), cancel);

    private async Task<LogAnswer> Ask(LogQuestion question, CancellationToken cancel)
    {
        if (!ContextQueries.TryResolve(ContextLanguage.LogQl, policy.Settings["query"], LogVariables.Of(question), out var query, out var reason))
            return new LogAnswer([], $"{_server.Name} is not asked: {reason}");
        var found = await Lines(query, question, LogLimits.MaxLines, cancel);
        return await LogServer.Narrowed(found, () => Lines(query + Trouble, question, LogLimits.MaxLines, cancel));
    }

    private async Task<LogsFound> Lines(string query, LogQuestion question, int limit, CancellationToken cancel)
    {
        // The newest lines of the time, from its beginning on and without its end.
        var path = $"loki/api/v1/query_range?query={Uri.EscapeDataString(query)}&start={Nanoseconds(question.From)}&end={Nanoseconds(question.To)}&limit={limit}&direction=backward";
        var (body, missing, tooMuch) = await _server.Ask(HttpMethod.Get, path, null, cancel);
        if (tooMuch && limit > LogLimits.FewLines)
            return await Lines(query, question, LogLimits.FewLines, cancel) with { More = true };
        if (body is null)
            return new LogsFound([], missing);
        using (body)
        {
            if (Streams(body.RootElement) is not { } streams)
                return new LogsFound([], $"{_server.Name} answered JSON that is no answer of Loki to a query for lines; a query must select lines, not count them");
            var read = streams.Sum(stream => stream.Count);
            var lines = streams
                // Newest first, as it was asked for; the sort leaves lines of one instant in their order.
                .SelectMany(stream => StackTraces.Join(stream.AsEnumerable().Reverse().OrderBy(entry => entry.At)))
                .OrderBy(entry => entry.At)
                .TakeLast(LogLimits.MaxLines)
                .Select(entry => entry.Line)
                .ToList();
            return new LogsFound(lines, null, More: read >= limit);
        }
    }

    /// <summary>The lines by stream, as they stand in <c>data.result[].values[] = [nanoseconds, line]</c>; null where the answer has another form.</summary>
    private static List<List<(DateTimeOffset At, string Line)>>? Streams(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("data", out var data) || data.ValueKind != JsonValueKind.Object
            || !data.TryGetProperty("resultType", out var type) || LogServer.Text(type) != "streams"
            || !data.TryGetProperty("result", out var result) || result.ValueKind != JsonValueKind.Array)
            return null;
        var streams = new List<List<(DateTimeOffset, string)>>();
        var left = LogLimits.MaxLines * 2;
        foreach (var stream in result.EnumerateArray())
        {
            if (stream.ValueKind != JsonValueKind.Object || !stream.TryGetProperty("values", out var values) || values.ValueKind != JsonValueKind.Array)
                return null;
            var lines = new List<(DateTimeOffset, string)>();
            foreach (var value in values.EnumerateArray())
            {
                // A third part may follow: the line's structured metadata.
                if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() < 2
                    || !long.TryParse(LogServer.Text(value[0]), NumberStyles.None, CultureInfo.InvariantCulture, out var at) || LogServer.Text(value[1]) is not { } line)
                    return null;
                if (left-- > 0)
                    lines.Add((DateTimeOffset.UnixEpoch.AddTicks(Math.Min(at, MaxNanoseconds) / 100), LogLimits.Cut(line)));
            }

            streams.Add(lines);
        }

        return streams;
    }

    private static string Nanoseconds(DateTimeOffset at) => ((at.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) * 100).ToString(CultureInfo.InvariantCulture);
}
