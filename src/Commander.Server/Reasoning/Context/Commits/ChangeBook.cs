using System.Collections.Concurrent;
using Commander.Judging.Policies;
using Commander.Server.Connections;

namespace Commander.Server.Reasoning.Context.Commits;

/// <summary>The sources of changes by what a policy says of them, each made once: what a client has learned (to leave a system alone for a while) holds for all who ask it.</summary>
/// <param name="http">Made by <see cref="Outgoing"/>.</param>
/// <param name="clock">The clock.</param>
/// <param name="secret">Resolves what the policies refer to.</param>
internal sealed class ChangeBook(HttpClient http, TimeProvider clock, Func<string, string?> secret)
{
    // Policies that were pinned long ago come with settings that nobody uses any more.
    private const int Kept = 500;

    /// <summary>The types that this version can ask.</summary>
    public static readonly string[] Types = ["github", "gitlab", "git"];

    private readonly ConcurrentDictionary<string, IChangeSource> _sources = new(StringComparer.Ordinal);

    /// <summary>Null when the policy names none, or one of a type that is not known.</summary>
    public IChangeSource? Find(ContextPolicy? policy)
    {
        if (policy is null || !Types.Contains(policy.Type))
            return null;
        if (_sources.Count >= Kept)
            _sources.Clear();
        // Settings are short texts; no sign of a line's end stands in any of them.
        var key = string.Join('\n', policy.Settings.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => s.Key + "=" + s.Value).Prepend(policy.Type));
        return _sources.GetOrAdd(key, _ => policy.Type switch
        {
            "github" => new GitHubChanges(policy, http, clock, secret),
            "gitlab" => new GitLabChanges(policy, http, clock, secret),
            _ => new GitChanges(policy, clock),
        });
    }
}
