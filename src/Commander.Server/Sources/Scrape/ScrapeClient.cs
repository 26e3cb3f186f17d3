using System.Net;
using System.Net.Sockets;

namespace Commander.Server.Sources.Scrape;

/// <summary>An address that no metrics come from.</summary>
internal sealed class ForbiddenAddressException(string message) : IOException(message);

/// <summary>The HTTP client of scrapes.</summary>
internal static class ScrapeClient
{
    /// <summary>The metadata service of some clouds, outside the link-local range.</summary>
    private static readonly IPAddress Metadata = IPAddress.Parse("fd00:ec2::254");

    /// <summary>No redirects (an address comes from the policy and from nowhere else), no cookies, no proxy, few connections a host.</summary>
    public static SocketsHttpHandler Handler() => new()
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        AutomaticDecompression = DecompressionMethods.GZip,
        ConnectTimeout = TimeSpan.FromSeconds(3),
        PooledConnectionLifetime = TimeSpan.FromMinutes(2),
        MaxConnectionsPerServer = 8,
        MaxResponseHeadersLength = 32,
        ConnectCallback = Connect,
    };

    /// <summary>A client whose time-outs are the callers'.</summary>
    public static HttpClient Create() => new(Handler()) { Timeout = Timeout.InfiniteTimeSpan };

    /// <summary>In words, why there was no answer; follows the address.</summary>
    public static string Why(HttpRequestException refused) => refused.InnerException switch
    {
        ForbiddenAddressException forbidden => forbidden.Message,
        SocketException { SocketErrorCode: SocketError.ConnectionRefused } => "refused the connection",
        SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData } => "has a host name that nobody knows",
        SocketException socket => $"cannot be reached: {socket.SocketErrorCode}",
        _ => refused.HttpRequestError switch
        {
            HttpRequestError.SecureConnectionError => "has no certificate that is trusted here",
            HttpRequestError.InvalidResponse => "does not speak HTTP",
            HttpRequestError.ResponseEnded => "closed the connection without an answer",
            var other => $"cannot be read: {other}",
        },
    };

    private static async ValueTask<Stream> Connect(SocketsHttpConnectionContext context, CancellationToken cancel)
    {
        // Checked on what the name resolves to, and connected to just that, so that no second answer of the resolver slips through.
        var addresses = IPAddress.TryParse(context.DnsEndPoint.Host, out var literal)
            ? [literal]
            : await Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, cancel);
        if (Array.Exists(addresses, Forbidden))
        {
            throw new ForbiddenAddressException("is a link-local or metadata address, which Commander never asks");
        }
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, context.DnsEndPoint.Port, cancel);
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
