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

    // A scrape, the lag, a step, and what a busy machine adds. Neither watch acts, so that both see the fault to its end.
    private static readonly TimeSpan Later = TimeSpan.FromSeconds(6);

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

    private async Task Judges(string kind, string decision)
    {
        var direct = await Post("/api/v1/demo/deployments", new { kind });
        var seen = await Post("/api/v1/deployments", new
        {
            service = "seen",
            environment = "demo",
            version = direct.GetProperty("version").GetString(),
            previous_version = direct.GetProperty("previous_version").GetString(),
            started_at = direct.GetProperty("started_at").GetString(),
        });
        DateTimeOffset? first = null, second = null;
        await Eventually(
            async () =>
            {
                first ??= await Decided(direct, decision);
                second ??= await Decided(seen, decision);
                return first is not null && second is not null;
            },
            90);
        TestContext.Current.TestOutputHelper?.WriteLine($"{kind}: {(first!.Value - direct.GetProperty("started_at").GetDateTimeOffset()).TotalSeconds:0.0} s directly, {(second!.Value - first.Value).TotalSeconds:0.0} s later through Prometheus");
        (second!.Value - first!.Value).ShouldBeInRange(-Later, Later);
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
        var seen = shop.Replace("  shop:\n    source: shop", "  seen:\n    source: prom", StringComparison.Ordinal)
            .Replace("step: 1s, lag: 0s", "step: 1s, lag: 1s", StringComparison.Ordinal);
        seen.ShouldContain("source: prom");
        seen.ShouldContain("lag: 1s");
        seen.ShouldContain("autonomy: observe");
        return text.Replace("sources:\n", $"sources:\n  prom: {{ type: prometheus, url: '{_prometheus.Url}' }}\n", StringComparison.Ordinal).TrimEnd() + "\n" + seen;
    }
}
