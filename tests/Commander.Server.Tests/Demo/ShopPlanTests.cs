using Commander.Judging.Verdicts;
using Commander.Server.Demo;

namespace Commander.Server.Tests.Demo;

public class ShopPlanTests
{
    private static Deployment Watching(int n, string kind = "good", int? previous = null) =>
        Facts.Watching($"dep-{n}", $"1.0.{n}", $"1.0.{previous ?? n - 1}", kind);

    [Fact]
    public void Without_facts_the_first_version_serves() =>
        ShopPlan.From([]).ShouldBe(new ShopPlan("1.0.0", "good", null, null, null, 0, 0));

    [Fact]
    public void A_version_under_watch_gets_its_half_again() =>
        ShopPlan.From([Watching(1, "leak")]).ShouldBe(new ShopPlan("1.0.0", "good", "1.0.1", "leak", "dep-1", 0.5, 1));

    [Fact]
    public void A_version_that_carries_on_serves_while_the_old_one_stands_by() =>
        ShopPlan.From([Facts.Decided(Watching(1, "subtle"), "CONTINUE")]).ShouldBe(new ShopPlan("1.0.0", "good", "1.0.1", "subtle", "dep-1", 0.9, 1));

    [Fact]
    public void A_version_that_closed_as_continue_is_the_stable_one_with_its_own_fault() =>
        ShopPlan.From([Facts.Closed(Facts.Decided(Watching(1, "subtle"), "CONTINUE"))]).ShouldBe(new ShopPlan("1.0.1", "subtle", null, null, null, 0, 1));

    [Theory]
    [InlineData("done")]
    [InlineData("running")]
    public void A_version_that_is_rolled_back_is_not_started_again(string action)
    {
        var rolledBack = Facts.RolledBack(Watching(2, "errors"), action) with { State = "verifying" };
        var plan = ShopPlan.From([rolledBack, Facts.Closed(Facts.Decided(Watching(1), "CONTINUE"))]);
        (plan.Stable, plan.Candidate, plan.Deployment, plan.Newest).ShouldBe(("1.0.1", null, "dep-2", 2));
    }

    [Fact]
    public void A_rollback_that_was_only_intended_finds_both_versions_running()
    {
        var acting = Facts.RolledBack(Watching(1, "errors"), "intended") with { State = "acting" };
        ShopPlan.From([acting]).ShouldBe(new ShopPlan("1.0.0", "good", "1.0.1", "errors", "dep-1", 0.5, 1));
    }

    [Fact]
    public void What_nobody_decided_never_became_the_serving_version()
    {
        var plan = ShopPlan.From(
        [
            Watching(5, "good", previous: 1),
            Facts.Closed(Watching(4, "crash", previous: 1), "superseded"),
            Facts.Closed(Watching(3, "slow", previous: 1), "on_hold"),
            Facts.Closed(Facts.RolledBack(Watching(2, "errors", previous: 1))),
            Facts.Closed(Facts.Decided(Watching(1), "CONTINUE")),
        ]);
        plan.ShouldBe(new ShopPlan("1.0.1", "good", "1.0.5", "good", "dep-5", 0.5, 5));
    }

    [Fact]
    public void A_version_that_carried_on_until_the_next_came_is_the_stable_one() =>
        ShopPlan.From([Watching(2, "errors"), Facts.Closed(Facts.Decided(Watching(1), "CONTINUE"), "superseded")])
            .ShouldBe(new ShopPlan("1.0.1", "good", "1.0.2", "errors", "dep-2", 0.5, 2));
}
