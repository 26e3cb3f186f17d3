using Commander.Server.Sources;

namespace Commander.Server.Tests.Sources;

public class SelectorTests
{
    private static readonly Label[] Labels = [new("code", "503"), new("version", "1.0.1")];

    [Theory]
    [InlineData("http_requests_total", true)]
    [InlineData("http_requests_total{}", true)]
    [InlineData("""http_requests_total{version="1.0.1",code=~"5.."}""", true)]
    [InlineData("""http_requests_total{ version = "1.0.1" , code =~ "5..", }""", true)]
    [InlineData("""http_requests_total{code=~"5"}""", false)]
    [InlineData("""http_requests_total{code!~"4..|5.."}""", false)]
    [InlineData("""http_requests_total{code!="200",pod=""}""", true)]
    [InlineData("""http_requests_total{pod=~".+"}""", false)]
    [InlineData("""http_requests_total{version=~"1\.0\.1"}""", true)]
    [InlineData("""http_requests_total{version=~"1\\.0\\.1"}""", true)]
    [InlineData("""http_requests_total{version=~"1\.0\.1|}"}""", true)]
    public void A_selector_selects_as_in_the_field(string text, bool selects)
    {
        Selector.TryParse(text, widen: false, out var selector, out var error).ShouldBeTrue(error);
        selector!.Selects(Labels).ShouldBe(selects);
    }

    [Theory]
    [InlineData("", "character 1: expected a metric's name")]
    [InlineData("rate(http_requests_total[1m])", "character 5: expected the end: a scrape takes plain selectors")]
    [InlineData("""http_requests_total{code="5..}""", "expected a value in double quotes")]
    [InlineData("""http_requests_total{code>"5"}""", "expected one of = != =~ !~")]
    [InlineData("""http_requests_total{code="5" version="1"}""", "expected , or }")]
    [InlineData("""http_requests_total{code=~"(5"}""", "the pattern \"(5\" of label code cannot be used")]
    [InlineData("""http_requests_total{code=~"(?=5)"}""", "cannot be used")]
    public void A_wrong_selector_is_refused_with_its_place(string text, string says)
    {
        Selector.TryParse(text, widen: false, out _, out var error).ShouldBeFalse();
        error!.ShouldContain(says);
    }

    [Fact]
    public void A_template_covers_every_version_that_comes()
    {
        Selector.TryParse("""http_requests_total{version="{{version}}",code=~"5.."}""", widen: true, out var template, out _).ShouldBeTrue();
        Selector.TryParse("""http_requests_total{version="1.0.7",code=~"5.."}""", widen: false, out var question, out _).ShouldBeTrue();
        template!.Covers(question!).ShouldBeTrue();
        question!.Covers(template).ShouldBeFalse();
    }

    [Theory]
    [InlineData("""m{a="b",c!="d"}""", true)]
    [InlineData("""m{a="1\\.0\"\n"}""", true)]
    [InlineData("""m{a=~"5..|4[0-9]{2}|(?:ok|no)+"}""", true)]
    [InlineData("""m{a=~"1\\.2\\.3"}""", true)]
    [InlineData("""m{a="1\.0"}""", false)]
    [InlineData("""m{a=~"\\d+"}""", false)]
    [InlineData("""m{a=~"(?i)ok"}""", false)]
    [InlineData("""m{a=~"^ok$"}""", false)]
    [InlineData("""m{a=~"[a-z-[aeiou]]"}""", false)]
    [InlineData("""m{a=~"[[:alpha:]]"}""", false)]
    [InlineData("""m{a=~"é"}""", false)]
    public void Only_what_prometheus_reads_in_the_same_way_is_exact(string text, bool exact)
    {
        Selector.TryParse(text, widen: false, out var selector, out var error).ShouldBeTrue(error);
        selector!.Exact.ShouldBe(exact);
    }

    [Fact]
    public void Of_a_value_with_a_line_end_a_pattern_is_not_sure()
    {
        Selector.TryParse("""m{a=~"x.y",b="c"}""", widen: false, out var selector, out _).ShouldBeTrue();
        selector!.SureOf([new("a", "x1y")]).ShouldBeTrue();
        selector.SureOf([new("a", "x\ny")]).ShouldBeFalse();
        selector.SureOf([new("a", "xyy"), new("b", "c\nd")]).ShouldBeTrue();
    }
}
