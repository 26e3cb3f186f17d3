using System.Buffers;
using System.Text.Json;
using Commander.Judging;
using Commander.Judging.Evidence;
using Commander.Judging.Policies;

namespace Commander.Server.Loop;

/// <summary>
/// The stored form of a tick, kept small because there are so many:
/// <c>{"n":3,"span":1,"at":1700000000000,"ms":4.2,"m":{"errors":{"candidate":{"v":1,"t":50},"control":{"q":"empty","d":"no such series"}}}}</c>.
/// Histograms are counts per bucket, not cumulative (<c>"b"</c>), and name their edges (<c>"e"</c>) only where they
/// differ from the metric's last ones, so a stream is read from its beginning. <c>at</c> stands on a reading only where it differs from the tick's.
/// </summary>
internal sealed class TickCodec(IReadOnlyList<MetricPolicy> metrics)
{
    /// <summary>No tick's body is longer.</summary>
    public const int MaxBody = 2048;

    private static readonly Arm[] Arms = [Arm.Candidate, Arm.Control, Arm.Before, Arm.Seasonal];
    private readonly double[]?[] _edges = new double[]?[metrics.Count];

    /// <summary>Writes a tick. Where the body would be too long, the reasons of missing values are cut first.</summary>
    public byte[] Write(Tick tick, double observedMs)
    {
        foreach (var detail in (ReadOnlySpan<int>)[160, 48, 0])
        {
            var body = Write(tick, observedMs, detail);
            if (body.Length <= MaxBody || detail == 0)
                return body;
        }

        throw new InvalidOperationException("unreachable");
    }

    private byte[] Write(Tick tick, double observedMs, int detail)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = Json.Tolerant.Encoder });
        var at = CommonAt(tick);
        json.WriteStartObject();
        json.WriteNumber("n", tick.N);
        json.WriteNumber("span", tick.Span);
        if (at != 0)
            json.WriteNumber("at", at);
        json.WriteNumber("ms", Math.Round(observedMs, 1));
        json.WriteStartObject("m");
        for (var m = 0; m < tick.Metrics; m++)
        {
            json.WriteStartObject(metrics[m].Name);
            foreach (var arm in Arms)
            {
                ref var reading = ref tick[m, arm];
                if (reading is { Quality: Quality.Empty, Detail: null })
                    continue;
                json.WriteStartObject(arm.Word());
                Write(json, m, reading, at, detail);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    private void Write(Utf8JsonWriter json, int metric, in Reading given, long at, int detail)
    {
        var reading = Finite(given) ? given : Reading.Missing(Quality.Nan, "the values of the series do not add up to a finite number");
        if (reading.Quality != Quality.Value)
            json.WriteString("q", reading.Quality.Word());
        if (detail > 0 && reading.Detail is { } why)
            json.WriteString("d", why.Length <= detail ? why : why[..detail]);
        if (!reading.HasValue)
            return;
        if (reading.At != at)
            json.WriteNumber("at", reading.At);
        switch (metrics[metric].Kind)
        {
            case MetricKind.Histogram when reading.Buckets is { } buckets:
                if (!SameEdges(_edges[metric], buckets.Edges))
                {
                    json.WriteStartArray("e");
                    // The last edge is infinity, which JSON cannot say.
                    foreach (var edge in buckets.Edges.AsSpan(0, buckets.Edges.Length - 1))
                        json.WriteNumberValue(edge);
                    json.WriteEndArray();
                }

                json.WriteStartArray("b");
                var below = 0.0;
                foreach (var count in buckets.Counts)
                {
                    json.WriteNumberValue(count - below);
                    below = count;
                }

                json.WriteEndArray();
                break;
            case MetricKind.Ratio:
                json.WriteNumber("v", reading.Value);
                json.WriteNumber("t", reading.Total);
                break;
            default:
                json.WriteNumber("v", reading.Value);
                break;
        }
    }

    /// <summary>Reads a tick and remembers its edges for the next.</summary>
    public Tick Read(ReadOnlySpan<byte> body)
    {
        using var document = JsonDocument.Parse(body.ToArray());
        var root = document.RootElement;
        var tick = new Tick(root.GetProperty("n").GetInt32(), root.GetProperty("span").GetInt32(), metrics.Count);
        var at = root.TryGetProperty("at", out var common) ? common.GetInt64() : 0;
        var measured = root.GetProperty("m");
        for (var m = 0; m < metrics.Count; m++)
        {
            if (!measured.TryGetProperty(metrics[m].Name, out var arms))
                continue;
            foreach (var arm in arms.EnumerateObject())
            {
                if (Words.TryArm(arm.Name, out var which))
                    tick[m, which] = Read(arm.Value, m, at);
            }
        }

        return tick;
    }

    private Reading Read(JsonElement reading, int metric, long at)
    {
        var quality = Quality.Value;
        if (reading.TryGetProperty("q", out var word))
            _ = Words.TryQuality(word.GetString(), out quality);
        var detail = reading.TryGetProperty("d", out var why) ? why.GetString() : null;
        if (quality is not (Quality.Value or Quality.Partial))
            return Reading.Missing(quality, detail);
        if (reading.TryGetProperty("at", out var own))
            at = own.GetInt64();
        if (!reading.TryGetProperty("b", out var counts))
            return new Reading(quality, reading.GetProperty("v").GetDouble(), reading.TryGetProperty("t", out var total) ? total.GetDouble() : 0, null, at, detail);
        if (reading.TryGetProperty("e", out var edges))
            _edges[metric] = [.. edges.EnumerateArray().Select(e => e.GetDouble()), double.PositiveInfinity];
        var known = _edges[metric] ?? throw new JsonException("a histogram's first tick names no edges");
        var cumulative = new double[known.Length];
        var sum = 0.0;
        var i = 0;
        foreach (var count in counts.EnumerateArray())
            cumulative[i++] = sum += count.GetDouble();
        return new Reading(quality, Buckets: new Buckets(known, cumulative), At: at, Detail: detail);
    }

    private static bool Finite(in Reading reading)
    {
        if (!double.IsFinite(reading.Value) || !double.IsFinite(reading.Total))
            return false;
        foreach (var count in reading.Buckets?.Counts ?? [])
        {
            if (!double.IsFinite(count))
                return false;
        }

        return true;
    }

    private static long CommonAt(Tick tick)
    {
        for (var m = 0; m < tick.Metrics; m++)
        {
            foreach (var arm in Arms)
            {
                if (tick[m, arm] is { HasValue: true } reading)
                    return reading.At;
            }
        }

        return 0;
    }

    private static bool SameEdges(double[]? known, double[] edges) =>
        ReferenceEquals(known, edges) || (known is not null && known.AsSpan().SequenceEqual(edges));
}
