using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Server.Connections;
using Commander.Server.Demo;
using Commander.Server.Sources;
using Commander.Server.Sources.Scrape;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Commander.Server.Tests.Demo;

/// <summary>The shop with real processes and real HTTP; only what the loop decides is a test's.</summary>
[Collection("shop processes")]
public sealed class ShopTests : IAsyncLifetime
{
    private const string Secret = "a test's secret";

    private readonly Facts _facts = new();
    private readonly HttpClient _http = new();
    private Router _router = null!;
    private Shop _shop = null!;

    public async ValueTask InitializeAsync()
    {
        (_router, _shop) = await Open(_facts);
    }

    public async ValueTask DisposeAsync()
    {
        await _shop.DisposeAsync();
        _http.Dispose();
        Children().ShouldBeEmpty();
    }

    private static async Task<(Router, Shop)> Open(Facts facts)
    {
        var router = await Router.Open(0, Secret, TimeProvider.System, CancellationToken.None);
        var shop = new Shop(facts, router, TimeProvider.System, NullLogger<Shop>.Instance);
        await shop.StartAsync(CancellationToken.None);
        await Eventually(() => shop.View().Serving is not null && router.Route is not null);
        return (router, shop);
    }

    private static async Task Eventually(Func<bool> holds, int seconds = 15)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        while (!holds())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, patience.Token);
        }
    }

    /// <summary>The shop processes of this process.</summary>
    private static int[] Children() =>
        [.. Process.GetProcesses().Select(process => process.Id).Where(id => Parent(id) == Environment.ProcessId && CommandLine(id).Contains("\0shop\0", StringComparison.Ordinal))];

    private static int Parent(int id)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{id}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] == "Z" ? 0 : int.Parse(fields[1], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    private static string CommandLine(int id)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/cmdline");
        }
        catch (IOException)
        {
            return "";
        }
    }

    private async Task<Dictionary<string, double>> Metrics()
    {
        var exposition = new Exposition([.. new[] { "shop_requests_total", "shop_request_duration_seconds_bucket", "shop_process_resident_memory_bytes", "shop_process_cpu_percent" }.Select(Selector)], openMetrics: true);
        exposition.Feed(await _http.GetByteArrayAsync(_router.MetricsUrl));
        exposition.Finish();
        exposition.Bad.ShouldBe(0, exposition.FirstBad);
        return exposition.Samples.ToDictionary(sample => sample.Name["shop_".Length..] + " " + string.Join(' ', sample.Labels.Select(label => label.Value)), sample => sample.Value, StringComparer.Ordinal);
    }

    private static Selector Selector(string text)
    {
        Server.Sources.Selector.TryParse(text, widen: false, out var selector, out _).ShouldBeTrue();
        return selector!;
    }

    private static double Requests(Dictionary<string, double> metrics, string version, params int[] codes) =>
        metrics.Where(pair => pair.Key.StartsWith("requests_total", StringComparison.Ordinal) && pair.Key.EndsWith(" " + version, StringComparison.Ordinal)
            && (codes.Length == 0 || codes.Any(code => pair.Key == $"requests_total {code} {version}"))).Sum(pair => pair.Value);

    private static double Bucket(Dictionary<string, double> metrics, string version, string bound) =>
        metrics.GetValueOrDefault($"request_duration_seconds_bucket {bound} {version}");

    private async Task<(Judging.Verdicts.Deployment Deployment, Dictionary<string, double> Metrics)> Watch(string kind, int requests)
    {
        var deployment = await _shop.Deploy(kind, CancellationToken.None);
        Dictionary<string, double> metrics = [];
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (Requests(metrics = await Metrics(), deployment.Version) < requests)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, patience.Token);
        }
        return (deployment, metrics);
    }

    private Task<(HttpStatusCode Status, string Message)> Order(string key, string version, string target) =>
        Post(key, JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["key"] = key,
            ["deployment"] = "dep-1",
            ["service"] = "shop",
            ["environment"] = "demo",
            ["version"] = version,
            ["target_version"] = target,
        }));

    private async Task<(HttpStatusCode Status, string Message)> Post(string key, byte[] body, string secret = Secret, int minutesAgo = 0)
    {
        var stamp = TimeProvider.System.GetUtcNow().AddMinutes(-minutesAgo).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        using var request = new HttpRequestMessage(HttpMethod.Post, _router.RollbackUrl) { Content = new ByteArrayContent(body) };
        request.Headers.Add("Idempotency-Key", key);
        request.Headers.Add("Commander-Timestamp", stamp);
        request.Headers.Add("Commander-Signature", "v1=" + Convert.ToHexString(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), (byte[])[.. Encoding.UTF8.GetBytes(stamp + "."), .. body])));
        using var response = await _http.SendAsync(request);
        using var document = JsonDocument.Parse(await response.Content.ReadAsStreamAsync());
        return (response.StatusCode, document.RootElement.GetProperty("message").GetString()!);
    }

    private async Task<(string? Serving, bool Settled)> Look()
    {
        using var document = JsonDocument.Parse(await _http.GetStringAsync(new Uri(_router.RollbackUrl, "?service=shop&environment=demo")));
        return (document.RootElement.GetProperty("serving_version").GetString(), document.RootElement.GetProperty("settled").GetBoolean());
    }

    [Fact]
    public async Task Good_and_failing_versions_show_what_they_are_at_the_router()
    {
        var (good, metrics) = await Watch("good", 100);
        var announced = _facts.Announced[0];
        (announced.Service, announced.Environment, announced.Version, announced.PreviousVersion).ShouldBe(("shop", "demo", "1.0.1", "1.0.0"));
        announced.Labels["demo.kind"].ShouldBe("good");
        Requests(metrics, good.Version, 500, 502, 504).ShouldBeLessThanOrEqualTo(4);
        // Half and half, to a request and what is on its way, which is more on a busy machine: warm-up calls are not counted.
        var before = await Metrics();
        await Eventually(() => _router.Route is not null);
        await Watched(good.Version, before, 100);
        var after = await Metrics();
        var candidate = Requests(after, "1.0.1") - Requests(before, "1.0.1");
        var control = Requests(after, "1.0.0") - Requests(before, "1.0.0");
        Math.Abs(candidate - control).ShouldBeLessThanOrEqualTo(12);
        after.ShouldContainKey("process_resident_memory_bytes 1.0.1");
        after["process_resident_memory_bytes 1.0.1"].ShouldBeInRange(20e6, 150e6);
        after["process_cpu_percent 1.0.1"].ShouldBeInRange(0, 150);

        var (errors, failing) = await Watch("errors", 200);
        errors.PreviousVersion.ShouldBe("1.0.0");
        (Requests(failing, "1.0.2", 500) / Requests(failing, "1.0.2")).ShouldBeInRange(0.15, 0.35);
        Requests(failing, "1.0.2", 502, 504).ShouldBe(0);
        // The undecided version before it has been ended.
        await Eventually(() => Children().Length == 2);

        var (_, subtle) = await Watch("subtle", 300);
        Requests(subtle, "1.0.3", 500).ShouldBeInRange(1, 20);
    }

    private async Task Watched(string version, Dictionary<string, double> before, int requests)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (Requests(await Metrics(), version) - Requests(before, version) < requests)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, patience.Token);
        }
    }

    [Fact]
    public async Task Slow_leaking_and_crashing_versions_show_what_they_are_at_the_router()
    {
        var (_, slow) = await Watch("slow", 200);
        var share = 1 - (Bucket(slow, "1.0.1", "0.5") / Bucket(slow, "1.0.1", "+Inf"));
        share.ShouldBeInRange(0.1, 0.5);
        (Requests(slow, "1.0.1", 200) / Requests(slow, "1.0.1")).ShouldBeGreaterThan(0.9);

        var (_, first) = await Watch("leak", 50);
        var start = first["process_resident_memory_bytes 1.0.2"];
        await Watched("1.0.2", first, 150);
        var leaked = (await Metrics())["process_resident_memory_bytes 1.0.2"] - start;
        leaked.ShouldBeInRange(6e6, 60e6);

        var (_, crashed) = await Watch("crash", 100);
        Requests(crashed, "1.0.3", 200).ShouldBeInRange(10, 20);
        Requests(crashed, "1.0.3", 502).ShouldBeGreaterThan(50);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        while ((await Metrics()).ContainsKey("process_resident_memory_bytes 1.0.3"))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, patience.Token);
        }
        Requests(crashed, "1.0.0", 502, 504).ShouldBe(0);
    }

    [Fact]
    public async Task A_rollback_over_http_moves_all_traffic_and_ends_the_candidate()
    {
        var (bad, _) = await Watch("errors", 20);
        (await Look()).ShouldBe(("1.0.0", false));
        (await Post("k1", "{}"u8.ToArray(), secret: "another")).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await Post("k1", "{}"u8.ToArray(), minutesAgo: 6)).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await Post("k1", "{}"u8.ToArray())).Status.ShouldBe(HttpStatusCode.BadRequest);
        (await Post("k1", new byte[20_000])).Status.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        (await _http.GetAsync(new Uri(_router.RollbackUrl, "?service=other"))).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await Order("k1", "1.0.1", "0.9.9")).ShouldBe((HttpStatusCode.Conflict, "version 0.9.9 is not running any more; what runs is 1.0.0 and 1.0.1"));
        (await Order("k1", "1.0.1", "1.0.0")).Status.ShouldBe(HttpStatusCode.OK);
        for (var i = 0; i < 10; i++)
        {
            using var page = await _http.GetAsync(_router.ShopUrl);
            page.Headers.GetValues("Shop-Version").ShouldBe(["1.0.0"]);
        }
        var settled = (Serving: (string?)"", Settled: false);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        while (!(settled = await Look()).Settled)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, patience.Token);
        }
        settled.Serving.ShouldBe("1.0.0");
        Children().Length.ShouldBe(1);
        _facts.Set(bad.Id, deployment => Facts.Closed(Facts.RolledBack(deployment)), "closed");

        // The same order again, while a later version is under watch, takes no second effect; another one is refused.
        await _shop.Deploy("good", CancellationToken.None);
        (await Order("k1", "1.0.1", "1.0.0")).ShouldBe((HttpStatusCode.OK, "that order was taken before"));
        (await Order("k2", "1.0.1", "1.0.0")).Status.ShouldBe(HttpStatusCode.Conflict);
        _shop.View().Candidate.ShouldBe("1.0.2");
        _shop.View().Share.ShouldBe(0.5);
    }

    [Fact]
    public async Task A_version_that_carries_on_gets_the_traffic_while_the_old_one_keeps_a_tenth_as_control_until_the_watch_closes()
    {
        var deployment = await _shop.Deploy("good", CancellationToken.None);
        _facts.Set(deployment.Id, watched => Facts.Decided(watched, "CONTINUE"), "verdict");
        await Eventually(() => _shop.View() is { Serving: "1.0.1", Share: 0.9 });
        (await Look()).ShouldBe(("1.0.1", false));
        Children().Length.ShouldBe(2);
        // A late alarm still finds the old version.
        (await Order("late", "1.0.1", "1.0.0")).Status.ShouldBe(HttpStatusCode.OK);
        _shop.View().Serving.ShouldBe("1.0.0");
        _facts.Set(deployment.Id, watched => Facts.Closed(Facts.RolledBack(watched)), "closed");

        var second = await _shop.Deploy("good", CancellationToken.None);
        second.PreviousVersion.ShouldBe("1.0.0");
        _facts.Set(second.Id, watched => Facts.Decided(watched, "CONTINUE"), "verdict");
        await Eventually(() => _shop.View().Share == 0.9);
        _facts.Set(second.Id, watched => Facts.Closed(watched), "closed");
        await Eventually(() => _shop.View() is { Serving: "1.0.2", Candidate: null });
        await Eventually(() => Children().Length == 1);
        (await _shop.Deploy("good", CancellationToken.None)).PreviousVersion.ShouldBe("1.0.2");
        // Nobody noticed any of it: no customer met a version that was going.
        var metrics = await Metrics();
        foreach (var version in new[] { "1.0.0", "1.0.1", "1.0.2" })
        {
            Requests(metrics, version, 502, 504).ShouldBe(0);
        }
    }

    [Fact]
    public async Task After_a_restart_the_shop_stands_as_the_facts_say()
    {
        var deployment = await _shop.Deploy("errors", CancellationToken.None);
        await _shop.DisposeAsync();
        Children().ShouldBeEmpty();
        (_router, _shop) = await Open(_facts);
        _shop.View().ShouldSatisfyAllConditions(
            view => view.Serving.ShouldBe("1.0.0"),
            view => view.Candidate.ShouldBe("1.0.1"),
            view => view.Share.ShouldBe(0.5));
        await Watched("1.0.1", [], 100);
        var metrics = await Metrics();
        (Requests(metrics, "1.0.1", 500) / Requests(metrics, "1.0.1")).ShouldBeInRange(0.1, 0.4);
        (await Order("k", "1.0.1", "1.0.0")).Status.ShouldBe(HttpStatusCode.OK);
        _facts.Set(deployment.Id, watched => Facts.Closed(Facts.RolledBack(watched)), "closed");
        (await _shop.Deploy("good", CancellationToken.None)).Version.ShouldBe("1.0.2");
    }

    [Fact]
    public async Task A_version_that_cannot_be_announced_gets_no_traffic_and_is_ended()
    {
        _facts.Refuses = true;
        await Should.ThrowAsync<Commander.Server.Storage.StoreUnavailableException>(() => _shop.Deploy("good", CancellationToken.None));
        _shop.View().Candidate.ShouldBeNull();
        Children().Length.ShouldBe(1);
    }

    [Fact]
    public async Task A_shop_that_closes_while_it_deploys_leaves_no_process()
    {
        var deploying = _shop.Deploy("slow", CancellationToken.None);
        await Eventually(() => Children().Length == 2);
        await _shop.DisposeAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => deploying);
        Children().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_serving_version_that_dies_is_started_again()
    {
        using (var serving = Process.GetProcessById(Children().ShouldHaveSingleItem()))
        {
            serving.Kill();
        }
        await Eventually(() => Children().Length == 1 && _shop.View().Serving == "1.0.0");
        await Eventually(() => _http.GetAsync(_router.ShopUrl).GetAwaiter().GetResult().StatusCode == HttpStatusCode.OK);
    }

    [Fact]
    public async Task The_source_reads_the_router_like_any_other_service()
    {
        using var http = Outgoing.Create();
        MetricPolicy errors = new("errors", MetricKind.Ratio, Family.Error, Direction.Up, null, """shop_requests_total{version="{{version}}",code=~"5.."}""", """shop_requests_total{version="{{version}}"}""", 0, new Tolerance(1, false), 0, null, true, "%", 1, null, TimeSpan.Zero);
        MetricPolicy latency = new("latency", MetricKind.Histogram, Family.Latency, Direction.Up, """shop_request_duration_seconds_bucket{version="{{version}}"}""", null, null, 0.95, new Tolerance(0.2, true), 25, null, true, "ms", 1000, null, TimeSpan.Zero);
        var source = new ScrapeSource(new SourceSettings("shop", "scrape", new Dictionary<string, string>(StringComparer.Ordinal) { ["targets.candidate"] = _router.MetricsUrl.ToString(), ["targets.control"] = _router.MetricsUrl.ToString() }), [errors, latency], http, TimeProvider.System);
        Question Ask(MetricPolicy metric, Arm arm, string version, DateTimeOffset from) => new(metric, 0, arm,
            (metric.Query ?? metric.Bad)!.Replace("{{version}}", version, StringComparison.Ordinal), metric.Total?.Replace("{{version}}", version, StringComparison.Ordinal), from, TimeProvider.System.GetUtcNow());

        var first = await source.Observe([Ask(errors, Arm.Control, "1.0.0", TimeProvider.System.GetUtcNow().AddSeconds(-1))], CancellationToken.None);
        var start = DateTimeOffset.FromUnixTimeMilliseconds(first[0].At);
        await _shop.Deploy("errors", CancellationToken.None);
        await Watched("1.0.1", [], 150);
        var readings = await source.Observe([Ask(errors, Arm.Candidate, "1.0.1", start), Ask(latency, Arm.Candidate, "1.0.1", start), Ask(errors, Arm.Control, "1.0.0", start)], CancellationToken.None);
        readings.ShouldAllBe(reading => reading.Quality == Quality.Value);
        readings[0].Total.ShouldBeInRange(150, 400);
        (readings[0].Value / readings[0].Total).ShouldBeInRange(0.1, 0.4);
        readings[1].Buckets!.Edges[0].ShouldBe(1);
        readings[1].Buckets!.Total.ShouldBe(readings[0].Total);
        readings[2].Value.ShouldBeLessThanOrEqualTo(3);
    }

    [Fact]
    public async Task The_endpoints_deploy_and_refuse_in_words()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddSingleton(_shop);
        await using var app = builder.Build();
        app.MapDemo();
        await app.StartAsync();
        var root = new Uri(app.Urls.First());

        async Task<(HttpStatusCode, string)> Post(string body)
        {
            using var content = new StringContent(body, Encoding.UTF8, "application/json");
            using var response = await _http.PostAsync(new Uri(root, "/api/v1/demo/deployments"), content);
            return (response.StatusCode, await response.Content.ReadAsStringAsync());
        }

        var (status, text) = await Post("""{"kind":"sleepy"}""");
        (status, text.Contains("kind is one of good, errors, slow, leak, crash, subtle", StringComparison.Ordinal)).ShouldBe((HttpStatusCode.BadRequest, true));
        (status, text) = await Post("""{"kind":"good","colour":"red"}""");
        (status, text.Contains("colour", StringComparison.Ordinal)).ShouldBe((HttpStatusCode.BadRequest, true));
        (await Post("")).Item1.ShouldBe(HttpStatusCode.BadRequest);
        (await Post("null")).Item1.ShouldBe(HttpStatusCode.BadRequest);
        (await Post(new string(' ', 5000))).Item1.ShouldBe(HttpStatusCode.BadRequest);
        (status, text) = await Post("""{"kind":"good"}""");
        (status, JsonDocument.Parse(text).RootElement.GetProperty("version").GetString()).ShouldBe((HttpStatusCode.Accepted, "1.0.1"));

        using var view = JsonDocument.Parse(await _http.GetStringAsync(new Uri(root, "/api/v1/demo")));
        view.RootElement.GetProperty("shop_url").GetString().ShouldBe(_router.ShopUrl.ToString());
        view.RootElement.GetProperty("candidate").GetString().ShouldBe("1.0.1");
        view.RootElement.GetProperty("last_10s").TryGetProperty("p95_ms", out _).ShouldBeTrue();
    }
}
