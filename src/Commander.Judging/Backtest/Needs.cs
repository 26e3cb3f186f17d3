using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Backtest;

/// <summary>What CONTINUE needs of a recording, whatever its values say.</summary>
internal static class Needs
{
    /// <summary>
    /// Whether there is too little data to exclude the tolerance: a watch shorter than the policy's shortest, a level compared for too few ticks, or a count whose upper limit would not
    /// lie below its tolerance with these requests even if the candidate had exactly the reference's share. Then HOLD is all that a harmless recording could have had.
    /// </summary>
    /// <param name="policy">The policy it was judged by.</param>
    /// <param name="state">The judge's state at the end.</param>
    public static bool TooLittle(Policy policy, in WatchState state)
    {
        if (policy.Watch.Step.TotalSeconds * state.LastTick < policy.Watch.Min.TotalSeconds || state.CandidateTicks == 0)
        {
            return true;
        }
        var compared = false;
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            ref readonly var metric = ref state.Metrics[index];
            compared |= metric.Head.Judged > 0;
            if (policy.Metrics[index].Kind is MetricKind.Ratio or MetricKind.Histogram ? CountLacks(policy.Metrics[index], metric) : LevelLacks(policy.Metrics[index], metric))
            {
                return true;
            }
        }
        return !compared;
    }

    private static bool CountLacks(MetricPolicy metric, in MetricState state)
    {
        if (!metric.Critical && state.Head.Score <= Judge.Fine)
        {
            return false;
        }
        return !Counts.UpperBelow(metric, state, equal: true);
    }

    private static bool LevelLacks(MetricPolicy metric, in MetricState state)
    {
        if (metric.Kind == MetricKind.Count && state.Head.Reference == ReferenceKind.None)
        {
            // Nothing to compare the traffic with, which only a critical one needs.
            return metric.Critical;
        }
        if (state.Head.Judged < Levels.EnoughTicks)
        {
            return true;
        }
        var equal = state;
        equal.Level.ResidualSum = 0;
        return metric.Critical && !Levels.UpperBelow(metric, equal);
    }
}
