using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Server.Sources;

namespace Commander.Server.Loop;

/// <summary>Which questions a tick asks: per metric and arm, the query with its variables put in (design 5.1, Arms).</summary>
internal static class Arms
{
    /// <summary>The questions of the tick that ends at <paramref name="to"/>. A query that names the version runs once per arm; one that does not sees the whole service and runs once.</summary>
    public static List<Question> Of(Watch watch, DateTimeOffset to)
    {
        var questions = new List<Question>();
        var metrics = watch.Policy!.Metrics;
        for (var m = 0; m < metrics.Count; m++)
        {
            questions.Add(Ask(watch, m, Arm.Candidate, watch.Received.Version, watch.ReadUntil(m, Arm.Candidate), to));
            if (watch.PreviousVersion is { } previous && TellsVersions(metrics[m]))
                questions.Add(Ask(watch, m, Arm.Control, previous, watch.ReadUntil(m, Arm.Control), to));
        }

        return questions;
    }

    /// <summary>The questions for the past up to the start.</summary>
    public static List<Question> OfPast(Watch watch)
    {
        var questions = new List<Question>();
        var policy = watch.Policy!;
        var start = watch.Received.StartedAt;
        for (var m = 0; m < policy.Metrics.Count; m++)
        {
            var version = TellsVersions(policy.Metrics[m]) ? watch.PreviousVersion : watch.Received.Version;
            if (version is not null)
                questions.Add(Ask(watch, m, Arm.Before, version, start - policy.Watch.Reference, start));
        }

        return questions;
    }

    /// <summary>Per metric the candidate's resolved query, for verdicts and pages.</summary>
    public static IReadOnlyList<string?> CandidateQueries(Watch watch) =>
        [.. watch.Policy!.Metrics.Select(m => Resolve(watch, m.Kind == MetricKind.Ratio ? m.Bad : m.Query, watch.Received.Version))];

    private static bool TellsVersions(MetricPolicy metric) =>
        Names(metric.Query, "version") || Names(metric.Bad, "version") || Names(metric.Query, "pod_template_hash") || Names(metric.Bad, "pod_template_hash");

    private static bool Names(string? template, string variable) =>
        template is not null && template.Contains("{{" + variable + "}}", StringComparison.Ordinal);

    private static Question Ask(Watch watch, int metric, Arm arm, string version, DateTimeOffset from, DateTimeOffset to)
    {
        var policy = watch.Policy!.Metrics[metric];
        var ratio = policy.Kind == MetricKind.Ratio;
        return new Question(
            policy,
            metric,
            arm,
            Resolve(watch, ratio ? policy.Bad : policy.Query, version) ?? "",
            ratio ? Resolve(watch, policy.Total, version) : null,
            from,
            to);
    }

    private static string? Resolve(Watch watch, string? template, string version) => template is null
        ? null
        : Queries.Resolve(template, new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["service"] = watch.Received.Service,
            ["environment"] = watch.Received.Environment,
            ["version"] = version,
        });
}
