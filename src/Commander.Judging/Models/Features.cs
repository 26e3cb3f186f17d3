using System.Runtime.CompilerServices;
using Commander.Judging.Evidence;

namespace Commander.Judging.Models;

/// <summary>What a model reads of a watch: the families' scores in the order of <see cref="Family"/>, cut to 0..2, then the no-data score (0..2; 0 where silence means nothing), then 1 when a hard guard fires, else 0.</summary>
[InlineArray(Count)]
public struct Features
{
    /// <summary>How many there are.</summary>
    public const int Count = Words.FamilyCount + 2;

    /// <summary>Where the no-data score stands.</summary>
    public const int NoData = Words.FamilyCount;

    /// <summary>Where the hard guard stands.</summary>
    public const int Guard = Words.FamilyCount + 1;

    private double _first;

    /// <summary>The features of a judgement.</summary>
    /// <param name="families">One score per family, at least 0.</param>
    /// <param name="noData">The no-data score.</param>
    /// <param name="guard">Whether a hard guard fires.</param>
    public static Features Of(ReadOnlySpan<double> families, double noData, bool guard)
    {
        var features = new Features();
        for (var family = 0; family < Words.FamilyCount; family++)
        {
            features[family] = Math.Min(2, families[family]);
        }
        features[NoData] = noData;
        features[Guard] = guard ? 1 : 0;
        return features;
    }
}
