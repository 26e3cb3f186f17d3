using Commander.Server.Acting.Rollback;
using Commander.Server.Alerting;
using Commander.Server.Learning;
using Commander.Server.Reasoning;
using Commander.Server.Reasoning.Context;
using Commander.Server.Sources;
using Commander.Server.Storage;

namespace Commander.Server.Loop;

/// <summary>How much the loop takes on at once.</summary>
internal sealed class LoopLimits
{
    private int _watching;

    /// <summary>Watches beyond this stand queued. The default value is 2,000.</summary>
    public int MaxWatches { get; init; } = 2000;

    /// <summary>The evidence of one deployment; beyond it the watch closes on hold. The default value is 4 MiB.</summary>
    public long MaxEvidence { get; init; } = 4 << 20;

    /// <summary>Open deployments of one service, in all its environments: something announces in a loop. The default value is 1,000.</summary>
    public int MaxOpenOfService { get; init; } = 1000;

    /// <summary>How many places are free.</summary>
    public int Free => Math.Max(0, MaxWatches - Volatile.Read(ref _watching));

    /// <summary>Takes a place; false when all are taken.</summary>
    public bool TryEnter()
    {
        if (Interlocked.Increment(ref _watching) <= MaxWatches)
            return true;
        Interlocked.Decrement(ref _watching);
        return false;
    }

    /// <summary>A watch that was going on before a restart keeps its place.</summary>
    public void Enter() => Interlocked.Increment(ref _watching);

    public void Leave() => Interlocked.Decrement(ref _watching);
}

/// <summary>What the loop calls: the store and, to the right of it, sources and targets.</summary>
/// <param name="Store">Facts.</param>
/// <param name="Pins">Policies and models, current and pinned.</param>
/// <param name="Sources">By the name in the policy.</param>
/// <param name="Targets">By what the policy says.</param>
/// <param name="Live">Who watches.</param>
/// <param name="Clock">Time.</param>
/// <param name="Limits">How much at once.</param>
/// <param name="Url">A deployment's page.</param>
/// <param name="Log">The log.</param>
/// <param name="Freezes">What may not be rolled back by itself now.</param>
/// <param name="Reasoner">The language model; null when none is configured.</param>
/// <param name="Context">Where logs and changes are read; null for nowhere.</param>
/// <param name="Samples">Where training samples are written; null for nowhere.</param>
/// <param name="Alerts">Who tells people; null for nobody.</param>
internal sealed record LoopParts(
    IFactStore Store,
    PinBook Pins,
    SourceBook Sources,
    TargetBook Targets,
    LiveEvents Live,
    TimeProvider Clock,
    LoopLimits Limits,
    Func<string, string> Url,
    ILogger Log,
    FreezeBook Freezes,
    Reasoner? Reasoner,
    ContextBook? Context,
    SampleFiles? Samples,
    AlertBook? Alerts = null)
{
    /// <summary>Finds another deployment's owner, to tell it what this one shows of it; null where nobody is told.</summary>
    public Func<string, IOwner>? Owner { get; init; }
}
