using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Commander.Cli;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Cli;

/// <summary>What one run of the program left behind.</summary>
internal sealed record Ran(int Code, string Out, string Error)
{
    public IReadOnlyList<string> Lines => Out.TrimEnd('\n').Split('\n');
}

/// <summary>The program in process, with its own streams and environment.</summary>
internal sealed class Shell
{
    public Dictionary<string, string> Environment { get; } = new(StringComparer.Ordinal);

    public bool IsTerminal { get; init; }

    public async Task<Ran> Run(params string[] args)
    {
        var output = new StringWriter { NewLine = "\n" };
        var error = new StringWriter { NewLine = "\n" };
        var terminal = new Terminal(output, error, IsTerminal, IsTerminal, Environment.GetValueOrDefault);
        var code = await CommandLine.Run(args, terminal, new HurriedClock(), TestContext.Current.CancellationToken);
        return new Ran(code, output.ToString(), error.ToString());
    }

    /// <summary>A clock that jumps to whatever is waited for: fifteen minutes of patience pass at once.</summary>
    private sealed class HurriedClock : FakeTimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            if (dueTime > TimeSpan.Zero)
                Advance(dueTime);
            return timer;
        }
    }
}

/// <summary>One request as the server saw it.</summary>
internal sealed record Asked(string Method, string Path, string Body, string? Authorization);

/// <summary>A real server that answers what a test says, in order; the last answer is repeated.</summary>
internal sealed class Answering : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Queue<(int Status, string Media, string Body)> _answers = new();
    private readonly List<Asked> _asked = [];
    private readonly Lock _lock = new();

    private Answering(WebApplication app) => _app = app;

    public string Url => _app.Urls.First();

    /// <summary>Sent with every answer.</summary>
    public Dictionary<string, string> Headers { get; } = new(StringComparer.Ordinal);

    public IReadOnlyList<Asked> Asked
    {
        get
        {
            lock (_lock)
                return [.. _asked];
        }
    }

    public static async Task<Answering> Start()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        var answering = new Answering(app);
        app.Run(answering.Answer);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return answering;
    }

    public Answering With(JsonNode document, int status = 200) => With(document.ToJsonString(), "application/json", status);

    public Answering With(string body, string media, int status)
    {
        _answers.Enqueue((status, media, body));
        return this;
    }

    public Task<Ran> Run(params string[] args) => new Shell().Run([.. args, "--server", Url]);

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private async Task Answer(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body, Encoding.UTF8);
        var body = await reader.ReadToEndAsync(context.RequestAborted);
        (int Status, string Media, string Body) answer;
        lock (_lock)
        {
            _asked.Add(new Asked(context.Request.Method, context.Request.Path, body, context.Request.Headers.Authorization));
            answer = _answers.Count > 1 ? _answers.Dequeue() : _answers.Peek();
        }

        context.Response.StatusCode = answer.Status;
        context.Response.ContentType = answer.Media;
        foreach (var (name, value) in Headers)
            context.Response.Headers[name] = value;
        await context.Response.WriteAsync(answer.Body, context.RequestAborted);
    }
}

/// <summary>The contract's deployment at different moments.</summary>
internal static class Documents
{
    public const string Id = "dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C";
    public const string Url = "http://127.0.0.1:5080/d/" + Id;

    public static JsonObject RolledBack() =>
        JsonNode.Parse(File.ReadAllText(Repository.At("tests/Commander.Server.Tests/Contract/deployment.json")))!.AsObject();

    /// <summary>Watching, nothing judged yet.</summary>
    public static JsonObject Watching()
    {
        var document = RolledBack();
        document["state"] = "watching";
        document["closed_reason"] = null;
        document["verdict"] = null;
        document["verdicts"] = new JsonArray();
        document["actions"] = new JsonArray();
        document["outcome"] = null;
        return document;
    }

    /// <summary>Judged, in a state.</summary>
    public static JsonObject Judged(string decision, string state, string? closed = null)
    {
        var document = RolledBack();
        document["state"] = state;
        document["closed_reason"] = closed;
        document["verdict"]!["decision"] = decision;
        document["verdicts"] = new JsonArray(new JsonObject
        {
            ["decision"] = decision,
            ["final"] = false,
            ["at"] = "2026-11-23T10:30:46.000Z",
            ["reason"] = "because",
        });
        document["actions"] = new JsonArray();
        document["outcome"] = null;
        return document;
    }
}
