using System.Collections.Concurrent;
using Commander.Judging.Evidence;
using Commander.Server.Sources;

namespace Commander.Server.Tests.Reasoning;

/// <summary>A shop with requests, of which few fail, and with sales per visitor: a figure whose change alone is a mild alarm.</summary>
internal sealed class ShopSource : ISource
{
    /// <summary>The share of failed requests by version; 0.001 where nothing is said.</summary>
    public ConcurrentDictionary<string, double> ErrorShare { get; } = new(StringComparer.Ordinal);

    /// <summary>Sales per visitor by version; 40 where nothing is said.</summary>
    public ConcurrentDictionary<string, double> Sales { get; } = new(StringComparer.Ordinal);

    public double Rate { get; set; } = 100;

    public bool RemembersPast => true;

    public bool SeparatesArms => false;

    /// <summary>Its policy; the source's name is truth.</summary>
    public static string Policy(string reasoning, string more = "") => $$$"""
        sources:
          truth: { type: scrape, targets: { candidate: 'http://127.0.0.1:1/metrics', control: 'http://127.0.0.1:1/metrics' } }
        defaults:
          source: truth
          metrics:
            errors: { kind: ratio, bad: 'requests_total{version="{{version}}",code=~"5.."}', total: 'requests_total{version="{{version}}"}', tolerance: 1pp, objective: 1%, critical: true }
            sales: { kind: gauge, query: 'sales{version="{{version}}"}', tolerance: 20% }
          watch: { step: 1s, lag: 0s, min: 10s, max: 2m, reference: 60s, after: 3m, warmup: { latency: 2s }, on_hold: page }
          decide: { reasoning: {{{reasoning}}}, cost: { false_rollback: 2, missed: 1 } }
          act: { autonomy: enforce, rollback: { type: webhook, url: 'http://127.0.0.1:1/rollback' }, late: enforce, ask_for: 1m, cooldown: 0s, max_per_hour: off }
          {{{more}}}
        """;

    public Task<Reading[]> Observe(IReadOnlyList<Question> questions, CancellationToken cancel) =>
        Task.FromResult(questions.Select(q => Answer(q, q.From, q.To)).ToArray());

    public Task<Reading[][]> Past(IReadOnlyList<Question> questions, int points, CancellationToken cancel) =>
        Task.FromResult(questions.Select(q =>
        {
            var width = (q.To - q.From) / points;
            return Enumerable.Range(0, points).Select(p => Answer(q, q.From + (p * width), q.From + ((p + 1) * width))).ToArray();
        }).ToArray());

    private Reading Answer(Question question, DateTimeOffset from, DateTimeOffset to)
    {
        var version = question.Query.Split("version=\"")[1].Split('"')[0];
        if (question.Metric.Kind == MetricKind.Gauge)
        {
            // Within two percent, the same at the same instant.
            var noise = 1 + (0.02 * Math.Sin(to.ToUnixTimeMilliseconds() / 777.0));
            return new Reading(Quality.Value, Sales.GetValueOrDefault(version, 40) * noise, 0, null, to.ToUnixTimeMilliseconds());
        }

        var share = ErrorShare.GetValueOrDefault(version, 0.001);
        double Count(DateTimeOffset at) => Math.Floor((at - DateTimeOffset.UnixEpoch).TotalSeconds * Rate);
        double Bad(DateTimeOffset at) => Math.Floor(Count(at) * share);
        return new Reading(Quality.Value, Bad(to) - Bad(from), Count(to) - Count(from), null, to.ToUnixTimeMilliseconds());
    }
}
