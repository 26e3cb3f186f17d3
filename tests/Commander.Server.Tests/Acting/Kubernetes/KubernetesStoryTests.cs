using Commander.Server.Acting.Rollback.Kubernetes;
using Commander.Server.Connections.Kubernetes;
using Commander.Server.Tests.Loop;

namespace Commander.Server.Tests.Acting.Kubernetes;

/// <summary>The whole loop with a Kubernetes target, the cluster's controllers one step behind every time that the loop is awake.</summary>
public sealed class KubernetesStoryTests : IAsyncLifetime
{
    private readonly Clusters _clusters = new(TimeProvider.System, _ => FakeCluster.Token);
    private FakeCluster _cluster = null!;
    private LoopWorld? _world;

    public async ValueTask InitializeAsync() => _cluster = await FakeCluster.Start();

    [Fact]
    public async Task A_bad_deployment_goes_back_to_the_old_revision_and_is_verified_by_its_pods_and_metrics()
    {
        await using var world = await Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        var closed = await world.Run(id, Stepping("closed"));

        var action = closed.Actions.ShouldHaveSingleItem();
        (action.State, action.Target, action.ServingVersion, action.Recovered).ShouldBe(("done", "kubernetes:shop/checkout", "1.0.0", true), action.Message);
        var written = _cluster.Get("deployments/checkout");
        ((string)written["spec"]!["template"]!["spec"]!["containers"]![0]!["image"]!).ShouldBe("shop/checkout:1.0.0");
        ((string)written["metadata"]!["annotations"]!["commander.dev/action"]!).ShouldBe(action.Key);
        _cluster.Requests.Count(r => r == "patch deployments").ShouldBe(1);
        closed.Outcome!.Label.ShouldBe("BAD");
    }

    [Fact]
    public async Task An_api_server_that_goes_away_in_the_middle_is_asked_again_and_takes_the_order_once()
    {
        await using var world = await Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        _cluster.AbortAfterWrite = true;
        await world.Run(id, d => d.Actions.Count == 1 && d.Actions[0].Message is not null);
        (await world.Get(id)).Actions[0].State.ShouldBe("running");
        await world.Restart();
        _cluster.AbortAfterWrite = false;
        var closed = await world.Run(id, Stepping("closed"));
        closed.Actions.ShouldHaveSingleItem().State.ShouldBe("done");
        _cluster.Requests.Count(r => r == "patch deployments").ShouldBe(1);
    }

    [Fact]
    public async Task When_nobody_knows_what_to_go_back_to_the_cluster_does()
    {
        await using var world = await Begin();
        var id = (await world.Announce("2.0.0", previous: null)).Id;
        await world.Run(id, d => d.Verdict is not null);
        (await world.Desk.Act(id, "rollback", "ada", null, CancellationToken.None)).Status.ShouldBe(202);
        var closed = await world.Run(id, Stepping("closed"));
        var action = closed.Actions.ShouldHaveSingleItem();
        (action.State, action.ServingVersion).ShouldBe(("done", "1.0.0"), action.Message);
        closed.Notes.ShouldContain("back to 1.0.0, which the platform offers: revision 1, the newest before; it has no pods any more, and Kubernetes keeps no record of whether they were ready, asked for by a person");
    }

    [Fact]
    public async Task A_cluster_that_knows_nothing_older_refuses_in_words()
    {
        await using var world = await Begin();
        _cluster.Delete("replicasets/checkout-" + (0x5d4c3b2a + 1));
        var id = (await world.Announce("2.0.0", previous: null)).Id;
        await world.Run(id, d => d.Verdict is not null);
        (await world.Desk.Act(id, "rollback", "ada", null, CancellationToken.None)).Status.ShouldBe(202);
        var refused = await world.Run(id, d => d.Actions.Count == 1);
        (refused.Actions[0].State, refused.Actions[0].Message).ShouldBe(("refused", "no earlier version is known that was not itself rolled back"));
    }

    [Fact]
    public async Task When_only_the_cluster_could_tell_and_may_not_be_asked_it_is_refused_with_the_reason()
    {
        await using var world = await Begin();
        _cluster.Denied.Add("list replicasets");
        var id = (await world.Announce("2.0.0", previous: null)).Id;
        await world.Run(id, d => d.Verdict is not null);
        (await world.Desk.Act(id, "rollback", "ada", null, CancellationToken.None)).Status.ShouldBe(202);
        var asked = world.Clock.GetUtcNow();
        var refused = await world.Run(id, d => d.Actions.Count == 1);
        refused.Actions[0].State.ShouldBe("refused");
        (world.Clock.GetUtcNow() - asked).ShouldBeLessThan(TimeSpan.FromSeconds(5), "a right that is missing does not come by waiting");
        refused.Actions[0].Message!.ShouldStartWith("no earlier version is known, and the platform does not name one: kubernetes:shop/checkout: Commander may not do that: ");
    }

    [Fact]
    public async Task What_git_will_put_back_stays_on_the_page_to_the_end()
    {
        await using var world = await Begin();
        _cluster.Change("deployments/checkout", d => d["metadata"]!["labels"] = new System.Text.Json.Nodes.JsonObject { ["argocd.argoproj.io/instance"] = "shop" });
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        var closed = await world.Run(id, Stepping("closed"));
        closed.Actions.ShouldHaveSingleItem().State.ShouldBe("done");
        closed.Notes.ShouldContain(n => n.StartsWith("kubernetes:shop/checkout is managed by Argo CD (application shop)", StringComparison.Ordinal));
    }

    private Func<Judging.Verdicts.Deployment, bool> Stepping(string state) => deployment =>
    {
        _cluster.Step();
        // Pods that are gone get no requests.
        if (deployment.Actions.Any(action => action.ServingVersion is not null))
            _world!.Platform.RolledBackFrom.Add(deployment.Version);
        return deployment.State == state;
    };

    private async Task<LoopWorld> Begin()
    {
        foreach (var version in (string[])["1.0.0", "2.0.0"])
        {
            _cluster.Apply("deployments", "checkout", "shop/checkout:" + version);
            _cluster.Settle();
        }

        var policy = LoopWorld.PolicyText.Replace(
            "{ type: webhook, url: 'http://127.0.0.1:1/rollback' }",
            "{ type: kubernetes, namespace: shop, deployment: checkout, server: '" + _cluster.Url + "', token: '${COMMANDER_SECRET_KUBE}' }",
            StringComparison.Ordinal);
        return _world = await LoopWorld.Begin(policy, rollback => new KubernetesTarget(rollback, _clusters, TimeProvider.System));
    }

    public async ValueTask DisposeAsync()
    {
        _clusters.Dispose();
        await _cluster.DisposeAsync();
    }
}
