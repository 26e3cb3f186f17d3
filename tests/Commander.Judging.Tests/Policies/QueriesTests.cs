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
    public void Variables_become_label_values(string template, string query) => Queries.Resolve(template, Variables).ShouldBe(query);

    [Theory]
    [InlineData("a{v=\"{{version}}\"}", "1\"} or up{x=\"", "a{v=\"1\\\"} or up{x=\\\"\"}")]
    [InlineData("a{v='{{version}}'}", "1'} or up{x='", "a{v='1\\'} or up{x=\\''}")]
    [InlineData("a{v=\"{{version}}\"}", "1\\", "a{v=\"1\\\\\"}")]
    [InlineData("a{v=\"{{version}}\"}", "1\n2", "a{v=\"1\\n2\"}")]
    [InlineData("a{v=~\"{{version}}\"}", ".*", "a{v=~\"\\\\.\\\\*\"}")]
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
    [InlineData("a{v=\"{{version}}\"}", true)]
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
