using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using Commander.Judging.Policies;
using Commander.Server.Hosting;
using Commander.Server.Hosting.SelfChecks;
using Commander.Server.Tests.Api;
using Commander.Server.Tests.Sources;
using Microsoft.Extensions.DependencyInjection;

namespace Commander.Server.Tests.Hosting.SelfChecks;

/// <summary>The whole server: what it says of itself as JSON, as a page, as metrics, and to whom.</summary>
public sealed partial class DoctorApiTests : IAsyncLifetime
{
    private readonly BuiltServer _server = new();
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = true });
    private Exporter _metrics = null!;
    private Exporter _beats = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        (_metrics, _beats) = (await Exporter.Start(), await Exporter.Start());
        _metrics.Says("up 1\n");
        _http.BaseAddress = _server.Url;
        await _server.Begin(
            new CommanderOptions { Heartbeat = new HeartbeatOptions(new Uri(_beats.Url + "/planted-secret"), TimeSpan.FromHours(1)) },
            PolicyReader.Read($$"""
                sources:
                  shop: { type: scrape, targets: { candidate: '{{_metrics.Url}}' } }
                defaults:
                  alert: [ { slack: '#deploys', on: [system] } ]
                """, "policy.yaml").Policies!);
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
        await _metrics.DisposeAsync();
        await _beats.DisposeAsync();
    }

    [Fact]
    public async Task Before_the_first_look_nothing_is_known_and_a_look_is_made_when_asked_for()
    {
        var before = await _http.GetFromJsonAsync<JsonElement>("/api/v1/doctor", Cancel);
        before.GetProperty("at").ValueKind.ShouldBe(JsonValueKind.Null);
        before.GetProperty("checks").GetArrayLength().ShouldBe(0);

        using var asked = await _http.PostAsync("/api/v1/doctor", null, Cancel);
        asked.StatusCode.ShouldBe(HttpStatusCode.OK);
        var now = await asked.Content.ReadFromJsonAsync<JsonElement>(Cancel);
        now.GetProperty("checks").EnumerateArray().Select(check => check.GetProperty("name").GetString()).ShouldBe(["store", "watches", "source shop", "alert slack #deploys", "disk", "heartbeat", "clock"], ignoreOrder: true);
        var source = now.GetProperty("checks").EnumerateArray().Single(check => check.GetProperty("name").GetString() == "source shop");
        source.EnumerateObject().Select(property => property.Name).ShouldBe(["name", "ok", "message", "since", "at", "took_ms"]);
        source.GetProperty("message").GetString().ShouldBe($"{_metrics.Url} answers");
        // This version has no such channel: the truth at once, the alarm only after a second look.
        var channel = now.GetProperty("checks").EnumerateArray().Single(check => check.GetProperty("name").GetString() == "alert slack #deploys");
        channel.GetProperty("ok").GetBoolean().ShouldBeFalse();
        now.GetProperty("ok").GetBoolean().ShouldBeFalse();
        now.GetProperty("node").GetString().ShouldEndWith($":{_server.Url.Port}");

        var after = await _http.GetFromJsonAsync<JsonElement>("/api/v1/doctor", Cancel);
        after.GetProperty("checks").EnumerateArray().Single(check => check.GetProperty("name").GetString() == "alert slack #deploys").GetProperty("message").GetString().ShouldStartWith("failed once and is looked at again");
        after.ToString().ShouldNotContain("planted-secret");
        var metrics = await _http.GetStringAsync("/metrics", Cancel);
        metrics.ShouldMatch("commander_check_ok\\{[^}]*check=\"store\"[^}]*\\} 1");
        metrics.ShouldMatch("commander_heartbeat_beats_total\\{[^}]*result=\"sent\"[^}]*\\} 1");
        metrics.ShouldNotContain("planted-secret");
        using var ready = await _http.GetAsync("/health/ready", Cancel);
        ready.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_test_goes_through_every_channel_and_once_a_minute()
    {
        using var sent = await _http.PostAsync("/api/v1/doctor/test-alerts", null, Cancel);
        sent.StatusCode.ShouldBe(HttpStatusCode.OK);
        var answer = await sent.Content.ReadFromJsonAsync<JsonElement>(Cancel);
        answer.GetProperty("ok").GetBoolean().ShouldBeFalse();
        var channel = answer.GetProperty("channels").EnumerateArray().Single();
        (channel.GetProperty("name").GetString(), channel.GetProperty("state").GetString()).ShouldBe(("slack #deploys", "later"));
        channel.GetProperty("message").GetString().ShouldNotBeNull().ShouldStartWith("there is no token for Slack");
        using var again = await _http.PostAsync("/api/v1/doctor/test-alerts", null, Cancel);
        again.StatusCode.ShouldBe(HttpStatusCode.TooManyRequests);
        again.Headers.RetryAfter!.Delta!.Value.TotalSeconds.ShouldBeInRange(30, 60);
    }

    [Fact]
    public async Task The_page_shows_every_check_and_its_buttons_work_without_a_script()
    {
        (await _http.GetStringAsync("/checks", Cancel)).ShouldContain("Not looked yet");
        (await _http.GetStringAsync("/", Cancel)).ShouldContain("href=\"./checks\"");
        using (var pressed = await Press("/checks/now"))
        {
            pressed.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
            pressed.Headers.Location!.ToString().ShouldBe("../checks");
        }

        var page = await _http.GetStringAsync("/checks", Cancel);
        page.ShouldContain("source shop");
        page.ShouldContain("Holds");
        page.ShouldContain("Looks again");
        page.ShouldNotContain("planted-secret");

        using var tested = await Press("/checks/test-alerts");
        tested.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await tested.Content.ReadAsStringAsync(Cancel)).ShouldContain("there is no token for Slack");
        using var again = await Press("/checks/test-alerts");
        again.StatusCode.ShouldBe(HttpStatusCode.TooManyRequests);
        using var foreign = await _http.PostAsync("/checks/now", new FormUrlEncodedContent([]), Cancel);
        foreign.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task What_fails_stands_on_the_list_too()
    {
        (await _http.GetStringAsync("/", Cancel)).ShouldNotContain("check fails");
        var (self, book) = (_server.App.Services.GetRequiredService<SelfCheck>(), _server.App.Services.GetRequiredService<CheckBook>());
        var began = TimeProvider.System.GetUtcNow();
        // A failure that is known already needs no second look.
        await book.Settle([new CheckState("source shop", false, "answered 503", began, began, 1)], self.Node, [self.Node], Cancel);
        await _metrics.DisposeAsync();
        await self.Run(Cancel);

        (await _http.GetStringAsync("/", Cancel)).ShouldContain("<b>1 check fails: source shop.</b>");
        (await _http.GetStringAsync("/checks", Cancel)).ShouldContain("<h1>1 check fails: source shop</h1>");
        var answer = await _http.GetFromJsonAsync<JsonElement>("/api/v1/doctor", Cancel);
        answer.GetProperty("ok").GetBoolean().ShouldBeFalse();
        (await _http.GetStringAsync("/metrics", Cancel)).ShouldMatch("commander_check_ok\\{[^}]*check=\"source shop\"[^}]*\\} 0");
    }

    [Fact]
    public async Task A_viewer_looks_a_responder_checks_and_only_an_admin_sends_tests()
    {
        using var first = await _http.PostAsJsonAsync("/api/v1/tokens", new { name = "ada", role = "admin" }, Cancel);
        var admin = (await first.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("token").GetString()!;
        var (viewer, responder) = (await Issue(admin, "viewer"), await Issue(admin, "responder"));
        (await Status(HttpMethod.Get, "/api/v1/doctor", viewer)).ShouldBe(HttpStatusCode.OK);
        (await Status(HttpMethod.Post, "/api/v1/doctor", viewer)).ShouldBe(HttpStatusCode.Forbidden);
        (await Status(HttpMethod.Post, "/api/v1/doctor", responder)).ShouldBe(HttpStatusCode.OK);
        (await Status(HttpMethod.Post, "/api/v1/doctor/test-alerts", responder)).ShouldBe(HttpStatusCode.Forbidden);
        (await Status(HttpMethod.Post, "/api/v1/doctor/test-alerts", admin)).ShouldBe(HttpStatusCode.OK);
        (await Status(HttpMethod.Get, "/api/v1/doctor", null)).ShouldBe(HttpStatusCode.Unauthorized);
        (await Page(viewer)).ShouldContain("You may look; checking now needs the role responder.");
        var acting = await Page(responder);
        acting.ShouldContain("Check now");
        acting.ShouldNotContain("Send a test alert");
        (await Page(admin)).ShouldContain("Send a test alert");
    }

    private async Task<HttpResponseMessage> Press(string path)
    {
        var token = Token().Match(await _http.GetStringAsync("/checks", Cancel));
        token.Success.ShouldBeTrue();
        return await _http.PostAsync(path, new FormUrlEncodedContent([KeyValuePair.Create(token.Groups[1].Value, token.Groups[2].Value)]), Cancel);
    }

    private async Task<string> Issue(string admin, string role)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/tokens") { Content = JsonContent.Create(new { name = role, role }) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", admin);
        using var answer = await _http.SendAsync(request, Cancel);
        return (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("token").GetString()!;
    }

    private async Task<HttpStatusCode> Status(HttpMethod method, string path, string? token)
    {
        using var request = new HttpRequestMessage(method, path);
        if (token is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await _http.SendAsync(request, Cancel);
        return answer.StatusCode;
    }

    private async Task<string> Page(string token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/checks");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await _http.SendAsync(request, Cancel);
        return await answer.Content.ReadAsStringAsync(Cancel);
    }

    [GeneratedRegex("name=\"(__RequestVerificationToken)\" value=\"([^\"]+)\"")]
    private static partial Regex Token();
}
