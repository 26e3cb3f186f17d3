using System.Buffers;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Server.Connections;
using Polly;
using Polly.CircuitBreaker;

namespace Commander.Server.Sources.Prometheus;

/// <summary>
/// Prometheus' HTTP API, or that of a server that speaks it (Thanos, Mimir, VictoriaMetrics). Bounded in time by the policy's timeout,
/// in size by itself, and in how much it asks at once; whatever goes wrong is an answer with a quality and its reason.
/// </summary>
/// <param name="settings">The policy's settings: url, token, username, password, headers.*, timeout.</param>
/// <param name="http">Made by <see cref="Outgoing"/>: no redirects, no proxy, no metadata addresses.</param>
/// <param name="clock">The clock.</param>
/// <param name="secret">Resolves what the policy refers to.</param>
internal sealed class PrometheusClient(SourceSettings settings, HttpClient http, TimeProvider clock, Func<string, string?> secret) : IDisposable
{
    public const int MaxBody = 16 * 1024 * 1024;

    // What a source's answers take in memory together, over all watches that ask it at once.
    private const long MaxHeld = 64 * 1024 * 1024;
    private const int MaxError = 64 * 1024;
    private const int MaxText = 1024 * 1024;
    private const int MaxTold = 300;
    private const int MaxAtOnce = 8;
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(5);

    // A source that does not answer at all is left alone for a moment, then one request tries. Otherwise every watch would wait its
    // whole patience for it, tick by tick, and it would come back under all that has piled up.
    private const int FailuresAtLeast = 20;
    private static readonly TimeSpan FailuresWithin = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan LeftAlone = TimeSpan.FromSeconds(2);

    private readonly ResiliencePipeline<PromAnswer> _breaker = new ResiliencePipelineBuilder<PromAnswer> { TimeProvider = clock }
        .AddCircuitBreaker(new CircuitBreakerStrategyOptions<PromAnswer>
        {
            ShouldHandle = tried => ValueTask.FromResult(tried.Outcome.Result is { NoAnswer: true }),
            FailureRatio = 0.9,
            MinimumThroughput = FailuresAtLeast,
            SamplingDuration = FailuresWithin,
            BreakDuration = LeftAlone,
        })
        .Build();

    private readonly Room _room = new(MaxHeld);
    private readonly SemaphoreSlim _places = new(MaxAtOnce, MaxAtOnce);
    private readonly Uri _base = new(settings.Settings["url"].TrimEnd('/') + "/", UriKind.Absolute);
    private readonly TimeSpan _timeout = settings.Settings.TryGetValue("timeout", out var text) && Durations.TryParse(text, out var timeout) ? timeout : DefaultTimeout;

    /// <summary>The address without what may be secret in it.</summary>
    public string Name { get; } = new Uri(settings.Settings["url"], UriKind.Absolute).GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped).TrimEnd('/');

    /// <summary>Where the answers of somebody who asks are accounted for, until it is disposed.</summary>
    public Room.Share Begin() => _room.Begin();

    /// <summary>The value of an expression at an instant; of a range selector, the points in its range.</summary>
    public Task<PromAnswer> Query(string expression, DateTimeOffset at, Room.Share share, CancellationToken cancel) =>
        Ask("api/v1/query", [("query", expression), ("time", Seconds(at)), ("timeout", Milliseconds(_timeout))], share, cancel);

    /// <summary>The values of an expression at from, from + step ... up to to.</summary>
    public Task<PromAnswer> QueryRange(string expression, DateTimeOffset from, DateTimeOffset to, TimeSpan step, Room.Share share, CancellationToken cancel) =>
        Ask("api/v1/query_range", [("query", expression), ("start", Seconds(from)), ("end", Seconds(to)), ("step", (step.TotalMilliseconds / 1000).ToString("0.###", CultureInfo.InvariantCulture)), ("timeout", Milliseconds(_timeout))], share, cancel);

    /// <summary>The values that a label has had since <paramref name="from"/>, on the series that a selector selects; __name__ for the metrics' names.</summary>
    public async Task<PromAnswer> LabelValues(string label, string? selector, DateTimeOffset from, CancellationToken cancel)
    {
        var query = $"?start={Seconds(from)}" + (selector is null ? "" : $"&match[]={Uri.EscapeDataString(selector)}");
        using var share = Begin();
        return await Ask($"api/v1/label/{Uri.EscapeDataString(label)}/values{query}", null, share, cancel);
    }

    /// <summary>The names of the labels on the series that a selector selects.</summary>
    public async Task<PromAnswer> LabelNames(string? selector, DateTimeOffset from, CancellationToken cancel)
    {
        using var share = Begin();
        return await Ask("api/v1/labels", selector is null ? [("start", Seconds(from))] : [("start", Seconds(from)), ("match[]", selector)], share, cancel);
    }

    /// <summary>What is said when a tick can wait no longer.</summary>
    public PromAnswer TooLate() => PromAnswer.Failed(Quality.Timeout, $"{Name} did not answer within the tick's deadline");

    public void Dispose() => _places.Dispose();

    private static string Seconds(DateTimeOffset at) => (at.ToUnixTimeMilliseconds() / 1000m).ToString("0.###", CultureInfo.InvariantCulture);

    private static string Milliseconds(TimeSpan span) => ((long)span.TotalMilliseconds).ToString(CultureInfo.InvariantCulture) + "ms";

    private async Task<PromAnswer> Ask(string path, (string, string)[]? form, Room.Share share, CancellationToken cancel)
    {
        try
        {
            await _places.WaitAsync(cancel);
            try
            {
                return await _breaker.ExecuteAsync(async (asked, token) => await Try(asked.path, asked.form, asked.share, token), (path, form, share), cancel);
            }
            finally
            {
                _places.Release();
            }
        }
        catch (BrokenCircuitException)
        {
            return PromAnswer.Failed(Quality.Timeout, $"{Name} did not answer {FailuresAtLeast} requests and more; it is left alone for {LeftAlone.TotalSeconds:0} s, then tried again");
        }
        catch (OperationCanceledException)
        {
            return TooLate();
        }
    }

    private async Task<PromAnswer> Try(string path, (string, string)[]? form, Room.Share share, CancellationToken cancel)
    {
        using var patience = new CancellationTokenSource(_timeout, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        try
        {
            return await Send(path, form, share, both.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return PromAnswer.Failed(Quality.Timeout, $"{Name} did not answer within {_timeout.TotalSeconds:0.#} s") with { NoAnswer = true };
        }
        catch (HttpRequestException refused)
        {
            return PromAnswer.Failed(Quality.Error, $"{Name} {Outgoing.Why(refused)}") with { NoAnswer = true };
        }
        catch (FormatException)
        {
            // What a secret's file holds is not shown, only that it does not fit.
            return PromAnswer.Failed(Quality.Denied, $"{Name} is not asked: a secret or header of sources.{settings.Name} has characters that cannot stand in a header");
        }
        catch (Exception broken) when (broken is IOException or InvalidDataException)
        {
            return PromAnswer.Failed(Quality.Error, $"{Name} broke off in the middle of its answer") with { NoAnswer = true };
        }
    }

    private async Task<PromAnswer> Send(string path, (string Key, string Value)[]? form, Room.Share share, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(form is null ? HttpMethod.Get : HttpMethod.Post, new Uri(_base, path));
        if (form is not null)
            request.Content = new FormUrlEncodedContent(form.Select(pair => KeyValuePair.Create(pair.Key, pair.Value)));
        if (Authorize(request) is { } missing)
            return PromAnswer.Failed(Quality.Denied, $"{Name} is not asked: the secret that the policy refers to ({missing}) is not there");
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        var status = (int)response.StatusCode;
        if (status is >= 300 and < 400)
            return PromAnswer.Failed(Quality.Error, $"{Name} answered {status}: redirects are not followed, name the final address in sources.{settings.Name}.url");
        if (status is 401 or 403)
            return PromAnswer.Failed(Quality.Denied, $"{Name} answered {status}: it does not let Commander read; set token, or username and password, of sources.{settings.Name}");
        var type = response.Content.Headers.ContentType?.MediaType ?? "";
        await using var body = await response.Content.ReadAsStreamAsync(cancel);
        if (status != 200)
        {
            var why = type is "application/json" or "text/json" or "" ? Told(await ReadError(body, cancel)) : null;
            // What Prometheus gave up on because of its own time limit.
            var late = status is 503 or 504 && why?.Contains("timed out", StringComparison.Ordinal) == true;
            // 422: the query as such would be answered, but not so much of it.
            return PromAnswer.Failed(late ? Quality.Timeout : Quality.Error, $"{Name} answered {status}{(why is null ? "" : ": " + why)}") with { TooLarge = status == 422, NoAnswer = late };
        }

        if (type is not ("application/json" or "text/json" or ""))
            return PromAnswer.Failed(Quality.Error, $"{Name} answered {(type.Length > 60 ? "something" : type)}, not the JSON of Prometheus' API; check sources.{settings.Name}.url");
        var answer = await ReadAnswer(body, share, cancel);
        return answer with { Detail = Told(answer.Detail), Ahead = response.Headers.Date - clock.GetUtcNow() };
    }

    // Whatever the other side says, it must not hand a secret on into facts and pages. Masked before it is shortened: half a secret is one too.
    private string? Told(string? message)
    {
        if (message is null)
            return null;
        foreach (var (_, reference) in settings.Settings)
        {
            if (IsReference(reference) && secret(reference) is { Length: > 0 } value)
                message = message.Replace(value, "***", StringComparison.Ordinal);
        }

        if (Credentials() is { } sent)
            message = message.Replace(sent, "***", StringComparison.Ordinal);
        var line = message.ReplaceLineEndings(" ");
        return line.Length > MaxTold ? line[..MaxTold] + "..." : line;
    }

    private string? Credentials() =>
        settings.Settings.TryGetValue("username", out var user) && (settings.Settings.TryGetValue("password", out var reference) ? secret(reference) : "") is { } password
            ? Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}"))
            : null;

    /// <summary>Sets the headers; answers the reference of a secret that is not there, null when all is well.</summary>
    private string? Authorize(HttpRequestMessage request)
    {
        if (settings.Settings.TryGetValue("token", out var token))
        {
            if (secret(token) is not { } value)
                return token;
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", value);
        }
        else if (settings.Settings.ContainsKey("username"))
        {
            if (Credentials() is not { } sent)
                return settings.Settings["password"];
            request.Headers.Authorization = new AuthenticationHeaderValue("Basic", sent);
        }

        foreach (var (key, given) in settings.Settings)
        {
            if (!key.StartsWith("headers.", StringComparison.Ordinal))
                continue;
            var value = IsReference(given) ? secret(given) : given;
            if (value is null)
                return given;
            request.Headers.Remove(key["headers.".Length..]);
            request.Headers.TryAddWithoutValidation(key["headers.".Length..], value);
        }

        return null;
    }

    private static bool IsReference(string text) => text.StartsWith("${", StringComparison.Ordinal) || text.StartsWith("file:", StringComparison.Ordinal);

    /// <summary>The message of an error; null where the body has none.</summary>
    private static async Task<string?> ReadError(Stream body, CancellationToken cancel)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(MaxError);
        try
        {
            return PromAnswer.Error(buffer.AsMemory(0, await body.ReadAtLeastAsync(buffer.AsMemory(0, MaxError), MaxError, throwOnEndOfStream: false, cancel)));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Reads an answer as it arrives, and no further than it may be long.</summary>
    private async Task<PromAnswer> ReadAnswer(Stream body, Room.Share share, CancellationToken cancel)
    {
        var reader = new AnswerReader(Name, share);
        var buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
        var (length, total) = (0, 0);
        try
        {
            while (true)
            {
                var read = await body.ReadAsync(buffer.AsMemory(length), cancel);
                length += read;
                total += read;
                if (total > MaxBody)
                    return PromAnswer.Failed(Quality.Error, $"{Name} sends more than {MaxBody / 1024 / 1024} MiB; let the query select fewer series") with { TooLarge = true };
                var done = reader.Feed(buffer.AsSpan(0, length), last: read == 0);
                if (read == 0 || reader.Stopped is not null)
                    return reader.Finish();
                buffer.AsSpan(done, length - done).CopyTo(buffer);
                length -= done;
                if (length < buffer.Length)
                    continue;
                // One text fills it.
                if (buffer.Length >= MaxText)
                    return PromAnswer.Failed(Quality.Error, $"{Name} answered a text of more than {MaxText / 1024 / 1024} MiB, which is no answer of Prometheus");
                var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
                buffer.AsSpan(0, length).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(buffer);
                buffer = larger;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            // Cut off in the middle, or of another form than documented.
            return PromAnswer.Failed(Quality.Error, $"{Name} answered JSON that is cut off or no answer of Prometheus");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
