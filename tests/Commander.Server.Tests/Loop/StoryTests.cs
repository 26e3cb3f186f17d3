using Commander.Judging.Verdicts;
using Commander.Server.Loop;

namespace Commander.Server.Tests.Loop;

public class StoryTests
{
    private protected virtual Task<LoopWorld> Begin(string? policy = null) => LoopWorld.Begin(policy);

    [Fact]
    public async Task A_bad_deployment_is_rolled_back_verified_labelled_and_closed()
    {
        await using var world = await Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        var closed = await world.Run(id, d => d.State == "closed");

        closed.ClosedReason.ShouldBe("decided");
        closed.Verdict!.Decision.ShouldBe("ROLLBACK");
        closed.Verdict.Final.ShouldBeTrue();
        closed.Verdicts[^1].Decision.ShouldBe("ROLLBACK");
        closed.Verdicts.ShouldAllBe(v => !v.Final);
        var action = closed.Actions.ShouldHaveSingleItem();
        action.State.ShouldBe("done");
        action.ServingVersion.ShouldBe("1.0.0");
        action.Recovered.ShouldBe(true);
        action.Key.ShouldBe($"{id}/rollback/1");
        world.Platform.Effects.ShouldBe(1);
        closed.Outcome!.Label.ShouldBe("BAD");
        closed.Outcome.Source.ShouldBe("recovered-after-rollback");
        (closed.EndsAt - closed.Verdicts[^1].At).ShouldBeGreaterThan(TimeSpan.FromMinutes(3) - TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task The_steps_of_the_story_are_stored_in_their_order()
    {
        await using var world = await Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "closed");
        var kinds = (await world.Facts(id)).Select(f => f.Kind).Where(k => k != FactKind.Tick).ToList();
        kinds.Distinct().ShouldBe(["received", "pinned", "verdict", "state", "intent", "result", "reference", "outcome", "closed"]);
    }

    [Fact]
    public async Task A_good_deployment_is_continued_watched_on_and_labelled_good()
    {
        await using var world = await Begin();
        var id = (await world.Announce("2.0.0")).Id;
        var continued = await world.Run(id, d => d.Verdict?.Decision == "CONTINUE");
        continued.State.ShouldBe("observing");
        (continued.Verdict!.DecidedAt - continued.StartedAt).ShouldBeGreaterThanOrEqualTo(TimeSpan.FromSeconds(10));
        var closed = await world.Run(id, d => d.State == "closed");
        closed.Verdict!.Decision.ShouldBe("CONTINUE");
        closed.Outcome!.Label.ShouldBe("GOOD");
        world.Platform.Orders.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_fault_that_starts_after_continue_is_rolled_back_late()
    {
        await using var world = await Begin();
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.Verdict?.Decision == "CONTINUE");
        world.Source.ErrorShare["2.0.0"] = 0.3;
        var closed = await world.Run(id, d => d.State == "closed");
        closed.Verdicts.Select(v => v.Decision).ShouldBe(["HOLD", "CONTINUE", "ROLLBACK"]);
        closed.Actions.ShouldHaveSingleItem().State.ShouldBe("done");
    }

    [Fact]
    public async Task Every_stored_verdict_is_replayed_bit_by_bit()
    {
        await using var world = await Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        foreach (var version in (string[])["2.0.0", "3.0.0"])
        {
            var id = (await world.Announce(version)).Id;
            await world.Run(id, d => d.State == "closed");
            var replay = await world.Desk.Replay(id, null, null, null, CancellationToken.None);
            replay!.Differences.ShouldBeEmpty();
            replay.Identical.ShouldBeTrue();
            replay.Verdict!.Decision.ShouldBe(version == "2.0.0" ? "ROLLBACK" : "CONTINUE");
        }
    }

    [Fact]
    public async Task A_restart_in_the_middle_of_a_watch_changes_nothing_about_its_end()
    {
        await using var world = await Begin();
        world.Source.ErrorShare["2.0.0"] = 0.02;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.Verdict is not null);
        await world.Restart();
        var closed = await world.Run(id, d => d.State == "closed");
        closed.Verdict!.Decision.ShouldBe("ROLLBACK");
        (await world.Desk.Replay(id, null, null, null, CancellationToken.None))!.Identical.ShouldBeTrue();
    }

    [Fact]
    public async Task After_a_crash_between_intent_and_result_the_order_takes_one_effect()
    {
        await using var world = await Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        // The platform takes the order, and the server dies before it can write that down.
        var crashed = false;
        world.Platform.Intercept = order =>
        {
            if (crashed)
                return null;
            crashed = true;
            world.Platform.Serving = order.TargetVersion;
            world.Platform.RolledBackFrom.Add(order.Version);
            throw new InvalidOperationException("crash");
        };
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, _ => crashed);
        await world.Restart();
        var closed = await world.Run(id, d => d.State == "closed");
        closed.Actions.ShouldHaveSingleItem().State.ShouldBe("done");
        world.Platform.Orders.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_platform_that_is_down_is_asked_again_until_it_answers()
    {
        await using var world = await Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        world.Platform.Unreachable = true;
        var id = (await world.Announce("2.0.0")).Id;
        var acting = await world.Run(id, d => d.Actions.Count == 1 && d.Actions[0].Message is not null);
        acting.State.ShouldBe("acting");
        acting.Actions[0].Message.ShouldBe("the platform cannot be reached");
        world.Platform.Unreachable = false;
        var closed = await world.Run(id, d => d.State == "closed");
        closed.Actions.ShouldHaveSingleItem().State.ShouldBe("done");
        world.Platform.Effects.ShouldBe(1);
    }

    [Fact]
    public async Task A_platform_that_never_answers_ends_as_a_failed_action()
    {
        await using var world = await Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        world.Platform.Unreachable = true;
        var id = (await world.Announce("2.0.0")).Id;
        var closed = await world.Run(id, d => d.State == "closed", TimeSpan.FromMinutes(20));
        closed.Actions.ShouldHaveSingleItem().State.ShouldBe("failed");
        closed.Outcome!.Label.ShouldBe("UNKNOWN");
    }

    [Fact]
    public async Task A_platform_that_refuses_is_not_asked_again()
    {
        await using var world = await Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        world.Platform.Intercept = _ => new(false, true, "the target is gone");
        var id = (await world.Announce("2.0.0")).Id;
        var closed = await world.Run(id, d => d.State == "closed");
        var action = closed.Actions.ShouldHaveSingleItem();
        action.State.ShouldBe("refused");
        action.Message.ShouldBe("the target is gone");
        world.Platform.Orders.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_rollback_after_which_the_metrics_stay_bad_is_not_called_done()
    {
        await using var world = await Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.Verdict?.Decision == "ROLLBACK");
        world.Source.ErrorShare["1.0.0"] = 0.25;
        var closed = await world.Run(id, d => d.State == "closed");
        var action = closed.Actions.ShouldHaveSingleItem();
        action.State.ShouldBe("failed");
        action.Recovered.ShouldBe(false);
        closed.Outcome!.Label.ShouldBe("UNKNOWN");
    }

    [Fact]
    public async Task Another_version_supersedes_and_the_older_watch_acts_no_more()
    {
        await using var world = await Begin();
        var first = (await world.Announce("2.0.0")).Id;
        await world.Run(first, d => d.Verdict is not null);
        var second = (await world.Announce("3.0.0")).Id;
        var closed = await world.Get(first);
        closed.State.ShouldBe("closed");
        closed.ClosedReason.ShouldBe("superseded");
        (await world.Run(second, d => d.Verdict?.Decision == "CONTINUE")).Version.ShouldBe("3.0.0");
    }

    [Fact]
    public async Task A_rollback_under_way_is_finished_even_when_superseded()
    {
        await using var world = await Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var first = (await world.Announce("2.0.0")).Id;
        await world.Run(first, d => d.State == "verifying");
        await world.Announce("3.0.0");
        (await world.Get(first)).State.ShouldBe("verifying");
        var closed = await world.Run(first, d => d.State == "closed");
        closed.ClosedReason.ShouldBe("superseded");
        closed.Actions.ShouldHaveSingleItem().State.ShouldBe("done");
    }

    [Fact]
    public async Task The_same_version_announced_again_joins_and_adds_what_was_missing()
    {
        await using var world = await Begin();
        var first = await world.Announce("2.0.0", previous: null);
        await world.Run(first.Id, d => d.Verdict is not null);
        var again = await world.Announce("2.0.0", labels: new Dictionary<string, string>(StringComparer.Ordinal) { ["team"] = "shop" });
        again.Id.ShouldBe(first.Id);
        again.Labels["team"].ShouldBe("shop");
    }

    [Fact]
    public async Task A_person_rolls_back_and_a_person_keeps()
    {
        await using var world = await Begin();
        var first = (await world.Announce("2.0.0")).Id;
        await world.Run(first, d => d.Verdict is not null);
        (await world.Desk.Act(first, "rollback", "ada", "looks wrong", CancellationToken.None)).Status.ShouldBe(202);
        var undone = await world.Run(first, d => d.State == "closed");
        undone.Actions.ShouldHaveSingleItem().By.ShouldBe("ada");
        undone.Actions[0].State.ShouldBe("done");
        undone.Verdict!.Decision.ShouldBe("ROLLBACK");

        var second = (await world.Announce("3.0.0")).Id;
        await world.Run(second, d => d.Verdict is not null);
        (await world.Desk.Act(second, "keep", "ada", null, CancellationToken.None)).Status.ShouldBe(202);
        var kept = await world.Get(second);
        kept.State.ShouldBe("closed");
        kept.Verdict!.Decision.ShouldBe("CONTINUE");
        kept.Outcome!.Label.ShouldBe("GOOD");
        (await world.Desk.Act(second, "rollback", "ada", null, CancellationToken.None)).Status.ShouldBe(409);
    }

    [Fact]
    public async Task A_version_that_was_rolled_back_is_never_rolled_back_to()
    {
        await using var world = await Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        world.Source.ErrorShare["3.0.0"] = 0.25;
        var first = (await world.Announce("2.0.0")).Id;
        await world.Run(first, d => d.State == "closed");
        world.Source.ErrorShare["2.0.0"] = 0.001;
        var second = (await world.Announce("3.0.0", previous: "2.0.0")).Id;
        var closed = await world.Run(second, d => d.State == "closed");
        var action = closed.Actions.ShouldHaveSingleItem();
        action.State.ShouldBe("refused");
        action.Message!.ShouldContain("no earlier version");
        world.Platform.Effects.ShouldBe(1);
    }

    [Fact]
    public async Task When_nobody_knows_what_to_go_back_to_the_platform_is_asked_but_not_followed_to_what_was_rolled_back()
    {
        await using var world = await Begin();
        world.Platform.KnowsHistory = true;
        world.Platform.Earlier = [new(["1.5.0"], "the newest before"), new(["0.9.0"], "its pods are ready")];
        world.Source.ErrorShare["1.5.0"] = 0.25;
        await world.Run((await world.Announce("1.5.0")).Id, d => d.State == "closed");
        world.Platform.Serving = "2.0.0";
        var id = (await world.Announce("2.0.0", previous: null)).Id;
        await world.Run(id, d => d.Verdict is not null);
        (await world.Desk.Act(id, "rollback", "ada", null, CancellationToken.None)).Status.ShouldBe(202);
        var closed = await world.Run(id, d => d.State == "closed");
        closed.Actions.ShouldHaveSingleItem().ServingVersion.ShouldBe("0.9.0");
        world.Platform.Orders[^1].TargetVersion.ShouldBe("0.9.0");
        closed.Notes.ShouldContain("back to 0.9.0, which the platform offers: its pods are ready, asked for by a person");
    }

    [Fact]
    public async Task A_platform_that_cannot_be_asked_what_to_go_back_to_is_asked_again_before_it_is_refused()
    {
        await using var world = await Begin();
        world.Platform.KnowsHistory = true;
        world.Platform.Earlier = [new(["0.9.0"], "its pods are ready")];
        world.Platform.Unreachable = true;
        world.Platform.Serving = "2.0.0";
        var id = (await world.Announce("2.0.0", previous: null)).Id;
        await world.Run(id, d => d.Verdict is not null);
        (await world.Desk.Act(id, "rollback", "ada", null, CancellationToken.None)).Status.ShouldBe(202);
        var asked = world.Clock.GetUtcNow();
        var acting = await world.Run(id, _ => world.Clock.GetUtcNow() - asked > TimeSpan.FromMinutes(1));
        acting.Actions.ShouldBeEmpty();
        acting.Notes.ShouldContain("no earlier version is known, and the platform does not name one: the platform cannot be reached");
        world.Platform.Unreachable = false;
        (await world.Run(id, d => d.State == "closed")).Actions.ShouldHaveSingleItem().ServingVersion.ShouldBe("0.9.0");
    }

    [Fact]
    public async Task A_rollback_that_a_platform_announces_is_recognised_as_our_own_change()
    {
        await using var world = await Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.Actions.Count == 1);
        (await world.Announce("1.0.0", previous: "2.0.0")).Id.ShouldBe(id);
        (await world.Run(id, d => d.State == "closed")).ClosedReason.ShouldBe("decided");
    }

    [Fact]
    public async Task A_second_rollback_and_a_keep_are_refused_from_the_first_one_on()
    {
        await using var world = await Begin();
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.Verdict is not null);
        (await world.Desk.Act(id, "rollback", "ada", null, CancellationToken.None)).Status.ShouldBe(202);
        (await world.Desk.Act(id, "rollback", "bob", null, CancellationToken.None)).Status.ShouldBe(409);
        (await world.Desk.Act(id, "keep", "bob", null, CancellationToken.None)).Status.ShouldBe(409);
        (await world.Run(id, d => d.State == "closed")).Actions.ShouldHaveSingleItem().By.ShouldBe("ada");
    }

    [Fact]
    public async Task A_superseded_watch_orders_no_rollback_that_the_platform_never_took()
    {
        await using var world = await Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        world.Platform.Unreachable = true;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.Actions.Count == 1 && d.Actions[0].Message is not null);
        await world.Announce("3.0.0");
        world.Platform.Unreachable = false;
        var closed = await world.Run(id, d => d.State == "closed");
        closed.ClosedReason.ShouldBe("superseded");
        closed.Actions.ShouldHaveSingleItem().State.ShouldBe("failed");
        world.Platform.Effects.ShouldBe(0);
    }

    [Fact]
    public async Task Values_that_are_no_finite_numbers_are_a_quality_and_never_the_end_of_a_watch()
    {
        await using var world = await Begin();
        world.Source.Rate = double.PositiveInfinity;
        var id = (await world.Announce("2.0.0")).Id;
        var held = await world.Run(id, d => d.Verdict is not null);
        held.Verdict!.Findings.ShouldAllBe(f => f.Quality == "nan");
    }

    [Fact]
    public async Task A_deployment_that_cannot_be_undone_is_not_rolled_back()
    {
        await using var world = await Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0", labels: new Dictionary<string, string>(StringComparer.Ordinal) { ["migration"] = "yes" })).Id;
        var closed = await world.Run(id, d => d.State == "closed");
        closed.Verdict!.Decision.ShouldBe("ROLLBACK");
        closed.Actions.ShouldHaveSingleItem().State.ShouldBe("refused");
        world.Platform.Orders.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_recommended_rollback_waits_for_a_person_and_then_acts()
    {
        await using var world = await Begin(LoopWorld.PolicyText.Replace("autonomy: enforce", "autonomy: recommend", StringComparison.Ordinal));
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "waiting_for_person");
        world.Platform.Orders.ShouldBeEmpty();
        await world.Desk.Act(id, "rollback", "ada", null, CancellationToken.None);
        (await world.Run(id, d => d.State == "closed")).Actions.ShouldHaveSingleItem().State.ShouldBe("done");
    }

    [Fact]
    public async Task A_recommended_rollback_that_nobody_answers_closes_on_hold()
    {
        await using var world = await Begin(LoopWorld.PolicyText.Replace("autonomy: enforce", "autonomy: recommend", StringComparison.Ordinal));
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        var closed = await world.Run(id, d => d.State == "closed");
        closed.ClosedReason.ShouldBe("on_hold");
        closed.Notes.ShouldContain(n => n.StartsWith("nobody answered", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_source_that_says_nothing_ends_on_hold_and_never_as_a_verdict()
    {
        await using var world = await Begin();
        world.Source.Broken = Commander.Judging.Evidence.Quality.Timeout;
        var id = (await world.Announce("2.0.0")).Id;
        var closed = await world.Run(id, d => d.State == "closed");
        closed.ClosedReason.ShouldBe("on_hold");
        closed.Verdict!.Decision.ShouldBe("HOLD");
        closed.Verdict.Findings.ShouldAllBe(f => f.Quality == "timeout");
    }

    [Fact]
    public async Task A_snapshot_of_a_service_without_a_source_is_judged_at_once()
    {
        await using var world = await Begin();
        var id = (await world.Announce("2.0.0", service: "payments", metrics: new Dictionary<string, double>(StringComparer.Ordinal)
        {
            ["error_rate"] = 25.3,
            ["memory_usage"] = 88.7,
            ["response_time"] = 1850,
            ["cpu_usage"] = 72.4,
        })).Id;
        var closed = await world.Run(id, d => d.State == "closed");
        closed.ClosedReason.ShouldBe("decided");
        closed.Verdict!.Decision.ShouldBe("ROLLBACK");
        closed.Verdict.HealthScore.ShouldBe(27);
        (await world.Desk.Replay(id, null, null, null, CancellationToken.None))!.Identical.ShouldBeTrue();
    }

    [Fact]
    public async Task Without_source_and_snapshot_it_holds_and_says_what_is_missing()
    {
        await using var world = await Begin();
        var id = (await world.Announce("2.0.0", service: "payments")).Id;
        var closed = await world.Run(id, d => d.State == "closed", TimeSpan.FromHours(1));
        closed.ClosedReason.ShouldBe("on_hold");
        closed.Notes.ShouldContain(n => n.StartsWith("no source", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_person_labels_the_outcome_even_after_the_end()
    {
        await using var world = await Begin();
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "closed");
        var answer = await world.Desk.Label(id, "BAD", "ada", "it broke the export", CancellationToken.None);
        answer.Deployment!.Outcome.ShouldBe(new Outcome("BAD", "person", world.Clock.GetUtcNow()));
    }

    [Fact]
    public async Task A_watch_that_a_newer_version_closes_while_its_past_is_asked_for_stays_closed()
    {
        await using var world = await Begin();
        world.Source.PastAsked = async () =>
        {
            world.Source.PastAsked = null;
            await world.Announce("2.0.1");
        };
        var id = (await world.Announce("2.0.0")).Id;
        (await world.Run(id, d => d.State == "closed")).ClosedReason.ShouldBe("superseded");
        (await world.Facts(id))[^1].Kind.ShouldBe(FactKind.Closed);
    }

    [Fact]
    public async Task A_watch_whose_owner_died_before_the_past_was_stored_still_has_a_past()
    {
        await using var world = await Begin();
        world.Source.PastAsked = () => throw new InvalidOperationException("the process dies here");
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "watching");
        await world.Restart();
        world.Source.PastAsked = null;
        await world.Run(id, d => d.Verdict is not null);
        (await world.Desk.Evidence(id, CancellationToken.None))!.Ticks[0].N.ShouldBeLessThanOrEqualTo(0);
    }
}
