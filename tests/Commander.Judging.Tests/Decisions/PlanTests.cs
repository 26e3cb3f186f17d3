using Commander.Judging.Decisions;
using Commander.Judging.Policies;

namespace Commander.Judging.Tests.Decisions;

public class PlanTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 24, 10, 0, 0, TimeSpan.Zero);
    private static readonly EarlierVersion Offered = new(["1.41.3", "sha256:ab"], "revision 4, 2 of its pods are ready now");

    private static readonly ActPolicy Act = PolicySet.Empty.Defaults.Act with
    {
        Autonomy = Autonomy.Enforce,
        Rollback = new RollbackPolicy("kubernetes", new Dictionary<string, string>(StringComparer.Ordinal), [], TimeSpan.FromSeconds(60)),
        Cooldown = TimeSpan.Zero,
        MaxPerHour = null,
    };

    [Fact]
    public void Without_a_known_version_the_platform_is_asked_before_anything_is_refused()
    {
        var plan = Plan.For(Act, Situation(null, []));
        (plan.Move, plan.TargetVersion, plan.Reason).ShouldBe((Move.Rollback, null, "back to the platform's previous healthy version"));
        var asked = Plan.For(Act with { Autonomy = Autonomy.Recommend }, Situation(null, []));
        (asked.Move, asked.Reason).ShouldBe((Move.Ask, "recommended: back to the platform's previous healthy version; waits for a person"));
    }

    [Fact]
    public void What_the_platform_offers_is_taken_and_its_evidence_is_told()
    {
        var plan = Plan.For(Act, Situation([Offered], []));
        (plan.Move, plan.TargetVersion).ShouldBe((Move.Rollback, "1.41.3"));
        plan.Reason.ShouldBe("back to 1.41.3, which the platform offers: revision 4, 2 of its pods are ready now");
    }

    [Fact]
    public void A_platform_that_offers_nothing_is_a_refusal()
    {
        var plan = Plan.For(Act, Situation([], []));
        (plan.Move, plan.TargetVersion, plan.Reason).ShouldBe((Move.Refuse, null, "no earlier version is known that was not itself rolled back"));
    }

    [Theory]
    [InlineData("1.41.3")]
    [InlineData("sha256:ab")]
    public void An_offered_version_that_was_rolled_back_under_any_of_its_names_is_passed_over(string undone)
    {
        var older = new EarlierVersion(["1.41.2"], "revision 3");
        var plan = Plan.For(Act, Situation([Offered, older], [new PastDeployment(undone, Now - TimeSpan.FromDays(1), false, Now - TimeSpan.FromDays(1))]));
        plan.TargetVersion.ShouldBe("1.41.2");
    }

    [Fact]
    public void A_version_that_was_found_good_since_may_be_gone_back_to_and_its_rollback_still_counts_for_the_cool_down()
    {
        var history = new[] { new PastDeployment("1.41.3", Now - TimeSpan.FromHours(1), true, null), new PastDeployment("1.41.3", Now - TimeSpan.FromHours(2), false, Now - TimeSpan.FromMinutes(20)) };
        var situation = Situation([], history) with { RolledBack = new Dictionary<string, DateTimeOffset>(StringComparer.Ordinal) };
        Plan.For(Act, situation).TargetVersion.ShouldBe("1.41.3");
        Plan.For(Act with { Cooldown = TimeSpan.FromMinutes(30) }, situation).Reason.ShouldBe("the last rollback of this service was 20 min ago, the cool-down is 30 min");
    }

    [Fact]
    public void The_version_that_is_judged_is_never_the_one_to_go_back_to() =>
        Plan.For(Act, Situation([new EarlierVersion(["stable", "1.42.0"], "revision 4")], [])).Move.ShouldBe(Move.Refuse);

    [Fact]
    public void A_version_that_commander_knows_comes_before_one_that_the_platform_offers()
    {
        var continued = new PastDeployment("1.41.9", Now - TimeSpan.FromDays(1), true, null);
        Plan.For(Act, Situation([Offered], [continued])).TargetVersion.ShouldBe("1.41.9");
        Plan.For(Act, Situation([Offered], [continued]) with { PreviousVersion = "1.41.8" }).TargetVersion.ShouldBe("1.41.8");
    }

    [Fact]
    public void What_must_not_be_undone_is_refused_without_asking_the_platform() =>
        Plan.For(Act with { Irreversible = ["migration"] }, Situation(null, []) with { Kind = "migration" }).Move.ShouldBe(Move.Refuse);

    private static Situation Situation(IReadOnlyList<EarlierVersion>? platform, IReadOnlyList<PastDeployment> history) =>
        new(
            Now,
            "1.42.0",
            "release",
            new Dictionary<string, string>(StringComparer.Ordinal),
            null,
            false,
            false,
            history,
            history.Where(p => p.RolledBackAt is not null).ToDictionary(p => p.Version, p => p.RolledBackAt!.Value, StringComparer.Ordinal),
            platform);
}
