using Commander.Judging.Evidence;
using Commander.Judging.Policies;

namespace Commander.Server.Sources.Prometheus;

/// <summary>
/// Reads metrics from a Prometheus. A plain selector is fetched with the points as they were scraped, so that counts are whole and
/// carry their own times; anything else is evaluated at the ends of the interval. It keeps nothing but how often things are scraped.
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
    private readonly TimeProvider _clock;
    private long _interval;

    /// <summary>A source as the policy names it.</summary>
    /// <param name="settings">The policy's settings.</param>
    /// <param name="http">Made by <see cref="Scrape.ScrapeClient"/>.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="secret">Resolves what the policy refers to.</param>
    public PrometheusSource(SourceSettings settings, HttpClient http, TimeProvider clock, Func<string, string?> secret)
    {
        _client = new PrometheusClient(settings, http, clock, secret);
        _clock = clock;
    }

    public bool RemembersPast => true;

    public bool SeparatesArms => false;

    /// <summary>For checks of queries and lists of names.</summary>
    public PrometheusClient Client => _client;

    public async Task<Reading[]> Observe(IReadOnlyList<Question> questions, CancellationToken cancel)
    {
        using var patience = new CancellationTokenSource(Patience, _clock);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        var beginnings = new Dictionary<Asked, DateTimeOffset>();
        foreach (var question in questions)
        {
            foreach (var one in All(question))
            {
                // One fetch serves all who ask the same up to the same instant, from the earliest beginning on.
                if (!beginnings.TryGetValue(one, out var known) || question.From < known)
                    beginnings[one] = question.From;
            }
        }

        var found = await Together(beginnings.Keys, one => Fetch(one, beginnings[one], deadline.Token));
        var groups = found.GroupBy(pair => pair.Key.To).ToDictionary(g => g.Key, g => new PromReadings(_client.Name, g.Select(pair => pair.Value), past: false));
        return [.. questions.Select(question =>
        {
            Fetched[] answers = [.. All(question).Select(one => found[one])];
            return OtherClock(question, answers) ?? groups[question.To].Read(question.Metric, answers[0], answers.Length > 1 ? answers[1] : null, question.From.ToUnixTimeMilliseconds(), question.To.ToUnixTimeMilliseconds());
        })];
    }

    public async Task<Reading[][]> Past(IReadOnlyList<Question> questions, int points, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(points, 1);
        using var patience = new CancellationTokenSource(Patience, _clock);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        var asked = questions.SelectMany(question => All(question).Select(one => (One: one, question.From))).Distinct();
        var found = await Together(asked, one => FetchPast(one.One, one.From, points, deadline.Token));
        var groups = found.GroupBy(pair => (pair.Key.From, pair.Key.One.To)).ToDictionary(g => g.Key, g => new PromReadings(_client.Name, g.Select(pair => pair.Value), past: true));
        return [.. questions.Select(question =>
        {
            Fetched[] answers = [.. All(question).Select(one => found[(one, question.From)])];
            var from = question.From.ToUnixTimeMilliseconds();
            var span = question.To.ToUnixTimeMilliseconds() - from;
            return Enumerable.Range(0, points)
                .Select(k => groups[(question.From, question.To)].Read(question.Metric, answers[0], answers.Length > 1 ? answers[1] : null, from + (span * k / points), from + (span * (k + 1) / points)))
                .ToArray();
        })];
    }

    private static async Task<Dictionary<T, Fetched>> Together<T>(IEnumerable<T> asked, Func<T, Task<Fetched>> fetch)
        where T : notnull
    {
        var running = asked.Select(one => (One: one, Answer: fetch(one))).ToArray();
        var found = new Dictionary<T, Fetched>(running.Length);
        foreach (var (one, answer) in running)
            found[one] = await answer;
        return found;
    }

    public void Dispose() => _client.Dispose();

    /// <summary>How a query is asked.</summary>
    private enum Way
    {
        /// <summary>The points of a plain selector, as they were scraped.</summary>
        Points,
        /// <summary>The value of an expression at the end.</summary>
        End,
        /// <summary>The values of an expression at the beginning and the end, for what grew between.</summary>
        BothEnds,
    }

    /// <summary>A query up to an instant. What is evaluated at the beginning too is another query for another beginning.</summary>
    private readonly record struct Asked(string Query, Way Way, DateTimeOffset To, DateTimeOffset Beginning);

    private static IEnumerable<Asked> All(Question question)
    {
        yield return One(question, question.Query);
        if (question.Total is { } total)
            yield return One(question, total);
    }

    private static Asked One(Question question, string query)
    {
        var way = question.Metric.Window is null && Expression.IsSelector(query) ? Way.Points
            : question.Metric.Kind == MetricKind.Gauge ? Way.End
            : Way.BothEnds;
        return new Asked(query, way, question.To, way == Way.BothEnds ? question.From : default);
    }

    private async Task<Fetched> Fetch(Asked asked, DateTimeOffset from, CancellationToken cancel)
    {
        if (asked.Way == Way.End)
            return new Fetched(asked.Query, await _client.Query(asked.Query, asked.To, cancel), Evaluated: true);
        var earliest = asked.To - LongestGap;
        from = from < earliest ? earliest : from;
        if (asked.Way == Way.BothEnds)
            return new Fetched(asked.Query, await _client.QueryRange(asked.Query, from, asked.To, Least(asked.To - from), cancel), Evaluated: true);

        // The last scrape before the beginning is needed too, and no more than that.
        var interval = TimeSpan.FromMilliseconds(Volatile.Read(ref _interval));
        var back = interval == TimeSpan.Zero ? Lookback : TimeSpan.FromTicks(Math.Clamp((interval * 2.5).Ticks, LeastLookback.Ticks, Lookback.Ticks));
        var fetched = await Points(asked, from - back, cancel);
        var start = from.ToUnixTimeMilliseconds();
        if (back < Lookback && fetched.Answer.Series.Any(series => !(Earliest(series) <= start)))
            fetched = await Points(asked, from - Lookback, cancel);
        if (fetched.Interval > Volatile.Read(ref _interval))
            Volatile.Write(ref _interval, fetched.Interval);
        return fetched;
    }

    private async Task<Fetched> Points(Asked asked, DateTimeOffset from, CancellationToken cancel) =>
        new(asked.Query, await _client.Query($"{asked.Query.Trim()}[{(long)(asked.To - from).TotalMilliseconds}ms]", asked.To, cancel), Evaluated: false);

    private async Task<Fetched> FetchPast(Asked asked, DateTimeOffset from, int points, CancellationToken cancel)
    {
        var span = asked.To - from;
        if (asked.Way == Way.Points && span <= LongestRaw)
            return await Points(asked, from - Lookback, cancel);
        // A counter that is evaluated more often than it is cut shows its restarts.
        var step = Least(span / points / (asked.Way == Way.Points ? 4 : 1));
        return new Fetched(asked.Query, await _client.QueryRange(asked.Query, from, asked.To, step, cancel), Evaluated: asked.Way != Way.Points);
    }

    private static TimeSpan Least(TimeSpan step) => step < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : step;

    private static long? Earliest(PromSeries series) =>
        series.Points.Length > 0 ? series.Points[0].At : series.Histograms.Length > 0 ? series.Histograms[0].At : null;

    private static Reading? OtherClock(Question question, Fetched[] found)
    {
        var step = question.To - question.From;
        foreach (var fetched in found)
        {
            if (fetched.Answer.Ahead is { } ahead && ahead.Duration() > step && ahead.Duration() > LeastClockError)
                return Reading.Missing(Quality.Stale, $"the source's clock is {ahead.Duration().TotalSeconds:0} s {(ahead > TimeSpan.Zero ? "ahead" : "behind")}: its points cannot be placed before or after the deployment");
        }

        return null;
    }
}
