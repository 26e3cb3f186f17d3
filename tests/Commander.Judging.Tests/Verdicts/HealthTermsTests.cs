using Commander.Judging.Backtest;
using Commander.Judging.Models;
using Commander.Judging.Tests.Simulated;
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

    [Fact]
    public void Before_the_first_judgement_the_model_s_prior_is_all_that_is_known()
    {
        var policy = Shop.Policy();
        var verdict = Judge.Read(policy, Model.Shipped, Judge.Start(policy, restarted: false), new Reader(default, 0, [], false));
        var prior = 1 / (1 + Math.Exp(-Model.Shipped.Intercept));
        (verdict.Decision, verdict.PBad, verdict.Confidence).ShouldBe(("HOLD", Display.Probability(prior), Display.Probability(1 - prior)));
    }

    [Theory]
    [InlineData(null, "too few groups")]
    [InlineData(true, "yes")]
    [InlineData(false, "no")]
    public void Whether_two_judges_differ_is_a_word(bool? excludes, string word) => new DifferenceRow("all", "f1", 0.9, 0.8, 0.1, 0.05, 0.15, excludes, 12, 1000).Zero().ShouldBe(word);
}
