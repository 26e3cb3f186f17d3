namespace Commander.Judging.Models;

public sealed partial record Model
{
    /// <summary>What a new installation starts with; written by <c>Commander.Benchmarks train-shipped</c>, see docs/model-card.md.</summary>
    public static Model Shipped { get; } = new(
        "shipped-8",
        Intercept: -4.321058741035195,
        Weights: [6.873782079727937, 6.422208111867458, 6.045104189554995, 5.944853813375943, 3.0191814924497464, 3.8210587410351953, 2.621058741035195, 3.021058741035195],
        NoData: 7.129551967548531,
        Guard: 2.6210621101751683);
}
