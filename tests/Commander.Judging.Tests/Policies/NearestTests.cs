using Commander.Judging.Policies;

namespace Commander.Judging.Tests.Policies;

/// <summary>"Did you mean": a slip of the finger in three letters, and one in a short word.</summary>
public class NearestTests
{
    [Theory]
    // One letter too few, too many, another one, two swapped: at every place of a word.
    [InlineData("tep", "step")]
    [InlineData("sep", "step")]
    [InlineData("ste", "step")]
    [InlineData("xstep", "step")]
    [InlineData("stexp", "step")]
    [InlineData("stepx", "step")]
    [InlineData("xtep", "step")]
    [InlineData("stex", "step")]
    [InlineData("tsep", "step")]
    [InlineData("stpe", "step")]
    [InlineData("step", "step")]
    // Capitals are no slip.
    [InlineData("STEP", "step")]
    [InlineData("step", "STEP")]
    // Two slips in four or five letters are another word, in six they are not.
    [InlineData("stxx", "step", false)]
    [InlineData("tspe", "step", false)]
    [InlineData("stepxx", "step")]
    [InlineData("st", "step", false)]
    [InlineData("latxx", "laten", false)]
    [InlineData("latexx", "latenc")]
    [InlineData("alteyc", "latecy")]
    [InlineData("lat", "latenc", false)]
    // Three in nine, four in twelve; what is longer of the two counts.
    [InlineData("latexxxij", "latencyij")]
    [InlineData("latxxxxij", "latencyij", false)]
    [InlineData("latxxxxijklm", "latencyijklm")]
    [InlineData("laxxxxxijklm", "latencyijklm", false)]
    [InlineData("latenc", "latencyij")]
    [InlineData("latencyij", "latenc")]
    [InlineData("laten", "latencyij", false)]
    [InlineData("latencyij", "laten", false)]
    // A single letter, and nothing.
    [InlineData("a", "b")]
    [InlineData("ab", "ba")]
    [InlineData("ab", "cd", false)]
    [InlineData("", "a")]
    [InlineData("", "ab", false)]
    [InlineData("a", "")]
    // A swap counts once, and what is swapped is not changed again.
    [InlineData("abcdef", "badcef")]
    [InlineData("abcdef", "badcfe", false)]
    [InlineData("abcd", "cabd", false)]
    [InlineData("aab", "aba")]
    [InlineData("abba", "baba")]
    public void A_slip_of_the_finger_is_near_and_another_word_is_not(string word, string known, bool near = true) =>
        Nearest.To(word, [known]).ShouldBe(near ? known : null);

    [Fact]
    public void The_nearest_one_is_meant_and_of_two_as_near_the_first()
    {
        Nearest.To("stap", ["stop", "step", "strap"]).ShouldBe("stop");
        Nearest.To("latenxx", ["lateness", "latenxy", "latency"]).ShouldBe("latenxy");
        Nearest.To("min", ["max", "lag", "mix", "min"]).ShouldBe("min");
        Nearest.To("anything", []).ShouldBeNull();
    }

    [Fact]
    public void Words_of_more_than_64_letters_are_far_from_everything()
    {
        var longest = new string('a', 64);
        Nearest.To(longest, [longest[1..]]).ShouldBe(longest[1..]);
        Nearest.To(longest[1..], [longest]).ShouldBe(longest);
        Nearest.To(longest, [longest]).ShouldBe(longest);
        Nearest.To(longest + "a", [longest]).ShouldBeNull();
        Nearest.To(longest, [longest + "a"]).ShouldBeNull();
        Nearest.To(longest + "a", [longest + "a"]).ShouldBeNull();
        Nearest.To(longest, [longest + "a", "b", longest[2..]]).ShouldBe(longest[2..]);
    }

    [Fact]
    public void Looking_for_nothing_is_a_mistake_of_the_caller()
    {
        Should.Throw<ArgumentNullException>(() => Nearest.To(null!, [])).ParamName.ShouldBe("word");
        Should.Throw<ArgumentNullException>(() => Nearest.To("", null!)).ParamName.ShouldBe("known");
    }
}
