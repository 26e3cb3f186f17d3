using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Commander.Server.Hosting;
using Commander.Server.Tests.Hosting.Nodes;
using Commander.Server.Tests.Storage;

namespace Commander.Server.Tests.Hosting;

/// <summary>The server on SQLite when its disk is full and when it is killed again and again.</summary>
[Collection("shop processes")]
public sealed class HardTimesTests(ITestOutputHelper output) : IDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact(Timeout = 180_000)]
    public async Task On_a_full_disk_new_work_is_refused_with_the_reason_nothing_is_done_that_is_not_stored_and_with_room_again_all_goes_on()
    {
        var cancel = TestContext.Current.CancellationToken;
        await using var services = await MeasuredServices.Start(cancel);
        await File.WriteAllTextAsync(_folder["policy.yaml"], services.Policy(), cancel);
        await using var node = new Node("alone", _folder.Path, null, _folder["policy.yaml"]);
        await node.Ready(cancel);
        services.RollOut("checkout", "bad");
        var id = (await node.Announce("checkout", "bad", "1", cancel)).ShouldNotBeNull();

        await Limit(node, 1);
        await Until(async () => await Status(node, cancel) == HttpStatusCode.ServiceUnavailable, cancel);
        using (var refused = await node.Http.PostAsJsonAsync("/api/v1/deployments", new { service = "other", version = "1" }, cancel))
        {
            refused.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
            (await refused.Content.ReadAsStringAsync(cancel)).ShouldContain("The store cannot write");
        }

        (await node.Http.GetStringAsync("/d/" + id, cancel)).ShouldContain("checkout");
        // Long enough for the bad version to be found and rolled back.
        var ticks = await Ticks(node, id, cancel);
        await Task.Delay(TimeSpan.FromSeconds(8), TimeProvider.System, cancel);
        (await Ticks(node, id, cancel)).ShouldBe(ticks);
        services.Orders.ShouldBe(0);

        await Limit(node, null);
        await Until(async () => await Status(node, cancel) == HttpStatusCode.OK, cancel);
        (await node.Announce("other", "1", "2", cancel)).ShouldNotBeNull();
        await Until(async () => (await node.Get(id, cancel))?.GetProperty("state").GetString() == "closed", cancel);
        (await node.Get(id, cancel))!.Value.GetProperty("verdict").GetProperty("decision").GetString().ShouldBe("ROLLBACK");
        services.Effects.Count.ShouldBe(1);
    }

    /// <summary>COMMANDER_KILLS (8) and COMMANDER_SEED (1).</summary>
    [Fact(Timeout = 3_600_000)]
    public async Task Whatever_was_answered_before_a_kill_is_there_after_it()
    {
        var cancel = TestContext.Current.CancellationToken;
        var (kills, random) = (Number("COMMANDER_KILLS", 8), new Random(Number("COMMANDER_SEED", 1)));
        await using var node = new Node("alone", _folder.Path, null, null);
        var answered = new List<string>();
        for (var kill = 0; kill < kills; kill++)
        {
            await node.Ready(cancel);
            foreach (var id in answered.TakeLast(200))
                (await node.Get(id, cancel)).ShouldNotBeNull($"{id} was answered before kill {kill}");
            var killed = false;
            var clients = Enumerable.Range(0, 8).Select(async client =>
            {
                var ids = new List<string>();
                while (!killed)
                {
                    if (await node.Announce($"service-{client}-{ids.Count}-{kill}", "1", $"{client}-{ids.Count}-{kill}", cancel) is { } id)
                        ids.Add(id);
                }

                return ids;
            }).ToArray();
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(5, 400)), TimeProvider.System, cancel);
            var dead = node.Signal("KILL");
            killed = true;
            foreach (var ids in await Task.WhenAll(clients))
                answered.AddRange(ids);
            await dead;
            node.Run();
        }

        await node.Ready(cancel);
        foreach (var id in answered)
            (await node.Get(id, cancel)).ShouldNotBeNull(id);
        await node.Signal("TERM");
        (await Application.Examine(new CommanderOptions { Data = node.Data }, rebuild: false, cancel)).ShouldBe(0);
        output.WriteLine($"{kills} kills, {answered.Count} answered, all there");
        answered.Count.ShouldBeGreaterThan(kills);
    }

    private static int Number(string variable, int otherwise) => int.TryParse(Environment.GetEnvironmentVariable(variable), out var number) ? number : otherwise;

    private static async Task<HttpStatusCode> Status(Node node, CancellationToken cancel)
    {
        using var answer = await node.Http.GetAsync("/health/ready", cancel);
        return answer.StatusCode;
    }

    private static async Task<int> Ticks(Node node, string id, CancellationToken cancel)
    {
        using var evidence = JsonDocument.Parse(await node.Http.GetStringAsync($"/api/v1/deployments/{id}/evidence", cancel));
        return evidence.RootElement.GetProperty("ticks").EnumerateArray().Count(tick => tick.GetProperty("n").GetInt32() > 0);
    }

    // No file of the process may grow beyond this: as on a disk that is full.
    private static async Task Limit(Node node, long? bytes)
    {
        var size = bytes?.ToString(CultureInfo.InvariantCulture) ?? "unlimited";
        using var limit = Process.Start("prlimit", ["--pid", node.ProcessId.ToString(CultureInfo.InvariantCulture), $"--fsize={size}:unlimited"]);
        await limit.WaitForExitAsync(CancellationToken.None);
        limit.ExitCode.ShouldBe(0);
    }

    private static async Task Until(Func<Task<bool>> done, CancellationToken cancel)
    {
        while (!await done())
            await Task.Delay(Poll, TimeProvider.System, cancel);
    }
}
