using System.Globalization;
using Commander.Judging.Verdicts;

namespace Commander.Server.Demo;

/// <summary>How the shop must stand, as the facts say.</summary>
/// <param name="Stable">The version that serves, or stands by while the candidate serves.</param>
/// <param name="StableKind">The kind it was deployed as.</param>
/// <param name="Candidate">The version under watch; null when there is none.</param>
/// <param name="CandidateKind">The kind it was deployed as; null when there is none.</param>
/// <param name="Deployment">The open watch's deployment; null when there is none.</param>
/// <param name="Share">The candidate's share of the traffic.</param>
/// <param name="Newest">The highest N of all versions 1.0.N so far.</param>
internal sealed record ShopPlan(string Stable, string StableKind, string? Candidate, string? CandidateKind, string? Deployment, double Share, int Newest)
{
    public const string Service = "shop";
    public const string Environment = "demo";
    public const string KindLabel = "demo.kind";
    public const string FirstVersion = "1.0.0";

    /// <summary>The share of a candidate that is watched and not decided.</summary>
    public const double Undecided = 0.5;

    /// <summary>
    /// The share of a candidate that carries on. The old version keeps the rest until the watch closes: without a control beside it,
    /// a machine that is busy with other things cannot be told from a version that is slow.
    /// </summary>
    public const double Promoted = 0.9;

    /// <summary>A version's name.</summary>
    public static string Name(int number) => string.Create(CultureInfo.InvariantCulture, $"1.0.{number}");

    /// <summary>Reads the shop's deployments, newest first.</summary>
    public static ShopPlan From(IReadOnlyList<Deployment> deployments)
    {
        var stable = FirstVersion;
        string? candidate = null, id = null;
        var share = 0.0;
        foreach (var deployment in deployments)
        {
            if (deployment.State != "closed" && id is null && candidate is null && RestoredTo(deployment) is null)
            {
                (candidate, id) = (deployment.Version, deployment.Id);
                share = Decided(deployment) ? Promoted : Undecided;
                continue;
            }
            if (RestoredTo(deployment) is { } restored)
            {
                stable = restored;
                id ??= deployment.State == "closed" || candidate is not null ? null : deployment.Id;
                break;
            }
            // A version that was taken over by the next one before anybody decided never became the serving one.
            if (Decided(deployment))
            {
                stable = deployment.Version;
                break;
            }
        }
        return new ShopPlan(
            stable, Kind(stable, deployments), candidate, candidate is null ? null : Kind(candidate, deployments), id, share,
            deployments.Select(deployment => Number(deployment.Version)).DefaultIfEmpty(0).Max());
    }

    /// <summary>Whether the deployment carries on and has not been rolled back since.</summary>
    public static bool Decided(Deployment deployment) =>
        deployment.Verdict?.Decision == "CONTINUE" && RestoredTo(deployment) is null;

    /// <summary>The version that a rollback of the deployment has brought back; null when none has.</summary>
    private static string? RestoredTo(Deployment deployment)
    {
        var rollback = deployment.Actions.LastOrDefault(action => action.Kind == "rollback");
        // Verifying: the platform has taken the order, only the proof is outstanding.
        return rollback is not null && (rollback.State == "done" || (rollback.State is "running" or "intended" && deployment.State == "verifying"))
            ? rollback.ServingVersion ?? deployment.PreviousVersion
            : null;
    }

    private static string Kind(string version, IReadOnlyList<Deployment> deployments) =>
        deployments.FirstOrDefault(deployment => deployment.Version == version)?.Labels.GetValueOrDefault(KindLabel) is { } kind && Faults.TryKind(kind, out _)
            ? kind
            : "good";

    private static int Number(string version) =>
        version.StartsWith("1.0.", StringComparison.Ordinal) && int.TryParse(version.AsSpan(4), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : 0;
}
