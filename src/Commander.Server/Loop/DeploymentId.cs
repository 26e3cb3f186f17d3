using System.Buffers;
using System.Security.Cryptography;

namespace Commander.Server.Loop;

/// <summary>Makes ids: dep- and a ULID (48 bits of milliseconds, 80 bits of randomness, Crockford's base 32), so that ids sort by time.</summary>
internal sealed class DeploymentId(TimeProvider clock, RandomNumberGenerator randomness)
{
    private const string Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    private static readonly SearchValues<char> Letters = SearchValues.Create(Alphabet);
    private readonly Lock _lock = new();
    private readonly byte[] _random = new byte[10];
    private long _last;

    /// <summary>A new id, later than every id that this instance made before.</summary>
    public string Next()
    {
        lock (_lock)
        {
            var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
            if (now > _last)
            {
                _last = now;
                randomness.GetBytes(_random);
            }
            else
            {
                // The same millisecond, or a clock that went back: count on.
                for (var i = _random.Length - 1; i >= 0 && ++_random[i] == 0; i--)
                {
                }
            }

            return Format(_last, _random);
        }
    }

    /// <summary>Whether a text has the form of an id; anything else need not be looked up.</summary>
    public static bool IsValid(string? id) =>
        id is { Length: 30 } && id.StartsWith("dep-", StringComparison.Ordinal) && id.AsSpan(4).IndexOfAnyExcept(Letters) < 0;

    private static string Format(long time, byte[] random)
    {
        Span<char> text = stackalloc char[30];
        "dep-".CopyTo(text);
        for (var i = 9; i >= 0; i--, time >>= 5)
            text[4 + i] = Alphabet[(int)(time & 31)];
        UInt128 bits = 0;
        foreach (var b in random)
            bits = (bits << 8) | b;
        for (var i = 15; i >= 0; i--, bits >>= 5)
            text[14 + i] = Alphabet[(int)(bits & 31)];
        return new string(text);
    }
}
