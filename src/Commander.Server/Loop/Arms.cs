using System.Collections.Concurrent;
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
            if (watch.Texts.TellsVersions(m) ? watch.PreviousVersion is not null : separateArms)
                Ask(questions, watch, m, Arm.Control, watch.PreviousVersion ?? "", watch.ReadUntil(m, Arm.Control), to);
            if (watch.SeasonWanted(m) && watch.Season(m) is { } ago && VersionBefore(watch, m) is { } then)
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
            var version = VersionBefore(watch, m);
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
            if (policy.Compare is Compare.Auto or Compare.Seasonal && policy.Metrics[m].Kind != MetricKind.Histogram && VersionBefore(watch, m) is { } version)
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
    private static string? VersionBefore(Watch watch, int metric) =>
        watch.Texts.TellsVersions(metric) ? watch.PreviousVersion : watch.Received.Version;

    /// <summary>Per metric the candidate's resolved query, for verdicts and pages; null where a variable has no value.</summary>
    public static IReadOnlyList<string?> CandidateQueries(Watch watch) =>
        [.. watch.Policy!.Metrics.Select((_, m) => watch.Texts.Of(m, watch.Received.Version).Query is { Length: > 0 } query ? query : null)];

    private static void Ask(TickQuestions questions, Watch watch, int metric, Arm arm, string version, DateTimeOffset from, DateTimeOffset to)
    {
        var text = watch.Texts.Of(metric, version);
        if (text is { Query: { } query, Reason: null })
            questions.Asked.Add(new Question(watch.Policy!.Metrics[metric], metric, arm, query, text.Total, from, to) { HadNumbers = watch.HadNumbers(metric, arm) });
        else
            questions.Unasked.Add((metric, arm, Reading.Missing(Quality.Error, text.Reason)));
    }
}

/// <summary>A watch's queries with their variables put in, once per metric and version: every tick asks the same.</summary>
internal sealed class QueryTexts(Policy policy, ReceivedBody received)
{
    // A tick asks while somebody reads the deployment.
    private readonly ConcurrentDictionary<(int Metric, string Version), Text> _known = [];
    private readonly bool[] _tellsVersions =
        [.. policy.Metrics.Select(metric => (metric.Query ?? metric.Bad) is { } template && Queries.NamesVersion(template))];

    /// <summary>The query (a ratio's bad events), a ratio's total, and why one of the two cannot be asked.</summary>
    public readonly record struct Text(string? Query, string? Total, string? Reason);

    /// <summary>Whether they are those of this announcement and policy.</summary>
    public bool Fits(Policy? itsPolicy, ReceivedBody itsReceived) => ReferenceEquals(policy, itsPolicy) && ReferenceEquals(received, itsReceived);

    /// <summary>Whether a metric is asked once per arm.</summary>
    public bool TellsVersions(int metric) => _tellsVersions[metric];

    public Text Of(int metric, string version) =>
        _known.TryGetValue((metric, version), out var text) ? text : _known[(metric, version)] = Resolve(policy.Metrics[metric], version);

    private Text Resolve(MetricPolicy metric, string version)
    {
        var variables = Queries.Values(policy, received.Service, received.Environment, version, received.Labels);
        string? total = null;
        var query = Queries.TryResolve(metric.Bad ?? metric.Query ?? "", variables, out var resolved, out var reason) ? resolved : null;
        if (query is not null && metric.Total is not null && !Queries.TryResolve(metric.Total, variables, out total, out reason))
            total = null;
        return new Text(query, total, reason);
    }
}
