using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Server.Connections;
using Commander.Server.Sources;
using Commander.Server.Sources.Scrape;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Sources;

public sealed class ScrapeSourceTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Start = new(2026, 11, 23, 10, 0, 0, TimeSpan.Zero);

    private readonly FakeTimeProvider _clock = new(Start);
    private readonly HttpClient _http = Outgoing.Create();
    private Exporter _exporter = null!;
    private ScrapeSource _source = null!;

    private static readonly MetricPolicy Errors = Metric("errors", MetricKind.Ratio, bad: """r_total{version="{{version}}",code=~"5.."}""", total: """r_total{version="{{version}}"}""");
    private static readonly MetricPolicy Latency = Metric("latency", MetricKind.Histogram, """d_seconds_bucket{version="{{version}}"}""", scale: 1000);
    private static readonly MetricPolicy Memory = Metric("memory", MetricKind.Gauge, """m_bytes{version="{{version}}"}""", scale: 1e-6);
    private static readonly MetricPolicy Orders = Metric("orders", MetricKind.Count, """o_total{version="{{version}}"}""");

    private DateTimeOffset Now => _clock.GetUtcNow();

    public async ValueTask InitializeAsync()
    {
        _exporter = await Exporter.Start();
        _source = Source(("targets.candidate", _exporter.Url), ("targets.control", _exporter.Url));
    }

    public async ValueTask DisposeAsync()
    {
        await _exporter.DisposeAsync();
        _http.Dispose();
    }

    private ScrapeSource Source(params (string Key, string Value)[] settings) => new(
        new SourceSettings("shop", "scrape", settings.ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal)),
        [Errors, Latency, Memory, Orders], _http, _clock);

    private static MetricPolicy Metric(string name, MetricKind kind, string? query = null, string? bad = null, string? total = null, double scale = 1) =>
        new(name, kind, Family.Kpi, Direction.Up, query, bad, total, 0.95, new Tolerance(1, false), 0, null, false, "", scale, null, TimeSpan.Zero);

    private static Question Ask(MetricPolicy metric, DateTimeOffset from, DateTimeOffset to, Arm arm = Arm.Candidate, string version = "2") =>
        new(metric, 0, arm, (metric.Query ?? metric.Bad)!.Replace("{{version}}", version, StringComparison.Ordinal), metric.Total?.Replace("{{version}}", version, StringComparison.Ordinal), from, to);

    /// <summary>One tick of half a second: what the metric says at its end, from where the last one ended.</summary>
    private async Task<Reading> Tick(MetricPolicy metric, Reading before = default, string version = "2")
    {
        var from = before.At == 0 ? Now : DateTimeOffset.FromUnixTimeMilliseconds(before.At);
        _clock.Advance(TimeSpan.FromMilliseconds(500));
        return (await _source.Observe([Ask(metric, from, Now, version: version)], CancellationToken.None))[0];
    }

    [Fact]
    public async Task What_deployments_asked_for_that_have_long_ended_makes_room_for_new_ones()
    {
        // One exporter shows all services and keeps those that are gone: more and more series, of which few are asked for.
        var all = new System.Text.StringBuilder();
        var reading = default(Reading);
        for (var round = 0; round < 30; round++)
        {
            var version = $"v{round}";
            for (var n = 0; n < 250; n++)
                all.Append($"o_total{{version=\"{version}\",pod=\"{n}\"}} 10\n");
            _exporter.Says(all.ToString());
            await Tick(Orders, version: version);
            _exporter.Says(all.ToString().Replace($"{{version=\"{version}\",pod=\"7\"}} 10", $"{{version=\"{version}\",pod=\"7\"}} 15", StringComparison.Ordinal));
            reading = await Tick(Orders, version: version);
            reading.Quality.ShouldBe(Quality.Value, $"{version}: {reading.Detail}");
            reading.Value.ShouldBe(5, version);
            _clock.Advance(TimeSpan.FromMinutes(1));
        }
    }

    [Fact]
    public void What_was_forgotten_for_want_of_room_and_comes_back_was_not_born_then()
    {
        static Selector Of(string text) => Selector.TryParse(text, widen: false, out var selector, out _) ? selector : throw new InvalidOperationException(text);
        static IEnumerable<Sample> Series(string version, int count) => Enumerable.Range(0, count).Select(n => new Sample("o_total", [new Label("version", version), new Label("pod", $"{n}")], 10_000, null));
        var memory = new SeriesMemory();
        memory.Foresee(Of("o_total"));
        memory.Want(Of("o_total{version=\"old\"}"), 1);
        List<Sample> idle = [.. Series("2", 1), .. Series("idle", 1_400)];
        memory.Take(memory.Wanted(), [.. idle, .. Series("old", 2_500)], 1_000, flawless: true);
        var later = (long)TimeSpan.FromMinutes(12).TotalMilliseconds;
        memory.Take(memory.Wanted(), [.. idle, .. Series("old", 2_500)], later, flawless: true);
        memory.Want(Of("o_total{version=\"b\"}"), later);
        memory.Take(memory.Wanted(), [.. Series("b", 300), .. idle], later + 1_000, flawless: true);
        memory.Find("2", Of("o_total{version=\"2\"}")).ShouldHaveSingleItem().BornAfter.ShouldBeNull();
    }

    [Fact]
    public async Task More_series_than_are_remembered_are_no_silence()
    {
        var all = new System.Text.StringBuilder();
        for (var n = 0; n < SeriesMemory.MaxSeries + 100; n++)
            all.Append($"o_total{{version=\"1\",pod=\"{n}\"}} 10\n");
        _exporter.Says(all.ToString() + "o_total{version=\"2\"} 1\n");
        await Tick(Orders, version: "1");
        await Tick(Orders);
        var reading = await Tick(Orders);
        reading.Quality.ShouldBe(Quality.Error);
        reading.Detail!.ShouldContain("more than 4000 series are selected");
    }

    [Fact]
    public async Task The_first_scrape_of_a_counter_gives_no_growth_and_says_so()
    {
        _exporter.Says("o_total{version=\"2\"} 1000\n");
        var first = await Tick(Orders);
        first.Quality.ShouldBe(Quality.Empty);
        first.Detail!.ShouldContain("first scrape");
        _exporter.Says("o_total{version=\"2\"} 1012\n");
        var second = await Tick(Orders, first);
        second.Quality.ShouldBe(Quality.Value);
        second.Value.ShouldBe(12);
        second.At.ShouldBe(Now.ToUnixTimeMilliseconds());
    }

    [Fact]
    public async Task Series_that_appear_after_a_scrape_without_them_count_from_zero()
    {
        _exporter.Says("r_total{version=\"1\",code=\"200\"} 500\n");
        await Tick(Errors);
        _exporter.Says("r_total{version=\"1\",code=\"200\"} 500\nr_total{version=\"2\",code=\"200\"} 40\nr_total{version=\"2\",code=\"503\"} 10\n");
        var reading = await Tick(Errors);
        reading.Quality.ShouldBe(Quality.Value);
        (reading.Value, reading.Total).ShouldBe((10, 50));
    }

    [Fact]
    public async Task A_restart_of_one_instance_is_counted_on_from_zero()
    {
        _exporter.Says("r_total{version=\"2\",code=\"200\",pod=\"a\"} 100\nr_total{version=\"2\",code=\"200\",pod=\"b\"} 100\n");
        var first = await Tick(Errors);
        _exporter.Says("r_total{version=\"2\",code=\"200\",pod=\"a\"} 7\nr_total{version=\"2\",code=\"200\",pod=\"b\"} 110\n");
        var second = await Tick(Errors, first);
        (second.Value, second.Total).ShouldBe((0, 17));
    }

    [Fact]
    public async Task No_failures_are_zero_failures_but_no_requests_at_all_are_nothing()
    {
        _exporter.Says("r_total{version=\"2\",code=\"200\"} 1\n");
        var first = await Tick(Errors);
        _exporter.Says("r_total{version=\"2\",code=\"200\"} 1\n");
        var second = await Tick(Errors, first);
        (second.Quality, second.Value, second.Total).ShouldBe((Quality.Value, 0, 0));
        _exporter.Says("other 1\n");
        var third = await Tick(Errors, second);
        third.Quality.ShouldBe(Quality.Empty);
        third.Detail!.ShouldContain("has no series r_total{version=\"2\"}");
    }

    [Fact]
    public async Task Buckets_are_added_up_over_instances_in_the_metrics_unit()
    {
        const string form = """
            d_seconds_bucket{{version="2",pod="a",le="0.1"}} {0}
            d_seconds_bucket{{version="2",pod="a",le="0.5"}} {1}
            d_seconds_bucket{{version="2",pod="a",le="+Inf"}} {2}
            d_seconds_bucket{{version="2",pod="b",le="0.1"}} {3}
            d_seconds_bucket{{version="2",pod="b",le="+Inf"}} {4}

            """;
        _exporter.Says(string.Format(null, form, 1, 2, 3, 10, 20));
        var first = await Tick(Latency);
        _exporter.Says(string.Format(null, form, 5, 7, 9, 11, 24));
        var second = await Tick(Latency, first);
        second.Quality.ShouldBe(Quality.Value);
        second.Buckets!.Edges.ShouldBe([100, double.PositiveInfinity]);
        second.Buckets.Counts.ShouldBe([5, 10]);
    }

    [Fact]
    public async Task A_gauge_is_the_mean_of_its_instances_and_nan_has_a_word()
    {
        _exporter.Says("m_bytes{version=\"2\",pod=\"a\"} 3e6\nm_bytes{version=\"2\",pod=\"b\"} 5e6\n");
        (await Tick(Memory)).Value.ShouldBe(4, 1e-9);
        _exporter.Says("m_bytes{version=\"2\",pod=\"a\"} 3e6\nm_bytes{version=\"2\",pod=\"b\"} NaN\n");
        var partial = await Tick(Memory);
        (partial.Quality, Math.Round(partial.Value, 9)).ShouldBe((Quality.Partial, 3));
        _exporter.Says("m_bytes{version=\"2\"} +Inf\n");
        (await Tick(Memory)).Quality.ShouldBe(Quality.Nan);
    }

    [Fact]
    public async Task Old_samples_are_stale()
    {
        _exporter.Says($"m_bytes{{version=\"2\"}} 3e6 {Start.AddMinutes(-3).ToUnixTimeMilliseconds()}\n");
        var reading = await Tick(Memory);
        reading.Quality.ShouldBe(Quality.Stale);
        reading.Detail!.ShouldContain("180 s back");
    }

    [Fact]
    public async Task All_who_ask_within_a_moment_share_one_request()
    {
        var gate = new TaskCompletionSource();
        _exporter.Answer = async context =>
        {
            await gate.Task;
            await context.Response.WriteAsync("m_bytes{version=\"2\"} 3e6\n");
        };
        _clock.Advance(TimeSpan.FromMilliseconds(500));
        var asked = Enumerable.Range(0, 20).Select(_ => _source.Observe([Ask(Memory, Start, Now), Ask(Memory, Start, Now, Arm.Control)], CancellationToken.None)).ToArray();
        gate.SetResult();
        var answers = await Task.WhenAll(asked);
        answers.ShouldAllBe(readings => readings[0].Quality == Quality.Value && readings[1].Quality == Quality.Value);
        _exporter.Requests.ShouldBe(1);
    }

    [Fact]
    public async Task The_past_is_remembered_from_the_scrapes_in_between()
    {
        using var stop = new CancellationTokenSource();
        var sent = 0;
        var seen = new SemaphoreSlim(0);
        _exporter.Answer = async context =>
        {
            await context.Response.WriteAsync($"r_total{{version=\"1\",code=\"200\"}} {++sent * 100}\nr_total{{version=\"1\",code=\"500\"}} {sent}\nm_bytes{{version=\"1\"}} {sent}e6\n");
            await context.Response.CompleteAsync();
            seen.Release();
        };
        var running = _source.Run(stop.Token);
        for (var i = 0; i < 6; i++)
        {
            (await seen.WaitAsync(TimeSpan.FromSeconds(5))).ShouldBeTrue();
            // The exporter has answered; the source still has to take the answer in before the clock goes on.
            await Eventually(async () => (await _source.Past([Ask(Memory, Start.AddSeconds(-1), Now, Arm.Before, "1")], 1, CancellationToken.None))[0][0].Value >= sent - 1e-9);
            _clock.Advance(ScrapeSource.Every);
        }
        await stop.CancelAsync();
        await running;
        var past = await _source.Past([Ask(Errors, Start, Start.AddSeconds(10), Arm.Before, "1"), Ask(Memory, Start, Start.AddSeconds(10), Arm.Before, "1")], 5, CancellationToken.None);
        past[0].ShouldAllBe(reading => reading.Quality == Quality.Value && reading.Value == 1 && reading.Total == 101);
        past[1].Select(reading => Math.Round(reading.Value, 6)).ShouldBe([2, 3, 4, 5, 6]);
        var forgotten = await _source.Past([Ask(Memory, Start.AddHours(-1), Start.AddMinutes(-1), Arm.Before, "1")], 2, CancellationToken.None);
        forgotten[0].ShouldAllBe(reading => reading.Quality == Quality.Empty);
    }

    private static async Task Eventually(Func<Task<bool>> holds)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        while (!await holds())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, patience.Token);
        }
    }

    [Fact]
    public async Task A_page_is_no_metrics()
    {
        _exporter.Says("<html><body>Sign in</body></html>", "text/html; charset=utf-8");
        var reading = await Tick(Memory);
        reading.Quality.ShouldBe(Quality.Error);
        reading.Detail!.ShouldEndWith("/metrics answered text/html, not metrics");
    }

    [Fact]
    public async Task Garbage_is_named_by_its_line_and_a_few_bad_lines_leave_the_rest_standing()
    {
        _exporter.Says("hello world\nthis is not metrics\n");
        var garbage = await Tick(Memory);
        garbage.Quality.ShouldBe(Quality.Error);
        garbage.Detail!.ShouldContain("line 1: the value of hello is no number");
        _exporter.Says("m_bytes{version=\"2\"} 3e6\nx 1\nbroken\n");
        var partial = await Tick(Memory);
        partial.Quality.ShouldBe(Quality.Partial);
        partial.Value.ShouldBe(3, 1e-9);
        partial.Detail!.ShouldContain("line 3");
    }

    [Theory]
    [InlineData(401, Quality.Denied, "answered 401")]
    [InlineData(403, Quality.Denied, "answered 403")]
    [InlineData(500, Quality.Error, "answered 500, not 200")]
    [InlineData(302, Quality.Error, "redirects are not followed")]
    public async Task A_refusal_has_its_quality(int status, Quality quality, string says)
    {
        _exporter.Answer = context =>
        {
            context.Response.StatusCode = status;
            context.Response.Headers.Location = "http://example.org/";
            return Task.CompletedTask;
        };
        var reading = await Tick(Memory);
        reading.Quality.ShouldBe(quality);
        reading.Detail!.ShouldContain(says);
    }

    [Fact]
    public async Task Nobody_there_is_an_error_and_link_local_is_never_asked()
    {
        var gone = await Exporter.Start();
        var url = gone.Url;
        await gone.DisposeAsync();
        _source = Source(("targets.candidate", url));
        (await Tick(Memory)).Detail!.ShouldEndWith("refused the connection");
        _source = Source(("targets.candidate", "http://169.254.169.254/metrics"));
        (await Tick(Memory)).Detail!.ShouldContain("link-local or metadata address");
    }

    [Fact]
    public async Task Who_answered_before_and_refuses_the_connection_now_is_silent()
    {
        _exporter.Says("m_bytes{version=\"2\"} 3e6\no_total{version=\"2\"} 1\n");
        var first = await Tick(Memory);
        first.Quality.ShouldBe(Quality.Value);
        _exporter.Answer = context =>
        {
            context.Response.StatusCode = 503;
            return Task.CompletedTask;
        };
        (await Tick(Memory, first)).Quality.ShouldBe(Quality.Error);
        await _exporter.DisposeAsync();
        var silent = await Tick(Memory, first);
        silent.Quality.ShouldBe(Quality.Empty);
        silent.Detail!.ShouldEndWith("/metrics refused the connection; it had answered before");
        (await Tick(Orders)).Quality.ShouldBe(Quality.Empty);
    }

    [Fact]
    public async Task Who_answered_only_long_before_the_watch_and_refuses_the_connection_is_an_error()
    {
        _exporter.Says("m_bytes{version=\"1\"} 3e6\n");
        await Tick(Memory, version: "1");
        await _exporter.DisposeAsync();
        _clock.Advance(TimeSpan.FromHours(2));
        (await Tick(Memory)).Quality.ShouldBe(Quality.Error);
    }

    [Fact]
    public async Task What_a_watch_has_read_before_a_restart_of_commander_counts_as_answered()
    {
        var gone = await Exporter.Start();
        var url = gone.Url;
        await gone.DisposeAsync();
        _source = Source(("targets.candidate", url));
        _clock.Advance(TimeSpan.FromSeconds(1));
        var readings = await _source.Observe([Ask(Memory, Start, Now) with { HadNumbers = true }, Ask(Orders, Start, Now)], CancellationToken.None);
        readings.Select(reading => reading.Quality).ShouldBe([Quality.Empty, Quality.Error]);
    }

    [Fact]
    public async Task A_label_that_no_series_has_is_an_error_and_one_with_other_values_is_zero()
    {
        var status = Errors with { Bad = """r_total{version="{{version}}",status=~"5.."}""" };
        _exporter.Says("r_total{version=\"2\",code=\"500\",method=\"get\"} 1\n");
        var wrong = await Tick(status);
        wrong.Quality.ShouldBe(Quality.Error);
        wrong.Detail.ShouldBe("no series of r_total has a label status; it has code, method, version");
        (await Tick(status with { Total = """r_total{release="2"}""" })).Detail!.ShouldStartWith("no series of r_total has a label release;");
        (await Tick(Memory with { Query = "r_total{pod=\"a\"}" })).Quality.ShouldBe(Quality.Error);
        foreach (var bad in new[] { """r_total{code="599"}""", """r_total{code=~"5..",path!="/health"}""", """r_total{error!=""}""", "failures_total" })
        {
            var reading = await Tick(Errors with { Bad = bad }, new Reading(Quality.Empty, At: Now.ToUnixTimeMilliseconds()));
            reading.HasValue.ShouldBeTrue($"{bad}: {reading.Detail}");
        }
    }

    [Fact]
    public async Task A_metric_that_was_never_there_is_an_error_with_the_name_that_was_meant()
    {
        _exporter.Says("requests_total{version=\"2\"} 1\nm_bytes{version=\"2\"} 1\n");
        var reading = await Tick(Errors with { Total = "request_total", Bad = "request_total{code=~\"5..\"}" });
        (reading.Quality, reading.Detail).ShouldBe((Quality.Error, "the target has no metric request_total; did you mean requests_total?"));
        (await Tick(Memory with { Query = "nothing_like_it" })).Detail.ShouldBe("the target has no metric nothing_like_it");
        (await Tick(Latency)).Quality.ShouldBe(Quality.Error);
        // Events may still be to come.
        (await Tick(Orders with { Query = "request_total" })).ShouldBe(Reading.Missing(Quality.Empty, "the target has no metric request_total; did you mean requests_total?"));
    }

    [Fact]
    public async Task A_metric_that_the_old_version_has_is_merely_not_there_yet()
    {
        await using var control = await Exporter.Start();
        control.Says("m_bytes{version=\"1\"} 3e6\n");
        _exporter.Says("up 1\n");
        _source = Source(("targets.candidate", _exporter.Url), ("targets.control", control.Url));
        _clock.Advance(TimeSpan.FromSeconds(1));
        (await _source.Observe([Ask(Memory, Start, Now, Arm.Control, "1")], CancellationToken.None))[0].Quality.ShouldBe(Quality.Value);
        (await Tick(Memory)).Quality.ShouldBe(Quality.Empty);
    }

    [Fact]
    public async Task An_endpoint_that_hangs_is_a_timeout_and_holds_no_other_up()
    {
        var hanging = new TaskCompletionSource();
        _exporter.Answer = context =>
        {
            hanging.TrySetResult();
            return Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        };
        await using var healthy = await Exporter.Start();
        healthy.Says("m_bytes{version=\"1\"} 3e6\n");
        _source = Source(("targets.candidate", _exporter.Url), ("targets.control", healthy.Url));
        var stuck = _source.Observe([Ask(Memory, Start.AddSeconds(-1), Start)], CancellationToken.None);
        await hanging.Task;
        (await _source.Observe([Ask(Memory, Start.AddSeconds(-1), Start, Arm.Control, "1")], CancellationToken.None))[0].Quality.ShouldBe(Quality.Value);

        using var deadline = new CancellationTokenSource();
        var late = _source.Observe([Ask(Memory, Start.AddSeconds(-1), Start)], deadline.Token);
        await deadline.CancelAsync();
        (await late)[0].Quality.ShouldBe(Quality.Timeout);

        stuck.IsCompleted.ShouldBeFalse();
        _clock.Advance(TimeSpan.FromSeconds(6));
        var reading = (await stuck)[0];
        reading.Quality.ShouldBe(Quality.Timeout);
        reading.Detail!.ShouldEndWith("did not answer within 5 s");
    }

    [Fact]
    public async Task A_body_without_end_is_read_no_further_than_sixteen_mebibytes()
    {
        long sent = 0;
        _exporter.Answer = async context =>
        {
            var line = System.Text.Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("filler_metric{label=\"value\"} 1\n", 2000)));
            // What is written after the other side has gone vanishes without an error: only what it took counts, and what lay in between.
            while (sent < 500_000_000 && !(await context.Response.BodyWriter.WriteAsync(line, context.RequestAborted)).IsCompleted)
            {
                sent += line.Length;
                // Such writes wait for nothing: without this the news that the other side has gone would have to wait for them.
                await Task.Yield();
            }
        };
        var reading = await Tick(Memory);
        var sentByThen = Interlocked.Read(ref sent);
        reading.Quality.ShouldBe(Quality.Error);
        reading.Detail!.ShouldContain("more than 16 MiB");
        sentByThen.ShouldBeLessThan(200_000_000);
    }

    [Fact]
    public async Task A_body_that_is_packed_small_and_unpacks_to_much_is_read_no_further_either()
    {
        var packed = new MemoryStream();
        await using (var gzip = new System.IO.Compression.GZipStream(packed, System.IO.Compression.CompressionLevel.Optimal, leaveOpen: true))
        {
            var lines = System.Text.Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("filler_metric{label=\"value\"} 1\n", 20_000)));
            for (var unpacked = 0; unpacked < 300_000_000; unpacked += lines.Length)
                await gzip.WriteAsync(lines, TestContext.Current.CancellationToken);
        }

        packed.Length.ShouldBeLessThan(4_000_000);
        _exporter.Answer = async context =>
        {
            context.Response.Headers.ContentEncoding = "gzip";
            await context.Response.Body.WriteAsync(packed.ToArray(), context.RequestAborted);
        };
        var reading = await Tick(Memory);
        reading.Quality.ShouldBe(Quality.Error);
        reading.Detail!.ShouldContain("more than 16 MiB");
    }

    [Fact]
    public async Task A_wrong_selector_is_an_error_of_its_metric_alone()
    {
        _exporter.Says("m_bytes{version=\"2\"} 3e6\n");
        _clock.Advance(TimeSpan.FromMilliseconds(500));
        var wrong = Ask(Orders, Start, Now) with { Query = "sum(o_total)" };
        var readings = await _source.Observe([wrong, Ask(Memory, Start, Now)], CancellationToken.None);
        readings[0].Quality.ShouldBe(Quality.Error);
        readings[0].Detail!.ShouldStartWith("metrics.orders: the selector sum(o_total) is wrong at character 4");
        readings[1].Quality.ShouldBe(Quality.Value);
    }

    [Fact]
    public void A_target_that_is_no_address_is_refused_by_its_key() =>
        Should.Throw<ArgumentException>(() => Source(("targets.candidate", "shop:9100"))).Message.ShouldContain("sources.shop: targets.candidate is no http(s) address");
}
