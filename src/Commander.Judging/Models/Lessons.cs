using Commander.Judging.Backtest;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Models;

/// <summary>Makes labelled rows of recorded and of simulated deployments: the judge's features at the first alarm, else at the horizon. No model has a part in them: it can withhold an alarm, not make one.</summary>
public static class Lessons
{
    /// <summary>What the judge saw of a recording when it alarmed.</summary>
    /// <param name="recording">The recording.</param>
    /// <param name="horizon">At most so many ticks after the change.</param>
    /// <returns>The features, and whether there was an alarm.</returns>
    /// <exception cref="RefusedException">The recording has more metrics than a watch can hold.</exception>
    public static (Features Features, bool Alarm) Of(Recording recording, int horizon)
    {
        var (policy, sources) = CasePolicy.Of(recording);
        var last = Math.Min(horizon, recording.Length);
        var n = -recording.Past;
        var (features, alarm) = Watch(policy, recording.Restarted, () => ++n <= last ? (n, CaseTicks.At(recording, sources, n)) : null);
        return (features, alarm is not null);
    }

    /// <summary>The labelled cases of a set, in their order; those whose effect lies below the tolerance are left out: no alarm is right for them, and no label.</summary>
    /// <param name="cases">The cases.</param>
    /// <param name="horizon">At most so many ticks after the change.</param>
    /// <exception cref="RefusedException">A case has more metrics than a watch can hold.</exception>
    public static IReadOnlyList<Labelled> Of(IEnumerable<Case> cases, int horizon) =>
        [.. from found in cases
            where found.Label is not null && !found.BelowTolerance
            select new Labelled(Of(found.Recording, horizon).Features, found.Label == "BAD", found.Source)];

    /// <summary>Simulated deployments of every cell of the grid, in the grid's order.</summary>
    /// <param name="each">How many of each cell.</param>
    /// <param name="seed">Which ones.</param>
    /// <param name="source">Their source's name.</param>
    public static IReadOnlyList<Labelled> Simulated(int each, ulong seed, string source)
    {
        Cell[] cells = [.. Grid.Harmless, .. Grid.Faulty];
        var rows = new Labelled?[cells.Length * each];
        Parallel.For(0, rows.Length, at =>
        {
            var (scenario, n) = (cells[at / each].Scenario, at % each);
            var simulator = new Simulator(scenario, Grid.Policy, cells[at / each].Seed(seed, n));
            var (features, alarm) = Watch(
                simulator.Policy,
                scenario.Restarted,
                () => simulator.NextTick <= scenario.WatchTicks ? (simulator.NextTick, simulator.Next()) : null);
            // An alarm before the fault began says nothing of the fault.
            var early = scenario.Fault is { } fault && alarm * scenario.StepSeconds <= fault.After;
            rows[at] = early ? null : new Labelled(features, scenario.Fault is not null, source);
        });
        return [.. rows.OfType<Labelled>()];
    }

    private static (Features Features, int? Alarm) Watch(Policy policy, bool restarted, Func<(int N, Evidence.Tick Tick)?> next)
    {
        var state = Judge.Start(policy, restarted);
        var watch = new OfflineWatch();
        while (next() is { } entry)
        {
            if (watch.Next(policy, Model.Assumed, ref state, entry.Tick).Alarm && entry.N > 0)
            {
                return (Judge.FeaturesOf(policy, state), entry.N);
            }
        }
        return (Judge.FeaturesOf(policy, state), null);
    }
}
