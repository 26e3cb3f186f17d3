using System.Net;
using System.Text.Json;
using Commander.Judging.Policies;
using Commander.Server.Tests.Api;
using Commander.Server.Tests.Cli;

namespace Commander.Server.Tests.Sources.Prometheus;

/// <summary>The queries of a policy against the installed Prometheus: over HTTP, and from the command line.</summary>
public sealed class LiveCheckTests(RunningServer server) : IClassFixture<RunningServer>, IAsyncLifetime
{
    private const string Metrics = """
        # TYPE http_requests_total counter
        http_requests_total{service="checkout",version="1.9.0",code="200"} 120
        http_requests_total{service="checkout",version="1.10.0",code="200"} 100
        # TYPE http_request_duration_seconds histogram
        http_request_duration_seconds_bucket{service="checkout",version="1.10.0",le="0.1"} 90
        http_request_duration_seconds_bucket{service="checkout",version="1.10.0",le="+Inf"} 100
        http_request_duration_seconds_sum{service="checkout",version="1.10.0"} 7
        http_request_duration_seconds_count{service="checkout",version="1.10.0"} 100
        # TYPE process_resident_memory_bytes gauge
        process_resident_memory_bytes{service="checkout",version="1.10.0",pod="a"} 30e6
        process_resident_memory_bytes{service="checkout",version="1.10.0",pod="b"} 50e6

        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("commander-live-").FullName;
    private Exporter _exporter = null!;
    private RealPrometheus _prometheus = null!;

    public async ValueTask InitializeAsync()
    {
        _exporter = await Exporter.Start();
        _exporter.Says(Metrics);
        _prometheus = await RealPrometheus.Start(new Uri(_exporter.Url));
        using var source = _prometheus.Source();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while ((await source.Client.Query("http_requests_total", TimeProvider.System.GetUtcNow(), source.Client.Begin(), patience.Token)).Series.Count == 0)
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, patience.Token);
    }

    public async ValueTask DisposeAsync()
    {
        if (_prometheus is not null)
            await _prometheus.DisposeAsync();
        await _exporter.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private string Policy(string metrics) => $$"""
        sources: { prom: { type: prometheus, url: '{{_prometheus.Url}}' } }
        services:
          checkout:
            source: prom
            metrics:
              {{metrics}}
        """;

    private async Task<JsonElement[]> Check(string metrics, string? version = null)
    {
        var (status, answer) = await server.Post("/api/v1/policies/check?live=true", JsonSerializer.Serialize(new { yaml = Policy(metrics), version }));
        ((int)status).ShouldBe(200, answer.ToString());
        answer.GetProperty("errors").EnumerateArray().ShouldBeEmpty();
        return [.. answer.GetProperty("queries").EnumerateArray()];
    }

    private static string? Text(JsonElement query, string name) => query.TryGetProperty(name, out var text) ? text.GetString() : null;

    [Fact]
    public async Task Every_query_says_how_many_series_how_old_and_what_value_and_which_version_it_took()
    {
        var queries = await Check("""memory: { kind: gauge, query: 'process_resident_memory_bytes{service="{{service}}",version="{{version}}"}' }""");
        var memory = queries.ShouldHaveSingleItem();
        memory.GetProperty("series").GetInt32().ShouldBe(2);
        memory.GetProperty("value").GetDouble().ShouldBe(40e6);
        memory.GetProperty("newest_age_seconds").GetDouble().ShouldBeInRange(0, 60);
        Text(memory, "error").ShouldBeNull();
        Text(memory, "note")!.ShouldContain("the mean of 2 series");
        // As numbers: 1.10 is newer than 1.9.
        Text(memory, "note")!.ShouldContain("version 1.10.0");
        (await Check("""memory: { kind: gauge, query: 'process_resident_memory_bytes{version="{{version}}"}' }""", version: "0.1"))[0].GetProperty("error").GetString()!
            .ShouldContain("no series of process_resident_memory_bytes has version=\"0.1\"");
    }

    [Fact]
    public async Task A_query_without_series_names_what_was_probably_meant()
    {
        var metric = (await Check("""memory: { kind: gauge, query: 'proces_resident_memory_bytes{version="{{version}}"}' }"""))[0];
        Text(metric, "error")!.ShouldContain("knows no metric proces_resident_memory_bytes; did you mean process_resident_memory_bytes?");
        var label = (await Check("""memory: { kind: gauge, query: 'process_resident_memory_bytes{servce="{{service}}"}' }"""))[0];
        Text(label, "error")!.ShouldContain("has no label servce; did you mean service?");
        var value = (await Check("""memory: { kind: gauge, query: 'process_resident_memory_bytes{service="chekout"}' }"""))[0];
        Text(value, "error")!.ShouldContain("did you mean checkout?");
        var syntax = (await Check("""memory: { kind: gauge, query: 'process_resident_memory_bytes{service=}' }"""))[0];
        Text(syntax, "error")!.ShouldContain("answered 400: ");
    }

    [Fact]
    public async Task Failures_that_have_not_happened_yet_are_no_error()
    {
        var queries = await Check("""errors: { kind: ratio, bad: 'http_requests_total{version="{{version}}",code=~"5.."}', total: 'http_requests_total{version="{{version}}"}' }""");
        queries.Select(query => Text(query, "error")).ShouldAllBe(error => error == null);
        Text(queries.Single(query => Text(query, "key") == "bad"), "note")!.ShouldContain("no such event yet");
    }

    [Fact]
    public async Task Who_comes_through_a_proxy_has_nothing_asked()
    {
        var body = JsonSerializer.Serialize(new { yaml = Policy("""memory: { kind: gauge, query: 'process_resident_memory_bytes{version="{{version}}"}' }""") });
        (await server.Post("/api/v1/policies/check?live=true", body, ("X-Forwarded-For", "203.0.113.9"))).Status.ShouldBe(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task What_was_not_tried_is_said_with_its_reason()
    {
        const string policy = """
            sources: { shop: { type: scrape, targets: { candidate: 'http://127.0.0.1:1/metrics' } } }
            services: { checkout: { source: shop, metrics: { memory: { kind: gauge, query: 'm_bytes' } } } }
            """;
        var scraped = await Run("check", Write(policy), "--live");
        scraped.Code.ShouldBe(0, scraped.Error);
        scraped.Lines.ShouldHaveSingleItem().ShouldBe("not checked live: checkout: its source shop is of type scrape; only queries to a prometheus are tried");
        var nobody = await Run("check", Write("sources: { prom: { type: prometheus, url: 'http://127.0.0.1:1' } }\n"), "--live");
        nobody.Lines.ShouldHaveSingleItem().ShouldBe("not checked live: the policy names no service; name the one to check with --service");
    }

    [Fact]
    public async Task Variables_that_only_a_deployment_knows_are_explained()
    {
        var space = (await Check("""memory: { kind: gauge, query: 'process_resident_memory_bytes{namespace="{{namespace}}"}' }"""))[0];
        Text(space, "error")!.ShouldStartWith("{{namespace}} has no value: the policy names none in act.rollback.namespace");
        var hash = (await Check("""memory: { kind: gauge, query: 'process_resident_memory_bytes{hash="{{pod_template_hash}}"}' }"""))[0];
        (Text(hash, "error"), Text(hash, "note")!.StartsWith("not asked: {{pod_template_hash}}", StringComparison.Ordinal)).ShouldBe((null, true));
    }

    [Fact]
    public async Task The_newest_version_is_looked_for_in_every_metric_until_one_knows_it()
    {
        var queries = await Check("""{ orders: { kind: count, query: 'orders_total{release="{{version}}"}' }, memory: { kind: gauge, query: 'process_resident_memory_bytes{version="{{version}}"}' } }""");
        Text(queries.Single(query => Text(query, "metric") == "memory"), "note")!.ShouldContain("version 1.10.0");
    }

    [Fact]
    public async Task The_command_line_says_it_line_by_line_and_fails_on_an_error()
    {
        var good = await Run("check", Write(Policy("""memory: { kind: gauge, query: 'process_resident_memory_bytes{version="{{version}}"}' }""")), "--live");
        good.Code.ShouldBe(0, good.Out + good.Error);
        good.Lines.ShouldHaveSingleItem().ShouldStartWith("ok    checkout memory: 2 series, newest ");
        var bad = await Run("check", Write(Policy("""memory: { kind: gauge, query: 'nothing{version="{{version}}"}' }""")), "--live");
        bad.Code.ShouldBe(1);
        bad.Lines.ShouldHaveSingleItem().ShouldStartWith("error checkout memory: no series: ");
    }

    [Fact]
    public async Task A_first_policy_is_accepted_and_every_query_of_it_gives_series()
    {
        var file = Path.Combine(_folder, "first.yaml");
        var written = await Run("init", "--prometheus", _prometheus.Url, "--out", file);
        written.Code.ShouldBe(0, written.Error);
        var text = await File.ReadAllTextAsync(file);
        var policy = PolicyReader.Read(text, file).Policies.ShouldNotBeNull().For("checkout", "prod");
        policy.Metrics.Select(metric => metric.Name).ShouldBe(["errors", "latency", "memory"]);
        // Another service has no such metrics: its snapshots are judged by themselves.
        var other = PolicyReader.Read(text, file).Policies!.For("another", "prod");
        (other.Source, other.Metrics.Count).ShouldBe((null, 0));
        policy.Metrics[0].Total.ShouldBe("""http_requests_total{service="{{service}}",version="{{version}}"}""");
        var live = await Run("check", file, "--live");
        live.Code.ShouldBe(0, live.Out + live.Error);
        live.Lines.Count.ShouldBe(4);
        (await Run("init", "--prometheus", _prometheus.Url, "--out", file)).Error.ShouldContain("name a file that does not exist yet");
        (await Run("init", "--prometheus", _prometheus.Url, "--service", "chekout")).Error.ShouldContain("there is checkout");
        (await Run("init", "--prometheus", _prometheus.Url, "--service", "checkout")).Out.ShouldBe(text);
    }

    private string Write(string policy)
    {
        var file = Path.Combine(_folder, "policy.yaml");
        File.WriteAllText(file, policy);
        return file;
    }

    private Task<Ran> Run(params string[] args) => new Shell().Run(["policy", .. args, "--server", server.Http.BaseAddress!.ToString()]);
}
