using System.Text.Json;
using Commander.Charts;
using Commander.Judging.Verdicts;
using Commander.Server.Storage;

namespace Commander.Server.Dashboard;

/// <summary>One line of the timeline.</summary>
/// <param name="Step">The step of the loop (design section 2), 1 to 9; 0 for what is no step.</param>
/// <param name="Name">The step's name, or what happened.</param>
/// <param name="Words">What it says.</param>
/// <param name="At">When it was recorded.</param>
/// <param name="Took">How long it took, where that was measured.</param>
internal sealed record Moment(int Step, string Name, string Words, DateTimeOffset At, TimeSpan? Took);

/// <summary>A deployment's facts as a person reads them: numbered as the loop is, ticks in between counted, not listed.</summary>
internal static class Timeline
{
    /// <summary>The loop's steps, in order.</summary>
    public static readonly IReadOnlyList<string> Steps = ["Receive", "Schedule", "Observe", "Compare", "Judge", "Decide", "Act", "Outcome", "Learn"];

    /// <summary>The timeline. What the facts do not tell, because compaction dropped their bodies, comes from the deployment itself.</summary>
    public static IReadOnlyList<Moment> Of(Deployment deployment, IReadOnlyList<Fact> facts)
    {
        var moments = new List<Moment>();
        var seen = new HashSet<int>();
        var ticks = 0;
        double tookTicks = 0;
        Fact? newest = null;
        foreach (var fact in facts)
        {
            var (step, name) = Name(fact.Kind);
            if (step == 3)
            {
                ticks++;
                tookTicks += Took(fact)?.TotalMilliseconds ?? 0;
                newest = fact;
                continue;
            }

            Counted();
            seen.Add(step);
            moments.Add(new Moment(step, name, Words(fact), fact.At, Took(fact)));
        }

        Counted();
        if (!seen.Contains(1))
        {
            moments.Add(new(1, Steps[0], $"{deployment.Service} {deployment.Version} announced", deployment.ReceivedAt, null));
        }

        if (!seen.Contains(5))
        {
            moments.AddRange(deployment.Verdicts.Select(v => new Moment(5, Steps[4], $"{v.Decision}: {v.Reason}", v.At, null)));
        }

        if (!seen.Contains(7))
        {
            foreach (var action in deployment.Actions)
            {
                moments.Add(new(7, Steps[6], $"{action.Kind} ordered by {action.By} on {action.Target}", action.RequestedAt, null));
                if (action.FinishedAt is { } finished)
                {
                    moments.Add(new(7, Steps[6], $"{action.Kind} {action.State}{(action.Message is null ? "" : ": " + action.Message)}", finished, finished - action.RequestedAt));
                }
            }
        }

        if (!seen.Contains(8) && deployment.Outcome is { } outcome)
        {
            moments.Add(new(8, Steps[7], $"was {outcome.Label}, known from {outcome.Source.Replace('-', ' ')}", outcome.At, null));
        }

        // Stable: facts of the same instant keep the order of their seq.
        return [.. moments.OrderBy(m => m.At)];

        void Counted()
        {
            if (newest is not null)
            {
                moments.Add(new(3, Steps[2], ticks == 1 ? "1 tick measured, compared and judged" : $"{ticks} ticks measured, compared and judged", newest.At, tookTicks > 0 ? TimeSpan.FromMilliseconds(tookTicks / ticks) : null));
                (ticks, tookTicks, newest) = (0, 0, null);
            }
        }
    }

    private static (int Step, string Name) Name(string kind)
    {
        var word = kind.Split('_', '.', '/', '-')[0];
        var step = word switch
        {
            "received" or "announced" or "joined" or "updated" => 1,
            "scheduled" or "started" or "queued" or "watching" => 2,
            "tick" or "ticks" or "observed" => 3,
            "finding" or "findings" or "compared" or "reference" => 4,
            "verdict" or "judged" or "opinion" or "no" => 5,
            "decided" or "decision" or "asked" or "person" => 6,
            "action" or "intent" or "intended" or "acting" or "acted" or "verified" or "verifying" or "result" or "effect" or "recovered" => 7,
            "outcome" or "labelled" => 8,
            "sample" or "learned" or "reward" => 9,
            _ => 0,
        };
        return (step, step == 0 ? char.ToUpperInvariant(kind.Length > 0 ? kind[0] : '?') + kind[Math.Min(1, kind.Length)..].Replace('_', ' ') : Steps[step - 1]);
    }

    /// <summary>The measured duration, where the body has one.</summary>
    private static TimeSpan? Took(Fact fact)
    {
        using var body = Body(fact);
        foreach (var name in (ReadOnlySpan<string>)["took_ms", "duration_ms", "ms"])
        {
            if (body?.RootElement is { ValueKind: JsonValueKind.Object } root && root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var ms) && ms is >= 0 and < 1e12)
            {
                return TimeSpan.FromMilliseconds(ms);
            }
        }

        return null;
    }

    /// <summary>The body's own words: what it decided, and why; for bodies without such words their plain values.</summary>
    private static string Words(Fact fact)
    {
        using var body = Body(fact);
        if (body?.RootElement is not { ValueKind: JsonValueKind.Object } root)
        {
            return fact.Body is null ? "its body is no longer kept" : "";
        }

        // Facts that carry a whole resource say what matters one level down.
        foreach (var name in (ReadOnlySpan<string>)["verdict", "action", "outcome", "announcement", "announcing"])
        {
            if (root.TryGetProperty(name, out var inner) && inner.ValueKind == JsonValueKind.Object)
            {
                root = inner;
                break;
            }
        }

        var parts = new List<string>(4);
        foreach (var name in (ReadOnlySpan<string>)["service", "version", "decision", "kind", "state", "label", "to", "by", "source", "target"])
        {
            if (Text(root, name) is { } text)
            {
                parts.Add(text);
            }
        }

        var why = Text(root, "reason") ?? Text(root, "reasoning") ?? Text(root, "message") ?? Text(root, "note");
        var what = string.Join(" ", parts.Take(5));
        return Cut(why is null ? what : what.Length == 0 ? why : $"{what}: {why}");
    }

    private static string? Text(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text ? text : null;

    private static string Cut(string text) => text.Length <= 300 ? text : text[..299] + "…";

    private static JsonDocument? Body(Fact fact)
    {
        try
        {
            return fact.Body is null ? null : JsonDocument.Parse(fact.Body);
        }
        catch (JsonException)
        {
            // A later version's form: the line still says that something happened, and when.
            return null;
        }
    }

    /// <summary>How far the loop has come: per step its first moment's offset from the start, or null.</summary>
    public static IReadOnlyList<TimeSpan?> Progress(Deployment deployment, IReadOnlyList<Moment> moments)
    {
        var progress = new TimeSpan?[Steps.Count];
        foreach (var moment in moments)
        {
            if (moment.Step > 0)
            {
                progress[moment.Step - 1] ??= moment.At - deployment.StartedAt;
            }
        }

        // Between a measured tick and a judgement lie scheduling and comparing, which leave no fact of their own.
        progress[1] ??= progress[2] ?? progress[4];
        progress[2] ??= deployment.Verdict is { Findings.Count: > 0 } ? progress[4] : null;
        progress[3] ??= deployment.Verdict is { Findings.Count: > 0 } ? progress[4] ?? progress[2] : null;
        progress[5] ??= progress[6];
        return progress;
    }

    /// <summary>An offset from the start, with its sign.</summary>
    public static string Offset(TimeSpan offset) => (offset < TimeSpan.Zero ? "" : "+") + Figures.Duration(offset);
}
