using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Commander.Server.Storage;

/// <summary>One fact: appended, never changed. Facts are the only source of truth.</summary>
/// <param name="Stream">deployment/ID, model, policy/NAME, access or system.</param>
/// <param name="Seq">From 1, without gaps.</param>
/// <param name="At">When it was recorded.</param>
/// <param name="Kind">What it says.</param>
/// <param name="Version">The version of the body's form.</param>
/// <param name="Body">UTF-8 JSON; null once compaction has dropped it.</param>
/// <param name="BodyHash">SHA-256 of the body.</param>
/// <param name="Hash">The chain: SHA-256 over the previous fact's hash, kind, version, at and the body's own hash.</param>
internal sealed record Fact(string Stream, long Seq, DateTimeOffset At, string Kind, int Version, byte[]? Body, byte[] BodyHash, byte[] Hash)
{
    /// <summary>The hash that stands before a stream's first fact.</summary>
    public static readonly byte[] NoHash = new byte[32];

    /// <summary>A fact that follows the one with <paramref name="previousHash"/>.</summary>
    public static Fact After(string stream, long seq, byte[] previousHash, DateTimeOffset at, string kind, int version, byte[] body)
    {
        // Stored in whole milliseconds, so that what is hashed is what is read back.
        at = DateTimeOffset.FromUnixTimeMilliseconds(at.ToUnixTimeMilliseconds());
        var bodyHash = SHA256.HashData(body);
        return new Fact(stream, seq, at, kind, version, body, bodyHash, Chain(previousHash, kind, version, at, bodyHash));
    }

    /// <summary>The chain's hash of one fact.</summary>
    public static byte[] Chain(ReadOnlySpan<byte> previousHash, string kind, int version, DateTimeOffset at, ReadOnlySpan<byte> bodyHash)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> numbers = stackalloc byte[12];
        BinaryPrimitives.WriteInt32BigEndian(numbers, version);
        BinaryPrimitives.WriteInt64BigEndian(numbers[4..], at.ToUnixTimeMilliseconds());
        hash.AppendData(previousHash);
        hash.AppendData(Encoding.UTF8.GetBytes(kind));
        hash.AppendData([0]);
        hash.AppendData(numbers);
        hash.AppendData(bodyHash);
        return hash.GetHashAndReset();
    }
}
