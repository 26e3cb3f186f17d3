using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Server.Sources;
using Commander.Server.Sources.Prometheus;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Sources.Prometheus;

/// <summary>The source against the installed Prometheus, which scrapes an exporter of the test every second.</summary>
public sealed class RealPrometheusTests : IAsyncLifetime
{
    private static readonly MetricPolicy Orders = new("orders", MetricKind.Count, Family.Kpi, Direction.Up, "o_total", null, null, 0.95, new Tolerance(1, false), 0, null, false, "", 1, null, TimeSpan.Zero);
    private static readonly MetricPolicy Memory = Orders with { Name = "memory", Kind = MetricKind.Gauge, Query = "m_bytes{pod=\"a\"}" };

    private Exporter _exporter = null!;
    private RealPrometheus _prometheus = null!;

    public async ValueTask InitializeAsync()
    {
        _exporter = await Exporter.Start();
        _prometheus = await RealPrometheus.Start(new Uri(_exporter.Url));
    }

    public async ValueTask DisposeAsync()
    {
        if (_prometheus is not null)
            await _prometheus.DisposeAsync();
        await _exporter.DisposeAsync();
    }

    [Fact]
    public async Task Every_tick_counts_what_came_between_scrapes_and_a_target_that_is_gone_becomes_empty()
    {
        using var source = _prometheus.Source();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        // What the counter really was at each scrape, with one restart.
        var truth = new List<double>();
        double value = 1000;
        _exporter.Answer = async context =>
        {
            value = truth.Count == 4 ? 3 : value + 7;
            truth.Add(value);
            await context.Response.WriteAsync($"# TYPE o_total counter\no_total {value}\nm_bytes{{pod=\"a\"}} {truth.Count}\n");
        };
        var start = TimeProvider.System.GetUtcNow();
        var from = start;
        double sum = 0;
        var counted = new List<double>();
        var gauges = new List<Reading>();
        while (truth.Count < 9)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, patience.Token);
            var to = TimeProvider.System.GetUtcNow() - TimeSpan.FromMilliseconds(500);
            if (to <= from)
                continue;
            var readings = await source.Observe([Ask(Orders, from, to), Ask(Memory, from, to)], patience.Token);
            if (readings[1].HasValue)
                gauges.Add(readings[1]);
            if (!readings[0].HasValue)
                continue;
            sum += readings[0].Value;
            counted.Add(sum);
            from = DateTimeOffset.FromUnixTimeMilliseconds(readings[0].At);
        }

        // The first scrape has nothing to count from; from there on every sum is the sum of whole scrapes.
        var expected = new List<double>();
        double total = 0;
        for (var i = 1; i < truth.Count; i++)
            expected.Add(total += truth[i] < truth[i - 1] ? truth[i] : truth[i] - truth[i - 1]);
        counted.Count.ShouldBeGreaterThan(3);
        counted.ShouldAllBe(one => expected.Contains(one));
        gauges.Select(gauge => gauge.Value).ShouldBeInOrder();
        gauges.ShouldAllBe(gauge => gauge.Quality == Quality.Value && gauge.At <= TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());

        await _exporter.DisposeAsync();
        var last = await Until(source, from, reading => reading.Quality == Quality.Empty, patience.Token);
        last.Detail!.ShouldContain("although scraped every 1 s");
    }

    private static async Task<Reading> Until(PrometheusSource source, DateTimeOffset from, Func<Reading, bool> holds, CancellationToken cancel)
    {
        while (true)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, cancel);
            var to = TimeProvider.System.GetUtcNow();
            var reading = (await source.Observe([Ask(Orders, from, to)], cancel))[0];
            if (holds(reading))
                return reading;
            if (reading.HasValue)
                from = DateTimeOffset.FromUnixTimeMilliseconds(reading.At);
        }
    }

    private static Question Ask(MetricPolicy metric, DateTimeOffset from, DateTimeOffset to) => new(metric, 0, Arm.Candidate, metric.Query!, null, from, to);
}
