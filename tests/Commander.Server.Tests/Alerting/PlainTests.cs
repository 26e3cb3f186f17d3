using System.Buffers;
using System.Text;
using Commander.Server.Alerting;

namespace Commander.Server.Tests.Alerting;

public sealed class PlainTests
{
    private static readonly SearchValues<char> Marks = SearchValues.Create("\\*_[");

    [Fact]
    public void A_text_is_cut_between_characters_and_never_longer_than_its_bound()
    {
        foreach (var text in SampleAlerts.Hostile)
        {
            for (var most = 2; most < 60; most++)
            {
                var line = Plain.Escaped(text, most, Marks);
                line.Length.ShouldBeLessThanOrEqualTo(most);
                line.ShouldNotContain('\n');
                // Whole characters: what is written can be read back.
                Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(line)).ShouldBe(line);
                (line.TrimEnd('…').Length - line.TrimEnd('…').TrimEnd('\\').Length).ShouldBe(0, "no backslash stands without what it escapes");
            }
        }
    }

    [Theory]
    [InlineData("abc", 3, "abc")]
    [InlineData("abcd", 3, "ab…")]
    [InlineData("a*c", 3, "a…")]
    [InlineData("a*c", 4, @"a\*c")]
    [InlineData("a\r\nb\0c", 20, "a  b c")]
    [InlineData("x\u202Egnp.exe", 20, "xgnp.exe")]
    [InlineData("😀😀", 3, "😀…")]
    [InlineData("", 3, "")]
    public void What_is_shown_is_one_line_of_whole_seen_characters(string text, int most, string shown) => Plain.Escaped(text, most, Marks).ShouldBe(shown);

    [Fact]
    public void Half_a_character_is_shown_as_one_that_nobody_knows() => Plain.Line("a\ud83db", 20).ShouldBe("a\ufffdb");
}
