using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using Commander.Server.Hosting;
using Commander.Server.Tests.Api;

namespace Commander.Server.Tests.Hosting.Nodes;

/// <summary>A process of the server: on a database that others share, or alone on its folder.</summary>
internal sealed class Node : IAsyncDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);
    private readonly string? _connection;
    private readonly string? _policy;
    private readonly string _data;
    private readonly string[] _more;
    private readonly Queue<string> _said = new();
    private readonly HttpClient _http;
    private Process? _process;

    public Node(string name, string folder, string? connection, string? policy, params string[] more)
    {
        (Name, _connection, _policy, _data, _more) = (name, connection, policy, Path.Combine(folder, name), more);
        Url = new Uri($"http://127.0.0.1:{RunningServer.FreePort()}");
        _http = new HttpClient { BaseAddress = Url, Timeout = TimeSpan.FromSeconds(15) };
        Run();
    }

    /// <summary>The server of this build.</summary>
    public static string ThisBuild => typeof(CommanderOptions).Assembly.Location;

    /// <summary>The assembly of another build, to see that both can be nodes of one Commander; null for none.</summary>
    public static string? OtherBuild => Environment.GetEnvironmentVariable("COMMANDER_OTHER_BUILD");

    /// <summary>Which build it runs when it is started the next time.</summary>
    public string Build { get; set; } = OtherBuild ?? ThisBuild;

    public string Name { get; }

    /// <summary>Its folder.</summary>
    public string Data => _data;

    public int ProcessId => _process!.Id;

    /// <summary>Of the process that ended last.</summary>
    public int ExitCode => _process!.ExitCode;

    public Uri Url { get; }

    public HttpClient Http => _http;

    public bool Runs => _process is { HasExited: false };

    /// <summary>What it last wrote, for a test that fails.</summary>
    public string Said
    {
        get
        {
            lock (_said)
                return string.Join('\n', _said);
        }
    }

    public void Run()
    {
        _process?.Dispose();
        string[] policy = _policy is null ? [] : ["--policy", _policy];
        // A shell in between, so that a limit on file sizes is an error of the write and not a signal that ends the process.
        var start = new ProcessStartInfo("/bin/sh", ["-c", "trap '' XFSZ; exec \"$@\"", "sh", "dotnet", Build, "--urls", Url.ToString(), "--data", _data, .. policy, .. _more])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        if (_connection is not null)
            start.Environment["COMMANDER_CLUSTER"] = _connection;
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => Heard(line.Data);
        _process.ErrorDataReceived += (_, line) => Heard(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>TERM, KILL, STOP or CONT.</summary>
    public async Task Signal(string signal)
    {
        if (!Runs)
            return;
        using var kill = Process.Start("kill", [$"-{signal}", _process!.Id.ToString()]);
        await kill.WaitForExitAsync(CancellationToken.None);
        if (signal is "KILL" or "TERM")
            await _process.WaitForExitAsync(CancellationToken.None);
    }

    public async Task Ready(CancellationToken cancel)
    {
        while (true)
        {
            try
            {
                using var answer = await _http.GetAsync("/health/ready", cancel);
                if (answer.IsSuccessStatusCode)
                    return;
            }
            catch (HttpRequestException) when (Runs)
            {
                // It does not listen yet.
            }

            await Task.Delay(Poll, TimeProvider.System, cancel);
        }
    }

    /// <summary>The deployment's id; null when this node did not take it.</summary>
    public async Task<string?> Announce(string service, string version, string key, CancellationToken cancel)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/deployments") { Content = JsonContent.Create(new { service, version, previous_version = "old" }) };
            request.Headers.Add("Idempotency-Key", key);
            using var answer = await _http.SendAsync(request, cancel);
            return answer.IsSuccessStatusCode ? (await Read(answer, cancel)).GetProperty("id").GetString() : null;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or TaskCanceledException && !cancel.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>The deployment; null when this node does not answer.</summary>
    public async Task<JsonElement?> Get(string id, CancellationToken cancel)
    {
        try
        {
            using var answer = await _http.GetAsync("/api/v1/deployments/" + id, cancel);
            return answer.IsSuccessStatusCode ? await Read(answer, cancel) : null;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or TaskCanceledException && !cancel.IsCancellationRequested)
        {
            return null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Signal("CONT");
        await Signal("KILL");
        _process?.Dispose();
        _http.Dispose();
    }

    private static async Task<JsonElement> Read(HttpResponseMessage answer, CancellationToken cancel)
    {
        using var document = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(cancel));
        return document.RootElement.Clone();
    }

    private void Heard(string? line)
    {
        if (line is null)
            return;
        lock (_said)
        {
            _said.Enqueue(line);
            if (_said.Count > 60)
                _said.Dequeue();
        }
    }
}
