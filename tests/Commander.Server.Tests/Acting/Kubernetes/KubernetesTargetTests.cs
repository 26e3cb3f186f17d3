using System.Globalization;
using System.Text.Json.Nodes;
using Commander.Judging.Policies;
using Commander.Server.Acting.Rollback;
using Commander.Server.Acting.Rollback.Kubernetes;
using Commander.Server.Connections.Kubernetes;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Acting.Kubernetes;

public sealed class KubernetesTargetTests : IAsyncLifetime
{
    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 11, 24, 10, 0, 0, TimeSpan.Zero));
    private readonly List<Clusters> _clusters = [];
    private FakeCluster _cluster = null!;

    public async ValueTask InitializeAsync() => _cluster = await FakeCluster.Start();

    // ---- Going back ----

    [Fact]
    public async Task A_rollback_writes_the_old_pod_template_and_is_settled_when_every_pod_is_of_it()
    {
        var target = Deployed();
        var before = await Look(target);
        (before.ServingVersion, before.Settled, before.Message).ShouldBe(("1.42.0", true, "1.42.0 serves on 3 of 3 pods (revision 2)"));

        var result = await target.Order(Order(before.Fence), CancellationToken.None);
        result.Accepted.ShouldBeTrue(result.Message);
        result.Message.ShouldStartWith("kubernetes:shop/checkout goes back to 1.41.3 (revision 1, checkout-");
        result.Note.ShouldBeNull();
        var written = _cluster.Get("deployments/checkout");
        Image(written).ShouldBe("registry:5000/shop/checkout:1.41.3");
        written["spec"]!["template"]!["metadata"]!["labels"]!.AsObject().Select(l => l.Key).ShouldBe(["app"]);
        Annotation(written, "commander.dev/action").ShouldBe("dep-1/rollback/1");
        Annotation(written, "kubernetes.io/change-cause").ShouldBe("rolled back from 1.42.0 to 1.41.3 by Commander (dep-1)");

        (await Look(target)).ShouldSatisfyAllConditions(s => s.Settled.ShouldBeFalse(), s => s.Message.ShouldContain("has not taken it up yet"));
        var steps = 0;
        while (_cluster.Step())
        {
            steps++;
            var state = await Look(target);
            var pods = _cluster.Get("deployments/checkout")["status"]!;
            state.Settled.ShouldBe(Count(pods["updatedReplicas"]) == 3 && Count(pods["replicas"]) == 3 && Count(pods["readyReplicas"]) == 3, state.Message);
        }

        steps.ShouldBeGreaterThan(5);
        var after = await Look(target);
        (after.ServingVersion, after.Settled, after.Message).ShouldBe(("1.41.3", true, "1.41.3 serves on 3 of 3 pods (revision 3)"));
    }

    [Fact]
    public async Task The_same_order_twice_takes_effect_once()
    {
        var target = Deployed();
        var order = Order((await Look(target)).Fence);
        (await target.Order(order, CancellationToken.None)).Accepted.ShouldBeTrue();
        _cluster.Settle();
        var written = _cluster.Get("deployments/checkout").ToJsonString();
        var again = await target.Order(order, CancellationToken.None);
        (again.Accepted, again.Message).ShouldBe((true, "the order was written into kubernetes:shop/checkout before; it is not repeated"));
        _cluster.Get("deployments/checkout").ToJsonString().ShouldBe(written);
    }

    [Fact]
    public async Task An_order_whose_answer_was_lost_is_known_when_it_is_repeated()
    {
        var target = Deployed();
        var order = Order((await Look(target)).Fence);
        _cluster.AbortAfterWrite = true;
        var lost = await target.Order(order, CancellationToken.None);
        (lost.Accepted, lost.Refused).ShouldBe((false, false), lost.Message);
        _cluster.AbortAfterWrite = false;
        // Somebody deploys in between: the order was taken before that, and is not repeated over it.
        _cluster.Apply("deployments", "checkout", "registry:5000/shop/checkout:1.43.0");
        var repeated = await target.Order(order, CancellationToken.None);
        repeated.Accepted.ShouldBeTrue(repeated.Message);
        Image(_cluster.Get("deployments/checkout")).ShouldEndWith(":1.43.0");
    }

    [Fact]
    public async Task A_version_is_found_on_any_page_of_the_history()
    {
        var target = Deployed();
        foreach (var patch in Enumerable.Range(1, 4))
        {
            _cluster.Apply("deployments", "checkout", $"registry:5000/shop/checkout:1.42.{patch}");
            _cluster.Settle();
        }

        _cluster.PageSize = 1;
        var result = await target.Order(Order(null) with { Version = "1.42.4" }, CancellationToken.None);
        result.Message.ShouldContain("goes back to 1.41.3 (revision 1,");
    }

    [Fact]
    public async Task Of_several_revisions_of_one_version_the_newest_is_taken()
    {
        var target = Deployed();
        _cluster.Apply("deployments", "checkout", "registry:5000/shop/checkout:1.41.3", d => Container(d)["env"] = new JsonArray(new JsonObject { ["name"] = "CACHE", ["value"] = "on" }));
        _cluster.Settle();
        _cluster.Apply("deployments", "checkout", "registry:5000/shop/checkout:1.42.0", d => Container(d).Remove("env"));
        _cluster.Settle();
        (await target.Order(Order(null), CancellationToken.None)).Accepted.ShouldBeTrue();
        Container(_cluster.Get("deployments/checkout"))["env"]![0]!["value"]!.GetValue<string>().ShouldBe("on");
    }

    [Fact]
    public async Task What_is_there_already_is_not_written_again()
    {
        var target = Deployed();
        var order = Order((await Look(target)).Fence);
        _cluster.Apply("deployments", "checkout", "registry:5000/shop/checkout:1.41.3");
        _cluster.Settle();
        var result = await target.Order(order, CancellationToken.None);
        (result.Accepted, result.Message).ShouldBe((true, "kubernetes:shop/checkout is back at 1.41.3 already; nothing was written"));
        _cluster.Requests.ShouldNotContain("patch deployments");
    }

    // ---- What others write in between ----

    [Fact]
    public async Task A_conflict_by_status_or_scale_only_is_read_again_and_gone_on_with()
    {
        var target = Deployed();
        var order = Order((await Look(target)).Fence);
        var others = new Queue<Action>(
        [
            () => _cluster.Change("deployments/checkout", d => d["status"]!["readyReplicas"] = 2),
            () => _cluster.Change("deployments/checkout", d => (d["spec"]!["replicas"], d["metadata"]!["generation"]) = (4, 3)),
        ]);
        _cluster.BeforeWrite = () =>
        {
            if (others.TryDequeue(out var other))
                other();
        };
        var result = await target.Order(order, CancellationToken.None);
        result.Accepted.ShouldBeTrue(result.Message);
        others.ShouldBeEmpty();
        var written = _cluster.Get("deployments/checkout");
        Image(written).ShouldEndWith(":1.41.3");
        ((int)written["spec"]!["replicas"]!).ShouldBe(4);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_newer_rollout_of_a_person_is_not_undone(bool inTheVeryMoment)
    {
        var target = Deployed();
        var order = Order((await Look(target)).Fence);
        void Newer()
        {
            _cluster.BeforeWrite = null;
            _cluster.Apply("deployments", "checkout", "registry:5000/shop/checkout:1.43.0");
        }

        if (inTheVeryMoment)
            _cluster.BeforeWrite = Newer;
        else
            Newer();
        var result = await target.Order(order, CancellationToken.None);
        (result.Refused, result.Message).ShouldBe((true, "somebody changed the pod template of kubernetes:shop/checkout after the rollback was decided (it is 1.43.0 now); what is newer is not undone"));
        Image(_cluster.Get("deployments/checkout")).ShouldEndWith(":1.43.0");
    }

    [Fact]
    public async Task A_version_that_was_not_judged_is_not_undone()
    {
        var target = Deployed();
        var result = await target.Order(Order(null) with { Version = "1.41.9" }, CancellationToken.None);
        result.Refused.ShouldBeTrue();
        result.Message.ShouldStartWith("kubernetes:shop/checkout does not serve 1.41.9, which was judged, but 1.42.0;");
    }

    [Fact]
    public async Task A_workload_that_never_stands_still_is_tried_again_later()
    {
        var target = Deployed();
        var order = Order((await Look(target)).Fence);
        _cluster.BeforeWrite = () => _cluster.Change("deployments/checkout", d => d["metadata"]!["annotations"]!["seen"] = _cluster.Requests.Count.ToString(CultureInfo.InvariantCulture));
        var result = await target.Order(order, CancellationToken.None);
        (result.Accepted, result.Refused).ShouldBe((false, false));
        result.Message.ShouldContain("was changed 5 times");
    }

    // ---- What cannot be done ----

    [Fact]
    public async Task A_version_that_is_not_kept_is_refused_with_those_that_are()
    {
        var target = Deployed();
        var result = await target.Order(Order(null) with { TargetVersion = "1.40.0" }, CancellationToken.None);
        (result.Refused, result.Message).ShouldBe((true, "kubernetes:shop/checkout has no revision of 1.40.0 to go back to; it has 1.41.3 (revision 1)"));
    }

    [Theory]
    [InlineData("shop", "basket")]
    [InlineData("store", "checkout")]
    public async Task A_workload_that_is_not_there_is_refused(string space, string name)
    {
        Deployed();
        var target = Target(settings: [("namespace", space), ("deployment", name)]);
        var result = await target.Order(Order(null), CancellationToken.None);
        (result.Refused, result.Message).ShouldBe((true, $"kubernetes:{space}/{name}: there is no such workload (deployments.apps \"{name}\" not found): it was deleted, or namespace or name in the policy is wrong"));
        (await Look(target)).Reached.ShouldBeFalse();
    }

    [Theory]
    [InlineData("get deployments")]
    [InlineData("list replicasets")]
    [InlineData("patch deployments")]
    public async Task A_missing_right_is_named_with_its_remedy(string right)
    {
        var target = Deployed();
        _cluster.Denied.Add(right);
        var result = await target.Order(Order(null), CancellationToken.None);
        result.Refused.ShouldBeTrue();
        var (verb, resource) = (right.Split(' ')[0], right.Split(' ')[1]);
        result.Message.ShouldContain($"cannot {verb} resource \"{resource}\" in API group \"apps\" in the namespace \"shop\"");
        result.Message.ShouldEndWith("give it the Role in deploy/kubernetes/rbac.yaml");
        Image(_cluster.Get("deployments/checkout")).ShouldEndWith(":1.42.0");
    }

    [Fact]
    public async Task The_role_that_is_shipped_grants_what_a_rollback_asks_for()
    {
        var target = Deployed();
        await target.Order(Order((await Look(target)).Fence), CancellationToken.None);
        var role = await File.ReadAllTextAsync(Repository.At("deploy/kubernetes/rbac.yaml"));
        foreach (var asked in _cluster.Requests.Distinct(StringComparer.Ordinal).Select(r => r.Split(' ')))
        {
            var rule = role.Split("- apiGroups:").FirstOrDefault(r => r.Contains(asked[1], StringComparison.Ordinal));
            rule.ShouldNotBeNull(asked[1]).Split("verbs:")[1].Split(']')[0].ShouldContain(asked[0]);
        }
    }

    [Fact]
    public async Task A_label_that_nobody_moves_names_no_revision()
    {
        foreach (var tag in (string[])["1.0", "1.1", "1.2"])
        {
            _cluster.Apply("deployments", "checkout", "registry:5000/shop/checkout:" + tag, d => ((JsonObject)d["spec"]!["template"]!["metadata"]!["labels"]!)["app.kubernetes.io/version"] = "1.0");
            _cluster.Settle();
        }

        var target = Target();
        var fence = (await Look(target)).Fence;
        var result = await target.Order(Order(fence) with { Version = "1.2", TargetVersion = "1.0" }, CancellationToken.None);
        result.Accepted.ShouldBeTrue(result.Message);
        Image(_cluster.Get("deployments/checkout")).ShouldEndWith(":1.0");
    }

    [Fact]
    public async Task Credentials_that_are_not_accepted_may_be_renewed_and_are_not_shown()
    {
        Deployed();
        var target = Target(secret: _ => "wr0ng");
        var result = await target.Order(Order(null), CancellationToken.None);
        (result.Refused, result.Message).ShouldBe((false, "kubernetes:shop/checkout: the API server does not accept Commander's credentials: Unauthorized"));
        result.Message.ShouldNotContain("wr0ng");
    }

    [Fact]
    public async Task Without_the_token_nothing_is_asked()
    {
        Deployed();
        var result = await Target(secret: _ => null).Order(Order(null), CancellationToken.None);
        result.Refused.ShouldBeTrue();
        result.Message.ShouldContain("(${COMMANDER_SECRET_KUBE}) is not there");
        _cluster.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_paused_rollout_is_refused_and_not_resumed()
    {
        var target = Deployed();
        _cluster.Change("deployments/checkout", d => d["spec"]!["paused"] = true);
        var result = await target.Order(Order(null), CancellationToken.None);
        (result.Refused, result.Message).ShouldBe((true, "the rollout of kubernetes:shop/checkout is paused, so that an undo would wait unseen; run kubectl rollout resume and roll back again"));
        var state = await Look(target);
        (state.Settled, state.Message).ShouldBe((false, "1.42.0 stands in the pod template, but the rollout is paused: run kubectl rollout resume"));
        ((bool)_cluster.Get("deployments/checkout")["spec"]!["paused"]!).ShouldBeTrue();
    }

    [Fact]
    public async Task A_template_that_the_server_does_not_take_is_refused_with_its_reason()
    {
        var target = Deployed();
        _cluster.Change("deployments/checkout", d => d["spec"]!["selector"]!["matchLabels"]!["tier"] = "web");
        foreach (var name in ReplicaSets())
            _cluster.Change(name, r => r["metadata"]!["labels"]!["tier"] = "web");
        var result = await target.Order(Order(null), CancellationToken.None);
        result.Refused.ShouldBeTrue(result.Message);
        result.Message.ShouldContain("answered 422: deployments.apps \"checkout\" is invalid: spec.template.metadata.labels");
    }

    [Fact]
    public async Task A_container_that_is_not_there_is_said()
    {
        Deployed();
        var result = await Target(settings: [("container", "web")]).Order(Order(null), CancellationToken.None);
        (result.Refused, result.Message).ShouldBe((true, "kubernetes:shop/checkout has no container 'web', whose image the policy takes for the version; it has app"));
    }

    // ---- A server that is not well ----

    [Theory]
    [InlineData(302)]
    [InlineData(404)]
    [InlineData(408)]
    [InlineData(410)]
    [InlineData(500)]
    [InlineData(503)]
    public async Task A_status_of_the_moment_is_neither_taken_nor_refused(int status)
    {
        var target = Deployed();
        _cluster.Instead = context =>
        {
            context.Response.StatusCode = status;
            context.Response.Headers.Location = "/elsewhere";
            return Task.FromResult(true);
        };
        var result = await target.Order(Order(null), CancellationToken.None);
        (result.Accepted, result.Refused).ShouldBe((false, false), result.Message);
        (await Look(target)).Reached.ShouldBeFalse();
    }

    [Theory]
    [InlineData("<html>sign in</html>")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"metadata":{"resourceVersion":5},"spec":{"template":"x"}}""")]
    [InlineData("""{"metadata":{},"metadata":{}}""")]
    public async Task Something_else_that_answers_is_no_state(string answer)
    {
        var target = Deployed();
        _cluster.Instead = async context =>
        {
            await context.Response.WriteAsync(answer);
            return true;
        };
        (await Look(target)).ShouldSatisfyAllConditions(s => s.Reached.ShouldBeFalse(), s => s.Message.ShouldContain("is no Kubernetes API server"));
        (await target.Order(Order(null), CancellationToken.None)).Refused.ShouldBeFalse();
    }

    [Fact]
    public async Task A_server_that_asks_for_time_is_left_alone_for_as_long()
    {
        var target = Deployed();
        var asked = 0;
        _cluster.Instead = context =>
        {
            asked++;
            context.Response.StatusCode = 429;
            context.Response.Headers.RetryAfter = "7";
            return Task.FromResult(true);
        };
        (await target.Order(Order(null), CancellationToken.None)).Message.ShouldContain("answered 429");
        _cluster.Instead = null;
        _clock.Advance(TimeSpan.FromSeconds(6));
        var early = await target.Order(Order(null), CancellationToken.None);
        (early.Accepted, early.Refused, early.Message).ShouldBe((false, false, "kubernetes:shop/checkout: the API server asked to be left alone until 10:00:07Z"));
        asked.ShouldBe(1);
        _cluster.Requests.ShouldBeEmpty();
        _clock.Advance(TimeSpan.FromSeconds(1));
        (await target.Order(Order(null), CancellationToken.None)).Accepted.ShouldBeTrue();
    }

    [Fact]
    public async Task A_server_that_does_not_answer_is_left_after_the_time_out()
    {
        Deployed();
        var arrived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _cluster.Instead = async context =>
        {
            arrived.TrySetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        };
        var look = Look(Target());
        await arrived.Task.WaitAsync(TimeSpan.FromSeconds(30));
        look.IsCompleted.ShouldBeFalse();
        _clock.Advance(TimeSpan.FromSeconds(10));
        var state = await look.WaitAsync(TimeSpan.FromSeconds(30));
        (state.Reached, state.Message).ShouldBe((false, "kubernetes:shop/checkout: the API server did not answer in time"));
    }

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(404)]
    [InlineData(409)]
    [InlineData(500)]
    public async Task A_server_that_says_back_what_it_was_sent_hands_no_token_on(int status)
    {
        var target = Deployed();
        _cluster.Instead = async context =>
        {
            context.Response.StatusCode = status;
            await context.Response.WriteAsJsonAsync(new { kind = "Status", message = "you sent " + context.Request.Headers.Authorization });
            return true;
        };
        var state = await Look(target);
        state.Message.ShouldContain("you sent Bearer ***");
        state.Message.ShouldNotContain(FakeCluster.Token);
        (await target.Order(Order(null), CancellationToken.None)).Message.ShouldNotContain(FakeCluster.Token);
    }

    [Fact]
    public async Task A_server_that_is_down_is_asked_again()
    {
        var target = Deployed();
        await _cluster.Stop();
        var result = await target.Order(Order(null), CancellationToken.None);
        (result.Accepted, result.Refused).ShouldBe((false, false));
        result.Message.ShouldContain("the API server cannot be reached");
    }

    // ---- While it rolls ----

    [Fact]
    public async Task A_failure_from_before_the_undo_says_nothing_about_it_and_a_new_one_does()
    {
        _cluster.Broken.Add("registry:5000/shop/checkout:1.42.0");
        var target = Deployed();
        _cluster.ExceedDeadline("checkout");
        var failed = await Look(target);
        failed.Message.ShouldBe("1.42.0 does not get on (1 of 3 pods, 3 ready): ReplicaSet \"checkout\" has timed out progressing.");
        (await target.Order(Order(failed.Fence), CancellationToken.None)).Accepted.ShouldBeTrue();
        _cluster.Step();
        Condition().ShouldBe("False", "the failure is still there when the controller has taken the undo up");
        var after = await Look(target);
        after.Message.ShouldBe("1.41.3 has 3 of 3 pods (revision 3), 3 pods are ready, 1 of other revisions are left");
        after.Settled.ShouldBeFalse();
        _cluster.Settle();
        (await Look(target)).Settled.ShouldBeTrue();

        _cluster.Change("deployments/checkout", d => d["status"]!["readyReplicas"] = 1);
        _cluster.ExceedDeadline("checkout");
        (await Look(target)).Message.ShouldContain("does not get on (3 of 3 pods, 1 ready)");

        string Condition() => (string)_cluster.Get("deployments/checkout")["status"]!["conditions"]![0]!["status"]!;
    }

    [Fact]
    public async Task What_keeps_pods_from_being_made_is_told()
    {
        var target = Deployed();
        await target.Order(Order((await Look(target)).Fence), CancellationToken.None);
        _cluster.Step();
        _cluster.Change("deployments/checkout", d => ((JsonArray)d["status"]!["conditions"]!).Add(new JsonObject
        {
            ["type"] = "ReplicaFailure",
            ["status"] = "True",
            ["message"] = "pods \"checkout-1\" is forbidden:\nexceeded quota",
        }));
        (await Look(target)).Message.ShouldBe("1.41.3 has 0 of 3 pods (revision 3), 3 pods are ready, 3 of other revisions are left; pods cannot be made: pods \"checkout-1\" is forbidden: exceeded quota");
    }

    [Fact]
    public async Task A_revision_that_is_down_is_gone_back_to_only_when_it_is_named_and_that_is_said()
    {
        var target = Deployed();
        _cluster.Broken.Add("registry:5000/shop/checkout:1.43.0");
        _cluster.Apply("deployments", "checkout", "registry:5000/shop/checkout:1.43.0");
        _cluster.Settle();
        _cluster.Apply("deployments", "checkout", "registry:5000/shop/checkout:1.44.0");
        _cluster.Step();
        var result = await target.Order(Order(null) with { Version = "1.44.0", TargetVersion = "1.43.0" }, CancellationToken.None);
        result.Accepted.ShouldBeTrue();
        result.Message.ShouldEndWith("; none of the pods that it has is ready");
    }

    [Fact]
    public async Task Scaled_to_zero_is_settled_and_said()
    {
        _cluster.Apply("deployments", "checkout", "registry:5000/shop/checkout:1.41.3", replicas: 0);
        _cluster.Settle();
        _cluster.Apply("deployments", "checkout", "registry:5000/shop/checkout:1.42.0");
        _cluster.Settle();
        var target = Target();
        (await target.Order(Order((await Look(target)).Fence), CancellationToken.None)).Accepted.ShouldBeTrue();
        (await Look(target)).Settled.ShouldBeFalse();
        _cluster.Settle();
        var state = await Look(target);
        (state.Settled, state.Message).ShouldBe((true, "1.41.3 is the version (revision 3), and it is scaled to zero: no pod serves"));
    }

    [Theory]
    [InlineData(true, "; its replica count stays with the autoscaler checkout-hpa")]
    [InlineData(false, "")]
    public async Task An_autoscaler_is_named_where_the_cluster_has_them(bool served, string told)
    {
        var target = Deployed();
        _cluster.ServesAutoscaling = served;
        _cluster.Add("horizontalpodautoscalers/checkout-hpa", new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = "checkout-hpa", ["namespace"] = "shop" },
            ["spec"] = new JsonObject { ["scaleTargetRef"] = new JsonObject { ["kind"] = "Deployment", ["name"] = "checkout" } },
        });
        var result = await target.Order(Order(null), CancellationToken.None);
        result.Accepted.ShouldBeTrue();
        result.Message.Split(')')[1].ShouldBe(told);
    }

    [Theory]
    [InlineData("labels", "argocd.argoproj.io/instance", "shop", "Argo CD (application shop)")]
    [InlineData("annotations", "argocd.argoproj.io/tracking-id", "shop:apps/Deployment:shop/checkout", "Argo CD (application shop)")]
    [InlineData("labels", "kustomize.toolkit.fluxcd.io/name", "apps", "Flux (kustomization apps)")]
    [InlineData("labels", "helm.toolkit.fluxcd.io/name", "checkout", "Flux (helm release checkout)")]
    public async Task Where_git_puts_the_version_back_it_is_done_and_said(string place, string key, string value, string keeper)
    {
        var target = Deployed();
        _cluster.Change("deployments/checkout", d => (d["metadata"]![place] ??= new JsonObject())[key] = value);
        var result = await target.Order(Order(null), CancellationToken.None);
        (result.Accepted, result.Note).ShouldBe((true, $"kubernetes:shop/checkout is managed by {keeper}: its next sync puts 1.42.0 back unless the change is reverted in git or automatic sync is suspended"));
        (await Look(target)).Message.ShouldEndWith($"; managed by {keeper}");
    }

    // ---- What it offers to go back to ----

    [Fact]
    public async Task The_revision_whose_pods_are_ready_is_offered_before_a_newer_one_that_has_none()
    {
        var target = Deployed();
        _cluster.Broken.Add("registry:5000/shop/checkout:1.43.0");
        _cluster.Apply("deployments", "checkout", "registry:5000/shop/checkout:1.43.0");
        _cluster.Settle();
        var earlier = (await Look(target)).Earlier;
        earlier.Select(e => (e.Names[0], e.Evidence)).ShouldBe(
        [
            ("1.42.0", "revision 2, 3 of its pods are ready now"),
            ("1.41.3", "revision 1, the newest before; it has no pods any more, and Kubernetes keeps no record of whether they were ready"),
        ]);
    }

    [Fact]
    public async Task A_revision_whose_pods_are_all_down_is_not_offered()
    {
        var target = Deployed();
        _cluster.Broken.Add("registry:5000/shop/checkout:1.43.0");
        _cluster.Apply("deployments", "checkout", "registry:5000/shop/checkout:1.43.0");
        _cluster.Settle();
        _cluster.Apply("deployments", "checkout", "registry:5000/shop/checkout:1.44.0");
        _cluster.Step();
        var state = await Look(target);
        state.ServingVersion.ShouldBe("1.44.0");
        state.Earlier.Select(e => e.Names[0]).ShouldBe(["1.42.0", "1.41.3"]);
    }

    [Fact]
    public async Task A_name_that_all_revisions_share_is_not_offered()
    {
        foreach (var version in (string[])["1.41.3", "1.42.0"])
        {
            _cluster.Apply("deployments", "checkout", "registry:5000/shop/checkout:" + version, d => d["spec"]!["template"]!["metadata"]!["labels"]!["version"] = "v1");
            _cluster.Settle();
        }

        var target = Target();
        var state = await Look(target);
        (state.ServingVersion, state.Serves("1.42.0"), state.Serves("1.41.3")).ShouldBe(("1.42.0", true, false));
        state.Serves("v1").ShouldBeTrue();
        state.Earlier.ShouldHaveSingleItem().Names.ShouldBe(["1.41.3"]);
        (await target.Order(Order(state.Fence), CancellationToken.None)).Accepted.ShouldBeTrue();
        _cluster.Settle();
        (await Look(target)).ShouldSatisfyAllConditions(s => s.Serves("1.41.3").ShouldBeTrue(), s => s.Settled.ShouldBeTrue());
    }

    // ---- StatefulSets and DaemonSets ----

    [Fact]
    public async Task A_stateful_set_is_settled_when_its_update_has_become_its_current_revision()
    {
        var target = Deployed("statefulsets", ("statefulset", "checkout"));
        target.Name.ShouldBe("kubernetes:shop/statefulset/checkout");
        var before = await Look(target);
        (before.ServingVersion, before.Settled).ShouldBe(("1.42.0", true));
        before.Earlier.ShouldHaveSingleItem().Evidence.ShouldBe("revision 1, the newest before; Kubernetes keeps no record of whether its pods were ready");
        var result = await target.Order(Order(before.Fence), CancellationToken.None);
        result.Accepted.ShouldBeTrue(result.Message);
        _cluster.Get("statefulsets/checkout")["spec"]!["template"]!.AsObject().ContainsKey("$patch").ShouldBeFalse();
        await SettlesLate(target, "statefulsets/checkout", "updatedReplicas", 3);
        (await Look(target)).Message.ShouldBe("1.41.3 serves on 3 of 3 pods (revision 3)");
    }

    [Fact]
    public async Task A_stateful_set_that_waits_for_a_broken_pod_says_so_and_offers_what_completed_last()
    {
        _cluster.Broken.Add("registry:5000/shop/checkout:1.42.0");
        var target = Deployed("statefulsets", ("statefulset", "checkout"));
        var state = await Look(target);
        state.Settled.ShouldBeFalse();
        state.Message.ShouldBe("1.42.0 has 1 of 3 pods (revision 2), 2 pods are ready, 2 of other revisions are left; a StatefulSet waits for a pod of the old revision that never gets ready: delete that pod if it stays");
        state.Earlier.ShouldHaveSingleItem().Evidence.ShouldBe("revision 1, whose rollout was the last to complete");
    }

    [Theory]
    [InlineData("statefulsets", "statefulset", """{"type":"OnDelete"}""", "its update strategy is OnDelete")]
    [InlineData("statefulsets", "statefulset", """{"type":"RollingUpdate","rollingUpdate":{"partition":2}}""", "its rolling update stops at partition 2")]
    [InlineData("daemonsets", "daemonset", """{"type":"OnDelete"}""", "its update strategy is OnDelete")]
    public async Task An_update_strategy_that_would_never_end_is_refused(string kind, string setting, string strategy, string why)
    {
        var target = Deployed(kind, (setting, "checkout"));
        _cluster.Change(kind + "/checkout", s => s["spec"]!["updateStrategy"] = JsonNode.Parse(strategy));
        var result = await target.Order(Order(null), CancellationToken.None);
        result.Refused.ShouldBeTrue();
        result.Message.ShouldContain(why);
    }

    [Fact]
    public async Task A_daemon_set_is_settled_when_every_node_has_the_old_pod()
    {
        var target = Deployed("daemonsets", ("daemonset", "checkout"));
        target.Name.ShouldBe("kubernetes:shop/daemonset/checkout");
        var result = await target.Order(Order((await Look(target)).Fence), CancellationToken.None);
        result.Accepted.ShouldBeTrue(result.Message);
        await SettlesLate(target, "daemonsets/checkout", "updatedNumberScheduled", 2);
        (await Look(target)).Message.ShouldBe("1.41.3 serves on 2 of 2 pods (revision 3)");
    }

    // ---- The way to a cluster ----

    [Fact]
    public async Task A_context_of_the_kubeconfig_leads_to_its_cluster()
    {
        Deployed();
        var file = Path.Combine(Directory.CreateTempSubdirectory("commander-kube-").FullName, "config");
        await File.WriteAllTextAsync(file, $$"""
            apiVersion: v1
            kind: Config
            clusters: [ { name: c, cluster: { server: '{{_cluster.Url}}' } } ]
            users: [ { name: u, user: { token: {{FakeCluster.Token}} } } ]
            contexts: [ { name: production, context: { cluster: c, user: u } } ]
            """);
        var before = Environment.GetEnvironmentVariable("KUBECONFIG");
        try
        {
            Environment.SetEnvironmentVariable("KUBECONFIG", file);
            (await Look(InContext("production"))).ServingVersion.ShouldBe("1.42.0");
            (await Look(InContext("staging"))).Message.ShouldStartWith("kubernetes:shop/checkout: the context staging of the kubeconfig cannot be used: there is no such context in ");
            Environment.SetEnvironmentVariable("KUBECONFIG", "/nowhere/config");
            (await Look(InContext(null))).Message.ShouldBe("kubernetes:shop/checkout: the kubeconfig (there is no server and no context in the policy, and Commander does not run in a cluster) cannot be used: there is no file /nowhere/config");
        }
        finally
        {
            Environment.SetEnvironmentVariable("KUBECONFIG", before);
            Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
        }

        KubernetesTarget InContext(string? context)
        {
            var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["namespace"] = "shop", ["deployment"] = "checkout" };
            if (context is not null)
                settings["context"] = context;
            return new KubernetesTarget(new RollbackPolicy("kubernetes", settings, [], TimeSpan.FromSeconds(10)), Kept(_ => null), _clock);
        }
    }

    // ---- Names ----

    [Theory]
    [InlineData("checkout:1.2.3", null, null, "1.2.3")]
    [InlineData("registry:5000/shop/checkout", null, null, "")]
    [InlineData("registry:5000/shop/checkout:1.2.3@sha256:ab12", null, null, "1.2.3,sha256:ab12")]
    [InlineData("checkout@sha256:ab12", "2.0", "v2", "v2,2.0,sha256:ab12")]
    [InlineData("checkout:2.0", "2.0", null, "2.0")]
    public void A_version_is_known_by_labels_tag_and_digest(string image, string? version, string? recommended, string names)
    {
        var labels = new JsonObject();
        if (version is not null)
            labels["version"] = version;
        if (recommended is not null)
            labels["app.kubernetes.io/version"] = recommended;
        var template = new JsonObject
        {
            ["metadata"] = new JsonObject { ["labels"] = labels },
            ["spec"] = new JsonObject { ["containers"] = new JsonArray(new JsonObject { ["name"] = "proxy", ["image"] = "envoy:9" }, new JsonObject { ["name"] = "app", ["image"] = image }) },
        };
        string.Join(',', new PodTemplate(template, "app").Names).ShouldBe(names);
    }

    [Fact]
    public void A_template_is_the_same_whatever_the_controllers_add_and_in_whichever_order()
    {
        var one = JsonNode.Parse("""{"metadata":{"creationTimestamp":null,"labels":{"app":"a","pod-template-hash":"5d"}},"spec":{"containers":[{"name":"app","image":"a:1"}]}}""")!;
        var two = JsonNode.Parse("""{"$patch":"replace","spec":{"containers":[{"image":"a:1","name":"app"}]},"metadata":{"labels":{"app":"a"},"annotations":{}}}""")!;
        var other = JsonNode.Parse("""{"spec":{"containers":[{"image":"a:1","name":"app","env":[]}]},"metadata":{"labels":{"app":"a"}}}""")!;
        new PodTemplate(one, null).Fingerprint.ShouldBe(new PodTemplate(two, null).Fingerprint);
        new PodTemplate(one, null).Fingerprint.ShouldNotBe(new PodTemplate(other, null).Fingerprint);
    }

    // ---- The world ----

    private static Task<PlatformState> Look(KubernetesTarget target) => target.Look("checkout", "prod", CancellationToken.None);

    private static RollbackOrder Order(string? fence) => new("dep-1/rollback/1", "dep-1", "checkout", "prod", "1.42.0", "1.41.3", fence);

    private KubernetesTarget Deployed(string kind = "deployments", params (string Key, string Value)[] settings)
    {
        foreach (var version in (string[])["1.41.3", "1.42.0"])
        {
            _cluster.Apply(kind, "checkout", "registry:5000/shop/checkout:" + version);
            _cluster.Settle();
        }

        return Target(settings: settings);
    }

    private KubernetesTarget Target(Func<string, string?>? secret = null, params (string Key, string Value)[] settings)
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal) { ["namespace"] = "shop", ["server"] = _cluster.Url, ["token"] = "${COMMANDER_SECRET_KUBE}" };
        foreach (var (key, value) in settings)
            all[key] = value;
        if (!all.ContainsKey("statefulset") && !all.ContainsKey("daemonset"))
            all.TryAdd("deployment", "checkout");
        return new KubernetesTarget(new RollbackPolicy("kubernetes", all, [], TimeSpan.FromSeconds(10)), Kept(secret ?? (_ => FakeCluster.Token)), _clock);
    }

    private Clusters Kept(Func<string, string?> secret)
    {
        _clusters.Add(new Clusters(_clock, secret));
        return _clusters[^1];
    }

    private async Task SettlesLate(KubernetesTarget target, string key, string updated, int all)
    {
        (await Look(target)).Settled.ShouldBeFalse();
        while (_cluster.Step())
        {
            var state = await Look(target);
            state.Settled.ShouldBe(Count(_cluster.Get(key)["status"]![updated]) == all, state.Message);
        }
    }

    private static long Count(JsonNode? number) => number is null ? 0 : long.Parse(number.ToJsonString(), CultureInfo.InvariantCulture);

    private List<string> ReplicaSets() => [.. Enumerable.Range(1, 2).Select(n => "replicasets/checkout-" + (0x5d4c3b2a + n).ToString(CultureInfo.InvariantCulture))];

    private static JsonObject Container(JsonNode workload) => (JsonObject)workload["spec"]!["template"]!["spec"]!["containers"]![0]!;

    private static string Image(JsonNode workload) => (string)Container(workload)["image"]!;

    private static string? Annotation(JsonNode workload, string key) => (string?)workload["metadata"]!["annotations"]![key];

    public async ValueTask DisposeAsync()
    {
        foreach (var clusters in _clusters)
            clusters.Dispose();
        await _cluster.DisposeAsync();
    }
}
