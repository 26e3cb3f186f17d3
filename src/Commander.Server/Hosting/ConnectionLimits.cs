using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using Commander.Server.Access;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Commander.Server.Hosting;

/// <summary>
/// How many connections are held: never so many that the process runs out of files, because then nobody is answered and the loop that
/// accepts them never rests; and of one address no more than half of them.
/// </summary>
internal static class ConnectionLimits
{
    private const int Most = 20_000;

    // Facts, sources and platforms are reached through files too.
    private const int Reserve = 512;
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(30);

    public static void BoundConnections(this KestrelServerOptions kestrel)
    {
        var most = Bound(OpenFiles());
        kestrel.Limits.MaxConcurrentConnections = most;
        kestrel.Limits.KeepAliveTimeout = Idle;
        var held = new ConcurrentDictionary<string, int>(StringComparer.Ordinal);
        kestrel.ConfigureEndpointDefaults(endpoint => endpoint.Use(next => connection => Count(connection, next, held, Math.Max(1, most / 2))));
    }

    /// <summary>How many connections there may be, by how many files the process may open.</summary>
    internal static int Bound(long files) => (int)Math.Clamp(files - Math.Max(Reserve, files / 4), 16, Most);

    private static async Task Count(ConnectionContext connection, ConnectionDelegate next, ConcurrentDictionary<string, int> held, int most)
    {
        var address = AccessGate.Address((connection.RemoteEndPoint as IPEndPoint)?.Address);
        try
        {
            if (held.AddOrUpdate(address, 1, static (_, count) => count + 1) > most)
                connection.Abort(new ConnectionAbortedException("one address holds too many connections"));
            else
                await next(connection);
        }
        finally
        {
            if (held.AddOrUpdate(address, 0, static (_, count) => count - 1) <= 0)
                held.TryRemove(new KeyValuePair<string, int>(address, 0));
        }
    }

    private static long OpenFiles()
    {
        const string limits = "/proc/self/limits";
        if (!File.Exists(limits))
            return Most * 2;
        var line = Array.Find(File.ReadAllLines(limits), one => one.StartsWith("Max open files", StringComparison.Ordinal)) ?? "";
        var soft = line.Split(' ', StringSplitOptions.RemoveEmptyEntries).ElementAtOrDefault(3);
        return long.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out var files) ? files : Most * 2;
    }
}
