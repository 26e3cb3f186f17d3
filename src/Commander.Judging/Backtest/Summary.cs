using System.Globalization;
using System.Text;

namespace Commander.Judging.Backtest;

/// <summary>A share with its 95 % interval.</summary>
/// <param name="Value">The share, 0..1; null when there was nothing to take it of.</param>
/// <param name="Low">Lower limit (Wilson 1927).</param>
/// <param name="High">Upper limit.</param>
public readonly record struct Share(double? Value, double Low, double High)
{
    private const double Z = 1.959963984540054;

    /// <summary>The share of so many of so many.</summary>
    public static Share Of(int part, int whole)
    {
        if (whole <= 0)
        {
            return new Share(null, 0, 1);
        }
        var share = (double)part / whole;
        var square = Z * Z / whole;
        var centre = (share + (square / 2)) / (1 + square);
        var half = Z / (1 + square) * Math.Sqrt((share * (1 - share) / whole) + (square / (4 * whole)));
        return new Share(share, Math.Max(0, centre - half), Math.Min(1, centre + half));
    }
}

/// <summary>What a judge reached on one source, or on all. Only ROLLBACK counts as "called bad".</summary>
/// <param name="Source">The source, or "all".</param>
/// <param name="Cases">Labelled cases that count.</param>
/// <param name="TruePositives">BAD, rolled back.</param>
/// <param name="FalsePositives">GOOD, rolled back.</param>
/// <param name="FalseNegatives">BAD, not rolled back.</param>
/// <param name="TrueNegatives">GOOD, not rolled back.</param>
/// <param name="Hold">Of those not rolled back: undecided at the horizon.</param>
/// <param name="HoldGood">Those of them that are GOOD.</param>
/// <param name="HoldGoodTooLittle">Those of the GOOD whose data was too little to exclude the tolerance, however harmless they are; only commander tells.</param>
/// <param name="HoldGoodEnough">Those of the GOOD whose data was enough: what the judge could have decided; only commander tells.</param>
/// <param name="BelowTolerance">Cases apart: their effect is below the tolerance, no alarm is right by design.</param>
/// <param name="BelowToleranceRolledBack">Those of them that were rolled back.</param>
/// <param name="Unlabelled">Cases without a label: in no other number.</param>
/// <param name="Precision">Of the rollbacks, the bad ones.</param>
/// <param name="Recall">Of the bad ones, the rolled back.</param>
/// <param name="F1">Their harmonic mean; null without positives.</param>
/// <param name="FalseAlarmRate">Of the good ones, the rolled back.</param>
/// <param name="MedianDelaySeconds">Of the right rollbacks; null without any.</param>
public sealed record SummaryRow(
    string Source,
    int Cases,
    int TruePositives,
    int FalsePositives,
    int FalseNegatives,
    int TrueNegatives,
    int Hold,
    int HoldGood,
    int HoldGoodTooLittle,
    int HoldGoodEnough,
    int BelowTolerance,
    int BelowToleranceRolledBack,
    int Unlabelled,
    Share Precision,
    Share Recall,
    double? F1,
    Share FalseAlarmRate,
    double? MedianDelaySeconds)
{
    /// <summary>How many good cases ended on HOLD and why, in words.</summary>
    public string HoldOfGood() => string.Create(CultureInfo.InvariantCulture, $"{HoldGood} of {FalsePositives + TrueNegatives} good cases on HOLD at the end")
        + (HoldGoodTooLittle + HoldGoodEnough == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", {HoldGoodTooLittle} with too little data to exclude the tolerance, {HoldGoodEnough} with enough"));
}

/// <summary>The plain means of the sources' figures: every source has the same weight, however many cases it has. Of each figure, over the sources that have it.</summary>
/// <param name="Sources">How many sources there are.</param>
/// <param name="Precision">Mean precision; null when no source has one, and so the others.</param>
/// <param name="Recall">Mean recall.</param>
/// <param name="F1">Mean F1.</param>
/// <param name="FalseAlarmRate">Mean false-alarm rate.</param>
public sealed record MeanRow(int Sources, double? Precision, double? Recall, double? F1, double? FalseAlarmRate);

/// <summary>Adds up lines of a backtest.</summary>
public sealed class Summary
{
    private readonly SortedDictionary<string, Tally> _sources = new(StringComparer.Ordinal);
    private readonly Tally _all = new();

    /// <summary>Adds a case with what was said of it.</summary>
    public void Add(Case found, BacktestLine line)
    {
        if (!_sources.TryGetValue(found.Source, out var tally))
        {
            _sources.Add(found.Source, tally = new Tally());
        }
        tally.Add(found, line);
        _all.Add(found, line);
    }

    /// <summary>One row per source in the order of their names, then one named all.</summary>
    public IReadOnlyList<SummaryRow> Rows => [.. _sources.Select(static entry => entry.Value.Row(entry.Key)), _all.Row("all")];

    /// <summary>The means over the sources.</summary>
    public MeanRow Mean
    {
        get
        {
            SummaryRow[] rows = [.. _sources.Select(static entry => entry.Value.Row(entry.Key))];
            return new MeanRow(
                rows.Length,
                rows.Average(static row => row.Precision.Value),
                rows.Average(static row => row.Recall.Value),
                rows.Average(static row => row.F1),
                rows.Average(static row => row.FalseAlarmRate.Value));
        }
    }

    /// <summary>The rows as a table of plain text.</summary>
    public override string ToString()
    {
        var rows = Rows;
        var width = Math.Max(rows.Count > 2 ? Comparison.Mean.Length : 6, rows.Max(static row => row.Source.Length));
        var text = new StringBuilder();
        text.Append("source".PadRight(width)).Append("    TP    FP    FN    TN  HOLD  below  precision            recall               F1    false alarms         median delay\n");
        foreach (var row in rows)
        {
            text.Append(row.Source.PadRight(width)).Append(CultureInfo.InvariantCulture,
                $"{row.TruePositives,6}{row.FalsePositives,6}{row.FalseNegatives,6}{row.TrueNegatives,6}{row.Hold,6}{row.BelowTolerance,7}  {Told(row.Precision),-21}{Told(row.Recall),-21}{row.F1?.ToString("0.00", CultureInfo.InvariantCulture) ?? "-",-6}{Told(row.FalseAlarmRate),-21}{(row.MedianDelaySeconds is { } delay ? delay.ToString("0.#", CultureInfo.InvariantCulture) + " s" : "-")}\n");
        }
        // With one source its row says the same.
        if (rows.Count > 2)
        {
            var mean = Mean;
            text.Append(Comparison.Mean.PadRight(width + 39)).Append(CultureInfo.InvariantCulture,
                $"{Told(mean.Precision),-21}{Told(mean.Recall),-21}{mean.F1?.ToString("0.00", CultureInfo.InvariantCulture) ?? "-",-6}{Told(mean.FalseAlarmRate)}\n");
        }
        foreach (var row in rows.Where(static row => row.HoldGood > 0))
        {
            text.Append(row.Source).Append(": ").Append(row.HoldOfGood()).Append('\n');
        }
        // The last row is that of all of them.
        if (rows[^1].Unlabelled is > 0 and var unlabelled)
        {
            text.Append(CultureInfo.InvariantCulture, $"{unlabelled} cases have no label and stand in no number above; --out lists what was said of them\n");
        }
        return text.ToString();
    }

    private static string Told(double? share) => share is { } value ? string.Create(CultureInfo.InvariantCulture, $"{100 * value:0.0} %") : "-";

    private static string Told(Share share) => share.Value is { } value
        ? string.Create(CultureInfo.InvariantCulture, $"{100 * value:0.0} % ({100 * share.Low:0}-{100 * share.High:0})")
        : "-";

    private sealed class Tally
    {
        private readonly List<double> _delays = [];
        private int _truePositives;
        private int _falsePositives;
        private int _falseNegatives;
        private int _trueNegatives;
        private int _hold;
        private int _holdGood;
        private int _holdGoodTooLittle;
        private int _holdGoodEnough;
        private int _below;
        private int _belowRolledBack;
        private int _unlabelled;

        public void Add(Case found, BacktestLine line)
        {
            var positive = line.Decision == "ROLLBACK";
            if (found.Label is null)
            {
                _unlabelled++;
                return;
            }
            if (found.BelowTolerance)
            {
                _below++;
                _belowRolledBack += positive ? 1 : 0;
                return;
            }
            var hold = line.Decision == "HOLD";
            _hold += hold ? 1 : 0;
            if (hold && found.Label == "GOOD")
            {
                _holdGood++;
                _holdGoodTooLittle += line.TooLittleData == true ? 1 : 0;
                _holdGoodEnough += line.TooLittleData == false ? 1 : 0;
            }
            switch (found.Label, positive)
            {
                case ("BAD", true):
                    _truePositives++;
                    _delays.Add(line.DelaySeconds ?? 0);
                    break;
                case ("BAD", false):
                    _falseNegatives++;
                    break;
                case (_, true):
                    _falsePositives++;
                    break;
                default:
                    _trueNegatives++;
                    break;
            }
        }

        public SummaryRow Row(string source)
        {
            var delays = _delays.Order().ToArray();
            var middle = delays.Length / 2;
            double? median = delays.Length == 0 ? null : delays.Length % 2 == 1 ? delays[middle] : 0.5 * (delays[middle - 1] + delays[middle]);
            var positives = (2 * _truePositives) + _falsePositives + _falseNegatives;
            return new SummaryRow(
                source,
                _truePositives + _falsePositives + _falseNegatives + _trueNegatives,
                _truePositives,
                _falsePositives,
                _falseNegatives,
                _trueNegatives,
                _hold,
                _holdGood,
                _holdGoodTooLittle,
                _holdGoodEnough,
                _below,
                _belowRolledBack,
                _unlabelled,
                Share.Of(_truePositives, _truePositives + _falsePositives),
                Share.Of(_truePositives, _truePositives + _falseNegatives),
                positives > 0 ? 2.0 * _truePositives / positives : null,
                Share.Of(_falsePositives, _falsePositives + _trueNegatives),
                median);
        }
    }
}
