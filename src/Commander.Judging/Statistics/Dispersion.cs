namespace Commander.Judging.Statistics;

/// <summary>
/// Counts per tick of an arm whose rate is thought to be steady, and how much more they scatter than a binomial: Pearson's chi-square over its degrees of freedom.
/// Retries make errors come in bursts; a test that counts each of them as an event of its own is wrong by that factor.
/// </summary>
public struct Dispersion
{
    /// <summary>All bad events.</summary>
    public double Bad;

    /// <summary>All events.</summary>
    public double Total;

    /// <summary>How many ticks had events.</summary>
    public double Ticks;

    private double _squares;

    /// <summary>Folds one tick in. Counts are finite, 0 &lt;= bad &lt;= total.</summary>
    public void Add(double bad, double total)
    {
        if (total <= 0)
        {
            return;
        }
        Bad += bad;
        Total += total;
        Ticks++;
        _squares += bad * bad / total;
    }

    /// <summary>Pearson's chi-square of the ticks against one common rate; 0 when nothing or everything was bad.</summary>
    public readonly double ChiSquare
    {
        get
        {
            var rate = Total > 0 ? Bad / Total : 0;
            return rate is > 0 and < 1 ? Math.Max(0, (_squares - (Bad * rate)) / (rate * (1 - rate))) : 0;
        }
    }

    /// <summary>The degrees of freedom of <see cref="ChiSquare"/>.</summary>
    public readonly double Freedom => Math.Max(0, Ticks - 1);

    /// <summary>The mean dispersion of two arms, at least 1; 1 while there is nothing to tell it from.</summary>
    public static double Mean(in Dispersion one, in Dispersion other)
    {
        var freedom = one.Freedom + other.Freedom;
        return freedom <= 0 ? 1 : Math.Max(1, (one.ChiSquare + other.ChiSquare) / freedom);
    }

    /// <summary>The upper 90 % limit of the dispersion of two arms, at least 1; at least 2 while they have fewer than 10 ticks together, because then nothing is known about bursts.</summary>
    public static double Upper(in Dispersion one, in Dispersion other)
    {
        var mean = Mean(one, other);
        if (one.Ticks + other.Ticks < 10)
        {
            return Math.Max(2, mean);
        }
        var freedom = one.Freedom + other.Freedom;
        return mean * freedom / LowerTenth(freedom);
    }

    /// <summary>The 10 % quantile of the chi-square distribution (Wilson and Hilferty 1931), for at least 8 degrees of freedom within 0.5 %.</summary>
    public static double LowerTenth(double freedom)
    {
        var variance = 2 / (9 * freedom);
        var root = 1 - variance - (1.2815515655446004 * Math.Sqrt(variance));
        return freedom * root * root * root;
    }
}

/// <summary>
/// The dispersion of an arm whose rate may have changed: from the differences of neighbouring ticks (von Neumann), so that a step that stays is no burst,
/// and a burst that goes is one. Drawn towards 1 by two ticks' worth.
/// </summary>
public struct Burstiness
{
    private const double Prior = 2;
    private double _squares;
    private double _pairs;
    private double _lastBad;
    private double _lastTotal;

    /// <summary>Folds one tick in. Counts are finite, 0 &lt;= bad &lt;= total.</summary>
    public void Add(double bad, double total)
    {
        if (total <= 0)
        {
            return;
        }
        if (_lastTotal > 0 && bad + _lastBad > 0)
        {
            var rate = (bad + _lastBad) / (total + _lastTotal);
            var variance = rate * (1 - rate) * ((1 / total) + (1 / _lastTotal));
            if (variance > 0)
            {
                var difference = (bad / total) - (_lastBad / _lastTotal);
                _squares += difference * difference / variance;
                _pairs++;
            }
        }
        _lastBad = bad;
        _lastTotal = total;
    }

    /// <summary>The dispersion, above 0; about 1 for independent events.</summary>
    public readonly double Value => (Prior + _squares) / (Prior + _pairs);
}
