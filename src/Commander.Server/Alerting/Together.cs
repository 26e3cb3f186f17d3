using System.Buffers;
using Commander.Charts;

namespace Commander.Server.Alerting;

/// <summary>One alert of a group.</summary>
/// <param name="What">Which deployment or check.</param>
/// <param name="Url">Where a person reads about it.</param>
internal sealed record Named(string What, string Url);

/// <summary>What happened to some of a group.</summary>
/// <param name="Word">What: "Rolled back".</param>
/// <param name="Tone">What it means for whoever reads it.</param>
/// <param name="Each">All of them, in the order of the alerts.</param>
internal sealed record Happened(string Word, Tone Tone, IReadOnlyList<Named> Each);

/// <summary>Many alerts in one message: by what happened, the worst first, every one named.</summary>
/// <param name="Title">How many of what: "12 alerts: 7 Rolled back, 5 Continue".</param>
/// <param name="Tone">The worst.</param>
/// <param name="Parts">At most <see cref="MostParts"/>.</param>
internal sealed record Together(string Title, Tone Tone, IReadOnlyList<Happened> Parts)
{
    /// <summary>More kinds of news than these share the last part.</summary>
    public const int MostParts = 7;

    public static Together Of(IReadOnlyList<Worded> alerts)
    {
        var parts = alerts
            .Select(one => (Word: Word(one.Text.Title), one.Text.Tone, Named: new Named(one.Text.Title[Math.Min(Word(one.Text.Title).Length + 2, one.Text.Title.Length)..], one.Text.Url)))
            .GroupBy(one => one.Word, StringComparer.Ordinal)
            .Select(group => new Happened(Plain.Line(group.Key, 40), group.Max(one => one.Tone), [.. group.Select(one => one.Named)]))
            .OrderByDescending(part => part.Tone)
            .ToList();
        if (parts.Count > MostParts)
        {
            var rest = parts[(MostParts - 1)..];
            parts.RemoveRange(MostParts - 1, rest.Count);
            parts.Add(new Happened("And", rest[0].Tone, [.. rest.SelectMany(part => part.Each.Select(one => one with { What = $"{part.Word}: {one.What}" }))]));
        }

        return new Together($"{alerts.Count} alerts: {string.Join(", ", parts.Select(part => $"{part.Each.Count} {part.Word}"))}", parts[0].Tone, parts);
    }

    /// <summary>How long a name may be so that all of them fit, and a comma after each.</summary>
    /// <param name="names">How many there are.</param>
    /// <param name="room">In all.</param>
    public static int Room(int names, int room) => Math.Clamp((room / Math.Max(1, names)) - 2, 8, 160);

    /// <summary>All names of a part in one text.</summary>
    public static string Names(Happened part, int most, SearchValues<char>? marks) => string.Join(", ", part.Each.Select(one => Plain.Escaped(one.What, most, marks)));

    // A title is a word, a colon and what it is about; a check may have a name of any form.
    private static string Word(string title) => title.IndexOf(": ", StringComparison.Ordinal) is > 0 and var at ? title[..at] : title;
}
