using Commander.Judging.Evidence;
using Commander.Judging.Policies;

namespace Commander.Server.Sources.Prometheus;

/// <summary>What was really asked, and from when on there are points.</summary>
internal sealed record Requested(string Query, DateTimeOffset Begins);

/// <summary>What came back for one query.</summary>
/// <param name="Query">The query.</param>
/// <param name="Answer">The answer.</param>
/// <param name="Evaluated">Whether its points are values of an expression at instants that were asked for: no scrapes' times, and a fall need not be a restart.</param>
internal sealed record Fetched(string Query, PromAnswer Answer, bool Evaluated)
{
    private static readonly IReadOnlySet<Label[]> _nobody = new HashSet<Label[]>();

    /// <summary>How far the points of its series lie apart, Unix milliseconds: the largest of the series' medians; 0 where nothing shows it.</summary>
    public long Interval { get; } = Evaluated ? 0 : Answer.Series.Select(series => series.Spacing).DefaultIfEmpty().Max();

    /// <summary>What it is part of the answer to; null where it has no points as they were scraped.</summary>
    public Requested? Request { get; init; }

    /// <summary>The series, by their <see cref="Key"/>, that were there some time before the points begin; null when that is not known.</summary>
    public IReadOnlySet<Label[]>? Before { get; init; } = _nobody;

    /// <summary>What a series is known by, whatever a function makes of its name.</summary>
    public static Label[] Key(Label[] labels) => Array.FindAll(labels, label => label.Name != "__name__");
}

/// <summary>Turns what came back into readings. Pure.</summary>
internal sealed class PromReadings
{
    // While nothing shows how often a series is scraped.
    private const long UsualInterval = 30_000;

    private readonly string _name;
    private readonly bool _past;
    private readonly long _interval;
    private readonly CustomBounds _bounds;
    private readonly Dictionary<string, long> _firstSeen = new(StringComparer.Ordinal);

    /// <param name="name">Who answered, for messages.</param>
    /// <param name="all">Everything that came back for the same instant.</param>
    /// <param name="past">Whether the intervals lie in the past, so that nothing more can come.</param>
    /// <param name="bounds">The bounds of custom buckets that are known; those of these answers are added.</param>
    public PromReadings(string name, IEnumerable<Fetched> all, bool past, CustomBounds bounds)
    {
        _name = name;
        _past = past;
        _bounds = bounds;
        foreach (var fetched in all)
        {
            _interval = Math.Max(_interval, fetched.Interval);
            if (fetched.Evaluated)
                continue;
            foreach (var series in fetched.Answer.Series)
            {
                bounds.See(series);
                if (series.First is { } first && Instance(series) is { } instance && first < _firstSeen.GetValueOrDefault(instance, long.MaxValue))
                    _firstSeen[instance] = first;
            }
        }
    }

    /// <summary>Whether a series counts from zero if it was not there before: it has its first point after <paramref name="from"/>, and its target an earlier one.</summary>
    public bool HasBorn(Fetched fetched, long from) => fetched.Request is not null && fetched.Answer.Series.Any(series => SeemsBorn(series, from));

    /// <summary>The reading of a metric over (from, to], Unix milliseconds.</summary>
    public Reading Read(MetricPolicy metric, Fetched main, Fetched? total, long from, long to)
    {
        if (!main.Answer.Good)
            return Reading.Missing(main.Answer.Quality, main.Answer.Detail);
        if (total is { Answer.Good: false })
            return Reading.Missing(total.Answer.Quality, total.Answer.Detail);
        var span = new Span(from, metric.Kind == MetricKind.Gauge ? to : Complete(main, total, to), to);
        var reading = metric.Kind switch
        {
            MetricKind.Gauge => Gauge(metric, main, from, to),
            MetricKind.Ratio => Ratio(main, total!, span),
            MetricKind.Histogram => Histogram(metric, main, span),
            _ => Count(metric, main, span),
        };
        var warning = main.Answer.Detail ?? total?.Answer.Detail;
        return warning is not null && reading.HasValue ? reading with { Quality = Quality.Partial, Detail = warning } : reading;
    }

    /// <summary>An interval, and up to when in it every series is known.</summary>
    private readonly record struct Span(long From, long Until, long To);

    /// <summary>
    /// Up to when nothing can come any more, so that what is counted up to there is whole and the next interval may begin there. A scrape
    /// shows up when it ends, at the latest one interval after its time: so a series whose next point is due holds the others back,
    /// until it is two intervals behind them. Then it has missed a scrape, and waits for nobody.
    /// </summary>
    private long Complete(Fetched main, Fetched? total, long to)
    {
        if (_past || main.Evaluated || total is { Evaluated: true })
            return to;
        long newest = 0;
        foreach (var series in main.Answer.Series.Concat(total?.Answer.Series ?? []))
            newest = Math.Max(newest, series.Last(to) ?? 0);
        var until = to;
        foreach (var fetched in (ReadOnlySpan<Fetched?>)[main, total])
        {
            foreach (var series in fetched?.Answer.Series ?? [])
            {
                if (series.Last(to) is not { } last)
                    continue;
                var interval = series.Spacing > 0 ? series.Spacing : Interval(fetched!);
                // Scrapes come a little early now and then.
                if (newest - last < 2 * interval)
                    until = Math.Min(until, last + (interval * 9 / 10));
            }
        }

        return until;
    }

    private Reading Ratio(Fetched bad, Fetched total, Span span)
    {
        var all = Grown(total, span);
        if (Missing(all, total, span) is { } missing)
            return missing;
        // Many exporters show a counter of failures only from the first failure on: where the total is there, its absence is zero.
        var wrong = Grown(bad, span);
        if (!wrong.Any && HasNonsense(bad, span.From, span.Until))
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

    private Reading Count(MetricPolicy metric, Fetched main, Span span)
    {
        var grown = Grown(main, span);
        return Missing(grown, main, span) ?? new Reading(
            grown.Whole ? Quality.Value : Quality.Partial,
            grown.Amount * metric.Scale,
            At: grown.At,
            Detail: grown.Whole ? null : NotWhole(main));
    }

    private Reading Histogram(MetricPolicy metric, Fetched main, Span span)
    {
        if (Missing(Grown(main, span), main, span) is { } missing)
            return missing;
        return main.Answer.Series.Any(series => series.Histograms.Length > 0)
            ? Native(metric, main, span)
            : ClassicHistogram.AddUp(
                [.. main.Answer.Series.Select(series => new GrownBucket(series.Labels, Grown(main, series, span)))],
                metric, Short(main.Query), NotWhole(main));
    }

    private Reading Native(MetricPolicy metric, Fetched main, Span span)
    {
        var custom = _bounds.Of(main.Answer.Series);
        var edges = custom is null ? NativeHistogram.EdgesOf(metric) : NativeHistogram.Exact(custom, main.Answer.Series);
        if (edges.Length > ClassicHistogram.MaxBuckets)
            return Reading.Missing(Quality.Error, $"{Short(main.Query)} has {edges.Length} custom buckets, at most {ClassicHistogram.MaxBuckets} are read");
        if (custom is { Length: > 0 } && edges.Length == 1)
            return Reading.Missing(Quality.Error, $"{Short(main.Query)}: the custom buckets of its instances have no bound in common; give all of them the same bounds");
        var counts = new double[edges.Length];
        var all = Increment.None;
        foreach (var series in main.Answer.Series)
        {
            var one = NativeHistogram.Grown(series.Histograms, span.From, span.Until, Born(main, series, span.From), edges, counts);
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

    private Increment Grown(Fetched fetched, Span span)
    {
        var grown = Increment.None;
        foreach (var series in fetched.Answer.Series)
        {
            var one = Grown(fetched, series, span);
            if (one.Any)
                grown += one;
        }

        return grown;
    }

    private Increment Grown(Fetched fetched, PromSeries series, Span span) =>
        fetched.Evaluated ? Evaluated(series.Points, span.From, span.Until)
        : series.Histograms.Length > 0 ? NativeHistogram.Grown(series.Histograms, span.From, span.Until, Born(fetched, series, span.From), [], [])
        : Increments.Of(series.Points, span.From, span.Until, Born(fetched, series, span.From) ? span.From : null);

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
    /// its target showed other series, and it was not there earlier still. Then it counts from zero; else what it had at its first scrape
    /// belongs to nobody.
    /// </summary>
    private bool Born(Fetched fetched, PromSeries series, long from) =>
        SeemsBorn(series, from) && fetched.Before is { } before && (before.Count == 0 || !before.Contains(Fetched.Key(series.Labels)));

    // Points of one scrape may carry times of their own that lie a little apart.
    private bool SeemsBorn(PromSeries series, long from) =>
        series.First is { } first && first > from && _interval > 0 && Instance(series) is { } instance
        && _firstSeen.TryGetValue(instance, out var seen) && first - seen > _interval / 2;

    /// <summary>Why there is no growth; null when there is.</summary>
    private Reading? Missing(Increment grown, Fetched fetched, Span span)
    {
        var (from, until, to) = span;
        if (!grown.Any)
        {
            return HasNonsense(fetched, from, until) ? Reading.Missing(Quality.Nan, $"NaN or an infinity for {Short(fetched.Query)}")
                : until < to && fetched.Answer.Series.Any(series => series.Last(to) > Math.Max(from, until)) ? Reading.Missing(Quality.Stale, $"waits for the next scrape of some of its series: {Short(fetched.Query)}")
                : Absent(fetched, from, to);
        }

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

    private static string? Instance(PromSeries series)
    {
        var instance = Label.Find(series.Labels, "instance");
        return instance.Length == 0 ? null : Label.Find(series.Labels, "job") + "\u0001" + instance;
    }

    private static string Seconds(long milliseconds) => (milliseconds / 1000.0).ToString("0.#");

    private static string Short(string query) => query.Length > 100 ? query[..100] + "..." : query;
}
