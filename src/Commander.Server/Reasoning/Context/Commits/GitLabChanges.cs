using System.Text.RegularExpressions;
using Commander.Judging.Policies;

namespace Commander.Server.Reasoning.Context.Commits;

/// <summary>GitLab, its own or somebody's: <c>GET /projects/ID/repository/compare?from=&amp;to=</c>.</summary>
internal sealed partial class GitLabChanges(ContextPolicy policy, HttpClient http, TimeProvider clock, Func<string, string?> secret)
    : ForgeChanges(policy, "https://gitlab.com/api/v4", http, clock, secret)
{
    private const int MaxPath = 255;

    protected override string RepositoryForm => "group/project, or the project's number";

    protected override ComparisonForm Form { get; } = new(
        Total: null,
        Behind: null,
        "compare_same_ref",
        "diffs",
        static commit => ChangeBounds.Commit(
            Comparison.Text(commit, "id"),
            Comparison.Text(commit, "title"),
            Comparison.Text(commit, "committed_date") ?? Comparison.Text(commit, "created_at")),
        static file => Comparison.Text(file, "new_path") ?? Comparison.Text(file, "old_path"));

    protected override bool IsRepository(string text) => text.Length <= MaxPath && Project().IsMatch(text);

    protected override string Path(string repository, string from, string to) =>
        $"projects/{Uri.EscapeDataString(repository)}/repository/compare?from={Uri.EscapeDataString(from)}&to={Uri.EscapeDataString(to)}";

    protected override void Dress(HttpRequestMessage request, string? token)
    {
        request.Headers.Accept.ParseAdd("application/json");
        if (token is not null)
            request.Headers.Add("PRIVATE-TOKEN", token);
    }

    protected override (bool Limited, DateTimeOffset? Until) Limit(ForgeAnswer answer) => answer.Status != 429
        ? (false, null)
        : (true, answer.Headers.RetryAfter?.Delta is { } wait ? Clock.GetUtcNow() + wait : answer.Number("ratelimit-reset") is { } reset and < MaxUnix ? DateTimeOffset.FromUnixTimeSeconds(reset) : null);

    // "404 Project Not Found"; of a version it says "404 Ref Not Found".
    protected override bool IsRepositoryUnknown(ForgeAnswer answer) => answer.Says("Project Not Found");

    // Every part begins with a letter, a digit or _, so that none is . or .. and none is an option.
    [GeneratedRegex(@"\A(?:[0-9]{1,18}|[A-Za-z0-9_][A-Za-z0-9_.+-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.+-]*){1,20})\z", RegexOptions.NonBacktracking)]
    private static partial Regex Project();
}
