namespace Commander.Judging.Statistics;

/// <summary>
/// How far a series scatters from value to value, from the differences of neighbours (von Neumann 1941): what lasts, a step or a slow climb, is no scatter. From a few
/// differences on the largest counts as the second largest, so that a step is not one for a while either; with fewer a step cannot be told from noise.
/// </summary>
public struct Spread
{
    /// <summary>So many differences tell a step from noise.</summary>
    public const int Enough = 8;

    private float _squares;
    private float _largest;
    private float _second;
    private int _pairs;

    /// <summary>Folds in how far a value lies from the one before it; finite.</summary>
    public void Add(double difference)
    {
        var square = (float)(difference * difference);
        _squares += square;
        _pairs++;
        if (square > _largest)
        {
            (_largest, _second) = (square, _largest);
        }
        else
        {
            _second = Math.Max(_second, square);
        }
    }

    /// <summary>The standard deviation of one value, at least 0, drawn towards a prior one.</summary>
    /// <param name="prior">The prior standard deviation.</param>
    /// <param name="points">So many differences' worth of it, above 0.</param>
    public readonly double Deviation(double prior, double points)
    {
        var squares = _pairs < Enough ? _squares : _squares - _largest + _second;
        return Math.Sqrt(((points * prior * prior) + (0.5 * Math.Max(0, squares))) / (points + _pairs));
    }

    /// <summary>What the standard deviation is certainly above, its lower 90 % limit, as that of a normal distribution's; 0 while there are too few differences to tell. Parameters as <see cref="Deviation"/>.</summary>
    public readonly double Lower(double prior, double points) => _pairs < Enough ? 0 : Deviation(prior, points) / (1 + (Dispersion.NormalNinth * Math.Sqrt(1 / (2 * (points + _pairs)))));
}
