using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Server.Reasoning.Evaluation;

/// <summary>What an opinion may do by its authority, written down apart from the judge that keeps to it: what a measurement of a model counts the judge against. Pure.</summary>
internal static class AuthorityLimits
{
    // From this score on a metric is a ground to roll back on.
    private const double Ground = 0.5;

    /// <summary>Whether an opinion made more of a judgement than its authority allows.</summary>
    /// <param name="policy">The policy, with the authority.</param>
    /// <param name="opinion">What was said; null for nothing.</param>
    /// <param name="unheard">The judgement if nothing had been said.</param>
    /// <param name="heard">The judgement with it.</param>
    /// <param name="findings">The findings that both look at.</param>
    /// <param name="elapsed">Since the deployment began.</param>
    public static bool Exceeded(Policy policy, Opinion? opinion, in Step unheard, in Step heard, IReadOnlyList<Finding> findings, TimeSpan elapsed)
    {
        if (heard.Decision == unheard.Decision)
            return false;
        if (opinion is not { Grounded: true } || unheard.Guard)
            return true;
        return policy.Decide.Reasoning switch
        {
            // CONTINUE or a mild ROLLBACK into HOLD, and nothing else.
            Authority.Advise => heard.Decision != Decision.Hold || unheard is { Decision: Decision.Rollback, Mild: false },
            Authority.Decide => heard.Decision switch
            {
                Decision.Rollback => !heard.Unclear || !HasGrounds(opinion, findings),
                Decision.Continue => elapsed < policy.Watch.Min,
                _ => false,
            },
            _ => true,
        };
    }

    /// <summary>Whether a judgement at a later tick, while an opinion still holds, is more than its authority allows.</summary>
    /// <param name="policy">The policy, with the authority.</param>
    /// <param name="opinion">The last opinion; null for none.</param>
    /// <param name="step">The judgement.</param>
    /// <param name="findings">The findings, looked up where they are needed.</param>
    public static bool Exceeded(Policy policy, Opinion? opinion, in Step step, Func<IReadOnlyList<Finding>> findings)
    {
        var alarmed = step.Alarm && step.PBad >= policy.Decide.Threshold;
        return step.Decision == Decision.Rollback
            ? !step.Alarm && (policy.Decide.Reasoning != Authority.Decide || opinion is not { Grounded: true } || !HasGrounds(opinion, findings()))
            : alarmed && (step.Guard || opinion is not { Grounded: true } || (policy.Decide.Reasoning == Authority.Advise && !step.Mild));
    }

    private static bool HasGrounds(Opinion opinion, IReadOnlyList<Finding> findings) =>
        findings.Any(finding => finding.Score >= Ground && opinion.Metrics.Contains(finding.Metric));
}
