namespace Commander.Judging.Statistics;

/// <summary>
/// How far the rate of bad events moves over minutes when nothing is done to it. A rate that wanders slowly looks steady from tick to tick, and a difference that it makes
/// looks like evidence to a test that counts each event as independent of the one before. Blocks of ticks of the past show it: their variance around the mean, as a multiple
/// of a binomial's.
/// </summary>
public struct Wandering
{
    /// <summary>So many ticks are a block.</summary>
    public const int BlockTicks = 8;

    private const int EnoughBlocks = 4;

    private double _bad;
    private double _total;
    private double _squares;
    private float _blockBad;
    private float _blockTotal;
    private float _highest;
    private short _ticks;
    private short _blocks;

    /// <summary>Folds one tick of the past in. Counts are finite, 0 &lt;= bad &lt;= total.</summary>
    public void Add(double bad, double total)
    {
        if (total <= 0)
        {
            return;
        }
        _blockBad += (float)bad;
        _blockTotal += (float)total;
        if (++_ticks < BlockTicks)
        {
            return;
        }
        _bad += _blockBad;
        _total += _blockTotal;
        _squares += (double)_blockBad * _blockBad / _blockTotal;
        _highest = Math.Max(_highest, _blockBad / _blockTotal);
        _blocks = (short)Math.Min(_blocks + 1, short.MaxValue);
        (_blockBad, _blockTotal, _ticks) = (0, 0, 0);
    }

    /// <summary>The share of bad events of the worst block, 0..1.</summary>
    public readonly double Highest => _highest;

    /// <summary>The dispersion of the blocks, at least 0 and about 1 for independent events; 0 while there are too few to tell.</summary>
    public readonly double Value
    {
        get
        {
            var variance = _bad * (_total - _bad) / (_total * _total);
            return _blocks < EnoughBlocks || !(variance > 0) ? 0 : Math.Max(0, _squares - (_bad * _bad / _total)) / (variance * (_blocks - 1));
        }
    }
}
