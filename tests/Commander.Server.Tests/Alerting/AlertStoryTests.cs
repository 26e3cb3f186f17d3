using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Acting.Rollback;
using Commander.Server.Alerting;
using Commander.Server.Tests.Loop;

namespace Commander.Server.Tests.Alerting;

/// <summary>Who is told of what over the whole story of a deployment, and that nothing is lost or told twice.</summary>
public sealed class AlertStoryTests
{
    private static async Task<LoopWorld> Begin(RecordedChannel channel, string alert = "{ slack: '#deploys' }", Func<AlertPolicy, IAlertChannel?>? channels = null)
    {
        var text = LoopWorld.PolicyText.Replace("    watch: {", $"    alert: [ {alert} ]\n    watch: {{", StringComparison.Ordinal);
        text.ShouldContain("alert:");
        var world = await LoopWorld.Begin(text);
        world.Channels = channels ?? (_ => channel);
        await world.Restart();
        return world;
    }

    private static IEnumerable<ActionEntry> Alerts(Deployment deployment) => deployment.Actions.Where(action => action.Kind == "alert");

    private static bool AllTold(Deployment deployment) => Alerts(deployment).All(action => action.State is "done" or "failed");

    [Fact]
    public async Task A_rollback_is_told_when_it_is_decided_and_again_when_it_is_done()
    {
        var channel = new RecordedChannel();
        await using var world = await Begin(channel);
        world.Source.ErrorShare["2.0.0"] = 0.05;
        var id = (await world.Announce("2.0.0")).Id;
        var closed = await world.Run(id, d => d.State == "closed" && AllTold(d));

        channel.Occasions.ShouldBe([Occasions.Rollback, Occasions.Progress]);
        var (first, second) = (channel.Messages[0][0], channel.Messages[1][0]);
        first.Alert.Severity.ShouldBe(Severity.Critical);
        first.Alert.Reference.ShouldBeNull();
        second.Alert.Reference.ShouldBe("message-1");
        second.Text.Title.ShouldBe("Rolled back: checkout 2.0.0 in prod");
        second.Text.Done.ShouldNotBeNull().ShouldContain("1.0.0 serves again");
        var finding = second.Text.Findings.ShouldHaveSingleItem();
        finding.Says.ShouldContain("-> 5");
        finding.Says.ShouldContain("against old version");
        finding.Chart.ShouldNotBeNull().Length.ShouldBeGreaterThan(1);
        Alerts(closed).Select(a => (a.State, a.Target, a.Key)).ShouldBe([("done", "slack #deploys", $"{id}/alert/1"), ("done", "slack #deploys", $"{id}/alert/2")]);
        // The page says who has it, not only that somebody has.
        var timeline = Commander.Server.Dashboard.Timeline.Of(closed, await world.Facts(id));
        timeline.Count(moment => moment.Words == "told: slack #deploys").ShouldBe(2);
        // What people are told changes nothing of what is done.
        closed.Actions.Where(a => a.Kind == "rollback").ShouldHaveSingleItem().State.ShouldBe("done");
    }

    [Fact]
    public async Task The_intent_stands_with_what_it_tells_of_in_one_transaction_and_replay_is_the_same()
    {
        var channel = new RecordedChannel();
        await using var world = await Begin(channel);
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "closed" && AllTold(d));
        var facts = await world.Facts(id);
        var verdict = facts.First(f => f.Kind == "verdict" && System.Text.Encoding.UTF8.GetString(f.Body!).Contains("ROLLBACK", StringComparison.Ordinal));
        var intent = facts.First(f => f.Kind == "alert");
        intent.At.ShouldBe(verdict.At);
        (await world.Desk.Replay(id, null, null, null, CancellationToken.None))!.Identical.ShouldBeTrue();
    }

    [Fact]
    public async Task Who_did_not_ask_to_hear_of_it_hears_nothing()
    {
        var channel = new RecordedChannel();
        await using var world = await Begin(channel, "{ slack: '#deploys', on: [hold] }");
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "closed");
        channel.Messages.ShouldBeEmpty();
        (await world.Get(id)).Actions.ShouldAllBe(a => a.Kind == "rollback");
    }

    [Fact]
    public async Task A_continue_and_its_outcome_are_told_to_who_asked_for_them()
    {
        var channel = new RecordedChannel();
        await using var world = await Begin(channel, "{ slack: '#deploys', on: [continue, outcome] }");
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "closed");
        await world.Settle(id);
        channel.Occasions.ShouldBe([Occasions.Continue, Occasions.Outcome]);
        channel.Messages[1][0].Text.Title.ShouldBe("Turned out GOOD: checkout 2.0.0 in prod");
        channel.Messages[1][0].Text.Sentence.ShouldBe("GOOD by a quiet period. The verdict was CONTINUE.");
    }

    [Fact]
    public async Task Who_hears_of_outcomes_is_told_first_of_all_that_the_rollback_is_done()
    {
        var channel = new RecordedChannel();
        await using var world = await Begin(channel, "{ slack: '#deploys', on: [rollback, outcome] }");
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "closed");
        await world.Settle(id);
        channel.Occasions.ShouldBe([Occasions.Rollback, Occasions.Outcome]);
        channel.Messages[1][0].Text.Title.ShouldBe("Rolled back: checkout 2.0.0 in prod");
        channel.Messages[1][0].Text.Sentence.ShouldEndWith(" It was BAD by the recovery after the rollback.");
    }

    [Fact]
    public async Task Who_says_what_it_really_was_is_named_with_what_they_say()
    {
        var channel = new RecordedChannel();
        await using var world = await Begin(channel, "{ slack: '#deploys', on: [outcome] }");
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "closed");
        await world.Desk.Label(id, "BAD", "anna", "customers wrote", CancellationToken.None);
        await world.Settle(id);
        channel.Messages[^1][0].Text.Sentence.ShouldBe("BAD by a person (anna), over GOOD by a quiet period: customers wrote. The verdict was CONTINUE.");
    }

    [Fact]
    public async Task A_rollback_that_is_refused_by_the_platform_is_told_as_failed()
    {
        var channel = new RecordedChannel();
        await using var world = await Begin(channel, "{ slack: '#deploys', on: [failed] }");
        world.Platform.Intercept = _ => new OrderResult(false, true, "the deployment is paused");
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "closed");
        await world.Settle(id);
        channel.Occasions.ShouldBe([Occasions.Failed]);
        channel.Messages[0][0].Text.Title.ShouldStartWith("Rollback refused");
        channel.Messages[0][0].Text.Done!.ShouldContain("paused");
    }

    [Fact]
    public async Task A_watch_that_ends_without_a_verdict_is_told()
    {
        var channel = new RecordedChannel();
        await using var world = await Begin(channel);
        world.Source.Silent.UnionWith(["1.0.0", "2.0.0"]);
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "closed");
        await world.Settle(id);
        channel.Occasions.ShouldBe([Occasions.Hold]);
        channel.Messages[0][0].Alert.Severity.ShouldBe(Severity.Warning);
    }

    [Fact]
    public async Task What_cannot_be_told_is_tried_again_until_it_can_also_after_the_watch_has_ended_and_across_a_restart()
    {
        var channel = new RecordedChannel { Answers = _ => Task.FromResult(new Delivery(Told.Later, Message: "is down")) };
        await using var world = await Begin(channel);
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        var closed = await world.Run(id, d => d.State == "closed");
        Alerts(closed).ShouldAllBe(a => a.State == "running" || a.State == "intended");
        Alerts(closed).First().Message.ShouldBe("is down");
        var row = await world.Store.Find(id, CancellationToken.None);
        row!.DueAt.ShouldNotBeNull("a sweep must find what is still to be told");

        await world.Restart();
        channel.Answers = null;
        await world.Settle(id);
        channel.Messages.Count(m => m[0].Alert.Occasion == Occasions.Rollback).ShouldBeGreaterThan(1);
        Alerts(await world.Get(id)).Select(a => a.State).ShouldBe(["done", "done"]);
        (await world.Store.Find(id, CancellationToken.None))!.DueAt.ShouldBeNull();
        var told = channel.Messages.Count;
        await world.Restart();
        await world.Settle(id);
        channel.Messages.Count.ShouldBe(told, "what is stored as told is not told again");
    }

    [Fact]
    public async Task A_channel_says_when_it_may_be_tried_again_and_is_left_alone_until_then()
    {
        var channel = new RecordedChannel();
        await using var world = await Begin(channel);
        var times = new List<DateTimeOffset>();
        channel.Answers = _ =>
        {
            times.Add(world.Clock.GetUtcNow());
            return Task.FromResult(times.Count == 1 ? new Delivery(Told.Later, Message: "too busy", RetryAfter: TimeSpan.FromSeconds(77)) : Delivery.Done);
        };
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "closed" && AllTold(d));
        (times[1] - times[0]).ShouldBeInRange(TimeSpan.FromSeconds(77), TimeSpan.FromSeconds(79));
    }

    [Fact]
    public async Task What_nobody_took_for_a_day_is_given_up_and_said_so()
    {
        var channel = new RecordedChannel { Answers = _ => Task.FromResult(new Delivery(Told.Later, Message: "is down")) };
        await using var world = await Begin(channel);
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "closed");
        await world.Settle(id, TimeSpan.FromHours(50));
        Alerts(await world.Get(id)).ShouldAllBe(a => a.State == "failed" && a.Message!.StartsWith("not told within 24 h: is down"));
        (await world.Store.Find(id, CancellationToken.None))!.DueAt.ShouldBeNull();
    }

    [Fact]
    public async Task What_a_channel_refuses_is_not_tried_again_and_hurts_nothing_else()
    {
        var refusing = new RecordedChannel { Answers = _ => Task.FromResult(new Delivery(Told.Refused, Message: "no such channel")) };
        var other = new RecordedChannel();
        await using var world = await Begin(refusing, "{ slack: '#deploys' }, { slack: '#other' }", to => to.To == "#deploys" ? refusing : other);
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        var closed = await world.Run(id, d => d.State == "closed" && AllTold(d));
        refusing.Messages.Count.ShouldBe(1, "it is not told how it went on either");
        other.Occasions.ShouldBe([Occasions.Rollback, Occasions.Progress]);
        closed.Actions.First(a => a.Target == "slack #deploys").Message.ShouldBe("no such channel");
    }

    [Fact]
    public async Task A_kill_between_intent_and_message_loses_nothing_and_a_stop_in_the_middle_of_one_repeats_nothing()
    {
        var sending = new TaskCompletionSource<Delivery>(TaskCreationOptions.RunContinuationsAsynchronously);
        var channel = new RecordedChannel { Answers = _ => sending.Task };
        await using var world = await Begin(channel);
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.Verdict?.Decision == "ROLLBACK");
        channel.Messages.Count.ShouldBe(1);

        // Killed: nobody knows whether it arrived.
        await world.Kill();
        channel.Answers = _ => sending.Task;
        await world.Run(id, _ => channel.Messages.Count == 2);
        channel.Messages[1][0].Alert.InDoubt.ShouldBeTrue();
        channel.Messages[1][0].Alert.Key.ShouldBe(channel.Messages[0][0].Alert.Key);

        // Stopped in order: the answer is waited for and stored.
        var stopping = world.Restart();
        sending.SetResult(new Delivery(Told.Done, "m-7"));
        await stopping;
        await world.Run(id, d => d.State == "closed" && AllTold(d));
        channel.Messages.Count(m => m[0].Alert.Occasion == Occasions.Rollback).ShouldBe(2);
        channel.Messages[^1][0].Alert.Reference.ShouldBe("m-7");
        channel.Messages[^1][0].Alert.InDoubt.ShouldBeFalse();
    }

    [Fact]
    public async Task What_is_not_critical_waits_for_the_end_of_the_quiet_hours_and_what_is_does_not()
    {
        // The world's clock stands at 10:30 UTC.
        var channel = new RecordedChannel();
        await using var world = await Begin(channel, "{ slack: '#deploys', on: [continue, rollback], quiet: { from: '10:00', to: '11:00', zone: UTC } }");
        var times = new List<TimeSpan>();
        channel.Answers = _ =>
        {
            times.Add(world.Clock.GetUtcNow().TimeOfDay);
            return Task.FromResult(Delivery.Done);
        };
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "closed");
        channel.Messages.ShouldBeEmpty();
        await world.Settle(id);
        times.ShouldHaveSingleItem().ShouldBeInRange(TimeSpan.FromHours(11), TimeSpan.FromHours(11) + TimeSpan.FromSeconds(2));
    }

    [Fact]
    public async Task A_rollback_in_the_quiet_hours_does_not_wait_behind_what_does()
    {
        // The world's clock stands at 10:30 UTC.
        var channel = new RecordedChannel();
        await using var world = await Begin(channel, "{ slack: '#deploys', on: [continue, rollback], quiet: { from: '10:00', to: '23:00', zone: UTC } }");
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.Verdict?.Decision == "CONTINUE");
        channel.Messages.ShouldBeEmpty();

        world.Source.ErrorShare["2.0.0"] = 0.25;
        await world.Run(id, d => d.State == "closed" && Alerts(d).Count(a => a.State == "done") == 3);
        world.Clock.GetUtcNow().TimeOfDay.ShouldBeLessThan(TimeSpan.FromHours(11));
        channel.Occasions.ShouldBe([Occasions.Rollback, Occasions.Progress]);
        // At the end of the quiet hours nobody is told that it carries on.
        await world.Settle(id, TimeSpan.FromHours(20));
        channel.Occasions.ShouldBe([Occasions.Rollback, Occasions.Progress]);
        Alerts(await world.Get(id)).First().Message.ShouldNotBeNull().ShouldContain($"{id}/alert/2");
        (await world.Desk.Replay(id, null, null, null, CancellationToken.None))!.Identical.ShouldBeTrue();
    }

    [Fact]
    public async Task What_waited_for_the_end_of_long_quiet_hours_is_still_tried_for_a_day()
    {
        var channel = new RecordedChannel { Answers = _ => Task.FromResult(new Delivery(Told.Later, Message: "is down")) };
        await using var world = await Begin(channel, "{ slack: '#deploys', on: [continue], quiet: { from: '10:00', to: '09:59', zone: UTC } }");
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "closed");
        await world.Settle(id, TimeSpan.FromHours(50));
        channel.Messages.Count.ShouldBeGreaterThan(50);
    }

    [Fact]
    public async Task What_a_channel_did_not_answer_to_may_have_arrived_and_the_next_try_says_so()
    {
        var channel = new RecordedChannel();
        channel.Answers = _ => channel.Messages.Count switch
        {
            1 => new TaskCompletionSource<Delivery>().Task,
            2 => Task.FromResult(new Delivery(Told.Later, Message: "is asked too much")),
            _ => Task.FromResult(new Delivery(Told.Done, "m-1")),
        };
        await using var world = await Begin(channel);
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "closed" && AllTold(d));
        channel.Messages.Select(message => message[0].Alert.InDoubt).ShouldBe([false, true, true, false]);
    }

    [Fact]
    public async Task A_stop_stores_what_arrived_although_another_channel_does_not_answer()
    {
        var (quick, hanging, answer) = (new RecordedChannel(), new RecordedChannel(), new TaskCompletionSource<Delivery>());
        quick.Answers = _ => answer.Task;
        hanging.Answers = _ => new TaskCompletionSource<Delivery>().Task;
        await using var world = await Begin(quick, "{ slack: '#quick' }, { slack: '#hangs' }", to => to.To == "#quick" ? quick : hanging);
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, _ => quick.Messages.Count == 1 && hanging.Messages.Count == 1);

        answer.SetResult(new Delivery(Told.Done, "m-1"));
        var stopping = world.Restart();
        // No further than an owner has to end, however late it began to wait.
        for (var second = 0; second < 7; second++)
        {
            await Task.WhenAny(stopping, Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, CancellationToken.None));
            world.Clock.Advance(TimeSpan.FromSeconds(1));
        }

        await stopping.WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, CancellationToken.None);
        Alerts(await world.Get(id)).Single(a => a.Target == "slack #quick" && a.Key.EndsWith("/alert/1", StringComparison.Ordinal)).State.ShouldBe("done");
    }

    [Fact]
    public async Task An_order_that_takes_long_keeps_nobody_from_hearing_of_the_rollback()
    {
        var (told, ordered) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new TaskCompletionSource());
        var channel = new RecordedChannel();
        channel.Answers = _ =>
        {
            told.TrySetResult();
            return Task.FromResult(Delivery.Done);
        };
        var target = new SlowTarget(ordered.Task);
        var text = LoopWorld.PolicyText.Replace("    watch: {", "    alert: [ { slack: '#deploys' } ]\n    watch: {", StringComparison.Ordinal);
        await using var world = await LoopWorld.Begin(text, _ => target);
        world.Channels = _ => channel;
        await world.Restart();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        var running = world.Run(id, d => d.State == "verifying");
        await target.Ordering.WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, CancellationToken.None);
        try
        {
            await told.Task.WaitAsync(TimeSpan.FromSeconds(5), TimeProvider.System, CancellationToken.None);
        }
        finally
        {
            ordered.SetResult();
            await running;
        }

        channel.Occasions.ShouldBe([Occasions.Rollback]);
    }

    [Fact]
    public async Task Whoever_was_asked_hears_that_a_newer_version_came()
    {
        var channel = new RecordedChannel();
        var text = LoopWorld.PolicyText.Replace("autonomy: enforce", "autonomy: recommend", StringComparison.Ordinal).Replace("    watch: {", "    alert: [ { slack: '#deploys' } ]\n    watch: {", StringComparison.Ordinal);
        await using var world = await LoopWorld.Begin(text);
        world.Channels = _ => channel;
        await world.Restart();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "waiting_for_person" && Alerts(d).Any() && AllTold(d));
        await world.Announce("2.0.1", "2.0.0");
        await world.Settle(id);
        channel.Messages.SelectMany(message => message).Where(one => one.Alert.Deployment!.Id == id).Select(one => one.Alert.Occasion).ShouldBe([Occasions.Rollback, Occasions.Progress]);
        channel.Messages[^1][0].Alert.Deployment!.ClosedReason.ShouldBe("superseded");
    }

    /// <summary>Takes an order when the test says so.</summary>
    private sealed class SlowTarget(Task until) : IRollbackTarget
    {
        private readonly TaskCompletionSource _ordering = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Ordering => _ordering.Task;

        public string Name => "slow";

        public bool KnowsHistory => false;

        public Task<PlatformState> Look(string service, string environment, CancellationToken cancel) =>
            Task.FromResult(new PlatformState(true, "1.0.0", true, null, "1.0.0 serves"));

        public async Task<OrderResult> Order(RollbackOrder order, CancellationToken cancel)
        {
            _ordering.TrySetResult();
            await until;
            return new OrderResult(true, false, "back to " + order.TargetVersion);
        }
    }

    [Fact]
    public async Task Where_commander_only_watches_nobody_is_woken()
    {
        var channel = new RecordedChannel();
        var text = LoopWorld.PolicyText.Replace("autonomy: enforce", "autonomy: observe", StringComparison.Ordinal).Replace("    watch: {", "    alert: [ { slack: '#deploys' } ]\n    watch: {", StringComparison.Ordinal);
        await using var world = await LoopWorld.Begin(text);
        world.Channels = _ => channel;
        await world.Restart();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "closed");
        await world.Settle(id);
        channel.Messages[0][0].Alert.Severity.ShouldBe(Severity.Warning);
    }

    [Fact]
    public async Task A_person_who_keeps_or_rolls_back_is_told_to_who_was_asked()
    {
        var channel = new RecordedChannel();
        var text = LoopWorld.PolicyText.Replace("autonomy: enforce", "autonomy: recommend", StringComparison.Ordinal).Replace("    watch: {", "    alert: [ { slack: '#deploys' } ]\n    watch: {", StringComparison.Ordinal);
        await using var world = await LoopWorld.Begin(text);
        world.Channels = _ => channel;
        await world.Restart();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "waiting_for_person" && AllTold(d) && Alerts(d).Any());
        channel.Messages[0][0].Text.Title.ShouldBe("Roll back or keep: checkout 2.0.0 in prod");
        (await world.Desk.Act(id, "keep", "anna", "it is the load test", CancellationToken.None)).Status.ShouldBe(202);
        await world.Settle(id);
        channel.Messages[^1][0].Text.Title.ShouldBe("Kept: checkout 2.0.0 in prod");
        channel.Messages[^1][0].Text.Done.ShouldBe("it is the load test");
    }

    [Fact]
    public async Task An_alert_says_who_ordered_a_rollback()
    {
        var channel = new RecordedChannel();
        var text = LoopWorld.PolicyText.Replace("autonomy: enforce", "autonomy: recommend", StringComparison.Ordinal).Replace("    watch: {", "    alert: [ { slack: '#deploys' } ]\n    watch: {", StringComparison.Ordinal);
        await using var world = await LoopWorld.Begin(text);
        world.Channels = _ => channel;
        await world.Restart();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "waiting_for_person" && AllTold(d) && Alerts(d).Any());
        (await world.Desk.Act(id, "rollback", "anna", null, CancellationToken.None)).Status.ShouldBe(202);
        await world.Run(id, d => d.State == "closed" && AllTold(d));
        channel.Messages[^1][0].Text.Done.ShouldNotBeNull().ShouldEndWith("ordered by anna");
    }

    [Fact]
    public async Task Two_hundred_rollbacks_in_a_minute_are_a_handful_of_messages_that_name_all()
    {
        var channel = new RecordedChannel { Most = 500 };
        var services = string.Join('\n', LoopWorld.PolicyText.Split('\n')[..2].Append("defaults:").Concat(LoopWorld.PolicyText.Split('\n')[4..].Select(line => line.Length > 2 ? line[2..] : line)).Where(line => line.Length > 0))
            .Replace("  watch: {", "  alert: [ { slack: '#deploys' } ]\n  watch: {", StringComparison.Ordinal);
        await using var world = await LoopWorld.Begin(services);
        world.Channels = _ => channel;
        await world.Restart();
        var ids = new List<string>();
        for (var n = 0; n < 200; n++)
        {
            world.Source.ErrorShare["2.0.0"] = 0.25;
            ids.Add((await world.Announce("2.0.0", service: $"service-{n:000}")).Id);
        }

        await world.RunAll(ids, d => Alerts(d).Any(a => a.State == "done"));
        var rollbacks = channel.Messages.Where(message => message.Any(one => one.Alert.Occasion == Occasions.Rollback)).ToList();
        rollbacks.Count.ShouldBeInRange(1, 6);
        rollbacks.SelectMany(message => message).Where(one => one.Alert.Occasion == Occasions.Rollback).Select(one => one.Alert.Deployment!.Id).Order().ShouldBe(ids.Order());
    }
}
