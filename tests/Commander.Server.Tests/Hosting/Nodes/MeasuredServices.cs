using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Commander.Server.Tests.Api;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Commander.Server.Tests.Hosting.Nodes;

/// <summary>
/// Services that many nodes watch, in one small server: counters that grow with time, and a platform that takes rollbacks and counts
/// what took effect. A version whose name begins with "bad" fails in a third of its requests until it is rolled back.
/// </summary>
internal sealed class MeasuredServices : IAsyncDisposable
{
    private const int Rate = 40;
    private readonly ConcurrentDictionary<string, Service> _services = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, string> _effects = new(StringComparer.Ordinal);
    private readonly TimeProvider _time = TimeProvider.System;
    private readonly long _start = TimeProvider.System.GetTimestamp();
    private readonly WebApplication _app;
    private int _orders;

    private MeasuredServices(WebApplication app, Uri url) => (_app, Url) = (app, url);

    public Uri Url { get; }

    /// <summary>Per action key that took effect, the service.</summary>
    public IReadOnlyDictionary<string, string> Effects => _effects;

    /// <summary>Orders in all, repeated ones too.</summary>
    public int Orders => Volatile.Read(ref _orders);

    /// <summary>The policy of all services.</summary>
    /// <param name="watch">Its times.</param>
    public string Policy(string watch = "step: 1s, lag: 0s, min: 5s, max: 30s, reference: 10s, after: 10s, warmup: { latency: 2s }") =>
        $$$$"""
        sources:
          counters: { type: scrape, targets: { candidate: '{{{{Url}}}}metrics', control: '{{{{Url}}}}metrics' } }
        defaults:
          source: counters
          metrics:
            errors: { kind: ratio, bad: 'requests_total{service="{{service}}",version="{{version}}",code=~"5.."}', total: 'requests_total{service="{{service}}",version="{{version}}"}', tolerance: 1pp, objective: 1%, critical: true }
          watch: { {{{{watch}}}} }
          act: { autonomy: enforce, late: enforce, cooldown: 0s, max_per_hour: off, rollback: { type: webhook, url: '{{{{Url}}}}rollback' } }
        """;

    public static async Task<MeasuredServices> Start(CancellationToken cancel)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var url = new Uri($"http://127.0.0.1:{RunningServer.FreePort()}/");
        builder.WebHost.UseUrls(url.ToString());
        var services = new MeasuredServices(builder.Build(), url);
        services._app.MapGet("/metrics", () => Results.Text(services.Exposition(), "text/plain"));
        services._app.MapGet("/rollback", (string service) => Results.Json(new Dictionary<string, string> { ["serving_version"] = services._services[service].Serving }));
        services._app.MapPost("/rollback", services.TakeOrder);
        await services._app.StartAsync(cancel);
        return services;
    }

    /// <summary>Rolls a version out beside the old one.</summary>
    public void RollOut(string service, string version) => _services[service] = new Service("old", version, Seconds);

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
    }

    private double Seconds => _time.GetElapsedTime(_start).TotalSeconds;

    private async Task<IResult> TakeOrder(HttpRequest request)
    {
        using var order = await JsonDocument.ParseAsync(request.Body);
        var service = order.RootElement.GetProperty("service").GetString()!;
        Interlocked.Increment(ref _orders);
        if (_effects.TryAdd(request.Headers["Idempotency-Key"].ToString(), service))
            _services[service].RollBack(Seconds);
        return Results.Json(new Dictionary<string, string> { ["message"] = "taken" });
    }

    private string Exposition()
    {
        var now = Seconds;
        var text = new StringBuilder("# TYPE requests_total counter\n");
        foreach (var (name, service) in _services)
        {
            Line(name, "old", 200, now * Rate);
            Line(name, "old", 500, 0);
            var served = service.Served(now) * Rate;
            var failed = service.Version.StartsWith("bad", StringComparison.Ordinal) ? served / 3 : 0;
            Line(name, service.Version, 200, served - failed);
            Line(name, service.Version, 500, failed);
        }

        return text.ToString();

        void Line(string service, string version, int code, double count) =>
            text.Append($"requests_total{{service=\"{service}\",version=\"{version}\",code=\"{code}\"}} {Math.Floor(count):F0}\n");
    }

    private sealed class Service(string old, string version, double since)
    {
        private double _until = double.PositiveInfinity;

        public string Version => version;

        public string Serving => double.IsPositiveInfinity(_until) ? version : old;

        public void RollBack(double at) => _until = at;

        public double Served(double now) => Math.Max(0, Math.Min(now, _until) - since);
    }
}
