namespace Commander.Judging.Models;

public sealed partial record Model
{
    /// <summary>What a new installation starts with; written by <c>Commander.Benchmarks train-shipped</c>, see docs/model-card.md.</summary>
    public static Model Shipped { get; } = new(
        "shipped-7",
        Intercept: -4.317238168870716,
        Weights: [6.8721320712467, 6.418141452774366, 6.041607783644511, 5.941280704103269, 3.015344889161978, 3.817238168870716, 2.617238168870716, 3.017238168870716],
        NoData: 7.126542095714079,
        Guard: 2.6172421796654297);
}
