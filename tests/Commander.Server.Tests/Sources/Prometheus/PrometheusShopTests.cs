using System.Text.Json;
using Commander.Judging.Policies;
using Commander.Server.Demo;
using Commander.Server.Hosting;
using Commander.Server.Tests.Api;
using Microsoft.AspNetCore.Builder;

namespace Commander.Server.Tests.Sources.Prometheus;

/// <summary>The demo shop, watched twice at once: scraped directly, and through a real Prometheus that scrapes it every second.</summary>
[Collection("shop processes")]
public sealed class PrometheusShopTests : IAsyncLifetime
{
    private const string Secret = "a test's secret";

    // The same service in PromQL, by how it is asked. Without a lag, a tick whose scrape is not there yet is stale, and the next one makes up for it.
    private static readonly (string Service, string Timing)[] Asked = [("seen", "step: 1s, lag: 0s"), ("lagging", "step: 1s, lag: 1s"), ("halves", "step: 500ms, lag: 0s")];

    // A scrape, a step, and what a busy machine adds. Neither watch acts, so that both see the fault to its end.
    private static readonly TimeSpan Later = TimeSpan.FromSeconds(3);

    private readonly string _data = Directory.CreateTempSubdirectory("commander-shop-").FullName;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(30) };
    private RealPrometheus _prometheus = null!;
    private WebApplication _app = null!;

    public async ValueTask InitializeAsync()
    {
        var router = await Router.Open(0, Secret, TimeProvider.System, CancellationToken.None);
        _prometheus = await RealPrometheus.Start(router.MetricsUrl);
        var secrets = new Secrets(_ => null);
        secrets.Add(DemoPolicy.SecretName, Secret);
        var read = PolicyReader.Read(Policy(router), "policy.yaml");
        read.Errors.ShouldBeEmpty();
        var options = new CommanderOptions { Url = new Uri($"http://127.0.0.1:{RunningServer.FreePort()}"), Data = _data, Demo = true };
        _app = await Application.Build(options, read.Policies!, secrets, router, CancellationToken.None);
        await _app.StartAsync();
        _http.BaseAddress = options.Url;
        await Eventually(async () => (await _http.GetAsync("/health/ready")).IsSuccessStatusCode, 60);
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        if (_app is not null)
        {
            await _app.StopAsync();
            await _app.DisposeAsync();
        }

        if (_prometheus is not null)
            await _prometheus.DisposeAsync();
        Directory.Delete(_data, recursive: true);
    }

    [Theory]
    [InlineData("errors", "ROLLBACK")]
    [InlineData("crash", "ROLLBACK")]
    [InlineData("good", "CONTINUE")]
    public Task Prometheus_judges_as_the_direct_scrape_does(string kind, string decision) => Judges(kind, decision);

    [Theory]
    [Trait("Category", "Long")]
    [InlineData("slow", "ROLLBACK")]
    [InlineData("subtle", "ROLLBACK")]
    [InlineData("leak", "ROLLBACK")]
    public Task Prometheus_judges_the_slow_faults_as_the_direct_scrape_does(string kind, string decision) => Judges(kind, decision);

    [Fact(Explicit = true)]
    public async Task How_much_later_prometheus_judges_is_measured()
    {
        foreach (var (kind, decision) in ((string, string)[])[("errors", "ROLLBACK"), ("crash", "ROLLBACK"), ("slow", "ROLLBACK"), ("subtle", "ROLLBACK"), ("leak", "ROLLBACK"), ("good", "CONTINUE")])
        {
            var later = Asked.Select(_ => new List<double>()).ToArray();
            for (var run = 0; run < 5; run++)
            {
                var measured = await Measure(kind, decision, [.. Asked.Select(one => one.Service)]);
                for (var i = 0; i < later.Length; i++)
                    later[i].Add(measured[i].TotalSeconds);
            }

            for (var i = 0; i < later.Length; i++)
                TestContext.Current.TestOutputHelper?.WriteLine($"{kind}, {Asked[i].Timing}: {later[i].Order().ElementAt(2):0.0} s later (p50), at most {later[i].Max():0.0} s");
        }
    }

    private async Task Judges(string kind, string decision) => (await Measure(kind, decision, ["seen"]))[0].ShouldBeInRange(-Later, Later);

    /// <summary>How much later than the direct scrape the services are judged.</summary>
    private async Task<TimeSpan[]> Measure(string kind, string decision, string[] services)
    {
        var direct = await Post("/api/v1/demo/deployments", new { kind });
        List<JsonElement> watches = [direct];
        foreach (var service in services)
        {
            watches.Add(await Post("/api/v1/deployments", new
            {
                service,
                environment = "demo",
                version = direct.GetProperty("version").GetString(),
                previous_version = direct.GetProperty("previous_version").GetString(),
                started_at = direct.GetProperty("started_at").GetString(),
            }));
        }

        var decided = new DateTimeOffset?[watches.Count];
        await Eventually(
            async () =>
            {
                for (var i = 0; i < decided.Length; i++)
                    decided[i] ??= await Decided(watches[i], decision);
                return Array.TrueForAll(decided, at => at is not null);
            },
            90);
        var later = decided[1..].Select(at => at!.Value - decided[0]!.Value).ToArray();
        TestContext.Current.TestOutputHelper?.WriteLine($"{kind}: {(decided[0]!.Value - direct.GetProperty("started_at").GetDateTimeOffset()).TotalSeconds:0.0} s directly, through Prometheus {string.Join(", ", later.Select(one => $"{one.TotalSeconds:0.0}"))} s later");
        return later;
    }

    /// <summary>When the decision was given; null while it was not.</summary>
    private async Task<DateTimeOffset?> Decided(JsonElement deployment, string decision)
    {
        var now = JsonDocument.Parse(await _http.GetStringAsync($"/api/v1/deployments/{deployment.GetProperty("id").GetString()}")).RootElement;
        foreach (var verdict in now.GetProperty("verdicts").EnumerateArray())
        {
            if (verdict.GetProperty("decision").GetString() == decision)
                return verdict.GetProperty("at").GetDateTimeOffset();
        }

        return null;
    }

    private async Task<JsonElement> Post(string path, object body)
    {
        using var answer = await _http.PostAsync(path, new StringContent(JsonSerializer.Serialize(body), System.Text.Encoding.UTF8, "application/json"));
        var text = await answer.Content.ReadAsStringAsync();
        answer.IsSuccessStatusCode.ShouldBeTrue(text);
        return JsonDocument.Parse(text).RootElement;
    }

    private static async Task Eventually(Func<Task<bool>> holds, int seconds)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        while (!await holds())
            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, patience.Token);
    }

    /// <summary>The demo's policy, observed only, and the same service once more in PromQL.</summary>
    private string Policy(Router router)
    {
        var text = DemoPolicy.Text(router.MetricsUrl, router.RollbackUrl)
            .Replace("step: 500ms, lag: 0s", "step: 1s, lag: 0s", StringComparison.Ordinal)
            .Replace("autonomy: enforce, late: enforce", "autonomy: observe, late: observe", StringComparison.Ordinal);
        var shop = text[text.IndexOf("  shop:\n    source: shop", StringComparison.Ordinal)..];
        var seen = Asked.Select(one => shop.Replace("  shop:\n    source: shop", $"  {one.Service}:\n    source: prom", StringComparison.Ordinal).Replace("step: 1s, lag: 0s", one.Timing, StringComparison.Ordinal).TrimEnd()).ToArray();
        for (var i = 0; i < seen.Length; i++)
        {
            seen[i].ShouldContain("source: prom");
            seen[i].ShouldContain(Asked[i].Timing);
            seen[i].ShouldContain("autonomy: observe");
        }

        return text.Replace("sources:\n", $"sources:\n  prom: {{ type: prometheus, url: '{_prometheus.Url}' }}\n", StringComparison.Ordinal).TrimEnd() + "\n" + string.Join('\n', seen) + "\n";
    }
}
