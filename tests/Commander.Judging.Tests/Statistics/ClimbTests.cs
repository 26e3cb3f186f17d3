using Commander.Judging.Statistics;

namespace Commander.Judging.Tests.Statistics;

public class ClimbTests
{
    private static (double[] When, double[] Own, double[] Beside) Read(in Climb climb, int step)
    {
        var (when, own, beside) = (new double[Climb.Slots], new double[Climb.Slots], new double[Climb.Slots]);
        var count = climb.Copy(step, when, own, beside);
        return (when[..count], own[..count], beside[..count]);
    }

    [Fact]
    public void Before_the_first_value_there_is_no_block()
    {
        var climb = new Climb();
        climb.Blocks(100).ShouldBe(0);
        climb.Add(100, 4, 1, 1);
        // Of four steps one is half too little, two are enough.
        (climb.Blocks(100), climb.Blocks(101)).ShouldBe((0, 1));
    }

    [Theory]
    [InlineData(1, 17)]
    [InlineData(4, 72)]
    [InlineData(4, 73)]
    [InlineData(1, 500)]
    [InlineData(3, 3000)]
    public void Blocks_are_the_means_of_equal_times(int width, int steps)
    {
        var climb = new Climb();
        for (var step = 1; step <= steps; step++)
        {
            climb.Add(step, width, Math.Sqrt(step), step);
        }
        var (when, own, _) = Read(climb, steps);
        climb.First.ShouldBe(1);
        (climb.Width % width).ShouldBe(0);
        own.Length.ShouldBeInRange(Math.Min(9, steps / width), Climb.Slots);
        for (var at = 0; at < own.Length; at++)
        {
            when[at].ShouldBe(at);
            var from = 1 + (at * climb.Width);
            own[at].ShouldBe(Enumerable.Range(from, Math.Min(climb.Width, steps - from + 1)).Average(static step => Math.Sqrt(step)), 1e-4);
        }
    }

    [Fact]
    public void The_newest_block_counts_from_half_of_its_length_on()
    {
        var climb = new Climb();
        for (var step = 1; step <= 11; step++)
        {
            climb.Add(step, 10, step, step);
        }
        Read(climb, 11).Own.Length.ShouldBe(1);
        Read(climb, 14).Own.Length.ShouldBe(1);
        Read(climb, 15).Own.ShouldBe([5.5, 11]);
    }

    [Fact]
    public void A_time_without_values_is_a_hole_and_no_zero()
    {
        var climb = new Climb();
        climb.Add(1, 1, 5, double.NaN);
        climb.Add(2, 1, 6, 1);
        climb.Add(6, 1, 7, 2);
        var (when, own, beside) = Read(climb, 6);
        when.ShouldBe([0, 1, 5]);
        own.ShouldBe([5, 6, 7]);
        beside.ShouldBe([double.NaN, 1, 2]);
    }

    [Fact]
    public void Blocks_with_holes_join_as_what_there_is_of_them()
    {
        var climb = new Climb();
        foreach (var step in (int[])[1, 2, 3, 8, 19])
        {
            climb.Add(step, 1, step, step == 3 ? double.NaN : step);
        }
        var (when, own, beside) = Read(climb, 19);
        when.ShouldBe([0, 1, 3, 9]);
        own.ShouldBe([1.5, 3, 8, 19]);
        beside.ShouldBe([1.5, double.NaN, 8, 19]);
    }

    [Fact]
    public void Weeks_of_silence_between_two_values_are_no_work()
    {
        var climb = new Climb();
        climb.Add(1, 1, 1, 1);
        climb.Add(int.MaxValue, 1, 2, 2);
        Read(climb, int.MaxValue).Own.ShouldBe([1, 2]);
    }
}
