using System.Text.Json;
using Commander.Judging;
using Commander.Server.Api;
using Commander.Server.Storage;

namespace Commander.Server.Demo;

/// <summary>The demo in the server: its service and its two endpoints.</summary>
internal static class DemoEndpoints
{
    private const int MaxBody = 4096;

    /// <summary>Adds the shop behind a router that is open already (policies name its addresses).</summary>
    public static IServiceCollection AddDemo(this IServiceCollection services, Router router)
    {
        services.AddSingleton(router);
        services.AddSingleton<Shop>();
        services.AddHostedService(provider => provider.GetRequiredService<Shop>());
        return services;
    }

    /// <summary>POST /api/v1/demo/deployments and GET /api/v1/demo.</summary>
    public static void MapDemo(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api/v1/demo", (Shop shop) => Results.Json(shop.View(), Json.Tolerant)).Needs(Role.Viewer)
            .WithName("demo").WithSummary("How the demo shop stands").Produces<ShopView>();
        routes.MapPost("/api/v1/demo/deployments", Deploy).Needs(Role.Responder)
            .WithName("deploy-demo").WithSummary("Deploys the shop well or badly")
            .Accepts<DemoDeployment>("application/json").Produces<Judging.Verdicts.Deployment>(StatusCodes.Status202Accepted)
            .ProducesProblem(StatusCodes.Status400BadRequest).ProducesProblem(StatusCodes.Status503ServiceUnavailable);
    }

    /// <summary>What to deploy.</summary>
    /// <param name="Kind">good, errors, slow, leak, crash or subtle.</param>
    internal sealed record DemoDeployment(string Kind);

    private static async Task<IResult> Deploy(HttpContext context, Shop shop, CancellationToken cancel)
    {
        var (asked, wrong) = await Read(context.Request, cancel);
        if (asked is null)
        {
            return Results.Problem(statusCode: StatusCodes.Status400BadRequest, title: "The body cannot be read", detail: wrong);
        }
        if (!Faults.TryKind(asked.Kind, out _))
        {
            return Results.Problem(statusCode: StatusCodes.Status400BadRequest, title: "There is no such kind of deployment", detail: $"kind is one of {Faults.Kinds}");
        }
        try
        {
            var deployment = await shop.Deploy(asked.Kind, cancel);
            context.Response.Headers.Location = $"/api/v1/deployments/{deployment.Id}";
            return Results.Json(deployment, Json.Tolerant, statusCode: StatusCodes.Status202Accepted);
        }
        catch (Exception failed) when (failed is ShopException or StoreUnavailableException)
        {
            context.Response.Headers.RetryAfter = "1";
            return Results.Problem(statusCode: StatusCodes.Status503ServiceUnavailable, title: "The shop cannot deploy now", detail: failed.Message);
        }
    }

    private static async Task<(DemoDeployment?, string?)> Read(HttpRequest request, CancellationToken cancel)
    {
        var body = new byte[MaxBody];
        var length = 0;
        int read;
        while (length < MaxBody && (read = await request.Body.ReadAsync(body.AsMemory(length), cancel)) > 0)
        {
            length += read;
        }
        const string form = $"write {{\"kind\":\"good\"}}; kind is one of {Faults.Kinds}";
        if (length == MaxBody)
        {
            return (null, $"the body is longer than {MaxBody - 1} bytes; {form}");
        }
        try
        {
            return JsonSerializer.Deserialize<DemoDeployment>(body.AsSpan(0, length), Json.Strict) is { } asked ? (asked, null) : (null, form);
        }
        catch (JsonException wrong)
        {
            return (null, $"{wrong.Path}: {wrong.Message} {form}");
        }
    }
}
