using System.Globalization;
using Commander.Charts;
using Commander.Judging.Verdicts;

namespace Commander.Cli;

/// <summary>A deployment in words.</summary>
internal static class Words
{
    public static string Progress(Deployment deployment)
    {
        var newest = deployment.Verdicts.Count > 0 ? deployment.Verdicts[^1] : null;
        var action = deployment.Actions.LastOrDefault(action => action.Kind != "alert");
        var what = deployment.State switch
        {
            "acting" or "verifying" or "observing" when action is not null => $"{action.Kind} {action.State}{After(": ", action.Message)}",
            // On hold the reason moves with every tick, and the history has only the first.
            _ when deployment.Verdict is { Decision: "HOLD" } held => $"{held.Decision}{After(": ", held.Reasoning)}",
            _ when newest is not null => $"{newest.Decision}{After(": ", newest.Reason)}",
            "queued" when deployment.Notes.Count > 0 => deployment.Notes[^1],
            "queued" => "accepted",
            _ => "measuring",
        };
        return $"{Name(deployment)} {deployment.State}: {what}";
    }

    /// <summary>What of the progress is news at once; the rest is numbers that move.</summary>
    public static string Stage(Deployment deployment) =>
        $"{deployment.State} {deployment.Verdict?.Decision} {string.Join(' ', deployment.Actions.Where(action => action.Kind != "alert").Select(action => $"{action.State} {action.Message}"))} {string.Join(' ', deployment.Notes)}";

    /// <summary>What to do about a deployment that nobody measures.</summary>
    public static string Unjudged(Deployment deployment) =>
        $"not judged: no metrics are named for {deployment.Service}, so no verdict will come. Write a policy (commander policy init --prometheus URL --service {deployment.Service} --out policy.yaml) and start the server with --policy, or say yourself what it was: commander outcome {deployment.Id} good|bad";

    /// <summary>The verdict in a few lines: what verify prints.</summary>
    public static void Result(Deployment deployment, Terminal terminal)
    {
        Headline(deployment, terminal);
        foreach (var finding in deployment.Verdict?.Findings ?? [])
        {
            if (finding.Verdict is "worse" or "no_data")
                terminal.Out.WriteLine(Terminal.Safe($"  {finding.Metric}: {Level(finding)}, {finding.Reason}"));
        }

        foreach (var action in deployment.Actions)
            terminal.Out.WriteLine(Terminal.Safe($"  {Action(action)}"));
        Notes(deployment, terminal);
        Last(deployment, terminal);
    }

    /// <summary>Everything about the verdict: what explain prints.</summary>
    public static void Explain(Deployment deployment, Terminal terminal)
    {
        Headline(deployment, terminal);
        var verdict = deployment.Verdict;
        if (verdict is not null)
        {
            var health = verdict.HealthScore is { } score ? $", health score {score} of 100{(Figures.Dissent(verdict) is { } dissent ? $" ({dissent})" : "")}" : "";
            var model = verdict.Model is { } name ? $", model {name}" : "";
            terminal.Out.WriteLine(Terminal.Safe($"P(BAD) {Percent(verdict.PBad)}{health}; judge {verdict.Judge}{model}, policy {deployment.Policy.Name} {deployment.Policy.Version}"));
            if (verdict.Findings.Count > 0)
            {
                terminal.Out.WriteLine();
                terminal.Table(
                    ["metric", "verdict", "candidate", "reference", "difference", "score", "why"],
                    [.. verdict.Findings.Select(finding => (string[])
                    [
                        finding.Metric, finding.Verdict, Number(finding.Candidate, finding.Unit),
                        finding.ReferenceArm is { } arm ? $"{Number(finding.Reference, finding.Unit)} {arm}" : Number(finding.Reference, finding.Unit),
                        Difference(finding), finding.Score.ToString("0.0", CultureInfo.InvariantCulture), finding.Reason,
                    ])]);
            }

            foreach (var reason in Reasons.Of(deployment))
                terminal.Out.WriteLine(Terminal.Safe(reason));
        }

        var happened = Timeline(deployment).ToList();
        terminal.Out.WriteLine();
        terminal.Table(["when (UTC)", "after", "what"], [.. happened.Select(entry => (string[])[Instant(entry.At), Elapsed(entry.At - deployment.StartedAt), entry.What])]);
        Notes(deployment, terminal);
        Last(deployment, terminal);
    }

    public static string Name(Deployment deployment) => $"{deployment.Service} {deployment.Version} ({deployment.Environment})";

    private static void Headline(Deployment deployment, Terminal terminal)
    {
        var verdict = deployment.Verdict;
        var closed = deployment.State == "closed" ? $", closed: {deployment.ClosedReason?.Replace('_', ' ')}" : $", {deployment.State.Replace('_', ' ')}";
        var sure = verdict is null ? "" : $", confidence {Figures.Confidence(verdict)}";
        terminal.Out.WriteLine(Terminal.Safe($"{verdict?.Decision ?? "HOLD"} {Name(deployment)}{sure}{closed}"));
        terminal.Out.WriteLine(Terminal.Safe(verdict?.Reasoning ?? "nothing is judged yet"));
    }

    private static void Notes(Deployment deployment, Terminal terminal)
    {
        foreach (var note in deployment.Notes)
            terminal.Out.WriteLine(Terminal.Safe($"note: {note}"));
    }

    /// <summary>The address stands last: where the eye and a script look for it.</summary>
    private static void Last(Deployment deployment, Terminal terminal)
    {
        if (deployment.Outcome is { } outcome)
            terminal.Out.WriteLine(Terminal.Safe($"outcome: {outcome.Label} ({outcome.Source})"));
        if (OutcomeWords.Contest(deployment) is { } contest)
            terminal.Out.WriteLine(Terminal.Safe($"contested: {contest}"));
        terminal.Out.WriteLine(Terminal.Safe(deployment.Url));
    }

    private static IEnumerable<(DateTimeOffset At, string What)> Timeline(Deployment deployment)
    {
        var entries = new List<(DateTimeOffset At, string What)>
        {
            (deployment.StartedAt, $"{deployment.Version} begins{After(" to replace ", deployment.PreviousVersion)}"),
            (deployment.ReceivedAt, "announced to Commander"),
        };
        entries.AddRange(deployment.Verdicts.Select(verdict => (verdict.At, $"{verdict.Decision}: {verdict.Reason}")));
        foreach (var action in deployment.Actions)
        {
            // A refused one was never ordered from anybody, and an alert is news when it is there.
            if (action.Kind != "alert" && (action.State != "refused" || action.Target != "none"))
                entries.Add((action.RequestedAt, $"{action.Kind} of {action.Target} ordered by {action.By}"));
            if (action.FinishedAt is { } finished)
                entries.Add((finished, Action(action)));
        }

        entries.AddRange(OutcomeWords.Labels(deployment).Select(label => (label.At, $"outcome {label.Label}: {label.Source}{After(", ", label.By)}{After(": ", label.Note)}")));
        return entries.OrderBy(entry => entry.At);
    }

    private static string Action(ActionEntry action)
    {
        var serving = action.ServingVersion is { } version ? $", {version} serves" : "";
        var recovered = action.Recovered switch { true => ", metrics recovered", false => ", metrics not recovered", null => "" };
        return $"{(action.Kind == "alert" ? $"alert to {action.Target}" : action.Kind)} {action.State}{serving}{recovered}{After(": ", action.Message)}";
    }

    private static string Level(Finding finding) =>
        finding.ReferenceArm is { } arm
            ? $"{Number(finding.Candidate, finding.Unit)} against {Number(finding.Reference, finding.Unit)} {arm}"
            : Number(finding.Candidate, finding.Unit);

    private static string Difference(Finding finding)
    {
        var unit = finding.Unit == "%" ? "pp" : finding.Unit;
        var interval = finding is { Low: { } low, High: { } high } ? $" [{Number(low, null)}, {Number(high, null)}]" : "";
        return finding.Difference is { } difference ? $"{(difference > 0 ? "+" : "")}{Number(difference, unit)}{interval}" : "-";
    }

    private static string Number(double? value, string? unit) =>
        value is not { } number ? "-"
        : string.IsNullOrEmpty(unit) || unit == "count" ? number.ToString("#,0.##", CultureInfo.InvariantCulture)
        : $"{number.ToString("#,0.##", CultureInfo.InvariantCulture)} {unit}";

    private static string Percent(double share) => (share * 100).ToString(share is > 0.99 and < 1 ? "0.0" : "0", CultureInfo.InvariantCulture) + " %";

    private static string Instant(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    private static string Elapsed(TimeSpan elapsed) =>
        elapsed < TimeSpan.Zero ? "-" + Elapsed(elapsed.Negate())
        : elapsed.TotalSeconds < 60 ? $"{elapsed.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)} s"
        : elapsed.TotalHours < 1 ? $"{(int)elapsed.TotalMinutes} min {elapsed.Seconds} s"
        : $"{(int)elapsed.TotalHours} h {elapsed.Minutes} min";

    private static string After(string lead, string? text) => string.IsNullOrEmpty(text) ? "" : lead + text;
}
