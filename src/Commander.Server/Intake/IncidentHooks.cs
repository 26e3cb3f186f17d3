using System.Text.Json;
using Commander.Judging.Verdicts;
using Commander.Server.Access;
using Commander.Server.Api;
using Commander.Server.Hosting;
using Commander.Server.Learning;
using Commander.Server.Loop;
using Commander.Server.Storage;

namespace Commander.Server.Intake;

/// <summary>
/// Alertmanager and PagerDuty tell of incidents: the deployment that one is about was bad. What Commander itself has raised there is
/// no witness of its own verdict and never counts.
/// </summary>
internal static class IncidentHooks
{
    private const int MostAlerts = 50;
    private const int MostDeployments = 200;
    private const int MaxName = 128;
    private static readonly TimeSpan Ahead = TimeSpan.FromMinutes(5);

    public static void MapIncidentHooks(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/hooks/alertmanager", Alertmanager).NeedsToAnnounce()
            .Produces<Labelled>().Produces<Labelled>(StatusCodes.Status202Accepted)
            .ProducesProblem(400).ProducesProblem(401).ProducesProblem(403).ProducesProblem(413).ProducesProblem(503)
            .WithName("alertmanager-hook").WithTags("hooks").WithSummary("Alertmanager's webhook: an alert that fires labels the deployment that it is about; with a token in its settings (authorization)");
        routes.MapPost("/hooks/pagerduty", PagerDuty).IsOpen()
            .Produces<Labelled>().Produces<Labelled>(StatusCodes.Status202Accepted)
            .ProducesProblem(400).ProducesProblem(401).ProducesProblem(404).ProducesProblem(413).ProducesProblem(503)
            .WithName("pagerduty-hook").WithTags("hooks").WithSummary("PagerDuty's webhook: an incident labels the deployment that it is about; signed with COMMANDER_PAGERDUTY_SECRET");
    }

    private static async Task<IResult> Alertmanager(HttpContext context, IDeployments deployments, TimeProvider clock, CancellationToken cancel)
    {
        var (document, refused) = await Hooks.Bare(context, cancel);
        if (document is null)
            return refused!;
        using (document)
        {
            var body = document.RootElement;
            if (Hooks.Text(body, "version") is not "4" || !body.TryGetProperty("alerts", out var alerts) || alerts.ValueKind != JsonValueKind.Array)
                return Problems.Invalid("version, alerts: this is no message of Alertmanager's webhook in version 4; name this address as url of a webhook_configs entry");
            var labelling = new Labelling(deployments);
            foreach (var alert in alerts.EnumerateArray().Take(MostAlerts))
            {
                var (incident, why) = Of(alert);
                if (incident is null)
                    labelling.Ignore(why!);
                else
                    await Label(incident, labelling, deployments, clock, person => Scope.Reason(context.User, person.Service, person.Environment), cancel);
            }

            if (alerts.GetArrayLength() is 0)
                labelling.Ignore("no alert");
            if (alerts.GetArrayLength() is > MostAlerts and var count)
                labelling.Ignore($"{count - MostAlerts} alerts beyond the first {MostAlerts}; set max_alerts");
            return labelling.Answer();
        }
    }

    private static async Task<IResult> PagerDuty(HttpContext context, CommanderOptions options, AccessLimits limits, IDeployments deployments, TimeProvider clock, CancellationToken cancel)
    {
        var (document, refused) = await Hooks.Signed(
            "PagerDuty", "COMMANDER_PAGERDUTY_SECRET", options.PagerDutySecrets, (headers, body, secrets, _) => SenderSignatures.PagerDuty(headers, body, secrets), context, limits, clock, cancel);
        if (document is null)
            return refused!;
        using (document)
        {
            var labelling = new Labelling(deployments);
            var (incident, why) = OfPagerDuty(document.RootElement);
            if (incident is null)
                labelling.Ignore(why!);
            else
                await Label(incident, labelling, deployments, clock, static _ => null, cancel);
            return labelling.Answer();
        }
    }

    private static async Task Label(Incident incident, Labelling labelling, IDeployments deployments, TimeProvider clock, Func<Deployment, string?> outside, CancellationToken cancel)
    {
        if (incident.StartedAt > clock.GetUtcNow() + Ahead)
        {
            labelling.Ignore($"{incident.By}: it began more than {Ahead.TotalMinutes:0} minutes ahead of this server's clock");
            return;
        }

        var (deployment, why) = await Find(incident, deployments, cancel);
        if (deployment is null)
            labelling.Ignore($"{incident.By}: {why}");
        else if (outside(deployment) is { } reason)
            labelling.Ignore($"{incident.By}: your token is bound to something else. {reason.TrimEnd('.')}");
        else
            await labelling.Bad(deployment.Id, OutcomeSources.Incident, incident.By, incident.Title, cancel);
    }

    private static async Task<(Deployment? Deployment, string? Why)> Find(Incident incident, IDeployments deployments, CancellationToken cancel)
    {
        if (incident.Deployment is { } id)
            return await deployments.Get(id, cancel) is { } named ? (named, null) : (null, $"there is no deployment '{Problems.Shown(id)}'");
        if (incident.Service is null)
            return (null, "no label names its deployment, or its service");
        // Announced by then, or afterwards with an earlier start.
        var filter = new DeploymentFilter(incident.Service, incident.Environment, Since: incident.StartedAt - Attribution.Reach - Ahead, Limit: MostDeployments);
        var found = Attribution.Of((await deployments.List(filter, cancel)).Items, incident);
        // PagerDuty's services have titles: Checkout is checkout.
        var small = incident with { Service = incident.Service.ToLowerInvariant() };
        if (found.Deployment is not null || small == incident)
            return found;
        return Attribution.Of((await deployments.List(filter with { Service = small.Service }, cancel)).Items, small);
    }

    private static (Incident? Incident, string? Why) Of(JsonElement alert)
    {
        var name = Hooks.Text(alert, "labels", "alertname") ?? "an alert";
        if (Hooks.Text(alert, "status") is var status && status != "firing")
            return (null, $"{Problems.Shown(name)} is {Problems.Shown(status ?? "nothing")}; firing counts");
        if (Hooks.Text(alert, "labels", "raised_by") == "commander")
            return (null, $"{Problems.Shown(name)} was raised by Commander itself");
        if (Hooks.Text(alert, "fingerprint") is not { Length: > 0 and <= MaxName } fingerprint || Hooks.Time(Hooks.Text(alert, "startsAt")) is not { } started)
            return (null, $"{Problems.Shown(name)} has no fingerprint or no startsAt");
        return (
            new Incident(
                $"alertmanager:{Outcomes.Kept(fingerprint, MaxName)}",
                Hooks.Text(alert, "annotations", "summary") ?? Hooks.Text(alert, "annotations", "title") ?? name,
                started,
                Hooks.Text(alert, "labels", "deployment") is { } id && id.StartsWith("dep-", StringComparison.Ordinal) ? id : null,
                Name(Hooks.Text(alert, "labels", "service")),
                Name(Hooks.Text(alert, "labels", "environment")) ?? "prod",
                Name(Hooks.Text(alert, "labels", "version"))),
            null);
    }

    private static (Incident? Incident, string? Why) OfPagerDuty(JsonElement body)
    {
        var kind = Hooks.Text(body, "event", "event_type") ?? "nothing";
        if (kind == "pagey.ping")
            return (null, "a ping: the webhook works");
        if (kind is not ("incident.triggered" or "incident.reopened"))
            return (null, $"the event {Problems.Shown(kind)}; incident.triggered and incident.reopened count");
        if (Hooks.Text(body, "event", "data", "incident_key")?.StartsWith("commander/", StringComparison.Ordinal) == true)
            return (null, "Commander raised it itself");
        // One that is opened again began again.
        var at = Hooks.Time(kind == "incident.triggered" ? Hooks.Text(body, "event", "data", "created_at") : null) ?? Hooks.Time(Hooks.Text(body, "event", "occurred_at"));
        if (Hooks.Text(body, "event", "data", "id") is not { Length: <= MaxName } id || at is not { } started)
            return (null, "the incident has no id, or it is not said when it began");
        return (
            new Incident(
                $"pagerduty:{Outcomes.Kept(id, MaxName)}",
                Hooks.Text(body, "event", "data", "title"),
                started,
                null,
                Name(Hooks.Text(body, "event", "data", "service", "summary")),
                "prod",
                null),
            null);
    }

    private static string? Name(string? text) => text is { Length: > 0 and <= MaxName } && Hooks.Slugged(text) is { Length: > 0 } name ? name : null;
}
