using Commander.Judging.Policies;
using Commander.Server.Alerting;
using Commander.Server.Reasoning;
using Commander.Server.Sources;
using Commander.Server.Storage;

namespace Commander.Server.Hosting.SelfChecks;

/// <summary>What a node needs to look at itself.</summary>
/// <param name="Store">Facts.</param>
/// <param name="Sources">Where metrics come from.</param>
/// <param name="Alerts">The channels.</param>
/// <param name="Reasoner">The language model; null for none.</param>
/// <param name="Policies">Whose channels, and which step.</param>
/// <param name="Data">The data folder.</param>
/// <param name="Node">This node's name.</param>
/// <param name="Members">The names of the nodes that work; null where there is only one.</param>
/// <param name="Heartbeat">How the last heartbeat went; null where none is sent.</param>
/// <param name="Clock">Time.</param>
internal sealed record CheckParts(
    IFactStore Store,
    SourceBook Sources,
    AlertBook Alerts,
    Reasoner? Reasoner,
    PolicySet Policies,
    string Data,
    string Node,
    Func<IReadOnlyCollection<string>>? Members,
    Func<Found>? Heartbeat,
    TimeProvider Clock);

/// <summary>Everything that is looked at, in the order in which it is shown.</summary>
internal static class Checks
{
    private const int FailuresOfModel = 3;
    private const int MostOverdue = 1000;
    private static readonly TimeSpan Overdue = TimeSpan.FromMinutes(1);

    public static IReadOnlyList<Check> Of(CheckParts parts)
    {
        // What is one node's alone is named after it where there are several.
        string Own(string name) => parts.Members is null ? name : $"{name} {parts.Node}";
        var clocks = new SourceClocks();
        var checks = new List<Check> { new("store", cancel => Store(parts, cancel), AtOnce: true) };
        if (parts.Members is { } members)
            checks.Add(new Check(Own("cluster"), _ => Task.FromResult(Cluster(members(), parts.Node))));
        checks.Add(new Check("watches", cancel => Watches(parts, cancel)));
        checks.AddRange(parts.Sources.All.OrderBy(source => source.Key, StringComparer.Ordinal).Select(source => new Check($"source {source.Key}", cancel => Source(source.Key, source.Value, clocks, cancel))));
        if (parts.Reasoner is { } reasoner)
            checks.Add(new Check("language model", _ => Task.FromResult(Model(reasoner))));
        checks.AddRange(Channels.Of(parts.Policies).Select(channel => new Check($"alert {channel.Name}", async cancel =>
            await parts.Alerts.Check(channel.To, cancel) is { } wrong ? Found.Not(wrong) : Found.Well("can be told"))));
        checks.Add(new Check(Own("clock"), cancel => Clock(parts, clocks, cancel), Last: true));
        checks.Add(new Check(Own("disk"), _ => Task.FromResult(Disk(parts.Data))));
        if (parts.Heartbeat is { } heartbeat)
            checks.Add(new Check(Own("heartbeat"), _ => Task.FromResult(heartbeat())));
        return checks;
    }

    /// <summary>Whether the language model answers, by what became of the last questions: none is asked for this.</summary>
    internal static Found Model(string name, string? notNow, Unanswered? last) => (notNow, last) switch
    {
        ({ } why, _) => Found.Not($"{why}; verdicts are made without opinions meanwhile"),
        (_, { Times: >= FailuresOfModel } failed) => Found.Not($"the last {failed.Times} questions found no answer, the last at {failed.At.UtcDateTime:yyyy-MM-dd HH:mm} UTC: {failed.Why}; verdicts are made without opinions meanwhile"),
        (_, { } once) => Found.Well($"{name}: the last question found no answer: {once.Why}"),
        _ => Found.Well($"{name}: no question went wrong lately"),
    };

    internal static Found Cluster(IReadOnlyCollection<string> members, string node) => members.Contains(node)
        ? Found.Well(members.Count == 1 ? "this node is active, and alone" : $"this node is active, with {members.Count - 1} more")
        : Found.Not("the others do not count this node in: it starts, ends, or was taken for dead; restart it when that stays so");

    private static Found Model(Reasoner reasoner) => Model(reasoner.Model, reasoner.NotNow, reasoner.Unanswered);

    private static async Task<Found> Store(CheckParts parts, CancellationToken cancel)
    {
        await ((IStoreUpkeep)parts.Store).Probe(cancel);
        return Found.Well("takes writes");
    }

    private static async Task<Found> Watches(CheckParts parts, CancellationToken cancel)
    {
        var late = (await parts.Store.Due(parts.Clock.GetUtcNow() - Overdue, MostOverdue, cancel)).Count;
        return late == 0
            ? Found.Well("none is overdue")
            : Found.Not($"{(late == 1 ? "1 watch is" : $"{(late == MostOverdue ? "at least " : "")}{late} watches are")} overdue by more than a minute: deployments are judged, or what came of them is told, late; look for what the process waits for, or give it more processors");
    }

    private static async Task<Found> Source(string name, ISource source, SourceClocks clocks, CancellationToken cancel)
    {
        var came = await source.Check(cancel);
        clocks.Know(name, came.Clock);
        return came.Wrong is { } wrong ? Found.Not(wrong) : Found.Well(came.Said);
    }

    private static async Task<Found> Clock(CheckParts parts, SourceClocks clocks, CancellationToken cancel)
    {
        var told = clocks.All();
        var began = parts.Clock.GetTimestamp();
        if (await ((IStoreUpkeep)parts.Store).Now(cancel) is { } now)
            told.Add(("the database", now - parts.Clock.GetUtcNow(), parts.Clock.GetElapsedTime(began)));
        return Thresholds.Clock(told, parts.Policies.Services.Values.Prepend(parts.Policies.Defaults).Min(policy => policy.Watch.Step));
    }

    private static Found Disk(string folder)
    {
        var drive = new DriveInfo(Path.GetFullPath(folder));
        return Thresholds.Disk(drive.AvailableFreeSpace, drive.TotalSize);
    }

    /// <summary>What the sources' clocks said when they were asked last.</summary>
    private sealed class SourceClocks
    {
        // HTTP tells the time in whole seconds: half of one on average is missing, and half of one either way is not known.
        private static readonly TimeSpan Half = TimeSpan.FromSeconds(0.5);
        private readonly Lock _lock = new();
        private readonly SortedDictionary<string, SourceClock> _known = new(StringComparer.Ordinal);

        public void Know(string name, SourceClock? said)
        {
            lock (_lock)
            {
                if (said is { } clock)
                    _known[name] = clock;
                else
                    _known.Remove(name);
            }
        }

        public List<(string Who, TimeSpan Ahead, TimeSpan Within)> All()
        {
            lock (_lock)
                return [.. _known.Select(known => ($"source {known.Key}", known.Value.Ahead + Half, known.Value.Within + Half))];
        }
    }
}
