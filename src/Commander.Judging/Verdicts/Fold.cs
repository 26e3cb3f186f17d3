using Commander.Judging.Evidence;
using Commander.Judging.Limits;
using Commander.Judging.Models;
using Commander.Judging.Policies;

namespace Commander.Judging.Verdicts;

/// <summary>
/// The judge: a pure fold over a watch's facts. <see cref="Next"/> reads nothing but its arguments, changes nothing but the state and allocates nothing;
/// all time is tick numbers times the policy's step.
/// </summary>
public static partial class Judge
{
    /// <summary>The version of the rules: pinned by every watch, shown when another one replays it.</summary>
    public const string Version = "commander-8";

    // How many ticks in a row make a silent control gone, and a silent candidate dead (but never faster than so many seconds).
    private const int ControlGoneTicks = 3;
    // -ln of one in a hundred thousand: so improbable must a silence be that a control is taken for gone.
    private const double GoneByChance = 11.5;
    // So long, and at least so many ticks, a control is waited for whose source fails while the candidate's answers.
    private const double UnknownTicks = 8;
    private const double UnknownSeconds = 120;
    private const double DeadTicks = 4;
    private const double DeadSeconds = 3;

    // While the candidate never had any request, its share is taken to be at least 5 %; when its process is seen to run, 1 %.
    private const double SmallestShare = 0.05;
    private const double SmallestShareRunning = 0.01;

    // The score from which a metric is no longer "fine" for CONTINUE.
    internal const double Fine = 0.3;

    private const double GreyFactor = 4;

    // An opinion holds until a score is by so much above the worst that it was given.
    private const double Outgrown = 0.5;

    // What a count's score is at most in the vote of families.
    private const double AlmostAlone = 0.99;

    /// <summary>The state before any input.</summary>
    /// <param name="policy">The pinned policy, with at most <see cref="Policy.MaxMetrics"/> metrics.</param>
    /// <param name="restarted">Whether processes start new with the deployment, so that warm-up counts.</param>
    /// <exception cref="ArgumentException">The policy has too many metrics, or numbers outside their ranges.</exception>
    public static WatchState Start(Policy policy, bool restarted)
    {
        Check(policy);
        return new WatchState { Restarted = (byte)(restarted ? 1 : 0) };
    }

    /// <summary>Folds one input into the state. Reads nothing else, changes nothing else, allocates nothing.</summary>
    /// <param name="policy">The pinned policy, the same at every step.</param>
    /// <param name="model">The pinned model, the same at every step.</param>
    /// <param name="state">The state, from <see cref="Start"/> or from an earlier step.</param>
    /// <param name="input">A tick (those of the past first; one that is not newer than the newest is passed over), an opinion or its absence, a person's decision, a change of reference.</param>
    /// <returns>The judgement after the input.</returns>
    /// <exception cref="ArgumentException">The tick has not one reading per metric of the policy, or a change names a metric that is not there.</exception>
    public static Step Next(Policy policy, Model model, ref WatchState state, in Input input)
    {
        uint gone = 0;
        switch (input.Kind)
        {
            case InputKind.Tick:
                gone = Observe(policy, ref state, input.Tick!);
                Decide(policy, model, ref state);
                break;
            case InputKind.Opinion:
                Take(policy, ref state, input.Opinion!);
                Decide(policy, model, ref state);
                break;
            case InputKind.NoOpinion:
                state.Asked = 2;
                Decide(policy, model, ref state);
                break;
            case InputKind.Person:
                state.Person = 1;
                state.Decision = input.Decision;
                break;
            default:
                Change(policy, ref state, input.Change);
                break;
        }
        return new Step(
            state.Decision,
            state.PBad,
            state.Alarm != 0,
            state.Guard != 0,
            state.Mild != 0,
            state.GreyZone != 0,
            state.Chosen != 0,
            Worst(policy, state) > Fine,
            Worst(policy, state),
            state.Asked == 1 && !Heard(state, Worst(policy, state)),
            gone,
            Recovery.Answer(state),
            Recovery.StillReached(state))
        {
            Silent = state.Silence >= 1,
        };
    }

    private static void Check(Policy policy)
    {
        if (policy.Metrics.Count > Policy.MaxMetrics)
        {
            throw new ArgumentException($"policy {policy.Name} has {policy.Metrics.Count} metrics: at most {Policy.MaxMetrics} fit into a watch's state", nameof(policy));
        }
        if (!(policy.Watch.Step > TimeSpan.Zero))
        {
            throw new ArgumentException($"policy {policy.Name}: watch.step must be above 0", nameof(policy));
        }
        if (!(policy.Decide.FalseAlarms is > 0 and < 1))
        {
            throw new ArgumentException($"policy {policy.Name}: decide.false_alarms must lie between 0 and 1", nameof(policy));
        }
        foreach (var metric in policy.Metrics)
        {
            if (!(metric.Tolerance.Amount > 0 && double.IsFinite(metric.Tolerance.Amount)))
            {
                throw new ArgumentException($"policy {policy.Name}: the tolerance of {metric.Name} must be above 0", nameof(policy));
            }
            if (metric.Kind == MetricKind.Histogram && !(metric.Quantile is > 0 and < 1))
            {
                throw new ArgumentException($"policy {policy.Name}: the quantile of {metric.Name} must lie between 0 and 1", nameof(policy));
            }
            if (metric.Kind == MetricKind.Ratio && metric.Objective is { } objective && !(objective is >= 0 and < 100))
            {
                throw new ArgumentException($"policy {policy.Name}: the objective of {metric.Name} is a percentage from 0 up to 100", nameof(policy));
            }
        }
    }

    private static uint Observe(Policy policy, ref WatchState state, Tick tick)
    {
        if (tick.Metrics != policy.Metrics.Count)
        {
            throw new ArgumentException($"tick {tick.N} has readings of {tick.Metrics} metrics, the policy has {policy.Metrics.Count}", nameof(tick));
        }
        var seconds = policy.Watch.Step.TotalSeconds * tick.Span;
        if (tick.N <= 0)
        {
            var past = (uint)(1 - (long)tick.N);
            if (state.LastTick > 0 || (state.Past != 0 && past >= state.Past))
            {
                return 0;
            }
            state.Past = past;
            for (var index = 0; index < policy.Metrics.Count; index++)
            {
                var metric = policy.Metrics[index];
                if (metric.Kind is MetricKind.Ratio or MetricKind.Histogram)
                {
                    Counts.Past(metric, ref state.Metrics[index], tick, index);
                }
                else
                {
                    Levels.Past(metric, ref state.Metrics[index], tick, index, seconds);
                }
            }
            return 0;
        }
        if (tick.N <= state.LastTick)
        {
            return 0;
        }
        var previous = state.LastTick;
        state.LastTick = tick.N;
        if (state.Subject == Subject.Restored)
        {
            Recovery.Observe(policy, ref state, tick);
            return 0;
        }
        var budget = new Budget(policy);
        Survey(policy, ref state, tick, seconds, budget);
        var elapsed = policy.Watch.Step.TotalSeconds * tick.N;
        uint gone = 0;
        var look = SlowLayer.Due(policy.Watch, state.CarriedOn, previous, tick.N);
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            var metric = policy.Metrics[index];
            ref var metricState = ref state.Metrics[index];
            metricState.Head.Quality = Numbers.QualityOf(tick[index, Arm.Candidate], metric.Kind);
            // Errors are never excused by a warm-up.
            var warming = state.Restarted != 0 && state.Subject == Subject.Candidate && metric.Family != Family.Error
                && elapsed <= metric.Warmup.TotalSeconds;
            if (metric.Kind is MetricKind.Ratio or MetricKind.Histogram)
            {
                var before = new Cumulated(metricState.Count);
                Counts.Observe(policy, metric, ref metricState, tick, index, elapsed, warming && metric.Kind == MetricKind.Histogram, budget);
                if (state.CarriedOn > 0)
                {
                    SlowLayer.Add(ref metricState, before);
                }
            }
            else
            {
                Levels.Observe(policy, metric, ref metricState, tick, index, seconds, elapsed, warming, state.Blind > 0, budget);
                if (!warming)
                {
                    SlowLayer.Add(policy.Watch, metric, ref metricState, tick, index, seconds);
                }
            }
            if (look > 0 && !References.IsOver(policy, metric, metricState.Head.Reference, elapsed))
            {
                SlowLayer.Look(policy.Watch, metric, ref metricState, tick.N, look, budget);
            }
            SlowLayer.Hold(ref metricState.Head);
            if (ControlGone(metric, ref metricState, tick, index, seconds))
            {
                gone |= 1u << index;
            }
        }
        return gone;
    }

    /// <summary>
    /// Whether the control is gone: silent for some ticks, and, where it has few requests, for so many of the candidate's that it is no accident; or its source has failed for long
    /// while the candidate's answers, as when the old version's process is no more.
    /// </summary>
    private static bool ControlGone(MetricPolicy metric, ref MetricState state, Tick tick, int index, double seconds)
    {
        ref var head = ref state.Head;
        if (head.Reference != ReferenceKind.Control)
        {
            return false;
        }
        ref var candidate = ref tick[index, Arm.Candidate];
        var control = Numbers.Of(tick[index, Arm.Control], metric.Kind);
        if (control == Presence.Number)
        {
            (head.ControlSilent, head.ControlMissed) = (0, 0);
        }
        else if (control == Presence.Silent && Numbers.Of(candidate, metric.Kind) == Presence.Number)
        {
            head.ControlSilent = (short)Math.Min(ControlGoneTicks, head.ControlSilent + 1);
            // As for a silent candidate: -ln of the chance of none, given what both had so far.
            head.ControlMissed += (float)(metric.Kind == MetricKind.Gauge
                ? GoneByChance
                : state.Count.Control.Total * Math.Log(1 + (Numbers.Requests(candidate, metric.Kind) / Math.Max(20, state.Count.Candidate.Total - Numbers.Requests(candidate, metric.Kind)))));
        }
        else if (control == Presence.Unknown && Numbers.Of(candidate, metric.Kind) == Presence.Number)
        {
            head.ControlSilent = (short)Math.Min(ControlGoneTicks, head.ControlSilent + 1);
            head.ControlMissed += (float)(GoneByChance / Math.Max(UnknownTicks, Math.Ceiling(UnknownSeconds / seconds)));
        }
        return head.ControlSilent >= ControlGoneTicks && head.ControlMissed >= GoneByChance;
    }

    /// <summary>Who is there at all: a candidate that is silent while the control has traffic is dead, when it would have had requests.</summary>
    private static void Survey(Policy policy, ref WatchState state, Tick tick, double seconds, in Budget budget)
    {
        bool traffic = false, counted = false, candidate = false, control = false, silent = false;
        bool candidateLevel = false, controlLevel = false, silentLevel = false;
        double candidateRequests = 0, controlRequests = 0;
        var quality = Quality.Empty;
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            var metric = policy.Metrics[index];
            if (metric.Family == Family.Service)
            {
                // Measured over the whole service: it is there whoever serves.
                continue;
            }
            ref var ofCandidate = ref tick[index, Arm.Candidate];
            ref var ofControl = ref tick[index, Arm.Control];
            var candidatePresence = Numbers.Of(ofCandidate, metric.Kind);
            var controlPresence = Numbers.Of(ofControl, metric.Kind);
            if (candidatePresence == Presence.Unknown)
            {
                quality = Numbers.QualityOf(ofCandidate, metric.Kind);
            }
            // A share of failures or a response time is there when there were requests; what a process uses, as soon as it runs.
            if (metric.Kind == MetricKind.Gauge && metric.Family is not (Family.Error or Family.Latency))
            {
                candidateLevel |= candidatePresence == Presence.Number;
                controlLevel |= controlPresence == Presence.Number;
                silentLevel |= candidatePresence == Presence.Silent && controlPresence == Presence.Number;
                continue;
            }
            if (metric.Kind == MetricKind.Count && metric.Family != Family.Traffic)
            {
                // A version without errors or orders is no dead one: a number, 0 too, says that it is there; nothing here says that it is not.
                candidateLevel |= ofCandidate.HasValue && candidatePresence != Presence.Unknown;
                continue;
            }
            traffic = true;
            counted |= metric.Kind != MetricKind.Gauge;
            candidate |= candidatePresence == Presence.Number;
            control |= controlPresence == Presence.Number;
            // A metric whose source fails does not hide what another one says.
            silent |= candidatePresence == Presence.Silent && controlPresence == Presence.Number;
            if (candidatePresence == Presence.Number)
            {
                candidateRequests = Math.Max(candidateRequests, Numbers.Requests(ofCandidate, metric.Kind));
            }
            if (controlPresence == Presence.Number)
            {
                controlRequests = Math.Max(controlRequests, Numbers.Requests(ofControl, metric.Kind));
            }
        }
        if (!traffic)
        {
            (candidate, control, silent) = (candidateLevel, controlLevel, silentLevel);
        }
        state.CandidateTicks += candidate ? 1 : 0;
        if (candidate || candidateLevel || control || controlLevel)
        {
            state.Blind = 0;
        }
        else
        {
            state.Blind++;
            state.BlindQuality = quality;
        }
        if (candidate)
        {
            (state.Misses, state.Missed, state.SilentSeconds) = (0, 0, 0);
        }
        else if (silent)
        {
            state.Misses++;
            state.SilentSeconds += seconds;
            var smallest = candidateLevel ? SmallestShareRunning : SmallestShare;
            // -ln of the chance that all of the control's requests since then come after the candidate's last one, of all orders of the same requests: the product of
            // (control + j) / (control + new + j) over the candidate's requests j, each taken for the middle one. Where few tell the share it falls more slowly than exp(-missing).
            state.Missed += state.CandidateRequests > 0
                ? state.CandidateRequests * Math.Log(1 + (controlRequests / (state.ControlRequests + (0.5 * (state.CandidateRequests + 1)))))
                : controlRequests * smallest / (1 - smallest);
        }
        state.CandidateRequests += candidateRequests;
        state.ControlRequests += controlRequests;
        var needed = Math.Max(DeadTicks, Math.Ceiling(DeadSeconds / seconds));
        var silence = state.Misses / needed;
        if (counted)
        {
            // Four ticks without one of the few requests a small canary gets are no sign of death; and after each tick with requests a long silence may begin.
            var accident = Math.Log(Math.PI * Math.PI / 6 / budget.Silence) + (2 * Math.Log(state.CandidateTicks + 1));
            silence = Math.Min(silence, state.Missed / accident);
        }
        state.Silence = Math.Min(silence, 2);
    }

    private static void Take(Policy policy, ref WatchState state, Opinion opinion)
    {
        state.Asked = 1;
        state.Cited = 0;
        state.HeardScore = (byte)Math.Round(100 * Math.Clamp(opinion.Given ?? Worst(policy, state), 0, 2));
        state.Grounded = (byte)(DecisionWords.TryDecision(opinion.Decision, out var said) && opinion.Grounded ? 1 : 0);
        state.Opinion = (byte)said;
        for (var cited = 0; cited < opinion.Metrics.Count; cited++)
        {
            for (var index = 0; index < policy.Metrics.Count; index++)
            {
                if (policy.Metrics[index].Name == opinion.Metrics[cited])
                {
                    state.Cited |= 1u << index;
                }
            }
        }
    }

    private static void Change(Policy policy, ref WatchState state, ReferenceChange change)
    {
        if (change.Metric < -1 || change.Metric >= policy.Metrics.Count)
        {
            throw new ArgumentException($"the change of reference names metric {change.Metric}, the policy has {policy.Metrics.Count}", nameof(change));
        }
        var reference = change.To switch
        {
            Arm.Control => ReferenceKind.Control,
            Arm.Seasonal => ReferenceKind.Seasonal,
            _ => ReferenceKind.Before,
        };
        state.Subject = change.Subject;
        if (change.Subject == Subject.Restored)
        {
            // What was found stays as the verdict says it; only the way back is judged from here on.
            Recovery.Begin(policy, ref state, change.Tick);
            return;
        }
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            if (change.Metric >= 0 && change.Metric != index)
            {
                continue;
            }
            ref var metricState = ref state.Metrics[index];
            ref var head = ref metricState.Head;
            head.ReferenceChanges++;
            (head.ControlSilent, head.ControlMissed) = (0, 0);
            (head.Looks, head.Judged, head.Score, head.LogE, head.Beyond) = (0, 0, 0, 0, 0);
            SlowLayer.Restart(policy.Metrics[index], ref metricState, SlowLayer.Passed(policy.Watch, state.CarriedOn, state.LastTick));
            if (policy.Metrics[index].Kind is MetricKind.Ratio or MetricKind.Histogram)
            {
                Counts.Restart(ref metricState, forgetCandidate: change.Subject == Subject.Promoted);
                // A past that was never measured is no reference.
                head.Reference = reference != ReferenceKind.Control && Counts.Past(metricState.Count).Total <= 0 ? ReferenceKind.None : reference;
            }
            else
            {
                Levels.Restart(ref metricState);
                head.Reference = Levels.Known(metricState, reference);
            }
        }
        if (change.Subject == Subject.Promoted)
        {
            (state.Misses, state.Missed, state.SilentSeconds, state.Silence) = (0, 0, 0, 0);
        }
    }

    /// <summary>Steps 4 to 5: the metrics' evidence joined, P(BAD), the decision.</summary>
    private static void Decide(Policy policy, Model model, ref WatchState state)
    {
        if (state.Subject == Subject.Restored)
        {
            return;
        }
        var budget = new Budget(policy);
        Span<double> families = stackalloc double[Words.FamilyCount];
        Span<double> levels = stackalloc double[Words.FamilyCount];
        families.Clear();
        levels.Clear();
        double joined = 0;
        bool counted = false, levelAlarm = false, guard = false;
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            var metric = policy.Metrics[index];
            ref readonly var metricState = ref state.Metrics[index];
            ref readonly var head = ref metricState.Head;
            var family = (int)metric.Family;
            families[family] = Math.Max(families[family], head.Score);
            if (head.Beyond == 0)
            {
                continue;
            }
            if (metric.Kind is MetricKind.Ratio or MetricKind.Histogram)
            {
                if (metric.Family == Family.Service)
                {
                    continue;
                }
                // Alone it has its own level; beside another family it says what a level of the same score would.
                levels[family] = Math.Max(levels[family], Math.Min(head.Score, AlmostAlone));
                counted |= head.Slow != 0;
                if (head.Reference == ReferenceKind.Control)
                {
                    joined += budget.Weight(metric.Kind, head.ReferenceChanges) * Math.Exp(head.LogE);
                }
                else
                {
                    counted |= head.Score >= 1;
                }
                guard |= Guarded(metric, metricState, budget);
            }
            else
            {
                levels[family] = Math.Max(levels[family], head.Score);
                levelAlarm |= head.Score >= 1;
            }
        }
        counted |= joined >= budget.Joined;
        levelAlarm |= Corroborated(levels);
        var silent = state.Silence >= 1 && policy.NoData == NoData.Rollback;
        var odds = model.Odds(Features.Of(families, policy.NoData == NoData.Rollback ? state.Silence : 0, guard));
        state.PBad = 1 / (1 + Math.Exp(-odds));
        var threshold = policy.Decide.Threshold;
        var distance = odds - Math.Log(threshold / (1 - threshold));
        state.GreyZone = (byte)(Math.Abs(distance) <= Math.Log(GreyFactor) ? 1 : 0);
        state.Guard |= (byte)(guard ? 1 : 0);
        state.Alarm = (byte)(guard || counted || levelAlarm || silent ? 1 : 0);
        var proven = guard || counted || silent;
        state.Mild = (byte)(state.Alarm != 0 && state.GreyZone != 0 && !proven ? 1 : 0);
        if (state.Person == 0)
        {
            Settle(policy, ref state, threshold, proven);
        }
        if (state.Decision == Decision.Continue && state.CarriedOn == 0)
        {
            state.CarriedOn = state.LastTick;
        }
    }

    /// <summary>
    /// What a model reads of a state: the same numbers as the last step's P(BAD) was made of. One exception: where CONTINUE was weighed, a count that is certainly within its
    /// tolerance reads at most 0.3 from then until the next tick.
    /// </summary>
    /// <param name="policy">The pinned policy.</param>
    /// <param name="state">The state after a step.</param>
    public static Features FeaturesOf(Policy policy, in WatchState state)
    {
        var budget = new Budget(policy);
        Span<double> families = stackalloc double[Words.FamilyCount];
        families.Clear();
        var guard = false;
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            var metric = policy.Metrics[index];
            ref readonly var metricState = ref state.Metrics[index];
            var family = (int)metric.Family;
            families[family] = Math.Max(families[family], metricState.Head.Score);
            guard |= metricState.Head.Beyond != 0 && Guarded(metric, metricState, budget);
        }
        return Features.Of(families, policy.NoData == NoData.Rollback ? state.Silence : 0, guard);
    }

    private static bool Guarded(MetricPolicy metric, in MetricState state, in Budget budget) =>
        metric.Kind == MetricKind.Ratio && metric.Family == Family.Error && metric.Direction == Direction.Up
        && HardGuard.Fires(state.Count.Candidate.Bad, state.Count.Candidate.Total, Counts.ReferenceShare(metric, state), state.Head.LogE, budget.Guard);

    // One vote per family; two families that agree count as one alarm.
    private static bool Corroborated(ReadOnlySpan<double> levels)
    {
        double first = 0, second = 0;
        for (var family = 0; family < levels.Length; family++)
        {
            if (levels[family] > first)
            {
                (first, second) = (levels[family], first);
            }
            else if (levels[family] > second)
            {
                second = levels[family];
            }
        }
        return first >= 0.5 && first + (0.8 * second) >= 1;
    }

    private static void Settle(Policy policy, ref WatchState state, double threshold, bool proven)
    {
        var authority = policy.Decide.Reasoning;
        var worst = Worst(policy, state);
        var heard = state.Asked == 1 && state.Grounded != 0 && authority is Authority.Advise or Authority.Decide && Heard(state, worst)
            ? (Decision)state.Opinion
            : (Decision?)null;
        var chooses = authority == Authority.Decide;
        var alarmed = state.Alarm != 0 && state.PBad >= threshold;
        // What an opinion may not hold up: a guard, a count test, silence; and, unless it decides, every alarm that is not mild.
        if (alarmed && (proven || (!chooses && state.Mild == 0)))
        {
            state.Firm = 1;
        }
        if (heard is { } opinion && chooses && state.Firm == 0 && worst > Fine && Chooses(policy, ref state, opinion))
        {
            return;
        }
        if (alarmed)
        {
            if (state.Firm == 0 && heard is Decision.Hold or Decision.Continue)
            {
                state.Decision = Decision.Hold;
                return;
            }
            (state.Decision, state.Chosen) = (Decision.Rollback, 0);
            return;
        }
        if (state.Decision == Decision.Rollback)
        {
            // Given once, it stands: evidence that fades again is no proof of health. A mild one yields to an opinion.
            if (state.Firm == 0 && state.GreyZone != 0 && heard is Decision.Hold or Decision.Continue)
            {
                state.Decision = Decision.Hold;
            }
            return;
        }
        if (state.Decision == Decision.Hold && state.Alarm == 0 && Harmless(policy, ref state))
        {
            (state.Decision, state.Chosen) = (Decision.Continue, 0);
        }
        if (state.Decision == Decision.Continue && state.GreyZone != 0 && heard is Decision.Hold or Decision.Rollback)
        {
            state.Decision = Decision.Hold;
        }
    }

    /// <summary>The authority "decide": the opinion's choice, where something is unclear and nothing is proven. ROLLBACK needs grounds that it cites, CONTINUE the policy's time and a candidate that is not silent.</summary>
    /// <returns>Whether it chose; a ROLLBACK without grounds leaves everything to the evidence.</returns>
    private static bool Chooses(Policy policy, ref WatchState state, Decision opinion)
    {
        var may = opinion switch
        {
            Decision.Rollback => CitesGrounds(policy, state),
            Decision.Continue => state.CandidateTicks > 0
                && (state.Silence <= 0 || policy.NoData == NoData.Ignore)
                && policy.Watch.Step.TotalSeconds * state.LastTick >= policy.Watch.Min.TotalSeconds,
            _ => true,
        };
        if (may)
        {
            (state.Decision, state.Chosen) = (opinion, 1);
            return true;
        }
        if (opinion == Decision.Rollback)
        {
            return false;
        }
        if (state.Decision != Decision.Continue)
        {
            state.Decision = Decision.Hold;
        }
        return true;
    }

    // Whether the opinion speaks for what the evidence is now.
    private static bool Heard(in WatchState state, double worst) => worst <= (state.HeardScore / 100.0) + Outgrown;

    /// <summary>The worst score there is, the candidate's silence among them; beyond 2 it says nothing more, as to a model.</summary>
    private static double Worst(Policy policy, in WatchState state)
    {
        var worst = state.Silence;
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            worst = Math.Max(worst, state.Metrics[index].Head.Score);
        }
        return Math.Min(worst, 2);
    }

    private static bool CitesGrounds(Policy policy, in WatchState state)
    {
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            if ((state.Cited & (1u << index)) != 0 && state.Metrics[index].Head.Score >= 0.5)
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Whether everything that CONTINUE needs is there. The costly limits come last: they are asked only when nothing else stands in the way.</summary>
    private static bool Harmless(Policy policy, ref WatchState state)
    {
        if (policy.Watch.Step.TotalSeconds * state.LastTick < policy.Watch.Min.TotalSeconds
            || state.CandidateTicks == 0
            || (state.Silence > 0 && policy.NoData != NoData.Ignore)
            || Routing.IsOff(policy, state, out _))
        {
            return false;
        }
        var compared = false;
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            var metric = policy.Metrics[index];
            ref readonly var metricState = ref state.Metrics[index];
            compared |= metricState.Head.Judged > 0;
            // A warm-up that is not over yet is not passed over: what was seen in it was not judged.
            if (metricState.Head is { Seen: > 0, Judged: 0 } && state.Restarted != 0 && state.Subject == Subject.Candidate && metric.Family != Family.Error
                && policy.Watch.Step.TotalSeconds * state.LastTick <= metric.Warmup.TotalSeconds)
            {
                return false;
            }
            if (!(IsCount(metric) ? CountMayPass(metric, metricState) : LevelPasses(metric, metricState)))
            {
                return false;
            }
        }
        for (var index = 0; index < policy.Metrics.Count && compared; index++)
        {
            var metric = policy.Metrics[index];
            ref var metricState = ref state.Metrics[index];
            if (!IsCount(metric) || (!metric.Critical && metricState.Head.Score <= Fine))
            {
                continue;
            }
            if (!Counts.UpperBelow(metric, metricState))
            {
                return false;
            }
            // Certainly within the tolerance: what there is of a difference is no objection.
            metricState.Head.Score = Math.Min(metricState.Head.Score, Fine);
        }
        return compared;
    }

    private static bool IsCount(MetricPolicy metric) => metric.Kind is MetricKind.Ratio or MetricKind.Histogram;

    // What there is but could not be compared (its source fails, its buckets are others) is no sign of health; what there never was is none of sickness.
    private static bool CountMayPass(MetricPolicy metric, in MetricState state) =>
        state.Head.Beyond == 0 && (state.Head.Judged > 0 || (!metric.Critical && state.Head is { BadEdges: 0, Quality: Quality.Value or Quality.Partial or Quality.Empty }));

    private static bool LevelPasses(MetricPolicy metric, in MetricState state)
    {
        if (metric.Kind == MetricKind.Count && state.Head.Reference == ReferenceKind.None)
        {
            // Nothing to compare the traffic with, and nothing promised about it.
            return !metric.Critical;
        }
        return state.Head.Judged >= Levels.EnoughTicks
            && state.Head.Score <= Fine
            && (!metric.Critical || Levels.UpperBelow(metric, state));
    }
}
