using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Statistics;

namespace Commander.Judging.Verdicts;

/// <summary>Whether the candidate gets the share of the requests that the policy intends. It is never an alarm: arms that are not fed as intended are not what was to be compared.</summary>
internal static class Routing
{
    // The chance that a share as intended is ever called another; and how far off, of itself, a share must be to matter.
    private const double Alpha = 0.001;
    private const double Off = 0.25;

    /// <summary>Whether the share is certainly another than intended, by more than a quarter of it.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="state">The state.</param>
    /// <param name="share">The candidate's share of both arms' requests, 0..1.</param>
    public static bool IsOff(Policy policy, in WatchState state, out double share)
    {
        share = 0;
        if (policy.Watch.Share is not { } intended || state.Subject != Subject.Candidate)
        {
            return false;
        }
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            var metric = policy.Metrics[index];
            ref readonly var metricState = ref state.Metrics[index];
            if (metric.Kind is not (MetricKind.Ratio or MetricKind.Histogram) || metric.Family is Family.Service or Family.Downstream || metricState.Head.Reference != ReferenceKind.Control)
            {
                continue;
            }
            if (metric.Kind == MetricKind.Histogram && state.Restarted != 0 && metric.Warmup > TimeSpan.Zero)
            {
                // The warm-up is counted in one arm only.
                continue;
            }
            ref readonly var count = ref metricState.Count;
            var (candidate, control) = metric.Kind == MetricKind.Ratio
                ? (count.Candidate.Total, count.Control.Total)
                : (Histograms.Total(count.Histogram, count.Histogram.Candidate), Histograms.Total(count.Histogram, count.Histogram.Control));
            if (candidate <= 0 || control <= 0)
            {
                continue;
            }
            share = candidate / (candidate + control);
            var dispersion = Math.Max(1, metricState.Head.Dispersion);
            return Math.Abs(share - intended) > Off * intended && ShareMismatch.LogE(candidate / dispersion, control / dispersion, intended) >= -Math.Log(Alpha);
        }
        return false;
    }
}
