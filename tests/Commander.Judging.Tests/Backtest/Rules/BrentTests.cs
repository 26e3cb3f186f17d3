using Commander.Judging.Backtest.Rules;

namespace Commander.Judging.Tests.Backtest.Rules;

/// <summary>The solver takes the steps of netlib's zeroin with a tolerance of 1e-4: each point at which it asks for the function is one that a port of R's zeroin.c asks for.</summary>
public class BrentTests
{
    private static readonly Dictionary<string, Func<double, double>> Functions = new()
    {
        ["cubic"] = static x => (x * x * x) - (2 * x) - 5,
        ["line"] = static x => x - 0.3,
        ["steps"] = static x => x < 1 ? -3 : x < 2.7 ? -1 : x < 5 ? 0.5 : 4,
        ["falling steps"] = static x => x < 1.25 ? 3 : x < 2 ? 0.25 : -2,
        ["flat"] = static x => x * x * x * x * x,
        ["pole"] = static x => (1 / x) - 1.25,
        ["large"] = static x => (x * x) - 2.5e11,
        ["far"] = static x => (x + 1) * ((x * x) + 1) * (x - 3),
        ["at the end"] = static x => (x * x * x) - 1e-9,
    };

    [Theory]
    [InlineData("cubic", 2.0, 3.0, 2.094551266584139, new[] { 2.0588235294117645, 2.5294117647058822, 2.087051766470147, 2.0946022401041318, 2.094551266584139 })]
    [InlineData("line", -1.0, 1.0, 0.29999999999999993, new[] { 0.29999999999999993, 0.30005000000000004 })]
    [InlineData("steps", 0.0, 8.0, 2.700036393158086, new[]
    {
        3.4285714285714284, 2.9387755102040813, 1.4693877551020407, 2.4489795918367343, 2.775510204081632, 2.612244897959183, 2.721088435374149, 2.666666666666666, 2.7029478458049883,
        2.6848072562358274, 2.696900982615268, 2.700932224741748, 2.698916603678508, 2.7002603510540015, 2.699588477366255, 2.700036393158086, 2.6998124352621704, 2.6999617405261143,
    })]
    [InlineData("falling steps", -4.0, 6.0, 1.9999479166666667, new[]
    {
        2.0, -1.0, 0.7999999999999998, 1.52, 1.5733333333333333, 1.7866666666666666, 1.8933333333333333, 1.9466666666666668, 1.9733333333333334, 1.9866666666666668, 1.9933333333333334,
        1.9966666666666666, 1.9983333333333333, 1.9991666666666665, 1.9995833333333333, 1.9997916666666666, 1.9998958333333334, 1.9999479166666667,
    })]
    [InlineData("flat", -1.0, 2.0, 2.378565183774893e-06, new[]
    {
        -0.9090909090909091, 0.5454545454545455, 0.4405096091556899, -0.23429064996760957, -0.20674378438122437, 0.11688291238723275, 0.09921228816601091, -0.05376574810760673,
        -0.04693464498765394, 0.026138821589178476, 0.022422985211542935, -0.012255829888055507, -0.010642860575276407, 0.005890062318133264, 0.0050740892023044964, -0.0027843856864859552,
        -0.002411903201794171, 0.0013310930002551629, 0.0011487966417280766, -0.0006315532800330473, -0.0005464274603309924, 0.0003011845906985421, 0.00025118459069854195,
        -0.00014762143481622525, -9.762143481622517e-05, -4.762143481622513e-05, 2.378565183774893e-06,
    })]
    [InlineData("pole", 0.25, 4.0, 0.7999947890979437, new[] { 3.0, 1.625, 0.9375, 0.7025146484375, 0.8167552947998047, 0.8020417447551154, 0.7999947890979437, 0.8000447890979441 })]
    [InlineData("large", 1e5, 9e5, 499999.9999998175, new[] { 340000.0, 620000.0, 480000.0, 497818.1818181818, 500009.1364121044, 499999.98002260545, 499999.9999998175, 500000.0000498177 })]
    [InlineData("far", -10.0, 0.5, -0.9999970788208501, new[]
    {
        0.49583657155545685, -4.752081714222271, 0.46037321702621026, -2.14585424859803, 0.14833557449656504, -0.9987593370507324, -1.001884415902701, -0.9999970788208501, -1.0000470788208506,
    })]
    [InlineData("at the end", 0.0, 1.0, 0.0010238531992071797, new[]
    {
        5e-05, 0.500025, 0.00010000000000000002, 0.2500625, 0.00015000000000000007, 0.12510625, 0.00020000000000000015, 0.062653125, 0.0002500000000000002, 0.0314515625, 0.00030000000000000035,
        0.015875781250000002, 0.0003500000000000005, 0.008112890625, 0.0004000000000000006, 0.004256445312500001, 0.0004500000000000008, 0.002353222656250001, 0.0005836756417106312,
        0.001468449148980316, 0.000822532756212506, 0.001145490952596411, 0.0009738531992071793, 0.0010238531992071797,
    })]
    public void Every_step_is_netlib_s(string name, double from, double to, double root, double[] points)
    {
        var function = Functions[name];
        var asked = new List<double>();
        Brent.Root(from, to, function(from), function(to), x =>
        {
            asked.Add(x);
            return function(x);
        }).ShouldBe(root);
        asked.ShouldBe(points);
    }

    [Fact]
    public void A_root_at_an_end_is_that_end_and_the_function_is_not_asked()
    {
        Brent.Root(2, 5, 0, 1, Never).ShouldBe(2);
        Brent.Root(2, 5, -1, 0, Never).ShouldBe(5);
        // Ends that are nearer to each other than the tolerance: the better one.
        Brent.Root(2, 2.00004, -1, 3, Never).ShouldBe(2);
        Brent.Root(2, 2.00004, -3, 1, Never).ShouldBe(2.00004);

        static double Never(double x) => throw new InvalidOperationException($"asked at {x}");
    }

    [Fact]
    public void The_largest_values_are_kept_in_whatever_order_they_come()
    {
        foreach (var values in (double[][])[[5, 1, 4, 2, 3], [1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [3, 3, 5, 3, 4, 1]])
        {
            var largest = new Largest(3);
            largest.Least.ShouldBe(0);
            for (var at = 0; at < values.Length; at++)
            {
                var expected = values[..(at + 1)].OrderDescending().Skip(2).FirstOrDefault();
                largest.Add(values[at]).ShouldBe(expected);
                largest.Least.ShouldBe(expected);
            }
        }
        var one = new Largest(1);
        new[] { 2.0, 1, 7 }.Select(one.Add).ShouldBe([2, 2, 7]);
    }
}
