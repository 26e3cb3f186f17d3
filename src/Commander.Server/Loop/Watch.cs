using Commander.Judging.Decisions;
using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Alerting;
using Commander.Server.Fixing;
using Commander.Server.Reasoning;
using Commander.Server.Reasoning.Context;
using Commander.Server.Storage;
using Occasions = Commander.Server.Reasoning.Occasions;

namespace Commander.Server.Loop;

/// <summary>The states of a watch, in the order in which they come.</summary>
internal static class WatchStates
{
    public const string Queued = "queued";
    public const string Watching = "watching";
    public const string WaitingForPerson = "waiting_for_person";
    public const string Acting = "acting";
    public const string Verifying = "verifying";
    public const string Observing = "observing";
    public const string Closed = "closed";
}

/// <summary>Finds the pinned policy and model of a watch by content hash.</summary>
internal interface IPinned
{
    /// <summary>The policy with this content hash; null when its body is not kept any more.</summary>
    Policy? Policy(string hash);

    /// <summary>The model with this content hash; null when its body is not kept any more.</summary>
    Model? Model(string hash);
}

/// <summary>
/// One deployment's watch as the fold of its facts in the order of their seq: nothing here comes from anywhere else, so the
/// live loop, a restart, a replay and a rebuilt read table see the same. <see cref="Apply"/> is the only way to change it.
/// </summary>
internal sealed class Watch(IPinned pinned)
{
    private readonly List<VerdictEntry> _verdicts = [];
    private readonly List<ActionEntry> _actions = [];
    private readonly List<AlertEntry> _alerts = [];
    private readonly List<(string Text, bool Passing)> _notes = [];
    private readonly List<OutcomeLabel> _outcomes = [];
    // Sixteen KiB, which a watch that has not begun does without.
    private WatchState[] _judge = [];
    private TickCodec? _codec;
    private long[] _lastAt = [];
    private TimeSpan?[] _season = [];
    private Beside[] _beside = [];
    private byte[] _lastHash = Fact.NoHash;
    private double? _health;
    private DateTimeOffset _askedAt;
    // Since when a mild ROLLBACK waits to be recorded.
    private DateTimeOffset? _mildSince;
    // The worst score when the question was asked.
    private double? _given;
    // So many failures of the source are named, each in so many characters.
    private const int MaxFailures = 3;
    private const int MaxFailure = 200;

    private NeighboursBody? _neighbours;
    private QueryTexts? _texts;

    /// <summary>The seq of the last fact; 0 before the first.</summary>
    public long Seq { get; private set; }

    /// <summary>The announcement, with what later ones added.</summary>
    public ReceivedBody Received { get; private set; } = null!;

    public DateTimeOffset ReceivedAt { get; private set; }

    public string State { get; private set; } = WatchStates.Queued;

    public string? ClosedReason { get; private set; }

    public DateTimeOffset EndsAt { get; private set; }

    public PinnedBody? Pinned { get; private set; }

    public Policy? Policy { get; private set; }

    public Model? Model { get; private set; }

    /// <summary>The newest tick; 0 before the first.</summary>
    public int LastTick { get; private set; }

    /// <summary>Whether any of the past was asked for already.</summary>
    public bool HasPast { get; private set; }

    /// <summary>The tick that was folded in last; null before the first.</summary>
    public Tick? NewestTick { get; private set; }

    /// <summary>What the fold said at the newest input.</summary>
    public Step Step { get; private set; }

    /// <summary>The judgement that was last recorded; null before the first.</summary>
    public Decision? Decision { get; private set; }

    /// <summary>Whether the candidate answered nobody, beside a control that did, when the last judgement was recorded.</summary>
    public bool Silent { get; private set; }

    /// <summary>When the standing ROLLBACK or CONTINUE was recorded; null on HOLD.</summary>
    public DateTimeOffset? DecidedAt { get; private set; }

    /// <summary>The first tick after the standing verdict; from it on the coarse ticks are counted.</summary>
    public int? DecidedTick { get; private set; }

    public Subject Subject { get; private set; }

    /// <summary>Bit i is set when metric i's reference was changed to before already.</summary>
    public uint ReferenceChanged { get; private set; }

    /// <summary>Whether a person was ever waited for.</summary>
    public bool Asked { get; private set; }

    public SupersededBody? SupersededBy { get; private set; }

    /// <summary>The rollback that is under way or was the last; null when there was none.</summary>
    public Rollback? LastRollback { get; private set; }

    public PersonBody? Person { get; private set; }

    /// <summary>The question to the language model that is not answered yet; null for none.</summary>
    public AskedBody? Question { get; private set; }

    /// <summary>From when on the question's answer is waited for no longer: its time-out, and of a mild ROLLBACK no longer than one in all, however often it was asked meanwhile. Null without a question.</summary>
    public DateTimeOffset? Deadline => Question is not { } asked ? null
        : _mildSince is { } since && since + (asked.Until - _askedAt) < asked.Until ? since + (asked.Until - _askedAt)
        : asked.Until;

    /// <summary>How many questions were asked.</summary>
    public int Questions { get; private set; }

    /// <summary>What the language model took so far.</summary>
    public Spent Spent { get; private set; }

    /// <summary>What the language model said last; null while it said nothing.</summary>
    public Opinion? Opinion { get; private set; }

    /// <summary>What came of the last question.</summary>
    public ReasoningNote? Reasoning { get; private set; }

    /// <summary>What kind of error the ROLLBACK looks like; null before that is known.</summary>
    public DiagnosisBody? Diagnosis { get; private set; }

    /// <summary>Whether the language model was asked about the state that the evidence is in: since it entered the grey zone, or (by the authority to decide) since something is unclear.</summary>
    public bool AskedHere { get; private set; }

    /// <summary>Whether it carried on once because the evidence said so, or a person, and not the language model.</summary>
    public bool FoundHarmless { get; private set; }

    /// <summary>Whether the standing decision was explained, or an explanation was asked for.</summary>
    public bool Explained { get; private set; }

    public Verdict? FinalVerdict { get; private set; }

    /// <summary>What stands of it.</summary>
    public Outcome? Outcome { get; private set; }

    /// <summary>All that was said of what it really was, oldest first.</summary>
    public IReadOnlyList<OutcomeLabel> Outcomes => _outcomes;

    /// <summary>Whether bodies were dropped, so that the fold knows less than the stored document.</summary>
    public bool Dropped { get; private set; }

    public IReadOnlyList<ActionEntry> Actions => _actions;

    /// <summary>Who was to be told of what, and what came of it, oldest first.</summary>
    public IReadOnlyList<AlertEntry> Alerts => _alerts;

    /// <summary>What is still to be told, oldest first: of each entry of the policy one at a time, and none stands behind one that waits for the end of the quiet hours.</summary>
    public IEnumerable<AlertEntry> Untold => _alerts.Where(alert => !alert.Ended).GroupBy(alert => alert.Entry).Select(entry => entry.FirstOrDefault(alert => !alert.Waits && Overtakes(alert)) ?? entry.First());

    /// <summary>What waited for the end of the quiet hours when a later alert of its entry went out, which said how things stand.</summary>
    public IEnumerable<AlertEntry> Overtaken(AlertEntry by) => _alerts.TakeWhile(alert => alert.Key != by.Key).Where(alert => alert.Entry == by.Entry && alert is { Ended: false, Waits: true });

    // How it goes on is told who knows how it began.
    private bool Overtakes(AlertEntry alert) => alert.Occasion != Alerting.Occasions.Progress || _alerts.Exists(told => told.Entry == alert.Entry && told.State == "done");

    /// <summary>By what the channel of an entry knows this deployment again; null before it was told.</summary>
    public string? ReferenceOf(int entry) => _alerts.LastOrDefault(alert => alert.Entry == entry && alert.Reference is not null)?.Reference;

    /// <param name="Key">DEPLOYMENT/alert/N.</param>
    /// <param name="Entry">Which entry of the pinned policy's <c>alert</c>.</param>
    /// <param name="Occasion">What happened.</param>
    /// <param name="Severity">How urgent it is.</param>
    /// <param name="At">When it happened.</param>
    /// <param name="State">intended, running (could not be told yet), done or failed.</param>
    /// <param name="Reference">By what the channel knows it again.</param>
    /// <param name="NotBefore">When it is tried, or tried again.</param>
    /// <param name="Tries">How often it was tried.</param>
    internal sealed record AlertEntry(string Key, int Entry, string Occasion, Severity Severity, DateTimeOffset At, string State, string? Reference, DateTimeOffset NotBefore, int Tries)
    {
        public bool Ended => State is "done" or "failed";

        /// <summary>From when on it was to be told: when it happened, or the end of the quiet hours.</summary>
        public DateTimeOffset From { get; } = NotBefore;

        /// <summary>Whether it was put off to the end of the quiet hours, and was not tried since.</summary>
        public bool Waits => Tries == 0 && From > At;
    }

    /// <summary>Every change of the judgement, oldest first.</summary>
    public IReadOnlyList<VerdictEntry> History => _verdicts;

    /// <summary>How much the ticks take in the store, in bytes.</summary>
    public long EvidenceBytes { get; private set; }

    public DateTimeOffset? LastAt { get; private set; }

    public DateTimeOffset? StateSince { get; private set; }

    /// <summary>What a person should know now, each sentence once. What was only true until something else happened is gone by then.</summary>
    public IReadOnlyList<string> Notes => [.. _notes.Select(note => note.Text)];

    public bool Open => State != WatchStates.Closed;

    /// <summary>A rollback's intent and what became of it.</summary>
    internal sealed record Rollback(IntentBody Intent, DateTimeOffset At, ResultBody? Result, DateTimeOffset? ResultAt, DateTimeOffset? ServingAt)
    {
        public bool Done => Result is { State: "done" or "failed" or "refused" };
    }

    public string? PreviousVersion => Pinned?.PreviousVersion ?? Received.PreviousVersion;

    public string Stream => "deployment/" + Received.Id;

    /// <summary>What it asks; once it is pinned.</summary>
    public QueryTexts Texts => _texts?.Fits(Policy, Received) == true ? _texts : _texts = new QueryTexts(Policy!, Received);

    /// <summary>A fact that follows the last one.</summary>
    public Fact Next<T>(DateTimeOffset at, string kind, T body, Fact? after = null) => Next(at, kind, FactBody.Write(body), after);

    /// <summary>A tick's fact that follows the last one.</summary>
    public Fact NextTick(DateTimeOffset at, Tick tick, double observedMs, Fact? after = null) =>
        Next(at, FactKind.Tick, _codec!.Write(tick, observedMs), after);

    private Fact Next(DateTimeOffset at, string kind, byte[] body, Fact? after) =>
        Fact.After(Stream, (after?.Seq ?? Seq) + 1, after?.Hash ?? _lastHash, at, kind, 1, body);

    /// <summary>When the last reading of a metric in an arm ended; the start of the deployment (in the season: that clock time) before the first.</summary>
    public DateTimeOffset ReadUntil(int metric, Arm arm)
    {
        var at = _lastAt[(metric * Words.ArmCount) + (int)arm];
        return at != 0 ? DateTimeOffset.FromUnixTimeMilliseconds(at)
            : arm == Arm.Seasonal ? Received.StartedAt - (Season(metric) ?? TimeSpan.Zero)
            : Received.StartedAt;
    }

    /// <summary>Whether an arm has had a number of a metric in this watch.</summary>
    public bool HadNumbers(int metric, Arm arm) => _lastAt[(metric * Words.ArmCount) + (int)arm] != 0;

    /// <summary>How long ago the same clock time is that a metric is compared with, as its past shows; null where nothing is known of it.</summary>
    public TimeSpan? Season(int metric) => _season[metric];

    /// <summary>Whether the judge may look at the season: not at a metric that has its control beside it.</summary>
    public bool SeasonWanted(int metric) =>
        Policy!.Compare == Compare.Seasonal
        || Policy.Metrics[metric].Kind == MetricKind.Count
        || _beside[metric] != Beside.Control
        || (Policy.Metrics[metric].Kind == MetricKind.Ratio && (ReferenceChanged & (1u << metric)) != 0);

    // What stood beside the candidate when it was seen first: then its reference was chosen.
    private enum Beside
    {
        Unknown = 0,
        Control,
        Nothing,
    }

    /// <summary>Folds one fact in.</summary>
    public void Apply(Fact fact)
    {
        if (fact.Seq != Seq + 1)
            throw new InvalidOperationException($"fact {fact.Seq} of {fact.Stream} follows {Seq}");
        Seq = fact.Seq;
        _lastHash = fact.Hash;
        LastAt = fact.At;
        Fold(fact);
        _mildSince = Occasions.Waits(Step) && Decision != Judging.Verdicts.Decision.Rollback ? _mildSince ?? fact.At : null;
    }

    private void Fold(Fact fact)
    {
        if (fact.Body is not { } body)
        {
            Dropped = true;
            if (fact.Kind == FactKind.Opinion)
                Unanswered("its text is no longer kept");
            return;
        }

        switch (fact.Kind)
        {
            case FactKind.Received:
                Received = FactBody.Read<ReceivedBody>(body);
                ReceivedAt = fact.At;
                StateSince = fact.At;
                EndsAt = Received.EndsAt;
                break;
            case FactKind.Joined:
                Join(FactBody.Read<JoinedBody>(body));
                break;
            case FactKind.Pinned:
                Pin(FactBody.Read<PinnedBody>(body), fact.At);
                break;
            case FactKind.Tick:
                EvidenceBytes += body.Length;
                Fold(_codec!.Read(body));
                break;
            case FactKind.Reference:
                Change(FactBody.Read<ReferenceBody>(body), fact.At);
                break;
            case FactKind.Neighbours:
                _neighbours = FactBody.Read<NeighboursBody>(body);
                break;
            case FactKind.Verdict:
                Record(FactBody.Read<Verdict>(body), fact.At);
                break;
            case FactKind.Asked:
                Ask(FactBody.Read<AskedBody>(body), fact.At);
                break;
            case FactKind.Opinion:
                Hear(FactBody.Read<OpinionBody>(body), fact.At);
                break;
            case FactKind.Diagnosis:
                Diagnosis = FactBody.Read<DiagnosisBody>(body);
                break;
            case FactKind.State:
                var state = FactBody.Read<StateBody>(body);
                if (state.State != State)
                {
                    StateSince = fact.At;
                    Pass();
                }

                Asked |= state.State == WatchStates.WaitingForPerson;
                (State, EndsAt) = (state.State, state.EndsAt);
                Note(state.Note, state.Passing);
                if (state.Verdict is { } shown)
                    (LastVerdict, _health) = (shown, HealthScore);
                break;
            case FactKind.Person:
                Decide(FactBody.Read<PersonBody>(body), fact.At);
                break;
            case FactKind.Intent:
                Intend(FactBody.Read<IntentBody>(body), fact.At);
                break;
            case FactKind.Result:
                Finish(FactBody.Read<ResultBody>(body), fact.At);
                break;
            case FactKind.Alert:
                IsToBeTold(FactBody.Read<AlertBody>(body), fact.At);
                break;
            case FactKind.Told:
                IsTold(FactBody.Read<ToldBody>(body), fact.At);
                break;
            case FactKind.Outcome:
                _outcomes.Add(FactBody.Read<OutcomeBody>(body).Said(fact.At));
                var stands = Learning.Outcomes.Standing(_outcomes)!;
                Outcome = new Outcome(stands.Label, stands.Source, stands.At);
                break;
            case FactKind.Superseded:
                SupersededBy = FactBody.Read<SupersededBody>(body);
                Note($"superseded by {SupersededBy.Version} ({SupersededBy.By})");
                break;
            case FactKind.Closed:
                if (State is WatchStates.Queued or WatchStates.WaitingForPerson)
                    Pass();
                var closed = FactBody.Read<ClosedBody>(body);
                (State, ClosedReason, FinalVerdict, StateSince) = (WatchStates.Closed, closed.Reason, closed.Verdict, fact.At);
                EndsAt = fact.At;
                Unanswered("the watch was closed before the answer came");
                break;
            default:
                // A later version's fact: kept, chained, not understood.
                break;
        }
    }

    private void Join(JoinedBody joined) =>
        Received = Received with
        {
            PreviousVersion = Received.PreviousVersion ?? joined.PreviousVersion,
            Commit = Received.Commit ?? joined.Commit,
            Repository = Received.Repository ?? joined.Repository,
            ChangeUrl = Received.ChangeUrl ?? joined.ChangeUrl,
            Labels = joined.Labels.Concat(Received.Labels)
                .GroupBy(l => l.Key, StringComparer.Ordinal)
                .ToDictionary(l => l.Key, l => l.Last().Value, StringComparer.Ordinal),
        };

    private void Pin(PinnedBody body, DateTimeOffset at)
    {
        Pinned = body;
        Policy = pinned.Policy(body.PolicyHash);
        Model = pinned.Model(body.ModelHash);
        (State, EndsAt, StateSince) = (WatchStates.Watching, body.EndsAt, at);
        Pass();
        Note(body.Missing);
        if (Policy is null)
            return;
        _codec = new TickCodec(Policy.Metrics);
        _lastAt = new long[Policy.Metrics.Count * Words.ArmCount];
        _season = new TimeSpan?[Policy.Metrics.Count];
        _beside = new Beside[Policy.Metrics.Count];
        _judge = [Judge.Start(Policy, body.Restarted)];
    }

    private void Fold(Tick tick)
    {
        if (Policy is null || Model is null)
            return;
        NewestTick = tick;
        if (tick.N > 0)
            LastTick = tick.N;
        else
            HasPast = true;
        for (var m = 0; m < tick.Metrics; m++)
        {
            if (tick.N <= 0)
            {
                if (tick[m, Arm.Seasonal] is { HasValue: true } season)
                    _season[m] ??= Arms.SeasonOf(Received.StartedAt + (tick.N * Policy.Watch.Step), season.At);
                continue;
            }

            foreach (var arm in (ReadOnlySpan<Arm>)[Arm.Candidate, Arm.Control, Arm.Seasonal])
            {
                if (tick[m, arm] is { HasValue: true } reading)
                    _lastAt[(m * Words.ArmCount) + (int)arm] = reading.At;
            }

            if (_beside[m] == Beside.Unknown && Serves(m, tick[m, Arm.Candidate]))
                _beside[m] = Serves(m, tick[m, Arm.Control]) ? Beside.Control : Beside.Nothing;
        }

        Step = Judge.Next(Policy, Model, ref _judge[0], Input.Of(tick));
        AskedHere &= Occasions.IsThere(Policy.Decide.Reasoning, Step);
    }

    private void Ask(AskedBody asked, DateTimeOffset at)
    {
        (Question, Questions, _given, _askedAt) = (asked, Questions + 1, Step.Worst, at);
        AskedHere |= asked.Purpose == Purpose.Advise;
        Explained |= asked.Purpose == Purpose.Explain;
        Reasoning = new ReasoningNote("asked", Named(asked.Purpose), asked.Model, at, null, null, null, null, 0, null, false, 0);
    }

    private void Hear(OpinionBody said, DateTimeOffset at)
    {
        // A question that was not even asked counts too: otherwise it would be refused anew at every tick.
        Questions += Question is null ? 1 : 0;
        Question = null;
        AskedHere |= said.Purpose == Purpose.Advise;
        Explained |= said.Purpose == Purpose.Explain || said.Opinion is not null;
        Spent = new Spent(Spent.Questions + 1, Spent.Tokens + said.PromptTokens + said.AnswerTokens, Spent.Cost + (said.Cost ?? 0));
        Opinion = said.Opinion ?? Opinion;
        Reasoning = new ReasoningNote(
            said.Opinion is null ? "none" : "answered", Named(said.Purpose), said.Model, at, said.Missing, said.ErrorType, said.PromptHash, said.TookMs, said.PromptTokens + said.AnswerTokens, said.Cost, said.Cached, said.Withheld);
        if (said.Purpose == Purpose.Advise && Policy is not null && Model is not null)
            Step = Judge.Next(Policy, Model, ref _judge[0], said.Opinion is { } opinion ? Input.Of(opinion with { Given = _given }) : Input.NoOpinion());
        _given = null;
    }

    private void Unanswered(string why)
    {
        if (Question is null)
            return;
        Question = null;
        Reasoning = Reasoning! with { State = "none", Missing = why };
    }

    // A model names a type only where the rules found none.
    private DiagnosisNote? Diagnosed(Verdict? verdict)
    {
        if (verdict is not { Decision: "ROLLBACK" } || (Diagnosis is null && Reasoning?.ErrorType is null))
            return null;
        var (error, around) = (Diagnosis?.Error, Diagnosis?.Around ?? Surroundings.None);
        if (error is null or { Type: ErrorTypes.Unknown })
            error = ErrorTypes.Of(verdict, [.. around.Logs.Lines.Select(line => new SaidLine(line.Id, line.Template, line.Candidate, line.Control))], Reasoning?.ErrorType);
        if (!new DiagnosisBody(error, around).Says)
            return null;
        return new DiagnosisNote(
            error.Type,
            error.By,
            error.Confidence,
            [.. error.Evidence.Select(evidence => $"{evidence.Id}: {evidence.Says}")],
            [.. around.Logs.Lines.Select(line => new LogNote(line.Id, line.Template, line.Candidate, line.Control))],
            [.. around.Changes.Commits.Select(change => new CommitNote(change.Id, change.Commit, change.Title))],
            around.Missing);
    }

    private static string Named(Purpose purpose) => purpose == Purpose.Advise ? "advise" : "explain";

    private bool Serves(int metric, in Reading reading) => reading.HasValue && (Policy!.Metrics[metric].Kind != MetricKind.Ratio || reading.Total > 0);

    private void Change(ReferenceBody body, DateTimeOffset at)
    {
        if (Policy is null || Model is null)
            return;
        var metric = -1;
        for (var m = 0; m < Policy.Metrics.Count && body.Metric is not null; m++)
        {
            if (Policy.Metrics[m].Name == body.Metric)
                metric = m;
        }

        Subject = body.Subject;
        ReferenceChanged |= metric < 0 ? uint.MaxValue : 1u << metric;
        var during = (int)Math.Clamp(Math.Ceiling((at - Received.StartedAt) / Policy.Watch.Step), 0, int.MaxValue);
        Step = Judge.Next(Policy, Model, ref _judge[0], Input.Of(new ReferenceChange(body.Subject, body.To, metric, during)));
    }

    private void Record(Verdict verdict, DateTimeOffset at)
    {
        _ = DecisionWords.TryDecision(verdict.Decision, out var decision);
        Decision = decision;
        (DecidedAt, DecidedTick) = decision == Judging.Verdicts.Decision.Hold ? ((DateTimeOffset?)null, (int?)null) : (at, LastTick);
        LastVerdict = verdict;
        Silent = Step.Silent;
        FoundHarmless |= decision == Judging.Verdicts.Decision.Continue && !Step.Chosen;
        // Whoever chose it has explained it.
        Explained = Step.Chosen && decision == Step.Decision;
        _health = HealthScore;
        _verdicts.Add(new VerdictEntry(verdict.Decision, false, at, verdict.Reasoning));
    }

    /// <summary>The judgement as it was last recorded.</summary>
    public Verdict? LastVerdict { get; private set; }

    private void Decide(PersonBody person, DateTimeOffset at)
    {
        Person = person;
        Pass();
        _ = DecisionWords.TryDecision(person.Decision, out var decision);
        if (person.Decision == "CONTINUE")
            _actions.Add(new ActionEntry("keep", "done", $"{Received.Id}/keep/{Seq}", "watch", person.By, at, at, null, null, person.Reason));
        if (Policy is not null && Model is not null)
            Step = Judge.Next(Policy, Model, ref _judge[0], Input.Person(decision));
    }

    private void Intend(IntentBody intent, DateTimeOffset at)
    {
        Pass();
        LastRollback = new Rollback(intent, at, null, null, null);
        _actions.Add(new ActionEntry(intent.Kind, "intended", intent.Key, intent.Target, intent.By, at, null, null, null, null));
    }

    private void IsToBeTold(AlertBody alert, DateTimeOffset at)
    {
        _alerts.Add(new AlertEntry(alert.Key, alert.Entry, alert.Occasion, alert.Severity, at, "intended", null, alert.NotBefore ?? at, 0));
        _actions.Add(new ActionEntry("alert", "intended", alert.Key, alert.Target, "policy", at, null, null, null, null));
    }

    private void IsTold(ToldBody told, DateTimeOffset at)
    {
        var index = _alerts.FindIndex(alert => alert.Key == told.Key);
        if (index < 0)
            return;
        _alerts[index] = _alerts[index] with { State = told.State, Reference = told.Reference, NotBefore = told.RetryAt ?? at, Tries = _alerts[index].Tries + 1 };
        index = _actions.FindIndex(action => action.Key == told.Key);
        _actions[index] = _actions[index] with { State = told.State, FinishedAt = _alerts.Exists(alert => alert.Key == told.Key && alert.Ended) ? at : null, Message = told.Message };
    }

    private void Finish(ResultBody result, DateTimeOffset at)
    {
        if (LastRollback is { } rollback && rollback.Intent.Key == result.Key)
        {
            var serving = rollback.ServingAt ?? (result.ServingVersion is null ? null : at);
            LastRollback = rollback with { Result = result, ResultAt = at, ServingAt = serving };
        }

        var index = _actions.FindIndex(a => a.Key == result.Key);
        if (index < 0)
            return;
        var terminal = result.State is "done" or "failed" or "refused";
        _actions[index] = _actions[index] with
        {
            State = result.State,
            // When it was done, also when it turns out later that it did not help.
            FinishedAt = terminal ? _actions[index].FinishedAt ?? at : null,
            ServingVersion = result.ServingVersion,
            Recovered = result.Recovered,
            Message = result.Message,
        };
    }

    private void Note(string? note, bool passing = false)
    {
        if (note is null || _notes.Exists(known => known.Text == note))
            return;
        if (passing)
            Pass();
        _notes.Add((note, passing));
    }

    // Why the newest tick has no number where the source failed: the reason of a HOLD says no more than that it did.
    private IEnumerable<string> Unread()
    {
        if (NewestTick is not { N: > 0 } tick || Policy is null)
            yield break;
        var failures = new Dictionary<string, (SortedSet<Arm> Arms, List<string> Metrics)>(StringComparer.Ordinal);
        for (var m = 0; m < tick.Metrics; m++)
        {
            foreach (var arm in (ReadOnlySpan<Arm>)[Arm.Candidate, Arm.Control])
            {
                if (tick[m, arm] is not { Quality: Quality.Error or Quality.Denied or Quality.Timeout or Quality.Nan, Detail: { } why })
                    continue;
                var known = failures.TryGetValue(why, out var failure) ? failure : failures[why] = ([], []);
                known.Arms.Add(arm);
                if (known.Metrics.LastOrDefault() != Policy.Metrics[m].Name)
                    known.Metrics.Add(Policy.Metrics[m].Name);
            }
        }

        foreach (var (why, (arms, metrics)) in failures.Take(MaxFailures))
        {
            var which = string.Join(", ", metrics.Take(MaxFailures)) + (metrics.Count > MaxFailures ? $" and {metrics.Count - MaxFailures} more" : "");
            yield return $"no value of {which} ({string.Join(" and ", arms.Select(arm => arm.Word()))}): {Plain.Line(why, MaxFailure)}";
        }

        if (failures.Count > MaxFailures)
            yield return $"{failures.Count - MaxFailures} more things failed at the source";
    }

    private void Pass() => _notes.RemoveAll(note => note.Passing);

    /// <summary>The judgement in words and numbers as the state is now; null while nothing can be judged.</summary>
    public Verdict? Judgement(DateTimeOffset at, bool final)
    {
        if (Policy is null || Model is null)
            return LastVerdict;
        var judged = Judge.Read(Policy, Model, _judge[0], new Reader(at, (at - Received.StartedAt).TotalMilliseconds, Arms.CandidateQueries(this), final));
        return BesideNeighbours(judged with { Opinion = Opinion });
    }

    /// <summary>A judgement of this watch's evidence, with what it must say when other deployments began at the time.</summary>
    public Verdict BesideNeighbours(Verdict verdict) => _neighbours is { } near ? Neighbours.Told(verdict, near) : verdict;

    /// <summary>The unrounded health score as the state is now; null without a value.</summary>
    public double? HealthScore => LastTick == 0 && Received.Metrics is { } snapshot ? Snapshot.Score(snapshot) : Policy is null ? null : Judge.HealthScore(Policy, _judge[0]);

    /// <summary>The deployment resource as of now: the standing verdict with the newest findings.</summary>
    public Deployment Document(Func<string, string> url)
    {
        var verdict = FinalVerdict ?? Standing();
        // What is said of a decision comes after it, and what was said before is not said of it.
        if (verdict is not null)
            verdict = verdict with { Opinion = Opinion ?? verdict.Opinion };
        return new Deployment(
            Received.Id,
            Received.Service,
            Received.Environment,
            Received.Version,
            PreviousVersion,
            State,
            ClosedReason,
            Received.StartedAt,
            ReceivedAt,
            // An order that nobody takes is tried to its own end, also beyond the watch's.
            State == WatchStates.Acting && LastRollback is { Done: false } ordered && ordered.At + Plan.OrderPatience is var last && last > EndsAt ? last : EndsAt,
            new PolicyReference(Pinned?.Policy ?? Received.Service, Pinned?.PolicyHash ?? ""),
            ReferenceArm(verdict),
            verdict,
            [.. _verdicts],
            [.. _actions],
            Outcome,
            url(Received.Id))
        {
            ChangeUrl = Received.ChangeUrl,
            Commit = Received.Commit,
            Repository = Received.Repository,
            Kind = Received.Kind,
            Labels = Received.Labels,
            Metrics = Received.Metrics,
            // With the verdict it stands still; on hold it moves as the findings do.
            Reasoning = Reasoning,
            Diagnosis = Diagnosed(verdict),
            Health = LastVerdict is null ? null : Moves ? HealthScore : _health,
            Notes = [.. verdict?.Decision is null or "HOLD" ? Unread() : [], .. verdict?.Decision == "ROLLBACK" && _neighbours is { } near ? Neighbours.Words(near) : [], .. Notes],
            Outcomes = _outcomes.Count > 0 ? Learning.Outcomes.Marked(_outcomes) : null,
            Contested = Learning.Outcomes.Contested(_outcomes),
        };
    }

    /// <summary>The read table's row as of now.</summary>
    /// <param name="due">When the owner must be awake next; null once closed.</param>
    /// <param name="url">The page of an id.</param>
    public DeploymentRow Row(DateTimeOffset? due, Func<string, string> url) => Row(due, Document(url));

    /// <summary>The same, with the document as it stands.</summary>
    public DeploymentRow Row(DateTimeOffset? due, Deployment document)
    {
        var undone = Actions.LastOrDefault(a => a is { Kind: "rollback", State: "running" or "done" or "failed", ServingVersion: not null });
        // From the intent on: the platform may announce our own change before we know that it took the order.
        var target = LastRollback is { Result: null or { State: "running" or "done" } } rollback ? rollback.Intent.TargetVersion : undone?.ServingVersion;
        return new DeploymentRow(
            Received.Id,
            Received.Service,
            Received.Environment,
            Received.Version,
            State,
            ClosedReason,
            document.Verdict?.Decision,
            Received.StartedAt,
            ReceivedAt,
            due,
            undone is null ? null : undone.FinishedAt ?? LastAt,
            target,
            Received.Metrics is not null,
            FactBody.Write(document));
    }

    // On hold, and while a person is asked, whoever looks decides by the newest numbers.
    private bool Moves => Decision == Judging.Verdicts.Decision.Hold || State == WatchStates.WaitingForPerson;

    /// <summary>The verdict as it is shown now: what was decided and when, on hold and while a person is asked with the newest numbers and reasons. Null before the first.</summary>
    public Verdict? Standing()
    {
        if (LastVerdict is not { } recorded)
            return null;
        if (!Moves || Judgement(recorded.DecidedAt, false) is not { } now)
            return recorded;
        return now with { Decision = recorded.Decision, DecidedAt = recorded.DecidedAt, ElapsedMs = recorded.ElapsedMs };
    }

    private static string? ReferenceArm(Verdict? verdict) =>
        verdict?.Findings.Where(f => f.ReferenceArm is not null)
            .GroupBy(f => f.ReferenceArm!, StringComparer.Ordinal)
            .OrderByDescending(g => g.Count()).ThenBy(g => g.Key, StringComparer.Ordinal)
            .FirstOrDefault()?.Key;
}
