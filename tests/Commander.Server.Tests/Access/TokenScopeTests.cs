using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Commander.Server.Hosting;
using Commander.Server.Tests.Api;
using Commander.Server.Tests.Cli;

namespace Commander.Server.Tests.Access;

/// <summary>Tokens by the command line, against a running server, and what a token that is bound to services may change.</summary>
public sealed class TokenScopeTests : IAsyncLifetime
{
    private readonly BuiltServer _server = new();
    private readonly List<HttpClient> _clients = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await _server.Begin(new CommanderOptions());

    public async ValueTask DisposeAsync()
    {
        _clients.ForEach(client => client.Dispose());
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task An_admin_issues_lists_and_revokes_tokens_by_the_command_line()
    {
        (await Run(null, "token")).Out.ShouldStartWith("no token was issued");
        var first = await Run(null, "token", "issue", "--name", "ada", "--role", "admin");
        first.Code.ShouldBe(0);
        var admin = first.Out.Trim();
        admin.ShouldStartWith("cmd_");
        first.Error.ShouldContain("shown this once");

        (await Run(null, "token")).Code.ShouldBe(1);
        var pipeline = (await Run(admin, "token", "issue", "--name", "shop's pipeline", "--role", "intake", "--service", "shop-*", "--environment", "prod")).Out.Trim();
        var listed = await Run(admin, "token");
        listed.Lines.Count.ShouldBe(3);
        listed.Lines[0].ShouldStartWith("id");
        listed.Lines[2].ShouldContain("shop-*, in prod");
        (await Status(pipeline, "shop-cart", "prod")).ShouldBe(HttpStatusCode.Accepted);
        (await Run(admin, "token", "revoke", pipeline.Split('_')[1])).Out.ShouldStartWith("revoked ");
        (await Status(pipeline, "shop-cart", "prod")).ShouldBe(HttpStatusCode.Unauthorized);
        var unknown = await Run(admin, "token", "revoke", "0");
        unknown.Code.ShouldBe(1);
        unknown.Error.ShouldContain("There is no token '0'");
    }

    [Fact]
    public async Task Who_only_announces_follows_what_it_announced_to_its_verdict()
    {
        var admin = await Admin();
        var pipeline = (await Run(admin, "token", "issue", "--name", "ci", "--role", "intake")).Out.Trim();
        var ran = await Run(pipeline, "verify", "--service", "checkout", "--version", "2", "--timeout", "1s");
        ran.Error.ShouldNotContain("this needs");
        ran.Out.ShouldContain("checkout 2");
        var id = await Announce(pipeline, "till");
        (await Client(pipeline).GetAsync($"/api/v1/deployments/{id}", Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await Client(pipeline).GetAsync("/api/v1/deployments", Cancel)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await Client(pipeline).GetAsync($"/api/v1/deployments/{id}/facts", Cancel)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
    }

    [Theory]
    [InlineData("shop-cart", "prod", HttpStatusCode.Accepted)]
    [InlineData("checkout", "stage", HttpStatusCode.Forbidden)]
    [InlineData("shop-cart", "stage", HttpStatusCode.Forbidden)]
    [InlineData("shopping", "prod", HttpStatusCode.Forbidden)]
    [InlineData("SHOP-cart", "prod", HttpStatusCode.Forbidden)]
    public async Task A_bound_token_announces_only_what_it_is_bound_to(string service, string environment, HttpStatusCode expected)
    {
        var (_, bound) = await Bound("intake");
        (await Status(bound, service, environment)).ShouldBe(expected);
    }

    [Fact]
    public async Task A_bound_responder_acts_labels_and_freezes_only_there_and_sees_everything()
    {
        var (admin, bound) = await Bound("responder");
        var (ours, theirs) = (await Announce(admin, "shop-cart"), await Announce(admin, "checkout"));
        var client = Client(bound);
        async Task<HttpStatusCode> Post(string path, object body)
        {
            using var answer = await client.PostAsJsonAsync(path, body, Cancel);
            return answer.StatusCode;
        }

        async Task<HttpStatusCode> Freeze(object body)
        {
            using var answer = await client.PutAsJsonAsync("/api/v1/freeze", body, Cancel);
            return answer.StatusCode;
        }

        async Task<HttpStatusCode> Lift(string query)
        {
            using var answer = await client.DeleteAsync("/api/v1/freeze" + query, Cancel);
            return answer.StatusCode;
        }

        (await client.GetAsync($"/api/v1/deployments/{theirs}", Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await Post($"/api/v1/deployments/{theirs}/actions/keep", new { })).ShouldBe(HttpStatusCode.Forbidden);
        (await Post($"/api/v1/deployments/{theirs}/actions/rollback", new { })).ShouldBe(HttpStatusCode.Forbidden);
        (await Post($"/api/v1/deployments/{theirs}/outcome", new { label = "BAD" })).ShouldBe(HttpStatusCode.Forbidden);
        (await Post($"/api/v1/deployments/{ours}/outcome", new { label = "BAD" })).ShouldNotBe(HttpStatusCode.Forbidden);
        (await Post("/api/v1/deployments/dep-none/actions/keep", new { })).ShouldBe(HttpStatusCode.NotFound);
        (await Freeze(new { reason = "all" })).ShouldBe(HttpStatusCode.Forbidden, "all services are more than its own");
        (await Freeze(new { reason = "one", service = "shop-cart" })).ShouldBe(HttpStatusCode.Forbidden, "all environments of it too");
        (await Freeze(new { reason = "one", service = "checkout", environment = "prod" })).ShouldBe(HttpStatusCode.Forbidden);
        (await Freeze(new { reason = "one", service = "shop-cart", environment = "prod" })).ShouldBe(HttpStatusCode.OK);
        (await Lift("")).ShouldBe(HttpStatusCode.Forbidden);
        (await Lift("?service=shop-cart&environment=prod")).ShouldBe(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("admin", "shop-*", "an admin may change everything")]
    [InlineData("viewer", "shop-*", "leave them out")]
    [InlineData("intake", "sh*p", "with a * at their end")]
    [InlineData("intake", "", "names of 1 to 128 characters")]
    public async Task What_a_token_cannot_be_bound_to_is_said(string role, string service, string said)
    {
        var admin = await Admin();
        using var answer = await Client(admin).PostAsJsonAsync("/api/v1/tokens", new { name = "x", role, services = new[] { service } }, Cancel);
        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldContain(said);
    }

    private async Task<string> Admin() => (await Run(null, "token", "issue", "--name", "ada", "--role", "admin")).Out.Trim();

    private async Task<(string Admin, string Bound)> Bound(string role)
    {
        var admin = await Admin();
        return (admin, (await Run(admin, "token", "issue", "--name", "bound", "--role", role, "--service", "shop-*", "--environment", "prod")).Out.Trim());
    }

    private Task<Ran> Run(string? token, params string[] args)
    {
        var shell = new Shell();
        if (token is not null)
            shell.Environment["COMMANDER_TOKEN"] = token;
        return shell.Run([.. args, "--server", _server.Url.ToString()]);
    }

    private HttpClient Client(string token)
    {
        var client = new HttpClient { BaseAddress = _server.Url, Timeout = TimeSpan.FromSeconds(20), DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", token) } };
        _clients.Add(client);
        return client;
    }

    private async Task<HttpStatusCode> Status(string token, string service, string environment)
    {
        using var answer = await Client(token).PostAsJsonAsync("/api/v1/deployments", new { service, version = "2", environment }, Cancel);
        return answer.StatusCode;
    }

    private async Task<string> Announce(string token, string service)
    {
        using var answer = await Client(token).PostAsJsonAsync("/api/v1/deployments", new { service, version = "2" }, Cancel);
        return (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("id").GetString()!;
    }
}
