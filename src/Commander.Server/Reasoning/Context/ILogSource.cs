namespace Commander.Server.Reasoning.Context;

/// <summary>Whose log lines of which time are asked for. All of it is data from outside.</summary>
/// <param name="Service">The service.</param>
/// <param name="Environment">Where it runs.</param>
/// <param name="Version">The arm's version: the candidate's, or the control's.</param>
/// <param name="Labels">The deployment's labels; for Kubernetes they may name the arm's pods (pod_template_hash).</param>
/// <param name="From">From this instant on.</param>
/// <param name="To">Until before this instant.</param>
internal sealed record LogQuestion(string Service, string Environment, string Version, IReadOnlyDictionary<string, string> Labels, DateTimeOffset From, DateTimeOffset To);

/// <summary>Raw log lines of one arm, newest last, bounded by the source; or why there are none.</summary>
/// <param name="Lines">At most 2,000, each at most 2,000 characters.</param>
/// <param name="Missing">Why there are none, as a sentence for a person without any secret; null when the source answered.</param>
internal sealed record LogAnswer(IReadOnlyList<string> Lines, string? Missing);

/// <summary>Where the log lines of a service are read. Never throws for what the source answers or fails to: that is an answer with <see cref="LogAnswer.Missing"/>.</summary>
internal interface ILogSource
{
    /// <summary>The lines that look like trouble (errors, warnings, exceptions) where the source can tell, else all.</summary>
    Task<LogAnswer> Read(LogQuestion question, CancellationToken cancel);
}
