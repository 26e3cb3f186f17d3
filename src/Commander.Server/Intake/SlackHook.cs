using System.Globalization;
using System.Net;
using System.Net.Mime;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Commander.Judging;
using Commander.Server.Access;
using Commander.Server.Alerting;
using Commander.Server.Alerting.Slack;
using Commander.Server.Api;
using Commander.Server.Connections;
using Commander.Server.Hosting;
using Commander.Server.Loop;
using Commander.Server.Storage;
using Microsoft.AspNetCore.WebUtilities;

namespace Commander.Server.Intake;

/// <summary>
/// What comes back from Slack: somebody has pressed a button below a message. Slack waits three seconds for an answer and shows an error
/// then: what takes longer goes on, and what came of it is said to that person alone, at the address that came with the press.
/// </summary>
internal static partial class SlackHook
{
    // The whole message comes along, with each of its signs as three in a form.
    private const int MaxBody = 256 * 1024;
    private const int MaxName = 64;
    private const int MaxAddress = 2048;

    /// <summary>How long the work is waited for before Slack is answered.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1.5);

    // Of the work and of saying what came of it, each.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    public static void MapSlackHook(this IEndpointRouteBuilder routes) =>
        routes.MapPost("/hooks/slack", Take)
            .IsOpen()
            .Produces(StatusCodes.Status200OK)
            .ProducesProblem(400).ProducesProblem(401).ProducesProblem(404).ProducesProblem(413)
            .WithName("slack-hook").WithTags("hooks").WithSummary("Slack's interactivity: a button below a message was pressed; signed with COMMANDER_SLACK_SECRET");

    /// <summary>What was pressed, by whom, and where the answer goes.</summary>
    private sealed record Press(string Action, string Deployment, string? Decision, string User, string By, bool Own, Uri? Answers);

    private static async Task<IResult> Take(
        HttpContext context, CommanderOptions options, AccessLimits limits, SeenBefore seen, IDeployments deployments,
        IHttpClientFactory clients, IHostApplicationLifetime life, ILoggerFactory logs, TimeProvider clock, CancellationToken cancel)
    {
        if (options.SlackSecrets.Count == 0)
            return Problems.NotFound("Slack has no secret here: set COMMANDER_SLACK_SECRET to the app's signing secret.");
        var address = AccessGate.Address(context.Connection.RemoteIpAddress);
        if (limits.Locked(address) is not null)
            return Problems.Of(StatusCodes.Status429TooManyRequests, "Too many requests", "Too many that were not signed came from this address; wait a minute.");
        if (await RequestBody.Bytes(context, MaxBody, cancel) is not { } bytes)
            return Problems.Of(StatusCodes.Status413PayloadTooLarge, "The body is too large", $"At most {MaxBody / 1024} KiB.");
        if (SenderSignatures.Slack(context.Request.Headers, bytes, options.SlackSecrets, clock.GetUtcNow()) is { } why)
        {
            limits.Failed(address);
            return Problems.Of(StatusCodes.Status401Unauthorized, "Not let in", why + ".");
        }

        try
        {
            var payload = Encoding.UTF8.GetString(bytes);
            if (context.Request.ContentType?.StartsWith(MediaTypeNames.Application.Json, StringComparison.OrdinalIgnoreCase) != true)
            {
                using var reader = new FormReader(payload) { KeyLengthLimit = 256, ValueLengthLimit = MaxBody, ValueCountLimit = 16 };
                var form = await reader.ReadFormAsync(cancel);
                if (form.ContainsKey("ssl_check"))
                    return Results.Ok();
                if (!form.TryGetValue("payload", out var given))
                    return Problems.Invalid("payload: is missing; set this address as the Request URL of Interactivity, and nowhere else");
                payload = given.ToString();
            }

            using var document = JsonDocument.Parse(payload, new JsonDocumentOptions { MaxDepth = 64 });
            var root = document.RootElement;
            if (Text(root, "type") == "url_verification")
                return Results.Text(Text(root, "challenge") is { Length: <= 256 } challenge ? challenge : "");
            // By what was signed but for the time, which is a new one when Slack sends it again. No two presses are alike: each has an id.
            var signedAt = long.Parse(context.Request.Headers["X-Slack-Request-Timestamp"].ToString(), CultureInfo.InvariantCulture);
            if (!seen.IsNew("slack " + Convert.ToHexString(SHA256.HashData(bytes)), signedAt))
            {
                return context.Request.Headers.ContainsKey("X-Slack-Retry-Num")
                    ? Results.Ok()
                    : Problems.Of(StatusCodes.Status401Unauthorized, "Not let in", "This request came before: a signature is good once.");
            }

            if (Read(root, options.Slack) is not { } press)
                return Results.Ok();
            // The time to wait begins before the work does, which may not give way for long.
            var patience = Task.Delay(Patience, clock, cancel);
            var work = Work(press, options.Slack, deployments, clients, logs, clock, life.ApplicationStopping);
            await Task.WhenAny(work, patience);
            return Results.Ok();
        }
        catch (Exception e) when (e is InvalidDataException or JsonException)
        {
            return Problems.Invalid(e is JsonException json ? $"payload: {Json.Explain(json)}" : "the body is no form of a button's press");
        }
    }

    /// <summary>What a body asks for; null when that is nothing of ours.</summary>
    private static Press? Read(JsonElement root, SlackOptions options)
    {
        if (Text(root, "type") != "block_actions" || !root.TryGetProperty("actions", out var actions) || actions.ValueKind != JsonValueKind.Array || actions.GetArrayLength() == 0)
            return null;
        var action = actions[0];
        if (Text(action, "action_id") is not (SlackMessage.Rollback or SlackMessage.Keep or SlackMessage.Right or SlackMessage.Wrong) || Text(action, "value") is not { } id || !DeploymentId.IsValid(id))
            return null;
        var user = Text(root, "user", "id") is { } given && SlackOptions.IsUser(given) ? given : "";
        var name = string.Concat((Text(root, "user", "name") ?? Text(root, "user", "username") ?? "").Where(c => !char.IsControl(c) && c is not ('(' or ')')).Take(MaxName));
        var decision = Text(action, "block_id") is { } block && block.StartsWith(SlackMessage.BlockPrefix, StringComparison.Ordinal) ? block[SlackMessage.BlockPrefix.Length..] : null;
        var answers = Text(root, "response_url") is { Length: <= MaxAddress } address && Uri.TryCreate(address, UriKind.Absolute, out var url) && options.IsTheirs(url) ? url : null;
        // A channel may be shared with other organisations; where Slack does not say whose somebody is, they are not taken for one's own.
        return new Press(
            Text(action, "action_id")!, id, decision, user, $"slack:{name} ({user})",
            Text(root, "user", "team_id") is { } of && of == Text(root, "team", "id"), answers);
    }

    // Never throws: nobody waits for it to the end.
    private static async Task Work(
        Press press, SlackOptions options, IDeployments deployments, IHttpClientFactory clients, ILoggerFactory logs, TimeProvider clock, CancellationToken stopping)
    {
        var log = logs.CreateLogger("Commander.Slack");
        string said;
        try
        {
            using var late = new CancellationTokenSource(Deadline, clock);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, stopping);
            said = options.MayPress(press.User, press.Own)
                ? await Do(press, deployments, either.Token).WaitAsync(Deadline, clock, stopping)
                : "You are not among Commander's responders here (COMMANDER_SLACK_RESPONDERS).";
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            said = "Commander did not get it done in time: look at the deployment's page whether it was, and press again if not.";
        }
        catch (StoreUnavailableException)
        {
            said = "Commander cannot store anything now, so nothing was done: press again in a while.";
        }
        catch (Exception e)
        {
            log.Failed(press.Action, press.Deployment, e);
            said = "Commander failed at it: its log says why; nothing may have been done.";
        }

        if (press.Answers is null)
        {
            log.Unanswered(press.Action, press.Deployment, said);
            return;
        }

        try
        {
            using var late = new CancellationTokenSource(Deadline, clock);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, stopping);
            var body = new JsonObject { ["response_type"] = "ephemeral", ["replace_original"] = false, ["text"] = SlackMessage.Escape(said, 1000) };
            using var http = clients.CreateClient(AlertingHosting.Client);
            using var content = new StringContent(body.ToJsonString(Json.Tolerant), Encoding.UTF8, MediaTypeNames.Application.Json);
            using var request = new HttpRequestMessage(HttpMethod.Post, press.Answers) { Content = content };
            using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            if (answer.StatusCode != HttpStatusCode.OK)
                log.NotTold(press.Deployment, $"answered {(int)answer.StatusCode}");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            log.NotTold(press.Deployment, e is HttpRequestException refused ? Outgoing.Why(refused) : "did not answer in time");
        }
    }

    private static async Task<string> Do(Press press, IDeployments deployments, CancellationToken cancel)
    {
        if (press.Action is SlackMessage.Rollback or SlackMessage.Keep)
        {
            var kind = press.Action == SlackMessage.Rollback ? "rollback" : "keep";
            return Words(await deployments.Act(press.Deployment, kind, press.By, null, cancel), kind == "rollback" ? "The rollback is ordered; the message will say how it goes." : "It is kept.");
        }

        if (await deployments.Get(press.Deployment, cancel) is not { } deployment)
            return "There is no such deployment here.";
        var decision = deployment.Verdict?.Decision;
        if (decision is not ("ROLLBACK" or "CONTINUE"))
            return "There is no verdict yet that could be right or wrong.";
        // Somebody may have read the message before the verdict changed.
        if (press.Decision is { } read && read != decision)
            return $"The verdict is {decision} by now: look at the message again, then say whether it is right.";
        var label = (decision == "ROLLBACK") == (press.Action == SlackMessage.Right) ? "BAD" : "GOOD";
        return Words(await deployments.Label(press.Deployment, label, press.By, null, cancel), $"Thank you: it was {label}, so {decision} was {(press.Action == SlackMessage.Right ? "right" : "wrong")}.");
    }

    private static string Words(Answer answer, string accepted) => answer.Status switch
    {
        202 => accepted,
        404 => "There is no such deployment here.",
        _ => $"Not done: {answer.Message?.TrimEnd('.') ?? "the deployment's state forbids it"}.",
    };

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
            // Half a character, which JSON may spell and nothing can store.
            return null;
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Action} of {Deployment}, pressed in Slack, failed")]
    private static partial void Failed(this ILogger log, string action, string deployment, Exception e);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Action} of {Deployment}, pressed in Slack, came with no address of Slack's to answer to. {Said}")]
    private static partial void Unanswered(this ILogger log, string action, string deployment, string said);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Whoever pressed a button of {Deployment} in Slack was not told what came of it: Slack {Why}")]
    private static partial void NotTold(this ILogger log, string deployment, string why);
}
