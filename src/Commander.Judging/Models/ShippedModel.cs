namespace Commander.Judging.Models;

public sealed partial record Model
{
    /// <summary>What a new installation starts with; written by <c>Commander.Benchmarks train-shipped</c>, see docs/model-card.md.</summary>
    public static Model Shipped { get; } = new(
        "shipped-2",
        Intercept: -4.353875054049105,
        Weights: [6.911891102395417, 6.159818330115334, 5.960601390527626, 6.070152842971674, 3.05838066136384, 3.853875054049105, 2.653875054049105, 3.053875054049105],
        NoData: 7.16477914496966,
        Guard: 2.6538752533520755);
}
