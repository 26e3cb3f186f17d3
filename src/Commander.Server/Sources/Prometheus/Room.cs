namespace Commander.Server.Sources.Prometheus;

/// <summary>How much of a source's answers may be held in memory at once, over everybody who asks it.</summary>
/// <param name="most">Bytes.</param>
internal sealed class Room(long most)
{
    private long _held;

    /// <summary>The part of one who asks; given back when it is disposed.</summary>
    public Share Begin() => new(this);

    internal sealed class Share(Room room) : IDisposable
    {
        private long _bytes;

        /// <summary>False when there is no room for so much more. Safe for several answers at once.</summary>
        public bool TryAdd(long bytes)
        {
            if (Interlocked.Add(ref room._held, bytes) > room.Most)
            {
                Interlocked.Add(ref room._held, -bytes);
                return false;
            }

            Interlocked.Add(ref _bytes, bytes);
            return true;
        }

        public void Dispose() => Interlocked.Add(ref room._held, -Interlocked.Exchange(ref _bytes, 0));
    }

    private long Most => most;
}
