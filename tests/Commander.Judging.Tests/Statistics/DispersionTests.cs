using Commander.Judging.Simulation;
using Commander.Judging.Statistics;

namespace Commander.Judging.Tests.Statistics;

public class DispersionTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void Errors_in_bursts_scatter_by_the_size_of_a_burst(int burst)
    {
        var noise = new Noise(1);
        var arm = new Dispersion();
        for (var tick = 0; tick < 4000; tick++)
        {
            var bad = burst * noise.Poisson(4.0 / burst);
            arm.Add(bad, 1000);
        }
        arm.Value(beside: false).ShouldBe(burst, 0.15 * burst);
        arm.Value(beside: true).ShouldBe(burst, 0.15 * burst);
    }

    [Fact]
    public void Fewer_than_ten_ticks_are_taken_to_scatter_and_fewer_than_five_even_more()
    {
        var few = new Dispersion();
        for (var tick = 1; tick <= 9; tick++)
        {
            few.Add(1, 100);
            Dispersion.Upper(few, default, beside: true).ShouldBe(tick < 5 ? 3.5 : 2.5);
        }
        few.Add(1, 100);
        Dispersion.Upper(few, default, beside: true).ShouldBeInRange(1, 3);
    }

    [Fact]
    public void A_step_that_stays_is_no_burst_but_one_that_goes_is()
    {
        var (step, burst) = (new Dispersion(), new Dispersion());
        for (var tick = 0; tick < 40; tick++)
        {
            step.Add(tick < 10 ? 0 : 20, 100);
            burst.Add(tick is 10 or 20 or 30 ? 20 : 0, 100);
        }
        step.Value(beside: false).ShouldBeLessThan(2);
        burst.Value(beside: false).ShouldBeGreaterThan(10);
    }

    [Fact]
    public void Beside_a_control_a_few_stalls_do_not_make_every_later_count_worthless()
    {
        var (noise, past) = (new Noise(1), new Dispersion());
        for (var tick = 0; tick < 60; tick++)
        {
            past.Add(tick is 20 or 40 ? 60 : noise.Poisson(0.5), 100);
        }
        Dispersion.Upper(past, default, beside: true).ShouldBeLessThan(4);
        Dispersion.Upper(past, default, beside: false).ShouldBeGreaterThan(4);
    }

    [Fact]
    public void Nothing_bad_and_nothing_good_are_both_steady()
    {
        var (none, all) = (new Dispersion(), new Dispersion());
        for (var tick = 0; tick < 20; tick++)
        {
            none.Add(0, 50);
            all.Add(50, 50);
        }
        Dispersion.Mean(none, all, beside: true).ShouldBe(1);
    }

    [Fact]
    public void Few_great_bursts_leave_more_room_above_than_many_small_ones()
    {
        // Both scatter about alike in the mean: 50 of 100 ticks with bursts of 4, 4 of 100 with bursts of 50.
        var (many, few) = (Upper(2, 4), Upper(25, 50));
        few.ShouldBeGreaterThan(many);

        static double Upper(int every, int burst)
        {
            var arm = new Dispersion();
            for (var tick = 0; tick < 100; tick++)
            {
                arm.Add(tick % every == 0 ? burst : 1, 1000);
            }
            return Dispersion.Upper(arm, default, beside: false) / Dispersion.Mean(arm, default, beside: false);
        }
    }
}
