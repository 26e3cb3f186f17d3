using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Tests.Verdicts;

public class ReferencesTests
{
    private static readonly Step Seen = default;

    [Fact]
    public void Before_the_verdict_each_metric_that_lost_its_control_goes_to_the_past_once()
    {
        var step = Seen with { ControlGone = 0b10110 };
        References.Due(step, Decision.Hold, Subject.Candidate, changed: 0b00100).ShouldBe(
        [
            new ReferenceChange(Subject.Candidate, Arm.Before, 1),
            new ReferenceChange(Subject.Candidate, Arm.Before, 4),
        ]);
        References.Due(step, Decision.Hold, Subject.Candidate, changed: 0b10110).ShouldBeEmpty();
        References.Due(Seen with { ControlGone = 1u << 15 }, Decision.Hold, Subject.Candidate, changed: 0).ShouldBe([new ReferenceChange(Subject.Candidate, Arm.Before, 15)]);
    }

    [Fact]
    public void After_continue_a_control_that_is_gone_means_that_the_new_version_serves_all()
    {
        var step = Seen with { ControlGone = 0b110 };
        References.Due(step, Decision.Continue, Subject.Candidate, changed: 0).ShouldBe([new ReferenceChange(Subject.Promoted, Arm.Before)]);
        References.Due(step, Decision.Continue, Subject.Promoted, changed: 0).ShouldBeEmpty();
        References.Due(step, Decision.Hold, Subject.Restored, changed: 0).ShouldBeEmpty();
    }
}
