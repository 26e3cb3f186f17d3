using Commander.Judging.Simulation;

namespace Commander.Judging.Tests.Simulation;

/// <summary>What is made of exact operations alone must still be the function: against the platform's library, which is right to the last digit or two.</summary>
public class ExactTests
{
    // The last bits may differ, no more.
    private const double Near = 1e-15;

    [Fact]
    public void The_logarithm_is_right_over_all_sizes_of_numbers()
    {
        foreach (var power in new[] { -1022, -700, -64, -11, -3, -2, -1, 0, 1, 2, 3, 10, 52, 500, 1023 })
        {
            for (var part = 0; part < 64; part++)
            {
                var x = Math.ScaleB(1 + (part / 64.0), power);
                var expected = Math.Log(x);
                Exact.Log(x).ShouldBe(expected, Near * Math.Max(1, Math.Abs(expected)), $"of {x}");
            }
        }
    }

    [Fact]
    public void The_logarithm_is_right_beside_one_where_it_is_next_to_nothing()
    {
        Exact.Log(1).ShouldBe(0);
        foreach (var beside in new[] { 1e-15, 1e-9, 1e-4, 0.01 })
        {
            var (above, below) = (1 + beside, 1 - beside);
            Exact.Log(above).ShouldBe(Math.Log(above), Near * beside);
            Exact.Log(below).ShouldBe(Math.Log(below), Near * beside);
        }
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(-3.0)]
    public void Of_what_is_not_above_nothing_the_logarithm_lies_below_all_numbers(double x) => Exact.Log(x).ShouldBe(double.NegativeInfinity);

    [Fact]
    public void The_exponential_is_right_over_its_whole_range()
    {
        Exact.Exp(0).ShouldBe(1);
        for (var x = -700.0; x <= 700; x += 0.37)
        {
            Relative(Exact.Exp(x), Math.Exp(x)).ShouldBe(0, 3 * Near, $"of {x}");
        }
        for (var x = -1.5; x <= 1.5; x += 0.003)
        {
            Relative(Exact.Exp(x), Math.Exp(x)).ShouldBe(0, Near, $"of {x}");
        }
        Relative(Exact.Exp(-700), Math.Exp(-700)).ShouldBe(0, 3 * Near);
        Relative(Exact.Exp(700), Math.Exp(700)).ShouldBe(0, 3 * Near);

        static double Relative(double found, double expected) => (found - expected) / expected;
    }

    [Theory]
    [InlineData(-700.5)]
    [InlineData(-1e9)]
    [InlineData(double.NegativeInfinity)]
    public void Below_its_range_the_exponential_is_nothing(double x) => Exact.Exp(x).ShouldBe(0);

    [Theory]
    [InlineData(700.5)]
    [InlineData(1010.0)]
    [InlineData(1e9)]
    [InlineData(double.PositiveInfinity)]
    public void Above_its_range_the_exponential_stays_at_its_end(double x) => Exact.Exp(x).ShouldBe(Exact.Exp(700));

    [Fact]
    public void The_sine_is_right_in_every_turn()
    {
        for (var turns = -2.25; turns <= 2.25; turns += 0.0071)
        {
            // Taken into the first turn before the platform's is asked, which would lose digits with every turn.
            Exact.SineOfTurns(turns).ShouldBe(Math.Sin(2 * Math.PI * (turns - Math.Round(turns))), Near, $"of {turns}");
        }
        foreach (var (turns, sine) in new[] { (0, 0), (0.25, 1), (-0.25, -1), (0.75, -1), (-0.75, 1), (1.25, 1), (100.25, 1), (1 / 12.0, 0.5), (5 / 12.0, 0.5), (-1 / 12.0, -0.5), (-5 / 12.0, -0.5) })
        {
            Exact.SineOfTurns(turns).ShouldBe(sine, Near, $"of {turns}");
        }
        Exact.SineOfTurns(0.5).ShouldBe(0, Near);
        Exact.SineOfTurns(-3).ShouldBe(0);
    }
}
