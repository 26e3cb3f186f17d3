using System.Globalization;
using Commander.Judging.Backtest;

namespace Commander.Judging.Models;

public sealed partial record Model
{
    /// <summary>
    /// What is assumed before any data, and what training draws to where data say little. No evidence is P(BAD) 0.024, which lies outside the grey zone of the default costs; a score
    /// of 1 from errors or latency is 0.92, from cpu or memory 0.85, from what is only indirectly the service's own (traffic, its key figures, what it calls) 0.2 to 0.4: enough for
    /// the default threshold of 0.1, but mild.
    /// </summary>
    public static Model Assumed { get; } = new(
        "assumed-1",
        Intercept: -3.7,
        Weights: [6.2, 6.2, 5.4, 5.4, 2.4, 3.2, 2.0, 2.4],
        NoData: 6.5,
        Guard: 2);
}

/// <summary>How the shipped model is made: from which cases, with which constants. docs/model-card.md tells why.</summary>
public static class ShippedRecipe
{
    /// <summary>The shipped model's name.</summary>
    public const string Version = "shipped-8";

    /// <summary>The assumed share of BAD among real deployments.</summary>
    public const double BaseRate = 0.05;

    /// <summary>How strongly training draws to <see cref="Model.Assumed"/>: the weakest of 1, 3, 10, 30 ... at which no source lost P(BAD) of the default threshold on a BAD case when it was left out.</summary>
    public const double Strength = 10;

    /// <summary>Simulated deployments of each cell.</summary>
    public const int Each = 5;

    /// <summary>The simulator's seed.</summary>
    public const ulong Seed = 20;

    /// <summary>The simulated deployments' source.</summary>
    public const string Simulator = "simulator";

    /// <summary>The sets that may train what is shipped, and how many ticks of each case are watched. Nothing else may: other sets state no licence, or are for measuring.</summary>
    public static IReadOnlyList<(string Set, int Horizon)> Sets { get; } = [("petshop-issues", 3), ("microservice-faults", 6)];

    /// <summary>The sets that are only measured with.</summary>
    public static IReadOnlyList<(string Set, int Horizon)> Unseen { get; } = [("canary-rollouts", 20), ("diurnal-injected", 60)];

    /// <summary>The rows of all sources: each set's, then the simulator's.</summary>
    /// <param name="read">Gives a set's cases by its name.</param>
    public static IReadOnlyList<Labelled> Rows(Func<string, IEnumerable<Case>> read) =>
        [.. Sets.SelectMany(set => Named(Lessons.Of(read(set.Set), set.Horizon), set.Set)), .. Lessons.Simulated(Each, Seed, Simulator)];

    /// <summary>A set is one source, whatever systems it was recorded on.</summary>
    public static IEnumerable<Labelled> Named(IEnumerable<Labelled> rows, string set) => rows.Select(row => row with { Source = set });

    /// <summary>Trains on rows as the shipped model is trained.</summary>
    public static Trained Train(IReadOnlyList<Labelled> rows) => Training.Fit(rows, Model.Assumed, Version, BaseRate, Strength);

    /// <summary>The file that holds the shipped model. Numbers stand in the shortest form that gives the same bits again.</summary>
    public static string Source(Model model) => string.Create(CultureInfo.InvariantCulture, $$"""
        namespace Commander.Judging.Models;

        public sealed partial record Model
        {
            /// <summary>What a new installation starts with; written by <c>Commander.Benchmarks train-shipped</c>, see docs/model-card.md.</summary>
            public static Model Shipped { get; } = new(
                "{{model.Version}}",
                Intercept: {{model.Intercept:R}},
                Weights: [{{string.Join(", ", model.Weights.Select(static weight => weight.ToString("R", CultureInfo.InvariantCulture)))}}],
                NoData: {{model.NoData:R}},
                Guard: {{model.Guard:R}});
        }

        """);
}
