using Commander.Judging.Policies;
using Commander.Server.Acting.Rollback.Kubernetes;
using Commander.Server.Connections;
using Commander.Server.Connections.Kubernetes;
using Commander.Server.Hosting;

namespace Commander.Server.Acting.Rollback;

/// <summary>Rollback targets by what the policy says.</summary>
internal sealed class TargetBook(Func<RollbackPolicy, IRollbackTarget?> make)
{
    /// <summary>The types that this version can act on.</summary>
    public static readonly string[] Types = ["command", "kubernetes", "webhook"];

    public IRollbackTarget? Find(RollbackPolicy? rollback) => rollback is null ? null : make(rollback);

    /// <summary>All targets: those that speak HTTP do it through <paramref name="http"/>, those in a cluster through <paramref name="clusters"/>.</summary>
    public static TargetBook Over(HttpClient http, Clusters clusters, TimeProvider clock, Func<string, string?> secret)
    {
        var orders = new CommandOrders();
        return new TargetBook(rollback => rollback.Type switch
        {
            "command" => new CommandTarget(rollback, clock, orders),
            "kubernetes" => new KubernetesTarget(rollback, clusters, clock),
            "webhook" => new WebhookTarget(rollback, http, clock, secret),
            _ => null,
        });
    }
}

/// <summary>Adds the rollback targets.</summary>
internal static class TargetHosting
{
    public static void AddRollbackTargets(this IServiceCollection services, Secrets secrets)
    {
        services.AddHttpClient("rollback").ConfigurePrimaryHttpMessageHandler(() => Outgoing.Handler());
        services.AddClusters(secrets.Resolve);
        services.AddSingleton(s => TargetBook.Over(
            s.GetRequiredService<IHttpClientFactory>().CreateClient("rollback"),
            s.GetRequiredService<Clusters>(),
            s.GetRequiredService<TimeProvider>(),
            secrets.Resolve));
    }
}
