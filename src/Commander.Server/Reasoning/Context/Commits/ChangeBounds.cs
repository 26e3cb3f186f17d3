using System.Globalization;

namespace Commander.Server.Reasoning.Context.Commits;

/// <summary>How much of what others wrote comes in, whatever system it comes from.</summary>
internal static class ChangeBounds
{
    public const int Commits = 30;
    public const int Files = 40;

    /// <summary>Of an answer, once unpacked, in bytes.</summary>
    public const int Answer = 2 * 1024 * 1024;

    private const int Title = 160;
    private const int Path = 400;
    private const int Digits = 12;

    /// <summary>For one question, however many requests or programs it takes.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Nothing is known, and why.</summary>
    public static ChangeList Nothing(string why) => new([], 0, [], why);

    /// <summary>A commit before it has its place in the list; null when its hash is none or its time cannot be read.</summary>
    public static Change? Commit(string? hash, string? message, string? at) =>
        hash is { Length: >= Digits } && RefNames.IsHexadecimal(hash)
        && DateTimeOffset.TryParse(at, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time)
            ? new Change("", hash[..Digits], TitleOf(message ?? ""), time)
            : null;

    /// <summary>The newest commits with their places.</summary>
    /// <param name="newestFirst">Any number.</param>
    public static IReadOnlyList<Change> Numbered(IEnumerable<Change> newestFirst) =>
        newestFirst.Take(Commits).Select((commit, place) => commit with { Id = $"c{place + 1}" }).ToArray();

    public static string PathOf(string path) => Cut(path, Path);

    private static string TitleOf(string message)
    {
        var end = message.AsSpan().IndexOfAny('\r', '\n');
        return Cut(end < 0 ? message : message[..end], Title).TrimEnd();
    }

    // Half a character outside the basic plane is none.
    private static string Cut(string text, int most) =>
        text.Length <= most ? text : text[..(char.IsHighSurrogate(text[most - 1]) ? most - 1 : most)];
}
