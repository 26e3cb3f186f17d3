using Commander.Charts;
using Commander.Judging.Decisions;
using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Acting.Rollback;
using Commander.Server.Alerting;
using Commander.Server.Fixing;
using Commander.Server.Learning;
using Commander.Server.Reasoning;
using Commander.Server.Reasoning.Context;
using Commander.Server.Sources;
using Commander.Server.Storage;

namespace Commander.Server.Loop;

/// <summary>
/// The story of one deployment, from the announcement to what was learned from it:
/// <code>
///   (1) received -> (2) schedule -> (3) observe -> (4) compare -> (5) judge -> (6) decide -> (7) act -> (8) outcome -> (9) learn
///                        ^                                            |
///                        +---------------- next tick -----------------+
/// </code>
/// It knows nothing of grains: whoever owns the deployment calls <see cref="Wake"/> when it is due and again at the instant
/// that it answers. Everything it knows is the fold of the stored facts (<see cref="Watch"/>); everything it decides becomes a
/// fact before anything is done about it. A fact that cannot be stored is as if it had never been: the state is read again.
/// Sources and platforms are asked outside the gate, so that a person who comes in between is answered at once.
/// </summary>
internal sealed class VerificationLoop : IDisposable
{
    private const int PageSize = 2000;
    private const int MaxPast = 60;
    private static readonly TimeSpan QueuePoll = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ActingPoll = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan ActingDeadline = Plan.OrderPatience;
    private static readonly TimeSpan RecoveryDeadline = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan SourceDeadline = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AnswerPoll = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan ContextDeadline = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan GiveUpTelling = TimeSpan.FromHours(24);
    private static readonly TimeSpan TellGrace = TimeSpan.FromSeconds(15);
    // Of the time that an owner has to end, some is left to store what came.
    private static readonly TimeSpan FinishPatience = TimeSpan.FromSeconds(6);
    private const int MaxDiagnoses = 3;
    private const int FailuresBeforeGivingUp = 10;
    private const int LabelAttempts = 3;
    private const int TellAttempts = 5;
    private const int MostReverted = 500;
    private const int MostNamed = 5;
    private const string ByPolicy = "policy";

    private readonly LoopParts _parts;
    private readonly string _id;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly SemaphoreSlim _waking = new(1, 1);
    private Watch _watch;
    private bool _entered;
    private bool _heard;
    private bool _stale;
    private bool _askedPast;
    private int _failures;
    private int _untold;
    private Task<OpinionBody>? _answer;
    // Which question it answers: the watch's first, second ...
    private int _answered;
    private Task<DiagnosisBody>? _diagnosis;
    private int _diagnoses;
    private CancellationTokenSource _asking = new();
    private readonly Dictionary<string, Task<Delivery>> _telling = new(StringComparer.Ordinal);
    // Alerts whose first try may have been another owner's, which nobody has heard the end of.
    private readonly HashSet<string> _inDoubt = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();

    private VerificationLoop(LoopParts parts, string id, Watch watch)
    {
        _parts = parts;
        _id = id;
        _watch = watch;
        if (watch.Open && watch.Pinned is not null)
        {
            // It was going on before a restart: it keeps its place.
            parts.Limits.Enter();
            _entered = true;
        }

        _inDoubt.UnionWith(watch.Untold.Select(alert => alert.Key));
    }

    /// <summary>Reads a deployment's facts; null when there is none with this id.</summary>
    public static async Task<VerificationLoop?> Open(LoopParts parts, string id, CancellationToken cancel)
    {
        var watch = await Read(parts, id, cancel);
        return watch is null ? null : new VerificationLoop(parts, id, watch);
    }

    /// <summary>Folds all stored facts of a deployment; null when there are none.</summary>
    public static async Task<Watch?> Read(LoopParts parts, string id, CancellationToken cancel)
    {
        var watch = new Watch(parts.Pins);
        for (IReadOnlyList<Fact> page = []; ;)
        {
            page = await parts.Store.Read("deployment/" + id, watch.Seq, PageSize, cancel);
            foreach (var fact in page)
            {
                if (fact is { Kind: FactKind.Pinned, Body: { } body })
                    await parts.Pins.Know(FactBody.Read<PinnedBody>(body), cancel);
                watch.Apply(fact);
            }

            if (page.Count < PageSize)
                return watch.Seq == 0 ? null : watch;
        }
    }

    /// <summary>Begins a watch that is queued, and asks no source for that; false when it finds no place. One that has begun, or that somebody else is waking, is left alone.</summary>
    public async Task<bool> Begin(CancellationToken cancel)
    {
        if (_watch.State != WatchStates.Queued || !await _waking.WaitAsync(TimeSpan.Zero, cancel))
            return true;
        try
        {
            await Commit(_ => { }, cancel);
            await HearOfNewer(cancel);
            if (_watch.State == WatchStates.Queued)
                await Schedule(cancel);
            return _watch.State != WatchStates.Queued;
        }
        finally
        {
            _waking.Release();
        }
    }

    /// <summary>Does what is due and answers when to be woken next; null when the watch is closed.</summary>
    public async Task<DateTimeOffset?> Wake(CancellationToken cancel)
    {
        if (!await _waking.WaitAsync(TimeSpan.Zero, cancel))
            return Now + RetryPause;
        try
        {
            await Commit(_ => { }, cancel);
            await HearOfNewer(cancel);
            while (_watch.Open)
            {
                await Hear(cancel);
                await Diagnosed(cancel);
                await HaveTold(cancel);
                var again = _watch.State switch
                {
                    WatchStates.Queued => await Schedule(cancel),
                    WatchStates.Acting => await Act(cancel),
                    WatchStates.Verifying => await Verify(cancel) || await Tick(cancel),
                    _ => await Tick(cancel) || await End(cancel),
                };
                _failures = 0;
                if (again)
                    continue;
                await Diagnose(cancel);
                await Ask(cancel);
                await Tell(cancel);
                var due = NextDue();
                return (_answer ?? (Task?)_diagnosis) is not null || _telling.Count > 0 ? Sooner(due, Now + AnswerPoll) : Sooner(due, NextTelling());
            }

            // The watch has ended; whoever was to be told of it may not have been.
            await HaveTold(cancel);
            await Tell(cancel);
            _failures = 0;
            // Thousands may wait for one slow channel, and nobody waits for them.
            return _telling.Count > 0 ? Now + RetryPause : NextTelling();
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancel.IsCancellationRequested)
        {
            return await Stumble(e, cancel);
        }
        finally
        {
            _waking.Release();
        }
    }

    // ---- (2) Schedule: pin policy, model and judge; ask for the past; the first tick comes a step later. ----

    private async Task<bool> Schedule(CancellationToken cancel)
    {
        using var span = Tracing.Step(_parts.Clock, "2 schedule", _id);
        if (!_entered && !_parts.Limits.TryEnter())
        {
            // Said once, and only by who really waits.
            if (_watch.Notes.Count == 0)
            {
                await Commit(batch =>
                {
                    if (_watch.State == WatchStates.Queued)
                        batch.Add(FactKind.State, new StateBody(WatchStates.Queued, _watch.EndsAt, $"waits for a free watch: {_parts.Limits.MaxWatches} are under way", Passing: true));
                }, cancel);
            }

            return false;
        }

        _entered = true;
        var received = _watch.Received;
        var policy = _parts.Pins.Current.For(received.Service, received.Environment);
        var source = _parts.Sources.Find(policy.Source);
        var measurable = source is not null && policy.Metrics.Count > 0;
        var history = await History(cancel);
        var before = await RolledBack([received.Version], cancel);
        await TellReverted(cancel);
        await Commit(batch =>
        {
            // Meanwhile a newer version may have closed it, or somebody else owns it.
            if (_watch.State != WatchStates.Queued)
                return;
            batch.Add(FactKind.Pinned, new PinnedBody(
                policy.Name,
                PolicyHash.Of(policy),
                _parts.Pins.Model.Version,
                _parts.Pins.ModelHash,
                Judge.Version,
                received.PreviousVersion ?? history.FirstOrDefault(p => p.Continued && p.RolledBackAt is null && p.Version != received.Version)?.Version,
                received.Kind is "release" or "infra",
                received.StartedAt + policy.Watch.Max,
                measurable || received.Metrics is not null ? null : "no source: the policy of this service names no metrics that can be measured, so nothing can be judged"));
            if (Plan.RolledBackBefore(received.Version, before) is { } again)
                batch.Add(FactKind.State, new StateBody(WatchStates.Watching, _watch.EndsAt, again));
            if (!measurable && received.Metrics is { } snapshot)
            {
                // A snapshot without a source is judged at once, and that is the whole watch.
                var verdict = Snapshot.Judge(snapshot, policy, "commander", Now, (Now - received.StartedAt).TotalMilliseconds);
                batch.Add(FactKind.Verdict, verdict with { Final = false });
                Close(batch, "decided", verdict);
            }
            else if (!measurable)
            {
                batch.AddVerdict();
            }
        }, cancel);
        return true;
    }

    // Before the first tick, by whoever owns the watch then: the first owner may have died between the pin and the past.
    private async Task AskPast(CancellationToken cancel)
    {
        if (_askedPast || _watch is not { LastTick: 0, HasPast: false, Policy: { } policy } || _parts.Sources.Find(policy.Source) is not { } source)
            return;
        _askedPast = true;
        var questions = Arms.OfPast(_watch);
        var steps = (int)(policy.Watch.Reference / policy.Watch.Step);
        var points = Math.Min(steps, MaxPast);
        if (points < 1)
            return;
        using var span = Tracing.Step(_parts.Clock, "3 observe", _id);
        if (source.RemembersPast)
            questions.AddRange(Arms.OfSeason(_watch, Arms.Seasons[0]));
        if (questions.Count == 0)
            return;
        var past = await AskPast(source, questions, points, cancel);
        // Where yesterday has nothing, last week may: a weekend, a holiday, a source that was away.
        Question[] without = [.. questions.Where((q, i) => q.Arm == Arm.Seasonal && !past[i].Any(reading => reading.HasValue))];
        if (without.Length > 0)
        {
            List<Question> earlier = [.. Arms.OfSeason(_watch, Arms.Seasons[1]).Where(q => without.Any(missing => missing.Index == q.Index))];
            past = [.. past, .. await AskPast(source, earlier, points, cancel)];
            questions.AddRange(earlier);
        }

        var width = Math.Max(1, steps / points);
        await Commit(batch =>
        {
            // Meanwhile it may have been closed, or somebody else owns it and went on.
            if (_watch is not { Open: true, LastTick: 0, HasPast: false })
                return;
            for (var p = 0; p < points; p++)
            {
                var tick = new Tick((p - points + 1) * width, width, policy.Metrics.Count);
                var any = false;
                for (var q = 0; q < questions.Count; q++)
                {
                    tick[questions[q].Index, questions[q].Arm] = past[q][p];
                    any |= past[q][p].HasValue;
                }

                if (any)
                    batch.Add(_watch.NextTick(Now, tick, span.ElapsedMs));
            }
        }, cancel);
    }

    private Task<Reading[][]> AskPast(ISource source, List<Question> questions, int points, CancellationToken cancel) =>
        Ask(() => source.Past(questions, points, cancel), questions.Select(_ => new Reading[points]).ToArray(), cancel);

    // ---- (3) Observe: everything measured for one interval; what is missing says why. ----

    private async Task<bool> Tick(CancellationToken cancel)
    {
        await AskPast(cancel);
        if (NextTick() is not { } next || Now < next.Due)
            return false;
        var policy = _watch.Policy!;
        var source = _parts.Sources.Find(policy.Source);
        var tick = new Tick(next.N, next.Span, policy.Metrics.Count);
        double observedMs;
        using (var span = Tracing.Step(_parts.Clock, "3 observe", _id))
        {
            var (questions, unasked) = Arms.Of(_watch, next.To, source?.SeparatesArms ?? false);
            foreach (var (metric, arm, reading) in unasked)
                tick[metric, arm] = reading;
            if (source is null)
            {
                foreach (var question in questions)
                    tick[question.Index, question.Arm] = Reading.Missing(Quality.Error, $"the source '{policy.Source}' is no longer in the policy");
            }
            else
            {
                var late = Enumerable.Repeat(Reading.Missing(Quality.Timeout, $"the source did not answer within {SourceDeadline.TotalSeconds:0} s"), questions.Count).ToArray();
                var readings = await Ask(() => source.Observe(questions, cancel), late, cancel);
                for (var q = 0; q < questions.Count; q++)
                    tick[questions[q].Index, questions[q].Arm] = readings[q];
            }

            observedMs = span.ElapsedMs;
        }

        await Commit(async batch =>
        {
            if (!_watch.Open || tick.N <= _watch.LastTick)
                return;
            batch.Add(_watch.NextTick(Now, tick, observedMs));
            Compare(batch);
            await JudgeNow(batch, cancel);
        }, cancel);
        return true;
    }

    // ---- (4) Compare: the fold has made the findings; here a reference that is gone becomes a fact. ----

    private void Compare(Batch batch)
    {
        using var span = Tracing.Step(_parts.Clock, "4 compare", _id);
        foreach (var change in References.Due(_watch.Step, _watch.Decision ?? Decision.Hold, _watch.Subject, _watch.ReferenceChanged))
        {
            batch.Add(FactKind.Reference, new ReferenceBody(
                change.Subject,
                change.To,
                change.Metric < 0 ? null : _watch.Policy!.Metrics[change.Metric].Name,
                change.Subject == Subject.Promoted
                    ? "the old version serves nothing any more after CONTINUE: fully promoted"
                    : "the control was silent for 3 ticks while the candidate served"));
        }
    }

    // ---- (5) Judge: a changed judgement is a fact. An executed or standing ROLLBACK never goes back. ----

    private async Task JudgeNow(Batch batch, CancellationToken cancel)
    {
        using var span = Tracing.Step(_parts.Clock, "5 judge", _id);
        if (_watch.LastRollback is { Done: false, ServingAt: not null } rollback)
            Recovered(batch, rollback);
        else if (_watch is { LastRollback: { Result: { State: "done" } done }, Step.StillReached: { } again })
            Reached(batch, done, again);
        if (_parts.Reasoner is not null && Opinions.AdviceDue(_watch, Now))
            Question(batch, Purpose.Advise);
        await JudgeChanged(batch, cancel);
        if (_parts.Reasoner is { } reasoner && Opinions.ExplanationDue(_watch, Now, reasoner.Patience))
            Question(batch, Purpose.Explain);
    }

    private async Task JudgeChanged(Batch batch, CancellationToken cancel)
    {
        if (_watch.Person is not null || !Standing.Yields(_watch.Decision, _watch.Step.Decision))
            return;
        if (Opinions.Waits(_watch, Now))
            return;
        // What the language model let pass was never found harmless: an alarm then is no late one.
        var afterContinue = _watch is { Decision: Decision.Continue, FoundHarmless: true };
        if (_watch.Step.Decision == Decision.Rollback)
            await NameNeighbours(batch, cancel);
        batch.AddVerdict();
        await Decide(batch, afterContinue, cancel);
    }

    // The question is a fact before it is asked; where it would not be answered, that it is not asked is one.
    private void Question(Batch batch, Purpose purpose)
    {
        var reasoner = _parts.Reasoner!;
        if (reasoner.NotNow is { } why)
            batch.Add(FactKind.Opinion, new OpinionBody(purpose, reasoner.Model, null, why));
        else
            batch.Add(FactKind.Asked, new AskedBody(purpose, reasoner.Model, Now + reasoner.Patience));
    }

    /// <summary>What is asked and not answered, when the process that asks is this one.</summary>
    internal Task? Answer => _answer;

    // Asks beside the loop: nothing waits for it here.
    private async Task Ask(CancellationToken cancel)
    {
        // What explains a ROLLBACK has been read by then.
        if (_answer is not null && _answered != _watch.Questions)
            await Forget();
        if (_parts.Reasoner is not { } reasoner || _answer is not null || _watch.Question is null || (_watch.Question.Purpose == Purpose.Explain && DiagnosisDue))
            return;
        await _gate.WaitAsync(cancel);
        try
        {
            if (_watch is not { Question: { } question, Policy: { } policy } || Now >= _watch.Deadline || _watch.Judgement(Now, false) is not { } judged)
                return;
            var document = _watch.Document(_parts.Url) with { Verdict = _watch.Decision == Decision.Rollback && _watch.LastVerdict is { } decided ? decided : judged };
            var asking = new Asking(document, policy, question.Purpose, Now, _watch.Spent, _watch.Diagnosis?.Around) { Until = _watch.Deadline };
            (_answer, _answered) = (reasoner.Ask(asking, _asking.Token), _watch.Questions);
        }
        finally
        {
            _gate.Release();
        }
    }

    // The answer becomes a fact, and so does that there is none: from then on the verdict stands without it.
    private async Task Hear(CancellationToken cancel)
    {
        // The store may have taken an answer without saying so: what is left of it answers no later question.
        if (_answer is not null && (_watch.Question is null || _answered != _watch.Questions))
            await Forget();
        if (_watch.Question is not { } question)
            return;
        OpinionBody said;
        if (_answer is { IsCompletedSuccessfully: true } answer)
            said = await answer;
        else if (_answer is { IsCompleted: true } || Now >= _watch.Deadline)
            said = new OpinionBody(question.Purpose, question.Model, null, $"{question.Model} did not answer in time", TookMs: _parts.Reasoner?.Patience.TotalMilliseconds ?? 0);
        else
            return;
        using var span = Tracing.Step(_parts.Clock, "5 judge", _id);
        await Commit(async batch =>
        {
            if (_watch is not { Open: true, Question: not null })
                return;
            batch.Add(FactKind.Opinion, said);
            Compare(batch);
            await JudgeNow(batch, cancel);
        }, cancel);
        await Forget();
    }

    // What a ROLLBACK looks like to whoever mends it: beside the loop, for nothing waits for it.
    private async Task Diagnose(CancellationToken cancel)
    {
        if (_diagnosis is not null || !DiagnosisDue)
            return;
        await _gate.WaitAsync(cancel);
        try
        {
            if (_watch is not { Policy: { } policy, LastVerdict: { Decision: "ROLLBACK" } verdict })
                return;
            _diagnoses++;
            _diagnosis = Diagnosed(_watch.Document(_parts.Url), policy, verdict, _stopping.Token);
        }
        finally
        {
            _gate.Release();
        }
    }

    // An explanation waits for it, and has a time-out of its own.
    private TimeSpan ContextPatience => _parts.Reasoner is { } reasoner && reasoner.Patience / 2 < ContextDeadline ? reasoner.Patience / 2 : ContextDeadline;

    private bool DiagnosisDue => _watch is { Open: true, Decision: Decision.Rollback, Diagnosis: null, Person: null } && _diagnoses < MaxDiagnoses;

    private async Task<DiagnosisBody> Diagnosed(Deployment deployment, Policy policy, Verdict verdict, CancellationToken cancel)
    {
        var around = _parts.Context is { } context ? await context.Gather(deployment, policy, Now, ContextPatience, cancel) : Surroundings.None;
        return new DiagnosisBody(ErrorTypes.Of(verdict, [.. around.Logs.Lines.Select(line => new SaidLine(line.Id, line.Template, line.Candidate, line.Control))], null), around);
    }

    private async Task Diagnosed(CancellationToken cancel)
    {
        if (_diagnosis is not { IsCompleted: true } found)
            return;
        var kept = found.IsCompletedSuccessfully;
        // Where nothing was read and nothing found there is nothing to keep.
        if (found.IsCompletedSuccessfully && await found is { Says: true } body)
        {
            kept = await Commit(batch =>
            {
                if (_watch is { Open: true, Diagnosis: null })
                    batch.Add(FactKind.Diagnosis, body);
            }, cancel);
        }

        if (kept)
            _diagnoses = MaxDiagnoses;
        _diagnosis = null;
    }

    private async Task Forget()
    {
        if (_answer is { IsCompleted: false })
        {
            await _asking.CancelAsync();
            _asking.Dispose();
            _asking = new CancellationTokenSource();
        }

        _answer = null;
    }

    private async Task NameNeighbours(Batch batch, CancellationToken cancel)
    {
        var span = _watch.Policy!.Watch.Reference;
        var rows = await _parts.Store.List(new DeploymentFilter(Environment: _watch.Received.Environment, Since: Now - span - Neighbours.AnnouncedEarly, Limit: Neighbours.MostRows), cancel);
        if (Neighbours.Of(rows, _id, _watch.Received.StartedAt, Now, span) is { } near)
            batch.Add(FactKind.Neighbours, near);
    }

    // ---- (6) Decide: policy, autonomy and history say what may be done. ----

    private async Task Decide(Batch batch, bool afterContinue, CancellationToken cancel)
    {
        using var span = Tracing.Step(_parts.Clock, "6 decide", _id);
        var (act, after) = (_watch.Policy!.Act, _watch.Policy.Watch.After);
        var endsAt = Now + after;
        if (_watch.Decision == Decision.Continue)
        {
            batch.Add(FactKind.State, new StateBody(WatchStates.Observing, endsAt, null));
        }
        else if (_watch.Decision == Decision.Rollback)
        {
            var plan = Plan.For(act, await Situation(afterContinue, await History(cancel), Unasked(), await Frozen(cancel), cancel));
            // Whoever is asked has all the time that the policy gives.
            if (plan.Move == Move.Ask && act.AskFor > after)
                endsAt = Now + act.AskFor;
            var state = plan.Move switch
            {
                Move.Rollback => WatchStates.Acting,
                Move.Ask => WatchStates.WaitingForPerson,
                _ => WatchStates.Observing,
            };
            if (plan.Move == Move.Refuse)
                Refuse(batch, plan.Reason, plan.TargetVersion);
            batch.Add(FactKind.State, new StateBody(state, endsAt, plan.Move == Move.Rollback ? null : plan.Reason, Passing: true));
        }
    }

    // ---- (7) Act: intent -> act -> verify -> result. After a crash the target's real state is read first. ----

    private async Task<bool> Act(CancellationToken cancel)
    {
        using var span = Tracing.Step(_parts.Clock, "7 act", _id);
        var target = _parts.Targets.Find(_watch.Policy!.Act.Rollback);
        var pending = _watch.LastRollback is { Done: false } unfinished ? unfinished : null;
        var resumed = pending is not null;
        var history = await History(cancel);
        var plan = Plan.For(_watch.Policy.Act, await Situation(AfterContinue(), history, Unasked(), await Frozen(cancel), cancel));
        if (target is null)
            return await RefuseNow($"this version cannot act on a target of type '{_watch.Policy.Act.Rollback?.Type}'", plan.TargetVersion, cancel);
        if (pending is null && plan.Move != Move.Rollback)
            return await RefuseNow(plan.Reason, plan.TargetVersion, cancel);
        var (service, environment) = (_watch.Received.Service, _watch.Received.Environment);
        var before = await target.Look(service, environment, cancel);
        string? offered = null;
        if (pending is null && plan.TargetVersion is null)
        {
            // Nobody knows what to go back to but the platform.
            if (!before.Reached)
            {
                var why = $"no earlier version is known, and the platform does not name one: {before.Message}";
                if (before.Hopeless || Now - _watch.StateSince > ActingDeadline)
                    return await RefuseNow(why, null, cancel);
                await Commit(batch =>
                {
                    if (_watch.State == WatchStates.Acting && !_watch.Notes.Contains(why))
                        batch.Add(FactKind.State, new StateBody(WatchStates.Acting, _watch.EndsAt, why, Passing: true));
                }, cancel);
                return false;
            }

            plan = Plan.For(_watch.Policy.Act, await Situation(AfterContinue(), history, before.Earlier, await Frozen(cancel), cancel));
            if (plan.Move != Move.Rollback)
                return await RefuseNow(plan.Reason, plan.TargetVersion, cancel);
            offered = plan.Reason;
        }

        if (pending is null)
        {
            var key = $"{_id}/rollback/{_watch.Actions.Count(a => a.Kind == "rollback") + 1}";
            var by = _watch.Person is { Decision: "ROLLBACK" } person ? person.By : ByPolicy;
            var byPerson = by != ByPolicy;
            var stored = await Commit(async batch =>
            {
                // A freeze may have come while the platform was looked at.
                if (_watch.State != WatchStates.Acting || (!byPerson && await Frozen(cancel) is not null))
                    return;
                batch.Add(FactKind.Intent, new IntentBody("rollback", key, target.Name, plan.TargetVersion, by, before.Fence));
                if (offered is not null)
                    batch.Add(FactKind.State, new StateBody(WatchStates.Acting, _watch.EndsAt, offered));
            }, cancel);
            if (!stored || _watch.LastRollback is not { Done: false } intended)
                return true;
            pending = intended;
        }

        var intent = pending.Intent;
        // The answer to an earlier order may have been lost. One that was never given is given, whatever the platform says it serves:
        // where old and new share the traffic, it may well say the old one. A name that the version to leave has as well tells nothing.
        var already = resumed && before.Settled && before.Serves(intent.TargetVersion!) && !before.Serves(_watch.Received.Version);
        if (_watch.SupersededBy is { } newer && !already)
        {
            // Not accepted yet, and a newer version is out: going back to the old one now would undo that one.
            await Commit(batch =>
            {
                if (_watch.State == WatchStates.Acting)
                    Finish(batch, new ResultBody(intent.Key, "failed", null, null, $"superseded by {newer.Version} before the platform took the order"));
            }, cancel);
            return true;
        }

        var ordering = already
            ? Task.FromResult(new OrderResult(true, false, before.Message))
            : target.Order(new RollbackOrder(intent.Key, _id, service, environment, _watch.Received.Version, intent.TargetVersion!, intent.Fence), cancel);
        // A command may take minutes: whoever is to be woken is told meanwhile.
        if (!ordering.IsCompleted)
            await TellMeanwhile(cancel);
        var order = await ordering;
        var expired = Now - pending.At > ActingDeadline;
        if (!order.Accepted && !order.Refused && !expired)
        {
            await Commit(batch =>
            {
                if (_watch.LastRollback?.Result?.Message != order.Message)
                    batch.Add(FactKind.Result, new ResultBody(intent.Key, "running", null, null, order.Message));
            }, cancel);
            return false;
        }

        await Commit(batch =>
        {
            if (order.Accepted)
            {
                batch.Add(FactKind.Result, new ResultBody(intent.Key, "running", null, null, order.Message));
                batch.Add(FactKind.State, new StateBody(WatchStates.Verifying, _watch.EndsAt, order.Note));
            }
            else
            {
                Finish(batch, new ResultBody(intent.Key, order.Refused ? "refused" : "failed", null, null, order.Message));
            }
        }, cancel);
        return true;
    }

    // First the platform must report the old version serving; then the metrics must come back (Recovered).
    private async Task<bool> Verify(CancellationToken cancel)
    {
        if (_watch.LastRollback is not { Done: false, Result: not null } rollback)
            return false;
        using var span = Tracing.Step(_parts.Clock, "7 verify", _id);
        if (rollback.ServingAt is { } since)
        {
            // Ticks say whether the metrics came back; where nothing is measured there are none.
            if (NextTick() is not null || Now - since < RecoveryPatience)
                return false;
            return await Commit(batch =>
            {
                if (_watch.LastRollback is { Done: false, ServingAt: not null } waiting)
                    Recovered(batch, waiting);
            }, cancel);
        }

        if (_parts.Targets.Find(_watch.Policy!.Act.Rollback) is not { } target)
        {
            return await Commit(batch =>
            {
                if (_watch.LastRollback is { Done: false })
                    Finish(batch, new ResultBody(rollback.Intent.Key, "failed", null, null, "the policy names no target any more that could be asked whether the old version serves"));
            }, cancel);
        }

        var state = await target.Look(_watch.Received.Service, _watch.Received.Environment, cancel);
        var intent = rollback.Intent;
        var serves = state.Reached && state.Settled && (state.OnlyWord || state.Serves(intent.TargetVersion!));
        if (!serves && Now - rollback.At <= ActingDeadline)
            return false;
        await Commit(batch =>
        {
            if (!serves)
            {
                Finish(batch, new ResultBody(intent.Key, "failed", state.ServingVersion, null, $"{intent.TargetVersion} does not serve after {ActingDeadline.TotalMinutes:0} min: {state.Message}"));
                return;
            }

            var message = state.OnlyWord ? $"{intent.TargetVersion} serves, {state.Message}" : state.Message;
            batch.Add(FactKind.Result, new ResultBody(intent.Key, "running", intent.TargetVersion, null, $"{message}; waiting for the metrics to come back"));
            batch.Add(FactKind.Reference, new ReferenceBody(Subject.Restored, Arm.Before, null, $"{intent.TargetVersion} serves again"));
        }, cancel);
        return true;
    }

    private void Recovered(Batch batch, Watch.Rollback rollback)
    {
        var waited = Now - rollback.ServingAt!.Value;
        var (recovered, reached) = (_watch.Step.Recovered, _watch.Step.StillReached);
        var serving = rollback.Result!.ServingVersion;
        if (recovered != true && waited < RecoveryPatience)
        {
            // Told when it begins and when it ends; a person may know how to end it.
            if (reached is not null != (rollback.Result.Recovered == false))
            {
                batch.Add(FactKind.Result, reached is { } rate
                    ? new ResultBody(rollback.Intent.Key, "running", serving, false, $"{serving} serves, but {BadVersion(rate)}")
                    : new ResultBody(rollback.Intent.Key, "running", serving, null, $"{serving} serves, and the bad version gets no requests any more; waiting for the metrics to come back"));
            }

            return;
        }

        Finish(batch, recovered switch
        {
            _ when reached is { } rate => new ResultBody(rollback.Intent.Key, "failed", serving, false, $"{serving} serves, but after {waited.TotalMinutes:0} min {BadVersion(rate)}: take it out of the traffic"),
            true => new ResultBody(rollback.Intent.Key, "done", serving, true, $"{serving} serves; metrics back after {waited.TotalSeconds:0.#} s"),
            false => new ResultBody(rollback.Intent.Key, "failed", serving, false, $"{serving} serves, but the metrics have not come back after {waited.TotalMinutes:0} min: the cause may lie elsewhere"),
            null => new ResultBody(rollback.Intent.Key, "done", serving, null, $"{serving} serves; there was too little traffic to tell whether the metrics came back"),
        });
    }

    /// <summary>The rollback was done, and now the bad version gets requests again.</summary>
    private void Reached(Batch batch, ResultBody done, double rate)
    {
        var message = $"{done.ServingVersion} was restored, but {BadVersion(rate)}: take it out of the traffic";
        batch.Add(FactKind.Result, done with { State = "failed", Recovered = false, Message = message });
        batch.Add(FactKind.State, new StateBody(_watch.State, _watch.EndsAt, message, Passing: true));
    }

    private string BadVersion(double rate) =>
        $"the bad version {_watch.Received.Version} still gets {(rate < 0.01 ? "less than 0.01" : Figures.Number(rate))} requests a second";

    // Coarse steps need longer for the four ticks behind the rollback that tell.
    private TimeSpan RecoveryPatience => _watch.Policy!.Watch is var watch && watch.Lag + (6 * watch.Step) is var told && told > RecoveryDeadline ? told : RecoveryDeadline;

    private void Finish(Batch batch, ResultBody result)
    {
        batch.Add(FactKind.Result, result);
        batch.Add(FactKind.State, new StateBody(WatchStates.Observing, Now + _watch.Policy!.Watch.After, result.State == "done" ? null : result.Message, Passing: true));
        if (result is { State: "done", Recovered: true } && ControlStood)
            Label(batch, Outcomes.Bad, OutcomeSources.Recovered, null, null);
        if (_watch.SupersededBy is not null)
            Close(batch, "superseded");
    }

    private async Task<bool> RefuseNow(string reason, string? targetVersion, CancellationToken cancel)
    {
        await Commit(batch =>
        {
            if (_watch.State != WatchStates.Acting)
                return;
            Refuse(batch, reason, targetVersion);
            batch.Add(FactKind.State, new StateBody(WatchStates.Observing, _watch.EndsAt, reason, Passing: true));
        }, cancel);
        return true;
    }

    private void Refuse(Batch batch, string reason, string? targetVersion)
    {
        var key = $"{_id}/rollback/{_watch.Actions.Count(a => a.Kind == "rollback") + 1}";
        batch.Add(FactKind.Intent, new IntentBody("rollback", key, "none", targetVersion, ByPolicy, null));
        batch.Add(FactKind.Result, new ResultBody(key, "refused", null, null, reason));
    }

    // ---- (7) Act, for people: whoever is to hear of it is told beside the loop; what came of it is a fact like the intent. ----

    // Of each channel one at a time, so that a later one finds what the earlier one wrote.
    private async Task Tell(CancellationToken cancel)
    {
        if (_parts.Alerts is not { } book || _stopping.IsCancellationRequested || !_watch.Untold.Any(alert => alert.NotBefore <= Now && !_telling.ContainsKey(alert.Key)))
            return;
        var evidence = await Evidence(cancel);
        await _gate.WaitAsync(cancel);
        try
        {
            var document = _watch.Document(_parts.Url);
            foreach (var due in _watch.Untold.Where(alert => alert.NotBefore <= Now).ToList())
            {
                // What overtakes waits for what is out already.
                if (_watch.Alerts.Any(alert => alert.Entry == due.Entry && _telling.ContainsKey(alert.Key)))
                    continue;
                var alert = new Alert(due.Key, due.Occasion, due.Severity, due.At, document)
                {
                    Evidence = evidence,
                    Reference = _watch.ReferenceOf(due.Entry),
                    InDoubt = _inDoubt.Contains(due.Key),
                };
                var telling = _watch.Policy?.Alert.ElementAtOrDefault(due.Entry) is { } to
                    ? book.Tell(to, alert, _stopping.Token)
                    : Task.FromResult(new Delivery(Told.Refused, Message: "the policy that named it is not kept any more"));
                _telling.Add(due.Key, telling);
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    // Beside an order that is under way, which nothing here may disturb.
    private async Task TellMeanwhile(CancellationToken cancel)
    {
        try
        {
            await Tell(cancel);
        }
        catch (Exception e)
        {
            _parts.Log.Stumbled(_id, 1, e);
        }
    }

    private async Task HaveTold(CancellationToken cancel)
    {
        foreach (var (key, telling) in _telling.Where(one => one.Value.IsCompleted).ToList())
        {
            var came = telling.IsCompletedSuccessfully ? await telling : new Delivery(Told.Later, Message: "the try failed: " + (telling.Exception?.InnerException?.GetType().Name ?? "it was taken back"));
            var stored = await Commit(batch =>
            {
                if (_watch.Alerts.FirstOrDefault(alert => alert.Key == key) is not { Ended: false } alert)
                    return;
                // Told at the end of the quiet hours, what is overtaken would say that things stand as they do not any more.
                foreach (var overtaken in came.State == Told.Done ? _watch.Overtaken(alert).ToList() : [])
                    batch.Add(FactKind.Told, new ToldBody(overtaken.Key, "done", $"was not told alone: {alert.Key} went out before the quiet hours ended, and said how things stand"));
                batch.Add(FactKind.Told, Came(alert, came));
            }, cancel);
            if (stored || !_watch.Alerts.Any(alert => alert.Key == key && !alert.Ended))
            {
                _telling.Remove(key);
                if (came is { State: Told.Later, MayHaveArrived: true })
                    _inDoubt.Add(key);
                else if (came.State != Told.Later)
                    _inDoubt.Remove(key);
            }
        }
    }

    private ToldBody Came(Watch.AlertEntry alert, Delivery came)
    {
        var retry = came.RetryAfter is { } asked && asked > AlertIntents.Pause(alert.Tries + 1) ? asked : AlertIntents.Pause(alert.Tries + 1);
        return came.State switch
        {
            Told.Done => new ToldBody(alert.Key, "done", null) { Reference = came.Reference },
            Told.Later when Now + retry - alert.From < GiveUpTelling => new ToldBody(alert.Key, "running", came.Message) { RetryAt = Now + retry },
            Told.Later => new ToldBody(alert.Key, "failed", $"not told within {GiveUpTelling.TotalHours:0} h: {came.Message}"),
            _ => new ToldBody(alert.Key, "failed", came.Message),
        };
    }

    private async Task<EvidenceDocument?> Evidence(CancellationToken cancel)
    {
        var facts = new List<Fact>();
        for (IReadOnlyList<Fact> page = []; ;)
        {
            page = await _parts.Store.Read("deployment/" + _id, facts.Count, PageSize, cancel);
            facts.AddRange(page);
            if (page.Count < PageSize)
                return facts.Exists(fact => fact is { Kind: FactKind.Tick, Body: not null }) ? EvidenceShown.Of(facts, _parts.Pins) : null;
        }
    }

    // When the next alert may be told; null when none waits.
    private DateTimeOffset? NextTelling() =>
        _parts.Alerts is null ? null : _watch.Untold.Select(alert => (DateTimeOffset?)alert.NotBefore).Min() is { } at ? (at > Now ? at : Now) : null;

    private static DateTimeOffset? Sooner(DateTimeOffset? a, DateTimeOffset? b) => a is null ? b : b is null || a < b ? a : b;

    /// <summary>What is being told is told to its end and stored, and nothing more begins: the next owner repeats nothing.</summary>
    public async Task Finish(CancellationToken cancel)
    {
        await _stopping.CancelAsync();
        if (_telling.Count == 0)
            return;
        try
        {
            await Task.WhenAll(_telling.Values).WaitAsync(FinishPatience, _parts.Clock, cancel);
        }
        catch (TimeoutException)
        {
            // One channel that does not answer shall not make the others hear it twice.
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            // What was not out yet was taken back.
        }

        // What was taken back was never tried, and is due as it was. Of what is still out nobody knows.
        foreach (var (key, _) in _telling.Where(one => !one.Value.IsCompletedSuccessfully).ToList())
            _telling.Remove(key);
        await HaveTold(cancel);
    }

    // ---- (8) Outcome: the watch went on after the verdict; at its end the truth is labelled as far as it is known. ----

    private async Task<bool> End(CancellationToken cancel)
    {
        if (_watch.State == WatchStates.WaitingForPerson && Now - _watch.StateSince >= _watch.Policy?.Act.AskFor)
        {
            return await Commit(batch =>
            {
                if (_watch.State == WatchStates.WaitingForPerson)
                    batch.Add(FactKind.State, new StateBody(WatchStates.Observing, _watch.EndsAt, $"nobody answered within {_watch.Policy!.Act.AskFor.TotalMinutes:0} min", Passing: true, Verdict: _watch.Standing()));
            }, cancel);
        }

        var full = _watch.EvidenceBytes >= _parts.Limits.MaxEvidence;
        if (Now < _watch.EndsAt && !full)
            return false;
        return await Commit(async batch =>
        {
            if (!_watch.Open)
                return;
            if (full)
                batch.Add(FactKind.State, new StateBody(_watch.State, _watch.EndsAt, $"the evidence reached its limit of {_parts.Limits.MaxEvidence >> 20} MiB"));
            var undecided = _watch.Decision is null or Decision.Hold;
            if (undecided && !full && _watch.Policy?.Watch.OnHold is "rollback" or "continue" && _watch.Person is null)
            {
                var decision = _watch.Policy!.Watch.OnHold == "rollback" ? Decision.Rollback : Decision.Continue;
                Person(batch, decision, ByPolicy, "not decided by the end of the watch; the policy's on_hold says so");
                // It speaks for the policy, so what binds Commander binds it.
                if (decision == Decision.Rollback)
                    await Decide(batch, AfterContinue(), cancel);
                return;
            }

            // The history ends with what it was held for, not with what was missing at the first tick.
            if (undecided && _watch.Standing() is { } held && held.Reasoning != _watch.LastVerdict?.Reasoning)
                batch.AddVerdict();
            var unanswered = _watch.Decision == Decision.Rollback && _watch.LastRollback is null && _watch.Asked;
            Close(batch, undecided || unanswered || full ? "on_hold" : "decided");
        }, cancel);
    }

    // Every label is a fact, and what is said again is none.
    private void Label(Batch batch, string label, string source, string? by, string? note)
    {
        using var span = Tracing.Step(_parts.Clock, "8 outcome", _id);
        var body = new OutcomeBody(label, source, Outcomes.Kept(by, Outcomes.MaxBy), Outcomes.Kept(note, Outcomes.MaxNote));
        if (Outcomes.Adds(_watch.Outcomes, body.Said(Now)))
            batch.Add(FactKind.Outcome, body);
    }

    // What was worse than the old version in the same seconds was the new version's doing. What was worse than before may have passed by itself.
    private bool ControlStood =>
        _watch.Silent || _watch.LastVerdict?.Findings.Any(f => f.Verdict == "worse" && f.ReferenceArm == Arm.Control.Word()) == true;

    private const string Uncontested =
        "the metrics came back after the rollback, but nothing had been found worse than the old version in the same seconds: the cause may have passed by itself. "
        + "A person's word, an incident, a commit that reverts it, or the same version deployed again and staying quiet settles it";

    private void Close(Batch batch, string reason, Verdict? verdict = null)
    {
        // A snapshot that was judged at once, or a policy's on_hold, has shown nothing: only a quiet watch or a person's word has.
        var kept = _watch.Person is { By: not ByPolicy };
        var quiet = _watch is { Person: null, LastTick: > 0 };
        var carriedOn = _watch.Decision == Decision.Continue && reason == "decided";
        if (carriedOn && kept && _watch.Outcome?.Source != OutcomeSources.Person)
            Label(batch, Outcomes.Good, OutcomeSources.Person, _watch.Person!.By, _watch.Person.Reason);
        else if (carriedOn && quiet && _watch.Outcome is not { Label: Outcomes.Good or Outcomes.Bad })
            Label(batch, Outcomes.Good, OutcomeSources.QuietPeriod, null, null);
        else if (_watch.Outcome is null)
            Label(batch, Outcomes.Unknown, reason == "superseded" ? OutcomeSources.Superseded : OutcomeSources.Unverified, null, _watch.LastRollback?.Result is { State: "done", Recovered: true } ? Uncontested : null);
        verdict ??= _watch.Decision is null or Decision.Hold ? _watch.Judgement(Now, true) : _watch.LastVerdict;
        batch.Add(FactKind.Closed, new ClosedBody(reason, verdict is null ? null : verdict with { Final = true }));
    }

    /// <summary>
    /// The version is fine after all: its earlier rollbacks were wrong. Their owners hear of it before this end is stored, so that whoever
    /// dies in between says it once more, which adds nothing. Only older deployments are told: two never wait for each other.
    /// </summary>
    private async Task TellRolledBack(CancellationToken cancel)
    {
        if (_parts.Owner is null)
            return;
        var received = _watch.Received;
        var history = await _parts.Store.History(received.Service, received.Environment, 100, cancel);
        // The newest is found however long ago it was.
        var oldest = await _parts.Store.RolledBack(received.Service, received.Environment, [received.Version], _id, cancel);
        foreach (var row in history.Concat(oldest).Where(row => row.Version == received.Version && row.RolledBackAt is not null && string.CompareOrdinal(row.Id, _id) < 0).DistinctBy(row => row.Id))
        {
            var told = FactBody.Read<Deployment>(row.Document).Outcomes?.Any(said => said.Source == OutcomeSources.RedeployedFine && said.By == _id) == true;
            if (!told && !await Tell(row.Id, Outcomes.Good, OutcomeSources.RedeployedFine, $"{received.Version} was deployed again and stayed quiet", cancel) && ++_untold < TellAttempts)
                throw new StoreUnavailableException($"the owner of {row.Id} could not be told that its rollback was wrong");
        }
    }

    // An announcement may name what it takes back or mends: its version, commit or id.
    private async Task TellReverted(CancellationToken cancel)
    {
        var received = _watch.Received;
        (string Source, string Name)[] named = [.. Named("reverts", OutcomeSources.Revert), .. Named("fixes", OutcomeSources.Fix)];
        if (_parts.Owner is null || named.Length == 0)
            return;
        var rows = await _parts.Store.List(new DeploymentFilter(received.Service, Since: Now - Mentions.Back, BeforeId: _id, Limit: MostReverted), cancel);
        var earlier = rows.Select(row => FactBody.Read<Deployment>(row.Document)).ToList();
        foreach (var (source, name) in named)
        {
            if (earlier.Find(d => d.Id == name || (d.Version == name && d.Environment == received.Environment) || (Mentions.IsCommit(d.Commit, name) && d.Environment == received.Environment)) is { } meant)
                await Tell(meant.Id, Outcomes.Bad, source, $"{received.Version} says so in its labels", cancel);
        }

        IEnumerable<(string Source, string Name)> Named(string label, string source) =>
            received.Labels.TryGetValue(label, out var names) ? names.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries).Take(MostNamed).Select(name => (source, name)) : [];
    }

    private async Task<bool> Tell(string id, string label, string source, string note, CancellationToken cancel)
    {
        try
        {
            var command = FactBody.Write(new OwnerCommand("label", By: _id, Reason: note, Label: label, Source: source));
            var answer = FactBody.Read<Answer>(await _parts.Owner!(id).Ask(command, cancel).WaitAsync(SourceDeadline / 2, _parts.Clock, cancel));
            return answer.Status is 202 or 404 or 409;
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancel.IsCancellationRequested)
        {
            _parts.Log.Stumbled(id, 1, e);
            return false;
        }
    }

    // ---- What others ask of the owner. Answered at once: nothing here waits for a source or a platform. ----

    /// <summary>The deployment as it stands.</summary>
    public async Task<Deployment> Document(CancellationToken cancel)
    {
        await _gate.WaitAsync(cancel);
        try
        {
            await Refresh(cancel);
            return await Document(_watch, cancel);
        }
        finally
        {
            _gate.Release();
        }
    }

    // Retention drops what explained the verdict. What the stored document has of it stays; only what it really was is said anew.
    private async Task<Deployment> Document(Watch watch, CancellationToken cancel)
    {
        var folded = watch.Document(_parts.Url);
        if (!watch.Dropped || watch.Open || await _parts.Store.Find(_id, cancel) is not { } row)
            return folded;
        return FactBody.Read<Deployment>(row.Document) with { Outcome = folded.Outcome, Outcomes = folded.Outcomes, Contested = folded.Contested };
    }

    /// <summary>Another announcement of the same deployment.</summary>
    public Task Join(JoinedBody joined, CancellationToken cancel) => Commit(batch =>
    {
        if (_watch.Open)
            batch.Add(FactKind.Joined, joined);
    }, cancel);

    /// <summary>Another version was announced: an action that has started is finished, none starts.</summary>
    public Task Supersede(string by, string version, CancellationToken cancel) => Commit(batch =>
    {
        if (!_watch.Open || _watch.SupersededBy is not null)
            return;
        batch.Add(FactKind.Superseded, new SupersededBody(by, version));
        if (_watch.LastRollback is not { Done: false })
            Close(batch, "superseded");
    }, cancel);

    /// <summary>A person asks for a rollback, or keeps the deployment.</summary>
    public async Task<Answer> Act(string kind, string by, string? reason, CancellationToken cancel)
    {
        Answer? refused = null;
        await Commit(batch =>
        {
            refused = Why409(kind);
            if (refused is null)
                Person(batch, kind == "rollback" ? Decision.Rollback : Decision.Continue, by, reason);
        }, cancel);
        return refused ?? new Answer(202, null, await Document(cancel));
    }

    /// <summary>Somebody or something says what the deployment really was.</summary>
    public async Task<Answer> Label(string label, string source, string by, string? note, CancellationToken cancel)
    {
        for (var attempt = 1; attempt <= LabelAttempts; attempt++)
        {
            string? full = null;
            var stored = await Commit(batch =>
            {
                full = Outcomes.Full(_watch.Outcomes, source);
                if (full is null)
                    Label(batch, label, source, by, note);
            }, cancel);
            if (full is not null)
                return new Answer(409, full, null);
            if (stored)
                return new Answer(202, null, await Document(cancel));
        }

        return new Answer(503, "the deployment is moving to another node; try again in a second", null);
    }

    // The newer announcement told this owner; but the owner may have been away, or its machine may have died in between.
    private async Task HearOfNewer(CancellationToken cancel)
    {
        if (_heard)
            return;
        var rows = await _parts.Store.History(_watch.Received.Service, _watch.Received.Environment, 100, cancel);
        if (rows.FirstOrDefault(r => string.CompareOrdinal(r.Id, _id) > 0 && r.Version != _watch.Received.Version) is { } newer)
            await Supersede(newer.Id, newer.Version, cancel);
        _heard = true;
    }

    private Answer? Why409(string kind) => _watch switch
    {
        { Open: false } => new Answer(409, $"the watch is closed ({_watch.ClosedReason}); announce the old version as a new deployment to go back now", null),
        { LastRollback: { Done: false } } or { State: WatchStates.Acting } => new Answer(409, "a rollback is under way and is finished first", null),
        { LastRollback.Result.State: "done" } => new Answer(409, "it has been rolled back already", null),
        { Pinned: null } => new Answer(409, "the watch has not begun yet; try again in a second", null),
        _ when kind == "rollback" && _watch.Policy?.Act.Rollback is null => new Answer(409, "the policy of this service names no rollback target (act.rollback)", null),
        _ => null,
    };

    private void Person(Batch batch, Decision decision, string by, string? reason)
    {
        batch.Add(FactKind.Person, new PersonBody(decision.Word(), by, reason));
        batch.AddVerdict(decision, decision == Decision.Rollback
            ? $"rollback asked for by {by}{(reason is null ? "" : ": " + reason)}"
            : $"kept by {by}{(reason is null ? "" : ": " + reason)}");
        if (decision == Decision.Continue)
            Close(batch, "decided");
        else if (by != ByPolicy)
            batch.Add(FactKind.State, new StateBody(WatchStates.Acting, Now + _watch.Policy!.Watch.After, null));
    }

    // ---- Time ----

    private DateTimeOffset Now => _parts.Clock.GetUtcNow();

    /// <summary>When this watch must be awake next.</summary>
    private DateTimeOffset? NextDue()
    {
        if (!_watch.Open)
            return null;
        var poll = _watch.State switch
        {
            WatchStates.Queued => Now + QueuePoll,
            WatchStates.Acting or WatchStates.Verifying => Now + ActingPoll,
            WatchStates.WaitingForPerson => _watch.StateSince + _watch.Policy!.Act.AskFor,
            _ => null,
        };
        DateTimeOffset?[] instants = [poll, NextTick()?.Due, _watch.Deadline, _watch.State is WatchStates.Acting or WatchStates.Verifying ? null : _watch.EndsAt];
        return instants.Min() ?? Now + RetryPause;
    }

    /// <summary>
    /// Where the next tick ends, how many steps it covers and when it is due. Five minutes after the verdict ticks become
    /// coarse. A source that does not remember the past is asked for all that was missed in one tick.
    /// </summary>
    private (int N, int Span, DateTimeOffset To, DateTimeOffset Due)? NextTick()
    {
        if (_watch.Policy is not { } policy || policy.Metrics.Count == 0 || _watch.State is WatchStates.Queued or WatchStates.Acting)
            return null;
        var timing = policy.Watch;
        var span = 1;
        if (_watch.DecidedTick is { } decided && (_watch.LastTick - decided) * timing.Step >= WatchPolicy.CoarseAfter && _watch.State == WatchStates.Observing)
            span = Math.Max(1, (int)(WatchPolicy.CoarseStep / timing.Step));
        var n = _watch.LastTick + span;
        if (_parts.Sources.Find(policy.Source) is not { RemembersPast: true })
        {
            var passed = (long)((Now - timing.Lag - _watch.Received.StartedAt) / timing.Step);
            if (passed > n)
                n = (int)Math.Min(passed, int.MaxValue);
            span = n - _watch.LastTick;
        }

        var to = _watch.Received.StartedAt + (n * timing.Step);
        return (n, span, to, to + timing.Lag);
    }

    // ---- Storing ----

    // Null when the target knows a history that it has not been asked for.
    private EarlierVersion[]? Unasked() => _parts.Targets.Find(_watch.Policy!.Act.Rollback) is { KnowsHistory: true } ? null : [];

    private async Task<Situation> Situation(bool afterContinue, IReadOnlyList<PastDeployment> history, IReadOnlyList<EarlierVersion>? platform, Freeze? freeze, CancellationToken cancel) => new(
        Now,
        _watch.Received.Version,
        _watch.Received.Kind,
        _watch.Received.Labels,
        _watch.PreviousVersion,
        afterContinue,
        _watch.Person is { Decision: "ROLLBACK", By: not ByPolicy },
        history,
        await RolledBack(
            [
                _watch.Received.Version,
                .. _watch.PreviousVersion is { } previous ? [previous] : Array.Empty<string>(),
                .. history.Where(p => p.Continued).Select(p => p.Version),
                .. (platform ?? []).SelectMany(earlier => earlier.Names),
            ],
            cancel),
        platform,
        freeze);

    private Task<Freeze?> Frozen(CancellationToken cancel) => _parts.Freezes.Of(_watch.Received.Service, _watch.Received.Environment, cancel);

    private bool AfterContinue() => _watch.FoundHarmless;

    private async Task<IReadOnlyList<PastDeployment>> History(CancellationToken cancel)
    {
        var rows = await _parts.Store.History(_watch.Received.Service, _watch.Received.Environment, 100, cancel);
        return [.. rows.Where(r => r.Id != _id).Select(r => new PastDeployment(r.Version, r.StartedAt, r is { Open: false, Decision: "CONTINUE" }, r.RolledBackAt))];
    }

    /// <summary>Which of these versions were rolled back and not found good since: by carrying on to the end, or by a person who said that the rollback was wrong.</summary>
    private async Task<IReadOnlyDictionary<string, DateTimeOffset>> RolledBack(IReadOnlyCollection<string> versions, CancellationToken cancel)
    {
        var rows = await _parts.Store.RolledBack(_watch.Received.Service, _watch.Received.Environment, versions, _id, cancel);
        return rows.Where(row => FactBody.Read<Deployment>(row.Document).Outcome?.Label != "GOOD")
            .ToDictionary(row => row.Version, row => row.RolledBackAt!.Value, StringComparer.Ordinal);
    }

    private async Task<T> Ask<T>(Func<Task<T>> ask, T otherwise, CancellationToken cancel)
    {
        try
        {
            return await ask().WaitAsync(SourceDeadline, _parts.Clock, cancel);
        }
        catch (TimeoutException)
        {
            return otherwise;
        }
    }

    private Task<bool> Commit(Action<Batch> build, CancellationToken cancel) =>
        Commit(
            batch =>
            {
                build(batch);
                return Task.CompletedTask;
            },
            cancel);

    private async Task<bool> Commit(Func<Batch, Task> build, CancellationToken cancel)
    {
        await _gate.WaitAsync(cancel);
        try
        {
            await Refresh(cancel);
            // Until all of it is stored, what is folded in is a draft that the next reader throws away.
            _stale = true;
            var (batch, open) = (new Batch(this), _watch.Open);
            await build(batch);
            if (open && _watch is { Open: false, ClosedReason: "decided", Decision: Decision.Continue, Outcome: { Label: Outcomes.Good, Source: OutcomeSources.QuietPeriod or OutcomeSources.Person } })
                await TellRolledBack(cancel);
            var stored = await batch.Commit(cancel);
            _stale = !stored;
            await Refresh(cancel);
            return stored;
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task<DateTimeOffset?> Stumble(Exception e, CancellationToken cancel)
    {
        _parts.Log.Stumbled(_id, ++_failures, e);
        if (_failures >= FailuresBeforeGivingUp && e is not StoreUnavailableException && _watch is { Open: true, Pinned: not null })
        {
            await Commit(batch =>
            {
                if (_watch.LastRollback is { Done: false } unfinished)
                    batch.Add(FactKind.Result, new ResultBody(unfinished.Intent.Key, "failed", unfinished.Result?.ServingVersion, null, "the watch failed before it could be verified"));
                batch.Add(FactKind.State, new StateBody(_watch.State, _watch.EndsAt, $"the watch failed {_failures} times: {e.GetType().Name}"));
                Close(batch, "failed");
            }, cancel);
            return null;
        }

        return Now + (RetryPause * Math.Min(_failures, 10));
    }

    public void Dispose()
    {
        Leave();
        _stopping.Cancel();
        _stopping.Dispose();
        _asking.Cancel();
        _asking.Dispose();
        _gate.Dispose();
        _waking.Dispose();
    }

    /// <summary>Facts that belong together: folded in as they are added, stored in one transaction. When that fails, the state is read again.</summary>
    private sealed class Batch(VerificationLoop loop)
    {
        private readonly List<Fact> _facts = [];
        private readonly Outcome? _before = loop._watch.Outcome;

        public void Add<T>(string kind, T body) => Add(loop._watch.Next(loop.Now, kind, body));

        public void Add(Fact fact)
        {
            loop._watch.Apply(fact);
            _facts.Add(fact);
        }

        public void AddVerdict(Decision? decision = null, string? reason = null)
        {
            var judged = loop._watch.Judgement(loop.Now, false);
            if (judged is null)
                return;
            if (decision is { } said)
                judged = judged with { Decision = said.Word(), Reasoning = reason ?? judged.Reasoning, Confidence = said == Decision.Rollback ? judged.PBad : 1 - judged.PBad };
            Add(FactKind.Verdict, judged);
        }

        /// <summary>True when everything is stored; false when the stream had moved on.</summary>
        public async Task<bool> Commit(CancellationToken cancel)
        {
            if (_facts.Count == 0)
                return true;
            var watch = loop._watch;
            // Who is to be told of it is an intent of the same transaction.
            if (loop._parts.Alerts is not null)
            {
                foreach (var intent in AlertIntents.Of(watch, _facts, _before, loop.Now))
                    Add(FactKind.Alert, intent);
            }

            var onlyTicks = _facts.TrueForAll(f => f.Kind == FactKind.Tick);
            // Whoever takes over tells what was to be told, and leaves the first seconds to who tells it now.
            var due = Sooner(loop.NextDue(), loop.NextTelling() + TellGrace);
            var append = onlyTicks
                ? new Append(_facts, null, due)
                : new Append(_facts, watch.Row(due, await loop.Document(watch, cancel)));
            if (!await loop._parts.Store.Append(append, cancel))
            {
                loop._parts.Log.MovedOn(loop._id, _facts[0].Seq);
                return false;
            }

            // (9) Learn: what was decided, and later what it really was, is a sample.
            if (append.Row is { } row && loop._parts.Samples is { } samples && _facts.Exists(f => f.Kind is FactKind.Verdict or FactKind.Outcome or FactKind.Closed))
                await samples.Keep(FactBody.Read<Deployment>(row.Document), watch.Policy?.Decide.FalseRollbackCost ?? 1, cancel);
            foreach (var fact in _facts)
                loop._parts.Live.Publish(new LiveEvent(loop._id, fact.Seq, fact.Kind));
            return true;
        }
    }

    // Called inside the gate.
    private async Task Refresh(CancellationToken cancel)
    {
        if (_stale && await Read(_parts, _id, cancel) is { } watch)
            _watch = watch;
        _stale = false;
        // Whoever closed it, and whether or not the store's answer came back: a closed watch takes no place.
        if (!_watch.Open)
            Leave();
    }

    private void Leave()
    {
        if (_entered)
            _parts.Limits.Leave();
        _entered = false;
    }
}
