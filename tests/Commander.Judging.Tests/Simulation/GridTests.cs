using System.Globalization;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;

namespace Commander.Judging.Tests.Simulation;

/// <summary>
/// The figures of the documentation are measured on the cells of the grid: what a cell is, and every number of its deployments, stays on every machine. A line per policy, and a line per
/// cell: its name, what differs from a plain scenario, its policy, its first seed, and a hash of the first ticks of one deployment. After a change that is meant: run once with
/// COMMANDER_RECORD=1, read the difference of the file that it writes, and measure again what docs/judging-measured.md says.
/// </summary>
public class GridTests
{
    private const string File = "recorded-grid.txt";
    private const int Cpu = 2;

    [Theory]
    [InlineData("false-alarms")]
    [InlineData("faults")]
    [InlineData("detection")]
    [InlineData("policies")]
    public void The_grid_is_the_one_that_figures_were_measured_on(string table)
    {
        string[] now = [.. (table == "policies" ? Policies() : Grid.Choose(table).Select(Told)).Select(line => $"{table}: {line}")];
        if (Environment.GetEnvironmentVariable("COMMANDER_RECORD") is { Length: > 0 })
        {
            Record(table, now);
        }
        var then = Recorded(table);
        then.ShouldNotBeEmpty();
        // The first difference says more than a hundred lines.
        for (var at = 0; at < Math.Min(now.Length, then.Length); at++)
        {
            now[at].ShouldBe(then[at]);
        }
        now.Length.ShouldBe(then.Length);
    }

    [Fact]
    public void A_cell_s_seeds_begin_at_a_hash_of_its_name_and_count_on()
    {
        // FNV-1a of "a" and of "foobar", as its authors give them.
        foreach (var (name, hash) in new[] { ("", 0xcbf29ce484222325), ("a", 0xaf63dc4c8601ec8c), ("foobar", 0x85944171f73967e8) })
        {
            var state = hash ^ 5;
            var first = Noise.Split(ref state);
            var cell = new Cell(name, new Scenario());
            new[] { cell.Seed(5, 0), cell.Seed(5, 1), cell.Seed(5, 900) }.ShouldBe([first, first + 1, first + 900]);
        }
    }

    [Fact]
    public void Faults_are_in_the_tables_of_faults_alone()
    {
        Grid.Harmless.Concat(Grid.LongHarmless).ShouldAllBe(static cell => cell.Scenario.Fault == null);
        Grid.Faulty.Concat(Grid.LongFaulty).ShouldAllBe(static cell => cell.Scenario.Fault != null);
    }

    [Theory]
    [InlineData("nonsense", "nonsense")]
    [InlineData("plain;  crush ", "crush")]
    public void A_part_that_no_cell_has_is_refused_with_what_may_be_given(string wanted, string part) =>
        Should.Throw<RefusedException>(() => Grid.Choose(wanted)).Message.ShouldBe(
            $"cells: no cell's name has '{part}' in it; give false-alarms, faults, detection, or parts of names such as \"bursts; no control\"");

    [Fact]
    public void A_cell_that_two_parts_name_is_chosen_once_and_empty_parts_name_none()
    {
        Grid.Choose("no past;;NO PAST; ").Select(static cell => cell.Name).ShouldBe(["no past"]);
        Grid.Choose(";").ShouldBeEmpty();
    }

    private static string Told(Cell cell)
    {
        var plain = new Scenario();
        var differs = string.Join(", ",
            from property in typeof(Scenario).GetProperties().OrderBy(static property => property.Name, StringComparer.Ordinal)
            let value = property.GetValue(cell.Scenario)
            where !Equals(value, property.GetValue(plain))
            select string.Create(CultureInfo.InvariantCulture, $"{property.Name} {value}"));
        var scenario = cell.Scenario with { PastTicks = Math.Min(cell.Scenario.PastTicks, 10), WatchTicks = 80 };
        return $"{cell.Name} | {differs} | {(cell.Policy is { } own ? PolicyOf(own) : "")} | {cell.Seed(1, 0)} | {Hash(scenario, cell.Policy ?? Everything, cell.Seed(1, 3))}";
    }

    private static string PolicyOf(Policy policy) =>
        string.Create(CultureInfo.InvariantCulture, $"{policy.Metrics.Count} metrics, after {policy.Watch.After}, slow {policy.Watch.Slow}, budget {policy.Decide.FalseAlarms}");

    private static IEnumerable<string> Policies() =>
        from named in new[] { ("none given", Grid.Policy), ("long", Grid.LongHarmless[0].Policy!), ("long, faults", Grid.LongFaulty[0].Policy!), ("detection", Grid.Detection[0].Policy!) }
        from line in named.Item2.Metrics.Select(static metric => string.Create(CultureInfo.InvariantCulture,
            $"{metric.Name} {metric.Kind} {metric.Family} {metric.Direction}, tolerance {metric.Tolerance.Amount} {(metric.Tolerance.Relative ? "relative" : "absolute")}, floor {metric.Floor} {metric.Unit}, quantile {metric.Quantile}, scale {metric.Scale}, warm-up {metric.Warmup}{(metric.Critical ? ", critical" : "")}"))
            .Prepend($"{named.Item2.Name}, {PolicyOf(named.Item2)}")
        select $"{named.Item1} | {line}";

    private static string Hash(Scenario scenario, Policy policy, ulong seed)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var simulator = new Simulator(scenario, policy, seed);
        while (simulator.NextTick <= scenario.WatchTicks)
        {
            Add(hash, simulator.Next());
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 6));
    }

    // Every bit of it.
    private static void Add(IncrementalHash hash, Tick tick)
    {
        hash.AppendData(BitConverter.GetBytes(tick.N));
        for (var metric = 0; metric < tick.Metrics; metric++)
        {
            for (var arm = 0; arm < Words.ArmCount; arm++)
            {
                ref var reading = ref tick[metric, (Arm)arm];
                hash.AppendData([(byte)reading.Quality]);
                foreach (var number in (double[])[reading.Value, reading.Total, .. reading.Buckets?.Edges ?? [], .. reading.Buckets?.Counts ?? []])
                {
                    hash.AppendData(BitConverter.GetBytes(BitConverter.DoubleToInt64Bits(number)));
                }
            }
        }
    }

    // Each kind of metric with each family that is drawn in a way of its own.
    private static Policy Everything { get; } = Grid.Policy with
    {
        Metrics =
        [
            .. Grid.Policy.Metrics,
            Gauge("error_rate", Family.Error, "%"),
            Gauge("latency_p95", Family.Latency, "ms"),
            Gauge("latency_p50", Family.Latency, "s") with { Quantile = 0.5 },
            Gauge("throughput", Family.Traffic, "1/s"),
            Gauge("orders", Family.Kpi, ""),
            Gauge("failures", Family.Error, "count") with { Kind = MetricKind.Count },
            Gauge("took", Family.Latency, "s") with { Kind = MetricKind.Histogram },
        ],
    };

    private static MetricPolicy Gauge(string name, Family family, string unit) => Grid.Policy.Metrics[Cpu] with { Name = name, Family = family, Unit = unit };

    private static string[] Recorded(string table)
    {
        using var stream = typeof(GridTests).Assembly.GetManifestResourceStream(File)!;
        using var reader = new StreamReader(stream);
        return [.. reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line.StartsWith(table + ": ", StringComparison.Ordinal))];
    }

    private static void Record(string table, string[] lines, [CallerFilePath] string here = "")
    {
        var path = Path.Combine(Path.GetDirectoryName(here)!, File);
        var others = System.IO.File.Exists(path) ? System.IO.File.ReadAllLines(path).Where(line => !line.StartsWith(table + ": ", StringComparison.Ordinal)) : [];
        System.IO.File.WriteAllLines(path, others.Concat(lines).ToArray());
    }
}
