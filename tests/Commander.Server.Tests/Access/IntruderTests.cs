using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Security.Claims;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Commander.Server.Access;
using Commander.Server.Api;
using Commander.Server.Hosting;
using Commander.Server.Storage;
using Commander.Server.Storage.Sqlite;
using Commander.Server.Tests.Api;
using Commander.Server.Tests.Sources;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Access;

/// <summary>Ways in, or ways to stop the server, that somebody once found.</summary>
public sealed partial class IntruderTests : IAsyncLifetime
{
    private const string Admin = "an admin's token of the environment";
    private readonly BuiltServer _server = new();
    private readonly List<HttpClient> _clients = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        _clients.ForEach(client => client.Dispose());
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Who_guesses_bars_nobody_who_shares_their_address_and_no_probe()
    {
        await _server.Begin(new CommanderOptions { AdminToken = Admin });
        for (var n = 0; n < 12; n++)
            await Status(Client("wrong"), "/api/v1/deployments");
        (await Status(Client("wrong"), "/api/v1/deployments")).ShouldBe(HttpStatusCode.TooManyRequests);
        (await Status(Client(Admin), "/api/v1/deployments")).ShouldBe(HttpStatusCode.OK);
        (await Status(Client(), "/health/live")).ShouldBe(HttpStatusCode.OK);
        (await Status(Client("wrong"), "/health/live")).ShouldBe(HttpStatusCode.OK);
        (await Status(Client(), "/login")).ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_session_ends_with_the_admins_token_that_began_it()
    {
        await _server.Begin(new CommanderOptions { AdminToken = Admin });
        var cookie = await SignIn(Admin);
        (await Status(Client(cookie: cookie), "/api/v1/tokens")).ShouldBe(HttpStatusCode.OK);
        await _server.Begin(new CommanderOptions { AdminToken = Admin + ", another" });
        (await Status(Client(cookie: cookie), "/api/v1/tokens")).ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("a guess")]
    public async Task Whoever_reads_the_store_and_its_keys_cannot_make_up_a_session(string? secret)
    {
        await _server.Begin(new CommanderOptions { AdminToken = Admin });
        await SignIn(Admin);
        var keys = DataProtectionProvider.Create(new DirectoryInfo(Path.Combine(_server.Folder["data"], "keys")), c => c.SetApplicationName("Commander"));
        var apart = secret is null ? keys : keys.CreateProtector("session", Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes("session " + secret))));
        var format = new TicketDataFormat(apart.CreateProtector("Microsoft.AspNetCore.Authentication.Cookies.CookieAuthenticationMiddleware", AccessGate.Session, "v2"));
        var admin = AccessGate.Principal(new Token(TokenBook.FromEnvironment, "admin", Role.Admin, "", default, null), AccessGate.Session);
        var forged = format.Protect(new AuthenticationTicket(admin, AccessGate.Session));
        (await Status(Client(cookie: "commander-session=" + forged), "/api/v1/tokens")).ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task The_demos_key_opens_nothing_once_access_is_closed_and_a_short_key_is_not_guessed()
    {
        await _server.Begin(new CommanderOptions { AdminToken = Admin, WebhookKey = "webhook", IsDemoKey = true });
        (await Hook("webhook")).ShouldBe(HttpStatusCode.NotFound);
        await _server.Begin(new CommanderOptions { AdminToken = Admin, WebhookKey = "k-1" });
        (await Hook("k-1")).ShouldBe(HttpStatusCode.OK);
        for (var n = 0; n < 10; n++)
            (await Hook("k-" + (n + 2))).ShouldBe(HttpStatusCode.NotFound);
        (await Hook("k-1")).ShouldBe(HttpStatusCode.TooManyRequests);
    }

    [Fact]
    public async Task Pages_that_everybody_gets_say_nothing_of_what_is_frozen()
    {
        await _server.Begin(new CommanderOptions { AdminToken = Admin });
        (await Client(Admin).PutAsJsonAsync("/api/v1/freeze", new { reason = "incident 4711", service = "payroll" }, Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
        foreach (var path in (string[])["/login", "/r/anything"])
        {
            using var page = await Client().GetAsync(path, Cancel);
            (await page.Content.ReadAsStringAsync(Cancel)).ShouldNotContain("4711");
        }

        using var own = await Client(Admin).GetAsync("/help", Cancel);
        (await own.Content.ReadAsStringAsync(Cancel)).ShouldContain("4711");
    }

    [Fact]
    public async Task What_is_listened_to_ends_when_the_token_is_revoked()
    {
        await _server.Begin(new CommanderOptions { AdminToken = Admin });
        using var issued = await Client(Admin).PostAsJsonAsync("/api/v1/tokens", new { name = "v", role = "viewer" }, Cancel);
        var token = await issued.Content.ReadFromJsonAsync<JsonElement>(Cancel);
        using var live = await Client(token.GetProperty("token").GetString()).GetAsync("/live", HttpCompletionOption.ResponseHeadersRead, Cancel);
        await using var stream = await live.Content.ReadAsStreamAsync(Cancel);
        var buffer = new byte[4096];
        (await stream.ReadAsync(buffer, Cancel)).ShouldBeGreaterThan(0);
        (await Client(Admin).DeleteAsync("/api/v1/tokens/" + token.GetProperty("id").GetString(), Cancel)).StatusCode.ShouldBe(HttpStatusCode.NoContent);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        patience.CancelAfter(TimeSpan.FromSeconds(15));
        try
        {
            while (await stream.ReadAsync(buffer, patience.Token) > 0)
            {
            }
        }
        catch (IOException)
        {
            // Cut off, which is what is meant; to go on until the patience ends is not.
        }
    }

    [Fact]
    public async Task Tokens_that_ended_are_not_counted_and_the_first_one_does_not_end()
    {
        await _server.Begin(new CommanderOptions());
        using var first = await Client().PostAsJsonAsync("/api/v1/tokens", new { name = "x", role = "admin", until = TimeProvider.System.GetUtcNow().AddHours(1) }, Cancel);
        first.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        await _server.End();

        var clock = new FakeTimeProvider(new DateTimeOffset(2026, 11, 23, 10, 0, 0, TimeSpan.Zero));
        await using var store = SqliteStore.Open(_server.Folder["other"], clock, NullLogger.Instance);
        using var tokens = new TokenBook(store, clock, null);
        await tokens.Issue("for good", Role.Admin, null, [], [], "test", Cancel);
        for (var n = 1; n < TokenBook.MaxTokens; n++)
            (await tokens.Issue("short", Role.Viewer, clock.GetUtcNow().AddMinutes(1), [], [], "test", Cancel)).ShouldNotBeNull();
        (await tokens.Issue("one more", Role.Viewer, null, [], [], "test", Cancel)).ShouldBeNull();
        clock.Advance(TimeSpan.FromMinutes(2));
        (await tokens.Issue("one more", Role.Viewer, null, [], [], "test", Cancel)).ShouldNotBeNull();
        var only = (await tokens.All(Cancel))[0];
        await tokens.Issue("ends", Role.Admin, clock.GetUtcNow().AddMinutes(1), [], [], "test", Cancel);
        (await tokens.Revoke(only.Id, "test", Cancel)).ShouldBeFalse("the other one ends");
    }

    [Fact]
    public void A_request_is_known_by_what_was_signed_and_not_by_which_of_two_secrets()
    {
        var clock = new FakeTimeProvider(new DateTimeOffset(2026, 11, 23, 10, 0, 0, TimeSpan.Zero));
        byte[][] secrets = ["the first of two secrets"u8.ToArray(), "the second of two secrets"u8.ToArray()];
        var signed = new SignedRequests(secrets, clock);
        var at = clock.GetUtcNow().ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture);
        string Sign(byte[] secret) => "v1=" + Convert.ToHexString(System.Security.Cryptography.HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes(at + ".{}")));
        signed.Refusal(at, $"{Sign(secrets[0])},{Sign(secrets[1])}", "{}"u8).ShouldBeNull();
        signed.Refusal(at, Sign(secrets[1]), "{}"u8).ShouldNotBeNull().ShouldContain("came before");
    }

    [Fact]
    public async Task Where_a_sign_in_leads_is_no_header_that_cannot_be_sent()
    {
        await _server.Begin(new CommanderOptions { AdminToken = Admin });
        (await SignIn(Admin, to: "/é")).ShouldStartWith("commander-session=");
    }

    [Theory]
    [InlineData("URL", "", "value")]
    [InlineData("URL/admin", "", "just these settings")]
    [InlineData("URL", ", headers: { X-Scope-OrgID: finance }", "just these settings")]
    public async Task A_viewer_has_only_those_sources_asked_that_are_in_force_with_all_their_settings(string url, string more, string said)
    {
        await using var prometheus = await Exporter.Start();
        prometheus.Answer = context => context.Response.WriteAsJsonAsync(new { status = "success", data = new { resultType = "matrix", result = Array.Empty<object>() } }, Cancel);
        var at = prometheus.Url[..^"/metrics".Length];
        string Policy(string address, string settings) => $"sources: {{ prom: {{ type: prometheus, url: '{address}'{settings} }} }}\nservices: {{ checkout: {{ source: prom, metrics: {{ memory: {{ kind: gauge, query: m_bytes }} }} }} }}\n";
        await _server.Begin(new CommanderOptions { AdminToken = Admin }, PolicyFiles.Check(Policy(at, ""), "policy.yaml").Policies);
        using var issued = await Client(Admin).PostAsJsonAsync("/api/v1/tokens", new { name = "v", role = "viewer" }, Cancel);
        var viewer = (await issued.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("token").GetString();
        using var answer = await Client(viewer).PostAsJsonAsync("/api/v1/policies/check?live=true", new { yaml = Policy(url.Replace("URL", at, StringComparison.Ordinal), more) }, Cancel);
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldContain(said);
        (prometheus.Requests > 0).ShouldBe(said == "value");
    }

    [Theory]
    [InlineData("Host")]
    [InlineData("Content-Length")]
    [InlineData("transfer-encoding")]
    public void A_policy_says_nothing_of_how_a_request_is_sent(string header) =>
        PolicyFiles.Check($"sources: {{ prom: {{ type: prometheus, url: 'http://a.example', headers: {{ {header}: x }} }} }}\nservices: {{}}\n", "policy.yaml").Errors.ShouldContain(error => error.Contains("belongs to how a request is sent", StringComparison.Ordinal));

    [Fact]
    public async Task Whoever_computes_much_waits_and_then_comes_later()
    {
        using var heavy = new HeavyRequests();
        var open = new TaskCompletionSource();
        async Task<IResult> Work()
        {
            await open.Task;
            return Results.Ok();
        }

        var running = Enumerable.Range(0, Environment.ProcessorCount + 16).Select(_ => heavy.Run(new DefaultHttpContext(), Work, Cancel)).ToArray();
        var turned = await heavy.Run(new DefaultHttpContext(), Work, Cancel);
        ((IStatusCodeHttpResult)turned).StatusCode.ShouldBe(429);
        open.SetResult();
        (await Task.WhenAll(running)).OfType<Microsoft.AspNetCore.Http.HttpResults.Ok>().Count().ShouldBe(running.Length);
    }

    [Theory]
    [InlineData(1_024, 512)]
    [InlineData(4_096, 3_072)]
    [InlineData(20_000, 15_000)]
    [InlineData(1_048_576, 20_000)]
    [InlineData(64, 16)]
    public void There_are_fewer_connections_than_files(long files, int connections) => ConnectionLimits.Bound(files).ShouldBe(connections);

    [Fact(Timeout = 60_000)]
    public async Task Connections_without_end_of_one_address_leave_room_for_others()
    {
        var cancel = TestContext.Current.CancellationToken;
        if (OperatingSystem.IsWindows())
            Assert.Skip("ulimit is a word of Unix shells");
        using var server = Process.Start(new ProcessStartInfo("bash", ["-c", $"ulimit -n 1200 && exec dotnet '{typeof(CommanderOptions).Assembly.Location}' --urls {_server.Url} --data '{_server.Folder["data"]}'"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        })!;
        var many = new List<Socket>();
        try
        {
            while (!await Answers())
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, cancel);
            for (var n = 0; n < 900; n++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                many.Add(socket);
                try
                {
                    await socket.ConnectAsync(IPAddress.Loopback, _server.Url.Port, cancel);
                }
                catch (SocketException)
                {
                    // Turned away before it knew that it was connected.
                }
            }

            // Another address of this machine. Who is turned away is closed at once.
            using var other = new HttpClient(new SocketsHttpHandler
            {
                ConnectCallback = async (_, cancel) =>
                {
                    var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                    socket.Bind(new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0));
                    await socket.ConnectAsync(IPAddress.Loopback, _server.Url.Port, cancel);
                    return new NetworkStream(socket, ownsSocket: true);
                },
            })
            { BaseAddress = _server.Url, Timeout = TimeSpan.FromSeconds(10) };
            (await other.GetAsync("/health/live", Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
            server.HasExited.ShouldBeFalse();
        }
        finally
        {
            many.ForEach(socket => socket.Dispose());
            server.Kill();
            await server.WaitForExitAsync(CancellationToken.None);
        }

        async Task<bool> Answers()
        {
            server.HasExited.ShouldBeFalse();
            try
            {
                return await Status(Client(), "/health/live") == HttpStatusCode.OK;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }
    }

    [Fact]
    public void The_data_folder_is_its_owners_alone()
    {
        var path = DataFolder.Make(_server.Folder["mine"]);
        if (!OperatingSystem.IsWindows())
            File.GetUnixFileMode(path).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    [Theory]
    [InlineData("email", "ceo@example.org", null, "ceo@example.org")]
    [InlineData("email", "ceo@example.org", "true", "ceo@example.org")]
    [InlineData("email", "ceo@example.org", "false", "7")]
    [InlineData("preferred_username", "ceo\n\u001b[2J", null, "ceo  [2J (7)")]
    public void Nobody_is_in_the_audit_by_a_name_that_they_gave_themselves(string claim, string value, string? verified, string expected)
    {
        var provider = new OpenId(new Uri("https://login.example.org"), "c", null, "groups", new Dictionary<string, Role>(StringComparer.Ordinal));
        var there = new ClaimsIdentity([new Claim("sub", "7"), new Claim(claim, value), .. verified is null ? Array.Empty<Claim>() : [new Claim("email_verified", verified)]]);
        provider.Person(new ClaimsPrincipal(there)).Identity!.Name.ShouldBe(expected);
    }

    private HttpClient Client(string? token = null, string? cookie = null)
    {
        var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = _server.Url, Timeout = TimeSpan.FromSeconds(20) };
        if (token is not null)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (cookie is not null)
            client.DefaultRequestHeaders.Add("Cookie", cookie);
        _clients.Add(client);
        return client;
    }

    private async Task<string> SignIn(string token, string to = "/")
    {
        var client = Client();
        using var page = await client.GetAsync("/login", Cancel);
        var field = Field().Match(await page.Content.ReadAsStringAsync(Cancel)).Groups[1].Value;
        using var form = new FormUrlEncodedContent([KeyValuePair.Create("__RequestVerificationToken", field), KeyValuePair.Create("token", token), KeyValuePair.Create("to", to)]);
        client.DefaultRequestHeaders.Add("Cookie", page.Headers.GetValues("Set-Cookie").Single().Split(';')[0]);
        using var entered = await client.PostAsync("/login", form, Cancel);
        entered.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
        return entered.Headers.GetValues("Set-Cookie").Single(one => one.StartsWith("commander-session=", StringComparison.Ordinal)).Split(';')[0];
    }

    private async Task<HttpStatusCode> Hook(string key)
    {
        using var answer = await Client().PostAsync($"/api/v1/executions/webhook/ai.devops.commander/devops-loop/{key}", null, Cancel);
        return answer.StatusCode;
    }

    private static async Task<HttpStatusCode> Status(HttpClient client, string path)
    {
        using var answer = await client.GetAsync(path, Cancel);
        return answer.StatusCode;
    }

    [GeneratedRegex("name=\"__RequestVerificationToken\" value=\"([^\"]+)\"")]
    private static partial Regex Field();
}
