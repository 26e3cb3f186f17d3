using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;
using Commander.Samples;
using Commander.Server.Loop;
using Commander.Server.Storage;

namespace Commander.Browser.Tests;

/// <summary>A loop that holds samples in memory and does what a test tells it.</summary>
internal sealed class SampleDeployments : IDeployments
{
    private readonly ConcurrentDictionary<string, (Deployment Deployment, EvidenceDocument Evidence)> _all = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<Channel<LiveEvent>, string?> _listeners = new();
    private readonly ConcurrentQueue<string> _calls = new();
    private long _seq = 100;

    public SampleDeployments(IEnumerable<(Deployment Deployment, EvidenceDocument Evidence)> samples)
    {
        foreach (var sample in samples)
        {
            _all[sample.Deployment.Id] = sample;
        }
    }

    /// <summary>What the pages asked for, as "rollback ID by REASON".</summary>
    public IReadOnlyCollection<string> Calls => _calls;

    public int Listeners => _listeners.Count;

    public Exception? Fails { get; set; }

    /// <summary>Changes or adds a deployment and tells the listeners.</summary>
    public void Put(Deployment deployment, EvidenceDocument evidence, string kind)
    {
        _all[deployment.Id] = (deployment, evidence);
        var live = new LiveEvent(deployment.Id, Interlocked.Increment(ref _seq), kind);
        foreach (var (channel, id) in _listeners)
        {
            if (id is null || id == deployment.Id)
            {
                channel.Writer.TryWrite(live);
            }
        }
    }

    public Task<(AnnounceResult Result, Deployment? Deployment)> Announce(Announcing announcing, CancellationToken cancel) => throw new NotSupportedException();

    public Task<Deployment?> Get(string id, CancellationToken cancel) =>
        Fails is null ? Task.FromResult(_all.TryGetValue(id, out var found) ? found.Deployment : null) : Task.FromException<Deployment?>(Fails);

    public Task<DeploymentPage> List(DeploymentFilter filter, CancellationToken cancel)
    {
        var rows = _all.Values.Select(v => v.Deployment)
            .Where(d => filter.Service is null || d.Service == filter.Service)
            .Where(d => filter.Environment is null || d.Environment == filter.Environment)
            .Where(d => filter.Decision is null || d.Verdict?.Decision == filter.Decision)
            .Where(d => filter.Open is null || (d.State != "closed") == filter.Open)
            .Where(d => filter.BeforeId is null || string.CompareOrdinal(d.Id, filter.BeforeId) < 0)
            .OrderByDescending(d => d.Id, StringComparer.Ordinal)
            .Take(filter.Limit + 1)
            .ToList();
        var more = rows.Count > filter.Limit;
        return Task.FromResult(new DeploymentPage([.. rows.Take(filter.Limit)], more ? rows[filter.Limit - 1].Id : null));
    }

    public Task<EvidenceDocument?> Evidence(string id, CancellationToken cancel) => Task.FromResult(_all.TryGetValue(id, out var found) ? found.Evidence : null);

    public Task<IReadOnlyList<Fact>> Facts(string id, long afterSeq, int limit, CancellationToken cancel)
    {
        var facts = new List<Fact>();
        if (_all.TryGetValue(id, out var found))
        {
            var d = found.Deployment;
            Add(d.ReceivedAt, "received", new { service = d.Service, version = d.Version, took_ms = 4.2 });
            Add(d.ReceivedAt.AddMilliseconds(9), "scheduled", new { reason = $"pinned policy {d.Policy.Name}" });
            foreach (var tick in found.Evidence.Ticks.Where(t => t.N > 0))
            {
                Add(tick.To, "tick", new { n = tick.N, took_ms = 3.1 });
                foreach (var verdict in d.Verdicts.Where(v => v.At > tick.From && v.At <= tick.To))
                {
                    Add(verdict.At, "verdict", new { verdict = new { decision = verdict.Decision, reason = verdict.Reason }, took_ms = 0.01 });
                }
            }

            foreach (var action in d.Actions)
            {
                Add(action.RequestedAt, "decided", new { decision = "rollback", reason = "autonomy enforce, no cool-down, previous version known" });
                Add(action.RequestedAt, "action_intended", new { action = new { kind = action.Kind, state = "intended", by = action.By, target = action.Target } });
                if (action.FinishedAt is { } finished)
                {
                    Add(finished, "action_result", new { action = new { kind = action.Kind, state = action.State, message = action.Message }, took_ms = (finished - action.RequestedAt).TotalMilliseconds });
                }
            }
        }

        return Task.FromResult<IReadOnlyList<Fact>>([.. facts.OrderBy(f => f.At).Take(limit)]);

        void Add(DateTimeOffset at, string kind, object body) => facts.Add(Fact.After("deployment/" + id, facts.Count + 1, Fact.NoHash, at, kind, 1, Encoding.UTF8.GetBytes(JsonSerializer.Serialize(body))));
    }

    public Task<Answer> Act(string id, string kind, string by, string? reason, CancellationToken cancel)
    {
        _calls.Enqueue($"{kind} {id} {reason}");
        if (!_all.TryGetValue(id, out var found))
        {
            return Task.FromResult(new Answer(404, null, null));
        }

        if (found.Deployment.State == "closed")
        {
            return Task.FromResult(new Answer(409, "the watch is closed", found.Deployment));
        }

        var acted = found.Deployment with
        {
            Actions = [new ActionEntry(kind, kind == "keep" ? "done" : "running", $"{id}/{kind}/1", "kubernetes:shop/checkout", by, Sample.Start.AddSeconds(5), null, null, null, reason)],
        };
        Put(acted, found.Evidence, "action");
        return Task.FromResult(new Answer(202, null, acted));
    }

    public Task<Answer> Label(string id, string label, string by, string? note, CancellationToken cancel)
    {
        _calls.Enqueue($"{label} {id} {note}");
        if (_all.TryGetValue(id, out var found))
        {
            Put(found.Deployment with { Outcome = new Outcome(label, "person", Sample.Start.AddMinutes(3)) }, found.Evidence, "outcome");
        }

        return Task.FromResult(new Answer(202, null, null));
    }

    public Task<Answer> Label(string id, string label, string source, string by, string? note, CancellationToken cancel) => throw new NotSupportedException();

    public Task<ReplayAnswer?> Replay(string id, string? policy, string? model, string? judge, CancellationToken cancel) =>
        Task.FromResult<ReplayAnswer?>(_all.TryGetValue(id, out var found) ? new ReplayAnswer(found.Deployment.Verdict, true, []) : null);

    public async IAsyncEnumerable<LiveEvent> Watch(string? id, [EnumeratorCancellation] CancellationToken cancel)
    {
        var channel = Channel.CreateBounded<LiveEvent>(new BoundedChannelOptions(256) { FullMode = BoundedChannelFullMode.DropOldest });
        _listeners[channel] = id;
        try
        {
            await foreach (var live in channel.Reader.ReadAllAsync(cancel))
            {
                yield return live;
            }
        }
        finally
        {
            _listeners.TryRemove(channel, out _);
        }
    }
}
