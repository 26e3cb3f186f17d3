using System.Security.Cryptography;
using Commander.Server.Acting.Rollback;
using Commander.Server.Alerting;
using Commander.Server.Hosting;
using Commander.Server.Learning;
using Commander.Server.Reasoning;
using Commander.Server.Reasoning.Context;
using Commander.Server.Sources;
using Commander.Server.Storage;
using Commander.Server.Storage.Postgres;

namespace Commander.Server.Loop;

/// <summary>Adds the loop.</summary>
internal static class LoopHosting
{
    public static void AddLoop(this IServiceCollection services, PinBook pins, CommanderOptions options)
    {
        services.AddSingleton(pins);
        services.AddSingleton<IPinned>(pins);
        services.AddSingleton(new LoopLimits { MaxWatches = options.MaxWatches });
        services.AddSingleton<LiveEvents>();
        services.AddSingleton<FreezeBook>();
        services.AddSingleton(provider => new DeploymentId(provider.GetRequiredService<TimeProvider>(), RandomNumberGenerator.Create()));
        services.AddSingleton<IOwners, GrainOwners>();
        services.AddSingleton<WakeQueue>();
        services.AddHostedService(s => s.GetRequiredService<WakeQueue>());
        services.AddSingleton<IDeployments, DeploymentDesk>();
        if (options.KeepEvidence is { } keep)
        {
            services.AddHostedService(s => new Retention(
                s.GetRequiredService<IFactStore>(), (IStoreUpkeep)s.GetRequiredService<IFactStore>(), keep, s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<Retention>>()));
        }

        if (options.Cluster is { } database)
        {
            services.AddSingleton(_ => new Notices(database));
            services.AddHostedService<LiveRelay>();
        }

        services.AddSingleton(s => new LoopParts(
            s.GetRequiredService<IFactStore>(),
            pins,
            s.GetRequiredService<SourceBook>(),
            s.GetRequiredService<TargetBook>(),
            s.GetRequiredService<LiveEvents>(),
            s.GetRequiredService<TimeProvider>(),
            s.GetRequiredService<LoopLimits>(),
            id => new Uri(options.PublicUrl ?? options.Url, "d/" + id).ToString(),
            s.GetRequiredService<ILoggerFactory>().CreateLogger("Commander.Loop"),
            s.GetRequiredService<FreezeBook>(),
            s.GetService<Reasoner>(),
            s.GetRequiredService<ContextBook>(),
            new SampleFiles(Path.Combine(options.Data, "training-data"), s.GetRequiredService<ILoggerFactory>().CreateLogger("Commander.Learning"), keep: options.KeepSamples, clock: s.GetRequiredService<TimeProvider>()),
            s.GetRequiredService<AlertBook>())
        {
            Owner = id => s.GetRequiredService<IOwners>().Of(id),
        });
    }
}
