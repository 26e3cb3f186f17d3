using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Commander.Server.Demo;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Acting.Kubernetes;

/// <summary>
/// A Kubernetes API server on a loopback port, with as much of apps/v1 as a rollback meets: resource versions that move with
/// every write, optimistic concurrency, JSON patch, paged lists, RBAC, throttling, and the controllers of Deployments,
/// StatefulSets and DaemonSets. A controller does one step when the test says so: <see cref="Step"/>.
/// </summary>
internal sealed class FakeCluster : IAsyncDisposable
{
    public const string Token = "t0ken";
    private const int MaxPage = 500;

    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, JsonObject> _objects = new(StringComparer.Ordinal);
    private Listener? _listener;
    private long _version = 1000;
    private int _ticks;

    public string Url => $"http://{IPAddress.Loopback}:{_listener!.Port}";

    /// <summary>Verb and resource that are not granted: "patch deployments".</summary>
    public HashSet<string> Denied { get; } = new(StringComparer.Ordinal);

    /// <summary>Images whose pods never get ready.</summary>
    public HashSet<string> Broken { get; } = new(StringComparer.Ordinal);

    /// <summary>Answers instead of the server when it says true.</summary>
    public Func<HttpContext, Task<bool>>? Instead { get; set; }

    /// <summary>Runs before a write is looked at, as what others do at the same moment.</summary>
    public Action? BeforeWrite { get; set; }

    /// <summary>The server goes away after this write took effect and before it is answered.</summary>
    public bool AbortAfterWrite { get; set; }

    /// <summary>Whether autoscaling/v2 is served.</summary>
    public bool ServesAutoscaling { get; set; } = true;

    /// <summary>What the container of a pod wrote, by the pod's name (by name/previous before it was started again): an instant, a space and the line.</summary>
    public Dictionary<string, List<string>> Logs { get; } = new(StringComparer.Ordinal);

    /// <summary>Items a page of a list, whatever is asked for.</summary>
    public int PageSize { get; set; } = MaxPage;

    /// <summary>Requests so far: "GET deployments".</summary>
    public List<string> Requests { get; } = [];

    public static async Task<FakeCluster> Start()
    {
        var cluster = new FakeCluster();
        cluster._listener = await Listener.Start(0, cluster.Answer, CancellationToken.None);
        return cluster;
    }

    /// <summary>As when the machine of the API server is gone.</summary>
    public async Task Stop()
    {
        await _listener!.DisposeAsync();
    }

    public async ValueTask DisposeAsync() => await _listener!.DisposeAsync();

    // ---- What people do ----

    /// <summary>Creates a workload or changes its pod template, as kubectl apply does.</summary>
    public void Apply(string kind, string name, string image, Action<JsonObject>? change = null, int replicas = 3)
    {
        lock (_lock)
        {
            var key = $"{kind}/{name}";
            if (!_objects.TryGetValue(key, out var workload))
            {
                var labels = new JsonObject { ["app"] = name };
                workload = new JsonObject
                {
                    ["kind"] = kind,
                    ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = "shop", ["uid"] = "uid-" + key, ["generation"] = 0 },
                    ["spec"] = new JsonObject
                    {
                        ["selector"] = new JsonObject { ["matchLabels"] = labels },
                        ["template"] = new JsonObject { ["metadata"] = new JsonObject { ["labels"] = labels.DeepClone() }, ["spec"] = new JsonObject() },
                    },
                    ["status"] = new JsonObject(),
                };
                if (kind != "daemonsets")
                    workload["spec"]!["replicas"] = replicas;
                _objects[key] = workload;
            }

            workload["spec"]!["template"]!["spec"]!["containers"] = new JsonArray(new JsonObject { ["name"] = "app", ["image"] = image, ["resources"] = new JsonObject() });
            change?.Invoke(workload);
            workload["metadata"]!["generation"] = Number(workload["metadata"]!["generation"]) + 1;
            Touch(workload);
        }
    }

    /// <summary>Changes anything of an object and moves its resource version, as a write of its status does.</summary>
    public void Change(string key, Action<JsonObject> change)
    {
        lock (_lock)
        {
            change(_objects[key]);
            Touch(_objects[key]);
        }
    }

    /// <summary>Adds an object of any resource.</summary>
    public void Add(string key, JsonObject body)
    {
        lock (_lock)
        {
            _objects[key] = body;
            Touch(body);
        }
    }

    public JsonObject Get(string key)
    {
        lock (_lock)
            return (JsonObject)_objects[key].DeepClone();
    }

    public void Delete(string key)
    {
        lock (_lock)
            _objects.Remove(key);
    }

    /// <summary>Turns the controllers until they change nothing more.</summary>
    public void Settle()
    {
        for (var step = 0; step < 100; step++)
        {
            if (!Step())
                return;
        }

        throw new InvalidOperationException("the controllers do not come to rest");
    }

    /// <summary>The progress deadline of a Deployment passes.</summary>
    public void ExceedDeadline(string name)
    {
        lock (_lock)
        {
            Progressing(_objects["deployments/" + name], "False", "ProgressDeadlineExceeded", $"ReplicaSet \"{name}\" has timed out progressing.");
            Touch(_objects["deployments/" + name]);
        }
    }

    // ---- Controllers ----

    /// <summary>One step of every controller; false when none had anything to do.</summary>
    public bool Step()
    {
        lock (_lock)
        {
            var any = false;
            foreach (var (key, workload) in _objects.ToList())
            {
                any |= key.Split('/')[0] switch
                {
                    "deployments" => StepDeployment(workload),
                    "statefulsets" or "daemonsets" => StepSet(key.Split('/')[0], workload),
                    _ => false,
                };
            }

            return any;
        }
    }

    // Takes the template up (an undo takes the old ReplicaSet, with a new revision number); then a pod a step: one more of the new, one less of the old.
    private bool StepDeployment(JsonObject deployment)
    {
        var name = Name(deployment);
        var owned = _objects.Where(o => o.Key.StartsWith("replicasets/", StringComparison.Ordinal) && Owned(o.Value, deployment)).Select(o => o.Value).ToList();
        var status = (JsonObject)deployment["status"]!;
        var generation = Number(deployment["metadata"]!["generation"]);
        var template = deployment["spec"]!["template"]!;
        var current = owned.FirstOrDefault(r => JsonNode.DeepEquals(WithoutHash(r["spec"]!["template"]!), template));
        if (Number(status["observedGeneration"]) < generation)
        {
            var paused = deployment["spec"]!["paused"]?.GetValue<bool>() == true;
            var newest = owned.Select(RevisionOf).DefaultIfEmpty(0).Max();
            if (current is null && !paused)
            {
                current = MakeReplicaSet(deployment, template, newest + 1);
                Progressing(deployment, "True", "NewReplicaSetCreated", $"Created new replica set \"{Name(current)}\"");
            }
            else if (current is not null && RevisionOf(current) < newest && !paused)
            {
                current["metadata"]!["annotations"]!["deployment.kubernetes.io/revision"] = Text(newest + 1);
                Touch(current);
            }

            if (current is not null)
                Annotations(deployment)["deployment.kubernetes.io/revision"] = Text(RevisionOf(current));
            status["observedGeneration"] = generation;
            Count(deployment, owned, current);
            Touch(deployment);
            return true;
        }

        if (current is null)
            return false;
        var replicas = Number(deployment["spec"]!["replicas"]);
        owned = [.. owned.Union([current])];
        var others = owned.Where(r => r != current && Pods(r) > 0).ToList();
        var moved = false;
        foreach (var set in owned.Where(r => Ready(r) < Pods(r) && !Broken.Contains(Image(r["spec"]!["template"]!))))
            moved |= Set(set, Pods(set), Pods(set));
        if (!moved && Pods(current) < replicas && owned.Sum(Pods) < replicas + 1)
            moved = Set(current, Pods(current) + 1, Ready(current));
        else if (!moved && Pods(current) > replicas)
            moved = Set(current, replicas, Math.Min(replicas, Ready(current)));
        else if (!moved && others.Count > 0 && (owned.Sum(Ready) > replicas || others.Any(r => Ready(r) < Pods(r)) || replicas == 0))
            moved = Drop(others.OrderBy(Ready).First());
        if (moved && Ready(current) == replicas && owned.Sum(Pods) == replicas)
            Progressing(deployment, "True", "NewReplicaSetAvailable", $"ReplicaSet \"{Name(current)}\" has successfully progressed.");
        else if (moved)
            Progressing(deployment, "True", "ReplicaSetUpdated", $"ReplicaSet \"{Name(current)}\" is progressing.");
        if (!moved)
            return false;
        Count(deployment, owned, current);
        Touch(deployment);
        return true;
    }

    private JsonObject MakeReplicaSet(JsonObject deployment, JsonNode template, long revision)
    {
        var hash = Text(0x5d4c3b2a + revision);
        var copy = template.DeepClone();
        copy["metadata"]!["labels"]!["pod-template-hash"] = hash;
        var made = Owned("replicasets", $"{Name(deployment)}-{hash}", deployment, copy["metadata"]!["labels"]!);
        made["metadata"]!["annotations"] = new JsonObject { ["deployment.kubernetes.io/revision"] = Text(revision) };
        made["spec"] = new JsonObject { ["template"] = copy };
        made["status"] = new JsonObject { ["replicas"] = 0 };
        return made;
    }

    // StatefulSets and DaemonSets: a pod a step is replaced; the completed revision follows at the end.
    private bool StepSet(string kind, JsonObject set)
    {
        var status = (JsonObject)set["status"]!;
        var generation = Number(set["metadata"]!["generation"]);
        var template = (JsonObject)set["spec"]!["template"]!;
        var data = (JsonObject)template.DeepClone();
        data["$patch"] = "replace";
        var owned = _objects.Where(o => o.Key.StartsWith("controllerrevisions/", StringComparison.Ordinal) && Owned(o.Value, set)).Select(o => o.Value).ToList();
        var current = owned.FirstOrDefault(r => JsonNode.DeepEquals(r["data"]!["spec"]!["template"], data));
        var stateful = kind == "statefulsets";
        var (pods, updated, ready) = stateful ? ("replicas", "updatedReplicas", "readyReplicas") : ("currentNumberScheduled", "updatedNumberScheduled", "numberReady");
        var available = stateful ? "availableReplicas" : "numberAvailable";
        var wanted = stateful ? Number(set["spec"]!["replicas"]) : 2;
        if (Number(status["observedGeneration"]) < generation)
        {
            var newest = owned.Select(r => Number(r["revision"])).DefaultIfEmpty(0).Max();
            if (current is null)
            {
                current = Owned("controllerrevisions", $"{Name(set)}-{Text(0x6a7b + newest)}", set, template["metadata"]!["labels"]!);
                current["data"] = new JsonObject { ["spec"] = new JsonObject { ["template"] = data } };
                current["revision"] = newest + 1;
            }
            else if (Number(current["revision"]) < newest)
            {
                current["revision"] = newest + 1;
                Touch(current);
            }

            status["observedGeneration"] = generation;
            status[updated] = 0;
            if (stateful)
            {
                status["updateRevision"] = Name(current);
                status["currentRevision"] ??= Name(current);
            }
            else
            {
                status["desiredNumberScheduled"] = wanted;
            }

            Touch(set);
            return true;
        }

        if (Number(status[updated]) == wanted && Number(status[ready]) == wanted)
            return false;
        if (Broken.Contains(Image(template)))
        {
            if (Number(status[updated]) > 0)
                return false;
            (status[updated], status[pods], status[ready], status[available]) = (1, wanted, wanted - 1, wanted - 1);
        }
        else
        {
            status[updated] = Number(status[updated]) + 1;
            (status[pods], status[ready], status[available]) = (wanted, wanted, wanted);
            if (Number(status[updated]) == wanted && stateful)
                status["currentRevision"] = Name(current!);
        }

        Touch(set);
        return true;
    }

    private JsonObject Owned(string resource, string name, JsonObject owner, JsonNode labels)
    {
        var made = new JsonObject
        {
            ["metadata"] = new JsonObject
            {
                ["name"] = name,
                ["namespace"] = "shop",
                ["uid"] = "uid-" + name,
                ["labels"] = labels.DeepClone(),
                ["ownerReferences"] = new JsonArray(new JsonObject { ["uid"] = owner["metadata"]!["uid"]!.DeepClone(), ["controller"] = true }),
            },
        };
        _objects[$"{resource}/{name}"] = made;
        Touch(made);
        return made;
    }

    private bool Set(JsonObject replicaSet, long pods, long ready)
    {
        replicaSet["status"] = new JsonObject { ["replicas"] = pods, ["readyReplicas"] = ready, ["availableReplicas"] = ready };
        Touch(replicaSet);
        return true;
    }

    private bool Drop(JsonObject replicaSet) => Set(replicaSet, Pods(replicaSet) - 1, Math.Min(Ready(replicaSet), Pods(replicaSet) - 1));

    // Fields that are zero are left out, as the API server leaves them out.
    private static void Count(JsonObject deployment, List<JsonObject> owned, JsonObject? current)
    {
        var status = (JsonObject)deployment["status"]!;
        foreach (var (field, value) in ((string, long)[])[
            ("replicas", owned.Sum(Pods)), ("updatedReplicas", current is null ? 0 : Pods(current)), ("readyReplicas", owned.Sum(Ready)), ("availableReplicas", owned.Sum(Ready))])
        {
            status.Remove(field);
            if (value > 0)
                status[field] = value;
        }
    }

    // As SetDeploymentCondition does: the same status and reason keep the condition as it was.
    private void Progressing(JsonObject deployment, string status, string reason, string message)
    {
        var conditions = (JsonArray)(deployment["status"]!["conditions"] ??= new JsonArray());
        var old = conditions.FirstOrDefault(c => (string?)c!["type"] == "Progressing");
        if ((string?)old?["status"] == status && (string?)old?["reason"] == reason)
            return;
        conditions.Remove(old);
        conditions.Add(new JsonObject
        {
            ["type"] = "Progressing",
            ["status"] = status,
            ["reason"] = reason,
            ["message"] = message,
            ["lastUpdateTime"] = new DateTime(2026, 11, 24, 10, 0, 0, DateTimeKind.Utc).AddSeconds(++_ticks).ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture),
        });
    }

    // ---- The API ----

    private async Task Answer(HttpContext context)
    {
        if (Instead is { } instead && await instead(context))
            return;
        var path = context.Request.Path.Value!.Trim('/').Split('/');
        if (context.Request.Headers.Authorization != "Bearer " + Token)
        {
            await Status(context, 401, "Unauthorized", "Unauthorized");
            return;
        }

        if (path is ["api", "v1", "namespaces", var core, "pods", .. var pod])
        {
            await Pods(context, core, pod);
            return;
        }

        // apis/GROUP/VERSION/namespaces/NAMESPACE/RESOURCE[/NAME]
        if (path is not ["apis", var group, _, "namespaces", var space, var resource, .. var rest] || (group == "autoscaling" && !ServesAutoscaling))
        {
            context.Response.StatusCode = 404;
            await context.Response.WriteAsync("404 page not found");
            return;
        }

        var verb = context.Request.Method == "PATCH" ? "patch" : rest.Length == 0 ? "list" : "get";
        lock (_lock)
            Requests.Add($"{verb} {resource}");
        if (Denied.Contains($"{verb} {resource}"))
        {
            var what = rest.Length == 0 ? $"{resource}.{group} is forbidden" : $"{resource}.{group} \"{rest[0]}\" is forbidden";
            await Status(context, 403, "Forbidden", $"{what}: User \"system:serviceaccount:commander:commander\" cannot {verb} resource \"{resource}\" in API group \"{group}\" in the namespace \"{space}\"");
            return;
        }

        if (rest.Length == 0)
            await List(context, resource, space);
        else if (verb == "get")
            await Read(context, resource, group, space, rest[0]);
        else
            await Patch(context, resource, group, space, rest[0]);
    }

    // pods and pods/NAME/log, which is text and knows no end of its time.
    private async Task Pods(HttpContext context, string space, string[] pod)
    {
        var (verb, resource) = pod.Length == 0 ? ("list", "pods") : ("get", "pods/log");
        lock (_lock)
            Requests.Add($"{verb} {resource}");
        if (Denied.Contains($"{verb} {resource}"))
        {
            await Status(context, 403, "Forbidden", $"{resource} is forbidden: User \"system:serviceaccount:commander:commander\" cannot {verb} resource \"{resource}\" in API group \"\" in the namespace \"{space}\"");
            return;
        }

        if (pod is not [var name, "log"])
        {
            await List(context, "pods", space);
            return;
        }

        var query = context.Request.Query;
        List<string>? written;
        lock (_lock)
            written = Found("pods", space, name) is null ? null : Logs.GetValueOrDefault(query["previous"] == "true" ? name + "/previous" : name, []);
        if (written is null)
        {
            await Status(context, 404, "NotFound", $"pods \"{name}\" not found");
            return;
        }

        if (written.Count == 0)
        {
            var why = query["previous"] == "true" ? $"previous terminated container \"{query["container"]}\" in pod \"{name}\" not found" : $"container \"{query["container"]}\" in pod \"{name}\" is waiting to start: ContainerCreating";
            await Status(context, 400, "BadRequest", why);
            return;
        }

        var since = DateTimeOffset.Parse(query["sinceTime"].ToString(), CultureInfo.InvariantCulture);
        var lines = written.Where(line => DateTimeOffset.Parse(line[..line.IndexOf(' ', StringComparison.Ordinal)], CultureInfo.InvariantCulture) >= since);
        if (int.TryParse(query["tailLines"], CultureInfo.InvariantCulture, out var tail))
            lines = lines.TakeLast(tail);
        context.Response.ContentType = "text/plain";
        await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(string.Concat(lines.Select(line => line + "\n"))));
    }

    private async Task Read(HttpContext context, string resource, string group, string space, string name)
    {
        string? body;
        lock (_lock)
            body = Found(resource, space, name)?.ToJsonString();
        await (body is null ? Status(context, 404, "NotFound", $"{resource}.{group} \"{name}\" not found") : Write(context, 200, body));
    }

    private async Task List(HttpContext context, string resource, string space)
    {
        var query = context.Request.Query;
        var wanted = query["labelSelector"].ToString().Split(',', StringSplitOptions.RemoveEmptyEntries).Select(t => t.Split('=')).ToList();
        var from = int.TryParse(query["continue"], CultureInfo.InvariantCulture, out var at) ? at : 0;
        string body;
        lock (_lock)
        {
            var all = _objects.Where(o => o.Key.StartsWith(resource + "/", StringComparison.Ordinal) && (string?)o.Value["metadata"]!["namespace"] == space)
                .Where(o => wanted.All(t => (string?)o.Value["metadata"]!["labels"]?[t[0]] == t[1])).Select(o => o.Value).ToList();
            var limit = Math.Min(PageSize, int.TryParse(query["limit"], CultureInfo.InvariantCulture, out var asked) ? asked : MaxPage);
            var metadata = new JsonObject { ["resourceVersion"] = Text(_version) };
            if (all.Count > from + limit)
                metadata["continue"] = Text(from + limit);
            body = new JsonObject { ["metadata"] = metadata, ["items"] = new JsonArray([.. all.Skip(from).Take(limit).Select(o => o.DeepClone())]) }.ToJsonString();
        }

        await Write(context, 200, body);
    }

    private async Task Patch(HttpContext context, string resource, string group, string space, string name)
    {
        if (context.Request.ContentType != "application/json-patch+json")
        {
            await Status(context, 415, "UnsupportedMediaType", "the body of the request was in an unknown format");
            return;
        }

        using var reader = new StreamReader(context.Request.Body);
        var patch = (JsonArray)JsonNode.Parse(await reader.ReadToEndAsync())!;
        BeforeWrite?.Invoke();
        (int Code, string Reason, string Text) answer;
        lock (_lock)
            answer = Write(resource, group, space, name, patch);
        if (AbortAfterWrite && answer.Code == 200)
            context.Abort();
        else if (answer.Code == 200)
            await Write(context, 200, answer.Text);
        else
            await Status(context, answer.Code, answer.Reason, answer.Text);
    }

    private (int Code, string Reason, string Text) Write(string resource, string group, string space, string name, JsonArray patch)
    {
        if (Found(resource, space, name) is not { } stored)
            return (404, "NotFound", $"{resource}.{group} \"{name}\" not found");
        var changed = (JsonObject)stored.DeepClone();
        try
        {
            foreach (var operation in patch)
                Apply(changed, operation!);
        }
        catch (InvalidOperationException e)
        {
            return (422, "", e.Message);
        }

        if ((string?)changed["metadata"]!["resourceVersion"] != (string?)stored["metadata"]!["resourceVersion"])
            return (409, "Conflict", $"Operation cannot be fulfilled on {resource}.{group} \"{name}\": the object has been modified; please apply your changes to the latest version and try again");
        foreach (var (label, value) in (JsonObject)changed["spec"]!["selector"]!["matchLabels"]!)
        {
            if (!JsonNode.DeepEquals(changed["spec"]!["template"]!["metadata"]?["labels"]?[label], value))
                return (422, "Invalid", $"{resource}.{group} \"{name}\" is invalid: spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`");
        }

        // The status belongs to the controllers: a write of the object does not reach it.
        changed["status"] = stored["status"]!.DeepClone();
        if (!JsonNode.DeepEquals(changed["spec"], stored["spec"]))
            changed["metadata"]!["generation"] = Number(stored["metadata"]!["generation"]) + 1;
        _objects[$"{resource}/{name}"] = changed;
        Touch(changed);
        return (200, "", changed.ToJsonString());
    }

    private static void Apply(JsonNode target, JsonNode operation)
    {
        var steps = ((string)operation["path"]!).Split('/')[1..].Select(s => s.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)).ToArray();
        var parent = target as JsonObject;
        foreach (var step in steps[..^1])
            parent = parent?[step] as JsonObject;
        if (parent is null)
            throw new InvalidOperationException($"jsonpatch {operation["op"]} operation does not apply: doc is missing path: {operation["path"]}");
        switch ((string)operation["op"]!)
        {
            case "add":
                parent[steps[^1]] = operation["value"]?.DeepClone();
                break;
            case "replace" when parent.ContainsKey(steps[^1]):
                parent[steps[^1]] = operation["value"]?.DeepClone();
                break;
            case "remove" when parent.Remove(steps[^1]):
                break;
            case "test" when JsonNode.DeepEquals(parent[steps[^1]], operation["value"]):
                break;
            default:
                throw new InvalidOperationException($"jsonpatch {operation["op"]} operation does not apply: {operation["path"]}");
        }
    }

    private static Task Status(HttpContext context, int code, string reason, string message) =>
        Write(context, code, new JsonObject { ["kind"] = "Status", ["apiVersion"] = "v1", ["status"] = "Failure", ["message"] = message, ["reason"] = reason, ["code"] = code }.ToJsonString());

    private static Task Write(HttpContext context, int code, string json)
    {
        context.Response.StatusCode = code;
        context.Response.ContentType = "application/json";
        return context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(json)).AsTask();
    }

    // ---- Objects ----

    private JsonObject? Found(string resource, string space, string name) =>
        _objects.TryGetValue($"{resource}/{name}", out var found) && (string?)found["metadata"]!["namespace"] == space ? found : null;

    private void Touch(JsonObject changed) => changed["metadata"]!["resourceVersion"] = Text(++_version);

    private static JsonObject Annotations(JsonObject of) => (JsonObject)(of["metadata"]!["annotations"] ??= new JsonObject());

    private static bool Owned(JsonObject item, JsonObject owner) =>
        item["metadata"]!["ownerReferences"] is JsonArray owners && owners.Any(o => (string?)o!["uid"] == (string?)owner["metadata"]!["uid"]);

    private static JsonNode WithoutHash(JsonNode template)
    {
        var copy = template.DeepClone();
        ((JsonObject)copy["metadata"]!["labels"]!).Remove("pod-template-hash");
        return copy;
    }

    private static string Image(JsonNode template) => (string)template["spec"]!["containers"]![0]!["image"]!;

    private static string Name(JsonNode of) => (string)of["metadata"]!["name"]!;

    private static long RevisionOf(JsonObject replicaSet) => long.Parse((string)replicaSet["metadata"]!["annotations"]!["deployment.kubernetes.io/revision"]!, CultureInfo.InvariantCulture);

    private static long Pods(JsonObject replicaSet) => Number(replicaSet["status"]!["replicas"]);

    private static long Ready(JsonObject replicaSet) => Number(replicaSet["status"]!["readyReplicas"]);

    private static long Number(JsonNode? node) => node is null ? 0 : long.Parse(node.ToJsonString(), CultureInfo.InvariantCulture);

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
