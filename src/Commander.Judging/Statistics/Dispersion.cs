namespace Commander.Judging.Statistics;

/// <summary>
/// Counts per tick of an arm, and how much more they scatter than a binomial. Retries make errors come in bursts; a test that counts each of them as an event of
/// its own is wrong by that factor. It is taken from the differences of neighbouring ticks (von Neumann 1941), so that a step that stays is no burst and a burst that
/// goes is one. Of arms that are compared in the same seconds a pair of ticks counts at most as <see cref="Most"/> of those before it (Huber 1964): a stall of the
/// machine meets both arms, and must not make every later count worthless. Against the past it counts in full.
/// </summary>
public struct Dispersion
{
    /// <summary>A pair of neighbouring ticks counts at most so many times the mean so far.</summary>
    public const double Most = 6;

    /// <summary>With fewer ticks nothing is known about bursts.</summary>
    public const int Known = 10;

    /// <summary>
    /// From so many ticks on the limit comes nearer to the mean: what is left to be known of it is little, and certainty about it is paid with power. The candidate's own
    /// dispersion counts from then on only as far as it is certainly more.
    /// </summary>
    public const int Plenty = 60;

    /// <summary>With fewer ticks not even that bursts are rare.</summary>
    public const int Scant = 5;

    /// <summary>What is assumed at least while nothing is known.</summary>
    public const double Least = 2.5;

    /// <summary>The same with fewer than <see cref="Scant"/> ticks of two arms.</summary>
    public const double LeastScant = 3.5;

    private const double Prior = 2;

    /// <summary>The 90 % quantile of the normal distribution.</summary>
    internal const double NormalNinth = 1.2815515655446004;

    // The 95 % quantile.
    private const double NormalTwentieth = 1.6448536269514722;

    /// <summary>All bad events.</summary>
    public double Bad;

    /// <summary>All events.</summary>
    public double Total;

    /// <summary>How many ticks had events.</summary>
    public int Ticks;

    // Pairs of neighbouring ticks with a bad event in one of them: only those tell.
    private int _pairs;
    private float _squares;
    private float _bounded;
    private float _fourths;
    private float _boundedFourths;
    private float _lastBad;
    private float _lastTotal;

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
        if (_lastTotal > 0 && bad + _lastBad > 0)
        {
            // Given how many failed in both ticks: the variance of drawing them without putting back.
            var both = total + _lastTotal;
            var rate = (bad + _lastBad) / both;
            var variance = both > 1 ? rate * (1 - rate) * ((1 / total) + (1 / _lastTotal)) * both / (both - 1) : 0;
            if (variance > 0)
            {
                var difference = (bad / total) - (_lastBad / _lastTotal);
                // One event can be no burst: its square is 1 in the mean whatever the dispersion, and only tells which of the two ticks had more requests.
                var square = bad + _lastBad <= 1 ? 1 : difference * difference / variance;
                var bounded = Math.Min(square, Most * Math.Max(1, Value(beside: true)));
                _bounded += (float)bounded;
                _boundedFourths += (float)(bounded * bounded);
                _squares += (float)square;
                _fourths += (float)(square * square);
                _pairs++;
            }
        }
        (_lastBad, _lastTotal) = ((float)bad, (float)total);
    }

    /// <summary>The dispersion, above 0; about 1 for independent events. Drawn towards 1 by two pairs' worth.</summary>
    /// <param name="beside">Whether the arm is compared with one in the same seconds.</param>
    public readonly double Value(bool beside) => (Prior + (beside ? _bounded : _squares)) / (Prior + _pairs);

    /// <summary>The lower limit of the dispersion, as far below <see cref="Value"/> as the upper 90 % limit of independent events lies above 1.</summary>
    /// <param name="beside">Whether the arm is compared with one in the same seconds.</param>
    public readonly double Lower(bool beside) => Value(beside) / (1 + (NormalNinth * Math.Sqrt(2 / (Prior + _pairs))));

    /// <summary>The mean dispersion of two arms, at least 1; 1 while there is nothing to tell it from.</summary>
    /// <param name="one">An arm.</param>
    /// <param name="other">Another arm.</param>
    /// <param name="beside">Whether arms are compared in the same seconds.</param>
    public static double Mean(in Dispersion one, in Dispersion other, bool beside)
    {
        var pairs = one._pairs + other._pairs;
        var squares = beside ? one._bounded + other._bounded : one._squares + other._squares;
        return pairs <= 0 ? 1 : Math.Max(1, squares / pairs);
    }

    /// <summary>
    /// The upper limit of the dispersion of two arms, at least 1: that of 95 % while they have few ticks together, of 90 % with 60, nearer to the mean with more;
    /// at least <see cref="Least"/> while they have fewer than 10, because then nothing is known about bursts, and <see cref="LeastScant"/> with fewer than 5.
    /// </summary>
    /// <param name="one">An arm.</param>
    /// <param name="other">Another arm.</param>
    /// <param name="beside">Whether arms are compared in the same seconds.</param>
    public static double Upper(in Dispersion one, in Dispersion other, bool beside)
    {
        var mean = Mean(one, other, beside);
        if (one.Ticks + other.Ticks < Known)
        {
            return Math.Max(one.Ticks + other.Ticks < Scant ? LeastScant : Least, mean);
        }
        double freedom = Math.Max(0, one.Ticks - 1) + Math.Max(0, other.Ticks - 1);
        var z = Math.Min(NormalTwentieth, NormalNinth * Plenty / freedom);
        return Math.Max(mean * freedom / LowerLimit(freedom, z), mean + (z * Error(one, other, beside)));
    }

    // The standard error of the mean. A few great bursts say less about how many more there will be than many small ones do, which the chi-square limit cannot know.
    private static double Error(in Dispersion one, in Dispersion other, bool beside)
    {
        var pairs = one._pairs + other._pairs;
        if (pairs <= 0)
        {
            return 0;
        }
        var mean = (beside ? one._bounded + other._bounded : one._squares + other._squares) / pairs;
        var fourths = (beside ? one._boundedFourths + other._boundedFourths : one._fourths + other._fourths) / pairs;
        return Math.Sqrt(Math.Max(0, fourths - (mean * mean)) / pairs);
    }

    /// <summary>The lower quantile of the chi-square distribution that lies so many standard normal deviations down (Wilson and Hilferty 1931); the 10 % one within 0.5 % from 8 degrees of freedom on.</summary>
    /// <param name="freedom">Degrees of freedom.</param>
    /// <param name="deviations">1.28 for the 10 % quantile.</param>
    public static double LowerLimit(double freedom, double deviations)
    {
        var variance = 2 / (9 * freedom);
        var root = 1 - variance - (deviations * Math.Sqrt(variance));
        return freedom * root * root * root;
    }
}
