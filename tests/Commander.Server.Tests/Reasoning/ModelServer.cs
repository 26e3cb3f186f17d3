using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Commander.Server.Tests.Reasoning;

/// <summary>
/// A server of language models on loopback that speaks OpenAI's chat completions, streaming and not, and says what a test wants it to say
/// of the evidence that it is given: the truth, lies, nonsense; or it does not say anything, late, halfway, or that it is asked too much.
/// </summary>
internal sealed class ModelServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly CancellationTokenSource _stopping = new();

    private ModelServer(WebApplication app) => _app = app;

    public Uri Url => new(_app.Urls.First() + "/v1/");

    /// <summary>Every request's body, oldest first.</summary>
    public ConcurrentQueue<JsonObject> Asked { get; } = new();

    /// <summary>The Authorization headers that came.</summary>
    public ConcurrentQueue<string> Keys { get; } = new();

    /// <summary>The text of the answer to the evidence of a question (the data between the fences).</summary>
    public Func<JsonObject, string> Says { get; set; } = Truth("HOLD");

    /// <summary>Answers instead of a completion; null to answer.</summary>
    public Func<HttpContext, int, CancellationToken, Task<bool>>? Instead { get; set; }

    /// <summary>Whether a response_format is refused with 400.</summary>
    public bool KnowsNoSchema { get; set; }

    public static async Task<ModelServer> Start()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var server = new ModelServer(builder.Build());
        server._app.MapPost("/v1/chat/completions", server.Complete);
        await server._app.StartAsync();
        return server;
    }

    /// <summary>Says a decision and cites the worst row as it stands.</summary>
    public static Func<JsonObject, string> Truth(string decision, string reason = "The worst row speaks for it.") => data =>
    {
        var row = data["evidence"]!.AsArray()[0]!;
        return new JsonObject
        {
            ["decision"] = decision,
            ["confidence"] = 0.8,
            ["reasons"] = new JsonArray(reason),
            ["evidence"] = new JsonArray(new JsonObject { ["id"] = row["id"]!.DeepClone(), ["value"] = row["value"]?.DeepClone(), ["baseline"] = row["baseline"]?.DeepClone(), ["claim"] = "it is what it is" }),
            ["error_type"] = "performance",
        }.ToJsonString();
    };

    /// <summary>What stands between the fences of a question.</summary>
    public static JsonObject Data(JsonObject request)
    {
        var text = request["messages"]!.AsArray().First(message => message!["role"]!.GetValue<string>() == "user")!["content"]!.GetValue<string>();
        var lines = text.Split('\n');
        return JsonNode.Parse(string.Join('\n', lines[1..^1]))!.AsObject();
    }

    private async Task Complete(HttpContext context)
    {
        var request = (await JsonNode.ParseAsync(context.Request.Body))!.AsObject();
        Asked.Enqueue(request);
        Keys.Enqueue(context.Request.Headers.Authorization.ToString());
        using var both = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _stopping.Token);
        if (Instead is { } instead && await instead(context, Asked.Count, both.Token))
            return;
        if (KnowsNoSchema && request["response_format"]?["type"]?.GetValue<string>() is "json_schema" or "json_object")
        {
            context.Response.StatusCode = 400;
            await context.Response.WriteAsJsonAsync(new { error = new { message = "response_format is not supported", type = "invalid_request_error" } });
            return;
        }

        var text = Says(Data(request));
        if (request["stream"]?.GetValue<bool>() == true)
            await Stream(context, request, text);
        else
            await context.Response.WriteAsJsonAsync(Completion(request, text));
    }

    public static JsonObject Completion(JsonObject request, string text) => new()
    {
        ["id"] = "chatcmpl-1",
        ["object"] = "chat.completion",
        ["created"] = 1790000000,
        ["model"] = request["model"]!.DeepClone(),
        ["choices"] = new JsonArray(new JsonObject { ["index"] = 0, ["message"] = new JsonObject { ["role"] = "assistant", ["content"] = text }, ["finish_reason"] = "stop" }),
        ["usage"] = new JsonObject { ["prompt_tokens"] = 900, ["completion_tokens"] = 80, ["total_tokens"] = 980 },
    };

    /// <summary>Server-sent chunks, the usage in one of its own, then [DONE].</summary>
    public static async Task Stream(HttpContext context, JsonObject request, string text, bool finish = true)
    {
        context.Response.ContentType = "text/event-stream";
        for (var at = 0; at < text.Length; at += 20)
            await Chunk(new JsonArray(new JsonObject { ["index"] = 0, ["delta"] = new JsonObject { ["content"] = text.Substring(at, Math.Min(20, text.Length - at)) }, ["finish_reason"] = null }), null);
        if (!finish)
            return;
        await Chunk(new JsonArray(new JsonObject { ["index"] = 0, ["delta"] = new JsonObject(), ["finish_reason"] = "stop" }), null);
        await Chunk([], new JsonObject { ["prompt_tokens"] = 900, ["completion_tokens"] = 80, ["total_tokens"] = 980 });
        await context.Response.WriteAsync("data: [DONE]\n\n");

        async Task Chunk(JsonArray choices, JsonObject? usage)
        {
            var chunk = new JsonObject { ["id"] = "chatcmpl-1", ["object"] = "chat.completion.chunk", ["created"] = 1790000000, ["model"] = request["model"]!.DeepClone(), ["choices"] = choices, ["usage"] = usage };
            await context.Response.WriteAsync($"data: {chunk.ToJsonString()}\n\n");
            await context.Response.Body.FlushAsync();
        }
    }

    /// <summary>Never answers, until the caller goes or the test ends.</summary>
    public static async Task<bool> Hang(HttpContext context, int _, CancellationToken cancel)
    {
        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel);
        }
        catch (OperationCanceledException)
        {
            context.Abort();
        }

        return true;
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        using var now = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
        _stopping.Dispose();
    }
}
