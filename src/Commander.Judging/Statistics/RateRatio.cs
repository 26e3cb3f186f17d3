using System.Runtime.CompilerServices;
using Commander.Judging.Evidence;

namespace Commander.Judging.Statistics;

/// <summary>
/// The conditional-binomial e-process (Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022: given that an error happened, under
/// "no worse" it is the candidate's with at most its share of the requests) for shares that change from tick to tick, as in a ramp from 5 to 50 %: the prior stands on the
/// ratio of the two arms' rates, which a ramp does not change, instead of on the candidate's share of the errors, which it does.
/// Each block of ticks multiplies the likelihood ratio of every ratio on the grid with that block's own share; the e-value is their mean. A block is one tick, or as many
/// as it takes until both arms have ten requests: of a tick with a single request of the candidate its own share would say next to nothing.
/// A prior on a grid makes every number a finite sum: no incomplete beta function, no cancellation, the same result however ticks are grouped at a constant share.
/// </summary>
public struct RateRatio
{
    /// <summary>How many ratios are on the grid.</summary>
    public const int Points = 14;

    // So many requests of either arm make a block.
    private const float Block = 30;

    private Sums _sums;

    // The block that is not full yet; the sums have it in them.
    private float _bad;
    private float _events;
    private float _total;
    private float _referenceTotal;

    // Of the blocks that are full: the weights of Mantel and Haenszel, and with them the bad events' shares of either arm.
    private float _weights;
    private float _shares;
    private float _referenceShares;
    private readonly float _even;

    // From 1.4 to 180, dense around three, where there are errors enough to tell but none to lose: a ratio that is hardly ever true, or so small that its errors come by the hundred, costs all the others evidence.
    private static readonly double[] Ratios = [1.4, 1.75, 2.15, 2.55, 3, 3.55, 4.4, 5.8, 8, 11.5, 18, 30, 65, 180];

    private static readonly double[][] LogRatios =
    [
        [.. Ratios.Select(static ratio => Math.Log(ratio))],
        [.. Ratios.Select(static ratio => -Math.Log(ratio))],
        // Both sides: half of the ratios, and their inverses.
        [.. Ratios.Select(static (_, at) => (at % 2 == 0 ? 1 : -1) * Math.Log(Ratios[at | 1]))],
    ];

    private static readonly double[][] RatiosLessOne = [.. LogRatios.Select(side => side.Select(log => Math.Exp(log) - 1).ToArray())];

    /// <summary>Folds one tick in. Counts are finite and at least 0, totals at least the bad ones; a block where an arm has no requests says nothing.</summary>
    /// <param name="bad">Bad events of the candidate.</param>
    /// <param name="total">All events of the candidate.</param>
    /// <param name="referenceBad">Bad events of the reference in the same seconds.</param>
    /// <param name="referenceTotal">All events of the reference in the same seconds.</param>
    /// <param name="direction">Which ratios are harm: above one, below one, both.</param>
    public void Add(double bad, double total, double referenceBad, double referenceTotal, Direction direction)
    {
        Count(-1, direction);
        _bad += (float)bad;
        _events += (float)(bad + referenceBad);
        _total += (float)total;
        _referenceTotal += (float)referenceTotal;
        Count(1, direction);
        if (_total >= Block && _referenceTotal >= Block)
        {
            var (weights, shares, referenceShares) = Weighed();
            (_weights, _shares, _referenceShares) = ((float)weights, (float)shares, (float)referenceShares);
            (_bad, _events, _total, _referenceTotal) = (0, 0, 0, 0);
        }
    }

    /// <summary>
    /// The arms' shares of bad events as the same seconds have them: each block weighs n m / (n + m) (Mantel and Haenszel, "Statistical aspects of the analysis of data from retrospective
    /// studies", JNCI 1959), so that an incident in both arms while the candidate had few requests does not make it look better than the control. False while no block had requests of both.
    /// </summary>
    /// <param name="share">The candidate's, 0..1.</param>
    /// <param name="referenceShare">The reference's, 0..1.</param>
    public readonly bool TryShares(out double share, out double referenceShare)
    {
        var (weights, shares, referenceShares) = Weighed();
        (share, referenceShare) = weights > 0 ? (shares / weights, referenceShares / weights) : (0, 0);
        return weights > 0;
    }

    private readonly (double Weights, double Shares, double ReferenceShares) Weighed()
    {
        if (_total <= 0 || _referenceTotal <= 0)
        {
            return (_weights, _shares, _referenceShares);
        }
        var all = _total + (double)_referenceTotal;
        return (
            _weights + (_total * (double)_referenceTotal / all),
            _shares + (_bad * (double)_referenceTotal / all),
            _referenceShares + (Math.Max(0, _events - (double)_bad) * _total / all));
    }

    private void Count(int sign, Direction direction)
    {
        if (_events <= 0 || _total <= 0 || _referenceTotal <= 0)
        {
            return;
        }
        var share = _total / ((double)_total + _referenceTotal);
        var logs = LogRatios[(int)direction];
        var lessOne = RatiosLessOne[(int)direction];
        for (var at = 0; at < Points; at++)
        {
            _sums[at] += sign * ((_bad * logs[at]) - (_events * Math.Log(1 + (lessOne[at] * share))));
        }
    }

    /// <summary>ln E against "no worse" with every count divided by the dispersion, which is at least 1.</summary>
    public readonly double LogE(double dispersion)
    {
        var largest = double.NegativeInfinity;
        for (var at = 0; at < Points; at++)
        {
            largest = Math.Max(largest, _sums[at]);
        }
        double sum = 0;
        for (var at = 0; at < Points; at++)
        {
            var behind = (_sums[at] - largest) / dispersion;
            // Less than a rounding of the sum; and exp is slow where it underflows.
            if (behind > -40)
            {
                sum += Math.Exp(behind);
            }
        }
        return (largest / dispersion) + Math.Log(sum / Points);
    }

    /// <summary>
    /// ln E against one ratio of the two rates, with every count divided by the dispersion: the same mixture over that ratio's own likelihood, so the ratios for which it
    /// stays below 1/alpha are a time-uniform interval, and at ratio 1 it is the evidence against "no worse".
    /// Between the grid's ratios the likelihood is that of the mean share, set right by what the ticks' own shares make of the nearest two.
    /// </summary>
    /// <param name="dispersion">At least 1.</param>
    /// <param name="logRatio">ln of the ratio.</param>
    /// <param name="direction">As in <see cref="Add"/>.</param>
    /// <param name="bad">Bad events of the candidate so far.</param>
    /// <param name="events">Bad events of both so far.</param>
    /// <param name="share">The candidate's share of all requests so far, in (0, 1).</param>
    public readonly double LogE(double dispersion, double logRatio, Direction direction, double bad, double events, double share)
    {
        var logs = LogRatios[(int)direction];
        var far = Math.Abs(logRatio);
        double near = 0, off = 0;
        for (var at = 0; at < Points; at++)
        {
            if (logs[at] * logRatio <= 0)
            {
                continue;
            }
            var here = Math.Abs(logs[at]);
            var offHere = _sums[at] - AtMeanShare(logs[at]);
            if (here >= far)
            {
                off += (offHere - off) * (far - near) / (here - near);
                break;
            }
            (near, off) = (here, offHere);
        }
        return LogE(dispersion) - ((AtMeanShare(logRatio) + off) / dispersion);

        double AtMeanShare(double log) => (bad * log) - (events * Math.Log(1 + ((Math.Exp(log) - 1) * share)));
    }

    [InlineArray(Points)]
    private struct Sums
    {
        private double _first;
    }
}
