using Commander.Server.Alerting.Slack;

namespace Commander.Server.Tests.Alerting;

/// <summary>What the environment says of Slack, and what is wrong with it.</summary>
public sealed class SlackOptionsTests
{
    [Fact]
    public void Nothing_said_is_Slack_itself_without_a_token_and_without_buttons()
    {
        var (options, wrong) = Read();
        wrong.ShouldBeNull();
        options.Url.ShouldBe(new Uri("https://slack.com/api/"));
        options.Token.ShouldBeNull();
        options.Buttons.ShouldBeFalse();
    }

    [Fact]
    public void A_token_is_itself_or_a_reference_and_never_shown()
    {
        Read(("COMMANDER_SLACK_TOKEN", "xoxb-1")).Options.Token.ShouldBe("xoxb-1");
        var (options, wrong) = Read(("COMMANDER_SLACK_TOKEN", "${COMMANDER_SECRET_SLACK}"));
        wrong.ShouldBeNull();
        options.Token.ShouldBe("xoxb-of-the-secret");
        options.ToString().ShouldNotContain("xoxb");
    }

    [Fact]
    public void Responders_are_named_by_their_ids_or_all_of_the_workspace()
    {
        var (options, wrong) = Read(("COMMANDER_SLACK_SECRET", "a secret"), ("COMMANDER_SLACK_RESPONDERS", "U012ABC, W98=admin,U012ABC"));
        wrong.ShouldBeNull();
        options.Responders.ShouldBe(new Dictionary<string, string> { ["U012ABC"] = "responder", ["W98"] = "admin" }, ignoreOrder: true);
        options.MayPress("U012ABC", own: false).ShouldBeTrue();
        options.MayPress("U012ABD", own: true).ShouldBeFalse();
        var (all, _) = Read(("COMMANDER_SLACK_SECRET", "a secret"), ("COMMANDER_SLACK_RESPONDERS", "*"));
        all.MayPress("U5", own: true).ShouldBeTrue();
        all.MayPress("U5", own: false).ShouldBeFalse("they are of another organisation");
        all.MayPress("", own: false).ShouldBeFalse();
    }

    [Theory]
    [InlineData("COMMANDER_SLACK_TOKEN", "${COMMANDER_SECRET_OTHER}", "${COMMANDER_SECRET_OTHER}")]
    [InlineData("COMMANDER_SLACK_TOKEN", "xoxb a b", "characters that cannot stand in a header")]
    [InlineData("COMMANDER_SLACK_RESPONDERS", "U012ABC", "needs COMMANDER_SLACK_SECRET")]
    [InlineData("COMMANDER_SLACK_RESPONDERS", "ada@example.com", "'ada@example.com' is not like U012ABC")]
    [InlineData("COMMANDER_SLACK_RESPONDERS", "U012ABC=viewer", "U012ABC=admin")]
    [InlineData("COMMANDER_SLACK_URL", "http://slack.example.com/api/", "https://slack-gov.com/api/")]
    [InlineData("COMMANDER_SLACK_URL", "https://me:pass@slack.com/api/", "is no https address")]
    [InlineData("COMMANDER_SLACK_RESPONDER", "*", "COMMANDER_SLACK_RESPONDERS")]
    public void What_is_wrong_is_said_with_its_name_and_what_to_write(string variable, string value, string said)
    {
        var wrong = Read((variable, value)).Wrong.ShouldNotBeNull();
        wrong.ShouldContain(variable);
        wrong.ShouldContain(said);
        wrong.ShouldNotContain("xoxb a b");
    }

    [Theory]
    [InlineData("https://hooks.slack.com/actions/T1/2/3", true)]
    [InlineData("https://slack.com/api/x", true)]
    [InlineData("http://hooks.slack.com/actions/T1/2/3", false)]
    [InlineData("https://hooks.slack.com:8443/actions/T1/2/3", false)]
    [InlineData("https://hooks.slack.com@evil.example/actions", false)]
    [InlineData("https://hooks.slack.com.evil.example/actions", false)]
    [InlineData("https://evilslack.com/actions", false)]
    [InlineData("https://169.254.169.254/latest", false)]
    public void Only_Slack_is_answered(string address, bool theirs) => new SlackOptions().IsTheirs(new Uri(address)).ShouldBe(theirs);

    private static (SlackOptions Options, string? Wrong) Read(params (string Name, string Value)[] variables)
    {
        var all = variables.ToDictionary(variable => variable.Name, variable => variable.Value, StringComparer.Ordinal);
        return SlackOptions.Read(all.Keys, name => all.GetValueOrDefault(name), reference => reference == "${COMMANDER_SECRET_SLACK}" ? "xoxb-of-the-secret" : null);
    }
}
