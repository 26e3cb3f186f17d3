using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Commander.Server.Tests.Alerting;

/// <summary>
/// Slack on loopback, as far as it is used: the methods of the Web API with their tokens, scopes and channels, incoming webhooks, and the
/// addresses at which whoever pressed a button is answered. What it would not take it does not take, and keeps why.
/// </summary>
internal sealed class SlackServer : IAsyncDisposable
{
    public const string Token = "xoxb-1-good";
    public const string Channel = "C0DEPLOYS1";
    private const string Name = "deploys";
    private readonly WebApplication _app;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _lock = new();
    private readonly List<JsonObject> _messages = [];
    private int _times;

    private SlackServer(WebApplication app) => _app = app;

    public Uri Api => new(_app.Urls.First() + "/api/");

    public string Webhook => _app.Urls.First() + "/services/T1/B1/the-secret-of-the-hook";

    public string Answers => _app.Urls.First() + "/actions/T1/1/2";

    /// <summary>Every method that was called, oldest first.</summary>
    public ConcurrentQueue<string> Called { get; } = new();

    /// <summary>What Slack would not have taken.</summary>
    public ConcurrentQueue<string> Broken { get; } = new();

    /// <summary>What the webhook got.</summary>
    public ConcurrentQueue<JsonObject> Hooked { get; } = new();

    /// <summary>What was said to whoever pressed a button.</summary>
    public BlockingCollection<string> Said { get; } = [];

    public HashSet<string> Scopes { get; } = new(StringComparer.Ordinal) { "chat:write", "channels:history", "channels:read" };

    /// <summary>Answers instead; false to answer all the same.</summary>
    public Func<string, HttpContext, CancellationToken, Task<bool>>? Instead { get; set; }

    /// <summary>Messages that stand there, oldest first; with thread_ts what is said below one.</summary>
    public IReadOnlyList<JsonObject> Messages
    {
        get
        {
            lock (_lock)
                return [.. _messages];
        }
    }

    public static async Task<SlackServer> Start()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var server = new SlackServer(builder.Build());
        server._app.MapMethods("/api/{method}", ["GET", "POST"], server.Method);
        server._app.MapPost("/services/T1/B1/the-secret-of-the-hook", server.Hook);
        server._app.MapPost("/actions/T1/1/2", server.Answer);
        await server._app.StartAsync();
        return server;
    }

    public void Delete(string time)
    {
        lock (_lock)
            _messages.RemoveAll(message => message["ts"]!.GetValue<string>() == time);
    }

    /// <summary>An answer as Slack gives it when it is asked too much.</summary>
    public static Task<bool> TooMuch(HttpContext context)
    {
        context.Response.StatusCode = 429;
        context.Response.Headers.RetryAfter = "30";
        return Task.FromResult(true);
    }

    public static async Task<bool> Error(HttpContext context, string error)
    {
        await context.Response.WriteAsJsonAsync(new { ok = false, error });
        return true;
    }

    private async Task Method(HttpContext context, string method)
    {
        Called.Enqueue(method);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _stopping.Token);
        if (Instead is { } instead && await instead(method, context, both.Token))
            return;
        await context.Response.WriteAsJsonAsync(await Result(context, method));
    }

    private async Task<JsonObject> Result(HttpContext context, string method)
    {
        if (context.Request.Headers.Authorization.ToString() is var given && given != "Bearer " + Token)
            return No(given.Length == 0 ? "not_authed" : "invalid_auth");
        var reads = method.StartsWith("conversations.", StringComparison.Ordinal);
        if (context.Request.Method != (reads ? "GET" : "POST"))
            return No("invalid_post_type");
        if (!reads && context.Request.ContentType != "application/json; charset=utf-8")
            return No("missing_charset");
        var arguments = reads ? [] : (await JsonNode.ParseAsync(context.Request.Body))!.AsObject();
        string Query(string name) => context.Request.Query[name].ToString();
        lock (_lock)
        {
            switch (method)
            {
                case "auth.test":
                    return new JsonObject { ["ok"] = true, ["team"] = "T1", ["user_id"] = "UBOT" };
                case "chat.postMessage":
                    if (!Scopes.Contains("chat:write"))
                        return Missing("chat:write");
                    if (Word(arguments["channel"]) is not (Channel or Name or "#" + Name))
                        return No("channel_not_found");
                    if (arguments["thread_ts"] is { } thread && !_messages.Any(one => Word(one["ts"]) == Word(thread)))
                        return No("thread_not_found");
                    if (Bad(arguments, changed: false))
                        return No("invalid_blocks");
                    arguments["ts"] = string.Create(CultureInfo.InvariantCulture, $"1790000000.{++_times:000000}");
                    _messages.Add(arguments);
                    return new JsonObject { ["ok"] = true, ["channel"] = Channel, ["ts"] = Word(arguments["ts"]), ["message"] = arguments.DeepClone() };
                case "chat.update":
                    if (Word(arguments["channel"]) != Channel)
                        return No("channel_not_found");
                    var at = _messages.FindIndex(one => Word(one["ts"]) == Word(arguments["ts"]));
                    if (at < 0)
                        return No("message_not_found");
                    if (Bad(arguments, changed: true))
                        return No("invalid_blocks");
                    _messages[at] = arguments;
                    return new JsonObject { ["ok"] = true, ["channel"] = Channel, ["ts"] = Word(arguments["ts"]), ["text"] = Word(arguments["text"]) };
                case "conversations.list":
                    if (!Scopes.Contains("channels:read"))
                        return Missing("channels:read");
                    return Query("cursor") == "" ? new JsonObject
                    {
                        ["ok"] = true,
                        ["channels"] = new JsonArray(new JsonObject { ["id"] = "C0GENERAL1", ["name"] = "general" }),
                        ["response_metadata"] = new JsonObject { ["next_cursor"] = "dGVhbTpD" },
                    }
                    : new JsonObject
                    {
                        ["ok"] = Query("cursor") == "dGVhbTpD",
                        ["channels"] = new JsonArray(new JsonObject { ["id"] = Channel, ["name"] = Name }),
                        ["response_metadata"] = new JsonObject { ["next_cursor"] = "" },
                    };
                case "conversations.history" or "conversations.replies":
                    if (!Scopes.Contains("channels:history"))
                        return Missing("channels:history");
                    if (Query("channel") != Channel)
                        return No("channel_not_found");
                    var below = method == "conversations.replies" ? Query("ts") : null;
                    var found = _messages.Where(one => below is null ? one["thread_ts"] is null : Word(one["ts"]) == below || Word(one["thread_ts"]) == below);
                    // A channel's newest come first, a thread's oldest.
                    JsonArray messages = [.. (below is null ? found.Reverse() : found).Take(int.Parse(Query("limit"), CultureInfo.InvariantCulture)).Select(one => one.DeepClone())];
                    if (Query("include_all_metadata") != "true")
                    {
                        foreach (var one in messages)
                            one!.AsObject().Remove("metadata");
                    }

                    return new JsonObject { ["ok"] = true, ["messages"] = messages };
                default:
                    return No("unknown_method");
            }
        }
    }

    private async Task Hook(HttpContext context)
    {
        Called.Enqueue("webhook");
        using var both = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _stopping.Token);
        if (Instead is { } instead && await instead("webhook", context, both.Token))
            return;
        var message = (await JsonNode.ParseAsync(context.Request.Body))!.AsObject();
        if (Bad(message, changed: false))
        {
            context.Response.StatusCode = 400;
            await context.Response.WriteAsync("invalid_blocks");
            return;
        }

        Hooked.Enqueue(message);
        await context.Response.WriteAsync("ok");
    }

    private async Task Answer(HttpContext context)
    {
        var said = (await JsonNode.ParseAsync(context.Request.Body))!.AsObject();
        Said.Add(Word(said["response_type"]) == "ephemeral" && said["replace_original"]?.GetValue<bool>() == false ? Word(said["text"]) : "for all to see");
        await context.Response.WriteAsync("ok");
    }

    private bool Bad(JsonObject message, bool changed)
    {
        var broken = SlackLimits.Broken(message, changed);
        broken.ForEach(Broken.Enqueue);
        return broken.Count > 0;
    }

    private static JsonObject No(string error) => new() { ["ok"] = false, ["error"] = error };

    private static JsonObject Missing(string scope) => new() { ["ok"] = false, ["error"] = "missing_scope", ["needed"] = scope, ["provided"] = "identify" };

    private static string Word(JsonNode? node) => node?.GetValue<string>() ?? "";

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
        _stopping.Dispose();
        Said.Dispose();
    }
}
