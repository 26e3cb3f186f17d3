using Commander.Judging.Policies;
using CsCheck;

namespace Commander.Judging.Tests.Policies;

public class QueriesTests
{
    private static readonly Dictionary<string, string> Variables = new(StringComparer.Ordinal)
    {
        ["service"] = "checkout",
        ["version"] = "1.42.0",
    };

    [Theory]
    [InlineData("""a{s="{{service}}",v="{{version}}"}""", """a{s="checkout",v="1.42.0"}""")]
    [InlineData("""a{s="{{ service }}-canary"}""", """a{s="checkout-canary"}""")]
    [InlineData("""a{v=~"{{version}}.*",v!~ "x"}""", """a{v=~"1\\.42\\.0.*",v!~ "x"}""")]
    [InlineData("a", "a")]
    [InlineData("", "")]
    [InlineData("""{{service}}""", """checkout""")]
    [InlineData("""a{v!~"{{version}}"}""", """a{v!~"1\\.42\\.0"}""")]
    [InlineData("""{v="1"} |~ "{{version}}" != "{{version}}"}""", """{v="1"} |~ "1\\.42\\.0" != "1.42.0"}""")]
    [InlineData("""a{v=~  "{{version}}"}""", """a{v=~  "1\\.42\\.0"}""")]
    [InlineData("""a{v=~ x "{{version}}"}""", """a{v=~ x "1.42.0"}""")]
    [InlineData("""a{v=~"x",w="{{version}}"}""", """a{v=~"x",w="1.42.0"}""")]
    [InlineData("""a{v=~"\"{{version}}",w={{version}}}""", """a{v=~"\"1\\.42\\.0",w=1.42.0}""")]
    [InlineData("""a{v=~`{{version}}`}""", """a{v=~`1.42.0`}""")]
    [InlineData("""a{v=~'{{version}}'}""", """a{v=~'1\\.42\\.0'}""")]
    [InlineData("""a{v="'{{version}}'"}""", """a{v="'1.42.0'"}""")]
    [InlineData("""a{v="{{service}}{{version}}"}""", """a{v="checkout1.42.0"}""")]
    [InlineData("""a{v="{{service""", """a{v="{{service""")]
    [InlineData("""a{v="{{service}}",w="{{version""", """a{v="checkout",w="{{version""")]
    [InlineData("""a{""", """a{""")]
    public void Variables_become_label_values(string template, string query) => Queries.Resolve(template, Variables).ShouldBe(query);

    [Theory]
    [InlineData("a{v=\"{{version}}\"}", "1\"} or up{x=\"", "a{v=\"1\\\"} or up{x=\\\"\"}")]
    [InlineData("a{v='{{version}}'}", "1'} or up{x='", "a{v='1\\'} or up{x=\\''}")]
    [InlineData("a{v=\"{{version}}\"}", "1\\", "a{v=\"1\\\\\"}")]
    [InlineData("a{v=\"{{version}}\"}", "1\n2", "a{v=\"1\\n2\"}")]
    [InlineData("a{v=~\"{{version}}\"}", ".*", "a{v=~\"\\\\.\\\\*\"}")]
    [InlineData("a{v=~\"{{version}}\"}", @"\.+*?()|[]{}^$-_a", @"a{v=~""\\\\\\.\\+\\*\\?\\(\\)\\|\\[\\]\\{\\}\\^\\$-_a""}")]
    [InlineData("a{v=\"{{version}}\"}", "1\r'`2", "a{v=\"1\r'`2\"}")]
    [InlineData("a{v='{{version}}'}", "1\"`2", "a{v='1\"`2'}")]
    public void A_version_cannot_change_the_query(string template, string version, string query) =>
        Queries.Resolve(template, new Dictionary<string, string> { ["version"] = version }).ShouldBe(query);

    [Fact]
    public void A_variable_without_a_value_is_named() =>
        Should.Throw<ArgumentException>(() => Queries.Resolve("a{p=\"{{pod_template_hash}}\"}", Variables)).Message
            .ShouldStartWith("{{pod_template_hash}} has no value for this deployment");

    [Fact]
    public void Outside_of_quotes_only_plain_values_are_put_in()
    {
        Queries.TryResolve("avg:x{version:{{version}}}", Variables, out var query, out _).ShouldBeTrue();
        query.ShouldBe("avg:x{version:1.42.0}");
        Queries.TryResolve("avg:x{version:{{version}}}", new Dictionary<string, string> { ["version"] = "1} + y{a:b" }, out _, out var reason).ShouldBeFalse();
        reason.ShouldBe("the value of {{version}} has characters that cannot stand outside of quotes in a query");
    }

    [Theory]
    [InlineData("a:{{version}}", "aZ09._-", true)]
    [InlineData("a:{{version}}", "1+2", false)]
    [InlineData("a:{{version}}", "\u00e9", false)]
    [InlineData("a:{{version}}", "1 2", false)]
    [InlineData("a{v=`{{version}}`}", "aZ09._-", true)]
    [InlineData("a{v=`{{version}}`}", "1+2", false)]
    [InlineData("a{v=\"x\",w={{version}}}", "1\"", false)]
    public void Where_nothing_can_be_escaped_a_value_has_letters_digits_dots_and_dashes(string template, string version, bool plain)
    {
        Queries.TryResolve(template, new Dictionary<string, string> { ["version"] = version }, out var query, out var reason).ShouldBe(plain);
        query.ShouldBe(plain ? template.Replace("{{version}}", version, StringComparison.Ordinal) : "");
        reason.ShouldBe(plain ? null : "the value of {{version}} has characters that cannot stand outside of quotes in a query");
    }

    [Fact]
    public void A_variable_whose_value_is_empty_has_none()
    {
        Queries.TryResolve("a{v=\"{{version}}\"}", new Dictionary<string, string> { ["version"] = "" }, out var query, out var reason).ShouldBeFalse();
        (query, reason).ShouldBe(("", "{{version}} has no value for this deployment"));
        Queries.TryResolve("a", new Dictionary<string, string>(), out query, out reason).ShouldBeTrue();
        (query, reason).ShouldBe(("a", null));
    }

    [Fact]
    public void A_template_may_name_five_variables() =>
        Queries.Variables.ShouldBe(["service", "version", "environment", "namespace", "pod_template_hash"]);

    [Fact]
    public void Asking_nothing_is_a_mistake_of_the_caller()
    {
        Should.Throw<ArgumentNullException>(() => Queries.TryResolve(null!, Variables, out _, out _)).ParamName.ShouldBe("template");
        Should.Throw<ArgumentNullException>(() => Queries.TryResolve("", null!, out _, out _)).ParamName.ShouldBe("variables");
        Should.Throw<ArgumentNullException>(() => Queries.NamesVersion(null!)).ParamName.ShouldBe("template");
        Should.Throw<ArgumentNullException>(() => Queries.Values(null!, "", "", "", Variables)).ParamName.ShouldBe("policy");
        Should.Throw<ArgumentNullException>(() => Queries.Values(PolicySet.Empty.Defaults, "", "", "", null!)).ParamName.ShouldBe("labels");
        Should.Throw<ArgumentException>(() => Queries.Resolve("{{version}}", new Dictionary<string, string>())).ParamName.ShouldBe("variables");
    }

    [Fact]
    public void Without_a_namespace_the_variables_are_the_deployments_own()
    {
        Queries.Values(PolicySet.Empty.Defaults, "cart", "prod", "1.2", new Dictionary<string, string> { ["team"] = "x" })
            .ShouldBe(new Dictionary<string, string> { ["service"] = "cart", ["environment"] = "prod", ["version"] = "1.2" }, ignoreOrder: true);
        var hook = PolicyReader.Read("services: { cart: { act: { rollback: { type: webhook, url: 'http://a' } } } }", "p.yaml").Policies!.For("cart", "prod");
        Queries.Values(hook, "cart", "prod", "1", new Dictionary<string, string>()).Keys.ShouldBe(["service", "environment", "version"]);
    }

    [Theory]
    [InlineData("a{v=\"{{version}}\"}", true)]
    [InlineData("a{v=\"{{service}}\",w=\"{{ pod_template_hash }}\"}", true)]
    [InlineData("version", false)]
    [InlineData("", false)]
    [InlineData("a{v=\"{{pod_template_hash}}\"}", true)]
    [InlineData("a{v=\"{{service}}\"}", false)]
    public void A_query_that_names_the_version_is_asked_once_per_arm(string template, bool perArm) => Queries.NamesVersion(template).ShouldBe(perArm);

    /// <summary>Reads a quoted label value back as PromQL does.</summary>
    [Fact]
    public void Any_value_comes_back_out_of_its_quotes() =>
        Gen.String[Gen.Char["ab\\\"'\n{}=~.*,"], 1, 20].Sample(value =>
        {
            var query = Queries.Resolve("a{v=\"{{version}}\"}", new Dictionary<string, string> { ["version"] = value });
            var quoted = query["a{v=\"".Length..^"\"}".Length];
            var read = new System.Text.StringBuilder();
            for (var i = 0; i < quoted.Length; i++)
            {
                quoted[i].ShouldNotBe('"');
                quoted[i].ShouldNotBe('\n');
                if (quoted[i] != '\\')
                    read.Append(quoted[i]);
                else
                    read.Append(quoted[++i] == 'n' ? '\n' : quoted[i]);
            }

            read.ToString().ShouldBe(value);
        });

    [Fact]
    public void Scanning_any_text_ends() =>
        Gen.String[Gen.Char["ab_ {}\"'`\\=~()[]v"], 0, 60].Sample(text =>
        {
            Queries.NamesVersion(text);
            Queries.TryResolve(text, Variables, out _, out _);
        });

    [Theory]
    [InlineData(null, "shop")]
    [InlineData("canaries", "canaries")]
    public void The_namespace_is_the_deployments_label_else_that_of_the_rollback_target(string? label, string expected)
    {
        var policy = PolicyReader.Read("services: { cart: { act: { rollback: { type: kubernetes, namespace: shop, deployment: cart } } } }", "p.yaml").Policies!.For("cart", "prod");
        var labels = new Dictionary<string, string>();
        if (label is not null)
            labels["namespace"] = label;
        Queries.Resolve("up{namespace=\"{{namespace}}\"}", Queries.Values(policy, "cart", "prod", "1", labels)).ShouldBe($"up{{namespace=\"{expected}\"}}");
    }
}
