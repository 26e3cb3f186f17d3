using System.Net;
using Commander.Judging.Policies;
using Commander.Server.Hosting;
using Commander.Server.Loop;
using Commander.Server.Sources.Prometheus;

namespace Commander.Server.Api;

/// <param name="Yaml">The policy.</param>
/// <param name="File">Its name in messages.</param>
/// <param name="Service">With live: the only service that is checked.</param>
/// <param name="Version">With live: what stands for {{version}}.</param>
internal sealed record PolicyCheckRequest(string Yaml, string? File = null, string? Service = null, string? Version = null);

/// <param name="Valid">Whether the policy can be used.</param>
/// <param name="Errors">All that is wrong with it.</param>
/// <param name="Services">The services that it names.</param>
/// <param name="Queries">With live: what each of its queries gives now; null without, or where the policy is not valid.</param>
/// <param name="NotChecked">With live: the services whose queries were not tried, and why.</param>
internal sealed record PolicyCheckAnswer(bool Valid, IReadOnlyList<string> Errors, IReadOnlyList<string> Services, IReadOnlyList<LiveQuery>? Queries = null, IReadOnlyList<string>? NotChecked = null);

internal sealed record PolicyDocument(string Name, string Version, Policy Policy);

internal sealed record PolicyList(IReadOnlyList<PolicyDocument> Items);

/// <summary>The policies in force, and a check of others.</summary>
internal static class PoliciesApi
{
    public static void MapPoliciesApi(this IEndpointRouteBuilder routes)
    {
        var group = routes.MapGroup("/api/v1/policies").WithTags("policies").Needs(Role.Viewer);
        group.MapGet("", List).Produces<PolicyList>().WithName("policies");
        group.MapGet("/schema", () => Results.Text(PolicySchema.Text, "application/schema+json")).Produces(200, contentType: "application/schema+json").WithName("policy-schema");
        group.MapPost("/check", Check).Accepts<PolicyCheckRequest>("application/json").Produces<PolicyCheckAnswer>().ProducesProblem(400).WithName("check-policy");
    }

    private static IResult List(PinBook pins) => Results.Json(new PolicyList(
    [
        .. pins.Current.Services.Select(s => new PolicyDocument(s.Key, PolicyHash.Of(s.Value), s.Value)),
        new PolicyDocument("defaults", PolicyHash.Of(pins.Current.Defaults), pins.Current.Defaults),
    ]));

    private static async Task<IResult> Check(HttpContext context, PinBook pins, LiveCheck check, CancellationToken cancel, bool live = false)
    {
        var (request, _, problem) = await RequestBody.Read<PolicyCheckRequest>(context, RequestBody.Large, cancel);
        if (request is null)
            return problem!;
        var (policies, errors) = PolicyFiles.Check(request.Yaml, request.File ?? "policy.yaml");
        if (policies is null)
            return Results.Json(new PolicyCheckAnswer(false, errors, []));
        if (!live)
            return Results.Json(new PolicyCheckAnswer(true, errors, [.. policies.Services.Keys]));
        var (queries, skipped) = await check.Run(policies, pins.Current, IsFromHere(context), request.Service, request.Version, cancel);
        return Results.Json(new PolicyCheckAnswer(true, errors, [.. policies.Services.Keys], queries, skipped));
    }

    /// <summary>
    /// Whether somebody at this machine asks: then they could ask any address themselves. Whoever comes through a proxy is somebody else,
    /// and must not make this machine ask addresses of their choice; neither must who is let in by a token that is no admin's.
    /// </summary>
    private static bool IsFromHere(HttpContext context) =>
        (context.User.Identity is not { IsAuthenticated: true } || context.User.IsInRole(Role.Admin.Word()))
        && context.Connection.RemoteIpAddress is { } remote && IPAddress.IsLoopback(remote)
        && !context.Request.Headers.Keys.Any(name => name.StartsWith("X-Forwarded-", StringComparison.OrdinalIgnoreCase) || name.Equals("Forwarded", StringComparison.OrdinalIgnoreCase) || name.Equals("Via", StringComparison.OrdinalIgnoreCase) || name.Equals("X-Real-IP", StringComparison.OrdinalIgnoreCase));
}
