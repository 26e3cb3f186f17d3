using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Commander.Server.Hosting;
using Microsoft.Playwright;

namespace Commander.Benchmarks;

/// <summary>
/// The demo bars: starts the real server with the demo shop, deploys each kind, and takes the time from the request to the
/// verdict and to the old version serving again, as somebody outside sees them, and with <c>--page</c> to the moment at which a
/// Chromium that has the verdict page open shows it. Every deployment is replayed at the end. <c>good</c> runs are watched for
/// 60 s after CONTINUE; several servers share the machine when asked for.
/// </summary>
internal static class DemoBenchmark
{
    private static readonly (string Kind, double VerdictBar, double ServingBar, double ShownBar)[] Bars =
    [
        ("errors", 3, 5, 4), ("crash", 3, 5, 4), ("slow", 15, double.NaN, double.NaN), ("leak", 60, double.NaN, double.NaN),
        ("subtle", 60, double.NaN, double.NaN), ("good", 15, double.NaN, double.NaN),
    ];

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan AfterContinue = TimeSpan.FromSeconds(60);

    public static async Task<int> Run(string[] args)
    {
        var each = Number(args, "--each", 10);
        var good = Number(args, "--good", each);
        var servers = Number(args, "--servers", 1);
        var kinds = args.Length > 0 && !args[0].StartsWith("--", StringComparison.Ordinal) ? args[0].Split(',') : [.. Bars.Select(b => b.Kind)];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"machine: {Environment.ProcessorCount} cores, {GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (1 << 30)} GiB, .NET {Environment.Version}; {servers} server(s)"));
        var plan = new Queue<string>(kinds.SelectMany(k => Enumerable.Repeat(k, k == "good" ? good : each)));
        var results = new List<Result>();
        using var playwright = args.Contains("--page") ? await Playwright.CreateAsync() : null;
        await using var browser = playwright is null ? null : await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = "/usr/bin/chromium",
            Args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
        });
        await Task.WhenAll(Enumerable.Range(0, servers).Select(_ => Task.Run(() => Serve(plan, results, browser))));
        return Print(results, kinds);
    }

    private static async Task Serve(Queue<string> plan, List<Result> results, IBrowser? browser)
    {
        var data = Directory.CreateTempSubdirectory("commander-demo-");
        using var server = await Start(data.FullName);
        using var http = new HttpClient { BaseAddress = server.Url, Timeout = TimeSpan.FromSeconds(30) };
        try
        {
            if (browser is not null)
            {
                // An engineer's browser has been started before.
                await (await browser.NewPageAsync()).GotoAsync(server.Url.ToString());
            }

            while (true)
            {
                string kind;
                lock (plan)
                {
                    if (!plan.TryDequeue(out kind!))
                        break;
                }

                var result = await Deploy(http, kind, browser);
                lock (results)
                    results.Add(result);
                Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{kind,-7} {result.Decision,-9} verdict {result.Verdict:0.00} s  serving {result.Serving:0.00} s  shown {result.Shown:0.00} s  replay {(result.Identical ? "identical" : "DIFFERS")}  {result.Id}"));
            }
        }
        finally
        {
            server.Process.Kill();
            await server.Process.WaitForExitAsync();
            data.Delete(recursive: true);
        }
    }

    /// <summary>A server that is ready. Between looking for a free port and listening there somebody else may have taken it: then another one is tried.</summary>
    private static async Task<Server> Start(string data)
    {
        for (var attempt = 1; ; attempt++)
        {
            var url = new Uri($"http://127.0.0.1:{WatchesBenchmark.FreePort()}");
            var process = Process.Start(new ProcessStartInfo("dotnet")
            {
                ArgumentList = { typeof(CommanderOptions).Assembly.Location, "--demo", "--urls", url.ToString(), "--data", data },
                RedirectStandardOutput = true,
                UseShellExecute = false,
            })!;
            _ = process.StandardOutput.ReadToEndAsync();
            using var http = new HttpClient { BaseAddress = url, Timeout = TimeSpan.FromSeconds(30) };
            try
            {
                await Until(TimeSpan.FromSeconds(60), async () => process.HasExited || (await http.GetAsync("/health/ready")).IsSuccessStatusCode);
                if (!process.HasExited)
                    return new Server(process, url);
                process.Dispose();
            }
            catch (TimeoutException)
            {
                process.Kill();
                process.Dispose();
                throw;
            }

            if (attempt == 3)
                throw new InvalidOperationException("the server ended three times before it was ready; what it said stands above");
        }
    }

    private static async Task<Result> Deploy(HttpClient http, string kind, IBrowser? browser)
    {
        var clock = TimeProvider.System;
        var started = clock.GetTimestamp();
        double Seconds() => clock.GetElapsedTime(started).TotalSeconds;
        using var response = await http.PostAsJsonAsync("/api/v1/demo/deployments", new { kind });
        response.EnsureSuccessStatusCode();
        var deployment = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        var (id, version, previous) = ((string)deployment["id"]!, (string)deployment["version"]!, (string?)deployment["previous_version"]);
        var showing = browser is null ? null : Shown(browser, $"{http.BaseAddress}d/{id}", Seconds);
        double verdict = double.NaN, serving = double.NaN, continued = double.NaN;
        var decision = "HOLD";
        var limit = kind == "good" ? TimeSpan.FromSeconds(150) : TimeSpan.FromSeconds(90);
        while (Seconds() < limit.TotalSeconds)
        {
            var now = await Get(http, "/api/v1/deployments/" + id);
            var said = (string?)now["verdict"]?["decision"] ?? "HOLD";
            if (said != decision)
            {
                decision = said;
                if (said == "CONTINUE")
                    continued = Seconds();
                if (said == (kind == "good" ? "CONTINUE" : "ROLLBACK"))
                    verdict = Seconds();
            }

            if (decision == "ROLLBACK")
            {
                var shop = await Get(http, "/api/v1/demo");
                if (double.IsNaN(serving) && (string?)shop["serving"] == previous && shop["candidate"] is null)
                    serving = Seconds();
                if (now["actions"]!.AsArray().Any(a => (string?)a!["state"] is "done" or "failed" or "refused"))
                    break;
            }

            if (kind == "good" && decision == "CONTINUE" && Seconds() > continued + AfterContinue.TotalSeconds)
                break;
            await Task.Delay(Poll, clock, CancellationToken.None);
        }

        var shown = showing is null || decision != "ROLLBACK" ? double.NaN : await showing;
        using var replay = await http.PostAsJsonAsync($"/api/v1/deployments/{id}/replay", new { });
        var answer = JsonNode.Parse(await replay.Content.ReadAsStringAsync())!;
        var last = await Get(http, "/api/v1/deployments/" + id);
        var action = last["actions"]!.AsArray().LastOrDefault(a => (string?)a!["kind"] == "rollback");
        return new Result(kind, id, version, decision, verdict, serving, shown, (bool?)answer["identical"] ?? false, (string?)action?["state"], !double.IsNaN(continued));
    }

    /// <summary>The seconds after the request at which an open page says that it rolls back; no number when it does not.</summary>
    private static async Task<double> Shown(IBrowser browser, string page, Func<double> seconds)
    {
        var tab = await browser.NewPageAsync();
        try
        {
            await tab.GotoAsync(page);
            // Asked from outside: the page's content security policy allows no evaluated condition.
            while (seconds() < 95)
            {
                if ((await tab.Locator("h1").First.InnerTextAsync()).StartsWith("Roll", StringComparison.Ordinal))
                    return seconds();
                await Task.Delay(Poll, TimeProvider.System, CancellationToken.None);
            }

            return double.NaN;
        }
        finally
        {
            await tab.CloseAsync();
        }
    }

    private static int Print(List<Result> results, string[] kinds)
    {
        Console.WriteLine("kind      n  right  CONTINUE first  verdict p50 / max s (bar)   serving p50 / max s (bar)   shown p50 / max s (bar)   done  replay identical");
        var kept = true;
        foreach (var (kind, verdictBar, servingBar, shownBar) in Bars.Where(b => kinds.Contains(b.Kind)))
        {
            var rows = results.Where(r => r.Kind == kind).ToList();
            var right = rows.Where(r => r.Decision == (kind == "good" ? "CONTINUE" : "ROLLBACK")).ToList();
            var verdicts = right.Select(r => r.Verdict).Order().ToList();
            var servings = right.Select(r => r.Serving).Where(s => !double.IsNaN(s)).Order().ToList();
            var shown = right.Select(r => r.Shown).Where(s => !double.IsNaN(s)).Order().ToList();
            kept &= rows.Count - right.Count <= (kind == "good" ? rows.Count / 100 : 0)
                && verdicts.TrueForAll(v => v <= verdictBar)
                && (double.IsNaN(servingBar) || servings.TrueForAll(s => s <= servingBar))
                && (double.IsNaN(shownBar) || shown.TrueForAll(s => s <= shownBar))
                && rows.TrueForAll(r => r.Identical);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{kind,-7} {rows.Count,3} {right.Count,6} {rows.Count(r => r.ContinuedFirst),15}  {Middle(verdicts),7:0.00} / {Last(verdicts),6:0.00} ({verdictBar,2:0})      {Middle(servings),7:0.00} / {Last(servings),6:0.00} ({servingBar,2:0})      {Middle(shown),7:0.00} / {Last(shown),6:0.00} ({shownBar,2:0})    {rows.Count(r => r.Action == "done"),4}  {rows.Count(r => r.Identical),4}"));
        }

        Console.WriteLine(kept ? "every bar held" : "A BAR WAS MISSED");
        return kept ? 0 : 1;
    }

    private static double Middle(List<double> sorted) => sorted.Count == 0 ? double.NaN : sorted[sorted.Count / 2];

    private static double Last(List<double> sorted) => sorted.Count == 0 ? double.NaN : sorted[^1];

    private static async Task<JsonNode> Get(HttpClient http, string path) => JsonNode.Parse(await http.GetStringAsync(path))!;

    private static async Task Until(TimeSpan patience, Func<Task<bool>> done)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(started) < patience)
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

        throw new TimeoutException("the server did not become ready");
    }

    private static int Number(string[] args, string name, int otherwise)
    {
        var at = Array.IndexOf(args, name);
        return at >= 0 && at + 1 < args.Length ? int.Parse(args[at + 1], CultureInfo.InvariantCulture) : otherwise;
    }

    private sealed record Server(Process Process, Uri Url) : IDisposable
    {
        public void Dispose() => Process.Dispose();
    }

    private sealed record Result(string Kind, string Id, string Version, string Decision, double Verdict, double Serving, double Shown, bool Identical, string? Action, bool ContinuedFirst);
}
