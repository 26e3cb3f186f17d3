using Commander.Judging.Verdicts;

namespace Commander.Judging.Tests.Verdicts;

public class HealthTermsTests
{
    [Theory]
    [InlineData("latency", true, 0)]
    [InlineData("latency_p95", false, 0)]
    [InlineData("latency_p99", false, 1)]
    [InlineData("latency", false, 2)]
    [InlineData("latency_p50", false, 3)]
    [InlineData("latency_p90", false, 3)]
    public void Of_several_response_times_the_one_that_says_most_of_slow_requests_is_shown(string metric, bool histogram, int rank) => HealthTerms.Rank(metric, histogram).ShouldBe(rank);

    [Theory]
    [InlineData("ms", 1.0)]
    [InlineData("s", 1000.0)]
    [InlineData("us", 0.001)]
    [InlineData("MB", null)]
    [InlineData(null, null)]
    public void What_is_no_time_has_no_milliseconds(string? unit, double? milliseconds) => HealthTerms.Milliseconds(unit).ShouldBe(milliseconds);
}
