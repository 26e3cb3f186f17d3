using Commander.Judging.Simulation;

namespace Commander.Judging.Backtest;

/// <summary>What two judges differ by on the same cases: the first one's figure minus the second one's.</summary>
/// <param name="Source">The source, or "mean over sources".</param>
/// <param name="Measure">f1, recall or false_alarm_rate.</param>
/// <param name="First">The first judge's figure; null when the cases do not tell.</param>
/// <param name="Second">The second judge's.</param>
/// <param name="Difference">First minus second.</param>
/// <param name="Low">Lower end of the 95 % interval; null when no resample tells.</param>
/// <param name="High">Upper end.</param>
/// <param name="ExcludesZero">Whether the interval excludes 0: the judges differ. Null with fewer groups than <see cref="Comparison.FewGroups"/>, whose interval is too rough to say.</param>
/// <param name="Groups">How many groups were drawn from. With few, the interval is a rough guess.</param>
/// <param name="Resamples">How many resamples had a figure for both judges.</param>
public sealed record DifferenceRow(
    string Source, string Measure, double? First, double? Second, double? Difference, double? Low, double? High, bool? ExcludesZero, int Groups, int Resamples)
{
    /// <summary>Whether the interval excludes 0, in words.</summary>
    public string Zero() => ExcludesZero switch
    {
        null => "too few groups",
        true => "yes",
        false => "no",
    };
}

/// <summary>
/// Compares two judges on the same cases by a paired bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13: percentile intervals). Within each source whole
/// groups are drawn with replacement, for cases of one group (a day, an experiment) are no independent evidence; both judges are counted on the same draw.
/// </summary>
public sealed class Comparison
{
    /// <summary>How many resamples are drawn.</summary>
    public const int Resamples = 2000;

    /// <summary>A bootstrap of fewer groups says little.</summary>
    public const int FewGroups = 10;

    /// <summary>The row that is the mean over all sources.</summary>
    public const string Mean = "mean over sources";

    private static readonly (string Name, Func<Counts, double> Of)[] Measures =
    [
        ("f1", static counts => counts.F1),
        ("recall", static counts => counts.Recall),
        ("false_alarm_rate", static counts => counts.FalseAlarmRate),
    ];

    private readonly SortedDictionary<string, Dictionary<string, (Counts First, Counts Second)>> _sources = new(StringComparer.Ordinal);

    /// <summary>Adds a case with what both judges decided. Cases without a label and those below the tolerance do not count.</summary>
    public void Add(Case found, string first, string second)
    {
        if (found.Label is null || found.BelowTolerance)
        {
            return;
        }
        if (!_sources.TryGetValue(found.Source, out var groups))
        {
            _sources.Add(found.Source, groups = new Dictionary<string, (Counts, Counts)>(StringComparer.Ordinal));
        }
        // A case without a group is one of its own; no group's name begins with a line break.
        var group = found.Group ?? "\n" + found.Id;
        groups.TryGetValue(group, out var counts);
        groups[group] = (counts.First.And(found.Label, first), counts.Second.And(found.Label, second));
    }

    /// <summary>Three rows per source in the order of their names, then three of the mean over sources. The same seed gives the same rows.</summary>
    public IReadOnlyList<DifferenceRow> Rows(ulong seed)
    {
        var sources = _sources.Select(static source => (source.Key, Groups: source.Value.OrderBy(static group => group.Key, StringComparer.Ordinal).Select(static group => group.Value).ToArray())).ToArray();
        var noise = new Noise(seed);
        // Per source and measure, and for the mean: the difference in every resample; NaN where there is none.
        var drawn = new double[sources.Length + 1, Measures.Length][];
        for (var source = 0; source <= sources.Length; source++)
        {
            for (var measure = 0; measure < Measures.Length; measure++)
            {
                drawn[source, measure] = new double[Resamples];
            }
        }
        var sums = new double[Measures.Length];
        for (var sample = 0; sample < Resamples; sample++)
        {
            Array.Clear(sums);
            for (var source = 0; source < sources.Length; source++)
            {
                var groups = sources[source].Groups;
                var (first, second) = (default(Counts), default(Counts));
                for (var draw = 0; draw < groups.Length; draw++)
                {
                    var (one, other) = groups[(int)(noise.Uniform() * groups.Length)];
                    (first, second) = (first.And(one), second.And(other));
                }
                for (var measure = 0; measure < Measures.Length; measure++)
                {
                    var difference = Measures[measure].Of(first) - Measures[measure].Of(second);
                    drawn[source, measure][sample] = difference;
                    sums[measure] += difference;
                }
            }
            for (var measure = 0; measure < Measures.Length; measure++)
            {
                drawn[sources.Length, measure][sample] = sums[measure] / sources.Length;
            }
        }

        var rows = new List<DifferenceRow>((sources.Length + 1) * Measures.Length);
        var means = new (double First, double Second)[Measures.Length];
        for (var source = 0; source < sources.Length; source++)
        {
            var (first, second) = (default(Counts), default(Counts));
            foreach (var (one, other) in sources[source].Groups)
            {
                (first, second) = (first.And(one), second.And(other));
            }
            for (var measure = 0; measure < Measures.Length; measure++)
            {
                var (a, b) = (Measures[measure].Of(first), Measures[measure].Of(second));
                means[measure] = (means[measure].First + (a / sources.Length), means[measure].Second + (b / sources.Length));
                rows.Add(Row(sources[source].Key, measure, a, b, drawn[source, measure], sources[source].Groups.Length));
            }
        }
        for (var measure = 0; measure < Measures.Length && sources.Length > 0; measure++)
        {
            rows.Add(Row(Mean, measure, means[measure].First, means[measure].Second, drawn[sources.Length, measure], sources.Sum(static source => source.Groups.Length)));
        }
        return rows;
    }

    private static DifferenceRow Row(string source, int measure, double first, double second, double[] drawn, int groups)
    {
        var known = Array.FindAll(drawn, static difference => !double.IsNaN(difference));
        Array.Sort(known);
        double? low = known.Length == 0 ? null : Rules.Kayenta.Percentile(known, 2.5);
        double? high = known.Length == 0 ? null : Rules.Kayenta.Percentile(known, 97.5);
        return new DifferenceRow(source, Measures[measure].Name, Known(first), Known(second), Known(first - second), low, high, groups < FewGroups ? null : low > 0 || high < 0, groups, known.Length);
    }

    private static double? Known(double value) => double.IsNaN(value) ? null : value;

    private readonly record struct Counts(int TruePositives, int FalsePositives, int FalseNegatives, int TrueNegatives)
    {
        // NaN where there is nothing to take the share of.
        public double Recall => (double)TruePositives / (TruePositives + FalseNegatives);

        public double FalseAlarmRate => (double)FalsePositives / (FalsePositives + TrueNegatives);

        public double F1 => 2.0 * TruePositives / ((2 * TruePositives) + FalsePositives + FalseNegatives);

        public Counts And(in Counts other) => new(
            TruePositives + other.TruePositives, FalsePositives + other.FalsePositives, FalseNegatives + other.FalseNegatives, TrueNegatives + other.TrueNegatives);

        public Counts And(string label, string decision) => (label, decision) switch
        {
            ("BAD", "ROLLBACK") => this with { TruePositives = TruePositives + 1 },
            ("BAD", _) => this with { FalseNegatives = FalseNegatives + 1 },
            (_, "ROLLBACK") => this with { FalsePositives = FalsePositives + 1 },
            _ => this with { TrueNegatives = TrueNegatives + 1 },
        };
    }
}
