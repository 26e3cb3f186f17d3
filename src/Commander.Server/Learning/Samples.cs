using Commander.Judging.Verdicts;

namespace Commander.Server.Learning;

/// <summary>What was known when it was decided (design 5.6). Rates and levels in %, ms, %, %; null where the policy has no such metric.</summary>
internal sealed record SampleState(
    double? ErrorRate,
    double? MemoryUsage,
    double? ResponseTime,
    double? CpuUsage,
    string DeploymentId,
    IReadOnlyDictionary<string, double> Findings);

/// <summary>One line of training data. Reward, cost and outcome come later, once.</summary>
/// <param name="Timestamp">When it was decided.</param>
/// <param name="State">What was known.</param>
/// <param name="Action">ROLLBACK, CONTINUE or HOLD.</param>
/// <param name="Confidence">The verdict's.</param>
/// <param name="Propensity">The chance with which the policy chose this action: 1 without exploration.</param>
/// <param name="PolicyVersion">The pinned policy.</param>
/// <param name="Model">The pinned model.</param>
/// <param name="Reward">+1 right, -1 wrong on a verified outcome; null while that is unknown.</param>
/// <param name="Cost">Minutes of harm until the old version served again (or until the watch ended) for a bad deployment; the policy's cost of a false rollback for a good one that was rolled back; 0 for a good one that was continued; null while unknown.</param>
/// <param name="Outcome">GOOD or BAD; null while unknown.</param>
/// <param name="OutcomeSource">How that is known.</param>
internal sealed record Sample(
    DateTimeOffset Timestamp,
    SampleState State,
    string Action,
    double Confidence,
    double Propensity,
    string PolicyVersion,
    string? Model,
    int? Reward,
    double? Cost,
    string? Outcome,
    string? OutcomeSource);

/// <summary>Step 9: a deployment's decision as a training sample.</summary>
internal static class Samples
{
    /// <summary>The sample of a deployment; null before its first verdict.</summary>
    /// <param name="deployment">The deployment.</param>
    /// <param name="falseRollbackCost">The policy's cost of a rollback that was not needed, in minutes.</param>
    public static Sample? Of(Deployment deployment, double falseRollbackCost)
    {
        if (deployment.Verdict is not { } verdict)
            return null;
        var outcome = deployment.Outcome is { Label: "GOOD" or "BAD" } known ? known : null;
        return new Sample(
            verdict.DecidedAt,
            new SampleState(
                Level(verdict, "error"),
                Level(verdict, "memory"),
                Level(verdict, "latency"),
                Level(verdict, "cpu"),
                deployment.Id,
                verdict.Findings.ToDictionary(f => f.Metric, f => f.Score, StringComparer.Ordinal)),
            verdict.Decision,
            verdict.Confidence,
            1,
            deployment.Policy.Version,
            verdict.Model,
            outcome is null || verdict.Decision == "HOLD" ? null : outcome.Label == "BAD" == (verdict.Decision == "ROLLBACK") ? 1 : -1,
            outcome is null ? null : Cost(deployment, verdict, outcome, falseRollbackCost),
            outcome?.Label,
            outcome?.Source);
    }

    private static double Cost(Deployment deployment, Verdict verdict, Outcome outcome, double falseRollbackCost)
    {
        if (outcome.Label == "GOOD")
            return verdict.Decision == "ROLLBACK" ? falseRollbackCost : 0;
        var restored = deployment.Actions.LastOrDefault(a => a is { Kind: "rollback", ServingVersion: not null })?.FinishedAt;
        return Math.Round(((restored ?? deployment.EndsAt) - deployment.StartedAt).TotalMinutes, 3);
    }

    private static double? Level(Verdict verdict, string family) => verdict.Findings.FirstOrDefault(f => f.Family == family)?.Candidate;
}
