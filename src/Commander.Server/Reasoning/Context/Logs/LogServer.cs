using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Commander.Judging.Policies;
using Commander.Server.Connections;

namespace Commander.Server.Reasoning.Context.Logs;

/// <summary>What a server that keeps logs answered.</summary>
/// <param name="Body">Its JSON; null when there is none.</param>
/// <param name="Missing">Why there is none, as a sentence; null when there is.</param>
/// <param name="TooMuch">Whether fewer lines might be answered.</param>
internal sealed record LogReply(JsonDocument? Body, string? Missing, bool TooMuch = false);

/// <summary>What one search found.</summary>
/// <param name="Lines">The newest lines, oldest first.</param>
/// <param name="Missing">Why there are none, as a sentence; null when it was answered.</param>
/// <param name="More">Whether there are, or may be, lines beyond those.</param>
internal sealed record LogsFound(List<string> Lines, string? Missing, bool More = false);

/// <summary>
/// A server that is asked for log lines over HTTP. Bounded in time by the policy's timeout and in size by itself; whatever goes
/// wrong is a sentence. What it says about itself is cleaned of the secrets that it was sent.
/// </summary>
/// <param name="policy">Of type loki or elasticsearch: url, timeout, and token, api_key or username with password.</param>
/// <param name="http">Made by <see cref="Outgoing"/>: no redirects, no proxy, no metadata addresses.</param>
/// <param name="clock">The clock.</param>
/// <param name="secret">Resolves what the policy refers to.</param>
internal sealed class LogServer(ContextPolicy policy, HttpClient http, TimeProvider clock, Func<string, string?> secret)
{
    private const int MaxError = 16 * 1024;
    private const int MaxTold = 300;
    private static readonly TimeSpan MaxWait = TimeSpan.FromMinutes(1);
    private static readonly JsonDocumentOptions Shallow = new() { MaxDepth = 32 };

    private readonly Uri _base = new(policy.Settings["url"].TrimEnd('/') + "/", UriKind.Absolute);
    private readonly TimeSpan _timeout = policy.Settings.TryGetValue("timeout", out var text) && Durations.TryParse(text, out var timeout) ? timeout : LogLimits.DefaultTimeout;
    private long _notBefore;

    /// <summary>The address without what may be secret in it.</summary>
    public string Name { get; } = new Uri(policy.Settings["url"], UriKind.Absolute).GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped).TrimEnd('/');

    /// <summary>How long all requests for one arm may take together.</summary>
    public TimeSpan Timeout => _timeout;

    /// <summary>Runs requests that belong together within the policy's timeout; only the caller's own cancellation is thrown.</summary>
    public async Task<LogAnswer> Within(Func<CancellationToken, Task<LogAnswer>> ask, CancellationToken cancel)
    {
        var notBefore = new DateTimeOffset(Volatile.Read(ref _notBefore), TimeSpan.Zero);
        if (clock.GetUtcNow() < notBefore)
            return new LogAnswer([], $"{Name} asked to be left alone until {notBefore:HH:mm:ss}Z");
        using var patience = new CancellationTokenSource(_timeout, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        try
        {
            return await ask(both.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new LogAnswer([], $"{Name} did not answer within {_timeout.TotalSeconds:0.#} s");
        }
        catch (HttpRequestException refused)
        {
            return new LogAnswer([], $"{Name} {Outgoing.Why(refused)}");
        }
        catch (FormatException)
        {
            // What a secret's file holds is not shown, only that it does not fit.
            return new LogAnswer([], $"{Name} is not asked: a secret of logs has characters that cannot stand in a header");
        }
        catch (Exception broken) when (broken is IOException or InvalidDataException)
        {
            return new LogAnswer([], $"{Name} broke off in the middle of its answer");
        }
    }

    /// <summary>Where there are more lines than are read, what matters may be among the others: then those that tell of trouble, if they can be had in time.</summary>
    public static async Task<LogAnswer> Narrowed(LogsFound found, Func<Task<LogsFound>> trouble)
    {
        if (!found.More)
            return new LogAnswer(found.Lines, found.Missing);
        try
        {
            var narrow = await trouble();
            return narrow.Lines.Count > 0 ? new LogAnswer(narrow.Lines, null) : new LogAnswer(found.Lines, found.Lines.Count > 0 ? null : found.Missing ?? narrow.Missing);
        }
        catch (Exception late) when (found.Lines.Count > 0 && late is OperationCanceledException or HttpRequestException or IOException)
        {
            return new LogAnswer(found.Lines, null);
        }
    }

    /// <summary>Asks once.</summary>
    /// <param name="method">The method.</param>
    /// <param name="path">Path and query, below the policy's address.</param>
    /// <param name="content">What is posted; null for nothing.</param>
    /// <param name="cancel">From <see cref="Within"/>.</param>
    public async Task<LogReply> Ask(HttpMethod method, string path, HttpContent? content, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(method, new Uri(_base, path)) { Content = content };
        if (Authorize(request) is { } missing)
            return new LogReply(null, $"{Name} is not asked: the secret that the policy refers to ({missing}) is not there");
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        if (policy.Settings.TryGetValue("tenant", out var tenant))
            request.Headers.TryAddWithoutValidation("X-Scope-OrgID", tenant);
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        var status = (int)response.StatusCode;
        if (status is >= 300 and < 400)
            return new LogReply(null, $"{Name} answered {status}: redirects are not followed, name the final address in logs.url");
        if (status is 401 or 403)
            return new LogReply(null, $"{Name} answered {status}: it does not let Commander read; check the credentials of logs");
        if (status == 429)
        {
            var wait = Wait(response.Headers.RetryAfter);
            Volatile.Write(ref _notBefore, (clock.GetUtcNow() + wait).UtcTicks);
            return new LogReply(null, $"{Name} answered 429: it is asked too often, and left alone for {wait.TotalSeconds:0.#} s");
        }

        await using var body = await response.Content.ReadAsStreamAsync(cancel);
        if (status != 200)
        {
            var why = Told(await Read(body, MaxError, cancel));
            return new LogReply(null, $"{Name} answered {status}{(why.Length > 0 ? ": " + why : "")}", TooMuch: status == 413 || why.Contains("max entries limit", StringComparison.Ordinal) || why.Contains("Result window is too large", StringComparison.Ordinal));
        }

        var type = response.Content.Headers.ContentType?.MediaType ?? "";
        if (!(type.Length == 0 || type.EndsWith("json", StringComparison.OrdinalIgnoreCase)))
            return new LogReply(null, $"{Name} answered {(type.Length > 60 ? "something" : Clean(type))}, not JSON; check logs.url");
        var bytes = await Read(body, LogLimits.MaxAnswer + 1, cancel);
        if (bytes.Length > LogLimits.MaxAnswer)
            return new LogReply(null, $"{Name} sends more than {LogLimits.MaxAnswer / 1024 / 1024} MiB; let the query select fewer lines", TooMuch: true);
        try
        {
            // By way of text, so that bytes that are no UTF-8 spoil a character and not the answer.
            return new LogReply(JsonDocument.Parse(Encoding.UTF8.GetString(bytes), Shallow), null);
        }
        catch (JsonException)
        {
            return new LogReply(null, $"{Name} answered JSON that is cut off or broken");
        }
    }

    /// <summary>A text of an answer; one that has half a character in it stays as it is written.</summary>
    public static string? Text(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.String)
            return element.ValueKind is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False ? element.GetRawText() : null;
        try
        {
            return element.GetString();
        }
        catch (InvalidOperationException)
        {
            return element.GetRawText().Trim('"');
        }
    }

    private static async Task<byte[]> Read(Stream body, int most, CancellationToken cancel)
    {
        using var bytes = new MemoryStream();
        var buffer = new byte[32 * 1024];
        for (int read; bytes.Length < most && (read = await body.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, most - bytes.Length)), cancel)) > 0;)
            bytes.Write(buffer, 0, read);
        return bytes.ToArray();
    }

    // Whatever the other side says, it must not hand a secret on. Masked before it is shortened: half a secret is one too.
    private string Told(byte[] body)
    {
        var said = Reason(body) ?? Encoding.UTF8.GetString(body);
        foreach (var (_, reference) in policy.Settings)
        {
            if (IsReference(reference) && secret(reference) is { Length: > 0 } value)
                said = said.Replace(value, "***", StringComparison.Ordinal);
        }

        if (Credentials() is { } sent)
            said = said.Replace(sent, "***", StringComparison.Ordinal);
        return said.TrimStart().StartsWith('<') ? "" : Clean(said);
    }

    // Elasticsearch says it in an object, Loki as plain text.
    private static string? Reason(byte[] body)
    {
        try
        {
            using var document = JsonDocument.Parse(body, Shallow);
            return document.RootElement.ValueKind != JsonValueKind.Object ? null
                : document.RootElement.TryGetProperty("error", out var error)
                    ? error.ValueKind == JsonValueKind.Object && error.TryGetProperty("reason", out var reason) ? Text(reason) : Text(error)
                    : document.RootElement.TryGetProperty("message", out var message) ? Text(message) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Clean(string said)
    {
        var line = new StringBuilder();
        foreach (var rune in said.Trim().EnumerateRunes())
        {
            if (line.Length >= MaxTold)
                return line.Append("...").ToString();
            line.Append(Rune.IsControl(rune) ? " " : rune.ToString());
        }

        return line.ToString();
    }

    private string? Credentials() =>
        policy.Settings.TryGetValue("username", out var user) && policy.Settings.TryGetValue("password", out var reference) && secret(reference) is { } password
            ? Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}"))
            : null;

    /// <summary>Sets the header; answers the reference of a secret that is not there, null when all is well.</summary>
    private string? Authorize(HttpRequestMessage request)
    {
        foreach (var (key, scheme) in ((string, string)[])[("token", "Bearer"), ("api_key", "ApiKey")])
        {
            if (!policy.Settings.TryGetValue(key, out var reference))
                continue;
            if (secret(reference) is not { Length: > 0 } value)
                return reference;
            request.Headers.Authorization = new AuthenticationHeaderValue(scheme, value);
            return null;
        }

        if (!policy.Settings.ContainsKey("username"))
            return null;
        if (Credentials() is not { } sent)
            return policy.Settings.GetValueOrDefault("password") ?? "password";
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", sent);
        return null;
    }

    private static bool IsReference(string text) => text.StartsWith("${", StringComparison.Ordinal) || text.StartsWith("file:", StringComparison.Ordinal);

    private TimeSpan Wait(RetryConditionHeaderValue? header)
    {
        var asked = header?.Delta ?? (header?.Date is { } date ? date - clock.GetUtcNow() : TimeSpan.FromSeconds(1));
        return asked < TimeSpan.Zero ? TimeSpan.Zero : asked > MaxWait ? MaxWait : asked;
    }
}
