using Commander.Judging.Policies;
using Commander.Server.Connections.Kubernetes;

namespace Commander.Server.Acting.Rollback.Kubernetes;

/// <summary>
/// A Deployment, StatefulSet or DaemonSet: the pod template says which version serves, its revisions are what it can go back
/// to, and an undo writes the old revision's template into it.
/// </summary>
internal sealed class KubernetesTarget(RollbackPolicy policy, Clusters clusters, TimeProvider clock) : IRollbackTarget
{
    private const int PageSize = 100;
    private const int MaxPages = 20;
    private const int MaxConflicts = 5;

    private readonly string _namespace = policy.Settings["namespace"];
    private readonly string? _container = policy.Settings.GetValueOrDefault("container");
    private readonly Cluster _cluster = clusters.Of(new Connection(
        policy.Settings.GetValueOrDefault("server"),
        policy.Settings.GetValueOrDefault("token"),
        policy.Settings.GetValueOrDefault("ca"),
        policy.Settings.GetValueOrDefault("context")));

    private readonly (WorkloadKind Kind, string Name) _workload =
        policy.Settings.TryGetValue("statefulset", out var statefulSet) ? (WorkloadKind.StatefulSet, statefulSet)
        : policy.Settings.TryGetValue("daemonset", out var daemonSet) ? (WorkloadKind.DaemonSet, daemonSet)
        : (WorkloadKind.Deployment, policy.Settings["deployment"]);

    public string Name => _workload.Kind == WorkloadKind.Deployment
        ? $"kubernetes:{_namespace}/{_workload.Name}"
        : $"kubernetes:{_namespace}/{Plural.TrimEnd('s')}/{_workload.Name}";

    public bool KnowsHistory => true;

    private string Plural => _workload.Kind switch
    {
        WorkloadKind.StatefulSet => "statefulsets",
        WorkloadKind.DaemonSet => "daemonsets",
        _ => "deployments",
    };

    private string Folder => $"apis/apps/v1/namespaces/{Uri.EscapeDataString(_namespace)}/";

    private string Address => $"{Folder}{Plural}/{Uri.EscapeDataString(_workload.Name)}";

    public async Task<PlatformState> Look(string service, string environment, CancellationToken cancel)
    {
        using var deadline = new Deadline(policy.Timeout, clock, cancel);
        var (rollout, trouble) = await Read(deadline.Token, cancel);
        return rollout is null ? new PlatformState(false, null, false, null, $"{Name}: {trouble!.Message}") { Hopeless = trouble.Final } : rollout.State();
    }

    public async Task<OrderResult> Order(RollbackOrder order, CancellationToken cancel)
    {
        using var deadline = new Deadline(policy.Timeout, clock, cancel);
        for (var attempt = 0; attempt < MaxConflicts; attempt++)
        {
            var (rollout, trouble) = await Read(deadline.Token, cancel);
            if (rollout is null)
                return new OrderResult(false, trouble!.Final, $"{Name}: {trouble.Message}");
            var undo = Undo.Decide(rollout, order, Name, _container);
            if (undo.Patch is null)
                return undo.Answer!;
            var written = await _cluster.Send(HttpMethod.Patch, Address + "?fieldManager=commander", undo.Patch, deadline.Token, cancel);
            if (written.Trouble is null)
                return await Taken(rollout, undo.To!, order, deadline.Token, cancel);
            // Something was written in between, if only a status: read and decide again.
            if (written.Trouble.Status != 409)
                return new OrderResult(false, written.Trouble.Final, $"{Name}: {written.Trouble.Message}");
        }

        return new OrderResult(false, false, $"{Name} was changed {MaxConflicts} times while it was to be rolled back; it is tried again");
    }

    private async Task<OrderResult> Taken(Rollout rollout, Revision to, RollbackOrder order, CancellationToken deadline, CancellationToken cancel)
    {
        var message = $"{Name} goes back to {order.TargetVersion} (revision {to.Number}, {to.Name})";
        if (to.Down)
            message += "; none of the pods that it has is ready";
        if (await Autoscaler(deadline, cancel) is { } autoscaler)
            message += $"; its replica count stays with the autoscaler {autoscaler}";
        return new OrderResult(true, false, message, rollout.Workload.GitOps is { } keeper
            ? $"{Name} is managed by {keeper}: its next sync puts {order.Version} back unless the change is reverted in git or automatic sync is suspended"
            : null);
    }

    // Only for a sentence: where autoscaling/v2 is not served (before Kubernetes 1.23), or may not be read, there is none to name.
    private async Task<string?> Autoscaler(CancellationToken deadline, CancellationToken cancel)
    {
        var kind = _workload.Kind.ToString();
        var reply = await _cluster.Send(HttpMethod.Get, $"apis/autoscaling/v2/namespaces/{Uri.EscapeDataString(_namespace)}/horizontalpodautoscalers?limit={PageSize}", null, deadline, cancel);
        var found = reply.Body.Items("items").FirstOrDefault(a => a.Text("spec", "scaleTargetRef", "kind") == kind && a.Text("spec", "scaleTargetRef", "name") == _workload.Name);
        return found.Text("metadata", "name") is { } name ? Foreign.Text(name) : null;
    }

    // ---- Reading ----

    private async Task<(Rollout? Rollout, Trouble? Trouble)> Read(CancellationToken deadline, CancellationToken cancel)
    {
        var reply = await _cluster.Send(HttpMethod.Get, Address, null, deadline, cancel);
        if (reply.Trouble is { Status: 404, Final: true } gone)
            return (null, gone with { Message = $"there is no such workload ({gone.Message}): it was deleted, or namespace or name in the policy is wrong" });
        if (reply.Trouble is { } trouble)
            return (null, trouble);
        if (Workload.Read(_workload.Kind, reply.Body, _container) is not { } workload)
            return (null, new Trouble(0, false, "what answers is no Kubernetes API server: there is no pod template in it"));
        var revisions = new List<Revision>();
        var selector = workload.Selector is { } labels ? $"&labelSelector={Uri.EscapeDataString(labels)}" : "";
        var from = "";
        for (var page = 0; page < MaxPages; page++)
        {
            var list = await _cluster.Send(HttpMethod.Get, $"{Folder}{(_workload.Kind == WorkloadKind.Deployment ? "replicasets" : "controllerrevisions")}?limit={PageSize}{selector}{from}", null, deadline, cancel);
            if (list.Trouble is { } denied)
                return (null, denied);
            revisions.AddRange(list.Body.Items("items").Select(item => Revision.Read(workload, item, _container)).OfType<Revision>());
            if (list.Body.Text("metadata", "continue") is not { Length: > 0 } next)
                return (new Rollout(workload, [.. revisions.OrderByDescending(r => r.Number)]), null);
            from = "&continue=" + Uri.EscapeDataString(next);
        }

        return (null, new Trouble(0, true, $"more than {PageSize * MaxPages} revisions match the selector of the workload; give it a selector of its own"));
    }

    private sealed class Deadline : IDisposable
    {
        private readonly CancellationTokenSource _time;
        private readonly CancellationTokenSource _either;

        public Deadline(TimeSpan longest, TimeProvider clock, CancellationToken cancel)
        {
            _time = new CancellationTokenSource(longest, clock);
            _either = CancellationTokenSource.CreateLinkedTokenSource(_time.Token, cancel);
        }

        public CancellationToken Token => _either.Token;

        public void Dispose()
        {
            _either.Dispose();
            _time.Dispose();
        }
    }
}
