using System.Text.RegularExpressions;
using Commander.Judging.Verdicts;

namespace Commander.Server.Learning;

/// <summary>What a text says about an earlier deployment.</summary>
/// <param name="Source"><see cref="OutcomeSources.Revert"/> or <see cref="OutcomeSources.Fix"/>.</param>
/// <param name="Name">A deployment's id, or seven or more digits of a commit's hash.</param>
internal sealed record Mention(string Source, string Name);

/// <summary>
/// Which deployments a commit takes back or mends, by its message: what git itself writes ("This reverts commit SHA."), and lines that
/// say revert or fix and after it name a deployment's id, its page, or a commit. Pure. Messages are written by others: nothing but the
/// names is taken from them, and they are looked up among what is there.
/// </summary>
internal static partial class Mentions
{
    /// <summary>So far back deployments are looked for.</summary>
    public static readonly TimeSpan Back = TimeSpan.FromDays(30);

    /// <summary>The fewest digits that name a commit.</summary>
    public const int LeastDigits = 7;
    private const int MostOfText = 20;

    /// <summary>What a message names, each once.</summary>
    public static IReadOnlyList<Mention> In(string message)
    {
        var found = new List<Mention>();
        foreach (var line in message.Split('\n'))
        {
            if (Says().Match(line) is not { Success: true } says)
                continue;
            // The end of the word tells: reverts and reverted are one.
            var source = says.ValueSpan.StartsWith("rev", StringComparison.OrdinalIgnoreCase) ? OutcomeSources.Revert : OutcomeSources.Fix;
            foreach (Match name in Named().Matches(line, says.Index + says.Length))
            {
                var mention = new Mention(source, name.Groups["id"] is { Success: true } id ? id.Value : name.Value.ToLowerInvariant());
                if (!found.Contains(mention))
                    found.Add(mention);
                if (found.Count == MostOfText)
                    return found;
            }
        }

        return found;
    }

    /// <summary>The deployments that a name means; none, with why, where it means none or different commits.</summary>
    /// <param name="deployments">Newest first.</param>
    /// <param name="name">An id or a commit.</param>
    /// <param name="repository">Where the commit lies; null when it is not known.</param>
    public static (IReadOnlyList<Deployment> Meant, string? Why) Meant(IReadOnlyList<Deployment> deployments, string name, string? repository)
    {
        Deployment[] named = [.. deployments.Where(d => d.Id == name || IsCommit(d.Commit, name))];
        Deployment[] meant = [.. named.Where(d => Same(d.Repository, repository))];
        if (meant.Length == 0 && named.Length > 0)
            return ([], $"{name} names a deployment that was announced with another repository, or with none: announce repository");
        if (meant.Length == 0)
            return ([], $"no deployment of the last {Back.TotalDays:0} days is, or has the commit, {name}");
        // A short hash may fit two.
        return Array.TrueForAll(meant, d => d.Id == name || IsCommit(d.Commit, meant[0].Commit!))
            ? (meant, null)
            : ([], $"{name} fits deployments of different commits; name more of its digits");
    }

    /// <summary>Whether two hashes, either of them cut, are one commit's.</summary>
    public static bool IsCommit(string? commit, string name) =>
        commit is { Length: >= LeastDigits } && name.Length >= LeastDigits
        && (commit.StartsWith(name, StringComparison.OrdinalIgnoreCase) || name.StartsWith(commit, StringComparison.OrdinalIgnoreCase));

    // An announcement may say acme/checkout or https://github.com/acme/checkout.git. Who may write to one repository says nothing of what came from another.
    private static bool Same(string? one, string? other) =>
        one is not null && other is not null && Short(one).Equals(Short(other), StringComparison.OrdinalIgnoreCase);

    private static string Short(string repository)
    {
        var path = Uri.TryCreate(repository, UriKind.Absolute, out var url) ? url.AbsolutePath : repository[(repository.IndexOf(':') + 1)..];
        path = path.Trim('/');
        return path.EndsWith(".git", StringComparison.OrdinalIgnoreCase) ? path[..^4] : path;
    }

    [GeneratedRegex(@"\b(?:revert(?:s|ed)?|fix(?:es|ed)?)\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Says();

    [GeneratedRegex(@"\b(?:(?<id>dep-[0-9A-HJKMNP-TV-Z]{26})|[0-9a-fA-F]{7,64})\b", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Named();
}
