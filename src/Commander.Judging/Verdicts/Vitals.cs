using Commander.Judging.Evidence;

namespace Commander.Judging.Verdicts;

/// <summary>The four numbers that a snapshot has, of any deployment: read off a verdict's findings, and where those say nothing off the snapshot that came with the announcement.</summary>
/// <param name="ErrorRate">In %; null when nothing says it.</param>
/// <param name="MemoryUsage">In %; null when nothing says it in %.</param>
/// <param name="ResponseTime">In ms, p95, else p99, else the mean; null when nothing says it.</param>
/// <param name="CpuUsage">In %; null when nothing says it in %.</param>
public sealed record Vitals(double? ErrorRate, double? MemoryUsage, double? ResponseTime, double? CpuUsage)
{
    /// <summary>The candidate's numbers in a verdict.</summary>
    /// <param name="verdict">The verdict; null before the first.</param>
    /// <param name="snapshot">What came with the announcement; null for nothing.</param>
    public static Vitals Of(Verdict? verdict, IReadOnlyDictionary<string, double>? snapshot)
    {
        double? errors = null, memory = null, response = null, cpu = null;
        var rank = int.MaxValue;
        foreach (var finding in verdict?.Findings ?? [])
        {
            if (finding.Candidate is not { } value)
            {
                continue;
            }
            var percent = HealthTerms.IsPercent(finding.Unit);
            if (finding.Family == Family.Error.Word() && percent)
            {
                errors ??= value;
            }
            else if (finding.Family == Family.Memory.Word() && percent)
            {
                memory ??= value;
            }
            else if (finding.Family == Family.Cpu.Word() && percent)
            {
                cpu ??= value;
            }
            else if (finding.Family == Family.Latency.Word() && HealthTerms.Milliseconds(finding.Unit) is { } scale
                && HealthTerms.Rank(finding.Metric, finding.Kind == MetricKind.Histogram.Word()) is var own && own < rank)
            {
                (rank, response) = (own, scale * value);
            }
        }
        return new Vitals(errors ?? Given("error_rate"), memory ?? Given("memory_usage"), response ?? Given("response_time"), cpu ?? Given("cpu_usage"));

        double? Given(string name) => snapshot is not null && snapshot.TryGetValue(name, out var value) ? value : null;
    }
}
