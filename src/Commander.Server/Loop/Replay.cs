using System.Text.Json;
using System.Text.Json.Nodes;
using Commander.Judging;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Reasoning;
using Commander.Server.Storage;

namespace Commander.Server.Loop;

/// <summary>Folds stored facts again with the function that the live loop uses, and holds what was recorded against what comes out.</summary>
internal static class Replay
{
    /// <summary>With the pinned policy and model: every recorded verdict is made anew at its place and compared field by field, bit by bit.</summary>
    public static ReplayAnswer Same(IReadOnlyList<Fact> facts, IPinned pinned)
    {
        var watch = new Watch(pinned);
        var differences = new List<string>();
        Verdict? last = null;
        foreach (var fact in facts)
        {
            if (fact is { Kind: FactKind.Verdict, Body: { } body })
            {
                var recorded = FactBody.Read<Verdict>(body);
                last = Again(watch, recorded, fact.At);
                if (last is null)
                    differences.Add($"verdict at fact {fact.Seq}: its policy or model is no longer kept");
                else
                    Compare($"verdict at fact {fact.Seq}", recorded, last, differences);
            }
            else if (fact is { Kind: FactKind.State, Body: { } state } && FactBody.Read<StateBody>(state).Verdict is { } shown)
            {
                last = watch.Standing();
                if (last is not null)
                    Compare($"verdict shown at fact {fact.Seq}", shown, last, differences);
            }
            else if (fact is { Kind: FactKind.Closed, Body: { } end } && FactBody.Read<ClosedBody>(end).Verdict is { } final)
            {
                if (watch.Decision is null or Decision.Hold && watch.Judgement(fact.At, true) is { } held)
                    last = held;
                if (last is not null)
                    Compare("final verdict", final, last with { Final = true }, differences);
            }
            else if (fact is { Kind: FactKind.Tick, Body: null })
            {
                return new ReplayAnswer(null, false, [.. differences, Past(fact)]);
            }

            watch.Apply(fact);
        }

        return new ReplayAnswer(last ?? watch.Judgement(watch.LastAt ?? watch.ReceivedAt, false), differences.Count == 0, differences);
    }

    /// <summary>With another policy or model: the stored ticks, matched by metric name, judged anew; the first ROLLBACK ends it.</summary>
    public static ReplayAnswer With(IReadOnlyList<Fact> facts, IPinned pinned, Policy policy, Model model)
    {
        var watch = new Watch(pinned);
        WatchState? state = null;
        Verdict? recorded = null;
        Step step = default;
        var waits = false;
        double? given = null;
        var at = DateTimeOffset.MinValue;
        foreach (var fact in facts)
        {
            // A mild ROLLBACK waits for the answer to a question that is under way, as it did then; where none was asked it stood.
            if (waits && fact.Kind is FactKind.Tick or FactKind.Verdict && watch.Question is not { Purpose: Purpose.Advise })
                break;
            // What is left of the evidence would be judged as if it were all there was.
            if (fact is { Kind: FactKind.Tick, Body: null })
                return new ReplayAnswer(null, false, [Past(fact)]);
            watch.Apply(fact);
            at = fact.At;
            if (fact.Kind == FactKind.Pinned && watch.Policy is not null)
                state = Judge.Start(policy, watch.Pinned!.Restarted);
            if (fact.Kind == FactKind.Verdict)
                recorded = watch.LastVerdict;
            if (fact.Kind == FactKind.Asked)
                given = step.Worst;
            // What was said then is said again; nobody is asked.
            if (fact is { Kind: FactKind.Opinion, Body: { } said } && state is { } heard && FactBody.Read<OpinionBody>(said) is { Purpose: Purpose.Advise } told)
            {
                step = Judge.Next(policy, model, ref heard, told.Opinion is { } opinion ? Input.Of(opinion with { Given = given }) : Input.NoOpinion());
                (state, given, waits) = (heard, null, false);
                if (step.Decision == Decision.Rollback)
                    break;
            }

            if (fact.Kind != FactKind.Tick || state is not { } now || watch.Policy is null || watch.NewestTick is not { } stored)
                continue;
            var tick = new Judging.Evidence.Tick(stored.N, stored.Span, policy.Metrics.Count);
            for (var m = 0; m < policy.Metrics.Count; m++)
            {
                var from = -1;
                for (var i = 0; i < watch.Policy.Metrics.Count; i++)
                    from = watch.Policy.Metrics[i].Name == policy.Metrics[m].Name ? i : from;
                if (from < 0)
                    continue;
                for (var arm = Judging.Evidence.Arm.Candidate; arm <= Judging.Evidence.Arm.Seasonal; arm++)
                    tick[m, arm] = stored[from, arm];
            }

            step = Judge.Next(policy, model, ref now, Input.Of(tick));
            state = now;
            waits = Occasions.Waits(step);
            if (step.Decision == Decision.Rollback && !waits)
                break;
        }

        if (state is not { } end)
            return new ReplayAnswer(null, false, ["there is no evidence: the watch never began"]);
        var verdict = watch.BesideNeighbours(Judge.Read(policy, model, end, new Reader(at, (at - watch.Received.StartedAt).TotalMilliseconds, [], false)) with { Opinion = watch.Opinion });
        var differences = new List<string>();
        if (recorded is not null)
            Compare("verdict", recorded, verdict, differences);
        return new ReplayAnswer(verdict, differences.Count == 0, differences);
    }

    private static string Past(Fact tick) => $"the evidence of fact {tick.Seq} is past its retention: nothing can be replayed";

    private static Verdict? Again(Watch watch, Verdict recorded, DateTimeOffset at)
    {
        if (watch.Policy is { } policy && watch.Received.Metrics is { } snapshot && recorded.Findings.Count == 0 && watch.LastTick == 0)
            return Snapshot.Judge(snapshot, policy, recorded.Judge, at, 0);
        var judged = watch.Judgement(at, false);
        // What a person decided is theirs; the fold stands behind the findings only.
        return judged is null || watch.Person is null
            ? judged
            : judged with { Decision = recorded.Decision, Reasoning = recorded.Reasoning, Confidence = recorded.Confidence };
    }

    private static void Compare(string where, Verdict stored, Verdict replayed, List<string> differences)
    {
        var (a, b) = (Comparable(stored), Comparable(replayed));
        foreach (var (name, value) in a)
        {
            var other = b[name];
            if (!JsonNode.DeepEquals(value, other))
                differences.Add($"{where}: {name} was {Short(value)}, is {Short(other)}");
        }
    }

    private static JsonObject Comparable(Verdict verdict)
    {
        var json = JsonSerializer.SerializeToNode(verdict, Json.Tolerant)!.AsObject();
        json.Remove("decided_at");
        json.Remove("elapsed_ms");
        json.Remove("final");
        return json;
    }

    private static string Short(JsonNode? value)
    {
        var text = value?.ToJsonString() ?? "null";
        return text.Length <= 120 ? text : text[..120] + "...";
    }
}
