using Commander.Judging.Policies;
using Commander.Server.Alerting.Mail;
using Commander.Server.Connections;
using Commander.Server.Hosting;

namespace Commander.Server.Alerting;

/// <summary>Adds the channels.</summary>
internal static class AlertingHosting
{
    private const string Client = "alerts";

    public static void AddAlerting(this IServiceCollection services, Secrets secrets, MailOptions? mail)
    {
        services.AddHttpClient(Client).ConfigurePrimaryHttpMessageHandler(() => Outgoing.Handler());
        services.AddSingleton(s => new AlertBook(
            to => Make(to, s.GetRequiredService<IHttpClientFactory>().CreateClient(Client), s.GetRequiredService<TimeProvider>(), secrets.Resolve, mail),
            new Templates().Of,
            s.GetRequiredService<TimeProvider>()));
    }

    /// <summary>A channel by what the policy says; null where this version has none.</summary>
    internal static IAlertChannel? Make(AlertPolicy to, HttpClient http, TimeProvider clock, Func<string, string?> secret, MailOptions? mail) => to.Channel switch
    {
        "email" => new MailChannel(to, mail, clock, secret),
        _ => null,
    };
}
