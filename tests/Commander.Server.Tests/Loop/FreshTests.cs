using System.Security.Cryptography;
using Commander.Server.Loop;
using Commander.Server.Tests.Storage;

namespace Commander.Server.Tests.Loop;

/// <summary>What is told is what is so: after a rollback, while a person is asked, at the end of a hold, of versions of long ago.</summary>
public class FreshTests
{
    private static string Policy(string from, string to) => LoopWorld.PolicyText.Replace(from, to, StringComparison.Ordinal);

    private static async Task<bool> Identical(LoopWorld world, string id)
    {
        var replay = (await world.Desk.Replay(id, null, null, null, CancellationToken.None))!;
        replay.Differences.ShouldBeEmpty();
        return replay.Identical;
    }

    private static async Task<LoopWorld> Lingering()
    {
        var world = await LoopWorld.Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        world.Source.Lingering.Add("2.0.0");
        return world;
    }

    [Fact]
    public async Task A_rollback_is_not_recovered_while_requests_still_reach_the_bad_version()
    {
        await using var world = await Lingering();
        var id = (await world.Announce("2.0.0")).Id;
        var told = await world.Run(id, d => d.Actions is [{ Recovered: false }]);
        (told.State, told.Actions[0].State).ShouldBe(("verifying", "running"));
        told.Actions[0].Message.ShouldBe("1.0.0 serves, but the bad version 2.0.0 still gets 100 requests a second");
        told.Outcome.ShouldBeNull();
        world.Source.Lingering.Clear();
        var done = await world.Run(id, d => d.Actions is [{ State: "done" }]);
        done.Actions[0].Recovered.ShouldBe(true);
        (await world.Facts(id)).Count(f => f.Kind == "result").ShouldBeLessThan(7);
        (await world.Run(id, d => d.State == "closed")).Outcome!.Label.ShouldBe("BAD");
        (await Identical(world, id)).ShouldBeTrue();
    }

    [Fact]
    public async Task Requests_that_never_leave_the_bad_version_make_the_rollback_fail()
    {
        await using var world = await Lingering();
        var id = (await world.Announce("2.0.0")).Id;
        var closed = await world.Run(id, d => d.State == "closed");
        var action = closed.Actions.ShouldHaveSingleItem();
        (action.State, action.Recovered, action.ServingVersion).ShouldBe(("failed", false, "1.0.0"));
        action.Message.ShouldBe("1.0.0 serves, but after 2 min the bad version 2.0.0 still gets 100 requests a second: take it out of the traffic");
        closed.Outcome!.Label.ShouldBe("UNKNOWN");
        closed.Notes.ShouldContain(action.Message!);
        (await Identical(world, id)).ShouldBeTrue();
    }

    [Fact]
    public async Task Requests_that_come_back_to_the_bad_version_take_the_recovery_back_and_a_person_may_order_it_again()
    {
        await using var world = await LoopWorld.Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        var done = await world.Run(id, d => d.Actions is [{ State: "done" }]);
        world.Source.Lingering.Add("2.0.0");
        var again = await world.Run(id, d => d.Actions is [{ State: "failed" }]);
        again.State.ShouldBe("observing");
        (again.Actions[0].Recovered, again.Actions[0].FinishedAt, again.EndsAt).ShouldBe((false, done.Actions[0].FinishedAt, done.EndsAt));
        again.Actions[0].Message.ShouldBe("1.0.0 was restored, but the bad version 2.0.0 still gets 100 requests a second: take it out of the traffic");
        (await world.Desk.Act(id, "rollback", "ada", null, CancellationToken.None)).Status.ShouldBe(202);
        world.Source.Lingering.Clear();
        var closed = await world.Run(id, d => d.State == "closed", TimeSpan.FromHours(1));
        closed.Actions.Select(a => a.State).ShouldBe(["failed", "done"]);
        closed.Notes.ShouldBeEmpty();
    }

    [Fact]
    public async Task Who_is_asked_sees_the_newest_numbers_and_those_at_the_time_out_are_kept()
    {
        await using var world = await LoopWorld.Begin(Policy("autonomy: enforce", "autonomy: recommend"));
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        var asked = await world.Run(id, d => d.State == "waiting_for_person");
        var began = asked.Verdict!.Findings[0].Candidate;
        world.Source.ErrorShare["2.0.0"] = 0.5;
        var later = await world.Run(id, _ => world.Clock.GetUtcNow() - asked.Verdict.DecidedAt > TimeSpan.FromSeconds(30));
        later.Verdict!.Findings[0].Candidate!.Value.ShouldBeGreaterThan(began!.Value + 10);
        later.Verdict.Reasoning.ShouldNotBe(asked.Verdict.Reasoning);
        (later.Verdict.Decision, later.Verdict.DecidedAt).ShouldBe(("ROLLBACK", asked.Verdict.DecidedAt));
        later.Notes.ShouldBe(["recommended: back to 1.0.0; waits for a person"]);
        var facts = (await world.Facts(id)).Count(f => f.Kind != "tick");
        var timedOut = await world.Run(id, d => d.State == "observing");
        ((await world.Facts(id)).Count(f => f.Kind != "tick") - facts).ShouldBe(1);
        timedOut.Notes.ShouldBe(["nobody answered within 1 min"]);
        timedOut.Verdict!.Findings[0].Candidate!.Value.ShouldBeGreaterThan(later.Verdict.Findings[0].Candidate!.Value);
        timedOut.Verdicts.Count(v => v.Decision == "ROLLBACK").ShouldBe(1);
        var closed = await world.Run(id, d => d.State == "closed");
        closed.Verdict!.Reasoning.ShouldBe(timedOut.Verdict.Reasoning);
        (await Identical(world, id)).ShouldBeTrue();
        await world.Restart();
        (await world.Get(id)).Verdict!.Reasoning.ShouldBe(timedOut.Verdict.Reasoning);
    }

    [Fact]
    public async Task A_hold_ends_with_what_it_was_held_for()
    {
        await using var world = await LoopWorld.Begin();
        world.Source.Rate = 3;
        var id = (await world.Announce("2.0.0")).Id;
        var first = await world.Run(id, d => d.Verdict is not null);
        var later = await world.Run(id, _ => world.Clock.GetUtcNow() - first.StartedAt > TimeSpan.FromMinutes(1));
        later.Verdict!.Reasoning.ShouldNotBe(first.Verdict!.Reasoning);
        var closed = await world.Run(id, d => d.State == "closed");
        closed.ClosedReason.ShouldBe("on_hold");
        closed.Verdicts.Select(v => v.Decision).ShouldBe(["HOLD", "HOLD"]);
        closed.Verdicts[^1].Reason.ShouldBe(closed.Verdict!.Reasoning);
        (await Identical(world, id)).ShouldBeTrue();
    }

    [Fact]
    public async Task A_rollback_of_long_ago_still_forbids_its_version_until_somebody_says_that_it_was_wrong()
    {
        await using var world = await LoopWorld.Begin();
        world.Source.ErrorShare["1.5.0"] = world.Source.ErrorShare["2.0.0"] = world.Source.ErrorShare["3.0.0"] = 0.25;
        var bad = (await world.Announce("1.5.0")).Id;
        await world.Run(bad, d => d.State == "closed");
        world.Source.ErrorShare["1.5.0"] = 0.001;
        var ids = new DeploymentId(world.Clock, RandomNumberGenerator.Create());
        for (var n = 0; n < 120; n++)
        {
            var now = world.Clock.GetUtcNow();
            var row = Written.Row(1, version: "other" + n, at: now) with { Id = ids.Next() };
            await world.Store.Announce(Written.Announcement(row), CancellationToken.None);
            await world.Store.Append(new(Written.Following(Written.First(row), 1, "closed"), row with { State = "closed", ClosedReason = "decided", Decision = "CONTINUE", DueAt = null }), CancellationToken.None);
            world.Clock.Advance(TimeSpan.FromMinutes(15));
        }

        var second = await world.Run((await world.Announce("2.0.0", previous: "1.5.0")).Id, d => d.State == "closed");
        second.Actions.ShouldHaveSingleItem().ServingVersion.ShouldBe("other119");
        await world.Desk.Label(bad, "GOOD", "ada", "the alarm was wrong", CancellationToken.None);
        var third = await world.Run((await world.Announce("3.0.0", previous: "1.5.0")).Id, d => d.State == "closed");
        third.Actions.ShouldHaveSingleItem().ServingVersion.ShouldBe("1.5.0");
    }

    [Fact]
    public async Task Only_a_watch_that_finds_no_place_says_that_it_waits_and_only_as_long()
    {
        await using var world = await LoopWorld.Begin();
        for (var n = 0; n < world.Parts.Limits.MaxWatches; n++)
            world.Parts.Limits.TryEnter().ShouldBeTrue();
        var id = (await world.Announce("2.0.0")).Id;
        (await world.Get(id)).Notes.ShouldBeEmpty();
        var waits = await world.Run(id, _ => world.Clock.GetUtcNow() > new DateTimeOffset(2026, 11, 23, 10, 30, 20, TimeSpan.Zero));
        waits.State.ShouldBe("queued");
        waits.Notes.ShouldBe(["waits for a free watch: 2000 are under way"]);
        (await world.Facts(id)).Count.ShouldBe(2);
        world.Parts.Limits.Leave();
        (await world.Run(id, d => d.State != "queued")).Notes.ShouldBeEmpty();
    }
}
