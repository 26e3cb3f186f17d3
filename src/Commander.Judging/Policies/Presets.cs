namespace Commander.Judging.Policies;

/// <summary>Metrics that many services export under the same names. All of them are selected by the labels service and version (kubernetes-pod: namespace and pod), which scrape relabelling puts there.</summary>
internal static class Presets
{
    private static readonly Dictionary<string, string> Texts = new(StringComparer.Ordinal)
    {
        // The names that Prometheus' client libraries and the HTTP middlewares on them use.
        ["http"] = """
            metrics:
              errors:
                kind: ratio
                bad: 'http_requests_total{service="{{service}}",version="{{version}}",code=~"5.."}'
                total: 'http_requests_total{service="{{service}}",version="{{version}}"}'
                critical: true
              latency:
                kind: histogram
                query: 'http_request_duration_seconds_bucket{service="{{service}}",version="{{version}}"}'
                quantile: 0.95
                tolerance: 20%
                floor: 25ms
            """,
        // cAdvisor and kube-state-metrics, over all pods of the workload: they know no versions, so the new is compared with the time before.
        ["kubernetes-pod"] = """
            metrics:
              memory:
                kind: gauge
                query: 'container_memory_working_set_bytes{namespace="{{namespace}}",pod=~"{{service}}-.*",container!="",container!="POD"}'
                unit: MB
                tolerance: 25%
                floor: 16MB
              cpu:
                kind: gauge
                query: 'avg(rate(container_cpu_usage_seconds_total{namespace="{{namespace}}",pod=~"{{service}}-.*",container!="",container!="POD"}[2m]))'
                scale: 100
                window: 2m
                unit: percent
                tolerance: 50%
                floor: 5pp
              restarts:
                kind: count
                family: error
                query: 'kube_pod_container_status_restarts_total{namespace="{{namespace}}",pod=~"{{service}}-.*"}'
                tolerance: 100%
                floor: 5
            """,
        // OpenTelemetry's names of ASP.NET Core and of the runtime since .NET 9.
        ["dotnet"] = """
            metrics:
              errors:
                kind: ratio
                bad: 'http_server_request_duration_seconds_count{service="{{service}}",version="{{version}}",http_response_status_code=~"5.."}'
                total: 'http_server_request_duration_seconds_count{service="{{service}}",version="{{version}}"}'
                critical: true
              latency:
                kind: histogram
                query: 'http_server_request_duration_seconds_bucket{service="{{service}}",version="{{version}}"}'
                quantile: 0.95
                tolerance: 20%
                floor: 25ms
              memory:
                kind: gauge
                query: 'dotnet_process_memory_working_set_bytes{service="{{service}}",version="{{version}}"}'
                unit: MB
                tolerance: 25%
                floor: 16MB
              cpu:
                kind: gauge
                query: 'avg(sum by (instance) (rate(dotnet_process_cpu_time_seconds_total{service="{{service}}",version="{{version}}"}[1m])))'
                scale: 100
                window: 1m
                unit: percent
                tolerance: 50%
                floor: 5pp
              exceptions:
                kind: count
                family: error
                query: 'dotnet_exceptions_total{service="{{service}}",version="{{version}}"}'
                tolerance: 100%
                floor: 5
            """,
        // Micrometer's names, as Spring Boot exports them.
        ["jvm"] = """
            metrics:
              errors:
                kind: ratio
                bad: 'http_server_requests_seconds_count{service="{{service}}",version="{{version}}",status=~"5.."}'
                total: 'http_server_requests_seconds_count{service="{{service}}",version="{{version}}"}'
                critical: true
              latency:
                kind: histogram
                query: 'http_server_requests_seconds_bucket{service="{{service}}",version="{{version}}"}'
                quantile: 0.95
                tolerance: 20%
                floor: 25ms
              memory:
                kind: gauge
                query: 'sum by (instance) (jvm_memory_used_bytes{service="{{service}}",version="{{version}}",area="heap"})'
                unit: MB
                tolerance: 25%
                floor: 32MB
              cpu:
                kind: gauge
                query: 'process_cpu_usage{service="{{service}}",version="{{version}}"}'
                scale: 100
                unit: percent
                tolerance: 50%
                floor: 5pp
              gc_pause:
                kind: gauge
                query: 'avg(sum by (instance) (rate(jvm_gc_pause_seconds_sum{service="{{service}}",version="{{version}}"}[1m])))'
                family: latency
                scale: 100
                window: 1m
                unit: percent
                tolerance: 100%
                floor: 2pp
            """,
        // The names of prom-client and the HTTP middlewares on it.
        ["node"] = """
            metrics:
              errors:
                kind: ratio
                bad: 'http_request_duration_seconds_count{service="{{service}}",version="{{version}}",status_code=~"5.."}'
                total: 'http_request_duration_seconds_count{service="{{service}}",version="{{version}}"}'
                critical: true
              latency:
                kind: histogram
                query: 'http_request_duration_seconds_bucket{service="{{service}}",version="{{version}}"}'
                quantile: 0.95
                tolerance: 20%
                floor: 25ms
              memory:
                kind: gauge
                query: 'process_resident_memory_bytes{service="{{service}}",version="{{version}}"}'
                unit: MB
                tolerance: 25%
                floor: 16MB
              cpu:
                kind: gauge
                query: 'avg(rate(process_cpu_seconds_total{service="{{service}}",version="{{version}}"}[1m]))'
                scale: 100
                window: 1m
                unit: percent
                tolerance: 50%
                floor: 5pp
              event_loop:
                kind: gauge
                query: 'nodejs_eventloop_lag_p99_seconds{service="{{service}}",version="{{version}}"}'
                family: latency
                unit: ms
                tolerance: 50%
                floor: 25ms
            """,
    };

    // Parsed once: a file may name a preset in each of its services.
    private static readonly Dictionary<string, MapNode> Parsed = Texts.ToDictionary(text => text.Key, text => (MapNode)YamlTree.Read(text.Key, text.Value, new Errors())!, StringComparer.Ordinal);

    public static IReadOnlyCollection<string> Names => Texts.Keys;

    /// <summary>A preset's keys, placed where the file names it; null when there is none of that name.</summary>
    public static MapNode? Find(string name, Node named) =>
        Parsed.TryGetValue(name, out var map) ? (MapNode)Move(map, named.Place, named.Path) : null;

    private static Node Move(Node node, Place place, string path) => node switch
    {
        MapNode map => new MapNode(place, path, [.. map.Entries.Select(entry => new Entry(entry.Key, place, Move(entry.Value, place, $"{path}.{entry.Key}")))]),
        // No preset has a list.
        _ => node with { Place = place, Path = path },
    };
}
