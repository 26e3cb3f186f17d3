using Commander.Judging.Policies;
using Commander.Server.Acting.Rollback;
using Commander.Server.Acting.Rollback.Kubernetes;
using Commander.Server.Connections.Kubernetes;

namespace Commander.Server.Tests.Acting.Kubernetes;

public sealed class KubernetesTargetComplianceTests : RollbackTargetCompliance, IAsyncLifetime
{
    private readonly Clusters _clusters = new(TimeProvider.System, _ => FakeCluster.Token);
    private FakeCluster _cluster = null!;

    private protected override int Effects => _cluster.Requests.Count(request => request == "patch deployments");

    // The workload serves the target version already: nothing is left to be written.
    private protected override int EffectsOfTwoKeys => 1;

    private protected override string Refusal => "there is no such workload";

    private protected override string TooLate => "did not answer in time";

    public async ValueTask InitializeAsync() => _cluster = await FakeCluster.Start();

    private protected override async Task<IRollbackTarget> Target(PlatformMood mood, TimeSpan timeout)
    {
        foreach (var version in (string[])["1.0.0", "2.0.0"])
        {
            _cluster.Apply("deployments", "checkout", "shop/checkout:" + version);
            _cluster.Settle();
        }

        switch (mood)
        {
            case PlatformMood.Refuses:
                _cluster.Delete("deployments/checkout");
                break;
            case PlatformMood.Away:
                await _cluster.Stop();
                break;
            case PlatformMood.Hangs:
                _cluster.Instead = async context =>
                {
                    await Task.Delay(TimeSpan.FromMinutes(1), TimeProvider.System, context.RequestAborted);
                    return true;
                };
                break;
            default:
                // Controllers that are never behind: what lags has tests of its own.
                _cluster.Instead = _ =>
                {
                    _cluster.Settle();
                    return Task.FromResult(false);
                };
                break;
        }

        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["namespace"] = "shop", ["deployment"] = "checkout", ["server"] = _cluster.Url, ["token"] = "file:token" };
        return new KubernetesTarget(new RollbackPolicy("kubernetes", settings, [], timeout), _clusters, TimeProvider.System);
    }

    public async ValueTask DisposeAsync()
    {
        _clusters.Dispose();
        await _cluster.DisposeAsync();
    }
}
