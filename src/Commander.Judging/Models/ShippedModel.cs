namespace Commander.Judging.Models;

public sealed partial record Model
{
    /// <summary>What a new installation starts with; written by <c>Commander.Benchmarks train-shipped</c>, see docs/model-card.md.</summary>
    public static Model Shipped { get; } = new(
        "shipped-6",
        Intercept: -4.3420006554366495,
        Weights: [6.895550591297275, 6.338977696833518, 6.062687922474365, 6.057745244802594, 3.0407152233282706, 3.8420006554366495, 2.6420006554366493, 3.042000655436649],
        NoData: 7.151465608980338,
        Guard: 2.6420069529073644);
}
