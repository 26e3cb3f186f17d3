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
internal sealed record PolicyCheckAnswer(bool Valid, IReadOnlyList<string> Errors, IReadOnlyList<string> Services, IReadOnlyList<LiveQuery>? Queries = null);

internal sealed record PolicyDocument(string Name, string Version, Policy Policy);

internal sealed record PolicyList(IReadOnlyList<PolicyDocument> Items);

/// <summary>The policies in force, and a check of others.</summary>
internal static class PoliciesApi
{
    public static void MapPoliciesApi(this IEndpointRouteBuilder routes)
    {
        var group = routes.MapGroup("/api/v1/policies").WithTags("policies");
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
        var queries = live && policies is not null ? await check.Run(policies, pins.Current, request.Service, request.Version, cancel) : null;
        return Results.Json(new PolicyCheckAnswer(policies is not null, errors, policies is null ? [] : [.. policies.Services.Keys], queries));
    }
}
