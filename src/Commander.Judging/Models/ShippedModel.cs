namespace Commander.Judging.Models;

public sealed partial record Model
{
    /// <summary>What a new installation starts with; written by <c>Commander.Benchmarks train-shipped</c>, see docs/model-card.md.</summary>
    public static Model Shipped { get; } = new(
        "shipped-2",
        Intercept: -4.348493078258856,
        Weights: [6.904934177830655, 6.154822912187989, 5.955583949532888, 6.065059340655682, 3.0531021267220755, 3.8484930782588562, 2.648493078258856, 3.048493078258856],
        NoData: 7.160143321255018,
        Guard: 2.6484932804720036);
}
