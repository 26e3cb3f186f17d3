using System.Security.Cryptography;
using System.Text.Json;

namespace Commander.Judging.Policies;

/// <summary>The content hash by which a watch pins its policy.</summary>
public static class PolicyHash
{
    /// <summary>The policy's stored body: canonical JSON, keys in declaration order.</summary>
    public static byte[] Body(Policy policy) => JsonSerializer.SerializeToUtf8Bytes(policy, Json.Tolerant);

    /// <summary>sha256: and the first 16 bytes of the body's SHA-256, in hexadecimal.</summary>
    public static string Of(ReadOnlySpan<byte> body)
    {
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(body, hash);
        return "sha256:" + Convert.ToHexStringLower(hash[..16]);
    }

    /// <summary>The content hash of a policy.</summary>
    public static string Of(Policy policy) => Of(Body(policy));

    /// <summary>Reads a stored body back.</summary>
    public static Policy Read(ReadOnlySpan<byte> body) =>
        JsonSerializer.Deserialize<Policy>(body, Json.Tolerant) ?? throw new JsonException("a policy's stored body is null");
}
