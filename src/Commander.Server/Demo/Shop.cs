using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using Commander.Judging.Verdicts;
using Commander.Server.Loop;
using Commander.Server.Storage;

namespace Commander.Server.Demo;

/// <summary>How the shop stands, for a person.</summary>
internal sealed record ShopView(Uri ShopUrl, string? Serving, string? Candidate, double Share, [property: JsonPropertyName("last_10s")] ShopSeen Last10s);

/// <summary>The last ten seconds of the customers.</summary>
internal sealed record ShopSeen(int Requests, double ErrorRate, double? P95Ms);

/// <summary>
/// A real small service that can be deployed well and badly: owns the processes of its versions, moves the traffic between them,
/// and does what the loop decides, like a platform would. It knows the loop only as everybody from outside does.
/// </summary>
internal sealed class Shop : BackgroundService, IAsyncDisposable
{
    private const int PerSecond = 200;
    private const int MaxKeys = 256;
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Reread = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan ClosePatience = TimeSpan.FromSeconds(5);

    private readonly IDeployments _deployments;
    private readonly TimeProvider _clock;
    private readonly ILogger<Shop> _logger;
    private readonly Router _router;
    private readonly Customers _customers;
    private readonly SemaphoreSlim _deploying = new(1);
    private readonly SemaphoreSlim _gate = new(1);
    private readonly SemaphoreSlim _news = new(0, 1);
    private readonly Lock _endingLock = new();
    private readonly List<ShopVersion> _ending = [];
    private readonly Queue<string> _keys = new();
    private readonly CancellationTokenSource _closing = new();

    private ShopVersion? _stable;
    private ShopVersion? _candidate;
    private string? _watch;
    private double _share;
    private int _newest;
    private long _changes;
    private int _closed;

    public Shop(IDeployments deployments, Router router, TimeProvider clock, ILogger<Shop> logger)
    {
        _deployments = deployments;
        _clock = clock;
        _logger = logger;
        _router = router;
        _customers = new Customers(router.ShopUrl, PerSecond, clock);
    }

    /// <summary>Whether the shop serves and ten seconds of it have been measured.</summary>
    public bool Ready => _stable is not null && _customers.Measured;

    /// <summary>How it stands.</summary>
    public ShopView View()
    {
        var seen = _customers.Last();
        var route = _router.Route;
        var serving = route is { Candidate: { } candidate, Share: >= ShopPlan.Promoted } ? candidate : route?.Stable;
        return new ShopView(_router.ShopUrl, serving?.Version, _candidate?.Version, route?.Share ?? 0, new ShopSeen(seen.Requests, seen.ErrorRate, seen.P95Ms));
    }

    /// <summary>
    /// Starts the next version, warms it up, announces it and gives it half of the traffic. A version that is still undecided is
    /// ended first; one that carries on becomes the one to come back to.
    /// </summary>
    /// <param name="kind">good, errors, slow, leak, crash or subtle.</param>
    /// <param name="cancel">Ends the waiting; what was started is then ended again.</param>
    /// <exception cref="ShopException">The shop is not there yet, or the version does not start, or it cannot be announced.</exception>
    public async Task<Deployment> Deploy(string kind, CancellationToken cancel)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, _closing.Token);
        cancel = either.Token;
        await _deploying.WaitAsync(cancel);
        try
        {
            await Follow(cancel);
            await Settle(cancel);
            var stable = _stable ?? throw new ShopException("the shop is not set up yet; try again in a second");
            var version = ShopPlan.Name(++_newest);
            var next = await ShopVersion.Start(version, kind, _clock, _logger, cancel);
            var announced = false;
            try
            {
                await next.WarmUp(cancel);
                next.Measure();
                _router.Export(next);
                var (_, deployment) = await _deployments.Announce(Announce(version, stable.Version, kind), cancel);
                if (deployment is null)
                {
                    throw new ShopException($"version {version} could not be announced; it was ended again");
                }
                announced = true;
                await Change(() =>
                {
                    (_candidate, _watch, _share) = (next, deployment.Id, ShopPlan.Undecided);
                    return true;
                }, cancel: CancellationToken.None);
                return deployment;
            }
            finally
            {
                if (!announced)
                {
                    await next.DisposeAsync();
                }
            }
        }
        finally
        {
            _deploying.Release();
        }
    }

    /// <summary>Brings the shop up as the facts say.</summary>
    public async Task Restore(CancellationToken cancel)
    {
        var page = await _deployments.List(new DeploymentFilter(ShopPlan.Service, ShopPlan.Environment, Limit: 500), cancel);
        var plan = ShopPlan.From(page.Items);
        var stable = ShopVersion.Start(plan.Stable, plan.StableKind, _clock, _logger, cancel);
        var candidate = plan is { Candidate: { } version, CandidateKind: { } kind }
            ? ShopVersion.Start(version, kind, _clock, _logger, cancel)
            : null;
        try
        {
            await Task.WhenAll(candidate is null ? [stable] : [stable, candidate]);
        }
        catch
        {
            await Abandon(stable);
            await Abandon(candidate);
            throw;
        }
        var standing = await stable;
        var next = candidate is null ? null : await candidate;
        try
        {
            await Task.WhenAll(standing.WarmUp(cancel), next?.WarmUp(cancel) ?? Task.CompletedTask);
            await Change(() =>
            {
                _router.Export(standing);
                if (next is not null)
                {
                    _router.Export(next);
                }
                (_stable, _candidate, _watch, _share, _newest) = (standing, next, plan.Deployment, plan.Share, plan.Newest);
                return true;
            }, cancel);
        }
        catch
        {
            await Abandon(stable);
            await Abandon(candidate);
            throw;
        }
        _router.Connect(new ShopPlatform(Rollback, State));
        _logger.LogInformation("the shop serves version {Version} at {Url}", plan.Stable, _router.ShopUrl);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Not in the host's way: everything else starts meanwhile.
        await Task.Yield();
        if (!await RestoreWhenPossible(stoppingToken))
        {
            return;
        }
        await Task.WhenAll(_customers.Run(stoppingToken), Listen(stoppingToken), Tend(stoppingToken));
    }

    /// <summary>Ends every process that belongs to the shop.</summary>
    public async ValueTask DisposeAsync()
    {
        // The host disposes of it too, and either may come first.
        if (Interlocked.Exchange(ref _closed, 1) == 1)
        {
            return;
        }
        await _closing.CancelAsync();
        if (ExecuteTask is { } running)
        {
            try
            {
                await StopAsync(CancellationToken.None);
                await running.WaitAsync(TimeSpan.FromSeconds(2), _clock, CancellationToken.None);
            }
            catch (Exception late) when (late is OperationCanceledException or TimeoutException)
            {
                // What still runs loses its processes below.
            }
        }
        // A deployment that is under way ends its own process when it is told to stop.
        await _deploying.WaitAsync(ClosePatience, CancellationToken.None);
        _router.Route = null;
        var versions = new List<ShopVersion?> { _stable, _candidate };
        lock (_endingLock)
        {
            versions.AddRange(_ending);
        }
        await Task.WhenAll(versions.OfType<ShopVersion>().Select(version => version.DisposeAsync().AsTask()));
        _customers.Dispose();
        await _router.DisposeAsync();
        _deploying.Dispose();
        _gate.Dispose();
        _news.Dispose();
        _closing.Dispose();
        Dispose();
    }

    private async Task<bool> RestoreWhenPossible(CancellationToken stop)
    {
        while (true)
        {
            try
            {
                await Restore(stop);
                return true;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return false;
            }
            catch (Exception failed)
            {
                // The loop may still be starting, or the machine be short of something: the page says 503 until it works.
                _logger.LogWarning(failed, "the shop does not come up yet; it is tried again in a second");
            }
            try
            {
                await Task.Delay(Reread, _clock, stop);
            }
            catch (OperationCanceledException)
            {
                return false;
            }
        }
    }

    /// <summary>Hears what happens to the watch, so that a decision moves the traffic at once.</summary>
    private async Task Listen(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await foreach (var news in _deployments.Watch(null, stop))
                {
                    if (news.Id == _watch && news.Kind is not "tick" && _news.CurrentCount == 0)
                    {
                        Wake();
                    }
                }
                await Task.Delay(Reread, _clock, stop);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failed)
            {
                _logger.LogWarning(failed, "the shop does not hear of its watches; it reads them every second");
                await Task.Delay(Reread, _clock, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private void Wake()
    {
        try
        {
            _news.Release();
        }
        catch (SemaphoreFullException)
        {
            // Somebody else has woken it.
        }
    }

    /// <summary>Measures the processes, follows the watch (also when an event was lost), keeps the serving version alive.</summary>
    private async Task Tend(CancellationToken stop)
    {
        var read = _clock.GetTimestamp();
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var news = await Waited(stop);
                _stable?.Measure();
                _candidate?.Measure();
                if (news || _clock.GetElapsedTime(read) >= Reread)
                {
                    read = _clock.GetTimestamp();
                    await Follow(stop);
                    await Revive(stop);
                }
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failed)
            {
                _logger.LogWarning(failed, "the shop could not be tended; it goes on");
            }
        }
    }

    private async Task<bool> Waited(CancellationToken stop)
    {
        using var beat = new CancellationTokenSource(Beat, _clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(beat.Token, stop);
        try
        {
            await _news.WaitAsync(either.Token);
            return true;
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <summary>Does what the watch has decided: CONTINUE moves the traffic to the candidate, the watch's end makes it the stable version.</summary>
    private async Task Follow(CancellationToken cancel)
    {
        if (_watch is not { } id || await _deployments.Get(id, cancel) is not { } deployment)
        {
            return;
        }
        await Change(() =>
        {
            if (_watch != id)
            {
                return false;
            }
            var changed = false;
            if (_candidate is not null && ShopPlan.Decided(deployment) && _share < ShopPlan.Promoted)
            {
                _share = ShopPlan.Promoted;
                changed = true;
                _logger.LogInformation("version {Version} carries on; the old one keeps a tenth of the traffic until the watch closes", _candidate.Version);
            }
            if (deployment.State == "closed")
            {
                _watch = null;
                if (_candidate is { } now && _share >= ShopPlan.Promoted)
                {
                    Retire(_stable);
                    (_stable, _candidate, _share) = (now, null, 0);
                }
                changed = true;
            }
            return changed;
        }, cancel);
    }

    /// <summary>Makes room for the next version: a candidate that carries on is the new stable one, an undecided one is ended.</summary>
    private Task Settle(CancellationToken cancel) => Change(() =>
    {
        if (_candidate is not { } candidate)
        {
            return false;
        }
        if (_share >= ShopPlan.Promoted)
        {
            Retire(_stable);
            _stable = candidate;
        }
        else
        {
            Retire(candidate);
        }
        (_candidate, _watch, _share) = (null, null, 0);
        return true;
    }, cancel);

    /// <summary>Starts the stable version again when its process has died, as a platform would. A candidate's death is evidence and stays.</summary>
    private async Task Revive(CancellationToken cancel)
    {
        if (_stable is not { Running: false } dead)
        {
            return;
        }
        _logger.LogWarning("the process of version {Version} has died; it is started again", dead.Version);
        var again = await ShopVersion.Start(dead.Version, dead.Kind, _clock, _logger, cancel);
        var taken = false;
        await Change(() =>
        {
            if (_stable != dead)
            {
                return false;
            }
            _router.Export(again);
            _stable = again;
            return taken = true;
        }, CancellationToken.None);
        await (taken ? dead : again).DisposeAsync();
    }

    private async Task<ShopAnswer> Rollback(ShopOrder order, CancellationToken cancel)
    {
        ShopAnswer? answer = null;
        await Change(() =>
        {
            (answer, var changed) = Take(order);
            return changed;
        }, cancel);
        return answer!;
    }

    private (ShopAnswer Answer, bool Changed) Take(ShopOrder order)
    {
        if (order.Service != ShopPlan.Service || order.Environment != ShopPlan.Environment)
        {
            return (new ShopAnswer(StatusCodes.Status409Conflict, $"here is service {ShopPlan.Service} in environment {ShopPlan.Environment}, nothing else"), false);
        }
        if (_keys.Contains(order.Key))
        {
            return (new ShopAnswer(StatusCodes.Status200OK, "that order was taken before"), false);
        }
        if (order.TargetVersion != _stable!.Version)
        {
            var running = string.Join(" and ", new[] { _stable, _candidate }.OfType<ShopVersion>().Select(version => version.Version));
            return (new ShopAnswer(StatusCodes.Status409Conflict, $"version {order.TargetVersion} is not running any more; what runs is {running}"), false);
        }
        if (_candidate is { } newer && newer.Version != order.Version)
        {
            return (new ShopAnswer(StatusCodes.Status409Conflict, $"version {newer.Version} is being rolled out since; {order.Version} is gone already"), false);
        }
        _keys.Enqueue(order.Key);
        if (_keys.Count > MaxKeys)
        {
            _keys.Dequeue();
        }
        if (_candidate is not { } bad)
        {
            return (new ShopAnswer(StatusCodes.Status200OK, $"version {order.TargetVersion} serves already"), false);
        }
        Retire(bad);
        (_candidate, _share) = (null, 0);
        _logger.LogInformation("version {Bad} is rolled back, version {Good} serves", bad.Version, order.TargetVersion);
        return (new ShopAnswer(StatusCodes.Status200OK, $"all traffic goes to version {order.TargetVersion}; version {bad.Version} is being ended"), true);
    }

    private ShopState State()
    {
        var route = _router.Route;
        var fence = Interlocked.Read(ref _changes).ToString(System.Globalization.CultureInfo.InvariantCulture);
        int ending;
        lock (_endingLock)
        {
            ending = _ending.Count;
        }
        return route switch
        {
            null => new ShopState(null, false, fence, "no version serves"),
            { Candidate: { } candidate, Share: >= ShopPlan.Promoted } => new ShopState(candidate.Version, false, fence, $"version {candidate.Version} serves; version {route.Stable.Version} keeps a tenth of the traffic until the watch closes"),
            { Candidate: { } candidate } => new ShopState(route.Stable.Version, false, fence, $"versions {route.Stable.Version} and {candidate.Version} share the traffic"),
            _ => route.Stable is { Running: true } serving
                ? new ShopState(serving.Version, ending == 0, fence, ending == 0 ? $"version {serving.Version} serves everything" : $"version {serving.Version} serves everything; {ending} old processes are ending")
                : new ShopState(null, false, fence, "the serving version's process has died"),
        };
    }

    /// <summary>Every change of what runs and of where requests go, one after the other; the route is set before the next one.</summary>
    private async Task Change(Func<bool> change, CancellationToken cancel)
    {
        await _gate.WaitAsync(cancel);
        try
        {
            if (change())
            {
                Interlocked.Increment(ref _changes);
                _router.Route = _stable is null ? null : new Route(_stable, _candidate, _candidate is null ? 0 : _share);
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Ends a version's process once what is on its way there has arrived.</summary>
    private void Retire(ShopVersion? version)
    {
        if (version is null)
        {
            return;
        }
        lock (_endingLock)
        {
            _ending.Add(version);
        }
        _ = Retiring();

        async Task Retiring()
        {
            // The change that this is part of sets the route that does not lead there any more; who had just taken the old one still arrives.
            await Task.Delay(Grace, _clock, CancellationToken.None);
            try
            {
                await version.End();
            }
            catch (Exception failed)
            {
                _logger.LogWarning(failed, "the process of version {Version} did not end in order", version.Version);
            }
            lock (_endingLock)
            {
                _ending.Remove(version);
            }
        }
    }

    private static async Task Abandon(Task<ShopVersion>? starting)
    {
        if (starting is { IsCompletedSuccessfully: true })
        {
            await (await starting).DisposeAsync();
        }
    }

    private Announcing Announce(string version, string previous, string kind) => new(
        ShopPlan.Service,
        ShopPlan.Environment,
        version,
        previous,
        _clock.GetUtcNow(),
        Commit: null,
        Repository: null,
        ChangeUrl: null,
        new Dictionary<string, string>(StringComparer.Ordinal) { [ShopPlan.KindLabel] = kind },
        Kind: "release",
        Metrics: null,
        Intake: "demo",
        IdempotencyKey: null,
        SHA256.HashData(Encoding.UTF8.GetBytes($"{ShopPlan.Service}/{version}/{kind}")));
}
