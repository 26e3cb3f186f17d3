using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;

namespace Commander.Judging.Tests.Simulation;

public class SimulatorTests
{
    private const int Errors = 0;
    private const int Latency = 1;
    private const int Cpu = 2;
    private const int Memory = 3;
    private const int Requests = 4;

    // Long watches, so that means lie close to what they are the means of.
    private static readonly Scenario Long = new() { StepSeconds = 5, PastTicks = 10, WatchTicks = 4000, Traffic = 200, TrafficNoise = 0, Errors = 0.02 };

    private static List<Tick> Ticks(Scenario scenario, ulong seed = 1) => Ticks(scenario, Grid.Policy, seed);

    private static List<Tick> Ticks(Scenario scenario, Policy policy, ulong seed)
    {
        var simulator = new Simulator(scenario, policy, seed);
        var ticks = new List<Tick>();
        while (simulator.NextTick <= scenario.WatchTicks)
        {
            ticks.Add(simulator.Next());
        }
        return ticks;
    }

    private static double[] Of(IEnumerable<Tick> ticks, Arm arm, Func<Tick, double> number) =>
        [.. ticks.Where(tick => tick[Requests, arm].HasValue).Select(number)];

    private static double[] Rates(IEnumerable<Tick> ticks, Arm arm) => Of(ticks, arm, tick => tick[Errors, arm].Value / tick[Errors, arm].Total);

    private static double[] Logs(IEnumerable<Tick> ticks, Arm arm, int metric) => Of(ticks, arm, tick => Math.Log(tick[metric, arm].Value));

    private static double Variance(double[] values) => values.Sum(value => Math.Pow(value - values.Average(), 2)) / (values.Length - 1);

    private static double Correlation(double[] one, double[] other) =>
        one.Zip(other, (x, y) => (x - one.Average()) * (y - other.Average())).Sum() / (one.Length - 1) / Math.Sqrt(Variance(one) * Variance(other));

    private static double Slow(Tick tick, Arm arm, int edge) => tick[Latency, arm].Buckets!.Total - tick[Latency, arm].Buckets!.Counts[edge];

    [Fact]
    public void The_past_comes_first_in_its_own_arm_and_the_two_versions_follow()
    {
        var ticks = Ticks(new Scenario { PastTicks = 3, WatchTicks = 2 });
        ticks.Select(static tick => tick.N).ShouldBe([-2, -1, 0, 1, 2]);
        ticks.TrueForAll(static tick => tick[Errors, Arm.Before].HasValue == (tick.N <= 0) && tick[Errors, Arm.Candidate].HasValue == (tick.N > 0)
            && tick[Memory, Arm.Control].HasValue == (tick.N > 0) && !tick[Cpu, Arm.Seasonal].HasValue).ShouldBeTrue();
    }

    [Fact]
    [Trait("Category", "Measured")]
    public void Traffic_and_its_split_are_the_scenario_s()
    {
        var ticks = Ticks(Long with { Share = 0.1 }).Where(static tick => tick.N > 0).ToArray();
        Of(ticks, Arm.Candidate, static tick => tick[Requests, Arm.Candidate].Value).Average().ShouldBe(100, 1);
        Of(ticks, Arm.Control, static tick => tick[Requests, Arm.Control].Value).Average().ShouldBe(900, 3);
    }

    [Fact]
    [Trait("Category", "Measured")]
    public void A_ramp_moves_the_share_evenly()
    {
        var ticks = Ticks(Long with { Share = 0.05, ShareEnd = 0.5, RampSeconds = 10_000 });
        Share(10).ShouldBe(0.05, 0.01);
        Share(1010).ShouldBe(0.275, 0.01);
        Share(3000).ShouldBe(0.5, 0.01);

        double Share(int from)
        {
            var some = ticks.Skip(from).Take(20).ToArray();
            var candidate = some.Sum(static tick => tick[Requests, Arm.Candidate].Value);
            return candidate / (candidate + some.Sum(static tick => tick[Requests, Arm.Control].Value));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(10)]
    [Trait("Category", "Measured")]
    public void Errors_and_slow_requests_have_the_rate_and_the_dispersion_that_were_asked_for(double phi)
    {
        var ticks = Ticks(Long with { Dispersion = phi, Share = 0.5 });
        var rates = Rates(ticks, Arm.Candidate);
        rates.Average().ShouldBe(0.02, 0.0025);
        // Ticks have 500 requests, 10 of them failing.
        (Variance(rates) * 500 / (0.02 * 0.98)).ShouldBe(phi, 0.12 * phi);
        // Above 250 ms with a median of 60: 1 / (1 + (250 / 60)^4).
        var share = 1 / (1 + Math.Pow(250.0 / 60, 4));
        var slow = Of(ticks, Arm.Candidate, static tick => Slow(tick, Arm.Candidate, 6) / tick[Latency, Arm.Candidate].Buckets!.Total);
        slow.Average().ShouldBe(share, 0.1 * share);
        (Variance(slow) * 500 / share).ShouldBe(phi, 0.15 * phi);
    }

    [Fact]
    public void Response_times_are_log_logistic()
    {
        var ticks = Ticks(Long with { WatchTicks = 400 });
        double total = 0;
        var above = new double[12];
        foreach (var tick in ticks.Where(static tick => tick.N > 0))
        {
            total += tick[Latency, Arm.Control].Buckets!.Total;
            for (var edge = 0; edge < 12; edge++)
            {
                above[edge] += Slow(tick, Arm.Control, edge);
            }
        }
        double[] edges = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500];
        for (var edge = 0; edge < edges.Length; edge++)
        {
            (above[edge] / total).ShouldBe(1 / (1 + Math.Pow(edges[edge] / 60, 4)), 0.005);
        }
        above[11].ShouldBe(0);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    [Trait("Category", "Measured")]
    public void Levels_wander_with_the_autocorrelation_and_spread_that_were_asked_for(double rho)
    {
        var ticks = Ticks(Long with { Autocorrelation = rho, CpuNoise = 0.2, MemoryNoise = 0.1, WatchTicks = 8000 });
        foreach (var (metric, deviation, mean) in new[] { (Cpu, 0.2, 30.0), (Memory, 0.1, 400) })
        {
            var logs = Logs(ticks, Arm.Candidate, metric);
            Correlation(logs[1..], logs[..^1]).ShouldBe(rho, 0.05);
            Math.Sqrt(Variance(logs)).ShouldBe(deviation, 0.08 * deviation);
            logs.Average().ShouldBe(Math.Log(mean), 0.05);
        }
    }

    [Fact]
    [Trait("Category", "Measured")]
    public void The_error_rate_wanders_too()
    {
        var ticks = Ticks(Long with { Autocorrelation = 0.9, ErrorNoise = 0.5, Traffic = 2000, WatchTicks = 8000, Errors = 0.05 });
        var logs = Rates(ticks, Arm.Control).Select(static rate => Math.Log(rate)).ToArray();
        Math.Sqrt(Variance(logs)).ShouldBe(0.5, 0.05);
        Correlation(logs[1..], logs[..^1]).ShouldBe(0.9, 0.05);
        logs.Average().ShouldBe(Math.Log(0.05), 0.1);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.7)]
    [Trait("Category", "Measured")]
    public void Levels_of_one_arm_and_of_two_share_the_common_load(double correlation)
    {
        var ticks = Ticks(Long with { Correlation = correlation });
        var cpu = Logs(ticks, Arm.Candidate, Cpu);
        Correlation(cpu, Logs(ticks, Arm.Candidate, Memory)).ShouldBe(correlation, 0.05);
        Correlation(cpu, Logs(ticks, Arm.Control, Cpu)).ShouldBe(correlation, 0.05);
    }

    [Fact]
    public void Failing_requests_are_slow_where_the_scenario_says_so()
    {
        var ticks = Ticks(Long with { FailuresSlow = 1, WatchTicks = 500, Dispersion = 3 });
        var failed = Of(ticks, Arm.Candidate, static tick => tick[Errors, Arm.Candidate].Value);
        var slow = Of(ticks, Arm.Candidate, static tick => Slow(tick, Arm.Candidate, 9));
        Correlation(failed, slow).ShouldBeGreaterThan(0.95);
        ticks.TrueForAll(static tick => tick.N <= 0 || tick[Latency, Arm.Control].Buckets!.Total == tick[Requests, Arm.Control].Value).ShouldBeTrue();
    }

    [Fact]
    public void A_day_s_rhythm_moves_traffic_and_levels_and_the_day_before_knows_it()
    {
        var ticks = Ticks(new Scenario { StepSeconds = 60, PastTicks = 0, WatchTicks = 1440, DailyTraffic = 0.5, DailyLevels = 0.3, CpuNoise = 0.05, Seasonal = true, Control = false, Traffic = 50 });
        foreach (var arm in new[] { Arm.Candidate, Arm.Seasonal })
        {
            // The top of a sine is a quarter of a day after its steepest rise; its bottom three quarters.
            Around(Requests, 360, arm).ShouldBe(50 * 60 * 1.5, 120);
            Around(Requests, 1080, arm).ShouldBe(50 * 60 * 0.5, 120);
            Around(Cpu, 360, arm).ShouldBe(30 * 1.3, 1.5);
            Around(Cpu, 1080, arm).ShouldBe(30 * 0.7, 1.5);
        }

        double Around(int metric, int minute, Arm arm) => ticks.Skip(minute - 30).Take(60).Average(tick => tick[metric, arm].Value);
    }

    [Fact]
    [Trait("Category", "Measured")]
    public void What_is_missing_is_missing_as_often_as_was_asked_for()
    {
        var ticks = Ticks(Long with { Stale = 0.1, Missing = 0.2, Resets = 0.3 }).Where(static tick => tick.N > 0).ToArray();
        Share(Quality.Stale, Cpu).ShouldBe(0.1, 0.02);
        Share(Quality.Empty, Cpu).ShouldBe(0.9 * 0.2, 0.02);
        Share(Quality.Partial, Errors).ShouldBe(0.9 * 0.8 * 0.3, 0.02);
        Share(Quality.Partial, Cpu).ShouldBe(0);

        double Share(Quality quality, int metric) => ticks.Count(tick => tick[metric, Arm.Candidate].Quality == quality) / (double)ticks.Length;
    }

    [Fact]
    public void A_control_goes_when_the_scenario_says_so_or_the_new_version_is_promoted_and_its_traffic_is_taken_over()
    {
        var ticks = Ticks(Long with { ControlGoneAfter = 100, WatchTicks = 40 });
        ticks.TrueForAll(static tick => tick.N <= 0 || tick[Errors, Arm.Control].HasValue == (tick.N <= 20)).ShouldBeTrue();
        ticks[^1][Requests, Arm.Candidate].Value.ShouldBe(1000, 150);
        var simulator = new Simulator(Long with { PastTicks = 0 }, Grid.Policy, 1);
        simulator.Next()[Requests, Arm.Control].HasValue.ShouldBeTrue();
        simulator.Promote();
        simulator.Next()[Requests, Arm.Control].HasValue.ShouldBeFalse();
    }

    [Fact]
    [Trait("Category", "Measured")]
    public void Stalls_and_incidents_meet_both_arms_and_a_sick_control_is_alone()
    {
        var both = Ticks(Long with { WatchTicks = 80, Incident = new(100, 100, 20, 3) });
        Mean(both, Arm.Candidate, 1, 20).ShouldBe(0.02, 0.01);
        Mean(both, Arm.Candidate, 21, 40).ShouldBe(0.22, 0.02);
        Mean(both, Arm.Control, 21, 40).ShouldBe(0.22, 0.02);
        Mean(both, Arm.Control, 41, 80).ShouldBe(0.02, 0.01);
        var alone = Ticks(Long with { WatchTicks = 40, Incident = new(0, 1000, 20, ControlOnly: true) });
        Mean(alone, Arm.Candidate, 1, 40).ShouldBe(0.02, 0.01);
        Mean(alone, Arm.Control, 1, 40).ShouldBe(0.22, 0.02);
        var stalls = Ticks(Long with { StallsPerHour = 72 });
        ((double)stalls.Count(static tick => tick.N > 0 && tick[Errors, Arm.Control].Value > 0.07 * tick[Errors, Arm.Control].Total)).ShouldBe(400, 80);

        static double Mean(List<Tick> ticks, Arm arm, int from, int to) => Rates(ticks.Where(tick => tick.N >= from && tick.N <= to), arm).Average();
    }

    [Theory]
    [InlineData(FaultKind.ErrorPoints, 10, 0.12)]
    [InlineData(FaultKind.ErrorRatio, 5, 0.1)]
    [InlineData(FaultKind.Crash, 0.9, 0.9)]
    public void A_fault_of_errors_meets_the_new_version_from_its_beginning_on(FaultKind kind, double size, double rate)
    {
        var ticks = Ticks(Long with { WatchTicks = 40, Fault = new Fault(kind, size, After: 100) });
        Rates(ticks.Where(static tick => tick.N is > 0 and <= 20), Arm.Candidate).Average().ShouldBe(0.02, 0.01);
        Rates(ticks.Where(static tick => tick.N > 20), Arm.Candidate).Average().ShouldBe(rate, 0.02);
        Rates(ticks.Where(static tick => tick.N > 20), Arm.Control).Average().ShouldBe(0.02, 0.01);
    }

    [Fact]
    public void Other_faults_do_what_they_say()
    {
        var leak = Ticks(Long with { WatchTicks = 40, MemoryNoise = 0, Fault = new Fault(FaultKind.Leak, 2, After: 100) });
        leak.Single(static tick => tick.N == 20)[Memory, Arm.Candidate].Value.ShouldBe(400, 1e-9);
        leak[^1][Memory, Arm.Candidate].Value.ShouldBe(600, 1e-9);
        leak[^1][Memory, Arm.Control].Value.ShouldBe(400, 1e-9);
        var cpu = Ticks(Long with { WatchTicks = 40, CpuNoise = 0, Fault = new Fault(FaultKind.CpuFactor, 2.5) });
        cpu[^1][Cpu, Arm.Candidate].Value.ShouldBe(75, 1e-9);
        var slow = Ticks(Long with { WatchTicks = 100, Fault = new Fault(FaultKind.SlowShare, 0.15) });
        // A request that takes ten times as long has a median of 600 ms.
        Of(slow, Arm.Candidate, static tick => Slow(tick, Arm.Candidate, 6) / tick[Requests, Arm.Candidate].Value).Average().ShouldBe(0.15, 0.02);
        var late = Ticks(Long with { WatchTicks = 100, Fault = new Fault(FaultKind.LatencyFactor, 2) });
        Of(late, Arm.Candidate, static tick => Slow(tick, Arm.Candidate, 5) / tick[Requests, Arm.Candidate].Value).Average().ShouldBe(1 / (1 + Math.Pow(100.0 / 120, 4)), 0.02);
        Ticks(Long with { WatchTicks = 40, Fault = new Fault(FaultKind.Silent, 1, After: 100) })
            .TrueForAll(static tick => tick.N <= 0 || (tick[Cpu, Arm.Candidate].HasValue == (tick.N <= 20) && tick[Cpu, Arm.Control].HasValue)).ShouldBeTrue();
    }

    [Fact]
    public void Cold_caches_get_warm()
    {
        var ticks = Ticks(Long with { WatchTicks = 200, CpuNoise = 0, WarmUpSeconds = 60 });
        ticks.Single(static tick => tick.N == 1)[Cpu, Arm.Candidate].Value.ShouldBe(60, 1e-9);
        ticks[^1][Cpu, Arm.Candidate].Value.ShouldBe(30, 0.01);
        Slow(ticks.Single(static tick => tick.N == 1), Arm.Candidate, 5).ShouldBeGreaterThan(5 * Slow(ticks[^1], Arm.Candidate, 5));
    }

    [Fact]
    public void The_same_seed_gives_the_same_ticks_and_another_one_others()
    {
        var scenario = Long with { WatchTicks = 50, Dispersion = 4, Correlation = 0.5, Autocorrelation = 0.5, LatencyNoise = 0.1, Stale = 0.05, Seasonal = true };
        Told(3).ShouldBe(Told(3));
        Told(3).ShouldNotBe(Told(4));

        string Told(ulong seed) => string.Join('\n', Ticks(scenario, seed).Select(static tick => string.Join(' ',
            from metric in Enumerable.Range(0, tick.Metrics)
            from arm in Enum.GetValues<Arm>()
            let reading = tick[metric, arm]
            select $"{reading.Quality} {BitConverter.DoubleToInt64Bits(reading.Value)} {reading.Total} {string.Join(',', reading.Buckets?.Counts ?? [])}")));
    }

    [Fact]
    public void A_scenario_outside_its_ranges_is_refused_by_name() =>
        Should.Throw<ArgumentOutOfRangeException>(static () => new Simulator(new Scenario { Autocorrelation = 1 }, Grid.Policy, 1)).Message.ShouldContain("Autocorrelation is 1; give 0 to 0.95");

    [Fact]
    public void Every_number_of_a_scenario_has_a_range_whose_ends_are_in_it()
    {
        var plain = new Scenario();
        Hold(0.1, 3600, 0.01, value => plain with { StepSeconds = value }, nameof(plain.StepSeconds));
        Hold(0, 10_000, 1, value => plain with { PastTicks = (int)value }, nameof(plain.PastTicks));
        Hold(1, 100_000, 1, value => plain with { WatchTicks = (int)value }, nameof(plain.WatchTicks));
        Hold(0.01, 100_000, 0.001, value => plain with { Traffic = value }, nameof(plain.Traffic));
        Hold(0, 1, 0.01, value => plain with { TrafficNoise = value }, nameof(plain.TrafficNoise));
        Hold(0.001, 1, 0.0001, value => plain with { Share = value }, nameof(plain.Share));
        Hold(0, 0.5, 0.01, value => plain with { Errors = value }, nameof(plain.Errors));
        Hold(0, 1, 0.01, value => plain with { ErrorNoise = value }, nameof(plain.ErrorNoise));
        Hold(1, 10, 0.01, value => plain with { Dispersion = value }, nameof(plain.Dispersion));
        Hold(0, 1, 0.01, value => plain with { FailuresSlow = value }, nameof(plain.FailuresSlow));
        Hold(0.1, 10_000, 0.01, value => plain with { Median = value }, nameof(plain.Median));
        Hold(0.01, 2, 0.001, value => plain with { Spread = value }, nameof(plain.Spread));
        Hold(0, 1, 0.01, value => plain with { LatencyNoise = value }, nameof(plain.LatencyNoise));
        Hold(0, 1, 0.01, value => plain with { CpuNoise = value }, nameof(plain.CpuNoise));
        Hold(0, 1, 0.01, value => plain with { MemoryNoise = value }, nameof(plain.MemoryNoise));
        Hold(0, 0.95, 0.01, value => plain with { Autocorrelation = value }, nameof(plain.Autocorrelation));
        Hold(0, 0.95, 0.01, value => plain with { Correlation = value }, nameof(plain.Correlation));
        Hold(0, 0.9, 0.01, value => plain with { DailyTraffic = value }, nameof(plain.DailyTraffic));
        Hold(0, 0.9, 0.01, value => plain with { DailyLevels = value }, nameof(plain.DailyLevels));
        Hold(0, 0.9, 0.01, value => plain with { Stale = value }, nameof(plain.Stale));
        Hold(0, 0.9, 0.01, value => plain with { Missing = value }, nameof(plain.Missing));
        Hold(0, 0.9, 0.01, value => plain with { Resets = value }, nameof(plain.Resets));

        static void Hold(double low, double high, double beyond, Func<double, Scenario> with, string name)
        {
            foreach (var value in (double[])[low, high])
            {
                Should.NotThrow(() => new Simulator(with(value), Grid.Policy, 1), name);
            }
            foreach (var value in (double[])[low - beyond, high + beyond])
            {
                Should.Throw<ArgumentOutOfRangeException>(() => new Simulator(with(value), Grid.Policy, 1), name).Message.ShouldStartWith(name);
            }
        }
    }
}
