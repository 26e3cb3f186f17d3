using Commander.Judging.Models;
using Commander.Judging.Simulation;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Tests.Simulation;

/// <summary>The judge on cells of the grid: everyday sizes here, the long grid under the trait Long.</summary>
[Trait("Category", "Measured")]
public class RehearsalTests(ITestOutputHelper output)
{
    private CellResult Run(Cell cell, int deployments)
    {
        var rehearsed = new Rehearsed[deployments];
        Parallel.For(0, deployments, n => rehearsed[n] = Rehearsal.Run(cell.Scenario, cell.Policy ?? Grid.Policy, Model.Shipped, Judge.Name, cell.Seed(1, n)));
        var result = CellResult.Of(cell, rehearsed);
        output.WriteLine($"{cell.Name}: {result.RolledBack} of {deployments} rolled back ({string.Join(", ", result.Grounds)}), continued {result.Continued:0.00}");
        return result;
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("bursts phi 5")]
    [InlineData("levels rho .9")]
    [InlineData("no control")]
    [InlineData("2 requests/s, share 10 %, ticks of 5 s")]
    public void A_look_at_every_tick_of_harmless_deployments_keeps_the_budget(string name)
    {
        var result = Run(Grid.Harmless.Single(cell => cell.Name == name), 300);
        // With 1 % more than 7 of 300 would be seen once in a hundred runs.
        result.FalseAlarms.ShouldBeLessThanOrEqualTo(7);
    }

    [Theory]
    [InlineData("crash 90 %, 20/s, share 50 %")]
    [InlineData("errors +10 pp, 200/s, share 10 %")]
    [InlineData("silent, 20/s, share 50 %")]
    public void Grave_faults_are_found_within_a_minute_and_never_waved_through(string name)
    {
        var result = Run(Grid.Faulty.Single(cell => cell.Name == name), 100);
        result.Within[1].ShouldBeGreaterThanOrEqualTo(0.97);
        result.Continued.ShouldBe(0);
    }

    [Theory]
    [InlineData("long, levels rho .8, noise .3")]
    [InlineData("long, promoted, levels rho .8, noise .3")]
    [InlineData("long, day's rhythm")]
    [InlineData("long, bursts phi 5")]
    [InlineData("long, no control, bursts phi 5")]
    public void Two_hours_of_looking_after_CONTINUE_keep_the_budget(string name)
    {
        var result = Run(Grid.LongHarmless.Single(cell => cell.Name == name), 200);
        // With 1 % more than 6 of 200 would be seen once in two hundred runs.
        result.FalseAlarms.ShouldBeLessThanOrEqualTo(6);
    }

    [Theory]
    [InlineData("long, leak 0.3 %/min", 108)]
    [InlineData("long, leak 1 %/min, no control", 32)]
    [InlineData("long, errors +1 pp after an hour, 20/s, share 50 %", 20)]
    [InlineData("long, errors +1 pp after an hour, 20/s, no control", 20)]
    [InlineData("long, errors +2 pp after an hour, 20/s, share 10 %", 15)]
    public void Faults_that_show_late_are_found_before_the_tests_from_the_start_would(string name, double minutes)
    {
        // Without the slow layer the medians are 113, 33, 60, 58 and 20 minutes.
        var result = Run(Grid.LongFaulty.Single(cell => cell.Name == name), 50);
        result.RolledBack.ShouldBeGreaterThanOrEqualTo(48);
        result.MedianDelaySeconds!.Value.ShouldBeLessThanOrEqualTo(60 * minutes);
    }

    [Fact]
    public void A_deployment_ends_the_same_whoever_runs_it_beside_what()
    {
        var cell = Grid.Harmless.Single(static cell => cell.Name == "bursts phi 5");
        var alone = Rehearsal.Run(cell.Scenario, Grid.Policy, Model.Shipped, Judge.Name, cell.Seed(1, 17));
        var beside = new Rehearsed[40];
        Parallel.For(0, 40, n => beside[n] = Rehearsal.Run(cell.Scenario, Grid.Policy, Model.Shipped, Judge.Name, cell.Seed(1, n)));
        beside[17].ShouldBe(alone);
    }

    [Fact]
    public void Results_count_what_happened_when()
    {
        var cell = new Cell("late", new Scenario { StepSeconds = 5, Fault = new Fault(FaultKind.Crash, 1, After: 60) });
        var result = CellResult.Of(cell,
        [
            new Rehearsed(6, null, Decision.Rollback, "errors", 6),
            new Rehearsed(14, 13, Decision.Rollback, "errors", 14),
            new Rehearsed(24, null, Decision.Rollback, "silence", 24),
            new Rehearsed(null, 30, Decision.Continue, null, 120),
            new Rehearsed(null, null, Decision.Hold, null, 120),
        ]);
        (result.RolledBack, result.FalseAlarms, result.MedianDelaySeconds, result.Continued, result.Held).ShouldBe((2, 1, 10, 0.2, 0.2));
        result.Within.ShouldBe([0.2, 0.4, 0.4]);
        result.Grounds[0].ShouldBe(new KeyValuePair<string, int>("errors", 2));
        result.ContinueSeconds.ShouldBe([65, 65, 65]);
    }

    [Fact]
    public void The_upper_limit_of_no_alarm_in_three_hundred_is_one_percent() =>
        CellResult.Of(Grid.Harmless[0], [.. Enumerable.Repeat(new Rehearsed(null, 8, Decision.Continue, null, 8), 300)]).UpperLimit.ShouldBe(0.00994, 0.0001);

    [Fact]
    public void Cells_are_chosen_by_parts_of_their_names()
    {
        Grid.Choose(null).Count.ShouldBe(Grid.Harmless.Count + Grid.LongHarmless.Count + Grid.Faulty.Count + Grid.LongFaulty.Count + Grid.Detection.Count);
        Grid.Choose("false-alarms").ShouldBe([.. Grid.Harmless, .. Grid.LongHarmless]);
        Grid.Choose("faults").ShouldBe([.. Grid.Faulty, .. Grid.LongFaulty]);
        Grid.Choose("Plain; crash 90 %, 2/s").Select(static cell => cell.Name).ShouldBe(["plain", "long, plain", "crash 90 %, 2/s, share 10 %", "crash 90 %, 2/s, share 50 %"]);
        Should.Throw<RefusedException>(static () => Grid.Choose("nonsense")).Message.ShouldContain("no cell's name has 'nonsense'");
        Grid.Choose(null).Select(static cell => cell.Name).ShouldBeUnique();
    }

    [Fact]
    [Trait("Category", "Long")]
    public void The_whole_grid_of_harmless_deployments_keeps_the_budget() =>
        Grid.Harmless.Select(cell => Run(cell, 3000)).Where(static result => result.LowerLimit > 0.01).Select(static result => result.Cell).ShouldBeEmpty();
}
