using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Alerting;
using Commander.Server.Alerting.PagerDuty;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Alerting;

public sealed class PagerDutyChannelTests : ChannelCompliance
{
    private static readonly string[] Members = ["payload", "routing_key", "event_action", "dedup_key", "client", "client_url", "links", "images"];
    private static readonly string[] PayloadMembers = ["summary", "timestamp", "severity", "source", "component", "group", "class", "custom_details"];

    private protected override AlertPolicy Entry(string url) => new("pagerduty", SecretReference, ["rollback"])
    {
        Settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["url"] = url },
    };

    private protected override async Task Accept(HttpContext context)
    {
        context.Response.StatusCode = 202;
        await context.Response.WriteAsync("""{"status":"success","message":"Event processed","dedup_key":"theirs"}""");
    }

    // As documented; the published schema has no licence under which it could lie here.
    private protected override Task<IEnumerable<string>> Wrong(Came came)
    {
        var wrong = new List<string>();
        var body = came.Json.AsObject();
        var change = came.Target == "/v2/change/enqueue";
        if (!change && came.Target != "/v2/enqueue")
            wrong.Add("posted to " + came.Target);
        if (came.Bytes.Length > 512_000)
            wrong.Add("more than 512 KB");
        wrong.AddRange(body.Select(member => member.Key).Except(Members));
        if ((string?)body["routing_key"] != Secret)
            wrong.Add("routing_key");
        var action = (string?)body["event_action"];
        if (!change && action is not ("trigger" or "resolve"))
            wrong.Add("event_action");
        if (!change && body["dedup_key"] is not { } dedup || change && body["dedup_key"] is not null || ((string?)body["dedup_key"])?.Length is 0 or > 255)
            wrong.Add("dedup_key");
        foreach (var link in body["links"]?.AsArray() ?? [])
        {
            if (!Uri.TryCreate((string?)link!["href"], UriKind.Absolute, out _))
                wrong.Add("href");
        }

        if (action == "resolve")
            return Task.FromResult(wrong.AsEnumerable());
        var payload = body["payload"]!.AsObject();
        wrong.AddRange(payload.Select(member => member.Key).Except(change ? ["summary", "timestamp", "source", "custom_details"] : PayloadMembers));
        if ((string?)payload["summary"] is not { Length: > 0 and <= 1024 })
            wrong.Add("summary");
        if (string.IsNullOrEmpty((string?)payload["source"]))
            wrong.Add("source");
        if (!change && (string?)payload["severity"] is not ("critical" or "error" or "warning" or "info"))
            wrong.Add("severity");
        if (!DateTimeOffset.TryParse((string?)payload["timestamp"], out _))
            wrong.Add("timestamp");
        return Task.FromResult(wrong.AsEnumerable());
    }

    [Fact]
    public void An_incident_ends_when_what_it_was_and_that_it_is_rolled_back_are_one_news()
    {
        var done = SampleAlerts.RolledBack(recovered: true) with { Outcome = new Outcome("BAD", "recovered-after-rollback", SampleAlerts.Now) };
        PagerDutyChannel.ActionOf(SampleAlerts.Of(Occasions.Outcome, done, "commander/" + done.Id)).ShouldBe("resolve");
        var not = SampleAlerts.RolledBack(recovered: null) with { Outcome = done.Outcome };
        PagerDutyChannel.ActionOf(SampleAlerts.Of(Occasions.Outcome, not, "commander/" + done.Id)).ShouldBeNull();
    }

    [Fact]
    public async Task A_rollback_opens_an_incident_that_says_what_was_measured()
    {
        var delivery = await Tell(SampleAlerts.Rollback());
        delivery.ShouldBe(new Delivery(Told.Done, "commander/" + SampleAlerts.Deployment.Id));
        var body = Server.Last.Json;
        ((string?)body["event_action"]).ShouldBe("trigger");
        ((string?)body["dedup_key"]).ShouldBe("commander/" + SampleAlerts.Deployment.Id);
        ((string?)body["client_url"]).ShouldBe(SampleAlerts.Deployment.Url);
        var payload = body["payload"]!;
        ((string?)payload["severity"]).ShouldBe("critical");
        ((string?)payload["component"]).ShouldBe("checkout");
        ((string?)payload["group"]).ShouldBe("prod");
        ((string?)payload["class"]).ShouldBe("rollback");
        ((string?)payload["timestamp"]).ShouldBe("2026-11-23T10:31:00.000Z");
        ((string?)payload["custom_details"]!["findings"]![0]!["metric"]).ShouldBe("errors");
        ((string?)payload["custom_details"]!["findings"]![0]!["says"]).ShouldNotBeNull().ShouldContain("25.3 %");
        ((string?)payload["custom_details"]!["confidence"]).ShouldBe("98 %");
    }

    public static TheoryData<string, string, string?, string?> Occasioned => new()
    {
        { Occasions.Rollback, nameof(SampleAlerts.Judged), null, "trigger" },
        { Occasions.Hold, nameof(SampleAlerts.Waiting), null, "trigger" },
        { Occasions.Hold, nameof(SampleAlerts.OnHold), null, "trigger" },
        { Occasions.Failed, nameof(SampleAlerts.Judged), "commander/x", "trigger" },
        { Occasions.Progress, "recovered", "commander/x", "resolve" },
        { Occasions.Progress, "not recovered", "commander/x", null },
        { Occasions.Progress, "nobody knows", "commander/x", null },
        { Occasions.Progress, nameof(SampleAlerts.Kept), "commander/x", "resolve" },
        { Occasions.Progress, nameof(SampleAlerts.Waiting), "commander/x", null },
        { Occasions.Continue, nameof(SampleAlerts.Carrying), "commander/x", "resolve" },
        { Occasions.Continue, nameof(SampleAlerts.Carrying), null, "change" },
        { Occasions.Outcome, "GOOD", "commander/x", "resolve" },
        { Occasions.Outcome, "GOOD", null, null },
        { Occasions.Outcome, "BAD", "commander/x", null },
    };

    [Theory]
    [MemberData(nameof(Occasioned))]
    public async Task Each_occasion_opens_resolves_or_leaves_an_incident(string occasion, string which, string? reference, string? action)
    {
        var deployment = which switch
        {
            nameof(SampleAlerts.Judged) => SampleAlerts.Judged,
            nameof(SampleAlerts.Waiting) => SampleAlerts.Waiting,
            nameof(SampleAlerts.OnHold) => SampleAlerts.OnHold,
            nameof(SampleAlerts.Kept) => SampleAlerts.Kept,
            nameof(SampleAlerts.Carrying) => SampleAlerts.Carrying,
            "recovered" => SampleAlerts.RolledBack(true),
            "not recovered" => SampleAlerts.RolledBack(false),
            "nobody knows" => SampleAlerts.RolledBack(null),
            var label => SampleAlerts.Carrying with { Outcome = new Outcome(label, "person", SampleAlerts.Now) },
        };
        var delivery = await Tell(SampleAlerts.Worded(SampleAlerts.Of(occasion, deployment, reference)));
        delivery.State.ShouldBe(Told.Done);
        if (action is null)
        {
            Server.Requests.ShouldBeEmpty();
            delivery.Reference.ShouldBe(reference);
            return;
        }

        Server.Requests.Count.ShouldBe(1);
        if (action == "change")
        {
            Server.Last.Target.ShouldBe("/v2/change/enqueue");
            delivery.Reference.ShouldBeNull("nothing was opened that could be resolved");
        }
        else
        {
            ((string?)Server.Last.Json["event_action"]).ShouldBe(action);
            ((string?)Server.Last.Json["dedup_key"]).ShouldBe(reference ?? "commander/" + deployment.Id);
        }

        await AllHold();
    }

    [Theory]
    [InlineData(false, "trigger")]
    [InlineData(true, "resolve")]
    public async Task A_check_that_failed_is_resolved_by_the_same_key_when_it_holds_again(bool ok, string action)
    {
        (await Tell(SampleAlerts.Worded(SampleAlerts.News(ok)))).Reference.ShouldBe("commander/check/source prom");
        ((string?)Server.Last.Json["event_action"]).ShouldBe(action);
        await AllHold();
    }

    [Fact]
    public async Task A_test_opens_an_incident_and_resolves_it_at_once()
    {
        (await Tell(SampleAlerts.Worded(SampleAlerts.News(false, SystemNews.Test)))).State.ShouldBe(Told.Done);
        Server.Requests.Select(came => (string?)came.Json["event_action"]).ShouldBe(["trigger", "resolve"]);
        Server.Requests.Select(came => (string?)came.Json["dedup_key"]).Distinct().Count().ShouldBe(1);
        await AllHold();
    }

    [Fact]
    public async Task A_key_is_never_longer_than_PagerDuty_takes_and_two_checks_have_two()
    {
        var one = (await Tell(SampleAlerts.Worded(SampleAlerts.News(false, new string('c', 400) + "1")))).Reference.ShouldNotBeNull();
        var other = (await Tell(SampleAlerts.Worded(SampleAlerts.News(false, new string('c', 400) + "2")))).Reference.ShouldNotBeNull();
        one.ShouldNotBe(other);
        await AllHold();
    }

    [Fact]
    public async Task A_key_of_another_length_is_noticed_before_the_first_incident()
    {
        Server.Secrets[SecretReference] = "0123456789";
        (await Server.Channel(Entry(Server.Url)).Check(Cancel)).ShouldNotBeNull().ShouldContain("10 characters");
    }
}
