using Commander.Judging.Verdicts;

namespace Commander.Charts;

/// <summary>What explains a verdict beside its findings, in words: what kind of error it looks like, and what the language model says. Plain text; whoever shows it escapes it.</summary>
public static class Reasons
{
    /// <summary>One sentence or two each; empty when nothing is known.</summary>
    /// <param name="deployment">The deployment.</param>
    public static IReadOnlyList<string> Of(Deployment deployment)
    {
        ArgumentNullException.ThrowIfNull(deployment);
        var reasons = new List<string>();
        if (deployment.Diagnosis is { ErrorType: not "unknown" } diagnosis)
        {
            reasons.Add($"Looks like {diagnosis.ErrorType.Replace('_', ' ')} ({diagnosis.Confidence} evidence, {By(diagnosis)}){(diagnosis.Evidence.Count > 0 ? ": " + diagnosis.Evidence[0] : "")}");
        }

        if (deployment.Verdict?.Opinion is { } opinion)
        {
            var asked = deployment.Reasoning is { Purpose: "explain", State: "answered" } ? " (asked to explain, which changes nothing)" : "";
            reasons.Add($"The language model {opinion.Model} says {opinion.Decision}{asked}: {opinion.Reasoning}{(opinion.Grounded ? "" : $" (not grounded, so without effect: {deployment.Reasoning?.Missing ?? "it cites what is not in the evidence"})")}");
        }
        else if (deployment.Reasoning is { State: "none", Missing: { } missing })
        {
            reasons.Add($"No opinion of the language model: {missing}");
        }

        return reasons;
    }

    /// <summary>Who says what kind of error it is.</summary>
    /// <param name="diagnosis">The diagnosis.</param>
    public static string By(DiagnosisNote diagnosis)
    {
        ArgumentNullException.ThrowIfNull(diagnosis);
        return diagnosis.By == "rules" ? "by rules" : "named by the language model";
    }
}
