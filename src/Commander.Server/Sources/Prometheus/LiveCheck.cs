using System.Globalization;
using System.Text.RegularExpressions;
using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Server.Connections;

namespace Commander.Server.Sources.Prometheus;

/// <summary>What one query of a policy gives right now.</summary>
/// <param name="Service">The service.</param>
/// <param name="Metric">The metric.</param>
/// <param name="Key">query, bad or total.</param>
/// <param name="Query">As it was asked, with its variables put in.</param>
/// <param name="Series">How many series it selects.</param>
/// <param name="NewestAgeSeconds">How old their newest point is; null where there is none, or where the query is an expression, whose value has no age.</param>
/// <param name="Value">Gauge: the mean of the series. Histogram: all observations so far. Else: what the counters stand at together.</param>
/// <param name="Error">Why a watch would not get a number from it, and what to write instead.</param>
/// <param name="Note">What is worth knowing about it.</param>
internal sealed record LiveQuery(string Service, string Metric, string Key, string Query, int Series, double? NewestAgeSeconds, double? Value, string? Error, string? Note);

/// <summary>Runs every query of policies against their Prometheus, once, now.</summary>
/// <param name="http">Made by <see cref="Outgoing"/>.</param>
/// <param name="clock">The clock.</param>
/// <param name="secret">Resolves what policies refer to.</param>
internal sealed partial class LiveCheck(HttpClient http, TimeProvider clock, Func<string, string?> secret)
{
    private static readonly Dictionary<string, string> NoLabels = [];
    private const int MaxQueries = 200;
    private const string UsualEnvironment = "prod";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(25);
    private static readonly TimeSpan Recent = TimeSpan.FromHours(1);

    /// <summary>One answer per query of the services' policies, in their order; and in words, what was not asked and why.</summary>
    /// <param name="policies">What is checked.</param>
    /// <param name="trusted">The policies in force: a secret is sent only where they send it too.</param>
    /// <param name="anywhere">Whether sources that no policy in force names are asked as well.</param>
    /// <param name="service">The only service that is checked, by any policy that serves it; null for all that the policies name.</param>
    /// <param name="version">What stands for {{version}}; null for the newest that the source knows.</param>
    /// <param name="cancel">Ends it.</param>
    public async Task<(IReadOnlyList<LiveQuery> Queries, IReadOnlyList<string> NotChecked)> Run(PolicySet policies, PolicySet trusted, bool anywhere, string? service, string? version, CancellationToken cancel)
    {
        var skipped = new List<string>();
        using var patience = new CancellationTokenSource(Patience, clock);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        var answers = new List<LiveQuery>();
        var names = service is not null ? [service] : policies.Services.Keys.Where(key => !key.Contains('/', StringComparison.Ordinal)).ToArray();
        foreach (var name in names)
        {
            var policy = policies.For(name, UsualEnvironment);
            if (policy.Source is null || !policies.Sources.TryGetValue(policy.Source, out var settings) || settings.Type != "prometheus" || policy.Metrics.Count == 0)
            {
                if (skipped.Count < MaxQueries)
                    skipped.Add($"{name}: {WhyNot(policy, policies)}");
                continue;
            }

            if (!anywhere && !trusted.Sources.Values.Any(known => Same(known, settings)))
            {
                answers.AddRange(Queried(policy).Take(MaxQueries - answers.Count).Select(one => new LiveQuery(name, one.Metric.Name, one.Key, one.Template, 0, null, null,
                    $"not asked: no policy in force has the source {settings.Name} with just these settings; start Commander with a policy that has it, or run the check on the machine where Commander runs, not through a proxy", null)));
                continue;
            }

            using var client = new PrometheusClient(settings, http, clock, Trusting(settings, trusted));
            var (chosen, how) = version is null ? await NewestVersion(client, name, policy, deadline.Token) : (version, null);
            var variables = Queries.Values(policy, name, UsualEnvironment, chosen ?? "", NoLabels);
            var asked = Queried(policy).Select(one => Ask(client, name, one.Metric, one.Key, one.Template, variables, how, deadline.Token));
            answers.AddRange(await Task.WhenAll(asked.Take(MaxQueries - answers.Count)));
        }

        if (names.Length == 0)
            skipped.Add("the policy names no service; name the one to check with --service");
        return (answers, skipped);
    }

    private static IEnumerable<(MetricPolicy Metric, string Key, string Template)> Queried(Policy policy)
    {
        foreach (var metric in policy.Metrics)
        {
            foreach (var (key, template) in new[] { ("query", metric.Query), ("bad", metric.Bad), ("total", metric.Total) })
            {
                if (template is not null)
                    yield return (metric, key, template);
            }
        }
    }

    private static string WhyNot(Policy policy, PolicySet policies) =>
        policy.Source is null || !policies.Sources.TryGetValue(policy.Source, out var settings) ? "has no source, so there is nothing to ask"
        : policy.Metrics.Count == 0 ? "has no metrics, so there is nothing to ask"
        : $"its source {settings.Name} is of type {settings.Type}; only queries to a prometheus are tried";

    // Another path is another service behind the same door, and another header another tenant of it.
    private static bool Same(SourceSettings one, SourceSettings other) =>
        one.Type == other.Type && one.Settings.Count == other.Settings.Count && one.Settings.All(setting => other.Settings.TryGetValue(setting.Key, out var its) && its == setting.Value);

    // A policy that somebody sends to be checked must not carry a secret to an address of their choice.
    private Func<string, string?> Trusting(SourceSettings settings, PolicySet trusted) => reference =>
        trusted.Sources.Values.Any(known => known.Settings.GetValueOrDefault("url") == settings.Settings["url"] && known.Settings.Values.Contains(reference)) ? secret(reference) : null;

    private async Task<LiveQuery> Ask(PrometheusClient client, string service, MetricPolicy metric, string key, string template, Dictionary<string, string> variables, string? how, CancellationToken cancel)
    {
        var note = Queries.NamesVersion(template) ? how : null;
        if (!Queries.TryResolve(template, variables, out var query, out var unresolved))
            return Unresolved(new LiveQuery(service, metric.Name, key, template, 0, null, null, null, null), template, variables, unresolved!);
        var now = clock.GetUtcNow();
        var plain = metric.Window is null && Expression.IsSelector(query);
        using var share = client.Begin();
        var answer = await client.Query(plain ? query.Trim() + "[5m]" : query, now, share, cancel);
        if (!answer.Good)
            return new LiveQuery(service, metric.Name, key, query, 0, null, null, answer.Detail, note);
        var newest = answer.Series.Where(series => series.Points.Length > 0).Select(series => series.Points[^1]).ToArray();
        var native = answer.Series.Where(series => series.Histograms.Length > 0).Select(series => series.Histograms[^1]).ToArray();
        if (newest.Length + native.Length > 0)
        {
            var sum = metric.Kind == MetricKind.Histogram
                ? answer.Series.Where(series => series.Points.Length > 0 && Label.Find(series.Labels, "le") is "+Inf" or "Inf").Sum(series => series.Points[^1].Value) + native.Sum(point => point.Count)
                : newest.Sum(point => point.Value);
            var value = metric.Kind == MetricKind.Gauge ? sum / newest.Length : sum;
            var latest = newest.Select(point => point.At).Concat(native.Select(point => point.At)).Max();
            var combined = metric.Kind == MetricKind.Gauge && newest.Length > 1 ? $"the mean of {newest.Length} series" : null;
            return new LiveQuery(
                service, metric.Name, key, query, answer.Series.Count, plain ? Math.Round((now - DateTimeOffset.FromUnixTimeMilliseconds(latest)).TotalSeconds, 1) : null, double.IsFinite(value) ? value : null,
                double.IsFinite(value) ? null : "its value is NaN or an infinity", Join(answer.Detail, combined, note));
        }

        var (why, isCondition) = await Why(client, query, now - Recent, cancel);
        // What has gone wrong is often counted from the first time on that it does.
        return key == "bad" && isCondition
            ? new LiveQuery(service, metric.Name, key, query, 0, null, null, null, Join($"no such event yet, which counts as none: {why}", note))
            : new LiveQuery(service, metric.Name, key, query, 0, null, null, $"no series: {why}", note);
    }

    // Some variables are known only when there is a deployment: that is no fault of the policy.
    private static LiveQuery Unresolved(LiveQuery query, string template, Dictionary<string, string> variables, string why) =>
        !variables.ContainsKey("pod_template_hash") && template.Contains("pod_template_hash", StringComparison.Ordinal) ? query with { Note = "not asked: {{pod_template_hash}} is known only of a deployment that Kubernetes announces" }
        : !variables.ContainsKey("namespace") && template.Contains("namespace", StringComparison.Ordinal) && why.Contains("{{namespace}}", StringComparison.Ordinal)
            ? query with { Error = "{{namespace}} has no value: the policy names none in act.rollback.namespace. Write it there, or announce every deployment with a label namespace" }
        : query with { Error = $"{why}; give it with --version" };

    /// <summary>Why a query selects nothing; whether it is only that no series has such a value of a label.</summary>
    private static async Task<(string Why, bool IsCondition)> Why(PrometheusClient client, string query, DateTimeOffset since, CancellationToken cancel)
    {
        var known = await client.LabelValues("__name__", null, since, cancel);
        if (!known.Good)
            return (known.Detail!, false);
        var metrics = Metrics().Matches(query).Select(match => match.Groups["name"].Value).DefaultIfEmpty(query.Trim()).Distinct(StringComparer.Ordinal).ToArray();
        foreach (var metric in metrics)
        {
            if (!known.Names.Contains(metric))
                return ($"{client.Name} knows no metric {metric}{DidYouMean(metric, known.Names)}", false);
        }

        foreach (var metric in metrics)
        {
            var labels = await client.LabelNames(metric, since, cancel);
            foreach (var condition in Conditions().Matches(query).Where(condition => !condition.Groups["match"].Value.StartsWith('!')))
            {
                var (label, value) = (condition.Groups["label"].Value, condition.Groups["value"].Value);
                if (!labels.Names.Contains(label))
                    return ($"{metric} has no label {label}{DidYouMean(label, labels.Names)}; it has {List(labels.Names.Where(one => one != "__name__"))}", false);
                if (condition.Groups["match"].Value != "=")
                    continue;
                var values = await client.LabelValues(label, metric, since, cancel);
                if (!values.Names.Contains(value))
                    return ($"no series of {metric} has {label}=\"{value}\"{DidYouMean(value, values.Names)}; there is {List(values.Names)}", true);
            }
        }

        return ("no series fulfils all of its conditions at once", true);
    }

    /// <summary>The highest version that the source has seen of late, and how it was found.</summary>
    private async Task<(string? Version, string? How)> NewestVersion(PrometheusClient client, string service, Policy policy, CancellationToken cancel)
    {
        var variables = Queries.Values(policy, service, UsualEnvironment, "", NoLabels);
        var tried = new HashSet<(string Label, string? Selector)>();
        foreach (var template in policy.Metrics.SelectMany(metric => new[] { metric.Total, metric.Query, metric.Bad }))
        {
            if (template is null || !VersionLabel().IsMatch(template))
                continue;
            var label = VersionLabel().Match(template).Groups["label"].Value;
            var any = VersionLabel().Replace(template, $"{label}!=\"\"");
            var selector = Queries.TryResolve(any, variables, out var query, out _) && Expression.IsSelector(query) ? query : null;
            if (!tried.Add((label, selector)))
                continue;
            var values = await client.LabelValues(label, selector, clock.GetUtcNow() - Recent, cancel);
            if (values.Names.Where(value => value.Length > 0).MaxBy(Sortable, StringComparer.Ordinal) is { } highest)
                return (highest, $"version {highest}: the highest value of label {label} in the last hour");
        }

        return tried.Count == 0 ? (null, null)
            : ("unknown", $"no version is known: {(tried.Count == 1 ? "the label" : "none of the labels")} {string.Join(", ", tried.Select(one => one.Label).Distinct(StringComparer.Ordinal))} has a value in the last hour, so \"unknown\" stands for it");
    }

    // Numbers inside of a version count as numbers.
    private static string Sortable(string version) => Digits().Replace(version, match => match.Value.PadLeft(20, '0'));

    private static string DidYouMean(string word, IEnumerable<string> known) => Nearest.To(word, known) is { } near ? $"; did you mean {near}?" : "";

    private static string List(IEnumerable<string> names)
    {
        var all = names.ToArray();
        return all.Length == 0 ? "none" : string.Join(", ", all.Take(8)) + (all.Length > 8 ? string.Create(CultureInfo.InvariantCulture, $" and {all.Length - 8} more") : "");
    }

    private static string? Join(params string?[] notes)
    {
        var said = string.Join("; ", notes.Where(note => note is not null));
        return said.Length == 0 ? null : said;
    }

    [GeneratedRegex("""(?<name>[A-Za-z_:][A-Za-z0-9_:]*)\s*\{""", RegexOptions.NonBacktracking)]
    private static partial Regex Metrics();

    [GeneratedRegex("(?<label>[A-Za-z_][A-Za-z0-9_]*)\\s*(?<match>=~|!~|!=|=)\\s*\"(?<value>[^\"]*)\"", RegexOptions.NonBacktracking)]
    private static partial Regex Conditions();

    [GeneratedRegex("""(?<label>[A-Za-z_][A-Za-z0-9_]*)\s*=~?\s*["']\{\{\s*version\s*\}\}["']""", RegexOptions.NonBacktracking)]
    private static partial Regex VersionLabel();

    [GeneratedRegex("[0-9]+", RegexOptions.NonBacktracking)]
    private static partial Regex Digits();
}
