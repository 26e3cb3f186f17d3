using System.Globalization;
using System.Text;
using Commander.Judging.Backtest;
using Commander.Judging.Models;
using Commander.Judging.Verdicts;

namespace Commander.Benchmarks;

/// <summary>Trains the shipped model, says how well its P(BAD) is calibrated, and what leaving one source out of the training does to the verdicts.</summary>
internal static class ModelBenchmark
{
    private const string DefaultFolder = "../shared/data";

    public static int Train(string[] args)
    {
        string? folder = null, file = null;
        for (var at = 0; at < args.Length; at++)
        {
            if (args[at] == "--out" && at + 1 < args.Length)
                file = args[++at];
            else
                folder = args[at];
        }
        if (Sources(folder ?? DefaultFolder) is not { } sources)
            return 1;
        var trained = ShippedRecipe.Train(All(sources));
        if (trained.Model is not { } model)
        {
            Console.Error.WriteLine(trained.Refused);
            return 1;
        }
        Say(model);
        foreach (var (source, own) in sources)
            Console.WriteLine($"{source,-22} {own.Count(static row => row.Bad),5} BAD {own.Count(static row => !row.Bad),5} GOOD");
        if (file is not null)
            File.WriteAllText(file, ShippedRecipe.Source(model));

        // Each source judged by the model that never saw it; those that no model sees, by the shipped one.
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"\nBrier score, cases weighted to {ShippedRecipe.BaseRate:0 %} BAD (that base rate alone: {ShippedRecipe.BaseRate * (1 - ShippedRecipe.BaseRate):0.0000})"));
        Console.WriteLine("source                  assumed  left out  by group  all");
        var judged = new List<(string Source, IReadOnlyList<Labelled> Rows, double[] Assumed, double[] Out, double[]? Group, double[] All)>();
        foreach (var (source, own) in sources)
        {
            var without = Without(sources, source);
            judged.Add((source, own, By(own, Model.Assumed), By(own, without), null, By(own, model)));
        }
        foreach (var (set, horizon) in ShippedRecipe.Unseen)
        {
            if (Read(folder ?? DefaultFolder, set) is { } cases)
            {
                Labelled[] own = [.. ShippedRecipe.Named(Lessons.Of(cases, horizon), set)];
                judged.Add((set, own, By(own, Model.Assumed), By(own, model), null, By(own, model)));
            }
        }
        foreach (var (set, horizon) in ShippedRecipe.Sets)
        {
            var at = judged.FindIndex(entry => entry.Source == set);
            judged[at] = judged[at] with { Group = ByGroup(sources, Read(folder ?? DefaultFolder, set)!, set, horizon) };
        }
        foreach (var (source, own, assumed, left, group, all) in judged)
            Console.WriteLine($"{source,-22} {Brier(own, assumed)}   {Brier(own, left)}    {(group is null ? "  -   " : Brier(own, group))}    {Brier(own, all)}");

        Console.WriteLine("\nreliability, each source by the model that was not trained on it, every source to the base rate");
        Reliability([.. judged.SelectMany(static entry => Weighted(entry.Rows).Zip(entry.Out, entry.Rows).Select(static row => (row.Second, row.First, row.Third.Bad)))]);
        return 0;
    }

    public static int LeaveOneOut(string[] args)
    {
        var folder = args is [var given, ..] ? given : DefaultFolder;
        if (Sources(folder) is not { } sources)
            return 1;
        // Trained here, so that the figures are those of the recipe as it stands.
        var shipped = ShippedRecipe.Train(All(sources)).Model!;
        foreach (var (set, horizon) in ShippedRecipe.Sets.Concat(ShippedRecipe.Unseen))
        {
            if (Read(folder, set) is not { } cases)
            {
                Console.WriteLine($"\n{set}: not in {folder}, left out");
                continue;
            }
            var seen = sources.Exists(source => source.Source == set);
            Console.WriteLine($"\n{set}, horizon {horizon}, trained on {string.Join(", ", sources.Where(source => source.Source != set).Select(static source => source.Source))}");
            Console.WriteLine("model      cost of missed    F1  recall               false alarms         alarms withheld: of BAD, of GOOD");
            Figures("assumed", Model.Assumed);
            if (seen)
                Figures("left out", Without(sources, set));
            Figures("shipped", shipped);

            void Figures(string name, Model model)
            {
                // What a missed BAD costs beside a false rollback: T = 1 / (1 + missed).
                foreach (var missed in new[] { 4.0, 9, 19 })
                {
                    var summary = new Summary();
                    int bad = 0, good = 0;
                    foreach (var found in cases)
                    {
                        var (policy, _) = CasePolicy.Of(found.Recording);
                        var line = Backtests.Run(found, Judge.Name, Decided(policy, missed), model, horizon);
                        summary.Add(found, line);
                        var (_, alarm) = Lessons.Of(found.Recording, horizon);
                        if (alarm && line.DelaySeconds is null && !found.BelowTolerance)
                            (bad, good) = (bad + (found.Label == "BAD" ? 1 : 0), good + (found.Label == "GOOD" ? 1 : 0));
                    }
                    var row = summary.Rows[^1];
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"{name,-10} {missed,4} (T {1 / (1 + missed):0.00})     {row.F1:0.000}  {Told(row.Recall),-19}  {Told(row.FalseAlarmRate),-19}  {bad}, {good}"));
                }
            }
        }
        return 0;
    }

    private static Judging.Policies.Policy Decided(Judging.Policies.Policy policy, double missed) =>
        policy with { Decide = new Judging.Policies.DecidePolicy(policy.Decide.FalseAlarms, 1, missed, policy.Decide.Reasoning) };

    private static string Told(Share share) => string.Create(CultureInfo.InvariantCulture, $"{share.Value:0.000} ({share.Low:0.000}-{share.High:0.000})");

    private static List<(string Source, IReadOnlyList<Labelled> Rows)>? Sources(string folder)
    {
        foreach (var (set, _) in ShippedRecipe.Sets)
        {
            if (Read(folder, set) is null)
            {
                Console.Error.WriteLine($"{Path.Combine(folder, set)}.jsonl is not there: the shipped model is trained on {string.Join(" and ", ShippedRecipe.Sets.Select(static entry => entry.Set))}; give the folder that holds them");
                return null;
            }
        }
        return [.. ShippedRecipe.Rows(set => Read(folder, set)!).GroupBy(static row => row.Source).Select(static group => (group.Key, (IReadOnlyList<Labelled>)[.. group]))];
    }

    private static IReadOnlyList<Case>? Read(string folder, string set)
    {
        var path = Path.Combine(folder, set + ".jsonl");
        if (!File.Exists(path))
            return null;
        using var stream = File.OpenRead(path);
        return [.. CaseFile.Read(stream)];
    }

    private static IReadOnlyList<Labelled> All(List<(string Source, IReadOnlyList<Labelled> Rows)> sources) => [.. sources.SelectMany(static source => source.Rows)];

    private static Model Without(List<(string Source, IReadOnlyList<Labelled> Rows)> sources, string left) =>
        ShippedRecipe.Train([.. sources.Where(source => source.Source != left).SelectMany(static source => source.Rows)]).Model!;

    // Every group of a set by the model trained on all that is not of this group, the set's other groups among it.
    private static double[] ByGroup(List<(string Source, IReadOnlyList<Labelled> Rows)> sources, IReadOnlyList<Case> cases, string set, int horizon)
    {
        Case[] labelled = [.. cases.Where(static found => found.Label is not null && !found.BelowTolerance)];
        Labelled[] own = [.. ShippedRecipe.Named(Lessons.Of(labelled, horizon), set)];
        var others = sources.Where(source => source.Source != set).SelectMany(static source => source.Rows).ToArray();
        var said = new double[own.Length];
        foreach (var group in labelled.Select(static found => found.Group).Distinct())
        {
            var model = ShippedRecipe.Train([.. own.Where((_, at) => labelled[at].Group != group), .. others]).Model!;
            for (var at = 0; at < own.Length; at++)
            {
                if (labelled[at].Group == group)
                    said[at] = model.PBad(own[at].Features);
            }
        }
        return said;
    }

    private static double[] By(IReadOnlyList<Labelled> rows, Model model) => [.. rows.Select(row => model.PBad(row.Features))];

    // Every source counts as one.
    private static double[] Weighted(IReadOnlyList<Labelled> rows) => [.. Training.Weights(rows, ShippedRecipe.BaseRate).Select(weight => weight / rows.Count)];

    private static string Brier(IReadOnlyList<Labelled> rows, double[] said)
    {
        var weights = Weighted(rows);
        double sum = 0;
        for (var at = 0; at < said.Length; at++)
            sum += weights[at] * Math.Pow(said[at] - (rows[at].Bad ? 1 : 0), 2);
        return sum.ToString("0.0000", CultureInfo.InvariantCulture);
    }

    private static void Reliability(IReadOnlyList<(double Said, double Weight, bool Bad)> rows)
    {
        Console.WriteLine("P(BAD) said      mean  BAD, weighted  cases: BAD, GOOD");
        foreach (var decile in rows.GroupBy(static row => Math.Min(9, (int)(10 * row.Said))).OrderBy(static group => group.Key))
        {
            var whole = decile.Sum(static row => row.Weight);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{decile.Key / 10.0:0.0} to {(decile.Key + 1) / 10.0:0.0}      {decile.Sum(static row => row.Said * row.Weight) / whole:0.000}          {decile.Sum(static row => row.Bad ? row.Weight : 0) / whole:0.000}  {decile.Count(static row => row.Bad)}, {decile.Count(static row => !row.Bad)}"));
        }
    }

    private static void Say(Model model)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{model.Version}: no evidence P(BAD) {model.PBad(default):0.000}; with a score of 1 alone:");
        for (var at = 0; at < Features.Count; at++)
        {
            var features = new Features();
            features[at] = 1;
            text.Append(CultureInfo.InvariantCulture, $" {(at == Features.NoData ? "NoData" : at == Features.Guard ? "Guard" : ((Judging.Evidence.Family)at).ToString())} {model.PBad(features):0.000}");
        }
        Console.WriteLine(text);
        Console.Write(ShippedRecipe.Source(model));
    }
}
