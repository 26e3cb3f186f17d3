using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Commander.Server.Access;

/// <summary>How known senders show that a request is theirs. Each answers why it is not; null when it is. Any of several secrets may have signed.</summary>
internal static class SenderSignatures
{
    private const int MaxGiven = 8;
    private const int MaxId = 256;
    private const string SecretPrefix = "whsec_";

    /// <summary>
    /// GitHub: <c>X-Hub-Signature-256: sha256=HEX(HMAC-SHA256(secret, raw body))</c>. It has no time and no signed id: what is sent again
    /// must find what the first one did.
    /// </summary>
    /// <remarks>https://docs.github.com/webhooks/securing</remarks>
    public static string? GitHub(IHeaderDictionary headers, ReadOnlySpan<byte> body, IReadOnlyList<byte[]> secrets)
    {
        if (headers["X-Hub-Signature-256"].ToString() is not { Length: 71 } given || !given.StartsWith("sha256=", StringComparison.Ordinal))
            return "X-Hub-Signature-256 is no sha256=HEX; set a secret in the webhook's settings";
        Span<byte> shown = stackalloc byte[HMACSHA256.HashSizeInBytes];
        if (Convert.FromHexString(given.AsSpan(7), shown, out _, out _) != OperationStatus.Done)
            return "X-Hub-Signature-256 is no sha256=HEX";
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        foreach (var secret in secrets)
        {
            HMACSHA256.HashData(secret, body, expected);
            if (CryptographicOperations.FixedTimeEquals(expected, shown))
                return null;
        }

        return "X-Hub-Signature-256 does not fit the body and a secret of this server";
    }

    /// <summary>
    /// GitLab: with a signing token by the Standard Webhooks (<c>webhook-signature: v1,BASE64(HMAC-SHA256(key, id + "." + timestamp + "." + raw body))</c>,
    /// the key being the base64 behind <c>whsec_</c>, five minutes either way); with the older secret token by that in <c>X-Gitlab-Token</c>,
    /// which proves nothing about the body.
    /// </summary>
    /// <remarks>https://www.standardwebhooks.com, https://docs.gitlab.com/user/project/integrations/webhooks/</remarks>
    public static string? GitLab(IHeaderDictionary headers, ReadOnlySpan<byte> body, IReadOnlyList<byte[]> secrets, DateTimeOffset now)
    {
        if (headers["webhook-signature"].ToString() is { Length: > 0 } signatures)
            return Standard(headers["webhook-id"].ToString(), headers["webhook-timestamp"].ToString(), signatures, body, secrets, now);
        if (headers["X-Gitlab-Token"].ToString() is not { Length: > 0 } token)
            return "neither webhook-signature nor X-Gitlab-Token; set a signing token or a secret token in the webhook's settings";
        var shown = SHA256.HashData(Encoding.UTF8.GetBytes(token));
        foreach (var secret in secrets)
        {
            // A signing token signs; in clear text it would be given away.
            if (!secret.AsSpan().StartsWith("whsec_"u8) && CryptographicOperations.FixedTimeEquals(SHA256.HashData(secret), shown))
                return null;
        }

        return "X-Gitlab-Token is no secret of this server";
    }

    /// <summary>
    /// PagerDuty: <c>X-PagerDuty-Signature: v1=HEX(HMAC-SHA256(secret, raw body))</c>, several separated by commas while a secret is replaced.
    /// It has no time: what is sent again must find what the first one did.
    /// </summary>
    /// <remarks>https://developer.pagerduty.com/docs/verifying-webhook-signatures</remarks>
    public static string? PagerDuty(IHeaderDictionary headers, ReadOnlySpan<byte> body, IReadOnlyList<byte[]> secrets)
    {
        if (headers["X-PagerDuty-Signature"].ToString() is not { Length: > 0 } signatures)
            return "X-PagerDuty-Signature is missing; make a webhook subscription of version 3, and keep the secret that it shows once";
        var given = signatures.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (given.Length > MaxGiven)
            return $"X-PagerDuty-Signature has more than {MaxGiven} signatures";
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        Span<byte> shown = stackalloc byte[HMACSHA256.HashSizeInBytes];
        foreach (var secret in secrets)
        {
            HMACSHA256.HashData(secret, body, expected);
            foreach (var one in given)
            {
                if (one.Length == 67 && one.StartsWith("v1=", StringComparison.Ordinal)
                    && Convert.FromHexString(one.AsSpan(3), shown, out _, out _) == OperationStatus.Done && CryptographicOperations.FixedTimeEquals(expected, shown))
                {
                    return null;
                }
            }
        }

        return "no X-PagerDuty-Signature fits the body and a secret of this server";
    }

    /// <summary>
    /// Slack: <c>X-Slack-Signature: v0=HEX(HMAC-SHA256(secret, "v0:" + X-Slack-Request-Timestamp + ":" + raw body))</c>, five minutes
    /// either way. What is sent again within them is signed as well: whoever does something remembers it.
    /// </summary>
    /// <remarks>https://docs.slack.dev/authentication/verifying-requests-from-slack</remarks>
    public static string? Slack(IHeaderDictionary headers, ReadOnlySpan<byte> body, IReadOnlyList<byte[]> secrets, DateTimeOffset now)
    {
        var timestamp = headers["X-Slack-Request-Timestamp"].ToString();
        if (!long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) || seconds > 253_402_300_799)
            return "X-Slack-Request-Timestamp is no Unix time in seconds";
        if ((now - DateTimeOffset.FromUnixTimeSeconds(seconds)).Duration() > SignedRequests.Window)
            return "X-Slack-Request-Timestamp is more than five minutes off this server's clock";
        Span<byte> shown = stackalloc byte[HMACSHA256.HashSizeInBytes];
        if (headers["X-Slack-Signature"].ToString() is not { Length: 67 } given || !given.StartsWith("v0=", StringComparison.Ordinal)
            || Convert.FromHexString(given.AsSpan(3), shown, out _, out _) != OperationStatus.Done)
        {
            return "X-Slack-Signature is no v0=HEX";
        }

        byte[] message = [.. Encoding.ASCII.GetBytes($"v0:{timestamp}:"), .. body];
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        foreach (var secret in secrets)
        {
            HMACSHA256.HashData(secret, message, expected);
            if (CryptographicOperations.FixedTimeEquals(expected, shown))
                return null;
        }

        return "X-Slack-Signature does not fit the body and a secret of this server";
    }

    private static string? Standard(string id, string timestamp, string signatures, ReadOnlySpan<byte> body, IReadOnlyList<byte[]> secrets, DateTimeOffset now)
    {
        if (id.Length is 0 or > MaxId)
            return "webhook-id is missing or too long";
        if (!long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) || seconds > 253_402_300_799)
            return "webhook-timestamp is no Unix time in seconds";
        if ((now - DateTimeOffset.FromUnixTimeSeconds(seconds)).Duration() > SignedRequests.Window)
            return "webhook-timestamp is more than five minutes off this server's clock";
        var given = signatures.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (given.Length > MaxGiven)
            return $"webhook-signature has more than {MaxGiven} signatures";
        byte[] message = [.. Encoding.UTF8.GetBytes($"{id}.{timestamp}."), .. body];
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        Span<byte> shown = stackalloc byte[HMACSHA256.HashSizeInBytes];
        foreach (var secret in secrets)
        {
            HMACSHA256.HashData(Key(secret), message, expected);
            foreach (var one in given)
            {
                if (one.StartsWith("v1,", StringComparison.Ordinal) && Convert.TryFromBase64String(one[3..], shown, out var written)
                    && written == expected.Length && CryptographicOperations.FixedTimeEquals(expected, shown))
                {
                    return null;
                }
            }
        }

        return "no webhook-signature fits the body and a secret of this server";
    }

    private static byte[] Key(byte[] secret)
    {
        var text = Encoding.UTF8.GetString(secret);
        var key = new byte[text.Length];
        return text.StartsWith(SecretPrefix, StringComparison.Ordinal) && Convert.TryFromBase64String(text[SecretPrefix.Length..], key, out var length) ? key[..length] : secret;
    }
}
