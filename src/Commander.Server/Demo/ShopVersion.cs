using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;

namespace Commander.Server.Demo;

/// <summary>The shop cannot do what was asked; the message says why.</summary>
internal sealed class ShopException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A running version of the shop: its process, the way to it, and what it uses.</summary>
internal sealed class ShopVersion : IAsyncDisposable
{
    private const int WarmUpCalls = 50;
    private const int WarmUpAtOnce = 16;
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan WarmUpPatience = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Drain = TimeSpan.FromSeconds(1.3);
    private static readonly TimeSpan CpuWindow = TimeSpan.FromSeconds(1);

    private readonly Process _process;
    private readonly TimeProvider _clock;
    private readonly Queue<(long At, TimeSpan Cpu)> _cpu = new();
    private readonly Lock _lock = new();
    private (double? Memory, double? Cpu) _used;
    private int _inFlight;
    private Task? _ended;

    private ShopVersion(string version, string kind, Process process, int port, TimeProvider clock)
    {
        Version = version;
        Kind = kind;
        Address = new Uri($"http://127.0.0.1:{port}/");
        _process = process;
        _clock = clock;
        Http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseCookies = false,
            UseProxy = false,
            AllowAutoRedirect = false,
            ConnectTimeout = TimeSpan.FromSeconds(1),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(20),
        });
    }

    public string Version { get; }

    /// <summary>The kind of deployment it was: good, errors, ...</summary>
    public string Kind { get; }

    public Uri Address { get; }

    public HttpMessageInvoker Http { get; }

    public int ProcessId => _process.Id;

    public bool Running => _ended is null && !_process.HasExited;

    /// <summary>Resident memory in bytes and processor use in percent of one core over the last second; null where there is none.</summary>
    public (double? Memory, double? Cpu) Used
    {
        get
        {
            lock (_lock)
            {
                return _used;
            }
        }
    }

    /// <summary>Starts the process and waits until it listens.</summary>
    /// <exception cref="ShopException">It did not start; the message says why.</exception>
    public static async Task<ShopVersion> Start(string version, string kind, TimeProvider clock, ILogger logger, CancellationToken cancel)
    {
        if (!Faults.TryKind(kind, out var fault))
        {
            throw new ShopException($"there is no kind {kind}: the kinds are {Faults.Kinds}");
        }
        var process = new Process { StartInfo = Command(version, fault) };
        try
        {
            process.Start();
        }
        catch (Win32Exception failed)
        {
            process.Dispose();
            throw new ShopException($"the shop's process cannot be started from {process.StartInfo.FileName}: {failed.Message}", failed);
        }
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is { Length: > 0 } text)
            {
                logger.LogInformation("shop {Version}: {Line}", version, text);
            }
        };
        process.BeginErrorReadLine();
        using var patience = new CancellationTokenSource(StartPatience, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancel);
        try
        {
            var line = await process.StandardOutput.ReadLineAsync(either.Token)
                ?? throw new ShopException($"the shop's process of version {version} ended before it listened");
            using var document = JsonDocument.Parse(line);
            return new ShopVersion(version, kind, process, document.RootElement.GetProperty("port").GetInt32(), clock);
        }
        catch (Exception failed)
        {
            Kill(process);
            process.Dispose();
            if (failed is JsonException or KeyNotFoundException or InvalidOperationException || (failed is OperationCanceledException && !cancel.IsCancellationRequested))
            {
                throw new ShopException($"the shop's process of version {version} did not say within {StartPatience.TotalSeconds:0} s where it listens", failed);
            }
            throw;
        }
    }

    /// <summary>Calls it directly, so that its first users do not pay for its start. What it answers does not matter yet.</summary>
    public async Task WarmUp(CancellationToken cancel)
    {
        using var patience = new CancellationTokenSource(WarmUpPatience, _clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancel);
        try
        {
            await Parallel.ForAsync(0, WarmUpCalls, new ParallelOptions { MaxDegreeOfParallelism = WarmUpAtOnce, CancellationToken = either.Token }, async (item, stop) =>
            {
                try
                {
                    using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Address, $"?item={item}"));
                    request.Headers.Add(ShopProcess.WarmUpHeader, "1");
                    using var response = await Http.SendAsync(request, stop);
                    await response.Content.CopyToAsync(Stream.Null, stop);
                }
                catch (HttpRequestException)
                {
                    // Its users will see it too, and that is what is watched.
                }
            });
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            // A version that is slow to warm up is deployed all the same.
        }
    }

    public void Enter() => Interlocked.Increment(ref _inFlight);

    public void Leave() => Interlocked.Decrement(ref _inFlight);

    /// <summary>Reads what the process uses.</summary>
    public void Measure()
    {
        (double? Memory, double? Cpu) used = (null, null);
        try
        {
            _process.Refresh();
            if (!_process.HasExited)
            {
                var now = (At: _clock.GetTimestamp(), Cpu: _process.TotalProcessorTime);
                used.Memory = _process.WorkingSet64;
                // Over a window rather than between two looks: the kernel counts in hundredths of a second.
                while (_cpu.Count > 1 && _clock.GetElapsedTime(_cpu.Peek().At, now.At) > CpuWindow)
                {
                    _cpu.Dequeue();
                }
                if (_cpu.TryPeek(out var then) && _clock.GetElapsedTime(then.At, now.At) is { TotalMilliseconds: > 200 } elapsed)
                {
                    used.Cpu = 100 * (now.Cpu - then.Cpu) / elapsed;
                }
                _cpu.Enqueue(now);
            }
        }
        catch (Exception gone) when (gone is InvalidOperationException or Win32Exception or NotSupportedException)
        {
            // It ended between the question and the answer.
        }
        lock (_lock)
        {
            _used = used;
        }
    }

    /// <summary>Lets what is on its way arrive, then ends the process. Called again it waits for the same end.</summary>
    public Task End()
    {
        lock (_lock)
        {
            return _ended ??= Finish(Drain);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Task ended;
        lock (_lock)
        {
            ended = _ended ??= Finish(TimeSpan.Zero);
        }
        await ended;
    }

    private async Task Finish(TimeSpan drain)
    {
        await Task.Yield();
        var started = _clock.GetTimestamp();
        while (Volatile.Read(ref _inFlight) > 0 && !_process.HasExited && _clock.GetElapsedTime(started) < drain)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), _clock, CancellationToken.None);
        }
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // Its end is closed already.
        }
        using (var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(500), _clock))
        {
            try
            {
                await _process.WaitForExitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                Kill(_process);
            }
        }
        lock (_lock)
        {
            _used = (null, null);
        }
        Http.Dispose();
    }

    private static void Kill(Process process)
    {
        try
        {
            process.Kill();
        }
        catch (Exception gone) when (gone is InvalidOperationException or Win32Exception)
        {
            // It has ended by itself.
        }
    }

    private static ProcessStartInfo Command(string version, Fault fault)
    {
        var library = typeof(ShopVersion).Assembly.Location;
        var executable = Path.ChangeExtension(library, OperatingSystem.IsWindows() ? "exe" : null);
        var start = library.Length == 0
            ? new ProcessStartInfo(Environment.ProcessPath ?? "Commander.Server")
            : File.Exists(executable)
                ? new ProcessStartInfo(executable)
                : new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet") { ArgumentList = { library } };
        foreach (var argument in new[] { "shop", "--version", version, "--fault", fault.Word(), "--port", "0" })
        {
            start.ArgumentList.Add(argument);
        }
        start.RedirectStandardInput = true;
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        // A shop needs no secret of Commander's, nor its settings.
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("COMMANDER_", StringComparison.Ordinal) || name.StartsWith("ASPNETCORE_", StringComparison.Ordinal)).ToArray())
        {
            start.Environment.Remove(name);
        }
        // Every version the same small, early settled process: no diagnostics port, no second tier of profiles, a small young generation.
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        start.Environment["DOTNET_TieredPGO"] = "0";
        start.Environment["DOTNET_gcServer"] = "0";
        start.Environment["DOTNET_gcConcurrent"] = "0";
        start.Environment["DOTNET_GCgen0size"] = "400000";
        return start;
    }
}
