using System.Diagnostics.CodeAnalysis;
using Commander.Charts;
using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;

namespace Commander.Server.Alerting;

/// <summary>One finding as a person reads it.</summary>
/// <param name="Metric">Its name.</param>
/// <param name="Says">Before and after with the interval: "0.4 % -> 25.3 % (+24.9 pp, 20.1 to 29.8)".</param>
/// <param name="Chart">The candidate's course in a row of signs, oldest first; null where nothing was measured.</param>
internal sealed record AlertFinding(string Metric, string Says, string? Chart);

/// <summary>What an alert says, the same in every channel. Plain text, cut to bounds: each channel escapes it for itself.</summary>
/// <param name="Title">Word and deployment: "Rolled back: checkout 1.42.0 in prod".</param>
/// <param name="Sentence">Why and what was done about it.</param>
/// <param name="Findings">The worst, at most three, the worst first.</param>
/// <param name="Confidence">How sure the verdict is: "97 %"; null without one.</param>
/// <param name="Done">What was done and how long it took; null when nothing was.</param>
/// <param name="Next">What happens next or what a person can do; null when nothing.</param>
/// <param name="Reasons">What explains it: kind of error, the language model's opinion.</param>
/// <param name="Url">Where a person reads about it.</param>
/// <param name="Tone">What it means for whoever reads it.</param>
internal sealed record AlertText(
    string Title,
    string Sentence,
    IReadOnlyList<AlertFinding> Findings,
    string? Confidence,
    string? Done,
    string? Next,
    IReadOnlyList<string> Reasons,
    string Url,
    Tone Tone)
{
    private const int MaxTitle = 140;
    private const int MaxSentence = 600;
    private const int MostFindings = 3;
    private const int Points = 24;
    private const string Recovered = "recovered-after-rollback";
    private const string Signs = "▁▂▃▄▅▆▇█";

    /// <summary>The words of an alert.</summary>
    public static AlertText Of(Alert alert)
    {
        if (alert.News is { Check: SystemNews.Test } test)
            return new AlertText("Test: nothing has happened", Cut(test.Message, MaxSentence), [], null, null, "Nothing is to be done: that you read it is what it is for.", [], test.Url, Tone.Calm);
        if (alert.News is { } news)
        {
            return new AlertText(
                Cut($"{(news.Ok ? "Holds again" : "Check failed")}: {news.Check}", MaxTitle), Cut(news.Message, MaxSentence), [], null, null,
                news.Ok ? null : "Until it holds, deployments may go unjudged or unreported.", [], news.Url, news.Ok ? Tone.Good : Tone.Ask);
        }

        var deployment = alert.Deployment ?? throw new ArgumentException("an alert is of a deployment or of the server itself", nameof(alert));
        var headline = Headline.Of(deployment);
        // Who reads it elsewhere than on the page: the word of a question is what can be answered.
        var (word, because) = (headline.Word == "Roll back?" ? "Roll back or keep" : headline.Word, headline.Because);
        if (alert.Occasion == Occasions.Outcome && deployment.Outcome is { } outcome)
        {
            var said = $"{OutcomeWords.Standing(deployment) ?? outcome.Label}{(OutcomeWords.Labels(deployment).LastOrDefault(label => label.Standing)?.Note is { Length: > 0 } note ? $": {note}" : "")}";
            // That a rollback is done and what it shows is known in the same moment: what was done goes before.
            (word, because) = outcome.Source == Recovered ? (word, $"{because?.TrimEnd('.')}. It was {said}") : ($"Turned out {outcome.Label}", $"{said.TrimEnd('.')}. The verdict was {deployment.Verdict?.Decision ?? "none"}");
        }

        var worst = deployment.Verdict?.Findings.Where(f => f.Verdict == "worse").Take(MostFindings) ?? [];
        return new AlertText(
            Cut($"{word}: {headline.What}", MaxTitle),
            Cut(because is null ? "Nothing has been measured yet." : because.TrimEnd('.') + ".", MaxSentence),
            [.. worst.Select(finding => new AlertFinding(finding.Metric, Cut(Says(finding), 200), Chart(finding, alert.Evidence)))],
            deployment.Verdict is { } verdict ? Figures.Confidence(verdict) : null,
            Cut(WhatWasDone(deployment, headline.Proof), MaxSentence),
            headline.Next is { } next ? Cut(next, MaxSentence) : null,
            [.. Charts.Reasons.Of(deployment).Take(2).Select(reason => Cut(reason, MaxSentence))],
            deployment.Url,
            headline.Tone);
    }

    // Who ordered it matters to whoever reads it elsewhere.
    private static string? WhatWasDone(Deployment deployment, string? proof) =>
        deployment.Actions.LastOrDefault(action => action.Kind == "rollback") is { By: not "policy", State: not "refused" } byHand
            ? proof is null ? $"ordered by {byHand.By}" : $"{proof.TrimEnd('.')}; ordered by {byHand.By}"
            : proof;

    /// <summary>At most so many characters, the last of them an ellipsis when something is missing.</summary>
    [return: NotNullIfNotNull(nameof(text))]
    public static string? Cut(string? text, int most) =>
        text is null || text.Length <= most ? text : string.Concat(text.AsSpan(0, char.IsHighSurrogate(text[most - 2]) ? most - 2 : most - 1), "…");

    private static string Says(Finding finding)
    {
        // What is allowed was never there before.
        if (finding.ReferenceArm is null && finding.Reference is not null)
            return $"{Figures.Level(finding.Candidate, finding.Unit)}, allowed {Figures.Level(finding.Reference, finding.Unit)}";
        var levels = $"{Figures.Level(finding.Reference, finding.Unit)} -> {Figures.Level(finding.Candidate, finding.Unit)}";
        var interval = finding is { Low: { } low, High: { } high } ? $", {Figures.Number(low)} to {Figures.Number(high)}" : "";
        return finding.Difference is { } difference ? $"{levels} ({Figures.Difference(difference, finding.Unit)}{interval}; against {Figures.Arm(finding.ReferenceArm)})" : $"{levels} (against {Figures.Arm(finding.ReferenceArm)})";
    }

    private static string? Chart(Finding finding, EvidenceDocument? evidence)
    {
        var levels = evidence?.Ticks.Select(tick => tick.Metrics.GetValueOrDefault(finding.Metric)?.GetValueOrDefault("candidate") switch
        {
            { Total: > 0 } ratio => ratio.Bad / ratio.Total,
            { Value: { } value } => value,
            _ => null,
        }).OfType<double>().ToList();
        if (levels is not { Count: > 1 })
            return null;
        var shown = levels.Count <= Points ? levels : levels[^Points..];
        var (low, high) = (Math.Min(0, shown.Min()), shown.Max());
        return string.Concat(shown.Select(level => high <= low ? Signs[0] : Signs[(int)Math.Min(Signs.Length - 1, (level - low) / (high - low) * Signs.Length)]));
    }
}
