using Commander.Charts;
using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;
using Commander.Server.Acting.Rollback;

namespace Commander.Server.Tests.Loop;

/// <summary>What a ROLLBACK verdict meets: policy, autonomy, history, freeze.</summary>
public class DecisionTests
{
    private static readonly IReadOnlyDictionary<string, string> Migration = new Dictionary<string, string>(StringComparer.Ordinal) { ["migration"] = "yes" };

    private static string Act(string from, string to) => LoopWorld.PolicyText.Replace(from, to, StringComparison.Ordinal);

    private static async Task<LoopWorld> Begin(string? policy = null)
    {
        var world = await LoopWorld.Begin(policy);
        world.Source.ErrorShare["2.0.0"] = 0.25;
        world.Source.ErrorShare["3.0.0"] = 0.25;
        world.Source.ErrorShare["4.0.0"] = 0.25;
        return world;
    }

    private static async Task<Deployment> Closed(LoopWorld world, string version, IReadOnlyDictionary<string, string>? labels = null)
    {
        var id = (await world.Announce(version, labels: labels)).Id;
        return await world.Run(id, d => d.State == "closed", TimeSpan.FromHours(2));
    }

    [Fact]
    public async Task Observe_records_only_whatever_the_target()
    {
        await using var world = await Begin(Act("autonomy: enforce, rollback: { type: webhook, url: 'http://127.0.0.1:1/rollback' }", "autonomy: observe"));
        var closed = await Closed(world, "2.0.0");
        closed.Verdict!.Decision.ShouldBe("ROLLBACK");
        closed.ClosedReason.ShouldBe("decided");
        closed.Actions.ShouldBeEmpty();
        closed.Notes.ShouldContain("autonomy is observe: recorded only");
        world.Platform.Orders.ShouldBeEmpty();
    }

    [Fact]
    public async Task An_order_that_nobody_takes_says_why_and_until_when_it_is_tried_and_then_what_to_do()
    {
        await using var world = await Begin(Act("after: 3m", "after: 1m"));
        world.Platform.Unreachable = true;
        var id = (await world.Announce("2.0.0")).Id;
        var trying = await world.Run(id, d => d.State == "acting" && d.Actions.Any(a => a.Message is not null));
        var last = trying.Actions[0].RequestedAt.AddMinutes(5);
        trying.EndsAt.ShouldBe(last);
        var headline = Headline.Of(trying);
        headline.Proof.ShouldBe("the platform cannot be reached");
        headline.Next.ShouldBe($"platform:checkout has not taken the order yet; it is tried again until {last.UtcDateTime:HH:mm:ss} UTC. Who cannot wait rolls back to 1.0.0 with their own tools.");
        var failed = await world.Run(id, d => d.Actions.Any(a => a.State == "failed"));
        headline = Headline.Of(failed);
        (headline.Word, headline.Proof).ShouldBe(("Rollback failed", "the platform cannot be reached"));
        headline.Next.ShouldBe("Roll back to 1.0.0 with your own tools now, or try it here once more; then mark here whether the verdict was right.");
    }

    [Fact]
    public async Task A_platform_that_stays_at_the_bad_version_is_no_reason_to_roll_back_to_that()
    {
        await using var world = await Begin();
        world.Platform.Intercept = _ => new OrderResult(true, false, "accepted");
        world.Platform.Serving = "2.0.0";
        var id = (await world.Announce("2.0.0")).Id;
        var failed = await world.Run(id, d => d.Actions.Any(a => a.State == "failed"));
        failed.Actions[0].ServingVersion.ShouldBe("2.0.0");
        Headline.Of(failed).Next!.ShouldStartWith("Roll back to 1.0.0 with your own tools now");
    }

    [Fact]
    public async Task What_failed_at_the_source_is_said_beside_the_hold()
    {
        await using var world = await LoopWorld.Begin();
        world.Source.Broken = Quality.Error;
        var id = (await world.Announce("2.0.0")).Id;
        const string Failure = "no value of errors (candidate and control): the test broke it";
        (await world.Run(id, d => d.Notes.Count > 0)).Notes.ShouldBe([Failure]);
        var closed = await world.Run(id, d => d.State == "closed", TimeSpan.FromHours(1));
        closed.Verdict!.Decision.ShouldBe("HOLD");
        closed.Notes[0].ShouldBe(Failure);
        (await world.Get(id)).Notes[0].ShouldBe(Failure);
    }

    [Fact]
    public async Task What_failed_is_gone_when_the_source_is_back()
    {
        await using var world = await LoopWorld.Begin();
        world.Source.Broken = Quality.Error;
        var id = (await world.Announce("1.0.1")).Id;
        await world.Run(id, d => d.Notes.Count > 0);
        world.Source.Broken = null;
        (await world.Run(id, d => d.Verdict?.Decision == "CONTINUE")).Notes.ShouldBeEmpty();
    }

    [Fact]
    public async Task Who_is_asked_has_all_the_time_of_the_policy_and_acts_in_it()
    {
        // The watch would end three minutes after the verdict.
        await using var world = await Begin(Act("autonomy: enforce", "autonomy: recommend").Replace("ask_for: 1m", "ask_for: 20m", StringComparison.Ordinal));
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "waiting_for_person");
        var asked = world.Clock.GetUtcNow();
        await world.Run(id, _ => world.Clock.GetUtcNow() - asked > TimeSpan.FromMinutes(15), TimeSpan.FromMinutes(30));
        (await world.Get(id)).State.ShouldBe("waiting_for_person");
        world.Platform.Orders.ShouldBeEmpty();
        (await world.Desk.Act(id, "rollback", "ada", null, CancellationToken.None)).Status.ShouldBe(202);
        var closed = await world.Run(id, d => d.State == "closed", TimeSpan.FromHours(1));
        closed.ClosedReason.ShouldBe("decided");
        var action = closed.Actions.ShouldHaveSingleItem();
        (action.By, action.State).ShouldBe(("ada", "done"));
    }

    [Fact]
    public async Task A_late_alarm_that_nobody_answers_closes_on_hold_too()
    {
        await using var world = await LoopWorld.Begin(Act("late: enforce", "late: recommend"));
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.Verdict?.Decision == "CONTINUE");
        world.Source.ErrorShare["2.0.0"] = 0.3;
        await world.Run(id, d => d.State == "waiting_for_person");
        var closed = await world.Run(id, d => d.State == "closed");
        closed.ClosedReason.ShouldBe("on_hold");
        closed.Verdict!.Decision.ShouldBe("ROLLBACK");
        world.Platform.Orders.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_late_alarm_is_only_recorded_when_the_policy_says_so()
    {
        await using var world = await LoopWorld.Begin(Act("late: enforce", "late: observe"));
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.Verdict?.Decision == "CONTINUE");
        world.Source.ErrorShare["2.0.0"] = 0.3;
        var closed = await world.Run(id, d => d.State == "closed");
        closed.Verdict!.Decision.ShouldBe("ROLLBACK");
        closed.Actions.ShouldBeEmpty();
    }

    [Fact]
    public async Task During_the_cool_down_commander_waits_and_a_person_does_not()
    {
        await using var world = await Begin(Act("cooldown: 0s", "cooldown: 1h"));
        (await Closed(world, "2.0.0")).Actions.ShouldHaveSingleItem().State.ShouldBe("done");
        var id = (await world.Announce("3.0.0")).Id;
        var refused = await world.Run(id, d => d.Actions.Count == 1);
        refused.Actions[0].State.ShouldBe("refused");
        refused.Actions[0].Message!.ShouldContain("the cool-down is 60 min");
        refused.Verdict!.Decision.ShouldBe("ROLLBACK");
        (await world.Desk.Act(id, "rollback", "ada", null, CancellationToken.None)).Status.ShouldBe(202);
        var closed = await world.Run(id, d => d.State == "closed");
        closed.Actions.Select(a => (a.By, a.State)).ShouldBe([("policy", "refused"), ("ada", "done")]);
    }

    [Fact]
    public async Task More_rollbacks_an_hour_than_allowed_are_refused()
    {
        await using var world = await Begin(Act("cooldown: 0s", "cooldown: 0s, max_per_hour: 2"));
        (await Closed(world, "2.0.0")).Actions.ShouldHaveSingleItem().State.ShouldBe("done");
        (await Closed(world, "3.0.0")).Actions.ShouldHaveSingleItem().State.ShouldBe("done");
        var third = (await Closed(world, "4.0.0")).Actions.ShouldHaveSingleItem();
        third.State.ShouldBe("refused");
        third.Message!.ShouldContain("2 rollbacks of this service in the last hour, the limit is 2");
        world.Clock.Advance(TimeSpan.FromHours(1));
        (await Closed(world, "4.0.0")).Actions.ShouldHaveSingleItem().State.ShouldBe("done");
    }

    [Fact]
    public async Task A_version_that_was_rolled_back_and_comes_again_is_watched_anew_and_that_is_said()
    {
        await using var world = await Begin();
        var first = await Closed(world, "2.0.0");
        world.Clock.Advance(TimeSpan.FromMinutes(15));
        (world.Platform.Serving, _) = ("2.0.0", world.Platform.RolledBackFrom.Remove("2.0.0"));
        var again = await Closed(world, "2.0.0");
        again.Id.ShouldNotBe(first.Id);
        again.Notes.ShouldContain(note => note.StartsWith("2.0.0 was rolled back before, at 2026-11-23 10:30 UTC", StringComparison.Ordinal));
        again.Verdict!.Decision.ShouldBe("ROLLBACK");
        again.Actions.ShouldHaveSingleItem().ServingVersion.ShouldBe("1.0.0");
        first.Notes.ShouldNotContain(note => note.Contains("was rolled back before", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_rollback_that_is_announced_after_it_is_done_is_no_new_watch_and_is_never_rolled_back()
    {
        await using var world = await Begin();
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.Actions is [{ State: "done" }]);
        (await world.Announce("1.0.0", previous: "2.0.0")).Id.ShouldBe(id);
        world.Source.ErrorShare["1.0.0"] = 0.3;
        var closed = await world.Run(id, d => d.State == "closed");
        closed.Actions.ShouldHaveSingleItem().State.ShouldBe("done");
        world.Platform.Effects.ShouldBe(1);
    }

    [Fact]
    public async Task What_cannot_be_undone_holds_for_a_person_too_and_the_verdict_stands()
    {
        await using var world = await Begin();
        var id = (await world.Announce("2.0.0", labels: Migration)).Id;
        var refused = await world.Run(id, d => d.Actions.Count == 1);
        refused.Actions[0].Message!.ShouldContain("marked 'migration', which cannot be undone");
        await world.Desk.Act(id, "rollback", "ada", null, CancellationToken.None);
        var closed = await world.Run(id, d => d.State == "closed");
        closed.Verdict!.Decision.ShouldBe("ROLLBACK");
        closed.Actions.ShouldAllBe(action => action.State == "refused");
        world.Platform.Orders.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("enforce", "done")]
    [InlineData("observe", null)]
    public async Task On_hold_rollback_speaks_for_the_policy_and_is_bound_by_its_autonomy(string autonomy, string? action)
    {
        await using var world = await LoopWorld.Begin(Act("after: 3m", "after: 3m, on_hold: rollback").Replace("autonomy: enforce", $"autonomy: {autonomy}", StringComparison.Ordinal));
        world.Source.Broken = Commander.Judging.Evidence.Quality.Timeout;
        var id = (await world.Announce("2.0.0")).Id;
        var decided = await world.Run(id, d => d.Verdict?.Decision == "ROLLBACK");
        decided.Verdicts[^1].Reason.ShouldContain("on_hold says so");
        var closed = await world.Run(id, d => d.State == "closed", TimeSpan.FromHours(1));
        closed.Actions.Select(a => a.State).ShouldBe(action is null ? [] : [action]);
        closed.Actions.ShouldAllBe(a => a.By == "policy");
    }

    [Fact]
    public async Task What_nothing_has_shown_is_not_labelled_good()
    {
        await using var world = await LoopWorld.Begin(Act("after: 3m", "after: 3m, on_hold: continue"));
        world.Source.Broken = Commander.Judging.Evidence.Quality.Timeout;
        var held = await Closed(world, "2.0.0");
        (held.ClosedReason, held.Verdict!.Decision, held.Outcome!.Label).ShouldBe(("decided", "CONTINUE", "UNKNOWN"));
        var id = (await world.Announce("2.0.0", service: "payments", metrics: new Dictionary<string, double>(StringComparer.Ordinal) { ["error_rate"] = 0.1 })).Id;
        var judged = await world.Run(id, d => d.State == "closed");
        (judged.Verdict!.Decision, judged.Outcome!.Label).ShouldBe(("CONTINUE", "UNKNOWN"));
    }

    [Fact]
    public async Task While_frozen_no_rollback_starts_by_itself_and_a_person_may()
    {
        await using var world = await Begin();
        await world.Freezes.Set("checkout", null, "grace", "the big sale", world.Clock.GetUtcNow() + TimeSpan.FromHours(2), CancellationToken.None);
        var id = (await world.Announce("2.0.0")).Id;
        var refused = await world.Run(id, d => d.Actions.Count == 1);
        refused.Actions[0].State.ShouldBe("refused");
        refused.Actions[0].Message.ShouldBe("frozen by grace until 2026-11-23 12:30 UTC: the big sale");
        refused.Verdict!.Decision.ShouldBe("ROLLBACK");
        world.Platform.Orders.ShouldBeEmpty();
        await world.Desk.Act(id, "rollback", "ada", null, CancellationToken.None);
        (await world.Run(id, d => d.State == "closed")).Actions.Select(a => (a.By, a.State)).ShouldBe([("policy", "refused"), ("ada", "done")]);
    }

    [Fact]
    public async Task A_freeze_of_another_scope_or_one_that_is_over_or_lifted_holds_nothing()
    {
        await using var world = await Begin();
        await world.Freezes.Set("payments", null, "grace", "other", null, CancellationToken.None);
        await world.Freezes.Set("checkout", "staging", "grace", "other", null, CancellationToken.None);
        await world.Freezes.Set("checkout", "prod", "grace", "short", world.Clock.GetUtcNow() + TimeSpan.FromSeconds(1), CancellationToken.None);
        await world.Freezes.Set(null, null, "grace", "all", null, CancellationToken.None);
        (await world.Freezes.Lift(null, null, "ada", CancellationToken.None))!.Count.ShouldBe(3);
        (await world.Freezes.Lift(null, null, "ada", CancellationToken.None)).ShouldBeNull();
        world.Clock.Advance(TimeSpan.FromSeconds(1));
        (await Closed(world, "2.0.0")).Actions.ShouldHaveSingleItem().State.ShouldBe("done");
        (await world.Freezes.Current(CancellationToken.None)).Select(f => f.Scope).ShouldBe(["payments", "checkout in staging"]);
    }

    [Fact]
    public async Task A_freeze_outlives_a_restart_and_holds_on_every_node()
    {
        await using var world = await Begin();
        using var other = new Commander.Server.Loop.FreezeBook(world.Store, world.Clock);
        (await other.Current(CancellationToken.None)).ShouldBeEmpty();
        await world.Freezes.Set(null, null, "grace", "the big sale", null, CancellationToken.None);
        (await other.Of("checkout", "prod", CancellationToken.None))!.Sentence.ShouldBe("frozen by grace until it is lifted: the big sale");
        await world.Restart();
        (await Closed(world, "2.0.0")).Actions.ShouldHaveSingleItem().State.ShouldBe("refused");
    }

    [Fact]
    public async Task Who_is_asked_while_frozen_is_told_so()
    {
        await using var world = await Begin(Act("autonomy: enforce", "autonomy: recommend"));
        await world.Freezes.Set(null, null, "grace", "the big sale", null, CancellationToken.None);
        var id = (await world.Announce("2.0.0")).Id;
        var waiting = await world.Run(id, d => d.State == "waiting_for_person");
        waiting.Notes.ShouldContain("recommended: back to 1.0.0; waits for a person (frozen by grace until it is lifted: the big sale)");
    }

    [Fact]
    public async Task A_target_that_cannot_be_asked_is_believed_and_the_metrics_show_the_rest()
    {
        await using var world = await Begin();
        world.Platform.Mute = true;
        var closed = await Closed(world, "2.0.0");
        var action = closed.Actions.ShouldHaveSingleItem();
        (action.State, action.ServingVersion, action.Recovered).ShouldBe(("done", "1.0.0", true));
        (await world.Facts(closed.Id)).Where(f => f.Kind == "result").ShouldContain(f => System.Text.Encoding.UTF8.GetString(f.Body!).Contains("1.0.0 serves, as the command says", StringComparison.Ordinal));
        closed.Outcome!.Label.ShouldBe("BAD");
    }

    [Fact]
    public async Task The_first_order_is_given_also_where_the_old_version_serves_beside_the_new_one()
    {
        await using var world = await Begin();
        world.Platform.Serving = "1.0.0";
        var closed = await Closed(world, "2.0.0");
        world.Platform.Orders.ShouldHaveSingleItem().Version.ShouldBe("2.0.0");
        closed.Actions.ShouldHaveSingleItem().State.ShouldBe("done");
    }

    [Fact]
    public async Task An_order_that_was_never_taken_is_no_rollback_and_holds_up_no_other()
    {
        await using var world = await Begin(Act("cooldown: 0s", "cooldown: 30m"));
        world.Platform.Intercept = order => order.Version == "2.0.0" ? new OrderResult(false, false, "later") : null;
        var first = await Closed(world, "2.0.0");
        (first.Actions.ShouldHaveSingleItem().State, first.Actions[0].ServingVersion).ShouldBe(("failed", null));
        var second = await Closed(world, "3.0.0");
        second.Actions.ShouldHaveSingleItem().State.ShouldBe("done", second.Actions[0].Message);
    }

    [Fact]
    public async Task A_rollback_of_a_service_without_metrics_comes_to_an_end()
    {
        const string policy = """
            services:
              checkout: { act: { autonomy: enforce, rollback: { type: webhook, url: 'http://127.0.0.1:1/rollback' } }, watch: { min: 1m, max: 10m, after: 1m } }
            """;
        await using var world = await Begin(policy);
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "watching");
        (await world.Desk.Act(id, "rollback", "ada", null, CancellationToken.None)).Status.ShouldBe(202);
        var closed = await world.Run(id, d => d.State == "closed", TimeSpan.FromHours(1));
        var action = closed.Actions.ShouldHaveSingleItem();
        (action.State, action.ServingVersion, action.Recovered).ShouldBe(("done", "1.0.0", null), action.Message);
    }

    [Fact]
    public async Task A_freeze_that_comes_while_the_platform_is_looked_at_holds()
    {
        await using var world = await Begin();
        world.Platform.Looked = async () =>
        {
            world.Platform.Looked = null;
            await world.Freezes.Set("checkout", null, "grace", "the big sale", null, CancellationToken.None);
        };
        var closed = await Closed(world, "2.0.0");
        world.Platform.Orders.ShouldBeEmpty();
        var action = closed.Actions.ShouldHaveSingleItem();
        action.State.ShouldBe("refused");
        action.Message.ShouldNotBeNull().ShouldContain("the big sale");
    }
}
