using Commander.Judging.Policies;
using Commander.Server.Alerting;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Alerting;

public sealed class TeamsChannelTests : ChannelCompliance
{
    private string _url = "";

    private protected override AlertPolicy Entry(string url)
    {
        // Its signature is what lets anybody post.
        _url = $"{url}/workflows/{Secret}/triggers/manual/paths/invoke?api-version=1&sig={Secret}";
        if (Server.Secrets[SecretReference] is not null)
            Server.Secrets[SecretReference] = _url;
        return new AlertPolicy("teams", SecretReference, ["rollback"]);
    }

    private protected override Task Accept(HttpContext context)
    {
        context.Response.StatusCode = 202;
        return Task.CompletedTask;
    }

    private protected override async Task<IEnumerable<string>> Wrong(Came came)
    {
        var wrong = new List<string>();
        if (came.Bytes.Length > 28 * 1024)
            wrong.Add($"{came.Bytes.Length} bytes, more than 28 KB");
        var body = came.Json;
        if ((string?)body["type"] != "message" || body["attachments"]!.AsArray().Count != 1 || (string?)body["attachments"]![0]!["contentType"] != "application/vnd.microsoft.card.adaptive")
            wrong.Add("no message with one card");
        wrong.AddRange(await Schema("adaptive-card.json", body["attachments"]![0]!["content"]!.ToJsonString()));
        return wrong;
    }

    [Fact]
    public async Task A_card_says_what_happened_what_was_measured_and_where_to_read_on()
    {
        (await Tell(SampleAlerts.Rollback())).Reference.ShouldBeNull();
        Server.Last.Target.ShouldEndWith($"?api-version=1&sig={Secret}");
        var card = Server.Last.Json["attachments"]![0]!["content"]!;
        ((string?)card["body"]![0]!["inlines"]![0]!["text"]).ShouldBe("Rolling back: checkout 1.42.0 in prod");
        ((string?)card["body"]![0]!["inlines"]![0]!["color"]).ShouldBe("attention");
        var facts = card["body"]!.AsArray().Single(element => (string?)element!["type"] == "FactSet")!["facts"]!.AsArray();
        facts.Select(fact => (string?)fact!["title"]).ShouldBe(["errors", "Confidence"]);
        ((string?)card["actions"]![0]!["url"]).ShouldBe(SampleAlerts.Deployment.Url);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(40)]
    [InlineData(200)]
    public async Task A_group_is_one_card_that_names_every_deployment(int count)
    {
        Server.Channel(Entry(Server.Url)).Most.ShouldBeGreaterThanOrEqualTo(count);
        (await Tell(SampleAlerts.Many(count))).State.ShouldBe(Told.Done);
        Server.Requests.Count.ShouldBe(1);
        var text = Server.Last.Text;
        Enumerable.Range(0, count).ShouldAllBe(n => text.Contains($"{SampleAlerts.Service(n)} 1.42.0 in prod", StringComparison.Ordinal));
        text.ShouldContain($"{count} alerts: ");
        (text.Contains("/d/dep-1\"", StringComparison.Ordinal)).ShouldBe(count <= 40, "few are linked each");
        await AllHold();
    }

    [Fact]
    public async Task A_group_of_the_longest_names_still_fits_and_forgets_nobody()
    {
        var alerts = Enumerable.Range(0, 200).Select(n => SampleAlerts.Worded(SampleAlerts.Of(Occasions.Rollback, SampleAlerts.Judged with
        {
            Service = $"{n:000}-{new string('s', 124)}",
            Version = new string('v', 128),
            Environment = new string('e', 128),
        }))).ToList();
        (await Tell(alerts)).State.ShouldBe(Told.Done);
        Enumerable.Range(0, 200).ShouldAllBe(n => Server.Last.Text.Contains($"{n:000}-s", StringComparison.Ordinal));
        await AllHold();
    }

    [Fact]
    public async Task Markup_in_facts_is_escaped_and_elsewhere_stands_where_it_means_nothing()
    {
        await Tell(SampleAlerts.Saying("[free](https://evil.example) **now** <at>Ada</at>"));
        var card = Server.Last.Json["attachments"]![0]!["content"]!;
        card["body"]!.AsArray().ShouldNotContain(element => (string?)element!["type"] == "TextBlock", "only text blocks and facts know markup");
        ((string?)card["body"]!.AsArray().Single(element => (string?)element!["type"] == "FactSet")!["facts"]![1]!["value"])
            .ShouldBe(@"\[free\]\(https://evil.example\) \*\*now\*\* \<at\>Ada\</at\>");
        card["msteams"].ShouldBeNull("without entities nobody is mentioned");
    }
}
