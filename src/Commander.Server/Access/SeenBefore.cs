using System.Collections.Concurrent;

namespace Commander.Server.Access;

/// <summary>What came signed, so that it is good once. Each node remembers for itself, and only for as long as the signature's time lets it pass.</summary>
/// <param name="clock">The clock.</param>
internal sealed class SeenBefore(TimeProvider clock)
{
    private const int MaxRemembered = 200_000;
    private readonly ConcurrentDictionary<string, long> _seen = new(StringComparer.Ordinal);
    private long _sweptAt;

    /// <summary>Whether it did not come before; remembered from now on.</summary>
    /// <param name="message">What was signed, or its hash.</param>
    /// <param name="seconds">The time that was signed with it, in Unix seconds.</param>
    public bool IsNew(string message, long seconds)
    {
        var now = clock.GetUtcNow().ToUnixTimeSeconds();
        var until = seconds + (2 * (long)SignedRequests.Window.TotalSeconds);
        if (now - Interlocked.Read(ref _sweptAt) > 30 || _seen.Count >= MaxRemembered)
        {
            Interlocked.Exchange(ref _sweptAt, now);
            foreach (var (old, gone) in _seen)
            {
                if (gone < now)
                    _seen.TryRemove(old, out _);
            }
        }

        // Rather none than one twice.
        return _seen.Count < MaxRemembered && _seen.TryAdd(message, until);
    }
}
