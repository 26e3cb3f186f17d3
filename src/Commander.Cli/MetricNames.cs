using System.Net.Http.Headers;
using System.Text.Json;

namespace Commander.Cli;

/// <summary>What a Prometheus has series of. Every call is bounded in time and size; what goes wrong is a <see cref="Failure"/> in words.</summary>
internal sealed class MetricNames : IDisposable
{
    private const int MaxAnswer = 16 << 20;
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Recent = TimeSpan.FromDays(1);

    private readonly HttpClient _http;
    private readonly TimeProvider _clock;

    public MetricNames(Uri address, string? token, TimeProvider clock)
    {
        Address = address;
        _clock = clock;
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(5), UseCookies = false, UseProxy = !address.IsLoopback }, disposeHandler: true)
        {
            BaseAddress = new Uri(address.AbsoluteUri.TrimEnd('/') + "/"),
            Timeout = CallTimeout,
            MaxResponseContentBufferSize = MaxAnswer,
        };
        if (!string.IsNullOrEmpty(token))
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    public Uri Address { get; }

    public void Dispose() => _http.Dispose();

    public Task<IReadOnlyList<string>> Metrics(CancellationToken cancel) => Get("api/v1/label/__name__/values?" + Since(), cancel);

    public Task<IReadOnlyList<string>> Labels(string metric, CancellationToken cancel) =>
        Get($"api/v1/labels?{Since()}&match[]={Uri.EscapeDataString(metric)}", cancel);

    public Task<IReadOnlyList<string>> Values(string metric, string label, CancellationToken cancel) =>
        Get($"api/v1/label/{Uri.EscapeDataString(label)}/values?{Since()}&match[]={Uri.EscapeDataString(metric)}", cancel);

    private string Since() => $"start={(_clock.GetUtcNow() - Recent).ToUnixTimeSeconds()}";

    private async Task<IReadOnlyList<string>> Get(string path, CancellationToken cancel)
    {
        const string remedy = "check --prometheus, and PROMETHEUS_TOKEN where it wants a token";
        try
        {
            using var answer = await _http.GetAsync(new Uri(path, UriKind.Relative), cancel);
            if (!answer.IsSuccessStatusCode)
                throw new Failure($"{Address} answered {(int)answer.StatusCode}", remedy);
            using var document = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync(cancel));
            return [.. document.RootElement.GetProperty("data").EnumerateArray().Select(name => name.GetString() ?? "")];
        }
        catch (HttpRequestException refused)
        {
            throw new Failure($"no Prometheus answers at {Address}: {refused.Message.TrimEnd('.')}", remedy);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new Failure($"{Address} did not answer within {CallTimeout.TotalSeconds:0} s", remedy);
        }
        catch (Exception other) when (other is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new Failure($"{Address} answered something that is no answer of Prometheus", remedy);
        }
    }
}
