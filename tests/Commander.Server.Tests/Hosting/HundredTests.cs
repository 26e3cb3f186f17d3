using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Commander.Server.Tests.Hosting.Nodes;
using Commander.Server.Tests.Storage;

namespace Commander.Server.Tests.Hosting;

/// <summary>A hundred deployments at once on one server, half of them bad, while the demo's shop runs on another beside it.</summary>
[Collection("shop processes")]
public sealed class HundredTests(ITestOutputHelper output) : IDisposable
{
    private const int Deployments = 100;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);
    private readonly TestFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact(Timeout = 240_000)]
    public async Task Of_a_hundred_at_once_each_gets_its_verdict_and_pages_and_api_answer_throughout()
    {
        await using var services = await MeasuredServices.Start(TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(_folder["policy.yaml"], services.Policy(), Cancel);
        await using var node = new Node("hundred", _folder.Path, null, _folder["policy.yaml"]);
        await using var shop = new Node("shop", _folder.Path, null, null, "--demo");
        await node.Ready(Cancel);
        await shop.Ready(Cancel);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancel);

        var bad = await Task.WhenAll(Enumerable.Range(0, Deployments).Select(async n =>
        {
            var version = n % 2 == 0 ? "bad" : "good";
            services.RollOut($"service-{n}", version);
            return (Id: (await node.Announce($"service-{n}", version, $"key-{n}", Cancel)).ShouldNotBeNull(), Bad: n % 2 == 0);
        }));
        var waits = new ConcurrentBag<double>();
        var looking = Task.WhenAll(Enumerable.Range(0, 4).Select(n => Look(node, bad[n].Id, waits, enough.Token)));
        await InTheShop(shop, "errors", "ROLLBACK");
        await InTheShop(shop, "good", "CONTINUE");
        foreach (var (id, isBad) in bad)
        {
            var closed = await Until(node, id, deployment => deployment.GetProperty("state").GetString() == "closed");
            closed.GetProperty("verdict").GetProperty("decision").GetString().ShouldBe(isBad ? "ROLLBACK" : "CONTINUE", closed.GetProperty("verdict").GetProperty("reasoning").GetString());
            services.Effects.Keys.Count(key => key.StartsWith(id + "/", StringComparison.Ordinal)).ShouldBe(isBad ? 1 : 0, id);
        }

        await enough.CancelAsync();
        await looking;
        var sorted = waits.Order().ToArray();
        sorted.Length.ShouldBeGreaterThan(100);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{sorted.Length} answers of pages and API meanwhile: p50 {sorted[sorted.Length / 2]:F1} ms, p99 {sorted[sorted.Length * 99 / 100]:F1} ms, longest {sorted[^1]:F1} ms; {services.Orders - services.Effects.Count} orders repeated"));
    }

    // Whatever is not answered with 200 within the client's patience fails the test.
    private static async Task Look(Node node, string id, ConcurrentBag<double> waits, CancellationToken enough)
    {
        string[] paths = ["/", "/d/" + id, "/api/v1/deployments?limit=50", "/api/v1/deployments/" + id, "/health/ready"];
        while (true)
        {
            foreach (var path in paths)
            {
                if (enough.IsCancellationRequested)
                    return;
                var asked = TimeProvider.System.GetTimestamp();
                using var answer = await node.Http.GetAsync(path, Cancel);
                answer.IsSuccessStatusCode.ShouldBeTrue($"{path} {answer.StatusCode}");
                waits.Add(TimeProvider.System.GetElapsedTime(asked).TotalMilliseconds);
            }

            await Task.Delay(Poll, TimeProvider.System, Cancel);
        }
    }

    private static async Task InTheShop(Node shop, string kind, string expected)
    {
        using var answer = await shop.Http.PostAsJsonAsync("/api/v1/demo/deployments", new { kind }, Cancel);
        answer.IsSuccessStatusCode.ShouldBeTrue();
        using var deployment = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel));
        await Until(shop, deployment.RootElement.GetProperty("id").GetString()!, now => now.GetProperty("verdict") is { ValueKind: JsonValueKind.Object } verdict && verdict.GetProperty("decision").GetString() == expected);
    }

    private static async Task<JsonElement> Until(Node node, string id, Predicate<JsonElement> holds)
    {
        while (true)
        {
            if (await node.Get(id, Cancel) is { } deployment && holds(deployment))
                return deployment;
            await Task.Delay(Poll, TimeProvider.System, Cancel);
        }
    }
}
