namespace Commander.Server.Tests.Loop.Simulated;

/// <summary>One thread on which everything of a simulated run happens: of all that could go on, the seed chooses what does.</summary>
internal sealed class Pump(Random random) : SynchronizationContext
{
    private readonly List<(SendOrPostCallback Callback, object? State)> _ready = [];

    private readonly int _thread = Environment.CurrentManagedThreadId;

    public override void Post(SendOrPostCallback d, object? state)
    {
        if (Environment.CurrentManagedThreadId != _thread)
            throw new InvalidOperationException("Something of a simulated run goes on on another thread: what it does cannot be repeated.");
        _ready.Add((d, state));
    }

    public override void Send(SendOrPostCallback d, object? state) => throw new NotSupportedException("Nothing in a simulated run waits for another thread.");

    public override SynchronizationContext CreateCopy() => this;

    /// <summary>Lets everything go on that can without time passing.</summary>
    /// <param name="most">More steps than that are a loop without end.</param>
    public void Drain(int most)
    {
        for (var step = 0; _ready.Count > 0; step++)
        {
            if (step > most)
                throw new BrokenInvariantException($"{most} steps without time passing");
            var at = random.Next(_ready.Count);
            var (callback, state) = _ready[at];
            _ready[at] = _ready[^1];
            _ready.RemoveAt(_ready.Count - 1);
            callback(state);
        }
    }
}
