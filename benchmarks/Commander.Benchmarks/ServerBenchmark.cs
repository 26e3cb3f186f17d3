using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Commander.Server.Hosting;

namespace Commander.Benchmarks;

/// <summary>How long the server takes from the start of its process to its first answer, and a verdict page: its bytes on the wire and the time to its last.</summary>
internal static class ServerBenchmark
{
    private const int Starts = 5;
    private const int Pages = 500;
    private static readonly TimeProvider Clock = TimeProvider.System;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);

    public static async Task<int> Run()
    {
        var folder = Directory.CreateTempSubdirectory("commander-server-").FullName;
        try
        {
            var starts = new List<double>();
            for (var n = 0; n < Starts; n++)
            {
                using var started = await Started(folder, starts);
                await End(started.Process);
            }

            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"first answer after the start of the process: median {starts.Order().ElementAt(Starts / 2):F2} s, longest {starts.Max():F2} s of {Starts}"));
            using var demo = await Started(folder, [], "--demo");
            await Page(demo.Url);
            await End(demo.Process);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task Page(Uri url)
    {
        using var http = new HttpClient { BaseAddress = url, Timeout = TimeSpan.FromSeconds(30) };
        while (!(await http.GetAsync("/health/ready")).IsSuccessStatusCode)
            await Task.Delay(Poll, Clock);
        using var asked = await http.PostAsJsonAsync("/api/v1/demo/deployments", new { kind = "errors" });
        var id = (await asked.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString();
        // Till the old version's metrics are seen to be well again: the longest page.
        while ((await http.GetFromJsonAsync<JsonElement>("/api/v1/deployments/" + id)).GetProperty("outcome").ValueKind != JsonValueKind.Object)
            await Task.Delay(Poll, Clock);
        http.DefaultRequestHeaders.Add("Accept-Encoding", "br, gzip");
        var bytes = 0;
        var waits = new List<double>();
        for (var n = 0; n < Pages; n++)
        {
            var from = Clock.GetTimestamp();
            bytes = (await http.GetByteArrayAsync("/d/" + id)).Length;
            waits.Add(Clock.GetElapsedTime(from).TotalMilliseconds);
        }

        // Once more for the way it is packed; the first ones warm the server up.
        using var page = await http.GetAsync("/d/" + id);
        var sorted = waits.Skip(Pages / 5).Order().ToArray();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"verdict page: {bytes / 1024.0:F1} KiB as {string.Join(',', page.Content.Headers.ContentEncoding)}, p50 {sorted[sorted.Length / 2]:F1} ms, p99 {sorted[sorted.Length * 99 / 100]:F1} ms"));
        foreach (var path in Assets(await new HttpClient(new SocketsHttpHandler { AutomaticDecompression = DecompressionMethods.All }) { BaseAddress = url }.GetStringAsync("/d/" + id)))
        {
            using var asset = await http.GetAsync(path);
            var length = (await asset.Content.ReadAsByteArrayAsync()).Length;
            bytes += length;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {path}: {length / 1024.0:F1} KiB as {string.Join(',', asset.Content.Headers.ContentEncoding)}"));
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  all that a browser loads: {bytes / 1024.0:F1} KiB"));
    }

    private static IEnumerable<string> Assets(string html)
    {
        foreach (var attribute in (string[])["src=\"", "href=\""])
        {
            for (var at = html.IndexOf(attribute, StringComparison.Ordinal); at >= 0; at = html.IndexOf(attribute, at + 1, StringComparison.Ordinal))
            {
                var path = html[(at + attribute.Length)..html.IndexOf('"', at + attribute.Length)];
                if (path.Contains("assets/", StringComparison.Ordinal))
                    yield return path;
            }
        }
    }

    private static async Task<Server> Started(string folder, List<double> starts, params string[] more)
    {
        var url = new Uri($"http://127.0.0.1:{WatchesBenchmark.FreePort()}");
        var from = Clock.GetTimestamp();
        var process = Process.Start(new ProcessStartInfo("dotnet", [typeof(CommanderOptions).Assembly.Location, "--urls", url.ToString(), "--data", Path.Combine(folder, "data"), .. more]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        _ = process.StandardOutput.ReadToEndAsync();
        using var http = new HttpClient { BaseAddress = url, Timeout = TimeSpan.FromSeconds(30) };
        while (true)
        {
            try
            {
                using var answer = await http.GetAsync("/");
                starts.Add(Clock.GetElapsedTime(from).TotalSeconds);
                return new Server(process, url);
            }
            catch (HttpRequestException) when (!process.HasExited)
            {
                await Task.Delay(Poll, Clock);
            }
        }
    }

    private static async Task End(Process process)
    {
        process.Kill();
        await process.WaitForExitAsync();
    }

    private sealed record Server(Process Process, Uri Url) : IDisposable
    {
        public void Dispose() => Process.Dispose();
    }
}
