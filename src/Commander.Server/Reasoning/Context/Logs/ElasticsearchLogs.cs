using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Commander.Judging.Policies;

namespace Commander.Server.Reasoning.Context.Logs;

/// <summary>Log lines out of Elasticsearch or OpenSearch, by the Lucene query of the policy. Where the time has more lines than are read, those that look like trouble.</summary>
internal sealed class ElasticsearchLogs(ContextPolicy policy, HttpClient http, TimeProvider clock, Func<string, string?> secret) : ILogSource
{
    private const string Trouble = "error OR errors OR warn OR warning OR fatal OR critical OR exception OR panic OR fail OR failed OR failure OR timeout OR refused OR killed OR denied OR unavailable OR crash";
    private static readonly string[] Levels = ["log.level", "level", "severity", "levelname"];
    private static readonly string[] Traces = ["error.stack_trace", "error.message", "exception.stacktrace", "exception.message"];

    private readonly LogServer _server = new(policy, http, clock, secret);
    private readonly string _time = policy.Settings.GetValueOrDefault("time_field") ?? "@timestamp";
    private readonly string _message = policy.Settings.GetValueOrDefault("message_field") ?? "message";

    private string Path => string.Join(',', policy.Settings["index"].Split(',').Select(Uri.EscapeDataString)) + "/_search";

    public Task<LogAnswer> Read(LogQuestion question, CancellationToken cancel) => _server.Within(token => Ask(question, token), cancel);

    private async Task<LogAnswer> Ask(LogQuestion question, CancellationToken cancel)
    {
        if (!ContextQueries.TryResolve(ContextLanguage.Lucene, policy.Settings["query"], LogVariables.Of(question), out var query, out var reason))
            return new LogAnswer([], $"{_server.Name} is not asked: {reason}");
        var found = await Lines(query, question, LogLimits.MaxLines, trouble: false, cancel);
        return await LogServer.Narrowed(found, () => Lines(query, question, LogLimits.MaxLines, trouble: true, cancel));
    }

    private async Task<LogsFound> Lines(string query, LogQuestion question, int limit, bool trouble, CancellationToken cancel)
    {
        using var content = new StringContent(Search(query, question, limit, trouble).ToJsonString(), new MediaTypeHeaderValue("application/json"));
        var (body, missing, tooMuch) = await _server.Ask(HttpMethod.Post, Path, content, cancel);
        if (tooMuch && limit > LogLimits.FewLines)
            return await Lines(query, question, LogLimits.FewLines, trouble, cancel) with { More = true };
        if (body is null)
            return new LogsFound([], missing);
        using (body)
        {
            var root = body.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("hits", out var outer) || outer.ValueKind != JsonValueKind.Object
                || !outer.TryGetProperty("hits", out var hits) || hits.ValueKind != JsonValueKind.Array)
                return new LogsFound([], $"{_server.Name} answered JSON that is no answer of Elasticsearch to a search");
            var lines = new List<string>();
            foreach (var hit in hits.EnumerateArray().Take(LogLimits.MaxLines))
            {
                if (hit.ValueKind == JsonValueKind.Object && hit.TryGetProperty("_source", out var source) && Line(source) is { } line)
                    lines.Add(LogLimits.Cut(line));
            }

            if (lines.Count == 0 && Incomplete(root) is { } why)
                return new LogsFound([], $"{_server.Name} {why}");
            if (lines.Count == 0 && hits.GetArrayLength() > 0)
                return new LogsFound([], $"{_server.Name} has entries, but none with the field {_message}; name the one that holds the line in logs.message_field");
            // Asked for newest first, so that the limit leaves out the oldest.
            lines.Reverse();
            return new LogsFound(lines, null, More: hits.GetArrayLength() >= limit);
        }
    }

    private JsonObject Search(string query, LogQuestion question, int limit, bool trouble)
    {
        var filters = new JsonArray(
            new JsonObject { ["range"] = new JsonObject { [_time] = new JsonObject { ["gte"] = Instant(question.From), ["lt"] = Instant(question.To), ["format"] = "strict_date_optional_time" } } },
            new JsonObject { ["query_string"] = new JsonObject { ["query"] = query } });
        if (trouble)
            filters.Add((JsonNode)new JsonObject { ["query_string"] = new JsonObject { ["query"] = Trouble, ["fields"] = new JsonArray([_message, .. Levels.Select(level => (JsonNode)level)]), ["lenient"] = true } });
        return new JsonObject
        {
            ["size"] = limit,
            ["track_total_hits"] = false,
            ["timeout"] = $"{(long)_server.Timeout.TotalMilliseconds}ms",
            ["_source"] = new JsonArray([_message, .. Levels.Concat(Traces).Select(field => (JsonNode)field)]),
            ["query"] = new JsonObject { ["bool"] = new JsonObject { ["filter"] = filters } },
            ["sort"] = new JsonArray(new JsonObject { [_time] = new JsonObject { ["order"] = "desc", ["unmapped_type"] = "date" } }),
        };
    }

    private static string Instant(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'");

    // Level, message and trace as one entry, the way that a line of text has them.
    private string? Line(JsonElement source)
    {
        var message = Field(source, _message);
        var trace = Traces.Select(field => Field(source, field)).FirstOrDefault(text => text is { Length: > 0 });
        if (message is null && trace is null)
            return null;
        var level = Levels.Select(field => Field(source, field)).FirstOrDefault(text => text is { Length: > 0 and <= 20 });
        var line = message is null || trace is null || trace.StartsWith(message, StringComparison.Ordinal) ? trace ?? message! : $"{message}\n{trace}";
        return level is null || line.StartsWith('{') ? line : $"{level.ToUpperInvariant()} {line}";
    }

    // A field is kept under its whole name, or in objects within each other.
    private static string? Field(JsonElement source, string name)
    {
        if (source.ValueKind != JsonValueKind.Object)
            return null;
        if (source.TryGetProperty(name, out var whole))
            return whole.ValueKind == JsonValueKind.Array && whole.GetArrayLength() > 0 ? LogServer.Text(whole[0]) : LogServer.Text(whole);
        var dot = name.IndexOf('.', StringComparison.Ordinal);
        return dot > 0 && source.TryGetProperty(name[..dot], out var inner) ? Field(inner, name[(dot + 1)..]) : null;
    }

    private static string? Incomplete(JsonElement root)
    {
        if (root.TryGetProperty("timed_out", out var late) && late.ValueKind == JsonValueKind.True)
            return "gave up searching after its time limit";
        return root.TryGetProperty("_shards", out var shards) && shards.ValueKind == JsonValueKind.Object && shards.TryGetProperty("failed", out var failed)
            && failed.ValueKind == JsonValueKind.Number && failed.TryGetInt32(out var count) && count > 0
            ? $"could not search {count} of its shards"
            : null;
    }
}
