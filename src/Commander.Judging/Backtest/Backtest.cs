using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Backtest;

/// <summary>What a judge said of one case.</summary>
/// <param name="Id">The case.</param>
/// <param name="Decision">ROLLBACK, or the verdict at the horizon.</param>
/// <param name="Tick">The tick of that decision.</param>
/// <param name="DelaySeconds">From the change to the rollback; null without one.</param>
/// <param name="Confidence">The verdict's.</param>
/// <param name="PBad">The verdict's.</param>
/// <param name="Findings">The verdict's; empty for judges that have none.</param>
public sealed record BacktestLine(string Id, string Decision, int Tick, double? DelaySeconds, double Confidence, double PBad, IReadOnlyList<Finding> Findings);

/// <summary>Replays recorded deployments tick by tick through the same function as the live loop.</summary>
public static class Backtests
{
    /// <summary>The judges that can be asked.</summary>
    public static IReadOnlyList<string> Judges { get; } = [Judge.Name, Snapshot.HealthScore];

    /// <summary>Replays one case; the first ROLLBACK ends it.</summary>
    /// <param name="found">The case; a judge is given its recording only.</param>
    /// <param name="judge">One of <see cref="Judges"/>.</param>
    /// <param name="policy">The policy; null: made from the recording. Its step is taken from the recording.</param>
    /// <param name="model">The model; null: the shipped one.</param>
    /// <param name="horizon">At most so many ticks after the change; null: all.</param>
    /// <exception cref="RefusedException">The judge is unknown, the horizon below 1, or the case has too many metrics.</exception>
    public static BacktestLine Run(Case found, string judge, Policy? policy = null, Model? model = null, int? horizon = null)
    {
        var (verdict, tick) = Decide(found.Recording, judge, policy, model, horizon);
        return new BacktestLine(
            found.Id,
            verdict.Decision,
            tick,
            verdict.Decision == Decision.Rollback.Word() ? tick * found.Recording.StepSeconds : null,
            verdict.Confidence,
            verdict.PBad,
            verdict.Findings);
    }

    /// <summary>The verdict on a recording, and the tick it was given at; parameters and errors as <see cref="Run"/>.</summary>
    public static (Verdict Verdict, int Tick) Decide(Recording recording, string judge, Policy? policy = null, Model? model = null, int? horizon = null)
    {
        if (horizon is < 1)
        {
            throw new RefusedException("horizon", "must be at least 1 tick");
        }
        return judge switch
        {
            Judge.Name => Judged(recording, policy, model ?? Model.Shipped, horizon),
            Snapshot.HealthScore => Scored(recording, policy, horizon),
            _ => throw new RefusedException("judge", $"'{judge}' is unknown; give one of {string.Join(", ", Judges)}"),
        };
    }

    private static (Verdict Verdict, int Tick) Judged(Recording recording, Policy? given, Model model, int? horizon)
    {
        var (policy, sources) = Prepare(recording, given);
        var state = Judge.Start(policy, recording.Restarted);
        var last = Math.Min(horizon ?? int.MaxValue, recording.Length);
        var n = 1 - recording.Past;
        var (subject, changed) = (Subject.Candidate, 0u);
        for (; n <= last; n++)
        {
            var step = Judge.Next(policy, model, ref state, Input.Of(CaseTicks.At(recording, sources, n)));
            foreach (var change in References.Due(step, step.Decision, subject, changed))
            {
                (subject, changed) = (change.Subject, change.Metric < 0 ? uint.MaxValue : changed | (1u << change.Metric));
                step = Judge.Next(policy, model, ref state, Input.Of(change));
            }
            if (step.Decision == Decision.Rollback)
            {
                break;
            }
        }
        var tick = Math.Min(n, last);
        var at = DateTimeOffset.FromUnixTimeMilliseconds((long)Math.Clamp(1000 * (recording.ChangeTime + (tick * recording.StepSeconds)), -6e13, 2.5e14));
        var verdict = Judge.Read(policy, model, state, new Reader(at, 1000 * tick * recording.StepSeconds, [], Final: true));
        return (verdict, tick);
    }

    private static (Verdict Verdict, int Tick) Scored(Recording recording, Policy? given, int? horizon)
    {
        var (policy, sources) = Prepare(recording, given);
        var state = Judge.Start(policy, recording.Restarted);
        var last = Math.Min(horizon ?? int.MaxValue, recording.Length);
        double? score = null;
        var n = 1;
        for (; n <= last; n++)
        {
            Judge.Next(policy, Model.Shipped, ref state, Input.Of(CaseTicks.At(recording, sources, n)));
            score = Judge.HealthScore(policy, state);
            if (score < HealthTerms.Bad)
            {
                break;
            }
        }
        var tick = Math.Min(n, last);
        var at = DateTimeOffset.FromUnixTimeMilliseconds((long)Math.Clamp(1000 * (recording.ChangeTime + (tick * recording.StepSeconds)), -6e13, 2.5e14));
        return (Snapshot.ByScore(score, at, 1000 * tick * recording.StepSeconds), tick);
    }

    private static (Policy Policy, IReadOnlyList<MetricSeries> Sources) Prepare(Recording recording, Policy? given)
    {
        if (given is null)
        {
            return CasePolicy.Of(recording);
        }
        var policy = given with { Watch = given.Watch with { Step = TimeSpan.FromSeconds(recording.StepSeconds) } };
        return (policy, CasePolicy.Match(recording, policy));
    }
}
