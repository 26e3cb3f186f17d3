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

    [Fact]
    public void Observing_records_where_it_would_have_gone_and_a_person_may_go_there()
    {
        var act = Act with { Autonomy = Autonomy.Observe };
        var situation = Situation(null, []) with { PreviousVersion = "1.41.8" };
        Plan.For(act, situation).ShouldBe(new Plan(Move.None, "1.41.8", "autonomy is observe: recorded only"));
        Plan.For(act, situation with { ByPerson = true }).ShouldBe(new Plan(Move.Rollback, "1.41.8", "back to 1.41.8, asked for by a person"));
        // Observing needs no target to roll back with; acting does.
        Plan.For(act with { Rollback = null }, situation).Move.ShouldBe(Move.None);
        Plan.For(Act with { Rollback = null }, situation).ShouldBe(new Plan(Move.Refuse, null, "the policy names no rollback target (act.rollback)"));
    }

    [Theory]
    [InlineData(Autonomy.Enforce, Autonomy.Observe, false, Move.Rollback)]
    [InlineData(Autonomy.Enforce, Autonomy.Observe, true, Move.None)]
    [InlineData(Autonomy.Observe, Autonomy.Recommend, true, Move.Ask)]
    [InlineData(Autonomy.Recommend, Autonomy.Enforce, true, Move.Rollback)]
    [InlineData(Autonomy.Recommend, Autonomy.Enforce, false, Move.Ask)]
    public void After_a_continue_the_late_autonomy_counts(Autonomy autonomy, Autonomy late, bool afterContinue, Move expected) =>
        Plan.For(Act with { Autonomy = autonomy, Late = late }, Situation(null, []) with { PreviousVersion = "1.41.8", AfterContinue = afterContinue }).Move.ShouldBe(expected);

    [Theory]
    [InlineData("migration", "", "")]
    [InlineData("release", "migration", "v7")]
    [InlineData("release", "type", "migration")]
    public void A_mark_counts_as_kind_and_as_key_and_value_of_a_label_and_binds_people_too(string kind, string key, string value)
    {
        var situation = Situation(null, []) with { PreviousVersion = "1.41.8", Kind = kind, Labels = new Dictionary<string, string>(StringComparer.Ordinal) { [key] = value } };
        var act = Act with { Irreversible = ["contract", "migration"] };
        var refused = new Plan(Move.Refuse, "1.41.8", "the deployment is marked 'migration', which cannot be undone");
        Plan.For(act, situation).ShouldBe(refused);
        Plan.For(act, situation with { ByPerson = true }).ShouldBe(refused);
        Plan.For(act with { Irreversible = ["contract"] }, situation).Move.ShouldBe(Move.Rollback);
    }

    [Fact]
    public void A_freeze_holds_commander_tells_who_is_asked_and_lets_people_through()
    {
        var situation = Situation(null, []) with { PreviousVersion = "1.41.8", Freeze = new Freeze(null, null, "sale", "ada", Now, null) };
        Plan.For(Act, situation).ShouldBe(new Plan(Move.Refuse, "1.41.8", "frozen by ada until it is lifted: sale"));
        Plan.For(Act with { Autonomy = Autonomy.Recommend }, situation).ShouldBe(
            new Plan(Move.Ask, "1.41.8", "recommended: back to 1.41.8; waits for a person (frozen by ada until it is lifted: sale)"));
        Plan.For(Act, situation with { ByPerson = true }).Move.ShouldBe(Move.Rollback);
    }

    [Theory]
    [InlineData(29, Move.Refuse)]
    [InlineData(30, Move.Rollback)]
    public void The_newest_rollback_starts_the_cool_down(int minutes, Move expected)
    {
        var situation = Situation(null, [Undone("1.40", 300), Undone("1.39", minutes), Undone("1.38", 600)]) with { PreviousVersion = "1.41.8" };
        var plan = Plan.For(Act with { Cooldown = TimeSpan.FromMinutes(30) }, situation);
        plan.Move.ShouldBe(expected);
        if (expected == Move.Refuse)
        {
            plan.Reason.ShouldBe("the last rollback of this service was 29 min ago, the cool-down is 30 min");
        }
    }

    [Theory]
    [InlineData(59, 2, Move.Refuse)]
    [InlineData(60, 2, Move.Rollback)]
    [InlineData(59, 3, Move.Rollback)]
    [InlineData(59, 1, Move.Refuse)]
    public void As_many_rollbacks_as_an_hour_may_have_are_enough(int second, int limit, Move expected)
    {
        var situation = Situation(null, [Undone("1.40", 10), Undone("1.39", second), new PastDeployment("1.38", Now, false, null)]) with { PreviousVersion = "1.41.8" };
        var plan = Plan.For(Act with { MaxPerHour = limit }, situation);
        plan.Move.ShouldBe(expected);
        if (expected == Move.Refuse)
        {
            plan.Reason.ShouldBe($"2 rollbacks of this service in the last hour, the limit is {limit}");
        }
    }

    [Fact]
    public void A_version_that_comes_again_after_it_was_rolled_back_is_said_to_whatever_is_done()
    {
        var rolledBack = new Dictionary<string, DateTimeOffset>(StringComparer.Ordinal) { ["1.42.0"] = new(2026, 11, 20, 9, 5, 0, TimeSpan.FromHours(2)) };
        var situation = Situation(null, []) with { PreviousVersion = "1.41.8", RolledBack = rolledBack };
        const string again = "1.42.0 was rolled back before, at 2026-11-20 07:05 UTC";
        Plan.For(Act, situation).Reason.ShouldBe($"back to 1.41.8; {again}");
        Plan.For(Act with { Autonomy = Autonomy.Recommend }, situation).Reason.ShouldBe($"recommended: back to 1.41.8; waits for a person; {again}");
        Plan.For(Act, situation with { Freeze = new Freeze(null, null, "sale", "ada", Now, null) }).Reason.ShouldBe($"frozen by ada until it is lifted: sale; {again}");
        Plan.RolledBackBefore("1.41.8", rolledBack).ShouldBeNull();
    }

    [Fact]
    public void The_previous_version_is_passed_over_when_it_was_rolled_back_or_is_the_one_that_is_judged()
    {
        var continued = new PastDeployment("1.41.7", Now - TimeSpan.FromDays(2), true, null);
        var unclear = new PastDeployment("1.41.9", Now - TimeSpan.FromDays(1), false, null);
        var undone = Situation(null, [unclear, Undone("1.41.8", 1500), continued]) with { PreviousVersion = "1.41.8" };
        Plan.For(Act, undone).TargetVersion.ShouldBe("1.41.7");
        Plan.For(Act, undone with { PreviousVersion = "1.42.0" }).TargetVersion.ShouldBe("1.41.7");
        Plan.For(Act, Situation(null, [continued with { Version = "1.42.0" }])).TargetVersion.ShouldBeNull();
    }

    private static PastDeployment Undone(string version, int minutesAgo) => new(version, Now - TimeSpan.FromMinutes(minutesAgo + 5), false, Now - TimeSpan.FromMinutes(minutesAgo));

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
