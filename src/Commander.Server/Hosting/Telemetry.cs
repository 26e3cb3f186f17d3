using Commander.Server.Api;
using Commander.Server.Reasoning;
using OpenTelemetry.Metrics;

namespace Commander.Server.Hosting;

/// <summary>The process's own metrics, as Prometheus reads them.</summary>
internal static class Telemetry
{
    /// <summary>Gathers them.</summary>
    public static void AddTelemetry(this IServiceCollection services) =>
        services.AddOpenTelemetry().WithMetrics(metrics => metrics
            .AddMeter(Reasoner.Meter, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime")
            .AddPrometheusExporter(exporter => exporter.ScrapeResponseCacheDurationMilliseconds = 1000));

    /// <summary><c>/metrics</c>.</summary>
    public static void MapTelemetry(this IEndpointRouteBuilder routes) =>
        routes.MapPrometheusScrapingEndpoint("/metrics").Needs(Role.Viewer).ExcludeFromDescription();
}
