using Commander.Server.Api;

namespace Commander.Server.Access;

internal sealed record TokenRequest(string Name, string Role, DateTimeOffset? Until = null, IReadOnlyList<string>? Services = null, IReadOnlyList<string>? Environments = null);

/// <summary>A token as others see it.</summary>
internal sealed record TokenView(string Id, string Name, string Role, string By, DateTimeOffset At, DateTimeOffset? Until, IReadOnlyList<string> Services, IReadOnlyList<string> Environments);

/// <summary>A token that was just issued, with its text, which is told this once.</summary>
internal sealed record TokenIssued(string Id, string Name, string Role, string By, DateTimeOffset At, DateTimeOffset? Until, IReadOnlyList<string> Services, IReadOnlyList<string> Environments, string Token);

/// <summary>The tokens that are stored and hold; and whether nobody needs one, because none was ever issued and none is in the environment.</summary>
internal sealed record TokenList(IReadOnlyList<TokenView> Items, bool Open);

/// <summary>Issues, lists and revokes tokens; for admins. Every change is a fact.</summary>
internal static class TokensApi
{
    private const int MaxName = 128;
    private const int MaxBounds = 50;

    public static void MapTokensApi(this IEndpointRouteBuilder routes)
    {
        var group = routes.MapGroup("/api/v1/tokens").WithTags("access").Needs(Role.Admin);
        group.MapGet("", List).Produces<TokenList>().WithName("tokens");
        group.MapPost("", Issue).Accepts<TokenRequest>("application/json").Produces<TokenIssued>(StatusCodes.Status201Created).ProducesProblem(400).ProducesProblem(409).WithName("issue-token");
        group.MapDelete("/{id}", Revoke).Produces(204).ProducesProblem(404).ProducesProblem(409).WithName("revoke-token");
    }

    private static async Task<IResult> List(TokenBook tokens, AccessGate gate, CancellationToken cancel) =>
        Results.Json(new TokenList([.. (await tokens.All(cancel)).Select(Shown)], !gate.Closed));

    private static async Task<IResult> Issue(HttpContext context, TokenBook tokens, AccessGate gate, TimeProvider clock, CancellationToken cancel)
    {
        var (request, _, problem) = await RequestBody.Read<TokenRequest>(context, RequestBody.Small, cancel);
        if (request is null)
            return problem!;
        var errors = new List<string>();
        if (request.Name.Length is 0 or > MaxName || request.Name.Any(char.IsControl))
            errors.Add($"name: 1 to {MaxName} characters, no control characters; say whose token it is");
        if (!Roles.TryRead(request.Role, out var role))
            errors.Add($"role: '{Problems.Shown(request.Role)}' is none of {string.Join(", ", Roles.Words)}");
        if (request.Until is { } until && until <= clock.GetUtcNow())
            errors.Add("until: is over already; leave it out for a token that does not end");
        Bounds(errors, "services", request.Services);
        Bounds(errors, "environments", request.Environments);
        if (role is Role.Admin or Role.Viewer && request is not { Services: null or [], Environments: null or [] })
            errors.Add("services, environments (--service, --environment): a token of an admin may change everything and one of a viewer nothing; leave them out, or make it intake or responder");
        if (errors.Count > 0)
            return Problems.Invalid(errors);
        // The first token closes the door for everybody who has none.
        if (request.Until is not null && !gate.Closed)
            return Problems.Of(StatusCodes.Status409Conflict, "The first token does not end", "When it ended nobody could come in. Leave out when it ends (until; --for), and give one to the others.");
        if (role != Role.Admin && !gate.Closed)
            return Problems.Of(StatusCodes.Status409Conflict, "The first token is an admin's", "Once there is a token nobody comes in without one: issue yours with the role admin first, and the others with it.");
        if (await tokens.Issue(request.Name, role, request.Until, request.Services ?? [], request.Environments ?? [], Caller(context), cancel) is not var (token, text))
            return Problems.Of(StatusCodes.Status409Conflict, "Too many tokens", $"There are {TokenBook.MaxTokens}; revoke some.");
        var shown = Shown(token);
        context.Response.Headers.CacheControl = "no-store";
        return Results.Json(new TokenIssued(shown.Id, shown.Name, shown.Role, shown.By, shown.At, shown.Until, shown.Services, shown.Environments, text), statusCode: StatusCodes.Status201Created);
    }

    private static async Task<IResult> Revoke(string id, HttpContext context, TokenBook tokens, CancellationToken cancel)
    {
        if (await tokens.Revoke(id, Caller(context), cancel))
            return Results.NoContent();
        return tokens.IsLastAdmin(id)
            ? Problems.Of(StatusCodes.Status409Conflict, "The last admin's token", "Nobody could issue another one: issue one first.")
            : Problems.NotFound($"There is no token '{Problems.Shown(id)}'. commander token (GET /api/v1/tokens) lists them.");
    }

    private static void Bounds(List<string> errors, string field, IReadOnlyList<string>? names)
    {
        if (names is { Count: > MaxBounds })
            errors.Add($"{field}: {names.Count}, at most {MaxBounds}");
        if (names?.Any(name => name is not { Length: > 0 and <= MaxName } || name.Any(c => char.IsControl(c) || c == ' ') || name.AsSpan(0, name.Length - 1).Contains('*')) == true)
            errors.Add($"{field}: names of 1 to {MaxName} characters, with a * at their end where they are the beginning of one");
    }

    private static TokenView Shown(Token token) => new(token.Id, token.Name, token.Role.Word(), token.By, token.At, token.Until, token.Services, token.Environments);

    private static string Caller(HttpContext context) => context.User.Identity?.Name ?? "local";
}
