using Commander.Judging.Policies;
using Commander.Server.Alerting.Slack;
using Commander.Server.Connections;
using Commander.Server.Hosting;

namespace Commander.Server.Alerting;

/// <summary>Adds the channels.</summary>
internal static class AlertingHosting
{
    /// <summary>The client's name.</summary>
    public const string Client = "alerts";

    public static void AddAlerting(this IServiceCollection services, Secrets secrets)
    {
        // Its own log lines name addresses, and a webhook's is a secret.
        services.AddHttpClient(Client).ConfigurePrimaryHttpMessageHandler(() => Outgoing.Handler()).RemoveAllLoggers();
        services.AddSingleton(s => new AlertBook(
            to => Make(to, s.GetRequiredService<IHttpClientFactory>().CreateClient(Client), s.GetRequiredService<TimeProvider>(), secrets.Resolve, s.GetRequiredService<CommanderOptions>().Slack),
            static (_, alert) => AlertText.Of(alert),
            s.GetRequiredService<TimeProvider>()));
    }

    /// <summary>A channel by what the policy says; null where this version has none.</summary>
    internal static IAlertChannel? Make(AlertPolicy to, HttpClient http, TimeProvider clock, Func<string, string?> secret, SlackOptions? slack = null) => to.Channel switch
    {
        "slack" => Slack(to, http, clock, secret, slack ?? new SlackOptions()),
        _ => null,
    };

    // A webhook's address is a secret, a channel's name is none.
    private static IAlertChannel Slack(AlertPolicy to, HttpClient http, TimeProvider clock, Func<string, string?> secret, SlackOptions options) =>
        SlackOptions.IsReference(to.To) ? new SlackWebhook(http, clock, to.To, secret(to.To))
        : to.Settings?.GetValueOrDefault("token") is { } own ? new SlackBot(http, clock, options, to.To, secret(own)?.Trim(), own)
        : new SlackBot(http, clock, options, to.To, options.Token, "COMMANDER_SLACK_TOKEN, or name another secret by token: beside the channel in the policy");
}
