using Commander.Judging.Policies;
using Commander.Server.Connections;
using Commander.Server.Hosting;
using Commander.Server.Sources.Prometheus;
using Commander.Server.Sources.Scrape;

namespace Commander.Server.Sources;

/// <summary>The sources by the name that the policy gives them, each made once.</summary>
internal sealed class SourceBook
{
    private readonly Dictionary<string, ISource> _sources = new(StringComparer.Ordinal);

    /// <summary>The types that this version can ask.</summary>
    public static readonly string[] Types = ["scrape", "prometheus"];

    /// <param name="policies">Whose sources.</param>
    /// <param name="http">Made by <see cref="Outgoing"/>.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="secret">Resolves what the policies refer to.</param>
    public SourceBook(PolicySet policies, HttpClient http, TimeProvider clock, Func<string, string?> secret)
    {
        foreach (var settings in policies.Sources.Values)
        {
            if (settings.Type == "prometheus")
            {
                _sources[settings.Name] = new PrometheusSource(settings, http, clock, secret);
            }
            else if (settings.Type == "scrape")
            {
                var watched = policies.Services.Values.Append(policies.Defaults).Where(p => p.Source == settings.Name).SelectMany(p => p.Metrics);
                _sources[settings.Name] = new ScrapeSource(settings, watched, http, clock);
            }
        }
    }

    /// <summary>For sources that are no part of a policy file.</summary>
    public SourceBook(IReadOnlyDictionary<string, ISource> sources)
    {
        foreach (var (name, source) in sources)
            _sources[name] = source;
    }

    public ISource? Find(string? name) => name is not null && _sources.TryGetValue(name, out var source) ? source : null;

    /// <summary>All of them, by name.</summary>
    public IReadOnlyDictionary<string, ISource> All => _sources;

    /// <summary>Keeps those that must be asked even when no tick asks, until cancelled.</summary>
    public Task Run(CancellationToken cancel) => Task.WhenAll(_sources.Values.OfType<ScrapeSource>().Select(s => s.Run(cancel)));
}

/// <summary>Runs the sources beside the server.</summary>
internal sealed class SourceRunner(SourceBook sources) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => sources.Run(stoppingToken);
}

/// <summary>Adds the sources of the policies.</summary>
internal static class SourceHosting
{
    public static void AddSources(this IServiceCollection services, PolicySet policies, Secrets secrets)
    {
        services.AddSingleton(s => new SourceBook(policies, Outgoing.Create(), s.GetRequiredService<TimeProvider>(), secrets.Resolve));
        services.AddSingleton(s => new LiveCheck(Outgoing.Create(), s.GetRequiredService<TimeProvider>(), secrets.Resolve));
        services.AddHostedService<SourceRunner>();
    }
}
