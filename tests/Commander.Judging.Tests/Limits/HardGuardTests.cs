using Commander.Judging.Limits;

namespace Commander.Judging.Tests.Limits;

public class HardGuardTests
{
    private const double Certain = 50;
    private const double FalseAlarms = 0.001;

    [Theory]
    [InlineData(10, 20, true)]
    [InlineData(10, 19, false)]
    [InlineData(20, 100, true)]
    [InlineData(19, 100, false)]
    public void A_fifth_of_at_least_twenty_requests_is_too_much(double bad, double total, bool fires) =>
        HardGuard.Fires(bad, total, 0, Certain, FalseAlarms).ShouldBe(fires);

    [Theory]
    [InlineData(0.05, 200, true)]
    [InlineData(0.25, 400, true)]
    [InlineData(0.25, 399, false)]
    [InlineData(0.80, 949, false)]
    [InlineData(0.80, 951, true)]
    public void Where_the_reference_fails_too_it_must_be_fifteen_points_above(double referenceShare, double bad, bool fires) =>
        HardGuard.Fires(bad, 1000, referenceShare, Certain, FalseAlarms).ShouldBe(fires);

    [Theory]
    [InlineData(0.001, 1001, true)]
    [InlineData(0.001, 999, false)]
    // A budget of more than a thousandth asks for no less.
    [InlineData(0.1, 999, false)]
    [InlineData(0.1, 1001, true)]
    // A smaller budget asks for more.
    [InlineData(0.0001, 9999, false)]
    [InlineData(0.0001, 10001, true)]
    public void It_must_be_no_accident(double falseAlarms, double evidence, bool fires) =>
        HardGuard.Fires(500, 1000, 0.01, Math.Log(evidence), falseAlarms).ShouldBe(fires);

    [Theory]
    [InlineData(double.NaN, 100, 0, 50)]
    [InlineData(50, double.NaN, 0, 50)]
    [InlineData(50, 100, double.NaN, 50)]
    [InlineData(50, 100, 0, double.NaN)]
    [InlineData(0, 0, 0, 50)]
    public void What_is_no_number_fires_nothing(double bad, double total, double referenceShare, double logE) =>
        HardGuard.Fires(bad, total, referenceShare, logE, FalseAlarms).ShouldBeFalse();
}
