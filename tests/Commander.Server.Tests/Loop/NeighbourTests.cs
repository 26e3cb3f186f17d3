using Commander.Judging.Verdicts;
using Commander.Server.Dashboard;
using Commander.Server.Loop;
using Commander.Server.Storage;

namespace Commander.Server.Tests.Loop;

public class NeighbourTests
{
    private static readonly string Policy = LoopWorld.PolicyText.Replace("reference: 30s", "reference: 10m", StringComparison.Ordinal);

    private static async Task<(LoopWorld World, Deployment Found)> RollBack(string policy, Func<LoopWorld, Task> before)
    {
        var world = await LoopWorld.Begin(policy);
        await before(world);
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        return (world, await world.Run(id, d => d.Verdict?.Decision == "ROLLBACK"));
    }

    private static async Task Payments(LoopWorld world)
    {
        await world.Announce("8", "7", "payments");
        world.Clock.Advance(TimeSpan.FromMinutes(2));
    }

    [Fact]
    public async Task What_else_began_shortly_before_a_rollback_is_named_and_stored_with_it()
    {
        var (world, found) = await RollBack(Policy, Payments);
        await using var _ = world;
        found.Notes.ShouldContain("payments 7 -> 8 began 2 min earlier: look there too");
        // There is a control: it was this one.
        found.Verdict!.Reasoning.ShouldNotContain("payments");
        var facts = await world.Facts(found.Id);
        var kinds = facts.Select(static fact => fact.Kind).ToList();
        kinds.Count(static kind => kind == FactKind.Neighbours).ShouldBe(1);
        kinds.IndexOf(FactKind.Neighbours).ShouldBe(kinds.LastIndexOf(FactKind.Verdict) - 1);
        Timeline.Of(found, facts).ShouldContain(static moment => moment.Step == 5 && moment.Words == "payments 7 -> 8 began 2 min earlier: look there too");
    }

    [Fact]
    public async Task Without_a_control_the_reason_says_that_it_cannot_be_told_which_of_them_it_was_and_a_replay_says_the_same()
    {
        var (world, found) = await RollBack(Policy.Replace("source: truth", "source: truth\n    compare: before", StringComparison.Ordinal), Payments);
        await using var _ = world;
        found.Verdict!.Findings[0].ReferenceArm.ShouldBe("before");
        found.Verdict.Reasoning.ShouldEndWith("; without a control it cannot be told whether this did it or payments 7 -> 8");
        var closed = await world.Run(found.Id, static d => d.State == "closed");
        closed.Verdict!.Reasoning.ShouldBe(found.Verdict.Reasoning);
        var replay = (await world.Desk.Replay(found.Id, null, null, null, CancellationToken.None))!;
        replay.Differences.ShouldBeEmpty();
        await world.Restart();
        (await world.Get(found.Id)).Notes.ShouldContain("payments 7 -> 8 began 2 min earlier: look there too");
    }

    [Fact]
    public async Task What_began_before_the_reference_is_not_named()
    {
        var (world, found) = await RollBack(Policy, static async world =>
        {
            await world.Announce("8", "7", "payments");
            world.Clock.Advance(TimeSpan.FromMinutes(10));
        });
        await using var _ = world;
        found.Notes.ShouldBeEmpty();
        (await world.Facts(found.Id)).ShouldNotContain(static fact => fact.Kind == FactKind.Neighbours);
    }

    [Fact]
    public void The_nearest_are_named_and_the_others_counted()
    {
        var noon = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
        DeploymentRow[] rows = [.. Enumerable.Range(0, 8).Select(n => Row($"s{n}", noon.AddMinutes(1 - n))), Row("own", noon), Row("late", noon.AddMinutes(11)), Row("early", noon.AddMinutes(-21))];
        var body = Neighbours.Of(rows, "own", noon, noon.AddMinutes(10), TimeSpan.FromMinutes(30)).ShouldNotBeNull();
        Neighbours.Words(body).ShouldBe(["s1 2 began at the same time, s0 2 began 1 min later, s2 2 began 1 min earlier and 5 more: look there too"]);
        Neighbours.Of([Row("own", noon)], "own", noon, noon, TimeSpan.FromMinutes(30)).ShouldBeNull();
    }

    [Fact]
    public void What_closed_healthy_or_was_rolled_back_is_not_named()
    {
        var noon = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
        DeploymentRow[] rows =
        [
            Row("healthy", noon) with { State = "closed", Decision = "CONTINUE" },
            Row("gone", noon) with { State = "closed", Decision = "ROLLBACK", RolledBackAt = noon },
            Row("observed", noon) with { State = "observing", Decision = "CONTINUE" },
            Row("failed", noon.AddMinutes(1)) with { State = "closed", Decision = "ROLLBACK" },
        ];
        var body = Neighbours.Of(rows, "own", noon, noon.AddMinutes(10), TimeSpan.FromMinutes(30)).ShouldNotBeNull();
        Neighbours.Words(body).ShouldBe(["observed 2 began at the same time, failed 2 began 1 min later: look there too"]);
        Neighbours.Of(rows[..2], "own", noon, noon.AddMinutes(10), TimeSpan.FromMinutes(30)).ShouldBeNull();
    }

    private static DeploymentRow Row(string name, DateTimeOffset startedAt)
    {
        var document = new Deployment(name, name, "prod", "2", null, "watching", null, startedAt, startedAt, startedAt, new PolicyReference(name, ""), null, null, [], [], null, "");
        return new DeploymentRow(name, name, "prod", "2", "watching", null, null, startedAt, startedAt, null, null, null, false, FactBody.Write(document));
    }
}
