using System.Globalization;
using System.Text;
using Commander.Judging.Backtest;

namespace Commander.Judging.Tests.Backtest;

public class NeedsTests
{
    [Fact]
    public void A_gauge_seen_for_fewer_than_six_ticks_is_too_little_data()
    {
        // Past the shortest watch of two minutes: only the ticks are missing.
        var three = Case(1200, 5, 1200, 5, ticks: 3, gauge: true);
        (three.Decision, three.TooLittleData).ShouldBe(("HOLD", true));
        Case(1200, 5, 1200, 5, ticks: 6, gauge: true).Decision.ShouldBe("CONTINUE");
    }

    [Fact]
    public void So_few_requests_that_even_an_equal_candidate_proves_nothing_are_too_little_data()
    {
        var few = Case(20, 0, 20, 0, ticks: 10);
        (few.Decision, few.TooLittleData).ShouldBe(("HOLD", true));
    }

    [Fact]
    public void A_difference_just_inside_the_tolerance_is_held_with_enough_data()
    {
        // 1.45 against 1 %, tolerance half a point: an equal candidate would have been let through.
        var near = Case(4000, 58, 4000, 40, ticks: 10);
        (near.Decision, near.TooLittleData).ShouldBe(("HOLD", false));
        Case(4000, 40, 4000, 40, ticks: 10).Decision.ShouldBe("CONTINUE");
    }

    [Fact]
    public void A_recording_shorter_than_the_shortest_watch_is_too_little_data()
    {
        // Many requests, one minute.
        var one = Case(100_000, 500, 100_000, 500, ticks: 1);
        (one.Decision, one.TooLittleData).ShouldBe(("HOLD", true));
    }

    [Fact]
    public void A_level_beside_it_changes_nothing_of_what_the_count_had()
    {
        var gauge = Case(4000, 58, 4000, 40, ticks: 10, gauge: true);
        (gauge.Decision, gauge.TooLittleData).ShouldBe(("HOLD", false));
    }

    [Fact]
    public void Only_commander_s_hold_says_so()
    {
        Case(1200, 5, 1200, 5, ticks: 10).TooLittleData.ShouldBeNull();
        Case(1200, 120, 1200, 5, ticks: 10).ShouldSatisfyAllConditions(static line => line.Decision.ShouldBe("ROLLBACK"), static line => line.TooLittleData.ShouldBeNull());
    }

    private static BacktestLine Case(int requests, int errors, int before, int errorsBefore, int ticks, bool gauge = false)
    {
        var json = string.Create(CultureInfo.InvariantCulture,
            $$"""
            {"id":"n","source":"s","change_time":0,"step_seconds":60,"restarted":false,"metrics":{"requests":{"unit":"count","baseline":[{{Points(before, 20)}}],"candidate":[{{Points(requests, ticks)}}]},"errors":{"unit":"count","baseline":[{{Points(errorsBefore, 20)}}],"candidate":[{{Points(errors, ticks)}}] }
            """) + (gauge ? $$""","cpu":{"unit":"%","baseline":[{{Points(40, 20)}}],"candidate":[{{Points(40, ticks)}}] }""" : "") + "}}";
        return Backtests.Run(CaseFile.Parse(Encoding.UTF8.GetBytes(json), 1), "commander");

        static string Points(int value, int count) => string.Join(',', Enumerable.Repeat(value, count));
    }
}
