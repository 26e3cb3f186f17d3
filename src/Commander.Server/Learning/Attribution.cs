using Commander.Judging.Verdicts;

namespace Commander.Server.Learning;

/// <summary>Something that broke, as whoever watches production says.</summary>
/// <param name="By">alertmanager:FINGERPRINT or pagerduty:ID.</param>
/// <param name="Title">What broke, in a line; null where nothing says it.</param>
/// <param name="StartedAt">When it began.</param>
/// <param name="Deployment">The deployment that did it, where somebody says so.</param>
/// <param name="Service">The service that it is about.</param>
/// <param name="Environment">The environment.</param>
/// <param name="Version">The version, where it is known.</param>
internal sealed record Incident(string By, string? Title, DateTimeOffset StartedAt, string? Deployment, string? Service, string Environment, string? Version);

/// <summary>Which deployment an incident is about. Pure.</summary>
internal static class Attribution
{
    /// <summary>What breaks later than this after a deployment began is not put down to it.</summary>
    public static readonly TimeSpan Reach = TimeSpan.FromHours(24);

    /// <summary>The deployment, or why there is none: the newest of its service and environment that had begun when the incident did, no more than a day before, and that was not rolled back by then.</summary>
    /// <param name="deployments">Those of the service and environment.</param>
    /// <param name="incident">What broke.</param>
    public static (Deployment? Deployment, string? Why) Of(IEnumerable<Deployment> deployments, Incident incident)
    {
        Deployment[] could = [.. deployments
            .Where(d => d.Service == incident.Service && d.Environment == incident.Environment && (incident.Version is null || d.Version == incident.Version))
            .Where(d => d.StartedAt <= incident.StartedAt && incident.StartedAt - d.StartedAt <= Reach)
            .Where(d => !(RestoredAt(d) <= incident.StartedAt))
            .OrderByDescending(d => d.StartedAt)];
        var what = $"{incident.Service}{(incident.Version is { } version ? " " + version : "")} in {incident.Environment}";
        return could switch
        {
            [] => (null, $"no deployment of {what} began within {Reach.TotalHours:0} h before it and was still there"),
            [var one, var other, ..] when one.StartedAt == other.StartedAt => (null, $"two deployments of {what} began at the same time: {one.Id} and {other.Id}; name one by the label deployment"),
            _ => (could[0], null),
        };
    }

    /// <summary>When the old version served again; null while it does not.</summary>
    private static DateTimeOffset? RestoredAt(Deployment deployment) =>
        deployment.Actions.LastOrDefault(action => action is { Kind: "rollback", State: "done", ServingVersion: not null })?.FinishedAt;
}
