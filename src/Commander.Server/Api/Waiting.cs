using Commander.Judging.Verdicts;
using Commander.Server.Loop;

namespace Commander.Server.Api;

/// <summary>Waits for a verdict on behalf of a caller.</summary>
internal static class Waiting
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(2);

    public static bool Decided(Deployment deployment) =>
        deployment.State == "closed" || deployment.Verdict?.Decision is "ROLLBACK" or "CONTINUE";

    /// <summary>The deployment as soon as it is decided, or as it is when the patience ends or the server stops.</summary>
    public static async Task<Deployment> ForVerdict(IDeployments deployments, Deployment deployment, TimeSpan patience, TimeProvider clock, CancellationToken stopping, CancellationToken cancel)
    {
        using var deadline = new CancellationTokenSource(patience, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, stopping, cancel);
        try
        {
            await using var news = new News(deployments, deployment.Id, clock, either.Token);
            while (true)
            {
                deployment = await deployments.Get(deployment.Id, either.Token) ?? deployment;
                if (Decided(deployment))
                    return deployment;
                // An event says that there is news; without one it is looked up every now and then all the same.
                await news.Within(LookAgain);
            }
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return deployment;
        }
    }
}
