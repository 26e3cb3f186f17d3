using System.Runtime.CompilerServices;

namespace Commander.Judging.Statistics;

/// <summary>
/// The course of a level over a watch, as the means of blocks of equal time, beside how far it stood from its control in the same blocks. When all blocks are full
/// neighbours join and blocks become twice as long: from then on between nine and eighteen of them cover everything so far, whether that is minutes or days.
/// </summary>
public struct Climb
{
    /// <summary>At most so many blocks.</summary>
    public const int Slots = 18;

    // The tick that the first block begins with, counted in steps; a block's length in steps, 0 before the first value.
    private int _first;
    private int _width;
    private int _block;
    // How many values the newest block's means are of.
    private int _values;
    private int _besides;
    // Keeps the size a multiple of eight, so that no byte of a watch's state is padding.
    private int _unused;
    private Means _own;
    private Means _beside;

    /// <summary>The step that the first block begins with.</summary>
    public readonly int First => _first;

    /// <summary>A block's length in steps; 0 while there is none.</summary>
    public readonly int Width => _width;

    /// <summary>How many blocks there are; the newest counts from half of its length on.</summary>
    /// <param name="step">The newest step.</param>
    public readonly int Blocks(int step) => _width == 0 ? 0 : Math.Min(Slots, _block + (2L * (step - _first + 1 - (_block * _width)) >= _width ? 1 : 0));

    /// <summary>Folds one value in.</summary>
    /// <param name="step">When it was measured, in steps; never before an earlier value's.</param>
    /// <param name="width">How many steps a block has at first, at least 1.</param>
    /// <param name="own">The value, finite.</param>
    /// <param name="beside">How far it stands above what it is compared with in the same seconds; NaN where there is none.</param>
    public void Add(int step, int width, double own, double beside)
    {
        if (_width == 0)
        {
            (_first, _width) = (step, width);
        }
        while ((step - _first) / _width >= Slots)
        {
            Halve();
        }
        var block = (step - _first) / _width;
        if (block != _block)
        {
            for (var at = _block + 1; at <= block; at++)
            {
                (_own[at], _beside[at]) = (float.NaN, float.NaN);
            }
            (_block, _values, _besides) = (block, 0, 0);
        }
        _own[block] = _values++ == 0 ? (float)own : _own[block] + (float)((own - _own[block]) / _values);
        if (!double.IsNaN(beside))
        {
            _beside[block] = _besides++ == 0 ? (float)beside : _beside[block] + (float)((beside - _beside[block]) / _besides);
        }
        else if (_besides == 0)
        {
            _beside[block] = float.NaN;
        }
    }

    /// <summary>The blocks that have values: when (in blocks from the first), the level, and how far it stood from its control (NaN where that is not known).</summary>
    /// <param name="step">The newest step.</param>
    /// <param name="when">Room for <see cref="Slots"/>.</param>
    /// <param name="own">Room for <see cref="Slots"/>.</param>
    /// <param name="beside">Room for <see cref="Slots"/>.</param>
    /// <returns>How many there are.</returns>
    public readonly int Copy(int step, Span<double> when, Span<double> own, Span<double> beside)
    {
        var count = 0;
        for (var at = 0; at < Blocks(step); at++)
        {
            if (!float.IsNaN(_own[at]))
            {
                (when[count], own[count], beside[count++]) = (at, _own[at], _beside[at]);
            }
        }
        return count;
    }

    private void Halve()
    {
        for (var at = 0; at < Slots / 2; at++)
        {
            _own[at] = Both(_own[2 * at], _own[(2 * at) + 1], (2 * at) + 1 <= _block);
            _beside[at] = Both(_beside[2 * at], _beside[(2 * at) + 1], (2 * at) + 1 <= _block);
        }
        ((Span<float>)_own)[(Slots / 2)..].Clear();
        ((Span<float>)_beside)[(Slots / 2)..].Clear();
        _width = (int)Math.Min(2L * _width, int.MaxValue);
        _block /= 2;
    }

    private static float Both(float one, float other, bool begun) => !begun || float.IsNaN(other) ? one : float.IsNaN(one) ? other : 0.5f * (one + other);

    [InlineArray(Slots)]
    private struct Means
    {
        private float _mean;
    }
}
