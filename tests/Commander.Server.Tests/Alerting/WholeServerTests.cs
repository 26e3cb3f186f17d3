using System.Net;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Commander.Judging.Policies;
using Commander.Server.Demo;
using Commander.Server.Hosting;
using Commander.Server.Tests.Api;

namespace Commander.Server.Tests.Alerting;

/// <summary>The whole server, with its own grains, timers and sweep, and a receiver over real HTTP.</summary>
public sealed class WholeServerTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_could_not_be_told_before_a_restart_is_told_after_it_once_though_the_watch_has_long_been_closed()
    {
        var came = Channel.CreateUnbounded<(string Key, string Body)>();
        var status = HttpStatusCode.ServiceUnavailable;
        await using var receiver = await Listener.Start(0, async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            await came.Writer.WriteAsync((context.Request.Headers["Idempotency-Key"].ToString(), await reader.ReadToEndAsync(Cancel)), Cancel);
            context.Response.StatusCode = (int)status;
        }, Cancel);
        var policies = PolicyReader.Read($$"""
            defaults:
              alert: [ { webhook: 'http://127.0.0.1:{{receiver.Port}}/alerts', on: [rollback] } ]
            """, "policy.yaml").Policies.ShouldNotBeNull();
        await using var server = new BuiltServer();
        var options = new CommanderOptions { Url = server.Url, Data = server.Folder["data"] };
        await server.Begin(options, policies);
        using var http = new HttpClient { BaseAddress = server.Url };
        using var body = new StringContent("""{"service":"checkout","version":"2.0.0","metrics":{"error_rate":40,"memory_usage":88}}""", Encoding.UTF8, "application/json");
        using var announced = await http.PostAsync("/api/v1/deployments?wait=20s", body, Cancel);
        var id = JsonDocument.Parse(await announced.Content.ReadAsStringAsync(Cancel)).RootElement.GetProperty("id").GetString()!;
        var first = await Next();
        first.Key.ShouldBe($"{id}/alert/1");
        (await Deployment()).GetProperty("state").GetString().ShouldBe("closed");

        await server.End();
        status = HttpStatusCode.OK;
        await server.Begin(options, policies);

        var again = await Next();
        again.Key.ShouldBe(first.Key);
        using var told = JsonDocument.Parse(again.Body);
        told.RootElement.GetProperty("type").GetString().ShouldBe("io.commander.deployment.rollback");
        // Each try of before the restart came with the same key, and none after the one that was taken.
        JsonElement action;
        do
        {
            action = (await Deployment()).GetProperty("actions")[0];
        }
        while (action.GetProperty("state").GetString() != "done" && !Cancel.IsCancellationRequested);
        action.GetProperty("kind").GetString().ShouldBe("alert");
        action.GetProperty("target").GetString().ShouldBe("webhook 127.0.0.1");
        came.Reader.TryRead(out _).ShouldBeFalse();

        async Task<(string Key, string Body)> Next()
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
            deadline.CancelAfter(TimeSpan.FromSeconds(90));
            return await came.Reader.ReadAsync(deadline.Token);
        }

        async Task<JsonElement> Deployment()
        {
            using var document = JsonDocument.Parse(await http.GetStringAsync("/api/v1/deployments/" + id, Cancel));
            return document.RootElement.Clone();
        }
    }
}
