using Commander.Server.Alerting;

namespace Commander.Server.Tests.Alerting;

/// <summary>A channel that remembers what it was told, and answers as the test says.</summary>
internal sealed class RecordedChannel : IAlertChannel
{
    private readonly Lock _lock = new();
    private readonly List<IReadOnlyList<Worded>> _messages = [];

    /// <summary>How many alerts one message may name.</summary>
    public int Most { get; init; } = 1;

    /// <summary>What it answers; without it, that it has it, with a reference.</summary>
    public Func<IReadOnlyList<Worded>, Task<Delivery>>? Answers { get; set; }

    /// <summary>Every message that arrived, also those that were answered with a refusal.</summary>
    public IReadOnlyList<IReadOnlyList<Worded>> Messages
    {
        get
        {
            lock (_lock)
                return [.. _messages];
        }
    }

    /// <summary>What was told, one after the other.</summary>
    public IReadOnlyList<string> Occasions => [.. Messages.SelectMany(message => message).Select(one => one.Alert.Occasion)];

    public Task<Delivery> Tell(IReadOnlyList<Worded> alerts, CancellationToken cancel)
    {
        lock (_lock)
            _messages.Add(alerts);
        return Answers?.Invoke(alerts) ?? Task.FromResult(alerts.Count == 1 ? new Delivery(Told.Done, "message-1") : Delivery.Done);
    }

    public Task<string?> Check(CancellationToken cancel) => Task.FromResult<string?>(null);
}
