using System.Text.Json.Nodes;

namespace Commander.Server.Acting.Rollback.Kubernetes;

/// <summary>What is to be done about an order: an answer, or a patch to write.</summary>
/// <param name="Answer">Set when there is nothing to write.</param>
/// <param name="To">The revision that the patch goes back to.</param>
/// <param name="Patch">A JSON patch that takes only on the very state that it was made for.</param>
internal sealed record Undo(OrderResult? Answer, Revision? To, JsonArray? Patch)
{
    /// <summary>Decides from what was read. Pure.</summary>
    /// <param name="rollout">The workload and its revisions, as they are now.</param>
    /// <param name="order">The order.</param>
    /// <param name="target">How the target is named in sentences.</param>
    /// <param name="container">The policy's container; null for the first.</param>
    public static Undo Decide(Rollout rollout, RollbackOrder order, string target, string? container)
    {
        var workload = rollout.Workload;
        var back = order.TargetVersion;
        if (workload.Action == order.Key)
            return Done($"the order was written into {target} before; it is not repeated");
        if (workload.BeingDeleted)
            return Refuse($"{target} is being deleted");
        if (container is not null && !workload.Template.Containers.Contains(container))
            return Refuse($"{target} has no container '{container}', whose image the policy takes for the version; it has {string.Join(", ", workload.Template.Containers)}");
        if (workload.Paused)
            return Refuse($"the rollout of {target} is paused, so that an undo would wait unseen; run kubectl rollout resume and roll back again");
        if (workload.Unrolled is { } unrolled)
            return Refuse($"{target} cannot be rolled back by its pod template: {unrolled}");
        var leaves = workload.Template.Names.Contains(order.Version);
        if (!leaves && workload.Template.Names.Contains(back))
            return Done($"{target} is back at {back} already; nothing was written");
        var seen = order.Fence?.Split('/') is [_, var fingerprint] ? fingerprint : null;
        if (seen is not null && seen != workload.Template.Fingerprint)
            return Refuse($"somebody changed the pod template of {target} after the rollback was decided (it is {rollout.Serving} now); what is newer is not undone");
        if (!leaves)
            return Refuse($"{target} does not serve {order.Version}, which was judged, but {rollout.Serving}; what was not judged is not undone. A version is known by the labels app.kubernetes.io/version and version, by the image's tag and digest");
        if (rollout.Find(back) is not { } to)
            return Refuse($"{target} has no revision of {back} to go back to; {rollout.Choice()}");
        return new Undo(null, to, Write(workload, to, order));
    }

    private static Undo Done(string message) => new(new OrderResult(true, false, message), null, null);

    private static Undo Refuse(string message) => new(new OrderResult(false, true, message), null, null);

    // A resourceVersion in the patched object makes the API server refuse with 409 when anything was written in between.
    private static JsonArray Write(Workload workload, Revision to, RollbackOrder order)
    {
        var patch = new JsonArray(
            Operation("replace", "/metadata/resourceVersion", workload.ResourceVersion),
            Operation("replace", "/spec/template", to.Template.Body.DeepClone()));
        if (!workload.HasAnnotations)
            patch.Add(Operation("add", "/metadata/annotations", new JsonObject()));
        patch.Add(Annotation(Workload.ActionAnnotation, order.Key));
        patch.Add(Annotation("kubernetes.io/change-cause", $"rolled back from {order.Version} to {order.TargetVersion} by Commander ({order.Deployment})"));
        if (workload.FailureAt is { } failure)
            patch.Add(Annotation(Workload.LeftOverAnnotation, failure));
        else if (workload.LeftOver is not null)
            patch.Add(new JsonObject { ["op"] = "remove", ["path"] = Path(Workload.LeftOverAnnotation) });
        return patch;
    }

    private static JsonObject Annotation(string key, string value) => Operation("add", Path(key), value);

    private static string Path(string annotation) => "/metadata/annotations/" + annotation.Replace("/", "~1", StringComparison.Ordinal);

    private static JsonObject Operation(string op, string path, JsonNode value) => new() { ["op"] = op, ["path"] = path, ["value"] = value };
}
