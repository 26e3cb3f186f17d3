using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Api;
using Commander.Server.Loop;
using Commander.Server.Storage;

namespace Commander.Server.Intake;

/// <summary>What a caller posts to announce a deployment (design 5.2).</summary>
internal sealed record DeploymentRequest(
    string Service,
    string Version,
    string? Environment = null,
    string? PreviousVersion = null,
    DateTimeOffset? StartedAt = null,
    string? Commit = null,
    string? Repository = null,
    string? ChangeUrl = null,
    IReadOnlyDictionary<string, string>? Labels = null,
    string? Kind = null,
    IReadOnlyDictionary<string, double>? Metrics = null);

/// <summary>The generic intake: POST /api/v1/deployments.</summary>
internal static class GenericApi
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(10);

    public static void MapGenericApi(this IEndpointRouteBuilder routes) =>
        routes.MapPost("/api/v1/deployments", Announce).NeedsToAnnounce()
            .Accepts<DeploymentRequest>("application/json")
            .Produces<Deployment>(StatusCodes.Status202Accepted)
            .Produces<Deployment>()
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status403Forbidden)
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .WithName("announce")
            .WithTags("deployments")
            .WithSummary("Announces a deployment; ?wait=60s answers 200 as soon as there is a verdict");

    /// <summary>Says that the answer is a deployment that was announced before, by whoever.</summary>
    public const string JoinedHeader = "Commander-Joined";

    private static async Task<IResult> Announce(HttpContext context, IDeployments deployments, TimeProvider clock, IHostApplicationLifetime lifetime, string? wait, CancellationToken cancel)
    {
        TimeSpan? patience = null;
        if (wait is not null)
        {
            if (!Durations.TryParse(wait, out var parsed) || parsed <= TimeSpan.Zero || parsed > LongestWait)
                return Problems.Invalid($"wait: '{Problems.Shown(wait)}' is no duration up to {LongestWait.TotalMinutes:0}m; write 60s");
            patience = parsed;
        }

        var (request, hash, problem) = await RequestBody.Read<DeploymentRequest>(context, RequestBody.Small, cancel);
        if (request is null)
            return problem!;
        var errors = Bounds.Check(request, clock.GetUtcNow());
        var key = Bounds.IdempotencyKey(context, errors);
        if (errors.Count > 0)
            return Problems.Invalid(errors);
        var announcing = Bounds.Announcing(request, "api", key, hash);
        if (Scope.Refusal(context.User, announcing.Service, announcing.Environment) is { } outside)
            return outside;
        var (result, deployment) = await deployments.Announce(announcing, cancel);
        if (deployment is null)
            return NotAnswered(result, context);
        context.Response.Headers.Location = $"{context.Request.PathBase}/api/v1/deployments/{deployment.Id}";
        if (result == AnnounceResult.Joined)
            context.Response.Headers[JoinedHeader] = "true";
        if (patience is { } limit)
            deployment = await Waiting.ForVerdict(deployments, deployment, limit, clock, lifetime.ApplicationStopping, cancel);
        return Results.Json(deployment, statusCode: patience is not null && Waiting.Decided(deployment) ? StatusCodes.Status200OK : StatusCodes.Status202Accepted);
    }

    /// <summary>Why an announcement gets no deployment for an answer, whichever door it came through.</summary>
    public static IResult NotAnswered(AnnounceResult result, HttpContext context)
    {
        switch (result)
        {
            case AnnounceResult.KeyReused:
                return Problems.Of(StatusCodes.Status422UnprocessableEntity, "The idempotency key was used for something else", "Idempotency-Key: the same key came with another body before; use a new key for a new request.");
            case AnnounceResult.Crowded:
                context.Response.Headers.RetryAfter = "60";
                return Problems.Of(StatusCodes.Status429TooManyRequests, "The service has too many open deployments", "service: a thousand deployments of it are watched already, in all environments; wait until some are closed, or find out what announces in a loop.");
            default:
                return Problems.Of(StatusCodes.Status503ServiceUnavailable, "The deployment cannot be read back", "It was stored; ask for it in a second.");
        }
    }
}
