using System.Net;
using Commander.Server.Access;
using Commander.Server.Hosting;
using Commander.Server.Tests.Api;

namespace Commander.Server.Tests.Access;

/// <summary>A proxy before the server: whose word counts for who a caller is, and a path that the pages lie below.</summary>
public sealed class ProxyTests : IAsyncLifetime
{
    private const string Admin = "an admin's token of the environment";
    private readonly BuiltServer _server = new();
    private readonly HttpClient _http;

    public ProxyTests() => _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = _server.Url, Timeout = TimeSpan.FromSeconds(20) };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
    }

    [Theory]
    [InlineData("X-Forwarded-For", "203.0.113.9")]
    [InlineData("X-Real-IP", "203.0.113.9")]
    [InlineData("Forwarded", "for=203.0.113.9")]
    [InlineData("Via", "1.1 proxy")]
    public async Task Without_a_token_what_came_through_a_proxy_is_not_from_this_machine(string header, string value)
    {
        await _server.Begin(new CommanderOptions());
        (await Ask("/api/v1/deployments")).Status.ShouldBe(HttpStatusCode.OK);
        (await Ask("/api/v1/deployments", (header, value))).Status.ShouldBe(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task Whoever_names_a_proxy_or_a_public_address_and_has_no_token_is_told_so_at_the_start()
    {
        foreach (var options in (CommanderOptions[])[new() { TrustedProxies = [Network("127.0.0.1")] }, new() { PublicUrl = new Uri("https://commander.example.org/") }])
            (await Should.ThrowAsync<AccessMissingException>(() => _server.Begin(options))).Message.ShouldContain("commander token issue");
        await _server.Begin(new CommanderOptions { PublicUrl = new Uri("http://127.0.0.1:5080/commander/") });
    }

    [Fact]
    public async Task A_trusted_proxy_says_who_guesses_and_others_are_heard_all_the_same()
    {
        await _server.Begin(new CommanderOptions { AdminToken = Admin, TrustedProxies = [Network("127.0.0.0/8")] });
        for (var n = 0; n < 10; n++)
            (await Ask("/api/v1/deployments", ("X-Forwarded-For", "203.0.113.9"), ("Authorization", "Bearer wrong"))).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await Ask("/api/v1/deployments", ("X-Forwarded-For", "203.0.113.9"), ("Authorization", "Bearer wrong"))).Status.ShouldBe(HttpStatusCode.TooManyRequests);
        (await Ask("/api/v1/deployments", ("X-Forwarded-For", "203.0.113.10"), ("Authorization", "Bearer wrong"))).Status.ShouldBe(HttpStatusCode.Unauthorized);
        // What somebody wrote before the proxy is behind its own word.
        (await Ask("/api/v1/deployments", ("X-Forwarded-For", "203.0.113.10, 203.0.113.9"), ("Authorization", "Bearer wrong"))).Status.ShouldBe(HttpStatusCode.TooManyRequests);
    }

    [Fact]
    public async Task The_word_of_a_proxy_that_nobody_named_changes_nothing()
    {
        await _server.Begin(new CommanderOptions { AdminToken = Admin });
        for (var n = 0; n < 10; n++)
            (await Ask("/api/v1/deployments", ("X-Forwarded-For", $"203.0.113.{n}"), ("Authorization", "Bearer wrong"))).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await Ask("/api/v1/deployments", ("X-Forwarded-For", "203.0.113.99"), ("Authorization", "Bearer wrong"))).Status.ShouldBe(HttpStatusCode.TooManyRequests);
    }

    [Theory]
    [InlineData("/deploy/commander", "as the proxy got it")]
    [InlineData("", "without what the proxy knows it by")]
    public async Task Below_a_path_pages_links_and_cookies_begin_with_it(string passed, string how)
    {
        await _server.Begin(new CommanderOptions { AdminToken = Admin, PublicUrl = new Uri("https://example.org/deploy/commander/"), TrustedProxies = [Network("127.0.0.1")] });
        (string, string)[] headers = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "example.org"), ("Accept", "text/html")];
        (await Ask(passed + "/", headers)).Location.ShouldBe("/deploy/commander/login?to=%2F", how);
        var login = await Ask(passed + "/login", headers);
        login.Status.ShouldBe(HttpStatusCode.OK);
        login.Cookie.ShouldContain("path=/deploy/commander");
        (await Ask(passed + "/health/live", headers)).Status.ShouldBe(HttpStatusCode.OK);
        (await Ask(passed + "/api/v1/deployments", [("Origin", "https://example.org"), ("Authorization", "Bearer " + Admin), .. headers])).Status.ShouldBe(HttpStatusCode.OK);
        (await Ask(passed + "/api/v1/deployments", [("Origin", "https://evil.example"), ("Authorization", "Bearer " + Admin), .. headers])).Status.ShouldBe(HttpStatusCode.Forbidden);
    }

    [Theory]
    [InlineData("10.0.0.7", true)]
    [InlineData("10.0.0.0/24", true)]
    [InlineData("fd00::/8", true)]
    [InlineData("10.0.0.0/99", false)]
    [InlineData("proxy", false)]
    [InlineData("", false)]
    public void A_proxy_is_an_address_or_a_network(string text, bool good) => ProxyHosting.TryRead(text, out _).ShouldBe(good);

    private static IPNetwork Network(string text) => ProxyHosting.TryRead(text, out var network) ? network : throw new FormatException(text);

    private async Task<(HttpStatusCode Status, string? Location, string Cookie)> Ask(string path, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        using var answer = await _http.SendAsync(request, Cancel);
        return (answer.StatusCode, answer.Headers.Location?.ToString(), answer.Headers.TryGetValues("Set-Cookie", out var cookies) ? string.Join(" | ", cookies) : "");
    }
}
