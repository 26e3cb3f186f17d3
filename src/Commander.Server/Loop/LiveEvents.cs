using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Commander.Server.Loop;

/// <summary>Tells who watches live that a deployment has new facts. Slow readers lose events and never block the loop: they read the facts by seq.</summary>
internal sealed class LiveEvents
{
    private const int Pending = 256;
    private const int PendingToTell = 10_000;
    private readonly ConcurrentDictionary<Channel<LiveEvent>, string> _readers = new();
    private ChannelWriter<LiveEvent>? _told;

    /// <summary>Something happened here.</summary>
    public void Publish(LiveEvent happened)
    {
        Hear(happened);
        Volatile.Read(ref _told)?.TryWrite(happened);
    }

    /// <summary>Something happened on another node.</summary>
    public void Hear(LiveEvent happened)
    {
        foreach (var (channel, id) in _readers)
        {
            if (id.Length == 0 || id == happened.Id)
                channel.Writer.TryWrite(happened);
        }
    }

    /// <summary>Something may have happened on another node without being heard here: whoever reads looks again.</summary>
    public void Missed()
    {
        foreach (var (channel, id) in _readers)
            channel.Writer.TryWrite(new LiveEvent(id, 0, FactKind.State));
    }

    /// <summary>What happens here from now on, for one who tells other nodes.</summary>
    public ChannelReader<LiveEvent> ToTell()
    {
        var told = Channel.CreateBounded<LiveEvent>(new BoundedChannelOptions(PendingToTell) { FullMode = BoundedChannelFullMode.DropOldest });
        Volatile.Write(ref _told, told.Writer);
        return told.Reader;
    }

    public async IAsyncEnumerable<LiveEvent> Watch(string? id, [EnumeratorCancellation] CancellationToken cancel)
    {
        var channel = Channel.CreateBounded<LiveEvent>(new BoundedChannelOptions(Pending) { FullMode = BoundedChannelFullMode.DropOldest });
        _readers[channel] = id ?? "";
        try
        {
            await foreach (var happened in channel.Reader.ReadAllAsync(cancel))
                yield return happened;
        }
        finally
        {
            _readers.TryRemove(channel, out _);
        }
    }
}
