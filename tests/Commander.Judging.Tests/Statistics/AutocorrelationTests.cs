using Commander.Judging.Simulation;
using Commander.Judging.Statistics;

namespace Commander.Judging.Tests.Statistics;

public class AutocorrelationTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(0.5)]
    [InlineData(0.7)]
    public void A_series_whose_values_lean_on_the_one_before_shows_by_how_much(double rho)
    {
        var (noise, series, value) = (new Noise(5), new Autocorrelation(), 0.0);
        for (var at = 0; at < 20_000; at++)
        {
            value = (rho * value) + (Math.Sqrt(1 - (rho * rho)) * noise.Normal());
            series.Add(1e6 + value);
        }
        series.Value.ShouldBe(rho, 0.03);
    }

    [Fact]
    public void Values_that_are_all_the_same_and_too_few_to_tell_have_none()
    {
        var (same, few) = (new Autocorrelation(), new Autocorrelation());
        for (var at = 0; at < 100; at++)
        {
            same.Add(1e9);
        }
        few.Add(1);
        few.Add(2);
        few.Add(3);
        same.Value.ShouldBe(0);
        few.Value.ShouldBe(0);
    }

    [Fact]
    public void A_trend_is_cut_to_eight_tenths()
    {
        var series = new Autocorrelation();
        for (var at = 0; at < 200; at++)
        {
            series.Add(at);
        }
        series.Value.ShouldBe(0.8);
    }
}
