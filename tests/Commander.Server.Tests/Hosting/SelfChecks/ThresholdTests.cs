using Commander.Server.Hosting.SelfChecks;
using Commander.Server.Reasoning;

namespace Commander.Server.Tests.Hosting.SelfChecks;

public sealed class ThresholdTests
{
    private const long Gib = 1L << 30;

    [Theory]
    [InlineData(50 * Gib, 100 * Gib, true)]
    [InlineData(5 * Gib, 100 * Gib, true)]
    [InlineData((5 * Gib) - 1, 100 * Gib, false)]
    [InlineData(500L << 20, 1 * Gib, true)]
    [InlineData((500L << 20) - 1, 1 * Gib, false)]
    [InlineData(0, 0, false)]
    public void A_disk_fails_below_500_MiB_and_below_5_percent(long free, long total, bool holds) => Thresholds.Disk(free, total).Ok.ShouldBe(holds);

    [Fact]
    public void What_is_said_of_a_disk_names_numbers_and_remedy()
    {
        Thresholds.Disk(12 * Gib, 100 * Gib).Message.ShouldBe("12 GiB of 100 GiB are free (12 %)");
        Thresholds.Disk(300L << 20, 100 * Gib).Message.ShouldBe("only 300 MiB of 100 GiB are free (0.3 %): below 500 MiB or 5 % writing may end any time; free some space, or give the data folder another disk");
    }

    [Theory]
    [InlineData(0, 0, true, "within 2 s of source prom")]
    [InlineData(-1.9, 0, true, "within 2 s of source prom")]
    [InlineData(3, 0, true, "the clock of source prom is 3 s ahead of this machine's; let both follow the same time server before it is more than 15 s")]
    [InlineData(-15, 0, true, "the clock of source prom is 15 s behind this machine's; let")]
    [InlineData(-15.1, 0, false, "the clock of source prom is 15.1 s behind this machine's, more than a step of 15 s: what is measured cannot be placed")]
    [InlineData(-16, 4, true, "the clock of source prom is 16 s behind")]
    public void A_clock_warns_beyond_two_seconds_and_fails_beyond_a_step_whatever_the_way_took(double ahead, double within, bool holds, string says)
    {
        var found = Thresholds.Clock([("source prom", TimeSpan.FromSeconds(ahead), TimeSpan.FromSeconds(within))], TimeSpan.FromSeconds(15));
        found.Ok.ShouldBe(holds);
        found.Message.ShouldStartWith(says);
    }

    [Fact]
    public void The_clock_that_is_off_most_is_named_and_a_short_step_does_not_make_the_seconds_of_http_a_fault()
    {
        (string, TimeSpan, TimeSpan)[] clocks = [("source a", TimeSpan.FromSeconds(1), TimeSpan.Zero), ("the database", TimeSpan.FromSeconds(4), TimeSpan.Zero)];
        var found = Thresholds.Clock(clocks, TimeSpan.FromSeconds(1));
        found.Ok.ShouldBeTrue();
        found.Message.ShouldStartWith("the clock of the database is 4 s ahead");
        Thresholds.Clock([], TimeSpan.FromSeconds(1)).ShouldBe(new Found(true, "not compared: nothing that is asked tells its time"));
    }

    [Fact]
    public void A_language_model_fails_while_it_is_left_alone_and_after_three_questions_without_an_answer()
    {
        var at = new DateTimeOffset(2026, 11, 23, 10, 30, 0, TimeSpan.Zero);
        Checks.Model("m", null, null).ShouldBe(new Found(true, "m: no question went wrong lately"));
        Checks.Model("m", null, new Unanswered(2, "ai.example answered 500", at)).Ok.ShouldBeTrue();
        Checks.Model("m", null, new Unanswered(3, "ai.example answered 500", at)).ShouldBe(new Found(false, "the last 3 questions found no answer, the last at 2026-11-23 10:30 UTC: ai.example answered 500; verdicts are made without opinions meanwhile"));
        Checks.Model("m", "ai.example failed several times; it is left alone for 30 s", null).Ok.ShouldBeFalse();
    }

    [Fact]
    public void A_node_that_the_others_do_not_count_in_fails()
    {
        Checks.Cluster(["a:1", "b:1", "c:1"], "b:1").ShouldBe(new Found(true, "this node is active, with 2 more"));
        Checks.Cluster(["b:1"], "b:1").ShouldBe(new Found(true, "this node is active, and alone"));
        Checks.Cluster(["a:1"], "b:1").Ok.ShouldBeFalse();
    }

    [Theory]
    [InlineData("https://hc-ping.com/abc", null, "every 1m to hc-ping.com")]
    [InlineData("${COMMANDER_SECRET_BEAT}", "30s", "every 30s to hc-ping.com")]
    [InlineData("http://127.0.0.1:9/x", "1h", "every 1h to 127.0.0.1")]
    [InlineData(null, null, null)]
    [InlineData("", "", null)]
    public void A_heartbeat_is_read_from_the_environment(string? url, string? every, string? expected)
    {
        var (options, wrong) = Read(url, every);
        wrong.ShouldBeNull();
        options?.ToString().ShouldBe(expected);
        (options is null).ShouldBe(expected is null);
    }

    [Theory]
    [InlineData("http://hc-ping.com/planted-secret", null, "COMMANDER_HEARTBEAT_URL: is no address that a heartbeat is sent to; write https://hc-ping.com/")]
    [InlineData("planted-secret", null, "COMMANDER_HEARTBEAT_URL: is no address")]
    [InlineData("https://user:planted-secret@hc-ping.com/", null, "COMMANDER_HEARTBEAT_URL: is no address")]
    [InlineData("${COMMANDER_SECRET_NONE}", null, "COMMANDER_HEARTBEAT_URL: ${COMMANDER_SECRET_NONE} is not there; set the variable")]
    [InlineData("https://hc-ping.com/planted-secret", "5s", "COMMANDER_HEARTBEAT_EVERY: '5s' is no time from 10s to 1h; write 60s")]
    [InlineData("https://hc-ping.com/planted-secret", "2h", "COMMANDER_HEARTBEAT_EVERY: '2h' is no time")]
    [InlineData(null, "30s", "COMMANDER_HEARTBEAT_EVERY: stands without COMMANDER_HEARTBEAT_URL")]
    public void A_heartbeat_that_cannot_be_sent_is_refused_without_repeating_its_address(string? url, string? every, string says)
    {
        var (options, wrong) = Read(url, every);
        options.ShouldBeNull();
        wrong.ShouldNotBeNull().ShouldStartWith(says);
        wrong.ShouldNotContain("planted-secret");
    }

    private static (HeartbeatOptions? Options, string? Wrong) Read(string? url, string? every) => HeartbeatOptions.Read(
        name => name == "COMMANDER_HEARTBEAT_URL" ? url : name == "COMMANDER_HEARTBEAT_EVERY" ? every : null,
        reference => reference == "${COMMANDER_SECRET_BEAT}" ? "https://hc-ping.com/planted-secret" : null);
}
