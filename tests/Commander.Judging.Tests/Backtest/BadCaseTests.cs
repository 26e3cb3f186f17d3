using Commander.Judging.Backtest;
using CsCheck;
using Case = Commander.Judging.Backtest.Case;

namespace Commander.Judging.Tests.Backtest;

public class BadCaseTests
{
    // What no case file may say, another reader might let through: the judges answer for themselves.
    private static readonly double[] Odd = [double.NaN, 0, -1, -0.0, 1e308, -1e308, 5e-324, 1e15, 1e16, 0.5, 7, 100, 250];

    private static readonly string[] Names = ["requests", "errors", "error_rate", "latency_p95", "memory", "cpu", "conversions", "service_latency"];

    private static readonly Gen<Func<string, Series>> Odds = Gen.Select(Gen.Int[0, Odd.Length - 1].Array[0, 8], Gen.Int[0, Odd.Length - 1].Array[0, 8], Gen.Bool).Select(static (past, now, control) =>
        (Func<string, Series>)(name => new Series(name, "count", null, null, null, Of(past), Of(now), control ? [.. Of(now).Reverse()] : null, null, null)));

    private static double[] Of(int[] chosen) => [.. chosen.Select(static at => Odd[at])];

    private static BacktestLine? Judged(string judge, params IReadOnlyList<Series> series)
    {
        try
        {
            return Backtests.Run(new Case("x", "s", new Recording(0, 60, false, series), null, null, null, false), judge);
        }
        catch (RefusedException refused)
        {
            refused.Problem.ShouldNotBeEmpty();
            return null;
        }
    }

    private static Series Count(string name, double[] baseline, double[] candidate) => new(name, "count", null, null, null, baseline, candidate, null, null, null);

    [Fact]
    public void Every_judge_answers_impossible_numbers_with_a_verdict_or_a_refusal() =>
        Gen.Select(Odds.Array[8], Gen.Int[1, 255]).Sample((series, chosen) =>
        {
            Series[] metrics = [.. Enumerable.Range(0, 8).Where(at => (chosen & (1 << at)) != 0).Select(at => series[at](Names[at]))];
            return Backtests.Judges.All(judge => Judged(judge, metrics) is not { } line || line.PBad is >= 0 and <= 1);
        }, iter: 300);

    [Theory]
    [InlineData(double.NaN, double.NaN, double.NaN)]
    [InlineData(-1, -5, -1)]
    [InlineData(1e16, 1e300, 2e15)]
    public void A_candidate_without_one_possible_number_is_held(double one, double two, double three) =>
        Judged("commander", Count("requests", [100, 100, 100], [one, two, three]), Count("errors", [1, 1, 1], [one, two, three]))!.Decision.ShouldBe("HOLD");

    [Fact]
    public void More_failures_than_requests_are_no_share_of_failures() =>
        Judged("commander", Count("requests", [100, 100, 100, 100], [100, 100, 100]), Count("errors", [1, 1, 1, 1], [900, 900, 900]))!.Decision.ShouldBe("HOLD");
}
