using System.Security.Cryptography;
using System.Text.Json.Serialization;
using Commander.Judging;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Server.Access;
using Commander.Server.Acting.Rollback;
using Commander.Server.Alerting;
using Commander.Server.Alerting.Mail;
using Commander.Server.Alerting.Slack;
using Commander.Server.Api;
using Commander.Server.Dashboard;
using Commander.Server.Demo;
using Commander.Server.Hosting.SelfChecks;
using Commander.Server.Intake;
using Commander.Server.Loop;
using Commander.Server.Reasoning;
using Commander.Server.Sources;
using Commander.Server.Storage;
using Commander.Server.Storage.Postgres;
using Commander.Server.Storage.Sqlite;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.OpenApi;
using Npgsql;

namespace Commander.Server.Hosting;

/// <summary>Puts the server together: one Add and one Map per folder, in story order.</summary>
internal static class Application
{
    private const int MaxBody = 8 << 20;
    private const int SlowBytes = 240;
    private static readonly TimeSpan SlowHeaders = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SlowGrace = TimeSpan.FromSeconds(2);
    private const int MaxKey = 256;
    private const int LeastToken = 24;
    private const int MaxClusterFile = 16 * 1024;

    /// <summary>Runs until it is told to stop. Exit code 2 when the policy does not parse, 1 when the server cannot start.</summary>
    public static async Task<int> Serve(CommanderOptions options, CancellationToken cancel)
    {
        var secrets = new Secrets(Environment.GetEnvironmentVariable);
        var (key, wrong) = WebhookKey(options, secrets, Environment.GetEnvironmentVariable("COMMANDER_WEBHOOK_KEY"));
        if (wrong is not null)
        {
            await Console.Error.WriteLineAsync(wrong);
            return 2;
        }

        (var cluster, wrong) = Cluster(options.ClusterFile, Environment.GetEnvironmentVariable("COMMANDER_CLUSTER"));
        if (wrong is not null)
        {
            await Console.Error.WriteLineAsync(wrong);
            return 2;
        }

        (var admin, wrong) = AdminToken(secrets, Environment.GetEnvironmentVariable("COMMANDER_ADMIN_TOKEN"));
        var (intake, unlike) = Signing("COMMANDER_INTAKE_SECRET");
        var (github, unlikeGitHub) = Signing("COMMANDER_GITHUB_SECRET");
        var (gitlab, unlikeGitLab) = Signing("COMMANDER_GITLAB_SECRET");
        var (pagerduty, unlikePagerDuty) = Signing("COMMANDER_PAGERDUTY_SECRET");
        var (slackSecrets, unlikeSlack) = Signing("COMMANDER_SLACK_SECRET");
        var (slack, unclear) = SlackOptions.Read(Environment.GetEnvironmentVariables().Keys.OfType<string>(), Environment.GetEnvironmentVariable, secrets.Resolve);
        var (provider, unusable) = OpenId.Read(Environment.GetEnvironmentVariables().Keys.OfType<string>(), Environment.GetEnvironmentVariable, secrets.Resolve);
        var (reasoning, unreadable) = ReasoningOptions.Read(Environment.GetEnvironmentVariables().Keys.OfType<string>(), Environment.GetEnvironmentVariable, secrets.Resolve);
        var (mail, unsendable) = MailOptions.Read(Environment.GetEnvironmentVariables().Keys.OfType<string>(), Environment.GetEnvironmentVariable, secrets.Resolve);
        var (heartbeat, nowhere) = HeartbeatOptions.Read(Environment.GetEnvironmentVariable, secrets.Resolve);
        wrong ??= unusable ?? unreadable ?? unsendable ?? nowhere;
        wrong ??= unlike ?? unlikeGitHub ?? unlikeGitLab ?? unlikePagerDuty ?? unlikeSlack ?? unclear;
        if (wrong is not null)
        {
            await Console.Error.WriteLineAsync(wrong);
            return 2;
        }

        foreach (var value in (string?[])[key, admin, provider?.ClientSecret, reasoning?.Key, mail?.Password, slack.Token, heartbeat?.Url.OriginalString, heartbeat?.Url.PathAndQuery, .. intake.Concat(github).Concat(gitlab).Concat(pagerduty).Concat(slackSecrets).Select(System.Text.Encoding.UTF8.GetString)])
            secrets.Hide(value);
        options = options with { WebhookKey = key, IsDemoKey = options.Demo && string.IsNullOrEmpty(options.WebhookKey) && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("COMMANDER_WEBHOOK_KEY")), Cluster = cluster, AdminToken = admin, IntakeSecrets = intake, GitHubSecrets = github, GitLabSecrets = gitlab, PagerDutySecrets = pagerduty, OpenId = provider, Reasoning = reasoning, Mail = mail, SlackSecrets = slackSecrets, Slack = slack, Heartbeat = heartbeat };
        try
        {
            await using var demo = options.Demo ? await OpenDemo(options, secrets, cancel) : null;
            var (policies, errors) = demo is not null
                ? PolicyFiles.Check(DemoPolicy.Text(demo.MetricsUrl, demo.RollbackUrl), "the demo's policy")
                : options.Policy is { } path ? await PolicyFiles.Read(path, cancel) : (PolicySet.Empty, []);
            foreach (var error in errors)
                await Console.Error.WriteLineAsync(error);
            if (policies is null)
                return 2;
            await using var app = await Build(options, policies, secrets, demo, cancel);
            await app.StartAsync(cancel);
            (app.Services.GetRequiredService<IFactStore>() as SqliteStore)?.Serves(options.Url.ToString());
            app.Services.GetService<DataFolder>()?.Serves(options.Url.ToString());
            var access = app.Services.GetRequiredService<AccessGate>();
            await Console.Out.WriteLineAsync($"Commander serves {options.Url.GetLeftPart(UriPartial.Authority)}  ({access.Words}, {(options.PublicUrl is { } known ? $"known as {known}, " : "")}{(cluster is null ? "" : $"facts in {cluster.Place}, ")}{(reasoning is null ? "" : $"opinions of {reasoning.Model} at {reasoning.Url.Host}, ")}data in {Path.GetFullPath(options.Data)}; stop with Ctrl+C)");
            await app.WaitForShutdownAsync(cancel);
            return 0;
        }
        catch (AccessMissingException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 2;
        }
        catch (Exception e) when (e is DataFolderInUseException or InvalidDataException || (e is StoreUnavailableException && cluster is not null))
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
        catch (Exception e) when (e is StoreUnavailableException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"Commander cannot start with the data folder {options.Data} on {options.Url}: {e.Message} (another address: --urls http://127.0.0.1:PORT, another folder: --data DIR)");
            return 1;
        }

        (IReadOnlyList<byte[]> Secrets, string? Wrong) Signing(string variable)
        {
            var given = Environment.GetEnvironmentVariable(variable);
            var (read, why) = SignedRequests.Read(given is null ? null : secrets.Resolve(given) ?? given);
            return (read, why is null ? null : $"{variable} {why}");
        }
    }

    /// <summary>Examines a store. Exit code 0 when it is whole, 1 when something is wrong or it cannot be read, 2 when there is none.</summary>
    public static async Task<int> Examine(CommanderOptions options, bool rebuild, CancellationToken cancel)
    {
        var (cluster, wrong) = Cluster(options.ClusterFile, Environment.GetEnvironmentVariable("COMMANDER_CLUSTER"));
        if (wrong is null && cluster is null && !File.Exists(Path.Combine(options.Data, SqliteStore.FileName)))
            wrong = $"there is no store in the folder {options.Data} ({SqliteStore.FileName}): say which with --data DIR";
        if (wrong is not null)
        {
            await Console.Error.WriteLineAsync(wrong);
            return 2;
        }

        var (clock, log) = (TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        try
        {
            await using IFactStore store = cluster is null ? SqliteStore.Open(options.Data, clock, log) : await PostgresStore.Open(cluster, clock, log, cancel);
            var found = await new Doctor(store, (IStoreUpkeep)store, PinBook.ToRead(store), clock).Examine(rebuild, streams => Console.Error.WriteLine($"{streams} streams"), cancel);
            foreach (var sentence in found.Broken.Concat(found.Wrong))
                await Console.Out.WriteLineAsync(sentence);
            await Console.Out.WriteLineAsync($"{found.Streams} streams with {found.Facts} facts ({found.Dropped} ticks were dropped after their time of keeping)");
            await Console.Out.WriteLineAsync(found switch
            {
                { Broken.Count: > 0 } => $"{found.Broken.Count} streams are not as they were written: restore a backup; what was decided since can be read with 'explain' before",
                { Wrong.Count: 0 } => "all chains hold, and the read tables say what the facts say",
                { Mended: > 0 } => $"all chains hold; {found.Mended} rows of the read tables were written anew",
                _ => $"all chains hold; {found.Wrong.Count} rows of the read tables do not say what the facts say: stop all nodes and run it again with --rebuild",
            });
            return found.Broken.Count > 0 || found.Wrong.Count > found.Mended ? 1 : 0;
        }
        catch (Exception e) when (e is DataFolderInUseException or InvalidDataException or StoreUnavailableException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }

    /// <summary>The whole server, not started yet; its store is open and is closed with it.</summary>
    /// <param name="options">From the command line.</param>
    /// <param name="policies">What new deployments are watched by.</param>
    /// <param name="secrets">Resolves what policies refer to.</param>
    /// <param name="demo">The demo's router, open already; null without the demo.</param>
    /// <param name="cancel">Ends the start.</param>
    public static async Task<WebApplication> Build(CommanderOptions options, PolicySet policies, Secrets secrets, Router? demo, CancellationToken cancel)
    {
        // Nothing of appsettings.json is read again while it runs: to notice would be to watch the folder it was started in with all below it, and the database that lies there.
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ApplicationName = typeof(Application).Assembly.GetName().Name, Args = ["--hostBuilder:reloadConfigOnChange=false"] });
        builder.AddLog(secrets);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MaxBody;
            // Who sends a letter now and then holds a connection, and no longer than this.
            kestrel.Limits.RequestHeadersTimeout = SlowHeaders;
            kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(SlowBytes, SlowGrace);
            kestrel.BoundConnections();
            // What a file in the folder or the environment says of endpoints would be listened on without being looked at.
            kestrel.Configure();
        });
        builder.WebHost.UseUrls(options.Url.ToString());
        builder.Services.ConfigureHttpJsonOptions(json => Json.Apply(json.SerializerOptions, JsonUnmappedMemberHandling.Disallow));
        builder.Services.AddProblemDetails();
        builder.Services.AddOpenApi(api => api.AddDocumentTransformer((document, _, _) =>
        {
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>(StringComparer.Ordinal)
            {
                ["token"] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "A token of this server (commander token issue); not asked for while none was ever issued." },
            };
            return Task.CompletedTask;
        }));
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton<HeavyRequests>();
        // The store is there before the container and closes with it: it has a log of its own.
        var storeLog = LoggerFactory.Create(log => log.AddLogLines(secrets));
        IFactStore store = options.Cluster is { } database
            ? await PostgresStore.Open(database, TimeProvider.System, storeLog.CreateLogger("Commander.Storage"), cancel)
            : SqliteStore.Open(options.Data, TimeProvider.System, storeLog.CreateLogger("Commander.Storage"));
        try
        {
            // An instance that is registered is not disposed with the container; one that a factory gives is.
            builder.Services.AddSingleton(_ => store);
            // What else lies in the folder is one process's too. SQLite's store holds its folder itself.
            if (options.Cluster is not null)
                builder.Services.AddSingleton(_ => DataFolder.Take(options.Data));
            builder.AddDrain(options);
            // First, so that the silo is active before anything wakes a grain.
            builder.AddSilo(options);
            builder.Services.AddLoop(await PinBook.Open(store, policies, Model.Shipped, TimeProvider.System, cancel), options);
            builder.Services.AddSources(policies, secrets);
            builder.Services.AddReasoning(options.Reasoning, secrets);
            builder.Services.AddRollbackTargets(secrets);
            builder.Services.AddAlerting(secrets, options.Mail);
            builder.Services.AddJobs();
            builder.Services.AddTelemetry();
            builder.Services.AddDashboard();
            builder.Services.AddAccess(options);
            // Forms that are open in a browser stay good across a restart, and on whichever node they come back to.
            var forms = builder.Services.AddDataProtection().SetApplicationName("Commander");
            if (options.Cluster is null)
                forms.PersistKeysToFileSystem(Directory.CreateDirectory(Path.Combine(DataFolder.Make(options.Data), "keys")));
            else
                builder.Services.AddOptions<KeyManagementOptions>().Configure<IServiceProvider>((keys, services) => keys.XmlRepository = new FormKeys(services.GetRequiredKeyedService<NpgsqlDataSource>(nameof(Membership))));
            builder.Services.AddPageFacts(options, policies);
            builder.Services.AddSelfChecks(options, policies, secrets);
            if (demo is not null)
                builder.Services.AddDemo(demo);

            var app = builder.Build();
            app.Services.GetService<DataFolder>();
            await app.Services.GetRequiredService<TokenBook>().Look(cancel);
            if (!app.Services.GetRequiredService<AccessGate>().Closed && AccessMissingException.For(options) is { } missing)
                throw missing;
            app.Lifetime.ApplicationStopped.Register(storeLog.Dispose);
            app.UseProxy(options);
            app.Use((context, next) =>
            {
                // Texts from outside stand in JSON too: no browser shall take it for a page.
                context.Response.Headers.XContentTypeOptions = "nosniff";
                return next(context);
            });
            app.UseExceptionHandler(new ExceptionHandlerOptions
            {
                ExceptionHandler = Problems.Write,
                // What is cut off or comes too slowly is answered; in the log it would be as many errors of ours as somebody cares to send.
                SuppressDiagnosticsCallback = static context => context.Exception is Microsoft.AspNetCore.Http.BadHttpRequestException,
            });
            app.UseStatusCodePages();
            app.UseAccess();
            app.MapGenericApi();
            app.MapKestraApi();
            app.MapHooks();
            app.MapIncidentHooks();
            app.MapSlackHook();
            app.MapDeploymentsApi();
            app.MapDecisionsApi();
            app.MapPoliciesApi();
            app.MapSamplesApi();
            app.MapJobsApi();
            app.MapFreezeApi();
            app.MapHealthApi();
            app.MapDoctorApi();
            app.MapTelemetry();
            app.MapTokensApi();
            app.MapOpenApi().Needs(Role.Viewer);
            if (demo is not null)
                app.MapDemo();
            app.MapDashboard();
            app.MapReportLinks(code => new Uri(options.PublicUrl ?? options.Url, "r/" + code).ToString());
            return app;
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }
    }

    /// <summary>The key itself, of what the command line or else the environment says; or why there is none.</summary>
    internal static (string? Key, string? Wrong) WebhookKey(CommanderOptions options, Secrets secrets, string? environment)
    {
        var given = string.IsNullOrEmpty(options.WebhookKey) ? environment : options.WebhookKey;
        if (string.IsNullOrEmpty(given))
            return (options.Demo ? "webhook" : null, null);
        var refers = given.StartsWith("file:", StringComparison.Ordinal) || given.StartsWith("${", StringComparison.Ordinal);
        var key = refers ? secrets.Resolve(given) : given;
        return key switch
        {
            null or "" => (null, $"the webhook key: {given} is not there; set the variable or write the file, or leave --webhook-key and COMMANDER_WEBHOOK_KEY out"),
            { Length: > MaxKey } => (null, $"the webhook key: has more than {MaxKey} characters"),
            _ when key.Contains('/', StringComparison.Ordinal) => (null, "the webhook key: has a /, which cannot stand in one part of a path"),
            _ => (key, null),
        };
    }

    /// <summary>The admin's token of the environment, itself or as a reference; or why it cannot be.</summary>
    internal static (string? Token, string? Wrong) AdminToken(Secrets secrets, string? environment)
    {
        if (string.IsNullOrEmpty(environment))
            return (null, null);
        var refers = environment.StartsWith("file:", StringComparison.Ordinal) || environment.StartsWith("${", StringComparison.Ordinal);
        return (refers ? secrets.Resolve(environment) : environment) switch
        {
            null or "" => (null, $"COMMANDER_ADMIN_TOKEN: {environment} is not there; set the variable or write the file"),
            { Length: < LeastToken or > MaxKey } => (null, $"COMMANDER_ADMIN_TOKEN: has less than {LeastToken} or more than {MaxKey} characters; make one with: openssl rand -hex 32"),
            var token when token.Any(c => c is <= ' ' or > '~') => (null, "COMMANDER_ADMIN_TOKEN: has characters that cannot stand in a header; make one with: openssl rand -hex 32"),
            var token => (token, null),
        };
    }

    /// <summary>The database that the command line or else the environment names, null for none; or why it cannot be. The connection string is a secret.</summary>
    internal static (Database? Cluster, string? Wrong) Cluster(string? file, string? environment)
    {
        if (file is null)
        {
            var (named, why) = string.IsNullOrEmpty(environment) ? (null, null) : Database.Read(environment);
            return (named, why is null ? null : "COMMANDER_CLUSTER: " + why);
        }

        try
        {
            if (new FileInfo(file).Length > MaxClusterFile)
                return (null, $"the cluster file {file}: has more than {MaxClusterFile} bytes, which no connection string has");
            var (database, why) = Database.Read(File.ReadAllText(file).Trim());
            return (database, why is null ? null : $"the cluster file {file}: {why}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (null, $"the cluster file {file} cannot be read: {e.Message}");
        }
    }

    // A watch that goes on after a restart has pinned the router's address: it is opened on the port of last time.
    private static async Task<Router> OpenDemo(CommanderOptions options, Secrets secrets, CancellationToken cancel)
    {
        var secret = RandomNumberGenerator.GetHexString(64, lowercase: true);
        secrets.Add(DemoPolicy.SecretName, secret);
        var remembered = Path.Combine(DataFolder.Make(options.Data), "shop.port");
        _ = int.TryParse(File.Exists(remembered) ? await File.ReadAllTextAsync(remembered, cancel) : "0", out var port);
        Router router;
        try
        {
            router = await Router.Open(port is > 0 and < 65536 ? port : 0, secret, TimeProvider.System, cancel);
        }
        catch (IOException) when (port != 0)
        {
            router = await Router.Open(0, secret, TimeProvider.System, cancel);
        }

        await File.WriteAllTextAsync(remembered, router.ShopUrl.Port.ToString(), cancel);
        return router;
    }

    private static void AddDrain(this WebApplicationBuilder builder, CommanderOptions options)
    {
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = Drain.Deadline);
        var drain = new Drain(TimeProvider.System, options.Cluster is null ? TimeSpan.Zero : Drain.Notice);
        builder.Services.AddHostedService(_ => drain);
        builder.Services.AddSingleton(drain.Readiness);
    }

    private static void AddLog(this WebApplicationBuilder builder, Secrets secrets)
    {
        builder.Logging.ClearProviders();
        builder.Logging.AddLogLines(secrets);
        // What these warn of is meant: one small process, a clock that machines may stop, keys in a folder of our own.
        builder.Logging.AddFilter(null, LogLevel.Warning).AddFilter("Commander", LogLevel.Information)
            .AddFilter("Orleans.Runtime.Silo", LogLevel.Error).AddFilter("Orleans.Runtime.Watchdog", LogLevel.Error)
            .AddFilter("Microsoft.AspNetCore.DataProtection.KeyManagement", LogLevel.Error)
            // Said once, by us: a port that is taken, without two screens of where that was noticed.
            .AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None)
            .AddFilter("Microsoft.AspNetCore.Antiforgery", LogLevel.Error)
            // Whoever sends nonsense to the way back from the provider would fill the log; what matters of it is said in a line of our own.
            .AddFilter("Microsoft.AspNetCore.Authentication", LogLevel.Critical);
    }
}
