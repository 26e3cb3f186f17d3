using System.Text.Json.Serialization;

namespace Commander.Judging.Verdicts;

/// <summary>What is to be done about a deployment.</summary>
public enum Decision
{
    /// <summary>Not decided yet.</summary>
    Hold = 0,
    /// <summary>Carry on.</summary>
    Continue = 1,
    /// <summary>Go back to the old version.</summary>
    Rollback = 2,
}

/// <summary>The words of a decision.</summary>
public static class DecisionWords
{
    /// <summary>HOLD, CONTINUE or ROLLBACK.</summary>
    public static string Word(this Decision decision) => decision switch
    {
        Decision.Rollback => "ROLLBACK",
        Decision.Continue => "CONTINUE",
        _ => "HOLD",
    };

    /// <summary>Reads HOLD, CONTINUE or ROLLBACK; false for any other text.</summary>
    public static bool TryDecision(string? word, out Decision decision)
    {
        (var known, decision) = word switch
        {
            "ROLLBACK" => (true, Decision.Rollback),
            "CONTINUE" => (true, Decision.Continue),
            "HOLD" => (true, Decision.Hold),
            _ => (false, Decision.Hold),
        };
        return known;
    }
}

/// <summary>What one metric says.</summary>
/// <param name="Metric">The metric's name in the policy.</param>
/// <param name="Family">The family's word.</param>
/// <param name="Kind">The kind's word.</param>
/// <param name="Candidate">The candidate's level over the evidence so far, in <paramref name="Unit"/>; null without data.</param>
/// <param name="Reference">The reference's level, in <paramref name="Unit"/>; null without data.</param>
/// <param name="ReferenceArm">The reference's arm, or null while none is chosen.</param>
/// <param name="Difference">Candidate minus reference, in <paramref name="Unit"/> (percentage points when that is %).</param>
/// <param name="Low">Lower limit of the difference, of the time-uniform interval that the decision uses; null for gauges.</param>
/// <param name="High">Upper limit of that interval; null for gauges.</param>
/// <param name="Unit">The unit of the levels.</param>
/// <param name="Score">Strength of the evidence of harm; 1 is an alarm by itself. At least 0.</param>
/// <param name="Verdict">worse, same, better, unclear, no_data or warming_up.</param>
/// <param name="Quality">The newest reading's quality word.</param>
/// <param name="Reason">One sentence for a person.</param>
/// <param name="Query">The resolved query of the candidate; null where there is none.</param>
public sealed record Finding(
    string Metric,
    string Family,
    string Kind,
    double? Candidate,
    double? Reference,
    string? ReferenceArm,
    double? Difference,
    double? Low,
    double? High,
    string? Unit,
    double Score,
    string Verdict,
    string Quality,
    string Reason,
    string? Query);

/// <summary>What the language model says; bounded and grounded in evidence.</summary>
/// <param name="Decision">The word of its decision.</param>
/// <param name="Confidence">What it says of itself, 0..1; recorded, not believed.</param>
/// <param name="Reasoning">Its reasons in words.</param>
/// <param name="Grounded">Whether every number and id it cites stands in the evidence.</param>
/// <param name="Model">Which model said it.</param>
/// <param name="Metrics">The metrics it cites.</param>
public sealed record Opinion(string Decision, double Confidence, string Reasoning, bool Grounded, string Model, IReadOnlyList<string> Metrics)
{
    /// <summary>The worst score of the evidence that it was given, 0 to 2, where that is older than the evidence it is folded into; null where it is the same.</summary>
    [JsonIgnore]
    public double? Given { get; init; }
}

/// <summary>A judgement, as it is stored, shown and answered.</summary>
/// <param name="Decision">ROLLBACK, CONTINUE or HOLD.</param>
/// <param name="Final">True once, on the deployment's verdict at closing (and on a decision on a snapshot).</param>
/// <param name="Confidence">P(BAD) for ROLLBACK, 1 - P(BAD) for CONTINUE, the larger for HOLD.</param>
/// <param name="PBad">The probability that the deployment is bad, given the findings.</param>
/// <param name="HealthScore">0..100, or null when the candidate has no value at all.</param>
/// <param name="Reasoning">Why, in one or two sentences.</param>
/// <param name="Findings">One per metric, worst first.</param>
/// <param name="Opinion">The language model's, or null.</param>
/// <param name="Model">The calibration's version; null for judges that have none.</param>
/// <param name="Judge">The judge's name.</param>
/// <param name="DecidedAt">When; not compared by replay.</param>
/// <param name="ElapsedMs">From the start of the watch to this judgement; not compared by replay.</param>
public sealed record Verdict(
    string Decision,
    bool Final,
    double Confidence,
    double PBad,
    int? HealthScore,
    string Reasoning,
    IReadOnlyList<Finding> Findings,
    Opinion? Opinion,
    string? Model,
    string Judge,
    DateTimeOffset DecidedAt,
    double ElapsedMs);
