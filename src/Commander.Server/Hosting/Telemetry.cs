using Commander.Server.Api;
using Commander.Server.Hosting.SelfChecks;
using Commander.Server.Reasoning;
using OpenTelemetry.Metrics;

namespace Commander.Server.Hosting;

/// <summary>The process's own metrics, as Prometheus reads them.</summary>
internal static class Telemetry
{
    private static readonly double[] Seconds = [0.1, 0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 60, 120];

    /// <summary>Gathers them.</summary>
    public static void AddTelemetry(this IServiceCollection services) =>
        services.AddOpenTelemetry().WithMetrics(metrics => metrics
            .AddMeter(Reasoner.Meter, SelfCheck.Meter, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime")
            .AddView("commander.reasoning.duration", new ExplicitBucketHistogramConfiguration { Boundaries = Seconds })
            .AddPrometheusExporter(exporter => exporter.ScrapeResponseCacheDurationMilliseconds = 1000));

    /// <summary><c>/metrics</c>.</summary>
    public static void MapTelemetry(this IEndpointRouteBuilder routes) =>
        routes.MapPrometheusScrapingEndpoint("/metrics").Needs(Role.Viewer).ExcludeFromDescription();
}
