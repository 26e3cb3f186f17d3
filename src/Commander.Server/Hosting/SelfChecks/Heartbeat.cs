using System.Diagnostics.Metrics;
using Commander.Judging.Policies;
using Commander.Server.Connections;

namespace Commander.Server.Hosting.SelfChecks;

/// <summary>Where a heartbeat goes.</summary>
/// <param name="Url">Who waits for it. The address is the secret by which the other side knows whose it is.</param>
/// <param name="Every">How often.</param>
internal sealed record HeartbeatOptions(Uri Url, TimeSpan Every)
{
    private const string UrlName = "COMMANDER_HEARTBEAT_URL";
    private const string EveryName = "COMMANDER_HEARTBEAT_EVERY";
    private const int MaxUrl = 2048;
    private static readonly TimeSpan Usual = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);

    /// <summary>What the environment says; null for none. Or what is wrong, without the address.</summary>
    public static (HeartbeatOptions? Options, string? Wrong) Read(Func<string, string?> environment, Func<string, string?> resolve)
    {
        var (given, often) = (environment(UrlName)?.Trim(), environment(EveryName)?.Trim());
        var every = Usual;
        if (!string.IsNullOrEmpty(often) && (!Durations.TryParse(often, out every) || every < Shortest || every > Longest))
            return (null, $"{EveryName}: '{Api.Problems.Shown(often)}' is no time from 10s to 1h; write 60s");
        if (string.IsNullOrEmpty(given))
            return string.IsNullOrEmpty(often) ? (null, null) : (null, $"{EveryName}: stands without {UrlName}, and there is nowhere to send a heartbeat to");
        var refers = given.StartsWith("file:", StringComparison.Ordinal) || given.StartsWith("${", StringComparison.Ordinal);
        if ((refers ? resolve(given) : given) is not { Length: > 0 } text)
            return (null, $"{UrlName}: {Api.Problems.Shown(given)} is not there; set the variable or write the file");
        return text.Length <= MaxUrl && Uri.TryCreate(text, UriKind.Absolute, out var url) && (url.Scheme == "https" || url is { Scheme: "http", IsLoopback: true }) && url is { UserInfo: "", Fragment: "" }
            ? (new HeartbeatOptions(url, every), null)
            : (null, $"{UrlName}: is no address that a heartbeat is sent to; write https://hc-ping.com/..., as the watching side shows it (http only on this machine)");
    }

    /// <summary>Without what is secret of the address.</summary>
    public override string ToString() => $"every {Durations.Format(Every)} to {Url.Host}";
}

/// <summary>
/// Tells somebody outside that this process lives, can store, and looks at itself. When it stops, for whatever reason, they call a person:
/// the one failure that nobody inside can tell.
/// </summary>
/// <param name="options">Where to.</param>
/// <param name="http">Made by <see cref="Outgoing"/>.</param>
/// <param name="probe">Writes to the store.</param>
/// <param name="checkedAt">When everything was looked at the last time.</param>
/// <param name="clock">Time.</param>
/// <param name="log">The log.</param>
internal sealed class Heartbeat(HeartbeatOptions options, HttpClient http, Func<CancellationToken, Task> probe, Func<DateTimeOffset> checkedAt, TimeProvider clock, ILogger<Heartbeat> log) : BackgroundService
{
    /// <summary>A self-check that is older has missed its turn twice: something hangs.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromMinutes(11);

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);
    private readonly Meter _meter = new(SelfCheck.Meter);
    private Counter<long>? _beats;
    private Found _last = Found.Well("none was sent yet");

    /// <summary>How the last one went.</summary>
    public Found Last => Volatile.Read(ref _last);

    public override void Dispose()
    {
        _meter.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            for (; ; await Task.Delay(options.Every, clock, stoppingToken))
                await Beat(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops, and so does its heart.
        }
    }

    /// <summary>One heartbeat, if there is reason for one.</summary>
    internal async Task Beat(CancellationToken cancel)
    {
        var (found, result) = await Withheld(cancel) is { } why ? (Found.Not($"withheld: {why}"), "withheld") : await Send(cancel);
        _beats ??= _meter.CreateCounter<long>("commander.heartbeat.beats", description: "Heartbeats to the side that watches this server, by what became of them.");
        _beats.Add(1, new KeyValuePair<string, object?>("result", result));
        var before = Interlocked.Exchange(ref _last, found);
        if (!found.Ok && before.Ok)
            log.NoHeartbeat(found.Message);
        else if (found.Ok && !before.Ok)
            log.HeartbeatAgain();
    }

    private async Task<string?> Withheld(CancellationToken cancel)
    {
        if (clock.GetUtcNow() - checkedAt() is var age && age >= Fresh)
            return $"the self-check has not come to an end for {age.TotalMinutes:0} min";
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        try
        {
            await probe(deadline.Token).WaitAsync(Deadline, clock, cancel);
            return null;
        }
        catch (Exception) when (!cancel.IsCancellationRequested)
        {
            await deadline.CancelAsync();
            return "the store takes no writes";
        }
    }

    private async Task<(Found Found, string Result)> Send(CancellationToken cancel)
    {
        using var patience = new CancellationTokenSource(Deadline, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, options.Url) { Content = new ByteArrayContent([]) };
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            var status = (int)response.StatusCode;
            return status is >= 200 and < 300
                ? (Found.Well($"{options.Url.Host} has the last one, of {clock.GetUtcNow().UtcDateTime:HH:mm:ss} UTC"), "sent")
                : (Found.Not($"{options.Url.Host} answered {status}{(status is >= 300 and < 400 ? ": redirects are not followed, name the final address in COMMANDER_HEARTBEAT_URL" : "")}"), "failed");
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return (Found.Not($"{options.Url.Host} did not answer within {Deadline.TotalSeconds:0} s"), "failed");
        }
        catch (HttpRequestException refused)
        {
            return (Found.Not($"{options.Url.Host} {Outgoing.Why(refused)}"), "failed");
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            return (Found.Not($"{options.Url.Host} could not be told: {e.GetType().Name}"), "failed");
        }
    }
}
