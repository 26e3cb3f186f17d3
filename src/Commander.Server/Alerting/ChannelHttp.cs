using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Commander.Judging;
using Commander.Judging.Policies;
using Commander.Server.Connections;

namespace Commander.Server.Alerting;

/// <summary>How channels speak HTTP: one request, a bounded answer, and what it means for the alert. An address or token of theirs is in no message.</summary>
/// <param name="http">Made by <see cref="Outgoing"/>.</param>
/// <param name="clock">Time.</param>
/// <param name="to">The policy's entry.</param>
/// <param name="secret">Resolves what the policy refers to.</param>
internal sealed class ChannelHttp(HttpClient http, TimeProvider clock, AlertPolicy to, Func<string, string?> secret)
{
    private const int MaxAnswer = 64 * 1024;
    private const int MaxSaid = 300;
    private const int MaxLink = 2048;
    // What is shorter is a word of the path.
    private const int LeastHidden = 16;
    // A longer wait than an alert is tried for is none that anybody meant.
    private static readonly TimeSpan LongestWait = TimeSpan.FromHours(1);
    private readonly List<string> _hidden = [];

    /// <summary>The channel as messages name it.</summary>
    public string Name { get; } = Routing.NameOf(to);

    public DateTimeOffset Now => clock.GetUtcNow();

    /// <summary>What a setting says, itself or as a secret; or why not, without its value.</summary>
    /// <param name="text">The setting: a text, or a reference to a secret.</param>
    public (string? Value, string? Wrong) Value(string text)
    {
        if (!text.StartsWith("${", StringComparison.Ordinal) && !text.StartsWith("file:", StringComparison.Ordinal))
            return (text, null);
        if (Resolved(text) is not { Length: > 0 } value)
            return (null, $"{Name} is not told: the secret that the policy refers to ({text}) is not there");
        _hidden.Add(value);
        return (value, null);
    }

    private string? Resolved(string reference)
    {
        try
        {
            return secret(reference);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>A token of the settings; or why it cannot be used.</summary>
    public (string? Value, string? Wrong) Token()
    {
        if (to.Settings?.GetValueOrDefault("token") is not { } reference)
            return (null, $"{Name} is not told: the entry has no token");
        var (value, wrong) = Value(reference);
        return value?.Any(c => c is <= ' ' or > '~') == true ? (null, $"{Name} is not told: the secret of token has characters that cannot stand in a header") : (value, wrong);
    }

    /// <summary>The address that the entry names; or why it is none, without repeating it.</summary>
    public (Uri? Url, string? Wrong) Address()
    {
        var (text, wrong) = Value(to.To);
        if (wrong is not null)
            return (null, wrong);
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https"))
            return (null, $"{Name} is not told: its address is no http or https address");
        _hidden.Add(text!);
        // Wherever in it the secret stands, it is a long word.
        _hidden.AddRange(url.PathAndQuery.Split('/', '?', '&', '=').SelectMany(part => (string[])[part, Uri.UnescapeDataString(part)]).Where(part => part.Length >= LeastHidden));
        return (url, null);
    }

    /// <summary>An address below a base that may have a path of its own.</summary>
    public static Uri Below(Uri start, string path) => new(start.GetLeftPart(UriPartial.Path).TrimEnd('/') + "/" + path, UriKind.Absolute);

    /// <summary>A link that may stand in a message; null when it is none.</summary>
    public static string? Web(string address) => address.Length <= MaxLink && Uri.TryCreate(address, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" ? url.AbsoluteUri : null;

    /// <summary>An instant as RFC 3339 has it, in UTC with milliseconds.</summary>
    public static string Time(DateTimeOffset at) => at.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'");

    /// <summary>An object of the members that have a value.</summary>
    public static JsonObject Object(params ReadOnlySpan<(string Name, JsonNode? Value)> members)
    {
        var made = new JsonObject();
        foreach (var (name, value) in members)
        {
            if (value is not null)
                made.Add(name, value);
        }

        return made;
    }

    /// <summary>Bytes of a document, as they are sent.</summary>
    public static byte[] Bytes(JsonNode body) => JsonSerializer.SerializeToUtf8Bytes(body, Json.Tolerant);

    /// <summary>Sends JSON.</summary>
    /// <param name="method">POST or PATCH.</param>
    /// <param name="url">Where.</param>
    /// <param name="body">What.</param>
    /// <param name="dress">Adds headers; null for none.</param>
    /// <param name="cancel">Ends it.</param>
    public Task<ChannelAnswer> Send(HttpMethod method, Uri url, JsonNode body, Action<HttpRequestMessage>? dress, CancellationToken cancel) =>
        Send(method, url, Bytes(body), "application/json", dress, cancel);

    /// <summary>Sends a body as it is; null for none.</summary>
    public async Task<ChannelAnswer> Send(HttpMethod method, Uri url, byte[]? body, string type, Action<HttpRequestMessage>? dress, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(method, url);
        // Some refuse who does not say what it is.
        request.Headers.UserAgent.Add(new ProductInfoHeaderValue("Commander", null));
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue(type) { CharSet = "utf-8" };
        }

        dress?.Invoke(request);
        try
        {
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
            await using var stream = await response.Content.ReadAsStreamAsync(cancel);
            var buffer = new byte[MaxAnswer];
            var length = await stream.ReadAtLeastAsync(buffer, MaxAnswer, throwOnEndOfStream: false, cancel);
            return new ChannelAnswer(Name, (int)response.StatusCode, Read(buffer.AsMemory(0, length)), response.Headers, Wait(response.Headers), Shown);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return ChannelAnswer.None(Name, "did not answer in time");
        }
        catch (HttpRequestException refused)
        {
            return ChannelAnswer.None(Name, Outgoing.Why(refused));
        }
        catch (IOException)
        {
            return ChannelAnswer.None(Name, "broke off in the middle of its answer");
        }
    }

    /// <summary>A text of the other side: short, on one line, without what must not be repeated.</summary>
    private string Shown(string text)
    {
        foreach (var hidden in _hidden)
            text = text.Replace(hidden, "(secret)", StringComparison.OrdinalIgnoreCase);
        return Plain.Line(text, MaxSaid);
    }

    private TimeSpan? Wait(HttpResponseHeaders headers) => Bounded(headers.RetryAfter switch
    {
        { Delta: { } wait } => wait,
        { Date: { } until } => until - Now,
        _ => null,
    });

    /// <summary>A wait as it is passed on: not negative, and at most an hour.</summary>
    public static TimeSpan? Bounded(TimeSpan? wait) => wait switch
    {
        null => null,
        { } given when given < TimeSpan.Zero => TimeSpan.Zero,
        { } given => given < LongestWait ? given : LongestWait,
    };

    private static JsonElement? Read(ReadOnlyMemory<byte> body)
    {
        try
        {
            var reader = new Utf8JsonReader(body.Span, new JsonReaderOptions { MaxDepth = 32 });
            return JsonElement.ParseValue(ref reader);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>What came back.</summary>
/// <param name="Name">The channel.</param>
/// <param name="Status">The HTTP status; 0 when there was no answer.</param>
/// <param name="Body">The body; null when it is no JSON, or more than is read.</param>
/// <param name="Headers">The headers; null when there was no answer.</param>
/// <param name="RetryAfter">When it may be tried again, if the answer said so.</param>
/// <param name="Shown">Makes a text of the other side fit to be shown.</param>
internal sealed record ChannelAnswer(string Name, int Status, JsonElement? Body, HttpResponseHeaders? Headers, TimeSpan? RetryAfter, Func<string, string> Shown)
{
    private const int MostErrors = 3;

    /// <summary>Why there was no answer; null when there was one.</summary>
    public string? Fault { get; private init; }

    public bool Ok => Status is >= 200 and < 300;

    public static ChannelAnswer None(string name, string why) => new(name, 0, null, null, null, text => text) { Fault = $"{name} {why}" };

    /// <summary>A text or number of the body; null when it has none.</summary>
    public string? Text(string member)
    {
        if (Body is not { ValueKind: JsonValueKind.Object } body || !body.TryGetProperty(member, out var value))
            return null;
        try
        {
            return value.ValueKind switch
            {
                JsonValueKind.String => value.GetString(),
                JsonValueKind.Number => value.GetRawText(),
                _ => null,
            };
        }
        catch (InvalidOperationException)
        {
            // Half a character, which JSON may spell.
            return null;
        }
    }

    /// <summary>What became of the alert: it has it; it said no to this message (400, 410, 413, 422 and their like); or it may go better later.</summary>
    /// <param name="reference">How the channel knows the message again, should it have it.</param>
    public Delivery Delivery(string? reference = null) => Status switch
    {
        >= 200 and < 300 => new Delivery(Told.Done, reference),
        400 or 410 or 413 or 414 or 415 or 422 => new Delivery(Told.Refused, Message: Why()),
        _ => new Delivery(Told.Later, Message: Why(), RetryAfter: RetryAfter),
    };

    /// <summary>In a sentence, why the channel does not have it.</summary>
    public string Why()
    {
        if (Fault is not null)
            return Fault;
        var said = Said();
        var means = Status switch
        {
            >= 300 and < 400 => ": redirects are not followed; name the final address",
            401 or 403 => ": it does not let us in",
            404 or 410 => ": it knows no such address",
            413 => ": the message is too large for it",
            429 => ": it is told too much at once",
            _ => "",
        };
        return $"{Name} answered {Status}{means}{(said is null ? "" : $" ({said})")}";
    }

    /// <summary>What the channel's own errors say, bounded; null when they say nothing.</summary>
    private string? Said()
    {
        var parts = new List<string>();
        if (Text("message") is { Length: > 0 } message)
            parts.Add(message);
        if (Body is { ValueKind: JsonValueKind.Object } body && body.TryGetProperty("errors", out var errors) && errors.ValueKind == JsonValueKind.Array)
            parts.AddRange(errors.EnumerateArray().Take(MostErrors).Select(Spelled).OfType<string>());
        return parts.Count == 0 ? null : Shown(string.Join("; ", parts));
    }

    private static string? Spelled(JsonElement error)
    {
        var text = error.ValueKind == JsonValueKind.Object && error.TryGetProperty("message", out var message) ? message : error;
        try
        {
            return text.ValueKind == JsonValueKind.String ? text.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }
}
