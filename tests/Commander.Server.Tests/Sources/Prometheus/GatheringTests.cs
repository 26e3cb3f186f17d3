using System.Globalization;
using System.Text.RegularExpressions;
using Commander.Judging.Policies;
using Commander.Server.Connections;
using Commander.Server.Sources;
using Commander.Server.Sources.Prometheus;
using CsCheck;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Sources.Prometheus;

/// <summary>Many watches that ask the same of one source share requests, and each gets what it would have got alone.</summary>
public sealed partial class GatheringTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 23, 10, 30, 0, TimeSpan.Zero);

    [Fact]
    public async Task Watches_that_come_while_two_requests_are_under_way_share_the_next_and_each_gets_its_own()
    {
        var clock = new FakeTimeProvider(Now);
        await using var prometheus = await RecordedPrometheus.Start(clock);
        var (asked, held) = (0, new TaskCompletionSource());
        prometheus.Says(async context =>
        {
            var form = await context.Request.ReadFormAsync(context.RequestAborted);
            if (Interlocked.Increment(ref asked) <= 2)
                await held.Task;
            await Answer(context, form["query"].ToString());
        });
        using var http = Outgoing.Create();
        using var client = new PrometheusClient(new SourceSettings("prom", "prometheus", new Dictionary<string, string>(StringComparer.Ordinal) { ["url"] = prometheus.Url }), http, clock, _ => null);
        var gathering = new Gathering(client, clock);

        var answers = Enumerable.Range(0, 40).Select(n => Ask(gathering, client, $"s.{n}", Now.AddMilliseconds(n * 20))).ToArray();
        while (Volatile.Read(ref asked) < 2)
            await Task.Yield();
        held.SetResult();

        for (var n = 0; n < 40; n++)
        {
            var series = (await answers[n]).Series.ShouldHaveSingleItem();
            Label.Find(series.Labels, "service").ShouldBe($"s.{n}");
            // The first two went alone; of the others none has a point that came after its own end.
            if (n >= 2)
                series.Points.Select(point => point.At).ShouldBe(Enumerable.Range(-4, 5).Select(s => Now.AddSeconds(s).ToUnixTimeMilliseconds()));
        }

        asked.ShouldBe(3);
    }

    [Fact]
    public async Task What_is_too_much_together_is_asked_one_by_one()
    {
        var clock = new FakeTimeProvider(Now);
        await using var prometheus = await RecordedPrometheus.Start(clock);
        var held = new TaskCompletionSource();
        var asked = 0;
        prometheus.Says(async context =>
        {
            var query = (await context.Request.ReadFormAsync(context.RequestAborted))["query"].ToString();
            if (Interlocked.Increment(ref asked) <= 2)
                await held.Task;
            if (query.Contains('|', StringComparison.Ordinal))
            {
                context.Response.StatusCode = 422;
                await context.Response.WriteAsync("""{"status":"error","error":"query processing would load too many samples"}""", context.RequestAborted);
                return;
            }

            await Answer(context, query);
        });
        using var http = Outgoing.Create();
        using var client = new PrometheusClient(new SourceSettings("prom", "prometheus", new Dictionary<string, string>(StringComparer.Ordinal) { ["url"] = prometheus.Url }), http, clock, _ => null);
        var gathering = new Gathering(client, clock);

        var answers = Enumerable.Range(0, 6).Select(n => Ask(gathering, client, $"s.{n}", Now)).ToArray();
        while (Volatile.Read(ref asked) < 2)
            await Task.Yield();
        held.SetResult();

        foreach (var answer in await Task.WhenAll(answers))
            answer.Series.Count.ShouldBe(1, answer.Detail);
    }

    [Fact]
    public async Task Ticks_do_not_wait_behind_the_past_of_others()
    {
        var clock = new FakeTimeProvider(Now);
        await using var prometheus = await RecordedPrometheus.Start(clock);
        var never = new TaskCompletionSource();
        prometheus.Says(async context =>
        {
            var query = (await context.Request.ReadFormAsync(context.RequestAborted))["query"].ToString();
            if (query.Contains("\"past", StringComparison.Ordinal))
                await never.Task;
            await Answer(context, query);
        });
        using var http = Outgoing.Create();
        using var client = new PrometheusClient(new SourceSettings("prom", "prometheus", new Dictionary<string, string>(StringComparer.Ordinal) { ["url"] = prometheus.Url }), http, clock, _ => null);
        var gathering = new Gathering(client, clock);

        var pasts = Enumerable.Range(0, 4).Select(n => Ask(gathering, client, $"past{n}", Now, past: true)).ToArray();
        var tick = await Ask(gathering, client, "s", Now);

        tick.Series.Count.ShouldBe(1, tick.Detail);
        pasts.ShouldAllBe(past => !past.IsCompleted);
        never.SetResult();
        await Task.WhenAll(pasts);
    }

    [Fact]
    public void Of_a_union_each_gets_the_series_that_it_selects()
    {
        var value = Gen.Int[0, 3].Select(i => new[] { "a", "b", "c.d", "e|f" }[i]);
        Gen.Select(Gen.Bool.Select(yes => yes ? ",code=~\"5..\"" : ""), value.Array[1, 5], value.Array[0, 12]).Sample((code, services, there) =>
        {
            var shapes = services.Select(service => Shape.Of(Parse($"requests_total{{service=\"{service}\"{code}}}"), -1, [])).ToArray();
            shapes.Select(shape => shape.Key).Distinct().Count().ShouldBe(1);
            var series = there.Select(service => new PromSeries([new Label("code", "500"), new Label("service", service)], [], [])).ToArray();
            var union = Parse(Shape.United(shapes).Query);
            series.Where(one => services.Contains(Label.Find(one.Labels, "service"))).ShouldAllBe(one => union.Selects(one.Labels));

            var parts = Shape.Split(shapes, [.. series.Where(one => union.Selects(one.Labels))]);

            for (var i = 0; i < services.Length; i++)
                parts[i].Count.ShouldBe(there.Count(service => service == services[i]));
        });
    }

    [Fact]
    public void Selectors_of_other_metrics_labels_or_patterns_have_another_shape()
    {
        string[] queries = ["a{x=\"1\"}", "b{x=\"1\"}", "a{y=\"1\"}", "a{x=\"1\",y=\"1\"}", "a{x=~\"1.\"}", "a{x=~\"2.\"}", "a{x!=\"1\"}", "a{x=\"\"}"];
        queries.Select(query => Shape.Of(Parse(query), -1, []).Key).Distinct().Count().ShouldBe(queries.Length);
        Shape.Of(Parse("a{x=\"1\"}"), -1, []).Key.ShouldBe(Shape.Of(Parse("a{x=\"2\"}"), -1, []).Key);
    }

    private static Selector Parse(string query) =>
        Selector.TryParse(query, widen: false, out var selector, out var error) ? selector : throw new InvalidOperationException(error);

    private static async Task<PromAnswer> Ask(Gathering gathering, PrometheusClient client, string service, DateTimeOffset to, bool past = false)
    {
        using var share = client.Begin();
        var query = $"requests_total{{service=\"{service}\"}}";
        return await gathering.Points(Shape.Of(Parse(query), -1, []), query, to.AddSeconds(-5), to, past, share, TestContext.Current.CancellationToken);
    }

    // Five points up to the time, one a second, of every service that is asked for.
    private static Task Answer(HttpContext context, string query)
    {
        var names = Values().Match(query).Groups[1].Value.Replace("\\", "", StringComparison.Ordinal).Split('|');
        var points = string.Join(',', Enumerable.Range(-6, 9).Select(s => $"[{Now.AddSeconds(s).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture)},\"{s + 10}\"]"));
        var series = string.Join(',', names.Select(name => "{\"metric\":{\"__name__\":\"requests_total\",\"service\":\"" + name + "\"},\"values\":[" + points + "]}"));
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[" + series + "]}}", context.RequestAborted);
    }

    [GeneratedRegex("service=~?\"([^\"]*)\"")]
    private static partial Regex Values();
}
