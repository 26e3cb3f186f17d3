using Commander.Charts;
using Commander.Server.Dashboard.Pages;
using Commander.Server.Storage;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;

namespace Commander.Server.Dashboard;

/// <summary>How every page is answered: the same headers, the same page for what goes wrong.</summary>
internal static partial class PageAnswer
{
    /// <summary>Nothing but our own files; no inline script or style, no frame around it, forms only to ourselves.</summary>
    public const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

    /// <summary>An endpoint out of a handler.</summary>
    public static RequestDelegate Of(Func<HttpContext, Task<IResult>> handler) => async http =>
    {
        var headers = http.Response.Headers;
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "same-origin";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers.CacheControl = "no-store";
        var views = http.RequestServices.GetRequiredService<Views>();
        views.Page.Root = PageView.RootOf(http.Request.Path);
        views.Page.HasChecks = http.RequestServices.GetService<Checked>() is not null;
        views.Page.MayAct = http.RequestServices.GetRequiredService<IOptions<DashboardOptions>>().Value.MayAct(http.User);
        views.Page.Person = http.User.Identity is { IsAuthenticated: true, AuthenticationType: "session" } person ? person.Name : null;
        views.Page.Role = http.User.FindFirst(System.Security.Claims.ClaimTypes.Role)?.Value ?? "";
        try
        {
            if (http.RequestServices.GetRequiredService<IOptions<DashboardOptions>>().Value.MayLook(http.User) && http.RequestServices.GetService<Frozen>() is { } frozen)
                views.Page.Frozen = await frozen(http.RequestAborted);
            var result = await handler(http);
            await result.ExecuteAsync(http);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // Nobody waits for the answer any more.
        }
        catch (StoreUnavailableException unavailable) when (!http.Response.HasStarted)
        {
            headers.RetryAfter = "5";
            await Message(http, StatusCodes.Status503ServiceUnavailable, "The store does not answer", unavailable.Message, "What was decided is safe; watches go on as soon as the store does. Reload in a few seconds.").ExecuteAsync(http);
        }
        catch (Exception failure) when (!http.Response.HasStarted)
        {
            Failed(http.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger("Commander.Server.Dashboard"), failure, http.Request.Path);
            await Message(http, StatusCodes.Status500InternalServerError, "This page failed", "The fault is in Commander, not in your request. Watches and rollbacks do not depend on pages and go on.", $"Trace {http.TraceIdentifier}: the server's log has the details under it.").ExecuteAsync(http);
        }
    };

    /// <summary>A page with its forms' token.</summary>
    public static IResult Page<T>(HttpContext http, string title, Tone tone, int status = StatusCodes.Status200OK)
        where T : IComponent
    {
        var page = http.RequestServices.GetRequiredService<Views>().Page;
        page.Title = title;
        page.Tone = tone;
        return Component<T>(http, status);
    }

    /// <summary>A component by itself: a page, or the part of one that the script fetches.</summary>
    public static IResult Component<T>(HttpContext http, int status = StatusCodes.Status200OK)
        where T : IComponent
    {
        var page = http.RequestServices.GetRequiredService<Views>().Page;
        page.Token ??= http.RequestServices.GetRequiredService<IAntiforgery>().GetAndStoreTokens(http);
        return new RazorComponentResult<T> { StatusCode = status, PreventStreamingRendering = true };
    }

    /// <summary>A page that only says something.</summary>
    public static IResult Message(HttpContext http, int status, string heading, params string[] lines)
    {
        (http.Response.ContentType, http.Response.ContentLength) = (null, null);
        var message = http.RequestServices.GetRequiredService<Views>().Message;
        message.Status = status;
        message.Heading = heading;
        message.Lines = lines;
        return Page<MessagePage>(http, $"{heading} – Commander", Tone.Ask, status);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Page {Path} failed")]
    private static partial void Failed(ILogger log, Exception failure, string path);
}
