using Commander.Judging.Decisions;

namespace Commander.Judging.Tests.Decisions;

public class FreezeTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 24, 10, 0, 0, TimeSpan.Zero);

    private static Freeze Freeze(string? service, string? environment, DateTimeOffset? until = null) =>
        new(service, environment, "sale", "ada", Now - TimeSpan.FromHours(1), until);

    [Theory]
    [InlineData(null, null, true, "all services")]
    [InlineData("checkout", null, true, "checkout")]
    [InlineData("search", null, false, "search")]
    [InlineData(null, "production", true, "all services in production")]
    [InlineData(null, "staging", false, "all services in staging")]
    [InlineData("checkout", "production", true, "checkout in production")]
    [InlineData("checkout", "staging", false, "checkout in staging")]
    [InlineData("search", "production", false, "search in production")]
    public void It_holds_what_it_names_and_says_so(string? service, string? environment, bool holds, string scope)
    {
        var freeze = Freeze(service, environment);
        freeze.Holds("checkout", "production", Now).ShouldBe(holds);
        freeze.Scope.ShouldBe(scope);
    }

    [Fact]
    public void It_ends_at_its_end_and_one_without_an_end_stays()
    {
        var freeze = Freeze(null, null, Now);
        (freeze.Ended(Now - TimeSpan.FromTicks(1)), freeze.Ended(Now), freeze.Ended(Now + TimeSpan.FromTicks(1))).ShouldBe((false, true, true));
        (freeze.Holds("a", "b", Now - TimeSpan.FromTicks(1)), freeze.Holds("a", "b", Now)).ShouldBe((true, false));
        Freeze(null, null).Ended(DateTimeOffset.MaxValue).ShouldBeFalse();
    }

    [Fact]
    public void Who_froze_it_until_when_and_why_is_one_sentence()
    {
        Freeze(null, null).Sentence.ShouldBe("frozen by ada until it is lifted: sale");
        Freeze(null, null, new DateTimeOffset(2026, 11, 24, 14, 5, 0, TimeSpan.FromHours(2))).Sentence.ShouldBe("frozen by ada until 2026-11-24 12:05 UTC: sale");
    }
}
