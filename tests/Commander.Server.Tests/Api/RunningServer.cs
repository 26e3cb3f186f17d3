using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Commander.Judging.Policies;
using Commander.Server.Hosting;
using Microsoft.AspNetCore.Builder;

namespace Commander.Server.Tests.Api;

/// <summary>The whole server in this process: real HTTP on a free port, a real store, a real silo, no policy.</summary>
public sealed class RunningServer : IAsyncLifetime
{
    private readonly string _data = Directory.CreateTempSubdirectory("commander-api-").FullName;
    private WebApplication? _app;

    public HttpClient Http { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var options = new CommanderOptions { Url = new Uri($"http://127.0.0.1:{FreePort()}"), Data = _data, WebhookKey = "k-1" };
        _app = await Application.Build(options, PolicySet.Empty, new Secrets(_ => null), null, CancellationToken.None);
        await _app.StartAsync();
        Http = new HttpClient { BaseAddress = options.Url, Timeout = TimeSpan.FromSeconds(60) };
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app!.StopAsync();
        await _app.DisposeAsync();
        Directory.Delete(_data, recursive: true);
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Posts a JSON text and reads the JSON answer.</summary>
    public async Task<(HttpStatusCode Status, JsonElement Body)> Post(string path, string json, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(json, Encoding.UTF8, "application/json") };
        foreach (var (name, value) in headers)
            request.Headers.Add(name, value);
        using var response = await Http.SendAsync(request);
        return (response.StatusCode, await Read(response));
    }

    public async Task<(HttpStatusCode Status, JsonElement Body)> Get(string path)
    {
        using var response = await Http.GetAsync(path);
        return (response.StatusCode, await Read(response));
    }

    private static async Task<JsonElement> Read(HttpResponseMessage response)
    {
        var text = await response.Content.ReadAsStringAsync();
        if (text.Length == 0)
            return default;
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}
