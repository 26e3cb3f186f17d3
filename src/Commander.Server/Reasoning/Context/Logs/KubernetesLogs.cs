using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Commander.Judging.Policies;
using Commander.Server.Connections.Kubernetes;

namespace Commander.Server.Reasoning.Context.Logs;

/// <summary>
/// What the pods of an arm wrote, as the API server hands it out. Of a container that was started again also what it wrote before:
/// there a crash says why. At most <see cref="MaxPods"/> pods, those with the most restarts first.
/// </summary>
internal sealed class KubernetesLogs(ContextPolicy policy, Clusters clusters, TimeProvider clock) : ILogSource
{
    private const int MaxPods = 10;
    private const int PageSize = 200;
    private const int MaxInstant = 40;

    private readonly string _namespace = policy.Settings["namespace"];
    private readonly TimeSpan _timeout = policy.Settings.TryGetValue("timeout", out var text) && Durations.TryParse(text, out var timeout) ? timeout : LogLimits.DefaultTimeout;
    private readonly Cluster _cluster = clusters.Of(new Connection(
        policy.Settings.GetValueOrDefault("server"),
        policy.Settings.GetValueOrDefault("token"),
        policy.Settings.GetValueOrDefault("ca"),
        policy.Settings.GetValueOrDefault("context")));

    private string Pods => $"api/v1/namespaces/{Uri.EscapeDataString(_namespace)}/pods";

    public async Task<LogAnswer> Read(LogQuestion question, CancellationToken cancel)
    {
        if (!ContextQueries.TryResolve(ContextLanguage.Selector, policy.Settings["selector"], LogVariables.Of(question), out var selector, out var reason))
            return new LogAnswer([], $"the pods of {_namespace} are not asked for: {reason}");
        using var patience = new CancellationTokenSource(_timeout, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        var list = await _cluster.Send(HttpMethod.Get, $"{Pods}?labelSelector={Uri.EscapeDataString(selector)}&limit={PageSize}", null, both.Token, cancel);
        if (list.Trouble is { } trouble)
            return new LogAnswer([], $"the pods of {_namespace} cannot be listed: {trouble.Message}");
        if (list.Body.At("items") is not JsonArray)
            return new LogAnswer([], $"the pods of {_namespace} cannot be listed: what answers is no Kubernetes API server");
        var pods = list.Body.Items("items").Select(Read).OfType<Pod>()
            .OrderByDescending(pod => pod.Restarts).ThenBy(pod => pod.Name, StringComparer.Ordinal).Take(MaxPods).ToList();
        if (pods.Count == 0)
            return new LogAnswer([], $"no pod in {_namespace} has the labels that logs.selector asks for");
        return await Written(pods, question, both.Token, cancel);
    }

    private sealed record Pod(string Name, string Container, long Restarts);

    private Pod? Read(JsonNode pod)
    {
        if (pod.Text("metadata", "name") is not { } name)
            return null;
        var container = policy.Settings.GetValueOrDefault("container") ?? pod.Annotation("kubectl.kubernetes.io/default-container") ?? pod.Items("spec", "containers").FirstOrDefault().Text("name");
        var restarts = pod.Items("status", "containerStatuses").Where(status => status.Text("name") == container).Select(status => status.Whole("restartCount")).FirstOrDefault();
        return container is null ? null : new Pod(name, container, restarts ?? 0);
    }

    private async Task<LogAnswer> Written(List<Pod> pods, LogQuestion question, CancellationToken deadline, CancellationToken cancel)
    {
        (Pod Pod, bool Earlier)[] logs = [.. pods.SelectMany(pod => pod.Restarts > 0 ? ((Pod, bool)[])[(pod, true), (pod, false)] : [(pod, false)])];
        var entries = new List<(DateTimeOffset At, string Line)>();
        string? missing = null;
        var answered = false;
        foreach (var (pod, earlier) in logs)
        {
            var path = $"{Pods}/{Uri.EscapeDataString(pod.Name)}/log?container={Uri.EscapeDataString(pod.Container)}&timestamps=true&sinceTime={Uri.EscapeDataString(Instant(question.From))}"
                + $"&tailLines={LogLimits.MaxLines / logs.Length}&limitBytes={LogLimits.MaxAnswer / logs.Length}{(earlier ? "&previous=true" : "")}";
            var (text, trouble) = await _cluster.Text(path, LogLimits.MaxAnswer / logs.Length, deadline, cancel);
            answered |= trouble is null;
            if (trouble is null)
                entries.AddRange(Entries(text, question));
            // One container may not have begun to write yet, or no longer have what it wrote before; the others are read all the same.
            else
                missing ??= $"the log of pod {Foreign.Text(pod.Name)} in {_namespace} cannot be read: {trouble.Message}";
            if (trouble is not null && trouble.Status is 0 or 401 or 403 or 429)
                break;
        }

        var lines = entries.OrderBy(entry => entry.At).TakeLast(LogLimits.MaxLines).Select(entry => entry.Line).ToList();
        return new LogAnswer(lines, answered ? null : missing);
    }

    // Each line is an instant, a space, and what was written. The API server knows a beginning but no end.
    private static IEnumerable<(DateTimeOffset At, string Line)> Entries(byte[] text, LogQuestion question) =>
        StackTraces.Join(Encoding.UTF8.GetString(text).Split('\n').Select(Entry).OfType<(DateTimeOffset At, string Line)>().Where(entry => entry.At < question.To));

    private static (DateTimeOffset At, string Line)? Entry(string line)
    {
        var end = line.IndexOf(' ', StringComparison.Ordinal);
        return end is > 0 and <= MaxInstant && DateTimeOffset.TryParse(line.AsSpan(0, end), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            && line.AsSpan(end + 1).TrimEnd().Length > 0 ? (at, LogLimits.Cut(line[(end + 1)..].TrimEnd('\r'))) : null;
    }

    private static string Instant(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);
}
