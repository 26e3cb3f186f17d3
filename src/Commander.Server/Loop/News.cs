namespace Commander.Server.Loop;

/// <summary>Waits for the next live event of a deployment, or for a pause to end, whichever comes first; ends cleanly with a wait still open.</summary>
internal sealed class News : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop;
    private readonly IAsyncEnumerator<LiveEvent> _events;
    private readonly TimeProvider _clock;
    private Task<bool> _next;

    public News(IDeployments deployments, string id, TimeProvider clock, CancellationToken cancel)
    {
        _clock = clock;
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        _events = deployments.Watch(id, _stop.Token).GetAsyncEnumerator(_stop.Token);
        _next = _events.MoveNextAsync().AsTask();
    }

    /// <summary>True when something happened, false when the pause ended first.</summary>
    public async Task<bool> Within(TimeSpan pause)
    {
        using var wait = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        if (await Task.WhenAny(_next, Task.Delay(pause, _clock, wait.Token)) != _next)
        {
            _stop.Token.ThrowIfCancellationRequested();
            return false;
        }

        await wait.CancelAsync();
        await _next;
        _next = _events.MoveNextAsync().AsTask();
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        try
        {
            await _next;
        }
        catch (OperationCanceledException)
        {
            // The wait that was still open.
        }

        await _events.DisposeAsync();
        _stop.Dispose();
    }
}
