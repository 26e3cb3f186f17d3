using BenchmarkDotNet.Attributes;
using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Benchmarks;

/// <summary>
/// The decision step alone, evidence in hand: 5 metrics (2 ratios, a histogram of 12 buckets, 2 gauges), two arms, one tick.
/// Bar: at most 5 microseconds, nothing allocated.
/// </summary>
[MemoryDiagnoser]
public class DecisionBenchmark
{
    private const int Ticks = 4096;
    private static readonly double[] Edges = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, double.PositiveInfinity];
    private readonly Input[] _inputs = new Input[Ticks];
    private Policy _policy = null!;
    private WatchState _start;
    private WatchState _state;
    private int _next;

    /// <summary>Whether the watch still waits for CONTINUE, which asks for the upper limits at every tick, or runs on after it.</summary>
    [Params(false, true)]
    public bool Deciding { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var minimum = Deciding ? TimeSpan.Zero : TimeSpan.FromSeconds(2);
        _policy = new Policy(
            "benchmark",
            null,
            "benchmark",
            [
                Metric("errors", MetricKind.Ratio, Family.Error, new Tolerance(Deciding ? 0.01 : 1, false), true),
                Metric("checkout_errors", MetricKind.Ratio, Family.Error, new Tolerance(1, false), true),
                Metric("latency", MetricKind.Histogram, Family.Latency, new Tolerance(0.2, true), true),
                Metric("memory", MetricKind.Gauge, Family.Memory, new Tolerance(0.25, true), false),
                Metric("cpu", MetricKind.Gauge, Family.Cpu, new Tolerance(0.5, true), false),
            ],
            Compare.Auto,
            NoData.Rollback,
            new WatchPolicy(TimeSpan.FromSeconds(1), TimeSpan.Zero, minimum, TimeSpan.FromHours(6), TimeSpan.FromMinutes(1), TimeSpan.FromHours(6), TimeSpan.FromHours(6), true, "page"),
            new DecidePolicy(0.01, 1, 9, Authority.Advise),
            new ActPolicy(Autonomy.Observe, null, Autonomy.Observe, TimeSpan.FromMinutes(15), TimeSpan.Zero, null, []),
            null,
            [],
            new LearnPolicy(0, "off", "off"));
        _state = Judge.Start(_policy, restarted: false);
        for (var n = -59; n <= 0; n++)
        {
            Judge.Next(_policy, Model.Shipped, ref _state, Input.Of(Make(n, Arm.Before)));
        }
        for (var at = 0; at < Ticks; at++)
        {
            _inputs[at] = Input.Of(Make(at + 1, Arm.Candidate, Arm.Control));
        }
        for (var at = 0; at < 64; at++)
        {
            Judge.Next(_policy, Model.Shipped, ref _state, _inputs[at]);
        }
        _start = _state;
        _next = 64;
    }

    [Benchmark]
    public Step Next()
    {
        if (_next == Ticks)
        {
            _state = _start;
            _next = 64;
        }
        return Judge.Next(_policy, Model.Shipped, ref _state, _inputs[_next++]);
    }

    private static MetricPolicy Metric(string name, MetricKind kind, Family family, Tolerance tolerance, bool critical) =>
        new(name, kind, family, Direction.Up, null, null, null, 0.95, tolerance, kind == MetricKind.Ratio ? 0 : 5, null, critical, "ms", 1, null, TimeSpan.Zero);

    // Numbers that wander a little without a random source: the same run every time.
    private Tick Make(int n, params ReadOnlySpan<Arm> arms)
    {
        var tick = new Tick(n, 1, _policy.Metrics.Count);
        foreach (var arm in arms)
        {
            var wander = ((n * 7) + ((int)arm * 3) + 700) % 11;
            tick[0, arm] = new Reading(Quality.Value, wander % 3, 100 + wander);
            tick[1, arm] = new Reading(Quality.Value, wander % 2, 40 + wander);
            var counts = new double[Edges.Length];
            for (var at = 0; at < counts.Length; at++)
            {
                counts[at] = Math.Min(100 + wander, (at * 20) + wander);
            }
            counts[^1] = 100 + wander;
            tick[2, arm] = new Reading(Quality.Value, Buckets: new Buckets(Edges, counts));
            tick[3, arm] = new Reading(Quality.Value, 200 + wander);
            tick[4, arm] = new Reading(Quality.Value, 40 + wander);
        }
        return tick;
    }
}
