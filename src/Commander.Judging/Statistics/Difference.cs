namespace Commander.Judging.Statistics;

/// <summary>
/// The time-uniform confidence sequence of the difference of two proportions: the differences that a mixture likelihood ratio has not refuted.
/// E(d) = mixture likelihood of the counts / largest likelihood with candidate - reference = d. The mixture is a martingale under every pair of proportions and the
/// denominator is at least the true one's likelihood, so P(E(true d) ever &gt;= 1/alpha) &lt;= alpha (Ville; universal inference, Wasserman, Ramdas and Balakrishnan, PNAS 2020).
/// The mixture is part "both arms are alike" (one proportion), which excludes the tolerance fast when nothing is wrong, and part "they differ".
/// </summary>
public readonly struct Difference
{
    private readonly double _bad;
    private readonly double _total;
    private readonly double _referenceBad;
    private readonly double _referenceTotal;
    private readonly double _level;
    private readonly double _mixture;

    /// <summary>Two arms.</summary>
    /// <param name="bad">Bad events of the candidate, divided by the dispersion.</param>
    /// <param name="total">All events of the candidate, divided by the dispersion.</param>
    /// <param name="referenceBad">Bad events of the reference, divided by the dispersion.</param>
    /// <param name="referenceTotal">All events of the reference, divided by the dispersion.</param>
    /// <param name="scale">The order of the proportions and differences that matter, in (0, 0.5]: centre of the prior, usually the tolerance.</param>
    /// <param name="pastBad">Bad events of the time before the arms were compared, divided by the dispersion: where both arms are likely to be when nothing is wrong.</param>
    /// <param name="pastTotal">All events of that time, divided by the dispersion; 0 when there is none.</param>
    public Difference(double bad, double total, double referenceBad, double referenceTotal, double scale, double pastBad = 0, double pastTotal = 0)
    {
        (_bad, _total, _referenceBad, _referenceTotal, _level) = (bad, total, referenceBad, referenceTotal, double.NaN);
        var against = 0.5 / scale;
        var alike = Binomial.LogMixture(bad + referenceBad, total + referenceTotal, 0.5, against);
        var alikeAnywhere = Binomial.LogMixture(bad + referenceBad, total + referenceTotal, 0.5, 0.5);
        var different = Binomial.LogMixture(bad, total, 0.5, 0.5) + Binomial.LogMixture(referenceBad, referenceTotal, 0.5, against);
        _mixture = LogSum(Math.Log(0.5) + alike, Math.Log(0.2) + alikeAnywhere, Math.Log(0.3) + different);
        if (pastTotal > 0)
        {
            var asBefore = Binomial.LogMixture(bad + referenceBad, total + referenceTotal, 0.5 + pastBad, against + pastTotal - pastBad);
            _mixture = LogSum(Math.Log(0.5) + _mixture, Math.Log(0.5) + asBefore, double.NegativeInfinity);
        }
    }

    /// <summary>One arm against a fixed level.</summary>
    /// <param name="bad">Bad events, divided by the dispersion.</param>
    /// <param name="total">All events, divided by the dispersion.</param>
    /// <param name="level">The proportion that the difference is taken from, 0..1.</param>
    /// <param name="scale">As above.</param>
    public Difference(double bad, double total, double level, double scale)
    {
        (_bad, _total, _level) = (bad, total, level);
        var narrow = Binomial.LogMixture(bad, total, 0.5, 0.5 / scale);
        var wide = Binomial.LogMixture(bad, total, 0.5, 0.5);
        _mixture = LogSum(Math.Log(0.6) + narrow, Math.Log(0.4) + wide, double.NegativeInfinity);
    }

    /// <summary>The estimated difference, -1..1.</summary>
    public double Estimate => (_total > 0 ? _bad / _total : 0) - (double.IsNaN(_level) ? (_referenceTotal > 0 ? _referenceBad / _referenceTotal : 0) : _level);

    /// <summary>ln E(d): the evidence against a difference of exactly d, for d in -1..1.</summary>
    public double LogE(double difference)
    {
        if (!double.IsNaN(_level))
        {
            return _mixture - Binomial.LogLikelihood(_bad, _total, Inside(_level + difference));
        }
        var reference = Constrained(difference);
        return _mixture
            - Binomial.LogLikelihood(_bad, _total, Inside(reference + difference))
            - Binomial.LogLikelihood(_referenceBad, _referenceTotal, Inside(reference));
    }

    /// <summary>Whether every difference of d or more is refuted at level alpha.</summary>
    public bool Below(double difference, double alpha) => Estimate < difference && LogE(difference) >= -Math.Log(alpha);

    /// <summary>Whether every difference of d or less is refuted at level alpha.</summary>
    public bool Above(double difference, double alpha) => Estimate > difference && LogE(difference) >= -Math.Log(alpha);

    /// <summary>The smallest difference that is not refuted at level alpha, -1..1, within 1e-6.</summary>
    public double Low(double alpha) => Limit(alpha, double.IsNaN(_level) ? -1 : -_level);

    /// <summary>The largest difference that is not refuted at level alpha, -1..1, within 1e-6.</summary>
    public double High(double alpha) => Limit(alpha, double.IsNaN(_level) ? 1 : 1 - _level);

    private double Limit(double alpha, double end)
    {
        var wanted = -Math.Log(alpha);
        var (inside, outside) = (Estimate, end);
        if (LogE(outside) < wanted)
        {
            return outside;
        }
        for (var halving = 0; halving < 22; halving++)
        {
            var middle = 0.5 * (inside + outside);
            if (LogE(middle) < wanted)
            {
                inside = middle;
            }
            else
            {
                outside = middle;
            }
        }
        return outside;
    }

    /// <summary>
    /// The reference's proportion that makes the counts most likely when the candidate's is higher by <paramref name="difference"/>: the root of a cubic
    /// (Miettinen and Nurminen, Statistics in Medicine 1985, appendix), polished where cancellation has cost digits.
    /// </summary>
    private double Constrained(double difference)
    {
        var low = Math.Max(0, -difference);
        var high = Math.Min(1, 1 - difference);
        var all = _total + _referenceTotal;
        if (all <= 0 || high - low < 1e-12)
        {
            return low;
        }
        var bad = _bad + _referenceBad;
        var second = ((_total + (2 * _referenceTotal)) * difference) - all - bad;
        var first = (((_referenceTotal * difference) - all - (2 * _referenceBad)) * difference) + bad;
        var none = _referenceBad * difference * (1 - difference);
        var third = second / (3 * all);
        var q = (third * third * third) - (first * second / (6 * all * all)) + (none / (2 * all));
        var p = Math.CopySign(Math.Sqrt(Math.Max(0, (third * third) - (first / (3 * all)))), q);
        var cosine = p == 0 ? 0 : Math.Clamp(q / (p * p * p), -1, 1);
        var root = (2 * p * Math.Cos((Math.PI + Math.Acos(cosine)) / 3)) - third;
        return Polish(Math.Clamp(root, low, high), difference, low, high);
    }

    // The likelihood is concave: Newton's steps that stay inside only ever get nearer.
    private double Polish(double reference, double difference, double low, double high)
    {
        for (var step = 0; step < 2; step++)
        {
            if (reference <= low || reference >= high)
            {
                break;
            }
            var candidate = reference + difference;
            var (good, referenceGood) = (_total - _bad, _referenceTotal - _referenceBad);
            var slope = (_bad / candidate) - (good / (1 - candidate)) + (_referenceBad / reference) - (referenceGood / (1 - reference));
            var curve = (_bad / (candidate * candidate)) + (good / ((1 - candidate) * (1 - candidate)))
                + (_referenceBad / (reference * reference)) + (referenceGood / ((1 - reference) * (1 - reference)));
            var next = reference + (slope / curve);
            if (!(next > low && next < high))
            {
                break;
            }
            reference = next;
        }
        return reference;
    }

    private static double Inside(double proportion) => Math.Clamp(proportion, 1e-12, 1 - 1e-12);

    private static double LogSum(double one, double two, double three)
    {
        var largest = Math.Max(one, Math.Max(two, three));
        return largest + Math.Log(Math.Exp(one - largest) + Math.Exp(two - largest) + Math.Exp(three - largest));
    }
}
