using System.Buffers;
using System.Net;
using Commander.Judging.Evidence;
using Commander.Server.Connections;

namespace Commander.Server.Sources.Scrape;

/// <summary>What one request to a target gave.</summary>
/// <param name="Started">The instant the request was sent, Unix milliseconds: what it reports is at least that new.</param>
/// <param name="Wishes">What was wanted when it was sent.</param>
/// <param name="Quality">Value, Partial (some lines were no samples), or why there is nothing.</param>
/// <param name="Detail">Why not everything is there.</param>
internal sealed record Scraped(long Started, int Wishes, Quality Quality, string? Detail)
{
    /// <summary>What the target's clock said; null where it did not say.</summary>
    public SourceClock? Clock { get; init; }

    /// <summary>What the page has; null where not every line of it was read.</summary>
    public PageIndex? Index { get; init; }

    /// <summary>Whether nobody stands at the address: the connection was refused, or the host is gone.</summary>
    public bool NobodyThere { get; init; }

    public bool Good => Quality is Quality.Value or Quality.Partial;
}

/// <summary>One address that is scraped: one request at a time, however many ask, and what the last ones found.</summary>
internal sealed class ScrapeTarget(Uri address, HttpClient http, TimeProvider clock)
{
    public const int MaxBody = 16 * 1024 * 1024;
    private const int Shared = 100;
    private const int MaxHad = 4096;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly SeriesMemory _memory = new();
    private Scraped? _last;
    private Task<Scraped>? _running;
    private long? _answered;
    private readonly HashSet<string> _had = new(StringComparer.Ordinal);

    /// <summary>The address without what may be secret in it.</summary>
    public string Name { get; } = address.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped);

    /// <summary>Whether there was a scrape with metrics at that instant (Unix milliseconds) or later.</summary>
    public bool AnsweredSince(long at)
    {
        lock (_lock)
        {
            return _answered >= at;
        }
    }

    /// <summary>Whether a wanted metric was ever there; in doubt it was.</summary>
    public bool EverHad(string metric)
    {
        lock (_lock)
        {
            return _had.Contains(metric) || _had.Count == MaxHad;
        }
    }

    public void Foresee(Selector selector)
    {
        lock (_lock)
        {
            _memory.Foresee(selector);
        }
    }

    public void Want(Selector selector)
    {
        lock (_lock)
        {
            _memory.Want(selector, clock.GetUtcNow().ToUnixTimeMilliseconds());
        }
    }

    /// <summary>Reads under the lock, so that no scrape changes the points meanwhile.</summary>
    public T Read<T>(Func<SeriesMemory, T> read)
    {
        lock (_lock)
        {
            return read(_memory);
        }
    }

    /// <summary>
    /// A scrape that is newer than <paramref name="after"/> and not older than <paramref name="end"/> (or than a tenth of a second:
    /// those who ask within the same moment share one request).
    /// </summary>
    public async Task<Scraped> Fresh(long after, long end, CancellationToken cancel)
    {
        while (true)
        {
            Task<Scraped> running;
            bool mine;
            lock (_lock)
            {
                var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
                if (_last is { } last && last.Wishes == _memory.Wishes && last.Started > after
                    && ((last.Started >= end && last.Started <= now) || Math.Abs(now - last.Started) <= Shared))
                {
                    return last;
                }
                mine = _running is null;
                // The request serves everybody who waits, so no single one's token ends it; its own patience does.
                running = _running ??= Start(Math.Max(now, (_last?.Started ?? 0) + 1));
            }
            var scraped = await running.WaitAsync(cancel);
            if (mine || !scraped.Good)
            {
                return scraped;
            }
        }
    }

    /// <summary>One scrape unless there was one lately.</summary>
    public Task<Scraped> Refresh(TimeSpan age, CancellationToken cancel)
    {
        var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        return Fresh(now - (long)age.TotalMilliseconds, now - (long)age.TotalMilliseconds, cancel);
    }

    private Task<Scraped> Start(long at)
    {
        var looked = _memory.Wanted();
        var wishes = _memory.Wishes;
        return Task.Run(async () =>
        {
            Scraped scraped;
            Exposition? exposition = null;
            try
            {
                (scraped, exposition) = await Scrape(at, wishes, looked);
            }
            catch (Exception unexpected)
            {
                // Whatever it was, the next scrape is a new one.
                scraped = new Scraped(at, wishes, Quality.Error, $"{Name} could not be read: {unexpected.Message}");
            }
            lock (_lock)
            {
                if (exposition is not null && scraped.Good)
                {
                    foreach (var name in exposition.Index.Wanted)
                    {
                        if (_had.Count < MaxHad)
                        {
                            _had.Add(name);
                        }
                    }
                    var twice = _memory.Take(looked, exposition.Samples, at, exposition.Bad == 0);
                    if (twice > 0 && scraped.Quality == Quality.Value)
                    {
                        scraped = scraped with { Quality = Quality.Partial, Detail = $"{Name}: {twice} series stand there twice; the first of each counts" };
                    }
                    else if (_memory.Full && scraped.Quality == Quality.Value)
                    {
                        scraped = scraped with { Quality = Quality.Partial, Detail = $"{Name}: more than {SeriesMemory.MaxSeries} series are selected; narrow the selectors" };
                    }
                }
                if (scraped.Good)
                {
                    _answered = at;
                }
                _last = scraped;
                _running = null;
            }
            return scraped;
        }, CancellationToken.None);
    }

    private async Task<(Scraped, Exposition?)> Scrape(long at, int wishes, Selector[] looked)
    {
        using var patience = new CancellationTokenSource(Patience, clock);
        Scraped Not(Quality quality, string what) => new(at, wishes, quality, $"{Name} {what}");
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, address);
            request.Headers.TryAddWithoutValidation("Accept", "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1");
            var sent = clock.GetTimestamp();
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token);
            SourceClock? said = response.Headers.Date is { } date ? new SourceClock(date - clock.GetUtcNow(), clock.GetElapsedTime(sent)) : null;
            if (response.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
            {
                return (Not(Quality.Denied, $"answered {(int)response.StatusCode}: it does not let Commander read its metrics"), null);
            }
            if (response.StatusCode != HttpStatusCode.OK)
            {
                return (Not(Quality.Error, (int)response.StatusCode is >= 300 and < 400
                    ? $"answered {(int)response.StatusCode}: redirects are not followed, name the final address"
                    : $"answered {(int)response.StatusCode}, not 200"), null);
            }
            var type = response.Content.Headers.ContentType?.MediaType;
            var openMetrics = type == "application/openmetrics-text";
            if (!openMetrics && type is not (null or "text/plain"))
            {
                return (Not(Quality.Error, $"answered {(type.Length > 60 ? type[..60] : type)}, not metrics"), null);
            }
            var exposition = new Exposition(looked, openMetrics);
            await using var body = await response.Content.ReadAsStreamAsync(patience.Token);
            if (!await ReadAll(body, exposition, patience.Token))
            {
                return (Not(Quality.Error, $"sends more than {MaxBody / 1024 / 1024} MiB; expose fewer series there"), null);
            }
            exposition.Finish();
            if (exposition.Bad > 0 && exposition.Bad >= exposition.Good)
            {
                return (Not(Quality.Error, $"answered text that is no metrics, {exposition.FirstBad}"), null);
            }
            return exposition.Bad > 0
                ? (Not(Quality.Partial, $"has {exposition.Bad} bad lines, the first: {exposition.FirstBad}") with { Clock = said }, exposition)
                : (new Scraped(at, wishes, Quality.Value, null) { Clock = said, Index = exposition.Index }, exposition);
        }
        catch (OperationCanceledException)
        {
            return (Not(Quality.Timeout, $"did not answer within {Patience.TotalSeconds:0} s"), null);
        }
        catch (HttpRequestException refused)
        {
            return (Not(Quality.Error, Outgoing.Why(refused)) with { NobodyThere = Outgoing.NobodyThere(refused) }, null);
        }
        catch (Exception broken) when (broken is IOException or InvalidDataException)
        {
            return (Not(Quality.Error, "broke off in the middle of its answer"), null);
        }
    }

    private static async Task<bool> ReadAll(Stream body, Exposition exposition, CancellationToken cancel)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
        try
        {
            var total = 0;
            int read;
            while ((read = await body.ReadAsync(buffer, cancel)) > 0)
            {
                total += read;
                if (total > MaxBody)
                {
                    return false;
                }
                exposition.Feed(buffer.AsSpan(0, read));
            }
            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
