using Commander.Judging.Policies;
using Commander.Server.Alerting;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Alerting;

public sealed class GrafanaChannelTests : ChannelCompliance
{
    private static readonly string[] Members = ["dashboardUID", "panelId", "time", "timeEnd", "tags", "text"];

    private protected override AlertPolicy Entry(string url) => Entry(url, null);

    private static AlertPolicy Entry(string url, string? dashboard) => new("grafana", url + "/grafana/", ["rollback"])
    {
        Settings = new Dictionary<string, string?>(StringComparer.Ordinal) { ["token"] = SecretReference, ["dashboard"] = dashboard }
            .Where(setting => setting.Value is not null).ToDictionary(setting => setting.Key, setting => setting.Value!, StringComparer.Ordinal),
    };

    private protected override async Task Accept(HttpContext context) => await context.Response.WriteAsync(context.Request.Method switch
    {
        "POST" => """{"message":"Annotation added","id":7}""",
        "PATCH" => """{"message":"Annotation patched"}""",
        _ => """{"database":"ok","version":"12.4.0"}""",
    });

    // As documented.
    private protected override Task<IEnumerable<string>> Wrong(Came came)
    {
        var wrong = new List<string>();
        var body = came.Json.AsObject();
        wrong.AddRange(body.Select(member => member.Key).Except(came.Method == "PATCH" ? ["time", "timeEnd", "tags", "text"] : Members));
        if (came.Method == "POST" && string.IsNullOrEmpty((string?)body["text"]))
            wrong.Add("text");
        if (body["time"] is { } time && (long?)body["timeEnd"] < (long?)time)
            wrong.Add("it ends before it begins");
        if (body["tags"]!.ToJsonString().Length > 500)
            wrong.Add("more tags than Grafana takes");
        if (((string?)body["text"])?.Length > 65_535)
            wrong.Add("more text than its databases hold");
        if (came.Headers.Authorization != "Bearer " + Secret)
            wrong.Add("token");
        return Task.FromResult(wrong.AsEnumerable());
    }

    [Fact]
    public async Task A_verdict_is_a_region_from_the_rollout_to_the_verdict()
    {
        (await Tell(SampleAlerts.Rollback())).ShouldBe(new Delivery(Told.Done, "7"));
        (Server.Last.Method, Server.Last.Target).ShouldBe(("POST", "/grafana/api/annotations"));
        var body = Server.Last.Json;
        ((long?)body["time"]).ShouldBe(SampleAlerts.Judged.StartedAt.ToUnixTimeMilliseconds());
        ((long?)body["timeEnd"]).ShouldBe(SampleAlerts.Judged.Verdicts.Last(verdict => verdict.Decision == "ROLLBACK").At.ToUnixTimeMilliseconds());
        body["tags"]!.AsArray().Select(tag => (string?)tag).ShouldBe(["deployment", "service:checkout", "env:prod", "version:1.42.0", "verdict:ROLLBACK"]);
        ((string?)body["text"]).ShouldNotBeNull().ShouldContain($"<a href=\"{SampleAlerts.Deployment.Url}\">");
        body["dashboardUID"].ShouldBeNull();
    }

    [Fact]
    public async Task A_dashboard_that_the_policy_names_is_written_on()
    {
        await Tell(SampleAlerts.Rollback(), Entry(Server.Url, "abc123"));
        ((string?)Server.Last.Json["dashboardUID"]).ShouldBe("abc123");
    }

    [Fact]
    public async Task Later_news_of_the_same_deployment_changes_the_annotation()
    {
        (await Tell(SampleAlerts.Worded(SampleAlerts.Of(Occasions.Outcome, SampleAlerts.Deployment, "7")), Entry(Server.Url, "abc123"))).ShouldBe(new Delivery(Told.Done, "7"));
        (Server.Last.Method, Server.Last.Target).ShouldBe(("PATCH", "/grafana/api/annotations/7"));
        Server.Last.Json["tags"]!.AsArray().Select(tag => (string?)tag).ShouldContain("outcome:BAD");
        await AllHold();
    }

    [Fact]
    public async Task An_annotation_that_somebody_deleted_is_written_anew()
    {
        Answer(async context =>
        {
            if (context.Request.Method == "PATCH")
                context.Response.StatusCode = 404;
            await Accept(context);
        });
        (await Tell(SampleAlerts.Rollback("3"))).ShouldBe(new Delivery(Told.Done, "7"));
        Server.Requests.Select(came => came.Method).ShouldBe(["PATCH", "POST"]);
    }

    [Fact]
    public async Task A_check_that_holds_again_ends_the_region_that_began_when_it_failed()
    {
        await Tell(SampleAlerts.Worded(SampleAlerts.News(false)));
        ((long?)Server.Last.Json["time"]).ShouldBe(SampleAlerts.Now.ToUnixTimeMilliseconds());
        await Tell(SampleAlerts.Worded(SampleAlerts.News(true, reference: "7")));
        (Server.Last.Method, Server.Last.Target).ShouldBe(("PATCH", "/grafana/api/annotations/7"));
        Server.Last.Json["time"].ShouldBeNull();
        ((long?)Server.Last.Json["timeEnd"]).ShouldBe(SampleAlerts.Now.ToUnixTimeMilliseconds());
        await AllHold();
    }

    [Fact]
    public async Task Tags_of_the_longest_names_stay_within_what_Grafana_takes()
    {
        var longest = new string('x', 128);
        await Tell(SampleAlerts.Worded(SampleAlerts.Of(Occasions.Outcome, SampleAlerts.Deployment with { Service = longest, Environment = longest, Version = longest })));
        await AllHold();
    }

    [Fact]
    public async Task What_others_wrote_is_text_and_no_markup()
    {
        await Tell(SampleAlerts.Saying("<img src=x onerror=alert(1)> & \"x\""));
        var text = ((string?)Server.Last.Json["text"]).ShouldNotBeNull();
        text.ShouldContain("&lt;img src=x onerror=alert(1)&gt; &amp; &quot;x&quot;");
        text.ShouldNotContain("<img");
    }

    [Theory]
    [InlineData(200, true)]
    [InlineData(403, true)]
    [InlineData(401, false)]
    public async Task A_check_looks_whether_the_token_is_one(int status, bool right)
    {
        Answer(async context =>
        {
            if (context.Request.Path.Value!.EndsWith("/api/org", StringComparison.Ordinal))
                context.Response.StatusCode = context.Request.Headers.Authorization == "Bearer " + Secret ? status : 500;
            await Accept(context);
        });
        var found = await Server.Channel(Entry(Server.Url)).Check(Cancel);
        (found is null).ShouldBe(right, found);
    }
}
