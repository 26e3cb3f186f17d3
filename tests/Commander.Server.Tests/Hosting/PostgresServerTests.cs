using System.Net;
using System.Text.Json;
using Commander.Judging.Policies;
using Commander.Server.Demo;
using Commander.Server.Hosting;
using Commander.Server.Storage;
using Commander.Server.Tests.Api;
using Commander.Server.Tests.Storage;
using Commander.Server.Tests.Storage.Postgres;
using Microsoft.AspNetCore.Builder;

namespace Commander.Server.Tests.Hosting;

/// <summary>The whole server on PostgreSQL, with the demo's shop.</summary>
[Collection("shop processes")]
public sealed class PostgresServerTests : IAsyncLifetime
{
    private const string Secret = "a test's secret";
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);

    private readonly TestFolder _folder = new();
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(30) };
    private RealPostgres _postgres = null!;
    private string _connection = "";
    private WebApplication? _app;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _postgres = await RealPostgres.Start();
        _connection = await _postgres.Fresh();
        var router = await Router.Open(0, Secret, TimeProvider.System, Cancel);
        var secrets = new Secrets(_ => null);
        secrets.Add(DemoPolicy.SecretName, Secret);
        var policies = PolicyReader.Read(DemoPolicy.Text(router.MetricsUrl, router.RollbackUrl), "the demo's policy").Policies!;
        var options = new CommanderOptions { Url = new Uri($"http://127.0.0.1:{RunningServer.FreePort()}"), Data = _folder.Path, Demo = true, Cluster = RealPostgres.Read(_connection) };
        _app = await Application.Build(options, policies, secrets, router, Cancel);
        await _app.StartAsync(Cancel);
        _http.BaseAddress = options.Url;
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        if (_app is not null)
        {
            await _app.StopAsync(CancellationToken.None);
            await _app.DisposeAsync();
        }

        if (_postgres is not null)
            await _postgres.DisposeAsync();
        _folder.Dispose();
    }

    [Fact(Timeout = 180_000)]
    public async Task A_deployment_is_carried_to_its_verdict_and_through_a_database_that_was_killed()
    {
        var cancel = TestContext.Current.CancellationToken;
        await Ready(HttpStatusCode.OK);
        using var posted = await _http.PostAsync("/api/v1/demo/deployments", new StringContent("{\"kind\":\"errors\"}", null, "application/json"), cancel);
        posted.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        var id = (await Read(posted)).GetProperty("id").GetString()!;

        var decided = await Until(id, deployment => deployment.GetProperty("actions").EnumerateArray().Any(action => action.GetProperty("state").GetString() == "done"));

        decided.GetProperty("verdict").GetProperty("decision").GetString().ShouldBe("ROLLBACK");
        (await RealPostgres.Sql(_connection, $"SELECT count(*) FROM facts WHERE stream = '{Streams.Of(id)}' AND kind = 'verdict'")).ShouldBeOfType<long>().ShouldBeGreaterThan(0);
        File.Exists(_folder["commander.db"]).ShouldBeFalse();
        Should.Throw<DataFolderInUseException>(() => DataFolder.Take(_folder.Path));

        await _postgres.Kill();
        var missing = await Ready(HttpStatusCode.ServiceUnavailable);
        missing.ShouldContain($"127.0.0.1:{_postgres.Port}/postgres cannot be reached");
        missing.ShouldNotContain(RealPostgres.Password);
        using var refused = await _http.PostAsync("/api/v1/deployments", new StringContent("{\"service\":\"s\",\"version\":\"1\"}", null, "application/json"), cancel);
        refused.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);

        await _postgres.Run();
        await Ready(HttpStatusCode.OK);
        var ticks = await Ticks();
        while (await Ticks() <= ticks)
            await Task.Delay(Poll, TimeProvider.System, cancel);

        async Task<long> Ticks() => (long)(await RealPostgres.Sql(_connection, $"SELECT count(*) FROM facts WHERE stream = '{Streams.Of(id)}' AND kind = 'tick'"))!;
    }

    private async Task<string> Ready(HttpStatusCode expected)
    {
        while (true)
        {
            using var response = await _http.GetAsync("/health/ready", Cancel);
            if (response.StatusCode == expected)
                return await response.Content.ReadAsStringAsync(Cancel);
            await Task.Delay(Poll, TimeProvider.System, Cancel);
        }
    }

    private async Task<JsonElement> Until(string id, Func<JsonElement, bool> condition)
    {
        while (true)
        {
            using var response = await _http.GetAsync($"/api/v1/deployments/{id}", Cancel);
            var deployment = await Read(response);
            if (condition(deployment))
                return deployment;
            await Task.Delay(Poll, TimeProvider.System, Cancel);
        }
    }

    private static async Task<JsonElement> Read(HttpResponseMessage response)
    {
        using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Cancel));
        return document.RootElement.Clone();
    }
}
