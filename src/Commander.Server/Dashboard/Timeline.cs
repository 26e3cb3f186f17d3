using System.Text.Json;
using Commander.Charts;
using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;
using Commander.Server.Fixing;
using Commander.Server.Loop;
using Commander.Server.Reasoning;
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
        var channels = deployment.Actions.Where(action => action.Kind == "alert").GroupBy(action => action.Key).ToDictionary(same => same.Key, same => same.First().Target, StringComparer.Ordinal);
        var seen = new HashSet<int>();
        var ticks = 0;
        double tookTicks = 0;
        Fact? newest = null, before = null;
        foreach (var fact in facts)
        {
            var (step, name) = Name(fact, before);
            before = fact;
            if (step == 3)
            {
                ticks++;
                tookTicks += Took(fact)?.TotalMilliseconds ?? 0;
                newest = fact;
                continue;
            }

            Counted();
            seen.Add(step);
            moments.Add(new Moment(step, name, Words(fact, channels), fact.At, Took(fact)));
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
                if (action.Target != "none" && action.Kind != "alert")
                {
                    moments.Add(new(7, Steps[6], $"{action.Kind} ordered by {action.By} on {action.Target}", action.RequestedAt, null));
                }

                if (action.FinishedAt is { } finished)
                {
                    moments.Add(new(7, Steps[6], $"{Named(action)} {action.State}{(action.Message is null ? "" : ": " + action.Message)}", finished, finished - action.RequestedAt));
                }
            }
        }

        if (!seen.Contains(8))
        {
            moments.AddRange(OutcomeWords.Labels(deployment).Select(label => new Moment(8, Steps[7], Said(label.Label, label.Source, label.By), label.At, null)));
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

    private static string Named(ActionEntry action) => action.Kind == "alert" ? $"alert to {action.Target}" : action.Kind;

    private static (int Step, string Name) Name(Fact fact, Fact? before)
    {
        var kind = fact.Kind;
        var step = kind switch
        {
            FactKind.State => OfState(fact, before),
            FactKind.Reference when Is<ReferenceBody>(fact, body => body.Subject == Subject.Restored) => 7,
            FactKind.Received or FactKind.Joined or FactKind.Superseded => 1,
            FactKind.Pinned => 2,
            FactKind.Tick => 3,
            FactKind.Reference => 4,
            FactKind.Neighbours or FactKind.Verdict or FactKind.Asked or FactKind.Opinion or FactKind.Diagnosis => 5,
            FactKind.Person => 6,
            FactKind.Intent or FactKind.Result or FactKind.Alert or FactKind.Told => 7,
            FactKind.Outcome or FactKind.Closed => 8,
            _ => 0,
        };
        return (step, step == 0 ? char.ToUpperInvariant(kind[0]) + kind[1..].Replace('_', ' ') : Steps[step - 1]);
    }

    // A state belongs to the step that led to it.
    private static int OfState(Fact fact, Fact? before) =>
        Is<StateBody>(fact, body => body.State is WatchStates.Queued or WatchStates.Watching) ? 2
        : Is<StateBody>(fact, body => body.State == WatchStates.Verifying) || before?.Kind == FactKind.Result ? 7
        : 6;

    private static bool Is<T>(Fact fact, Func<T, bool> holds)
    {
        try
        {
            return fact.Body is { } body && holds(FactBody.Read<T>(body));
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>The measured duration, where the body has one.</summary>
    private static TimeSpan? Took(Fact fact)
    {
        using var body = Body(fact);
        return body?.RootElement is { ValueKind: JsonValueKind.Object } root && (root.TryGetProperty("ms", out var value) || root.TryGetProperty("took_ms", out value)) && value.TryGetDouble(out var ms) && ms is >= 0 and < 1e12
            ? TimeSpan.FromMilliseconds(ms)
            : null;
    }

    /// <summary>What the fact says, for a person.</summary>
    private static string Words(Fact fact, IReadOnlyDictionary<string, string> channels)
    {
        if (fact.Body is not { } body)
            return "its body is no longer kept";
        try
        {
            return Cut(Words(fact.Kind, body, channels));
        }
        catch (JsonException)
        {
            // A later version's form: the line still says that something happened, and when.
            return fact.Kind;
        }
    }

    private static string Words(string kind, byte[] body, IReadOnlyDictionary<string, string> channels)
    {
        switch (kind)
        {
            case FactKind.Received:
                var received = FactBody.Read<ReceivedBody>(body);
                return $"{received.Service} {received.Version} in {received.Environment}, announced through {received.Intake}";
            case FactKind.Joined:
                return $"announced again through {FactBody.Read<JoinedBody>(body).Intake}: joined";
            case FactKind.Superseded:
                var superseded = FactBody.Read<SupersededBody>(body);
                return $"superseded by {superseded.Version}";
            case FactKind.Pinned:
                var pinned = FactBody.Read<PinnedBody>(body);
                return $"policy {pinned.Policy}, model {pinned.Model}, judge {pinned.Judge}; compared with {pinned.PreviousVersion ?? "the past only"}";
            case FactKind.Reference:
                var change = FactBody.Read<ReferenceBody>(body);
                return $"{change.Reason}: {change.Metric ?? "everything"} is now compared with {change.To.Word()}";
            case FactKind.Neighbours:
                return string.Join("; ", Neighbours.Words(FactBody.Read<NeighboursBody>(body)));
            case FactKind.Verdict:
                var verdict = FactBody.Read<Verdict>(body);
                return $"{verdict.Decision}: {verdict.Reasoning}";
            case FactKind.Asked:
                return $"{FactBody.Read<AskedBody>(body).Model} is asked {(FactBody.Read<AskedBody>(body).Purpose == Purpose.Explain ? "to explain it" : "for its opinion")}";
            case FactKind.Opinion:
                var said = FactBody.Read<OpinionBody>(body);
                return said.Opinion is { } opinion
                    ? $"{said.Model} says {opinion.Decision}{(opinion.Grounded ? "" : $", which is not grounded: {said.Missing}")}"
                    : $"no opinion: {said.Missing}";
            case FactKind.Diagnosis:
                var error = FactBody.Read<DiagnosisBody>(body).Error;
                return error.Type == ErrorTypes.Unknown ? "what was read does not say what kind of error it is" : $"looks like {error.Type.Replace('_', ' ')}{(error.Evidence.Count > 0 ? ": " + error.Evidence[0].Says : "")}";
            case FactKind.State:
                var state = FactBody.Read<StateBody>(body);
                var name = state.State.Replace('_', ' ');
                return state.Note is null ? name : $"{name}: {state.Note}";
            case FactKind.Person:
                var person = FactBody.Read<PersonBody>(body);
                return $"{person.By} says {person.Decision}{(person.Reason is null ? "" : ": " + person.Reason)}";
            case FactKind.Intent:
                var intent = FactBody.Read<IntentBody>(body);
                return intent.Target == "none"
                    ? $"{intent.Kind}{(intent.TargetVersion is null ? "" : " to " + intent.TargetVersion)} would be due"
                    : $"{intent.Kind}{(intent.TargetVersion is null ? "" : " to " + intent.TargetVersion)} intended on {intent.Target}, by {intent.By}";
            case FactKind.Result:
                var result = FactBody.Read<ResultBody>(body);
                return $"{result.State}{(result.Message is null ? "" : ": " + result.Message)}";
            case FactKind.Alert:
                var alert = FactBody.Read<AlertBody>(body);
                return $"{alert.Target} is to be told: {alert.Occasion}{(alert.NotBefore is { } quiet ? $", after the quiet hours, at {quiet.UtcDateTime:HH:mm} UTC" : "")}";
            case FactKind.Told:
                var told = FactBody.Read<ToldBody>(body);
                var channel = channels.GetValueOrDefault(told.Key, "a channel");
                // Many channels begin their messages with their own name.
                var why = told.Message?.StartsWith(channel + " ", StringComparison.Ordinal) == true ? told.Message : $"{channel}: {told.Message}";
                return told.State switch
                {
                    "done" => $"told: {channel}{(told.Message is null ? "" : "; " + told.Message)}",
                    "running" => $"not told yet: {why}{(told.RetryAt is { } again ? $"; tried again at {again.UtcDateTime:HH:mm:ss} UTC" : "")}",
                    _ => $"not told: {why}",
                };
            case FactKind.Outcome:
                var outcome = FactBody.Read<OutcomeBody>(body);
                return Said(outcome.Label, outcome.Source, outcome.By) + (outcome.Note is null ? "" : ": " + outcome.Note);
            case FactKind.Closed:
                return $"the watch is closed: {FactBody.Read<ClosedBody>(body).Reason.Replace('_', ' ')}";
            default:
                return kind;
        }
    }

    private static string Said(string label, string source, string? by) => $"was {label}, known from {source.Replace('-', ' ')}{(by is null ? "" : " (" + by + ")")}";

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

    /// <summary>How far the loop has come: per step the offset of its first time from the start, null when it was not reached, and the same in words.</summary>
    public static IReadOnlyList<(TimeSpan? At, string Words)> Progress(Deployment deployment, IReadOnlyList<Moment> moments)
    {
        var first = new TimeSpan?[Steps.Count];
        foreach (var moment in moments)
        {
            if (moment.Step > 0)
            {
                first[moment.Step - 1] ??= moment.At - deployment.StartedAt;
            }
        }

        // Every tick is compared and judged at once. Only changes leave a fact of their own, and may come much later.
        var judged = deployment.Verdict is { Findings.Count: > 0 } ? first[4] : null;
        first[2] = Earlier(first[2], judged);
        first[1] ??= first[2] ?? first[4];
        first[3] = Earlier(first[3], judged);
        first[5] ??= first[6];
        var outcome = deployment.Outcome is { Label: "GOOD" or "BAD" } known ? known.At - deployment.StartedAt : (TimeSpan?)null;
        first[7] = outcome;
        // The decision and what it really was are one sample.
        first[8] = outcome;
        var closed = deployment.State == "closed";
        var nothingToDo = closed || deployment.Verdict?.Decision == "CONTINUE";
        return [.. first.Select((at, step) => (at, Words(at, step)))];

        string Words(TimeSpan? at, int step) => at is { } offset ? Offset(offset) : step switch
        {
            6 when nothingToDo => "nothing to do",
            7 when closed => "not known",
            8 when closed => "needs the outcome",
            _ => closed ? "–" : "not yet",
        };

        static TimeSpan? Earlier(TimeSpan? one, TimeSpan? other) => one is null || other < one ? other : one;
    }

    /// <summary>An offset from the start, with its sign.</summary>
    public static string Offset(TimeSpan offset) => (offset < TimeSpan.Zero ? "" : "+") + Figures.Duration(offset);
}
