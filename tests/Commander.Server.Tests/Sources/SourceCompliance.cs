using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Server.Connections;
using Commander.Server.Sources;
using Commander.Server.Sources.Prometheus;
using Commander.Server.Sources.Scrape;
using Commander.Server.Tests.Sources.Prometheus;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Sources;

/// <summary>What every source must do with the same metrics, whoever scrapes them. One tick a second; what a service exposes is said by the test.</summary>
public abstract class SourceCompliance : IAsyncLifetime
{
    private protected static readonly DateTimeOffset Start = new(2026, 11, 23, 10, 0, 0, TimeSpan.Zero);

    private static readonly MetricPolicy Errors = Metric("errors", MetricKind.Ratio, bad: """r_total{version="{{version}}",code=~"5.."}""", total: """r_total{version="{{version}}"}""");
    private static readonly MetricPolicy Latency = Metric("latency", MetricKind.Histogram, """d_seconds_bucket{version="{{version}}"}""", scale: 1000);
    private static readonly MetricPolicy Memory = Metric("memory", MetricKind.Gauge, """m_bytes{version="{{version}}"}""", scale: 1e-6);
    private static readonly MetricPolicy Orders = Metric("orders", MetricKind.Count, """o_total{version="{{version}}"}""");

    private protected static readonly MetricPolicy[] All = [Errors, Latency, Memory, Orders];

    private protected FakeTimeProvider Clock { get; } = new(Start);

    private protected abstract ISource Source { get; }

    public abstract ValueTask InitializeAsync();

    public abstract ValueTask DisposeAsync();

    /// <summary>The service exposes this from now on.</summary>
    private protected abstract void Exposes(string text);

    /// <summary>Whoever is asked answers this from now on.</summary>
    private protected abstract void Answers(RequestDelegate answer);

    private static MetricPolicy Metric(string name, MetricKind kind, string? query = null, string? bad = null, string? total = null, double scale = 1) =>
        new(name, kind, Family.Kpi, Direction.Up, query, bad, total, 0.95, new Tolerance(1, false), 0, null, false, "", scale, null, TimeSpan.Zero);

    private static Question Ask(MetricPolicy metric, DateTimeOffset from, DateTimeOffset to, Arm arm)
    {
        var version = arm == Arm.Candidate ? "2" : "1";
        return new(metric, 0, arm, (metric.Query ?? metric.Bad)!.Replace("{{version}}", version, StringComparison.Ordinal), metric.Total?.Replace("{{version}}", version, StringComparison.Ordinal), from, to);
    }

    /// <summary>A second later: what both arms say, each from where its last number ended.</summary>
    private async Task<(Reading Candidate, Reading Control)> Tick(MetricPolicy metric, string text, Reading candidate = default, Reading control = default)
    {
        Clock.Advance(TimeSpan.FromSeconds(1));
        Exposes(text);
        var readings = await Source.Observe([Ask(metric, Since(candidate), Clock.GetUtcNow(), Arm.Candidate), Ask(metric, Since(control), Clock.GetUtcNow(), Arm.Control)], CancellationToken.None);
        return (readings[0], readings[1]);
    }

    private static DateTimeOffset Since(Reading reading) => reading.HasValue ? DateTimeOffset.FromUnixTimeMilliseconds(reading.At) : Start;

    private static string Series(string name, string version, double value, string more = "") =>
        $"{name}{{version=\"{version}\",instance=\"a:1\",job=\"shop\"{more}}} {value}\n";

    [Fact]
    public async Task Answers_stand_in_the_order_of_the_questions()
    {
        Clock.Advance(TimeSpan.FromSeconds(1));
        Exposes(Series("m_bytes", "1", 1e6) + Series("m_bytes", "2", 2e6));
        var readings = await Source.Observe([Ask(Memory, Start, Clock.GetUtcNow(), Arm.Control), Ask(Memory, Start, Clock.GetUtcNow(), Arm.Candidate)], CancellationToken.None);
        readings.Select(reading => (reading.Quality, Math.Round(reading.Value, 9), reading.At)).ShouldBe([(Quality.Value, 1, Clock.GetUtcNow().ToUnixTimeMilliseconds()), (Quality.Value, 2, Clock.GetUtcNow().ToUnixTimeMilliseconds())]);
        (await Source.Observe([], CancellationToken.None)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Growth_needs_two_points_and_adds_up_over_ticks_and_restarts()
    {
        var (reading, _) = await Tick(Orders, Series("o_total", "2", 1000));
        reading.Quality.ShouldBe(Quality.Empty);
        reading.Detail!.ShouldContain("growth needs two");
        double sum = 0;
        foreach (var value in (double[])[1004, 1004, 3, 10])
        {
            (reading, _) = await Tick(Orders, Series("o_total", "2", value), reading);
            reading.HasValue.ShouldBeTrue();
            sum += reading.Value;
        }

        sum.ShouldBe(4 + 0 + 3 + 7);
    }

    [Fact]
    public async Task A_version_that_appears_where_the_old_one_was_seen_counts_from_zero()
    {
        await Tick(Errors, Series("r_total", "1", 500, ",code=\"200\""));
        var (candidate, control) = await Tick(Errors, Series("r_total", "1", 520, ",code=\"200\"") + Series("r_total", "2", 40, ",code=\"200\"") + Series("r_total", "2", 10, ",code=\"503\""));
        (candidate.Quality, candidate.Value, candidate.Total).ShouldBe((Quality.Value, 10, 50));
        (control.Value, control.Total).ShouldBe((0, 20));
    }

    [Fact]
    public async Task Buckets_are_added_up_over_instances_in_the_metrics_unit()
    {
        static string Text(double low, double all, double otherLow, double otherAll) =>
            Series("d_seconds_bucket", "2", low, ",pod=\"a\",le=\"0.1\"") + Series("d_seconds_bucket", "2", all, ",pod=\"a\",le=\"+Inf\"")
            + Series("d_seconds_bucket", "2", otherLow, ",pod=\"b\",le=\"0.1\"") + Series("d_seconds_bucket", "2", otherAll, ",pod=\"b\",le=\"+Inf\"");
        var (first, _) = await Tick(Latency, Text(1, 3, 10, 20));
        var (second, _) = await Tick(Latency, Text(5, 9, 11, 24), first);
        second.Buckets!.Edges.ShouldBe([100, double.PositiveInfinity]);
        second.Buckets.Counts.ShouldBe([5, 10]);
    }

    [Fact]
    public async Task A_gauge_is_the_mean_of_its_instances_and_nan_has_a_word()
    {
        var (mean, _) = await Tick(Memory, Series("m_bytes", "2", 3e6, ",pod=\"a\"") + Series("m_bytes", "2", 5e6, ",pod=\"b\""));
        (mean.Quality, Math.Round(mean.Value, 9)).ShouldBe((Quality.Value, 4));
        var (partial, _) = await Tick(Memory, Series("m_bytes", "2", 3e6, ",pod=\"a\"") + Series("m_bytes", "2", double.NaN, ",pod=\"b\""), mean);
        (partial.Quality, Math.Round(partial.Value, 9)).ShouldBe((Quality.Partial, 3));
    }

    [Fact]
    public async Task What_is_gone_for_good_is_empty_and_what_is_still_there_is_not()
    {
        var both = Series("o_total", "1", 100) + Series("o_total", "2", 100);
        var (candidate, control) = await Tick(Orders, both);
        (candidate, control) = await Tick(Orders, both, candidate, control);
        var last = candidate;
        for (var i = 0; i < 4; i++)
        {
            Reading now;
            (now, control) = await Tick(Orders, Series("o_total", "1", 110), last, control);
            control.HasValue.ShouldBeTrue();
            candidate = now;
        }

        candidate.Quality.ShouldBe(Quality.Empty);
    }

    [Theory]
    [InlineData(401, Quality.Denied)]
    [InlineData(403, Quality.Denied)]
    [InlineData(500, Quality.Error)]
    [InlineData(302, Quality.Error)]
    [InlineData(200, Quality.Error)]
    public async Task A_refusal_or_a_page_has_its_quality_and_a_reason(int status, Quality quality)
    {
        Answers(context =>
        {
            context.Response.StatusCode = status;
            context.Response.ContentType = "text/html";
            context.Response.Headers.Location = "http://example.org/";
            return context.Response.WriteAsync("<html>no</html>");
        });
        Clock.Advance(TimeSpan.FromSeconds(1));
        foreach (var metric in All)
        {
            var reading = (await Source.Observe([Ask(metric, Start, Clock.GetUtcNow(), Arm.Candidate)], CancellationToken.None))[0];
            reading.Quality.ShouldBe(quality);
            reading.Detail.ShouldNotBeNullOrEmpty();
        }
    }

    [Fact]
    public async Task One_that_hangs_is_a_timeout_when_the_tick_gives_up()
    {
        var hanging = new TaskCompletionSource();
        Answers(context =>
        {
            hanging.TrySetResult();
            return Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        });
        Clock.Advance(TimeSpan.FromSeconds(1));
        using var deadline = new CancellationTokenSource();
        var late = Source.Observe([Ask(Memory, Start, Clock.GetUtcNow(), Arm.Candidate)], deadline.Token);
        await hanging.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await deadline.CancelAsync();
        (await late.WaitAsync(TimeSpan.FromSeconds(30)))[0].Quality.ShouldBe(Quality.Timeout);
    }
}

public sealed class ScrapeComplianceTests : SourceCompliance
{
    private readonly HttpClient _http = Outgoing.Create();
    private Exporter _exporter = null!;
    private ScrapeSource _source = null!;

    private protected override ISource Source => _source;

    public override async ValueTask InitializeAsync()
    {
        _exporter = await Exporter.Start();
        var targets = new Dictionary<string, string>(StringComparer.Ordinal) { ["targets.candidate"] = _exporter.Url, ["targets.control"] = _exporter.Url };
        _source = new ScrapeSource(new SourceSettings("shop", "scrape", targets), All, _http, Clock);
    }

    public override async ValueTask DisposeAsync()
    {
        await _exporter.DisposeAsync();
        _http.Dispose();
    }

    private protected override void Exposes(string text) => _exporter.Says(text);

    private protected override void Answers(RequestDelegate answer) => _exporter.Answer = answer;
}

public sealed class PrometheusComplianceTests : SourceCompliance
{
    private readonly HttpClient _http = Outgoing.Create();
    private RecordedPrometheus _prometheus = null!;
    private PrometheusSource _source = null!;

    private protected override ISource Source => _source;

    public override async ValueTask InitializeAsync()
    {
        _prometheus = await RecordedPrometheus.Start(Clock);
        _source = new PrometheusSource(new SourceSettings("prom", "prometheus", new Dictionary<string, string>(StringComparer.Ordinal) { ["url"] = _prometheus.Url }), _http, Clock, _ => null);
    }

    public override async ValueTask DisposeAsync()
    {
        _source.Dispose();
        await _prometheus.DisposeAsync();
        _http.Dispose();
    }

    private protected override void Exposes(string text) => _prometheus.Scrape(text);

    private protected override void Answers(RequestDelegate answer) => _prometheus.Says(answer);
}
