using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;
using Commander.Samples;
using Commander.Server.Dashboard;
using Commander.Server.Dashboard.Live;
using Commander.Server.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Browser.Tests;

/// <summary>The pages as a client without a browser sees them.</summary>
public partial class PageTests
{
    private const string Watching = "dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2E";
    private const string RolledBack = "dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C";

    [Fact]
    public async Task The_verdict_page_with_all_it_needs_fits_into_32_KB()
    {
        await using var server = await SampleServer.Start([Sample.Rollback(after: 300)]);
        using var client = Client(server, DecompressionMethods.None);
        var assets = server.Services.GetRequiredService<Assets>();

        foreach (var encoding in new[] { "br", "gzip" })
        {
            var sizes = new Dictionary<string, long>(StringComparer.Ordinal);
            foreach (var path in new[] { "d/" + RolledBack, assets.Url("app.css"), assets.Url("app.js"), assets.Url("bad.svg") })
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, path);
                request.Headers.AcceptEncoding.ParseAdd(encoding);
                using var answer = await client.SendAsync(request);
                answer.Content.Headers.ContentEncoding.ShouldBe([encoding], path);
                sizes[path] = (await answer.Content.ReadAsByteArrayAsync()).Length;
            }

            TestContext.Current.TestOutputHelper?.WriteLine($"{encoding}: {string.Join(", ", sizes)} = {sizes.Values.Sum()}");
            sizes.Values.Sum().ShouldBeLessThanOrEqualTo(32 * 1024, encoding);
        }

        assets.Length("app.js").ShouldBeLessThanOrEqualTo(8 * 1024);
    }

    [Theory]
    [InlineData("", 200)]
    [InlineData("d/" + RolledBack, 200)]
    [InlineData("help", 200)]
    [InlineData("nowhere/at/all", 404)]
    [InlineData("d/dep-unknown", 404)]
    [InlineData("d/%22%3E%3Cscript%3E", 404)]
    public async Task Every_page_forbids_all_that_is_not_its_own(string path, int status)
    {
        await using var server = await SampleServer.Start();
        using var client = Client(server);

        using var answer = await client.GetAsync(path);

        ((int)answer.StatusCode).ShouldBe(status);
        answer.Headers.GetValues("Content-Security-Policy").ShouldBe(["default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"]);
        answer.Headers.GetValues("X-Content-Type-Options").ShouldBe(["nosniff"]);
        var html = await answer.Content.ReadAsStringAsync();
        html.ShouldNotContain(" style=");
        html.ShouldNotContain("<style");
        html.ShouldNotContain("<script>");
        html.ShouldContain("<h1");
    }

    [Fact]
    public async Task What_is_not_there_is_a_page_for_people_and_a_problem_for_programs()
    {
        await using var server = await SampleServer.Start();
        using var client = new HttpClient { BaseAddress = new Uri(server.Address) };

        using var answer = await client.GetAsync("nowhere");

        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
    }

    [Fact]
    public async Task A_fault_is_a_page_that_says_what_still_works()
    {
        await using var server = await SampleServer.Start();
        using var client = Client(server);

        server.Deployments.Fails = new InvalidOperationException("a secret detail");
        using var fault = await client.GetAsync("d/" + RolledBack);
        server.Deployments.Fails = new StoreUnavailableException("the disk is full");
        using var full = await client.GetAsync("d/" + RolledBack);

        fault.StatusCode.ShouldBe(HttpStatusCode.InternalServerError);
        var text = await fault.Content.ReadAsStringAsync();
        text.ShouldContain("Watches and rollbacks do not depend on pages and go on.");
        text.ShouldNotContain("a secret detail");
        full.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        (await full.Content.ReadAsStringAsync()).ShouldContain("the disk is full");
        full.Headers.RetryAfter.ShouldNotBeNull();
    }

    [Fact]
    public async Task Hostile_text_stays_text_on_every_page()
    {
        const string hostile = "\"><script>alert(1)</script><img src=x onerror=alert(1)>";
        var (rollback, evidence) = Sample.Rollback(after: 10);
        var deployment = rollback with
        {
            Service = hostile,
            Version = hostile,
            Environment = hostile,
            PreviousVersion = hostile,
            ChangeUrl = "javascript:alert(1)",
            Commit = hostile,
            Labels = new Dictionary<string, string>(StringComparer.Ordinal) { [hostile] = hostile },
            Notes = [hostile],
            Verdict = rollback.Verdict! with { Reasoning = hostile, Opinion = new Opinion(hostile, 0.5, hostile, true, hostile, [hostile]), Findings = [rollback.Verdict.Findings[0] with { Metric = hostile, Reason = hostile, Query = hostile, Quality = hostile }] },
            Actions = [rollback.Actions[0] with { Message = hostile, Target = hostile, By = hostile, Key = hostile }],
            Outcome = new Outcome(hostile, hostile, Sample.Start),
        };
        await using var server = await SampleServer.Start([(deployment, evidence)]);
        using var client = Client(server);

        foreach (var path in new[] { "", "d/" + RolledBack, "d/" + RolledBack + ".html", "d/" + RolledBack + "/replay", "?q=" + Uri.EscapeDataString(hostile) })
        {
            var html = await client.GetStringAsync(path);
            html.ShouldNotContain("<script>alert", Case.Insensitive, path);
            html.ShouldNotContain("<img src=x", Case.Insensitive, path);
            html.ShouldNotContain("href=\"javascript", Case.Insensitive, path);
        }

        (await client.GetStringAsync($"d/{RolledBack}.md")).ShouldNotContain("<script>");
        using var json = await client.GetAsync($"d/{RolledBack}.json");
        json.Content.Headers.ContentType!.MediaType.ShouldBe("application/json");
        json.Headers.GetValues("X-Content-Type-Options").ShouldBe(["nosniff"]);
    }

    [Fact]
    public async Task All_links_lead_somewhere_under_any_path()
    {
        await using var server = await SampleServer.Start(configure: o => o.Demo = true, pathBase: "/tools/commander");
        using var client = Client(server);
        var looked = new HashSet<string>(StringComparer.Ordinal);

        foreach (var path in new[] { "", "d/" + RolledBack, "d/" + Watching, "help", "?tab=attention&q=service:search" })
        {
            var from = new Uri(new Uri(server.Address), path);
            var html = await client.GetStringAsync(from);
            foreach (Match match in Links().Matches(html))
            {
                var target = new Uri(from, WebUtility.HtmlDecode(match.Groups["v"].Value));
                // The API is mapped by Api/, the shop and the change live elsewhere.
                if (target.Authority != from.Authority || target.AbsolutePath.Contains("/api/", StringComparison.Ordinal) || !looked.Add(target.GetLeftPart(UriPartial.Query)))
                {
                    continue;
                }

                target.AbsolutePath.ShouldStartWith("/tools/commander/");
                using var answer = await client.GetAsync(target, HttpCompletionOption.ResponseHeadersRead);
                ((int)answer.StatusCode).ShouldBeLessThan(400, $"{target} on {from}");
            }
        }

        looked.Count.ShouldBeGreaterThan(15);
    }

    [Fact]
    public async Task A_form_without_its_token_changes_nothing()
    {
        await using var server = await SampleServer.Start(configure: o => o.Demo = true);
        using var client = Client(server);

        foreach (var path in new[] { $"d/{Watching}/rollback", $"d/{Watching}/keep", $"d/{Watching}/outcome", "demo/deploy" })
        {
            using var answer = await client.PostAsync(path, new FormUrlEncodedContent([new("label", "GOOD"), new("kind", "good")]));
            answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest, path);
        }

        using var json = await client.PostAsync($"d/{Watching}/rollback", new StringContent("{}", Encoding.UTF8, "application/json"));
        json.StatusCode.ShouldBe(HttpStatusCode.UnsupportedMediaType);
        server.Deployments.Calls.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_form_that_comes_too_late_says_so()
    {
        await using var server = await SampleServer.Start();
        using var client = Client(server);
        var token = Token().Match(await client.GetStringAsync("d/" + RolledBack)).Groups["v"].Value;

        using var answer = await client.PostAsync($"d/{RolledBack}/rollback", new FormUrlEncodedContent([new("__RequestVerificationToken", token)]));

        answer.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        (await answer.Content.ReadAsStringAsync()).ShouldContain("the watch is closed");
    }

    [Fact]
    public async Task A_form_that_is_too_large_is_refused()
    {
        await using var server = await SampleServer.Start();
        using var client = Client(server);
        var token = Token().Match(await client.GetStringAsync("d/" + Watching)).Groups["v"].Value;

        using var answer = await client.PostAsync($"d/{Watching}/rollback", new FormUrlEncodedContent([new("__RequestVerificationToken", token), new("reason", new string('x', 100_000))]));

        ((int)answer.StatusCode).ShouldBeInRange(400, 413);
        server.Deployments.Calls.ShouldBeEmpty();
    }

    [Fact]
    public async Task Who_may_only_look_sees_no_buttons_and_presses_none()
    {
        await using var server = await SampleServer.Start(configure: o => o.MayAct = _ => false);
        using var client = Client(server);

        var html = await client.GetStringAsync("d/" + Watching);

        html.ShouldNotContain("Roll back to");
        html.ShouldContain("needs the role responder");
        // The list has no forms that change anything, but the cookie and a token can be had there.
        using var list = await client.GetAsync("");
        using var answer = await client.PostAsync($"d/{Watching}/rollback", new FormUrlEncodedContent([]));
        server.Deployments.Calls.ShouldBeEmpty();
    }

    [Fact]
    public async Task Assets_are_cached_for_good_under_their_hash_and_asked_for_again_without_it()
    {
        await using var server = await SampleServer.Start();
        using var client = Client(server);
        var url = server.Services.GetRequiredService<Assets>().Url("app.css");

        using var hashed = await client.GetAsync(url);
        using var plain = await client.GetAsync("assets/app.css");
        using var again = new HttpRequestMessage(HttpMethod.Get, "assets/app.css");
        again.Headers.IfNoneMatch.Add(plain.Headers.ETag!);
        using var unchanged = await client.SendAsync(again);
        using var missing = await client.GetAsync("assets/app.exe");

        hashed.Headers.CacheControl!.ToString().ShouldContain("immutable");
        plain.Headers.CacheControl!.NoCache.ShouldBeTrue();
        unchanged.StatusCode.ShouldBe(HttpStatusCode.NotModified);
        missing.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task The_list_goes_on_where_the_last_page_ended()
    {
        var many = Enumerable.Range(0, 120).Select(i => (Sample.Deployment($"dep-{i:D26}", "svc", $"{i}", null, "watching", null), new EvidenceDocument(1, []))).ToList();
        await using var server = await SampleServer.Start(many);
        using var client = Client(server);
        var seen = new List<string>();

        var next = "";
        while (next is not null)
        {
            var html = await client.GetStringAsync(next);
            seen.AddRange(Rows().Matches(html).Select(m => m.Groups["v"].Value));
            next = Next().Match(html) is { Success: true } more ? WebUtility.HtmlDecode(more.Groups["v"].Value) : null;
        }

        seen.ShouldBe(many.Select(m => m.Item1.Id).OrderDescending(StringComparer.Ordinal));
    }

    [Fact]
    public async Task The_list_shows_what_needs_a_person_and_what_was_wrong()
    {
        var (rollback, evidence) = Sample.Rollback(after: 4);
        await using var server = await SampleServer.Start(
        [
            (rollback with { Id = "dep-1" }, evidence),
            (rollback with { Id = "dep-2", Outcome = new Outcome("GOOD", "person", Sample.Start) }, evidence),
            (rollback with { Id = "dep-3", Outcome = null, Actions = [rollback.Actions[0] with { State = "failed" }] }, evidence),
        ]);
        using var client = Client(server);

        Ids(await client.GetStringAsync("?tab=attention")).ShouldBe(["dep-3"]);
        Ids(await client.GetStringAsync("?q=is:wrong")).ShouldBe(["dep-2"]);
        Ids(await client.GetStringAsync("?q=verdict:continue")).ShouldBeEmpty();
        (await client.GetStringAsync("?q=verdict:maybe")).ShouldContain("verdict:maybe is not known; write verdict:rollback");

        static List<string> Ids(string html) => [.. Rows().Matches(html).Select(m => m.Groups["v"].Value)];
    }

    [Fact]
    public async Task The_stream_says_that_it_is_alive_then_what_changed_and_lets_go_of_who_has_left()
    {
        await using var server = await SampleServer.Start();
        using var client = Client(server);
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var (watching, evidence) = Sample.Watching();

        using (var answer = await client.GetAsync("live?deployment=" + Watching, HttpCompletionOption.ResponseHeadersRead, cancel.Token))
        {
            answer.Content.Headers.ContentType!.MediaType.ShouldBe("text/event-stream");
            answer.Headers.GetValues("X-Accel-Buffering").ShouldBe(["no"]);
            using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(cancel.Token));
            (await reader.ReadLineAsync(cancel.Token)).ShouldBe("event: alive");
            server.Deployments.Put(watching, evidence, "verdict");
            string? line;
            do
            {
                line = await reader.ReadLineAsync(cancel.Token);
            }
            while (line != "event: verdict");
        }

        // The server notices by the closed connection; there is no event to wait for but its own count.
        for (var i = 0; i < 500 && server.Deployments.Listeners > 0; i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, cancel.Token);
        }

        server.Deployments.Listeners.ShouldBe(0);
        server.Services.GetRequiredService<LiveStream>().Listeners.ShouldBe(0);
        using var bad = await client.GetAsync("live?deployment=%3Cscript%3E");
        bad.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task A_quiet_stream_shows_every_fifteen_seconds_that_it_is_alive()
    {
        await using var server = await SampleServer.Start();
        var clock = new FakeTimeProvider();
        var stream = new LiveStream(server.Deployments, clock, server.Services.GetRequiredService<IHostApplicationLifetime>());
        await using var events = stream.Events(Watching, TestContext.Current.CancellationToken).GetAsyncEnumerator();

        (await events.MoveNextAsync()).ShouldBeTrue();
        var next = events.MoveNextAsync().AsTask();
        clock.Advance(TimeSpan.FromSeconds(14));
        next.IsCompleted.ShouldBeFalse();
        clock.Advance(TimeSpan.FromSeconds(1));

        (await next.WaitAsync(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken)).ShouldBeTrue();
        events.Current.EventType.ShouldBe("alive");
    }

    [Fact]
    public async Task The_stream_of_all_deployments_leaves_ticks_out()
    {
        await using var server = await SampleServer.Start();
        var stream = server.Services.GetRequiredService<LiveStream>();
        await using var events = stream.Events(null, TestContext.Current.CancellationToken).GetAsyncEnumerator();
        (await events.MoveNextAsync()).ShouldBeTrue();
        var (watching, evidence) = Sample.Watching();

        server.Deployments.Put(watching, evidence, "tick");
        server.Deployments.Put(watching, evidence, "verdict");

        (await events.MoveNextAsync()).ShouldBeTrue();
        events.Current.EventType.ShouldBe("verdict");
        events.Current.Data.ShouldBe(Watching);
    }

    [Fact]
    public void A_filter_is_read_word_by_word_and_every_mistake_is_said()
    {
        var filter = FilterText.Read("checkout env:prod verdict:rollback is:wrong since:7d");

        filter.ShouldSatisfyAllConditions(
            () => filter.Service.ShouldBe("checkout"),
            () => filter.Environment.ShouldBe("prod"),
            () => filter.Verdict.ShouldBe("ROLLBACK"),
            () => filter.Is.ShouldBe(["wrong"]),
            () => filter.Since.ShouldBe(TimeSpan.FromDays(7)),
            () => filter.Errors.ShouldBeEmpty());
        FilterText.Read("verdict:maybe is:odd since:soon owner:me").Errors.Count.ShouldBe(4);
        FilterText.Read(new string('x', 300)).Errors.Count.ShouldBe(1);
    }

    [Fact]
    public void A_timeline_without_bodies_is_told_from_the_deployment()
    {
        var deployment = Sample.Rollback().Deployment;
        Fact[] facts = [Fact.After("deployment/x", 1, Fact.NoHash, deployment.ReceivedAt, "received", 1, []) with { Body = null }];

        var moments = Timeline.Of(deployment, facts);

        moments.Select(m => m.Step).ShouldBe([1, 5, 5, 7, 7, 8]);
        moments[4].Took!.Value.TotalMilliseconds.ShouldBe(11_640, 1);
        Timeline.Progress(deployment, moments).ShouldAllBe(step => step.At != null);
        Timeline.Progress(deployment with { Outcome = null, Actions = [] }, Timeline.Of(deployment with { Outcome = null, Actions = [] }, facts)).Select(step => step.Words)
            .ShouldBe(["+12 ms", "+1 s", "+1 s", "+1 s", "+1 s", "–", "nothing to do", "not known", "needs the outcome"]);
    }

    [Fact]
    public void A_timeline_counts_ticks_and_survives_bodies_of_any_form()
    {
        var deployment = Sample.Rollback().Deployment;
        var facts = new[] { "received", "tick", "tick", "verdict", "tick", "something_new" }.Select((kind, i) =>
            Fact.After("deployment/x", i + 1, Fact.NoHash, deployment.ReceivedAt.AddSeconds(i), kind, 1, Encoding.UTF8.GetBytes(i % 2 == 0 ? "[[1,2]]" : "{\"took_ms\":\"x\",\"reason\":7"))).ToList();

        var moments = Timeline.Of(deployment with { Actions = [], Outcome = null }, facts);

        moments.Select(m => m.Name).ShouldBe(["Receive", "Observe", "Judge", "Observe", "Something new"]);
        moments[1].Words.ShouldBe("2 ticks measured, compared and judged");
    }

    private static HttpClient Client(SampleServer server, DecompressionMethods unpack = DecompressionMethods.All)
    {
        var client = new HttpClient(new SocketsHttpHandler { AutomaticDecompression = unpack, AllowAutoRedirect = true, CookieContainer = new CookieContainer(), UseCookies = true }) { BaseAddress = new Uri(server.Address) };
        client.DefaultRequestHeaders.Accept.ParseAdd("text/html");
        return client;
    }

    [GeneratedRegex("(?:href|src|data-stream|data-fragment|data-poll)=\"(?<v>[^\"#]+)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Links();

    [GeneratedRegex("name=\"__RequestVerificationToken\" value=\"(?<v>[^\"]+)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Token();

    [GeneratedRegex("<li id=\"r-(?<v>[^\"]+)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Rows();

    [GeneratedRegex("rel=\"next\" href=\"(?<v>[^\"]+)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Next();
}
