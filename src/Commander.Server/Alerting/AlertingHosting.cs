using Commander.Judging.Policies;
using Commander.Server.Alerting.Discord;
using Commander.Server.Alerting.GitHub;
using Commander.Server.Alerting.Grafana;
using Commander.Server.Alerting.Mail;
using Commander.Server.Alerting.PagerDuty;
using Commander.Server.Alerting.Teams;
using Commander.Server.Alerting.Webhook;
using Commander.Server.Connections;
using Commander.Server.Hosting;

namespace Commander.Server.Alerting;

/// <summary>Adds the channels.</summary>
internal static class AlertingHosting
{
    private const string Client = "alerts";

    public static void AddAlerting(this IServiceCollection services, Secrets secrets, MailOptions? mail = null)
    {
        // Addresses of webhooks are secrets, and the client's own log would have them.
        services.AddHttpClient(Client).ConfigurePrimaryHttpMessageHandler(() => Outgoing.Handler()).RemoveAllLoggers();
        services.AddSingleton(s => new AlertBook(
            to => Make(to, s.GetRequiredService<IHttpClientFactory>().CreateClient(Client), s.GetRequiredService<TimeProvider>(), secrets.Resolve, mail),
            new Templates().Of,
            s.GetRequiredService<TimeProvider>()));
    }

    /// <summary>A channel by what the policy says; null where this version has none.</summary>
    internal static IAlertChannel? Make(AlertPolicy to, HttpClient http, TimeProvider clock, Func<string, string?> secret, MailOptions? mail = null) => to.Channel switch
    {
        "pagerduty" => new PagerDutyChannel(to, http, clock, secret),
        "teams" => new TeamsChannel(to, http, clock, secret),
        "discord" => new DiscordChannel(to, http, clock, secret),
        "webhook" => new WebhookChannel(to, http, clock, secret),
        "github" => new GitHubChannel(to, http, clock, secret),
        "grafana" => new GrafanaChannel(to, http, clock, secret),
        "email" => new MailChannel(to, mail, clock, secret),
        _ => null,
    };
}
