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

/// <summary>One line of training data. Reward, cost and outcome come later, and follow what stands of the outcome.</summary>
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
        var vitals = Vitals.Of(verdict, deployment.Metrics);
        var sample = new Sample(
            verdict.DecidedAt,
            new SampleState(
                vitals.ErrorRate,
                vitals.MemoryUsage,
                vitals.ResponseTime,
                vitals.CpuUsage,
                deployment.Id,
                verdict.Findings.ToDictionary(f => f.Metric, f => f.Score, StringComparer.Ordinal)),
            verdict.Decision,
            verdict.Confidence,
            1,
            deployment.Policy.Version,
            verdict.Model,
            null,
            null,
            null,
            null);
        return Labelled(sample, deployment, falseRollbackCost);
    }

    /// <summary>A sample with what is known now of its reward, cost and outcome; what was known when it was decided stays.</summary>
    public static Sample Labelled(Sample sample, Deployment deployment, double falseRollbackCost) =>
        deployment.Outcome is not { Label: Outcomes.Good or Outcomes.Bad } outcome
            // Not known yet, or no longer.
            ? sample with { Reward = null, Cost = null, Outcome = null, OutcomeSource = null }
            : sample with
            {
                Reward = sample.Action == "HOLD" ? null : outcome.Label == Outcomes.Bad == (sample.Action == "ROLLBACK") ? 1 : -1,
                Cost = Cost(deployment, sample.Action, outcome, falseRollbackCost),
                Outcome = outcome.Label,
                OutcomeSource = outcome.Source,
            };

    private static double Cost(Deployment deployment, string action, Outcome outcome, double falseRollbackCost)
    {
        if (outcome.Label == Outcomes.Good)
            return action == "ROLLBACK" ? falseRollbackCost : 0;
        var restored = deployment.Actions.LastOrDefault(a => a is { Kind: "rollback", ServingVersion: not null })?.FinishedAt;
        return Math.Round(((restored ?? deployment.EndsAt) - deployment.StartedAt).TotalMinutes, 3);
    }
}
