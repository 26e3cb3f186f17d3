using Commander.Judging.Policies;
using Commander.Server.Api;
using Commander.Server.Dashboard;
using Commander.Server.Demo;
using Commander.Server.Loop;

namespace Commander.Server.Hosting;

/// <summary>Tells the pages and the health check how this process was started: what they may not find out by themselves.</summary>
internal static class PageFacts
{
    public static void AddPageFacts(this IServiceCollection services, CommanderOptions options, PolicySet policies)
    {
        services.Configure<DashboardOptions>(pages =>
        {
            pages.Demo = options.Demo;
            pages.HasPolicy = options.Demo || options.Policy is not null;
            pages.Model = options.Reasoning?.Model;
            pages.Missing = [.. Missing(policies)];
        });
        services.AddSingleton<PinnedPolicy>(provider =>
        {
            var pinned = provider.GetRequiredService<IPinned>();
            return (reference, _) => ValueTask.FromResult(pinned.Policy(reference.Version));
        });
        services.AddSingleton<Frozen>(provider => provider.GetRequiredService<FreezeBook>().Current);
        if (!options.Demo)
            return;
        services.AddSingleton<DemoDeploy>(provider => provider.GetRequiredService<Shop>().Deploy);
        services.AddSingleton<DemoStatus>(provider =>
        {
            var shop = provider.GetRequiredService<Shop>();
            return _ => ValueTask.FromResult(shop.View() is { Serving: { } serving } view
                ? new ShopStatus(view.ShopUrl.ToString(), serving, view.Candidate, view.Share, view.Last10s.Requests, view.Last10s.ErrorRate, view.Last10s.P95Ms ?? 0)
                : null);
        });
        services.AddSingleton(provider =>
        {
            var shop = provider.GetRequiredService<Shop>();
            return new Readiness("shop", () => shop.Ready ? null : "it does not serve yet, or ten seconds of it have not been measured");
        });
    }

    private static IEnumerable<string> Missing(PolicySet policies)
    {
        foreach (var (name, policy) in policies.Services)
        {
            if (policy.Source is null || policy.Metrics.Count == 0)
                yield return $"{name} has no source or no metrics: nothing of it can be judged. Name both in its policy.";
            else if (policy.Act is { Rollback: null, Autonomy: not Autonomy.Observe })
                yield return $"{name} has no rollback target: a bad deployment is seen but not undone. Name one under act.rollback.";
        }
    }
}
