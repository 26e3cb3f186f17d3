using Commander.Judging.Evidence;
using Commander.Judging.Policies;

namespace Commander.Judging.Backtest;

/// <summary>The policy by which a recording is judged when nobody gives one: families off the names, the default tolerances.</summary>
public static class CasePolicy
{
    private const string Requests = "requests";
    private const string Errors = "errors";

    private static readonly HashSet<string> Units = new(
        ["", "1", "ratio", "fraction", "share", "percent", "count", "ns", "us", "ms", "s", "B", "kB", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "cores", "rps"], StringComparer.Ordinal);

    /// <summary>Whether the unit of a series is one whose size is known, so that floors and absolute tolerances can stand in it; those that are only shown count as well. What begins with % is a percentage.</summary>
    public static bool IsKnown(string unit)
    {
        ArgumentNullException.ThrowIfNull(unit);
        return unit.StartsWith('%') || Units.Contains(unit);
    }

    /// <summary>The policy of a recording, and from which of its series each metric is read.</summary>
    /// <param name="recording">The recording.</param>
    /// <exception cref="RefusedException">It has more metrics than a watch can hold.</exception>
    public static (Policy Policy, IReadOnlyList<MetricSeries> Sources) Of(Recording recording)
    {
        var metrics = new List<MetricPolicy>(recording.Series.Count);
        var sources = new List<MetricSeries>(recording.Series.Count);
        var requests = Find(recording, Requests);
        var errors = Find(recording, Errors);
        var counted = requests >= 0 && errors >= 0;
        if (counted)
        {
            metrics.Add(Errored());
            sources.Add(new MetricSeries(errors, requests));
        }
        for (var index = 0; index < recording.Series.Count; index++)
        {
            var series = recording.Series[index];
            // Two counts say all that their quotient says, and how much it is worth.
            if (counted && (index == errors || (series.Name == "error_rate" && series.Unit == "%")))
            {
                continue;
            }
            metrics.Add(Metric(series));
            sources.Add(new MetricSeries(index, -1));
        }
        if (metrics.Count > Policy.MaxMetrics)
        {
            throw new RefusedException("metrics", $"are {metrics.Count}; at most {Policy.MaxMetrics} can be judged together, leave out those that a rollback would not be decided by");
        }
        return (Make(metrics, recording.StepSeconds), sources);
    }

    /// <summary>Where each metric of a given policy is found in a recording: by name; a ratio named errors from requests and errors.</summary>
    public static IReadOnlyList<MetricSeries> Match(Recording recording, Policy policy)
    {
        var sources = new MetricSeries[policy.Metrics.Count];
        for (var index = 0; index < sources.Length; index++)
        {
            var metric = policy.Metrics[index];
            sources[index] = metric.Kind switch
            {
                MetricKind.Ratio when metric.Family == Family.Error => new MetricSeries(Find(recording, Errors), Find(recording, Requests)),
                MetricKind.Gauge or MetricKind.Count => new MetricSeries(Find(recording, metric.Name, anyUnit: true), -1),
                _ => new MetricSeries(-1, -1),
            };
        }
        return sources;
    }

    private static int Find(Recording recording, string name, bool anyUnit = false)
    {
        for (var index = 0; index < recording.Series.Count; index++)
        {
            var series = recording.Series[index];
            if (series.Name == name && (anyUnit || (series.Unit == "count" && series.Kind is null or MetricKind.Count)))
            {
                return index;
            }
        }
        return -1;
    }

    private static Policy Make(IReadOnlyList<MetricPolicy> metrics, double stepSeconds) => new(
        "case",
        null,
        "case",
        metrics,
        Compare.Auto,
        NoData.Rollback,
        new WatchPolicy(
            TimeSpan.FromSeconds(stepSeconds),
            TimeSpan.Zero,
            TimeSpan.FromMinutes(2),
            TimeSpan.FromMinutes(30),
            TimeSpan.FromMinutes(30),
            TimeSpan.FromMinutes(30),
            TimeSpan.FromHours(6),
            ExpectTraffic: true,
            OnHold: "page"),
        new DecidePolicy(0.01, 1, 9, Authority.Off),
        new ActPolicy(Autonomy.Observe, null, Autonomy.Observe, TimeSpan.FromMinutes(15), TimeSpan.Zero, null, []),
        null,
        [],
        new LearnPolicy(0, "off", "off"));

    private static MetricPolicy Errored() => new(
        Errors, MetricKind.Ratio, Family.Error, Direction.Up, null, null, null, 0.95, new Tolerance(0.5, true), 0.5, null, true, "%", 1, null, TimeSpan.Zero);

    /// <summary>Whether a series counts in parts of one: by its unit, or, where the unit says nothing, by all its values.</summary>
    private static bool IsShare(Series series, MetricKind kind)
    {
        static bool Within(double[]? values) => Array.TrueForAll(values ?? [], static value => value is double.NaN or (>= 0 and <= 1));
        return series.Unit is "ratio" or "fraction" or "share"
            || (series.Unit is "1" or "" && kind == MetricKind.Gauge && Within(series.Baseline) && Within(series.Candidate) && Within(series.Control) && Within(series.Seasonal) && Within(series.SeasonalWeek));
    }

    /// <summary>How a series is judged for itself.</summary>
    internal static MetricPolicy Metric(Series series)
    {
        var kind = series.Kind ?? (series.Unit == "count" ? MetricKind.Count : MetricKind.Gauge);
        var family = series.Family ?? FamilyNames.Of(series.Name);
        // What is called downstream or service-wide is measured like what it is called beside that.
        var like = family is Family.Downstream or Family.Service ? FamilyNames.Of(series.Name[(series.Name.IndexOf('_', StringComparison.Ordinal) + 1)..]) : family;
        var percent = series.Unit.StartsWith('%') || series.Unit == "percent";
        var (tolerance, floor) = like switch
        {
            Family.Error when percent => (new Tolerance(1, false), 0),
            // The same as a part of one.
            Family.Error when IsShare(series, kind) => (new Tolerance(0.01, false), 0),
            Family.Error => (new Tolerance(0.5, true), 1),
            Family.Latency => (new Tolerance(0.2, true), series.Unit switch
            {
                "s" => 0.025,
                "ms" => 25,
                "us" => 25e3,
                "ns" => 25e6,
                _ => 0,
            }),
            Family.Cpu => (new Tolerance(0.5, true), percent ? 5 : 0),
            Family.Memory => (new Tolerance(0.25, true), percent ? 5 : 0.0),
            Family.Traffic => (new Tolerance(0.4, true), 0),
            _ => (new Tolerance(0.5, true), 0),
        };
        var warmup = like switch
        {
            Family.Latency => TimeSpan.FromSeconds(120),
            Family.Cpu or Family.Memory => TimeSpan.FromSeconds(180),
            _ => TimeSpan.Zero,
        };
        return new MetricPolicy(
            series.Name, kind, family, series.Direction ?? like.Direction(), null, null, null, 0.95, tolerance, floor, null, false, series.Unit, 1, null, warmup);
    }
}

/// <summary>From which series of a recording a metric is read; -1 for none.</summary>
/// <param name="Values">The values; of a ratio the bad events.</param>
/// <param name="Totals">Of a ratio all events.</param>
public readonly record struct MetricSeries(int Values, int Totals);
