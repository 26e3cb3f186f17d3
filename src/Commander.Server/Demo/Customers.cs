using System.Globalization;

namespace Commander.Server.Demo;

/// <summary>The last ten seconds as the customers saw them.</summary>
/// <param name="Requests">How many were answered, or should have been.</param>
/// <param name="ErrorRate">Failed ones, in percent.</param>
/// <param name="P95Ms">Within this time, counted from the planned sending, 95 of 100 were answered; milliseconds, null without requests.</param>
internal sealed record Seen(int Requests, double ErrorRate, double? P95Ms);

/// <summary>
/// Customers who come on a fixed schedule whatever the shop does (open loop), over real HTTP. A request that could not be sent when
/// it was due is sent as soon as it can be, and its waiting counts as the shop's.
/// </summary>
internal sealed class Customers(Uri shop, int perSecond, TimeProvider clock) : IDisposable
{
    private const int MaxInFlight = 400;
    private const int Seconds = 10;
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan MaxBehind = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly Second[] _seconds = [.. Enumerable.Range(0, Seconds + 2).Select(_ => new Second())];
    private readonly long _started = clock.GetTimestamp();
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler
    {
        UseCookies = false,
        UseProxy = false,
        AllowAutoRedirect = false,
        ConnectTimeout = TimeSpan.FromSeconds(1),
        MaxConnectionsPerServer = MaxInFlight,
    });

    private int _inFlight;
    private long _firstSecond = -1;

    /// <summary>One second's answers; the bounds of the counts grow by a tenth from a tenth of a millisecond on.</summary>
    private sealed class Second
    {
        public long Number = -1;
        public int Requests;
        public int Errors;
        public readonly int[] Took = new int[128];
    }

    /// <summary>Whether ten whole seconds have been measured.</summary>
    public bool Measured
    {
        get
        {
            lock (_lock)
            {
                return _firstSecond >= 0 && Now() > _firstSecond + Seconds;
            }
        }
    }

    /// <summary>The last ten whole seconds.</summary>
    public Seen Last()
    {
        lock (_lock)
        {
            var now = Now();
            var (requests, errors) = (0, 0);
            var took = new int[128];
            foreach (var second in _seconds.Where(second => second.Number >= 0 && second.Number < now && second.Number >= now - Seconds))
            {
                requests += second.Requests;
                errors += second.Errors;
                for (var i = 0; i < took.Length; i++)
                {
                    took[i] += second.Took[i];
                }
            }
            return new Seen(requests, requests == 0 ? 0 : Math.Round(100.0 * errors / requests, 2), Quantile(took, 0.95));
        }
    }

    /// <summary>Shops until cancelled.</summary>
    public async Task Run(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(Beat, clock);
        var period = clock.TimestampFrequency / (double)perSecond;
        var start = clock.GetTimestamp();
        long sent = 0;
        try
        {
            while (await timer.WaitForNextTickAsync(cancel))
            {
                var now = clock.GetTimestamp();
                var due = (long)((now - start) / period);
                // A machine that slept owes nobody the customers of the night.
                var oldest = (long)((now - start - (MaxBehind.TotalSeconds * clock.TimestampFrequency)) / period);
                for (sent = Math.Max(sent, oldest); sent < due; sent++)
                {
                    var planned = start + (long)(sent * period);
                    if (Volatile.Read(ref _inFlight) >= MaxInFlight)
                    {
                        Record(failed: true, planned);
                        continue;
                    }
                    Interlocked.Increment(ref _inFlight);
                    _ = Buy(sent, planned, cancel);
                }
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // The shop closes.
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task Buy(long number, long planned, CancellationToken cancel)
    {
        using var patience = new CancellationTokenSource(Patience, clock);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(shop, $"?item={number % 400}"));
            request.Headers.TryAddWithoutValidation(Router.PlannedHeader, planned.ToString(CultureInfo.InvariantCulture));
            using var response = await _http.SendAsync(request, patience.Token);
            await response.Content.CopyToAsync(Stream.Null, patience.Token);
            Record((int)response.StatusCode >= 500, planned);
        }
        catch (Exception failed) when (failed is HttpRequestException or OperationCanceledException or IOException or ObjectDisposedException)
        {
            if (!cancel.IsCancellationRequested)
            {
                Record(failed: true, planned);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _inFlight);
        }
    }

    private void Record(bool failed, long planned)
    {
        var took = clock.GetElapsedTime(planned).TotalMilliseconds;
        var index = Math.Clamp((int)Math.Ceiling(Math.Log(Math.Max(took, 0.1) / 0.1) / Math.Log(1.1)), 0, 127);
        lock (_lock)
        {
            var now = Now();
            if (_firstSecond < 0)
            {
                _firstSecond = now;
            }
            var second = _seconds[now % _seconds.Length];
            if (second.Number != now)
            {
                second.Number = now;
                second.Requests = second.Errors = 0;
                Array.Clear(second.Took);
            }
            second.Requests++;
            second.Errors += failed ? 1 : 0;
            second.Took[index]++;
        }
    }

    private long Now() => (long)clock.GetElapsedTime(_started).TotalSeconds;

    private static double? Quantile(int[] took, double q)
    {
        var rank = (long)Math.Ceiling(q * took.Sum(count => (long)count));
        if (rank == 0)
        {
            return null;
        }
        var index = 0;
        for (long below = took[0]; below < rank; below += took[index])
        {
            index++;
        }
        return Math.Round(0.1 * Math.Pow(1.1, index), 1);
    }
}
