using Commander.Judging.Policies;

namespace Commander.Judging.Tests.Policies;

/// <summary>What a policy may say of who is told.</summary>
public class AlertPolicyTests
{
    private static IReadOnlyList<AlertPolicy> Read(string alert)
    {
        var result = PolicyReader.Read($"services: {{ s: {{ alert: [ {alert} ] }} }}", "p.yaml");
        result.Errors.ShouldBeEmpty();
        return result.Policies!.For("s", "prod").Alert;
    }

    private static string Refusal(string alert) =>
        PolicyReader.Read($"services: {{ s: {{ alert: [ {alert} ] }} }}", "p.yaml").Errors.ShouldHaveSingleItem().ToString();

    /// <summary>Entries that are valid, each channel with all it may have.</summary>
    public static TheoryData<string> Valid =>
    [
        "{ slack: '#deploys' }",
        "{ slack: '${COMMANDER_SECRET_HOOK}', on: [rollback, hold, continue, outcome, failed] }",
        "{ slack: '#deploys', token: '${COMMANDER_SECRET_SLACK}', severity: warning, template: '{{ deployment.service }}', quiet: { from: '22:00', to: '07:00', zone: Europe/Berlin } }",
        "{ pagerduty: 'file:pagerduty', url: 'https://events.eu.pagerduty.com', severity: critical }",
        "{ teams: 'file:teams' }",
        "{ teams: '${COMMANDER_SECRET_TEAMS}' }",
        "{ discord: '${COMMANDER_SECRET_DISCORD}', severity: info }",
        "{ email: oncall@example.com }",
        "{ email: 'a@example.com, b.c+d@mail.example.com' }",
        "{ email: '${COMMANDER_SECRET_ONCALL}' }",
        "{ webhook: 'https://example.com/hook', secret: '${COMMANDER_SECRET_HOOK}' }",
        "{ github: acme/checkout, token: '${COMMANDER_SECRET_GITHUB}', url: 'https://github.example.com/api/v3' }",
        "{ github: announced, token: 'file:github' }",
        "{ grafana: 'https://grafana.example.com', token: '${COMMANDER_SECRET_GRAFANA}', dashboard: abc123 }",
        "{ slack: '#deploys', quiet: { from: '00:00', to: '23:59' } }",
    ];

    [Theory]
    [MemberData(nameof(Valid))]
    public void An_entry_is_read_with_all_that_its_channel_may_have(string alert) => Read(alert).ShouldHaveSingleItem();

    [Fact]
    public void News_of_the_server_are_heard_in_the_defaults_alone_and_everything_else_says_so()
    {
        const string ops = "defaults: { alert: [ { slack: '#ops', on: [system] } ] }\n";
        var inherited = PolicyReader.Read(ops + "services: { s: { metrics: { errors: { kind: ratio, objective: 1% } }, environments: { staging: { compare: before } } } }", "p.yaml");
        inherited.Errors.ShouldBeEmpty();
        inherited.Policies!.For("s", "staging").Alert.ShouldHaveSingleItem().On.ShouldBe(["system"]);
        Refusal("{ slack: '#ops', on: [rollback, system] }").ShouldBe("p.yaml:1:59 services.s.alert[0].on[1]: is news of the server itself, which is of no service and environment; write it in an entry of defaults.alert");
        PolicyReader.Read("defaults: { alert: [ { github: acme/checkout, token: 'file:github', on: [system] } ] }", "p.yaml").Errors.ShouldHaveSingleItem().ToString().ShouldContain("GitHub has no place");
        Refusal("{ slack: '#ops', on: [] }").ShouldContain("is empty: the entry would hear of nothing");
    }

    [Fact]
    public void All_keys_of_an_entry_are_read_and_survive_being_stored()
    {
        var entry = Read("{ github: acme/checkout, token: '${COMMANDER_SECRET_GITHUB}', on: [failed, outcome], severity: warning, template: 'x', quiet: { from: '22:30', to: '07:00', zone: Europe/Berlin } }").ShouldHaveSingleItem();
        (entry.Channel, entry.To, entry.Severity, entry.Template).ShouldBe(("github", "acme/checkout", "warning", "x"));
        entry.On.ShouldBe(["failed", "outcome"]);
        entry.Quiet.ShouldBe(new QuietHours(new TimeOnly(22, 30), new TimeOnly(7, 0), "Europe/Berlin"));
        entry.Settings.ShouldBe(new Dictionary<string, string> { ["token"] = "${COMMANDER_SECRET_GITHUB}" });
        var policy = PolicyReader.Read("services: { s: { alert: [ { slack: '#a', quiet: { from: '22:30', to: '07:00' }, severity: info, template: t } ] } }", "p.yaml").Policies!.For("s", "prod");
        var stored = PolicyHash.Read(PolicyHash.Body(policy));
        stored.Alert[0].Quiet.ShouldBe(policy.Alert[0].Quiet);
        stored.Alert[0].Template.ShouldBe("t");
        PolicyHash.Of(stored).ShouldBe(PolicyHash.Of(policy));
    }

    [Fact]
    public void An_entry_without_them_is_stored_as_it_always_was()
    {
        var entry = Read("{ slack: '#deploys' }").ShouldHaveSingleItem();
        (entry.Severity, entry.Template, entry.Quiet, entry.Settings).ShouldBe((null, null, null, null));
        entry.On.ShouldBe(["rollback", "hold"]);
        var text = System.Text.Encoding.UTF8.GetString(PolicyHash.Body(PolicyReader.Read("services: { s: { alert: [ { slack: '#deploys' } ] } }", "p.yaml").Policies!.For("s", "prod")));
        foreach (var key in (string[])["severity", "template", "quiet", "settings"])
            text.ShouldNotContain(key);
    }

    [Theory]
    [InlineData("{ slack: '#a', severity: urgent }", "alert[0].severity", "info, warning, critical")]
    [InlineData("{ slack: '#a', on: [rollbak] }", "alert[0].on[0]", "rollback")]
    [InlineData("{ slack: '#a', quiet: '22-07' }", "alert[0].quiet", "write quiet: { from: '22:00', to: '07:00', zone: Europe/Berlin }")]
    [InlineData("{ slack: '#a', quiet: { from: '22:00' } }", "alert[0].quiet.to", "is missing")]
    [InlineData("{ slack: '#a', quiet: { from: '22:00', to: '7am' } }", "alert[0].quiet.to", "'7am' is no time of day; write to: '07:00'")]
    [InlineData("{ slack: '#a', quiet: { from: '24:00', to: '07:00' } }", "alert[0].quiet.from", "'24:00' is no time of day; write from: '22:00'")]
    [InlineData("{ slack: '#a', quiet: { from: '22:00', to: '22:00' } }", "alert[0].quiet.to", "no hour or all of them")]
    [InlineData("{ slack: '#a', quiet: { from: '22:00', to: '07:00', zone: Europe/Atlantis } }", "alert[0].quiet.zone", "'Europe/Atlantis' is no time zone that this machine knows; write its name in the tz database")]
    [InlineData("{ slack: '#a', quiet: { from: '22:00', to: '07:00', days: all } }", "alert[0].quiet.days", "is no key here; known are from, to, zone")]
    [InlineData("{ slack: '#a', secret: '${COMMANDER_SECRET_A}' }", "alert[0].secret", "is no key here; known are")]
    [InlineData("{ email: a@example.com, token: '${COMMANDER_SECRET_A}' }", "alert[0].token", "is no key here; known are")]
    [InlineData("{ slack: 'https://hooks.slack.com/services/T0/B0/XXX' }", "alert[0].slack", "a secret must not stand in a policy")]
    [InlineData("{ teams: 'https://example.com/workflow' }", "alert[0].teams", "a secret must not stand in a policy")]
    [InlineData("{ discord: 'https://discord.com/api/webhooks/1/XXX' }", "alert[0].discord", "a secret must not stand in a policy")]
    [InlineData("{ teams: 'file:teams', url: 'https://example.com/' }", "alert[0].url", "is no key here; known are")]
    [InlineData("{ webhook: 'https://example.com/', dashboard: a }", "alert[0].dashboard", "is no key here; known are")]
    [InlineData("{ slack: '#a', token: xoxb-plain }", "alert[0].token", "${COMMANDER_SECRET_")]
    [InlineData("{ pagerduty: R0UT1NGKEY }", "alert[0].pagerduty", "${COMMANDER_SECRET_")]
    [InlineData("{ pagerduty: 'file:p', url: 'events.eu.pagerduty.com' }", "alert[0].url", "is no http or https address")]
    [InlineData("{ github: acme/checkout }", "alert[0].token", "is missing")]
    [InlineData("{ github: checkout, token: 'file:g' }", "alert[0].github", "is no repository")]
    [InlineData("{ grafana: 'https://grafana.example.com' }", "alert[0].token", "is missing")]
    [InlineData("{ email: oncall }", "alert[0].email", "'oncall' is no address")]
    [InlineData("{ email: 'a@example.com,' }", "alert[0].email", "is no address")]
    [InlineData("{ email: 'a@b@example.com' }", "alert[0].email", "is no address")]
    [InlineData("{ email: 'On Call <oncall@example.com>' }", "alert[0].email", "is no address")]
    [InlineData("{ email: \"a@example.com\\r\\nBcc: b@example.com\" }", "alert[0].email", "is no address")]
    [InlineData("{ slack: '#a', email: a@example.com }", "alert[0]", "names 2 channels")]
    [InlineData("{ severity: info }", "alert[0]", "names no channel")]
    public void What_is_wrong_is_said_with_its_place_and_its_remedy(string alert, string place, string says)
    {
        var error = Refusal(alert);
        error.ShouldContain($"services.s.{place}: ");
        error.ShouldContain(says);
        error.ShouldContain("; ");
    }

    [Fact]
    public void A_template_has_at_most_four_thousand_characters()
    {
        Read($"{{ slack: '#a', template: '{new string('x', 4000)}' }}")[0].Template!.Length.ShouldBe(4000);
        Refusal($"{{ slack: '#a', template: '{new string('x', 4001)}' }}").ShouldContain("alert[0].template: has more than 4000 characters; say it shorter");
    }
}
