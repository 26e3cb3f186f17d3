namespace Commander.Judging.Backtest.Rules;

/// <summary>The so many largest of the values so far. A rule that rolls back after so many values beyond a threshold does so at every threshold below the least of them.</summary>
/// <param name="count">How many, at least 1.</param>
internal sealed class Largest(int count)
{
    private readonly double[] _values = new double[count];

    /// <summary>The least of them; 0 until there are so many.</summary>
    public double Least => _values[^1];

    /// <summary>Takes a value of at least 0 into account; answers <see cref="Least"/>.</summary>
    public double Add(double value)
    {
        var at = _values.Length;
        while (at > 0 && value > _values[at - 1])
        {
            at--;
            if (at + 1 < _values.Length)
            {
                _values[at + 1] = _values[at];
            }
        }
        if (at < _values.Length)
        {
            _values[at] = value;
        }
        return Least;
    }
}
