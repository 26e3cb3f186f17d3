using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Commander.Server.Connections.Kubernetes;

/// <summary>The clusters that policies name, each with one client for all its targets.</summary>
internal sealed class Clusters(TimeProvider clock, Func<string, string?> secret) : IDisposable
{
    private readonly ConcurrentDictionary<Connection, Cluster> _clusters = new();

    public Cluster Of(Connection connection) => _clusters.GetOrAdd(connection, c => new Cluster(c, clock, secret));

    public void Dispose()
    {
        foreach (var cluster in _clusters.Values)
            cluster.Dispose();
    }
}

/// <summary>Adds the clusters, once for everything that speaks to them.</summary>
internal static class ClusterHosting
{
    /// <param name="services">To which.</param>
    /// <param name="secret">Resolves what the policies refer to.</param>
    public static void AddClusters(this IServiceCollection services, Func<string, string?> secret) =>
        services.TryAddSingleton(s => new Clusters(s.GetRequiredService<TimeProvider>(), secret));
}
