using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Commander.Server.Connections;

/// <summary>
/// What Commander sends to programs is signed the way it asks of those who send to it: <c>Commander-Timestamp: UNIX</c> and
/// <c>Commander-Signature: v1=HEX(HMAC-SHA256(secret, timestamp + "." + raw body))</c>.
/// </summary>
internal static class SignedBody
{
    /// <summary>Adds both headers.</summary>
    /// <param name="request">The request that will carry the body.</param>
    /// <param name="secret">Known to both sides.</param>
    /// <param name="body">The body as it is sent, byte for byte; empty for none.</param>
    /// <param name="now">Whoever receives it lets a few minutes either way pass.</param>
    public static void Sign(HttpRequestMessage request, string secret, ReadOnlySpan<byte> body, DateTimeOffset now)
    {
        var timestamp = now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        byte[] text = [.. Encoding.ASCII.GetBytes(timestamp + "."), .. body];
        request.Headers.Add("Commander-Timestamp", timestamp);
        request.Headers.Add("Commander-Signature", "v1=" + Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), text)));
    }
}
