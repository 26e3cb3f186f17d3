using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Backtest;

/// <summary>The watch of a recording, tick by tick through the same function as the live loop: the past first, then from the change on.</summary>
public sealed class CaseWatch
{
    private readonly Recording _recording;
    private readonly IReadOnlyList<MetricSeries> _sources;
    private readonly Model _model;
    private OfflineWatch _watch;
    private WatchState _state;

    /// <summary>A watch before its first tick.</summary>
    /// <param name="recording">What is watched.</param>
    /// <param name="policy">By which policy; null: made from the recording. Its step is taken from the recording.</param>
    /// <param name="model">By which model; null: the shipped one.</param>
    /// <param name="authority">What the language model may do; null: what the policy says.</param>
    /// <exception cref="RefusedException">The case has too many metrics.</exception>
    public CaseWatch(Recording recording, Policy? policy = null, Model? model = null, Authority? authority = null)
    {
        (_recording, _model) = (recording, model ?? Model.Shipped);
        (Policy, _sources) = Prepare(recording, policy);
        if (authority is { } given)
        {
            Policy = Policy with { Decide = Policy.Decide with { Reasoning = given } };
        }
        _state = Judge.Start(Policy, recording.Restarted);
        Tick = -recording.Past;
    }

    /// <summary>By what it is judged.</summary>
    public Policy Policy { get; }

    /// <summary>The tick that was folded in last: of the past up to 0.</summary>
    public int Tick { get; private set; }

    /// <summary>What the fold said last.</summary>
    public Step Step { get; private set; }

    /// <summary>What is judged: the candidate beside its reference, or alone after full promotion.</summary>
    public Subject Subject => _state.Subject;

    /// <summary>Whether there was too little data to exclude the tolerance even for a candidate equal to its reference; null unless it is undecided.</summary>
    public bool? TooLittle => _state.Decision == Decision.Hold ? Needs.TooLittle(Policy, _state) : null;

    /// <summary>The instant at which a tick ends.</summary>
    /// <param name="tick">The tick, counted from the change.</param>
    public DateTimeOffset At(int tick) => At(_recording, tick);

    /// <summary>Folds in the next tick.</summary>
    public Step Next()
    {
        Tick++;
        return Step = _watch.Next(Policy, _model, ref _state, CaseTicks.At(_recording, _sources, Tick));
    }

    /// <summary>Folds in what the language model said; null when it said nothing.</summary>
    public Step Hear(Opinion? opinion) => Step = Judge.Next(Policy, _model, ref _state, opinion is null ? Input.NoOpinion() : Input.Of(opinion));

    /// <summary>What the judgement would be if the language model said nothing now; changes nothing.</summary>
    public Step Unheard()
    {
        var copy = _state;
        return Judge.Next(Policy, _model, ref copy, Input.NoOpinion());
    }

    /// <summary>The same watch at the same tick, to go on apart from this one.</summary>
    public CaseWatch Copy() => (CaseWatch)MemberwiseClone();

    /// <summary>The verdict as it stands.</summary>
    /// <param name="final">Whether it is the last one.</param>
    public Verdict Read(bool final) => Judge.Read(Policy, _model, _state, new Reader(At(Tick), Elapsed(_recording, Tick), [], final));

    internal static DateTimeOffset At(Recording recording, int tick) =>
        DateTimeOffset.FromUnixTimeMilliseconds((long)Math.Clamp(1000 * (recording.ChangeTime + (tick * recording.StepSeconds)), -6e13, 2.5e14));

    internal static double Elapsed(Recording recording, int tick) => 1000 * tick * recording.StepSeconds;

    internal static (Policy Policy, IReadOnlyList<MetricSeries> Sources) Prepare(Recording recording, Policy? given)
    {
        if (given is null)
        {
            return CasePolicy.Of(recording);
        }
        var policy = given with { Watch = given.Watch with { Step = TimeSpan.FromSeconds(recording.StepSeconds) } };
        return (policy, CasePolicy.Match(recording, policy));
    }
}
