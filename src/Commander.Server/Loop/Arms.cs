using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Server.Sources;

namespace Commander.Server.Loop;

/// <summary>Which questions a tick asks, and which it cannot ask because a variable of the query has no value.</summary>
/// <param name="Asked">For the source.</param>
/// <param name="Unasked">Readings that are known without asking: they say why they are missing.</param>
internal sealed record TickQuestions(List<Question> Asked, List<(int Metric, Arm Arm, Reading Reading)> Unasked);

/// <summary>Per metric and arm, the query with its variables put in (design 5.1, Arms).</summary>
internal static class Arms
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);
    private static readonly TimeSpan Week = TimeSpan.FromDays(7);

    /// <summary>The questions of the tick that ends at <paramref name="to"/>. A query that names the version, or a source with an address per arm, runs once per arm; any other sees the whole service and runs once.</summary>
    public static TickQuestions Of(Watch watch, DateTimeOffset to, bool separateArms)
    {
        var questions = new TickQuestions([], []);
        var metrics = watch.Policy!.Metrics;
        for (var m = 0; m < metrics.Count; m++)
        {
            Ask(questions, watch, m, Arm.Candidate, watch.Received.Version, watch.ReadUntil(m, Arm.Candidate), to);
            var tellsVersions = TellsVersions(metrics[m]);
            if (tellsVersions ? watch.PreviousVersion is not null : separateArms)
                Ask(questions, watch, m, Arm.Control, watch.PreviousVersion ?? "", watch.ReadUntil(m, Arm.Control), to);
            if (watch.SeasonWanted(m) && watch.Season(m) is { } ago && SeasonVersion(watch, m) is { } then)
                Ask(questions, watch, m, Arm.Seasonal, then, watch.ReadUntil(m, Arm.Seasonal), to - ago);
        }

        return questions;
    }

    /// <summary>The questions for the past up to the start.</summary>
    public static List<Question> OfPast(Watch watch)
    {
        var questions = new TickQuestions([], []);
        var policy = watch.Policy!;
        var start = watch.Received.StartedAt;
        for (var m = 0; m < policy.Metrics.Count; m++)
        {
            var version = TellsVersions(policy.Metrics[m]) ? watch.PreviousVersion : watch.Received.Version;
            if (version is not null)
                Ask(questions, watch, m, Arm.Before, version, start - policy.Watch.Reference, start);
        }

        return questions.Asked;
    }

    /// <summary>The questions for the same clock time another day: for the same past, so many days back. Only of metrics that are judged by it.</summary>
    public static List<Question> OfSeason(Watch watch, TimeSpan ago)
    {
        var questions = new TickQuestions([], []);
        var policy = watch.Policy!;
        var start = watch.Received.StartedAt - ago;
        for (var m = 0; m < policy.Metrics.Count; m++)
        {
            if (policy.Compare is Compare.Auto or Compare.Seasonal && policy.Metrics[m].Kind != MetricKind.Histogram && SeasonVersion(watch, m) is { } version)
                Ask(questions, watch, m, Arm.Seasonal, version, start - policy.Watch.Reference, start);
        }

        return questions.Asked;
    }

    /// <summary>Which days ago a season may lie, the better one first.</summary>
    public static IReadOnlyList<TimeSpan> Seasons { get; } = [Day, Week];

    /// <summary>Which of them a reading belongs to that was asked for as of <paramref name="asked"/>.</summary>
    public static TimeSpan SeasonOf(DateTimeOffset asked, long at) =>
        asked - DateTimeOffset.FromUnixTimeMilliseconds(at) < (Day + Week) / 2 ? Day : Week;

    // The version that served then: the one before, as far as anybody knows.
    private static string? SeasonVersion(Watch watch, int metric) =>
        TellsVersions(watch.Policy!.Metrics[metric]) ? watch.PreviousVersion : watch.Received.Version;

    /// <summary>Per metric the candidate's resolved query, for verdicts and pages; null where a variable has no value.</summary>
    public static IReadOnlyList<string?> CandidateQueries(Watch watch)
    {
        var variables = Variables(watch, watch.Received.Version);
        return
        [
            .. watch.Policy!.Metrics.Select(m =>
                (m.Kind == MetricKind.Ratio ? m.Bad : m.Query) is { } template && Queries.TryResolve(template, variables, out var query, out _) ? query : null),
        ];
    }

    private static bool TellsVersions(MetricPolicy metric) =>
        (metric.Query ?? metric.Bad) is { } template && Queries.NamesVersion(template);

    private static void Ask(TickQuestions questions, Watch watch, int metric, Arm arm, string version, DateTimeOffset from, DateTimeOffset to)
    {
        var policy = watch.Policy!.Metrics[metric];
        var variables = Variables(watch, version);
        string? total = null;
        if (Queries.TryResolve(policy.Bad ?? policy.Query ?? "", variables, out var query, out var reason)
            && (policy.Total is null || Queries.TryResolve(policy.Total, variables, out total, out reason)))
            questions.Asked.Add(new Question(policy, metric, arm, query, total, from, to));
        else
            questions.Unasked.Add((metric, arm, Reading.Missing(Quality.Error, reason)));
    }

    private static Dictionary<string, string> Variables(Watch watch, string version) =>
        Queries.Values(watch.Policy!, watch.Received.Service, watch.Received.Environment, version, watch.Received.Labels);
}
