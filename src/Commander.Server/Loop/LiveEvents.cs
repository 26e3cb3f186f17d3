using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Commander.Server.Loop;

/// <summary>Tells who watches live that a deployment has new facts. Slow readers lose events and never block the loop: they read the facts by seq.</summary>
internal sealed class LiveEvents
{
    private const int Pending = 256;
    private readonly ConcurrentDictionary<Channel<LiveEvent>, string> _readers = new();

    public void Publish(LiveEvent happened)
    {
        foreach (var (channel, id) in _readers)
        {
            if (id.Length == 0 || id == happened.Id)
                channel.Writer.TryWrite(happened);
        }
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
