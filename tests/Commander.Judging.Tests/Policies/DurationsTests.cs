using Commander.Judging.Policies;
using CsCheck;

namespace Commander.Judging.Tests.Policies;

public class DurationsTests
{
    [Theory]
    [InlineData("500ms", 500)]
    [InlineData("15s", 15_000)]
    [InlineData("2m", 120_000)]
    [InlineData("1.5h", 5_400_000)]
    [InlineData("1h30m", 5_400_000)]
    [InlineData("1d", 86_400_000)]
    [InlineData("0", 0)]
    [InlineData("0s", 0)]
    public void Durations_are_read_as_people_write_them(string text, double milliseconds)
    {
        Durations.TryParse(text, out var duration).ShouldBeTrue();
        duration.TotalMilliseconds.ShouldBe(milliseconds);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("15")]
    [InlineData("s")]
    [InlineData("-1s")]
    [InlineData("15 s")]
    [InlineData("30m1h")]
    [InlineData("1m1m")]
    [InlineData("1..5s")]
    [InlineData("15 parsecs")]
    [InlineData("9999999d")]
    [InlineData("1e3s")]
    [InlineData("99999999999999999999999999999999999999s")]
    public void Anything_else_is_no_duration(string? text) => Durations.TryParse(text, out _).ShouldBeFalse();

    [Fact]
    public void What_is_written_is_read_back() =>
        Gen.Int[0, 1_000_000_000].Sample(milliseconds =>
        {
            var duration = TimeSpan.FromMilliseconds(milliseconds);
            Durations.TryParse(Durations.Format(duration), out var read).ShouldBeTrue();
            read.ShouldBe(duration);
        });
}
