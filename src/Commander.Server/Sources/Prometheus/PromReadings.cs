using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Server.Sources.Scrape;

namespace Commander.Server.Sources.Prometheus;

/// <summary>What came back for one query.</summary>
/// <param name="Query">The query.</param>
/// <param name="Answer">The answer.</param>
/// <param name="Evaluated">Whether its points are values of an expression at instants that were asked for: no scrapes' times, and a fall need not be a restart.</param>
internal sealed record Fetched(string Query, PromAnswer Answer, bool Evaluated)
{
    /// <summary>How far the points of its series lie apart, Unix milliseconds: the largest of the series' medians; 0 where nothing shows it.</summary>
    public long Interval { get; } = Evaluated ? 0 : Answer.Series.Select(Spacing).DefaultIfEmpty().Max();

    private static long Spacing(PromSeries series)
    {
        long[] at = [.. series.Points.Length > 0 ? series.Points.Select(p => p.At) : series.Histograms.Select(p => p.At)];
        if (at.Length < 2)
            return 0;
        for (var i = at.Length - 1; i > 0; i--)
            at[i] -= at[i - 1];
        at.AsSpan(1).Sort();
        return at[1 + ((at.Length - 2) / 2)];
    }
}

/// <summary>Turns what came back into readings. Pure.</summary>
internal sealed class PromReadings
{
    // While nothing shows how often a series is scraped.
    private const long UsualInterval = 30_000;

    private readonly string _name;
    private readonly bool _past;
    private readonly long _interval;
    private readonly Dictionary<string, long> _firstSeen = new(StringComparer.Ordinal);

    /// <param name="name">Who answered, for messages.</param>
    /// <param name="all">Everything that came back for the same instant.</param>
    /// <param name="past">Whether the intervals lie in the past, so that nothing more can come.</param>
    public PromReadings(string name, IEnumerable<Fetched> all, bool past)
    {
        _name = name;
        _past = past;
        foreach (var fetched in all)
        {
            _interval = Math.Max(_interval, fetched.Interval);
            if (fetched.Evaluated)
                continue;
            foreach (var series in fetched.Answer.Series)
            {
                if (First(series) is { } first && Instance(series) is { } instance && first < _firstSeen.GetValueOrDefault(instance, long.MaxValue))
                    _firstSeen[instance] = first;
            }
        }
    }

    /// <summary>The reading of a metric over (from, to], Unix milliseconds.</summary>
    public Reading Read(MetricPolicy metric, Fetched main, Fetched? total, long from, long to)
    {
        if (!main.Answer.Good)
            return Reading.Missing(main.Answer.Quality, main.Answer.Detail);
        if (total is { Answer.Good: false })
            return Reading.Missing(total.Answer.Quality, total.Answer.Detail);
        var reading = metric.Kind switch
        {
            MetricKind.Gauge => Gauge(metric, main, from, to),
            MetricKind.Ratio => Ratio(main, total!, from, to),
            MetricKind.Histogram => Histogram(metric, main, from, to),
            _ => Count(metric, main, from, to),
        };
        var warning = main.Answer.Detail ?? total?.Answer.Detail;
        return warning is not null && reading.HasValue ? reading with { Quality = Quality.Partial, Detail = warning } : reading;
    }

    private Reading Ratio(Fetched bad, Fetched total, long from, long to)
    {
        var all = Grown(total, from, to);
        if (Missing(all, total, from, to) is { } missing)
            return missing;
        // Many exporters show a counter of failures only from the first failure on: where the total is there, its absence is zero.
        var wrong = Grown(bad, from, to);
        if (!wrong.Any && HasNonsense(bad, from, to))
            return Reading.Missing(Quality.Nan, $"NaN or an infinity for {Short(bad.Query)}");
        var whole = all.Whole && (wrong.Whole || !wrong.Any);
        // The two may be read a moment apart: more failures than requests is that moment.
        return new Reading(
            whole ? Quality.Value : Quality.Partial,
            Math.Min(wrong.Amount, all.Amount),
            all.Amount,
            At: Math.Max(wrong.At, all.At),
            Detail: whole ? null : NotWhole(all.Whole ? bad : total));
    }

    private Reading Count(MetricPolicy metric, Fetched main, long from, long to)
    {
        var grown = Grown(main, from, to);
        return Missing(grown, main, from, to) ?? new Reading(
            grown.Whole ? Quality.Value : Quality.Partial,
            grown.Amount * metric.Scale,
            At: grown.At,
            Detail: grown.Whole ? null : NotWhole(main));
    }

    private Reading Histogram(MetricPolicy metric, Fetched main, long from, long to)
    {
        if (Missing(Grown(main, from, to), main, from, to) is { } missing)
            return missing;
        return main.Answer.Series.Any(series => series.Histograms.Length > 0)
            ? Native(metric, main, from, to)
            : ClassicHistogram.AddUp(
                [.. main.Answer.Series.Select(series => new GrownBucket(series.Labels, Grown(main, series, from, to)))],
                metric, Short(main.Query), NotWhole(main));
    }

    private Reading Native(MetricPolicy metric, Fetched main, long from, long to)
    {
        var edges = NativeHistogram.EdgesOf(metric);
        var counts = new double[edges.Length];
        var all = Increment.None;
        foreach (var series in main.Answer.Series)
        {
            var one = NativeHistogram.Grown(series.Histograms, from, to, Born(series, from), edges, counts);
            if (one.Any)
                all += one;
        }

        for (var i = 0; i < edges.Length; i++)
        {
            edges[i] *= metric.Scale;
            counts[i] = Math.Max(counts[i], i == 0 ? 0 : counts[i - 1]);
        }

        return new Reading(all.Whole ? Quality.Value : Quality.Partial, Buckets: new Buckets(edges, counts), At: all.At, Detail: all.Whole ? null : NotWhole(main));
    }

    /// <summary>The mean of the series' newest values; a series that has fallen behind the newest by two scrapes is gone.</summary>
    private Reading Gauge(MetricPolicy metric, Fetched main, long from, long to)
    {
        var newest = main.Answer.Series.Max(series => series.Newest(from, to)?.At);
        if (newest is not { } at)
            return Absent(main, from, to);
        var oldest = at - (2 * Interval(main));
        double sum = 0;
        var (count, nan) = (0, 0);
        foreach (var series in main.Answer.Series)
        {
            if (series.Newest(oldest, to) is not { } point)
                continue;
            if (double.IsFinite(point.Value))
            {
                sum += point.Value;
                count++;
            }
            else
            {
                nan++;
            }
        }

        if (count == 0)
            return Reading.Missing(Quality.Nan, $"NaN or an infinity for {Short(main.Query)}");
        return new Reading(
            nan == 0 ? Quality.Value : Quality.Partial,
            sum / count * metric.Scale,
            At: at,
            Detail: nan == 0 ? null : $"NaN for {nan} of {nan + count} series of {Short(main.Query)}");
    }

    private Increment Grown(Fetched fetched, long from, long to)
    {
        var grown = Increment.None;
        foreach (var series in fetched.Answer.Series)
        {
            var one = Grown(fetched, series, from, to);
            if (one.Any)
                grown += one;
        }

        return grown;
    }

    private Increment Grown(Fetched fetched, PromSeries series, long from, long to) =>
        fetched.Evaluated ? Evaluated(series.Points, from, to)
        : series.Histograms.Length > 0 ? NativeHistogram.Grown(series.Histograms, from, to, Born(series, from), [], [])
        : Increments.Of(series.Points, from, to, Born(series, from) ? from : null);

    /// <summary>
    /// The growth of an expression's value. Where it falls, one of the counters behind it was restarted or is gone, and how much the
    /// others grew cannot be seen any more: that step counts nothing, and the growth is not whole.
    /// </summary>
    private static Increment Evaluated(CounterPoint[] points, long from, long to)
    {
        var (any, known, whole) = (false, false, false);
        double before = 0, amount = 0;
        long at = 0;
        var seen = false;
        foreach (var point in points)
        {
            if (point.At > to)
                break;
            if (!double.IsFinite(point.Value) || point.Value < 0)
                continue;
            if (point.At > from)
            {
                (any, at) = (true, point.At);
                if (seen)
                {
                    known = true;
                    whole &= point.Value >= before;
                    amount += Math.Max(0, point.Value - before);
                }
            }
            else
            {
                whole = true;
            }

            (seen, before) = (true, point.Value);
        }

        return new Increment(amount, any, known, whole, at);
    }

    /// <summary>
    /// Whether a series whose first point lies after <paramref name="from"/> is known not to have been there before: an earlier scrape of
    /// its target showed other series. Then it counts from zero; else what it had at its first scrape belongs to nobody. Points of one
    /// scrape may carry times of their own that lie a little apart.
    /// </summary>
    private bool Born(PromSeries series, long from) =>
        First(series) is { } first && first > from && _interval > 0 && Instance(series) is { } instance
        && _firstSeen.TryGetValue(instance, out var seen) && first - seen > _interval / 2;

    /// <summary>Why there is no growth; null when there is.</summary>
    private Reading? Missing(Increment grown, Fetched fetched, long from, long to)
    {
        if (!grown.Any)
            return HasNonsense(fetched, from, to) ? Reading.Missing(Quality.Nan, $"NaN or an infinity for {Short(fetched.Query)}") : Absent(fetched, from, to);
        if (!grown.Known)
            return new Reading(Quality.Empty, At: grown.At, Detail: $"the first points of {Short(fetched.Query)}: a counter's growth needs two");
        // An expression does not say when it was scraped: whether nothing came or nothing was scraped yet shows only after a while.
        return !_past && fetched.Evaluated && grown.Amount <= 0 && to - from < 2 * Math.Max(_interval, UsualInterval)
            ? Reading.Missing(Quality.Stale, $"no growth yet of {Short(fetched.Query)}, which may wait for its next scrape")
            : null;
    }

    /// <summary>Why a query has no point in the interval.</summary>
    private Reading Absent(Fetched fetched, long from, long to)
    {
        if (_past)
            return Reading.Missing(Quality.Empty, null);
        long newest = 0;
        foreach (var series in fetched.Answer.Series)
            newest = Math.Max(newest, series.Points.Length > 0 ? series.Points[^1].At : series.Histograms.Length > 0 ? series.Histograms[^1].At : 0);
        var interval = Interval(fetched);
        if (newest == 0)
        {
            // Where others are scraped more seldom than it is asked, a new one has to wait for its turn.
            return _interval > 0 && to - from < 2 * _interval
                ? Reading.Missing(Quality.Stale, $"no series {Short(fetched.Query)} yet; others are scraped every {Seconds(_interval)} s")
                : Reading.Missing(Quality.Empty, $"{_name} has no series {Short(fetched.Query)}");
        }

        // One scrape that failed is not the end of a series; two are.
        return to - newest < 2 * interval
            ? Reading.Missing(Quality.Stale, $"the newest point is {Seconds(to - newest)} s old, scraped every {Seconds(interval)} s: {Short(fetched.Query)}")
            : Reading.Missing(Quality.Empty, $"the newest point is {Seconds(to - newest)} s old, although scraped every {Seconds(interval)} s: {Short(fetched.Query)}");
    }

    private long Interval(Fetched fetched) => fetched.Interval > 0 ? fetched.Interval : _interval > 0 ? _interval : UsualInterval;

    private static bool HasNonsense(Fetched fetched, long from, long to) =>
        fetched.Answer.Series.Any(series => series.Newest(from, to) is { } point && !(double.IsFinite(point.Value) && point.Value >= 0));

    private static string NotWhole(Fetched fetched) => fetched.Evaluated
        ? $"fell or began inside the interval, so what grew is not all known; ask for the plain series: {Short(fetched.Query)}"
        : $"has series that were first scraped inside the interval: {Short(fetched.Query)}";

    private static long? First(PromSeries series) =>
        series.Points.Length > 0 ? series.Points[0].At : series.Histograms.Length > 0 ? series.Histograms[0].At : null;

    private static string? Instance(PromSeries series)
    {
        var instance = Label.Find(series.Labels, "instance");
        return instance.Length == 0 ? null : Label.Find(series.Labels, "job") + "\u0001" + instance;
    }

    private static string Seconds(long milliseconds) => (milliseconds / 1000.0).ToString("0.#");

    private static string Short(string query) => query.Length > 100 ? query[..100] + "..." : query;
}
