using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using Commander.Server.Storage;

namespace Commander.Benchmarks;

/// <summary>
/// How many deployments one process watches at once on this machine: ticks of one second, five metrics (two ratios, a histogram of
/// twelve buckets, two gauges), two arms, from a simulated Prometheus on loopback in a process of its own, facts durable. How much
/// later than due a tick is stored, and what it costs.
/// </summary>
internal static class WatchesBenchmark
{
    private const string Policy =
        """
        sources:
          prom: { type: prometheus, url: 'PROMETHEUS' }
        defaults:
          source: prom
          metrics:
            errors: { kind: ratio, bad: 'requests_total{service="{{service}}",version="{{version}}",code=~"5.."}', total: 'requests_total{service="{{service}}",version="{{version}}"}', tolerance: 1pp, objective: 1%, critical: true }
            cache: { kind: ratio, bad: 'cache_total{service="{{service}}",version="{{version}}",code=~"5.."}', total: 'cache_total{service="{{service}}",version="{{version}}"}', tolerance: 1pp }
            latency: { kind: histogram, query: 'duration_bucket{service="{{service}}",version="{{version}}"}', quantile: 0.95, tolerance: 20%, floor: 25ms }
            memory: { kind: gauge, query: 'memory{service="{{service}}",version="{{version}}"}', tolerance: 25% }
            cpu: { kind: gauge, query: 'cpu{service="{{service}}",version="{{version}}"}', tolerance: 25% }
          watch: { step: 1s, lag: 1s, min: 1h, max: 1h, reference: 30s, after: 1h }
        """;

    private static readonly TimeProvider Clock = TimeProvider.System;

    public static async Task<int> Run(string[] args)
    {
        var (watches, nodes) = (0, 1);
        var cluster = Environment.GetEnvironmentVariable("COMMANDER_CLUSTER") is { Length: > 0 };
        if (args.Length is < 1 or > 2 || !int.TryParse(args[0], out watches) || watches is < 1 or > 20_000 || (args.Length == 2 && (!int.TryParse(args[1], out nodes) || nodes is < 1 or > 9 || (nodes > 1 && !cluster))))
        {
            await Console.Error.WriteLineAsync("usage: watches NUMBER [NODES], 1 to 20000; several nodes only with COMMANDER_CLUSTER");
            return 2;
        }

        var folder = Directory.CreateTempSubdirectory("commander-watches-").FullName;
        var prometheus = $"http://127.0.0.1:{FreePort()}";
        await File.WriteAllTextAsync(Path.Combine(folder, "policy.yaml"), Policy.Replace("PROMETHEUS", prometheus, StringComparison.Ordinal));
        using var standIn = Start(typeof(WatchesBenchmark).Assembly.Location, "prometheus", prometheus);
        var urls = Enumerable.Range(0, nodes).Select(_ => new Uri($"http://127.0.0.1:{FreePort()}")).ToArray();
        var servers = urls.Select((url, n) => Start(typeof(Fact).Assembly.Location, "--urls", url.ToString(), "--data", Path.Combine(folder, $"data{n}"), "--policy", Path.Combine(folder, "policy.yaml"), "--max-watches", "20000")).ToArray();
        try
        {
            using var http = new HttpClient { BaseAddress = urls[0], Timeout = TimeSpan.FromSeconds(30) };
            foreach (var url in urls)
                await Ready(http, url);
            // Over ten seconds, as nobody deploys two thousand services in one.
            var ids = new List<string>();
            var begun = Clock.GetTimestamp();
            for (var n = 0; n < watches; n++)
            {
                // What an earlier run left in the same database has other names.
                using var answer = await http.PostAsJsonAsync(new Uri(urls[n % nodes], "/api/v1/deployments"), new { service = $"service-{begun}-{n}", version = "new", previous_version = "old" });
                answer.EnsureSuccessStatusCode();
                ids.Add((await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString()!);
                var early = TimeSpan.FromSeconds(10.0 * n / watches) - Clock.GetElapsedTime(begun);
                if (early > TimeSpan.Zero)
                    await Task.Delay(early, Clock);
            }

            Console.WriteLine($"{watches} announced; a minute to settle, a minute that is measured");
            await Settle(http, ids);
            var from = Clock.GetUtcNow();
            var (cpu, fed) = (Spent(servers), standIn.TotalProcessorTime);
            await Task.Delay(TimeSpan.FromSeconds(60), Clock);
            var (spent, memory) = (Spent(servers) - cpu, servers.Max(server => server.WorkingSet64));
            standIn.Refresh();
            var fedSpent = standIn.TotalProcessorTime - fed;
            var lags = new List<double>();
            foreach (var id in ids.Where((_, n) => n % Math.Max(1, watches / 200) == 0))
                lags.AddRange(await Lags(http, id, from));
            lags.Sort();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{lags.Count} ticks of {Math.Min(watches, 200)} of them: stored after they were due p50 {At(0.5):F0} ms, p99 {At(0.99):F0} ms, longest {lags[^1]:F0} ms"));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"processor {spent.TotalSeconds / 60:F2} of a core ({spent.TotalMilliseconds / 60 / watches:F2} ms a watch and second), the simulated Prometheus {fedSpent.TotalSeconds / 60:F2}; memory {memory >> 20} MiB{(nodes > 1 ? " of the largest node" : "")}"));
            return 0;

            double At(double share) => lags[Math.Min(lags.Count - 1, (int)(lags.Count * share))];
        }
        finally
        {
            standIn.Kill(entireProcessTree: true);
            foreach (var server in servers)
            {
                server.Kill(entireProcessTree: true);
                await server.WaitForExitAsync();
                server.Dispose();
            }

            Directory.Delete(folder, recursive: true);
        }
    }

    // A minute; said meanwhile is how far behind they are, so that one who falls behind is seen to.
    private static async Task Settle(HttpClient http, List<string> ids)
    {
        for (var ten = 0; ten < 6; ten++)
        {
            await Task.Delay(TimeSpan.FromSeconds(10), Clock);
            var behind = new List<double>();
            foreach (var id in ids.Where((_, n) => n % Math.Max(1, ids.Count / 10) == 0))
            {
                var evidence = await http.GetFromJsonAsync<JsonElement>($"/api/v1/deployments/{id}/evidence");
                if (evidence.GetProperty("ticks") is { } ticks && ticks.GetArrayLength() > 0)
                    behind.Add((Clock.GetUtcNow() - ticks[ticks.GetArrayLength() - 1].GetProperty("to").GetDateTimeOffset()).TotalSeconds - 1);
            }

            if (behind.Count > 0)
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  the newest tick of {behind.Count} of them is {behind.Min():F1} to {behind.Max():F1} s old"));
        }
    }

    // A tick is due a second (the lag) after its end; its fact says when it was stored.
    private static async Task<IEnumerable<double>> Lags(HttpClient http, string id, DateTimeOffset from)
    {
        var evidence = await http.GetFromJsonAsync<JsonElement>($"/api/v1/deployments/{id}/evidence");
        var facts = await http.GetFromJsonAsync<JsonElement>($"/api/v1/deployments/{id}/facts?limit=2000");
        var stored = facts.GetProperty("items").EnumerateArray().Where(fact => fact.GetProperty("kind").GetString() == "tick").Select(fact => fact.GetProperty("at").GetDateTimeOffset());
        return evidence.GetProperty("ticks").EnumerateArray().Select(tick => tick.GetProperty("to").GetDateTimeOffset()).Zip(stored)
            .Where(pair => pair.Second >= from)
            .Select(pair => (pair.Second - pair.First).TotalMilliseconds - 1000);
    }

    private static TimeSpan Spent(Process[] servers)
    {
        Array.ForEach(servers, server => server.Refresh());
        return TimeSpan.FromSeconds(servers.Sum(server => server.TotalProcessorTime.TotalSeconds));
    }

    private static async Task Ready(HttpClient http, Uri url)
    {
        while (true)
        {
            try
            {
                using var answer = await http.GetAsync(new Uri(url, "/health/ready"));
                if (answer.IsSuccessStatusCode)
                    return;
            }
            catch (HttpRequestException)
            {
                // It does not listen yet.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), Clock);
        }
    }

    private static Process Start(string assembly, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [assembly, .. arguments]) { RedirectStandardOutput = true, UseShellExecute = false };
        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        return process;
    }

    internal static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
