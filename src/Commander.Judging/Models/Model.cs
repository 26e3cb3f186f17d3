using Commander.Judging.Evidence;

namespace Commander.Judging.Models;

/// <summary>A versioned calibration: P(BAD given the findings) by logistic regression over the families' scores.</summary>
/// <param name="Version">Its name, such as shipped-2.</param>
/// <param name="Intercept">Log odds at no evidence.</param>
/// <param name="Weights">One weight per family, in the order of <see cref="Family"/>, for scores cut to 0..2.</param>
/// <param name="NoData">Weight of the no-data score.</param>
/// <param name="Guard">Added to the log odds when a hard guard fired.</param>
public sealed partial record Model(string Version, double Intercept, IReadOnlyList<double> Weights, double NoData, double Guard)
{
    /// <summary>The log odds of BAD.</summary>
    public double Odds(in Features features)
    {
        var odds = Intercept + (NoData * features[Features.NoData]) + (Guard * features[Features.Guard]);
        for (var family = 0; family < Words.FamilyCount; family++)
        {
            odds += Weights[family] * features[family];
        }
        return odds;
    }

    /// <summary>P(BAD), 0..1.</summary>
    public double PBad(in Features features) => 1 / (1 + Math.Exp(-Odds(features)));
}
