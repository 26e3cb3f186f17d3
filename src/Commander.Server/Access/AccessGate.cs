using System.Globalization;
using System.Net;
using System.Security.Claims;
using System.Threading.RateLimiting;
using Commander.Server.Api;
using Microsoft.AspNetCore.Authentication;

namespace Commander.Server.Access;

/// <summary>
/// Who comes in, and what they may. Open, while no token was ever issued: this machine alone, without a name. Closed: who shows a
/// token, has signed the request, or signed in on the page; and each only what their role may.
/// </summary>
internal sealed class AccessGate(TokenBook tokens, SignedRequests signed, AccessLimits limits, TimeProvider clock, Uri? publicUrl, bool openId)
{
    /// <summary>The scheme of the cookie that a page's visitor has after signing in.</summary>
    public const string Session = "session";

    /// <summary>The claim of a session with the token itself, sealed as the whole cookie is: whoever can read the store and its keys cannot make one up.</summary>
    public const string TokenText = "token-text";

    /// <summary>The claim with the token's id.</summary>
    public const string TokenId = "token";

    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(2);
    private const int LooksWithoutToken = 150;

    // By which a proxy says that a request came from elsewhere.
    private static readonly string[] Forwarded = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via"];

    /// <summary>Whether whoever comes must say who they are.</summary>
    public bool Closed => openId || tokens.Closed;

    /// <summary>Who is let in, for the line that the server starts with.</summary>
    public string Words => !Closed ? "access open to this machine" : openId ? "access by OpenID Connect and tokens" : "access by tokens";

    public async Task Pass(HttpContext context, RequestDelegate next)
    {
        if (context.GetEndpoint() is not { } endpoint)
        {
            await next(context);
            return;
        }

        await tokens.Look(context.RequestAborted);
        var rule = endpoint.Metadata.GetMetadata<RoleRule>() ?? new RoleRule(Role.Admin);
        var refusal = !tokens.Known && rule.Least != Role.None ? NotKnown(context) : Closed ? await Enter(context, rule) : FromHere(context);
        if (refusal is not null)
        {
            context.Response.Headers.CacheControl = "no-store";
            await refusal.ExecuteAsync(context);
            return;
        }

        if (Closed && limits.Take(Caller(context)) is { } wait)
        {
            await TooMany(context, wait).ExecuteAsync(context);
            return;
        }

        if (Closed && rule.Least != Role.None && endpoint.Metadata.GetMetadata<StreamRule>() is not null)
            await WhileLetIn(context, next);
        else
            await next(context);
    }

    /// <summary>For what nobody has shown a credential for yet: so many requests of an address.</summary>
    public Task PassUnknown(HttpContext context, RequestDelegate next) =>
        limits.Take(Address(context.Connection.RemoteIpAddress)) is { } wait ? TooMany(context, wait).ExecuteAsync(context) : next(context);

    /// <summary>What somebody may, by who the request says they are; an admin while access is open.</summary>
    public Role RoleOf(ClaimsPrincipal person) =>
        !Closed ? Role.Admin : Roles.TryRead(person.FindFirstValue(ClaimTypes.Role) ?? "", out var role) ? role : Role.None;

    /// <summary>Who a token's holder is.</summary>
    public static ClaimsPrincipal Principal(Token token, string scheme) => new(new ClaimsIdentity(
        [
            new Claim(ClaimTypes.Name, token.Name), new Claim(ClaimTypes.Role, token.Role.Word()), new Claim(TokenId, token.Id),
            .. token.Services.Select(service => new Claim(Scope.Service, service)), .. token.Environments.Select(environment => new Claim(Scope.Environment, environment)),
        ],
        scheme));

    /// <summary>Why somebody is not let in; null when they are. Null for the caller's user stands for nobody.</summary>
    private async Task<IResult?> Enter(HttpContext context, RoleRule rule)
    {
        var request = context.Request;
        // A page of another site must not use what a browser here is signed in with.
        if (request.Headers.Origin is [{ Length: > 0 } origin, ..] && !SameOrigin(request, origin))
            return Problems.Of(StatusCodes.Status403Forbidden, "Requests from other pages are refused", publicUrl is null
                ? $"The Origin header says '{Problems.Shown(origin)}'; if that is this server behind a proxy, start it with --public-url {Problems.Shown(origin)}."
                : $"You came from '{Problems.Shown(origin)}', and this server is known as {publicUrl} (--public-url). Come by that address, or start it with the other.");
        context.User = new ClaimsPrincipal(new ClaimsIdentity());
        var (role, wrong) = await Identify(context, rule);
        // What is for everybody is so for who shows something wrong too.
        if (wrong is not null && rule.Least != Role.None)
        {
            // Only who guesses is not heard: whoever shares the address with them, behind a proxy, shows something right.
            var address = Address(context.Connection.RemoteIpAddress);
            if (limits.Locked(address) is { } wait)
                return TooMany(context, wait, "Ten wrong tokens or signatures came from this address. ");
            limits.Failed(address);
            context.Response.Headers.WWWAuthenticate = "Bearer";
            return Problems.Of(StatusCodes.Status401Unauthorized, "Not let in", wrong);
        }

        if (rule.Allows(role))
            return null;
        if (role != Role.None)
            return Problems.Of(StatusCodes.Status403Forbidden, "Your role does not allow this", $"You are {Problems.Shown(context.User.Identity?.Name ?? "")} with the role {role.Word()}; this needs {rule.Words}.");
        if (HttpMethods.IsGet(request.Method) && request.Headers.Accept.ToString().Contains("text/html", StringComparison.Ordinal))
            return Results.Redirect($"{request.PathBase}/login?to={Uri.EscapeDataString(request.Path + request.QueryString.ToString())}");
        context.Response.Headers.WWWAuthenticate = "Bearer";
        return Problems.Of(StatusCodes.Status401Unauthorized, "Not let in", rule.Announces && !signed.Any && request.Headers.ContainsKey(SignedRequests.SignatureHeader)
            ? "Signed requests are not taken here: set COMMANDER_INTAKE_SECRET where the server runs, or send a token."
            : rule.Announces && signed.Any
            ? $"Send a token (Authorization: Bearer {TokenBook.Prefix}...), or sign the request ({SignedRequests.TimestampHeader}, {SignedRequests.SignatureHeader})."
            : $"Send a token: Authorization: Bearer {TokenBook.Prefix}...; an admin issues them: commander token issue. The command line takes it from COMMANDER_TOKEN.");
    }

    private async Task<(Role Role, string? Wrong)> Identify(HttpContext context, RoleRule rule)
    {
        var headers = context.Request.Headers;
        if (headers.Authorization is [{ Length: > 0 } authorization, ..])
        {
            if (!authorization.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) || tokens.Find(authorization["Bearer ".Length..].Trim()) is not { } token)
                return (Role.None, "The token is none of this server's, has ended, or was revoked.");
            context.User = Principal(token, "token");
            return (token.Role, null);
        }

        if (rule.Announces && signed.Any && headers.ContainsKey(SignedRequests.SignatureHeader))
        {
            if (await RequestBody.Bytes(context, RequestBody.Small, context.RequestAborted) is not { } body)
                return (Role.None, $"A signed request has a body of {RequestBody.Small / 1024} KiB at most.");
            // Read once; whoever takes it reads it again.
            context.Request.Body = new MemoryStream(body);
            if (signed.Refusal(headers[SignedRequests.TimestampHeader], headers[SignedRequests.SignatureHeader], body) is { } why)
                return (Role.None, why + ".");
            context.User = new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, "signed request"), new Claim(ClaimTypes.Role, Role.Intake.Word())], "signature"));
            return (Role.Intake, null);
        }

        // The cookie says who signed in; whether their token still holds is asked each time.
        if (await context.AuthenticateAsync(Session) is { Succeeded: true, Principal: { } person })
        {
            if (person.FindFirstValue(TokenText) is { } text && tokens.Find(text) is { } held)
            {
                context.User = Principal(held, Session);
                return (held.Role, null);
            }

            if (openId && person.FindFirstValue(OpenId.Subject) is not null && Roles.TryRead(person.FindFirstValue(ClaimTypes.Role) ?? "", out var role))
            {
                context.User = person;
                return (role, null);
            }
        }

        return (Role.None, null);
    }

    /// <summary>
    /// Without a token everybody at this machine is admin. A web page that somebody there has open is not them: requests whose Host is
    /// not this machine, or whose Origin is another page's, are refused, so that no page can press buttons here and no name that
    /// resolves to 127.0.0.1 can read here.
    /// </summary>
    private static IResult? FromHere(HttpContext context)
    {
        var request = context.Request;
        // A proxy at this machine would make everybody in the world somebody at this machine.
        if (ThroughProxy(context))
            return Problems.Of(StatusCodes.Status403Forbidden, "Only this machine is let in", "The request came through a proxy, and without a token everybody who comes is admin. Set COMMANDER_ADMIN_TOKEN, or issue a token at the machine itself with POST /api/v1/tokens.");
        var host = request.Host.Host.ToLowerInvariant();
        if (host is not ("localhost" or "127.0.0.1" or "[::1]" or "::1"))
            return Problems.Of(StatusCodes.Status421MisdirectedRequest, "This is not the server you asked for", $"The Host header says '{Problems.Shown(host)}'. Ask for http://127.0.0.1:{context.Connection.LocalPort}.");
        if (request.Headers.Origin is [{ Length: > 0 } origin, ..] && !string.Equals(origin, $"{request.Scheme}://{request.Host}", StringComparison.OrdinalIgnoreCase))
            return Problems.Of(StatusCodes.Status403Forbidden, "Requests from other pages are refused", $"The Origin header says '{Problems.Shown(origin)}'.");
        return null;
    }

    private static bool ThroughProxy(HttpContext context)
    {
        if (context.Connection is { RemoteIpAddress: { } from, LocalIpAddress: { } to } && !(IPAddress.IsLoopback(from) && IPAddress.IsLoopback(to)))
            return true;
        foreach (var name in Forwarded)
        {
            if (context.Request.Headers.ContainsKey(name))
                return true;
        }

        return false;
    }

    private static IResult NotKnown(HttpContext context)
    {
        context.Response.Headers.RetryAfter = "1";
        return Problems.Of(StatusCodes.Status503ServiceUnavailable, "Who may come in cannot be read now", "The store does not answer; nobody is let in until it does. Try again in a second.");
    }

    // What goes on for hours must not outlive the token, nor the person's right at the provider by more than this.
    private async Task WhileLetIn(HttpContext context, RequestDelegate next)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        var watch = Watch();
        try
        {
            await next(context);
        }
        finally
        {
            await over.CancelAsync();
            await watch;
        }

        async Task Watch()
        {
            var id = context.User.FindFirstValue(TokenId);
            try
            {
                for (var looks = 1; ; looks++)
                {
                    await Task.Delay(LookAgain, clock, over.Token);
                    await tokens.Look(over.Token);
                    if (id is null ? looks >= LooksWithoutToken : tokens.ById(id) is null)
                    {
                        context.Abort();
                        return;
                    }
                }
            }
            catch (OperationCanceledException)
            {
                // It ended by itself.
            }
        }
    }

    private bool SameOrigin(HttpRequest request, string origin) =>
        string.Equals(origin, $"{request.Scheme}://{request.Host}", StringComparison.OrdinalIgnoreCase)
        || (publicUrl is not null && string.Equals(origin, publicUrl.GetLeftPart(UriPartial.Authority), StringComparison.OrdinalIgnoreCase));

    private static string Caller(HttpContext context) => context.User.FindFirstValue(TokenId) ?? context.User.FindFirstValue(OpenId.Subject) ?? Address(context.Connection.RemoteIpAddress);

    /// <summary>Whom a limit counts by.</summary>
    internal static string Address(IPAddress? from) => from switch
    {
        null => "",
        // Whoever has one address of IPv6 has a network of them.
        { AddressFamily: System.Net.Sockets.AddressFamily.InterNetworkV6, IsIPv4MappedToIPv6: false } six => new IPAddress([.. six.GetAddressBytes().Take(8), 0, 0, 0, 0, 0, 0, 0, 0]).ToString(),
        var address => address.ToString(),
    };

    private static IResult TooMany(HttpContext context, TimeSpan wait, string why = "")
    {
        var seconds = Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds));
        context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        return Problems.Of(StatusCodes.Status429TooManyRequests, "Too many requests", $"{why}Try again in {seconds} s.");
    }
}

/// <summary>How often somebody may come: so many requests a second with a burst of ten seconds' worth, and ten wrong tokens a minute from an address.</summary>
internal sealed class AccessLimits : IDisposable
{
    private const int WrongAMinute = 10;
    private readonly FixedWindowRateLimiter _lines = new(new FixedWindowRateLimiterOptions { PermitLimit = 5, Window = TimeSpan.FromSeconds(1), QueueLimit = 0 });
    private readonly PartitionedRateLimiter<string>? _requests;
    private readonly PartitionedRateLimiter<string> _wrong = PartitionedRateLimiter.Create<string, string>(address => RateLimitPartition.GetFixedWindowLimiter(
        address, _ => new FixedWindowRateLimiterOptions { PermitLimit = WrongAMinute, Window = TimeSpan.FromMinutes(1), QueueLimit = 0 }));

    /// <param name="perSecond">Requests a second of one caller; null for no limit.</param>
    public AccessLimits(int? perSecond) => _requests = perSecond is not { } most ? null : PartitionedRateLimiter.Create<string, string>(caller => RateLimitPartition.GetTokenBucketLimiter(
        caller,
        _ => new TokenBucketRateLimiterOptions { TokenLimit = 10 * most, TokensPerPeriod = Math.Max(1, most / 10), ReplenishmentPeriod = TimeSpan.FromMilliseconds(most < 10 ? 1000.0 / most : 100), QueueLimit = 0 }));

    /// <summary>How long to wait; null when the request may go on.</summary>
    public TimeSpan? Take(string caller)
    {
        if (_requests is null)
            return null;
        using var lease = _requests.AttemptAcquire(caller);
        return lease.IsAcquired ? null : lease.TryGetMetadata(MetadataName.RetryAfter, out var wait) ? wait : TimeSpan.FromSeconds(1);
    }

    /// <summary>Whether what anybody can bring about may be written into the log now.</summary>
    public bool MaySay()
    {
        using var lease = _lines.AttemptAcquire();
        return lease.IsAcquired;
    }

    /// <summary>A wrong credential came from an address.</summary>
    public void Failed(string address)
    {
        using var lease = _wrong.AttemptAcquire(address);
    }

    /// <summary>How long an address that guesses is not heard; null when it is.</summary>
    public TimeSpan? Locked(string address) => _wrong.GetStatistics(address)?.CurrentAvailablePermits == 0 ? TimeSpan.FromSeconds(60) : null;

    public void Dispose()
    {
        _requests?.Dispose();
        _lines.Dispose();
        _wrong.Dispose();
    }
}
