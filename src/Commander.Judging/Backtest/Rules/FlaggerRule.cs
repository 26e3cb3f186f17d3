using Commander.Judging.Verdicts;

namespace Commander.Judging.Backtest.Rules;

/// <summary>
/// Flagger's canary analysis with its two built-in metrics (fluxcd/flagger@15bd6ad, pkg/controller/scheduler.go and scheduler_metrics.go): success rate at least 99 % and
/// response time (p99 where there is one) at most 500 ms, one check per point. A metric beyond its limit and a metric without a value both fail the check; failed checks add up and
/// a good one takes none back. Once five failed (threshold: 5 in its documentation, 1 by default) the next tick rolls back.
/// </summary>
/// <remarks>The first tick is spent without checks: Flagger runs only hooks while the canary has no traffic. A recording that has a metric in no point at all does not have that metric.</remarks>
internal sealed class FlaggerRule : Rule
{
    private const double MostErrors = 1;
    private const double MostMilliseconds = 500;
    private const int Threshold = 5;

    public override string Name => "flagger";

    public override IEnumerable<Look> Looks(Recording recording, int last)
    {
        var (errors, latency) = (Signal.ErrorPercent(recording), Signal.Milliseconds(recording, "p99", "p95"));
        var checks = new Largest(Threshold);
        var failed = new Look(errors is null && latency is null ? Decision.Hold : Decision.Continue, 0);
        for (var tick = 1; tick <= last; tick++)
        {
            // What the checks up to the last tick lead to comes before this tick's checks.
            yield return failed.Score > 1 ? failed with { Decision = Decision.Rollback } : failed;
            if (tick == 1)
            {
                continue;
            }
            double worst = 0;
            var series = -1;
            Check(errors, MostErrors);
            Check(latency, MostMilliseconds);
            var score = checks.Add(worst);
            failed = new Look(failed.Decision, score, score > 1 && failed.Series < 0 ? series : failed.Series);

            void Check(Signal? signal, double most)
            {
                if (signal is not { } known)
                {
                    return;
                }
                var value = known.At(recording, tick);
                var multiple = double.IsNaN(value) ? double.PositiveInfinity : value / most;
                if (multiple > worst)
                {
                    (worst, series) = (multiple, known.Series);
                }
            }
        }
    }

    public override string Reason(Recording recording, int tick, Look look) => look switch
    {
        { Decision: Decision.Hold } => "no error rate and no response time to check",
        { Decision: Decision.Rollback } => $"{Threshold} failed checks, the last for {recording.Series[look.Series].Name}: success rate below {100 - MostErrors} %, response time above {MostMilliseconds} ms, or no value",
        _ => $"fewer than {Threshold} failed checks",
    };
}
