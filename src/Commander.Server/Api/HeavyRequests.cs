namespace Commander.Server.Api;

/// <summary>Requests that compute for seconds over megabytes: as many at once as there are processors, a few that wait, and the rest comes later.</summary>
internal sealed class HeavyRequests : IDisposable
{
    private const int MaxWaiting = 16;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly SemaphoreSlim _running = new(Environment.ProcessorCount);
    private int _waiting;

    /// <summary>Runs it, or answers 429.</summary>
    public async Task<IResult> Run(HttpContext context, Func<Task<IResult>> work, CancellationToken cancel)
    {
        try
        {
            if (Interlocked.Increment(ref _waiting) > MaxWaiting || !await _running.WaitAsync(Patience, cancel))
            {
                context.Response.Headers.RetryAfter = "5";
                return Problems.Of(StatusCodes.Status429TooManyRequests, "Too much is computed at once", "Others are judged now. Try again in 5 s; whole files are judged by: commander backtest, which needs no server.");
            }
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }

        try
        {
            return await Task.Run(work, cancel);
        }
        finally
        {
            _running.Release();
        }
    }

    public void Dispose() => _running.Dispose();
}
