using System.Buffers.Text;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Commander.Judging.Policies;
using Commander.Server.Hosting;
using Commander.Server.Storage;
using Commander.Server.Storage.Postgres;
using Commander.Server.Storage.Sqlite;
using Microsoft.Extensions.DependencyInjection;

namespace Commander.Benchmarks;

/// <summary>
/// How many announcements a second the whole server accepts over HTTP, each durable before its answer, 64 connections, and how much of
/// a bare loop that is that runs right after. The server is this process; the load comes from another beside it.
/// </summary>
internal static class WebhookBenchmark
{
    private const int Connections = 64;

    // Seconds until what is asked often is compiled for good.
    private const int WarmUp = 15;
    private static readonly TimeProvider Clock = TimeProvider.System;

    public static async Task<int> Run(string[] args)
    {
        var seconds = 10;
        if (args.Length > 1 || (args.Length == 1 && (!int.TryParse(args[0], out seconds) || seconds is < 1 or > 600)))
        {
            await Console.Error.WriteLineAsync("usage: webhook [SECONDS], 1 to 600");
            return 2;
        }

        var cluster = Environment.GetEnvironmentVariable("COMMANDER_CLUSTER") is { Length: > 0 } given
            ? Database.Read(given).Database ?? throw new InvalidOperationException("COMMANDER_CLUSTER is no connection string.")
            : null;
        var folder = Directory.CreateTempSubdirectory("commander-webhook-").FullName;
        try
        {
            var options = new CommanderOptions { Url = new Uri($"http://127.0.0.1:{WatchesBenchmark.FreePort()}"), Data = Path.Combine(folder, "data"), Cluster = cluster };
            Environment.SetEnvironmentVariable("Logging__LogLevel__Default", "Error");
            await using var app = await Application.Build(options, PolicySet.Empty, new Secrets(_ => null), null, CancellationToken.None);
            await app.StartAsync(CancellationToken.None);
            var store = app.Services.GetRequiredService<IFactStore>();
            // Once unmeasured, for compilation and caches.
            await Load(options.Url, WarmUp);
            var before = Committed(store);
            var cpu = Environment.CpuUsage.TotalTime;
            var (paused, collected) = (GC.GetTotalPauseDuration(), GC.CollectionCount(0));
            var said = await Load(options.Url, seconds);
            var spent = Environment.CpuUsage.TotalTime - cpu;
            (paused, collected) = (GC.GetTotalPauseDuration() - paused, GC.CollectionCount(0) - collected);
            var after = Committed(store);
            var (perSecond, text) = (double.Parse(said[..said.IndexOf(' ', StringComparison.Ordinal)], CultureInfo.InvariantCulture), said);
            var group = (double)(after.Writes - before.Writes) / Math.Max(1, after.Groups - before.Groups);
            await app.StopAsync(CancellationToken.None);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"webhook on {(cluster is null ? "SQLite" : "PostgreSQL")}: {text}; {group:F1} writes a flush, {spent.TotalSeconds / seconds:F2} of a core, {collected} collections that stopped all for {paused.TotalMilliseconds:F0} ms"));
            if (cluster is null)
            {
                var bare = IntakeBenchmark.BareLoop(Path.Combine(folder, "bare"), TimeSpan.FromSeconds(seconds), (int)Math.Max(1, Math.Round(group)));
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"a bare loop of the same rows and flushes: {bare.PerSecond:F0} a second; the server takes {perSecond / bare.PerSecond:P0} of it"));
            }

            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>
    /// The load: as fast as 64 connections are answered, each announcement of a service of its own. One thread that waits for all
    /// connections at once, because what the load costs is taken from the server beside it.
    /// </summary>
    public static int Send(string[] args)
    {
        var (url, time) = (new Uri(args[0]), TimeSpan.FromSeconds(int.Parse(args[1], CultureInfo.InvariantCulture)));
        var run = Clock.GetUtcNow().ToUnixTimeMilliseconds();
        var body = $$"""{"service":"service-{{run}}-#########","version":"2.0.0","previous_version":"1.9.0","commit":"0123456789abcdef0123456789abcdef01234567"}""";
        var request = Encoding.ASCII.GetBytes($"POST /api/v1/deployments HTTP/1.1\r\nHost: 127.0.0.1:{url.Port}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}");
        var digits = request.AsSpan().IndexOf("#########"u8);
        var number = 100_000_000;
        var lines = new Dictionary<Socket, Line>();
        List<double> waits = [];
        var started = Clock.GetTimestamp();
        for (var i = 0; i < Connections; i++)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            socket.Connect(IPAddress.Loopback, url.Port);
            lines.Add(socket, new Line());
            Ask(socket);
        }

        List<Socket> ready = [];
        while (lines.Count > 0)
        {
            ready.AddRange(lines.Keys);
            Socket.Select(ready, null, null, TimeSpan.FromSeconds(30));
            if (ready.Count == 0)
                throw new InvalidOperationException("No answer for 30 seconds.");
            foreach (var socket in ready)
            {
                var line = lines[socket];
                if (!Answered(socket, line))
                    continue;
                waits.Add(Clock.GetElapsedTime(line.Asked).TotalMilliseconds);
                line.Length = 0;
                if (Clock.GetElapsedTime(started) < time)
                {
                    Ask(socket);
                    continue;
                }

                lines.Remove(socket);
                socket.Dispose();
            }

            ready.Clear();
        }

        var seconds = Clock.GetElapsedTime(started).TotalSeconds;
        waits.Sort();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{waits.Count / seconds:F0} a second, p50 {waits[waits.Count / 2]:F1} ms, p99 {waits[waits.Count * 99 / 100]:F1} ms, longest {waits[^1]:F0} ms, the load {Environment.CpuUsage.TotalTime.TotalSeconds / seconds:F2} of a core"));
        return 0;

        void Ask(Socket socket)
        {
            Utf8Formatter.TryFormat(++number, request.AsSpan(digits), out _);
            lines[socket].Asked = Clock.GetTimestamp();
            socket.Send(request);
        }
    }

    // What came of the answer that a connection waits for.
    private sealed class Line
    {
        public byte[] Buffer { get; } = new byte[16 * 1024];
        public int Length { get; set; }
        public long Asked { get; set; }
    }

    private static bool Answered(Socket socket, Line line)
    {
        var read = socket.Receive(line.Buffer.AsSpan(line.Length));
        line.Length += read;
        var sofar = line.Buffer.AsSpan(0, line.Length);
        if (read == 0 || (sofar.Length > 12 && !sofar.StartsWith("HTTP/1.1 202"u8)))
            throw new InvalidOperationException($"Answered {Encoding.UTF8.GetString(sofar)}");
        // Kestrel sends such an answer in chunks.
        return sofar.EndsWith("\r\n0\r\n\r\n"u8);
    }

    private static async Task<string> Load(Uri url, int seconds)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(WebhookBenchmark).Assembly.Location, "load", url.ToString(), seconds.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardOutput = true, UseShellExecute = false };
        using var load = Process.Start(start)!;
        var said = await load.StandardOutput.ReadToEndAsync();
        await load.WaitForExitAsync();
        return load.ExitCode == 0 ? said.Trim() : throw new InvalidOperationException("The load ended early.");
    }

    private static (long Writes, long Groups) Committed(IFactStore store) => store is SqliteStore sqlite ? sqlite.Committed : ((PostgresStore)store).Committed;
}
