using Commander.Judging.Verdicts;

namespace Commander.Charts;

/// <summary>What a deployment really was, and who says so, in words. Plain text; whoever shows it escapes it.</summary>
public static class OutcomeWords
{
    /// <summary>The labels of a deployment, oldest first; where it lists none, the one that stands.</summary>
    /// <param name="deployment">The deployment.</param>
    public static IReadOnlyList<OutcomeLabel> Labels(Deployment deployment)
    {
        ArgumentNullException.ThrowIfNull(deployment);
        return deployment.Outcomes
            ?? (deployment.Outcome is { } outcome ? [new OutcomeLabel(outcome.Label, outcome.Source, 0, outcome.At, null, null, true)] : []);
    }

    /// <summary>A source as a person says it: "an incident".</summary>
    /// <param name="source">Its word.</param>
    public static string Source(string source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return source switch
        {
            "person" => "a person",
            "incident" => "an incident",
            "revert-commit" => "a commit that reverts it",
            "fix-commit" => "a commit that fixes it",
            "redeployed-fine" => "the same version, deployed again and fine",
            "recovered-after-rollback" => "the recovery after the rollback",
            "quiet-period" => "a quiet period",
            "unverified" => "nothing that shows it",
            "superseded" => "a newer version that came before",
            _ => source.Replace('-', ' '),
        };
    }

    /// <summary>How much a label is worth, in words.</summary>
    /// <param name="label">The label.</param>
    public static string Trust(OutcomeLabel label)
    {
        ArgumentNullException.ThrowIfNull(label);
        return label switch
        {
            { Source: "person", Label: "UNKNOWN" } => "takes persons' words back",
            { Label: "UNKNOWN" } or { Trust: <= 0 } => "says nothing",
            { Trust: >= 90 } => "outranks all",
            { Trust: >= 55 } => "strong",
            { Trust: >= 40 } => "fair",
            _ => "weak",
        };
    }

    /// <summary>Who says otherwise, in the order in which they spoke, and what stands: "GOOD by a quiet period, then BAD by an incident: BAD stands". Null where nobody does.</summary>
    /// <param name="deployment">The deployment.</param>
    public static string? Contest(Deployment deployment)
    {
        ArgumentNullException.ThrowIfNull(deployment);
        return deployment is { Contested: true, Outcome: { } stands }
            ? string.Join(", then ", Spoken(deployment).Select(label => $"{label.Label} by {Source(label.Source)}").Distinct()) + $": {stands.Label} stands"
            : null;
    }

    /// <summary>What stands, and which other words it overrides: "BAD by an incident (pagerduty:Q1), over GOOD by a quiet period". Null while nothing is said.</summary>
    /// <param name="deployment">The deployment.</param>
    public static string? Standing(Deployment deployment)
    {
        var labels = Labels(deployment);
        if (labels.LastOrDefault(label => label.Standing) is not { } stands)
            return null;
        var over = Spoken(deployment).Where(label => label.Label != stands.Label).Select(label => $"{label.Label} by {Source(label.Source)}").Distinct().ToList();
        return $"{stands.Label} by {Source(stands.Source)}{(stands.By is { } by ? $" ({by})" : "")}{(over.Count > 0 ? ", over " + string.Join(" and ", over) : "")}";
    }

    // What persons have taken back is in the list, and nobody's word any more.
    private static IEnumerable<OutcomeLabel> Spoken(Deployment deployment)
    {
        var labels = Labels(deployment);
        var back = labels.Count - 1;
        while (back >= 0 && labels[back] is not { Source: "person", Label: "UNKNOWN" })
            back--;
        return labels.Where((label, n) => label.Trust > 0 && label.Label is ("GOOD" or "BAD") && (n > back || label.Source != "person"));
    }
}
