using Commander.Judging.Verdicts;

namespace Commander.Judging.Backtest.Rules;

/// <summary>
/// An Argo Rollouts analysis of two metrics with a success condition each (argoproj/argo-rollouts@9f8d111, analysis/analysis.go): errors at most 5 % (the documentation's
/// success rate of 0.95) and response time at most 500 ms, one measurement per point of the recording. Failures of a metric add up over the whole run, a success takes none back;
/// the third ends it. A point without a sample is a measurement that errs; the fifth in a row (consecutiveErrorLimit 4, the default) ends the run too.
/// </summary>
/// <remarks>
/// Argo fails when failures exceed failureLimit, 0 by default and 3 in its documentation: three failures are a failureLimit of 2. After an error Argo asks again within 10 s;
/// a recording has one point a step, so its errors are counted by points. A run starts with the first sample: until then there is nothing to measure (initialDelay).
/// </remarks>
internal sealed class ArgoRule : Rule
{
    private const double MostErrors = 5;
    private const double MostMilliseconds = 500;
    private const int Failures = 3;
    private const int ConsecutiveErrorLimit = 4;

    public override string Name => "argo";

    public override IEnumerable<Look> Looks(Recording recording, int last)
    {
        var metrics = new List<Metric>(2);
        if (Signal.ErrorPercent(recording) is { } errors)
        {
            metrics.Add(new Metric(errors, MostErrors));
        }
        if (Signal.Milliseconds(recording, "p95", "p99") is { } latency)
        {
            metrics.Add(new Metric(latency, MostMilliseconds));
        }
        for (var tick = 1; tick <= last; tick++)
        {
            var look = new Look(metrics.Count == 0 ? Decision.Hold : Decision.Continue, 0);
            foreach (var metric in metrics)
            {
                var score = metric.Measure(metric.Signal.At(recording, tick));
                if (score > look.Score)
                {
                    look = new Look(score > 1 ? Decision.Rollback : Decision.Continue, score, metric.Signal.Series);
                }
            }
            yield return look;
        }
    }

    public override string Reason(Recording recording, int tick, Look look) => look switch
    {
        { Decision: Decision.Hold } => "no error rate and no response time to measure",
        { Decision: Decision.Continue } => $"fewer than {Failures} failed measurements",
        { Score: double.PositiveInfinity } => $"{recording.Series[look.Series].Name}: more than {ConsecutiveErrorLimit} measurements in a row without a sample",
        _ => $"{recording.Series[look.Series].Name}: {Failures} measurements beyond {(Signal.ErrorPercent(recording)?.Series == look.Series ? $"{MostErrors} %" : $"{MostMilliseconds} ms")}",
    };

    private sealed class Metric(Signal signal, double most)
    {
        // The largest so far in falling order: the last of them is the threshold at which as many failures would just have been counted.
        private readonly Largest _largest = new(Failures);
        private bool _began;
        private int _errors;

        public Signal Signal => signal;

        public double Measure(double value)
        {
            if (double.IsNaN(value))
            {
                _errors += _began ? 1 : 0;
                return _errors > ConsecutiveErrorLimit ? double.PositiveInfinity : _largest.Least;
            }
            (_began, _errors) = (true, 0);
            return _largest.Add(value / most);
        }
    }
}
