using Commander.Judging.Evidence;
using Commander.Judging.Policies;

namespace Commander.Server.Sources;

/// <summary>One question to a source: a metric of one arm over one interval.</summary>
/// <param name="Metric">The metric as the policy has it.</param>
/// <param name="Index">The metric's index in the policy.</param>
/// <param name="Arm">Which arm.</param>
/// <param name="Query">The resolved query (histogram, gauge, count), or that of the bad events (ratio).</param>
/// <param name="Total">The resolved query of all events (ratio); null otherwise.</param>
/// <param name="From">Increments are taken over (From, To]: for the arm's next tick this is the <see cref="Reading.At"/> of its last reading.</param>
/// <param name="To">The end of the interval.</param>
internal sealed record Question(MetricPolicy Metric, int Index, Arm Arm, string Query, string? Total, DateTimeOffset From, DateTimeOffset To)
{
    /// <summary>Whether the arm has had a number of this metric in this watch, also before a restart of Commander.</summary>
    public bool HadNumbers { get; init; }
}

/// <summary>Whether a source answers.</summary>
/// <param name="Wrong">Why not, in one sentence without a secret; null when it does.</param>
/// <param name="Said">What it answered, in a few words.</param>
/// <param name="Clock">What its clock said, to the second, and how long the question was under way; null where it did not say.</param>
internal sealed record SourceCheck(string? Wrong, string Said, SourceClock? Clock = null);

/// <summary>What a source's clock said.</summary>
/// <param name="Ahead">Its time less ours when the answer was there; it is cut to whole seconds there.</param>
/// <param name="Within">How long the question was under way: so much of the difference may be the way.</param>
internal readonly record struct SourceClock(TimeSpan Ahead, TimeSpan Within);

/// <summary>Where metrics come from.</summary>
internal interface ISource
{
    /// <summary>
    /// Answers every question with a reading, in the order of the questions. Never throws for what the outside does:
    /// a refusal, a time-out or nonsense is a <see cref="Quality"/> with its reason. Bounded in time by the caller's token
    /// and in size by itself. Counts are whole: increments per series, aware of resets, by the points' own timestamps.
    /// </summary>
    Task<Reading[]> Observe(IReadOnlyList<Question> questions, CancellationToken cancel);

    /// <summary>
    /// The past of each question, cut into <paramref name="points"/> intervals of equal length between its From and To,
    /// oldest first, one array per question; what the source does not know any more is <see cref="Quality.Empty"/>.
    /// </summary>
    Task<Reading[][]> Past(IReadOnlyList<Question> questions, int points, CancellationToken cancel);

    /// <summary>Whether intervals that ended some time ago can still be asked for. Where not, a gap is recorded as one empty tick.</summary>
    bool RemembersPast { get; }

    /// <summary>Whether it answers now: a light question that costs the other side nothing. Never throws for what the outside does.</summary>
    Task<SourceCheck> Check(CancellationToken cancel) => Task.FromResult(new SourceCheck(null, "is not asked by this check"));

    /// <summary>Whether candidate and control are asked at addresses of their own, so that a query tells them apart without naming the version.</summary>
    bool SeparatesArms { get; }
}
