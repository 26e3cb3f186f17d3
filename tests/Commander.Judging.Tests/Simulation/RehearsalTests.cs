using Commander.Judging.Models;
using Commander.Judging.Simulation;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Tests.Simulation;

/// <summary>The judge on cells of the grid: everyday sizes here, the long grid under the trait Long.</summary>
public class RehearsalTests(ITestOutputHelper output)
{
    private CellResult Run(Cell cell, int deployments)
    {
        var rehearsed = new Rehearsed[deployments];
        Parallel.For(0, deployments, n => rehearsed[n] = Rehearsal.Run(cell.Scenario, cell.Policy ?? Grid.Policy, Model.Shipped, Judge.Name, cell.Seed(1, n)));
        var result = CellResult.Of(cell, rehearsed);
        output.WriteLine($"{cell.Name}: {result.RolledBack} of {deployments} rolled back ({string.Join(", ", result.Grounds)}), continued {result.Continued}");
        return result;
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("bursts phi 5")]
    [InlineData("levels rho .9")]
    [InlineData("no control")]
    [InlineData("2 requests/s, share 10 %, ticks of 5 s")]
    [Trait("Category", "Measured")]
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
    [Trait("Category", "Measured")]
    public void Grave_faults_are_found_within_a_minute_and_never_waved_through(string name)
    {
        var result = Run(Grid.Faulty.Single(cell => cell.Name == name), 100);
        result.Within[1].RolledBack.ShouldBeGreaterThanOrEqualTo(97);
        result.Continued.ShouldBe(0);
    }

    [Theory]
    [InlineData("long, levels rho .8, noise .3")]
    [InlineData("long, promoted, levels rho .8, noise .3")]
    [InlineData("long, day's rhythm")]
    [InlineData("long, bursts phi 5")]
    [InlineData("long, no control, bursts phi 5")]
    [Trait("Category", "Measured")]
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
    [Trait("Category", "Measured")]
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

    [Theory]
    [InlineData("errors +10 pp, 200/s, share 50 %", "errors")]
    [InlineData("latency x2, 200/s, share 50 %", "latency")]
    [InlineData("cpu x2.5, 20/s, share 50 %", "cpu")]
    [InlineData("silent, 20/s, share 50 %", "silence")]
    public void A_rollback_says_what_it_was_for_and_ends_the_watch(string name, string grounds)
    {
        var cell = Grid.Faulty.Single(cell => cell.Name == name);
        var ended = Rehearsal.Run(cell.Scenario, Grid.Policy, Model.Shipped, Judge.Name, cell.Seed(1, 0));
        (ended.Decision, ended.Grounds).ShouldBe((Decision.Rollback, grounds));
        ended.RolledBack.ShouldNotBeNull().ShouldBeInRange(1, 119);
        ended.Ticks.ShouldBe(ended.RolledBack.Value + cell.Scenario.PastTicks);
    }

    [Fact]
    public void A_harmless_deployment_is_carried_on_once_and_watched_to_its_end()
    {
        var scenario = Grid.Harmless[0].Scenario;
        var ended = Rehearsal.Run(scenario, Grid.Policy, Model.Shipped, Judge.Name, 5);
        (ended.Decision, ended.RolledBack, ended.Grounds, ended.Ticks).ShouldBe((Decision.Continue, null, null, 240));
        // Not before the policy's shortest watch; in a shorter one never.
        var minutes = (int)(Grid.Policy.Watch.Min / TimeSpan.FromSeconds(scenario.StepSeconds));
        ended.Continued.ShouldNotBeNull().ShouldBeInRange(minutes, 60);
        Rehearsal.Run(scenario with { WatchTicks = ended.Continued.Value }, Grid.Policy, Model.Shipped, Judge.Name, 5).Continued.ShouldBe(ended.Continued);
        var shorter = Rehearsal.Run(scenario with { WatchTicks = ended.Continued.Value - 1 }, Grid.Policy, Model.Shipped, Judge.Name, 5);
        (shorter.Continued, shorter.Decision).ShouldBe((null, Decision.Hold));
    }

    [Fact]
    public void The_health_score_watches_too_and_knows_no_hold()
    {
        Rehearsal.Judges.ShouldBe(["commander", "health-score"]);
        var good = Rehearsal.Run(Grid.Harmless[0].Scenario, Grid.Policy, Model.Shipped, "health-score", 5);
        (good.Decision, good.RolledBack, good.Continued).ShouldBe((Decision.Continue, null, 1));
        var crash = Grid.Faulty.Single(static cell => cell.Name == "crash 90 %, 20/s, share 50 %");
        var bad = Rehearsal.Run(crash.Scenario, Grid.Policy, Model.Shipped, "health-score", 5);
        (bad.Decision, bad.RolledBack, bad.Grounds).ShouldBe((Decision.Rollback, 1, "health-score"));
        Should.Throw<RefusedException>(static () => Rehearsal.Run(new Scenario(), Grid.Policy, Model.Shipped, "oracle", 5)).Message.ShouldBe("judge: 'oracle' is unknown; give one of commander, health-score");
    }

    [Fact]
    public void A_new_version_is_promoted_as_long_after_CONTINUE_as_the_scenario_says()
    {
        // The health score continues at the first tick: so 60 s later, at the end of the fifth, the new version is promoted.
        var scenario = new Scenario { PastTicks = 3, WatchTicks = 40, Errors = 0.15, ErrorNoise = 0.5, PromotedAfter = 60 };
        int?[] Found(int from) => [.. Enumerable.Range(0, 20).Select(seed => First(scenario, (ulong)seed, from))];
        int?[] rehearsed = [.. Enumerable.Range(0, 20).Select(seed => Rehearsal.Run(scenario, Grid.Policy, Model.Shipped, Snapshot.HealthScore, (ulong)seed).RolledBack)];
        rehearsed.ShouldBe(Found(6));
        rehearsed.ShouldNotBe(Found(5));
        rehearsed.ShouldNotBe(Found(7));

        // The first tick with a score below 50 when the new version has all the traffic from a tick on.
        static int? First(Scenario scenario, ulong seed, int from)
        {
            var simulator = new Simulator(scenario, Grid.Policy, seed);
            var state = Judge.Start(simulator.Policy, scenario.Restarted);
            while (simulator.NextTick <= scenario.WatchTicks)
            {
                if (simulator.NextTick == from)
                {
                    simulator.Promote();
                }
                var tick = simulator.Next();
                Judge.Next(simulator.Policy, Model.Shipped, ref state, Input.Of(tick));
                if (tick.N > 0 && Judge.HealthScore(simulator.Policy, state) < 50)
                {
                    return tick.N;
                }
            }
            return null;
        }
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
        (result.RolledBack, result.FalseAlarms, result.MedianDelaySeconds, result.Continued, result.Held).ShouldBe((2, 1, 10, 1, 1));
        result.Within.ShouldBe([new(15, 1), new(60, 2), new(300, 2)]);
        result.Grounds[0].ShouldBe(new KeyValuePair<string, int>("errors", 2));
        result.ContinueSeconds.ShouldBe([65, 65, 65]);
    }

    [Fact]
    public void Of_harmless_deployments_every_rollback_is_a_false_alarm_whatever_came_before_it()
    {
        var result = CellResult.Of(new Cell("calm", new Scenario { StepSeconds = 10 }),
        [
            new Rehearsed(9, 4, Decision.Rollback, "cpu", 9),
            new Rehearsed(5, null, Decision.Rollback, "errors", 5),
            new Rehearsed(7, null, Decision.Rollback, "errors", 7),
            .. Enumerable.Range(1, 16).Select(static at => new Rehearsed(null, at, Decision.Continue, null, 120)),
            new Rehearsed(null, null, Decision.Hold, null, 120),
        ]);
        (result.Cell, result.Bad, result.Deployments, result.RolledBack, result.FalseAlarms, result.MedianDelaySeconds).ShouldBe(("calm", false, 20, 3, 3, null));
        (result.Continued, result.Held).ShouldBe((17, 1));
        result.Within.ShouldBeEmpty();
        result.ContinueSeconds.ShouldBe([20, 80, 140]);
        result.Grounds.ShouldBe([new("errors", 2), new("cpu", 1)]);
        // Clopper and Pearson's limits of 3 in 20, one-sided, 95 %.
        result.LowerLimit.ShouldBe(0.0422, 1e-4);
        result.UpperLimit.ShouldBe(0.3437, 1e-4);
    }

    [Fact]
    public void A_fault_s_delay_counts_from_its_beginning_and_a_tick_that_ends_there_has_nothing_of_it()
    {
        var cell = new Cell("late", new Scenario { StepSeconds = 5, Fault = new Fault(FaultKind.Crash, 1, After: 60) });
        CellResult.Of(cell, [new Rehearsed(12, null, Decision.Rollback, "errors", 12)]).FalseAlarms.ShouldBe(1);
        var delays = CellResult.Of(cell, [.. new[] { 73, 13, 72, 15, 24 }.Select(static tick => new Rehearsed(tick, null, Decision.Rollback, "errors", tick))]);
        delays.Within.ShouldBe([new(15, 2), new(60, 3), new(300, 4)]);
        (delays.RolledBack, delays.MedianDelaySeconds, delays.FalseAlarms).ShouldBe((5, 60, 0));
        var none = CellResult.Of(cell, []);
        (none.Deployments, none.Continued, none.Held, none.ContinueSeconds, none.UpperLimit).ShouldBe((0, 0, 0, null, 1));
    }

    [Fact]
    public void The_upper_limit_of_no_alarm_in_three_hundred_is_one_percent() =>
        CellResult.Of(Grid.Harmless[0], [.. Enumerable.Repeat(new Rehearsed(null, 8, Decision.Continue, null, 8), 300)]).UpperLimit.ShouldBe(0.00994, 0.0001);

    [Fact]
    public void Cells_are_chosen_by_parts_of_their_names()
    {
        Grid.Choose(null).Count.ShouldBe(Grid.Harmless.Count + Grid.LongHarmless.Count + Grid.Faulty.Count + Grid.LongFaulty.Count + Grid.Detection.Count);
        Grid.Choose("  ").ShouldBe(Grid.Choose(null));
        Grid.Choose("false-alarms").ShouldBe([.. Grid.Harmless, .. Grid.LongHarmless]);
        Grid.Choose("detection; faults").ShouldBe([.. Grid.Faulty, .. Grid.LongFaulty, .. Grid.Detection]);
        Grid.Choose("Plain; crash 90 %, 2/s").Select(static cell => cell.Name).ShouldBe(["plain", "crash 90 %, 2/s, share 10 %", "crash 90 %, 2/s, share 50 %"]);
        Should.Throw<RefusedException>(static () => Grid.Choose("nonsense")).Message.ShouldContain("no cell's name has 'nonsense'");
        Grid.Choose(null).Select(static cell => cell.Name).ShouldBeUnique();
    }

    [Fact]
    [Trait("Category", "Long")]
    public void The_whole_grid_of_harmless_deployments_keeps_the_budget() =>
        Grid.Harmless.Select(cell => Run(cell, 3000)).Where(static result => result.LowerLimit > 0.01).Select(static result => result.Cell).ShouldBeEmpty();
}
