using System.Collections.Concurrent;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Commander.Server.Hosting;
using Commander.Server.Tests.Api;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Commander.Server.Tests.Access;

/// <summary>What somebody in the network may send who wants to read what is not theirs, or to keep the server busy.</summary>
public sealed class AttackTests : IAsyncLifetime
{
    private const string Admin = "0123456789abcdef0123456789abcdef";
    private readonly BuiltServer _server = new();
    private HttpClient _http = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _server.Begin(new CommanderOptions { AdminToken = Admin });
        _http = new HttpClient { BaseAddress = _server.Url, Timeout = TimeSpan.FromSeconds(30) };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Admin);
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
    }

    [Theory]
    [InlineData("/assets/..%2f..%2fcommander.db")]
    [InlineData("/assets/%2e%2e/%2e%2e/etc/passwd")]
    [InlineData("/assets/....//app.css")]
    [InlineData("/d/..%2f..%2fkeys")]
    [InlineData("/r/..%2f..%2fkeys")]
    [InlineData("/api/v1/deployments/..%2ftokens")]
    public async Task A_path_leads_nowhere_but_to_what_it_names(string path) => (await Raw($"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).ShouldMatch("^HTTP/1.1 (401|404|400)");

    [Theory]
    [InlineData('[')]
    [InlineData('{')]
    public async Task A_body_that_is_nothing_but_depth_is_refused(char open)
    {
        var body = open == '[' ? new string('[', 60_000) : string.Concat(Enumerable.Repeat("{\"a\":", 10_000));
        (await Post("/api/v1/deployments", new StringContent(body, Encoding.UTF8, "application/json"))).ShouldBe(HttpStatusCode.BadRequest);
        (await Post("/api/v1/executions/webhook/ai.devops.commander/devops-loop/x", new StringContent(body, Encoding.UTF8, "application/json"))).ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_body_that_is_packed_is_not_unpacked()
    {
        using var packed = new MemoryStream();
        await using (var zip = new GZipStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            for (var n = 0; n < 1_000; n++)
                await zip.WriteAsync(new byte[100_000], Cancel);
        }

        packed.Length.ShouldBeLessThan(200_000);
        using var content = new ByteArrayContent(packed.ToArray()) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        content.Headers.ContentEncoding.Add("gzip");
        (await Post("/api/v1/deployments", content)).ShouldBeOneOf(HttpStatusCode.BadRequest, HttpStatusCode.RequestEntityTooLarge, HttpStatusCode.UnsupportedMediaType);
    }

    [Fact]
    public async Task A_body_without_end_is_read_no_further_than_it_may_be_long()
    {
        var sent = 0L;
        using var endless = new StreamContent(new Endless(bytes => sent += bytes)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        try
        {
            (await Post("/api/v1/deployments", endless)).ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        }
        catch (HttpRequestException)
        {
            // The connection was closed while it was still being sent.
        }

        sent.ShouldBeLessThan(64 << 20);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: x\r\nA: ")]
    [InlineData("POST /api/v1/deployments HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 0123456789abcdef0123456789abcdef\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{")]
    public async Task Who_sends_a_letter_now_and_then_is_cut_off_others_are_answered_meanwhile_and_the_log_has_no_error(string begun)
    {
        using var log = new Errors();
        _server.App.Services.GetRequiredService<ILoggerFactory>().AddProvider(log);
        using var slow = new TcpClient();
        await slow.ConnectAsync(IPAddress.Loopback, _server.Url.Port, Cancel);
        var stream = slow.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(begun), Cancel);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var dripping = Drip(stream, stop.Token);
        // Closed, or told 408 first: either way it ends, long before all would have been sent.
        var buffer = new byte[4096];
        try
        {
            while (await stream.ReadAsync(buffer, Cancel) > 0)
                (await _http.GetAsync("/health/live", Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
        }
        catch (IOException)
        {
            // Reset.
        }

        await stop.CancelAsync();
        await dripping;
        log.Heard.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_request_with_headers_without_end_is_refused()
    {
        (await Raw("GET / HTTP/1.1\r\nHost: x\r\n" + string.Concat(Enumerable.Range(0, 200).Select(n => $"A{n}: b\r\n")) + "\r\n")).ShouldStartWith("HTTP/1.1 431");
        (await Raw("GET / HTTP/1.1\r\nHost: x\r\nA: " + new string('b', 100_000) + "\r\n\r\n")).ShouldStartWith("HTTP/1.1 431");
    }

    [Fact]
    public async Task A_link_shows_one_report_to_whoever_has_it_and_nothing_that_was_made_up()
    {
        using var announced = await _http.PostAsJsonAsync("/api/v1/deployments", new { service = "checkout", version = "1" }, Cancel);
        var id = (await announced.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("id").GetString()!;
        using var made = await _http.PostAsJsonAsync($"/api/v1/deployments/{id}/link", new { hours = 1 }, Cancel);
        made.StatusCode.ShouldBe(HttpStatusCode.Created);
        var link = new Uri((await made.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("url").GetString()!);
        using var stranger = new HttpClient { BaseAddress = _server.Url };
        (await stranger.GetStringAsync(link.PathAndQuery, Cancel)).ShouldContain(id);
        (await stranger.GetAsync(link.PathAndQuery[..^2], Cancel)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await stranger.GetAsync("/d/" + id, Cancel)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        using var tooLong = await _http.PostAsJsonAsync($"/api/v1/deployments/{id}/link", new { hours = 10_000 }, Cancel);
        tooLong.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
    }

    private static async Task Drip(NetworkStream stream, CancellationToken cancel)
    {
        try
        {
            while (true)
            {
                await stream.WriteAsync("x"u8.ToArray(), cancel);
                await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, cancel);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or SocketException)
        {
            // It is over.
        }
    }

    private async Task<HttpStatusCode> Post(string path, HttpContent content)
    {
        using var answer = await _http.PostAsync(path, content, Cancel);
        return answer.StatusCode;
    }

    private async Task<string> Raw(string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, _server.Url.Port, Cancel);
        var stream = client.GetStream();
        try
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(request), Cancel);
        }
        catch (IOException)
        {
            // Answered before all was sent.
        }

        var buffer = new byte[256];
        return Encoding.ASCII.GetString(buffer, 0, await stream.ReadAsync(buffer, Cancel));
    }

    private sealed class Errors : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Heard { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public void Dispose()
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Heard.Enqueue(formatter(state, exception));
    }

    private sealed class Endless(Action<int> sent) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count)
        {
            Array.Fill(buffer, (byte)' ', offset, count);
            sent(count);
            return count;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
