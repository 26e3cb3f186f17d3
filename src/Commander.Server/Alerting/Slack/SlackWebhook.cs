using System.Net;
using System.Text;
using Commander.Judging;

namespace Commander.Server.Alerting.Slack;

/// <summary>A channel by an incoming webhook: its address is the whole credential, and it gives nothing by which a message could be found again.</summary>
/// <param name="http">Without redirects.</param>
/// <param name="clock">Time.</param>
/// <param name="reference">What the policy says: ${COMMANDER_SECRET_NAME} or file:PATH.</param>
/// <param name="address">What that stands for; null when there is nothing.</param>
internal sealed class SlackWebhook(HttpClient http, TimeProvider clock, string reference, string? address) : IAlertChannel
{
    public int Most => SlackMessage.Most;

    public async Task<Delivery> Tell(IReadOnlyList<Worded> alerts, CancellationToken cancel)
    {
        if (Wrong() is { } wrong)
            return new Delivery(Told.Later, Message: wrong);
        // Without an app that listens nobody would hear of a button.
        var message = alerts.Count == 1 ? SlackMessage.Of(alerts[0], buttons: false) : SlackMessage.Of(alerts);
        using var request = new HttpRequestMessage(HttpMethod.Post, address!.Trim()) { Content = new StringContent(message.ToJsonString(Json.Tolerant), Encoding.UTF8, "application/json") };
        var answer = await SlackCall.Send(http, request, SlackCall.Small, clock, cancel);
        if (answer.Failed is { } failed)
            return failed;
        var said = SlackBot.Word(Encoding.UTF8.GetString(answer.Body).Trim());
        return answer.Status switch
        {
            HttpStatusCode.OK => Delivery.Done,
            HttpStatusCode.BadRequest or HttpStatusCode.RequestEntityTooLarge => new Delivery(Told.Refused, Message: $"Slack does not take the message ({said})"),
            HttpStatusCode.Forbidden or HttpStatusCode.NotFound or HttpStatusCode.Gone => new Delivery(Told.Later, Message: $"Slack does not take messages by this webhook any more ({said}): make a new one in the app's settings, Incoming Webhooks, and write its address into {reference}"),
            var other => new Delivery(Told.Later, Message: $"Slack answered {(int?)other}"),
        };
    }

    /// <summary>Whoever calls a webhook tells: nothing more than its address can be looked at.</summary>
    public Task<string?> Check(CancellationToken cancel) => Task.FromResult(Wrong());

    private string? Wrong() =>
        string.IsNullOrWhiteSpace(address) ? $"{reference} is not there: set the variable, or write the file, with the webhook's address (https://hooks.slack.com/...)"
        : Uri.TryCreate(address.Trim(), UriKind.Absolute, out var url) && SlackOptions.IsSafe(url) ? null
        : $"{reference} is no https address: write the webhook's (https://hooks.slack.com/...)";
}
