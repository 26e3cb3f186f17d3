using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Tests.Simulated;
using static Commander.Judging.Tests.Simulated.Usual;

namespace Commander.Judging.Tests.Verdicts;

/// <summary>How long what was before the start is compared with, where no control and no other day is there: one metric that becomes three times as much, at some minute.</summary>
public class OldPastTests
{
    private const int Past = 120;
    private static readonly MetricPolicy Cpu = Shop.CpuMetric with { Warmup = TimeSpan.Zero, Critical = true };
    private static readonly MetricPolicy Memory = Shop.MemoryMetric with { Warmup = TimeSpan.Zero, Critical = true };
    private static readonly MetricPolicy Latency = Shop.LatencyMetric with { Warmup = TimeSpan.Zero };

    private static bool RolledBack(MetricPolicy metric, int minute, bool control = false, bool seasonal = false)
    {
        var policy = Policy(metric) with { Compare = seasonal ? Compare.Seasonal : Compare.Auto };
        return Watch(policy, (minute + 20) * 4, Past, (tick, noise) =>
        {
            var arms = tick.N <= 0 ? [Arm.Before] : control ? (Arm[])[Arm.Candidate, Arm.Control] : [Arm.Candidate];
            foreach (var arm in seasonal ? [.. arms, Arm.Seasonal] : arms)
            {
                var worse = arm == Arm.Candidate && tick.N > minute * 4;
                tick[0, arm] = metric.Kind switch
                {
                    MetricKind.Ratio => Ratio(noise, worse ? 0.15 : 0.05, 300),
                    MetricKind.Histogram => new Reading(Quality.Value, Buckets: new Buckets([100, 200, 400, double.PositiveInfinity], [150, worse ? 200 : 290, worse ? 270 : 299, 300])),
                    _ => new Reading(Quality.Value, (worse ? 120 : 40) + noise.Uniform()),
                };
            }
        }).RolledBack is not null;
    }

    [Fact]
    public void What_changes_with_the_hour_is_compared_with_the_past_for_an_hour()
    {
        foreach (var metric in (MetricPolicy[])[Cpu, Latency])
        {
            RolledBack(metric, 50).ShouldBeTrue(metric.Name);
            RolledBack(metric, 61).ShouldBeFalse(metric.Name);
        }
    }

    [Fact]
    public void Beside_a_control_it_is_compared_as_long_as_the_watch_lasts()
    {
        foreach (var metric in (MetricPolicy[])[Cpu, Latency])
        {
            RolledBack(metric, 61, control: true).ShouldBeTrue(metric.Name);
        }
    }

    [Fact]
    public void Beside_the_same_hours_of_another_day_too() => RolledBack(Cpu, 61, seasonal: true).ShouldBeTrue();

    [Fact]
    public void Failures_and_memory_do_not_change_with_the_hour_and_are_compared_on()
    {
        foreach (var metric in (MetricPolicy[])[Shop.ErrorMetric, Memory])
        {
            RolledBack(metric, 61).ShouldBeTrue(metric.Name);
        }
    }
}
