namespace Commander.Judging.Backtest;

/// <summary>A point of a curve: at one threshold, the share of GOOD cases and the share of BAD cases that are rolled back.</summary>
/// <param name="FalseAlarmRate">Of the GOOD cases, 0..1.</param>
/// <param name="Recall">Of the BAD cases, 0..1.</param>
public readonly record struct CurvePoint(double FalseAlarmRate, double Recall);

/// <summary>What a judge would reach with every other threshold: the cases in the order of <see cref="Examined.Peak"/>, nearest to ROLLBACK first.</summary>
public sealed class Curve
{
    private readonly List<(double Peak, bool Bad)> _cases = [];

    /// <summary>Adds a labelled case that counts.</summary>
    public void Add(double peak, bool bad) => _cases.Add((peak, bad));

    /// <summary>The corners from (0, 0) to (1, 1), one per threshold that is different; cases of one peak go together. Empty unless there are cases of both labels.</summary>
    public IReadOnlyList<CurvePoint> Points
    {
        get
        {
            double bad = _cases.Count(static one => one.Bad);
            var good = _cases.Count - bad;
            if (bad == 0 || good == 0)
            {
                return [];
            }
            var (found, alarms) = (0, 0);
            var points = new List<CurvePoint> { new(0, 0) };
            foreach (var group in _cases.GroupBy(static one => one.Peak).OrderByDescending(static group => group.Key))
            {
                foreach (var (_, isBad) in group)
                {
                    found += isBad ? 1 : 0;
                    alarms += isBad ? 0 : 1;
                }
                points.Add(new CurvePoint(alarms / good, found / bad));
            }
            return points;
        }
    }
}
