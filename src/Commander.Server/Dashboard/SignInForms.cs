using Commander.Server.Dashboard.Pages;

namespace Commander.Server.Dashboard;

/// <summary>Signs whoever shows a good token in; false when it is none. Registered by Hosting.</summary>
internal delegate Task<bool> SignIn(HttpContext http, string token);

/// <summary>Sends somebody to the provider of OpenID Connect, and back to a page of ours; false when it does not answer. Registered by Hosting where there is one.</summary>
internal delegate Task<bool> SignInThere(HttpContext http, string to);

/// <summary>Ends what <see cref="SignIn"/> began.</summary>
internal delegate Task SignOut(HttpContext http);

/// <summary>The page where a person shows their token, and gets a cookie for the day.</summary>
internal static class SignInForms
{
    private const int MaxTo = 500;

    public static Task<IResult> Show(HttpContext http) => Task.FromResult(Page(http, wrong: false));

    public static async Task<IResult> Enter(HttpContext http)
    {
        var (form, refused) = await PageForms.Form(http, needsRole: false);
        if (form is null)
            return refused!;
        if (!await http.RequestServices.GetRequiredService<SignIn>()(http, form["token"].ToString().Trim()))
            return Page(http, wrong: true);
        return PageForms.SeeOther(http, To(http, form["to"].ToString()));
    }

    /// <summary>Off to the provider.</summary>
    public static async Task<IResult> There(HttpContext http)
    {
        if (http.RequestServices.GetService<SignInThere>() is not { } there)
            return await PageReads.NotFound(http);
        return await there(http, To(http, http.Request.Query["to"].ToString()) is var to && to == "./" ? http.Request.PathBase + "/" : to)
            ? Results.Empty
            : PageAnswer.Message(http, StatusCodes.Status502BadGateway, "The provider does not answer", "Where people sign in (COMMANDER_OIDC_AUTHORITY) cannot be reached, or is no provider of OpenID Connect.", "Sign in with a token instead, or try again; the server's log says more.");
    }

    public static async Task<IResult> Leave(HttpContext http)
    {
        var (form, refused) = await PageForms.Form(http, needsRole: false);
        if (form is null)
            return refused!;
        await http.RequestServices.GetRequiredService<SignOut>()(http);
        return PageForms.SeeOther(http, "login");
    }

    private static IResult Page(HttpContext http, bool wrong)
    {
        var views = http.RequestServices.GetRequiredService<Views>();
        views.SignIn.There = http.RequestServices.GetService<SignInThere>() is not null;
        (views.SignIn.To, views.SignIn.Wrong) = (http.Request.Query["to"].ToString() is { Length: > 0 } to ? to : wrong ? http.Request.Form["to"].ToString() : "", wrong);
        return PageAnswer.Page<SignInPage>(http, "Sign in – Commander", Charts.Tone.Calm, wrong ? StatusCodes.Status401Unauthorized : StatusCodes.Status200OK);
    }

    /// <summary>Back to where somebody was sent from, if that is a page of ours and nothing else.</summary>
    private static string To(HttpContext http, string to) =>
        to.Length is > 1 and <= MaxTo && to[0] == '/' && to[1] is not ('/' or '\\') && to.All(c => char.IsAscii(c) && !char.IsControl(c)) ? http.Request.PathBase + to : "./";
}
