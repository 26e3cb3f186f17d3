using Commander.Judging.Statistics;
using CsCheck;

namespace Commander.Judging.Tests.Statistics;

public class SpreadTests
{
    private static readonly Gen<double[]> Values = Gen.Double[-10, 10].Array[0, 40];

    private static Spread Fold(IEnumerable<double> differences)
    {
        var spread = new Spread();
        foreach (var difference in differences)
        {
            spread.Add(difference);
        }
        return spread;
    }

    private static bool Near(double one, double other) => Math.Abs(one - other) <= 1e-5 * (1 + Math.Abs(other));

    [Fact]
    public void The_deviation_is_half_the_mean_square_of_differences_drawn_towards_a_prior_the_largest_counting_as_the_second_from_eight_on() =>
        Gen.Select(Values, Gen.Double[0.1, 3], Gen.Double[1, 8]).Sample((differences, prior, points) =>
        {
            var squares = differences.Select(static one => one * one).OrderDescending().ToArray();
            if (squares.Length >= 8)
            {
                squares[0] = squares[1];
            }
            return Near(Fold(differences).Deviation(prior, points), Math.Sqrt(((points * prior * prior) + (0.5 * squares.Sum())) / (points + squares.Length)));
        });

    [Fact]
    public void The_lower_limit_lies_below_it_by_the_error_of_a_normal_deviation_and_is_nothing_with_fewer_than_eight() =>
        Gen.Select(Values, Gen.Double[0.1, 3], Gen.Double[1, 8]).Sample((differences, prior, points) =>
        {
            var spread = Fold(differences);
            var limit = differences.Length < 8 ? 0 : spread.Deviation(prior, points) / (1 + (1.2815515655446004 / Math.Sqrt(2 * (points + differences.Length))));
            return Near(spread.Lower(prior, points), limit);
        });

    [Fact]
    public void One_step_among_equal_values_is_no_scatter() =>
        Fold([0, 0, 0, 0, 100, 0, 0, 0]).Deviation(prior: 1, points: 4).ShouldBe(Math.Sqrt(4.0 / 12), 1e-9);
}
