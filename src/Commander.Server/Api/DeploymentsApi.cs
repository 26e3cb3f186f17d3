using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Commander.Judging;
using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;
using Commander.Server.Loop;
using Commander.Server.Storage;

namespace Commander.Server.Api;

internal sealed record ActionRequest(string? Reason = null);

internal sealed record OutcomeRequest(string Label, string? Note = null);

internal sealed record ReplayRequest(string? Policy = null, string? Model = null, string? Judge = null);

internal sealed record FactDocument(long Seq, DateTimeOffset At, string Kind, int Version, JsonNode? Body, string Hash);

internal sealed record FactList(IReadOnlyList<FactDocument> Items, string? NextCursor);

/// <summary>Deployments, their evidence, facts and events; actions, outcomes, replay (design 5.2).</summary>
internal static class DeploymentsApi
{
    private const int MaxReason = 500;
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);

    public static void MapDeploymentsApi(this IEndpointRouteBuilder routes)
    {
        var group = routes.MapGroup("/api/v1/deployments").WithTags("deployments").Needs(Role.Viewer);
        group.MapGet("", List).Produces<DeploymentPage>().ProducesProblem(400).WithName("list");
        group.MapGet("/{id}", Get).NeedsToFollow().Produces<Deployment>().ProducesProblem(404).WithName("get");
        group.MapGet("/{id}/evidence", Evidence).Produces<EvidenceDocument>().ProducesProblem(404).WithName("evidence");
        group.MapGet("/{id}/facts", Facts).Produces<FactList>().ProducesProblem(404).WithName("facts");
        group.MapGet("/{id}/events", Events).Produces(200, contentType: "text/event-stream").Streams().ProducesProblem(404).WithName("events");
        group.MapPost("/{id}/actions/{kind}", Act).Needs(Role.Responder).Accepts<ActionRequest>("application/json").Produces<Deployment>(202).ProducesProblem(404).ProducesProblem(409).WithName("act");
        group.MapPost("/{id}/outcome", Label).Needs(Role.Responder).Accepts<OutcomeRequest>("application/json").Produces<Deployment>(202).ProducesProblem(400).ProducesProblem(404).WithName("label");
        group.MapPost("/{id}/replay", Replay).Accepts<ReplayRequest>("application/json").Produces<ReplayAnswer>().ProducesProblem(400).ProducesProblem(404).WithName("replay");
    }

    private static async Task<IResult> List(IDeployments deployments, HttpContext context, CancellationToken cancel)
    {
        var errors = new List<string>();
        string? Query(string name) => context.Request.Query[name] is [{ Length: > 0 } value, ..] ? value : null;
        string[] known = ["service", "environment", "verdict", "since", "cursor", "limit"];
        errors.AddRange(context.Request.Query.Keys.Where(k => !known.Contains(k)).Take(5).Select(k => $"{Problems.Shown(k)}: unknown; known are {string.Join(", ", known)}"));
        var verdict = Query("verdict")?.ToUpperInvariant();
        if (verdict is not null && !DecisionWords.TryDecision(verdict, out _))
            errors.Add($"verdict: '{Problems.Shown(verdict)}' is none of ROLLBACK, CONTINUE, HOLD");
        DateTimeOffset? since = null;
        if (Query("since") is { } from)
        {
            if (DateTimeOffset.TryParse(from, null, System.Globalization.DateTimeStyles.AssumeUniversal, out var instant))
                since = instant;
            else
                errors.Add($"since: '{Problems.Shown(from)}' is no ISO 8601 instant");
        }

        var limit = 50;
        if (Query("limit") is { } text && (!int.TryParse(text, out limit) || limit is < 1 or > 500))
            errors.Add($"limit: '{Problems.Shown(text)}' is no number from 1 to 500");
        var cursor = Query("cursor");
        if (cursor is not null && !DeploymentId.IsValid(cursor))
            errors.Add("cursor: is not one that this server gave; leave it out to begin at the newest");
        return errors.Count > 0
            ? Problems.Invalid(errors)
            : Results.Json(await deployments.List(new DeploymentFilter(Query("service"), Query("environment"), verdict, null, since, cursor, limit), cancel));
    }

    private static async Task<IResult> Get(string id, IDeployments deployments, CancellationToken cancel) =>
        await deployments.Get(id, cancel) is { } deployment ? Results.Json(deployment) : Problems.NoDeployment(id);

    private static async Task<IResult> Evidence(string id, IDeployments deployments, CancellationToken cancel) =>
        await deployments.Evidence(id, cancel) is { } evidence ? Results.Json(evidence) : Problems.NoDeployment(id);

    private static async Task<IResult> Facts(string id, HttpContext context, IDeployments deployments, CancellationToken cancel)
    {
        var errors = context.Request.Query.Keys.Where(k => k is not ("cursor" or "limit")).Take(5).Select(k => $"{Problems.Shown(k)}: unknown; known are cursor, limit").ToList();
        var (cursor, most) = (0L, 500);
        if (context.Request.Query["cursor"] is [{ Length: > 0 } after, ..] && (!long.TryParse(after, out cursor) || cursor < 0))
            errors.Add($"cursor: '{Problems.Shown(after)}' is not one that this server gave");
        if (context.Request.Query["limit"] is [{ Length: > 0 } text, ..] && (!int.TryParse(text, out most) || most is < 1 or > 2000))
            errors.Add($"limit: '{Problems.Shown(text)}' is no number from 1 to 2000");
        if (errors.Count > 0)
            return Problems.Invalid(errors);
        var facts = await deployments.Facts(id, cursor, most, cancel);
        if (facts.Count == 0 && await deployments.Get(id, cancel) is null)
            return Problems.NoDeployment(id);
        return Results.Json(new FactList([.. facts.Select(Shown)], facts.Count == most ? facts[^1].Seq.ToString() : null));
    }

    private static async Task<IResult> Act(string id, string kind, HttpContext context, IDeployments deployments, CancellationToken cancel)
    {
        if (kind is not ("rollback" or "keep"))
            return Problems.NotFound($"There is no action '{Problems.Shown(kind)}'; there are rollback and keep.");
        var (request, _, problem) = await RequestBody.Read<ActionRequest>(context, RequestBody.Small, cancel, ifEmpty: "{}");
        if (request is null)
            return problem!;
        if (request.Reason?.Length > MaxReason)
            return Problems.Invalid($"reason: at most {MaxReason} characters");
        if (await Outside(id, context, deployments, cancel) is { } outside)
            return outside;
        return Answered(id, await deployments.Act(id, kind, Caller(context), request.Reason, cancel));
    }

    private static async Task<IResult> Label(string id, HttpContext context, IDeployments deployments, CancellationToken cancel)
    {
        var (request, _, problem) = await RequestBody.Read<OutcomeRequest>(context, RequestBody.Small, cancel);
        if (request is null)
            return problem!;
        var label = request.Label.ToUpperInvariant();
        if (label is not ("GOOD" or "BAD" or "UNKNOWN"))
            return Problems.Invalid($"label: '{Problems.Shown(request.Label)}' is none of GOOD, BAD, UNKNOWN");
        if (request.Note?.Length > MaxReason)
            return Problems.Invalid($"note: at most {MaxReason} characters");
        if (await Outside(id, context, deployments, cancel) is { } outside)
            return outside;
        return Answered(id, await deployments.Label(id, label, Caller(context), request.Note, cancel));
    }

    private static async Task<IResult?> Outside(string id, HttpContext context, IDeployments deployments, CancellationToken cancel) =>
        await deployments.Get(id, cancel) is { } deployment ? Scope.Refusal(context.User, deployment.Service, deployment.Environment) : Problems.NoDeployment(id);

    private static async Task<IResult> Replay(string id, HttpContext context, IDeployments deployments, HeavyRequests heavy, CancellationToken cancel)
    {
        var (request, _, problem) = await RequestBody.Read<ReplayRequest>(context, RequestBody.Small, cancel, ifEmpty: "{}");
        if (request is null)
            return problem!;
        try
        {
            return await heavy.Run(context, async () => await deployments.Replay(id, request.Policy, request.Model, request.Judge, cancel) is { } answer ? Results.Json(answer) : Problems.NoDeployment(id), cancel);
        }
        catch (RefusedException refused)
        {
            return Problems.Invalid(refused.Message);
        }
    }

    /// <summary>Server-sent events: the stored facts after Last-Event-ID, then what happens, until the deployment is closed or the caller leaves.</summary>
    private static async Task Events(string id, HttpContext context, IDeployments deployments, TimeProvider clock, CancellationToken cancel)
    {
        if (await deployments.Get(id, cancel) is null)
        {
            await Problems.NoDeployment(id).ExecuteAsync(context);
            return;
        }

        _ = long.TryParse(context.Request.Headers["Last-Event-ID"].ToString(), out var seq);
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers["X-Accel-Buffering"] = "no";
        // An id beyond any stream's end is not ours: such a reader is told everything.
        if (seq is < 0 or > 1_000_000_000)
            seq = 0;
        await context.Response.Body.FlushAsync(cancel);
        await using var news = new News(deployments, id, clock, cancel);
        while (true)
        {
            var facts = await deployments.Facts(id, seq, 500, cancel);
            foreach (var fact in facts)
            {
                seq = fact.Seq;
                if (EventOf(fact.Kind) is { } name)
                    await context.Response.WriteAsync($"id: {fact.Seq}\nevent: {name}\ndata: {JsonSerializer.Serialize(Shown(fact), Json.Tolerant)}\n\n", Encoding.UTF8, cancel);
                if (fact.Kind == FactKind.Closed)
                    return;
            }

            await context.Response.Body.FlushAsync(cancel);
            if (facts.Count > 0)
                continue;
            if (await news.Within(Heartbeat))
                continue;
            await context.Response.WriteAsync(": still here\n\n", cancel);
            await context.Response.Body.FlushAsync(cancel);
        }
    }

    private static string? EventOf(string kind) => kind switch
    {
        FactKind.Tick => "tick",
        FactKind.Verdict => "verdict",
        FactKind.Intent or FactKind.Result or FactKind.Alert or FactKind.Told => "action",
        FactKind.Outcome => "outcome",
        FactKind.Closed => "closed",
        _ => null,
    };

    private static FactDocument Shown(Fact fact) =>
        new(fact.Seq, fact.At, fact.Kind, fact.Version, fact.Body is null ? null : JsonNode.Parse(fact.Body), Convert.ToHexStringLower(fact.Hash));

    private static IResult Answered(string id, Answer answer) => answer.Status switch
    {
        202 => Results.Json(answer.Deployment, statusCode: 202),
        404 => Problems.NoDeployment(id),
        409 => Problems.Of(409, "The deployment's state does not allow it", answer.Message ?? "It is closed."),
        _ => Problems.Of(answer.Status, "It could not be done", answer.Message ?? "Try again."),
    };

    private static string Caller(HttpContext context) => context.User.Identity?.Name ?? "local";
}
