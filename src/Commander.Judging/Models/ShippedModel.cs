namespace Commander.Judging.Models;

public sealed partial record Model
{
    /// <summary>
    /// What a new installation starts with. No evidence is P(BAD) 0.024, which lies outside the grey zone of the default costs; a score of 1 from errors or latency is 0.92,
    /// from cpu or memory 0.85, from what is only indirectly the service's own (traffic, its key figures, what it calls) 0.2 to 0.4: enough for the default threshold of 0.1, but mild.
    /// </summary>
    public static Model Shipped { get; } = new(
        "shipped-1",
        Intercept: -3.7,
        Weights: [6.2, 6.2, 5.4, 5.4, 2.4, 3.2, 2.0, 2.4],
        NoData: 6.5,
        Guard: 2);
}
