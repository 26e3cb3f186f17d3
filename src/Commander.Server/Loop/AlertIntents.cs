using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Alerting;
using Commander.Server.Storage;

namespace Commander.Server.Loop;

/// <summary>Who is to be told of what has just become a fact: an intent each, stored with it. Pure.</summary>
internal static class AlertIntents
{
    // Of what one transaction says at once, one channel hears the first that it wants.
    private static readonly string[] Order = [Occasions.Rollback, Occasions.Failed, Occasions.Hold, Occasions.Outcome, Occasions.Continue, Occasions.Progress];

    /// <summary>One intent per entry of the pinned policy's <c>alert</c> that wants to hear of these facts.</summary>
    /// <param name="watch">With the facts folded in.</param>
    /// <param name="facts">What is about to be stored in one transaction.</param>
    /// <param name="before">The standing outcome before them; null for none.</param>
    /// <param name="now">Now.</param>
    public static List<AlertBody> Of(Watch watch, IReadOnlyList<Fact> facts, Outcome? before, DateTimeOffset now)
    {
        var intents = new List<AlertBody>();
        if (watch.Policy is not { Alert.Count: > 0 } policy)
            return intents;
        var occasions = facts.SelectMany(fact => Brings(watch, fact, before)).Distinct().ToList();
        if (occasions.Count == 0)
            return intents;
        occasions.Sort((a, b) => Array.IndexOf(Order, a.Occasion).CompareTo(Array.IndexOf(Order, b.Occasion)));
        for (var entry = 0; entry < policy.Alert.Count; entry++)
        {
            var to = policy.Alert[entry];
            var known = watch.Alerts.Any(alert => alert.Entry == entry && alert.State != "failed");
            if (occasions.FindIndex(o => o.Occasion == Occasions.Progress ? known : Routing.Wants(to, o.Occasion, o.Severity)) is not (>= 0 and var at))
                continue;
            var (occasion, severity) = occasions[at];
            var until = occasion == Occasions.Progress ? now : Routing.NotBefore(to, severity, now);
            intents.Add(new AlertBody($"{watch.Received.Id}/alert/{watch.Alerts.Count + intents.Count + 1}", entry, Routing.NameOf(to), occasion, severity) { NotBefore = until > now ? until : null });
        }

        return intents;
    }

    private static IEnumerable<(string Occasion, Severity Severity)> Brings(Watch watch, Fact fact, Outcome? before)
    {
        if (fact.Body is not { } body)
            yield break;
        switch (fact.Kind)
        {
            case FactKind.Verdict when FactBody.Read<Verdict>(body).Decision is "ROLLBACK":
                yield return (Occasions.Rollback, Watches(watch) ? Severity.Warning : Routing.SeverityOf(Occasions.Rollback));
                // A person who has it rolled back answers whoever was told of less.
                yield return (Occasions.Progress, Severity.Info);
                break;
            case FactKind.Verdict when FactBody.Read<Verdict>(body).Decision is "CONTINUE":
                yield return (Occasions.Continue, Routing.SeverityOf(Occasions.Continue));
                yield return (Occasions.Progress, Severity.Info);
                break;
            case FactKind.Result when FactBody.Read<ResultBody>(body) is { State: "failed" or "refused" } ended:
                yield return (Occasions.Failed, Routing.SeverityOf(Occasions.Failed));
                yield return (Occasions.Progress, Severity.Info);
                break;
            case FactKind.Result when FactBody.Read<ResultBody>(body) is { State: "done" } done:
                yield return (Occasions.Progress, Severity.Info);
                break;
            case FactKind.Closed when FactBody.Read<ClosedBody>(body).Reason is "on_hold":
                yield return (Occasions.Hold, Routing.SeverityOf(Occasions.Hold));
                yield return (Occasions.Progress, Severity.Info);
                break;
            case FactKind.Closed when FactBody.Read<ClosedBody>(body).Reason is "failed":
                yield return (Occasions.Failed, Routing.SeverityOf(Occasions.Failed));
                yield return (Occasions.Progress, Severity.Info);
                break;
            // Whoever was asked to roll it back is asked no longer.
            case FactKind.Closed when watch is { Decision: Decision.Rollback, LastRollback: null } && FactBody.Read<ClosedBody>(body).Reason is "superseded":
                yield return (Occasions.Progress, Severity.Info);
                break;
            case FactKind.Outcome when watch.Outcome is { } stands && stands.Label != before?.Label && (stands.Label != "UNKNOWN" || before is not null):
                yield return (Occasions.Outcome, Routing.SeverityOf(Occasions.Outcome, bad: stands.Label == "BAD" && watch.Decision == Decision.Continue));
                // Who pressed a button is shown what became of it.
                if (stands.Source == "person")
                    yield return (Occasions.Progress, Severity.Info);
                break;
        }
    }

    // Nothing is done about it and nobody is asked: it is worth a look, and wakes nobody.
    private static bool Watches(Watch watch) => watch is { Policy.Act.Autonomy: Autonomy.Observe, Person: null };

    /// <summary>How long after so many failed tries the next one comes.</summary>
    public static TimeSpan Pause(int tries) => tries switch
    {
        <= 1 => TimeSpan.FromSeconds(5),
        2 => TimeSpan.FromSeconds(15),
        3 => TimeSpan.FromSeconds(45),
        4 => TimeSpan.FromMinutes(2),
        5 => TimeSpan.FromMinutes(5),
        6 => TimeSpan.FromMinutes(10),
        _ => TimeSpan.FromMinutes(20),
    };
}
