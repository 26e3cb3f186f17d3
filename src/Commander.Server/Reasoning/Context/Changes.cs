namespace Commander.Server.Reasoning.Context;

/// <summary>One commit between two versions. Everything in it was written by somebody outside.</summary>
/// <param name="Id">Its place in the list: c1, c2 ...</param>
/// <param name="Commit">The first 12 digits of its hash.</param>
/// <param name="Title">The first line of its message, at most 160 characters; raw: whoever shows or sends it must treat it as data.</param>
/// <param name="At">When it was committed.</param>
internal sealed record Change(string Id, string Commit, string Title, DateTimeOffset At);

/// <summary>What changed between the previous version and the deployed one, newest first.</summary>
/// <param name="Commits">At most 30.</param>
/// <param name="Total">How many there are in all.</param>
/// <param name="Files">The paths that changed, at most 40; raw as the titles are. Empty where the system does not say.</param>
/// <param name="Missing">Why nothing is known, as a sentence for a person without any secret; null when it is.</param>
internal sealed record ChangeList(IReadOnlyList<Change> Commits, int Total, IReadOnlyList<string> Files, string? Missing);

/// <summary>Between which versions of what changes are asked for.</summary>
/// <param name="Repository">owner/name, a project's path, or null for what the policy says.</param>
/// <param name="Version">The deployed version.</param>
/// <param name="PreviousVersion">The version before it; null when none is known.</param>
/// <param name="Commit">The deployed commit, when it was announced.</param>
internal sealed record ChangeQuestion(string? Repository, string Version, string? PreviousVersion, string? Commit);

/// <summary>Where the commits between two versions are read. Never throws for what the system answers or fails to.</summary>
internal interface IChangeSource
{
    /// <summary>The commits after the previous version up to the deployed one.</summary>
    Task<ChangeList> Between(ChangeQuestion question, CancellationToken cancel);
}
