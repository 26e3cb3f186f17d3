using System.Collections.Concurrent;
using System.Net;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Commander.Server.Tests.Access;

/// <summary>
/// A small provider of OpenID Connect: discovery, keys, authorization code with PKCE, client secret, and whatever a test wants wrong.
/// Whoever comes is signed in at once, as somebody who has a session there already.
/// </summary>
internal sealed class OpenIdProvider : IAsyncDisposable
{
    public const string ClientId = "commander";
    public const string ClientSecret = "the client's secret";

    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, (string Nonce, string Challenge, string Redirect)> _codes = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, string> _refresh = new(StringComparer.Ordinal);
    private readonly List<RsaSecurityKey> _published = [];
    private int _asked;

    private OpenIdProvider(WebApplication app) => _app = app;

    public string Url => _app.Urls.First();

    public string[] Groups { get; set; } = [];

    public string Audience { get; set; } = ClientId;

    public string? Issuer { get; set; }

    public string? Nonce { get; set; }

    /// <summary>Whether it signs nothing.</summary>
    public bool Unsigned { get; set; }

    /// <summary>How long its words hold; below zero they have ended when they are given.</summary>
    public TimeSpan HoldsFor { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long until it wants to be asked again; null gives nothing to ask with.</summary>
    public int? AskIn { get; set; }

    /// <summary>Whether it answers 500 to whoever asks again.</summary>
    public bool Down { get; set; }

    /// <summary>Whether who asks again is told that they are somebody else.</summary>
    public string Subject { get; set; } = "7";

    /// <summary>How often it was asked again.</summary>
    public int Asked => Volatile.Read(ref _asked);

    /// <summary>The scopes of the last sign-in.</summary>
    public string Scope { get; private set; } = "";

    /// <summary>Ends what it gave to ask with.</summary>
    public void Forget() => _refresh.Clear();

    /// <summary>What it signs with.</summary>
    public RsaSecurityKey Key { get; private set; } = null!;

    public static async Task<OpenIdProvider> Start()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        var provider = new OpenIdProvider(app);
        provider.Rotate(publish: true);
        app.MapGet("/.well-known/openid-configuration", provider.Discovery);
        app.MapGet("/keys", provider.Keys);
        app.MapGet("/authorize", provider.Authorize);
        app.MapPost("/token", provider.Token);
        await app.StartAsync();
        return provider;
    }

    /// <summary>Signs with a new key from now on; one that is not published is somebody else's.</summary>
    public void Rotate(bool publish)
    {
        Key = new RsaSecurityKey(RSA.Create(2048)) { KeyId = RandomNumberGenerator.GetHexString(32) };
        if (!publish)
            return;
        lock (_published)
        {
            _published.Clear();
            _published.Add(Key);
        }
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private IResult Discovery() => Results.Json(new Dictionary<string, object>(StringComparer.Ordinal)
    {
        ["issuer"] = Url,
        ["authorization_endpoint"] = Url + "/authorize",
        ["token_endpoint"] = Url + "/token",
        ["jwks_uri"] = Url + "/keys",
        ["response_types_supported"] = (string[])["code"],
        ["subject_types_supported"] = (string[])["public"],
        ["id_token_signing_alg_values_supported"] = (string[])["RS256"],
        ["code_challenge_methods_supported"] = (string[])["S256"],
        ["scopes_supported"] = (string[])["openid", "email", "profile", "offline_access"],
    });

    private IResult Keys()
    {
        lock (_published)
        {
            return Results.Json(new Dictionary<string, object>(StringComparer.Ordinal)
            {
                ["keys"] = _published.Select(key => key.Rsa.ExportParameters(false) is var its ? new Dictionary<string, string>(StringComparer.Ordinal)
                {
                    ["kty"] = "RSA",
                    ["use"] = "sig",
                    ["alg"] = "RS256",
                    ["kid"] = key.KeyId,
                    ["n"] = Base64UrlEncoder.Encode(its.Modulus),
                    ["e"] = Base64UrlEncoder.Encode(its.Exponent),
                } : []).ToArray(),
            });
        }
    }

    private IResult Authorize(string client_id, string redirect_uri, string state, string nonce, string code_challenge, string code_challenge_method, string response_type, string scope)
    {
        if (client_id != ClientId || code_challenge_method != "S256" || response_type != "code" || !scope.Split(' ').Contains("openid"))
            return Results.BadRequest();
        Scope = scope;
        var code = RandomNumberGenerator.GetHexString(32);
        _codes[code] = (nonce, code_challenge, redirect_uri);
        return Results.Redirect($"{redirect_uri}?code={code}&state={Uri.EscapeDataString(state)}");
    }

    private async Task<IResult> Token(HttpRequest request)
    {
        var form = await request.ReadFormAsync();
        if (form["grant_type"] == "refresh_token")
        {
            Interlocked.Increment(ref _asked);
            if (Down)
                return Results.StatusCode(500);
            // Each is good once.
            return form["client_id"] == ClientId && form["client_secret"] == ClientSecret && _refresh.TryRemove(form["refresh_token"].ToString(), out _)
                ? Word(null)
                : Results.Json(new Dictionary<string, string>(StringComparer.Ordinal) { ["error"] = "invalid_grant" }, statusCode: 400);
        }

        if (form["grant_type"] != "authorization_code" || form["client_id"] != ClientId || form["client_secret"] != ClientSecret
            || !_codes.TryRemove(form["code"].ToString(), out var begun) || form["redirect_uri"] != begun.Redirect
            || Base64UrlEncoder.Encode(SHA256.HashData(Encoding.ASCII.GetBytes(form["code_verifier"].ToString()))) != begun.Challenge)
        {
            return Results.Json(new Dictionary<string, string>(StringComparer.Ordinal) { ["error"] = "invalid_grant" }, statusCode: 400);
        }

        return Word(Nonce ?? begun.Nonce);
    }

    private IResult Word(string? nonce)
    {
        var now = TimeProvider.System.GetUtcNow();
        Claim[] claims = [new Claim("sub", Subject), new Claim("email", "grace@example.org"), .. Groups.Select(group => new Claim("groups", group))];
        var word = new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            Issuer = Issuer ?? Url,
            Audience = Audience,
            IssuedAt = now.UtcDateTime.AddMinutes(-30),
            NotBefore = now.UtcDateTime.AddMinutes(-30),
            Expires = (now + HoldsFor).UtcDateTime,
            Subject = new ClaimsIdentity(nonce is null ? claims : [.. claims, new Claim("nonce", nonce)]),
            SigningCredentials = Unsigned ? null : new SigningCredentials(Key, SecurityAlgorithms.RsaSha256),
        });
        var answer = new Dictionary<string, object>(StringComparer.Ordinal) { ["access_token"] = "x", ["token_type"] = "Bearer", ["expires_in"] = AskIn ?? 300, ["id_token"] = word };
        if (AskIn is not null)
        {
            var refresh = RandomNumberGenerator.GetHexString(32);
            _refresh[refresh] = "";
            answer["refresh_token"] = refresh;
        }

        return Results.Json(answer);
    }
}
