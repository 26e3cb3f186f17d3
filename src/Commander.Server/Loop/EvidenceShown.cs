using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Server.Storage;

namespace Commander.Server.Loop;

/// <summary>A deployment's ticks as the API, pages and alerts show them.</summary>
internal static class EvidenceShown
{
    /// <summary>All ticks whose bodies are kept.</summary>
    /// <param name="facts">The stream from its beginning.</param>
    /// <param name="pins">The pinned policies.</param>
    public static EvidenceDocument Of(IReadOnlyList<Fact> facts, IPinned pins)
    {
        var watch = new Watch(pins);
        var ticks = new List<EvidenceTick>();
        foreach (var fact in facts)
        {
            watch.Apply(fact);
            if (fact is { Kind: FactKind.Tick, Body: not null } && watch is { Policy: { } policy, NewestTick: { } tick })
                ticks.Add(Shown(watch.Received.StartedAt, policy, tick));
        }

        return new EvidenceDocument(watch.Policy?.Watch.Step.TotalSeconds ?? 0, ticks);
    }

    private static EvidenceTick Shown(DateTimeOffset started, Policy policy, Tick tick)
    {
        var metrics = new Dictionary<string, IReadOnlyDictionary<string, EvidenceReading>>(StringComparer.Ordinal);
        for (var m = 0; m < policy.Metrics.Count; m++)
        {
            var arms = new Dictionary<string, EvidenceReading>(StringComparer.Ordinal);
            for (var arm = Arm.Candidate; arm <= Arm.Seasonal; arm++)
            {
                ref var reading = ref tick[m, arm];
                if (reading is not { Quality: Quality.Empty, Detail: null })
                    arms[arm.Word()] = Shown(policy.Metrics[m].Kind, reading);
            }

            metrics[policy.Metrics[m].Name] = arms;
        }

        var to = started + (tick.N * policy.Watch.Step);
        return new EvidenceTick(tick.N, to - (tick.Span * policy.Watch.Step), to, metrics);
    }

    private static EvidenceReading Shown(MetricKind kind, in Reading reading)
    {
        DateTimeOffset? at = reading.At == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(reading.At);
        if (!reading.HasValue)
            return new EvidenceReading(null, null, null, null, reading.Quality.Word(), at, reading.Detail);
        return kind switch
        {
            MetricKind.Ratio => new EvidenceReading(null, reading.Value, reading.Total, null, reading.Quality.Word(), at, reading.Detail),
            MetricKind.Histogram => new EvidenceReading(null, null, null, Shown(reading.Buckets), reading.Quality.Word(), at, reading.Detail),
            _ => new EvidenceReading(reading.Value, null, null, null, reading.Quality.Word(), at, reading.Detail),
        };
    }

    private static Dictionary<string, double>? Shown(Buckets? buckets)
    {
        if (buckets is null)
            return null;
        var shown = new Dictionary<string, double>(StringComparer.Ordinal);
        for (var i = 0; i < buckets.Edges.Length; i++)
            shown[double.IsPositiveInfinity(buckets.Edges[i]) ? "+Inf" : buckets.Edges[i].ToString("R")] = buckets.Counts[i];
        return shown;
    }
}
