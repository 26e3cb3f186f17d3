using System.Security.Cryptography;
using Commander.Server.Api;
using Commander.Server.Loop;
using Microsoft.AspNetCore.DataProtection;

namespace Commander.Server.Dashboard;

internal sealed record LinkRequest(int Hours = 24);

/// <summary>A link to one report, for somebody without a token.</summary>
internal sealed record ReportLink(string Url, DateTimeOffset Until);

/// <summary>
/// Links to the report of one deployment that end: whoever has one reads that report, and nothing else. They are sealed with the keys
/// of the pages' forms and stored nowhere, so they cannot be taken back, only end.
/// </summary>
internal static class ReportLinks
{
    private const int MostHours = 7 * 24;
    private const int MaxCode = 1_000;

    /// <param name="routes">Where.</param>
    /// <param name="page">A link's address by its code.</param>
    public static void MapReportLinks(this IEndpointRouteBuilder routes, Func<string, string> page)
    {
        routes.MapPost("/api/v1/deployments/{id}/link", (string id, HttpContext context, IDeployments deployments, IDataProtectionProvider keys, TimeProvider clock, CancellationToken cancel) => Make(id, context, deployments, keys, clock, page, cancel)).Needs(Role.Responder)
            .Accepts<LinkRequest>("application/json").Produces<ReportLink>(StatusCodes.Status201Created).ProducesProblem(400).ProducesProblem(404).WithName("link-report").WithTags("deployments");
        routes.MapGet("/r/{code}", PageAnswer.Of(Show)).IsOpen().ExcludeFromDescription();
    }

    private static async Task<IResult> Make(string id, HttpContext context, IDeployments deployments, IDataProtectionProvider keys, TimeProvider clock, Func<string, string> page, CancellationToken cancel)
    {
        var (request, _, problem) = await RequestBody.Read<LinkRequest>(context, RequestBody.Small, cancel, ifEmpty: "{}");
        if (request is null)
            return problem!;
        if (request.Hours is < 1 or > MostHours)
            return Problems.Invalid($"hours: from 1 to {MostHours}");
        if (await deployments.Get(id, cancel) is null)
            return Problems.NoDeployment(id);
        var lifetime = TimeSpan.FromHours(request.Hours);
        context.Response.Headers.CacheControl = "no-store";
        return Results.Json(new ReportLink(page(Sealed(keys).Protect(id, lifetime)), clock.GetUtcNow() + lifetime), statusCode: StatusCodes.Status201Created);
    }

    private static async Task<IResult> Show(HttpContext http)
    {
        if (http.GetRouteValue("code") is string { Length: <= MaxCode } code)
        {
            try
            {
                http.Request.RouteValues["id"] = Sealed(http.RequestServices.GetRequiredService<IDataProtectionProvider>()).Unprotect(code);
                return await PageReads.Report(http);
            }
            catch (CryptographicException)
            {
                // Ended, or never one of ours.
            }
        }

        return PageAnswer.Message(http, StatusCodes.Status404NotFound, "This link has ended", "Links to a report end after some hours. Ask whoever sent it for a new one.");
    }

    private static ITimeLimitedDataProtector Sealed(IDataProtectionProvider keys) => keys.CreateProtector("commander", "report").ToTimeLimitedDataProtector();
}
