using Commander.Judging.Evidence;

namespace Commander.Judging.Tests.Evidence;

public class TickTests
{
    [Fact]
    public void Every_arm_of_every_metric_has_a_reading_of_its_own_that_is_empty_at_first()
    {
        var tick = new Tick(3, 2, 3);
        (tick.N, tick.Span, tick.Metrics).ShouldBe((3, 2, 3));
        var arms = Enum.GetValues<Arm>();
        for (var metric = 0; metric < 3; metric++)
        {
            foreach (var arm in arms)
            {
                tick[metric, arm].ShouldBe(new Reading(Quality.Empty));
                tick[metric, arm] = new Reading(Quality.Value, (10 * metric) + (int)arm);
            }
        }
        for (var metric = 0; metric < 3; metric++)
        {
            arms.Select(arm => tick[metric, arm].Value).ShouldBe(arms.Select(arm => (10.0 * metric) + (int)arm));
        }
    }

    [Fact]
    public void A_tick_without_a_length_or_with_fewer_metrics_than_none_is_refused()
    {
        Should.Throw<ArgumentOutOfRangeException>(static () => new Tick(1, 0, 1)).ParamName.ShouldBe("span");
        Should.Throw<ArgumentOutOfRangeException>(static () => new Tick(1, 1, -1)).ParamName.ShouldBe("metrics");
        new Tick(1, 1, 0).Metrics.ShouldBe(0);
    }

    [Theory]
    [InlineData(Quality.Value, true)]
    [InlineData(Quality.Partial, true)]
    [InlineData(Quality.Empty, false)]
    [InlineData(Quality.Stale, false)]
    [InlineData(Quality.Nan, false)]
    [InlineData(Quality.Denied, false)]
    [InlineData(Quality.Timeout, false)]
    [InlineData(Quality.Error, false)]
    public void Only_a_value_and_a_part_of_one_are_numbers(Quality quality, bool isNumber) => new Reading(quality, 1).HasValue.ShouldBe(isNumber);

    [Fact]
    public void The_last_bucket_holds_all_observations()
    {
        new Buckets([1, double.PositiveInfinity], [3, 8]).Total.ShouldBe(8);
        new Buckets([], []).Total.ShouldBe(0);
    }
}
