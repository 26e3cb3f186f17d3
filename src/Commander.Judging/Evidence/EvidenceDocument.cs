using System.Text.Json.Serialization;

namespace Commander.Judging.Evidence;

/// <summary>All ticks of a watch as a document: answered by the API, drawn by the charts.</summary>
/// <param name="StepSeconds">The length of a tick whose span is 1.</param>
/// <param name="Ticks">In order; those with n &lt;= 0 are the past.</param>
public sealed record EvidenceDocument(double StepSeconds, IReadOnlyList<EvidenceTick> Ticks);

/// <summary>One tick.</summary>
/// <param name="N">Where it ends, in steps from the start.</param>
/// <param name="From">Its beginning.</param>
/// <param name="To">Its end.</param>
/// <param name="Metrics">Per metric name, per arm word, what was measured; arms that were not asked are left out.</param>
public sealed record EvidenceTick(
    int N,
    DateTimeOffset From,
    DateTimeOffset To,
    IReadOnlyDictionary<string, IReadOnlyDictionary<string, EvidenceReading>> Metrics);

/// <summary>One reading: a value (gauge, count), bad and total (ratio), or buckets (histogram), or none of them and the quality says why.</summary>
/// <param name="Value">Gauge: the level. Count: the events. In the metric's unit.</param>
/// <param name="Bad">Ratio: bad events.</param>
/// <param name="Total">Ratio: all events.</param>
/// <param name="Buckets">Histogram: upper bound (in the metric's unit) as text, "+Inf" last, to the count at or below it.</param>
/// <param name="Quality">The quality's word.</param>
/// <param name="At">The instant the reading ends at.</param>
/// <param name="Detail">Why there is no number.</param>
public sealed record EvidenceReading(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? Value,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? Bad,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? Total,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyDictionary<string, double>? Buckets,
    string Quality,
    DateTimeOffset? At,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Detail);
