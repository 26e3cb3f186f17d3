using System.Net;
using System.Net.Sockets;
using Commander.Server.Hosting.SelfChecks;
using Commander.Server.Storage.Postgres;
using Npgsql;
using Orleans.Configuration;

namespace Commander.Server.Hosting;

/// <summary>
/// The silo. Embedded: one on localhost, alone. On a database: one of several that find each other in it, watch each other and
/// take over from each other. Ports are found free, and there is no gateway: who asks a node asks by HTTP.
/// </summary>
internal static class OrleansHosting
{
    private const string Service = "commander";
    private static readonly TimeSpan ResponseDeadline = TimeSpan.FromSeconds(30);

    public static void AddSilo(this WebApplicationBuilder builder, CommanderOptions options)
    {
        builder.UseOrleans(silo =>
        {
            silo.Configure<SiloMessagingOptions>(messaging => messaging.ResponseTimeout = ResponseDeadline);
            silo.Configure<GrainCollectionOptions>(collection => collection.CollectionAge = TimeSpan.FromMinutes(15));
            if (options.Cluster is { } database)
                Join(silo, options, database);
            else
                silo.UseLocalhostClustering(siloPort: FreePort(IPAddress.Loopback), gatewayPort: 0, serviceId: Service, clusterId: "embedded");
        });
        if (options.Cluster is not null)
            builder.Services.AddHostedService<NodeNews>();
    }

    private static void Join(ISiloBuilder silo, CommanderOptions options, Database database)
    {
        silo.Services.AddKeyedSingleton<NpgsqlDataSource>(nameof(Membership), (_, _) => database.ToRead());
        silo.UseAdoNetClustering(clustering => clustering.Invariant = "Npgsql");
        silo.Services.AddOptions<AdoNetClusteringSiloOptions>().Configure<IServiceProvider>((clustering, services) =>
            clustering.DataSource = services.GetRequiredKeyedService<NpgsqlDataSource>(nameof(Membership)));
        // The tables are the cluster: whoever shares them belongs to it.
        silo.Configure<ClusterOptions>(cluster => (cluster.ServiceId, cluster.ClusterId) = (Service, Service));
        // What one node alone suffers from is told under its name, also after a restart.
        silo.Configure<SiloOptions>(own => own.SiloName = SelfCheckHosting.NodeName(options));
        silo.Configure<EndpointOptions>(endpoint =>
        {
            endpoint.AdvertisedIPAddress = options.NodeAddress;
            endpoint.SiloPort = options.SiloPort == 0 ? FreePort(options.NodeAddress) : options.SiloPort;
            endpoint.GatewayPort = 0;
            endpoint.SiloListeningEndpoint = new IPEndPoint(options.NodeAddress, endpoint.SiloPort);
        });
        // A node that answers nothing for two to three seconds is taken for dead, once two others say so where there are two
        // others. It may live all the same: the store keeps it from doing anything, and it ends when it hears of it.
        silo.Configure<ClusterMembershipOptions>(membership =>
        {
            membership.ProbeTimeout = TimeSpan.FromSeconds(1);
            membership.NumMissedProbesLimit = 2;
            membership.NumVotesForDeathDeclaration = 2;
            membership.TableRefreshTimeout = TimeSpan.FromSeconds(5);
            membership.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(2);
            membership.NumMissedTableIAmAliveLimit = 3;
            membership.MaxJoinAttemptTime = TimeSpan.FromMinutes(1);
            membership.DefunctSiloExpiration = TimeSpan.FromHours(1);
            membership.DefunctSiloCleanupPeriod = TimeSpan.FromMinutes(10);
        });
    }

    private static int FreePort(IPAddress address)
    {
        using var listener = new TcpListener(address, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
