using System.Net;
using System.Net.Http.Json;
using System.Security.Claims;
using System.Text.Json;
using System.Text.RegularExpressions;
using Commander.Server.Access;
using Commander.Server.Api;
using Commander.Server.Hosting;
using Commander.Server.Tests.Api;

namespace Commander.Server.Tests.Access;

/// <summary>People who sign in by a provider of OpenID Connect, and everything that may be wrong with what it says.</summary>
public sealed partial class OpenIdTests : IAsyncLifetime
{
    private readonly BuiltServer _server = new();
    private OpenIdProvider _provider = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _provider = await OpenIdProvider.Start();
        var openId = new OpenId(new Uri(_provider.Url), OpenIdProvider.ClientId, OpenIdProvider.ClientSecret, "groups", new Dictionary<string, Role>(StringComparer.Ordinal) { ["sre"] = Role.Responder, ["platform"] = Role.Admin }) { AskedAtMost = TimeSpan.Zero };
        await _server.Begin(new CommanderOptions { OpenId = openId });
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _provider.DisposeAsync();
    }

    [Theory]
    [InlineData("", HttpStatusCode.Forbidden, HttpStatusCode.Forbidden)]
    [InlineData("guests", HttpStatusCode.Forbidden, HttpStatusCode.Forbidden)]
    [InlineData("guests,sre", HttpStatusCode.OK, HttpStatusCode.Forbidden)]
    [InlineData("sre,platform", HttpStatusCode.OK, HttpStatusCode.OK)]
    public async Task Whoever_the_provider_lets_in_may_look_and_more_by_their_groups(string groups, HttpStatusCode freezing, HttpStatusCode tokens)
    {
        _provider.Groups = groups.Split(',', StringSplitOptions.RemoveEmptyEntries);
        using var browser = Browser();
        using var page = await SignIn(browser, "/help");
        page.StatusCode.ShouldBe(HttpStatusCode.OK);
        page.RequestMessage!.RequestUri!.AbsolutePath.ShouldBe("/help");
        (await Status(browser, "/api/v1/deployments")).ShouldBe(HttpStatusCode.OK);
        using var frozen = await browser.PutAsJsonAsync("/api/v1/freeze", new { reason = "to try" }, Cancel);
        frozen.StatusCode.ShouldBe(freezing);
        (await Status(browser, "/api/v1/tokens")).ShouldBe(tokens);
        if (freezing == HttpStatusCode.OK)
            (await browser.GetFromJsonAsync<JsonElement>("/api/v1/freeze", Cancel)).GetProperty("items")[0].GetProperty("by").GetString().ShouldBe("grace@example.org");
    }

    [Fact]
    public async Task Without_signing_in_nobody_comes_in_from_this_machine_either()
    {
        using var browser = Browser();
        (await Status(browser, "/api/v1/deployments")).ShouldBe(HttpStatusCode.Unauthorized);
        using var page = await browser.GetAsync("/", Cancel);
        page.RequestMessage!.RequestUri!.AbsolutePath.ShouldBe("/login");
        (await page.Content.ReadAsStringAsync(Cancel)).ShouldContain("Sign in with your organisation");
    }

    [Theory]
    [InlineData("audience")]
    [InlineData("issuer")]
    [InlineData("expired")]
    [InlineData("nonce")]
    [InlineData("forged")]
    [InlineData("unsigned")]
    public async Task What_is_for_somebody_else_has_ended_or_is_not_the_providers_word_lets_nobody_in(string wrong)
    {
        switch (wrong)
        {
            case "audience":
                _provider.Audience = "another-client";
                break;
            case "issuer":
                _provider.Issuer = "https://evil.example";
                break;
            case "expired":
                _provider.HoldsFor = TimeSpan.FromMinutes(-10);
                break;
            case "nonce":
                _provider.Nonce = "of another sign-in";
                break;
            case "unsigned":
                _provider.Unsigned = true;
                break;
            default:
                _provider.Rotate(publish: false);
                break;
        }

        using var browser = Browser();
        using var page = await SignIn(browser, "/");
        page.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        (await page.Content.ReadAsStringAsync(Cancel)).ShouldContain("Begin again at the sign-in page");
        (await Status(browser, "/api/v1/deployments")).ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task When_the_provider_signs_with_a_new_key_people_sign_in_all_the_same()
    {
        using (var first = Browser())
        using (var page = await SignIn(first, "/help"))
            page.StatusCode.ShouldBe(HttpStatusCode.OK);
        _provider.Rotate(publish: true);
        // The first one who comes with it may be sent back once, while the keys are read again.
        using var second = Browser();
        for (var attempt = 0; ; attempt++)
        {
            using var page = await SignIn(second, "/help");
            if (page.StatusCode == HttpStatusCode.OK)
                break;
            attempt.ShouldBeLessThan(1);
        }
    }

    [Fact]
    public async Task Another_browsers_answer_is_not_taken()
    {
        using var one = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = _server.Url };
        using var away = await one.GetAsync("/login/provider?to=/", Cancel);
        using var there = await one.GetAsync(away.Headers.Location, Cancel);
        using var other = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = _server.Url };
        using var taken = await other.GetAsync(there.Headers.Location, Cancel);
        taken.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task Who_sends_nonsense_to_the_way_back_is_soon_not_heard()
    {
        await _server.Begin(new CommanderOptions { OpenId = new OpenId(new Uri(_provider.Url), OpenIdProvider.ClientId, OpenIdProvider.ClientSecret, "groups", new Dictionary<string, Role>(StringComparer.Ordinal)), RateLimit = 1 });
        using var browser = Browser();
        var statuses = new List<HttpStatusCode>();
        for (var n = 0; n < 20; n++)
            statuses.Add(await Status(browser, "/signin-oidc?error=x&error_description=%1b%5b2J"));
        statuses.ShouldContain(HttpStatusCode.Unauthorized);
        statuses[^1].ShouldBe(HttpStatusCode.TooManyRequests);
    }

    [Fact]
    public async Task Another_pages_link_signs_nobody_out()
    {
        using var browser = Browser();
        (await SignIn(browser, "/help")).Dispose();
        (await browser.GetAsync("/signout-oidc", Cancel)).Dispose();
        (await Status(browser, "/api/v1/deployments")).ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Who_signs_out_is_out()
    {
        _provider.Groups = ["platform"];
        using var browser = Browser();
        using var page = await SignIn(browser, "/");
        var field = Field().Match(await page.Content.ReadAsStringAsync(Cancel)).Groups[1].Value;
        using var form = new FormUrlEncodedContent([KeyValuePair.Create("__RequestVerificationToken", field)]);
        (await browser.PostAsync("/logout", form, Cancel)).Dispose();
        (await Status(browser, "/api/v1/deployments")).ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task The_provider_is_asked_again_and_new_groups_count_at_once()
    {
        (_provider.AskIn, _provider.Groups) = (0, ["platform"]);
        using var browser = Browser();
        (await SignIn(browser, "/help")).Dispose();
        _provider.Scope.ShouldContain("offline_access");
        (await Status(browser, "/api/v1/tokens")).ShouldBe(HttpStatusCode.OK);
        _provider.Groups = ["sre"];
        (await Status(browser, "/api/v1/tokens")).ShouldBe(HttpStatusCode.Forbidden);
        (await Status(browser, "/api/v1/deployments")).ShouldBe(HttpStatusCode.OK);
        _provider.Asked.ShouldBeGreaterThanOrEqualTo(3);
    }

    [Theory]
    [InlineData("revoked")]
    [InlineData("somebody else")]
    public async Task Whom_the_provider_no_longer_knows_is_out(string why)
    {
        (_provider.AskIn, _provider.Groups) = (0, ["platform"]);
        using var browser = Browser();
        (await SignIn(browser, "/help")).Dispose();
        if (why == "revoked")
            _provider.Forget();
        else
            _provider.Subject = "8";
        (await Status(browser, "/api/v1/deployments")).ShouldBe(HttpStatusCode.Unauthorized);
        _provider.Subject = "7";
        (await Status(browser, "/api/v1/deployments")).ShouldBe(HttpStatusCode.Unauthorized, "and stays out");
    }

    [Theory]
    [InlineData("down")]
    [InlineData("a key that is not its own")]
    public async Task A_provider_that_says_nothing_good_or_bad_changes_nothing(string what)
    {
        (_provider.AskIn, _provider.Groups) = (0, ["sre"]);
        using var browser = Browser();
        (await SignIn(browser, "/help")).Dispose();
        _provider.Groups = ["platform"];
        if (what == "down")
            _provider.Down = true;
        else
            _provider.Rotate(publish: false);
        (await Status(browser, "/api/v1/deployments")).ShouldBe(HttpStatusCode.OK);
        (await Status(browser, "/api/v1/tokens")).ShouldBe(HttpStatusCode.Forbidden);
        _provider.Asked.ShouldBeGreaterThanOrEqualTo(1);
    }

    [Fact]
    public async Task Many_requests_at_once_ask_the_provider_once()
    {
        (_provider.AskIn, _provider.Groups) = (0, ["sre"]);
        using var browser = Browser();
        (await SignIn(browser, "/login")).Dispose();
        var before = _provider.Asked;
        var statuses = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Status(browser, "/api/v1/deployments")));
        statuses.ShouldAllBe(status => status == HttpStatusCode.OK);
        (_provider.Asked - before).ShouldBeLessThan(20);
    }

    [Theory]
    [InlineData("http://login.example.org", "c", "", "https")]
    [InlineData("https://login.example.org", "", "", "CLIENT_ID")]
    [InlineData("https://login.example.org", "c", "king=all", "responder or admin")]
    [InlineData("https://login.example.org", "c", "admin", "ROLE=GROUP")]
    public void What_cannot_be_is_said_at_the_start(string authority, string client, string roles, string said)
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["COMMANDER_OIDC_AUTHORITY"] = authority, ["COMMANDER_OIDC_CLIENT_ID"] = client, ["COMMANDER_OIDC_ROLES"] = roles };
        OpenId.Read(environment.Keys, environment.GetValueOrDefault, _ => null).Wrong.ShouldNotBeNull().ShouldContain(said);
    }

    [Theory]
    [InlineData("COMMANDER_OIDC_CLIENT_ID", "AUTHORITY is missing")]
    [InlineData("COMMANDER_OIDC_ISSUER", "is not known")]
    public void Half_of_the_settings_is_none_and_is_said_too(string name, string said) =>
        OpenId.Read([name, "PATH"], other => other == name ? "x" : null, _ => null).Wrong.ShouldNotBeNull().ShouldContain(said);

    [Fact]
    public void Groups_may_be_paths_and_have_spaces_and_who_is_in_none_may_be_refused()
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["COMMANDER_OIDC_AUTHORITY"] = "https://login.example.org",
            ["COMMANDER_OIDC_CLIENT_ID"] = "c",
            ["COMMANDER_OIDC_ROLES"] = "admin=Platform Team; responder=/oncall; viewer=example.org",
            ["COMMANDER_OIDC_OTHERS"] = "none",
        };
        var provider = OpenId.Read(environment.Keys, environment.GetValueOrDefault, _ => null).Provider.ShouldNotBeNull();
        string? Role(params string[] groups) => provider.Person(new ClaimsPrincipal(new ClaimsIdentity([new Claim("sub", "7"), .. groups.Select(group => new Claim("groups", group))]))).FindFirstValue(ClaimTypes.Role);
        Role("Platform Team").ShouldBe("admin");
        Role("/oncall").ShouldBe("responder");
        Role("oncall", "example.org").ShouldBe("responder");
        Role("example.org").ShouldBe("viewer");
        Role("others").ShouldBe("none");
        Role().ShouldBe("none");
    }

    [Fact]
    public async Task Who_is_in_no_group_is_not_let_in_where_that_is_asked_for()
    {
        var openId = new OpenId(new Uri(_provider.Url), OpenIdProvider.ClientId, OpenIdProvider.ClientSecret, "groups", new Dictionary<string, Role>(StringComparer.Ordinal) { ["sre"] = Role.Responder }) { OthersLook = false };
        await _server.Begin(new CommanderOptions { OpenId = openId });
        using var browser = Browser();
        using (var page = await SignIn(browser, "/"))
        {
            page.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
            (await page.Content.ReadAsStringAsync(Cancel)).ShouldContain("none of the groups");
        }

        (await Status(browser, "/api/v1/deployments")).ShouldBe(HttpStatusCode.Unauthorized);
        _provider.Groups = ["sre"];
        using var again = await SignIn(browser, "/help");
        again.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await again.Content.ReadAsStringAsync(Cancel)).ShouldContain("grace@example.org (responder)");
    }

    [Fact]
    public async Task A_provider_that_does_not_answer_is_named_and_not_commander_blamed()
    {
        await _provider.DisposeAsync();
        using var browser = Browser();
        using var page = await SignIn(browser, "/");
        page.StatusCode.ShouldBe(HttpStatusCode.BadGateway);
        (await page.Content.ReadAsStringAsync(Cancel)).ShouldContain("The provider does not answer");
    }

    private HttpClient Browser()
    {
        var browser = new HttpClient(new SocketsHttpHandler { UseCookies = true }) { BaseAddress = _server.Url, Timeout = TimeSpan.FromSeconds(20) };
        browser.DefaultRequestHeaders.Add("Accept", "text/html");
        return browser;
    }

    private static Task<HttpResponseMessage> SignIn(HttpClient browser, string to) => browser.GetAsync(new Uri("/login/provider?to=" + Uri.EscapeDataString(to), UriKind.Relative), Cancel);

    private static async Task<HttpStatusCode> Status(HttpClient browser, string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { { "Accept", "application/json" } } };
        using var answer = await browser.SendAsync(request, Cancel);
        return answer.StatusCode;
    }

    [GeneratedRegex("name=\"__RequestVerificationToken\" value=\"([^\"]+)\"")]
    private static partial Regex Field();
}
