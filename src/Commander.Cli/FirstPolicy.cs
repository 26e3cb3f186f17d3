using System.Text;

namespace Commander.Cli;

/// <summary>Writes a policy for the services of a Prometheus, from the names that their metrics and labels usually have.</summary>
internal static class FirstPolicy
{
    private const int MaxServices = 10;

    private static readonly string[] ServiceLabels = ["service", "app", "service_name", "app_kubernetes_io_name", "application", "job"];
    private static readonly string[] VersionLabels = ["version", "app_version", "service_version", "app_kubernetes_io_version", "image_tag", "tag", "release"];
    private static readonly string[] CodeLabels = ["code", "status_code", "http_response_status_code", "http_status_code", "status"];
    private static readonly string[] Requests = ["http_requests_total", "http_server_requests_seconds_count", "http_server_request_duration_seconds_count", "http_request_duration_seconds_count"];
    private static readonly string[] Durations = ["http_request_duration_seconds_bucket", "http_server_requests_seconds_bucket", "http_server_request_duration_seconds_bucket"];
    private static readonly string[] Memory = ["process_resident_memory_bytes", "container_memory_working_set_bytes"];

    // What Prometheus and its clients say of themselves is about no service.
    private static readonly string[] Own = ["prometheus_", "promhttp_", "go_", "scrape_", "net_conntrack_", "alertmanager_"];

    public static async Task<string> Write(MetricNames prometheus, string? service, CancellationToken cancel)
    {
        var names = await prometheus.Metrics(cancel);
        var requests = Find(names, Requests, name => name.EndsWith("requests_total", StringComparison.Ordinal) || name.EndsWith("requests_count", StringComparison.Ordinal));
        var durations = Find(names, Durations, name => name.EndsWith("_bucket", StringComparison.Ordinal) && (name.Contains("duration", StringComparison.Ordinal) || name.Contains("latency", StringComparison.Ordinal)));
        var memory = Find(names, Memory, name => name.EndsWith("resident_memory_bytes", StringComparison.Ordinal));
        var first = requests ?? durations ?? memory
            ?? throw new Failure($"{prometheus.Address} has no metric of requests, durations or memory among {names.Count} names", "let it scrape the service first, or write the policy by hand: docs/policy.md");
        var services = await Services(prometheus, first, service, cancel);

        var metrics = await Metrics(prometheus, requests, durations, memory, cancel);
        var text = new StringBuilder();
        text.Append("# A first policy, made from the metrics of this Prometheus. Check it with: commander policy check FILE --live\n");
        text.Append("sources:\n  prom: { type: prometheus, url: '").Append(prometheus.Address.AbsoluteUri.TrimEnd('/')).Append("' }\n");
        text.Append("defaults:\n");
        text.Append(metrics.Contains("{{version}}", StringComparison.Ordinal) ? "" : "  # No label tells versions apart (version, app_version, ...): the new version is compared with the past.\n");
        text.Append("  # Only recorded until you trust it: then recommend, then enforce with a rollback target.\n  act: { autonomy: observe }\n");
        // Not under the defaults: services that are not named here have no such metrics, and their snapshots are judged at once.
        text.Append("services:\n");
        foreach (var name in services.Take(MaxServices))
            text.Append("  '").Append(name.Replace("'", "''", StringComparison.Ordinal)).Append("':\n    source: prom\n    metrics:\n").Append(metrics);
        if (services.Count > MaxServices)
            text.Append("  # and ").Append(services.Count - MaxServices).Append(" more: write each with policy init --service NAME, or copy what stands above\n");
        return text.ToString();
    }

    /// <summary>The metrics of any service, indented to stand below it.</summary>
    private static async Task<string> Metrics(MetricNames prometheus, string? requests, string? durations, string? memory, CancellationToken cancel)
    {
        var text = new StringBuilder();
        if (requests is not null)
        {
            var (selector, labels) = await Selector(prometheus, requests, cancel);
            if (CodeLabels.FirstOrDefault(labels.Contains) is { } code)
            {
                text.Append("      errors:\n        kind: ratio\n");
                text.Append("        bad: '").Append(requests).Append('{').Append(string.Join(',', selector.Append($"{code}=~\"5..\""))).Append("}'\n");
                text.Append("        total: '").Append(requests).Append(Braces(selector)).Append("'\n");
                text.Append("        critical: true\n");
            }
            else
            {
                text.Append("      # ").Append(requests).Append(" has no label for the status (code, status_code, ...), so errors cannot be told from the rest.\n");
                text.Append("      requests: { kind: count, query: '").Append(requests).Append(Braces(selector)).Append("' }\n");
            }
        }

        if (durations is not null)
        {
            var (selector, _) = await Selector(prometheus, durations, cancel);
            text.Append("      latency:\n        kind: histogram\n        query: '").Append(durations).Append(Braces(selector)).Append("'\n        quantile: 0.95\n        tolerance: 20%\n        floor: 25ms\n");
        }

        if (memory is not null)
        {
            var (selector, _) = await Selector(prometheus, memory, cancel);
            text.Append("      memory:\n        kind: gauge\n        query: '").Append(memory).Append(Braces(selector)).Append("'\n        unit: MB\n        tolerance: 25%\n        floor: 16MB\n");
        }

        return text.ToString();
    }

    private static async Task<IReadOnlyList<string>> Services(MetricNames prometheus, string metric, string? service, CancellationToken cancel)
    {
        var labels = await prometheus.Labels(metric, cancel);
        var label = ServiceLabels.FirstOrDefault(labels.Contains);
        var known = label is null ? [] : await prometheus.Values(metric, label, cancel);
        if (service is null)
            return known.Count > 0 ? known : throw new Failure($"{metric} has no label that names services ({string.Join(", ", ServiceLabels)})", "name the service with --service");
        if (known.Count > 0 && !known.Contains(service))
            throw new Failure($"no series of {metric} has {label}=\"{service}\"; there is {string.Join(", ", known.Take(8))}", "name one of them with --service");
        return [service];
    }

    /// <summary>The conditions that pick a service's version out of a metric, as far as its labels allow it.</summary>
    private static async Task<(List<string> Conditions, IReadOnlyList<string> Labels)> Selector(MetricNames prometheus, string metric, CancellationToken cancel)
    {
        var labels = await prometheus.Labels(metric, cancel);
        var conditions = new List<string>();
        if (ServiceLabels.FirstOrDefault(labels.Contains) is { } service)
            conditions.Add($"{service}=\"{{{{service}}}}\"");
        if (VersionLabels.FirstOrDefault(labels.Contains) is { } version)
            conditions.Add($"{version}=\"{{{{version}}}}\"");
        return (conditions, labels);
    }

    private static string Braces(List<string> conditions) => conditions.Count == 0 ? "" : "{" + string.Join(',', conditions) + "}";

    private static string? Find(IReadOnlyList<string> names, string[] usual, Func<string, bool> like) =>
        usual.FirstOrDefault(names.Contains) ?? names.FirstOrDefault(name => like(name) && !Own.Any(own => name.StartsWith(own, StringComparison.Ordinal)));
}
