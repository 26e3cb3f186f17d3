using Commander.Judging.Decisions;
using Commander.Judging.Verdicts;

namespace Commander.Charts;

/// <summary>What a state means for the person who looks: chosen icon and colour, never the only carrier of the meaning.</summary>
public enum Tone
{
    /// <summary>Nothing to do, nothing decided: watching, queued, superseded.</summary>
    Calm = 0,
    /// <summary>Carries on.</summary>
    Good,
    /// <summary>A person is wanted.</summary>
    Ask,
    /// <summary>Rolled back, or ought to be.</summary>
    Bad,
}

/// <summary>A deployment in one glance: the word, the sentence, the proof. The same on the page, in the list, in the report and in the title.</summary>
/// <param name="Word">The state in one to three words: "Rolled back".</param>
/// <param name="Tone">What it means for the person who looks.</param>
/// <param name="What">Which deployment: "checkout 1.42.0 in prod".</param>
/// <param name="Because">Why, shortly; null when there is nothing to say yet.</param>
/// <param name="Proof">What was done about it and how that is known; null when nothing was done.</param>
/// <param name="Next">What happens next or what a person can do; null when nothing.</param>
public sealed record Headline(string Word, Tone Tone, string What, string? Because, string? Proof, string? Next)
{
    /// <summary>Until when the present state lasts at most: an order that nobody takes has its own end.</summary>
    /// <param name="deployment">As it stands.</param>
    public static DateTimeOffset Until(Deployment deployment)
    {
        ArgumentNullException.ThrowIfNull(deployment);
        return deployment.State == "acting" && deployment.Actions.LastOrDefault(a => a.Kind == "rollback") is { State: "intended" or "running" } order
            ? order.RequestedAt + Plan.OrderPatience
            : deployment.EndsAt;
    }

    /// <summary>All of it as one line of text, for titles, messages and announcements.</summary>
    public string Sentence =>
        $"{Word}: {What}" + (Because is null ? "." : $": {Because.TrimEnd('.')}.") + (Proof is null ? "" : $" {Proof.TrimEnd('.')}.");

    /// <summary>Whether nothing of a deployment is measured, so that no verdict comes by itself.</summary>
    /// <param name="deployment">As it stands.</param>
    public static bool NothingToJudge(Deployment deployment)
    {
        ArgumentNullException.ThrowIfNull(deployment);
        return deployment.Verdict?.Decision == "HOLD" && deployment.Notes.Any(note => note.StartsWith("no source:", StringComparison.Ordinal));
    }

    /// <summary>The headline of a deployment.</summary>
    /// <param name="deployment">As it stands.</param>
    public static Headline Of(Deployment deployment)
    {
        ArgumentNullException.ThrowIfNull(deployment);
        var what = $"{deployment.Service} {deployment.Version} in {deployment.Environment}";
        var rollback = deployment.Actions.LastOrDefault(a => a.Kind == "rollback");
        var because = ReasonOf(deployment);
        if (rollback is not null)
        {
            return OfRollback(deployment, rollback, what, because);
        }

        return (deployment.State, deployment.ClosedReason, deployment.Verdict?.Decision) switch
        {
            ("closed", "superseded", not "CONTINUE") => new("Superseded", Tone.Calm, what, "a newer version was announced while this one was watched", null, null),
            ("closed", "cancelled", _) => new("Cancelled", Tone.Calm, what, because, null, null),
            ("closed", "failed", _) => new("Watch failed", Tone.Ask, what, deployment.Notes.Count > 0 ? deployment.Notes[^1] : because, null, "Nobody judged this deployment to the end: look at it yourself."),
            ("waiting_for_person", _, "ROLLBACK") => new("Roll back?", Tone.Bad, what, because, null, Late(deployment)
                ? "It comes after CONTINUE, and the policy leaves late rollbacks to a person (act.late): roll back or keep it."
                : "The policy leaves rollbacks to a person (act.autonomy): roll back or keep it."),
            ("waiting_for_person", _, _) => new("Waits for you", Tone.Ask, what, because, null, "Roll back or keep it."),
            ("acting", _, "ROLLBACK") => new("Rolling back", Tone.Bad, what, because, null, "The order is about to go out."),
            (not "closed", _, "ROLLBACK") => new("Should roll back", Tone.Bad, what, because, null, "Nothing was done yet."),
            // Nothing was measured beside it: what was announced was judged, and that is all that is ever done with it.
            ("closed", _, "ROLLBACK") when deployment is { Metrics: not null, Reference: null } =>
                new("Should roll back", Tone.Bad, what, because, null, "The snapshot of its announcement was judged, which starts no rollback by itself: roll back by hand."),
            ("closed", _, "ROLLBACK") => new("Should have rolled back", Tone.Bad, what, because, null, "Commander only watched here; nothing was done."),
            (_, _, "CONTINUE") => OfContinue(deployment, what),
            ("closed", _, _) when NothingToJudge(deployment) => new("Not judged", Tone.Ask, what, because, null, Unmeasured),
            (not "closed", _, "HOLD") when NothingToJudge(deployment) => new("Not judged", Tone.Ask, what, because, null, Unmeasured),
            ("closed", _, _) => new("No verdict", Tone.Ask, what, because ?? "the evidence did not suffice", null, "The watch ended on hold: look at it yourself and say what it was."),
            ("queued", _, _) when deployment.Notes.Count > 0 => new("Queued", Tone.Calm, what, deployment.Notes[^1], null, "The watch starts as soon as there is room; nothing is lost by then."),
            ("queued", _, _) => new("Starting", Tone.Calm, what, "accepted and stored", null, null),
            _ => new("Watching", Tone.Calm, what, because ?? "the first measurements are on their way", null, null),
        };
    }

    private const string Unmeasured = "Name its metrics in a policy and start Commander with it (commander policy init --prometheus URL writes a first one); until then judge it yourself.";

    private static bool Late(Deployment deployment) => deployment.Verdicts.Any(v => v.Decision == "CONTINUE");

    private static Headline OfContinue(Deployment deployment, string what)
    {
        var keep = deployment.Actions.LastOrDefault(a => a is { Kind: "keep", State: "done" });
        var because = deployment.Verdict?.Findings.FirstOrDefault(f => f.Verdict == "worse") is { } doubt
            ? $"{doubt.Metric}: {doubt.Reason}"
            : deployment.Verdict?.Reasoning;
        return keep is not null
            ? new("Kept", Tone.Good, what, $"{keep.By} decided to keep it", keep.Message, null)
            : new("Continue", Tone.Good, what, because, null, deployment.State == "closed" ? null : "It carries on, and is watched on for late faults.");
    }

    private static Headline OfRollback(Deployment deployment, ActionEntry rollback, string what, string? because)
    {
        var target = rollback.ServingVersion ?? deployment.PreviousVersion ?? "the old version";
        var took = rollback.FinishedAt is { } finished ? Figures.Duration(finished - rollback.RequestedAt) : null;
        return rollback.State switch
        {
            "done" => new(
                "Rolled back",
                Tone.Bad,
                what,
                because,
                $"{target} serves again{(took is null ? "" : $", {took} after the order")}" + (rollback.Recovered switch
                {
                    true => "; the metrics have recovered",
                    false => "; the metrics have NOT recovered",
                    _ => "; there was too little traffic to tell whether the metrics recovered",
                }),
                rollback.Recovered == false ? "The old version does not look healthy either: look at the service now." : null),
            "failed" when rollback is { Recovered: false, ServingVersion: not null } =>
                new("Not recovered", Tone.Ask, what, because, rollback.Message, "The rollback was ordered and the platform reports the old version; look at the service now."),
            "failed" => new("Rollback failed", Tone.Ask, what, because, rollback.Message,
                // What the platform says that it serves may be the bad version.
                $"Roll back to {deployment.PreviousVersion ?? "the version before"} with your own tools now{(deployment.State == "closed" ? "" : ", or try it here once more")}; then mark here whether the verdict was right."),
            "refused" => new("Rollback refused", Tone.Ask, what, because, rollback.Message, "Decide by hand."),
            _ when rollback is { ServingVersion: not null, Recovered: false } => new("Rolling back", Tone.Bad, what, because, rollback.Message, "The recovery is not complete: look where the requests come from."),
            _ when rollback.ServingVersion is not null => new("Rolling back", Tone.Bad, what, because, $"{target} serves again; recovery is being verified", null),
            _ when deployment.State == "acting" => new("Rolling back", Tone.Bad, what, because, rollback.Message,
                $"{rollback.Target} has not taken the order yet; it is tried again until {Until(deployment).UtcDateTime:HH:mm:ss} UTC. Who cannot wait rolls back to {target} with their own tools."),
            _ => new("Rolling back", Tone.Bad, what, because, null, $"The order is out to {rollback.Target}; done when it serves and the metrics have recovered."),
        };
    }

    /// <summary>The worst finding in a few words and when it was decided; else the newest judgement's own reason.</summary>
    private static string? ReasonOf(Deployment deployment)
    {
        if (deployment.Verdict is not { } verdict)
        {
            return deployment.Verdicts.Count > 0 ? deployment.Verdicts[^1].Reason : null;
        }

        if (verdict.Decision != "ROLLBACK")
        {
            return verdict.Reasoning;
        }

        var decided = deployment.Verdicts.LastOrDefault(v => v.Decision == "ROLLBACK")?.At ?? verdict.DecidedAt;
        var after = decided > deployment.StartedAt ? $", decided {Figures.Duration(decided - deployment.StartedAt)} after the start" : "";
        return verdict.Findings.FirstOrDefault(f => f.Verdict == "worse") is { Candidate: not null, Reference: not null } worst
            ? $"{worst.Metric} {Figures.Level(worst.Candidate, worst.Unit)}, {Figures.Arm(worst.ReferenceArm)} {Figures.Level(worst.Reference, worst.Unit)}{after}"
            : verdict.Reasoning.TrimEnd('.') + after;
    }
}
