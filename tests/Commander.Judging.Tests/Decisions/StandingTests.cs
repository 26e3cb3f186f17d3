using Commander.Judging.Decisions;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Tests.Decisions;

public class StandingTests
{
    [Theory]
    [InlineData(null, Decision.Hold, true)]
    [InlineData(null, Decision.Continue, true)]
    [InlineData(null, Decision.Rollback, true)]
    [InlineData(Decision.Hold, Decision.Hold, false)]
    [InlineData(Decision.Hold, Decision.Continue, true)]
    [InlineData(Decision.Hold, Decision.Rollback, true)]
    [InlineData(Decision.Continue, Decision.Hold, false)]
    [InlineData(Decision.Continue, Decision.Continue, false)]
    [InlineData(Decision.Continue, Decision.Rollback, true)]
    [InlineData(Decision.Rollback, Decision.Hold, false)]
    [InlineData(Decision.Rollback, Decision.Continue, false)]
    [InlineData(Decision.Rollback, Decision.Rollback, false)]
    public void A_rollback_never_goes_back_and_a_continue_is_not_taken_back_to_hold(Decision? standing, Decision judged, bool yields) =>
        Standing.Yields(standing, judged).ShouldBe(yields);
}
