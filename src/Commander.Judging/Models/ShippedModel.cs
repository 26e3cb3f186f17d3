namespace Commander.Judging.Models;

public sealed partial record Model
{
    /// <summary>What a new installation starts with; written by <c>Commander.Benchmarks train-shipped</c>, see docs/model-card.md.</summary>
    public static Model Shipped { get; } = new(
        "shipped-3",
        Intercept: -4.356894126979519,
        Weights: [6.914701319423537, 6.161627018444168, 5.963414829430139, 6.07305378120823, 3.061457865242967, 3.8568941269795194, 2.656894126979519, 3.056894126979519],
        NoData: 7.167583201218244,
        Guard: 2.6568943250796107);
}
