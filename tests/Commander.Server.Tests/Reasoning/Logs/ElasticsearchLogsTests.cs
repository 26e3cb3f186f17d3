using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Commander.Judging.Policies;
using Commander.Server.Demo;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Reasoning.Logs;

/// <summary>Lines out of Elasticsearch: as much of <c>POST /INDEX/_search</c> as a time and a phrase need.</summary>
public sealed class ElasticsearchLogsTests : LogSourceCompliance
{
    private readonly List<JsonObject> _entries = [];
    private readonly List<(string Path, string Authorization, JsonNode Body)> _requests = [];
    private Listener _listener = null!;
    private Func<HttpContext, Task>? _instead;
    private string _more = "";

    private protected override Func<HttpContext, Task>? Instead { set => _instead = value; }

    public override async ValueTask InitializeAsync() => _listener = await Listener.Start(0, Answer, CancellationToken.None);

    public override async ValueTask DisposeAsync()
    {
        await _listener.DisposeAsync();
        await base.DisposeAsync();
    }

    private protected override ContextPolicy Policy(string timeout) =>
        PolicyReader.Read($$$"""services: { checkout: { logs: { type: elasticsearch, url: 'http://{{{IPAddress.Loopback}}}:{{{_listener.Port}}}', index: 'logs-*,app', query: 'service.version:"{{version}}"', api_key: 'file:token', timeout: {{{timeout}}}{{{_more}}} } } }""", "p.yaml")
            .Policies!.For("checkout", "prod").Logs!;

    private protected override void Wrote(params string[] lines)
    {
        foreach (var (n, line) in lines.Index())
            Add(n, new JsonObject { ["message"] = line });
    }

    [Fact]
    public async Task It_is_asked_for_the_newest_lines_of_the_time()
    {
        Wrote("ERROR a");
        await Read();
        var (path, authorization, body) = _requests.ShouldHaveSingleItem();
        (path, authorization).ShouldBe(("/logs-%2A,app/_search", "ApiKey " + Secret));
        ((int)body["size"]!).ShouldBe(2000);
        body["query"]!["bool"]!["filter"]!.ToJsonString().ShouldBe("""[{"range":{"@timestamp":{"gte":"2026-11-28T11:50:00.000Z","lt":"2026-11-28T12:00:00.000Z","format":"strict_date_optional_time"}}},{"query_string":{"query":"service.version:\u00222.0.0\u0022"}}]""");
        body["sort"]!.ToJsonString().ShouldBe("""[{"@timestamp":{"order":"desc","unmapped_type":"date"}}]""");
    }

    [Fact]
    public async Task Level_and_trace_of_an_entry_are_part_of_its_line()
    {
        Add(0, new JsonObject { ["message"] = "no stock", ["log"] = new JsonObject { ["level"] = "error" }, ["error"] = new JsonObject { ["stack_trace"] = "Shop.NoStock: none\n   at Shop.Stock.Take()" } });
        Add(1, new JsonObject { ["message"] = "slow", ["log.level"] = "warn" });
        (await Read()).Lines.ShouldBe(["ERROR no stock\nShop.NoStock: none\n   at Shop.Stock.Take()", "WARN slow"]);
    }

    [Fact]
    public async Task The_fields_of_time_and_message_may_be_called_otherwise()
    {
        _more = ", time_field: when, message_field: log.original";
        Add(0, new JsonObject { ["log"] = new JsonObject { ["original"] = "ERROR deep" } }, time: "when");
        Add(1, new JsonObject { ["log.original"] = "ERROR flat" }, time: "when");
        (await Read()).Lines.ShouldBe(["ERROR deep", "ERROR flat"]);
    }

    [Fact]
    public async Task Entries_without_the_field_of_the_message_are_told()
    {
        Add(0, new JsonObject { ["text"] = "ERROR a" });
        (await Read()).Missing.ShouldNotBeNull().ShouldEndWith("has entries, but none with the field message; name the one that holds the line in logs.message_field");
    }

    [Theory]
    [InlineData("""{"timed_out":true,"_shards":{"total":5,"successful":5,"failed":0},"hits":{"hits":[]}}""", "gave up searching after its time limit")]
    [InlineData("""{"timed_out":false,"_shards":{"total":5,"successful":3,"failed":2},"hits":{"hits":[]}}""", "could not search 2 of its shards")]
    public async Task A_search_that_is_not_whole_and_found_nothing_is_told(string body, string why)
    {
        _instead = context =>
        {
            context.Response.ContentType = "application/vnd.elasticsearch+json;compatible-with=8";
            return context.Response.WriteAsync(body);
        };
        (await Read()).Missing.ShouldNotBeNull().ShouldEndWith(why);
    }

    [Fact]
    public async Task What_it_says_about_a_search_is_handed_on()
    {
        _instead = context =>
        {
            context.Response.StatusCode = 404;
            context.Response.ContentType = "application/json";
            return context.Response.WriteAsync("""{"error":{"root_cause":[{"type":"index_not_found_exception","reason":"no such index [app]"}],"type":"index_not_found_exception","reason":"no such index [app]","index":"app"},"status":404}""");
        };
        (await Read()).Missing.ShouldNotBeNull().ShouldEndWith("answered 404: no such index [app]");
    }

    [Fact]
    public async Task Of_more_lines_than_are_read_those_that_tell_of_trouble_are_read()
    {
        Wrote(["the only error", .. Enumerable.Repeat("fine", 2_100)]);
        for (var i = 0; i < _entries.Count; i++)
            _entries[i]["@timestamp"] = From.AddMilliseconds(i).ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
        (await Read()).Lines.ShouldBe(["the only error"]);
        _requests.Count.ShouldBe(2);
    }

    private void Add(int second, JsonObject source, string time = "@timestamp")
    {
        source[time] = From.AddSeconds(second).ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
        source["service.version"] = "2.0.0";
        _entries.Add(source);
    }

    private async Task Answer(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        var body = JsonNode.Parse(await reader.ReadToEndAsync())!;
        _requests.Add((context.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestFeature>()!.RawTarget, context.Request.Headers.Authorization.ToString(), body));
        if (_instead is { } instead)
        {
            await instead(context);
            return;
        }

        var filters = body["query"]!["bool"]!["filter"]!.AsArray();
        var (field, range) = filters[0]!["range"]!.AsObject().Single();
        var (from, to) = (At(range!["gte"]), At(range["lt"]));
        // A phrase, whole; of a second filter the words.
        var phrase = Regex.Match((string)filters[1]!["query_string"]!["query"]!, "^service\\.version:\"(?<version>(?:[^\"\\\\]|\\\\.)*)\"$", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(1));
        if (!phrase.Success)
        {
            context.Response.StatusCode = 400;
            await context.Response.WriteAsync("""{"error":{"type":"search_phase_execution_exception","reason":"all shards failed"},"status":400}""");
            return;
        }

        string[] words = filters.Count > 2 ? ((string)filters[2]!["query_string"]!["query"]!).Split(" OR ") : [];
        var hits = _entries.Where(entry => At(entry[field]) >= from && At(entry[field]) < to && (string)entry["service.version"]! == phrase.Groups["version"].Value)
            .Where(entry => words.Length == 0 || ((string)entry["message"]!).Split(' ').Intersect(words, StringComparer.OrdinalIgnoreCase).Any())
            .OrderByDescending(entry => At(entry[field])).Take((int)body["size"]!)
            .Select((entry, n) => (JsonNode)new JsonObject { ["_index"] = "logs-app", ["_id"] = $"{n}", ["_score"] = null, ["_source"] = entry.DeepClone(), ["sort"] = new JsonArray(At(entry[field]).ToUnixTimeMilliseconds()) });
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(new JsonObject
        {
            ["took"] = 3,
            ["timed_out"] = false,
            ["_shards"] = new JsonObject { ["total"] = 1, ["successful"] = 1, ["skipped"] = 0, ["failed"] = 0 },
            ["hits"] = new JsonObject { ["max_score"] = null, ["hits"] = new JsonArray([.. hits]) },
        }.ToJsonString());
    }

    private static DateTimeOffset At(JsonNode? at) => DateTimeOffset.Parse((string)at!, CultureInfo.InvariantCulture);
}
