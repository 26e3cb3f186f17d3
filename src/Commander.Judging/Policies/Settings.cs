namespace Commander.Judging.Policies;

/// <summary>The keys of sources, rollback targets, logs and changes, by type, and how their values are checked.</summary>
internal static class Settings
{
    public static readonly IReadOnlyDictionary<string, IReadOnlyList<Setting>> Sources = new Dictionary<string, IReadOnlyList<Setting>>(StringComparer.Ordinal)
    {
        ["prometheus"] =
        [
            new("url", Form.Url, Required: true, "http://localhost:9090"), new("token", Form.Secret), new("username", Form.Text, Example: "reader"),
            new("password", Form.Secret), new("headers", Form.Headers), new("timeout", Form.Duration),
        ],
        ["scrape"] =
        [
            new("targets", Form.Targets, Required: true, "{ candidate: http://new:8080/metrics, control: http://old:8080/metrics }"),
            new("token", Form.Secret), new("headers", Form.Headers), new("timeout", Form.Duration),
        ],
        ["datadog"] =
        [
            new("api_key", Form.Secret, Required: true), new("app_key", Form.Secret, Required: true), new("site", Form.Text, Example: "datadoghq.eu"),
            new("url", Form.Url, Example: "https://api.datadoghq.com"), new("timeout", Form.Duration),
        ],
        ["cloudwatch"] =
        [
            new("region", Form.Text, Required: true, "eu-central-1"), new("namespace", Form.Text, Example: "AWS/ApplicationELB"),
            new("profile", Form.Text, Example: "reader"), new("role_arn", Form.Text, Example: "arn:aws:iam::123456789012:role/reader"), new("timeout", Form.Duration),
        ],
        ["json"] =
        [
            new("url", Form.Url, Required: true, "http://localhost:8080/stats"), new("token", Form.Secret), new("headers", Form.Headers), new("timeout", Form.Duration),
        ],
    };

    public static readonly IReadOnlyDictionary<string, IReadOnlyList<Setting>> Rollbacks = new Dictionary<string, IReadOnlyList<Setting>>(StringComparer.Ordinal)
    {
        ["kubernetes"] =
        [
            new("namespace", Form.Text, Required: true, "shop"), new("deployment", Form.Text, Example: "checkout"), new("statefulset", Form.Text, Example: "checkout"),
            new("daemonset", Form.Text, Example: "checkout"), new("container", Form.Text, Example: "app"), new("context", Form.Text, Example: "production"),
            new("server", Form.Url, Example: "https://cluster:6443"), new("token", Form.Secret), new("ca", Form.Secret),
        ],
        ["argo"] =
        [
            new("namespace", Form.Text, Required: true, "shop"), new("rollout", Form.Text, Required: true, "checkout"),
            new("context", Form.Text, Example: "production"), new("server", Form.Url, Example: "https://cluster:6443"), new("token", Form.Secret),
        ],
        ["git"] =
        [
            new("repository", Form.Text, Required: true, "acme/deployments"), new("branch", Form.Text, Example: "main"), new("path", Form.Text, Example: "checkout/"),
            new("server", Form.Url, Example: "https://git.example.com"), new("token", Form.Secret),
        ],
        ["command"] = [],
        ["webhook"] = [new("url", Form.Url, Required: true, "https://deploy.example.com/rollback"), new("secret", Form.Secret)],
    };

    public static readonly IReadOnlyDictionary<string, IReadOnlyList<Setting>> Logs = new Dictionary<string, IReadOnlyList<Setting>>(StringComparer.Ordinal)
    {
        ["loki"] =
        [
            new("url", Form.Url, Required: true, "http://loki:3100"), new("query", Form.LogQl, Required: true, "'{service=\"{{service}}\",version=\"{{version}}\"}'"),
            new("tenant", Form.Header, Example: "shop"), new("token", Form.Secret), new("username", Form.Text, Example: "reader"), new("password", Form.Secret),
            new("timeout", Form.Duration),
        ],
        ["elasticsearch"] =
        [
            new("url", Form.Url, Required: true, "http://elasticsearch:9200"), new("index", Form.Index, Required: true, "'logs-*'"),
            new("query", Form.Lucene, Required: true, "'service.name:\"{{service}}\" AND service.version:\"{{version}}\"'"),
            new("time_field", Form.Field, Example: "'@timestamp'"), new("message_field", Form.Field, Example: "message"),
            new("api_key", Form.Secret), new("username", Form.Text, Example: "reader"), new("password", Form.Secret), new("timeout", Form.Duration),
        ],
        ["kubernetes"] =
        [
            new("namespace", Form.Text, Required: true, "shop"), new("selector", Form.Selector, Required: true, "app=checkout,version={{version}}"),
            new("container", Form.Text, Example: "app"), new("context", Form.Text, Example: "production"),
            new("server", Form.Url, Example: "https://cluster:6443"), new("token", Form.Secret), new("ca", Form.Secret), new("timeout", Form.Duration),
        ],
    };

    public static readonly IReadOnlyDictionary<string, IReadOnlyList<Setting>> Changes = new Dictionary<string, IReadOnlyList<Setting>>(StringComparer.Ordinal)
    {
        ["github"] =
        [
            new("repository", Form.Repository, Example: "acme/checkout"), new("url", Form.Url, Example: "https://api.github.com"), new("token", Form.Secret),
            new("tag", Form.Tag, Example: "'v{{version}}'"),
        ],
        ["gitlab"] =
        [
            new("repository", Form.Repository, Example: "acme/shop/checkout"), new("url", Form.Url, Example: "https://gitlab.com"), new("token", Form.Secret),
            new("tag", Form.Tag, Example: "'v{{version}}'"),
        ],
        ["git"] = [new("path", Form.Text, Required: true, "/srv/git/checkout.git"), new("tag", Form.Tag, Example: "'v{{version}}'")],
    };

    /// <summary>Whoever is told, by channel: the keys beside the one that names it.</summary>
    public static readonly IReadOnlyDictionary<string, IReadOnlyList<Setting>> Alerts = new Dictionary<string, IReadOnlyList<Setting>>(StringComparer.Ordinal)
    {
        ["slack"] = [new("token", Form.Secret)],
        ["pagerduty"] = [new("url", Form.Url, Example: "https://events.eu.pagerduty.com")],
        ["teams"] = [],
        ["discord"] = [],
        ["email"] = [],
        ["webhook"] = [new("secret", Form.Secret)],
        ["github"] = [new("token", Form.Secret, Required: true), new("url", Form.Url, Example: "https://api.github.com")],
        ["grafana"] = [new("token", Form.Secret, Required: true), new("dashboard", Form.Text, Example: "abc123")],
    };

    public enum Form { Text, Url, Secret, Duration, Headers, Targets, Header, LogQl, Lucene, Selector, Tag, Index, Field, Repository, Mail }

    public sealed record Setting(string Key, Form Form, bool Required = false, string Example = "")
    {
        public string Remedy => Form switch
        {
            Form.Secret => "${COMMANDER_SECRET_NAME} or file:NAME",
            Form.Duration => "5s",
            Form.Headers => "{ X-Scope-OrgID: shop }",
            _ => Example,
        };
    }

    /// <summary>Reads a section's settings; nested keys are joined by a dot.</summary>
    public static SortedDictionary<string, string> Read(Section section, string type, IReadOnlyList<Setting> settings)
    {
        var values = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var setting in settings)
        {
            if (section.Value(setting.Key) is null)
            {
                if (section.Has(setting.Key))
                    section.Wrong(setting.Key, "has no value", $"write {setting.Key}: {setting.Remedy}");
                else if (setting.Required)
                    section.Wrong(setting.Key, $"is missing, and type {type} needs it", $"write {setting.Key}: {setting.Remedy}");
            }
            else if (setting.Form is Form.Headers or Form.Targets)
            {
                Nested(section, setting, values);
            }
            else if (Section.Plain(section.At(setting.Key), setting.Remedy, section.Errors) is { } text && Check(section.At(setting.Key), text, setting.Form, setting.Remedy, section.Errors))
            {
                values[setting.Key] = text;
            }
        }

        return values;
    }

    /// <summary>What no single setting of a kubernetes target can tell: one workload, one way to the cluster, no token in the clear.</summary>
    public static void CheckKubernetes(Section section, IReadOnlyDictionary<string, string> values)
    {
        CheckCluster(section, values);
        string[] workloads = [.. ((string[])["deployment", "statefulset", "daemonset"]).Where(section.Has)];
        if (workloads.Length == 0)
            section.Wrong("deployment", "is missing, and type kubernetes needs a workload", "write deployment: checkout, or statefulset: or daemonset:");
        foreach (var other in workloads.Skip(1))
            section.Wrong(other, $"is a second workload beside {workloads[0]}", "write one of deployment, statefulset, daemonset");
    }

    /// <summary>What no single setting can tell of anything in a cluster: one way to it, no token in the clear.</summary>
    public static void CheckCluster(Section section, IReadOnlyDictionary<string, string> values)
    {
        if (section.Has("server") && section.Has("context"))
            section.Wrong("context", "stands beside server, and only one of them can lead to the cluster", "remove context or server");
        foreach (var alone in ((string[])["token", "ca"]).Where(key => section.Has(key) && !section.Has("server")))
            section.Wrong(alone, "belongs to a server, and there is none", "write server: https://cluster:6443, or remove it");
        if (values.ContainsKey("token") && values.TryGetValue("server", out var server) && new Uri(server) is { Scheme: "http", IsLoopback: false })
            section.Wrong("server", "http would send the token in the clear", "write https://");
    }

    /// <summary>What no single setting of logs can tell: one way to show who asks, and a whole one.</summary>
    public static void CheckCredentials(Section section)
    {
        string[] ways = [.. ((string[])["token", "api_key", "username"]).Where(section.Has)];
        foreach (var other in ways.Skip(1))
            section.Wrong(other, $"stands beside {ways[0]}, and a request carries only one of them", $"remove {ways[0]} or {other}");
        if (section.Has("password") && !section.Has("username"))
            section.Wrong("password", "belongs to a username, and there is none", "write username: reader, or remove it");
        if (section.Has("username") && !section.Has("password"))
            section.Wrong("username", "stands without a password", "write password: ${COMMANDER_SECRET_NAME}");
    }

    /// <summary>Whether a text is ${COMMANDER_SECRET_NAME} or file:PATH below the secrets folder.</summary>
    public static bool IsSecret(string text)
    {
        const string variable = "${COMMANDER_SECRET_";
        if (text.StartsWith(variable, StringComparison.Ordinal) && text.EndsWith('}'))
            return text.Length > variable.Length + 1 && text[variable.Length..^1].All(c => char.IsAsciiLetterUpper(c) || char.IsAsciiDigit(c) || c == '_');
        if (!text.StartsWith("file:", StringComparison.Ordinal))
            return false;
        var path = text["file:".Length..];
        return path.Length > 0 && !path.StartsWith('/') && !path.Contains('\\', StringComparison.Ordinal) && !path.Contains(':', StringComparison.Ordinal)
            && path.Split('/').All(part => part is not ("" or "." or ".."));
    }

    public static bool Check(Node node, string text, Form form, string example, Errors errors)
    {
        switch (form)
        {
            case Form.Secret when !IsSecret(text):
                // The text itself is not repeated: it may be the secret.
                errors.Add(node, "a secret must not stand in a policy", "write ${COMMANDER_SECRET_NAME}, or file:PATH below the secrets folder");
                return false;
            case Form.Secret:
                return true;
            case Form.Duration:
                return Section.Duration(node, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(5), errors) is not null;
        }

        if (text.Contains("${", StringComparison.Ordinal))
        {
            errors.Add(node, "nothing is expanded here: only secrets may be ${COMMANDER_SECRET_NAME}", $"write {example}");
            return false;
        }

        if (Strange(form, text, $"write {example}") is var (message, remedy))
        {
            errors.Add(node, message, remedy);
            return false;
        }

        if (form != Form.Url)
            return true;
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.Host.Length == 0 || text.AsSpan().ContainsAny(" \t\r\n"))
            errors.Add(node, $"{Quote.It(text)} is no http or https address", $"write {example}");
        else if (uri.UserInfo.Length > 0)
            errors.Add(node, "a user or password must not stand in an address", "write it without, and use token or username and password");
        else
            return true;
        return false;
    }

    private static (string Message, string Remedy)? Strange(Form form, string text, string otherwise)
    {
        static bool Only(string text, string signs) => text.All(c => char.IsAsciiLetterOrDigit(c) || signs.Contains(c, StringComparison.Ordinal));
        return form switch
        {
            Form.LogQl => ContextQueries.Check(ContextLanguage.LogQl, text),
            Form.Lucene => ContextQueries.Check(ContextLanguage.Lucene, text),
            Form.Selector => ContextQueries.Check(ContextLanguage.Selector, text),
            Form.Tag => ContextQueries.Check(ContextLanguage.Tag, text),
            Form.Header when text.Any(c => c is < ' ' or > '~') => ($"{Quote.It(text)} cannot stand in a header", otherwise),
            Form.Index when !Only(text, "._-*,:+") || text.Split(',').Any(part => part is "" or "." or "..") => ($"{Quote.It(text)} is no name of an index", otherwise),
            Form.Field when !Only(text, "@._-") => ($"{Quote.It(text)} is no name of a field", otherwise),
            Form.Mail when text.Split(',').Any(address => address.Trim() is not { Length: > 2 and <= 254 } one || one.Count(c => c == '@') != 1 || one[0] == '@' || one[^1] == '@' || one.Any(c => char.IsWhiteSpace(c) || char.IsControl(c) || "<>();\"".Contains(c, StringComparison.Ordinal))) => ($"{Quote.It(text)} is no address, or several with commas between", otherwise),
            Form.Repository when !Only(text, "._-/") || text.Split('/') is not [_, _, ..] parts || parts.Any(part => part is "" or "." or "..") => ($"{Quote.It(text)} is no repository", otherwise),
            _ => null,
        };
    }

    private static bool NotOurs(string header) =>
        header.ToLowerInvariant() is "host" or "connection" or "keep-alive" or "transfer-encoding" or "te" or "trailer" or "upgrade" or "expect" or "proxy-connection"
        || header.StartsWith("content-", StringComparison.OrdinalIgnoreCase);

    private static void Nested(Section section, Setting setting, SortedDictionary<string, string> values)
    {
        var map = section.Map(setting.Key);
        if (setting.Form == Form.Targets)
        {
            var targets = new Section(map, section.Errors, "candidate", "control");
            foreach (var value in Read(targets, "scrape", [new("candidate", Form.Url, Required: true, "http://new:8080/metrics"), new("control", Form.Url, Example: "http://old:8080/metrics")]))
                values["targets." + value.Key] = value.Value;
            return;
        }

        foreach (var entry in map.Entries)
        {
            var name = entry.Key;
            if (name.Length == 0 || name.Any(c => !char.IsAsciiLetterOrDigit(c) && !"-_".Contains(c, StringComparison.Ordinal)))
            {
                section.Errors.Add(entry.Place, entry.Value.Path, $"{Quote.It(name)} is no name of a header", "write letters, digits and -");
            }
            else if (NotOurs(name))
            {
                section.Errors.Add(entry.Place, entry.Value.Path, $"{Quote.It(name)} belongs to how a request is sent", "leave it out; the address says which server is asked");
            }
            else if (Section.Plain(entry.Value, "a text", section.Errors) is { } text)
            {
                var secret = name.ToLowerInvariant() is "authorization" or "proxy-authorization" or "cookie" || IsSecret(text);
                if (Check(entry.Value, text, secret ? Form.Secret : Form.Text, "a text", section.Errors) && text.AsSpan().ContainsAny("\r\n"))
                    section.Errors.Add(entry.Value, "a header is one line", "remove the line break");
                else
                    values[$"{setting.Key}.{name}"] = text;
            }
        }
    }
}
