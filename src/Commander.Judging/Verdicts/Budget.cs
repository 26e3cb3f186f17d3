using Commander.Judging.Evidence;
using Commander.Judging.Limits;
using Commander.Judging.Policies;

namespace Commander.Judging.Verdicts;

/// <summary>
/// How the chance of a false alarm is spent: nine twentieths on counts, the hard guard among them, which asks for more evidence than they do; two tenths on slow requests, two on
/// levels, one on a silent candidate, a twentieth on the slow layer. Metrics of one part divide it; a part without a metric is left to the others. A metric's reference may change once: the first has 85 hundredths, the second what is left: most watches never change it.
/// </summary>
internal readonly struct Budget
{
    private const double CountPart = 0.45;
    private const double SlowPart = 0.2;
    private const double SilentPart = 0.1;
    private const double LevelPart = 0.2;
    private const double SlowLayerPart = 0.05;
    private const double FirstReference = 0.85;

    // How many times the evidence of calm counts counts: calibrated in the simulator, more the less of the budget is their own, because what the other parts leave is theirs too.
    private const double Alone = 0.81;
    private const double SparedAlone = 1.75;
    private const double SparedMore = 2.2;

    // Page's limit for a level, in its scale: where the simulator found the levels' part of a budget of 1 % kept with one level.
    private const double Height = 9;
    private readonly double _falseAlarms;
    private readonly int _ratios;
    private readonly int _histograms;
    private readonly int _levels;
    // How many metrics the slow layer looks at, and how often.
    private readonly int _slow;
    private readonly int _looks;
    // How long the watch may be, in hours; at least 1, for which Height was found.
    private readonly double _hours;
    // What the parts that have no metric leave to the others.
    private readonly double _whole;

    public Budget(Policy policy)
    {
        _falseAlarms = policy.Decide.FalseAlarms;
        _looks = SlowLayer.Looks(policy.Watch);
        _hours = Math.Max(1, (policy.Watch.Max + policy.Watch.After).TotalHours);
        for (var at = 0; at < policy.Metrics.Count; at++)
        {
            _slow += _looks > 0 && SlowLayer.Sees(policy.Metrics[at]) ? 1 : 0;
            switch (policy.Metrics[at].Kind)
            {
                case MetricKind.Ratio:
                    _ratios++;
                    break;
                case MetricKind.Histogram:
                    _histograms++;
                    break;
                default:
                    _levels++;
                    break;
            }
        }
        _whole = (CountPart + SlowPart + LevelPart + SlowLayerPart)
            / Math.Max(SlowPart, (_ratios > 0 ? CountPart : 0) + (_histograms > 0 ? SlowPart : 0) + (_levels > 0 ? LevelPart : 0) + (_slow > 0 ? SlowLayerPart : 0));
    }

    /// <summary>The weight of a count test's e-value in the mean of all; times the budget it is that test's own level.</summary>
    /// <param name="kind">Ratio or histogram.</param>
    /// <param name="changes">How often the metric's reference has changed.</param>
    public double Weight(MetricKind kind, int changes) =>
        (changes == 0 ? FirstReference : 1 - FirstReference) * (kind == MetricKind.Ratio ? CountPart / _ratios : SlowPart / _histograms) * _whole;

    /// <summary>The level of one count test against one reference; parameters as <see cref="Weight"/>.</summary>
    public double Alpha(MetricKind kind, int changes) => _falseAlarms * Weight(kind, changes);

    /// <summary>ln of how many times the evidence of a count test counts while its counts are calm: 1.75 for ratios alone, 2.5 beside slow requests and levels; 3.1 for slow requests beside them.</summary>
    /// <param name="kind">Ratio or histogram.</param>
    public double LogSpared(MetricKind kind) =>
        Math.Log(SparedAlone + (SparedMore * Math.Max(0, Alone - ((kind == MetricKind.Ratio ? CountPart : SlowPart) * _whole))));

    /// <summary>The level of one metric's test in one look of the slow layer.</summary>
    public double Look => _falseAlarms * SlowLayerPart * _whole / (_slow * _looks);

    /// <summary>The level of one metric's hard guard.</summary>
    public double Guard => _falseAlarms * HardGuard.Part / _ratios;

    /// <summary>The chance that a candidate that merely has few requests is ever taken for dead; spent over the silences that may begin after each tick with requests, the n-th gets 6 / (pi^2 n^2) of it.</summary>
    public double Silence => _falseAlarms * SilentPart;

    /// <summary>The joined e-value that is an alarm.</summary>
    public double Joined => 1 / _falseAlarms;

    /// <summary>
    /// The limit of a level's cumulative sum. A sum with drift k passes h with a chance that falls as exp(-2 k h), k at least 1:
    /// dividing the budget by m raises h by ln(m) / 2. A watch of m hours has m times as many chances, and of levels that hang together for long ones that rise further:
    /// it raises h by ln(m), with which the simulator found the budget kept over two and a half hours.
    /// </summary>
    public double LevelLimit => Math.Max(4, Height + (0.5 * Math.Log(_levels * 0.01 / _falseAlarms)) + Math.Log(_hours));

    /// <summary>What the whole budget is.</summary>
    public double FalseAlarms => _falseAlarms;
}
