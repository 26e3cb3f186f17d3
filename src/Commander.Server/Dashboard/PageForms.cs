using Commander.Charts;
using Commander.Server.Api;
using Commander.Server.Dashboard.Pages;
using Commander.Server.Loop;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;

namespace Commander.Server.Dashboard;

/// <summary>Every POST: checks the form's token and the person's right, asks the loop, goes back to the page.</summary>
internal static class PageForms
{
    private const int MaxBody = 16 * 1024;

    private const int MaxText = 500;

    private static readonly TimeSpan CheckDeadline = TimeSpan.FromSeconds(20);

    public static Task<IResult> Rollback(HttpContext http) => Act(http, "rollback");

    public static Task<IResult> Keep(HttpContext http) => Act(http, "keep");

    public static async Task<IResult> Outcome(HttpContext http)
    {
        var (form, refused) = await Form(http);
        if (form is null || PageReads.Id(http) is not { } id)
        {
            return refused ?? await PageReads.NotFound(http);
        }

        var label = form["label"].ToString();
        if (label is not ("GOOD" or "BAD" or "UNKNOWN"))
        {
            return PageAnswer.Message(http, StatusCodes.Status400BadRequest, "No label", "Press one of the three buttons: the label is GOOD, BAD or UNKNOWN.");
        }

        if (await Outside(http, id) is { } outside)
        {
            return outside;
        }

        return await Answered(http, id, await PageReads.Loop(http).Label(id, label, Person(http), Text(form, "note"), http.RequestAborted));
    }

    public static async Task<IResult> DemoDeployment(HttpContext http)
    {
        var (form, refused) = await Form(http);
        if (form is null)
        {
            return refused!;
        }

        if (!http.RequestServices.GetRequiredService<IOptions<DashboardOptions>>().Value.Demo || http.RequestServices.GetService<DemoDeploy>() is not { } deploy)
        {
            return PageAnswer.Message(http, StatusCodes.Status404NotFound, "No demo runs here", "Start Commander with --demo.");
        }

        var kind = form["kind"].ToString();
        if (kind is not ("good" or "errors" or "slow" or "leak" or "crash" or "subtle"))
        {
            return PageAnswer.Message(http, StatusCodes.Status400BadRequest, "No such kind", "The shop can be deployed as good, errors, slow, leak, crash or subtle.");
        }

        var deployment = await deploy(kind, http.RequestAborted);
        return SeeOther(http, "../d/" + deployment.Id);
    }

    public static async Task<IResult> CheckNow(HttpContext http)
    {
        var (form, refused) = await Form(http);
        if (form is null || http.RequestServices.GetService<CheckNow>() is not { } check)
        {
            return refused ?? await PageReads.NotFound(http);
        }

        try
        {
            await check(http.RequestAborted).WaitAsync(CheckDeadline, http.RequestServices.GetRequiredService<TimeProvider>(), http.RequestAborted);
        }
        catch (TimeoutException)
        {
            return PageAnswer.Message(http, StatusCodes.Status503ServiceUnavailable, "The checks did not come to an end", $"They took more than {CheckDeadline.TotalSeconds:0} s. The page of the checks says how they stood before.");
        }

        return SeeOther(http, "../checks");
    }

    public static async Task<IResult> TestAlerts(HttpContext http)
    {
        var (form, refused) = await Form(http);
        if (form is null || http.RequestServices.GetService<TestChannels>() is not { } test || !PageReads.FillChecks(http))
        {
            return refused ?? await PageReads.NotFound(http);
        }

        var view = PageReads.Views(http).Checks;
        if (!view.MayTest)
        {
            return PageAnswer.Message(http, StatusCodes.Status403Forbidden, "You may only look", "This needs the role admin.");
        }

        view.Tested = await test(Person(http), http.RequestAborted);
        return view.Tested is null
            ? PageAnswer.Message(http, StatusCodes.Status429TooManyRequests, "A test was sent just now", "One a minute at most. Look where it should have arrived, and try again in a minute.")
            : PageAnswer.Page<ChecksPage>(http, "A test alert – Commander", Tone.Calm);
    }

    private static async Task<IResult> Act(HttpContext http, string kind)
    {
        var (form, refused) = await Form(http);
        if (form is null || PageReads.Id(http) is not { } id)
        {
            return refused ?? await PageReads.NotFound(http);
        }

        if (await Outside(http, id) is { } outside)
        {
            return outside;
        }

        return await Answered(http, id, await PageReads.Loop(http).Act(id, kind, Person(http), Text(form, "reason"), http.RequestAborted));
    }

    private static async Task<IResult?> Outside(HttpContext http, string id)
    {
        if (await PageReads.Loop(http).Get(id, http.RequestAborted) is not { } deployment)
        {
            return await PageReads.NotFound(http);
        }

        return Scope.Reason(http.User, deployment.Service, deployment.Environment) is { } why
            ? PageAnswer.Message(http, StatusCodes.Status403Forbidden, "Your token is bound to something else", why, "Nothing was changed.")
            : null;
    }

    private static async Task<IResult> Answered(HttpContext http, string id, Answer answer)
    {
        if (answer.Status is >= 200 and < 300)
        {
            return SeeOther(http, "../" + id);
        }

        if (answer.Status == StatusCodes.Status404NotFound)
        {
            return await PageReads.NotFound(http);
        }

        PageReads.Views(http).Message.Back = "d/" + id;
        return PageAnswer.Message(http, answer.Status, answer.Status == StatusCodes.Status409Conflict ? "Not possible any more" : "That did not work", answer.Message ?? "The deployment's state does not allow it.", "Nothing was changed.");
    }

    /// <summary>After a POST the browser gets the page anew, so that a reload does not send it again.</summary>
    public static IResult SeeOther(HttpContext http, string where)
    {
        http.Response.Headers.Location = where;
        return Results.StatusCode(StatusCodes.Status303SeeOther);
    }

    /// <summary>The form, or the answer that refuses it.</summary>
    public static async Task<(IFormCollection? Form, IResult? Refused)> Form(HttpContext http, bool needsRole = true)
    {
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = MaxBody;
        }

        if (!http.Request.HasFormContentType)
        {
            return (null, PageAnswer.Message(http, StatusCodes.Status415UnsupportedMediaType, "Not a form", "This address takes what the page's own buttons send. Programs use /api/v1/deployments."));
        }

        IFormCollection form;
        try
        {
            form = await http.Request.ReadFormAsync(new FormOptions { ValueCountLimit = 16, KeyLengthLimit = 64, ValueLengthLimit = 4096, BufferBodyLengthLimit = MaxBody, MultipartBodyLengthLimit = MaxBody }, http.RequestAborted);
        }
        catch (Exception bad) when (bad is InvalidDataException or BadHttpRequestException)
        {
            return (null, PageAnswer.Message(http, StatusCodes.Status400BadRequest, "The form could not be read", $"It may have at most {MaxBody / 1024} KB: {bad.Message}"));
        }

        if (!await http.RequestServices.GetRequiredService<IAntiforgery>().IsRequestValidAsync(http))
        {
            return (null, PageAnswer.Message(http, StatusCodes.Status400BadRequest, "The form is not from this page, or too old", "Nothing was changed. Go back, reload the page and press the button again; cookies must be allowed."));
        }

        return !needsRole || PageReads.Views(http).Page.MayAct
            ? (form, null)
            : (null, PageAnswer.Message(http, StatusCodes.Status403Forbidden, "You may only look", "This needs the role responder; ask an admin of this Commander for it."));
    }

    /// <summary>Who presses the button, for the audit.</summary>
    private static string Person(HttpContext http) =>
        http.User.Identity is { IsAuthenticated: true, Name: { Length: > 0 } name } ? name : "a person on this machine";

    private static string? Text(IFormCollection form, string name) =>
        form[name].ToString().Trim() is { Length: > 0 } text ? text[..Math.Min(text.Length, MaxText)] : null;
}
