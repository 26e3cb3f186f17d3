using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Commander.Server.Access;

/// <summary>
/// Requests that are signed instead of carrying a token: <c>Commander-Timestamp: UNIX</c> and
/// <c>Commander-Signature: v1=HEX(HMAC-SHA256(secret, timestamp + "." + raw body))</c>, several of them while secrets are exchanged.
/// Five minutes either way are let pass, and none twice. What was seen is remembered by each node for itself: what is sent again to
/// another node finds the deployment that the first one announced.
/// </summary>
/// <param name="secrets">Any of which may have signed.</param>
/// <param name="clock">The clock.</param>
internal sealed class SignedRequests(IReadOnlyList<byte[]> secrets, TimeProvider clock)
{
    public const string TimestampHeader = "Commander-Timestamp";
    public const string SignatureHeader = "Commander-Signature";

    /// <summary>How far a timestamp may lie off.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromMinutes(5);

    private const int MaxSignatures = 8;
    private readonly SeenBefore _seen = new(clock);

    /// <summary>Whether anybody can sign.</summary>
    public bool Any => secrets.Count > 0;

    /// <summary>The secrets as the environment has them: separated by spaces, at least 16 characters each; or what is wrong.</summary>
    public static (IReadOnlyList<byte[]> Secrets, string? Wrong) Read(string? text)
    {
        var parts = (text ?? "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return parts.Length > MaxSignatures ? ([], $"has more than {MaxSignatures} secrets")
            : Array.Exists(parts, part => part.Length < 16) ? ([], "has a secret of less than 16 characters; make one with: openssl rand -hex 32")
            : ([.. parts.Select(Encoding.UTF8.GetBytes)], null);
    }

    /// <summary>Why a request is refused; null when it is signed, fresh and new.</summary>
    public string? Refusal(string? timestamp, string? signatures, ReadOnlySpan<byte> body)
    {
        if (!long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) || seconds > 253_402_300_799)
            return $"{TimestampHeader} is no Unix time in seconds";
        var off = clock.GetUtcNow() - DateTimeOffset.FromUnixTimeSeconds(seconds);
        if (off.Duration() > Window)
            return $"{TimestampHeader} is {Math.Abs(off.TotalSeconds):0} s {(off > TimeSpan.Zero ? "behind" : "ahead of")} this server's clock; sign it anew, and check the clock";
        var given = (signatures ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (given.Length is 0 or > MaxSignatures)
            return $"{SignatureHeader} has no v1=HEX, or more than {MaxSignatures}";
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        Span<byte> shown = stackalloc byte[HMACSHA256.HashSizeInBytes];
        var prefix = Encoding.ASCII.GetBytes(timestamp + ".");
        byte[] message = [.. prefix, .. body];
        foreach (var secret in secrets)
        {
            HMACSHA256.HashData(secret, message, expected);
            foreach (var one in given)
            {
                if (!one.StartsWith("v1=", StringComparison.Ordinal) || one.Length != 3 + (2 * expected.Length)
                    || Convert.FromHexString(one.AsSpan(3), shown, out _, out var written) != System.Buffers.OperationStatus.Done || written != expected.Length
                    || !CryptographicOperations.FixedTimeEquals(expected, shown))
                {
                    continue;
                }

                // By what was signed, not by which of the secrets.
                return _seen.IsNew(Convert.ToHexString(SHA256.HashData(message)), seconds) ? null : "this request came before: a signature is good once";
            }
        }

        return $"no {SignatureHeader} (v1=HEX of HMAC-SHA256 over timestamp, a dot and the raw body) fits the body and a secret of this server";
    }
}
