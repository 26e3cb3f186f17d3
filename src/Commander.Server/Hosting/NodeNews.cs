using Commander.Server.Loop;

namespace Commander.Server.Hosting;

/// <summary>When a node goes, in order or not, the others look for its deployments at once instead of at their leisure.</summary>
internal sealed class NodeNews(ISiloStatusOracle nodes, WakeQueue wakes, ILogger<NodeNews> log) : IHostedService, ISiloStatusListener
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        nodes.SubscribeToSiloStatusEvents(this);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        nodes.UnSubscribeFromSiloStatusEvents(this);
        return Task.CompletedTask;
    }

    public void SiloStatusChangeNotification(SiloAddress updatedSilo, SiloStatus status)
    {
        if (updatedSilo.Equals(nodes.SiloAddress))
            return;
        log.NodeChanged(updatedSilo.Endpoint.ToString(), status.ToString());
        if (status is SiloStatus.Dead or SiloStatus.Stopping or SiloStatus.ShuttingDown)
            wakes.Hurry();
    }
}
