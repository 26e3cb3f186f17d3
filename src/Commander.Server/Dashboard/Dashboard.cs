using System.IO.Compression;
using Commander.Server.Api;
using Commander.Server.Dashboard.Live;
using Microsoft.AspNetCore.ResponseCompression;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Commander.Server.Dashboard;

/// <summary>The pages: complete HTML for every GET, plain forms for every change, a small script that keeps them fresh.</summary>
internal static class DashboardRoutes
{
    public static IServiceCollection AddDashboard(this IServiceCollection services)
    {
        services.AddRazorComponents();
        services.AddAntiforgery(o =>
        {
            o.Cookie.Name = "commander-form";
            o.Cookie.SameSite = SameSiteMode.Strict;
            o.Cookie.HttpOnly = true;
        });
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<Assets>();
        services.AddSingleton<LiveStream>();
        services.AddScoped<Views>();
        services.AddOptions<DashboardOptions>();
        services.AddResponseCompression(o =>
        {
            // Safe over TLS too: the only secret in a page, the form's token, is masked anew in every answer.
            o.EnableForHttps = true;
            o.Providers.Add<BrotliCompressionProvider>();
            o.Providers.Add<GzipCompressionProvider>();
            o.MimeTypes = ["text/html", "text/css", "text/javascript", "text/markdown", "image/svg+xml", "application/json", "application/problem+json"];
        });
        services.Configure<BrotliCompressionProviderOptions>(o => o.Level = CompressionLevel.Optimal);
        services.AddSingleton<IStartupFilter, CompressFirst>();
        return services;
    }

    public static IEndpointRouteBuilder MapDashboard(this IEndpointRouteBuilder routes)
    {
        var pages = routes.MapGroup("").ExcludeFromDescription().Needs(Role.Viewer);
        pages.MapGet("/", PageAnswer.Of(PageReads.List));
        pages.MapGet("/fragment/list", PageAnswer.Of(PageReads.ListFragment));
        pages.MapGet("/fragment/shop", PageAnswer.Of(PageReads.ShopFragment));
        pages.MapGet("/d/{id}", PageAnswer.Of(PageReads.Verdict));
        pages.MapGet("/d/{id}/fragment", PageAnswer.Of(PageReads.VerdictFragment));
        pages.MapGet("/d/{id}.json", PageAnswer.Of(PageReads.Json));
        pages.MapGet("/d/{id}.md", PageAnswer.Of(PageReads.Markdown));
        pages.MapGet("/d/{id}.html", PageAnswer.Of(PageReads.Report));
        pages.MapGet("/d/{id}.svg", PageAnswer.Of(PageReads.Spark));
        pages.MapGet("/d/{id}/older", PageAnswer.Of(PageReads.Older));
        pages.MapGet("/d/{id}/newer", PageAnswer.Of(PageReads.Newer));
        pages.MapGet("/d/{id}/replay", PageAnswer.Of(PageReads.Replay));
        pages.MapPost("/d/{id}/rollback", PageAnswer.Of(PageForms.Rollback)).Needs(Role.Responder);
        pages.MapPost("/d/{id}/keep", PageAnswer.Of(PageForms.Keep)).Needs(Role.Responder);
        pages.MapPost("/d/{id}/outcome", PageAnswer.Of(PageForms.Outcome)).Needs(Role.Responder);
        pages.MapPost("/demo/deploy", PageAnswer.Of(PageForms.DemoDeployment)).Needs(Role.Responder);
        pages.MapGet("/login", PageAnswer.Of(SignInForms.Show)).IsOpen();
        pages.MapGet("/login/provider", PageAnswer.Of(SignInForms.There)).IsOpen();
        pages.MapPost("/login", PageAnswer.Of(SignInForms.Enter)).IsOpen();
        pages.MapPost("/logout", PageAnswer.Of(SignInForms.Leave)).IsOpen();
        pages.MapGet("/checks", PageAnswer.Of(PageReads.Checks));
        pages.MapPost("/checks/now", PageAnswer.Of(PageForms.CheckNow)).Needs(Role.Responder);
        pages.MapPost("/checks/test-alerts", PageAnswer.Of(PageForms.TestAlerts)).Needs(Role.Admin);
        pages.MapGet("/help", PageAnswer.Of(PageReads.Help));
        pages.MapGet("/live", (string? deployment, LiveStream live, HttpContext http) => live.Answer(deployment, http)).Streams();
        pages.MapGet("/assets/{name}", (string name, Assets assets, HttpContext http) => assets.Serve(http, name)).IsOpen();
        pages.MapGet("/favicon.ico", (Assets assets, HttpContext http) => assets.Serve(http, "calm.svg")).IsOpen();
        // Only for what a browser asks: anything else keeps its own 405 or 415.
        pages.MapFallback(PageAnswer.Of(PageReads.NotFound)).WithMetadata(new HttpMethodMetadata(["GET", "HEAD"]));
        return routes;
    }

    /// <summary>Puts compression in front of everything, wherever Program maps the pages.</summary>
    private sealed class CompressFirst : IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.UseResponseCompression();
            next(app);
        };
    }
}
