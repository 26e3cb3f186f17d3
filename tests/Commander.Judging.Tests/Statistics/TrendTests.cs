using Commander.Judging.Simulation;
using Commander.Judging.Statistics;

namespace Commander.Judging.Tests.Statistics;

public class TrendTests
{
    [Fact]
    public void Errors_that_grow_are_no_burst()
    {
        var (grown, plain) = (new Trend(), new Dispersion());
        foreach (var bad in (double[])[7, 24, 41, 58])
        {
            grown.Add(bad, 500);
            plain.Add(bad, 500);
        }
        plain.Value(beside: false).ShouldBeGreaterThan(3);
        grown.Value.ShouldBeLessThan(1.5);
    }

    [Fact]
    public void One_tick_that_stands_out_is_a_burst_from_the_tick_on_that_it_comes_in()
    {
        var trend = new Trend();
        trend.Add(0, 500);
        trend.Add(0, 500);
        trend.Add(20, 500);
        trend.Value.ShouldBeGreaterThan(5);
        trend.Add(0, 500);
        trend.Value.ShouldBeGreaterThan(8);
    }

    [Fact]
    public void Rates_that_are_equal_begin_no_trend_however_their_quotients_round()
    {
        for (var tenths = 1; tenths <= 8; tenths++)
        {
            var trend = new Trend();
            trend.Add(10 * tenths, 100);
            trend.Add(30 * tenths, 300);
            trend.Add(100 * (tenths + 1), 1000);
            trend.Value.ShouldBeGreaterThan(2, $"{tenths} of 10");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3_333_333)]
    public void Rates_that_are_equal_begin_no_trend_however_they_round(int times)
    {
        for (var tenths = 1; tenths <= 8; tenths++)
        {
            var trend = new Trend();
            trend.Add(10.0 * tenths * times, 100.0 * times);
            trend.Add(30.0 * tenths * times, 300.0 * times);
            trend.Add(100.0 * (tenths + 1) * times, 1000.0 * times);
            trend.Value.ShouldBeGreaterThan(2 * times, $"{tenths} of 10");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void Of_steady_counts_it_finds_at_least_two_thirds_of_the_dispersion(int burst)
    {
        var (noise, trend) = (new Noise(1), new Trend());
        for (var tick = 0; tick < 4000; tick++)
        {
            trend.Add(burst * noise.Poisson(4.0 / burst), 1000);
        }
        trend.Value.ShouldBeInRange(0.66 * burst, 1.05 * burst);
    }
}
