using System.ClientModel;
using System.ClientModel.Primitives;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Commander.Server.Connections;
using Microsoft.Extensions.AI;
using OpenAI;
using Polly;
using Polly.CircuitBreaker;
using Polly.Retry;

namespace Commander.Server.Reasoning;

/// <summary>What a model's server answered, or why there is no answer.</summary>
/// <param name="Text">The answer as it came; null when there is none.</param>
/// <param name="Missing">Why there is none, as a sentence without any secret.</param>
/// <param name="PromptTokens">Of all requests; estimated where the server does not say.</param>
/// <param name="AnswerTokens">The same of the answers.</param>
/// <param name="Requests">How many requests it took.</param>
internal sealed record Reply(string? Text, string? Missing, int PromptTokens, int AnswerTokens, int Requests);

/// <summary>Questions in a row that found no answer.</summary>
/// <param name="Times">How many.</param>
/// <param name="Why">Why the last one, as a sentence without any secret.</param>
/// <param name="At">When.</param>
internal sealed record Unanswered(int Times, string Why, DateTimeOffset At);

/// <summary>
/// A language model behind OpenAI's protocol. Bounded in time, in size, in how much is asked at once; a server that does not answer is left
/// alone for a while. Never throws for what the server does.
/// </summary>
internal sealed class LanguageModel : IDisposable
{
    /// <summary>At most so many tokens of answer are asked for.</summary>
    public const int MaxAnswer = 700;

    private const int MaxBody = 256 * 1024;
    private const int MaxRetries = 2;
    private const int FailuresAtLeast = 3;
    private const int CharactersOfToken = 4;
    private static readonly TimeSpan FailuresWithin = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan LeftAlone = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(300);

    private readonly ReasoningOptions _options;
    private readonly TimeProvider _clock;
    private readonly HttpClient _http;
    private readonly IChatClient _chat;
    private readonly SemaphoreSlim _places;
    private readonly CircuitBreakerStateProvider _state = new();
    private readonly ResiliencePipeline<Tried> _pipeline;
    private long _until;
    private Unanswered? _unanswered;

    // What the server can hold a model to: learned from its refusals.
    private volatile Held _held = Held.Schema;

    public LanguageModel(ReasoningOptions options, TimeProvider clock, HttpMessageHandler? handler = null)
    {
        (_options, _clock) = (options, clock);
        _places = new SemaphoreSlim(options.AtOnce, options.AtOnce);
        _http = new HttpClient(new Bounds(handler ?? Handler(options), options)) { Timeout = Timeout.InfiniteTimeSpan };
        _chat = new OpenAIClient(new ApiKeyCredential(options.Key ?? "none"), new OpenAIClientOptions
        {
            Endpoint = options.Url,
            Transport = new HttpClientPipelineTransport(_http),
            RetryPolicy = new ClientRetryPolicy(0),
            NetworkTimeout = Timeout.InfiniteTimeSpan,
            UserAgentApplicationId = "Commander",
        }).GetChatClient(options.Model).AsIChatClient();
        _pipeline = new ResiliencePipelineBuilder<Tried> { TimeProvider = clock }
            .AddCircuitBreaker(new CircuitBreakerStrategyOptions<Tried>
            {
                ShouldHandle = tried => ValueTask.FromResult(tried.Outcome.Result is { Failed: true }),
                FailureRatio = 0.5,
                MinimumThroughput = FailuresAtLeast,
                SamplingDuration = FailuresWithin,
                BreakDuration = LeftAlone,
                StateProvider = _state,
                // The breaker notices that the time is over only when it is asked something.
                OnOpened = _ =>
                {
                    Interlocked.Exchange(ref _until, (clock.GetUtcNow() + LeftAlone).UtcTicks);
                    return ValueTask.CompletedTask;
                },
            })
            .AddRetry(new RetryStrategyOptions<Tried>
            {
                ShouldHandle = tried => ValueTask.FromResult(tried.Outcome.Result is { Again: true }),
                MaxRetryAttempts = MaxRetries,
                Delay = FirstPause,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                DelayGenerator = tried => ValueTask.FromResult(tried.Outcome.Result?.After),
            })
            .Build();
    }

    private static SocketsHttpHandler Handler(ReasoningOptions options)
    {
        var handler = Outgoing.Handler();
        handler.MaxConnectionsPerServer = options.AtOnce;
        return handler;
    }

    /// <summary>What is answered by it is its word.</summary>
    public string Name => _options.Model;

    public TimeSpan Patience => _options.Timeout;

    /// <summary>Why it is not asked now; null when it is.</summary>
    public string? LeftAloneBecause => _state.CircuitState == CircuitState.Open && _clock.GetUtcNow() < new DateTimeOffset(Interlocked.Read(ref _until), TimeSpan.Zero)
        ? $"{Place} failed several times; it is left alone for {LeftAlone.TotalSeconds:0} s"
        : null;

    private string Place => _options.Url.Host;

    /// <summary>How many questions in a row found no answer, and why the last of them; null when the last one was answered.</summary>
    public Unanswered? Unanswered => Volatile.Read(ref _unanswered);

    /// <summary>Asks; what comes after the deadline is no answer.</summary>
    public async Task<Reply> Ask(IReadOnlyList<Message> messages, TimeSpan patience, CancellationToken cancel)
    {
        var reply = await Asked(messages, patience, cancel);
        if (reply.Text is not null)
            Volatile.Write(ref _unanswered, null);
        else if (reply.Requests > 0)
            Volatile.Write(ref _unanswered, new Unanswered((Unanswered?.Times ?? 0) + 1, reply.Missing ?? Late, _clock.GetUtcNow()));
        return reply;
    }

    private async Task<Reply> Asked(IReadOnlyList<Message> messages, TimeSpan patience, CancellationToken cancel)
    {
        using var deadline = new CancellationTokenSource(patience, _clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancel, deadline.Token);
        var requests = 0;
        var prompt = Tokens(messages);
        try
        {
            await _places.WaitAsync(both.Token);
            try
            {
                var tried = await _pipeline.ExecuteAsync(
                    async token =>
                    {
                        requests++;
                        return await Try(messages, cancel, token);
                    },
                    both.Token);
                return tried.Text is { } text
                    ? new Reply(text, null, tried.PromptTokens ?? (prompt * requests), tried.AnswerTokens ?? (text.Length / CharactersOfToken), requests)
                    : new Reply(null, tried.Missing, prompt * requests, 0, requests);
            }
            finally
            {
                _places.Release();
            }
        }
        catch (BrokenCircuitException)
        {
            return new Reply(null, LeftAloneBecause ?? $"{Place} is left alone for a while", 0, 0, requests);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new Reply(null, requests == 0 ? "too many questions were under way" : Late, prompt * requests, 0, requests);
        }
    }

    private string Late => $"{Place} did not answer within {_options.Timeout.TotalSeconds:0.#} s";

    private async Task<Tried> Try(IReadOnlyList<Message> messages, CancellationToken stopping, CancellationToken cancel)
    {
        try
        {
            return await Send(messages, _held, cancel);
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            return Tried.Nothing(Late, again: false);
        }
        catch (ClientResultException refused)
        {
            return Refused(refused);
        }
        catch (HttpRequestException unreached)
        {
            return Tried.Nothing($"{Place} {Outgoing.Why(unreached)}", again: true);
        }
        catch (AnswerTooLongException)
        {
            return Tried.Nothing($"{Place} answered with more than {MaxBody / 1024} KiB", again: false);
        }
        catch (Exception e) when (e is IOException or JsonException or FormatException or InvalidOperationException or ArgumentException or KeyNotFoundException or NotSupportedException or NullReferenceException)
        {
            // The library reads the answer: whatever it stumbles over there is the server's.
            return e.InnerException is HttpRequestException inner ? Tried.Nothing($"{Place} {Outgoing.Why(inner)}", again: true)
                : e is IOException ? Tried.Nothing($"{Place} broke its answer off", again: true)
                : Tried.Nothing($"{Place} does not answer in the form of the OpenAI protocol", again: false);
        }
    }

    private static bool Says(ClientResultException refused, params ReadOnlySpan<string> words)
    {
        var body = refused.GetRawResponse()?.Content.ToString() ?? "";
        foreach (var word in words)
        {
            if (body.Contains(word, StringComparison.OrdinalIgnoreCase))
                return true;
        }

        return false;
    }

    private async Task<Tried> Send(IReadOnlyList<Message> messages, Held held, CancellationToken cancel)
    {
        var options = new ChatOptions
        {
            Temperature = 0,
            MaxOutputTokens = MaxAnswer,
            ResponseFormat = held switch
            {
                Held.Schema => ChatResponseFormat.ForJsonSchema(Answer.Schema, "opinion"),
                Held.Json => ChatResponseFormat.Json,
                _ => ChatResponseFormat.Text,
            },
        };
        ChatMessage[] chat = [.. messages.Select(message => new ChatMessage(new ChatRole(message.Role), message.Content))];
        try
        {
            return _options.Streams ? await Streamed(chat, options, cancel) : Whole(await _chat.GetResponseAsync(chat, options, cancel));
        }
        catch (ClientResultException refused) when (refused.Status is 400 or 422 && held != Held.Nothing)
        {
            // Not every server knows schemas: it is asked for less, and from now on where it says that this was it.
            if (Says(refused, "response_format", "schema", "json"))
                _held = held + 1;
            return await Send(messages, held + 1, cancel);
        }
    }

    private static Tried Whole(ChatResponse response) => Read(response.Text, response.Usage, response.FinishReason);

    private async Task<Tried> Streamed(ChatMessage[] chat, ChatOptions options, CancellationToken cancel)
    {
        var text = new StringBuilder();
        UsageDetails? usage = null;
        ChatFinishReason? finished = null;
        await foreach (var update in _chat.GetStreamingResponseAsync(chat, options, cancel))
        {
            text.Append(update.Text);
            finished = update.FinishReason ?? finished;
            usage = update.Contents.OfType<UsageContent>().LastOrDefault()?.Details ?? usage;
            if (text.Length > Answer.MaxText)
                break;
        }

        // A stream that ends without saying so was cut off.
        return finished is null && text.Length <= Answer.MaxText ? Tried.Nothing($"{Place} broke its answer off", again: true) : Read(text.ToString(), usage, finished);
    }

    private static Tried Read(string text, UsageDetails? usage, ChatFinishReason? finished)
    {
        if (finished == ChatFinishReason.ContentFilter)
            return new Tried(null, "the model's server refused to answer (content filter)", Failed: false, Again: false, null, null, null);
        return new Tried(text, null, Failed: false, Again: false, null, Count(usage?.InputTokenCount), Count(usage?.OutputTokenCount));
    }

    // What a server says of itself is no bound.
    private static int? Count(long? tokens) => tokens is >= 0 and <= 10_000_000 ? (int)tokens : null;

    private Tried Refused(ClientResultException refused)
    {
        var what = refused.Status switch
        {
            0 when refused.InnerException is HttpRequestException inner => Outgoing.Why(inner),
            0 => "cannot be reached",
            401 or 403 => "does not accept the key",
            404 => $"does not know the model {_options.Model}, or speaks another protocol at this address",
            408 => "took too long",
            429 => "says that it is asked too much (429)",
            >= 300 and < 400 => $"sends elsewhere ({refused.Status}), which is not followed",
            _ => $"answered {refused.Status}",
        };
        var again = refused.Status is 0 or 408 or 429 or >= 500;
        return Tried.Nothing($"{Place} {what}", again) with { After = again ? RetryAfter(refused) : null };
    }

    private TimeSpan? RetryAfter(ClientResultException refused)
    {
        if (refused.GetRawResponse() is not { } response || !response.Headers.TryGetValue("Retry-After", out var value) || value is null)
            return null;
        // Beyond the patience there is no use: the deadline ends it.
        return double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds) && seconds is >= 0 and <= 3600 ? TimeSpan.FromSeconds(seconds)
            : DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) && at > _clock.GetUtcNow() && at - _clock.GetUtcNow() < TimeSpan.FromHours(1) ? at - _clock.GetUtcNow()
            : null;
    }

    /// <summary>About how many tokens messages have.</summary>
    public static int Tokens(IReadOnlyList<Message> messages) => messages.Sum(message => (message.Content.Length / CharactersOfToken) + 4);

    public void Dispose()
    {
        _chat.Dispose();
        _http.Dispose();
        _places.Dispose();
    }

    private enum Held
    {
        Schema = 0,
        Json,
        Nothing,
    }

    // Failed: the server is left alone after several of these. Again: the same request may find an answer. After: how long the server wants to be left alone.
    private sealed record Tried(string? Text, string? Missing, bool Failed, bool Again, TimeSpan? After, int? PromptTokens, int? AnswerTokens)
    {
        public static Tried Nothing(string missing, bool again) => new(null, missing, Failed: true, again, null, null, null);
    }

    private sealed class AnswerTooLongException : Exception;

    /// <summary>Bounds what is read of an answer, and adds the header that Azure wants the key in.</summary>
    private sealed class Bounds(HttpMessageHandler inner, ReasoningOptions options) : DelegatingHandler(inner)
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (options.Key is null)
                request.Headers.Authorization = null;
            else if (options.Url.Host.EndsWith(".azure.com", StringComparison.Ordinal))
                request.Headers.TryAddWithoutValidation("api-key", options.Key);
            var response = await base.SendAsync(request, cancellationToken);
            var body = new StreamContent(new Bounded(await response.Content.ReadAsStreamAsync(cancellationToken)));
            foreach (var (name, values) in response.Content.Headers)
                body.Headers.TryAddWithoutValidation(name, values);
            response.Content = body;
            return response;
        }
    }

    private sealed class Bounded(Stream inner) : Stream
    {
        private int _left = MaxBody;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => Count(inner.Read(buffer, offset, count));

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => Count(await inner.ReadAsync(buffer, cancellationToken));

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                inner.Dispose();
            base.Dispose(disposing);
        }

        private int Count(int read) => (_left -= read) < 0 ? throw new AnswerTooLongException() : read;
    }
}
