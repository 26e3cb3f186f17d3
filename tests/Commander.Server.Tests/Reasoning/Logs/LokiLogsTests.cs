using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Commander.Judging.Policies;
using Commander.Server.Demo;
using Commander.Server.Reasoning.Context.Logs;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Reasoning.Logs;

/// <summary>Lines out of Loki: as much of <c>GET /loki/api/v1/query_range</c> as a selector with a line filter needs.</summary>
public sealed class LokiLogsTests : LogSourceCompliance
{
    private readonly List<(string Version, long At, string Line)> _lines = [];
    private readonly List<(IQueryCollection Query, string Tenant, string Authorization)> _requests = [];
    private Listener _listener = null!;
    private Func<HttpContext, Task>? _instead;
    private int _maxEntries = 5_000;
    private bool _hangsOnFilters;
    private string _credential = "token: 'file:token'";

    private protected override Func<HttpContext, Task>? Instead { set => _instead = value; }

    public override async ValueTask InitializeAsync() => _listener = await Listener.Start(0, Answer, CancellationToken.None);

    public override async ValueTask DisposeAsync()
    {
        await _listener.DisposeAsync();
        await base.DisposeAsync();
    }

    private protected override ContextPolicy Policy(string timeout) =>
        PolicyReader.Read($$$"""services: { checkout: { logs: { type: loki, url: 'http://{{{IPAddress.Loopback}}}:{{{_listener.Port}}}/', query: '{app="{{service}}",version="{{version}}"}', tenant: shop, {{{_credential}}}, timeout: {{{timeout}}} } } }""", "p.yaml")
            .Policies!.For("checkout", "prod").Logs!;

    private protected override void Wrote(params string[] lines) => _lines.AddRange(lines.Select((line, n) => ("2.0.0", From.AddSeconds(n).ToUnixTimeMilliseconds() * 1_000_000, line)));

    [Fact]
    public async Task It_is_asked_for_the_newest_lines_of_the_time_as_its_tenant()
    {
        Wrote("ERROR a");
        _lines.Add(("2.0.0", To.ToUnixTimeMilliseconds() * 1_000_000, "ERROR after the end"));
        _lines.Add(("1.0.0", From.ToUnixTimeMilliseconds() * 1_000_000, "ERROR of the control"));
        (await Read()).Lines.ShouldBe(["ERROR a"]);
        (await Read("1.0.0")).Lines.ShouldBe(["ERROR of the control"]);
        var query = _requests[0].Query;
        query["query"].ToString().ShouldBe("{app=\"checkout\",version=\"2.0.0\"}");
        (query["start"].ToString(), query["end"].ToString(), query["limit"].ToString(), query["direction"].ToString()).ShouldBe(("1795866600000000000", "1795867200000000000", "2000", "backward"));
        _requests[0].Tenant.ShouldBe("shop");
        _requests[0].Authorization.ShouldBe("Bearer " + Secret);
    }

    [Fact]
    public async Task Of_more_lines_than_are_read_those_that_tell_of_trouble_are_read()
    {
        Wrote(["ERROR the first of all", .. Enumerable.Range(0, 2_200).Select(n => $"info {n}")]);
        for (var i = 0; i < _lines.Count; i++)
            _lines[i] = _lines[i] with { At = From.AddMilliseconds(i).ToUnixTimeMilliseconds() * 1_000_000 };
        (await Read()).Lines.ShouldBe(["ERROR the first of all"]);
        _requests.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Lines_that_were_read_are_kept_when_the_second_question_is_not_answered_in_time()
    {
        Wrote([.. Enumerable.Range(0, 2_000).Select(n => $"info {n}")]);
        for (var i = 0; i < _lines.Count; i++)
            _lines[i] = _lines[i] with { At = From.AddMilliseconds(i).ToUnixTimeMilliseconds() * 1_000_000 };
        _hangsOnFilters = true;
        var answer = await Read(timeout: "2s");
        answer.Missing.ShouldBeNull();
        answer.Lines.Count.ShouldBe(2_000);
    }

    [Fact]
    public async Task A_server_that_gives_out_fewer_lines_is_asked_for_fewer()
    {
        _maxEntries = 1_000;
        Wrote("ERROR a");
        (await Read()).Lines.ShouldBe(["ERROR a"]);
    }

    [Fact]
    public async Task Lines_that_fill_an_answer_are_asked_for_in_smaller_number()
    {
        Wrote([.. Enumerable.Range(0, 500).Select(n => $"ERROR {n} " + new string('x', 12_000))]);
        var answer = await Read();
        answer.Missing.ShouldBeNull();
        answer.Lines.Count.ShouldBe(LogLimits.FewLines);
        answer.Lines[^1].ShouldStartWith("ERROR 499 ");
    }

    [Fact]
    public async Task After_429_it_is_left_alone_as_long_as_it_asks()
    {
        _instead = context =>
        {
            context.Response.StatusCode = 429;
            context.Response.Headers.RetryAfter = "30";
            return Task.CompletedTask;
        };
        var source = Source();
        (await source.Read(Question(), CancellationToken.None)).Missing.ShouldNotBeNull().ShouldEndWith("answered 429: it is asked too often, and left alone for 30 s");
        (await source.Read(Question(), CancellationToken.None)).Missing.ShouldNotBeNull().ShouldContain("asked to be left alone until");
        _requests.Count.ShouldBe(1);
    }

    [Fact]
    public async Task What_it_says_about_a_query_is_handed_on()
    {
        _instead = context =>
        {
            context.Response.StatusCode = 400;
            return context.Response.WriteAsync("parse error at line 1, col 5: syntax error\n");
        };
        (await Read()).Missing.ShouldNotBeNull().ShouldEndWith("answered 400: parse error at line 1, col 5: syntax error");
    }

    [Fact]
    public async Task A_user_and_a_password_are_sent_and_never_said()
    {
        _credential = "username: reader, password: 'file:token'";
        Wrote("ERROR a");
        (await Read()).Lines.Count.ShouldBe(1);
        _requests[0].Authorization.ShouldStartWith("Basic ");
        await A_refusal_is_a_sentence_that_says_no_secret(400);
    }

    [Fact]
    public async Task Half_a_character_in_a_line_spoils_only_that_line()
    {
        _instead = context =>
        {
            context.Response.ContentType = "application/json";
            return context.Response.WriteAsync("""{"status":"success","data":{"resultType":"streams","result":[{"stream":{},"values":[["1795866600000000002","ERROR \ud800 x",{"a":"b"}],["1795866600000000001","ERROR y\u0000"]]}],"stats":{}}}""");
        };
        (await Read()).Lines.ShouldBe(["ERROR y\0", "ERROR \\ud800 x"]);
    }

    private async Task Answer(HttpContext context)
    {
        _requests.Add((new QueryCollection(context.Request.Query.ToDictionary()), context.Request.Headers["X-Scope-OrgID"].ToString(), context.Request.Headers.Authorization.ToString()));
        if (_instead is { } instead)
        {
            await instead(context);
            return;
        }

        var query = context.Request.Query;
        // One selector of equal labels, perhaps a filter behind it; anything else is a mistake.
        var parsed = Regex.Match(query["query"].ToString(), "^\\{app=\"(?<app>(?:[^\"\\\\]|\\\\.)*)\",version=\"(?<version>(?:[^\"\\\\]|\\\\.)*)\"\\}(?: \\|~ \"(?<filter>[^\"]*)\")?$", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(1));
        var limit = int.Parse(query["limit"].ToString(), CultureInfo.InvariantCulture);
        if (context.Request.Path != "/loki/api/v1/query_range" || !parsed.Success || limit > _maxEntries)
        {
            context.Response.StatusCode = 400;
            await context.Response.WriteAsync(limit > _maxEntries ? $"max entries limit per query exceeded, limit > max_entries_limit ({limit} > {_maxEntries})" : "parse error : syntax error");
            return;
        }

        if (_hangsOnFilters && parsed.Groups["filter"].Success)
            await Hang(context);
        var (start, end) = (long.Parse(query["start"].ToString(), CultureInfo.InvariantCulture), long.Parse(query["end"].ToString(), CultureInfo.InvariantCulture));
        var version = Regex.Unescape(parsed.Groups["version"].Value);
        var values = _lines.Where(line => parsed.Groups["app"].Value == "checkout" && line.Version == version && line.At >= start && line.At < end)
            .Where(line => !parsed.Groups["filter"].Success || Regex.IsMatch(line.Line, parsed.Groups["filter"].Value, RegexOptions.None, TimeSpan.FromSeconds(1)))
            .OrderByDescending(line => line.At).Take(limit)
            .Select(line => (JsonNode)new JsonArray(line.At.ToString(CultureInfo.InvariantCulture), line.Line));
        var stream = new JsonObject { ["stream"] = new JsonObject { ["app"] = "checkout", ["version"] = version }, ["values"] = new JsonArray([.. values]) };
        var data = new JsonObject { ["resultType"] = "streams", ["result"] = new JsonArray(stream), ["stats"] = new JsonObject { ["summary"] = new JsonObject { ["bytesProcessedPerSecond"] = 1 } } };
        context.Response.ContentType = "application/json; charset=UTF-8";
        await context.Response.WriteAsync(new JsonObject { ["status"] = "success", ["data"] = data }.ToJsonString());
    }
}
