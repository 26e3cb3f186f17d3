using System.Runtime.CompilerServices;

namespace Commander.Judging.Statistics;

/// <summary>
/// The largest few values of a series, however long: a sample that is thinned out forgets the spikes that come once in fifty ticks. Where both sides matter each has half of the places.
/// </summary>
public struct Extremes
{
    /// <summary>At most so many are kept.</summary>
    public const int Slots = 8;

    private Values _values;

    /// <summary>Folds a value in.</summary>
    /// <param name="value">The value, finite.</param>
    /// <param name="before">How many there were before it.</param>
    /// <param name="up">Whether the largest are kept.</param>
    /// <param name="down">Whether the smallest are; beside <paramref name="up"/> each has half of the places.</param>
    public void Add(double value, int before, bool up, bool down)
    {
        var places = up && down ? Slots / 2 : Slots;
        if (up)
        {
            Insert(((Span<float>)_values)[..places], (float)value, Math.Min(before, places));
        }
        if (down)
        {
            Insert(((Span<float>)_values)[(Slots - places)..], (float)-value, Math.Min(before, places));
        }
    }

    /// <summary>How many of those that are kept are at least, or at most, a value.</summary>
    /// <param name="value">The value.</param>
    /// <param name="all">How many there were in all.</param>
    /// <param name="below">Whether the smallest are asked for instead of the largest.</param>
    /// <param name="up">As in <see cref="Add"/>.</param>
    /// <param name="down">As in <see cref="Add"/>.</param>
    public readonly int Beyond(double value, int all, bool below, bool up, bool down)
    {
        var places = up && down ? Slots / 2 : Slots;
        var kept = ((ReadOnlySpan<float>)_values).Slice(below ? Slots - places : 0, Math.Min(all, places));
        var bound = below ? -value : value;
        var count = 0;
        while (count < kept.Length && kept[count] >= bound)
        {
            count++;
        }
        return count;
    }

    // Largest first.
    private static void Insert(Span<float> values, float value, int count)
    {
        var at = count;
        if (at == values.Length)
        {
            if (value <= values[at - 1])
            {
                return;
            }
            at--;
        }
        for (; at > 0 && values[at - 1] < value; at--)
        {
            values[at] = values[at - 1];
        }
        values[at] = value;
    }

    [InlineArray(Slots)]
    private struct Values
    {
        private float _first;
    }
}
