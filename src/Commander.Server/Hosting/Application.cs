using System.IO.Compression;
using System.Text.Json.Serialization;
using Commander.Judging;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Server.Acting.Rollback;
using Commander.Server.Api;
using Commander.Server.Intake;
using Commander.Server.Loop;
using Commander.Server.Sources;
using Commander.Server.Storage;
using Commander.Server.Storage.Sqlite;
using Microsoft.AspNetCore.ResponseCompression;

namespace Commander.Server.Hosting;

/// <summary>Puts the server together: one Add and one Map per folder, in story order.</summary>
internal static class Application
{
    private const int MaxBody = 8 << 20;

    /// <summary>Runs until it is told to stop. Exit code 2 when the policy does not parse, 1 when the server cannot start.</summary>
    public static async Task<int> Serve(CommanderOptions options, CancellationToken cancel)
    {
        var policies = PolicySet.Empty;
        if (options.Policy is { } path)
        {
            var (read, errors) = await PolicyFiles.Read(path, cancel);
            foreach (var error in errors)
                await Console.Error.WriteLineAsync(error);
            if (read is null)
                return 2;
            policies = read;
        }

        try
        {
            await using var app = await Build(options, policies, cancel);
            await app.StartAsync(cancel);
            if (app.Services.GetRequiredService<IFactStore>() is SqliteStore store)
                store.Serves(options.Url.ToString());
            await Console.Out.WriteLineAsync($"Commander serves {options.Url.GetLeftPart(UriPartial.Authority)}  (data in {Path.GetFullPath(options.Data)}; stop with Ctrl+C)");
            await app.WaitForShutdownAsync(cancel);
            return 0;
        }
        catch (Exception e) when (e is StoreUnavailableException or DataFolderInUseException or IOException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }

    /// <summary>The whole server, not started yet; its store is open.</summary>
    public static async Task<WebApplication> Build(CommanderOptions options, PolicySet policies, CancellationToken cancel)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ApplicationName = typeof(Application).Assembly.GetName().Name });
        builder.Logging.ClearProviders();
        builder.Logging.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z' ";
            console.UseUtcTimestamp = true;
        });
        builder.Logging.AddConfiguration(builder.Configuration.GetSection("Logging"));
        builder.Logging.AddFilter(null, LogLevel.Warning).AddFilter("Commander", LogLevel.Information);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = MaxBody);
        builder.WebHost.UseUrls(options.Url.ToString());
        builder.Services.ConfigureHttpJsonOptions(json => Json.Apply(json.SerializerOptions, JsonUnmappedMemberHandling.Disallow));
        builder.Services.AddProblemDetails();
        builder.Services.AddOpenApi();
        builder.Services.AddResponseCompression(compression =>
        {
            compression.MimeTypes = ["text/html", "text/css", "text/javascript", "image/svg+xml", "application/json", "text/markdown"];
            compression.Providers.Add<BrotliCompressionProvider>();
            compression.Providers.Add<GzipCompressionProvider>();
        });
        builder.Services.Configure<BrotliCompressionProviderOptions>(brotli => brotli.Level = CompressionLevel.Fastest);
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(options);
        using var startLog = LoggerFactory.Create(log => log.AddConsole());
        var store = SqliteStore.Open(options.Data, TimeProvider.System, startLog.CreateLogger("Commander.Storage"));
        try
        {
            builder.Services.AddSingleton<IFactStore>(store);
            builder.Services.AddLoop(await PinBook.Open(store, policies, ShippedModel.Model, TimeProvider.System, cancel), options);
            builder.Services.AddSources(policies);
            builder.Services.AddRollbackTargets();
            builder.AddEmbeddedSilo();
            var app = builder.Build();
            app.UseExceptionHandler(error => error.Run(Problems.Write));
            app.UseStatusCodePages();
            app.UseLoopbackGuard();
            app.UseResponseCompression();
            app.MapGenericApi();
            app.MapDeploymentsApi();
            app.MapPoliciesApi();
            app.MapSamplesApi();
            app.MapHealthApi();
            app.MapOpenApi();
            return app;
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }
    }
}
