using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;

namespace Commander.Judging.Verdicts;

public static partial class Judge
{
    /// <summary>The judge's name in verdicts.</summary>
    public const string Name = "commander";

    /// <summary>The verdict in words and numbers, made from the state when somebody reads it.</summary>
    /// <param name="policy">The pinned policy.</param>
    /// <param name="model">The pinned model.</param>
    /// <param name="state">The state after the last step.</param>
    /// <param name="reader">What the fold does not know: instants, queries, whether the watch closes.</param>
    public static Verdict Read(Policy policy, Model model, in WatchState state, Reader reader)
    {
        var findings = new (Finding Finding, int Index)[policy.Metrics.Count];
        for (var index = 0; index < findings.Length; index++)
        {
            findings[index] = (Findings.Of(policy, index, state, reader), index);
        }
        // Worst first; equals in the policy's order.
        Array.Sort(findings, static (one, other) => other.Finding.Score.CompareTo(one.Finding.Score) is not 0 and var order ? order : one.Index.CompareTo(other.Index));
        // Before the first judgement the model's prior is all that is known.
        var bad = state.PBad > 0 ? state.PBad : 1 / (1 + Math.Exp(-model.Intercept));
        var confidence = state.Decision switch
        {
            Decision.Rollback => bad,
            Decision.Continue => 1 - bad,
            _ => Math.Max(bad, 1 - bad),
        };
        return new Verdict(
            state.Decision.Word(),
            reader.Final,
            Display.Probability(confidence),
            Display.Probability(bad),
            HealthScore(policy, state) is { } score ? (int)Math.Round(score, MidpointRounding.AwayFromZero) : null,
            Reasoning(policy, state, findings),
            Array.ConvertAll(findings, static entry => entry.Finding),
            Opinion: null,
            model.Version,
            Name,
            reader.DecidedAt,
            reader.ElapsedMs);
    }

    /// <summary>The health score (design 5.3) of the candidate's last values, unrounded and clamped to 0..100; null when there is no value at all.</summary>
    /// <param name="policy">The policy: which metric is which is read off families, units and names.</param>
    /// <param name="state">The state, whose last values are taken.</param>
    public static double? HealthScore(Policy policy, in WatchState state)
    {
        double? errors = null, memory = null, response = null;
        var rank = int.MaxValue;
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            var metric = policy.Metrics[index];
            ref readonly var head = ref state.Metrics[index].Head;
            if (head.Seen == 0)
            {
                continue;
            }
            switch (metric.Family)
            {
                case Family.Error when metric.Kind == MetricKind.Ratio && head.RecentTotal > 0:
                    errors ??= 100 * head.RecentBad / head.RecentTotal;
                    break;
                case Family.Error when metric.Kind == MetricKind.Gauge && HealthTerms.IsPercent(metric.Unit):
                    errors ??= head.Last;
                    break;
                case Family.Memory when metric.Kind == MetricKind.Gauge && HealthTerms.IsPercent(metric.Unit):
                    memory ??= head.Last;
                    break;
                case Family.Latency when HealthTerms.Milliseconds(metric.Unit) is { } scale && double.IsFinite(head.Last) && HealthTerms.Rank(metric.Name, metric.Kind == MetricKind.Histogram) is var own && own < rank:
                    rank = own;
                    response = scale * head.Last;
                    break;
                default:
                    break;
            }
        }
        return HealthTerms.Score(errors, memory, response);
    }

    private static string Reasoning(Policy policy, in WatchState state, (Finding Finding, int Index)[] findings)
    {
        var why = state.Decision switch
        {
            Decision.Rollback => WhyRollback(policy, state, findings),
            // Nothing was found harmless: what was in doubt is said instead.
            Decision.Continue when state.Chosen != 0 && findings.Length > 0 => "in doubt: " + Findings.Sentence(policy, findings[0].Index, state, findings[0].Finding),
            Decision.Continue => WhyContinue(policy, state, findings),
            _ => WhyHold(policy, state, findings),
        };
        if (state.Person != 0)
        {
            return $"decided by a person; {why}";
        }
        return state.Chosen == 0
            ? why
            : $"chosen by the language model{(state is { Decision: Decision.Rollback, Alarm: 0 } ? " without an alarm, outside the false-alarm budget" : "")}; {why}";
    }

    private static string WhyRollback(Policy policy, in WatchState state, (Finding Finding, int Index)[] findings)
    {
        var silent = state.Silence >= 1 ? SilenceSentence(policy, state) : null;
        if (findings.Length == 0 || (silent is not null && findings[0].Finding.Score < 1))
        {
            return silent ?? "no metric is watched";
        }
        var first = Findings.Sentence(policy, findings[0].Index, state, findings[0].Finding);
        var others = findings.Skip(1).Where(static entry => entry.Finding.Score >= 0.5).Select(entry => Findings.Spoken(policy.Metrics[entry.Index])).ToArray();
        return first + (others.Length > 0 ? "; also worse: " + string.Join(", ", others) : "") + (silent is not null ? "; " + silent : "");
    }

    private static string SilenceSentence(Policy policy, in WatchState state) =>
        $"no data from the candidate for {Display.Seconds(state.SilentSeconds)} while the control has traffic";

    private static string WhyContinue(Policy policy, in WatchState state, (Finding Finding, int Index)[] findings)
    {
        // What became unclear after CONTINUE is not called within its tolerance.
        var (worst, worstIndex) = findings.FirstOrDefault();
        var end = worst is { Score: > Fine } ? "; unclear since: " + Findings.Sentence(policy, worstIndex, state, worst) : "; nothing is beyond its tolerance";
        foreach (var (finding, index) in findings)
        {
            var metric = policy.Metrics[index];
            if (metric.Kind == MetricKind.Ratio && finding is { Candidate: { } candidate, Reference: { } reference, High: { } high })
            {
                return $"{Findings.Spoken(metric)} {Display.With(candidate, "%")} on {Display.Number(state.Metrics[index].Count.Candidate.Total)} requests"
                    + $" ({finding.ReferenceArm ?? "objective"} {Display.With(reference, "%")}), at most {Display.Number(Math.Max(0, high))} pp worse{end}";
            }
        }
        return findings.Length == 0 ? "no metric is watched" : end[2..];
    }

    private static string WhyHold(Policy policy, in WatchState state, (Finding Finding, int Index)[] findings)
    {
        if (policy.Metrics.Count == 0)
        {
            return "no source: the policy watches nothing, so nothing can be judged";
        }
        if (state.LastTick == 0)
        {
            return "nothing measured yet";
        }
        // A service with few requests has ticks without any: only several in a row are its state.
        if (state.Blind >= DeadTicks || (state.Blind > 0 && state.CandidateTicks == 0))
        {
            return state.BlindQuality == Quality.Empty ? "no traffic on either arm" : $"the source gives no values: {state.BlindQuality.Word()}";
        }
        if (state.Alarm != 0)
        {
            return state.PBad >= policy.Decide.Threshold
                ? "a mild alarm, held back by the language model's grounded opinion"
                : $"an alarm, but P(BAD) {Display.Probability(state.PBad)} is below the threshold {Display.Number(policy.Decide.Threshold)}";
        }
        if (state.Silence > 0)
        {
            return SilenceSentence(policy, state);
        }
        if (Routing.IsOff(policy, state, out var share))
        {
            return $"the candidate has {Display.Number(100 * share)} % of the requests where {Display.Number(100 * policy.Watch.Share!.Value)} % are intended (watch.share): look at the routing";
        }
        var (worst, worstIndex) = findings[0];
        if (worst.Score > Fine)
        {
            return $"unclear: {Findings.Sentence(policy, worstIndex, state, worst)}";
        }
        return WaitsFor(policy, state) ?? (state.Asked == 1 && state.Grounded != 0 && state.GreyZone != 0
            ? "held back by the language model's grounded opinion"
            : "nothing speaks against it yet");
    }

    /// <summary>What CONTINUE still waits for.</summary>
    private static string? WaitsFor(Policy policy, in WatchState state)
    {
        string? later = null;
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            var metric = policy.Metrics[index];
            ref readonly var metricState = ref state.Metrics[index];
            ref readonly var head = ref metricState.Head;
            var spoken = Findings.Spoken(metric);
            if (head.Seen == 0)
            {
                if (metric.Critical || metric.Kind == MetricKind.Gauge)
                {
                    return $"no value of {spoken} from the candidate yet";
                }
                continue;
            }
            if (head.Warming != 0 && head.Judged == 0)
            {
                return $"warming up: {spoken} is judged {Display.Seconds(metric.Warmup.TotalSeconds)} after the start";
            }
            if (IsCount(metric))
            {
                if (head is { BadEdges: > 0, Judged: 0 })
                {
                    return $"{spoken} cannot be compared: the versions' buckets have other edges";
                }
                later ??= metric.Critical ? NeedsRequests(policy, state, index, spoken) : null;
            }
            else if (!LevelPasses(metric, metricState))
            {
                if (head.Reference == ReferenceKind.None || head.Judged == 0)
                {
                    return $"nothing to compare {spoken} with: neither a control nor enough of the past";
                }
                if (head.Judged < Levels.EnoughTicks)
                {
                    later ??= $"{spoken} needs {Levels.EnoughTicks - head.Judged} more ticks";
                }
            }
        }
        if (later is not null)
        {
            return later;
        }
        var left = policy.Watch.Min.TotalSeconds - (policy.Watch.Step.TotalSeconds * state.LastTick);
        return left > 0 ? $"nothing wrong so far; carries on in {Display.Seconds(left)} at the earliest" : null;
    }

    /// <summary>How many more requests would refute the tolerance, if the new version failed no more of them than its reference does; and how long they take, where the watch ends before.</summary>
    private static string? NeedsRequests(Policy policy, in WatchState watch, int index, string spoken)
    {
        var metric = policy.Metrics[index];
        ref readonly var state = ref watch.Metrics[index];
        if (state.Head.Reference == ReferenceKind.None)
        {
            return $"nothing to compare {spoken} with yet";
        }
        if (Counts.UpperBelow(metric, state))
        {
            return null;
        }
        if (state.Count.Candidate.Total <= 0)
        {
            return $"no requests of {spoken} counted yet";
        }
        var change = metric.Kind == MetricKind.Ratio ? $"a change of {Findings.Tolerance(metric, state)}" : $"a change of {spoken} by {Findings.Tolerance(metric, state)}";
        for (var more = 0.05; more < 1e4; more = (1.05 * more) + 0.05)
        {
            if (!Counts.UpperBelow(metric, state, more))
            {
                continue;
            }
            var elapsed = policy.Watch.Step.TotalSeconds * watch.LastTick;
            var beyond = more * elapsed > policy.Watch.Max.TotalSeconds - elapsed;
            return $"needs about {Display.About(more * state.Count.Candidate.Total)} more requests of the new version to see {change}"
                + (beyond ? $", {Display.Seconds(more * elapsed)} at its present traffic; the watch ends before" : "");
        }
        var estimate = 100 * Counts.Difference(metric, state).Estimate;
        return $"{spoken} is {Display.Number(Math.Abs(estimate))} pp {(estimate < 0 ? "below" : "above")} its reference, and {change} cannot be excluded";
    }
}
