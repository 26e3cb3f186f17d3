using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Xml;
using Commander.Judging.Verdicts;
using Commander.Server.Access;
using Commander.Server.Api;
using Commander.Server.Hosting;
using Commander.Server.Loop;
using Commander.Server.Storage;

namespace Commander.Server.Intake;

/// <summary>An execution as Kestra writes it; field names are Kestra's.</summary>
internal sealed record Execution(
    [property: JsonPropertyName("tenantId")] string TenantId,
    string Id,
    string Namespace,
    [property: JsonPropertyName("flowId")] string FlowId,
    [property: JsonPropertyName("flowRevision")] int FlowRevision,
    ExecutionTrigger Trigger,
    IReadOnlyDictionary<string, object?> Outputs,
    IReadOnlyList<ExecutionLabel> Labels,
    ExecutionState State,
    string Url);

internal sealed record ExecutionTrigger(string Id, string Type, ExecutionVariables Variables, [property: JsonPropertyName("logFile")] string? LogFile);

/// <summary>What came in. Headers and parameters stay empty: they may carry credentials.</summary>
internal sealed record ExecutionVariables(JsonElement Body, IReadOnlyDictionary<string, string> Headers, IReadOnlyDictionary<string, string> Parameters);

internal sealed record ExecutionLabel(string Key, string Value);

internal sealed record ExecutionState(
    string Current,
    IReadOnlyList<ExecutionHistory> Histories,
    string Duration,
    [property: JsonPropertyName("startDate")] DateTimeOffset StartDate,
    [property: JsonPropertyName("endDate"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? EndDate);

internal sealed record ExecutionHistory(string State, DateTimeOffset Date);

internal sealed record ExecutionList(IReadOnlyList<Execution> Results, int Total);

/// <summary>
/// Speaks Kestra's protocol for one flow: what calls the webhook of such a flow, and dashboards that list its executions, work
/// unchanged. Every deployment is an execution, through whichever door it came.
/// </summary>
internal static class KestraApi
{
    private const string Namespace = "ai.devops.commander";
    private const string Flow = "devops-loop";
    private const string Tenant = "main";
    private const string Intake = "kestra";
    private const string DeploymentLabel = "deployment_id";
    private const int LargestPage = 100;
    private const int LongKey = 24;
    private const int Deepest = 100_000;
    private static readonly string[] Vital = ["error_rate", "memory_usage", "response_time", "cpu_usage"];
    private static readonly Dictionary<string, string> Nothing = new(StringComparer.Ordinal);

    public static void MapKestraApi(this IEndpointRouteBuilder routes)
    {
        // Old callers leave the tenant out, newer ones name it; both reach the same.
        var described = Map(routes.MapGroup("/api/v1/executions"));
        described.Webhook.WithName("kestra-webhook").WithSummary("Kestra's webhook of the flow devops-loop: starts a watch; the key is the credential");
        described.List.WithName("kestra-executions").WithSummary("The deployments as Kestra's executions, newest first");
        described.One.WithName("kestra-execution").WithSummary("One deployment as Kestra's execution");
        _ = Map(routes.MapGroup($"/api/v1/{Tenant}/executions").ExcludeFromDescription());
    }

    private static (RouteHandlerBuilder Webhook, RouteHandlerBuilder List, RouteHandlerBuilder One) Map(RouteGroupBuilder group)
    {
        const string path = "/webhook/{namespace}/{flowId}/{key}";
        group.WithTags("kestra").Needs(Role.Viewer);
        // Its key is its credential. Kestra takes GET and PUT too; they are not described, so that the description names each operation once.
        group.MapMethods(path, [HttpMethods.Get, HttpMethods.Put], Start).IsOpen().ExcludeFromDescription();
        return (
            group.MapPost(path, Start).IsOpen().Accepts<JsonObject>(isOptional: true, "application/json", "*/*").Produces<Execution>().ProducesProblem(400).ProducesProblem(404).ProducesProblem(503),
            group.MapGet("", List).Produces<ExecutionList>().ProducesProblem(400),
            group.MapGet("/{id}", One).Produces<Execution>().ProducesProblem(404));
    }

    private static async Task<IResult> Start(string @namespace, string flowId, string key, HttpContext context, CommanderOptions options, AccessGate gate, AccessLimits limits, IDeployments deployments, IFactStore store, TimeProvider clock, CancellationToken cancel)
    {
        // A long key cannot be guessed; from where a short one is, nobody is heard for a while.
        var address = AccessGate.Address(context.Connection.RemoteIpAddress);
        if (options.WebhookKey is { Length: < LongKey } && limits.Locked(address) is not null)
            return Problems.Of(StatusCodes.Status429TooManyRequests, "Too many requests", "Too many wrong keys came from this address; wait a minute, and choose a key of 24 characters or more.");
        if (!Same(key, options.WebhookKey))
            limits.Failed(address);
        if (!Same(key, options.WebhookKey) || (options.IsDemoKey && gate.Closed) || @namespace != Namespace || flowId != Flow)
            return Problems.NotFound($"There is one webhook, of {Namespace}/{Flow}, and this is not its path with its key. The key is set with --webhook-key or COMMANDER_WEBHOOK_KEY when the server starts.");
        // A page of another site can make a browser GET anything, without an Origin; only a browser sends this header.
        if (context.Request.Headers["Sec-Fetch-Site"].ToString() is not ("" or "none" or "same-origin"))
            return Problems.Of(StatusCodes.Status403Forbidden, "Requests from other pages are refused", "A page of another site may not start a watch.");
        var (parsed, hash, problem) = await RequestBody.Read<JsonDocument>(context, RequestBody.Small, cancel, ifEmpty: "{}", anyType: true);
        if (parsed is null)
            return problem!;
        using var body = parsed;
        var errors = new List<string>();
        if (!IsText(body.RootElement))
            return Problems.Invalid("the body has half characters (a lone surrogate); send UTF-8");
        var request = Read(body.RootElement, errors);
        if (errors.Count == 0)
            errors.AddRange(Bounds.Check(request with { Version = request.Version.Length > 0 ? request.Version : "new" }, clock.GetUtcNow()));
        var idempotency = Bounds.IdempotencyKey(context, errors);
        if (errors.Count > 0)
            return Problems.Invalid(errors);
        var announcing = Bounds.Announcing(request, Intake, idempotency, hash) with
        {
            Version = request.Version.Length > 0 ? request.Version : null,
            Trigger = body.RootElement.Clone(),
        };
        var (result, deployment) = await deployments.Announce(announcing, cancel);
        if (deployment is null)
            return GenericApi.NotAnswered(result, context);
        return Results.Json(await Shown(deployment, store, clock.GetUtcNow(), cancel));
    }

    private static async Task<IResult> List(HttpContext context, IFactStore store, TimeProvider clock, CancellationToken cancel)
    {
        var errors = new List<string>();
        string? Query(string name) => context.Request.Query[name] is [{ Length: > 0 } value, ..] ? value : null;
        int Number(string name, int otherwise, int most)
        {
            if (Query(name) is not { } text)
                return otherwise;
            if (int.TryParse(text, out var number) && number >= 1 && number <= most)
                return number;
            errors.Add($"{name}: '{Problems.Shown(text)}' is no number from 1 to {most}");
            return otherwise;
        }

        foreach (var name in (string[])["namespace", "flowId"])
        {
            if (Query(name) is null)
                errors.Add($"{name}: required and missing; write ?namespace={Namespace}&flowId={Flow}");
        }

        var (page, size) = (Number("page", 1, Deepest), Number("size", 10, LargestPage));
        if ((long)(page - 1) * size > Deepest)
            errors.Add($"page: reaches beyond the newest {Deepest} executions; GET /api/v1/deployments walks through all by a cursor");
        if (errors.Count > 0)
            return Problems.Invalid(errors);
        if (Query("namespace") != Namespace || Query("flowId") != Flow)
            return Results.Json(new ExecutionList([], 0));
        var rows = await store.List(new DeploymentFilter(Limit: size, Skip: (page - 1) * size), cancel);
        var now = clock.GetUtcNow();
        var results = new List<Execution>(rows.Count);
        foreach (var row in rows)
            results.Add(await Shown(FactBody.Read<Deployment>(row.Document), store, now, cancel));
        return Results.Json(new ExecutionList(results, await store.Count(cancel)));
    }

    private static async Task<IResult> One(string id, IDeployments deployments, IFactStore store, TimeProvider clock, CancellationToken cancel) =>
        await deployments.Get(id, cancel) is { } deployment ? Results.Json(await Shown(deployment, store, clock.GetUtcNow(), cancel)) : Problems.NoDeployment(id);

    // ---- In: all fields optional, what is not known is kept with the body and not looked at. ----

    private static DeploymentRequest Read(JsonElement body, List<string> errors)
    {
        if (body.ValueKind != JsonValueKind.Object)
        {
            errors.Add("$: is no JSON object; send {} or {\"service\":\"checkout\",\"version\":\"1.42.0\"}");
            return new DeploymentRequest("", "");
        }

        var id = Text(body, DeploymentLabel, errors);
        return new DeploymentRequest(
            Text(body, "service", errors) ?? "default",
            Text(body, "version", errors) ?? "",
            Labels: id is null ? null : new Dictionary<string, string>(StringComparer.Ordinal) { [DeploymentLabel] = id },
            Metrics: Metrics(body, errors));
    }

    // JSON may spell half a character; nothing can store it. Nesting is bounded by the reader.
    private static bool IsText(JsonElement body)
    {
        try
        {
            Walk(body);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }

        static int Walk(JsonElement element) => element.ValueKind switch
        {
            JsonValueKind.Object => element.EnumerateObject().Sum(property => property.Name.Length + Walk(property.Value)),
            JsonValueKind.Array => element.EnumerateArray().Sum(Walk),
            JsonValueKind.String => element.GetString()!.Length,
            _ => 0,
        };
    }

    // Templates leave an empty text where they have nothing, and versions are often bare numbers.
    private static string? Text(JsonElement body, string name, List<string> errors)
    {
        if (!body.TryGetProperty(name, out var value))
            return null;
        switch (value.ValueKind)
        {
            case JsonValueKind.Null:
                return null;
            case JsonValueKind.String:
                return value.GetString() is { Length: > 0 } text ? text : null;
            case JsonValueKind.Number:
                return value.GetRawText();
            default:
                errors.Add($"{name}: is no text");
                return null;
        }
    }

    private static Dictionary<string, double>? Metrics(JsonElement body, List<string> errors)
    {
        if (!body.TryGetProperty("metrics", out var metrics) || metrics.ValueKind == JsonValueKind.Null)
            return null;
        if (metrics.ValueKind != JsonValueKind.Object)
        {
            errors.Add($"metrics: is no object; give any of {string.Join(", ", Vital)} as numbers");
            return null;
        }

        var read = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var name in Vital)
        {
            if (!metrics.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
                continue;
            if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number))
                read[name] = number;
            else
                errors.Add($"metrics.{name}: is no number");
        }

        return read.Count > 0 ? read : null;
    }

    private static bool Same(string given, string? key) =>
        key is not null && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(given)), SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    // ---- Out ----

    private static async Task<Execution> Shown(Deployment deployment, IFactStore store, DateTimeOffset now, CancellationToken cancel)
    {
        var first = await store.Read(Streams.Of(deployment.Id), 0, 1, cancel);
        var body = first is [{ Body: { } stored }] ? FactBody.Read<ReceivedBody>(stored).Trigger : null;
        return new Execution(
            Tenant,
            deployment.Id,
            Namespace,
            Flow,
            1,
            new ExecutionTrigger("webhook", "io.kestra.plugin.core.trigger.Webhook", new ExecutionVariables(body ?? Announced(deployment), Nothing, Nothing), null),
            Outputs(deployment),
            [new ExecutionLabel("system.correlationId", deployment.Id), .. deployment.Labels.OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => new ExecutionLabel(l.Key, l.Value))],
            State(deployment, now),
            deployment.Url);
    }

    // Through another door there was no body of Kestra's: what it would have said.
    private static JsonElement Announced(Deployment deployment) =>
        JsonSerializer.SerializeToElement(new { service = deployment.Service, version = deployment.Version });

    private static Dictionary<string, object?> Outputs(Deployment deployment)
    {
        var outputs = new Dictionary<string, object?>(StringComparer.Ordinal);
        if (deployment.Verdict is not { } verdict)
            return outputs;
        var vitals = Vitals.Of(verdict, deployment.Metrics);
        outputs["ai_decision"] = verdict.Decision;
        outputs["ai_reasoning"] = verdict.Reasoning;
        outputs["ai_confidence"] = verdict.Confidence;
        outputs["error_rate"] = vitals.ErrorRate;
        outputs["memory_usage"] = vitals.MemoryUsage;
        outputs["response_time"] = vitals.ResponseTime;
        outputs["cpu_usage"] = vitals.CpuUsage;
        outputs["health_score"] = deployment.Health is { } health ? Math.Round(health, 1, MidpointRounding.AwayFromZero) : null;
        return outputs;
    }

    /// <summary>RUNNING until the watch is closed, then SUCCESS; FAILED when the watch failed.</summary>
    internal static ExecutionState State(Deployment deployment, DateTimeOffset now)
    {
        DateTimeOffset? end = deployment.State == "closed" ? deployment.EndsAt : null;
        var current = end is null ? "RUNNING" : deployment.ClosedReason == "failed" ? "FAILED" : "SUCCESS";
        var histories = new List<ExecutionHistory> { new("CREATED", deployment.ReceivedAt), new("RUNNING", deployment.ReceivedAt) };
        if (end is { } closed)
            histories.Add(new ExecutionHistory(current, closed));
        var duration = (end ?? now) - deployment.ReceivedAt;
        return new ExecutionState(current, histories, XmlConvert.ToString(duration > TimeSpan.Zero ? duration : TimeSpan.Zero), deployment.ReceivedAt, end);
    }
}
