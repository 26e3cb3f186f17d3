using Commander.Server.Api;

namespace Commander.Server.Hosting;

/// <summary>
/// Without access configured the server trusts whoever sits at this machine. A web page that somebody there has open is not
/// them: requests whose Host is not this machine, or whose Origin is another page's, are refused, so that no page can press
/// buttons here and no name that resolves to 127.0.0.1 can read here.
/// </summary>
internal static class LoopbackGuard
{
    public static void UseLoopbackGuard(this WebApplication app) => app.Use(async (context, next) =>
    {
        var request = context.Request;
        var host = request.Host.Host.ToLowerInvariant();
        if (host is not ("localhost" or "127.0.0.1" or "[::1]" or "::1"))
        {
            await Problems.Of(StatusCodes.Status421MisdirectedRequest, "This is not the server you asked for", $"The Host header says '{host}'. Ask for http://127.0.0.1:{context.Connection.LocalPort}.").ExecuteAsync(context);
            return;
        }

        if (request.Headers.Origin is [{ Length: > 0 } origin, ..] && !string.Equals(origin, $"{request.Scheme}://{request.Host}", StringComparison.OrdinalIgnoreCase))
        {
            await Problems.Of(StatusCodes.Status403Forbidden, "Requests from other pages are refused", $"The Origin header says '{origin}'.").ExecuteAsync(context);
            return;
        }

        await next(context);
    });
}
