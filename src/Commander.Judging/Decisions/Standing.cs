using Commander.Judging.Verdicts;

namespace Commander.Judging.Decisions;

/// <summary>What becomes of a decision that was given. Pure.</summary>
public static class Standing
{
    /// <summary>Whether a judgement takes the place of the decision that stands: a ROLLBACK never goes back, and a CONTINUE is not taken back to HOLD.</summary>
    /// <param name="standing">The decision that stands; null before the first.</param>
    /// <param name="judged">The newest judgement.</param>
    public static bool Yields(Decision? standing, Decision judged) =>
        standing != Decision.Rollback && standing != judged && (standing, judged) is not (Decision.Continue, Decision.Hold);
}
