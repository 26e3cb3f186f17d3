using System.Globalization;
using System.Text;
using Commander.Judging.Verdicts;
using Commander.Server.Loop;
using Commander.Server.Storage;
using Commander.Server.Tests.Loop;

namespace Commander.Server.Tests.Sources.Prometheus;

/// <summary>References from the history of a real Prometheus: the loop under a fake clock, the data stored before.</summary>
public sealed class HistoryTests
{
    // The world's clock starts here; mornings are busy from then on.
    private static readonly DateTimeOffset Start = new(2026, 11, 23, 10, 30, 0, TimeSpan.Zero);

    private const string Policy = """
        sources:
          truth: { type: prometheus, url: 'http://127.0.0.1:1' }
        services:
          checkout:
            source: truth
            metrics:
              errors: { kind: ratio, bad: 'requests_total{service="{{service}}",code=~"5.."}', total: 'requests_total{service="{{service}}"}', tolerance: 1pp }
              latency: { kind: gauge, query: 'latency_ms{service="{{service}}"}', unit: ms, tolerance: 20% }
              load: { kind: count, query: 'requests_total{service="{{service}}"}' }
            watch: { step: 15s, lag: 0s, min: 2m, max: 20m, reference: 30m, after: 10m, warmup: { latency: 0s } }
            act: { autonomy: observe }
        """;

    [Fact]
    public async Task A_daily_rhythm_raises_no_alarm_and_the_season_is_named()
    {
        var (closed, facts) = await Watch(daysAgo: [0, 1]);
        closed.Verdicts.Select(verdict => verdict.Decision).ShouldNotContain("ROLLBACK");
        closed.FinalVerdict().Findings.Single(finding => finding.Metric == "latency").ReferenceArm.ShouldBe("seasonal");
        closed.FinalVerdict().Findings.Single(finding => finding.Metric == "errors").ReferenceArm.ShouldBe("before");
        SeasonalDays(facts).ShouldBe([1]);
        Replay.Same(facts, Pins!).Identical.ShouldBeTrue();
    }

    [Fact]
    public async Task Where_yesterday_has_nothing_last_week_is_the_season()
    {
        var (closed, facts) = await Watch(daysAgo: [0, 7]);
        closed.Verdicts.Select(verdict => verdict.Decision).ShouldNotContain("ROLLBACK");
        closed.FinalVerdict().Findings.Single(finding => finding.Metric == "latency").ReferenceArm.ShouldBe("seasonal");
        SeasonalDays(facts).ShouldBe([7]);
    }

    [Fact]
    public async Task Without_another_day_the_same_rise_is_an_alarm_against_before()
    {
        var (closed, facts) = await Watch(daysAgo: [0]);
        closed.Verdicts.Select(verdict => verdict.Decision).ShouldContain("ROLLBACK");
        closed.FinalVerdict().Findings.Single(finding => finding.Metric == "latency").ReferenceArm.ShouldBe("before");
        SeasonalDays(facts).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_rise_beyond_the_days_rhythm_is_an_alarm()
    {
        var (closed, _) = await Watch(daysAgo: [0, 1], worse: 1.6);
        closed.Verdicts.Select(verdict => verdict.Decision).ShouldContain("ROLLBACK");
        closed.FinalVerdict().Findings.Single(finding => finding.Metric == "latency").ReferenceArm.ShouldBe("seasonal");
    }

    private IPinned? Pins { get; set; }

    private async Task<(Deployment Closed, IReadOnlyList<Fact> Facts)> Watch(int[] daysAgo, double worse = 1)
    {
        await using var prometheus = await RealPrometheus.Start(null, History(daysAgo, worse));
        using var source = prometheus.Source();
        await using var world = await LoopWorld.Begin(Policy, source: source);
        Pins = world.Parts.Pins;
        world.Clock.GetUtcNow().ShouldBe(Start);
        var announced = await world.Announce("2.0.0");
        var closed = await world.Run(announced.Id, deployment => deployment.State == "closed", TimeSpan.FromHours(1));
        return (closed, await world.Facts(announced.Id));
    }

    /// <summary>How many days before their tick the season's readings lie.</summary>
    private static int[] SeasonalDays(IReadOnlyList<Fact> facts)
    {
        var days = new SortedSet<int>();
        foreach (var fact in facts.Where(fact => fact.Kind == FactKind.Tick))
        {
            using var tick = System.Text.Json.JsonDocument.Parse(fact.Body!);
            var common = tick.RootElement.TryGetProperty("at", out var at) ? at.GetInt64() : 0;
            foreach (var metric in tick.RootElement.GetProperty("m").EnumerateObject())
            {
                if (metric.Value.TryGetProperty("seasonal", out var season) && season.TryGetProperty("v", out _))
                {
                    var own = season.TryGetProperty("at", out var its) ? its.GetInt64() : common;
                    days.Add((int)Math.Round((Start.AddSeconds(15 * tick.RootElement.GetProperty("n").GetInt32()) - DateTimeOffset.FromUnixTimeMilliseconds(own)).TotalDays));
                }
            }
        }

        return [.. days];
    }

    /// <summary>Every day the same: quiet until half past ten, then within ten minutes twice the requests, each twice as slow.</summary>
    private static string History(int[] daysAgo, double worse)
    {
        var requests = new StringBuilder("# TYPE requests counter\n");
        var latency = new StringBuilder("# TYPE latency_ms gauge\n");
        foreach (var day in daysAgo.OrderDescending())
        {
            double good = 1e6, bad = 1e3;
            for (var second = -3600; second <= 3600; second += 15)
            {
                var busy = 1 + Math.Clamp(second / 600.0, 0, 1);
                good += Math.Floor(100 * 15 * busy);
                bad += Math.Floor(0.2 * 15 * busy);
                // Scraped a little after the quarter of a minute, and noisy without being random.
                var at = (Start.AddDays(-day).AddSeconds(second).ToUnixTimeMilliseconds() / 1000.0) + 2.5;
                var level = 80 * busy * (1 + (0.03 * Math.Sin(second * 12.9898 / 15))) * (day == 0 && second > 0 ? worse : 1);
                requests.Append(CultureInfo.InvariantCulture, $"requests_total{{service=\"checkout\",code=\"200\",instance=\"a\",job=\"shop\"}} {good} {at:0.###}\n");
                requests.Append(CultureInfo.InvariantCulture, $"requests_total{{service=\"checkout\",code=\"500\",instance=\"a\",job=\"shop\"}} {bad} {at:0.###}\n");
                latency.Append(CultureInfo.InvariantCulture, $"latency_ms{{service=\"checkout\",instance=\"a\",job=\"shop\"}} {level:0.###} {at:0.###}\n");
            }
        }

        return $"{requests}{latency}# EOF\n";
    }
}

internal static class Finals
{
    /// <summary>The verdict that a closed deployment ends with.</summary>
    public static Verdict FinalVerdict(this Deployment deployment) => deployment.Verdict.ShouldNotBeNull();
}
