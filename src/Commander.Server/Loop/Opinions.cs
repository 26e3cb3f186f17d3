using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Reasoning;

namespace Commander.Server.Loop;

/// <summary>When a watch asks the language model, and what waits for the answer. Pure.</summary>
internal static class Opinions
{
    /// <summary>
    /// Whether an opinion is wanted that may change the verdict: when the evidence enters the grey zone, by the authority to decide when
    /// something becomes unclear, and again when it has become much worse than what the last opinion was about.
    /// </summary>
    public static bool AdviceDue(Watch watch, DateTimeOffset now)
    {
        if (watch is not { Policy: not null, Model: not null, Question: null, State: WatchStates.Watching or WatchStates.Observing, Subject: Subject.Candidate, Person: null, LastTick: > 0 } || watch.Decision == Decision.Rollback)
            return false;
        var sinceNone = watch.Reasoning is { State: "none", Purpose: "advise" } last ? now - last.At : (TimeSpan?)null;
        return Occasions.AdviceDue(watch.Policy!.Decide.Reasoning, watch.Step, watch.AskedHere, watch.Questions, sinceNone);
    }

    /// <summary>Whether an explanation is wanted, which changes nothing: of a ROLLBACK; by the authority to explain of a CONTINUE too; of a HOLD before a person is asked at its end.</summary>
    /// <param name="watch">The watch.</param>
    /// <param name="now">Now.</param>
    /// <param name="patience">How long an answer may take.</param>
    public static bool ExplanationDue(Watch watch, DateTimeOffset now, TimeSpan patience)
    {
        if (watch is not { Policy: { } policy, Model: not null, Question: null, Explained: false, LastTick: > 0, Open: true, SupersededBy: null } || !Occasions.MayExplain(policy.Decide.Reasoning, watch.Questions))
            return false;
        return watch.Decision switch
        {
            Decision.Rollback => watch.Person is null,
            Decision.Continue => policy.Decide.Reasoning == Authority.Explain && watch.Person is null,
            // An opinion that held it back explains it already.
            _ => watch is { State: WatchStates.Watching, Opinion: null } && watch.EndsAt - now <= patience + policy.Watch.Lag + (2 * policy.Watch.Step),
        };
    }

    /// <summary>Whether the judgement waits for the answer that is under way: a mild ROLLBACK only, and not beyond the time-out.</summary>
    public static bool Waits(Watch watch, DateTimeOffset now) =>
        Occasions.Waits(watch.Step) && watch.Question is { Purpose: Purpose.Advise } && now < watch.Deadline;
}
