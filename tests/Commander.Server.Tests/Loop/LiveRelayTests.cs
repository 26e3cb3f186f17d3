using Commander.Server.Loop;

namespace Commander.Server.Tests.Loop;

public sealed class LiveRelayTests
{
    private static readonly LiveEvent Tick = new("dep-01M8EXQQBN8QSRBAZNPRFN3ZZC", 7, "tick");

    [Fact]
    public void What_a_node_tells_is_what_the_others_hear()
    {
        var (node, events) = LiveRelay.Read(LiveRelay.Written("n1", [Tick, Tick with { Seq = 8, Kind = "verdict" }]));

        node.ShouldBe("n1");
        events.ShouldBe([Tick, Tick with { Seq = 8, Kind = "verdict" }]);
    }

    [Fact]
    public void What_a_newer_build_adds_to_an_event_does_no_harm()
    {
        LiveRelay.Read(LiveRelay.Written("n1", [Tick]) + " something=more").Events.ShouldBe([Tick]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("n1")]
    [InlineData("n1\n")]
    [InlineData("n1\nhello")]
    [InlineData("n1\nhello 7 tick")]
    [InlineData("n1\ndep-01M8EXQQBN8QSRBAZNPRFN3ZZC seven tick")]
    [InlineData("n1\ndep-01M8EXQQBN8QSRBAZNPRFN3ZZC 7")]
    public void What_is_no_event_is_passed_over(string notice)
    {
        LiveRelay.Read(notice).Events.ShouldBeEmpty();
    }
}
