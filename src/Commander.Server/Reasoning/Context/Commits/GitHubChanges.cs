using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using Commander.Judging.Policies;

namespace Commander.Server.Reasoning.Context.Commits;

/// <summary>
/// GitHub, or GitHub Enterprise Server: <c>GET /repos/OWNER/NAME/compare/BASE...HEAD</c>. Asked without pages, because then the newest
/// of up to 250 commits is the last one and the files come along.
/// </summary>
internal sealed partial class GitHubChanges(ContextPolicy policy, HttpClient http, TimeProvider clock, Func<string, string?> secret)
    : ForgeChanges(policy, "https://api.github.com", http, clock, secret)
{
    private const string Version = "2022-11-28";

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

    protected override bool IsRepository(string text) => Repository().IsMatch(text) && !text.EndsWith("/.", StringComparison.Ordinal) && !text.EndsWith("/..", StringComparison.Ordinal);

    protected override string Path(string repository, string from, string to) =>
        $"repos/{repository}/compare/{Uri.EscapeDataString(from)}...{Uri.EscapeDataString(to)}";

    protected override void Dress(HttpRequestMessage request, string? token)
    {
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/vnd.github+json"));
        request.Headers.Add("X-GitHub-Api-Version", Version);
        if (token is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    // The hour's requests are spent, or it is asked too fast: both may be a 403 as well as a 429.
    protected override (bool Limited, DateTimeOffset? Until) Limit(ForgeAnswer answer)
    {
        var spent = answer.Number("x-ratelimit-remaining") == 0;
        var wait = answer.Headers.RetryAfter?.Delta;
        if (answer.Status != 429 && (answer.Status != 403 || !(spent || wait is not null || answer.Says("rate limit"))))
            return (false, null);
        return (true, wait is { } seconds ? Clock.GetUtcNow() + seconds : spent && answer.Number("x-ratelimit-reset") is { } reset and < MaxUnix ? DateTimeOffset.FromUnixTimeSeconds(reset) : null);
    }

    // It says "Not Found" for all it does not show.
    protected override bool IsRepositoryUnknown(ForgeAnswer answer) => false;

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9._-]{1,100}\z", RegexOptions.NonBacktracking)]
    private static partial Regex Repository();
}
