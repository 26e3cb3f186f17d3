using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Commander.Judging.Evidence;
using Commander.Server.Sources.Scrape;

namespace Commander.Server.Sources.Prometheus;

/// <summary>One series of an answer.</summary>
/// <param name="Labels">Sorted by name, with the metric's name under __name__ where it has one.</param>
/// <param name="Points">Ascending in time.</param>
/// <param name="Histograms">Native histograms, ascending in time; empty where the series has numbers.</param>
internal sealed record PromSeries(Label[] Labels, CounterPoint[] Points, NativePoint[] Histograms)
{
    public CounterPoint? Newest(long from, long to)
    {
        for (var i = Points.Length - 1; i >= 0 && Points[i].At > from; i--)
        {
            if (Points[i].At <= to)
                return Points[i];
        }

        return null;
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
    private const int MaxSeries = 4_000;
    private const int MaxNames = 100_000;

    public bool Good => Quality is Quality.Value or Quality.Partial;

    public static PromAnswer Failed(Quality quality, string detail) => new(quality, detail, [], []);

    /// <summary>Reads a body of Prometheus' HTTP API.</summary>
    /// <param name="body">The body.</param>
    /// <param name="name">Who sent it, for messages.</param>
    public static PromAnswer Read(ReadOnlyMemory<byte> body, string name)
    {
        try
        {
            using var json = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = 16 });
            var root = json.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("status", out var status) || !status.ValueEquals("success"u8) || !root.TryGetProperty("data", out var data))
                return Failed(Quality.Error, $"{name} answered JSON that is no answer of Prometheus");
            var warning = Warning(root);
            var quality = warning is null ? Quality.Value : Quality.Partial;
            var detail = warning is null ? null : $"{name} warns: {warning}";
            if (data.ValueKind == JsonValueKind.Array)
            {
                return new PromAnswer(quality, detail, [], [.. data.EnumerateArray().Where(one => one.ValueKind == JsonValueKind.String).Take(MaxNames).Select(one => one.GetString()!)]);
            }

            var result = data.GetProperty("result");
            var type = data.GetProperty("resultType").GetString();
            if (type is "scalar")
                return new PromAnswer(quality, detail, [new PromSeries([], [Point(result)], [])], []);
            if (type is not ("vector" or "matrix"))
                return Failed(Quality.Error, $"{name}: the query gives a {(type is "string" ? type : "result of another kind")}, not numbers");
            if (result.GetArrayLength() > MaxSeries)
                return Failed(Quality.Error, $"{name}: the query selects {result.GetArrayLength()} series, at most {MaxSeries} are read; narrow it");
            return new PromAnswer(quality, detail, [.. result.EnumerateArray().Select(OneSeries)], []);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or IndexOutOfRangeException)
        {
            // Cut off in the middle, or of another form than documented.
            return Failed(Quality.Error, $"{name} answered JSON that is cut off or no answer of Prometheus");
        }
    }

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

    private static string? Warning(JsonElement root)
    {
        // VictoriaMetrics' word for it.
        if (root.TryGetProperty("isPartial", out var partial) && partial.ValueKind == JsonValueKind.True)
            return "some of its storage did not answer";
        if (!root.TryGetProperty("warnings", out var warnings) || warnings.ValueKind != JsonValueKind.Array || warnings.GetArrayLength() == 0)
            return null;
        return (warnings[0].GetString() ?? "") + (warnings.GetArrayLength() > 1 ? $" (and {warnings.GetArrayLength() - 1} more)" : "");
    }

    private static PromSeries OneSeries(JsonElement series)
    {
        var labels = series.GetProperty("metric").EnumerateObject().Select(label => new Label(label.Name, label.Value.GetString() ?? "")).ToArray();
        Array.Sort(labels, static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        CounterPoint[] points = series.TryGetProperty("values", out var values) ? [.. values.EnumerateArray().Select(Point)]
            : series.TryGetProperty("value", out var value) ? [Point(value)]
            : [];
        NativePoint[] histograms = series.TryGetProperty("histograms", out var many) ? [.. many.EnumerateArray().Select(Native)]
            : series.TryGetProperty("histogram", out var one) ? [Native(one)]
            : [];
        return new PromSeries(labels, points, histograms);
    }

    private static CounterPoint Point(JsonElement pair) => new(Time(pair[0]), Number(pair[1]));

    private static NativePoint Native(JsonElement pair)
    {
        var histogram = pair[1];
        var buckets = new List<NativeBucket>();
        if (histogram.TryGetProperty("buckets", out var all))
        {
            foreach (var bucket in all.EnumerateArray())
                buckets.Add(new NativeBucket(Number(bucket[1]), Number(bucket[2]), Number(bucket[3])));
        }

        buckets.Sort(static (a, b) => a.Upper.CompareTo(b.Upper));
        return new NativePoint(Time(pair[0]), Number(histogram.GetProperty("count")), [.. buckets]);
    }

    private static long Time(JsonElement seconds)
    {
        var at = seconds.GetDouble() * 1000;
        return Math.Abs(at) < 1e16 ? (long)Math.Round(at) : throw new FormatException("a time beyond all calendars");
    }

    // Numbers stand in strings, because JSON has no word for NaN and infinities.
    private static double Number(JsonElement text)
    {
        var raw = JsonMarshal.GetRawUtf8Value(text);
        if (text.ValueKind == JsonValueKind.String)
            raw = raw[1..^1];
        return raw.SequenceEqual("+Inf"u8) ? double.PositiveInfinity
            : raw.SequenceEqual("-Inf"u8) ? double.NegativeInfinity
            : double.Parse(raw, NumberStyles.Float, CultureInfo.InvariantCulture);
    }
}
