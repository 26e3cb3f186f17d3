using System.Text;
using Commander.Server.Sources;
using Commander.Server.Sources.Scrape;
using CsCheck;

namespace Commander.Server.Tests.Sources;

public class ExpositionTests
{
    private static Exposition Read(string text, bool openMetrics, int chunk, params string[] wanted)
    {
        var exposition = new Exposition([.. wanted.Select(Selector)], openMetrics);
        var bytes = Encoding.UTF8.GetBytes(text);
        for (var at = 0; at < bytes.Length; at += chunk)
        {
            exposition.Feed(bytes.AsSpan(at, Math.Min(chunk, bytes.Length - at)));
        }
        exposition.Finish();
        return exposition;
    }

    private static Selector Selector(string text)
    {
        Server.Sources.Selector.TryParse(text, widen: false, out var selector, out var error).ShouldBeTrue(error);
        return selector!;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(10_000)]
    public void Samples_are_read_however_the_bytes_arrive(int chunk)
    {
        var read = Read(
            """
            # HELP a things "so far"
            # TYPE a counter
            a_total{path="/x \"y\" \\ \n {}",code="200"} 12 # {trace_id="ab"} 1 1.5
            a_total{code="500",path="z",} 3 1700000000.5

            b 1e3
            c{x="é"} +Inf
            d NaN
            # EOF
            """,
            openMetrics: true, chunk, "a_total", "c", "d");
        read.Bad.ShouldBe(0, read.FirstBad);
        read.Good.ShouldBe(5);
        read.Samples.Count.ShouldBe(4);
        read.Samples[0].Labels.ShouldBe([new Label("code", "200"), new Label("path", "/x \"y\" \\ \n {}")]);
        read.Samples[0].Value.ShouldBe(12);
        read.Samples[1].At.ShouldBe(1700000000500);
        read.Samples[2].Labels[0].Value.ShouldBe("é");
        read.Samples[2].Value.ShouldBe(double.PositiveInfinity);
        read.Samples[3].Value.ShouldBe(double.NaN);
    }

    [Fact]
    public void Times_are_milliseconds_in_the_older_format() =>
        Read("a 1 1700000000500\r\n", openMetrics: false, 100, "a").Samples[0].At.ShouldBe(1700000000500);

    [Theory]
    [InlineData("a 1\n<html>", "line 2: a metric's name was expected, not \"<html>\"")]
    [InlineData("a 1\na", "line 2: a value was expected")]
    [InlineData("a one", "line 1: the value of a is no number")]
    [InlineData("a{b=1} 1", "line 1: a label's value in double quotes was expected")]
    [InlineData("a{b=\"1 1", "line 1: a label's value has no closing quote")]
    [InlineData("a{b=\"1\\", "line 1: a label's value has no closing quote")]
    [InlineData("a{b=\"1\"", "line 1: , or } was expected")]
    [InlineData("a 1 2 3", "line 1: nothing was expected after the value of a")]
    [InlineData("a 1 later", "line 1: the time of a is no number")]
    public void A_bad_line_is_named(string text, string says)
    {
        var read = Read(text, openMetrics: false, 3, "a");
        read.Bad.ShouldBe(1);
        read.FirstBad!.ShouldContain(says);
    }

    [Fact]
    public void A_line_without_end_needs_no_more_memory_than_a_line()
    {
        var read = Read("a 1\n" + new string('x', 300_000) + "\na 2\n", openMetrics: false, 4096, "a");
        read.FirstBad.ShouldBe("line 2: longer than 64 KiB");
        read.Good.ShouldBe(2);
    }

    [Fact]
    public void A_cut_off_text_is_noticed() =>
        Read("a 1\n", openMetrics: true, 100, "a").FirstBad!.ShouldContain("without # EOF");

    [Fact]
    public void No_bytes_whatever_break_the_reader() =>
        Gen.Select(Gen.OneOf(Gen.Byte, Gen.Char["a{}=\"\\,# 1\n"].Select(c => (byte)c)).Array[0, 200], Gen.Int[1, 50], Gen.Bool).Sample((bytes, chunk, openMetrics) =>
        {
            var exposition = new Exposition([Selector("a")], openMetrics);
            for (var at = 0; at < bytes.Length; at += chunk)
            {
                exposition.Feed(bytes.AsSpan(at, Math.Min(chunk, bytes.Length - at)));
            }
            exposition.Finish();
            return exposition.Samples.TrueForAll(sample => sample.Name == "a");
        });
}
