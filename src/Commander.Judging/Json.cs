using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Commander.Judging;

/// <summary>How documents are written and read everywhere: snake_case, UTC with milliseconds, unknown fields refused by the strict form.</summary>
public static class Json
{
    /// <summary>For documents of our own: unknown fields are an error that names the field.</summary>
    public static readonly JsonSerializerOptions Strict = Make(JsonUnmappedMemberHandling.Disallow);

    /// <summary>For documents of others and for stored forms of later versions: unknown fields are passed over.</summary>
    public static readonly JsonSerializerOptions Tolerant = Make(JsonUnmappedMemberHandling.Skip);

    /// <summary>Applies the same rules to options that a framework owns.</summary>
    public static void Apply(JsonSerializerOptions options, JsonUnmappedMemberHandling unknown)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
        options.DictionaryKeyPolicy = null;
        options.PropertyNameCaseInsensitive = false;
        options.NumberHandling = JsonNumberHandling.Strict;
        options.UnmappedMemberHandling = unknown;
        options.AllowDuplicateProperties = false;
        options.MaxDepth = 32;
        options.RespectNullableAnnotations = true;
        options.RespectRequiredConstructorParameters = true;
        // Safe in JSON bodies; pages escape for themselves.
        options.Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;
        options.Converters.Add(new InstantConverter());
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false));
    }

    /// <summary>What is wrong with a JSON text, where, without the names of our types.</summary>
    public static string Explain(JsonException e)
    {
        var where = e.Path is { Length: > 0 } path ? path : "$";
        var line = e.LineNumber is { } number ? $" (line {number + 1}, byte {e.BytePositionInLine + 1})" : "";
        var message = e.Message;
        if (message.Contains("could not be mapped to any .NET member", StringComparison.Ordinal))
            return $"{Quoted(message) ?? where}: unknown field{line}";
        if (message.Contains("missing required properties", StringComparison.Ordinal))
            return $"{where}: required and missing: {message[(message.LastIndexOf(':') + 1)..].Trim().TrimEnd('.')}";
        if (message.Contains("could not be converted", StringComparison.Ordinal))
            return $"{where}: wrong type of value{line}";
        if (message.Contains("doesn't allow null", StringComparison.Ordinal) || message.Contains("doesn't allow setting null", StringComparison.Ordinal))
            return $"{where}: must not be null{line}";
        var end = message.IndexOf(" Path:", StringComparison.Ordinal);
        return $"{where}: {(end > 0 ? message[..end] : message)}{line}";
    }

    private static string? Quoted(string message)
    {
        var start = message.IndexOf('\'');
        var end = start < 0 ? -1 : message.IndexOf('\'', start + 1);
        return end < 0 ? null : message[(start + 1)..end];
    }

    private static JsonSerializerOptions Make(JsonUnmappedMemberHandling unknown)
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.General);
        Apply(options, unknown);
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }

    /// <summary>ISO 8601 UTC with milliseconds out; any ISO 8601 instant with an offset in.</summary>
    private sealed class InstantConverter : JsonConverter<DateTimeOffset>
    {
        public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            var text = reader.GetString();
            // Without an offset the instant would depend on where it is read: UTC is meant.
            return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var instant)
                ? instant
                : throw new JsonException("is no ISO 8601 instant, such as 2026-11-23T10:30:45.000Z");
        }

        public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
    }
}
