using System.Diagnostics;
using Commander.Judging.Policies;
using Commander.Server.Connections;
using Commander.Server.Sources.Prometheus;
using Commander.Server.Tests.Api;

namespace Commander.Server.Tests.Sources.Prometheus;

/// <summary>The installed Prometheus on a free loopback port, with data in a folder of its own.</summary>
internal sealed class RealPrometheus : IAsyncDisposable
{
    private const string Program = "/usr/bin/prometheus";

    private readonly HttpClient _http = Outgoing.Create();
    private readonly string _folder = Directory.CreateTempSubdirectory("commander-prometheus-").FullName;
    private Process? _process;

    public string Url { get; private set; } = "";

    /// <param name="target">What it scrapes every second; null for nothing.</param>
    /// <param name="history">OpenMetrics text with times that it has stored already; null for none.</param>
    /// <param name="flags">More of the command line.</param>
    public static async Task<RealPrometheus> Start(Uri? target, string? history = null, params string[] flags)
    {
        if (!File.Exists(Program))
        {
            Assert.SkipUnless(Environment.GetEnvironmentVariable("CI") == "true", "prometheus is not installed: apt-get install prometheus");
            Assert.Fail("prometheus is not installed, and a CI run must not pass without it: apt-get install prometheus");
        }

        var prometheus = new RealPrometheus();
        try
        {
            await prometheus.Run(target, history, flags);
            return prometheus;
        }
        catch
        {
            await prometheus.DisposeAsync();
            throw;
        }
    }

    public PrometheusSource Source() => new(
        new SourceSettings("prom", "prometheus", new Dictionary<string, string>(StringComparer.Ordinal) { ["url"] = Url }),
        _http, TimeProvider.System, _ => null);

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        if (_process is not null)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
            _process.Dispose();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private async Task Run(Uri? target, string? history, string[] flags)
    {
        var data = Path.Combine(_folder, "data");
        if (history is not null)
        {
            var text = Path.Combine(_folder, "history.txt");
            await File.WriteAllTextAsync(text, history);
            using var import = Process.Start(Quiet("/usr/bin/promtool", "tsdb", "create-blocks-from", "openmetrics", text, data))!;
            var said = await import.StandardError.ReadToEndAsync();
            await import.WaitForExitAsync();
            import.ExitCode.ShouldBe(0, said);
        }

        var config = Path.Combine(_folder, "prometheus.yml");
        await File.WriteAllTextAsync(config, target is null ? "global: {}\n" : $$"""
            global: { scrape_interval: 1s, scrape_timeout: 1s }
            scrape_configs:
              - job_name: shop
                metrics_path: {{target.AbsolutePath}}
                static_configs: [ { targets: ['{{target.Authority}}'] } ]
            """);
        var port = RunningServer.FreePort();
        Url = $"http://127.0.0.1:{port}";
        _process = Process.Start(Quiet(Program, [$"--config.file={config}", $"--storage.tsdb.path={data}", "--storage.tsdb.retention.time=10y", $"--web.listen-address=127.0.0.1:{port}", "--log.level=error", .. flags]));
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!await Ready(patience.Token))
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, patience.Token);
    }

    private async Task<bool> Ready(CancellationToken cancel)
    {
        _process!.HasExited.ShouldBeFalse("prometheus ended at once");
        try
        {
            using var answer = await _http.GetAsync(new Uri(Url + "/-/ready"), cancel);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static ProcessStartInfo Quiet(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false };
        return start;
    }
}
