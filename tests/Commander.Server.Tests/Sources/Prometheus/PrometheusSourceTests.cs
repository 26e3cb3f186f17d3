using System.Text;
using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Server.Connections;
using Commander.Server.Sources;
using Commander.Server.Sources.Prometheus;
using CsCheck;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Sources.Prometheus;

public sealed class PrometheusSourceTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Start = new(2026, 11, 23, 10, 0, 0, TimeSpan.Zero);

    private static readonly MetricPolicy Errors = Metric("errors", MetricKind.Ratio, bad: """bad_total{version="{{version}}"}""", total: """all_total{version="{{version}}"}""");
    private static readonly MetricPolicy Latency = Metric("latency", MetricKind.Histogram, """d_seconds_bucket{version="{{version}}"}""", scale: 1000, unit: "ms");
    private static readonly MetricPolicy Native = Metric("latency", MetricKind.Histogram, """n_seconds{version="{{version}}"}""", scale: 1000, unit: "ms");
    private static readonly MetricPolicy Memory = Metric("memory", MetricKind.Gauge, """m_bytes{version="{{version}}"}""", scale: 1e-6);
    private static readonly MetricPolicy Orders = Metric("orders", MetricKind.Count, """o_total{version="{{version}}"}""");
    private static readonly MetricPolicy Summed = Metric("orders", MetricKind.Count, "sum(o_total)");

    private readonly FakeTimeProvider _clock = new(Start);
    private readonly HttpClient _http = Outgoing.Create();
    private readonly Dictionary<string, string> _secrets = new(StringComparer.Ordinal);
    private RecordedPrometheus _prometheus = null!;
    private PrometheusSource _source = null!;

    private DateTimeOffset Now => _clock.GetUtcNow();

    public async ValueTask InitializeAsync()
    {
        _prometheus = await RecordedPrometheus.Start(_clock);
        _source = Source();
    }

    public async ValueTask DisposeAsync()
    {
        _source.Dispose();
        await _prometheus.DisposeAsync();
        _http.Dispose();
    }

    private PrometheusSource Source(params (string Key, string Value)[] settings) => new(
        new SourceSettings("prom", "prometheus", settings.Append(("url", _prometheus.Url)).ToDictionary(pair => pair.Item1, pair => pair.Item2, StringComparer.Ordinal)),
        _http, _clock, reference => _secrets.GetValueOrDefault(reference));

    private static MetricPolicy Metric(string name, MetricKind kind, string? query = null, string? bad = null, string? total = null, double scale = 1, string unit = "") =>
        new(name, kind, Family.Kpi, Direction.Up, query, bad, total, 0.95, new Tolerance(1, false), 0, null, false, unit, scale, null, TimeSpan.Zero);

    private static Question Ask(MetricPolicy metric, DateTimeOffset from, DateTimeOffset to, Arm arm = Arm.Candidate) =>
        new(metric, 0, arm, (metric.Query ?? metric.Bad)!.Replace("{{version}}", "2", StringComparison.Ordinal), metric.Total?.Replace("{{version}}", "2", StringComparison.Ordinal), from, to);

    private static string Labels(string name, string more = "") => $$"""{"__name__":"{{name}}","instance":"a:1","job":"shop","version":"2"{{more}}}""";

    private async Task<Reading> Read(MetricPolicy metric, DateTimeOffset from, DateTimeOffset to) =>
        (await _source.Observe([Ask(metric, from, to)], CancellationToken.None))[0];

    /// <summary>What the metric says at so many seconds after the start, from where the reading before ended.</summary>
    private async Task<Reading> At(double seconds, MetricPolicy metric, Reading before = default)
    {
        var to = Start.AddSeconds(seconds);
        if (to > Now)
            _clock.SetUtcNow(to);
        return await Read(metric, before.At == 0 ? Start : DateTimeOffset.FromUnixTimeMilliseconds(before.At), to);
    }

    [Fact]
    public async Task A_source_that_answers_nobody_is_left_alone_for_a_moment_and_then_asked_again()
    {
        var asked = 0;
        _prometheus.Says(context =>
        {
            asked++;
            context.Abort();
            return Task.CompletedTask;
        });
        for (var n = 1; n <= 20; n++)
            (await At(n / 10.0, Orders)).Detail.ShouldNotBeNull().ShouldNotContain("left alone");
        var left = await At(2.1, Orders);
        left.Quality.ShouldBe(Quality.Timeout);
        left.Detail.ShouldNotBeNull().ShouldContain("left alone for 2 s");
        asked.ShouldBe(20);

        _prometheus.Says(200, """{"status":"success","data":{"resultType":"matrix","result":[]}}""");
        (await At(4.5, Orders)).Quality.ShouldBe(Quality.Empty);
        (await At(4.6, Orders)).Quality.ShouldBe(Quality.Empty);
    }

    [Fact]
    public async Task Answers_that_say_no_are_answers_and_nobody_is_left_alone_for_them()
    {
        _prometheus.Says(400, """{"status":"error","error":"parse error"}""");
        for (var n = 1; n <= 40; n++)
            (await At(n / 10.0, Orders)).Detail.ShouldNotBeNull().ShouldContain("parse error");
    }

    [Fact]
    public async Task A_counter_grows_from_its_last_point_before_the_interval_to_its_last_in_it()
    {
        foreach (var (at, value) in ((double, double)[])[(-7, 100), (8, 130), (23, 145)])
            _prometheus.Add(Labels("o_total"), Start.AddSeconds(at), value);
        var first = await At(15, Orders);
        (first.Quality, first.Value, first.At).ShouldBe((Quality.Value, 30, Start.AddSeconds(8).ToUnixTimeMilliseconds()));
        var second = await At(30, Orders, first);
        (second.Quality, second.Value).ShouldBe((Quality.Value, 15));
    }

    [Fact]
    public void Whatever_the_scrapes_the_ticks_and_the_restarts_nothing_is_lost_and_nothing_counted_twice() =>
        Gen.Select(Gen.Int[300, 20_000], Gen.Int[0, 20_000], Gen.Int[500, 30_000], Gen.Double[0, 400].Array[40], Gen.Int[0, 60], Gen.Int[0, 60])
            .Sample((interval, phase, step, growths, restart, vanish) =>
            {
                // Two instances of their own phase; the first is restarted once, the second vanishes.
                var series = new Dictionary<string, List<CounterPoint>>(StringComparer.Ordinal);
                double expected = 0;
                var start = Start.ToUnixTimeMilliseconds();
                var end = start + (growths.Length * (long)interval);
                foreach (var (name, offset) in (ReadOnlySpan<(string, int)>)[("a", 0), ("b", phase % interval)])
                {
                    double value = 1000;
                    var points = series[name] = [new CounterPoint(start - interval + offset, value)];
                    for (var i = 0; i < growths.Length && !(name == "b" && i > vanish); i++)
                    {
                        if (name == "a" && i == restart)
                            value = 0;
                        value += Math.Floor(growths[i]);
                        var at = start + (i * (long)interval) + offset + 1;
                        if (at > end)
                            break;
                        points.Add(new CounterPoint(at, value));
                        // Counted on from zero where it was restarted, unless nobody can see that it was.
                        var before = points[^2].Value;
                        expected += value < before ? value : value - before;
                    }
                }

                // Nothing more happens, and is scraped: a count waits until nothing can come late any more.
                foreach (var points in series.Values)
                {
                    for (var i = 1; i <= 4; i++)
                        points.Add(new CounterPoint(points[^1].At + interval, points[^1].Value));
                }

                var sum = Counted(start, end + (6L * interval) + (2 * step), step, (from, to) =>
                    [.. series.Select(s => new PromSeries([new Label("instance", s.Key)], [.. s.Value.Where(p => p.At >= from - 300_000 && p.At <= to)], []))]);
                return Math.Abs(sum - expected) < 1e-6;
            }, iter: 2000);

    [Fact]
    public void Whatever_the_phases_and_however_late_a_scrape_shows_up_every_instance_is_counted_whole() =>
        Gen.Select(Gen.Int[300, 20_000], Gen.Int[0, 20_000].Array[3], Gen.Int[200, 30_000], Gen.Double[0, 1].Array[90], Gen.Int[0, 40].Array[90])
            .Sample((interval, phases, step, delays, growths) =>
            {
                var start = Start.ToUnixTimeMilliseconds();
                var series = new List<(CounterPoint Point, long Shown)>[3];
                double expected = 0;
                for (var s = 0; s < 3; s++)
                {
                    series[s] = [];
                    double value = 1000;
                    for (var i = -2; i < 30 + 5; i++)
                    {
                        var at = start + (i * (long)interval) + (phases[s] % interval);
                        var grown = i >= 0 && i < 30 ? growths[(s * 30) + i] : 0;
                        value += grown;
                        expected += at > start ? grown : 0;
                        // A scrape takes less than an interval; before the start everything is there.
                        series[s].Add((new CounterPoint(at, value), i < 0 ? at : at + (long)(delays[(s * 30) + Math.Min(i, 29)] * (interval - 1))));
                    }
                }

                var sum = Counted(start, start + (37L * interval) + (2 * step), step, (from, to) => [.. series.Select((one, i) => new PromSeries(
                    [new Label("instance", i.ToString())],
                    [.. one.Where(p => p.Shown <= to && p.Point.At >= from - 300_000 && p.Point.At <= to).Select(p => p.Point)],
                    []))]);
                return Math.Abs(sum - expected) < 1e-6;
            }, iter: 2000);

    /// <summary>What is counted in all, tick by tick, each asked from where the last one's number ended.</summary>
    private static double Counted(long start, long end, int step, Func<long, long, PromSeries[]> answer)
    {
        double sum = 0;
        var from = start;
        for (var to = start + step; to < end; to += step)
        {
            var fetched = new Fetched("o_total", new PromAnswer(Quality.Value, null, answer(from, to), []), Evaluated: false);
            var reading = new PromReadings("prom", [fetched], past: false, new CustomBounds()).Read(Orders, fetched, null, from, to);
            if (!reading.HasValue)
                continue;
            sum += reading.Value;
            from = reading.At;
        }

        return sum;
    }

    [Fact]
    public async Task An_instance_that_is_gone_holds_the_others_back_for_two_scrapes_and_no_longer()
    {
        for (var at = -30; at <= 60; at += 15)
        {
            _prometheus.Add(Labels("o_total", ",\"pod\":\"a\""), Start.AddSeconds(at), 1000 + at);
            if (at <= 0)
                _prometheus.Add(Labels("o_total", ",\"pod\":\"b\""), Start.AddSeconds(at), 500);
        }

        // Its next point is due: what the other counted until just before is all that can be known.
        var waits = await At(16, Orders);
        (waits.Quality, waits.Detail!.Contains("waits for the next scrape", StringComparison.Ordinal)).ShouldBe((Quality.Stale, true));
        var made = await At(31, Orders);
        (made.Quality, made.Value, made.At).ShouldBe((Quality.Value, 30, Start.AddSeconds(30).ToUnixTimeMilliseconds()));
    }

    [Fact]
    public async Task A_point_that_comes_late_is_counted_in_the_next_tick()
    {
        _prometheus.Ingestion = TimeSpan.FromSeconds(2);
        foreach (var (at, value) in ((double, double)[])[(-3, 100), (2, 110), (4, 117), (6, 120)])
            _prometheus.Add(Labels("o_total"), Start.AddSeconds(at), value);
        var first = await At(5, Orders);
        first.Value.ShouldBe(10);
        (await At(10, Orders, first)).Value.ShouldBe(10);
    }

    [Fact]
    public async Task A_tick_without_a_new_point_is_stale_and_loses_nothing()
    {
        foreach (var (at, value) in ((double, double)[])[(-25, 90), (-10, 100), (5, 130)])
            _prometheus.Add(Labels("o_total"), Start.AddSeconds(at), value);
        var early = await At(2, Orders);
        early.Quality.ShouldBe(Quality.Stale);
        early.Detail!.ShouldContain("scraped every 15 s");
        (await At(6, Orders)).Value.ShouldBe(30);
    }

    [Fact]
    public async Task A_series_that_missed_two_scrapes_is_gone()
    {
        foreach (var at in (double[])[-25, -10, 5])
            _prometheus.Add(Labels("o_total"), Start.AddSeconds(at), 100);
        var last = await At(6, Orders);
        (await At(30, Orders, last)).Quality.ShouldBe(Quality.Stale);
        var gone = await At(36, Orders, last);
        gone.Quality.ShouldBe(Quality.Empty);
        gone.Detail!.ShouldContain("31 s old");
    }

    [Fact]
    public async Task What_is_not_there_yet_waits_for_its_first_scrape_where_others_are_scraped()
    {
        foreach (var at in (double[])[-25, -10, 5])
            _prometheus.Add(Labels("m_bytes"), Start.AddSeconds(at), 3e6);
        _clock.Advance(TimeSpan.FromSeconds(40));
        async Task<Reading> Beside(double to) => (await _source.Observe([Ask(Orders, Start, Start.AddSeconds(to)), Ask(Memory, Start, Start.AddSeconds(to))], CancellationToken.None))[0];
        (await Beside(10)).Quality.ShouldBe(Quality.Stale);
        var nothing = await Beside(31);
        nothing.Quality.ShouldBe(Quality.Empty);
        nothing.Detail!.ShouldContain("has no series o_total");
    }

    [Fact]
    public async Task A_series_that_appears_counts_from_zero_only_where_its_target_was_seen_before()
    {
        foreach (var at in (double[])[-25, -10, 5, 20])
        {
            _prometheus.Add(Labels("all_total", ",\"code\":\"200\""), Start.AddSeconds(at), 1000 + at);
            if (at > 0)
                _prometheus.Add(Labels("bad_total", ",\"code\":\"503\""), Start.AddSeconds(at), 40);
        }

        var known = await At(15, Errors);
        (known.Quality, known.Value, known.Total).ShouldBe((Quality.Value, 15, 15));

        _prometheus.Series.Clear();
        foreach (var at in (double[])[5, 20])
            _prometheus.Add(Labels("o_total"), Start.AddSeconds(at), 5000 + at);
        var first = await At(15, Orders);
        (first.Quality, first.Detail!.Contains("needs two", StringComparison.Ordinal)).ShouldBe((Quality.Empty, true));
        var second = await At(30, Orders);
        (second.Quality, second.Value).ShouldBe((Quality.Partial, 15));
    }

    [Fact]
    public async Task A_counter_that_was_away_for_long_counts_from_its_first_point_on()
    {
        for (var at = -900; at <= 60; at += 15)
            _prometheus.Add(Labels("all_total", ",\"code\":\"200\""), Start.AddSeconds(at), 10_000 + at);
        foreach (var (at, value) in ((double, double)[])[(-615, 4000), (-600, 4000), (15, 4010), (30, 4013)])
            _prometheus.Add(Labels("bad_total", ",\"code\":\"503\""), Start.AddSeconds(at), value);
        var back = await At(15, Errors);
        (back.Quality, back.Value, back.Total).ShouldBe((Quality.Partial, 0, 15));
        var next = await At(30, Errors, back);
        (next.Quality, next.Value, next.Total).ShouldBe((Quality.Value, 3, 15));
        _prometheus.Queries.Count(query => query.StartsWith("last_over_time", StringComparison.Ordinal)).ShouldBe(1);
    }

    [Fact]
    public async Task Without_an_answer_about_earlier_times_a_series_is_not_taken_for_new()
    {
        foreach (var at in (double[])[-25, -10, 5])
        {
            _prometheus.Add(Labels("all_total"), Start.AddSeconds(at), 1000 + at);
            if (at > 0)
                _prometheus.Add(Labels("bad_total"), Start.AddSeconds(at), 4);
        }

        _prometheus.Refuses = query => query.StartsWith("last_over_time", StringComparison.Ordinal);
        var reading = await At(15, Errors);
        (reading.Quality, reading.Value, reading.Total).ShouldBe((Quality.Partial, 0, 15));
    }

    [Fact]
    public async Task Five_usual_metrics_of_two_arms_are_four_requests_a_tick_and_say_what_each_question_says_alone()
    {
        MetricPolicy[] usual =
        [
            Metric("errors", MetricKind.Ratio, bad: """all_total{version="{{version}}",code=~"5.."}""", total: """all_total{version="{{version}}"}"""),
            Latency,
            Metric("traffic", MetricKind.Count, """all_total{version="{{version}}"}"""),
            Metric("cpu", MetricKind.Gauge, """c_percent{version="{{version}}"}"""),
            Memory,
        ];
        Question Of(MetricPolicy metric, string version, Arm arm, DateTimeOffset from, DateTimeOffset to)
        {
            string Put(string query) => query.Replace("{{version}}", version, StringComparison.Ordinal);
            return new(metric, 0, arm, Put((metric.Query ?? metric.Bad)!), metric.Total is null ? null : Put(metric.Total), from, to);
        }

        var random = new Random(7);
        double total = 0;
        for (var at = -30; at <= 75; at += 15)
        {
            total += 100;
            foreach (var version in (string[])["1.9.0", "1.10.0+b|c"])
            {
                void Add(string name, string more, double value) =>
                    _prometheus.Add($$"""{"__name__":"{{name}}","instance":"a:1","job":"shop","version":"{{version}}"{{more}}}""", Start.AddSeconds(at), value);
                Add("all_total", ",\"code\":\"200\"", total + random.Next(50));
                Add("all_total", ",\"code\":\"503\"", (total / 10) + random.Next(5));
                Add("d_seconds_bucket", ",\"le\":\"0.1\"", total);
                Add("d_seconds_bucket", ",\"le\":\"+Inf\"", total + at + 30);
                Add("c_percent", "", random.Next(100));
                Add("m_bytes", "", random.Next(100) * 1e6);
            }
        }

        _clock.SetUtcNow(Start.AddSeconds(15));
        var from = Start;
        for (var tick = 1; tick <= 4; tick++, from += TimeSpan.FromSeconds(15))
        {
            var to = from + TimeSpan.FromSeconds(15);
            _clock.SetUtcNow(to);
            Question[] questions = [.. usual.SelectMany(metric => new[] { Of(metric, "1.10.0+b|c", Arm.Candidate, from, to), Of(metric, "1.9.0", Arm.Control, from, to) })];
            _prometheus.Queries.Clear();
            var together = await _source.Observe(questions, CancellationToken.None);
            _prometheus.Queries.Count.ShouldBe(4, string.Join('\n', _prometheus.Queries));
            _prometheus.Queries.ShouldContain(query => query.StartsWith("""all_total{version=~"1\\.10\\.0\\+b\\|c|1\\.9\\.0"}[""", StringComparison.Ordinal));
            for (var i = 0; i < questions.Length; i++)
            {
                using var alone = Source();
                var one = (await alone.Observe([questions[i]], CancellationToken.None))[0];
                together[i].HasValue.ShouldBeTrue(together[i].Detail);
                (together[i] with { Buckets = null }).ShouldBe(one with { Buckets = null });
                together[i].Buckets?.Counts.ShouldBe(one.Buckets!.Counts);
            }
        }
    }

    [Fact]
    public async Task Both_arms_are_asked_apart_where_together_they_are_too_much_and_from_then_on()
    {
        foreach (var version in (string[])["1", "2"])
        {
            foreach (var at in (double[])[-5, 10, 25])
                _prometheus.Add($$"""{"__name__":"o_total","version":"{{version}}"}""", Start.AddSeconds(at), 100 + at);
        }

        _prometheus.Refuses = query => query.Contains('|', StringComparison.Ordinal);
        Question Of(string version, double from, double to) => new(Orders, 0, Arm.Candidate, $"o_total{{version=\"{version}\"}}", null, Start.AddSeconds(from), Start.AddSeconds(to));
        _clock.SetUtcNow(Start.AddSeconds(15));
        var first = await _source.Observe([Of("1", 0, 15), Of("2", 0, 15)], CancellationToken.None);
        first.Select(reading => reading.Value).ShouldBe([15, 15]);
        _prometheus.Queries.Count.ShouldBe(3);
        _clock.SetUtcNow(Start.AddSeconds(30));
        var second = await _source.Observe([Of("1", 10, 30), Of("2", 10, 30)], CancellationToken.None);
        second.Select(reading => reading.Value).ShouldBe([15, 15]);
        _prometheus.Queries.Count.ShouldBe(5);
    }

    [Fact]
    public async Task A_series_that_comes_back_twice_counts_once()
    {
        const string one = """{"metric":{"__name__":"o_total","version":"2"},"values":[[1795427995,"100"],[1795428010,"130"]]}""";
        _prometheus.Says(200, $$$"""{"status":"success","data":{"resultType":"matrix","result":[{{{one}}},{{{one}}}]}}""");
        var reading = await At(15, Orders);
        (reading.Quality, reading.Value).ShouldBe((Quality.Partial, 30));
        reading.Detail!.ShouldContain("answers 1 series twice");
    }

    [Fact]
    public async Task Custom_buckets_keep_their_own_bounds_whichever_of_them_have_observations()
    {
        long Ms(double seconds) => Start.AddSeconds(seconds).ToUnixTimeMilliseconds();
        _prometheus.Histograms[Labels("n_seconds")] =
        [
            (Ms(-5), 10, """[[0,"-Inf","0.1","8"],[0,"0.3","0.7","2"]]"""),
            (Ms(10), 20, """[[0,"-Inf","0.1","12"],[0,"0.3","0.7","6"],[0,"5","+Inf","2"]]"""),
            (Ms(25), 24, """[[0,"-Inf","0.1","12"],[0,"0.1","0.3","4"],[0,"0.3","0.7","6"],[0,"5","+Inf","2"]]"""),
        ];
        var first = await At(15, Native);
        first.Quality.ShouldBe(Quality.Value, first.Detail);
        first.Buckets!.Edges.ShouldBe([100, 300, 700, 5000, double.PositiveInfinity]);
        first.Buckets.Counts.ShouldBe([4, 4, 8, 8, 10]);
        var second = await At(30, Native, first);
        second.Buckets!.Edges.ShouldBe(first.Buckets.Edges);
        second.Buckets.Counts.ShouldBe([0, 4, 4, 4, 4]);
        // Only one bucket has observations now; the metric's bounds are known.
        _prometheus.Histograms[Labels("n_seconds")] = [(Ms(40), 1, """[[0,"0.25","0.5","1"]]"""), (Ms(55), 3, """[[0,"0.25","0.5","3"]]""")];
        var other = await At(60, Native, second);
        other.Buckets!.Counts.ShouldAllBe(count => double.IsFinite(count));
        other.Buckets.Edges.ShouldNotContain(300);
    }

    [Fact]
    public async Task Custom_buckets_without_a_common_bound_are_an_error_that_says_so()
    {
        long Ms(double seconds) => Start.AddSeconds(seconds).ToUnixTimeMilliseconds();
        _prometheus.Histograms[Labels("n_seconds", ",\"pod\":\"a\"")] = [(Ms(-5), 1, """[[0,"-Inf","0.3","1"]]"""), (Ms(10), 2, """[[0,"-Inf","0.3","2"]]""")];
        _prometheus.Histograms[Labels("n_seconds", ",\"pod\":\"b\"")] = [(Ms(-5), 1, """[[0,"-Inf","+Inf","1"]]"""), (Ms(10), 2, """[[0,"-Inf","+Inf","2"]]""")];
        var reading = await At(15, Native);
        (reading.Quality, reading.Detail!.Contains("no bound in common", StringComparison.Ordinal)).ShouldBe((Quality.Error, true));
    }

    [Fact]
    public async Task No_failures_are_zero_failures()
    {
        foreach (var (at, value) in ((double, double)[])[(-5, 100), (10, 150)])
            _prometheus.Add(Labels("all_total"), Start.AddSeconds(at), value);
        var reading = await At(15, Errors);
        (reading.Quality, reading.Value, reading.Total).ShouldBe((Quality.Value, 0, 50));
    }

    [Fact]
    public async Task Buckets_are_added_up_over_instances_in_the_metrics_unit()
    {
        foreach (var (pod, grown) in ((string, double[])[])[("a", [4, 5, 6]), ("b", [1, 4, 4])])
        {
            foreach (var (le, i) in ((string, int)[])[("0.1", 0), ("0.5", 1), ("+Inf", 2)])
            {
                _prometheus.Add(Labels("d_seconds_bucket", $",\"le\":\"{le}\",\"pod\":\"{pod}\""), Start.AddSeconds(-5), 10);
                _prometheus.Add(Labels("d_seconds_bucket", $",\"le\":\"{le}\",\"pod\":\"{pod}\""), Start.AddSeconds(10), 10 + grown[i]);
            }
        }

        var reading = await At(15, Latency);
        reading.Quality.ShouldBe(Quality.Value);
        reading.Buckets!.Edges.ShouldBe([100, 500, double.PositiveInfinity]);
        reading.Buckets.Counts.ShouldBe([5, 9, 10]);
    }

    [Fact]
    public async Task Native_buckets_become_cumulative_ones_at_edges_that_never_change()
    {
        // Schema 1: bounds at powers of the square root of two. A bucket that is new later had nothing before.
        var labels = Labels("n_seconds");
        _prometheus.Histograms[labels] =
        [
            (Start.AddSeconds(-5).ToUnixTimeMilliseconds(), 10, """[[0,"0.08838834764831845","0.125","10"]]"""),
            (Start.AddSeconds(10).ToUnixTimeMilliseconds(), 18, """[[0,"0.08838834764831845","0.125","14"],[0,"0.17677669529663687","0.25","3"],[0,"1.4142135623730951","2","1"]]"""),
            (Start.AddSeconds(25).ToUnixTimeMilliseconds(), 5, """[[0,"0.03125","0.04419417382415922","5"]]"""),
        ];
        var first = await At(15, Native);
        var restarted = await At(30, Native, first);
        first.Quality.ShouldBe(Quality.Value);
        first.Buckets!.Total.ShouldBe(8);
        double Below(Reading reading, double ms) => reading.Buckets!.Counts[Array.IndexOf(reading.Buckets.Edges, ms)];
        (Below(first, 62.5), Below(first, 125), Below(first, 250), Below(first, 1000), Below(first, 2000)).ShouldBe((0, 4, 7, 7, 8));
        restarted.Buckets!.Edges.ShouldBe(first.Buckets.Edges);
        (restarted.Buckets.Total, Below(restarted, 31.25), Below(restarted, 62.5)).ShouldBe((5, 0, 5));
        first.Buckets.Edges.Length.ShouldBeLessThanOrEqualTo(18);
    }

    [Fact]
    public async Task A_gauge_is_the_newest_point_with_its_own_time_and_the_mean_of_its_instances()
    {
        _prometheus.Add(Labels("m_bytes", ",\"pod\":\"a\""), Start.AddSeconds(-7), 9e6);
        _prometheus.Add(Labels("m_bytes", ",\"pod\":\"a\""), Start.AddSeconds(8), 3e6);
        _prometheus.Add(Labels("m_bytes", ",\"pod\":\"b\""), Start.AddSeconds(-5), 9e6);
        _prometheus.Add(Labels("m_bytes", ",\"pod\":\"b\""), Start.AddSeconds(10), 5e6);
        _prometheus.Add(Labels("m_bytes", ",\"pod\":\"gone\""), Start.AddSeconds(-100), 900e6);
        var reading = await At(15, Memory);
        (reading.Quality, Math.Round(reading.Value, 9), reading.At).ShouldBe((Quality.Value, 4, Start.AddSeconds(10).ToUnixTimeMilliseconds()));
        _prometheus.Add(Labels("m_bytes", ",\"pod\":\"a\""), Start.AddSeconds(23), 3e6);
        _prometheus.Add(Labels("m_bytes", ",\"pod\":\"b\""), Start.AddSeconds(25), double.NaN);
        var partial = await At(30, Memory, reading);
        (partial.Quality, Math.Round(partial.Value, 9)).ShouldBe((Quality.Partial, 3));
        partial.Detail!.ShouldContain("NaN for 1 of 2 series");
        _prometheus.Series.Clear();
        _prometheus.Add(Labels("m_bytes"), Start.AddSeconds(40), double.PositiveInfinity);
        (await At(45, Memory, reading)).Quality.ShouldBe(Quality.Nan);
    }

    [Fact]
    public async Task A_query_that_looks_back_is_its_value_at_the_end()
    {
        _prometheus.Add("""{"__name__":"rate"}""", Start.AddSeconds(8), 12);
        var rate = Metric("load", MetricKind.Gauge, "rate") with { Window = TimeSpan.FromMinutes(1) };
        var reading = await At(15, rate);
        (reading.Quality, reading.Value, reading.At).ShouldBe((Quality.Value, 12, Start.AddSeconds(15).ToUnixTimeMilliseconds()));
    }

    [Fact]
    public async Task An_expression_grows_between_the_ends_and_a_fall_is_no_restart()
    {
        foreach (var (at, value) in ((double, double)[])[(-5, 1000), (10, 1030), (70, 700)])
            _prometheus.Add("""{"__name__":"o_total"}""", Start.AddSeconds(at), value);
        var waits = await At(5, Summed);
        waits.Quality.ShouldBe(Quality.Stale);
        var grown = await At(20, Summed);
        (grown.Quality, grown.Value, grown.At).ShouldBe((Quality.Value, 30, Start.AddSeconds(20).ToUnixTimeMilliseconds()));
        var fell = await At(90, Summed, grown);
        (fell.Quality, fell.Value).ShouldBe((Quality.Partial, 0));
        fell.Detail!.ShouldContain("ask for the plain series");
    }

    [Fact]
    public async Task Identical_queries_go_out_once()
    {
        foreach (var (at, value) in ((double, double)[])[(-5, 100), (10, 150)])
            _prometheus.Add(Labels("all_total"), Start.AddSeconds(at), value);
        _clock.Advance(TimeSpan.FromSeconds(15));
        var readings = await _source.Observe([Ask(Errors, Start, Now), Ask(Errors, Start.AddSeconds(-1), Now), Ask(Errors with { Bad = "all_total{version=\"{{version}}\"}" }, Start, Now)], CancellationToken.None);
        readings.Select(reading => reading.Total).ShouldBe([50, 50, 50]);
        _prometheus.Queries.Count.ShouldBe(2);
    }

    [Fact]
    public async Task The_past_is_one_request_for_each_query()
    {
        for (var at = -70; at <= 0; at += 5)
        {
            _prometheus.Add(Labels("all_total"), Start.AddSeconds(at), 1000 + at);
            _prometheus.Add(Labels("m_bytes"), Start.AddSeconds(at), (100 + at) * 1e6);
        }

        var past = await _source.Past([Ask(Errors, Start.AddSeconds(-60), Start, Arm.Before), Ask(Memory, Start.AddSeconds(-60), Start, Arm.Before)], 4, CancellationToken.None);
        past[0].ShouldAllBe(reading => reading.Quality == Quality.Value && reading.Value == 0 && reading.Total == 15);
        past[1].Select(reading => Math.Round(reading.Value, 6)).ShouldBe([55, 70, 85, 100]);
        _prometheus.Queries.Count.ShouldBe(3);
        var unknown = await _source.Past([Ask(Memory, Start.AddHours(-2), Start.AddHours(-1), Arm.Before)], 2, CancellationToken.None);
        unknown[0].ShouldAllBe(reading => reading.Quality == Quality.Empty);
    }

    [Theory]
    [InlineData(401, "{}", "application/json", Quality.Denied, "answered 401")]
    [InlineData(403, "no", "text/plain", Quality.Denied, "answered 403")]
    [InlineData(400, """{"status":"error","errorType":"bad_data","error":"parse error: unexpected \"}\""}""", "application/json", Quality.Error, "answered 400: parse error: unexpected \"}\"")]
    [InlineData(422, """{"status":"error","errorType":"execution","error":"found duplicate series"}""", "application/json", Quality.Error, "answered 422: found duplicate series")]
    [InlineData(503, """{"status":"error","errorType":"unavailable","error":"TSDB not ready"}""", "application/json", Quality.Error, "answered 503: TSDB not ready")]
    [InlineData(503, """{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}""", "application/json", Quality.Timeout, "timed out")]
    [InlineData(302, "", "text/plain", Quality.Error, "redirects are not followed")]
    [InlineData(502, "<html>Bad Gateway</html>", "text/html", Quality.Error, "answered 502")]
    [InlineData(200, "<html>Sign in</html>", "text/html; charset=utf-8", Quality.Error, "answered text/html, not the JSON")]
    [InlineData(200, """{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"val""", "application/json", Quality.Error, "cut off")]
    [InlineData(200, """{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"x"]]}]}}""", "application/json", Quality.Error, "no answer of Prometheus")]
    [InlineData(200, """{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1]]}]}}""", "application/json", Quality.Error, "no answer of Prometheus")]
    [InlineData(200, """[1]""", "application/json", Quality.Error, "no answer of Prometheus")]
    [InlineData(200, """{"status":"success","data":{"resultType":"string","result":[1,"x"]}}""", "application/json", Quality.Error, "gives a string")]
    public async Task A_failure_has_its_quality_and_prometheus_own_words(int status, string body, string type, Quality quality, string says)
    {
        _prometheus.Says(status, body, type);
        var reading = await At(15, Memory);
        reading.Quality.ShouldBe(quality);
        reading.Detail!.ShouldContain(says);
    }

    [Fact]
    public async Task A_server_that_hangs_is_a_timeout_after_the_policys_time()
    {
        var hanging = new TaskCompletionSource();
        _prometheus.Says(context =>
        {
            hanging.TrySetResult();
            return Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        });
        _source.Dispose();
        _source = Source(("timeout", "2s"));
        var asked = Read(Memory, Start, Start.AddSeconds(15));
        await hanging.Task;
        _clock.Advance(TimeSpan.FromSeconds(2.5));
        var reading = await asked;
        (reading.Quality, reading.Detail!.EndsWith("did not answer within 2 s", StringComparison.Ordinal)).ShouldBe((Quality.Timeout, true));
    }

    [Fact]
    public async Task An_answer_without_an_end_and_nobody_there_are_errors()
    {
        var chunk = Encoding.ASCII.GetBytes(new string(' ', 1 << 20));
        _prometheus.Says(async context =>
        {
            context.Response.ContentType = "application/json";
            for (var i = 0; i < 20; i++)
                await context.Response.Body.WriteAsync(chunk);
        });
        (await At(15, Memory)).Detail!.ShouldContain("more than 16 MiB");
        _prometheus.Says(context =>
        {
            context.Response.ContentLength = 1000;
            context.Abort();
            return Task.CompletedTask;
        });
        (await At(16, Memory)).Quality.ShouldBe(Quality.Error);
        await _prometheus.DisposeAsync();
        (await At(17, Memory)).Detail!.ShouldEndWith("refused the connection");
    }

    [Fact]
    public async Task More_series_than_are_read_are_an_error()
    {
        var series = string.Join(',', Enumerable.Range(0, 4001).Select(i => $$$"""{"metric":{"i":"{{{i}}}"},"values":[[1,"1"]]}"""));
        _prometheus.Says(200, """{"status":"success","data":{"resultType":"matrix","result":[""" + series + "]}}");
        (await At(15, Memory)).Detail!.ShouldContain("more than 4000 series");
    }

    [Fact]
    public async Task An_answer_with_a_warning_is_partial()
    {
        foreach (var at in (double[])[-5, 10])
            _prometheus.Add(Labels("m_bytes"), Start.AddSeconds(at), 3e6);
        _prometheus.Warning = "store a:10901 did not answer";
        var reading = await At(15, Memory);
        (reading.Quality, Math.Round(reading.Value, 9)).ShouldBe((Quality.Partial, 3));
        reading.Detail!.ShouldContain("store a:10901 did not answer");
    }

    [Fact]
    public async Task A_clock_that_is_off_by_more_than_a_step_makes_values_stale()
    {
        _prometheus.Add(Labels("m_bytes"), Start.AddSeconds(10), 3e6);
        _clock.Advance(TimeSpan.FromSeconds(15));
        _prometheus.Says(async context =>
        {
            context.Response.Headers.Date = Start.AddSeconds(75).ToString("R");
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync("""{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1795428010,"1"]]}]}}""");
        });
        var reading = await At(15, Memory);
        (reading.Quality, reading.Detail!.Contains("60 s ahead", StringComparison.Ordinal)).ShouldBe((Quality.Stale, true));
    }

    [Fact]
    public async Task Credentials_are_sent_and_never_repeated()
    {
        var seen = new List<string>();
        _prometheus.Says(async context =>
        {
            seen.Add($"{context.Request.Headers.Authorization} {context.Request.Headers["X-Scope-OrgID"]} {context.Request.Headers["X-Key"]}");
            context.Response.StatusCode = 400;
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync("""{"status":"error","error":"who is s3cret?"}""");
        });
        var missing = await Denied(("token", "${COMMANDER_SECRET_NONE}"));
        missing.Detail!.ShouldContain("${COMMANDER_SECRET_NONE}");
        seen.ShouldBeEmpty();
        _secrets["${COMMANDER_SECRET_PROM}"] = "s3cret";
        var bearer = await Denied(("token", "${COMMANDER_SECRET_PROM}"), ("headers.X-Scope-OrgID", "shop"), ("headers.X-Key", "${COMMANDER_SECRET_PROM}"));
        await Denied(("username", "reader"), ("password", "${COMMANDER_SECRET_PROM}"));
        seen.ShouldBe(["Bearer s3cret shop s3cret", "Basic cmVhZGVyOnMzY3JldA==  "]);
        bearer.Detail!.ShouldContain("who is ***?");

        _secrets["${COMMANDER_SECRET_PROM}"] = "two\nlines";
        var broken = await Denied(("token", "${COMMANDER_SECRET_PROM}"));
        (broken.Quality, broken.Detail!.Contains("two", StringComparison.Ordinal)).ShouldBe((Quality.Denied, false));

        async Task<Reading> Denied(params (string, string)[] settings)
        {
            using var source = Source(settings);
            return (await source.Observe([Ask(Memory, Start, Start.AddSeconds(15))], CancellationToken.None))[0];
        }
    }

    [Theory]
    [InlineData("up", true)]
    [InlineData(" http_requests_total{code=~\"5..\",path=\"}\"} ", true)]
    [InlineData("{__name__=\"up\",x='\\''}", true)]
    [InlineData("job:requests:total", true)]
    [InlineData("sum(up)", false)]
    [InlineData("up[5m]", false)]
    [InlineData("up offset 1d", false)]
    [InlineData("up{a=\"b\"} / 2", false)]
    [InlineData("1", false)]
    [InlineData("", false)]
    public void A_plain_selector_is_told_from_an_expression(string query, bool plain) => Expression.IsSelector(query).ShouldBe(plain);
}
