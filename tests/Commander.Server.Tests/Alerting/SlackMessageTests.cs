using System.Text.Json.Nodes;
using Commander.Charts;
using Commander.Server.Alerting;
using Commander.Server.Alerting.Slack;
using CsCheck;

namespace Commander.Server.Tests.Alerting;

/// <summary>Messages are within Slack's bounds whatever names and reasons say, and nobody is called by them.</summary>
public sealed class SlackMessageTests
{
    private static readonly Gen<string> Text = Gen.OneOf(
        Any(
            "", " ", "checkout", "<!channel>", "<!here|x>", "<@U012ABC> <#C012|general>", "<https://evil.example|click>", "</a>&lt;!channel&gt;&", "`x` ```y``` *b* _i_ ~s~", "@channel http://evil.example",
            "a|b>c", "\u202Egnp.exe\u2066", "\ud800", "x\ud83d", "line\nline\r\n\0\t", "\u0085\u2028", ":rotating_light:"),
        Gen.Char["<>&|`*_~@!#^ \n\0aZ0-é漢\ud800\udc00\u202e"].Array[0, 400].Select(signs => new string(signs)),
        Gen.Select(Any("<", "&", "`", "x", "漢", "😀", "<!channel>"), Gen.Int[1, 3000], (sign, times) => string.Concat(Enumerable.Repeat(sign, times))));

    private static Gen<string> Any(params string[] words) => Gen.Int[0, words.Length - 1].Select(at => words[at]);

    [Fact]
    public void Whatever_a_deployment_is_called_its_message_is_within_the_bounds_and_calls_nobody() =>
        Gen.Select(Gen.Select(Text, Text, Text, Text), Text, Gen.Int[0, 50], Any("queued", "watching", "acting", "observing", "closed"), Any("ROLLBACK", "CONTINUE", "HOLD"), Gen.Bool, Any("", "done", "failed", "running"))
            .Sample((names, reason, findings, state, decision, buttons, rollback) =>
            {
                var (service, version, environment, previous) = names;
                var deployment = SlackAlerts.Deployment(state, decision, service, version, environment, previous, reason: reason, findings: findings, actions: rollback.Length > 0 ? [SlackAlerts.RolledBack(rollback) with { Message = reason, Target = reason, ServingVersion = previous }] : []);
                var one = SlackAlerts.Of(Occasions.Rollback, deployment);
                // What a channel is given is cut already; it does not rely on it.
                var uncut = one with { Text = new AlertText(reason, reason, [.. Enumerable.Range(0, findings).Select(_ => new AlertFinding(service, reason, version))], version, reason, reason, [reason, reason, reason, reason], environment, Tone.Bad) };
                foreach (var worded in (Worded[])[one, uncut])
                {
                    SlackLimits.Broken(SlackMessage.Marked(SlackMessage.Of(worded, buttons), worded.Alert), changed: true).ShouldBeEmpty();
                    SlackLimits.Broken(SlackMessage.Marked(SlackMessage.Step(worded), worded.Alert)).ShouldBeEmpty();
                }
            }, iter: 400);

    [Fact]
    public void Whatever_a_group_is_called_it_is_one_message_within_the_bounds() =>
        Gen.Select(Gen.Select(Text, Text, Text).Array[1, 8], Gen.Int[2, SlackMessage.Most]).Sample((names, count) =>
        {
            var group = Enumerable.Range(0, count).Select(n => names[n % names.Length] is var (service, version, title) && n % 3 == 0
                ? SlackAlerts.News(service, n % 2 == 0, version) with { Text = SlackAlerts.Of(Occasions.Rollback).Text with { Title = $"{n}{title}: {service}", Url = version } }
                : SlackAlerts.Of(Occasions.Rollback, SlackAlerts.Deployment(service: service, version: version))).ToList();
            SlackLimits.Broken(SlackMessage.Marked(SlackMessage.Of(group), group)).ShouldBeEmpty();
        }, iter: 60);

    [Fact]
    public void The_bounds_notice_what_is_beyond_them()
    {
        Change(message => message["text"] = "").ShouldContain("text:");
        Change(message => message["text"] = "<!channel>").ShouldContain("<!channel>");
        Change(message => message["blocks"]![1]!["text"]!["text"] = new string('x', 3001)).ShouldContain("3001");
        Change(message => message["blocks"]![0]!["text"]!["text"] = new string('x', 151)).ShouldContain("151");
        Change(message => message["blocks"]![1]!["text"]!["text"] = "a <@U1> b").ShouldContain("<@U1>");
        Change(message => message["blocks"]![1]!["text"]!["verbatim"] = false).ShouldContain("verbatim");
        Change(message => message["blocks"]!.AsArray().Last()!["elements"]![0]!["confirm"]!["text"]!["text"] = new string('x', 301)).ShouldContain("301");
        Change(message => message["blocks"]!.AsArray().Last()!["elements"]![0]!["text"]!["text"] = new string('x', 76)).ShouldContain("76");

        static string Change(Action<JsonObject> change)
        {
            var message = SlackMessage.Of(SlackAlerts.Of(Occasions.Rollback, SlackAlerts.Deployment("watching")), buttons: true);
            SlackLimits.Broken(message).ShouldBeEmpty();
            change(message);
            return string.Join('\n', SlackLimits.Broken(message));
        }
    }

    [Fact]
    public void Two_hundred_deployments_are_named_in_one_message()
    {
        var group = Enumerable.Range(0, 200).Select(n => SlackAlerts.Of(n % 2 == 0 ? Occasions.Rollback : Occasions.Continue, SlackAlerts.Deployment(
            n % 2 == 0 ? "acting" : "observing", n % 2 == 0 ? "ROLLBACK" : "CONTINUE", $"service-{n}", $"4.{n}.0-rc.1", "production", url: $"https://commander.example.org/d/dep-01KB5T0Z8JQ4N2W7X9Y3RDSEFG{n}"))).ToList();
        var message = SlackMessage.Of(group);
        SlackLimits.Broken(message).ShouldBeEmpty();
        var said = string.Concat(message["blocks"]!.AsArray().Where(block => block!["type"]!.GetValue<string>() == "section").Select(block => block!["text"]!["text"]!.GetValue<string>() + "\n"));
        foreach (var one in group)
            said.ShouldContain($"• {one.Alert.Deployment!.Service} {one.Alert.Deployment.Version} in production\n");
        message["blocks"]![0]!["text"]!["text"]!.GetValue<string>().ShouldBe("200 alerts: Rolling back 100, Continue 100");
    }

    [Fact]
    public void A_few_deployments_are_named_with_what_leads_to_them()
    {
        var message = SlackMessage.Of([SlackAlerts.Of(Occasions.Rollback, SlackAlerts.Deployment(url: "http://127.0.0.1:5080/d/1?a=1&b=2")), SlackAlerts.News("source prom", false, "refused the connection")]);
        var said = message["blocks"]![1]!["text"]!["text"]!.GetValue<string>();
        said.ShouldContain("*Rolling back*\n• <http://127.0.0.1:5080/d/1?a=1&amp;b=2|checkout 1.42.0 in prod>");
        said.ShouldContain("*Check failed*\n• <http://127.0.0.1:5080/health|source prom>");
    }

    [Fact]
    public void A_message_says_what_is_known()
    {
        var message = SlackMessage.Of(SlackAlerts.Of(Occasions.Progress, SlackAlerts.Deployment("observing", actions: SlackAlerts.RolledBack())), buttons: true);
        var all = message.ToJsonString(Judging.Json.Tolerant);
        message["blocks"]![0]!["text"]!["text"]!.GetValue<string>().ShouldBe("Rolled back: checkout 1.42.0 in prod");
        all.ShouldContain("0.4 % -&gt; 25.3 %");
        all.ShouldContain("97 %");
        all.ShouldContain("1.41.0 serves again, 4 s after the order; the metrics have recovered");
        all.ShouldContain("The language model a model says ROLLBACK");
        all.ShouldContain("<!date^1795867221^{date_short_pretty} {time_secs}|2026-11-28 12:00:21 UTC>");
        message["text"]!.GetValue<string>().ShouldStartWith("Rolled back: checkout 1.42.0 in prod.");
    }

    [Theory]
    [InlineData("watching", "ROLLBACK", "", "commander_rollback commander_keep commander_right commander_wrong commander_open")]
    [InlineData("waiting_for_person", "HOLD", "", "commander_rollback commander_keep commander_open")]
    [InlineData("observing", "CONTINUE", "", "commander_rollback commander_keep commander_right commander_wrong commander_open")]
    [InlineData("observing", "ROLLBACK", "done", "commander_right commander_wrong commander_open")]
    [InlineData("verifying", "ROLLBACK", "running", "commander_right commander_wrong commander_open")]
    [InlineData("watching", "ROLLBACK", "failed", "commander_rollback commander_keep commander_right commander_wrong commander_open")]
    [InlineData("closed", "CONTINUE", "", "commander_right commander_wrong commander_open")]
    [InlineData("closed", "HOLD", "", "commander_open")]
    public void There_are_the_buttons_that_can_do_something(string state, string decision, string rollback, string expected)
    {
        var one = SlackAlerts.Of(Occasions.Rollback, SlackAlerts.Deployment(state, decision, actions: rollback.Length > 0 ? [SlackAlerts.RolledBack(rollback)] : []));
        Buttons(SlackMessage.Of(one, buttons: true)).ShouldBe(expected);
        Buttons(SlackMessage.Of(one, buttons: false)).ShouldBe("commander_open");

        static string Buttons(JsonObject message) => string.Join(' ', message["blocks"]!.AsArray().Last()!["elements"]!.AsArray().Select(button => button!["action_id"]!.GetValue<string>()));
    }

    [Fact]
    public void Whoever_rolls_back_is_asked_with_the_versions()
    {
        var message = SlackMessage.Of(SlackAlerts.Of(Occasions.Hold, SlackAlerts.Deployment("waiting_for_person", "HOLD")), buttons: true);
        var button = message["blocks"]!.AsArray().Last()!["elements"]![0]!;
        button["style"]!.GetValue<string>().ShouldBe("danger");
        button["value"]!.GetValue<string>().ShouldBe(SlackAlerts.Id);
        button["confirm"]!["text"]!["text"]!.GetValue<string>().ShouldBe("checkout in prod: from 1.42.0 back to 1.41.0.");
    }
}
