using Commander.Judging.Policies;
using CsCheck;

namespace Commander.Judging.Tests.Policies;

/// <summary>Where log lines and commits are read, and what a version may do to the question: nothing.</summary>
public class ContextPolicyTests
{
    private const string Loki = "{ type: loki, url: 'http://l', query: '{app=\"{{service}}\",version=\"{{version}}\"}' }";

    [Fact]
    public void Logs_and_changes_are_read_with_their_settings()
    {
        var policy = Read("""
            services:
              cart:
                logs: { type: elasticsearch, url: 'http://e:9200', index: 'logs-*', query: 'version:"{{version}}"', api_key: '${COMMANDER_SECRET_E}', timeout: 3s }
                changes: { type: gitlab, repository: acme/shop/cart, tag: 'v{{version}}', token: 'file:gitlab' }
            """).For("cart", "prod");
        policy.Logs!.Type.ShouldBe("elasticsearch");
        policy.Logs.Settings.ShouldBe(new Dictionary<string, string> { ["api_key"] = "${COMMANDER_SECRET_E}", ["index"] = "logs-*", ["query"] = "version:\"{{version}}\"", ["timeout"] = "3s", ["url"] = "http://e:9200" }, ignoreOrder: true);
        policy.Changes!.Type.ShouldBe("gitlab");
        policy.Changes.Settings["tag"].ShouldBe("v{{version}}");
        var stored = PolicyHash.Read(PolicyHash.Body(policy));
        stored.Logs!.Settings.ShouldBe(policy.Logs.Settings, ignoreOrder: true);
        PolicyHash.Of(stored).ShouldBe(PolicyHash.Of(policy));
    }

    [Fact]
    public void Without_them_the_stored_form_is_as_it_was()
    {
        var text = System.Text.Encoding.UTF8.GetString(PolicyHash.Body(Read("services: { s: { logs: off } }").For("s", "prod")));
        text.ShouldNotContain("logs");
        text.ShouldNotContain("changes");
    }

    [Fact]
    public void A_service_inherits_them_changes_a_key_names_another_system_or_switches_them_off()
    {
        var set = Read($$"""
            defaults:
              logs: {{Loki}}
              environments: { test: { logs: off } }
            services:
              same: {}
              slow: { logs: { timeout: 9s } }
              pods: { logs: { type: kubernetes, namespace: shop, selector: 'version={{"{{version}}"}}' } }
              none: { logs: off }
              some: { logs: off, environments: { prod: { logs: {{Loki}} } } }
            """);
        set.For("same", "prod").Logs!.Type.ShouldBe("loki");
        set.For("same", "test").Logs.ShouldBeNull();
        set.For("nobody", "prod").Logs!.Type.ShouldBe("loki");
        set.For("slow", "prod").Logs!.Settings["timeout"].ShouldBe("9s");
        set.For("slow", "prod").Logs!.Settings["url"].ShouldBe("http://l");
        set.For("pods", "prod").Logs!.Settings.Keys.ShouldBe(["namespace", "selector"]);
        set.For("none", "prod").Logs.ShouldBeNull();
        set.For("some", "prod").Logs!.Type.ShouldBe("loki");
        set.For("some", "stage").Logs.ShouldBeNull();
    }

    [Theory]
    [InlineData(ContextLanguage.LogQl, "{v=\"{{version}}\"} |~ \"{{version}}\"", "1.2", "{v=\"1.2\"} |~ \"1\\\\.2\"")]
    [InlineData(ContextLanguage.LogQl, "{v=\"{{version}}\"}", "1\"} or {a=\"b", "{v=\"1\\\"} or {a=\\\"b\"}")]
    [InlineData(ContextLanguage.Lucene, "v:\"{{version}}\" AND level:(error OR warn)", "1\\\" OR *", "v:\"1\\\\\\\" OR *\" AND level:(error OR warn)")]
    [InlineData(ContextLanguage.Lucene, "m:it's AND v:\"{{version}}\"", "1.2", "m:it's AND v:\"1.2\"")]
    [InlineData(ContextLanguage.Selector, "app={{service}},version in ({{version}}, x)", "1.2_a-b", "app=1.2_a-b,version in (1.2_a-b, x)")]
    [InlineData(ContextLanguage.Tag, "release/{{version}}", "1.2+build.7", "release/1.2+build.7")]
    [InlineData(ContextLanguage.Tag, "{{service}}-{{version}}-x", "aZ09._-/+", "aZ09._-/+-aZ09._-/+-x")]
    [InlineData(ContextLanguage.Tag, "v", "1", "v")]
    [InlineData(ContextLanguage.Tag, "v{{version", "1", "v{{version")]
    [InlineData(ContextLanguage.Tag, "v\"{{ version }}\\{", "1", "v\"1\\{")]
    [InlineData(ContextLanguage.Selector, "v={{version}}", "a", "v=a")]
    [InlineData(ContextLanguage.Selector, "v={{version}}", "123456789012345678901234567890123456789012345678901234567890123", "v=123456789012345678901234567890123456789012345678901234567890123")]
    [InlineData(ContextLanguage.Selector, "v={{version}}", "aZ.9_-x", "v=aZ.9_-x")]
    [InlineData(ContextLanguage.Lucene, "v:\"{{version}}\"", "\u00e9 \\ \" /", "v:\"\u00e9 \\\\ \\\" /\"")]
    public void A_value_is_put_in_as_a_value(ContextLanguage language, string template, string value, string expected)
    {
        var variables = new Dictionary<string, string> { ["version"] = value, ["service"] = value };
        ContextQueries.TryResolve(language, template, variables, out var text, out var reason).ShouldBeTrue(reason);
        text.ShouldBe(expected);
    }

    [Theory]
    [InlineData(ContextLanguage.Selector, "version={{version}}", "1,app!=x", "the value of {{version}} is no value of a Kubernetes label")]
    [InlineData(ContextLanguage.Selector, "version={{version}}", "-1", "the value of {{version}} is no value of a Kubernetes label")]
    [InlineData(ContextLanguage.Selector, "hash={{pod_template_hash}}", "1", "{{pod_template_hash}} has no value for this deployment")]
    [InlineData(ContextLanguage.Selector, "version={{version}}", "1-", "the value of {{version}} is no value of a Kubernetes label")]
    [InlineData(ContextLanguage.Selector, "version={{version}}", "_1", "the value of {{version}} is no value of a Kubernetes label")]
    [InlineData(ContextLanguage.Selector, "version={{version}}", "1+2", "the value of {{version}} is no value of a Kubernetes label")]
    [InlineData(ContextLanguage.Selector, "version={{version}}", "1/2", "the value of {{version}} is no value of a Kubernetes label")]
    [InlineData(ContextLanguage.Selector, "version={{version}}", "1234567890123456789012345678901234567890123456789012345678901234", "the value of {{version}} is no value of a Kubernetes label")]
    [InlineData(ContextLanguage.Selector, "version={{version}}", "", "{{version}} has no value for this deployment")]
    [InlineData(ContextLanguage.LogQl, "{v={{version}}}", "1 2", "the value of {{version}} has characters that cannot stand outside of quotes in a query")]
    [InlineData(ContextLanguage.Tag, "v{{version}}", "1:2", "the value of {{version}} cannot stand in the name of a tag")]
    [InlineData(ContextLanguage.Lucene, "v:\"{{version}}\"", "1\u0085", "the value of {{version}} has control characters")]
    [InlineData(ContextLanguage.Tag, "v{{version}}", "1..2", "the value of {{version}} cannot stand in the name of a tag")]
    [InlineData(ContextLanguage.Tag, "v{{version}}", "1 --upload-pack=x", "the value of {{version}} cannot stand in the name of a tag")]
    [InlineData(ContextLanguage.Lucene, "v:\"{{version}}\"", "1\n2", "the value of {{version}} has control characters")]
    public void A_value_that_cannot_stand_there_is_refused_and_not_repeated(ContextLanguage language, string template, string value, string expected)
    {
        ContextQueries.TryResolve(language, template, new Dictionary<string, string> { ["version"] = value }, out var text, out var reason).ShouldBeFalse();
        (text, reason).ShouldBe(("", expected));
    }

    [Fact]
    public void A_template_names_what_a_query_may_name_and_a_tag_less()
    {
        foreach (var language in (ContextLanguage[])[ContextLanguage.LogQl, ContextLanguage.Lucene, ContextLanguage.Selector])
            ContextQueries.Variables(language).ShouldBe(Queries.Variables);
        ContextQueries.Variables(ContextLanguage.Tag).ShouldBe(["service", "version", "environment"]);
    }

    [Fact]
    public void Asking_nothing_is_a_mistake_of_the_caller()
    {
        foreach (var language in Enum.GetValues<ContextLanguage>())
        {
            Should.Throw<ArgumentNullException>(() => ContextQueries.TryResolve(language, null!, new Dictionary<string, string>(), out _, out _)).ParamName.ShouldBe("template");
            Should.Throw<ArgumentNullException>(() => ContextQueries.TryResolve(language, "", null!, out _, out _)).ParamName.ShouldBe("variables");
        }
    }

    [Fact]
    public void No_value_ends_a_lucene_phrase() =>
        Gen.String[Gen.Char["ab\\\"/ *:OR()"], 1, 20].Sample(value =>
        {
            ContextQueries.TryResolve(ContextLanguage.Lucene, "v:\"{{version}}\"", new Dictionary<string, string> { ["version"] = value }, out var text, out _).ShouldBeTrue();
            var read = new System.Text.StringBuilder();
            for (var i = "v:\"".Length; i < text.Length - 1; i++)
            {
                text[i].ShouldNotBe('"');
                read.Append(text[i] == '\\' ? text[++i] : text[i]);
            }

            read.ToString().ShouldBe(value);
        });

    private static PolicySet Read(string yaml)
    {
        var result = PolicyReader.Read(yaml, "p.yaml");
        result.Errors.ShouldBeEmpty();
        return result.Policies!;
    }
}
