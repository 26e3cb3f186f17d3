using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Commander.Judging;

namespace Commander.Server.Alerting.Slack;

/// <summary>
/// A channel by an app's bot token. A deployment is one message: what becomes of it changes the message and is said in its thread.
/// A message is known again by CHANNEL:TIME, which Slack gives, and by the alert's key, which stands in its metadata.
/// </summary>
/// <param name="http">Without redirects.</param>
/// <param name="clock">Time.</param>
/// <param name="options">Where Slack is, and whether there are people who may press buttons.</param>
/// <param name="channel">Its name with #, or its id.</param>
/// <param name="token">The bot token; null when there is none.</param>
/// <param name="from">Where the token is looked for, in words.</param>
internal sealed partial class SlackBot(HttpClient http, TimeProvider clock, SlackOptions options, string channel, string? token, string from) : IAlertChannel
{
    // Whole messages with their blocks, of a channel; whole channels, of a workspace.
    private const int Large = 2 << 20;
    private const int MostPages = 5;

    public int Most => SlackMessage.Most;

    public async Task<Delivery> Tell(IReadOnlyList<Worded> alerts, CancellationToken cancel)
    {
        if (NoToken() is { } wrong)
            return new Delivery(Told.Later, Message: wrong);
        var one = alerts[0];
        if (alerts.Count > 1)
        {
            var group = await Post(SlackMessage.Marked(SlackMessage.Of(alerts), alerts), channel, null, cancel);
            return group with { Reference = null };
        }

        var message = SlackMessage.Marked(SlackMessage.Of(one, options.Buttons), one.Alert);
        if (one.Alert.Reference is { } reference && Address().Match(reference) is { Success: true } known)
            return await Follow(one, message, known.Groups["channel"].Value, known.Groups["time"].Value, cancel);
        if (one.Alert.InDoubt && await Find(one.Alert.Key, cancel) is { } found)
            return found;
        return await Post(message, channel, null, cancel);
    }

    public async Task<string?> Check(CancellationToken cancel)
    {
        if (NoToken() is { } wrong)
            return wrong;
        var answer = await Call(HttpMethod.Post, "auth.test", [], SlackCall.Small, cancel);
        return answer.Failed?.Message;
    }

    // The message first: who looks at the channel sees how things stand, even if what is said below it comes later.
    private async Task<Delivery> Follow(Worded one, JsonObject message, string there, string time, CancellationToken cancel)
    {
        message["channel"] = there;
        message["ts"] = time;
        var updated = await Call(HttpMethod.Post, "chat.update", message, SlackCall.Small, cancel);
        // Deleted, or another app's: what stands nowhere any more is said anew.
        if (updated.Error is "message_not_found" or "cant_update_message")
        {
            message.Remove("ts");
            return await Post(message, there, null, cancel);
        }

        // A workspace may forbid changes after a time; the thread below is open.
        if (updated.Failed is { } failed && updated.Error != "edit_window_closed")
            return failed;
        if (one.Alert.InDoubt && await FindIn("conversations.replies", there, time, one.Alert.Key, cancel) is not null)
            return new Delivery(Told.Done, $"{there}:{time}");
        var said = await Post(SlackMessage.Marked(SlackMessage.Step(one), one.Alert), there, time, cancel);
        return said.State == Told.Done ? said with { Reference = $"{there}:{time}" } : said;
    }

    private async Task<Delivery> Post(JsonObject message, string there, string? thread, CancellationToken cancel)
    {
        message["channel"] = there;
        if (thread is not null)
            message["thread_ts"] = thread;
        var answer = await Call(HttpMethod.Post, "chat.postMessage", message, SlackCall.Small, cancel);
        if (answer.Failed is { } failed)
            return failed;
        var reference = $"{Text(answer.Body, "channel")}:{Text(answer.Body, "ts")}";
        return new Delivery(Told.Done, Address().IsMatch(reference) ? reference : null);
    }

    /// <summary>The message of an alert that may have arrived; null when it did not, or when the app may not look.</summary>
    private async Task<Delivery?> Find(string key, CancellationToken cancel)
    {
        var id = Id().IsMatch(channel) ? channel : await IdOf(channel.TrimStart('#'), cancel);
        return id is null ? null : await FindIn("conversations.history", id, null, key, cancel);
    }

    private async Task<Delivery?> FindIn(string method, string id, string? thread, string key, CancellationToken cancel)
    {
        var query = new JsonObject { ["channel"] = id, ["limit"] = "50", ["include_all_metadata"] = "true" };
        if (thread is not null)
            query["ts"] = thread;
        var answer = await Call(HttpMethod.Get, method, query, Large, cancel);
        if (answer.Failed is not null || !answer.Body.TryGetProperty("messages", out var messages) || messages.ValueKind != JsonValueKind.Array)
            return null;
        foreach (var message in messages.EnumerateArray())
        {
            // The first message of a thread comes along, and has the key of the newest step since it was changed.
            if (Text(message, "metadata", "event_type") != SlackMessage.EventType || (thread is not null && Text(message, "ts") == thread))
                continue;
            if (Text(message, "metadata", "event_payload", "key") == key && $"{id}:{Text(message, "ts")}" is var reference && Address().IsMatch(reference))
                return new Delivery(Told.Done, reference);
            // A group's message is nobody's own, and is not changed.
            if (Text(message, "metadata", "event_payload", "keys")?.Split(' ').Contains(SlackMessage.Mark(key)) == true)
                return Delivery.Done;
        }

        return null;
    }

    private async Task<string?> IdOf(string name, CancellationToken cancel)
    {
        var cursor = "";
        for (var page = 0; page < MostPages; page++)
        {
            var answer = await Call(HttpMethod.Get, "conversations.list", new JsonObject { ["exclude_archived"] = "true", ["limit"] = "400", ["cursor"] = cursor }, Large, cancel);
            if (answer.Failed is not null || !answer.Body.TryGetProperty("channels", out var channels) || channels.ValueKind != JsonValueKind.Array)
                return null;
            foreach (var one in channels.EnumerateArray())
            {
                if (Text(one, "name") == name && Text(one, "id") is { } id && Id().IsMatch(id))
                    return id;
            }

            if (Text(answer.Body, "response_metadata", "next_cursor") is not { Length: > 0 and <= 500 } next)
                return null;
            cursor = next;
        }

        return null;
    }

    /// <summary>One method. <c>Failed</c> is null exactly when Slack said ok.</summary>
    private async Task<(JsonElement Body, string? Error, Delivery? Failed)> Call(HttpMethod how, string method, JsonObject arguments, int most, CancellationToken cancel)
    {
        var query = how == HttpMethod.Get ? "?" + string.Join('&', arguments.Select(one => $"{one.Key}={Uri.EscapeDataString(one.Value!.GetValue<string>())}")) : "";
        using var request = new HttpRequestMessage(how, new Uri(options.Url, method + query));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (how == HttpMethod.Post)
            request.Content = new StringContent(arguments.ToJsonString(Json.Tolerant), Encoding.UTF8, "application/json");
        var answer = await SlackCall.Send(http, request, most, clock, cancel);
        if (answer.Failed is { } failed)
            return (default, null, failed);
        if (answer.Status != HttpStatusCode.OK)
            return (default, null, new Delivery(Told.Later, Message: $"Slack answered {(int?)answer.Status}: look at COMMANDER_SLACK_URL"));
        try
        {
            using var document = JsonDocument.Parse(answer.Body, new JsonDocumentOptions { MaxDepth = 64 });
            var body = document.RootElement.Clone();
            if (body.ValueKind == JsonValueKind.Object && body.TryGetProperty("ok", out var ok) && ok.ValueKind == JsonValueKind.True)
                return (body, null, null);
            var error = Word(Text(body, "error"));
            return (body, error, Failed(error, body));
        }
        catch (JsonException)
        {
            return (default, null, new Delivery(Told.Later, Message: "Slack answered what is no JSON: look at COMMANDER_SLACK_URL"));
        }
    }

    private Delivery Failed(string error, JsonElement body) => error switch
    {
        "invalid_blocks" or "invalid_blocks_format" or "msg_too_long" or "msg_blocks_too_long" or "no_text" or "too_many_attachments"
            or "invalid_arguments" or "invalid_metadata_format" or "invalid_metadata_schema" or "metadata_too_large" or "metadata_must_be_sent_from_app"
            => new Delivery(Told.Refused, Message: $"Slack does not take the message ({error})"),
        "invalid_auth" or "not_authed" or "account_inactive" or "token_revoked" or "token_expired" or "not_allowed_token_type"
            => Later($"Slack does not take the token ({error}): write the bot token of an app that is installed (xoxb-...) into {from}"),
        "not_in_channel" => Later($"the app is not in {Shown()} ({error}): write /invite @NAME OF THE APP there"),
        "channel_not_found" => Later($"Slack knows no channel {Shown()} ({error}): correct its name in the policy, and invite the app when it is private"),
        "is_archived" => Later($"{Shown()} is archived ({error}): name another channel in the policy"),
        "missing_scope" or "no_permission" => Later($"the app lacks a scope ({error}: {Word(Text(body, "needed"))}): add it in the app's settings, OAuth & Permissions, and install the app again"),
        "ratelimited" or "rate_limited" or "message_limit_exceeded" => Later($"Slack is asked too much ({error})"),
        "internal_error" or "fatal_error" or "service_unavailable" or "request_timeout" or "team_added_to_org" => Later($"Slack has trouble of its own ({error})"),
        _ => Later($"Slack says {error}: look it up in its documentation of the method"),
    };

    private static Delivery Later(string why) => new(Told.Later, Message: why);

    private string? NoToken() => string.IsNullOrEmpty(token) || token.Any(c => c is <= ' ' or > '~') ? $"there is no token for Slack, or one that cannot stand in a header: write the app's bot token (xoxb-...) into {from}" : null;

    private string Shown() => AlertText.Cut(channel, 80);

    /// <summary>A word of Slack's, as it may be repeated: what is none is not.</summary>
    internal static string Word(string? text) => text is { Length: > 0 and <= 100 } && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '_' or ':' or '.' or ',') ? text : "without saying why";

    private static string? Text(JsonElement body, params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (body.ValueKind != JsonValueKind.Object || !body.TryGetProperty(name, out body))
                return null;
        }

        try
        {
            return body.ValueKind == JsonValueKind.String ? body.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            // Half a character, which JSON may spell.
            return null;
        }
    }

    [GeneratedRegex("^(?<channel>[CDG][A-Z0-9]{1,31}):(?<time>[0-9]{1,16}\\.[0-9]{1,9})$", RegexOptions.NonBacktracking)]
    private static partial Regex Address();

    [GeneratedRegex("^[CDG][A-Z0-9]{6,31}$", RegexOptions.NonBacktracking)]
    private static partial Regex Id();
}
