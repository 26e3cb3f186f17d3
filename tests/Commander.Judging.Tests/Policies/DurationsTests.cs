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
    [InlineData("0d0h0m0s0ms", 0)]
    [InlineData("1d2h3m4s5ms", 93_784_005)]
    [InlineData("1h1ms", 3_600_001)]
    [InlineData("1d30s", 86_430_000)]
    [InlineData(".5s", 500)]
    [InlineData("2.s", 2_000)]
    [InlineData("366d", 31_622_400_000)]
    [InlineData("0000000000000000000000000000001s", 1_000)]
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
    [InlineData("366d1ms")]
    [InlineData("00000000000000000000000000000001s")]
    [InlineData("1ms1s")]
    [InlineData("1s1")]
    [InlineData("1s1s")]
    [InlineData("s1s")]
    [InlineData(".s")]
    [InlineData("00")]
    [InlineData("1S")]
    [InlineData(" 1s")]
    [InlineData("1s ")]
    [InlineData("1,5s")]
    [InlineData("+1s")]
    public void Anything_else_is_no_duration(string? text) => Durations.TryParse(text, out _).ShouldBeFalse();

    [Theory]
    [InlineData(0, "0s")]
    [InlineData(-1, "0s")]
    [InlineData(0.4, "0s")]
    [InlineData(0.6, "1ms")]
    [InlineData(1, "1ms")]
    [InlineData(999, "999ms")]
    [InlineData(1_000, "1s")]
    [InlineData(59_999, "59s999ms")]
    [InlineData(60_000, "1m")]
    [InlineData(3_600_000, "1h")]
    [InlineData(86_400_000, "1d")]
    [InlineData(93_784_005, "1d2h3m4s5ms")]
    [InlineData(31_622_400_001, "366d1ms")]
    public void A_duration_is_written_in_the_largest_units(double milliseconds, string text) => Durations.Format(TimeSpan.FromMilliseconds(milliseconds)).ShouldBe(text);

    [Fact]
    public void The_longest_duration_is_a_leap_year() => Durations.Longest.ShouldBe(TimeSpan.FromDays(366));

    [Fact]
    public void What_is_written_is_read_back() =>
        Gen.Int[0, 1_000_000_000].Sample(milliseconds =>
        {
            var duration = TimeSpan.FromMilliseconds(milliseconds);
            Durations.TryParse(Durations.Format(duration), out var read).ShouldBeTrue();
            read.ShouldBe(duration);
        });
}
