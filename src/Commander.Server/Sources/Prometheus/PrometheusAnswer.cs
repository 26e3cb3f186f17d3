using System.Text.Json;
using Commander.Judging.Evidence;

namespace Commander.Server.Sources.Prometheus;

/// <summary>One series of an answer.</summary>
/// <param name="Labels">Sorted by name, with the metric's name under __name__ where it has one.</param>
/// <param name="Points">Ascending in time.</param>
/// <param name="Histograms">Native histograms, ascending in time; empty where the series has numbers.</param>
internal sealed record PromSeries(Label[] Labels, CounterPoint[] Points, NativePoint[] Histograms)
{
    /// <summary>How far its points usually lie apart, milliseconds (the lower median); 0 where nothing shows it.</summary>
    public long Spacing { get; } = SpacingOf(Points, Histograms);

    /// <summary>When its first point was; null where it has none.</summary>
    public long? First => Points.Length > 0 ? Points[0].At : Histograms.Length > 0 ? Histograms[0].At : null;

    /// <summary>When its last point was, whatever its value; null where it has none up to <paramref name="to"/>.</summary>
    public long? Last(long to)
    {
        for (var i = Points.Length - 1; i >= 0; i--)
        {
            if (Points[i].At <= to)
                return Points[i].At;
        }

        for (var i = Histograms.Length - 1; i >= 0; i--)
        {
            if (Histograms[i].At <= to)
                return Histograms[i].At;
        }

        return null;
    }

    /// <summary>The newest point in (from, to].</summary>
    public CounterPoint? Newest(long from, long to)
    {
        for (var i = Points.Length - 1; i >= 0 && Points[i].At > from; i--)
        {
            if (Points[i].At <= to)
                return Points[i];
        }

        return null;
    }

    private static long SpacingOf(CounterPoint[] points, NativePoint[] histograms)
    {
        var count = Math.Max(points.Length, histograms.Length);
        if (count < 2)
            return 0;
        var between = count <= 64 ? stackalloc long[count - 1] : new long[count - 1];
        for (var i = 1; i < count; i++)
            between[i - 1] = points.Length > 0 ? points[i].At - points[i - 1].At : histograms[i].At - histograms[i - 1].At;
        between.Sort();
        return between[(between.Length - 1) / 2];
    }
}

/// <summary>Series with the same labels are the same series.</summary>
internal sealed class SameLabels : IEqualityComparer<Label[]>
{
    public static readonly SameLabels Instance = new();

    public bool Equals(Label[]? one, Label[]? other) => one.AsSpan().SequenceEqual(other);

    // Enough to tell series of one answer apart, and a fraction of what hashing all their texts would cost.
    public int GetHashCode(Label[] labels)
    {
        var hash = labels.Length;
        foreach (var (_, value) in labels)
            hash = (hash * 31) + (value.Length == 0 ? 1 : value.Length ^ (value[^1] << 8) ^ (value[value.Length / 2] << 16));
        return hash;
    }
}

/// <summary>What Prometheus said to one request.</summary>
/// <param name="Quality">Value, Partial (it answers with a warning), or why there is nothing.</param>
/// <param name="Detail">Why not everything is there.</param>
/// <param name="Series">The answer to a query.</param>
/// <param name="Names">The answer to a question for names or label values.</param>
/// <param name="Ahead">How far its clock is ahead of ours, as far as it can be told; null where it does not date its answers.</param>
internal sealed record PromAnswer(Quality Quality, string? Detail, IReadOnlyList<PromSeries> Series, IReadOnlyList<string> Names, TimeSpan? Ahead = null)
{
    /// <summary>Whether there would be an answer, of which a smaller part may be had by asking for less.</summary>
    public bool TooLarge { get; init; }

    /// <summary>Whether nobody answered: not in time, not at all, or not to the end.</summary>
    public bool NoAnswer { get; init; }

    public bool Good => Quality is Quality.Value or Quality.Partial;

    public static PromAnswer Failed(Quality quality, string detail) => new(quality, detail, [], []);

    /// <summary>The message of an error's body; null where it is none of Prometheus'.</summary>
    public static string? Error(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var json = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = 16 });
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("error", out var error) && error.ValueKind == JsonValueKind.String
                ? error.GetString()
                : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}
