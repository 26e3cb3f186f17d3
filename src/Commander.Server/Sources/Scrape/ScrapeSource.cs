using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Server.Connections;

namespace Commander.Server.Sources.Scrape;

/// <summary>
/// Reads metrics straight from where they are exposed. A target is asked when a tick ends, and every few seconds in between, so that
/// the arm before has a past; the recent points of what policies want are remembered, nothing else.
/// </summary>
internal sealed class ScrapeSource : ISource
{
    /// <summary>How often a target is scraped when nobody asks.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(2);

    /// <summary>Whoever answered so long before the interval belongs to the watch's past.</summary>
    private static readonly TimeSpan Shortly = TimeSpan.FromHours(1);

    private const int MaxSelectors = 512;

    private readonly ScrapeTarget _candidate;
    private readonly ScrapeTarget? _control;
    private readonly TimeProvider _clock;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (Selector? Selector, string? Error)> _selectors = new(StringComparer.Ordinal);

    /// <summary>A source as the policy names it: targets.candidate and, where old and new have addresses of their own or share one, targets.control.</summary>
    /// <param name="settings">The policy's settings.</param>
    /// <param name="known">The metrics of every policy that uses the source: their series are remembered from the start.</param>
    /// <param name="http">Made by <see cref="Outgoing"/>.</param>
    /// <param name="clock">The clock.</param>
    /// <exception cref="ArgumentException">A target is missing or no http(s) address; the message names the key.</exception>
    public ScrapeSource(SourceSettings settings, IEnumerable<MetricPolicy> known, HttpClient http, TimeProvider clock)
    {
        _clock = clock;
        var candidate = Target(settings, "targets.candidate")
            ?? throw new ArgumentException($"sources.{settings.Name}: targets.candidate is missing; write the address of the candidate's metrics, such as http://localhost:9100/metrics", nameof(settings));
        var control = Target(settings, "targets.control");
        _candidate = new ScrapeTarget(candidate, http, clock);
        _control = control is null ? null : control == candidate ? _candidate : new ScrapeTarget(control, http, clock);
        foreach (var template in known.SelectMany(metric => new[] { metric.Query, metric.Bad, metric.Total }))
        {
            // A template whose variables do not stand in conditions cannot be remembered ahead; it is from its first question on.
            if (template is not null && Selector.TryParse(template, widen: true, out var selector, out _))
            {
                _candidate.Foresee(selector);
                _control?.Foresee(selector);
            }
        }
    }

    public bool RemembersPast => false;

    public bool SeparatesArms => _control is not null && _control != _candidate;

    /// <summary>Scrapes the targets every few seconds until cancelled. One that hangs holds no other up.</summary>
    public async Task Run(CancellationToken cancel)
    {
        var targets = _control is null || _control == _candidate ? new[] { _candidate } : [_candidate, _control];
        await Task.WhenAll(targets.Select(target => Keep(target, cancel)));
    }

    public async Task<SourceCheck> Check(CancellationToken cancel)
    {
        var targets = _control is null || _control == _candidate ? new[] { _candidate } : [_candidate, _control];
        var scraped = await Task.WhenAll(targets.Select(target => target.Refresh(TimeSpan.Zero, cancel)));
        return new SourceCheck(
            Array.Find(scraped, one => !one.Good) is { } bad ? bad.Detail ?? "a target does not answer" : null,
            $"{string.Join(" and ", targets.Select(target => target.Name))} {(targets.Length == 1 ? "answers" : "answer")}",
            scraped.Select(one => one.Clock).FirstOrDefault(clock => clock is not null));
    }

    public async Task<Reading[]> Observe(IReadOnlyList<Question> questions, CancellationToken cancel)
    {
        var readings = new Reading[questions.Count];
        var byTarget = new Dictionary<ScrapeTarget, List<Asked>>();
        for (var i = 0; i < questions.Count; i++)
        {
            if (Prepare(questions[i], i, out var target, out var asked) is { } missing)
            {
                readings[i] = missing;
                continue;
            }
            target!.Want(asked!.Selector);
            if (asked.Total is { } total)
            {
                target.Want(total);
            }
            (byTarget.TryGetValue(target, out var list) ? list : byTarget[target] = []).Add(asked);
        }
        await Task.WhenAll(byTarget.Select(pair => Answer(pair.Key, pair.Value, readings, cancel)));
        return readings;
    }

    public Task<Reading[][]> Past(IReadOnlyList<Question> questions, int points, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(points, 1);
        var past = new Reading[questions.Count][];
        for (var i = 0; i < questions.Count; i++)
        {
            var readings = past[i] = new Reading[points];
            if (Prepare(questions[i], i, out var target, out var asked) is { } missing)
            {
                Array.Fill(readings, missing);
                continue;
            }
            var from = questions[i].From.ToUnixTimeMilliseconds();
            var span = questions[i].To.ToUnixTimeMilliseconds() - from;
            target!.Read(memory =>
            {
                for (var k = 0; k < points; k++)
                {
                    readings[k] = Read(memory, target, asked!, from + (span * k / points), from + (span * (k + 1) / points), now: false);
                }
                return 0;
            });
        }
        return Task.FromResult(past);
    }

    /// <summary>A question with its selectors read.</summary>
    private sealed record Asked(Question Question, int Index, Selector Selector, Selector? Total);

    private async Task Keep(ScrapeTarget target, CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(Every, _clock);
        try
        {
            do
            {
                await target.Refresh(Every / 2, cancel);
            }
            while (await timer.WaitForNextTickAsync(cancel));
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // Nobody needs the past any more.
        }
    }

    private async Task Answer(ScrapeTarget target, List<Asked> asked, Reading[] readings, CancellationToken cancel)
    {
        var after = asked.Max(one => one.Question.From).ToUnixTimeMilliseconds();
        var end = asked.Max(one => one.Question.To).ToUnixTimeMilliseconds();
        Scraped scraped;
        try
        {
            scraped = await target.Fresh(after, end, cancel);
        }
        catch (OperationCanceledException)
        {
            // The tick's deadline; the scrape itself goes on for the next one.
            scraped = new Scraped(0, 0, Quality.Timeout, $"{target.Name} did not answer in time");
        }
        if (!scraped.Good)
        {
            foreach (var one in asked)
            {
                // Whoever answered in this watch or shortly before it and is not there any more is silent; a target that never was there is a wrong address.
                readings[one.Index] = scraped.NobodyThere && (one.Question.HadNumbers || target.AnsweredSince(one.Question.From.ToUnixTimeMilliseconds() - (long)Shortly.TotalMilliseconds))
                    ? Reading.Missing(Quality.Empty, $"{scraped.Detail}; it had answered before")
                    : Reading.Missing(scraped.Quality, scraped.Detail);
            }
            return;
        }
        target.Read(memory =>
        {
            foreach (var one in asked)
            {
                if (scraped.Index is { } page && Mistake(page, target, one) is { } mistake)
                {
                    readings[one.Index] = mistake;
                    continue;
                }
                var reading = Read(memory, target, one, one.Question.From.ToUnixTimeMilliseconds(), scraped.Started, now: true);
                readings[one.Index] = reading.Quality switch
                {
                    Quality.Value when scraped.Quality == Quality.Partial => reading with { Quality = Quality.Partial, Detail = scraped.Detail },
                    // What is not remembered is not known to be absent.
                    Quality.Empty when memory.Full => Reading.Missing(Quality.Error, $"{target.Name}: more than {SeriesMemory.MaxSeries} series are selected; narrow the selectors"),
                    _ => reading,
                };
            }
            return 0;
        });
    }

    /// <summary>What is wrong with a question whose selectors can select nothing on this page, whatever happens; null when nothing is.</summary>
    private Reading? Mistake(PageIndex page, ScrapeTarget target, Asked asked)
    {
        var kind = asked.Question.Metric.Kind;
        var all = asked.Total ?? asked.Selector;
        // Where the old version has it, the new one merely does not have it yet.
        if (page.Labels(all.Name) is null && !target.EverHad(all.Name) && (target == _candidate ? _control : _candidate)?.EverHad(all.Name) != true)
        {
            var near = page.Names.Where(name => Math.Abs(name.Length - all.Name.Length) * 3 <= Math.Max(name.Length, all.Name.Length));
            var missing = $"the target has no metric {Word(all.Name)}" + (Nearest.To(all.Name, near) is { } meant ? $"; did you mean {Word(meant)}?" : "");
            // Of events, the counter of the first one may be still to come.
            return Reading.Missing(kind == MetricKind.Count ? Quality.Empty : Quality.Error, missing);
        }
        return (Unlabelled(page, all) ?? (asked.Total is null ? null : Unlabelled(page, asked.Selector))) is { } wrong
            ? Reading.Missing(Quality.Error, wrong)
            : null;
    }

    /// <summary>Why no series of a metric that is there can ever be selected: a condition names a label that none of them has.</summary>
    private static string? Unlabelled(PageIndex page, Selector selector)
    {
        if (page.Labels(selector.Name) is not { } labels)
        {
            return null;
        }
        foreach (var condition in selector.Matchers)
        {
            // A condition that holds without the label excludes nothing, and one that only asks whether the label is there waits for it.
            var asksWhether = (condition.Match == Match.NotEqual && condition.Value.Length == 0) || (condition.Match == Match.Like && condition.Value == ".+");
            if (!asksWhether && !condition.Holds("") && !labels.Contains(condition.Label))
            {
                var shown = labels.Order(StringComparer.Ordinal).Take(8).Select(Word).ToArray();
                return $"no series of {Word(selector.Name)} has a label {Word(condition.Label)}; "
                    + (shown.Length == 0 ? "they have none" : $"it has {string.Join(", ", shown)}{(labels.Count > shown.Length ? ", ..." : "")}");
            }
        }
        return null;
    }

    /// <summary>A name for a message. Names have only letters, digits, underscores and colons, but may be long.</summary>
    private static string Word(string name) => name.Length > 60 ? name[..60] + "..." : name;

    /// <summary>Which target is asked and for what; or why none is.</summary>
    private Reading? Prepare(Question question, int index, out ScrapeTarget? target, out Asked? asked)
    {
        asked = null;
        target = question.Arm switch
        {
            Arm.Candidate => _candidate,
            Arm.Control => _control,
            // What was there before stands at the control's address where it has one, else it stood where the candidate is now.
            Arm.Before => _control ?? _candidate,
            _ => null,
        };
        if (target is null)
        {
            return Reading.Missing(Quality.Empty, question.Arm == Arm.Control
                ? "the source has no targets.control"
                : "a scrape remembers minutes, not days");
        }
        var (selector, error) = Parse(question.Query);
        Selector? total = null;
        if (question.Total is { } text && error is null)
        {
            (total, error) = Parse(text);
        }
        else if (question.Metric.Kind == MetricKind.Ratio)
        {
            error ??= "the question has no query of all events";
        }
        if (error is not null)
        {
            return Reading.Missing(Quality.Error, $"metrics.{question.Metric.Name}: {error}");
        }
        asked = new Asked(question, index, selector!, total);
        return null;
    }

    private (Selector? Selector, string? Error) Parse(string text)
    {
        lock (_lock)
        {
            if (_selectors.TryGetValue(text, out var known))
            {
                return known;
            }
            if (_selectors.Count >= MaxSelectors)
            {
                _selectors.Clear();
            }
            return _selectors[text] = Selector.TryParse(text, widen: false, out var selector, out var error) ? (selector, null) : (null, error);
        }
    }

    private static Reading Read(SeriesMemory memory, ScrapeTarget target, Asked asked, long from, long to, bool now)
    {
        var metric = asked.Question.Metric;
        var found = memory.Find(asked.Question.Query, asked.Selector);
        if (metric.Kind == MetricKind.Ratio)
        {
            return Ratio(memory, target, asked, found, from, to, now);
        }
        if (Nothing(found, target, asked.Question.Query, asked, from, to, now) is { } nothing)
        {
            return nothing;
        }
        return metric.Kind switch
        {
            MetricKind.Gauge => Gauge(found, target, metric, from, to),
            MetricKind.Histogram => Histogram(found, target, metric, from, to),
            _ => Count(found, target, metric, from, to),
        };
    }

    private static Reading Ratio(SeriesMemory memory, ScrapeTarget target, Asked asked, Series[] bad, long from, long to, bool now)
    {
        var total = memory.Find(asked.Question.Total!, asked.Total!);
        if (Nothing(total, target, asked.Question.Total!, asked, from, to, now) is { } nothing)
        {
            return nothing;
        }
        var all = Grown(total, from, to);
        if (Unknown(all, total, target) is { } unknown)
        {
            return unknown;
        }
        // Many exporters show a counter of failures only from the first failure on: where the total is there, its absence is zero.
        var wrong = Grown(bad, from, to);
        if (!wrong.Any && Array.Exists(bad, series => Newest(series, from, to) is not null))
        {
            return Reading.Missing(Quality.Nan, $"{target.Name} answers NaN or an infinity for {bad[0].Name}");
        }
        // The two may be read a moment apart inside the exporter: more failures than requests is that moment.
        return new Reading(
            all.Whole && (wrong.Whole || !wrong.Any) ? Quality.Value : Quality.Partial,
            Math.Min(wrong.Amount, all.Amount),
            all.Amount,
            At: all.At,
            Detail: all.Whole ? null : $"{target.Name} was first scraped inside the interval");
    }

    private static Reading Count(Series[] found, ScrapeTarget target, MetricPolicy metric, long from, long to)
    {
        var grown = Grown(found, from, to);
        return Unknown(grown, found, target) ?? new Reading(
            grown.Whole ? Quality.Value : Quality.Partial,
            grown.Amount * metric.Scale,
            At: grown.At,
            Detail: grown.Whole ? null : $"{target.Name} was first scraped inside the interval");
    }

    private static Reading Gauge(Series[] found, ScrapeTarget target, MetricPolicy metric, long from, long to)
    {
        double sum = 0;
        var count = 0;
        var nan = 0;
        long newest = 0;
        foreach (var series in found)
        {
            if (Newest(series, from, to) is not { } point || point.At < newest)
            {
                continue;
            }
            if (point.At > newest)
            {
                // Instances that are gone in the newest scrape have no level any more.
                (sum, count, nan, newest) = (0, 0, 0, point.At);
            }
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
        {
            return Reading.Missing(Quality.Nan, $"{target.Name} answers NaN or an infinity");
        }
        return new Reading(
            nan == 0 ? Quality.Value : Quality.Partial,
            sum / count * metric.Scale,
            At: newest,
            Detail: nan == 0 ? null : $"{target.Name} answers NaN for {nan} of {nan + count} series");
    }

    private static Reading Histogram(Series[] found, ScrapeTarget target, MetricPolicy metric, long from, long to)
    {
        var grown = found.Select(series => new GrownBucket(series.Labels, Increments.Of(series.Recent, from, to, series.BornAfter))).ToArray();
        var all = Increment.None;
        foreach (var bucket in grown)
        {
            all += bucket.Grown.Any ? bucket.Grown : Increment.None;
        }
        return Unknown(all, found, target)
            ?? ClassicHistogram.AddUp(grown, metric, $"{target.Name}: {found[0].Name}", $"{target.Name} was first scraped inside the interval");
    }

    private static Increment Grown(Series[] found, long from, long to)
    {
        var grown = Increment.None;
        foreach (var series in found)
        {
            var one = Increments.Of(series.Recent, from, to, series.BornAfter);
            if (one.Any)
            {
                grown += one;
            }
        }
        return grown;
    }

    /// <summary>Why there is no growth although there are points; null when there is.</summary>
    private static Reading? Unknown(Increment grown, Series[] found, ScrapeTarget target)
    {
        if (!grown.Any)
        {
            return Reading.Missing(Quality.Nan, $"{target.Name} answers NaN or an infinity for {found[0].Name}");
        }
        return grown.Known
            ? null
            : new Reading(Quality.Empty, At: grown.At, Detail: $"the first scrape of {target.Name}: a counter's growth needs two");
    }

    /// <summary>Why a selector has no points in the interval; null when it has.</summary>
    private static Reading? Nothing(Series[] found, ScrapeTarget target, string query, Asked asked, long from, long to, bool now)
    {
        var newest = 0L;
        var own = 0L;
        foreach (var series in found)
        {
            var at = now ? (series.Last.At <= to ? series.Last.At : Newest(series, from, to)?.At ?? 0) : Newest(series, from, to)?.At ?? 0;
            if (at > newest)
            {
                newest = at;
                own = series.OwnTime ?? 0;
            }
        }
        if (newest == 0 || newest <= from || (now && newest < to))
        {
            return Reading.Missing(Quality.Empty, now
                ? $"{target.Name} has no series {Short(query)}"
                : "nothing is remembered of that time");
        }
        if (now && own != 0)
        {
            var step = Math.Max((asked.Question.To - asked.Question.From).TotalMilliseconds, 30_000);
            if (Math.Abs(newest - own) > step)
            {
                return Reading.Missing(Quality.Stale, $"{target.Name} dates {Short(query)} {Math.Abs(newest - own) / 1000} s {(own < newest ? "back" : "ahead")}");
            }
        }
        return null;
    }

    private static CounterPoint? Newest(Series series, long from, long to)
    {
        var points = series.Recent;
        for (var i = points.Length - 1; i >= 0 && points[i].At > from; i--)
        {
            if (points[i].At <= to)
            {
                return points[i];
            }
        }
        return null;
    }

    private static string Short(string query) => query.Length > 200 ? query[..200] + "..." : query;

    private static Uri? Target(SourceSettings settings, string key)
    {
        if (!settings.Settings.TryGetValue(key, out var text))
        {
            return null;
        }
        return Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
            ? uri
            : throw new ArgumentException($"sources.{settings.Name}: {key} is no http(s) address; write one such as http://localhost:9100/metrics", nameof(settings));
    }
}
