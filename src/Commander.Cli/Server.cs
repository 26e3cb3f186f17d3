using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using Commander.Judging;
using Commander.Judging.Decisions;
using Commander.Judging.Verdicts;

namespace Commander.Cli;

/// <summary>A Commander over HTTP. Every call is bounded in time and size; what goes wrong is a <see cref="Failure"/> in words.</summary>
internal sealed class Server : IDisposable
{
    private const int MaxAnswer = 32 << 20;
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(30);

    private readonly HttpClient _http;

    public Server(Uri address, string? token)
    {
        Address = address;
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(5), UseCookies = false, UseProxy = !address.IsLoopback }, disposeHandler: true)
        {
            BaseAddress = new Uri(address.AbsoluteUri.TrimEnd('/') + "/"),
            Timeout = CallTimeout,
            MaxResponseContentBufferSize = MaxAnswer,
        };
        if (!string.IsNullOrEmpty(token))
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        _http.DefaultRequestHeaders.Accept.ParseAdd("application/json, application/problem+json");
    }

    public Uri Address { get; }

    public void Dispose() => _http.Dispose();

    public Task<Answered<Deployment>> Announce(object announcement, CancellationToken cancel) =>
        Send<Deployment>(HttpMethod.Post, "api/v1/deployments", announcement, cancel);

    public Task<Answered<Deployment>> Get(string id, CancellationToken cancel) =>
        Send<Deployment>(HttpMethod.Get, Path(id), body: null, cancel);

    public Task<Answered<Replayed>> Replay(string id, object how, CancellationToken cancel) =>
        Send<Replayed>(HttpMethod.Post, Path(id) + "/replay", how, cancel);

    public Task<Answered<JsonElement>> Label(string id, object outcome, CancellationToken cancel) =>
        Send<JsonElement>(HttpMethod.Post, Path(id) + "/outcome", outcome, cancel);

    public Task<Answered<Frozen>> Freezes(CancellationToken cancel) => Send<Frozen>(HttpMethod.Get, "api/v1/freeze", body: null, cancel);

    public Task<Answered<Frozen>> Freeze(object freeze, CancellationToken cancel) => Send<Frozen>(HttpMethod.Put, "api/v1/freeze", freeze, cancel);

    public Task<Answered<Frozen>> Lift(string? service, string? environment, CancellationToken cancel)
    {
        string?[] scope = [service is null ? null : "service=" + Uri.EscapeDataString(service), environment is null ? null : "environment=" + Uri.EscapeDataString(environment)];
        var query = string.Join('&', scope.OfType<string>());
        return Send<Frozen>(HttpMethod.Delete, "api/v1/freeze" + (query.Length > 0 ? "?" + query : ""), body: null, cancel);
    }

    public Task<Answered<LiveChecked>> CheckLive(object policy, CancellationToken cancel) =>
        Send<LiveChecked>(HttpMethod.Post, "api/v1/policies/check?live=true", policy, cancel);

    public Task<Answered<Tokens>> Tokens(CancellationToken cancel) => Send<Tokens>(HttpMethod.Get, "api/v1/tokens", body: null, cancel);

    public Task<Answered<IssuedToken>> IssueToken(object token, CancellationToken cancel) => Send<IssuedToken>(HttpMethod.Post, "api/v1/tokens", token, cancel);

    public Task<Answered<JsonElement>> RevokeToken(string id, CancellationToken cancel) => Send<JsonElement>(HttpMethod.Delete, "api/v1/tokens/" + Uri.EscapeDataString(id), body: null, cancel);

    public Task<Answered<JobProgress>> StartJob(string kind, object order, CancellationToken cancel) => Send<JobProgress>(HttpMethod.Post, "api/v1/jobs/" + Uri.EscapeDataString(kind), order, cancel);

    public Task<Answered<JobProgress>> Job(string id, CancellationToken cancel) => Send<JobProgress>(HttpMethod.Get, "api/v1/jobs/" + Uri.EscapeDataString(id), body: null, cancel);

    public Task<Answered<JobProgress>> CancelJob(string id, CancellationToken cancel) => Send<JobProgress>(HttpMethod.Delete, "api/v1/jobs/" + Uri.EscapeDataString(id), body: null, cancel);

    public Task<Answered<SelfChecked>> Doctor(bool now, CancellationToken cancel) => Send<SelfChecked>(now ? HttpMethod.Post : HttpMethod.Get, "api/v1/doctor", body: null, cancel);

    public Task<Answered<TestedAlerts>> TestAlerts(CancellationToken cancel) => Send<TestedAlerts>(HttpMethod.Post, "api/v1/doctor/test-alerts", body: null, cancel);

    private static string Path(string id) => "api/v1/deployments/" + Uri.EscapeDataString(id);

    private async Task<Answered<T>> Send<T>(HttpMethod method, string path, object? body, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
            request.Content = JsonContent.Create(body, body.GetType(), options: Json.Tolerant);
        byte[] bytes;
        HttpStatusCode status;
        string? media;
        bool joined;
        DateTimeOffset? at;
        try
        {
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseContentRead, cancel);
            bytes = await response.Content.ReadAsByteArrayAsync(cancel);
            status = response.StatusCode;
            media = response.Content.Headers.ContentType?.MediaType;
            joined = response.Headers.Contains("Commander-Joined");
            at = response.Headers.Date;
        }
        catch (HttpRequestException exception)
        {
            throw NotReached(exception);
        }
        catch (OperationCanceledException exception) when (!cancel.IsCancellationRequested)
        {
            throw new Unreachable($"{Address} did not answer within {CallTimeout.TotalSeconds:0} s", "look at its log, or name another with --server URL or COMMANDER_URL", exception);
        }

        if ((int)status is < 200 or > 299)
            throw Refused(status, media, bytes);
        if (bytes.Length == 0 && typeof(T) == typeof(JsonElement))
            bytes = "{}"u8.ToArray();
        try
        {
            var value = JsonSerializer.Deserialize<T>(bytes, Json.Tolerant) ?? throw new JsonException("the answer is null");
            return new Answered<T>(value, bytes) { Joined = joined, At = at };
        }
        catch (JsonException exception)
        {
            throw new Failure($"{Address} answered {(int)status} with {media ?? "nothing"} that is no document of Commander's: {exception.Message}",
                "check that --server or COMMANDER_URL names a Commander, and that its version fits this one's");
        }
    }

    private Unreachable NotReached(HttpRequestException exception)
    {
        var socket = exception.InnerException as SocketException;
        var why = exception.HttpRequestError switch
        {
            HttpRequestError.NameResolutionError => "its name is not known",
            HttpRequestError.SecureConnectionError => "its certificate is not accepted",
            HttpRequestError.ConnectionError when socket?.SocketErrorCode == SocketError.ConnectionRefused => "connection refused",
            _ => exception.Message.TrimEnd('.'),
        };
        return new Unreachable($"no Commander answers at {Address} ({why})",
            "start it with: dotnet run --project src/Commander.Server -- --demo   or name another with --server URL or COMMANDER_URL", exception);
    }

    private Failure Refused(HttpStatusCode status, string? media, byte[] bytes)
    {
        if (media is "application/problem+json" or "application/json")
        {
            try
            {
                var problem = JsonSerializer.Deserialize<Problem>(bytes, Json.Tolerant);
                if (problem?.Title is not null)
                {
                    var text = problem.Detail is null or "" ? problem.Title : $"{problem.Title}: {problem.Detail}";
                    return New(text, problem.Remedy ?? (problem.Detail is { Length: > 0 } && status == HttpStatusCode.NotFound ? null : Remedy(status)));
                }
            }
            catch (JsonException)
            {
                // Said below: the status is all there is.
            }
        }

        return New($"{Address} answered {(int)status} {status}", Remedy(status) ?? "check that --server or COMMANDER_URL names a Commander");

        Failure New(string text, string? remedy) =>
            (int)status is 429 or >= 500 ? new Unreachable(text, remedy, null) : new Failure(text, remedy);
    }

    private static string? Remedy(HttpStatusCode status) => status switch
    {
        HttpStatusCode.Unauthorized => "give a token in COMMANDER_TOKEN",
        HttpStatusCode.Forbidden => "give a token in COMMANDER_TOKEN whose role allows this",
        HttpStatusCode.NotFound => "check that --server or COMMANDER_URL names a Commander, with the path that it lies below, such as https://example.org/commander/",
        _ => null,
    };

    private sealed record Problem(string? Title = null, string? Detail = null, string? Remedy = null);
}

/// <summary>A document, and the bytes that it came in: what --json prints.</summary>
internal sealed record Answered<T>(T Value, byte[] Body)
{
    /// <summary>Whether it is a deployment that was announced before.</summary>
    public bool Joined { get; init; }

    /// <summary>When the server answered, by its own clock; null where it does not say.</summary>
    public DateTimeOffset? At { get; init; }
}

/// <summary>A job as it stands.</summary>
internal sealed record JobProgress(string Id, string Kind, string State, double Progress, JsonElement? Result, string? Error);

/// <summary>What is frozen.</summary>
internal sealed record Frozen(IReadOnlyList<Freeze> Items);

/// <summary>The checks of the server itself.</summary>
internal sealed record SelfChecked(bool Ok, DateTimeOffset? At, string Node, IReadOnlyList<SelfChecked.Check> Checks)
{
    internal sealed record Check(string Name, bool Ok, string Message, DateTimeOffset Since);
}

/// <summary>What became of a test alert.</summary>
internal sealed record TestedAlerts(bool Ok, IReadOnlyList<TestedAlerts.Channel> Channels)
{
    internal sealed record Channel(string Name, string State, string? Message, double TookMs);
}

/// <summary>The tokens that hold.</summary>
internal sealed record Tokens(IReadOnlyList<Tokens.Token> Items, bool? Open = null)
{
    internal sealed record Token(string Id, string Name, string Role, string By, DateTimeOffset At, DateTimeOffset? Until, IReadOnlyList<string>? Services, IReadOnlyList<string>? Environments);
}

/// <summary>A token that was just issued.</summary>
internal sealed record IssuedToken(string Id, string Token);

/// <summary>What a replay answers.</summary>
internal sealed record Replayed(Verdict? Verdict, bool Identical, IReadOnlyList<string> Differences);

/// <summary>What a live check answers.</summary>
internal sealed record LiveChecked(bool Valid, IReadOnlyList<string> Errors, IReadOnlyList<LiveChecked.Query>? Queries, IReadOnlyList<string>? NotChecked)
{
    internal sealed record Query(string Service, string Metric, string Key, int Series, double? NewestAgeSeconds, double? Value, string? Error, string? Note);
}
