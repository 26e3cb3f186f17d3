namespace Commander.Judging.Models;

public sealed partial record Model
{
    /// <summary>What a new installation starts with; written by <c>Commander.Benchmarks train-shipped</c>, see docs/model-card.md.</summary>
    public static Model Shipped { get; } = new(
        "shipped-4",
        Intercept: -4.3622299429672315,
        Weights: [6.918325692392575, 6.166326851864712, 5.968772091024759, 6.078109641935964, 3.0668413460430064, 3.862229942967232, 2.662229942967232, 3.0622299429672317],
        NoData: 7.172147952410924,
        Guard: 2.6622327834632595);
}
