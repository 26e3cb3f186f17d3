using Commander.Server.Storage;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Mvc;

namespace Commander.Server.Api;

/// <summary>Errors as problem details (RFC 9457): the title says what, the detail where and what to do.</summary>
internal static class Problems
{
    /// <summary>Text from outside as it may stand in an error: short, without control characters.</summary>
    public static string Shown(string text)
    {
        var cut = text.Length <= 40 ? text : text[..40] + "...";
        return string.Concat(cut.Select(c => char.IsControl(c) ? '?' : c));
    }

    public static IResult Of(int status, string title, string detail, IReadOnlyList<string>? errors = null) =>
        Results.Problem(new ProblemDetails
        {
            Status = status,
            Title = title,
            Detail = detail,
            Extensions = errors is null ? new Dictionary<string, object?>(StringComparer.Ordinal) : new Dictionary<string, object?>(StringComparer.Ordinal) { ["errors"] = errors },
        });

    public static IResult Invalid(params IReadOnlyList<string> errors) =>
        Of(StatusCodes.Status400BadRequest, "The request is not valid", errors.Count == 1 ? errors[0] : $"{errors.Count} errors: " + string.Join("; ", errors), errors);

    public static IResult NotFound(string what) =>
        Of(StatusCodes.Status404NotFound, "Not found", what);

    public static IResult NoDeployment(string id) =>
        NotFound($"There is no deployment '{(id.Length <= 64 ? id : id[..64] + "...")}'. GET /api/v1/deployments lists them.");

    /// <summary>What escapes a handler: a store that cannot take work is 503 with its reason, everything else 500 without details.</summary>
    public static async Task Write(HttpContext context)
    {
        var error = context.Features.Get<IExceptionHandlerFeature>()?.Error;
        var result = error switch
        {
            StoreUnavailableException unavailable => Of(StatusCodes.Status503ServiceUnavailable, "Nothing can be stored now", unavailable.Message.TrimEnd('.') + ". Try again: what was accepted all the same is recognised."),
            BadHttpRequestException bad => Of(bad.StatusCode, "The request is not valid", bad.Message),
            TimeoutException => Of(StatusCodes.Status503ServiceUnavailable, "The deployment's owner does not answer", "It is moving or overloaded; try again in a second."),
            _ => Of(StatusCodes.Status500InternalServerError, "Commander failed", $"Look for the trace {context.TraceIdentifier} in the server's log."),
        };
        if (error is StoreUnavailableException or TimeoutException)
            context.Response.Headers.RetryAfter = "1";
        await result.ExecuteAsync(context);
    }
}
