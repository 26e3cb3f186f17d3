using System.Globalization;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;

namespace Commander.Cli;

/// <summary>Lets a judge watch simulated deployments, whose truth is known, and says how often it was right.</summary>
internal static class Simulating
{
    /// <summary>More than this of one cell would say no more.</summary>
    public const int Most = 1_000_000;

    private static readonly TimeSpan SaidEvery = TimeSpan.FromSeconds(1);

    /// <summary>Runs so many deployments of every cell on all cores. What comes out depends on the arguments alone, never on the number of threads.</summary>
    public static IReadOnlyList<CellResult> Run(
        IReadOnlyList<Cell> cells, int deployments, ulong seed, string judge, Policy? policy, TimeProvider clock, Action<string> progress, CancellationToken cancel)
    {
        var rehearsed = new Rehearsed[cells.Count][];
        for (var cell = 0; cell < cells.Count; cell++)
            rehearsed[cell] = new Rehearsed[deployments];
        var began = clock.GetTimestamp();
        var (said, done, ticks) = (began, 0L, 0L);
        var speaking = new Lock();
        var all = (long)cells.Count * deployments;
        Parallel.For(0L, all, new ParallelOptions { CancellationToken = cancel, MaxDegreeOfParallelism = Environment.ProcessorCount }, at =>
        {
            var (cell, n) = ((int)(at / deployments), (int)(at % deployments));
            var one = Rehearsal.Run(cells[cell].Scenario, policy ?? cells[cell].Policy ?? Grid.Policy, Model.Shipped, judge, cells[cell].Seed(seed, n));
            rehearsed[cell][n] = one;
            Interlocked.Add(ref ticks, one.Ticks);
            var so = Interlocked.Increment(ref done);
            if (!speaking.TryEnter())
                return;
            try
            {
                if (clock.GetElapsedTime(said) < SaidEvery)
                    return;
                said = clock.GetTimestamp();
                progress($"{so} of {all} deployments watched");
            }
            finally
            {
                speaking.Exit();
            }
        });
        var seconds = clock.GetElapsedTime(began).TotalSeconds;
        progress($"{all} deployments of {cells.Count} cells watched by {judge} in {seconds:0.0} s, {(seconds > 0 ? ticks / seconds : 0):0} ticks a second");
        return [.. cells.Select((cell, at) => CellResult.Of(cell, rehearsed[at]))];
    }

    /// <summary>The two tables: harmless deployments against the budget, then faulty ones.</summary>
    public static void Print(IReadOnlyList<CellResult> results, double budget, Terminal terminal)
    {
        var harmless = results.Where(static result => !result.Bad).ToArray();
        if (harmless.Length > 0)
        {
            terminal.Table(
                ["harmless", "deployments", "rolled back", "at most (95 %)", $"budget {Percent(budget)}", "for", "CONTINUE", "after 10/50/90 %", "HOLD at the end"],
                [.. harmless.Select(result => (string[])
                [
                    result.Cell, Whole(result.Deployments), Part(result.FalseAlarms, result), Percent(result.UpperLimit),
                    Kept(result, budget), Grounds(result), Part(result.Continued, result), Times(result.ContinueSeconds), Part(result.Held, result),
                ])]);
        }

        var faulty = results.Where(static result => result.Bad).ToArray();
        if (faulty.Length == 0)
            return;
        if (harmless.Length > 0)
            terminal.Out.WriteLine();
        terminal.Table(
            ["fault", "deployments", "within 15 s", "1 min", "5 min", "ever", "median delay", "waved through", "HOLD at the end", "before it began"],
            [.. faulty.Select(result => (string[])
            [
                result.Cell, Whole(result.Deployments), Part(result.Within[0].RolledBack, result), Part(result.Within[1].RolledBack, result), Part(result.Within[2].RolledBack, result),
                Part(result.RolledBack, result), result.MedianDelaySeconds is { } delay ? Seconds(delay) : "-",
                Part(result.Continued, result), Part(result.Held, result), result.FalseAlarms == 0 ? "-" : Whole(result.FalseAlarms),
            ])]);
    }

    /// <summary>How a cell stands to the budget: broken or kept when that is certain, and whether it spends less than a fifth of it.</summary>
    public static string Kept(CellResult result, double budget) =>
        result.LowerLimit > budget ? "BROKEN"
        : result.UpperLimit <= budget / 5 ? "kept, under a fifth"
        : result.UpperLimit <= budget ? "kept"
        : "open";

    private static string Grounds(CellResult result) =>
        result.Grounds.Count == 0 ? "-" : string.Join(", ", result.Grounds.Take(3).Select(static ground => $"{ground.Key} {Whole(ground.Value)}"));

    private static string Times(IReadOnlyList<double>? seconds) => seconds is null ? "-" : string.Join(" / ", seconds.Select(Seconds));

    private static string Seconds(double seconds) =>
        seconds < 120 ? $"{seconds.ToString("0.#", CultureInfo.InvariantCulture)} s" : $"{(seconds / 60).ToString("0.#", CultureInfo.InvariantCulture)} min";

    private static string Whole(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Part(int part, CellResult of) => Percent((double)part / Math.Max(1, of.Deployments));

    private static string Percent(double share) => (100 * share).ToString(share is > 0 and < 0.0995 ? "0.00" : "0.#", CultureInfo.InvariantCulture) + " %";
}
