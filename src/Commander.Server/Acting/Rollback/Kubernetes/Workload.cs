using System.Text.Json.Nodes;
using Commander.Server.Connections.Kubernetes;

namespace Commander.Server.Acting.Rollback.Kubernetes;

/// <summary>The kinds of workload that keep revisions of their pod template.</summary>
internal enum WorkloadKind
{
    Deployment = 0,
    StatefulSet,
    DaemonSet,
}

/// <summary>A Deployment, StatefulSet or DaemonSet as it was read once.</summary>
internal sealed class Workload
{
    /// <summary>The key of the rollback that was written last; repeating its order takes no second effect.</summary>
    public const string ActionAnnotation = "commander.dev/action";

    /// <summary>When the failure that the Deployment showed at the moment of the rollback was noted: that one says nothing about the rollback.</summary>
    public const string LeftOverAnnotation = "commander.dev/left-over-failure";

    private readonly JsonNode _object;

    private Workload(WorkloadKind kind, JsonNode body, JsonNode template, string? container)
    {
        Kind = kind;
        _object = body;
        Template = new PodTemplate(template, container);
    }

    public WorkloadKind Kind { get; }

    public PodTemplate Template { get; }

    public string Uid => _object.Text("metadata", "uid") ?? "";

    public string ResourceVersion => _object.Text("metadata", "resourceVersion") ?? "";

    public bool HasAnnotations => _object.At("metadata", "annotations") is JsonObject;

    public string? Action => _object.Annotation(ActionAnnotation);

    public string? LeftOver => _object.Annotation(LeftOverAnnotation);

    public bool BeingDeleted => _object.Text("metadata", "deletionTimestamp") is not null;

    public bool Paused => Kind == WorkloadKind.Deployment && _object.Flag("spec", "paused");

    /// <summary>Whether the controller has seen what was last written.</summary>
    public bool Observed => (_object.Whole("status", "observedGeneration") ?? 0) >= (_object.Whole("metadata", "generation") ?? 0);

    /// <summary>How many pods it is to have; for a DaemonSet as many as there are nodes for it.</summary>
    public long Wanted => Kind == WorkloadKind.DaemonSet ? Status("desiredNumberScheduled") : _object.Whole("spec", "replicas") ?? 1;

    /// <summary>Pods of any revision.</summary>
    public long Pods => Status(Kind == WorkloadKind.DaemonSet ? "currentNumberScheduled" : "replicas");

    /// <summary>Pods of the newest revision.</summary>
    public long Updated => Status(Kind == WorkloadKind.DaemonSet ? "updatedNumberScheduled" : "updatedReplicas");

    /// <summary>Pods that are ready, of any revision.</summary>
    public long Ready => Status(Kind == WorkloadKind.DaemonSet ? "numberReady" : "readyReplicas");

    /// <summary>Pods that have been ready for as long as the workload asks for, of any revision.</summary>
    public long Available => Kind switch
    {
        WorkloadKind.DaemonSet => Status("numberAvailable"),
        // StatefulSets count them since Kubernetes 1.22 only; before, ready was all there was.
        WorkloadKind.StatefulSet => _object.Whole("status", "availableReplicas") ?? Ready,
        _ => Status("availableReplicas"),
    };

    /// <summary>StatefulSet: the revision whose rollout completed last.</summary>
    public string? CompletedRevision => _object.Text("status", "currentRevision");

    /// <summary>StatefulSet: the revision of the pod template.</summary>
    public string? UpdateRevision => _object.Text("status", "updateRevision");

    /// <summary>Deployment: the condition that says that the rollout does not get on; null when it does.</summary>
    public JsonNode? Failure => _object.Items("status", "conditions").FirstOrDefault(c => c.Text("type") == "Progressing" && c.Text("status") == "False");

    /// <summary>Why its pods cannot be made (a quota, a webhook that refuses them); null when they can. Kept up to date by the controller.</summary>
    public string? NoPods => _object.Items("status", "conditions").FirstOrDefault(c => c.Text("type") == "ReplicaFailure" && c.Text("status") == "True") is { } failure ? failure.Text("message") ?? failure.Text("reason") : null;

    /// <summary>When the failure was noted, as the cluster writes it.</summary>
    public string? FailureAt => Failure.Text("lastUpdateTime") ?? (Failure is null ? null : "unknown");

    /// <summary>Why a written pod template would never reach all pods; null when it would.</summary>
    public string? Unrolled
    {
        get
        {
            if (Kind == WorkloadKind.Deployment)
                return null;
            var partition = _object.Whole("spec", "updateStrategy", "rollingUpdate", "partition") ?? 0;
            if (_object.Text("spec", "updateStrategy", "type") == "OnDelete")
                return "its update strategy is OnDelete, so that pods keep the old template until somebody deletes them; set updateStrategy.type to RollingUpdate, or go back and delete the pods by hand";
            return partition > 0 ? $"its rolling update stops at partition {partition}, so that the pods below it would keep their revision; set partition to 0, or go back by hand" : null;
        }
    }

    /// <summary>Who puts back what Commander writes, in words; null when nobody is known.</summary>
    public string? GitOps
    {
        get
        {
            if ((_object.Label("argocd.argoproj.io/instance") ?? _object.Annotation("argocd.argoproj.io/tracking-id")?.Split(':')[0]) is { } application)
                return $"Argo CD (application {application})";
            if ((_object.Label("kustomize.toolkit.fluxcd.io/name") ?? _object.Annotation("kustomize.toolkit.fluxcd.io/name")) is { } kustomization)
                return $"Flux (kustomization {kustomization})";
            return (_object.Label("helm.toolkit.fluxcd.io/name") ?? _object.Annotation("helm.toolkit.fluxcd.io/name")) is { } release ? $"Flux (helm release {release})" : null;
        }
    }

    /// <summary>Its pods' selector as a list request takes it; null when it selects nothing that can be asked for.</summary>
    public string? Selector
    {
        get
        {
            var terms = new List<string>();
            if (_object.At("spec", "selector", "matchLabels") is JsonObject labels)
                terms.AddRange(labels.Select(l => $"{l.Key}={l.Value.Text()}"));
            foreach (var expression in _object.Items("spec", "selector", "matchExpressions"))
            {
                var values = string.Join(',', expression.Items("values").Select(v => v.Text()));
                terms.Add(expression.Text("operator") switch
                {
                    "In" => $"{expression.Text("key")} in ({values})",
                    "NotIn" => $"{expression.Text("key")} notin ({values})",
                    "Exists" => expression.Text("key")!,
                    _ => "!" + expression.Text("key"),
                });
            }

            return terms.Count == 0 ? null : string.Join(',', terms);
        }
    }

    /// <summary>Reads a workload; null when the answer is none.</summary>
    public static Workload? Read(WorkloadKind kind, JsonNode? body, string? container) =>
        body is not null && body.At("spec", "template") is JsonObject template && body.Text("metadata", "resourceVersion") is not null ? new Workload(kind, body, template, container) : null;

    private long Status(string field) => _object.Whole("status", field) ?? 0;
}
