using Commander.Server.Connections;
using Commander.Server.Connections.Kubernetes;
using Commander.Server.Hosting;
using Commander.Server.Reasoning.Context.Commits;
using Commander.Server.Reasoning.Context.Logs;

namespace Commander.Server.Reasoning.Context;

/// <summary>Adds where log lines and changes are read.</summary>
internal static class ContextHosting
{
    public static void AddReasoningContext(this IServiceCollection services, Secrets secrets)
    {
        services.AddClusters(secrets.Resolve);
        services.AddSingleton(s => new ChangeBook(Outgoing.Create(), s.GetRequiredService<TimeProvider>(), secrets.Resolve));
        services.AddSingleton(s => new ContextBook(s.GetRequiredService<LogBook>(), s.GetRequiredService<ChangeBook>(), s.GetRequiredService<TimeProvider>(), secrets.Scrub));
        services.AddSingleton(s => LogBook.Over(Outgoing.Create(), s.GetRequiredService<Clusters>(), s.GetRequiredService<TimeProvider>(), secrets.Resolve));
    }
}
