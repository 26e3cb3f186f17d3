using Commander.Judging.Policies;
using Commander.Server.Hosting;
using Commander.Server.Tests.Storage;
using Microsoft.AspNetCore.Builder;

namespace Commander.Server.Tests.Api;

/// <summary>A server in this process as Hosting puts it together, on a port and in a folder of its own; it may end and begin anew there, with other options.</summary>
internal sealed class BuiltServer : IAsyncDisposable
{
    private WebApplication? _app;

    public TestFolder Folder { get; } = new();

    public Uri Url { get; } = new($"http://127.0.0.1:{RunningServer.FreePort()}");

    public WebApplication App => _app ?? throw new InvalidOperationException("it has not begun");

    public async Task Begin(CommanderOptions options, PolicySet? policies = null)
    {
        await End();
        _app = await Application.Build(options with { Url = Url, Data = Folder["data"] }, policies ?? PolicySet.Empty, new Secrets(_ => null), null, TestContext.Current.CancellationToken);
        await _app.StartAsync(TestContext.Current.CancellationToken);
    }

    public async Task End()
    {
        if (_app is null)
            return;
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
        _app = null;
    }

    public async ValueTask DisposeAsync()
    {
        await End();
        Folder.Dispose();
    }
}
