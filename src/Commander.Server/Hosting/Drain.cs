using Commander.Server.Api;

namespace Commander.Server.Hosting;

/// <summary>
/// The end of a node in order. First it only says that it ends, and goes on answering and watching: a load balancer that looks
/// every second or two has sent the last request elsewhere when the node stops listening. Alone nobody could be sent elsewhere, and
/// it ends at once.
/// </summary>
/// <param name="clock">Measures the notice.</param>
/// <param name="notice">How long it goes on, zero for not at all; part of <see cref="Deadline"/>.</param>
internal sealed class Drain(TimeProvider clock, TimeSpan notice) : IHostedLifecycleService
{
    /// <summary>How long a node with others goes on after it has said that it ends.</summary>
    public static readonly TimeSpan Notice = TimeSpan.FromSeconds(3);

    /// <summary>How long all of it may take: the notice, the requests under way, the watches that are handed over.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    private volatile bool _ends;

    /// <summary>What /health/ready says of it.</summary>
    public Readiness Readiness => new("node", () => _ends ? "it ends; ask another one" : null);

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        _ends = true;
        try
        {
            if (notice > TimeSpan.Zero)
                await Task.Delay(notice, clock, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // The deadline, or somebody who does not want to wait: everything else still ends in its order.
        }
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
