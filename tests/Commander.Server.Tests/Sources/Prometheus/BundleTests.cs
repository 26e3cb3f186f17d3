using Commander.Server.Sources.Prometheus;
using CsCheck;

namespace Commander.Server.Tests.Sources.Prometheus;

public class BundleTests
{
    private static readonly DateTimeOffset To = new(2026, 11, 23, 10, 0, 0, TimeSpan.Zero);

    private static string[] Requests(params string[] queries) =>
        [.. Bundle.Of(queries.Select(query => new Asked(query, Way.Points, To.AddSeconds(-15), To)), _ => false).Select(bundle => bundle.Query)];

    [Fact]
    public void Two_arms_and_their_bad_events_are_one_request() =>
        Requests("""m{v="1",code=~"5.."}""", """m{v="1"}""", """m{v="2",code=~"5.."}""", """m{v="2"}""").ShouldBe(["""m{v=~"1|2"}"""]);

    [Fact]
    public void Bad_events_of_both_arms_are_one_request_where_nobody_asks_for_all() =>
        Requests("""m{v="1",code=~"5..",zone!="x"}""", """m{v="2",code=~"5..",zone!="x"}""").ShouldBe(["""m{v=~"1|2",code=~"5..",zone!="x"}"""]);

    [Fact]
    public void A_value_cannot_become_a_pattern_or_leave_its_quotes() =>
        Requests("""m{v="1.0"}""", """m{v="a|b\"}\\ "}""").ShouldBe(["""m{v=~"1\\.0|a\\|b\"\\}\\\\ "}"""]);

    [Theory]
    [InlineData("""m{v="1",z="a"}""", """m{v="2",z="b"}""")]
    [InlineData("""m{v="1"}""", """n{v="2"}""")]
    [InlineData("""m{v="1"}""", """m{v=""}""")]
    [InlineData("""m{v="1"}""", """m{v!="2"}""")]
    [InlineData("""m{v='1'}""", """m{v='2'}""")]
    [InlineData("""m{v="1",a=~"\\d"}""", """m{v="2",a=~"\\d"}""")]
    [InlineData("""m{v="1",code="500"}""", """m{v="2"}""")]
    public void What_would_select_more_than_is_asked_for_is_asked_apart(string one, string other) =>
        Requests(one, other).Order(StringComparer.Ordinal).ShouldBe(new[] { one, other }.Order(StringComparer.Ordinal));

    [Fact]
    public void What_begins_much_earlier_or_ends_elsewhere_is_asked_by_itself()
    {
        Asked[] asked =
        [
            new("m{v=\"1\"}", Way.Points, To.AddMinutes(-10), To),
            new("m{v=\"2\"}", Way.Points, To.AddSeconds(-15), To),
            new("m{v=\"3\"}", Way.Points, To.AddSeconds(-15), To.AddDays(-1)),
            new("m{v=\"4\"}", Way.Points, To.AddSeconds(-40), To),
        ];
        var bundles = Bundle.Of(asked, _ => false);
        bundles.Select(bundle => bundle.Query).ShouldBe(["m{v=\"1\"}", "m{v=~\"2|4\"}", "m{v=\"3\"}"]);
        bundles[1].From.ShouldBe(To.AddSeconds(-40));
    }

    [Fact]
    public void What_goes_together_is_the_same_when_it_is_remembered_and_moves_with_the_time()
    {
        var query = Gen.Select(Gen.Int[0, 2], Gen.Int[1, 3], Gen.Bool).Select((name, version, bad) => $"{"mno"[name]}{{v=\"{version}\"{(bad ? ",code=~\"5..\"" : "")}}}");
        var asked = Gen.Select(query, Gen.Int[0, 90]).Select((text, back) => (text, back)).Array[1, 8].Select(all => all.DistinctBy(one => one).ToArray());
        asked.Array[1, 6].Sample(rounds =>
        {
            var book = new BundleBook();
            for (var n = 0; n < rounds.Length * 2; n++)
            {
                var to = To.AddSeconds(n);
                Asked[] round = [.. rounds[n % rounds.Length].Select(one => new Asked(one.text, Way.Points, to.AddSeconds(-one.back), to))];
                Told(book.Of(round)).ShouldBe(Told(Bundle.Of(round, _ => false)));
            }
        });
    }

    [Fact]
    public void What_was_refused_together_is_asked_apart_from_then_on()
    {
        var book = new BundleBook();
        Asked[] asked = [new("m{v=\"1\"}", Way.Points, To.AddSeconds(-5), To), new("m{v=\"2\"}", Way.Points, To.AddSeconds(-5), To)];
        book.Part(book.Of(asked).ShouldHaveSingleItem().Query);
        book.Of(asked).Count.ShouldBe(2);
    }

    private static string[] Told(IEnumerable<Bundle> bundles) =>
        [.. bundles.Select(bundle => $"{bundle.Query} {bundle.From:O} {bundle.To:O} {bundle.Shape?.Key} {string.Join(',', bundle.Parts.Select(part => part.Asked))}")];
}
