using System.Globalization;
using System.Text.Json.Nodes;
using Commander.Judging.Policies;
using Commander.Server.Tests.Acting.Kubernetes;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Reasoning.Logs;

/// <summary>Lines of pods, as an API server hands them out.</summary>
public sealed class KubernetesLogsTests : LogSourceCompliance
{
    private FakeCluster _cluster = null!;
    private string _selector = "app=checkout,version={{version}}";
    private string _more = "";

    public KubernetesLogsTests() => Token = FakeCluster.Token;

    private protected override Func<HttpContext, Task>? Instead
    {
        set => _cluster.Instead = value is { } instead
            ? async context =>
            {
                await instead(context);
                return true;
            }
        : null;
    }

    public override async ValueTask InitializeAsync() => _cluster = await FakeCluster.Start();

    public override async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync();
        await base.DisposeAsync();
    }

    private protected override ContextPolicy Policy(string timeout) =>
        PolicyReader.Read($$"""services: { checkout: { logs: { type: kubernetes, namespace: shop, selector: '{{_selector}}', server: '{{_cluster.Url}}', token: 'file:token', timeout: {{timeout}}{{_more}} } } }""", "p.yaml")
            .Policies!.For("checkout", "prod").Logs!;

    private protected override void Wrote(params string[] lines)
    {
        Pod("checkout-1", "2.0.0");
        _cluster.Logs["checkout-1"] = [.. lines.Select((line, n) => Line(n, line))];
    }

    [Fact]
    public async Task Lines_of_several_pods_are_put_in_order_and_those_after_the_end_left_out()
    {
        Wrote("ERROR first", "ERROR third");
        _cluster.Logs["checkout-1"][1] = Line(2, "ERROR third");
        Pod("checkout-2", "2.0.0");
        _cluster.Logs["checkout-2"] = [Line(-5, "ERROR before"), Line(1, "ERROR second"), Line(600, "ERROR after")];
        Pod("checkout-0", "1.0.0");
        _cluster.Logs["checkout-0"] = [Line(1, "ERROR of the control")];
        (await Read()).Lines.ShouldBe(["ERROR first", "ERROR second", "ERROR third"]);
        (await Read("1.0.0")).Lines.ShouldBe(["ERROR of the control"]);
    }

    [Fact]
    public async Task What_a_crashed_container_wrote_before_is_read_too()
    {
        Pod("checkout-1", "2.0.0", restarts: 3);
        _cluster.Logs["checkout-1/previous"] = [Line(1, "panic: no config"), Line(1, "goroutine 1 [running]:"), Line(1, "\t/app/main.go:3")];
        var answer = await Read();
        answer.Missing.ShouldBeNull();
        answer.Lines.ShouldBe(["panic: no config\ngoroutine 1 [running]:\n\t/app/main.go:3"]);
    }

    [Fact]
    public async Task A_pod_that_writes_nothing_yet_does_not_keep_the_others_from_being_read()
    {
        Pod("checkout-0", "2.0.0");
        Wrote("ERROR a");
        (await Read()).Lines.ShouldBe(["ERROR a"]);
    }

    [Fact]
    public async Task A_container_that_never_began_is_told_as_the_cluster_says_it()
    {
        Pod("checkout-0", "2.0.0");
        (await Read()).Missing.ShouldBe("the log of pod checkout-0 in shop cannot be read: the API server answered 400: container \"app\" in pod \"checkout-0\" is waiting to start: ContainerCreating");
    }

    [Fact]
    public async Task Pods_may_be_found_by_the_hash_of_their_template()
    {
        _selector = "pod-template-hash={{pod_template_hash}}";
        Wrote("ERROR a");
        _cluster.Change("pods/checkout-1", pod => pod["metadata"]!["labels"]!["pod-template-hash"] = "7d9f");
        (await Read()).Missing.ShouldBe("the pods of shop are not asked for: {{pod_template_hash}} has no value for this deployment");
        (await Source().Read(Question(labels: new Dictionary<string, string> { ["pod_template_hash"] = "7d9f" }), CancellationToken.None)).Lines.ShouldBe(["ERROR a"]);
    }

    [Fact]
    public async Task Without_pods_it_is_said_what_was_looked_for() =>
        (await Read()).Missing.ShouldBe("no pod in shop has the labels that logs.selector asks for");

    [Theory]
    [InlineData("list pods")]
    [InlineData("get pods/log")]
    public async Task A_right_that_is_missing_is_named_and_the_shipped_role_grants_it(string right)
    {
        Wrote("ERROR a");
        _cluster.Denied.Add(right);
        var (verb, resource) = (right.Split(' ')[0], right.Split(' ')[1]);
        (await Read()).Missing.ShouldNotBeNull().ShouldContain($"cannot {verb} resource \"{resource}\"");
        var role = await File.ReadAllTextAsync(Repository.At("deploy/kubernetes/rbac.yaml"));
        role.Split("- apiGroups:").ShouldContain(rule => rule.Contains($"resources: [{resource}]", StringComparison.Ordinal) && rule.Contains($"verbs: [{verb}]", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_container_is_that_of_the_policy_else_the_pod_s_default_else_its_first()
    {
        var asked = new List<string>();
        Wrote("ERROR a");
        _cluster.Instead = context =>
        {
            if (context.Request.Path.Value!.EndsWith("/log", StringComparison.Ordinal))
                asked.Add(context.Request.Query["container"].ToString());
            return Task.FromResult(false);
        };
        await Read();
        _cluster.Change("pods/checkout-1", pod => pod["metadata"]!["annotations"] = new JsonObject { ["kubectl.kubernetes.io/default-container"] = "shop" });
        await Read();
        _more = ", container: sidecar";
        await Read();
        asked.ShouldBe(["app", "shop", "sidecar"]);
    }

    private void Pod(string name, string version, int restarts = 0) => _cluster.Add("pods/" + name, new JsonObject
    {
        ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = "shop", ["labels"] = new JsonObject { ["app"] = "checkout", ["version"] = version } },
        ["spec"] = new JsonObject { ["containers"] = new JsonArray(new JsonObject { ["name"] = "app" }, new JsonObject { ["name"] = "proxy" }) },
        ["status"] = new JsonObject { ["containerStatuses"] = new JsonArray(new JsonObject { ["name"] = "app", ["restartCount"] = restarts }) },
    });

    private static string Line(int second, string line) => From.AddSeconds(second).ToString("yyyy-MM-ddTHH:mm:ss.fffffff", CultureInfo.InvariantCulture) + "00Z " + line;
}
