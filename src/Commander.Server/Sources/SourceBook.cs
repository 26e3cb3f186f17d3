using Commander.Judging.Policies;
using Commander.Server.Sources.Scrape;

namespace Commander.Server.Sources;

/// <summary>The sources by the name that the policy gives them, each made once.</summary>
internal sealed class SourceBook
{
    private readonly Dictionary<string, ISource> _sources = new(StringComparer.Ordinal);

    /// <summary>The types that this version can ask.</summary>
    public static readonly string[] Types = ["scrape"];

    public SourceBook(PolicySet policies, Func<SourceSettings, IReadOnlyList<Policy>, ISource> scrape)
    {
        foreach (var settings in policies.Sources.Values)
        {
            var users = policies.Services.Values.Append(policies.Defaults).Where(p => p.Source == settings.Name).ToList();
            if (settings.Type == "scrape")
                _sources[settings.Name] = scrape(settings, users);
        }
    }

    /// <summary>For tests and for sources that are no part of a policy file.</summary>
    public SourceBook(IReadOnlyDictionary<string, ISource> sources)
    {
        foreach (var (name, source) in sources)
            _sources[name] = source;
    }

    public ISource? Find(string? name) => name is not null && _sources.TryGetValue(name, out var source) ? source : null;
}
