using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Commander.Server.Tests.Sources;

/// <summary>A real HTTP endpoint on a free loopback port whose answer a test sets.</summary>
internal sealed class Exporter : IAsyncDisposable
{
    private readonly WebApplication _app;

    private bool _gone;

    private Exporter(WebApplication app) => _app = app;

    public RequestDelegate Answer { get; set; } = _ => Task.CompletedTask;

    public int Requests { get; private set; }

    public string Url => _app.Urls.First() + "/metrics";

    public static async Task<Exporter> Start()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        var exporter = new Exporter(app);
        app.Run(context =>
        {
            exporter.Requests++;
            return exporter.Answer(context);
        });
        await app.StartAsync();
        return exporter;
    }

    public void Says(string text, string type = "text/plain; version=0.0.4") => Answer = async context =>
    {
        context.Response.ContentType = type;
        await context.Response.WriteAsync(text);
    };

    /// <summary>Also how a test takes it away in the middle.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_gone)
        {
            return;
        }
        _gone = true;
        using var now = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }
}
