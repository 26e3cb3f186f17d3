using Commander.Judging.Statistics;
using CsCheck;

namespace Commander.Judging.Tests.Statistics;

public class RobustTests
{
    [Fact]
    public void The_median_stands_in_the_middle() =>
        Gen.Double[-1e6, 1e6].Array[1, 60].Sample(values =>
        {
            var sorted = values.Order().ToArray();
            var expected = sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : 0.5 * (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]);
            return Robust.Median(values.ToArray().AsSpan()) == expected;
        });

    [Fact]
    public void The_median_of_three_is_the_median() =>
        Gen.Select(Gen.Double[-9, 9], Gen.Double[-9, 9], Gen.Double[-9, 9]).Sample((one, two, three) =>
            Robust.Median(one, two, three) == Robust.Median([one, two, three]));

    [Fact]
    public void One_outlier_hardly_moves_the_scatter()
    {
        var residuals = Enumerable.Range(-20, 41).Select(static value => value / 20.0).ToArray();
        var quiet = Robust.Scatter(residuals.ToArray());
        residuals[0] = 8;
        Robust.Scatter(residuals).ShouldBeLessThan(1.4 * quiet);
    }
}
