using Commander.Judging.Policies;
using Commander.Server.Connections;

namespace Commander.Server.Reasoning.Context.Commits;

/// <summary>
/// GitHub, or GitHub Enterprise Server: <c>GET /repos/OWNER/NAME/compare/BASE...HEAD</c>. Asked without pages, because then the newest
/// of up to 250 commits is the last one and the files come along.
/// </summary>
internal sealed class GitHubChanges(ContextPolicy policy, HttpClient http, TimeProvider clock, Func<string, string?> secret)
    : ForgeChanges(policy, GitHubApi.Usual, http, clock, secret)
{
    protected override string RepositoryForm => "owner/name";

    protected override ComparisonForm Form { get; } = new(
        "total_commits",
        "behind_by",
        Same: null,
        "files",
        static commit => ChangeBounds.Commit(
            Comparison.Text(commit, "sha"),
            Comparison.Text(commit, "commit", "message"),
            Comparison.Text(commit, "commit", "committer", "date") ?? Comparison.Text(commit, "commit", "author", "date")),
        static file => Comparison.Text(file, "filename"));

    protected override bool IsRepository(string text) => GitHubApi.IsRepository(text);

    protected override string Path(string repository, string from, string to) =>
        $"repos/{repository}/compare/{Uri.EscapeDataString(from)}...{Uri.EscapeDataString(to)}";

    protected override void Dress(HttpRequestMessage request, string? token) => GitHubApi.Dress(request, token);

    protected override (bool Limited, DateTimeOffset? Until) Limit(ForgeAnswer answer) => GitHubApi.Limit(answer.Status, answer.Headers, answer.Says("rate limit"), Clock.GetUtcNow());

    // It says "Not Found" for all it does not show.
    protected override bool IsRepositoryUnknown(ForgeAnswer answer) => false;
}
