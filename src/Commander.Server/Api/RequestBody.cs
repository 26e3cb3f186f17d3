using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using Commander.Judging;

namespace Commander.Server.Api;

/// <summary>A request's JSON body, bounded and read strictly: an unknown field or a wrong type is an error that names its place.</summary>
internal static class RequestBody
{
    /// <summary>Announcements, labels, actions.</summary>
    public const int Small = 64 * 1024;

    /// <summary>Whole cases and policies.</summary>
    public const int Large = 4 << 20;

    /// <summary>The value and the SHA-256 of the raw body, or the answer that says what is wrong. An absent body is read as <paramref name="ifEmpty"/> where that is given; with <paramref name="anyType"/> JSON is read whatever the Content-Type says.</summary>
    public static async Task<(T? Value, byte[] Hash, IResult? Problem)> Read<T>(HttpContext context, int limit, CancellationToken cancel, string? ifEmpty = null, bool anyType = false)
        where T : class
    {
        var request = context.Request;
        if (!anyType && request.ContentType is { } type && !type.StartsWith("application/json", StringComparison.OrdinalIgnoreCase))
            return (null, [], Problems.Of(StatusCodes.Status415UnsupportedMediaType, "The body is not JSON", $"Content-Type is '{type}'; send application/json."));
        if (await Bytes(context, limit, cancel) is not { } bytes)
            return (null, [], TooLarge(limit));
        var hash = SHA256.HashData(bytes);
        if (bytes.Length == 0)
        {
            if (ifEmpty is null)
                return (null, hash, Problems.Invalid("the body is empty; send a JSON object"));
            bytes = System.Text.Encoding.UTF8.GetBytes(ifEmpty);
        }

        try
        {
            return JsonSerializer.Deserialize<T>(bytes, Json.Strict) is { } value
                ? (value, hash, null)
                : (null, hash, Problems.Invalid("the body is null; send a JSON object"));
        }
        catch (JsonException e)
        {
            return (null, hash, Problems.Invalid(Json.Explain(e)));
        }
    }

    /// <summary>Takes the whole body in, to be read afterwards; or the answer that it is too large.</summary>
    public static async Task<IResult?> Buffer(HttpContext context, int limit, CancellationToken cancel)
    {
        if (await Bytes(context, limit, cancel) is not { } bytes)
            return TooLarge(limit);
        context.Request.Body = new MemoryStream(bytes);
        return null;
    }

    /// <summary>The body as it came; null when it is longer.</summary>
    public static async Task<byte[]?> Bytes(HttpContext context, int limit, CancellationToken cancel)
    {
        var request = context.Request;
        if (request.ContentLength > limit)
            return null;
        using var buffer = new MemoryStream((int)(request.ContentLength ?? 1024));
        var chunk = ArrayPool<byte>.Shared.Rent(16 * 1024);
        try
        {
            int read;
            while ((read = await request.Body.ReadAsync(chunk, cancel)) > 0)
            {
                if (buffer.Length + read > limit)
                    return null;
                buffer.Write(chunk, 0, read);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(chunk);
        }

        return buffer.Length == buffer.Capacity ? buffer.GetBuffer() : buffer.ToArray();
    }

    private static IResult TooLarge(int limit) =>
        Problems.Of(StatusCodes.Status413PayloadTooLarge, "The body is too large", $"At most {limit / 1024} KiB.");
}
