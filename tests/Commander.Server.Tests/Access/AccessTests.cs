using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Commander.Judging.Policies;
using Commander.Server.Access;
using Commander.Server.Api;
using Commander.Server.Hosting;
using Commander.Server.Storage;
using Commander.Server.Storage.Sqlite;
using Commander.Server.Tests.Api;
using Commander.Server.Tests.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Commander.Server.Tests.Access;

/// <summary>Nobody gets in who does not belong: tokens, roles on every route, signatures, sessions, and who guesses.</summary>
public sealed partial class AccessTests : IAsyncLifetime
{
    private const string Secret = "0123456789abcdef0123456789abcdef";
    private readonly BuiltServer _server = new();
    private readonly List<HttpClient> _clients = [];
    private string _admin = "";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await Begin(new CommanderOptions { IntakeSecrets = [Encoding.UTF8.GetBytes("another secret of twenty"), Encoding.UTF8.GetBytes(Secret)] });
        using var issued = await Client().PostAsJsonAsync("/api/v1/tokens", new { name = "ada", role = "admin" }, Cancel);
        issued.StatusCode.ShouldBe(HttpStatusCode.Created);
        _admin = (await Json(issued)).GetProperty("token").GetString()!;
    }

    public async ValueTask DisposeAsync()
    {
        _clients.ForEach(client => client.Dispose());
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Every_route_has_a_rule_and_lets_in_whom_it_names_and_nobody_else()
    {
        var tokens = new Dictionary<Role, HttpClient> { [Role.None] = Client(), [Role.Admin] = Client(_admin) };
        foreach (var role in (Role[])[Role.Intake, Role.Viewer, Role.Responder])
            tokens[role] = Client(await Issue(role.Word()));
        var routes = _server.App.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Concat(((IEndpointRouteBuilder)_server.App).DataSources.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>()).Distinct().ToArray();
        routes.Length.ShouldBeGreaterThan(40);
        foreach (var route in routes)
        {
            var pattern = route.RoutePattern.RawText!;
            var rule = route.Metadata.GetMetadata<RoleRule>().ShouldNotBeNull($"{pattern} has no rule");
            var path = Variable().Replace(pattern, match => match.Value.Contains("name", StringComparison.Ordinal) ? "app.css" : "dep-00000000000000000000000000").TrimStart('/');
            foreach (var method in route.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? ["GET"])
            {
                foreach (var (role, client) in tokens)
                {
                    using var request = new HttpRequestMessage(new HttpMethod(method), "/" + path);
                    if (method is "POST" or "PUT")
                        request.Content = new StringContent("{}", Encoding.UTF8, "application/json");
                    using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel);
                    var refused = answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden;
                    // The page that signs in and the forms refuse for reasons of their own; what they say then is not this gate's word.
                    if (rule.Least != Role.None)
                        refused.ShouldBe(!rule.Allows(role), $"{role} {method} /{path}: {(int)answer.StatusCode}");
                    else
                        answer.StatusCode.ShouldNotBe(HttpStatusCode.Forbidden);
                    if (role == Role.None && refused)
                        answer.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
                }
            }
        }
    }

    [Fact]
    public async Task A_token_is_stored_as_its_hash_holds_until_it_is_revoked_and_the_last_admins_cannot_be()
    {
        var text = await Issue("viewer");
        // The secret may have an underscore in itself: it is what follows the prefix and the id.
        var secret = text.Split('_', 3)[2];
        var facts = await _server.App.Services.GetRequiredService<IFactStore>().Read(TokenBook.Stream, 0, 100, Cancel);
        facts.Count.ShouldBe(2);
        facts.ShouldAllBe(fact => !Encoding.UTF8.GetString(fact.Body!).Contains(secret, StringComparison.Ordinal));
        (await FactChain.Verify(_server.App.Services.GetRequiredService<IFactStore>(), TokenBook.Stream, Cancel)).ShouldBeNull();

        var viewer = Client(text);
        (await Status(viewer, "/api/v1/deployments")).ShouldBe(HttpStatusCode.OK);
        (await Status(viewer, "/api/v1/tokens")).ShouldBe(HttpStatusCode.Forbidden);
        var list = await Client(_admin).GetFromJsonAsync<JsonElement>("/api/v1/tokens", Cancel);
        list.GetProperty("items").EnumerateArray().Select(token => token.GetProperty("role").GetString()).ShouldBe(["admin", "viewer"]);
        list.ToString().ShouldNotContain("hash");
        var ids = list.GetProperty("items").EnumerateArray().Select(token => token.GetProperty("id").GetString()!).ToArray();

        using (var last = await Client(_admin).DeleteAsync("/api/v1/tokens/" + ids[0], Cancel))
            last.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        using (var revoked = await Client(_admin).DeleteAsync("/api/v1/tokens/" + ids[1], Cancel))
            revoked.StatusCode.ShouldBe(HttpStatusCode.NoContent);
        (await Status(viewer, "/api/v1/deployments")).ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task A_restart_keeps_the_door_closed_and_another_token_opens_nothing()
    {
        await Begin(new CommanderOptions());
        (await Status(Client(), "/api/v1/deployments")).ShouldBe(HttpStatusCode.Unauthorized);
        (await Status(Client(_admin), "/api/v1/deployments")).ShouldBe(HttpStatusCode.OK);
        foreach (var wrong in (string[])[_admin[..^1], _admin + "x", "cmd__", "cmd_x_", "x", _admin.ToUpperInvariant(), _admin.Replace("_", "", StringComparison.Ordinal)])
            (await Status(Client(wrong), "/api/v1/deployments")).ShouldBe(HttpStatusCode.Unauthorized, wrong);
    }

    [Fact]
    public async Task Who_guesses_is_not_heard_for_a_minute()
    {
        for (var n = 0; n < 10; n++)
            (await Status(Client("cmd_000000000000_" + new string('A', 43)), "/api/v1/deployments")).ShouldBe(HttpStatusCode.Unauthorized);
        (await Status(Client("cmd_000000000000_" + new string('A', 43)), "/api/v1/deployments")).ShouldBe(HttpStatusCode.TooManyRequests);
    }

    [Fact]
    public async Task A_signed_announcement_is_taken_once_and_none_that_is_forged_old_or_changed()
    {
        const string body = """{"service":"checkout","version":"2"}""";
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        (await Signed(body, now, Sign(body, now, Secret))).ShouldBe(HttpStatusCode.Accepted);
        (await Signed(body, now, Sign(body, now, Secret))).ShouldBe(HttpStatusCode.Unauthorized, "it came before");
        (await Signed(body, now, Sign(body, now, Secret).ToUpperInvariant().Replace("V1=", "v1=", StringComparison.Ordinal))).ShouldBe(HttpStatusCode.Unauthorized, "in other letters too");
        (await Signed(body, now + 1, $"v1=00,{Sign(body, now + 1, Secret)}")).ShouldBe(HttpStatusCode.Accepted, "one of several, while secrets are exchanged");
        (await Signed(body, now + 2, Sign(body, now + 3, Secret))).ShouldBe(HttpStatusCode.Unauthorized, "of another time");
        (await Signed(body + " ", now + 2, Sign(body, now + 2, Secret))).ShouldBe(HttpStatusCode.Unauthorized, "changed");
        (await Signed(body, now - 400, Sign(body, now - 400, Secret))).ShouldBe(HttpStatusCode.Unauthorized, "too old");
        (await Signed(body, now + 400, Sign(body, now + 400, Secret))).ShouldBe(HttpStatusCode.Unauthorized, "too new");
        (await Signed(body, now + 4, Sign(body, now + 4, "somebody else's secret"))).ShouldBe(HttpStatusCode.Unauthorized, "forged");
        (await Signed(body, now + 5, "v1=")).ShouldBe(HttpStatusCode.Unauthorized, "cut off");
        (await Signed(new string('x', 70_000), now, "v1=00")).ShouldBeOneOf(HttpStatusCode.Unauthorized, HttpStatusCode.TooManyRequests);
    }

    [Fact]
    public async Task A_signature_opens_nothing_but_the_intake()
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/deployments");
        request.Headers.Add(SignedRequests.TimestampHeader, now.ToString(CultureInfo.InvariantCulture));
        request.Headers.Add(SignedRequests.SignatureHeader, Sign("", now, Secret));
        using var answer = await Client().SendAsync(request, Cancel);
        answer.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task A_page_asks_for_a_token_and_then_shows_itself_with_buttons_by_role_until_the_token_is_revoked()
    {
        var (text, browser) = (await Issue("viewer"), Browser());
        using (var sent = await Page(browser, "/d/dep-x?a=b"))
        {
            sent.StatusCode.ShouldBe(HttpStatusCode.Redirect);
            sent.Headers.Location!.ToString().ShouldBe("/login?to=%2Fd%2Fdep-x%3Fa%3Db");
        }

        (await SignIn(browser, text + "x", "/")).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        using (var entered = await SignIn(browser, text, "/help"))
        {
            entered.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
            entered.Headers.Location!.ToString().ShouldBe("/help");
            var cookie = entered.Headers.GetValues("Set-Cookie").Single(one => one.StartsWith("commander-session=", StringComparison.Ordinal));
            cookie.ShouldContain("httponly");
            cookie.ShouldContain("samesite=strict");
            cookie.ShouldNotContain(text.Split('_', 3)[2]);
        }

        using (var help = await Page(browser, "/"))
        {
            help.StatusCode.ShouldBe(HttpStatusCode.OK);
            (await help.Content.ReadAsStringAsync(Cancel)).ShouldContain("Sign out");
        }

        // A page of another site, with the cookie a browser would not even send.
        using (var foreign = new HttpRequestMessage(HttpMethod.Get, "/api/v1/deployments") { Headers = { { "Origin", "https://evil.example" } } })
        using (var refused = await browser.SendAsync(foreign, Cancel))
            refused.StatusCode.ShouldBe(HttpStatusCode.Forbidden);

        var id = text.Split('_')[1];
        (await Client(_admin).DeleteAsync("/api/v1/tokens/" + id, Cancel)).Dispose();
        using var outside = await Page(browser, "/");
        outside.StatusCode.ShouldBe(HttpStatusCode.Redirect);
    }

    [Theory]
    [InlineData("//evil.example")]
    [InlineData("/\\evil.example")]
    [InlineData("https://evil.example")]
    [InlineData("")]
    public async Task Signing_in_leads_to_no_other_site(string to)
    {
        using var entered = await SignIn(Browser(), _admin, to);
        entered.Headers.Location!.ToString().ShouldBe("./");
    }

    [Fact]
    public async Task One_caller_has_so_many_requests_and_another_has_theirs()
    {
        var other = await Issue("viewer");
        await Begin(new CommanderOptions { RateLimit = 1 });
        var statuses = new List<HttpStatusCode>();
        for (var n = 0; n < 15; n++)
            statuses.Add(await Status(Client(_admin), "/api/v1/freeze"));
        statuses.Take(10).ShouldAllBe(status => status == HttpStatusCode.OK);
        statuses[^1].ShouldBe(HttpStatusCode.TooManyRequests);
        (await Status(Client(other), "/api/v1/freeze")).ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task The_first_token_is_an_admins()
    {
        using var folder = new TestFolder();
        var url = new Uri($"http://127.0.0.1:{RunningServer.FreePort()}");
        await using var open = await Application.Build(new CommanderOptions { Url = url, Data = folder["data"] }, PolicySet.Empty, new Secrets(_ => null), null, Cancel);
        await open.StartAsync(Cancel);
        using var http = new HttpClient { BaseAddress = url };
        using var viewer = await http.PostAsJsonAsync("/api/v1/tokens", new { name = "x", role = "viewer" }, Cancel);
        viewer.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        using var wrong = await http.PostAsJsonAsync("/api/v1/tokens", new { name = "", role = "king" }, Cancel);
        (await wrong.Content.ReadAsStringAsync(Cancel)).ShouldContain("none of intake, viewer, responder, admin");
        (await Status(http, "/api/v1/deployments")).ShouldBe(HttpStatusCode.OK);
        await open.StopAsync(Cancel);
    }

    [Fact]
    public async Task While_the_tokens_cannot_be_read_nobody_is_let_in_not_even_from_this_machine()
    {
        using var folder = new TestFolder();
        var store = SqliteStore.Open(folder["data"], TimeProvider.System, NullLogger.Instance);
        await store.DisposeAsync();
        using var tokens = new TokenBook(store, TimeProvider.System, null);
        using var limits = new AccessLimits(null);
        var gate = new AccessGate(tokens, new SignedRequests([], TimeProvider.System), limits, TimeProvider.System, null, openId: false);
        await using var services = new ServiceCollection().AddLogging().BuildServiceProvider();
        foreach (var (least, expected) in ((Role, int)[])[(Role.Viewer, 503), (Role.None, 200)])
        {
            var context = new DefaultHttpContext { RequestServices = services };
            context.Request.Host = new HostString("127.0.0.1");
            context.SetEndpoint(new Endpoint(_ => Task.CompletedTask, new EndpointMetadataCollection(new RoleRule(least)), "a route"));
            await gate.Pass(context, _ => Task.CompletedTask);
            context.Response.StatusCode.ShouldBe(expected);
        }
    }

    [Fact]
    public async Task Nobody_listens_elsewhere_before_there_is_a_token()
    {
        using var folder = new TestFolder();
        var options = new CommanderOptions { Url = new Uri($"http://0.0.0.0:{RunningServer.FreePort()}"), Data = folder["data"] };
        var refused = await Should.ThrowAsync<AccessMissingException>(() => Application.Build(options, PolicySet.Empty, new Secrets(_ => null), null, Cancel));
        refused.Message.ShouldContain("COMMANDER_ADMIN_TOKEN");
        await using var app = await Application.Build(options with { AdminToken = Secret }, PolicySet.Empty, new Secrets(_ => null), null, Cancel);
    }

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Variable();

    private Task Begin(CommanderOptions options) => _server.Begin(options with { WebhookKey = "k-1" });

    private HttpClient Client(string? token = null)
    {
        var client = new HttpClient { BaseAddress = _server.Url, Timeout = TimeSpan.FromSeconds(20) };
        if (token is not null)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        _clients.Add(client);
        return client;
    }

    private HttpClient Browser()
    {
        var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = true }) { BaseAddress = _server.Url, Timeout = TimeSpan.FromSeconds(20) };
        client.DefaultRequestHeaders.Add("Accept", "text/html");
        _clients.Add(client);
        return client;
    }

    private async Task<string> Issue(string role)
    {
        using var issued = await Client(_admin).PostAsJsonAsync("/api/v1/tokens", new { name = role + "'s", role }, Cancel);
        return (await Json(issued)).GetProperty("token").GetString()!;
    }

    private static Task<HttpResponseMessage> Page(HttpClient browser, string path) => browser.GetAsync(new Uri(path, UriKind.Relative), Cancel);

    private static async Task<HttpResponseMessage> SignIn(HttpClient browser, string token, string to)
    {
        using var page = await Page(browser, "/login?to=" + Uri.EscapeDataString(to));
        page.StatusCode.ShouldBe(HttpStatusCode.OK);
        var field = Field().Match(await page.Content.ReadAsStringAsync(Cancel)).Groups[1].Value;
        using var form = new FormUrlEncodedContent([KeyValuePair.Create("__RequestVerificationToken", field), KeyValuePair.Create("token", token), KeyValuePair.Create("to", to)]);
        return await browser.PostAsync("/login", form, Cancel);
    }

    [GeneratedRegex("name=\"__RequestVerificationToken\" value=\"([^\"]+)\"")]
    private static partial Regex Field();

    private async Task<HttpStatusCode> Signed(string body, long at, string signature)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/deployments") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Add(SignedRequests.TimestampHeader, at.ToString(CultureInfo.InvariantCulture));
        request.Headers.Add(SignedRequests.SignatureHeader, signature);
        using var answer = await Client().SendAsync(request, Cancel);
        return answer.StatusCode;
    }

    private static string Sign(string body, long at, string secret) =>
        "v1=" + Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes($"{at.ToString(CultureInfo.InvariantCulture)}.{body}")));

    private static async Task<HttpStatusCode> Status(HttpClient client, string path)
    {
        using var answer = await client.GetAsync(path, Cancel);
        return answer.StatusCode;
    }

    private static async Task<JsonElement> Json(HttpResponseMessage answer)
    {
        using var document = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel));
        return document.RootElement.Clone();
    }
}
