using Commander.Server.Hosting;

namespace Commander.Server.Tests.Hosting;

public sealed class KeepOptionTests
{
    [Theory]
    [InlineData("730", 730.0)]
    [InlineData("90d", 90.0)]
    [InlineData("36h", 1.5)]
    [InlineData("3650d", 3650.0)]
    [InlineData("ever", null)]
    public async Task Samples_and_evidence_are_kept_as_long_as_is_said_each_for_itself(string text, double? days)
    {
        var samples = await Read("--keep-samples", text);
        samples.KeepSamples.ShouldBe(days is { } one ? TimeSpan.FromDays(one) : null);
        samples.KeepEvidence.ShouldBe(TimeSpan.FromDays(90));
        var evidence = await Read("--keep-evidence", text);
        evidence.KeepEvidence.ShouldBe(days is { } other ? TimeSpan.FromDays(other) : null);
        evidence.KeepSamples.ShouldBe(TimeSpan.FromDays(730));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("12h")]
    [InlineData("99999d")]
    [InlineData("long")]
    public async Task What_is_no_time_of_a_day_or_more_is_refused(string text) =>
        (await CommandLine.Run(["--keep-samples", text], (_, _) => throw new InvalidOperationException("it serves"), (_, _, _) => Task.FromResult(0))).ShouldBe(2);

    [Fact]
    public async Task A_limit_may_be_off()
    {
        (await Read("--rate-limit", "off")).RateLimit.ShouldBeNull();
        (await Read("--rate-limit", "7")).RateLimit.ShouldBe(7);
        (await Read()).RateLimit.ShouldBe(500);
    }

    private static async Task<CommanderOptions> Read(params string[] args)
    {
        CommanderOptions? read = null;
        (await CommandLine.Run(args, (options, _) => Task.FromResult((read = options) is null ? 1 : 0), (_, _, _) => Task.FromResult(1))).ShouldBe(0);
        return read!;
    }
}
