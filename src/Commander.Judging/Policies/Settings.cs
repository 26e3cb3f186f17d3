namespace Commander.Judging.Policies;

/// <summary>The keys of sources and rollback targets, by type, and how their values are checked.</summary>
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

    public enum Form { Text, Url, Secret, Duration, Headers, Targets }

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
        string[] workloads = [.. ((string[])["deployment", "statefulset", "daemonset"]).Where(section.Has)];
        if (workloads.Length == 0)
            section.Wrong("deployment", "is missing, and type kubernetes needs a workload", "write deployment: checkout, or statefulset: or daemonset:");
        foreach (var other in workloads.Skip(1))
            section.Wrong(other, $"is a second workload beside {workloads[0]}", "write one of deployment, statefulset, daemonset");
        if (section.Has("server") && section.Has("context"))
            section.Wrong("context", "stands beside server, and only one of them can lead to the cluster", "remove context or server");
        foreach (var alone in ((string[])["token", "ca"]).Where(key => section.Has(key) && !section.Has("server")))
            section.Wrong(alone, "belongs to a server, and there is none", "write server: https://cluster:6443, or remove it");
        if (values.ContainsKey("token") && values.TryGetValue("server", out var server) && new Uri(server) is { Scheme: "http", IsLoopback: false })
            section.Wrong("server", "http would send the token in the clear", "write https://");
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
