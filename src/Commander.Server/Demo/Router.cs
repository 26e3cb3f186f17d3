using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Commander.Judging;

namespace Commander.Server.Demo;

/// <summary>Where requests go.</summary>
/// <param name="Stable">The version that serves what the candidate does not.</param>
/// <param name="Candidate">The version under watch; null when there is none.</param>
/// <param name="Share">How much of the traffic the candidate gets, 0..1.</param>
internal sealed record Route(ShopVersion Stable, ShopVersion? Candidate, double Share);

/// <summary>A rollback as it is ordered over HTTP.</summary>
internal sealed record ShopOrder(string Key, string Deployment, string Service, string Environment, string Version, string TargetVersion);

/// <summary>How an order is answered.</summary>
internal sealed record ShopAnswer(int Status, string Message);

/// <summary>What the platform says of itself.</summary>
internal sealed record ShopState(string? ServingVersion, bool Settled, string? Fence, string Message);

/// <summary>The platform behind the router: what takes a rollback and says what serves.</summary>
/// <param name="Rollback">Takes an order.</param>
/// <param name="State">Says what serves.</param>
internal sealed record ShopPlatform(Func<ShopOrder, CancellationToken, Task<ShopAnswer>> Rollback, Func<ShopState> State);

/// <summary>
/// The proxy in front of the shop, in the server's process: splits the traffic, exports what a proxy exports, and takes rollbacks
/// over HTTP like any platform. GET / is the shop, GET /metrics its measurements, /admin/rollback its controls.
/// </summary>
internal sealed class Router : IAsyncDisposable
{
    /// <summary>When a request was to be sent, in ticks of the clock: what it waited before it arrived counts as its duration.</summary>
    public const string PlannedHeader = "Shop-Planned";

    private const int MaxVersions = 8;
    private const int MaxOrder = 16 * 1024;
    private static readonly TimeSpan UpstreamPatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan SignatureWindow = TimeSpan.FromMinutes(5);

    private readonly TimeProvider _clock;
    private readonly byte[] _secret;
    private readonly Lock _lock = new();
    private readonly List<(Traffic Traffic, ShopVersion? Process)> _versions = [];
    private Listener? _listener;
    private volatile Route? _route;
    private volatile ShopPlatform? _platform;
    private double _owed;

    private Router(string secret, TimeProvider clock)
    {
        _clock = clock;
        _secret = Encoding.UTF8.GetBytes(secret);
    }

    /// <summary>Where customers shop.</summary>
    public Uri ShopUrl => new($"http://127.0.0.1:{_listener!.Port}/");

    /// <summary>What the proxy exports.</summary>
    public Uri MetricsUrl => new(ShopUrl, "metrics");

    /// <summary>Where a rollback is ordered (POST) and looked at (GET).</summary>
    public Uri RollbackUrl => new(ShopUrl, "admin/rollback");

    /// <summary>Opens the port at once, so that policies can name it; until there is a route everything is answered with 503.</summary>
    /// <param name="port">0 for a free one.</param>
    /// <param name="secret">What orders must be signed with.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="cancel">Ends the start.</param>
    /// <exception cref="IOException">The port is taken.</exception>
    public static async Task<Router> Open(int port, string secret, TimeProvider clock, CancellationToken cancel)
    {
        var router = new Router(secret, clock);
        router._listener = await Listener.Start(port, router.Answer, cancel);
        return router;
    }

    /// <summary>Where requests go from now on; null for nowhere.</summary>
    public Route? Route
    {
        get => _route;
        set => _route = value;
    }

    /// <summary>Connects the platform that takes orders.</summary>
    public void Connect(ShopPlatform platform) => _platform = platform;

    /// <summary>Exports a version from now on; the counters of one that is started again go on.</summary>
    public void Export(ShopVersion version)
    {
        lock (_lock)
        {
            var known = _versions.FindIndex(entry => entry.Traffic.Version == version.Version);
            if (known >= 0)
            {
                _versions[known] = (_versions[known].Traffic, version);
                return;
            }
            if (_versions.Count == MaxVersions)
            {
                var gone = _versions.FindIndex(entry => entry.Process is not { Running: true });
                _versions.RemoveAt(Math.Max(gone, 0));
            }
            _versions.Add((new Traffic(version.Version), version));
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_listener is not null)
        {
            await _listener.DisposeAsync();
        }
    }

    private Task Answer(HttpContext context) => (context.Request.Path.Value, context.Request.Method) switch
    {
        ("/", "GET") => Forward(context),
        ("/metrics", "GET") => Measure(context),
        ("/admin/rollback", "GET") => Look(context),
        ("/admin/rollback", "POST") => Order(context),
        _ => Say(context, StatusCodes.Status404NotFound, "there is GET /, GET /metrics and /admin/rollback"),
    };

    private async Task Forward(HttpContext context)
    {
        var arrived = Arrived(context);
        if (Pick() is not { } version)
        {
            context.Response.Headers.RetryAfter = "1";
            await Say(context, StatusCodes.Status503ServiceUnavailable, "no version of the shop serves yet");
            return;
        }
        context.Response.Headers[ShopProcess.VersionHeader] = version.Version;
        var traffic = TrafficOf(version);
        version.Enter();
        try
        {
            var (code, type, body) = await Ask(version, context);
            // Counted before it is answered: who has the answer finds it in the metrics.
            traffic?.Count(code, _clock.GetElapsedTime(arrived));
            context.Response.StatusCode = code;
            context.Response.ContentType = type;
            context.Response.ContentLength = body.Length;
            await context.Response.Body.WriteAsync(body, context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            // The customer has gone.
        }
        finally
        {
            version.Leave();
        }
    }

    private async Task<(int Code, string? Type, byte[] Body)> Ask(ShopVersion version, HttpContext context)
    {
        using var patience = new CancellationTokenSource(UpstreamPatience, _clock);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(version.Address, context.Request.QueryString.Value));
            using var response = await version.Http.SendAsync(request, patience.Token);
            return ((int)response.StatusCode, response.Content.Headers.ContentType?.ToString(), await response.Content.ReadAsByteArrayAsync(patience.Token));
        }
        catch (OperationCanceledException)
        {
            return (StatusCodes.Status504GatewayTimeout, "text/plain", "the shop did not answer in time"u8.ToArray());
        }
        catch (Exception refused) when (refused is HttpRequestException or ObjectDisposedException or IOException)
        {
            return (StatusCodes.Status502BadGateway, "text/plain", "the shop does not answer"u8.ToArray());
        }
    }

    private long Arrived(HttpContext context)
    {
        var now = _clock.GetTimestamp();
        return long.TryParse(context.Request.Headers[PlannedHeader], NumberStyles.None, CultureInfo.InvariantCulture, out var planned)
            && planned <= now && _clock.GetElapsedTime(planned, now) < TimeSpan.FromMinutes(1)
            ? planned
            : now;
    }

    private ShopVersion? Pick()
    {
        var route = _route;
        if (route?.Candidate is not { } candidate)
        {
            return route?.Stable;
        }
        // Exactly its share, evenly spread: both versions see the same seconds.
        lock (_lock)
        {
            _owed += route.Share;
            if (_owed < 1)
            {
                return route.Stable;
            }
            _owed -= 1;
            return candidate;
        }
    }

    private Traffic? TrafficOf(ShopVersion version)
    {
        lock (_lock)
        {
            return _versions.Find(entry => entry.Traffic.Version == version.Version).Traffic;
        }
    }

    private async Task Measure(HttpContext context)
    {
        (Traffic Traffic, ShopVersion? Process)[] versions;
        lock (_lock)
        {
            versions = [.. _versions];
        }
        var text = new StringBuilder(8192);
        text.Append("# TYPE shop_requests counter\n# HELP shop_requests Requests by version and status.\n");
        foreach (var (traffic, _) in versions)
        {
            traffic.WriteRequests(text);
        }
        text.Append("# TYPE shop_request_duration_seconds histogram\n# HELP shop_request_duration_seconds From the planned sending to the answer.\n");
        foreach (var (traffic, _) in versions)
        {
            traffic.WriteDurations(text);
        }
        text.Append("# TYPE shop_process_resident_memory_bytes gauge\n");
        foreach (var (traffic, process) in versions)
        {
            if (process is { Running: true, Used.Memory: { } memory })
            {
                text.Append(CultureInfo.InvariantCulture, $"shop_process_resident_memory_bytes{{version=\"{traffic.Version}\"}} {memory:0}\n");
            }
        }
        text.Append("# TYPE shop_process_cpu_percent gauge\n# HELP shop_process_cpu_percent Of one core, over the last second.\n");
        foreach (var (traffic, process) in versions)
        {
            if (process is { Running: true, Used.Cpu: { } cpu })
            {
                text.Append(CultureInfo.InvariantCulture, $"shop_process_cpu_percent{{version=\"{traffic.Version}\"}} {cpu:0.##}\n");
            }
        }
        text.Append("# EOF\n");
        context.Response.ContentType = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        await context.Response.WriteAsync(text.ToString(), context.RequestAborted);
    }

    private Task Look(HttpContext context)
    {
        var (service, environment) = (context.Request.Query["service"].ToString(), context.Request.Query["environment"].ToString());
        if ((service.Length > 0 && service != ShopPlan.Service) || (environment.Length > 0 && environment != ShopPlan.Environment))
        {
            return Say(context, StatusCodes.Status404NotFound, $"here is service {ShopPlan.Service} in environment {ShopPlan.Environment}, nothing else");
        }
        return _platform is { } platform
            ? Send(context, StatusCodes.Status200OK, platform.State())
            : Say(context, StatusCodes.Status503ServiceUnavailable, "the shop is being set up");
    }

    private async Task Order(HttpContext context)
    {
        if (_platform is not { } platform)
        {
            await Say(context, StatusCodes.Status503ServiceUnavailable, "the shop is being set up");
            return;
        }
        var body = await Body(context);
        if (body is null)
        {
            await Say(context, StatusCodes.Status413PayloadTooLarge, $"an order has at most {MaxOrder / 1024} KiB");
            return;
        }
        if (!Signed(context, body))
        {
            await Say(context, StatusCodes.Status401Unauthorized, "the order is not signed with this shop's secret (Commander-Timestamp, Commander-Signature)");
            return;
        }
        ShopOrder? order;
        try
        {
            order = JsonSerializer.Deserialize<ShopOrder>(body, Json.Tolerant);
        }
        catch (JsonException wrong)
        {
            await Say(context, StatusCodes.Status400BadRequest, $"the order cannot be read: {wrong.Message}");
            return;
        }
        if (order is null || (context.Request.Headers["Idempotency-Key"].ToString() is { Length: > 0 } key && key != order.Key))
        {
            await Say(context, StatusCodes.Status400BadRequest, "the order is null, or its key is not that of the header Idempotency-Key");
            return;
        }
        // Not the caller's token: an order that was begun is finished, whoever waits for the answer.
        var answer = await platform.Rollback(order, CancellationToken.None);
        await Send(context, answer.Status, new { accepted = answer.Status == StatusCodes.Status200OK, message = answer.Message });
    }

    private static async Task<byte[]?> Body(HttpContext context)
    {
        using var body = new MemoryStream();
        var buffer = new byte[4096];
        int read;
        while ((read = await context.Request.Body.ReadAsync(buffer, context.RequestAborted)) > 0)
        {
            if (body.Length + read > MaxOrder)
            {
                return null;
            }
            body.Write(buffer, 0, read);
        }
        return body.ToArray();
    }

    private bool Signed(HttpContext context, byte[] body)
    {
        var stamp = context.Request.Headers["Commander-Timestamp"].ToString();
        if (!long.TryParse(stamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            || Math.Abs(_clock.GetUtcNow().ToUnixTimeSeconds() - seconds) > SignatureWindow.TotalSeconds)
        {
            return false;
        }
        byte[] text = [.. Encoding.UTF8.GetBytes(stamp + "."), .. body];
        var right = Encoding.ASCII.GetBytes("v1=" + Convert.ToHexStringLower(HMACSHA256.HashData(_secret, text)));
        return context.Request.Headers["Commander-Signature"].ToString()
            .Split([',', ' '], StringSplitOptions.RemoveEmptyEntries)
            .Any(given => CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(given.ToLowerInvariant()), right));
    }

    private static Task Say(HttpContext context, int status, string message) => Send(context, status, new { message });

    private static async Task Send<T>(HttpContext context, int status, T body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(body, Json.Tolerant), context.RequestAborted);
    }
}
