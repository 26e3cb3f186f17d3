using Commander.Judging.Backtest;
using Commander.Judging.Evidence;

namespace Commander.Judging.Tests.Backtest;

public class CaseTicksTests
{
    private const double None = double.NaN;

    private static readonly Series Level = new("cpu", "%", null, null, null, [1, 2, None], [4, 5], [6, None], [11, 12, 13, None, 15], [21, 22, 23, 24, None]);

    [Fact]
    public void The_past_ends_at_the_change_and_the_arms_begin_after_it()
    {
        Told(Level, -2, Arm.Before).ShouldBe(1);
        Told(Level, -1, Arm.Before).ShouldBe(2);
        Told(Level, 0, Arm.Before).ShouldBe(None);
        Told(Level, -3, Arm.Before).ShouldBe(None);
        Told(Level, 0, Arm.Candidate).ShouldBe(None);
        Told(Level, 1, Arm.Before).ShouldBe(None);
        Told(Level, 1, Arm.Candidate).ShouldBe(4);
        Told(Level, 2, Arm.Candidate).ShouldBe(5);
        Told(Level, 3, Arm.Candidate).ShouldBe(None);
        Told(Level, 1, Arm.Control).ShouldBe(6);
        Told(Level, 2, Arm.Control).ShouldBe(None);
        Told(Level with { Control = null }, 1, Arm.Control).ShouldBe(None);
    }

    [Fact]
    public void The_day_before_runs_through_both_and_the_week_before_fills_its_holes()
    {
        Told(Level, -2, Arm.Seasonal).ShouldBe(11);
        Told(Level, 0, Arm.Seasonal).ShouldBe(13);
        Told(Level, 1, Arm.Seasonal).ShouldBe(24);
        Told(Level, 2, Arm.Seasonal).ShouldBe(15);
        Told(Level, 3, Arm.Seasonal).ShouldBe(None);
        Told(Level with { Seasonal = null }, 0, Arm.Seasonal).ShouldBe(23);
        Told(Level with { SeasonalWeek = null }, 1, Arm.Seasonal).ShouldBe(None);
        Told(Level with { Seasonal = null, SeasonalWeek = null }, 1, Arm.Seasonal).ShouldBe(None);
    }

    [Fact]
    public void Of_two_counts_the_points_of_the_same_instant_belong_together_however_long_their_pasts_are()
    {
        var errors = new Series("errors", "count", null, null, null, [1, 2], [3, None, 5], [6, 7, 8], [101, 102, 103, 104, 105], null);
        var requests = new Series("requests", "count", null, null, null, [80, 90, 100], [110, 120, None], [130, 140, 150], [208, 209, 210, 211, 212, None], null);
        (double, double) Of(int n, Arm arm)
        {
            var reading = CaseTicks.At(new Recording(0, 60, false, [errors, requests]), [new MetricSeries(0, 1)], n)[0, arm];
            return reading.HasValue ? (reading.Value, reading.Total) : (None, None);
        }

        Of(0, Arm.Before).ShouldBe((2, 100));
        Of(-1, Arm.Before).ShouldBe((1, 90));
        Of(-2, Arm.Before).ShouldBe((None, None));
        Of(1, Arm.Candidate).ShouldBe((3, 110));
        Of(2, Arm.Candidate).ShouldBe((None, None));
        Of(3, Arm.Candidate).ShouldBe((None, None));
        Of(1, Arm.Control).ShouldBe((6, 130));
        Of(0, Arm.Seasonal).ShouldBe((102, 210));
        Of(1, Arm.Seasonal).ShouldBe((103, 211));
        Of(3, Arm.Seasonal).ShouldBe((None, None));
    }

    [Fact]
    public void A_metric_without_a_series_has_empty_readings_and_the_next_one_its_own()
    {
        var tick = CaseTicks.At(new Recording(0, 60, false, [Level]), [new MetricSeries(-1, -1), new MetricSeries(0, -1)], 1);
        (tick.N, tick.Span, tick.Metrics).ShouldBe((1, 1, 2));
        tick[0, Arm.Candidate].Quality.ShouldBe(Quality.Empty);
        tick[1, Arm.Candidate].ShouldBe(new Reading(Quality.Value, 4));
    }

    private static double Told(Series series, int n, Arm arm)
    {
        var reading = CaseTicks.At(new Recording(0, 60, false, [series]), [new MetricSeries(0, -1)], n)[0, arm];
        return reading.HasValue ? reading.Value : None;
    }
}
