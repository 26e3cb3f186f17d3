using Commander.Judging.Policies;
using Commander.Server.Alerting;
using Commander.Server.Connections;
using Commander.Server.Dashboard;
using Commander.Server.Reasoning;
using Commander.Server.Sources;
using Commander.Server.Storage;

namespace Commander.Server.Hosting.SelfChecks;

/// <summary>Adds the self-check, who is told of it, and the heartbeat.</summary>
internal static class SelfCheckHosting
{
    /// <summary>A node's name: the same after a restart, and another than that of any other node.</summary>
    public static string NodeName(CommanderOptions options) => $"{Environment.MachineName.ToLowerInvariant()}:{options.Url.Port}";

    public static void AddSelfChecks(this IServiceCollection services, CommanderOptions options, PolicySet policies, Secrets secrets)
    {
        var node = NodeName(options);
        var page = new Uri(options.PublicUrl ?? options.Url, "checks").ToString();
        // Where channels are spoken for on another node, that is registered before.
        services.AddSingleton<CheckBook>();
        services.AddSingleton(s => new TestAlerts(s.GetRequiredService<AlertBook>(), policies, secrets.Scrub, page, s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<TestAlerts>>()));
        services.AddSingleton(s => new CheckTeller(
            s.GetRequiredService<CheckBook>(), s.GetRequiredService<AlertBook>(), policies.Defaults.Alert, node, page, s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<CheckTeller>>()));
        services.AddSingleton(s =>
        {
            Func<IReadOnlyCollection<string>>? members = options.Cluster is null ? null : () => Members(s.GetRequiredService<ISiloStatusOracle>());
            Func<Found>? heartbeat = options.Heartbeat is null ? null : () => s.GetRequiredService<Heartbeat>().Last;
            var checks = Checks.Of(new CheckParts(
                s.GetRequiredService<IFactStore>(), s.GetRequiredService<SourceBook>(), s.GetRequiredService<AlertBook>(), s.GetService<Reasoner>(), policies, options.Data, node, members, heartbeat, s.GetRequiredService<TimeProvider>()));
            return new SelfCheck(checks, s.GetRequiredService<CheckBook>(), s.GetRequiredService<CheckTeller>(), members ?? (() => [node]), node, secrets.Scrub, s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<SelfCheck>>());
        });
        services.AddHostedService(s => s.GetRequiredService<SelfCheck>());
        services.AddHostedService(s => s.GetRequiredService<CheckTeller>());
        services.AddPages();
        if (options.Heartbeat is not { } beats)
            return;
        services.AddSingleton(s => new Heartbeat(
            beats, Outgoing.Create(), ((IStoreUpkeep)s.GetRequiredService<IFactStore>()).Probe, () => s.GetRequiredService<SelfCheck>().Finished, s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<Heartbeat>>()));
        services.AddHostedService(s => s.GetRequiredService<Heartbeat>());
    }

    private static void AddPages(this IServiceCollection services)
    {
        services.AddSingleton<Checked>(s =>
        {
            var self = s.GetRequiredService<SelfCheck>();
            return () => new ChecksShown(self.Node, self.Looked ? self.Finished : null, [.. self.Shown.Select(state => new CheckShown(state.Name, state.Ok, state.Doubt is not null, state.Message, state.Since, state.At))]);
        });
        services.AddSingleton<CheckNow>(s => cancel => s.GetRequiredService<SelfCheck>().Run(cancel));
        services.AddSingleton<TestChannels>(s => async (person, cancel) =>
            (await s.GetRequiredService<TestAlerts>().Send(person, cancel)).Channels is { } channels ? [.. channels.Select(channel => new ChannelTested(channel.Name, channel.State, channel.Message))] : null);
    }

    private static List<string> Members(ISiloStatusOracle nodes) =>
        [.. nodes.GetApproximateSiloStatuses(onlyActive: true).Keys.Select(silo => nodes.TryGetSiloName(silo, out var name) ? name : silo.ToString())];
}
