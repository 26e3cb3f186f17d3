using Commander.Judging;
using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;
using Commander.Server.Learning;
using Commander.Server.Storage;

namespace Commander.Server.Loop;

/// <summary>Step 1 of the loop, and everything that others may ask. Reads come from the store or, while a watch is open, from its owner.</summary>
internal sealed class DeploymentDesk(LoopParts parts, IOwners owners, WakeQueue wakes, DeploymentId ids) : IDeployments
{
    private static readonly TimeSpan OwnerDeadline = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan JoinWindow = TimeSpan.FromMinutes(10);
    private const int MaxFacts = 100_000;
    private const int MaxPage = 500;

    // ---- (1) Receive: stored and durable before it is answered. ----

    public async Task<(AnnounceResult Result, Deployment? Deployment)> Announce(Announcing announcing, CancellationToken cancel)
    {
        using var span = Tracing.Step(parts.Clock, "1 receive", announcing.Service);
        var now = parts.Clock.GetUtcNow();
        var started = announcing.StartedAt ?? now;
        var id = ids.Next();
        var policy = parts.Pins.Current.For(announcing.Service, announcing.Environment);
        var body = new ReceivedBody(
            id,
            announcing.Service,
            announcing.Environment,
            announcing.Version ?? id,
            announcing.PreviousVersion,
            started,
            announcing.Commit,
            announcing.Repository,
            announcing.ChangeUrl,
            announcing.Labels,
            announcing.Kind,
            announcing.Metrics,
            started + policy.Watch.Max,
            announcing.Intake,
            announcing.Trigger);
        var fact = Fact.After("deployment/" + id, 1, Fact.NoHash, now, FactKind.Received, 1, FactBody.Write(body));
        var watch = new Watch(parts.Pins);
        watch.Apply(fact);
        var document = watch.Document(parts.Url);
        var row = watch.Row(now, document);
        var announced = await parts.Store.Announce(new Announcement(fact, row, announcing.IdempotencyKey, announcing.RequestHash, JoinWindow, parts.Limits.MaxOpenOfService), cancel);
        switch (announced.Result)
        {
            case AnnounceResult.Accepted:
                parts.Live.Publish(new LiveEvent(id, 1, FactKind.Received));
                foreach (var older in announced.Superseded)
                    await Tell(older, new OwnerCommand("supersede", By: id, Version: body.Version), cancel);
                wakes.Add(id);
                return (announced.Result, document);
            case AnnounceResult.Joined:
                await Tell(announced.Id, new OwnerCommand("join", Joined: new JoinedBody(body.PreviousVersion, body.Commit, body.Repository, body.ChangeUrl, body.Labels, body.Intake)), cancel);
                return (announced.Result, await Get(announced.Id, cancel));
            case AnnounceResult.Repeated:
                return (announced.Result, await Get(announced.Id, cancel));
            default:
                return (announced.Result, null);
        }
    }

    // ---- What others ask ----

    public async Task<Deployment?> Get(string id, CancellationToken cancel)
    {
        if (!DeploymentId.IsValid(id) || await parts.Store.Find(id, cancel) is not { } row)
            return null;
        var stored = row.Document;
        if (row.Open)
        {
            try
            {
                stored = await owners.Of(id).Document(cancel).WaitAsync(OwnerDeadline, parts.Clock, cancel) ?? stored;
            }
            catch (Exception e) when (e is not OperationCanceledException || !cancel.IsCancellationRequested)
            {
                // The owner is moving or busy: what was stored with its last fact is the answer.
                parts.Log.Stumbled(id, 1, e);
            }
        }

        return FactBody.Read<Deployment>(stored);
    }

    public async Task<DeploymentPage> List(DeploymentFilter filter, CancellationToken cancel)
    {
        var limit = Math.Clamp(filter.Limit, 1, MaxPage);
        var rows = await parts.Store.List(filter with { Limit = limit + 1 }, cancel);
        var items = rows.Take(limit).Select(r => FactBody.Read<Deployment>(r.Document)).ToList();
        return new DeploymentPage(items, rows.Count > limit ? items[^1].Id : null);
    }

    public async Task<EvidenceDocument?> Evidence(string id, CancellationToken cancel)
    {
        var facts = await All(id, cancel);
        if (facts.Count == 0)
            return null;
        return EvidenceShown.Of(facts, parts.Pins);
    }

    public async Task<IReadOnlyList<Fact>> Facts(string id, long afterSeq, int limit, CancellationToken cancel) =>
        DeploymentId.IsValid(id) ? await parts.Store.Read("deployment/" + id, afterSeq, Math.Clamp(limit, 1, 2000), cancel) : [];

    public Task<Answer> Act(string id, string kind, string by, string? reason, CancellationToken cancel) =>
        Ask(id, new OwnerCommand(kind, By: by, Reason: reason), wake: true, cancel);

    public Task<Answer> Label(string id, string label, string by, string? note, CancellationToken cancel) =>
        Label(id, label, OutcomeSources.Person, by, note, cancel);

    public Task<Answer> Label(string id, string label, string source, string by, string? note, CancellationToken cancel) =>
        Ask(id, new OwnerCommand(source == OutcomeSources.Person ? "outcome" : "label", By: by, Reason: note, Label: label, Source: source), wake: false, cancel);

    public async Task<ReplayAnswer?> Replay(string id, string? policy, string? model, string? judge, CancellationToken cancel)
    {
        if (judge is not null and not "commander")
            throw new RefusedException("judge", $"'{(judge.Length <= 40 ? judge : judge[..40] + "...")}' is no judge that can replay ticks; leave it out or say commander");
        var facts = await All(id, cancel);
        if (facts.Count == 0)
            return null;
        if (policy is null && model is null)
            return Loop.Replay.Same(facts, parts.Pins);
        var received = FactBody.Read<ReceivedBody>(facts[0].Body);
        var watch = new Watch(parts.Pins);
        foreach (var fact in facts.TakeWhile(f => f.Kind != FactKind.Tick))
            watch.Apply(fact);
        IPinned pins = parts.Pins;
        var otherPolicy = policy switch
        {
            null => watch.Policy,
            "current" => parts.Pins.Current.For(received.Service, received.Environment),
            _ => pins.Policy(policy),
        };
        var otherModel = model switch
        {
            null => watch.Model,
            "current" => parts.Pins.Model,
            _ => pins.Model(model),
        };
        return Loop.Replay.With(
            facts,
            parts.Pins,
            otherPolicy ?? throw new RefusedException("policy", $"no policy with the hash '{policy}' is kept; name one that a deployment has pinned, or say current"),
            otherModel ?? throw new RefusedException("model", $"no model with the hash '{model}' is kept; name one that a deployment has pinned, or say current"));
    }

    public IAsyncEnumerable<LiveEvent> Watch(string? id, CancellationToken cancel) => parts.Live.Watch(id, cancel);

    private async Task<Answer> Ask(string id, OwnerCommand command, bool wake, CancellationToken cancel)
    {
        if (!DeploymentId.IsValid(id))
            return new Answer(404, "there is no such deployment", null);
        var answer = FactBody.Read<Answer>(await owners.Of(id).Ask(FactBody.Write(command), cancel).WaitAsync(OwnerDeadline, parts.Clock, cancel));
        if (wake && answer.Status == 202)
            wakes.Add(id);
        return answer;
    }

    // The older watch is due in the store already, so that it hears of it even when this fails.
    private async Task Tell(string id, OwnerCommand command, CancellationToken cancel)
    {
        try
        {
            await Ask(id, command, wake: true, cancel);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancel.IsCancellationRequested)
        {
            parts.Log.Stumbled(id, 1, e);
        }
    }

    private async Task<IReadOnlyList<Fact>> All(string id, CancellationToken cancel)
    {
        var facts = new List<Fact>();
        if (!DeploymentId.IsValid(id))
            return facts;
        while (facts.Count < MaxFacts)
        {
            var page = await parts.Store.Read("deployment/" + id, facts.Count == 0 ? 0 : facts[^1].Seq, 2000, cancel);
            facts.AddRange(page);
            if (page.Count < 2000)
                break;
        }

        if (facts.Find(fact => fact is { Kind: FactKind.Pinned, Body: not null }) is { } pinned)
            await parts.Pins.Know(FactBody.Read<PinnedBody>(pinned.Body), cancel);

        return facts;
    }
}
