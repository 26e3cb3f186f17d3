using System.Net;
using System.Net.Sockets;

namespace Commander.Server.Connections;

/// <summary>An address that nothing is asked of.</summary>
internal sealed class ForbiddenAddressException(string message) : IOException(message);

/// <summary>How sources and platforms are reached over HTTP: at the address that a policy says, and nowhere else.</summary>
internal static class Outgoing
{
    /// <summary>The metadata service of some clouds, outside the link-local range.</summary>
    private static readonly IPAddress Metadata = IPAddress.Parse("fd00:ec2::254");

    /// <summary>No redirects (an address comes from the policy and from nowhere else), no cookies, no proxy, few connections a host.</summary>
    /// <param name="resolve">The addresses of a name; null for the machine's resolver.</param>
    public static SocketsHttpHandler Handler(Func<string, CancellationToken, Task<IPAddress[]>>? resolve = null) => new()
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        AutomaticDecompression = DecompressionMethods.GZip,
        ConnectTimeout = TimeSpan.FromSeconds(3),
        PooledConnectionLifetime = TimeSpan.FromMinutes(2),
        MaxConnectionsPerServer = 8,
        MaxResponseHeadersLength = 32,
        ConnectCallback = (context, cancel) => Connect(context, resolve ?? Dns.GetHostAddressesAsync, cancel),
    };

    /// <summary>For handlers that others make: connects to no link-local and no metadata address.</summary>
    public static ValueTask<Stream> Connect(SocketsHttpConnectionContext context, CancellationToken cancel) => Connect(context, Dns.GetHostAddressesAsync, cancel);

    /// <summary>For what does not speak HTTP: the same, to a host and a port.</summary>
    /// <exception cref="ForbiddenAddressException">Where the name leads to such an address.</exception>
    /// <exception cref="SocketException">Where nobody is there.</exception>
    public static Task<Stream> Connect(string host, int port, CancellationToken cancel) => Connect(host, port, Dns.GetHostAddressesAsync, cancel);

    /// <summary>A client whose time-outs are the callers'.</summary>
    public static HttpClient Create() => new(Handler()) { Timeout = Timeout.InfiniteTimeSpan };

    /// <summary>In words, why there was no answer; follows the address.</summary>
    public static string Why(HttpRequestException refused) => refused.InnerException switch
    {
        ForbiddenAddressException forbidden => forbidden.Message,
        SocketException socket => Why(socket),
        _ => refused.HttpRequestError switch
        {
            HttpRequestError.SecureConnectionError => "has no certificate that is trusted here",
            HttpRequestError.InvalidResponse => "does not speak HTTP",
            HttpRequestError.ResponseEnded => "closed the connection without an answer",
            var other => $"cannot be read: {other}",
        },
    };

    /// <summary>Whether nobody stands there: the connection was refused, or the host is gone. Not so where it is merely slow, or where the resolver does not answer.</summary>
    public static bool NobodyThere(HttpRequestException refused) =>
        refused.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionRefused or SocketError.HostNotFound or SocketError.HostUnreachable or SocketError.HostDown };

    /// <summary>In words, why there was no connection; follows the address.</summary>
    public static string Why(SocketException refused) => refused.SocketErrorCode switch
    {
        SocketError.ConnectionRefused => "refused the connection",
        SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData => "has a host name that nobody knows",
        var other => $"cannot be reached: {other}",
    };

    private static async ValueTask<Stream> Connect(SocketsHttpConnectionContext context, Func<string, CancellationToken, Task<IPAddress[]>> resolve, CancellationToken cancel) =>
        await Connect(context.DnsEndPoint.Host, context.DnsEndPoint.Port, resolve, cancel);

    private static async Task<Stream> Connect(string host, int port, Func<string, CancellationToken, Task<IPAddress[]>> resolve, CancellationToken cancel)
    {
        // Checked on what the name resolves to, and connected to just that, so that no second answer of the resolver slips through.
        var addresses = IPAddress.TryParse(host, out var literal)
            ? [literal]
            : await resolve(host, cancel);
        if (Array.Exists(addresses, Forbidden))
        {
            throw new ForbiddenAddressException("is a link-local or metadata address, which Commander never asks");
        }
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, port, cancel);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static bool Forbidden(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv4();
        }
        return address.AddressFamily == AddressFamily.InterNetwork
            ? address.GetAddressBytes() is [169, 254, ..]
            : address.IsIPv6LinkLocal || address.Equals(Metadata);
    }
}
