using Commander.Judging.Verdicts;

namespace Commander.Judging.Backtest.Rules;

/// <summary>What a rule says after one more tick.</summary>
/// <param name="Decision">ROLLBACK ends the case; anything else stands when it is the last.</param>
/// <param name="Score">How near to ROLLBACK, at least 0: what the rule compares, as a multiple of where it rolls back. Infinite where it would at any threshold.</param>
/// <param name="Series">The series it rests on, by its place in the recording; -1 for none or several.</param>
internal readonly record struct Look(Decision Decision, double Score, int Series = -1);

/// <summary>
/// A known rule to compare Commander with. It sees a recording and nothing else, and at a tick no point that comes after it.
/// None of these is offered for live watches.
/// </summary>
internal abstract class Rule
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<Rule> All { get; } = [new ArgoRule(), new FlaggerRule(), new MannWhitneyRule(), new CusumRule(), new ThreeSigmaRule()];

    /// <summary>The name it is asked for by.</summary>
    public abstract string Name { get; }

    /// <summary>One look per tick, from the first after the change to <paramref name="last"/>.</summary>
    /// <param name="recording">What was measured.</param>
    /// <param name="last">The last tick, at most the recording's length.</param>
    public abstract IEnumerable<Look> Looks(Recording recording, int last);

    /// <summary>Why, in one sentence for a person.</summary>
    /// <param name="recording">What was measured.</param>
    /// <param name="tick">The tick of the look.</param>
    /// <param name="look">The look.</param>
    public abstract string Reason(Recording recording, int tick, Look look);

    /// <summary>A rule's verdict. It has no probability: its score s is given as s / (1 + s), one half where it rolls back.</summary>
    public Verdict Verdict(Recording recording, int tick, Look look, DateTimeOffset at, double elapsedMs)
    {
        var bad = Display.Probability(1 - (1 / (1 + look.Score)));
        var confidence = look.Decision switch
        {
            Decision.Rollback => bad,
            Decision.Continue => Display.Probability(1 - bad),
            _ => Display.Probability(Math.Max(bad, 1 - bad)),
        };
        return new Verdict(look.Decision.Word(), true, confidence, bad, null, Reason(recording, tick, look), [], null, null, Name, at, elapsedMs);
    }
}
