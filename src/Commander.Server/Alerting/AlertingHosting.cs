using Commander.Judging.Policies;
using Commander.Server.Alerting.Discord;
using Commander.Server.Alerting.GitHub;
using Commander.Server.Alerting.Grafana;
using Commander.Server.Alerting.Mail;
using Commander.Server.Alerting.PagerDuty;
using Commander.Server.Alerting.Slack;
using Commander.Server.Alerting.Teams;
using Commander.Server.Alerting.Webhook;
using Commander.Server.Connections;
using Commander.Server.Hosting;

namespace Commander.Server.Alerting;

/// <summary>Adds the channels.</summary>
internal static class AlertingHosting
{
    /// <summary>The client's name.</summary>
    public const string Client = "alerts";

    public static void AddAlerting(this IServiceCollection services, Secrets secrets, MailOptions? mail = null)
    {
        // Addresses of webhooks are secrets, and the client's own log would have them.
        services.AddHttpClient(Client).ConfigurePrimaryHttpMessageHandler(() => Outgoing.Handler()).RemoveAllLoggers();
        services.AddSingleton(s => new AlertBook(
            to => Make(to, s.GetRequiredService<IHttpClientFactory>().CreateClient(Client), s.GetRequiredService<TimeProvider>(), secrets.Resolve, mail, s.GetService<CommanderOptions>()?.Slack),
            new Templates().Of,
            s.GetRequiredService<TimeProvider>()));
    }

    /// <summary>A channel by what the policy says; null where this version has none.</summary>
    internal static IAlertChannel? Make(AlertPolicy to, HttpClient http, TimeProvider clock, Func<string, string?> secret, MailOptions? mail = null, SlackOptions? slack = null) => to.Channel switch
    {
        "slack" => Slack(to, http, clock, secret, slack ?? new SlackOptions()),
        "pagerduty" => new PagerDutyChannel(to, http, clock, secret),
        "teams" => new TeamsChannel(to, http, clock, secret),
        "discord" => new DiscordChannel(to, http, clock, secret),
        "webhook" => new WebhookChannel(to, http, clock, secret),
        "github" => new GitHubChannel(to, http, clock, secret),
        "grafana" => new GrafanaChannel(to, http, clock, secret),
        "email" => new MailChannel(to, mail, clock, secret),
        _ => null,
    };

    // A webhook's address is a secret, a channel's name is none.
    private static IAlertChannel Slack(AlertPolicy to, HttpClient http, TimeProvider clock, Func<string, string?> secret, SlackOptions options) =>
        SlackOptions.IsReference(to.To) ? new SlackWebhook(http, clock, to.To, secret(to.To))
        : to.Settings?.GetValueOrDefault("token") is { } own ? new SlackBot(http, clock, options, to.To, secret(own)?.Trim(), own)
        : new SlackBot(http, clock, options, to.To, options.Token, "COMMANDER_SLACK_TOKEN, or name another secret by token: beside the channel in the policy");
}
