using Commander.Judging.Policies;
using Commander.Server.Alerting;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Alerting;

public sealed class DiscordChannelTests : ChannelCompliance
{
    private const string Id = "1310000000000000001";
    private const string Path = $"/api/webhooks/42/{Secret}";

    private protected override AlertPolicy Entry(string url)
    {
        if (Server.Secrets[SecretReference] is not null)
            Server.Secrets[SecretReference] = url + Path;
        return new AlertPolicy("discord", SecretReference, ["rollback"]);
    }

    private protected override async Task Accept(HttpContext context)
    {
        if (context.Request.Method == "GET")
        {
            await context.Response.WriteAsync($$"""{"id":"42","type":1,"name":"Commander","channel_id":"7","token":"{{Secret}}"}""");
            return;
        }

        if (context.Request.Method == "POST" && context.Request.Query["wait"] != "true")
        {
            context.Response.StatusCode = 204;
            return;
        }

        await context.Response.WriteAsync($$"""{"id":"{{Id}}","type":0,"channel_id":"7","content":"","embeds":[]}""");
    }

    private protected override async Task<IEnumerable<string>> Wrong(Came came)
    {
        var wrong = (await Schema("discord-webhook.json", came.Text)).ToList();
        var embeds = came.Json["embeds"]!.AsArray();
        var sum = 0;
        foreach (var embed in embeds)
        {
            sum += ((string?)embed!["title"])?.Length ?? 0;
            sum += ((string?)embed["description"])?.Length ?? 0;
            sum += embed["fields"]?.AsArray().Sum(field => ((string)field!["name"]!).Length + ((string)field["value"]!).Length) ?? 0;
            if (embed["fields"]?.AsArray().Any(field => (string?)field!["name"] == "" || (string?)field["value"] == "") == true)
                wrong.Add("an empty field");
        }

        if (sum > 6000)
            wrong.Add($"{sum} characters in all embeds");
        if (came.Json["allowed_mentions"]?["parse"]?.AsArray().Count != 0)
            wrong.Add("somebody may be mentioned");
        return wrong;
    }

    [Fact]
    public async Task An_alert_is_an_embed_and_its_message_is_known_again()
    {
        (await Tell(SampleAlerts.Rollback())).ShouldBe(new Delivery(Told.Done, Id));
        (Server.Last.Method, Server.Last.Target).ShouldBe(("POST", Path + "?wait=true"));
        var embed = Server.Last.Json["embeds"]![0]!;
        ((string?)embed["title"]).ShouldBe(@"Rolling back\: checkout 1.42.0 in prod");
        ((string?)embed["url"]).ShouldBe(SampleAlerts.Deployment.Url);
        ((int?)embed["color"]).ShouldBe(0xD13438);
        ((string?)embed["fields"]![0]!["name"]).ShouldBe("errors");
        ((string?)embed["fields"]![0]!["value"]).ShouldNotBeNull().ShouldContain("25.3 %");
    }

    [Fact]
    public async Task Later_news_of_the_same_deployment_edits_the_message()
    {
        (await Tell(SampleAlerts.Worded(SampleAlerts.Of(Occasions.Progress, SampleAlerts.RolledBack(true), Id)))).ShouldBe(new Delivery(Told.Done, Id));
        (Server.Last.Method, Server.Last.Target).ShouldBe(("PATCH", $"{Path}/messages/{Id}"));
        ((string?)Server.Last.Json["embeds"]![0]!["title"]).ShouldBe(@"Rolled back\: checkout 1.42.0 in prod");
        await AllHold();
    }

    [Fact]
    public async Task A_thread_of_the_address_is_kept_in_posts_and_edits()
    {
        var to = Entry(Server.Url);
        Server.Secrets[SecretReference] += "?thread_id=99";
        await Tell(SampleAlerts.Rollback(), to);
        Server.Last.Target.ShouldBe(Path + "?thread_id=99&wait=true");
        await Tell(SampleAlerts.Rollback(Id), to);
        Server.Last.Target.ShouldBe($"{Path}/messages/{Id}?thread_id=99");
    }

    [Fact]
    public async Task A_message_that_somebody_deleted_is_said_anew()
    {
        Answer(async context =>
        {
            if (context.Request.Method == "PATCH")
            {
                context.Response.StatusCode = 404;
                await context.Response.WriteAsync("""{"message":"Unknown Message","code":10008}""");
                return;
            }

            await Accept(context);
        });
        (await Tell(SampleAlerts.Rollback("1300000000000000000"))).ShouldBe(new Delivery(Told.Done, Id));
        Server.Requests.Select(came => came.Method).ShouldBe(["PATCH", "POST"]);
    }

    [Fact]
    public async Task A_webhook_that_is_gone_is_not_taken_for_a_message_that_is()
    {
        Answer(404, """{"message":"Unknown Webhook","code":10015}""");
        (await Tell(SampleAlerts.Rollback("1300000000000000000"))).State.ShouldBe(Told.Later);
        Server.Requests.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_reference_that_is_no_message_of_theirs_becomes_no_part_of_an_address()
    {
        await Tell(SampleAlerts.Rollback("../../../42"));
        (Server.Last.Method, Server.Last.Target).ShouldBe(("POST", Path + "?wait=true"));
    }

    [Fact]
    public async Task The_wait_that_the_body_names_is_the_finer_one()
    {
        Answer(429, """{"message":"You are being rate limited.","retry_after":1.337,"global":false}""", ("Retry-After", "2"));
        var delivery = await Tell(SampleAlerts.Rollback());
        delivery.State.ShouldBe(Told.Later);
        delivery.RetryAfter.ShouldBe(TimeSpan.FromSeconds(1.337));
    }

    [Fact]
    public async Task Nobody_is_mentioned_and_nothing_is_a_link_whatever_a_text_says()
    {
        await Tell(SampleAlerts.Saying("@everyone <@42> [free](https://evil.example) ||hidden||"));
        ((string?)Server.Last.Json["embeds"]![0]!["description"]).ShouldBe(@"\@everyone \<\@42\> \[free\]\(https\://evil.example\) \|\|hidden\|\|");
        await AllHold();
    }

    [Theory]
    [InlineData(2)]
    [InlineData(30)]
    [InlineData(80)]
    public async Task A_group_is_one_message_that_names_every_deployment(int count)
    {
        Server.Channel(Entry(Server.Url)).Most.ShouldBeGreaterThanOrEqualTo(count);
        var delivery = await Tell(SampleAlerts.Many(count));
        delivery.ShouldBe(Delivery.Done);
        Server.Requests.Count.ShouldBe(1);
        var said = string.Join('\n', Server.Last.Json["embeds"]!.AsArray().Select(embed => (string?)embed!["description"]));
        Enumerable.Range(0, count).ShouldAllBe(n => said.Contains($"{SampleAlerts.Service(n)} 1.42.0 in prod", StringComparison.Ordinal));
        said.Contains("](http://commander.example/d/dep-1)", StringComparison.Ordinal).ShouldBe(count <= 30, "with links where they have room");
        await AllHold();
    }

    [Fact]
    public async Task Two_hundred_deployments_of_the_longest_names_are_all_named_in_as_many_messages_as_it_takes()
    {
        var alerts = Enumerable.Range(0, 200).Select(n => SampleAlerts.Worded(SampleAlerts.Of(Occasions.Rollback, SampleAlerts.Judged with { Service = $"{n:000}-{new string('_', 124)}", Version = new string('v', 128) }))).ToList();
        foreach (var group in alerts.Chunk(Server.Channel(Entry(Server.Url)).Most))
            (await Tell(group)).State.ShouldBe(Told.Done);
        Server.Requests.Count.ShouldBe(3);
        var said = string.Concat(Server.Requests.Select(came => came.Text));
        Enumerable.Range(0, 200).ShouldAllBe(n => said.Contains($"{n:000}-", StringComparison.Ordinal));
        await AllHold();
    }
}
