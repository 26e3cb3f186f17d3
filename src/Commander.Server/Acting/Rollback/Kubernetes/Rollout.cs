using System.Globalization;
using System.Text.Json.Nodes;
using Commander.Judging.Decisions;
using Commander.Server.Connections.Kubernetes;

namespace Commander.Server.Acting.Rollback.Kubernetes;

/// <summary>One revision of a workload's pod template: a ReplicaSet, or a ControllerRevision.</summary>
/// <param name="Name">The object's name.</param>
/// <param name="Number">Its place in the order; an undo gives an old revision a new, higher number.</param>
/// <param name="Template">The pod template.</param>
/// <param name="Pods">Pods of it; null where the object does not say.</param>
/// <param name="Ready">Pods of it that are ready; null where the object does not say.</param>
internal sealed record Revision(string Name, long Number, PodTemplate Template, long? Pods, long? Ready)
{
    /// <summary>Whether it has pods and none of them is ready.</summary>
    public bool Down => Pods > 0 && Ready is 0;

    /// <summary>Reads what a list answered; null when it is no revision of this workload.</summary>
    public static Revision? Read(Workload workload, JsonNode item, string? container)
    {
        if (!item.Items("metadata", "ownerReferences").Any(owner => owner.Text("uid") == workload.Uid) || item.Text("metadata", "name") is not { } name)
            return null;
        if (workload.Kind != WorkloadKind.Deployment)
        {
            return item.At("data", "spec", "template") is JsonObject kept && item.Whole("revision") is { } number
                ? new Revision(name, number, new PodTemplate(kept, container), null, null)
                : null;
        }

        return item.At("spec", "template") is JsonObject template
            && long.TryParse(item.Annotation("deployment.kubernetes.io/revision"), NumberStyles.None, CultureInfo.InvariantCulture, out var revision)
                ? new Revision(name, revision, new PodTemplate(template, container), item.Whole("status", "replicas") ?? 0, item.Whole("status", "readyReplicas") ?? 0)
                : null;
    }
}

/// <summary>A workload and its revisions as they were read together, and what follows from them. Pure.</summary>
/// <param name="Workload">The workload.</param>
/// <param name="Revisions">Its revisions, newest first.</param>
internal sealed record Rollout(Workload Workload, IReadOnlyList<Revision> Revisions)
{
    private const int MaxShown = 10;

    /// <summary>The revision of the workload's pod template; null while its controller has not made it.</summary>
    public Revision? Current => Revisions.FirstOrDefault(r => r.Template.Fingerprint == Workload.Template.Fingerprint)
        // ControllerRevisions are kept as they were first written: fields that a newer Kubernetes fills in are not in them.
        ?? (Workload is { Observed: true, Kind: not WorkloadKind.Deployment } && Revisions.Count > 0 ? Revisions[0] : null);

    /// <summary>What the version of the workload's pod template is called; null when it has no name.</summary>
    public string? Version => Called(Workload.Template);

    /// <summary>The same in a sentence.</summary>
    public string Serving => Version ?? "a version without a name";

    /// <summary>The other revisions, newest first.</summary>
    public IEnumerable<Revision> Others => Revisions.Where(r => r != Current && r.Template.Fingerprint != Workload.Template.Fingerprint);

    /// <summary>The state of the workload and, as its fence, which pod template it had.</summary>
    public PlatformState State()
    {
        var (settled, words) = Progress();
        if (Workload.GitOps is { } keeper)
            words += $"; managed by {keeper}";
        return new PlatformState(true, Version, settled, $"{Workload.ResourceVersion}/{Workload.Template.Fingerprint}", words)
        {
            Names = Workload.Template.Names,
            Earlier = Earlier(),
        };
    }

    /// <summary>
    /// Whether every pod is of the workload's pod template and ready, in words. A failure that was noted before the rollback
    /// stays on a Deployment until its rollout gets on: it is passed over.
    /// </summary>
    public (bool Settled, string Words) Progress()
    {
        var workload = Workload;
        if (workload.Paused)
            return (false, $"{Serving} stands in the pod template, but the rollout is paused: run kubectl rollout resume");
        if (!workload.Observed || Current is null)
            return (false, $"{Serving} stands in the pod template; the controller has not taken it up yet");
        var where = $"revision {Current.Number}";
        if (workload.Wanted == 0)
        {
            var none = workload.Kind == WorkloadKind.DaemonSet ? "no node is to run it" : "it is scaled to zero";
            return workload.Pods == 0
                ? (true, $"{Serving} is the version ({where}), and {none}: no pod serves")
                : (false, $"{Serving} is the version ({where}), and {none}; {workload.Pods} pods are still there");
        }

        if (workload.Failure is { } failure && workload.FailureAt != workload.LeftOver)
            return (false, $"{Serving} does not get on ({workload.Updated} of {workload.Wanted} pods, {workload.Ready} ready): {Foreign.Text(failure.Text("message") ?? failure.Text("reason"))}");
        var rest = Math.Max(workload.Pods - workload.Updated, Revisions.Where(r => r != Current).Sum(r => r.Pods ?? 0));
        var completed = workload.Kind != WorkloadKind.StatefulSet || workload.CompletedRevision == workload.UpdateRevision;
        if (workload.Updated == workload.Wanted && workload.Pods == workload.Wanted && workload.Ready == workload.Wanted && workload.Available == workload.Wanted && rest <= 0 && completed)
            return (true, $"{Serving} serves on {workload.Ready} of {workload.Wanted} pods ({where})");
        var stuck = workload.Kind == WorkloadKind.StatefulSet && workload.Ready < workload.Wanted
            ? "; a StatefulSet waits for a pod of the old revision that never gets ready: delete that pod if it stays"
            : "";
        if (workload.NoPods is { } why)
            stuck += $"; pods cannot be made: {Foreign.Text(why)}";
        return (false, $"{Serving} has {workload.Updated} of {workload.Wanted} pods ({where}), {workload.Ready} pods are ready, {Math.Max(rest, 0)} of other revisions are left{stuck}");
    }

    /// <summary>
    /// The revisions before the current one that may be healthy, the best known first. Kubernetes keeps no record of whether a
    /// revision without pods was ever ready, so each says what is known of it. One that has pods and none ready is left out.
    /// </summary>
    public IReadOnlyList<EarlierVersion> Earlier()
    {
        var completed = Workload.CompletedRevision != Workload.UpdateRevision ? Workload.CompletedRevision : null;
        return
        [
            .. Others.Where(r => !r.Down && (Current is null || r.Number < Current.Number))
                .Select(r => (Revision: r, Names: r.Template.Names.Except(Workload.Template.Names, StringComparer.Ordinal).ToList(), Known: r.Ready > 0 || r.Name == completed))
                .Where(r => r.Names.Count > 0)
                .OrderByDescending(r => r.Known)
                .Take(MaxShown)
                .Select(r => new EarlierVersion(r.Names, Evidence(r.Revision, r.Known))),
        ];
    }

    /// <summary>
    /// The revision to go back to for a version: the newest that is not down, else the newest; null when there is none. A label that
    /// the workload has now as well, because nobody moves it, names nothing: then only a revision that is called so and by no other name counts.
    /// </summary>
    public Revision? Find(string version)
    {
        var shared = Workload.Template.Names.Contains(version);
        return Others.Where(r => shared ? r.Template.Names.All(name => name == version) && r.Template.Names.Count > 0 : r.Template.Names.Contains(version))
            .OrderBy(r => r.Down).FirstOrDefault();
    }

    /// <summary>The versions that there are besides the current one.</summary>
    public string Choice()
    {
        var others = Others.Take(MaxShown + 1).Select(r => $"{Called(r.Template) ?? "a version without a name"} (revision {r.Number})").ToList();
        if (others.Count == 0)
            return "it keeps no other revision (see revisionHistoryLimit)";
        return "it has " + string.Join(", ", others.Take(MaxShown)) + (others.Count > MaxShown ? " and more" : "");
    }

    // The first name that tells this revision from any other: a label that never changes names nothing.
    private string? Called(PodTemplate template) =>
        template.Names.FirstOrDefault(name => Revisions.Any(r => !r.Template.Names.Contains(name))) ?? (template.Names.Count > 0 ? template.Names[0] : null);

    private static string Evidence(Revision revision, bool known) => revision switch
    {
        { Ready: > 0 } => $"revision {revision.Number}, {revision.Ready} of its pods are ready now",
        _ when known => $"revision {revision.Number}, whose rollout was the last to complete",
        { Pods: 0 } => $"revision {revision.Number}, the newest before; it has no pods any more, and Kubernetes keeps no record of whether they were ready",
        _ => $"revision {revision.Number}, the newest before; Kubernetes keeps no record of whether its pods were ready",
    };
}
