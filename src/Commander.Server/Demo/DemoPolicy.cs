namespace Commander.Server.Demo;

/// <summary>The demo's policy, as any user would write it.</summary>
internal static class DemoPolicy
{
    /// <summary>How the policy names the secret that rollbacks are signed with; the host answers it.</summary>
    public const string SecretName = "COMMANDER_SECRET_DEMO";

    /// <summary>The policy as YAML.</summary>
    /// <param name="metrics">Where the router exports what it measures.</param>
    /// <param name="rollback">Where the router takes a rollback.</param>
    public static string Text(Uri metrics, Uri rollback) =>
        $$$"""
        # The policy of the demo shop: what a service of your own needs is written the same way.
        sources:
          shop: { type: scrape, targets: { candidate: '{{{metrics}}}', control: '{{{metrics}}}' } }
        services:
          shop:
            source: shop
            metrics:
              errors:
                kind: ratio
                bad: 'shop_requests_total{version="{{version}}",code=~"5.."}'
                total: 'shop_requests_total{version="{{version}}"}'
                tolerance: 1pp
                objective: 1%
                critical: true
              latency:
                kind: histogram
                query: 'shop_request_duration_seconds_bucket{version="{{version}}"}'
                quantile: 0.95
                tolerance: 20%
                floor: 25ms
              memory:
                kind: gauge
                query: 'shop_process_resident_memory_bytes{version="{{version}}"}'
                unit: MB
                tolerance: 25%
                floor: 16MB
              cpu:
                kind: gauge
                query: 'shop_process_cpu_percent{version="{{version}}"}'
                unit: percent
                tolerance: 50%
                floor: 30%
            compare: auto
            watch: { step: 500ms, lag: 0s, min: 10s, max: 2m, reference: 60s, after: 90s, warmup: { latency: 2s, cpu: 2s, memory: 2s } }
            decide: { false_alarms: 1% }
            act: { autonomy: enforce, late: enforce, cooldown: 0s, max_per_hour: off, rollback: { type: webhook, url: '{{{rollback}}}', secret: '${{{{SecretName}}}}' } }

        """;
}
