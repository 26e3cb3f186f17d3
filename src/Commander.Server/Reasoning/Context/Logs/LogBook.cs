using System.Collections.Concurrent;
using Commander.Judging.Policies;
using Commander.Server.Connections.Kubernetes;

namespace Commander.Server.Reasoning.Context.Logs;

/// <summary>Where log lines are read, by what the policy says; what says the same is made once.</summary>
internal sealed class LogBook(Func<ContextPolicy, ILogSource?> make)
{
    private readonly ConcurrentDictionary<string, ILogSource?> _sources = new(StringComparer.Ordinal);

    /// <summary>The types that this version can ask.</summary>
    public static readonly string[] Types = ["loki", "elasticsearch", "kubernetes"];

    /// <summary>Null where the policy names none, or one of an unknown type.</summary>
    public ILogSource? Find(ContextPolicy? logs) => logs is null ? null : _sources.GetOrAdd(Key(logs), _ => make(logs));

    /// <summary>All sources: those that speak HTTP do it through <paramref name="http"/>, those in a cluster through <paramref name="clusters"/>.</summary>
    public static LogBook Over(HttpClient http, Clusters clusters, TimeProvider clock, Func<string, string?> secret) =>
        new(logs => logs.Type switch
        {
            "loki" => new LokiLogs(logs, http, clock, secret),
            "elasticsearch" => new ElasticsearchLogs(logs, http, clock, secret),
            "kubernetes" => new KubernetesLogs(logs, clusters, clock),
            _ => null,
        });

    // No setting holds a NUL: the reader of policies refuses it.
    private static string Key(ContextPolicy logs) =>
        string.Join('\0', logs.Settings.OrderBy(setting => setting.Key, StringComparer.Ordinal).SelectMany(setting => (string[])[setting.Key, setting.Value]).Prepend(logs.Type));
}
