using System.Text.Json.Nodes;
using Commander.Judging.Policies;
using Commander.Server.Alerting;
using Commander.Server.Alerting.Slack;
using Commander.Server.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Alerting;

/// <summary>What is told to Slack, and what becomes of it when Slack is busy, down, closed, or has lost it.</summary>
public sealed class SlackChannelTests : IAsyncLifetime
{
    private readonly HttpClient _http = Outgoing.Create();
    private SlackServer _slack = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _slack = await SlackServer.Start();

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _slack.DisposeAsync();
    }

    [Fact]
    public async Task A_deployment_is_one_message_that_changes_and_each_step_is_said_below_it()
    {
        var first = await Bot().Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel);
        first.ShouldBe(new Delivery(Told.Done, $"{SlackServer.Channel}:1790000000.000001"));
        _slack.Messages.Count.ShouldBe(1);

        var done = SlackAlerts.Deployment("observing", actions: SlackAlerts.RolledBack());
        var second = await Bot().Tell([SlackAlerts.Of(Occasions.Progress, done, 2, first.Reference)], Cancel);

        second.ShouldBe(first, "the conversation stays the same");
        _slack.Messages.Count.ShouldBe(2);
        Title(_slack.Messages[0]).ShouldBe("Rolled back: checkout 1.42.0 in prod");
        Word(_slack.Messages[1]["thread_ts"]).ShouldBe("1790000000.000001");
        Word(_slack.Messages[1]["text"]).ShouldBe("Rolled back: checkout 1.42.0 in prod\n1.41.0 serves again, 4 s after the order; the metrics have recovered");
        Word(_slack.Messages[0]["metadata"]!["event_payload"]!["deployment"]).ShouldBe(SlackAlerts.Id);
        _slack.Broken.ShouldBeEmpty();
    }

    [Fact]
    public async Task Several_deployments_and_news_of_the_server_are_one_message_without_a_reference()
    {
        (await Bot().Tell([SlackAlerts.Of(Occasions.Rollback), SlackAlerts.News("source prom", false, "refused the connection")], Cancel)).ShouldBe(Delivery.Done);
        (await Bot().Tell([SlackAlerts.News("source prom", true, "answers again")], Cancel)).State.ShouldBe(Told.Done);
        _slack.Messages.Count.ShouldBe(2);
        Title(_slack.Messages[0]).ShouldBe("2 alerts: Rolling back 1, Check failed 1");
        Title(_slack.Messages[1]).ShouldBe("Holds again: source prom");
        _slack.Broken.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_message_that_was_deleted_is_posted_anew()
    {
        var first = await Bot().Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel);
        _slack.Delete("1790000000.000001");
        var second = await Bot().Tell([SlackAlerts.Of(Occasions.Progress, n: 2, reference: first.Reference)], Cancel);
        second.ShouldBe(new Delivery(Told.Done, $"{SlackServer.Channel}:1790000000.000002"));
        _slack.Messages.ShouldHaveSingleItem()["thread_ts"].ShouldBeNull();
    }

    [Fact]
    public async Task A_reference_that_is_none_of_Slacks_is_not_used()
    {
        (await Bot().Tell([SlackAlerts.Of(Occasions.Progress, reference: "../../admin:1")], Cancel)).Reference.ShouldBe($"{SlackServer.Channel}:1790000000.000001");
        _slack.Called.ShouldBe(["chat.postMessage"]);
    }

    [Theory]
    [InlineData("#deploys")]
    [InlineData(SlackServer.Channel)]
    public async Task What_may_have_arrived_is_looked_for_before_it_is_posted_again(string channel)
    {
        await Bot(channel).Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel);
        await Bot(channel).Tell([SlackAlerts.Of(Occasions.Rollback, SlackAlerts.Deployment(service: "till"), 7)], Cancel);

        var found = await Bot(channel).Tell([SlackAlerts.Of(Occasions.Rollback, inDoubt: true)], Cancel);
        found.ShouldBe(new Delivery(Told.Done, $"{SlackServer.Channel}:1790000000.000001"));
        _slack.Messages.Count.ShouldBe(2);

        var other = await Bot(channel).Tell([SlackAlerts.Of(Occasions.Rollback, n: 3, inDoubt: true)], Cancel);
        other.Reference.ShouldBe($"{SlackServer.Channel}:1790000000.000003", "another alert's message is not this one's");
    }

    [Fact]
    public async Task What_a_groups_message_named_is_found_there_and_the_message_stays_the_groups()
    {
        await Bot().Tell([SlackAlerts.Of(Occasions.Rollback, n: 1), SlackAlerts.Of(Occasions.Rollback, n: 2)], Cancel);
        foreach (var n in (int[])[1, 2])
            (await Bot().Tell([SlackAlerts.Of(Occasions.Rollback, n: n, inDoubt: true)], Cancel)).ShouldBe(Delivery.Done);
        _slack.Messages.Count.ShouldBe(1);
        (await Bot().Tell([SlackAlerts.Of(Occasions.Rollback, n: 3, inDoubt: true)], Cancel)).Reference.ShouldNotBeNull();
    }

    [Theory]
    [InlineData("channels:read")]
    [InlineData("channels:history")]
    public async Task Who_may_not_look_posts_again(string without)
    {
        await Bot().Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel);
        _slack.Scopes.Remove(without);
        (await Bot().Tell([SlackAlerts.Of(Occasions.Rollback, inDoubt: true)], Cancel)).State.ShouldBe(Told.Done);
        _slack.Messages.Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_step_that_may_have_been_said_is_not_said_twice()
    {
        var first = await Bot().Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel);
        await Bot().Tell([SlackAlerts.Of(Occasions.Progress, n: 2, reference: first.Reference)], Cancel);
        (await Bot().Tell([SlackAlerts.Of(Occasions.Progress, n: 2, reference: first.Reference, inDoubt: true)], Cancel)).ShouldBe(first);
        _slack.Messages.Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_step_that_was_not_said_is_said_though_the_message_was_changed_already()
    {
        var first = await Bot().Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel);
        _slack.Instead = (method, context, _) => method == "chat.postMessage" ? SlackServer.Error(context, "internal_error") : Task.FromResult(false);
        (await Bot().Tell([SlackAlerts.Of(Occasions.Progress, n: 2, reference: first.Reference)], Cancel)).State.ShouldBe(Told.Later);
        _slack.Instead = null;
        (await Bot().Tell([SlackAlerts.Of(Occasions.Progress, n: 2, reference: first.Reference, inDoubt: true)], Cancel)).ShouldBe(first);
        _slack.Messages.Count.ShouldBe(2);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_Slack_that_is_asked_too_much_is_asked_later_as_it_says(bool bot)
    {
        _slack.Instead = (_, context, _) => SlackServer.TooMuch(context);
        var delivery = await Channel(bot).Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel);
        delivery.State.ShouldBe(Told.Later);
        delivery.RetryAfter.ShouldBe(TimeSpan.FromSeconds(30));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_Slack_that_is_down_or_silent_or_talks_without_end_is_told_later_and_its_address_stays_secret(bool bot)
    {
        _slack.Instead = (_, context, _) =>
        {
            context.Response.StatusCode = 503;
            return Task.FromResult(true);
        };
        Later(await Channel(bot).Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel), "Slack answered 503");

        _slack.Instead = async (_, context, cancel) =>
        {
            await context.Response.WriteAsync(new string('x', 200_000), cancel);
            return true;
        };
        Later(await Channel(bot).Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel), "Slack answered more than 64 KiB");

        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _slack.Instead = async (_, _, cancel) =>
        {
            asked.SetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel);
            return true;
        };
        var clock = new FakeTimeProvider();
        var silent = Channel(bot, clock).Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel);
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        clock.Advance(TimeSpan.FromSeconds(10));
        Later(await silent, "Slack did not answer within 10 s");

        var closed = bot ? new SlackBot(_http, TimeProvider.System, new SlackOptions { Url = new Uri("http://127.0.0.1:9/api/") }, "#deploys", SlackServer.Token, "COMMANDER_SLACK_TOKEN")
            : (IAlertChannel)new SlackWebhook(_http, TimeProvider.System, "${COMMANDER_SECRET_HOOK}", "http://127.0.0.1:9/services/T1/B1/the-secret-of-the-hook");
        Later(await closed.Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel), "Slack refused the connection");

        static void Later(Delivery delivery, string why)
        {
            delivery.State.ShouldBe(Told.Later);
            delivery.Message.ShouldNotBeNull().ShouldContain(why);
            delivery.Message.ShouldNotContain("the-secret");
        }
    }

    [Theory]
    [InlineData("ratelimited", nameof(Told.Later), "asked too much")]
    [InlineData("internal_error", nameof(Told.Later), "trouble of its own")]
    [InlineData("account_inactive", nameof(Told.Later), "COMMANDER_SLACK_TOKEN")]
    [InlineData("not_in_channel", nameof(Told.Later), "/invite")]
    [InlineData("channel_not_found", nameof(Told.Later), "#deploys")]
    [InlineData("is_archived", nameof(Told.Later), "another channel")]
    [InlineData("invalid_blocks", nameof(Told.Refused), "invalid_blocks")]
    [InlineData("msg_too_long", nameof(Told.Refused), "msg_too_long")]
    [InlineData("something_new", nameof(Told.Later), "something_new")]
    [InlineData("<!channel> xoxb-1-good", nameof(Told.Later), "without saying why")]
    public async Task What_Slack_says_is_said_with_the_remedy(string error, string state, string said)
    {
        _slack.Instead = (_, context, _) => SlackServer.Error(context, error);
        var delivery = await Bot().Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel);
        delivery.State.ToString().ShouldBe(state);
        delivery.Message.ShouldNotBeNull().ShouldContain(said);
        delivery.Message.ShouldNotContain(SlackServer.Token);
    }

    [Fact]
    public async Task A_scope_that_is_missing_is_named()
    {
        _slack.Scopes.Clear();
        (await Bot().Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel)).Message.ShouldNotBeNull().ShouldContain("missing_scope: chat:write");
    }

    [Fact]
    public async Task A_wrong_token_or_none_is_noticed_before_anything_is_told()
    {
        (await Bot().Check(Cancel)).ShouldBeNull();
        (await Bot(token: "xoxb-1-bad").Check(Cancel)).ShouldNotBeNull().ShouldContain("invalid_auth");
        (await Bot(token: null).Check(Cancel)).ShouldNotBeNull().ShouldContain("COMMANDER_SLACK_TOKEN");
        (await Bot(token: "xoxb\n1").Check(Cancel)).ShouldNotBeNull().ShouldContain("header");
        (await Bot(token: null).Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel)).State.ShouldBe(Told.Later, "somebody may write it within the day");
        _slack.Messages.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_webhook_gets_one_message_or_one_of_many()
    {
        (await Webhook().Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel)).ShouldBe(Delivery.Done);
        (await Webhook().Tell([SlackAlerts.Of(Occasions.Rollback), SlackAlerts.Of(Occasions.Rollback, SlackAlerts.Deployment(service: "till"))], Cancel)).ShouldBe(Delivery.Done);
        _slack.Hooked.Select(Title).ShouldBe(["Rolling back: checkout 1.42.0 in prod", "2 alerts: Rolling back 2"]);
        _slack.Hooked.First().ToJsonString().ShouldNotContain("commander_rollback", customMessage: "nobody hears of a button there");
        _slack.Broken.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(400, "invalid_payload", nameof(Told.Refused), "invalid_payload")]
    [InlineData(404, "no_service", nameof(Told.Later), "${COMMANDER_SECRET_HOOK}")]
    [InlineData(410, "channel_is_archived", nameof(Told.Later), "channel_is_archived")]
    [InlineData(403, "<b>the-secret</b>", nameof(Told.Later), "without saying why")]
    [InlineData(302, "", nameof(Told.Later), "302")]
    public async Task What_a_webhook_says_is_said_with_the_remedy(int status, string body, string state, string said)
    {
        _slack.Instead = async (_, context, cancel) =>
        {
            context.Response.StatusCode = status;
            context.Response.Headers.Location = _slack.Webhook;
            await context.Response.WriteAsync(body, cancel);
            return true;
        };
        var delivery = await Webhook().Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel);
        delivery.State.ToString().ShouldBe(state);
        delivery.Message.ShouldNotBeNull().ShouldContain(said);
        delivery.Message.ShouldNotContain("the-secret");
    }

    [Theory]
    [InlineData("https://hooks.slack.com/services/T/B/x", null)]
    [InlineData("http://127.0.0.1:1/services/T/B/x", null)]
    [InlineData("http://hooks.slack.com/services/T/B/x", "is no https address")]
    [InlineData("the-secret", "is no https address")]
    [InlineData(null, "is not there")]
    public async Task A_webhook_is_looked_at_without_being_called(string? address, string? wrong)
    {
        var said = await new SlackWebhook(_http, TimeProvider.System, "${COMMANDER_SECRET_HOOK}", address).Check(Cancel);
        if (wrong is null)
        {
            said.ShouldBeNull();
            return;
        }

        said.ShouldNotBeNull().ShouldContain("${COMMANDER_SECRET_HOOK} " + wrong);
        said.ShouldNotContain("the-secret");
    }

    [Fact]
    public async Task A_policy_says_which_of_the_two_it_is_and_may_have_a_token_of_its_own()
    {
        var options = new SlackOptions { Url = _slack.Api, Token = "xoxb-1-bad" };
        string? Secret(string reference) => reference == "file:slack-token" ? SlackServer.Token + "\n" : reference == "${COMMANDER_SECRET_HOOK}" ? _slack.Webhook : null;
        IAlertChannel Make(AlertPolicy to) => AlertingHosting.Make(to, _http, TimeProvider.System, Secret, slack: options).ShouldNotBeNull();

        (await Make(new AlertPolicy("slack", "${COMMANDER_SECRET_HOOK}", ["rollback"])).Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel)).ShouldBe(Delivery.Done);
        var own = new Dictionary<string, string> { ["token"] = "file:slack-token" };
        (await Make(new AlertPolicy("slack", "#deploys", ["rollback"]) { Settings = own }).Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel)).State.ShouldBe(Told.Done);
        (await Make(new AlertPolicy("slack", "#deploys", ["rollback"])).Tell([SlackAlerts.Of(Occasions.Rollback)], Cancel)).Message.ShouldNotBeNull().ShouldContain("invalid_auth");
        _slack.Called.ShouldBe(["webhook", "chat.postMessage", "chat.postMessage"]);
    }

    private IAlertChannel Channel(bool bot, TimeProvider? clock = null) => bot ? Bot(clock: clock) : Webhook(clock);

    private SlackBot Bot(string channel = "#deploys", string? token = SlackServer.Token, TimeProvider? clock = null) =>
        new(_http, clock ?? TimeProvider.System, new SlackOptions { Url = _slack.Api, Responders = new Dictionary<string, string> { ["*"] = "responder" } }, channel, token, "COMMANDER_SLACK_TOKEN");

    private SlackWebhook Webhook(TimeProvider? clock = null) => new(_http, clock ?? TimeProvider.System, "${COMMANDER_SECRET_HOOK}", _slack.Webhook);

    private static string Title(JsonObject message) => Word(message["blocks"]![0]!["text"]!["text"]);

    private static string Word(JsonNode? node) => node?.GetValue<string>() ?? "";
}
