using Commander.Server.Dashboard;
using Commander.Server.Access;
using Commander.Server.Storage;
using Microsoft.AspNetCore.Authentication;

namespace Commander.Server.Hosting;

/// <summary>Adds the gate, and what stands before it.</summary>
internal static class AccessHosting
{
    private static readonly TimeSpan SignedInFor = TimeSpan.FromHours(12);

    public static void AddAccess(this IServiceCollection services, CommanderOptions options)
    {
        services.AddSingleton(s => new TokenBook(s.GetRequiredService<IFactStore>(), s.GetRequiredService<TimeProvider>(), options.AdminToken));
        services.AddSingleton(s => new SignedRequests(options.IntakeSecrets, s.GetRequiredService<TimeProvider>()));
        services.AddSingleton(_ => new AccessLimits(options.RateLimit));
        services.AddSingleton(s => new AccessGate(s.GetRequiredService<TokenBook>(), s.GetRequiredService<SignedRequests>(), s.GetRequiredService<AccessLimits>(), options.PublicUrl));
        services.AddAuthentication(AccessGate.Session).AddCookie(AccessGate.Session, cookie =>
        {
            cookie.Cookie.Name = "commander-session";
            cookie.Cookie.HttpOnly = true;
            cookie.Cookie.SameSite = SameSiteMode.Strict;
            cookie.Cookie.SecurePolicy = options.PublicUrl?.Scheme == Uri.UriSchemeHttps ? CookieSecurePolicy.Always : CookieSecurePolicy.SameAsRequest;
            cookie.ExpireTimeSpan = SignedInFor;
            cookie.SlidingExpiration = true;
        });
        services.AddOptions<DashboardOptions>().Configure<AccessGate>((pages, gate) => pages.MayAct = person => gate.RoleOf(person) >= Api.Role.Responder);
        services.AddSingleton<SignIn>(s => async (http, text) =>
        {
            if (s.GetRequiredService<TokenBook>().Find(text) is not { Role: >= Api.Role.Viewer } token)
            {
                s.GetRequiredService<AccessLimits>().Failed(AccessGate.Address(http));
                return false;
            }

            await http.SignInAsync(AccessGate.Session, AccessGate.Principal(token, AccessGate.Session));
            return true;
        });
        services.AddSingleton<SignOut>(_ => http => http.SignOutAsync(AccessGate.Session));
    }

    /// <summary>Before every route: who is it, and may they.</summary>
    public static void UseAccess(this WebApplication app)
    {
        app.UseRouting();
        var gate = app.Services.GetRequiredService<AccessGate>();
        app.Use(next => context => gate.Pass(context, next));
    }
}
