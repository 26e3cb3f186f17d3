using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Commander.Server.Hosting;
using Commander.Server.Tests.Api;

namespace Commander.Server.Tests.Hosting;

[Collection("shop processes")]
public class KilledServerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);

    [Fact]
    public async Task After_kill_9_in_the_middle_of_a_watch_the_shop_serves_the_watch_goes_on_and_ends_and_no_child_is_left()
    {
        var data = Directory.CreateTempSubdirectory("commander-kill-").FullName;
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(10) };
        var first = Start(data, out var url);
        try
        {
            await Until(async () => (await http.GetAsync(new Uri(url, "/health/ready"))).IsSuccessStatusCode, "ready");
            using var posted = await http.PostAsJsonAsync(new Uri(url, "/api/v1/demo/deployments"), new { kind = "good" });
            var id = (string)JsonNode.Parse(await posted.Content.ReadAsStringAsync())!["id"]!;
            await Until(async () => await Get(http, url, id, "/evidence") is { } e && e["ticks"]!.AsArray().Count(t => (int)t!["n"]! > 0) >= 3, "three ticks");
            var children = Children(first.Id);
            children.Count.ShouldBe(2, "the old and the new version");
            first.Kill();
            await first.WaitForExitAsync();
            first.Dispose();
            await Until(() => Task.FromResult(children.TrueForAll(Ended)), "the children end by themselves");

            first = Start(data, out url);
            await Until(async () => (await http.GetAsync(new Uri(url, "/health/ready"))).IsSuccessStatusCode, "ready again");
            var shop = JsonNode.Parse(await http.GetStringAsync(new Uri(url, "/api/v1/demo")))!;
            (await http.GetAsync(new Uri((string)shop["shop_url"]!))).Headers.Contains("Shop-Version").ShouldBeTrue();
            await Until(async () => await Get(http, url, id) is { } d && (string?)d["verdict"]?["decision"] == "CONTINUE", "the watch goes on and is decided");
            using var kept = await http.PostAsJsonAsync(new Uri(url, $"/api/v1/deployments/{id}/actions/keep"), new { reason = "test" });
            kept.IsSuccessStatusCode.ShouldBeTrue();
            ((string?)(await Get(http, url, id))!["state"]).ShouldBe("closed");
            using var replay = await http.PostAsJsonAsync(new Uri(url, $"/api/v1/deployments/{id}/replay"), new { });
            var answer = JsonNode.Parse(await replay.Content.ReadAsStringAsync())!;
            ((bool)answer["identical"]!).ShouldBeTrue(answer["differences"]!.ToJsonString());
        }
        finally
        {
            if (!first.HasExited)
                first.Kill(entireProcessTree: true);
            await first.WaitForExitAsync();
            first.Dispose();
            Directory.Delete(data, recursive: true);
        }
    }

    private static Process Start(string data, out Uri url)
    {
        url = new Uri($"http://127.0.0.1:{RunningServer.FreePort()}");
        var process = Process.Start(new ProcessStartInfo("dotnet")
        {
            ArgumentList = { typeof(CommanderOptions).Assembly.Location, "--demo", "--urls", url.ToString(), "--data", data },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        })!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private static async Task<JsonNode?> Get(HttpClient http, Uri url, string id, string part = "") =>
        JsonNode.Parse(await http.GetStringAsync(new Uri(url, $"/api/v1/deployments/{id}{part}")));

    private static List<int> Children(int parent) =>
        [.. Process.GetProcesses().Select(p => p.Id).Where(id => Stat(id) is { } stat && stat.Parent == parent)];

    // A zombie has ended: whoever adopted it has not asked for its exit code yet.
    private static bool Ended(int id) => Stat(id) is null or { State: 'Z' };

    private static (char State, int Parent)? Stat(int id)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{id}/stat");
            var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return (fields[0][0], int.Parse(fields[1]));
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static async Task Until(Func<Task<bool>> done, string what)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(started) < Patience)
        {
            try
            {
                if (await done())
                    return;
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }

            await Task.Delay(Poll, TimeProvider.System, CancellationToken.None);
        }

        throw new TimeoutException($"{what}: not within {Patience.TotalSeconds:0} s");
    }
}
