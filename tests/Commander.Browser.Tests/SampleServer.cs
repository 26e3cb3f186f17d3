using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;
using Commander.Samples;
using Commander.Server.Dashboard;
using Commander.Server.Loop;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Commander.Browser.Tests;

/// <summary>The pages over real HTTP, in front of samples.</summary>
internal sealed class SampleServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private SampleServer(WebApplication app, SampleDeployments deployments, string address)
    {
        _app = app;
        Deployments = deployments;
        Address = address;
    }

    public SampleDeployments Deployments { get; }

    /// <summary>Ends with a slash.</summary>
    public string Address { get; }

    public IServiceProvider Services => _app.Services;

    public static async Task<SampleServer> Start(
        IEnumerable<(Deployment Deployment, EvidenceDocument Evidence)>? samples = null,
        Action<DashboardOptions>? configure = null,
        string pathBase = "",
        int port = 0)
    {
        var deployments = new SampleDeployments(samples ?? Sample.All());
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrel().UseUrls($"http://127.0.0.1:{port}");
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<IDeployments>(deployments);
        builder.Services.AddSingleton<PinnedPolicy>((_, _) => ValueTask.FromResult<Judging.Policies.Policy?>(Sample.Policy));
        builder.Services.AddSingleton<DemoStatus>(_ => ValueTask.FromResult<ShopStatus?>(new("http://127.0.0.1:5081/", "1.0.3", "1.0.4", 0.5, 1998, 0.1, 12.4)));
        builder.Services.AddSingleton<DemoDeploy>((kind, _) => Task.FromResult(Sample.Watching().Deployment));
        builder.Services.AddDashboard();
        builder.Services.Configure<DashboardOptions>(o =>
        {
            o.HasPolicy = true;
            configure?.Invoke(o);
        });
        var app = builder.Build();
        if (pathBase.Length > 0)
        {
            app.UsePathBase(pathBase);
            app.UseRouting();
        }

        app.MapDashboard();
        await app.StartAsync();
        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        return new SampleServer(app, deployments, address + pathBase + "/");
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();
}
