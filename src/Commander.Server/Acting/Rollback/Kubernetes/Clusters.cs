using System.Collections.Concurrent;

namespace Commander.Server.Acting.Rollback.Kubernetes;

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
