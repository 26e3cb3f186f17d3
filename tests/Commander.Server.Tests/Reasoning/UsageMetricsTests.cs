using System.Net;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Hosting;
using Commander.Server.Reasoning;
using Commander.Server.Tests.Api;
using Microsoft.Extensions.DependencyInjection;

namespace Commander.Server.Tests.Reasoning;

/// <summary>A whole server with a language model: what was asked is in its metrics, and the key is nowhere.</summary>
public sealed class UsageMetricsTests
{
    [Fact]
    public async Task What_was_asked_and_what_it_took_is_read_by_Prometheus()
    {
        var cancel = TestContext.Current.CancellationToken;
        await using var model = await ModelServer.Start();
        await using var server = new BuiltServer();
        await server.Begin(new CommanderOptions { Reasoning = new ReasoningOptions(model.Url, "a-model") { Key = "a-secret-key", Price = (1, 2) } });
        var policy = PolicyReader.Read(ShopSource.Policy("advise"), "policy.yaml").Policies!.Defaults;
        var finding = new Finding("sales", "kpi", "gauge", 30, 40, "control", -10, null, null, "", 0.7, "unclear", "value", "", null);
        var deployment = new Deployment("dep-1", "checkout", "prod", "2", "1", "watching", null, TimeProvider.System.GetUtcNow(), TimeProvider.System.GetUtcNow(), TimeProvider.System.GetUtcNow(), new PolicyReference("checkout", ""), "control", new Verdict("HOLD", false, 0.8, 0.2, 90, "", [finding], null, "m", "commander", TimeProvider.System.GetUtcNow(), 0), [], [], null, "");

        var said = await server.App.Services.GetRequiredService<Reasoner>().Ask(new Asking(deployment, policy, Purpose.Advise, TimeProvider.System.GetUtcNow(), default, null), cancel);

        said.Opinion.ShouldNotBeNull(said.Missing);
        using var http = new HttpClient { BaseAddress = server.Url };
        var metrics = await http.GetStringAsync("/metrics", cancel);
        metrics.ShouldContain("commander_reasoning_questions");
        metrics.ShouldContain("result=\"grounded\"");
        metrics.ShouldContain("commander_reasoning_tokens");
        metrics.ShouldNotContain("a-secret-key");
        (await http.GetAsync("/api/v1/deployments", cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
    }
}
