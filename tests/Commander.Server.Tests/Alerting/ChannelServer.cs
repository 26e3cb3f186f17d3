using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using Commander.Judging.Policies;
using Commander.Server.Alerting;
using Commander.Server.Connections;
using Commander.Server.Demo;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Alerting;

/// <summary>One request as it came.</summary>
internal sealed record Came(string Method, string Target, IHeaderDictionary Headers, byte[] Bytes)
{
    public string Text => Encoding.UTF8.GetString(Bytes);

    public JsonNode Json => JsonNode.Parse(Bytes)!;
}

/// <summary>A server in the place of a channel, all that came to it, and channels that speak to it.</summary>
internal sealed class ChannelServer : IAsyncDisposable
{
    private readonly HttpClient _http = Outgoing.Create();
    private Listener? _listener;

    public FakeTimeProvider Clock { get; } = new(SampleAlerts.Now);

    public ConcurrentQueue<Came> Requests { get; } = [];

    public Dictionary<string, string?> Secrets { get; } = new(StringComparer.Ordinal);

    public string Url => $"http://127.0.0.1:{_listener!.Port}";

    public Came Last => Requests.Last();

    public static async Task<ChannelServer> Start(RequestDelegate answer)
    {
        var server = new ChannelServer();
        server._listener = await Listener.Start(0, context => server.Take(context, answer), CancellationToken.None);
        return server;
    }

    public IAlertChannel Channel(AlertPolicy to) =>
        AlertingHosting.Make(to, _http, Clock, reference => Secrets.GetValueOrDefault(reference)).ShouldNotBeNull();

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        if (_listener is not null)
            await _listener.DisposeAsync();
    }

    private async Task Take(HttpContext context, RequestDelegate answer)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        Requests.Enqueue(new Came(
            context.Request.Method,
            context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget,
            new HeaderDictionary(context.Request.Headers.ToDictionary(header => header.Key, header => header.Value, StringComparer.OrdinalIgnoreCase)),
            body.ToArray()));
        await answer(context);
    }
}
