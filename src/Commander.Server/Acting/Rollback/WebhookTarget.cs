using System.Net.Http.Headers;
using System.Text.Json;
using Commander.Judging;
using Commander.Judging.Policies;
using Commander.Server.Connections;

namespace Commander.Server.Acting.Rollback;

/// <summary>
/// A platform that takes orders over HTTP: <c>POST url</c> with the order, signed and with the action's key as
/// <c>Idempotency-Key</c>; <c>GET url?service=&amp;environment=</c> answers which version serves.
/// </summary>
internal sealed class WebhookTarget(RollbackPolicy policy, HttpClient http, TimeProvider clock, Func<string, string?> secret) : IRollbackTarget
{
    private const int MaxAnswer = 64 * 1024;
    private readonly Uri _url = new(policy.Settings["url"], UriKind.Absolute);

    public string Name => "webhook:" + _url.GetLeftPart(UriPartial.Path);

    public bool KnowsHistory => false;

    public async Task<PlatformState> Look(string service, string environment, CancellationToken cancel)
    {
        var query = new UriBuilder(_url)
        {
            Query = $"service={Uri.EscapeDataString(service)}&environment={Uri.EscapeDataString(environment)}",
        };
        using var request = new HttpRequestMessage(HttpMethod.Get, query.Uri);
        if (!Sign(request, []))
            return new PlatformState(false, null, false, null, NoSecret);
        var (status, body, fault) = await Send(request, cancel);
        if (fault is not null)
            return new PlatformState(false, null, false, null, fault);
        if (status != 200)
            return new PlatformState(false, null, false, null, $"{Name} answered {status}");
        try
        {
            var state = JsonSerializer.Deserialize<StateAnswer>(body, Json.Tolerant);
            return state is null
                ? new PlatformState(false, null, false, null, $"{Name} answered null")
                : new PlatformState(true, state.ServingVersion, state.Settled ?? true, state.Fence, state.Message ?? $"{state.ServingVersion} serves");
        }
        catch (JsonException)
        {
            return new PlatformState(false, null, false, null, $"{Name} answered something that is not its state as JSON (serving_version, settled)");
        }
    }

    public async Task<OrderResult> Order(RollbackOrder order, CancellationToken cancel)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(order, Json.Tolerant);
        using var request = new HttpRequestMessage(HttpMethod.Post, _url);
        request.Content = new ByteArrayContent(body);
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.Add("Idempotency-Key", order.Key);
        if (!Sign(request, body))
            return new OrderResult(false, true, NoSecret);
        var (status, answer, fault) = await Send(request, cancel);
        if (fault is not null)
            return new OrderResult(false, false, fault);
        var message = Message(answer) ?? $"{Name} answered {status}";
        // 4xx but time-outs and throttling is the platform's last word; everything else may go better next time.
        return status switch
        {
            >= 200 and < 300 => new OrderResult(true, false, message),
            408 or 429 => new OrderResult(false, false, message),
            >= 400 and < 500 => new OrderResult(false, true, message),
            _ => new OrderResult(false, false, message),
        };
    }

    private string NoSecret => $"{Name} is not asked: the secret that the policy refers to ({policy.Settings["secret"]}) is not there";

    // False when it must be signed and cannot be; nothing is ever sent unsigned by accident.
    private bool Sign(HttpRequestMessage request, byte[] body)
    {
        if (!policy.Settings.TryGetValue("secret", out var reference))
            return true;
        if (secret(reference) is not { } key)
            return false;
        SignedBody.Sign(request, key, body, clock.GetUtcNow());
        return true;
    }

    private async Task<(int Status, byte[] Body, string? Fault)> Send(HttpRequestMessage request, CancellationToken cancel)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        deadline.CancelAfter(policy.Timeout);
        try
        {
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token);
            await using var stream = await response.Content.ReadAsStreamAsync(deadline.Token);
            var buffer = new byte[MaxAnswer];
            var length = await stream.ReadAtLeastAsync(buffer, MaxAnswer, throwOnEndOfStream: false, deadline.Token);
            return ((int)response.StatusCode, buffer[..length], null);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return (0, [], $"{Name} did not answer within {policy.Timeout.TotalSeconds:0.#} s");
        }
        catch (HttpRequestException e)
        {
            return (0, [], $"{Name} {Outgoing.Why(e)}");
        }
        catch (IOException e)
        {
            return (0, [], $"{Name} cannot be reached: {e.Message}");
        }
    }

    private static string? Message(byte[] answer)
    {
        try
        {
            using var json = JsonDocument.Parse(answer);
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("message", out var message) && message.ValueKind == JsonValueKind.String
                ? message.GetString()
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private sealed record StateAnswer(string? ServingVersion, bool? Settled = null, string? Fence = null, string? Message = null);
}
