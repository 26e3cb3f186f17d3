using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Server.Connections;

namespace Commander.Server.Sources.Prometheus;

/// <summary>
/// Reads metrics from a Prometheus. A plain selector is fetched with the points as they were scraped, so that counts are whole and
/// carry their own times; anything else is evaluated at the ends of the interval. It keeps no points: only how often things are scraped,
/// the bounds of custom buckets, and which requests are too large.
/// </summary>
internal sealed class PrometheusSource : ISource, IDisposable
{
    // How far back Prometheus itself takes a series for alive; what was not there for so long is taken for not there.
    private static readonly TimeSpan Lookback = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan LeastLookback = TimeSpan.FromSeconds(5);

    // After a longer gap what grew in it is not counted any more.
    private static readonly TimeSpan LongestGap = TimeSpan.FromHours(6);

    // Up to here the past is fetched as it was scraped; a longer one is evaluated at instants.
    private static readonly TimeSpan LongestRaw = TimeSpan.FromHours(2);

    // Less than the loop waits for a source, so that what has come by then is not lost.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(9);

    // A clock is told to the second by HTTP, and an answer takes its time.
    private static readonly TimeSpan LeastClockError = TimeSpan.FromSeconds(5);

    private readonly PrometheusClient _client;
    private readonly Gathering _gathering;
    private readonly TimeProvider _clock;
    private readonly CustomBounds _bounds = new();
    private readonly BundleBook _bundles = new();
    private long _interval;

    /// <summary>A source as the policy names it.</summary>
    /// <param name="settings">The policy's settings.</param>
    /// <param name="http">Made by <see cref="Outgoing"/>.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="secret">Resolves what the policy refers to.</param>
    public PrometheusSource(SourceSettings settings, HttpClient http, TimeProvider clock, Func<string, string?> secret)
    {
        _client = new PrometheusClient(settings, http, clock, secret);
        _gathering = new Gathering(_client, clock);
        _clock = clock;
    }

    public bool RemembersPast => true;

    public bool SeparatesArms => false;

    /// <summary>For checks of queries and lists of names.</summary>
    public PrometheusClient Client => _client;

    // On the pool's threads: what asks has a scheduler of its own, which would take every one of many steps one by one.
    public Task<Reading[]> Observe(IReadOnlyList<Question> questions, CancellationToken cancel) => Task.Run(() => Read(questions, cancel), cancel);

    public Task<Reading[][]> Past(IReadOnlyList<Question> questions, int points, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(points, 1);
        return Task.Run(() => ReadPast(questions, points, cancel), cancel);
    }

    public async Task<SourceCheck> Check(CancellationToken cancel)
    {
        var began = _clock.GetTimestamp();
        using var share = _client.Begin();
        var answer = await _client.Query("vector(1)", _clock.GetUtcNow(), share, cancel);
        return new SourceCheck(answer.Good ? null : answer.Detail ?? $"{_client.Name} does not answer", $"{_client.Name} answers", answer.Ahead is { } ahead ? new SourceClock(ahead, _clock.GetElapsedTime(began)) : null);
    }

    public void Dispose() => _client.Dispose();

    private async Task<Reading[]> Read(IReadOnlyList<Question> questions, CancellationToken cancel)
    {
        using var patience = new CancellationTokenSource(Patience, _clock);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        using var share = _client.Begin();
        var answers = await Answers(questions, points: 0, share, deadline.Token);
        return [.. questions.Select((question, i) => OtherClock(question, answers[i]) ?? answers[i].Read(question.Metric, question.From.ToUnixTimeMilliseconds(), question.To.ToUnixTimeMilliseconds()))];
    }

    private async Task<Reading[][]> ReadPast(IReadOnlyList<Question> questions, int points, CancellationToken cancel)
    {
        using var patience = new CancellationTokenSource(Patience, _clock);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        using var share = _client.Begin();
        var answers = await Answers(questions, points, share, deadline.Token);
        return [.. questions.Select((question, i) =>
        {
            var from = question.From.ToUnixTimeMilliseconds();
            var span = question.To.ToUnixTimeMilliseconds() - from;
            return Enumerable.Range(0, points)
                .Select(k => answers[i].Read(question.Metric, from + (span * k / points), from + (span * (k + 1) / points)))
                .ToArray();
        })];
    }

    /// <summary>What came back for one question.</summary>
    private readonly record struct Answered(PromReadings Readings, Fetched Main, Fetched? Total)
    {
        public Reading Read(MetricPolicy metric, long from, long to) => Readings.Read(metric, Main, Total, from, to);
    }

    /// <summary>What comes back for each question; <paramref name="points"/> says into how many intervals the past is cut, 0 where a tick is asked for.</summary>
    private async Task<Answered[]> Answers(IReadOnlyList<Question> questions, int points, Room.Share share, CancellationToken cancel)
    {
        var past = points > 0;
        var asked = questions.Select(question => (Main: One(question, question.Query, past), Total: question.Total is { } total ? One(question, total, past) : (Asked?)null)).ToArray();
        var all = asked.SelectMany(pair => pair.Total is { } total ? new[] { pair.Main, total } : [pair.Main]).Distinct().ToArray();
        var found = new Dictionary<Asked, Fetched>(all.Length);
        var bundles = _bundles.Of(all.Where(one => one.Way == Way.Points).ToArray()).Select(bundle => Fetch(bundle, points, share, cancel)).ToArray();
        var evaluated = all.Where(one => one.Way != Way.Points).Select(one => Evaluate(one, points, share, cancel)).ToArray();
        foreach (var (one, fetched) in (await Task.WhenAll(bundles)).SelectMany(parts => parts).Concat(await Task.WhenAll(evaluated)))
            found[one] = fetched;
        // What belongs to the same instant shows how often things are scraped, and which targets were there before.
        var readings = found.GroupBy(pair => (past ? pair.Key.From : default, pair.Key.To)).ToDictionary(group => group.Key, group => new PromReadings(_client.Name, group.Select(pair => pair.Value), past, _bounds));
        Answered Find(int i) => new(readings[(past ? questions[i].From : default, questions[i].To)], found[asked[i].Main], asked[i].Total is { } total ? found[total] : null);
        await Recall(questions, Find, found, share, cancel);
        return [.. questions.Select((_, i) => Find(i))];
    }

    /// <summary>
    /// A series that begins while its target was there already counts from zero, unless it was there before: then it was only away for
    /// longer than was looked back. One more question tells, and only where there is such a series.
    /// </summary>
    private async Task Recall(IReadOnlyList<Question> questions, Func<int, Answered> find, Dictionary<Asked, Fetched> found, Room.Share share, CancellationToken cancel)
    {
        var young = new HashSet<Fetched>(ReferenceEqualityComparer.Instance);
        for (var i = 0; i < questions.Count; i++)
        {
            if (questions[i].Metric.Kind == MetricKind.Gauge)
                continue;
            var (readings, main, total) = find(i);
            foreach (var fetched in total is null ? new[] { main } : [main, total])
            {
                if (readings.HasBorn(fetched, questions[i].From.ToUnixTimeMilliseconds()))
                    young.Add(fetched);
            }
        }

        if (young.Count == 0)
            return;
        var recalled = young.Select(fetched => fetched.Request!).Distinct().ToDictionary(request => request, request => Before(request, share, cancel));
        foreach (var (one, fetched) in found.ToArray())
        {
            if (young.Contains(fetched))
                found[one] = fetched with { Before = await recalled[fetched.Request!] };
        }
    }

    private async Task<IReadOnlySet<Label[]>?> Before(Requested request, Room.Share share, CancellationToken cancel)
    {
        var answer = await _client.Query($"last_over_time({request.Query}[{(long)LongestGap.TotalMilliseconds}ms])", request.Begins, share, cancel);
        return answer.Good ? answer.Series.Select(series => Fetched.Key(series.Labels)).ToHashSet(SameLabels.Instance) : null;
    }

    private static Asked One(Question question, string query, bool past)
    {
        var way = question.Metric.Window is null && Expression.IsSelector(query) ? (past && question.To - question.From > LongestRaw ? Way.Steps : Way.Points)
            : question.Metric.Kind == MetricKind.Gauge ? Way.End
            : Way.BothEnds;
        return new Asked(query, way, way == Way.End && !past ? default : question.From, question.To);
    }

    /// <summary>The points of selectors, each with its own.</summary>
    private async Task<KeyValuePair<Asked, Fetched>[]> Fetch(Bundle bundle, int points, Room.Share share, CancellationToken cancel)
    {
        var (begins, answer) = await SinceBefore(bundle, points > 0, share, cancel);
        if (bundle.Split(answer) is { } answers)
        {
            // So many points are too many; the values at some instants are not.
            if (points > 0 && bundle.Parts.Count == 1 && answer.TooLarge)
            {
                var one = bundle.Parts[0].Asked;
                return [KeyValuePair.Create(one, (await Evaluate(one with { Way = Way.Steps }, points, share, cancel)).Value)];
            }

            var request = new Requested(bundle.Query, begins);
            return [.. bundle.Parts.Select((part, i) => KeyValuePair.Create(part.Asked, new Fetched(part.Asked.Query, answers[i], Evaluated: false) { Request = request }))];
        }

        _bundles.Part(bundle.Query);
        var alone = await Task.WhenAll(Enumerable.Range(0, bundle.Parts.Count).Select(i => Fetch(bundle.Alone(i), points, share, cancel)));
        return [.. alone.SelectMany(one => one)];
    }

    /// <summary>The points since the last scrape before the beginning, and no more than that.</summary>
    private async Task<(DateTimeOffset Begins, PromAnswer Answer)> SinceBefore(Bundle bundle, bool past, Room.Share share, CancellationToken cancel)
    {
        var earliest = bundle.To - LongestGap;
        var from = !past && bundle.From < earliest ? earliest : bundle.From;
        var interval = TimeSpan.FromMilliseconds(Volatile.Read(ref _interval));
        var back = interval == TimeSpan.Zero ? Lookback : TimeSpan.FromTicks(Math.Clamp((interval * 2.5).Ticks, LeastLookback.Ticks, Lookback.Ticks));
        var fetched = await Gathered(bundle, from - back, past, share, cancel);
        var start = from.ToUnixTimeMilliseconds();
        if (back < Lookback && AnyBeginsAfter(fetched.Answer.Series, start))
            fetched = await Points(bundle, from - Lookback, share, cancel);
        var seen = fetched.Answer.Series.Count == 0 ? 0 : fetched.Answer.Series.Max(series => series.Spacing);
        if (seen > Volatile.Read(ref _interval))
            Volatile.Write(ref _interval, seen);
        return fetched;
    }

    private static bool AnyBeginsAfter(IReadOnlyList<PromSeries> all, long start)
    {
        foreach (var series in all)
        {
            if (!(series.First <= start))
                return true;
        }

        return false;
    }

    private async Task<(DateTimeOffset Begins, PromAnswer Answer)> Points(Bundle bundle, DateTimeOffset from, Room.Share share, CancellationToken cancel) =>
        (from, await _client.Query($"{bundle.Query}[{(long)(bundle.To - from).TotalMilliseconds}ms]", bundle.To, share, cancel));

    private async Task<(DateTimeOffset Begins, PromAnswer Answer)> Gathered(Bundle bundle, DateTimeOffset from, bool past, Room.Share share, CancellationToken cancel) =>
        bundle.Shape is { } shape ? (from, await _gathering.Points(shape, bundle.Query, from, bundle.To, past, share, cancel)) : await Points(bundle, from, share, cancel);

    private async Task<KeyValuePair<Asked, Fetched>> Evaluate(Asked asked, int points, Room.Share share, CancellationToken cancel)
    {
        if (asked.Way == Way.End && points == 0)
            return KeyValuePair.Create(asked, new Fetched(asked.Query, await _client.Query(asked.Query, asked.To, share, cancel), Evaluated: true));
        var earliest = asked.To - LongestGap;
        var from = points == 0 && asked.From < earliest ? earliest : asked.From;
        // A counter that is evaluated more often than it is cut shows its restarts.
        var step = points == 0 ? asked.To - from : (asked.To - from) / points / (asked.Way == Way.Steps ? 4 : 1);
        return KeyValuePair.Create(asked, new Fetched(asked.Query, await _client.QueryRange(asked.Query, from, asked.To, Least(step), share, cancel), Evaluated: asked.Way != Way.Steps));
    }

    private static TimeSpan Least(TimeSpan step) => step < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : step;

    private static Reading? OtherClock(Question question, Answered answered)
    {
        var step = question.To - question.From;
        foreach (var fetched in (ReadOnlySpan<Fetched?>)[answered.Main, answered.Total])
        {
            if (fetched?.Answer.Ahead is { } ahead && ahead.Duration() > step && ahead.Duration() > LeastClockError)
                return Reading.Missing(Quality.Stale, $"the source's clock is {ahead.Duration().TotalSeconds:0} s {(ahead > TimeSpan.Zero ? "ahead" : "behind")}: its points cannot be placed before or after the deployment");
        }

        return null;
    }
}
