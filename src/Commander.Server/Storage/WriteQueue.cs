using System.Threading.Channels;

namespace Commander.Server.Storage;

/// <summary>Work for a store's writer, and who waits for its answer.</summary>
internal sealed class Write<TWork>(TWork work, CancellationToken cancel)
{
    private readonly TaskCompletionSource<object> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private object? _result;

    public TWork Work => work;

    /// <summary>Whether somebody still waits; asked before the work, never after: a commit is not undone.</summary>
    public bool Wanted => !cancel.IsCancellationRequested;

    public Task<object> Answer => _answer.Task;

    /// <summary>What is answered once it is committed.</summary>
    public void Done(object result) => _result = result;

    public void Committed() => _answer.TrySetResult(_result ?? throw new InvalidOperationException("What was not done is not committed."));

    public void Refused(Exception reason) => _answer.TrySetException(reason);
}

/// <summary>
/// What waits for a store's one writer, which takes many at a time, so that they share a commit. It is bounded: more are
/// turned away at once, because what waits longer than its caller helps nobody.
/// </summary>
internal sealed class WriteQueue<TWork>
{
    /// <summary>As many as may wait.</summary>
    public const int Length = 8_192;

    /// <summary>As many as share a commit at most, so that the first of them does not pay for all that came later.</summary>
    public const int GroupSize = 256;

    /// <summary>What a closed store answers.</summary>
    public const string Closed = "The store is closed.";

    private readonly Channel<Write<TWork>> _waiting;
    private long _writes;
    private long _groups;
    private int _closed;

    /// <param name="length">How many may wait.</param>
    /// <param name="signalsInline">Whether who adds may run what waits for it: only when that does no more than to signal a thread.</param>
    public WriteQueue(int length, bool signalsInline) =>
        _waiting = Channel.CreateBounded<Write<TWork>>(new BoundedChannelOptions(length)
        {
            SingleReader = true,
            AllowSynchronousContinuations = signalsInline,
        });

    /// <summary>How many writes were committed since the start, and how many commits they shared.</summary>
    public (long Writes, long Groups) Committed => (Interlocked.Read(ref _writes), Interlocked.Read(ref _groups));

    public bool IsClosed => Volatile.Read(ref _closed) != 0;

    /// <summary>Waits for the writer to commit the work; its answer.</summary>
    /// <exception cref="StoreUnavailableException">Too much waits already, or the store is closed, or the writer refuses.</exception>
    public async Task<T> Add<T>(TWork work, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var write = new Write<TWork>(work, cancel);
        if (!_waiting.Writer.TryWrite(write))
        {
            throw new StoreUnavailableException(IsClosed ? Closed : "The store is behind: too many writes wait for their commit already. Try again in a moment.");
        }

        return (T)await write.Answer.WaitAsync(cancel);
    }

    /// <summary>False when it is closed and empty. It waits as long as there is nothing to write.</summary>
    public ValueTask<bool> Any() => _waiting.Reader.WaitToReadAsync(CancellationToken.None);

    public bool TryTake([System.Diagnostics.CodeAnalysis.MaybeNullWhen(false)] out Write<TWork> write) => _waiting.Reader.TryRead(out write);

    /// <summary>All that wait now: when the store cannot write at all, each of them would wait for the same.</summary>
    public IEnumerable<Write<TWork>> TakeAll()
    {
        for (var waiting = _waiting.Reader.Count; waiting > 0 && TryTake(out var write); waiting--)
        {
            yield return write;
        }
    }

    /// <summary>Counts writes that shared one commit.</summary>
    public void Count(int writes)
    {
        Interlocked.Add(ref _writes, writes);
        Interlocked.Increment(ref _groups);
    }

    /// <summary>Takes nothing more; what was taken is still written. False when it was closed before.</summary>
    public bool Close()
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
        {
            return false;
        }

        _waiting.Writer.TryComplete();
        return true;
    }
}
