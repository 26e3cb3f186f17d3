using System.Globalization;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;

namespace Commander.Server.Connections;

/// <summary>What every request to GitHub, or to a GitHub Enterprise Server, has in common.</summary>
internal static partial class GitHubApi
{
    public const string Usual = "https://api.github.com";

    /// <summary>Every deployment status that Commander writes begins with it, so that its own news starts no watch when GitHub sends it back.</summary>
    public const string Mark = "Commander: ";

    /// <summary>The label of an announcement with the id that GitHub gave the deployment.</summary>
    public const string DeploymentLabel = "github_deployment";

    // Unix seconds that can be an instant.
    private const long MaxUnix = 253_402_300_799;

    /// <summary>Whether a text can be owner/name. It comes from outside and becomes part of an address.</summary>
    public static bool IsRepository(string text) => Repository().IsMatch(text) && !text.EndsWith("/.", StringComparison.Ordinal) && !text.EndsWith("/..", StringComparison.Ordinal);

    /// <summary>The headers of every request but User-Agent.</summary>
    /// <exception cref="FormatException">The token has characters that cannot stand in a header.</exception>
    public static void Dress(HttpRequestMessage request, string? token)
    {
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/vnd.github+json"));
        request.Headers.Add("X-GitHub-Api-Version", "2022-11-28");
        if (token is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    /// <summary>Whether an answer means "not so often", and until when it says to wait: the hour's requests are spent, or it is asked too fast. Both may be a 403 as well as a 429.</summary>
    /// <param name="status">The answer's.</param>
    /// <param name="headers">The answer's.</param>
    /// <param name="says">Whether its text speaks of a rate limit.</param>
    /// <param name="now">The time.</param>
    public static (bool Limited, DateTimeOffset? Until) Limit(int status, HttpResponseHeaders headers, bool says, DateTimeOffset now)
    {
        var spent = Number(headers, "x-ratelimit-remaining") == 0;
        var wait = headers.RetryAfter?.Delta;
        if (status != 429 && (status != 403 || !(spent || wait is not null || says)))
            return (false, null);
        return (true, wait is { } seconds ? now + seconds : spent && Number(headers, "x-ratelimit-reset") is { } reset and < MaxUnix ? DateTimeOffset.FromUnixTimeSeconds(reset) : null);
    }

    private static long? Number(HttpResponseHeaders headers, string name) =>
        headers.TryGetValues(name, out var values) && long.TryParse(values.First(), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9._-]{1,100}\z", RegexOptions.NonBacktracking)]
    private static partial Regex Repository();
}
