using Commander.Judging.Evidence;

namespace Commander.Judging.Verdicts;

/// <summary>What kind of input the fold is given.</summary>
public enum InputKind
{
    /// <summary>Everything measured for one interval.</summary>
    Tick = 0,
    /// <summary>The language model answered.</summary>
    Opinion,
    /// <summary>The language model did not answer in time, or not in form.</summary>
    NoOpinion,
    /// <summary>A person decided.</summary>
    Person,
    /// <summary>The reference, or what is judged, changes from here on.</summary>
    Reference,
}

/// <summary>Which version the judge looks at.</summary>
public enum Subject : byte
{
    /// <summary>The new version beside or after the old one.</summary>
    Candidate = 0,
    /// <summary>The old version after a rollback: arm control against before.</summary>
    Restored,
    /// <summary>The new version alone after full promotion: arm candidate against before and seasonal; a silent control is expected.</summary>
    Promoted,
}

/// <summary>A change of reference as a fact.</summary>
/// <param name="Subject">What is judged from here on.</param>
/// <param name="To">The new reference.</param>
/// <param name="Metric">The metric's index in the policy, or -1 for all.</param>
/// <param name="Tick">The tick in which it happened, counted from the start; ticks are told later than they are. 0 when that is not known: then it is the newest.</param>
public readonly record struct ReferenceChange(Subject Subject, Arm To, int Metric = -1, int Tick = 0);

/// <summary>One input of the fold.</summary>
public readonly struct Input
{
    private Input(InputKind kind, Tick? tick, Opinion? opinion, Decision decision, ReferenceChange change)
    {
        Kind = kind;
        Tick = tick;
        Opinion = opinion;
        Decision = decision;
        Change = change;
    }

    /// <summary>Which of the others counts.</summary>
    public InputKind Kind { get; }

    /// <summary>The tick.</summary>
    public Tick? Tick { get; }

    /// <summary>The opinion.</summary>
    public Opinion? Opinion { get; }

    /// <summary>What the person decided.</summary>
    public Decision Decision { get; }

    /// <summary>The change of reference.</summary>
    public ReferenceChange Change { get; }

    /// <summary>A tick.</summary>
    public static Input Of(Tick tick) => new(InputKind.Tick, tick, null, default, default);

    /// <summary>An opinion.</summary>
    public static Input Of(Opinion opinion) => new(InputKind.Opinion, null, opinion, default, default);

    /// <summary>No opinion came.</summary>
    public static Input NoOpinion() => new(InputKind.NoOpinion, null, null, default, default);

    /// <summary>A person's decision.</summary>
    public static Input Person(Decision decision) => new(InputKind.Person, null, null, decision, default);

    /// <summary>A change of reference.</summary>
    public static Input Of(ReferenceChange change) => new(InputKind.Reference, null, null, default, change);
}

/// <summary>What one step of the fold says. Everything in words is made when it is read, by <see cref="Judge.Read"/>.</summary>
/// <param name="Decision">The judgement now.</param>
/// <param name="PBad">P(BAD given the findings).</param>
/// <param name="Alarm">Whether there is an alarm that stays within the false-alarm budget.</param>
/// <param name="Guard">Whether a hard guard fired.</param>
/// <param name="Mild">An alarm in the grey zone without hard guard and without count test.</param>
/// <param name="GreyZone">Whether the odds of P(BAD) lie within a factor 4 of the odds of the threshold.</param>
/// <param name="Chosen">Whether the decision is the language model's choice, by the authority "decide".</param>
/// <param name="Unclear">Whether something is not fine: a score above 0.3, from which on the authority "decide" asks.</param>
/// <param name="Worst">The worst score, at most 2.</param>
/// <param name="Outgrown">Whether the evidence has become so much worse since the opinion that it speaks for it no more.</param>
/// <param name="ControlGone">Bit i is set when metric i has lost its control (silent 3 ticks, candidate serving): the caller records a change to <see cref="Arm.Before"/> and feeds it back.</param>
/// <param name="Recovered">For <see cref="Subject.Restored"/>: whether the restored version's metrics are back at the reference and the bad version gets no request any more; null while that cannot be told.</param>
/// <param name="StillReached">For <see cref="Subject.Restored"/>: how many requests a second still reach the bad version after a short draining time; null for none, and where the source cannot tell the versions apart.</param>
public readonly record struct Step(
    Decision Decision,
    double PBad,
    bool Alarm,
    bool Guard,
    bool Mild,
    bool GreyZone,
    bool Chosen,
    bool Unclear,
    double Worst,
    bool Outgrown,
    uint ControlGone,
    bool? Recovered,
    double? StillReached)
{
    /// <summary>Whether the candidate answers nobody while the control has traffic.</summary>
    public bool Silent { get; init; }
}

/// <summary>What a reader of a verdict adds to the state: things the fold does not know.</summary>
/// <param name="DecidedAt">The instant of the judgement.</param>
/// <param name="ElapsedMs">From the start of the watch to it.</param>
/// <param name="Queries">Per metric the candidate's resolved query; may be empty.</param>
/// <param name="Final">Whether the watch closes with it.</param>
public sealed record Reader(DateTimeOffset DecidedAt, double ElapsedMs, IReadOnlyList<string?> Queries, bool Final)
{
    /// <summary>When the watch began.</summary>
    internal DateTimeOffset Began => ElapsedMs > 0 && ElapsedMs < (DecidedAt - DateTimeOffset.MinValue).TotalMilliseconds ? DecidedAt.AddMilliseconds(-ElapsedMs) : DecidedAt;
}
