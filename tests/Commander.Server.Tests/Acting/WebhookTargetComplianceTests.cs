using System.Net;
using System.Text.Json.Nodes;
using Commander.Judging.Policies;
using Commander.Server.Acting.Rollback;
using Commander.Server.Demo;
using Commander.Server.Tests.Api;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Acting;

public sealed class WebhookTargetComplianceTests : RollbackTargetCompliance, IAsyncDisposable
{
    private readonly HttpClient _http = new() { Timeout = Timeout.InfiniteTimeSpan };
    private readonly HashSet<string> _keys = new(StringComparer.Ordinal);
    private string _serving = "2.0.0";
    private Listener? _platform;

    private protected override int Effects => _keys.Count;

    private protected override async Task<IRollbackTarget> Target(PlatformMood mood, TimeSpan timeout)
    {
        var port = RunningServer.FreePort();
        if (mood != PlatformMood.Away)
        {
            _platform = await Listener.Start(0, context => Answer(mood, context), CancellationToken.None);
            port = _platform.Port;
        }

        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["url"] = $"http://{IPAddress.Loopback}:{port}/rollback" };
        return new WebhookTarget(new RollbackPolicy("webhook", settings, [], timeout), _http, TimeProvider.System, _ => null);
    }

    private async Task Answer(PlatformMood mood, HttpContext context)
    {
        if (mood == PlatformMood.Hangs)
            await Task.Delay(TimeSpan.FromMinutes(1), TimeProvider.System, context.RequestAborted);
        if (context.Request.Method == "GET")
        {
            await context.Response.WriteAsync($$"""{"serving_version":"{{_serving}}","settled":true}""");
            return;
        }

        if (mood == PlatformMood.Refuses)
        {
            context.Response.StatusCode = 410;
            await context.Response.WriteAsync("""{"message":"the target is gone"}""");
            return;
        }

        using var reader = new StreamReader(context.Request.Body);
        var order = JsonNode.Parse(await reader.ReadToEndAsync())!;
        if (_keys.Add(context.Request.Headers["Idempotency-Key"].ToString()))
            _serving = (string)order["target_version"]!;
        await context.Response.WriteAsync("{}");
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        if (_platform is not null)
            await _platform.DisposeAsync();
    }
}
