using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;
using Commander.Server.Access;
using Commander.Server.Alerting;
using Commander.Server.Alerting.Slack;
using Commander.Server.Hosting;
using Commander.Server.Intake;
using Commander.Server.Loop;
using Commander.Server.Storage;
using Commander.Server.Tests.Api;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Alerting;

/// <summary>Who presses a button below a message in Slack is heard once, if they may, and is told what came of it.</summary>
public sealed class SlackHookTests : IAsyncLifetime
{
    private const string Secret = "8f742231b10e8888abcd99edc2c3f2a1";
    private readonly FakeTimeProvider _clock = new(SlackAlerts.Start);
    private readonly Desk _desk = new();
    private SlackServer _slack = null!;
    private WebApplication? _app;
    private HttpClient? _http;
    private int _presses;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _slack = await SlackServer.Start();

    public async ValueTask DisposeAsync()
    {
        _http?.Dispose();
        if (_app is not null)
            await _app.DisposeAsync();
        await _slack.DisposeAsync();
    }

    [Theory]
    [InlineData("commander_rollback", "rollback", "The rollback is ordered")]
    [InlineData("commander_keep", "keep", "It is kept")]
    public async Task Who_may_rolls_back_or_keeps_and_is_named(string action, string kind, string said)
    {
        await Begin();
        (await Send(Press(action))).ShouldBe((HttpStatusCode.OK, ""));
        Heard().ShouldContain(said);
        _desk.Acts.ShouldBe([(SlackAlerts.Id, kind, "slack:ada (U012ABC)")]);
    }

    [Theory]
    [InlineData("commander_right", "ROLLBACK", "BAD")]
    [InlineData("commander_wrong", "ROLLBACK", "GOOD")]
    [InlineData("commander_right", "CONTINUE", "GOOD")]
    [InlineData("commander_wrong", "CONTINUE", "BAD")]
    public async Task Right_and_wrong_are_of_the_verdict(string action, string decision, string label)
    {
        await Begin();
        _desk.Deployment = SlackAlerts.Deployment("closed", decision);
        (await Send(Press(action))).Status.ShouldBe(HttpStatusCode.OK);
        Heard().ShouldContain($"it was {label}");
        _desk.Labels.ShouldBe([(SlackAlerts.Id, label, "slack:ada (U012ABC)")]);
    }

    [Fact]
    public async Task Right_of_a_verdict_that_changed_meanwhile_is_not_taken_for_the_new_one()
    {
        await Begin();
        _desk.Deployment = SlackAlerts.Deployment("acting", "ROLLBACK");
        await Send(Press("commander_right", change: press => press["actions"]![0]!["block_id"] = "commander:CONTINUE"));
        Heard().ShouldContain("The verdict is ROLLBACK by now");
        _desk.Deployment = SlackAlerts.Deployment("watching", "HOLD");
        await Send(Press("commander_right"));
        Heard().ShouldContain("no verdict yet");
        _desk.Labels.ShouldBeEmpty();
    }

    [Fact]
    public async Task Who_is_no_responder_is_told_so_and_nothing_is_done()
    {
        await Begin();
        await Send(Press("commander_rollback", user: "U999"));
        Heard().ShouldBe("You are not among Commander's responders here (COMMANDER_SLACK_RESPONDERS).");
        await Send(Press("commander_rollback", user: "*"));
        Heard().ShouldContain("not among");
        _desk.Acts.ShouldBeEmpty();
    }

    [Fact]
    public async Task Everybody_of_the_workspace_is_nobody_of_another_one()
    {
        await Begin("*");
        await Send(Press("commander_keep", user: "U999"));
        Heard().ShouldBe("It is kept.");
        await Send(Press("commander_keep", user: "U999", change: press => press["user"]!["team_id"] = "T2"));
        Heard().ShouldContain("not among");
        _desk.Acts.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_name_is_short_and_without_signs_that_steer()
    {
        await Begin();
        await Send(Press("commander_keep", change: press => press["user"]!["name"] = "a\u0007\n(U1)" + new string('x', 500)));
        Heard();
        _desk.Acts.ShouldHaveSingleItem().By.ShouldBe($"slack:aU1{new string('x', 61)} (U012ABC)");
    }

    [Fact]
    public async Task What_is_forged_or_old_or_of_the_future_is_refused()
    {
        await Begin();
        var body = Press("commander_rollback");
        (await Send(body, signature: "")).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await Send(body, signature: Sign(body, _clock.GetUtcNow(), "another secret of both"))).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await Send(body + "&x=1", signature: Sign(body, _clock.GetUtcNow()))).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await Send(body, at: _clock.GetUtcNow().AddMinutes(-6))).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await Send(body, at: _clock.GetUtcNow().AddMinutes(6))).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await Send(body, at: _clock.GetUtcNow().AddMinutes(-4), signature: Sign(body, _clock.GetUtcNow()))).Status.ShouldBe(HttpStatusCode.Unauthorized);
        _desk.Acts.ShouldBeEmpty();
        (await Send(body, at: _clock.GetUtcNow().AddMinutes(-4))).Status.ShouldBe(HttpStatusCode.OK);
        for (var n = 0; n < 4; n++)
            (await Send(body, signature: "")).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await Send(Press("commander_keep"))).Status.ShouldBe(HttpStatusCode.TooManyRequests);
    }

    [Fact]
    public async Task What_comes_again_is_done_once_refused_as_a_replay_and_taken_as_a_retry()
    {
        await Begin();
        var body = Press("commander_rollback");
        (await Send(body)).Status.ShouldBe(HttpStatusCode.OK);
        Heard();
        (await Send(body)).Status.ShouldBe(HttpStatusCode.Unauthorized);
        _clock.Advance(TimeSpan.FromSeconds(4));
        (await Send(body)).Status.ShouldBe(HttpStatusCode.Unauthorized, "signed anew it is the same press");
        (await Send(body, retry: true)).ShouldBe((HttpStatusCode.OK, ""));
        _desk.Acts.Count.ShouldBe(1);
        (await Send(Press("commander_rollback"), retry: true)).Status.ShouldBe(HttpStatusCode.OK);
        Heard();
        _desk.Acts.Count.ShouldBe(2, "whose first try never came");
    }

    [Fact]
    public async Task What_the_state_forbids_or_nobody_knows_or_fails_is_said_to_whoever_pressed()
    {
        await Begin();
        _desk.Answer = new Answer(409, "the watch is closed (decided); announce the old version as a new deployment to go back now", null);
        await Send(Press("commander_rollback"));
        Heard().ShouldBe("Not done: the watch is closed (decided); announce the old version as a new deployment to go back now.");
        _desk.Answer = new Answer(404, "there is no such deployment", null);
        await Send(Press("commander_rollback"));
        Heard().ShouldBe("There is no such deployment here.");
        _desk.Answer = new Answer(409, "<!channel> & co", null);
        await Send(Press("commander_rollback"));
        Heard().ShouldBe("Not done: &lt;!channel&gt; &amp; co.");
        _desk.Fails = new StoreUnavailableException("disk full");
        await Send(Press("commander_rollback"));
        Heard().ShouldContain("cannot store");
        _desk.Fails = new InvalidOperationException("a detail of ours");
        await Send(Press("commander_rollback"));
        Heard().ShouldContain("Commander failed at it");
    }

    [Fact]
    public async Task A_loop_that_takes_its_time_does_not_keep_Slack_waiting()
    {
        await Begin();
        var gate = _desk.Shut();
        var sent = Send(Press("commander_rollback"));
        await _desk.Entered.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        sent.IsCompleted.ShouldBeFalse();
        _clock.Advance(SlackHook.Patience);
        (await sent.WaitAsync(TimeSpan.FromSeconds(20), Cancel)).ShouldBe((HttpStatusCode.OK, ""));
        SlackHook.Patience.ShouldBeLessThan(TimeSpan.FromSeconds(3));
        _slack.Said.ShouldBeEmpty();
        gate.SetResult();
        Heard().ShouldContain("The rollback is ordered");
    }

    [Fact]
    public async Task A_loop_that_never_answers_is_not_waited_for_for_ever()
    {
        await Begin();
        _desk.Shut();
        var sent = Send(Press("commander_rollback"));
        await _desk.Entered.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        _clock.Advance(SlackHook.Patience);
        await sent;
        _clock.Advance(TimeSpan.FromSeconds(30));
        Heard().ShouldContain("did not get it done in time");
    }

    [Theory]
    [InlineData("https://evil.example/actions")]
    [InlineData("http://169.254.169.254/latest/meta-data")]
    [InlineData("file:///etc/passwd")]
    [InlineData("")]
    public async Task Only_Slack_is_answered_and_all_the_same_it_is_done(string address)
    {
        await Begin();
        (await Send(Press("commander_keep", change: press => press["response_url"] = address))).Status.ShouldBe(HttpStatusCode.OK);
        _desk.Acts.Count.ShouldBe(1);
        await Send(Press("commander_keep"));
        Heard();
        _slack.Said.ShouldBeEmpty();
    }

    [Fact]
    public async Task What_is_none_of_ours_is_taken_and_left_alone()
    {
        await Begin();
        (await Send(Press("commander_open"))).ShouldBe((HttpStatusCode.OK, ""));
        (await Send(Press("others_button"))).ShouldBe((HttpStatusCode.OK, ""));
        (await Send(Press("commander_rollback", change: press => press["actions"]![0]!["value"] = "../../x"))).ShouldBe((HttpStatusCode.OK, ""));
        (await Send(Press("commander_rollback", change: press => press["actions"] = new JsonArray()))).ShouldBe((HttpStatusCode.OK, ""));
        (await Send(Press("commander_rollback", change: press => press["type"] = "view_submission"))).ShouldBe((HttpStatusCode.OK, ""));
        (await Send("ssl_check=1&token=x")).ShouldBe((HttpStatusCode.OK, ""));
        (await Send("ssl_check=1&token=x")).ShouldBe((HttpStatusCode.OK, ""));
        (await Send("{\"type\":\"url_verification\",\"challenge\":\"3eZbrw\"}", type: "application/json")).ShouldBe((HttpStatusCode.OK, "3eZbrw"));
        _desk.Acts.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("payload=%7B")]
    [InlineData("payload=[[[")]
    [InlineData("something=else")]
    [InlineData("")]
    public async Task A_signed_body_that_says_nothing_is_an_error(string body)
    {
        await Begin();
        (await Send(body)).Status.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task A_body_without_end_is_not_read()
    {
        await Begin();
        (await Send("payload=" + new string('x', 300_000))).Status.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
    }

    [Fact]
    public async Task Without_a_secret_there_is_no_hook()
    {
        await Begin(secret: false);
        var (status, body) = await Send(Press("commander_rollback"));
        status.ShouldBe(HttpStatusCode.NotFound);
        body.ShouldContain("COMMANDER_SLACK_SECRET");
    }

    // Slack's own example, as its documentation has it.
    [Fact]
    public void The_published_example_holds()
    {
        const string body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        var headers = new HeaderDictionary
        {
            ["X-Slack-Request-Timestamp"] = "1531420618",
            ["X-Slack-Signature"] = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        };
        var then = DateTimeOffset.FromUnixTimeSeconds(1531420618);
        IReadOnlyList<byte[]> secrets = ["another secret"u8.ToArray(), "8f742231b10e8888abcd99yyyzzz85a5"u8.ToArray()];
        SenderSignatures.Slack(headers, Encoding.UTF8.GetBytes(body), secrets, then.AddMinutes(4)).ShouldBeNull();
        SenderSignatures.Slack(headers, Encoding.UTF8.GetBytes(body + "x"), secrets, then).ShouldNotBeNull();
        SenderSignatures.Slack(headers, Encoding.UTF8.GetBytes(body), secrets, then.AddMinutes(6)).ShouldNotBeNull().ShouldContain("five minutes");
        SenderSignatures.Slack(headers, Encoding.UTF8.GetBytes(body), [], then).ShouldNotBeNull();
    }

    [Fact]
    public async Task In_the_whole_server_a_person_in_Slack_labels_a_deployment_and_is_told_that_it_is_closed()
    {
        await using var server = new BuiltServer();
        await server.Begin(new CommanderOptions { SlackSecrets = [Encoding.UTF8.GetBytes(Secret)], Slack = Options("U012ABC") });
        _http = new HttpClient { BaseAddress = server.Url, Timeout = TimeSpan.FromSeconds(20) };
        using var announced = await _http.PostAsync("/api/v1/deployments?wait=20s", new StringContent("{\"service\":\"checkout\",\"version\":\"2.0.0\",\"metrics\":{\"error_rate\":60,\"response_time\":1850}}", Encoding.UTF8, "application/json"), Cancel);
        using var deployment = JsonDocument.Parse(await announced.Content.ReadAsStringAsync(Cancel));
        deployment.RootElement.GetProperty("verdict").GetProperty("decision").GetString().ShouldBe("ROLLBACK");
        var id = deployment.RootElement.GetProperty("id").GetString()!;

        (await Send(Press("commander_rollback", id: id), at: TimeProvider.System.GetUtcNow())).ShouldBe((HttpStatusCode.OK, ""));
        Heard().ShouldContain("Not done: the watch is closed (decided)");
        (await Send(Press("commander_right", id: id), at: TimeProvider.System.GetUtcNow())).ShouldBe((HttpStatusCode.OK, ""));
        Heard().ShouldContain("it was BAD");
        using var after = JsonDocument.Parse(await _http.GetStringAsync("/api/v1/deployments/" + id, Cancel));
        after.RootElement.GetProperty("outcome").GetProperty("label").GetString().ShouldBe("BAD");
        var facts = await _http.GetStringAsync($"/api/v1/deployments/{id}/facts", Cancel);
        facts.ShouldContain("slack:ada (U012ABC)");
        facts.ShouldNotContain(Secret);
    }

    private SlackOptions Options(string responder) => new() { Url = _slack.Api, Responders = new Dictionary<string, string> { [responder] = "responder" } };

    private async Task Begin(string responder = "U012ABC", bool secret = true)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddSingleton(new CommanderOptions { SlackSecrets = secret ? ["an older secret of both"u8.ToArray(), Encoding.UTF8.GetBytes(Secret)] : [], Slack = Options(responder) });
        builder.Services.AddSingleton<TimeProvider>(_clock);
        builder.Services.AddSingleton(new AccessLimits(null));
        builder.Services.AddSingleton(new SeenBefore(_clock));
        builder.Services.AddSingleton<IDeployments>(_desk);
        builder.Services.AddAlerting(new Secrets(_ => null));
        _app = builder.Build();
        _app.MapSlackHook();
        await _app.StartAsync(Cancel);
        _http = new HttpClient { BaseAddress = new Uri(_app.Urls.First()), Timeout = TimeSpan.FromSeconds(20) };
    }

    private string Press(string action, string user = "U012ABC", string id = SlackAlerts.Id, Action<JsonObject>? change = null)
    {
        var press = new JsonObject
        {
            ["type"] = "block_actions",
            ["user"] = new JsonObject { ["id"] = user, ["username"] = "ada", ["name"] = "ada", ["team_id"] = "T1" },
            ["api_app_id"] = "A1",
            ["container"] = new JsonObject { ["type"] = "message", ["message_ts"] = "1790000000.000001", ["channel_id"] = SlackServer.Channel, ["is_ephemeral"] = false },
            ["trigger_id"] = $"12345.{++_presses}",
            ["team"] = new JsonObject { ["id"] = "T1", ["domain"] = "acme" },
            ["response_url"] = _slack.Answers,
            ["actions"] = new JsonArray(new JsonObject { ["action_id"] = action, ["block_id"] = "x1", ["type"] = "button", ["value"] = id, ["action_ts"] = "1790000001.000002" }),
        };
        change?.Invoke(press);
        return "payload=" + Uri.EscapeDataString(press.ToJsonString());
    }

    private static string Sign(string body, DateTimeOffset at, string secret = Secret) =>
        "v0=" + Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes($"v0:{at.ToUnixTimeSeconds()}:{body}")));

    private async Task<(HttpStatusCode Status, string Body)> Send(string body, DateTimeOffset? at = null, string? signature = null, bool retry = false, string type = "application/x-www-form-urlencoded")
    {
        var time = at ?? _clock.GetUtcNow();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/hooks/slack") { Content = new StringContent(body, Encoding.UTF8, type) };
        request.Headers.Add("X-Slack-Request-Timestamp", time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture));
        request.Headers.TryAddWithoutValidation("X-Slack-Signature", signature ?? Sign(body, time));
        if (retry)
            request.Headers.Add("X-Slack-Retry-Num", "1");
        using var answer = await _http!.SendAsync(request, Cancel);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync(Cancel));
    }

    private string Heard() => _slack.Said.TryTake(out var said, 20_000, Cancel) ? said : throw new TimeoutException("nobody was told anything");

    /// <summary>The loop as the hook sees it.</summary>
    private sealed class Desk : IDeployments
    {
        private TaskCompletionSource? _gate;

        public List<(string Id, string Kind, string By)> Acts { get; } = [];

        public List<(string Id, string Label, string By)> Labels { get; } = [];

        public Deployment? Deployment { get; set; } = SlackAlerts.Deployment();

        public Answer Answer { get; set; } = new(202, null, null);

        public Exception? Fails { get; set; }

        public TaskCompletionSource Entered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Shut() => _gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<Answer> Label(string id, string label, string source, string by, string? note, CancellationToken cancel) => throw new NotSupportedException();

        public async Task<Answer> Act(string id, string kind, string by, string? reason, CancellationToken cancel)
        {
            Acts.Add((id, kind, by));
            Entered.TrySetResult();
            if (_gate is { } gate)
                await gate.Task;
            return Fails is null ? Answer : throw Fails;
        }

        public Task<Answer> Label(string id, string label, string by, string? note, CancellationToken cancel)
        {
            Labels.Add((id, label, by));
            return Task.FromResult(Answer);
        }

        public Task<Deployment?> Get(string id, CancellationToken cancel) => Task.FromResult(Deployment);

        public Task<(AnnounceResult Result, Deployment? Deployment)> Announce(Announcing announcing, CancellationToken cancel) => throw new NotSupportedException();

        public Task<DeploymentPage> List(DeploymentFilter filter, CancellationToken cancel) => throw new NotSupportedException();

        public Task<EvidenceDocument?> Evidence(string id, CancellationToken cancel) => throw new NotSupportedException();

        public Task<IReadOnlyList<Fact>> Facts(string id, long afterSeq, int limit, CancellationToken cancel) => throw new NotSupportedException();

        public Task<ReplayAnswer?> Replay(string id, string? policy, string? model, string? judge, CancellationToken cancel) => throw new NotSupportedException();

        public IAsyncEnumerable<LiveEvent> Watch(string? id, CancellationToken cancel) => throw new NotSupportedException();
    }
}
