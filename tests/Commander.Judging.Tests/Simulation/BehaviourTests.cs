using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;

namespace Commander.Judging.Tests.Simulation;

public class BehaviourTests
{
    private const int Errors = 0;
    private const int Latency = 1;
    private const int Cpu = 2;
    private const int Memory = 3;
    private const int Requests = 4;
    private const int ErrorRate = 5;
    private const int P95 = 6;
    private const int Throughput = 7;

    // Ticks of two seconds.
    private static readonly Policy Policy = Grid.Policy with
    {
        Watch = Grid.Policy.Watch with { Step = TimeSpan.FromSeconds(2) },
        Metrics =
        [
            .. Grid.Policy.Metrics,
            Gauge("error_rate", Family.Error, "%"),
            Gauge("latency_p95", Family.Latency, "ms"),
            Gauge("throughput", Family.Traffic, "1/s"),
        ],
    };

    [Fact]
    public void A_tick_s_requests_are_those_of_all_the_seconds_it_covers_and_its_throughput_is_by_the_second()
    {
        foreach (var span in new[] { 1, 30 })
        {
            var tick = Measured(new Behaviour { Rate = 50_000 }, span: span);
            (tick[Requests, Arm.Control].Value / (2 * span)).ShouldBe(50_000, 1000);
            tick[Throughput, Arm.Control].Value.ShouldBe(tick[Requests, Arm.Control].Value / (2 * span));
            tick[Errors, Arm.Control].Total.ShouldBe(tick[Requests, Arm.Control].Value);
            tick[Latency, Arm.Control].Buckets!.Total.ShouldBe(tick[Requests, Arm.Control].Value);
        }
    }

    [Fact]
    public void An_error_rate_is_the_failed_of_all_requests_in_percent()
    {
        var tick = Measured(new Behaviour { Errors = 0.3 });
        tick[ErrorRate, Arm.Control].ShouldBe(new Reading(Quality.Value, 100 * tick[Errors, Arm.Control].Value / tick[Errors, Arm.Control].Total));
        tick[ErrorRate, Arm.Control].Value.ShouldBe(30, 10);
    }

    [Fact]
    public void Without_requests_counts_are_nothing_and_shares_and_response_times_are_not_there()
    {
        var tick = Measured(new Behaviour { Rate = 0, Errors = 0.3, Dispersion = 3, FailuresSlow = 1 });
        tick[Errors, Arm.Control].ShouldBe(new Reading(Quality.Value));
        tick[Requests, Arm.Control].ShouldBe(new Reading(Quality.Value));
        tick[Throughput, Arm.Control].ShouldBe(new Reading(Quality.Value));
        tick[Latency, Arm.Control].Buckets!.Counts.ShouldAllBe(static count => count == 0);
        tick[ErrorRate, Arm.Control].ShouldBe(Reading.Missing(Quality.Empty));
        tick[P95, Arm.Control].ShouldBe(Reading.Missing(Quality.Empty));
        tick[Cpu, Arm.Control].HasValue.ShouldBeTrue();
    }

    [Fact]
    public void Never_more_requests_fail_or_are_slow_than_there_are()
    {
        var noise = new Noise(4);
        for (var draw = 0; draw < 200; draw++)
        {
            var tick = Measured(new Behaviour { Rate = 2, Errors = 0.9, Dispersion = 10, Median = 400, FailuresSlow = 0.5 }, noise: noise);
            var (failed, requests) = (tick[Errors, Arm.Control].Value, tick[Errors, Arm.Control].Total);
            failed.ShouldBeInRange(0, requests);
            var counts = tick[Latency, Arm.Control].Buckets!.Counts;
            counts.ShouldBe(counts.Order());
            counts[^1].ShouldBe(requests);
        }
    }

    // 20 medians; the bucket of an edge holds what lies at it.
    [Theory]
    [InlineData(50.0, 1000)]
    [InlineData(49.9, 1000)]
    [InlineData(50.1, 2500)]
    [InlineData(125.0, 2500)]
    [InlineData(0.2, 5)]
    [InlineData(200.0, double.PositiveInfinity)]
    public void A_failure_that_waited_for_its_time_out_took_twenty_medians(double median, double edge)
    {
        var tick = Measured(new Behaviour { Errors = 1, FailuresSlow = 1, Median = median });
        var buckets = tick[Latency, Arm.Control].Buckets!;
        var at = Array.IndexOf(buckets.Edges, edge);
        buckets.Counts[at].ShouldBe(buckets.Total);
        if (at > 0)
        {
            buckets.Counts[at - 1].ShouldBe(0);
        }
        buckets.Total.ShouldBeGreaterThan(100);
    }

    [Fact]
    public void Requests_that_are_all_faster_or_slower_than_every_edge_lie_in_the_outermost_buckets()
    {
        foreach (var dispersion in new[] { 1.0, 2 })
        {
            var fast = Measured(new Behaviour { Median = 0.1, Spread = 0.1, Dispersion = dispersion })[Latency, Arm.Control].Buckets!;
            fast.Counts.ShouldAllBe(count => count == fast.Total);
            // Far beyond where the exponential function ends.
            var fastest = Measured(new Behaviour { Median = 0.1, Spread = 0.01, Dispersion = dispersion })[Latency, Arm.Control].Buckets!;
            fastest.Counts.ShouldAllBe(count => count == fastest.Total);
            var slow = Measured(new Behaviour { Median = 100_000, Spread = 0.1, Dispersion = dispersion })[Latency, Arm.Control].Buckets!;
            slow.Counts[^2].ShouldBe(0);
            slow.Total.ShouldBeGreaterThan(100);
        }
    }

    [Fact]
    public void A_slow_share_takes_ten_times_as_long()
    {
        // Medians of 20 and of 200 ms that hardly spread: two steps of the distribution.
        var buckets = Measured(new Behaviour { Rate = 5000, SlowShare = 0.3, Spread = 0.02 })[Latency, Arm.Control].Buckets!;
        var share = Array.ConvertAll(buckets.Counts, count => count / buckets.Total);
        foreach (var (edge, expected) in new[] { (10.0, 0.0), (25, 0.7), (100, 0.7), (250, 1) })
        {
            share[Array.IndexOf(buckets.Edges, edge)].ShouldBe(expected, 0.02);
        }
    }

    [Fact]
    public void Levels_scatter_around_their_means_by_their_noise()
    {
        var noise = new Noise(2);
        var ticks = Enumerable.Range(1, 2000).Select(_ => Measured(new Behaviour { Rate = 1, Cpu = 40, CpuNoise = 0.2, Memory = 500, MemoryNoise = 0.05 }, noise: noise)).ToArray();
        foreach (var (metric, mean, deviation) in new[] { (Cpu, 40.0, 8.0), (Memory, 500, 25) })
        {
            var levels = ticks.Select(tick => tick[metric, Arm.Control].Value).ToArray();
            levels.Average().ShouldBe(mean, 0.15 * deviation);
            Math.Sqrt(levels.Average(level => (level - mean) * (level - mean))).ShouldBe(deviation, 0.08 * deviation);
        }
    }

    [Fact]
    public void No_level_lies_below_nothing()
    {
        var noise = new Noise(3);
        var ticks = Enumerable.Range(1, 100).Select(_ => Measured(new Behaviour { Rate = 1, CpuNoise = 3, MemoryNoise = 3 }, noise: noise)).ToArray();
        foreach (var metric in new[] { Cpu, Memory })
        {
            ticks.Min(tick => tick[metric, Arm.Control].Value).ShouldBe(0);
            ticks.Max(tick => tick[metric, Arm.Control].Value).ShouldBeGreaterThan(0);
        }
    }

    [Fact]
    public void A_leak_grows_with_the_seconds_since_the_start_and_the_past_has_none()
    {
        var leaking = new Behaviour { Memory = 60, MemoryNoise = 0, Leak = 0.5 };
        new[] { -7, 0, 1, 40 }.Select(n => Measured(leaking, n)[Memory, Arm.Control].Value).ShouldBe([60, 60, 61, 100]);
    }

    [Fact]
    public void What_nobody_says_is_a_fast_service_with_hardly_an_error()
    {
        var usual = new Behaviour();
        (usual.Rate, usual.Errors, usual.Dispersion, usual.Median, usual.Spread, usual.SlowShare, usual.FailuresSlow).ShouldBe((100, 0.001, 1, 20, 0.25, 0, 0));
        (usual.Cpu, usual.CpuNoise, usual.Memory, usual.MemoryNoise, usual.Leak).ShouldBe((20, 0.1, 60, 0.02, 0));
    }

    private static Tick Measured(Behaviour behaviour, int n = 1, int span = 1, Noise? noise = null)
    {
        var tick = new Tick(n, span, Policy.Metrics.Count);
        behaviour.Measure(Policy, noise ?? new Noise(1), tick, Arm.Control);
        return tick;
    }

    private static MetricPolicy Gauge(string name, Family family, string unit) => Grid.Policy.Metrics[Cpu] with { Name = name, Family = family, Unit = unit };
}
