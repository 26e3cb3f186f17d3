using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Commander.Judging.Evidence;
using Commander.Server.Sources;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Sources.Prometheus;

/// <summary>A loopback server that answers queries from points that a test has recorded, as Prometheus' HTTP API does.</summary>
internal sealed partial class RecordedPrometheus : IAsyncDisposable
{
    private readonly Exporter _server;
    private readonly FakeTimeProvider _clock;

    private RecordedPrometheus(Exporter server, FakeTimeProvider clock) => (_server, _clock) = (server, clock);

    /// <summary>Series by their labels as JSON; the name is the label __name__.</summary>
    public Dictionary<string, List<CounterPoint>> Series { get; } = new(StringComparer.Ordinal);

    /// <summary>Native histograms by their labels: per point the instant, the count, and buckets as JSON.</summary>
    public Dictionary<string, List<(long At, double Count, string Buckets)>> Histograms { get; } = new(StringComparer.Ordinal);

    public List<string> Queries { get; } = [];

    /// <summary>When a point can be queried, beyond its own time: what a slow scrape takes.</summary>
    public TimeSpan Ingestion { get; set; }

    public string? Warning { get; set; }

    /// <summary>Which queries would load too much.</summary>
    public Predicate<string>? Refuses { get; set; }

    public string Url => _server.Url[..^"/metrics".Length];

    public static async Task<RecordedPrometheus> Start(FakeTimeProvider clock)
    {
        var recorded = new RecordedPrometheus(await Exporter.Start(), clock);
        recorded._server.Answer = recorded.Answer;
        return recorded;
    }

    /// <summary>Answers everything with this from now on.</summary>
    public void Says(RequestDelegate answer) => _server.Answer = context =>
    {
        Date(context);
        return answer(context);
    };

    public void Says(int status, string body, string type = "application/json") => Says(context =>
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = type;
        context.Response.Headers.Location = "http://example.org/";
        return context.Response.WriteAsync(body);
    });

    public void Add(string labels, DateTimeOffset at, double value)
    {
        if (!Series.TryGetValue(labels, out var points))
            Series[labels] = points = [];
        points.Add(new CounterPoint(at.ToUnixTimeMilliseconds(), value));
    }

    /// <summary>Records what a service exposes now.</summary>
    public void Scrape(string text)
    {
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var parts = Exposed().Match(line);
            var labels = string.Concat(Pairs().Matches(parts.Groups["labels"].Value).Select(pair => $",\"{pair.Groups["name"].Value}\":\"{pair.Groups["value"].Value}\""));
            Add($"{{\"__name__\":\"{parts.Groups["name"].Value}\"{labels}}}", _clock.GetUtcNow(), double.Parse(parts.Groups["number"].Value, CultureInfo.InvariantCulture));
        }
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private void Date(HttpContext context) => context.Response.Headers.Date = _clock.GetUtcNow().ToString("R", CultureInfo.InvariantCulture);

    private async Task Answer(HttpContext context)
    {
        Date(context);
        var form = await context.Request.ReadFormAsync();
        var query = form["query"].ToString();
        var ranged = RangeSelector().Match(query);
        lock (Queries)
        {
            Queries.Add(query);
        }

        if (Refuses?.Invoke(query) == true)
        {
            context.Response.StatusCode = 422;
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync("""{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory"}""");
            return;
        }

        var now = _clock.GetUtcNow().ToUnixTimeMilliseconds();
        var over = Remembered().Match(query);
        if (over.Success)
        {
            await Last(context, over, Ms(form["time"]!));
            return;
        }

        var name = NameOf().Match(query).Value;
        var body = new StringBuilder();
        foreach (var (labels, points) in Series.Where(series => Selects(query[..(ranged.Success ? ranged.Index : query.Length)], name, series.Key)))
        {
            var seen = points.Where(point => point.At + Ingestion.TotalMilliseconds <= now).ToList();
            if (context.Request.Path.Value!.EndsWith("query_range", StringComparison.Ordinal))
            {
                var (start, end, step) = (Ms(form["start"]!), Ms(form["end"]!), Ms(form["step"]!));
                List<CounterPoint> values = [];
                for (var at = start; at <= end; at += step)
                {
                    if (seen.LastOrDefault(point => point.At <= at && point.At > at - 300_000) is { At: > 0 } last)
                        values.Add(new CounterPoint(at, last.Value));
                }

                Matrix(body, labels, values);
            }
            else if (ranged.Success)
            {
                var to = Ms(form["time"]!);
                var from = to - long.Parse(ranged.Groups[1].Value, CultureInfo.InvariantCulture);
                Matrix(body, labels, seen.Where(point => point.At >= from && point.At <= to));
            }
            else
            {
                var to = Ms(form["time"]!);
                if (seen.LastOrDefault(point => point.At <= to && point.At > to - 300_000) is { At: > 0 } last)
                    body.Append(body.Length > 0 ? "," : "").Append($$"""{"metric":{{labels}},"value":[{{Text(to)}},"{{Number(last.Value)}}"]}""");
            }
        }

        foreach (var (labels, points) in Histograms.Where(series => Selects(query[..(ranged.Success ? ranged.Index : query.Length)], name, series.Key)))
        {
            var to = Ms(form["time"]!);
            var from = to - long.Parse(ranged.Groups[1].Value, CultureInfo.InvariantCulture);
            var list = string.Join(',', points.Where(point => point.At >= from && point.At <= to).Select(point => $$$"""[{{{Text(point.At)}}},{"count":"{{{Number(point.Count)}}}","sum":"0","buckets":{{{point.Buckets}}}}]"""));
            body.Append(body.Length > 0 ? "," : "").Append($$"""{"metric":{{labels}},"histograms":[{{list}}]}""");
        }

        var type = ranged.Success || context.Request.Path.Value!.EndsWith("query_range", StringComparison.Ordinal) ? "matrix" : "vector";
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync($$$"""{"status":"success"{{{(Warning is null ? "" : $",\"warnings\":[\"{Warning}\"]")}}},"data":{"resultType":"{{{type}}}","result":[{{{body}}}]}}""");
    }

    private async Task Last(HttpContext context, System.Text.RegularExpressions.Match over, long to)
    {
        var from = to - long.Parse(over.Groups["back"].Value, CultureInfo.InvariantCulture);
        var query = over.Groups["query"].Value;
        var found = Series.Where(series => Selects(query, NameOf().Match(query).Value, series.Key) && series.Value.Exists(point => point.At > from && point.At <= to))
            .Select(series => $$"""{"metric":{{series.Key}},"value":[{{Text(to)}},"1"]}""");
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync($$$"""{"status":"success","data":{"resultType":"vector","result":[{{{string.Join(',', found)}}}]}}""");
    }

    private static bool Selects(string query, string name, string labels)
    {
        if (!labels.Contains($"\"__name__\":\"{name}\"", StringComparison.Ordinal))
            return false;
        using var known = JsonDocument.Parse(labels);
        return !Selector.TryParse(query, widen: false, out var selector, out _)
            || selector.Selects([.. known.RootElement.EnumerateObject().Select(label => new Label(label.Name, label.Value.GetString()!))]);
    }

    private static void Matrix(StringBuilder body, string labels, IEnumerable<CounterPoint> points)
    {
        var values = string.Join(',', points.Select(point => $"[{Text(point.At)},\"{Number(point.Value)}\"]"));
        if (values.Length > 0)
            body.Append(body.Length > 0 ? "," : "").Append($$"""{"metric":{{labels}},"values":[{{values}}]}""");
    }

    private static long Ms(string seconds) => (long)Math.Round(decimal.Parse(seconds, CultureInfo.InvariantCulture) * 1000);

    private static string Text(long at) => (at / 1000m).ToString("0.###", CultureInfo.InvariantCulture);

    private static string Number(double value) =>
        double.IsNaN(value) ? "NaN" : double.IsPositiveInfinity(value) ? "+Inf" : value.ToString("R", CultureInfo.InvariantCulture);

    [GeneratedRegex("""^(?<name>\w+)\{(?<labels>.*)\} (?<number>\S+)$""", RegexOptions.ExplicitCapture)]
    private static partial Regex Exposed();

    [GeneratedRegex("(?<name>\\w+)=\"(?<value>[^\"]*)\"", RegexOptions.ExplicitCapture)]
    private static partial Regex Pairs();

    [GeneratedRegex(@"^last_over_time\((?<query>.*)\[(?<back>\d+)ms\]\)$", RegexOptions.ExplicitCapture)]
    private static partial Regex Remembered();

    [GeneratedRegex(@"\[(\d+)ms\]$")]
    private static partial Regex RangeSelector();

    [GeneratedRegex(@"[a-z_]+(?=[{\[)]|$)")]
    private static partial Regex NameOf();
}
