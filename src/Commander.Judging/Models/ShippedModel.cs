namespace Commander.Judging.Models;

public sealed partial record Model
{
    /// <summary>What a new installation starts with; written by <c>Commander.Benchmarks train-shipped</c>, see docs/model-card.md.</summary>
    public static Model Shipped { get; } = new(
        "shipped-5",
        Intercept: -4.364394319817626,
        Weights: [6.919743903676161, 6.168318133863175, 5.9709419818154545, 6.080395281616672, 3.0637402645923704, 3.8643943198176256, 2.6643943198176254, 3.0643943198176253],
        NoData: 7.174283109034658,
        Guard: 2.6643971558674173);
}
