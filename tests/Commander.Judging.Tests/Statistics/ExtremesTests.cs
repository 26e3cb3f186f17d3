using Commander.Judging.Statistics;
using CsCheck;

namespace Commander.Judging.Tests.Statistics;

public class ExtremesTests
{
    [Theory]
    [InlineData(true, false, 8)]
    [InlineData(false, true, 8)]
    [InlineData(true, true, 4)]
    public void The_furthest_values_of_each_side_are_counted_as_far_as_there_is_room_for_them(bool up, bool down, int places) =>
        Gen.Select(Gen.Int[-20, 20].Array[0, 60], Gen.Int[-21, 21]).Sample((values, bound) =>
        {
            var extremes = new Extremes();
            for (var at = 0; at < values.Length; at++)
            {
                extremes.Add(values[at], at, up, down);
            }
            var above = Math.Min(places, values.Count(value => value >= bound));
            var below = Math.Min(places, values.Count(value => value <= bound));
            return (!up || extremes.Beyond(bound, values.Length, below: false, up, down) == above)
                && (!down || extremes.Beyond(bound, values.Length, below: true, up, down) == below);
        });
}
