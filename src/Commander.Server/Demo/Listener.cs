using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Commander.Server.Demo;

/// <summary>Kestrel on a loopback port and nothing around it: no host, no configuration, no services. That is what makes a shop process ready in a moment.</summary>
internal sealed class Listener : IAsyncDisposable
{
    private readonly KestrelServer _server;

    private Listener(KestrelServer server, int port)
    {
        _server = server;
        Port = port;
    }

    /// <summary>The port, also where a free one was asked for.</summary>
    public int Port { get; }

    /// <summary>Listens on 127.0.0.1.</summary>
    /// <param name="port">0 for a free one.</param>
    /// <param name="answer">Answers every request.</param>
    /// <param name="cancel">Ends the start.</param>
    /// <exception cref="IOException">The port is taken.</exception>
    public static async Task<Listener> Start(int port, RequestDelegate answer, CancellationToken cancel)
    {
        var options = new KestrelServerOptions { AddServerHeader = false };
        options.Limits.MaxRequestBodySize = 64 * 1024;
        options.Listen(IPAddress.Loopback, port, listen => listen.Protocols = HttpProtocols.Http1);
        var transport = new SocketTransportFactory(Options.Create(new SocketTransportOptions()), NullLoggerFactory.Instance);
        var server = new KestrelServer(Options.Create(options), transport, NullLoggerFactory.Instance);
        try
        {
            await server.StartAsync(new Application(answer), cancel);
            var address = server.Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.First();
            return new Listener(server, new Uri(address).Port);
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        // Nothing here is worth waiting for longer than an answer takes.
        using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(500));
        await _server.StopAsync(patience.Token);
        _server.Dispose();
    }

    private sealed class Application(RequestDelegate answer) : IHttpApplication<HttpContext>
    {
        public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

        public Task ProcessRequestAsync(HttpContext context) => answer(context);

        public void DisposeContext(HttpContext context, Exception? exception)
        {
            // A context holds nothing of its own.
        }
    }
}

/// <summary>Numbers that look random and are the same in every run.</summary>
internal static class Seed
{
    public static int Of(string text) => BitConverter.ToInt32(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
