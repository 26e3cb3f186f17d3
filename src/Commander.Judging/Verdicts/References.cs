using Commander.Judging.Evidence;

namespace Commander.Judging.Verdicts;

/// <summary>What becomes of the reference when the control is gone: the live loop stores these changes as facts, a backtest feeds them straight back.</summary>
public static class References
{
    /// <summary>The changes that a step calls for: after CONTINUE the new version is fully promoted, once for all metrics; before it each metric that lost its control goes to <see cref="Arm.Before"/>, once.</summary>
    /// <param name="step">What the fold said.</param>
    /// <param name="decision">The standing decision.</param>
    /// <param name="subject">What is judged now.</param>
    /// <param name="changed">Bit i is set when metric i's reference was changed already.</param>
    public static IReadOnlyList<ReferenceChange> Due(in Step step, Decision decision, Subject subject, uint changed)
    {
        var gone = step.ControlGone & ~changed;
        if (gone == 0 || subject != Subject.Candidate)
        {
            return [];
        }
        if (decision == Decision.Continue)
        {
            return [new ReferenceChange(Subject.Promoted, Arm.Before)];
        }
        var due = new List<ReferenceChange>();
        for (var metric = 0; gone >> metric != 0; metric++)
        {
            if ((gone & (1u << metric)) != 0)
            {
                due.Add(new ReferenceChange(Subject.Candidate, Arm.Before, metric));
            }
        }
        return due;
    }
}
