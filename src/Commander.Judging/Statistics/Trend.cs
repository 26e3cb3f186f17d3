namespace Commander.Judging.Statistics;

/// <summary>
/// The dispersion of an arm's first few ticks when a trend is no burst. As <see cref="Dispersion"/> from the differences of neighbouring ticks; where three in a row rise
/// or fall, how far the middle one lies off the line counts instead, if that is less. Of steady counts it finds seven tenths of the true dispersion: it is asked only
/// while the least that is assumed of any arm, <see cref="Dispersion.Least"/>, stands above what it can miss.
/// </summary>
public struct Trend
{
    private const float Prior = 2;

    // Of the rate: what is kept in floats and differs by less is equal.
    private const double Rounding = 1e-6;

    private float _lastBad;
    private float _lastTotal;
    private float _lastDifference;
    private float _lastSquare;
    private float _squares;
    private int _pairs;

    /// <summary>Folds one tick in. Counts are finite, 0 &lt;= bad &lt;= total.</summary>
    public void Add(double bad, double total)
    {
        if (total <= 0)
        {
            return;
        }
        var difference = 0f;
        var square = 0f;
        if (_lastTotal > 0 && bad + _lastBad > 0)
        {
            var rate = (bad + _lastBad) / (total + _lastTotal);
            var variance = rate * (1 - rate);
            if (variance > 0)
            {
                difference = (float)((bad / total) - ((double)_lastBad / _lastTotal));
                if (Math.Abs(difference) <= Rounding * rate)
                {
                    difference = 0;
                }
                square = (float)(difference * difference / (variance * ((1 / total) + (1 / _lastTotal))));
                if (difference * _lastDifference > 0)
                {
                    var bend = 0.5 * (difference - _lastDifference);
                    var off = (float)(bend * bend / (variance * ((0.25 / total) + (1.25 / _lastTotal))));
                    _squares -= Math.Max(0, _lastSquare - off);
                    square = Math.Min(square, off);
                }
                _squares += square;
                _pairs++;
            }
        }
        (_lastBad, _lastTotal, _lastDifference, _lastSquare) = ((float)bad, (float)total, difference, square);
    }

    /// <summary>The dispersion, above 0; drawn towards 1 by two pairs' worth.</summary>
    public readonly double Value => (Prior + Math.Max(0, _squares)) / (Prior + _pairs);
}
