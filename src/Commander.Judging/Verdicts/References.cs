using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;

namespace Commander.Judging.Verdicts;

/// <summary>What becomes of the reference when the control is gone: the live loop stores these changes as facts, a backtest feeds them straight back.</summary>
public static class References
{
    // With less the default watch, an hour with what comes after CONTINUE, would not be covered; with more a day's rise alone looks like a worse version.
    private const double PastHolds = 3600;
    private const int PastSteps = 8;

    // So many ticks a control of which nothing is known, because its source fails, is waited for.
    private const short Patience = 8;

    /// <summary>
    /// Whether the past no longer says what to expect: response times, cpu and traffic change with the hour by themselves, so without a control, and without the same hours of
    /// another day, they are compared with what was before the start for an hour only. Shares of failures and memory do not, and are compared as long as the watch lasts.
    /// </summary>
    /// <param name="policy">The policy: with long steps the hour is so many of them, because a comparison needs some.</param>
    /// <param name="metric">The metric.</param>
    /// <param name="reference">What it is compared with.</param>
    /// <param name="elapsed">Seconds since the start.</param>
    internal static bool IsOver(Policy policy, MetricPolicy metric, ReferenceKind reference, double elapsed) =>
        elapsed > Math.Max(PastHolds, PastSteps * policy.Watch.Step.TotalSeconds)
        && (reference == ReferenceKind.Before || (reference == ReferenceKind.Seasonal && metric.Kind == MetricKind.Histogram))
        && metric.Kind != MetricKind.Ratio
        && metric.Family is not (Family.Error or Family.Memory);

    /// <summary>Whether a control that may be there is still waited for: its source fails, and has not done so for long. Asked once in a tick while there is no reference.</summary>
    /// <param name="head">The metric's memory, which counts.</param>
    /// <param name="control">What is known of the control in this tick.</param>
    internal static bool Awaits(ref MetricHead head, Presence control)
    {
        if (control != Presence.Unknown || head.ControlSilent >= Patience)
        {
            return false;
        }
        head.ControlSilent++;
        return true;
    }

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

/// <summary>Feeds ticks to the fold and, straight back, the changes of reference that they call for: what a backtest, a rehearsal and training have where the live loop has facts.</summary>
public struct OfflineWatch
{
    private Subject _subject;
    private uint _changed;

    /// <summary>Folds one tick in; parameters and errors as <see cref="Judge.Next"/>.</summary>
    /// <returns>The judgement after the tick and what came of it.</returns>
    public Step Next(Policy policy, Model model, ref WatchState state, Tick tick)
    {
        var step = Judge.Next(policy, model, ref state, Input.Of(tick));
        foreach (var change in References.Due(step, step.Decision, _subject, _changed))
        {
            (_subject, _changed) = (change.Subject, change.Metric < 0 ? uint.MaxValue : _changed | (1u << change.Metric));
            step = Judge.Next(policy, model, ref state, Input.Of(change));
        }
        return step;
    }
}
