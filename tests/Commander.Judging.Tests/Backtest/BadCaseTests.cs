using System.Text;
using Commander.Judging.Backtest;
using CsCheck;

namespace Commander.Judging.Tests.Backtest;

public class BadCaseTests
{
    private static readonly string[] Odd = ["null", "0", "-1", "-0.0", "1e308", "-1e308", "1e999", "-1e999", "5e-324", "1e15", "1e16", "0.5", "7", "100", "250"];

    private static readonly string[] Names = ["requests", "errors", "error_rate", "latency_p95", "memory", "cpu", "conversions", "service_latency"];

    private static readonly Gen<string> Series = Gen.Select(Gen.Int[0, Odd.Length - 1].Array[0, 8], Gen.Int[0, Odd.Length - 1].Array[0, 8], Gen.Bool).Select(static (past, now, control) =>
        $$"""{"unit":"count","baseline":[ {{Join(past)}} ],"candidate":[ {{Join(now)}} ]{{(control ? $",\"control\":[{Join([.. now.Reverse()])}]" : "")}} }""");

    private static string Join(int[] values) => string.Join(',', values.Select(static value => Odd[value]));

    private static BacktestLine? Judged(string metrics, string judge)
    {
        try
        {
            return Backtests.Run(CaseFile.Parse(Encoding.UTF8.GetBytes(
                $$"""{"id":"x","source":"s","change_time":0,"step_seconds":60,"restarted":false,"metrics":{ {{metrics}} } }"""), 1), judge);
        }
        catch (RefusedException refused)
        {
            refused.Problem.ShouldNotBeEmpty();
            return null;
        }
    }

    [Fact]
    public void Every_judge_answers_impossible_numbers_with_a_verdict_or_a_refusal() =>
        Gen.Select(Series.Array[8], Gen.Int[1, 255]).Sample((series, chosen) =>
        {
            var metrics = string.Join(',', Enumerable.Range(0, 8).Where(at => (chosen & (1 << at)) != 0).Select(at => $"\"{Names[at]}\":{series[at]}"));
            return Backtests.Judges.All(judge => Judged(metrics, judge) is not { } line || line.PBad is >= 0 and <= 1);
        }, iter: 300);

    [Theory]
    [InlineData("null,null,null")]
    [InlineData("-1,-5,-1")]
    [InlineData("1e16,1e300,2e15")]
    public void A_candidate_without_one_possible_number_is_held(string candidate)
    {
        var line = Judged($$"""
            "requests":{"unit":"count","baseline":[100,100,100],"candidate":[{{candidate}}]},"errors":{"unit":"count","baseline":[1,1,1],"candidate":[{{candidate}}]}
            """, "commander");
        line!.Decision.ShouldBe("HOLD");
    }

    [Fact]
    public void More_failures_than_requests_are_no_share_of_failures()
    {
        var line = Judged("""
            "requests":{"unit":"count","baseline":[100,100,100,100],"candidate":[100,100,100]},"errors":{"unit":"count","baseline":[1,1,1,1],"candidate":[900,900,900]}
            """, "commander");
        line!.Decision.ShouldBe("HOLD");
    }
}
