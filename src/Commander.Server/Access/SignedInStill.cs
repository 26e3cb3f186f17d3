using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Commander.Server.Api;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace Commander.Server.Access;

/// <summary>
/// Asks the provider again and again, with the refresh token it gave, whether somebody who signed in there still may, and in which
/// groups they are now. Who is refused is out; a provider that does not answer changes nothing until the session ends by itself, because
/// that is when somebody is woken. The refresh token lies in the session's cookie, which only this server can read.
/// </summary>
/// <param name="provider">The provider.</param>
/// <param name="oidc">How it is spoken to.</param>
/// <param name="clock">The clock.</param>
internal sealed class SignedInStill(OpenId provider, OpenIdConnectOptions oidc, TimeProvider clock)
{
    private const string RefreshToken = "refresh";
    private const string AskAt = "ask-at";
    private const string Until = "until";
    private const int MaxAnswer = 256 * 1024;
    private const int MaxRemembered = 1_000;

    // Pages ask for several things at once; where the provider changes the refresh token each time, a second question would be refused.
    private static readonly TimeSpan Shared = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AfterSilence = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);
    private readonly ConcurrentDictionary<string, (Lazy<Task<Answer>> Asked, DateTimeOffset At)> _asked = new(StringComparer.Ordinal);

    /// <summary>What the provider said.</summary>
    /// <param name="Refused">Whether they are out.</param>
    /// <param name="Person">Who they are now; null where it says no more than that they are still in, or nothing.</param>
    /// <param name="Refresh">With what to ask the next time; null for the same.</param>
    /// <param name="In">After how long to ask again.</param>
    private sealed record Answer(bool Refused, ClaimsPrincipal? Person, string? Refresh, TimeSpan In);

    /// <summary>Keeps with what to ask, when somebody signs in; a session ends after so long, whatever the provider says until then.</summary>
    public void Begin(AuthenticationProperties session, OpenIdConnectMessage given, TimeSpan longest)
    {
        session.Items[Until] = Text(clock.GetUtcNow() + longest);
        if (given.RefreshToken is not { Length: > 0 } token)
            return;
        session.Items[RefreshToken] = token;
        session.Items[AskAt] = Text(clock.GetUtcNow() + In(given));
    }

    /// <summary>At each request of somebody with a session.</summary>
    public async Task Check(CookieValidatePrincipalContext context)
    {
        if (context.Principal?.FindFirstValue(OpenId.Subject) is not { } subject)
            return;
        var session = context.Properties;
        var now = clock.GetUtcNow();
        if (!(Read(session, Until) > now))
        {
            await Out(context);
            return;
        }

        if (session.Items.TryGetValue(RefreshToken, out var token) is false || token is null || Read(session, AskAt) > now)
            return;
        var answer = await Ask(token, subject, now);
        if (answer.Refused)
        {
            await Out(context);
            return;
        }

        session.Items[RefreshToken] = answer.Refresh ?? token;
        session.Items[AskAt] = Text(now + answer.In);
        if (answer.Person is { } person)
            context.ReplacePrincipal(person);
        context.ShouldRenew = true;
    }

    private Task<Answer> Ask(string token, string subject, DateTimeOffset now)
    {
        foreach (var (old, asked) in _asked)
        {
            if (now - asked.At > Shared || _asked.Count > MaxRemembered)
                _asked.TryRemove(old, out _);
        }

        var key = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
        return _asked.GetOrAdd(key, _ => (new Lazy<Task<Answer>>(() => Question(token, subject)), now)).Asked.Value;
    }

    private async Task<Answer> Question(string token, string subject)
    {
        // Of several requests that wait for it the first may go away.
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            var there = await oidc.ConfigurationManager!.GetConfigurationAsync(patience.Token);
            var form = new Dictionary<string, string>(StringComparer.Ordinal) { ["grant_type"] = "refresh_token", ["refresh_token"] = token, ["client_id"] = provider.ClientId };
            if (provider.ClientSecret is { } secret)
                form["client_secret"] = secret;
            using var content = new FormUrlEncodedContent(form);
            using var answer = await oidc.Backchannel.PostAsync(there.TokenEndpoint, content, patience.Token);
            if ((int)answer.StatusCode is 400 or 401 or 403)
                return new Answer(Refused: true, null, null, default);
            if (!answer.IsSuccessStatusCode || answer.Content.Headers.ContentLength > MaxAnswer)
                return Silence;
            return await Understood(new OpenIdConnectMessage(await answer.Content.ReadAsStringAsync(patience.Token)), there, subject);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException or JsonException or ArgumentException or InvalidOperationException)
        {
            return Silence;
        }
    }

    private async Task<Answer> Understood(OpenIdConnectMessage given, OpenIdConnectConfiguration there, string subject)
    {
        var next = In(given);
        var refresh = given.RefreshToken is { Length: > 0 } changed ? changed : null;
        if (given.IdToken is not { Length: > 0 } word)
            return new Answer(false, null, refresh, next);
        var expected = oidc.TokenValidationParameters.Clone();
        (expected.ValidIssuer, expected.ValidAudience, expected.IssuerSigningKeys) = (there.Issuer, provider.ClientId, there.SigningKeys);
        var read = await new JsonWebTokenHandler { MapInboundClaims = false }.ValidateTokenAsync(word, expected);
        if (!read.IsValid)
        {
            // It may have signed with a key that is new: the next question finds it.
            oidc.ConfigurationManager!.RequestRefresh();
            return Silence with { Refresh = refresh };
        }

        var person = provider.Person(new ClaimsPrincipal(read.ClaimsIdentity));
        return person.FindFirstValue(OpenId.Subject) == subject && person.FindFirstValue(ClaimTypes.Role) != Role.None.Word() ? new Answer(false, person, refresh, next) : new Answer(Refused: true, null, null, default);
    }

    private static Answer Silence => new(false, null, null, AfterSilence);

    private TimeSpan In(OpenIdConnectMessage given)
    {
        var longest = (int)Longest.TotalSeconds;
        var seconds = int.TryParse(given.ExpiresIn, NumberStyles.None, CultureInfo.InvariantCulture, out var said) ? said : longest;
        return TimeSpan.FromSeconds(Math.Clamp(seconds, (int)provider.AskedAtMost.TotalSeconds, longest));
    }

    private static Task Out(CookieValidatePrincipalContext context)
    {
        context.RejectPrincipal();
        return context.HttpContext.SignOutAsync(AccessGate.Session);
    }

    private static string Text(DateTimeOffset at) => at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);

    private static DateTimeOffset? Read(AuthenticationProperties session, string name) =>
        session.Items.TryGetValue(name, out var text) && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds < 253_402_300_800 ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null;
}
