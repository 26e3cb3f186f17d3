using System.Text.Json;
using Commander.Judging;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Access;
using Commander.Server.Alerting;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Alerting;

public sealed class WebhookChannelTests : ChannelCompliance
{
    private protected override AlertPolicy Entry(string url) => new("webhook", url + "/hook", ["rollback"])
    {
        Settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["secret"] = SecretReference },
    };

    private protected override Task Accept(HttpContext context)
    {
        context.Response.StatusCode = 204;
        return Task.CompletedTask;
    }

    private protected override async Task<IEnumerable<string>> Wrong(Came came)
    {
        var wrong = (await Schema("cloudevents.json", came.Text)).ToList();
        if (came.Headers.ContentType != "application/cloudevents+json; charset=utf-8")
            wrong.Add("content type " + came.Headers.ContentType);
        if ((string?)came.Json["specversion"] != "1.0")
            wrong.Add("specversion");
        // Names of attributes are lower-case letters and digits, whatever the schema lets pass.
        wrong.AddRange(came.Json.AsObject().Select(member => member.Key).Where(name => !name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c))));
        return wrong;
    }

    [Fact]
    public async Task An_event_is_the_alert_and_the_deployment_as_the_API_gives_it()
    {
        (await Tell(SampleAlerts.Rollback())).ShouldBe(Delivery.Done);
        var came = Server.Last;
        came.Target.ShouldBe("/hook");
        came.Headers["Idempotency-Key"].ToString().ShouldBe(SampleAlerts.Deployment.Id + "/alert/1");
        ((string?)came.Json["id"]).ShouldBe(SampleAlerts.Deployment.Id + "/alert/1");
        ((string?)came.Json["source"]).ShouldBe("http://commander.example");
        ((string?)came.Json["type"]).ShouldBe("io.commander.deployment.rollback");
        ((string?)came.Json["subject"]).ShouldBe(SampleAlerts.Deployment.Id);
        ((string?)came.Json["time"]).ShouldBe("2026-11-23T10:31:00.000Z");
        ((string?)came.Json["data"]!["alert"]!["severity"]).ShouldBe("critical");
        came.Json["data"]!["deployment"]!.ToJsonString().ShouldBe(JsonSerializer.SerializeToNode(SampleAlerts.Judged, Json.Tolerant)!.ToJsonString());
        JsonSerializer.Deserialize<Deployment>(came.Json["data"]!["deployment"], Json.Tolerant)!.Version.ShouldBe("1.42.0");
    }

    [Fact]
    public async Task It_is_signed_as_Commander_itself_asks_of_others()
    {
        await Tell(SampleAlerts.Rollback());
        var came = Server.Last;
        var (timestamp, signature) = (came.Headers["Commander-Timestamp"].ToString(), came.Headers["Commander-Signature"].ToString());
        new SignedRequests([System.Text.Encoding.UTF8.GetBytes(Secret)], Server.Clock).Refusal(timestamp, signature, came.Bytes).ShouldBeNull();
        new SignedRequests(["another secret of ours"u8.ToArray()], Server.Clock).Refusal(timestamp, signature, came.Bytes).ShouldNotBeNull();
    }

    [Fact]
    public async Task Without_a_secret_in_the_entry_it_is_not_signed()
    {
        await Tell(SampleAlerts.Rollback(), new AlertPolicy("webhook", Server.Url + "/hook", ["rollback"]));
        Server.Last.Headers.ShouldNotContainKey("Commander-Signature");
    }

    [Theory]
    [InlineData(false, "io.commander.check.failed")]
    [InlineData(true, "io.commander.check.ok")]
    public async Task News_of_the_server_is_an_event_of_the_check(bool ok, string type)
    {
        (await Tell(SampleAlerts.Worded(SampleAlerts.News(ok)))).State.ShouldBe(Told.Done);
        ((string?)Server.Last.Json["type"]).ShouldBe(type);
        ((string?)Server.Last.Json["subject"]).ShouldBe("source prom");
        ((bool?)Server.Last.Json["data"]!["check"]!["ok"]).ShouldBe(ok);
        Server.Last.Json["data"]!["deployment"].ShouldBeNull();
        await AllHold();
    }

    [Fact]
    public async Task A_check_whose_name_cannot_stand_in_a_header_is_told_all_the_same()
    {
        (await Tell(SampleAlerts.Worded(SampleAlerts.News(false, "Prüfung\r\nX-Evil: 1")))).State.ShouldBe(Told.Done);
        Server.Last.Headers["Idempotency-Key"].ToString().ShouldBe("check%2FPr%C3%BCfung%0D%0AX-Evil%3A%201%2Falert%2F1");
        Server.Last.Headers.ShouldNotContainKey("X-Evil");
        await AllHold();
    }

    [Theory]
    [InlineData(200, Told.Done)]
    [InlineData(202, Told.Done)]
    [InlineData(410, Told.Refused)]
    [InlineData(404, Told.Later)]
    [InlineData(409, Told.Later)]
    internal async Task A_status_says_whether_it_is_tried_again(int status, Told state)
    {
        Answer(status);
        (await Tell(SampleAlerts.Rollback())).State.ShouldBe(state);
    }
}
