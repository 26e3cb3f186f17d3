using System.Buffers;

namespace Commander.Server.Reasoning.Context.Commits;

/// <summary>Under which names two versions may stand in a repository, the likeliest first.</summary>
/// <param name="Base">Of the version before; at most two.</param>
/// <param name="Head">Of the deployed version; at most two.</param>
/// <param name="Missing">Why there are none, as a sentence; null when there are.</param>
internal sealed record RefNames(IReadOnlyList<string> Base, IReadOnlyList<string> Head, string? Missing)
{
    private const int MaxName = 200;
    private const int LeastHash = 7;
    private const string Place = "{{version}}";

    // What tags of releases are made of. Not what git gives a meaning (~ ^ : ? * [ \ and @{), what GitHub gives one (owner:branch), or what starts an option.
    private static readonly SearchValues<char> Allowed = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/+-@");
    private static readonly SearchValues<char> Hexadecimal = SearchValues.Create("0123456789abcdefABCDEF");

    /// <summary>At most four pairs. Who tags one release with a v tags the one before so too.</summary>
    public IEnumerable<(string Base, string Head)> Pairs =>
        from head in Head.Index()
        from start in Base.Index()
        orderby Math.Abs(head.Index - start.Index)
        select (start.Item, head.Item);

    /// <summary>In words, what was looked for.</summary>
    public string Tried => $"{string.Join(" or ", Base)} as the version before, {string.Join(" or ", Head)} as the deployed one";

    /// <param name="question">From outside: a name with characters that no release has is not asked for.</param>
    /// <param name="tag">The policy's template of a tag, with {{version}}; null where it gives none.</param>
    public static RefNames Of(ChangeQuestion question, string? tag)
    {
        if (string.IsNullOrEmpty(question.PreviousVersion))
            return Not("the version before is not known, so there is nothing to compare with");
        // What was announced as a commit and is none may be a branch, which has moved on since: the version's own names are better.
        var head = question.Commit is { } commit && IsHash(commit) ? [commit] : Names(question.Version, tag);
        var start = Names(question.PreviousVersion, tag);
        if (head.Length == 0)
            return Not("the deployed version is written in a way that no tag or commit can be named");
        return start.Length == 0
            ? Not("the version before is written in a way that no tag or commit can be named")
            : new RefNames(start, head, null);
    }

    public static bool IsHexadecimal(string text) => !text.AsSpan().ContainsAnyExcept(Hexadecimal);

    private static RefNames Not(string why) => new([], [], why);

    private static string[] Names(string version, string? tag)
    {
        if (version.Length > MaxName)
            return [];
        string[] names = IsHash(version) ? [version]
            : tag is not null ? [tag.Replace(Place, version, StringComparison.Ordinal)]
            : version is ['v', >= '0' and <= '9', ..] ? [version]
            : [version, "v" + version];
        return Array.FindAll(names, IsName);
    }

    // 20260114 is a day, not a commit: without a letter it needs the full length.
    private static bool IsHash(string text) =>
        text.Length is 40 or 64 ? IsHexadecimal(text)
        : text.Length is >= LeastHash and <= 64 && IsHexadecimal(text) && text.AsSpan().IndexOfAnyExceptInRange('0', '9') >= 0;

    private static bool IsName(string name) =>
        name.Length is > 0 and <= MaxName
        && !name.AsSpan().ContainsAnyExcept(Allowed)
        && name[0] is not ('-' or '.' or '/' or '@')
        && name[^1] is not ('.' or '/')
        && !name.Contains("..", StringComparison.Ordinal)
        && !name.Contains("//", StringComparison.Ordinal)
        && !name.Contains("/.", StringComparison.Ordinal)
        && !name.EndsWith(".lock", StringComparison.Ordinal);
}
