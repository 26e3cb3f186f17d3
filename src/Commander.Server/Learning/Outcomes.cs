using Commander.Judging.Verdicts;

namespace Commander.Server.Learning;

/// <summary>Who says what a deployment really was.</summary>
internal static class OutcomeSources
{
    /// <summary>Somebody who looked.</summary>
    public const string Person = "person";

    /// <summary>Something broke shortly after it: Alertmanager, PagerDuty.</summary>
    public const string Incident = "incident";

    /// <summary>A commit that takes it back.</summary>
    public const string Revert = "revert-commit";

    /// <summary>A commit that mends it.</summary>
    public const string Fix = "fix-commit";

    /// <summary>The same version, rolled back then, was deployed again and stayed quiet: the rollback was wrong.</summary>
    public const string RedeployedFine = "redeployed-fine";

    /// <summary>It was worse than the old version in the same seconds, and all was well again once that one served alone.</summary>
    public const string Recovered = "recovered-after-rollback";

    /// <summary>It carried on, and nothing happened until the watch ended.</summary>
    public const string QuietPeriod = "quiet-period";

    /// <summary>The watch ended, and nothing shows what it was.</summary>
    public const string Unverified = "unverified";

    /// <summary>A newer version came before it could show what it was.</summary>
    public const string Superseded = "superseded";
}

/// <summary>
/// What a deployment really was, from several sources of different worth. Pure. Nothing that was said is ever taken out: what stands
/// is worked out anew from all of it.
/// </summary>
internal static class Outcomes
{
    public const string Good = "GOOD";
    public const string Bad = "BAD";
    public const string Unknown = "UNKNOWN";

    /// <summary>So many labels of one deployment by programs; a person's are taken up to twice as many.</summary>
    public const int Most = 100;

    /// <summary>So many characters of who said it, and why.</summary>
    public const int MaxBy = 200;

    /// <inheritdoc cref="MaxBy"/>
    public const int MaxNote = 500;

    /// <summary>
    /// How much a source is worth; 0 for one that says nothing, or that this version does not know. A person has looked, and outranks
    /// all. An incident is about the service in that hour, and somebody's time was worth it. A revert or a fix names the very change. A
    /// version that went well the second time outranks what the first watch concluded by itself, and a calm half hour is worth least:
    /// what breaks later breaks after it.
    /// </summary>
    public static int Trust(string source) => source switch
    {
        OutcomeSources.Person => 90,
        OutcomeSources.Incident => 60,
        OutcomeSources.Revert or OutcomeSources.Fix => 55,
        OutcomeSources.RedeployedFine => 50,
        OutcomeSources.Recovered => 40,
        OutcomeSources.QuietPeriod => 20,
        _ => 0,
    };

    /// <summary>Which of the labels stands: the one of most trust, among equals the newest. A person's UNKNOWN takes back what persons said before it. Null without a label.</summary>
    /// <param name="labels">Oldest first.</param>
    public static OutcomeLabel? Standing(IReadOnlyList<OutcomeLabel> labels)
    {
        OutcomeLabel? best = null;
        foreach (var label in Held(labels))
        {
            if (best is null || Weight(label) >= Weight(best))
                best = label;
        }

        return best;
    }

    /// <summary>Whether GOOD and BAD are both said by who is worth something. What somebody has corrected themselves is no contest.</summary>
    /// <param name="labels">Oldest first.</param>
    public static bool Contested(IReadOnlyList<OutcomeLabel> labels)
    {
        var newest = Held(labels).Where(Says).GroupBy(label => (label.Source, label.By)).Select(said => said.Last().Label).ToList();
        return newest.Contains(Good) && newest.Contains(Bad);
    }

    /// <summary>The labels with the one that stands marked.</summary>
    /// <param name="labels">Oldest first.</param>
    public static IReadOnlyList<OutcomeLabel> Marked(IReadOnlyList<OutcomeLabel> labels)
    {
        var standing = Standing(labels);
        return [.. labels.Select(label => label with { Standing = ReferenceEquals(label, standing) })];
    }

    /// <summary>Whether a label says something new: nobody has said the same before, or it changes what stands. A person may add a note.</summary>
    /// <param name="labels">What was said so far, oldest first.</param>
    /// <param name="label">What is said now.</param>
    public static bool Adds(IReadOnlyList<OutcomeLabel> labels, OutcomeLabel label)
    {
        var same = labels.Where(said => said.Label == label.Label && said.Source == label.Source && said.By == label.By).ToList();
        if (same.Count == 0 || (label is { Source: OutcomeSources.Person, Note: { } note } && same.TrueForAll(said => said.Note != note)))
            return true;
        var (before, after) = (Standing(labels)!, Standing([.. labels, label])!);
        return before.Label != after.Label || before.Source != after.Source;
    }

    /// <summary>Why no more labels are taken of it; null while they are.</summary>
    /// <param name="labels">What was said so far.</param>
    /// <param name="source">Who speaks now.</param>
    public static string? Full(IReadOnlyList<OutcomeLabel> labels, string source) =>
        labels.Count >= (source == OutcomeSources.Person ? 2 * Most : Most) ? $"it has {labels.Count} labels already, and no more are taken from this source" : null;

    /// <summary>Text by others as it is kept: one line, no longer than it may be.</summary>
    public static string? Kept(string? text, int most)
    {
        var line = text is null ? "" : string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c)).Trim();
        return line.Length == 0 ? null : line.Length <= most ? line : string.Concat(line.AsSpan(0, char.IsHighSurrogate(line[most - 2]) ? most - 2 : most - 1), "…");
    }

    private static bool Says(OutcomeLabel label) => label.Trust > 0 && label.Label is Good or Bad;

    // Whoever is unsure says nothing against those who are sure, and more than who never looked.
    private static int Weight(OutcomeLabel label) => label.Trust + (Says(label) ? 1000 : 0);

    private static IEnumerable<OutcomeLabel> Held(IReadOnlyList<OutcomeLabel> labels)
    {
        var back = labels.Count - 1;
        while (back >= 0 && labels[back] is not { Source: OutcomeSources.Person, Label: Unknown })
            back--;
        return labels.Where((label, n) => n >= back || label.Source != OutcomeSources.Person);
    }
}
