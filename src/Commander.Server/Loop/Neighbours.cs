using Commander.Charts;
using Commander.Judging.Verdicts;
using Commander.Server.Storage;

namespace Commander.Server.Loop;

/// <summary>Another deployment of the same environment that began shortly before an alarm.</summary>
internal sealed record Neighbour(string Id, string Service, string? From, string To, DateTimeOffset StartedAt);

/// <param name="Began">When the deployment with the alarm began itself.</param>
/// <param name="Deployments">Those that began nearest to this one and are not known to be harmless, nearest first.</param>
/// <param name="More">How many others there were.</param>
internal sealed record NeighboursBody(DateTimeOffset Began, IReadOnlyList<Neighbour> Deployments, int More);

/// <summary>What else began when an alarm came: named for whoever looks for the cause, and never part of what is judged.</summary>
internal static class Neighbours
{
    /// <summary>At most so many rows are looked at, and so many deployments named.</summary>
    public const int MostRows = 100;
    private const int Most = 3;

    /// <summary>A deployment may be announced so long before it begins (as the intake allows).</summary>
    public static readonly TimeSpan AnnouncedEarly = TimeSpan.FromMinutes(5);

    /// <summary>Those of the rows that began within a span before the alarm; null when there are none.</summary>
    /// <param name="rows">Rows of the environment.</param>
    /// <param name="own">The deployment with the alarm.</param>
    /// <param name="began">When it began.</param>
    /// <param name="alarm">When the alarm came.</param>
    /// <param name="span">The policy's watch.reference.</param>
    public static NeighboursBody? Of(IReadOnlyList<DeploymentRow> rows, string own, DateTimeOffset began, DateTimeOffset alarm, TimeSpan span)
    {
        DeploymentRow[] near = [.. rows
            // What closed healthy was not it, and what was rolled back is gone.
            .Where(row => row is not { State: WatchStates.Closed, Decision: "CONTINUE" } and { RolledBackAt: null })
            .Where(row => row.Id != own && row.StartedAt <= alarm && row.StartedAt >= alarm - span)
            .OrderBy(row => (row.StartedAt - began).Duration())
            .ThenBy(row => row.Id, StringComparer.Ordinal)];
        return near.Length == 0
            ? null
            : new NeighboursBody(
                began,
                [.. near.Take(Most).Select(row => new Neighbour(row.Id, row.Service, FactBody.Read<Deployment>(row.Document).PreviousVersion, row.Version, row.StartedAt))],
                Math.Max(0, near.Length - Most));
    }

    /// <summary>One sentence for a person, or none. A body of an earlier version may have more deployments than are named.</summary>
    public static IEnumerable<string> Words(NeighboursBody body)
    {
        var more = body.More + Math.Max(0, body.Deployments.Count - Most);
        if (body.Deployments.Count > 0)
            yield return $"{string.Join(", ", body.Deployments.Take(Most).Select(near => $"{Change(near)} began {Apart(near.StartedAt - body.Began)}"))}{(more > 0 ? $" and {more} more" : "")}: look there too";
    }

    /// <summary>The verdict; where nothing is compared with a control, with the word that it cannot tell the deployments apart.</summary>
    public static Verdict Told(Verdict verdict, NeighboursBody body)
    {
        var alone = verdict.Decision == Decision.Rollback.Word()
            && verdict.Findings.Any(static finding => finding.Verdict == "worse")
            && !verdict.Findings.Any(static finding => finding.ReferenceArm == "control");
        return alone
            ? verdict with { Reasoning = $"{verdict.Reasoning}; without a control it cannot be told whether this did it or {string.Join(" or ", body.Deployments.Select(Change))}{(body.More > 0 ? $" or one of {body.More} more" : "")}" }
            : verdict;
    }

    private static string Change(Neighbour near) => near.From is null ? $"{near.Service} {near.To}" : $"{near.Service} {near.From} -> {near.To}";

    private static string Apart(TimeSpan later) => later.Duration() < TimeSpan.FromSeconds(1)
        ? "at the same time"
        : $"{Figures.Duration(later.Duration())} {(later < TimeSpan.Zero ? "earlier" : "later")}";
}
