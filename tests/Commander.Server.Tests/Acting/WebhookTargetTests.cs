using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Commander.Judging.Policies;
using Commander.Server.Acting.Rollback;
using Commander.Server.Demo;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Acting;

public sealed class WebhookTargetTests : IAsyncDisposable
{
    private static readonly RollbackOrder Order = new("dep-1/rollback/1", "dep-1", "checkout", "prod", "2", "1", null);
    private readonly HttpClient _http = new() { Timeout = Timeout.InfiniteTimeSpan };
    private Listener? _platform;

    [Fact]
    public async Task An_order_is_signed_and_carries_its_key()
    {
        (string Key, string Signature, string Expected, string Target)? seen = null;
        var target = await Target(async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            var body = await reader.ReadToEndAsync();
            var signed = HMACSHA256.HashData(Encoding.UTF8.GetBytes("s3cret"), Encoding.UTF8.GetBytes($"{context.Request.Headers["Commander-Timestamp"]}.{body}"));
            seen = (context.Request.Headers["Idempotency-Key"].ToString(), context.Request.Headers["Commander-Signature"].ToString(), "v1=" + Convert.ToHexStringLower(signed), (string)JsonNode.Parse(body)!["target_version"]!);
            await context.Response.WriteAsync("""{"accepted":true,"message":"on its way"}""");
        });
        (await target.Order(Order, CancellationToken.None)).ShouldBe(new OrderResult(true, false, "on its way"));
        seen!.Value.Key.ShouldBe("dep-1/rollback/1");
        seen.Value.Signature.ShouldBe(seen.Value.Expected);
        seen.Value.Target.ShouldBe("1");
    }

    [Theory]
    [InlineData(200, true, false)]
    [InlineData(409, false, true)]
    [InlineData(429, false, false)]
    [InlineData(503, false, false)]
    public async Task A_status_says_whether_asking_again_may_help(int status, bool accepted, bool refused)
    {
        var target = await Target(context =>
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        });
        var result = await target.Order(Order, CancellationToken.None);
        (result.Accepted, result.Refused).ShouldBe((accepted, refused));
    }

    [Theory]
    [InlineData("""{"serving_version":"1","settled":true,"message":"1 serves"}""", true, "1")]
    [InlineData("""<html>hello</html>""", false, null)]
    [InlineData("null", false, null)]
    public async Task A_state_is_read_or_is_said_to_be_none(string answer, bool reached, string? serving)
    {
        var target = await Target(context => context.Response.WriteAsync(answer));
        var state = await target.Look("checkout", "prod", CancellationToken.None);
        (state.Reached, state.ServingVersion).ShouldBe((reached, serving));
    }

    [Fact]
    public async Task A_platform_that_hangs_is_left_after_its_time_out()
    {
        var target = await Target(context => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted), timeout: TimeSpan.FromMilliseconds(300));
        (await target.Order(Order, CancellationToken.None)).Message.ShouldContain("did not answer within 0.3 s");
    }

    [Fact]
    public async Task Without_the_secret_nothing_is_sent()
    {
        var asked = false;
        var target = await Target(
            _ =>
            {
                asked = true;
                return Task.CompletedTask;
            },
            secret: null);
        var result = await target.Order(Order, CancellationToken.None);
        result.Refused.ShouldBeTrue();
        result.Message.ShouldContain("${COMMANDER_SECRET_X}");
        (await target.Look("checkout", "prod", CancellationToken.None)).Reached.ShouldBeFalse();
        asked.ShouldBeFalse();
    }

    private async Task<WebhookTarget> Target(RequestDelegate answer, string? secret = "s3cret", TimeSpan? timeout = null)
    {
        _platform = await Listener.Start(0, answer, CancellationToken.None);
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["url"] = $"http://{IPAddress.Loopback}:{_platform.Port}/rollback", ["secret"] = "${COMMANDER_SECRET_X}" };
        return new WebhookTarget(new RollbackPolicy("webhook", settings, [], timeout ?? TimeSpan.FromSeconds(10)), _http, TimeProvider.System, _ => secret);
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        if (_platform is not null)
            await _platform.DisposeAsync();
    }
}
