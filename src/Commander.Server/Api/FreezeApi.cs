using Commander.Judging.Decisions;
using Commander.Server.Loop;

namespace Commander.Server.Api;

internal sealed record FreezeRequest(string Reason, string? Service = null, string? Environment = null, DateTimeOffset? Until = null);

internal sealed record FreezeList(IReadOnlyList<Freeze> Items);

/// <summary>The freeze: no rollback starts by itself, of all services, of one, or of one environment. Every change is a fact.</summary>
internal static class FreezeApi
{
    private const int MaxReason = 500;
    private const int MaxName = 128;
    private const int MaxShown = 10;
    private static readonly TimeSpan Longest = TimeSpan.FromDays(90);

    public static void MapFreezeApi(this IEndpointRouteBuilder routes)
    {
        var group = routes.MapGroup("/api/v1/freeze").WithTags("freeze").Needs(Role.Responder);
        group.MapGet("", Get).Needs(Role.Viewer).Produces<FreezeList>().WithName("freezes");
        group.MapPut("", Put).Accepts<FreezeRequest>("application/json").Produces<FreezeList>().ProducesProblem(400).ProducesProblem(409).WithName("freeze");
        group.MapDelete("", Delete).Produces<FreezeList>().ProducesProblem(400).ProducesProblem(404).WithName("lift-freeze");
    }

    private static async Task<IResult> Get(FreezeBook freezes, CancellationToken cancel) => Results.Json(new FreezeList(await freezes.Current(cancel)));

    private static async Task<IResult> Put(HttpContext context, FreezeBook freezes, TimeProvider clock, CancellationToken cancel)
    {
        var (request, _, problem) = await RequestBody.Read<FreezeRequest>(context, RequestBody.Small, cancel);
        if (request is null)
            return problem!;
        var errors = new List<string>();
        if (string.IsNullOrWhiteSpace(request.Reason) || request.Reason.Length > MaxReason || request.Reason.Any(char.IsControl))
            errors.Add($"reason: 1 to {MaxReason} characters, no control characters");
        Name(errors, "service", request.Service);
        Name(errors, "environment", request.Environment);
        var now = clock.GetUtcNow();
        if (request.Until is { } until && (until <= now || until > now + Longest))
            errors.Add($"until: not within the next {Longest.TotalDays:0} days of this server's clock; leave it out to freeze until it is lifted");
        if (errors.Count > 0)
            return Problems.Invalid(errors);
        if (Scope.Refusal(context.User, request.Service, request.Environment) is { } outside)
            return outside;
        return await freezes.Set(request.Service, request.Environment, Caller(context), request.Reason, request.Until, cancel) is { } list
            ? Results.Json(new FreezeList(list))
            : Problems.Of(StatusCodes.Status409Conflict, "Too many freezes", $"{FreezeBook.MaxFreezes} scopes are frozen already; freeze all services instead, or lift some.");
    }

    private static async Task<IResult> Delete(HttpContext context, FreezeBook freezes, CancellationToken cancel)
    {
        string? Query(string name) => context.Request.Query[name] is [{ Length: > 0 } value, ..] ? value : null;
        var errors = context.Request.Query.Keys.Where(k => k is not ("service" or "environment")).Take(5).Select(k => $"{Problems.Shown(k)}: unknown; known are service, environment").ToList();
        if (errors.Count > 0)
            return Problems.Invalid(errors);
        if (Scope.Refusal(context.User, Query("service"), Query("environment")) is { } outside)
            return outside;
        return await freezes.Lift(Query("service"), Query("environment"), Caller(context), cancel) is { } list
            ? Results.Json(new FreezeList(list))
            : Problems.NotFound(NotFrozen(Query("service"), Query("environment"), await freezes.Current(cancel)));
    }

    private static string NotFrozen(string? service, string? environment, IReadOnlyList<Freeze> all)
    {
        var asked = new Freeze(service is null ? null : Problems.Shown(service), environment is null ? null : Problems.Shown(environment), "", "", default, null).Scope;
        if (all.Count == 0)
            return $"There is no freeze of {asked}: nothing is frozen now.";
        var shown = string.Join("; ", all.Take(MaxShown).Select(freeze => freeze.Scope));
        return $"There is no freeze of exactly {asked}. Frozen now: {shown}{(all.Count > MaxShown ? $"; and {all.Count - MaxShown} more (GET /api/v1/freeze)" : "")}. Name service and environment as there; leave out what is not named there.";
    }

    private static void Name(List<string> errors, string field, string? value)
    {
        if (value is not null && (value.Length is 0 or > MaxName || value.Any(char.IsControl)))
            errors.Add($"{field}: 1 to {MaxName} characters; leave it out for all");
    }

    private static string Caller(HttpContext context) => context.User.Identity?.Name ?? "local";
}
