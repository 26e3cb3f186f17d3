using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Charts;

/// <summary>One condition of carrying on, in words, and whether it holds.</summary>
/// <param name="Holds">True, false, or null while more evidence could still bring it about.</param>
/// <param name="Words">The condition and what was measured.</param>
public sealed record Requirement(bool? Holds, string Words)
{
    /// <summary>What one metric must show before CONTINUE is given (design 5.1, Deciding).</summary>
    /// <param name="finding">What it shows.</param>
    /// <param name="policy">How the pinned policy has it; null when that is not known any more.</param>
    public static IReadOnlyList<Requirement> Of(Finding finding, MetricPolicy? policy)
    {
        ArgumentNullException.ThrowIfNull(finding);
        var known = finding.Verdict is not ("no_data" or "warming_up");
        var limits = finding.Kind is "ratio" or "histogram";
        var down = policy?.Direction == Direction.Down;
        var all = new List<Requirement>(3);
        if (limits)
        {
            var tolerance = policy is null ? null : Tolerated(policy, finding.Reference);
            var limit = down ? -finding.Low : finding.High;
            all.Add(tolerance is { } most
                ? new(
                    known && limit is not null ? limit < most ? true : finding.Verdict == "worse" ? false : null : null,
                    $"surely less than {Figures.Level(most, Figures.DifferenceUnit(finding.Unit))} worse" + (limit is null ? "" : $" (could be {Figures.Difference(down ? finding.Low : finding.High, finding.Unit)})"))
                : new(known && limit is not null ? finding.Verdict is "same" or "better" ? true : finding.Verdict == "worse" ? false : null : null, "surely within its tolerance"));
        }

        all.Add(new(known ? finding.Score <= 0.3 ? true : finding.Score >= 1 ? false : null : null, $"evidence of harm at most 0.3 ({Figures.Number(finding.Score)}; 1 is an alarm)"));
        if (policy?.Objective is { } objective)
        {
            all.Add(new(
                finding.Candidate is { } level ? down ? level >= objective : level <= objective : null,
                $"objective {(down ? "at least" : "at most")} {Figures.Level(objective, policy.Unit)}"));
        }

        return all;
    }

    /// <summary>The tolerance as a difference in the metric's unit; null for a relative one without a reference.</summary>
    /// <param name="policy">The metric.</param>
    /// <param name="reference">The reference's level.</param>
    public static double? Tolerated(MetricPolicy policy, double? reference)
    {
        ArgumentNullException.ThrowIfNull(policy);
        // The floor is added to both sides before the comparison, so it widens what is tolerated.
        return !policy.Tolerance.Relative ? policy.Tolerance.Amount
            : reference is { } level ? (policy.Tolerance.Amount * (Math.Abs(level) + policy.Floor))
            : null;
    }
}
