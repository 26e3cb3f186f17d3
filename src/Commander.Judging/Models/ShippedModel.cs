namespace Commander.Judging.Models;

public sealed partial record Model
{
    /// <summary>What a new installation starts with; written by <c>Commander.Benchmarks train-shipped</c>, see docs/model-card.md.</summary>
    public static Model Shipped { get; } = new(
        "shipped-2",
        Intercept: -3.7,
        Weights: [6.2, 6.2, 5.4, 5.4, 2.4, 3.2, 2.0, 2.4],
        NoData: 6.5,
        Guard: 2);
}
