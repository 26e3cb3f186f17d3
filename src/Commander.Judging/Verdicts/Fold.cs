using Commander.Judging.Models;
using Commander.Judging.Policies;

namespace Commander.Judging.Verdicts;

/// <summary>Everything the judge remembers of a watch: a plain value without references, at most 16 KB.</summary>
public struct WatchState
{
    /// <summary>The newest tick that was folded in.</summary>
    public int LastTick;
}

/// <summary>The judge: a pure fold over a watch's facts.</summary>
public static class Judge
{
    /// <summary>The version of the rules: pinned by every watch, shown when another one replays it.</summary>
    public const string Version = "commander-1";

    /// <summary>The state before any input.</summary>
    /// <param name="policy">The pinned policy.</param>
    /// <param name="restarted">Whether processes start new with the deployment, so that warm-up counts.</param>
    public static WatchState Start(Policy policy, bool restarted) => throw new NotSupportedException();

    /// <summary>Folds one input into the state. Reads nothing else, changes nothing else, allocates nothing.</summary>
    public static Step Next(Policy policy, Model model, ref WatchState state, in Input input) => throw new NotSupportedException();

    /// <summary>The verdict in words and numbers, made from the state when somebody reads it.</summary>
    public static Verdict Read(Policy policy, Model model, in WatchState state, Reader reader) => throw new NotSupportedException();

    /// <summary>The health score (design 5.3) of the candidate's last values, unrounded and clamped to 0..100; null when there is no value at all.</summary>
    public static double? HealthScore(Policy policy, in WatchState state) => throw new NotSupportedException();
}
