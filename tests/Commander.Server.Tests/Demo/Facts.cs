using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;
using Commander.Server.Loop;
using Commander.Server.Storage;

namespace Commander.Server.Tests.Demo;

/// <summary>The loop as the shop sees it, without judging: a test decides.</summary>
internal sealed class Facts : IDeployments
{
    private readonly Lock _lock = new();
    private readonly List<Deployment> _newestFirst = [];
    private readonly ConcurrentBag<ChannelWriter<LiveEvent>> _watchers = [];

    public bool Refuses { get; set; }

    public List<Announcing> Announced { get; } = [];

    public static Deployment Watching(string id, string version, string? previous, string kind) => new(
        id, "shop", "demo", version, previous, "watching", null, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddMinutes(2),
        new PolicyReference("shop", "sha256:0"), null, null, [], [], null, "/deployments/" + id)
    {
        Labels = new Dictionary<string, string>(StringComparer.Ordinal) { ["demo.kind"] = kind },
    };

    public static Deployment Decided(Deployment deployment, string decision) => deployment with
    {
        State = "observing",
        Verdict = new Verdict(decision, false, 0.9, 0.1, 90, "a test says so", [], null, "none", "test", DateTimeOffset.UnixEpoch, 0),
    };

    public static Deployment RolledBack(Deployment deployment, string state = "done") => Decided(deployment, "ROLLBACK") with
    {
        Actions = [new ActionEntry("rollback", state, deployment.Id + "/rollback/1", "webhook", "policy", DateTimeOffset.UnixEpoch, null, state == "done" ? deployment.PreviousVersion : null, null, null)],
    };

    public static Deployment Closed(Deployment deployment, string reason = "decided") => deployment with { State = "closed", ClosedReason = reason };

    public void Set(string id, Func<Deployment, Deployment> change, string news)
    {
        lock (_lock)
        {
            var at = _newestFirst.FindIndex(deployment => deployment.Id == id);
            _newestFirst[at] = change(_newestFirst[at]);
        }
        foreach (var watcher in _watchers)
        {
            watcher.TryWrite(new LiveEvent(id, 1, news));
        }
    }

    public Task<(AnnounceResult Result, Deployment? Deployment)> Announce(Announcing announcing, CancellationToken cancel)
    {
        if (Refuses)
        {
            throw new StoreUnavailableException("the disk is full");
        }
        lock (_lock)
        {
            Announced.Add(announcing);
            for (var i = 0; i < _newestFirst.Count; i++)
            {
                if (_newestFirst[i].State != "closed")
                {
                    _newestFirst[i] = Closed(_newestFirst[i], "superseded");
                }
            }
            var deployment = Watching($"dep-{_newestFirst.Count + 1}", announcing.Version!, announcing.PreviousVersion, announcing.Labels["demo.kind"]);
            _newestFirst.Insert(0, deployment);
            return Task.FromResult((AnnounceResult.Accepted, (Deployment?)deployment));
        }
    }

    public Task<Deployment?> Get(string id, CancellationToken cancel)
    {
        lock (_lock)
        {
            return Task.FromResult(_newestFirst.Find(deployment => deployment.Id == id));
        }
    }

    public Task<DeploymentPage> List(DeploymentFilter filter, CancellationToken cancel)
    {
        lock (_lock)
        {
            return Task.FromResult(new DeploymentPage([.. _newestFirst.Take(filter.Limit)], null));
        }
    }

    public async IAsyncEnumerable<LiveEvent> Watch(string? id, [EnumeratorCancellation] CancellationToken cancel)
    {
        var channel = Channel.CreateUnbounded<LiveEvent>();
        _watchers.Add(channel.Writer);
        await foreach (var news in channel.Reader.ReadAllAsync(cancel))
        {
            yield return news;
        }
    }

    public Task<EvidenceDocument?> Evidence(string id, CancellationToken cancel) => throw new NotSupportedException();

    Task<IReadOnlyList<Fact>> IDeployments.Facts(string id, long afterSeq, int limit, CancellationToken cancel) => throw new NotSupportedException();

    public Task<Answer> Act(string id, string kind, string by, string? reason, CancellationToken cancel) => throw new NotSupportedException();

    public Task<Answer> Label(string id, string label, string by, string? note, CancellationToken cancel) => throw new NotSupportedException();

    public Task<Answer> Label(string id, string label, string source, string by, string? note, CancellationToken cancel) => throw new NotSupportedException();

    public Task<ReplayAnswer?> Replay(string id, string? policy, string? model, string? judge, CancellationToken cancel) => throw new NotSupportedException();
}
