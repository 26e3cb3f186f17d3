using System.Globalization;
using Commander.Judging.Models;
using Commander.Judging.Simulation;
using Commander.Judging.Verdicts;

namespace Commander.Benchmarks;

/// <summary>How many ticks of five metrics a second the simulator makes on one core, alone and with the judge watching. Bar: at least 200,000 alone.</summary>
internal static class SimulateBenchmark
{
    private const int Bar = 200_000;
    private static readonly TimeProvider Clock = TimeProvider.System;
    private static readonly TimeSpan Each = TimeSpan.FromSeconds(3);

    public static int Run()
    {
        var slowest = double.PositiveInfinity;
        foreach (var name in new[] { "plain", "200 requests/s", "bursts phi 5", "correlated families", "no control, day's rise, seasonal" })
        {
            var cell = Grid.Harmless.Single(cell => cell.Name == name);
            var alone = Rate(seed => Ticks(cell.Scenario, seed));
            var judged = Rate(seed => Rehearsal.Run(cell.Scenario, Grid.Policy, Model.Shipped, Judge.Name, seed).Ticks);
            slowest = Math.Min(slowest, alone);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-34} {alone,10:0} ticks a second, {judged,10:0} with the judge"));
        }
        Console.WriteLine($"bar {Bar}: {(slowest >= Bar ? "kept" : "MISSED")}");
        return slowest >= Bar ? 0 : 1;
    }

    private static int Ticks(Scenario scenario, ulong seed)
    {
        var simulator = new Simulator(scenario, Grid.Policy, seed);
        while (simulator.NextTick <= scenario.WatchTicks)
            simulator.Next();
        return scenario.PastTicks + scenario.WatchTicks;
    }

    private static double Rate(Func<ulong, int> deployment)
    {
        ulong seed = 0;
        // Once for the compiler.
        for (var began = Clock.GetTimestamp(); Clock.GetElapsedTime(began) < Each / 3;)
            deployment(seed++);
        long ticks = 0;
        var start = Clock.GetTimestamp();
        while (Clock.GetElapsedTime(start) < Each)
            ticks += deployment(seed++);
        return ticks / Clock.GetElapsedTime(start).TotalSeconds;
    }
}
