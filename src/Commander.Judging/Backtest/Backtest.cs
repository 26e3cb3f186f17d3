using System.Text.Json.Serialization;
using Commander.Judging.Backtest.Rules;
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
/// <param name="TooLittleData">Of commander's HOLD at the horizon: whether there was too little data to exclude the tolerance even for a candidate equal to its reference; else null.</param>
public sealed record BacktestLine(
    string Id, string Decision, int Tick, double? DelaySeconds, double Confidence, double PBad, IReadOnlyList<Finding> Findings, [property: JsonIgnore] bool? TooLittleData = null)
{
    /// <summary>The case's source.</summary>
    public string? Source { get; init; }

    /// <summary>What it really was: BAD, GOOD or null. No judge sees it.</summary>
    public string? Label { get; init; }

    /// <summary>Why, in a sentence; of a judge without findings all that there is to say.</summary>
    public string? Reason { get; init; }
}

/// <summary>A case with all that a report needs.</summary>
/// <param name="Line">What the judge said.</param>
/// <param name="Reasoning">Why, in a sentence.</param>
/// <param name="Peak">
/// How near the judge ever came to ROLLBACK up to the horizon, looking on after a rollback; higher is nearer. Comparable within one judge only: health-score and the rules give what
/// they compare as a multiple of where they roll back, commander its P(BAD), with 1 added where there was an alarm as well.
/// </param>
public sealed record Examined(BacktestLine Line, string Reasoning, double Peak);

/// <summary>Replays recorded deployments tick by tick through the same function as the live loop.</summary>
public static class Backtests
{
    /// <summary>The judges that can be asked: Commander, the health score, and known rules to compare with.</summary>
    public static IReadOnlyList<string> Judges { get; } = [Judge.Name, Snapshot.HealthScore, .. Rule.All.Select(static rule => rule.Name)];

    /// <summary>Replays one case; the first ROLLBACK ends it.</summary>
    /// <param name="found">The case; a judge is given its recording only.</param>
    /// <param name="judge">One of <see cref="Judges"/>.</param>
    /// <param name="policy">The policy, for commander and health-score; null: made from the recording. Its step is taken from the recording.</param>
    /// <param name="model">The model, for commander; null: the shipped one.</param>
    /// <param name="horizon">At most so many ticks after the change; null: all.</param>
    /// <exception cref="RefusedException">The judge is unknown, the horizon below 1, or the case has too many metrics.</exception>
    public static BacktestLine Run(Case found, string judge, Policy? policy = null, Model? model = null, int? horizon = null) =>
        Line(found, Judged(found.Recording, judge, policy, model, horizon, whole: false));

    /// <summary>Replays one case and looks on after a ROLLBACK, to say how near to it the judge ever came; parameters and errors as <see cref="Run"/>.</summary>
    public static Examined Examine(Case found, string judge, Policy? policy = null, Model? model = null, int? horizon = null)
    {
        var ruled = Judged(found.Recording, judge, policy, model, horizon, whole: true);
        return new Examined(Line(found, ruled), ruled.Verdict.Reasoning, ruled.Peak);
    }

    /// <summary>The verdict on a recording, and the tick it was given at; parameters and errors as <see cref="Run"/>.</summary>
    public static (Verdict Verdict, int Tick) Decide(Recording recording, string judge, Policy? policy = null, Model? model = null, int? horizon = null)
    {
        var ruled = Judged(recording, judge, policy, model, horizon, whole: false);
        return (ruled.Verdict, ruled.Tick);
    }

    private static BacktestLine Line(Case found, in Ruled ruled) => new(
        found.Id,
        ruled.Verdict.Decision,
        ruled.Tick,
        ruled.Verdict.Decision == Decision.Rollback.Word() ? ruled.Tick * found.Recording.StepSeconds : null,
        ruled.Verdict.Confidence,
        ruled.Verdict.PBad,
        ruled.Verdict.Findings,
        ruled.TooLittle)
    {
        Source = found.Source,
        Label = found.Label,
        Reason = ruled.Verdict.Reasoning,
    };

    private static Ruled Judged(Recording recording, string judge, Policy? policy, Model? model, int? horizon, bool whole)
    {
        if (horizon is < 1)
        {
            throw new RefusedException("horizon", "must be at least 1 tick");
        }
        var last = Math.Min(horizon ?? int.MaxValue, recording.Length);
        return judge switch
        {
            Judge.Name => ByCommander(recording, policy, model ?? Model.Shipped, last, whole),
            Snapshot.HealthScore => ByScore(recording, policy, last, whole),
            _ => Rule.All.FirstOrDefault(rule => rule.Name == judge) is { } rule
                ? ByRule(recording, rule, last, whole)
                : throw new RefusedException("judge", $"'{judge}' is unknown; give one of {string.Join(", ", Judges)}"),
        };
    }

    private static Ruled ByCommander(Recording recording, Policy? given, Model model, int last, bool whole)
    {
        var watch = new CaseWatch(recording, given, model);
        Ruled? ruled = null;
        double peak = 0;
        while (watch.Tick < last)
        {
            var step = watch.Next();
            var rollback = step.Decision == Decision.Rollback;
            peak = Math.Max(peak, Math.Min(step.PBad, 0.999999) + (rollback && step.Alarm ? 1 : 0));
            if (rollback && ruled is null)
            {
                ruled = new Ruled(watch.Read(final: true), watch.Tick);
                if (!whole)
                {
                    break;
                }
            }
        }
        return (ruled ?? new Ruled(watch.Read(final: true), last, TooLittle: watch.TooLittle)) with { Peak = peak };
    }

    private static Ruled ByScore(Recording recording, Policy? given, int last, bool whole)
    {
        var (policy, sources) = CaseWatch.Prepare(recording, given);
        var state = Judge.Start(policy, recording.Restarted);
        double? score = null;
        Ruled? ruled = null;
        double peak = 0;
        for (var n = 1; n <= last; n++)
        {
            Judge.Next(policy, Model.Shipped, ref state, Input.Of(CaseTicks.At(recording, sources, n)));
            score = Judge.HealthScore(policy, state);
            peak = Math.Max(peak, (100 - (score ?? 100)) / (100 - HealthTerms.Bad));
            if (score < HealthTerms.Bad && ruled is null)
            {
                ruled = Read(n);
                if (!whole)
                {
                    break;
                }
            }
        }
        return (ruled ?? Read(last)) with { Peak = peak };

        Ruled Read(int tick) => new(Snapshot.ByScore(score, CaseWatch.At(recording, tick), CaseWatch.Elapsed(recording, tick)), tick);
    }

    private static Ruled ByRule(Recording recording, Rule rule, int last, bool whole)
    {
        var newest = new Look(Decision.Hold, 0);
        Ruled? ruled = null;
        var tick = 0;
        double peak = 0;
        foreach (var look in rule.Looks(recording, last))
        {
            (newest, tick) = (look, tick + 1);
            peak = Math.Max(peak, look.Score);
            if (look.Decision == Decision.Rollback && ruled is null)
            {
                ruled = Read();
                if (!whole)
                {
                    break;
                }
            }
        }
        return (ruled ?? Read()) with { Peak = peak };

        Ruled Read() => new(rule.Verdict(recording, tick, newest, CaseWatch.At(recording, tick), CaseWatch.Elapsed(recording, tick)), tick);
    }

    private readonly record struct Ruled(Verdict Verdict, int Tick, double Peak = 0, bool? TooLittle = null);
}
