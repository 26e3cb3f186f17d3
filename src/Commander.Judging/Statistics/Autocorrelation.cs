namespace Commander.Judging.Statistics;

/// <summary>The autocorrelation of a series at lag 1, from sums around its first value.</summary>
public struct Autocorrelation
{
    private const double Most = 0.8;

    private double _first;
    private double _sum;
    private double _squares;
    private double _products;
    private double _previous;
    private double _values;

    /// <summary>Folds the next value in; it is finite.</summary>
    public void Add(double value)
    {
        if (_values == 0)
        {
            _first = value;
        }
        else
        {
            _products += _previous * (value - _first);
        }
        _previous = value - _first;
        _sum += _previous;
        _squares += _previous * _previous;
        _values++;
    }

    /// <summary>The autocorrelation, cut to 0..0.8; 0 for fewer than 4 values and for values that are all the same.</summary>
    public readonly double Value
    {
        get
        {
            if (_values < 4)
            {
                return 0;
            }
            var mean = _sum / _values;
            var variance = (_squares / _values) - (mean * mean);
            if (variance <= 1e-12 * _squares / _values)
            {
                return 0;
            }
            // The first and last value stand in one pair only; over a dozen points the difference is lost in the noise.
            var covariance = (_products / (_values - 1)) - (mean * mean);
            return Math.Clamp(covariance / variance, 0, Most);
        }
    }
}
