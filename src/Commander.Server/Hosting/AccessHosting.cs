using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using Commander.Server.Access;
using Commander.Server.Api;
using Commander.Server.Dashboard;
using Commander.Server.Storage;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace Commander.Server.Hosting;

/// <summary>Adds the gate, and what stands before it.</summary>
internal static partial class AccessHosting
{
    private const string OpenIdScheme = "openid";
    private const string OfflineAccess = "offline_access";
    private const int LongestReason = 500;
    private const string NoGroup = "in none of the groups that may come in";
    private static readonly TimeSpan SignedInFor = TimeSpan.FromHours(12);
    private static readonly TimeSpan SignedInThere = TimeSpan.FromHours(8);

    public static void AddAccess(this IServiceCollection services, CommanderOptions options)
    {
        services.AddSingleton(s => new TokenBook(s.GetRequiredService<IFactStore>(), s.GetRequiredService<TimeProvider>(), options.AdminToken));
        services.AddSingleton(s => new SignedRequests(options.IntakeSecrets, s.GetRequiredService<TimeProvider>()));
        services.AddSingleton(s => new SeenBefore(s.GetRequiredService<TimeProvider>()));
        services.AddSingleton(_ => new AccessLimits(options.RateLimit));
        services.AddSingleton(s => new AccessGate(s.GetRequiredService<TokenBook>(), s.GetRequiredService<SignedRequests>(), s.GetRequiredService<AccessLimits>(), s.GetRequiredService<TimeProvider>(), options.PublicUrl, options.OpenId is not null));
        services.AddAuthentication(AccessGate.Session).AddCookie(AccessGate.Session, cookie =>
        {
            cookie.Cookie.Name = "commander-session";
            cookie.Cookie.HttpOnly = true;
            // A browser that comes back from the provider would not send a strict one. Every form has a token of its own, whichever it is.
            cookie.Cookie.SameSite = options.OpenId is null ? SameSiteMode.Strict : SameSiteMode.Lax;
            cookie.Cookie.SecurePolicy = options.PublicUrl?.Scheme == Uri.UriSchemeHttps ? CookieSecurePolicy.Always : CookieSecurePolicy.SameAsRequest;
            // Whoever has a copy of it has it for a day at most.
            cookie.ExpireTimeSpan = SignedInFor;
            cookie.SlidingExpiration = false;
        });
        if (options.OpenId is { } provider)
        {
            services.AddOpenId(provider, options.PublicUrl);
            services.AddSingleton(s => new SignedInStill(provider, s.GetRequiredService<IOptionsMonitor<OpenIdConnectOptions>>().Get(OpenIdScheme), s.GetRequiredService<TimeProvider>()));
            services.Configure<CookieAuthenticationOptions>(AccessGate.Session, cookie => cookie.Events.OnValidatePrincipal = context => context.HttpContext.RequestServices.GetRequiredService<SignedInStill>().Check(context));
        }

        // Sealed with something that is not in the store: whoever reads a backup of it, keys and all, cannot make up who signed in.
        var apart = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes("session " + (options.OpenId?.ClientSecret ?? options.AdminToken))));
        services.AddOptions<CookieAuthenticationOptions>(AccessGate.Session).Configure<IDataProtectionProvider>((cookie, keys) => cookie.DataProtectionProvider = keys.CreateProtector("session", apart));
        services.AddOptions<DashboardOptions>().Configure<AccessGate>((pages, gate) =>
            (pages.MayRule, pages.MayAct, pages.MayLook) = (person => gate.RoleOf(person) >= Role.Admin, person => gate.RoleOf(person) >= Role.Responder, person => gate.RoleOf(person) >= Role.Viewer));
        services.AddSingleton<SignIn>(s => async (http, text) =>
        {
            if (s.GetRequiredService<TokenBook>().Find(text) is not { Role: >= Role.Viewer } token)
            {
                s.GetRequiredService<AccessLimits>().Failed(AccessGate.Address(http.Connection.RemoteIpAddress));
                return false;
            }

            var person = AccessGate.Principal(token, AccessGate.Session);
            ((ClaimsIdentity)person.Identity!).AddClaim(new Claim(AccessGate.TokenText, text));
            await http.SignInAsync(AccessGate.Session, person);
            return true;
        });
        services.AddSingleton<SignOut>(_ => http => http.SignOutAsync(AccessGate.Session));
    }

    private static void AddOpenId(this IServiceCollection services, OpenId provider, Uri? publicUrl)
    {
        services.AddAuthentication().AddOpenIdConnect(OpenIdScheme, oidc =>
        {
            oidc.Authority = provider.Authority.ToString();
            oidc.ClientId = provider.ClientId;
            oidc.ClientSecret = provider.ClientSecret;
            oidc.RequireHttpsMetadata = provider.Authority.Scheme == Uri.UriSchemeHttps;
            oidc.SignInScheme = AccessGate.Session;
            oidc.ResponseType = OpenIdConnectResponseType.Code;
            // In the address and not by a form of another site: so its cookies need not be sent across sites.
            oidc.ResponseMode = OpenIdConnectResponseMode.Query;
            (oidc.NonceCookie.SameSite, oidc.CorrelationCookie.SameSite) = (SameSiteMode.Lax, SameSiteMode.Lax);
            (oidc.NonceCookie.SecurePolicy, oidc.CorrelationCookie.SecurePolicy) = (CookieSecurePolicy.SameAsRequest, CookieSecurePolicy.SameAsRequest);
            oidc.MapInboundClaims = false;
            oidc.SaveTokens = false;
            oidc.GetClaimsFromUserInfoEndpoint = false;
            oidc.BackchannelTimeout = TimeSpan.FromSeconds(10);
            oidc.TokenValidationParameters.ValidateIssuer = true;
            oidc.TokenValidationParameters.ClockSkew = TimeSpan.FromMinutes(1);
            oidc.RefreshOnIssuerKeyNotFound = true;
            // Who signs out elsewhere is noticed when the provider is asked again; a link must not sign anybody out.
            oidc.RemoteSignOutPath = default;
            oidc.Scope.Add("email");
            oidc.Events = new OpenIdConnectEvents
            {
                OnRedirectToIdentityProvider = async context =>
                {
                    // Where the provider knows of it: with what to ask later whether they still may.
                    if ((await oidc.ConfigurationManager!.GetConfigurationAsync(context.HttpContext.RequestAborted)).ScopesSupported.Contains(OfflineAccess))
                        context.ProtocolMessage.Scope += " " + OfflineAccess;
                    if (publicUrl is not null)
                        context.ProtocolMessage.RedirectUri = new Uri(publicUrl, oidc.CallbackPath.Value!.TrimStart('/')).ToString();
                },
                OnTokenValidated = context =>
                {
                    // What comes from the provider itself may be unsigned, says the standard; it is not taken.
                    if (context.SecurityToken is not { SignatureAlgorithm: { Length: > 0 } signed } || signed == "none")
                    {
                        context.Fail("the provider's word is not signed");
                        return Task.CompletedTask;
                    }

                    var there = context.Principal!;
                    context.Principal = provider.Person(there);
                    var role = context.Principal.FindFirstValue(ClaimTypes.Role);
                    if (context.HttpContext.RequestServices.GetRequiredService<AccessLimits>().MaySay())
                    {
                        // Why somebody has no higher role is asked often, and seen nowhere else.
                        context.HttpContext.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger("Commander.Access")
                            .SignedIn(context.Principal.Identity?.Name ?? "", role ?? "", provider.GroupsClaim, string.Join(", ", there.FindAll(provider.GroupsClaim).Take(20).Select(claim => Problems.Shown(claim.Value))));
                    }

                    if (role == Role.None.Word())
                    {
                        context.Fail(NoGroup);
                        return Task.CompletedTask;
                    }

                    // Where there is nothing to ask the provider with, it is asked by signing in again before the day is over.
                    (context.Properties!.AllowRefresh, context.Properties.ExpiresUtc) = (false, TimeProvider.System.GetUtcNow() + SignedInThere);
                    context.HttpContext.RequestServices.GetRequiredService<SignedInStill>().Begin(context.Properties, context.TokenEndpointResponse!, SignedInThere);
                    return Task.CompletedTask;
                },
                OnRemoteFailure = async context =>
                {
                    if (context.HttpContext.RequestServices.GetRequiredService<AccessLimits>().MaySay())
                        context.HttpContext.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger("Commander.Access").SignInFailed(context.Failure?.Message is { } why ? why[..Math.Min(why.Length, LongestReason)] : "");
                    context.HandleResponse();
                    await PageAnswer.Of(http => Task.FromResult(PageAnswer.Message(http, StatusCodes.Status401Unauthorized, "Not signed in", Reason(context.Failure), "Nothing was changed. Begin again at the sign-in page; the server's log says more.")))(context.HttpContext);
                },
            };
        });
        services.AddSingleton<SignInThere>(s => async (http, to) =>
        {
            try
            {
                await http.ChallengeAsync(OpenIdScheme, new AuthenticationProperties { RedirectUri = to });
                return true;
            }
            catch (Exception e) when (e is InvalidOperationException or HttpRequestException or TaskCanceledException or IOException)
            {
                if (s.GetRequiredService<AccessLimits>().MaySay())
                    s.GetRequiredService<ILoggerFactory>().CreateLogger("Commander.Access").NotReached(provider.Authority, e.InnerException?.Message ?? e.Message);
                return false;
            }
        });
    }

    // In words for the person; the whole of it is in the log.
    private static string Reason(Exception? failure)
    {
        var said = failure is null ? "" : $"{failure.Message} {failure.InnerException?.Message}";
        return said.Contains(NoGroup, StringComparison.Ordinal) ? "You are in none of the groups that may come in here; ask an admin of this Commander (COMMANDER_OIDC_ROLES, COMMANDER_OIDC_OTHERS)."
            : said.Contains("access_denied", StringComparison.Ordinal) ? "The provider did not let you in, or you did not agree."
            : said.Contains("invalid_client", StringComparison.Ordinal) || said.Contains("unauthorized_client", StringComparison.Ordinal) ? "The provider does not take Commander's client id and secret: an admin has to look at COMMANDER_OIDC_CLIENT_ID and COMMANDER_OIDC_CLIENT_SECRET."
            : said.Contains("Correlation failed", StringComparison.Ordinal) || said.Contains("unprotect", StringComparison.OrdinalIgnoreCase) ? "This answer belongs to another sign-in, or came too late."
            : "The provider's answer was not accepted: it had ended, was for somebody else, or was not signed by it.";
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The provider of OpenID Connect at {Authority} does not answer: {Why}")]
    private static partial void NotReached(this ILogger log, Uri authority, string why);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Name} signed in as {Role}; {Claim}: {Groups}")]
    private static partial void SignedIn(this ILogger log, string name, string role, string claim, string groups);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A sign-in by OpenID Connect was refused: {Why}")]
    private static partial void SignInFailed(this ILogger log, string why);

    /// <summary>Before every route: who is it, and may they.</summary>
    public static void UseAccess(this WebApplication app)
    {
        // The provider's way back has no route: it is taken here, before the gate.
        app.Use(next => context => context.Request.Path.StartsWithSegments("/signin-oidc", StringComparison.OrdinalIgnoreCase) || context.Request.Path.StartsWithSegments("/signout-callback-oidc", StringComparison.OrdinalIgnoreCase)
            ? app.Services.GetRequiredService<AccessGate>().PassUnknown(context, next)
            : next(context));
        app.UseAuthentication();
        app.UseRouting();
        var gate = app.Services.GetRequiredService<AccessGate>();
        app.Use(next => context => gate.Pass(context, next));
    }
}
