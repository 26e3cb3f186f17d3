using System.Net;
using System.Net.Sockets;
using Orleans.Configuration;

namespace Commander.Server.Hosting;

/// <summary>The silo: in the embedded form one on localhost, with a port that it finds free and no gateway.</summary>
internal static class OrleansHosting
{
    private static readonly TimeSpan ResponseDeadline = TimeSpan.FromSeconds(30);

    public static void AddEmbeddedSilo(this WebApplicationBuilder builder) => builder.UseOrleans(silo =>
    {
        silo.UseLocalhostClustering(siloPort: FreePort(), gatewayPort: 0, serviceId: "commander", clusterId: "embedded");
        silo.Configure<SiloMessagingOptions>(options => options.ResponseTimeout = ResponseDeadline);
        silo.Configure<GrainCollectionOptions>(options => options.CollectionAge = TimeSpan.FromMinutes(15));
    });

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
