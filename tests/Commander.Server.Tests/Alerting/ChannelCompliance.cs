using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Commander.Judging.Policies;
using Commander.Server.Alerting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using NJsonSchema;

namespace Commander.Server.Tests.Alerting;

/// <summary>What every channel that speaks HTTP holds, whoever is at the other end.</summary>
public abstract class ChannelCompliance : IAsyncLifetime
{
    protected const string Secret = "0123456789abcdef0123456789abcdef";
    private protected const string SecretReference = "${COMMANDER_SECRET_CHANNEL}";
    private RequestDelegate? _instead;

    private protected ChannelServer Server { get; private set; } = null!;

    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Server = await ChannelServer.Start(context => (_instead ?? Accept)(context));
        Server.Secrets[SecretReference] = Secret;
        Prepare();
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Secrets beyond the one.</summary>
    private protected virtual void Prepare()
    {
    }

    /// <summary>An entry whose channel is at an address.</summary>
    private protected abstract AlertPolicy Entry(string url);

    /// <summary>The channel's own answer to what it understands.</summary>
    private protected abstract Task Accept(HttpContext context);

    /// <summary>What the channel publishes of its messages.</summary>
    private protected abstract Task<IEnumerable<string>> Wrong(Came came);

    private protected void Answer(int status, string body = "{}", params (string Name, string Value)[] headers) => _instead = async context =>
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        foreach (var (name, value) in headers)
            context.Response.Headers[name] = value;
        await context.Response.WriteAsync(body);
    };

    private protected void Answer(RequestDelegate? instead) => _instead = instead;

    private protected Task<Delivery> Tell(Worded one, AlertPolicy? to = null) => Tell([one], to);

    private protected async Task<Delivery> Tell(IReadOnlyList<Worded> alerts, AlertPolicy? to = null)
    {
        var delivery = await Server.Channel(to ?? Entry(Server.Url)).Tell(alerts, Cancel);
        // Whatever happens, no message repeats what opens the channel.
        delivery.Message?.ShouldNotContain(Secret);
        delivery.Message?.ShouldNotContain("127.0.0.1:");
        delivery.Message?.Length.ShouldBeLessThan(600);
        return delivery;
    }

    private protected async Task AllHold()
    {
        Server.Requests.ShouldNotBeEmpty();
        foreach (var came in Server.Requests)
            (await Wrong(came)).ShouldBeEmpty(came.Text.Length > 2000 ? came.Text[..2000] : came.Text);
    }

    private protected static async Task<IEnumerable<string>> Schema(string file, string json, string? definition = null)
    {
        var schema = await JsonSchema.FromFileAsync(Repository.At("tests/Commander.Server.Tests/Alerting/Schemas/" + file), Cancel);
        return (definition is null ? schema : schema.Definitions[definition]).Validate(json).Select(error => error.ToString());
    }

    [Fact]
    public async Task An_alert_arrives_in_the_published_form()
    {
        (await Tell(SampleAlerts.Rollback())).State.ShouldBe(Told.Done);
        await AllHold();
        Server.Last.Text.ShouldContain("/d/" + SampleAlerts.Deployment.Id);
    }

    [Fact]
    public async Task No_text_of_others_breaks_the_form()
    {
        foreach (var text in SampleAlerts.Hostile)
        {
            (await Tell(SampleAlerts.Saying(text))).State.ShouldBe(Told.Done);
            Server.Last.Text.ShouldNotContain("\u202E");
            Server.Last.Text.ShouldNotContain("\\u202E", Case.Insensitive);
            Server.Last.Text.ShouldNotContain("\\u0000");
        }

        Server.Requests.Count.ShouldBe(SampleAlerts.Hostile.Length);
        await AllHold();
    }

    [Theory]
    [InlineData(400)]
    [InlineData(413)]
    [InlineData(422)]
    public async Task What_was_understood_and_refused_is_not_tried_again(int status)
    {
        Answer(status, """{"message":"not like this","errors":["summary is missing"]}""");
        var delivery = await Tell(SampleAlerts.Rollback());
        delivery.State.ShouldBe(Told.Refused);
        delivery.Message.ShouldNotBeNull().ShouldContain(status.ToString());
        delivery.Message.ShouldContain("not like this");
    }

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(408)]
    [InlineData(429)]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(503)]
    public async Task Who_is_down_busy_or_lets_nobody_in_is_tried_later(int status)
    {
        Answer(status, "<html>oh no</html>");
        var delivery = await Tell(SampleAlerts.Rollback());
        (delivery.State, delivery.RetryAfter).ShouldBe((Told.Later, null));
        delivery.Message.ShouldNotBeNull().ShouldContain(status.ToString());
    }

    [Theory]
    [InlineData("17", 17)]
    [InlineData("Mon, 23 Nov 2026 10:31:45 GMT", 45)]
    [InlineData("Mon, 23 Nov 2026 10:00:00 GMT", 0)]
    [InlineData("999999999", 3600)]
    public async Task When_it_may_be_tried_again_is_passed_on_in_bounds(string header, int seconds)
    {
        Answer(429, "{}", ("Retry-After", header));
        (await Tell(SampleAlerts.Rollback())).RetryAfter.ShouldBe(TimeSpan.FromSeconds(seconds));
    }

    [Fact]
    public async Task A_redirect_is_not_followed()
    {
        Answer(302, "{}", ("Location", Server.Url + "/elsewhere"));
        var delivery = await Tell(SampleAlerts.Rollback());
        delivery.State.ShouldBe(Told.Later);
        delivery.Message.ShouldNotBeNull().ShouldContain("redirects are not followed");
        Server.Requests.ShouldNotContain(came => came.Target.Contains("elsewhere", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Nobody_there_is_later_and_no_address_is_repeated()
    {
        int free;
        using (var held = new TcpListener(IPAddress.Loopback, 0))
        {
            held.Start();
            free = ((IPEndPoint)held.LocalEndpoint).Port;
        }

        var delivery = await Tell(SampleAlerts.Rollback(), Entry($"http://127.0.0.1:{free}"));
        delivery.State.ShouldBe(Told.Later);
        delivery.Message.ShouldNotBeNull().ShouldContain("refused the connection");
        delivery.Message.ShouldNotContain(free.ToString());
    }

    [Fact]
    public async Task An_answer_that_breaks_off_is_later()
    {
        Answer(async context =>
        {
            context.Response.ContentLength = 1000;
            await context.Response.WriteAsync("{");
            await context.Response.Body.FlushAsync();
            context.Features.GetRequiredFeature<IHttpRequestLifetimeFeature>().Abort();
        });
        (await Tell(SampleAlerts.Rollback())).State.ShouldBe(Told.Later);
    }

    [Fact]
    public async Task An_answer_without_end_is_read_only_as_far_as_it_matters()
    {
        var chunk = Encoding.ASCII.GetBytes(new string(' ', 32 * 1024));
        var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Answer(async context =>
        {
            context.Response.StatusCode = 503;
            try
            {
                // It ends only when nobody reads it any more.
                while (true)
                    await context.Response.Body.WriteAsync(chunk, context.RequestAborted);
            }
            catch (OperationCanceledException)
            {
                left.SetResult();
            }
        });
        (await Tell(SampleAlerts.Rollback())).State.ShouldBe(Told.Later);
        await left.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
    }

    [Fact]
    public async Task Whoever_waits_no_longer_is_let_go()
    {
        var arrived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Answer(async context =>
        {
            arrived.SetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        });
        using var patience = new CancellationTokenSource();
        var telling = Server.Channel(Entry(Server.Url)).Tell([SampleAlerts.Rollback()], patience.Token);
        await arrived.Task.WaitAsync(TimeSpan.FromSeconds(10), Cancel);
        await patience.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(async () => await telling);
    }

    [Fact]
    public async Task What_the_other_side_says_of_our_secrets_is_not_repeated()
    {
        Answer(async context =>
        {
            var came = Server.Last;
            context.Response.StatusCode = 400;
            var echo = $"{came.Headers.Authorization} {came.Target} {Secret} {came.Text[..Math.Min(200, came.Text.Length)]}";
            await context.Response.WriteAsync(JsonSerializer.Serialize(new { message = echo, errors = new[] { echo } }));
        });
        (await Tell(SampleAlerts.Rollback())).State.ShouldBe(Told.Refused);
    }

    [Fact]
    public async Task Without_its_secret_nothing_is_sent_and_the_reference_is_named()
    {
        foreach (var reference in Server.Secrets.Keys.ToList())
            Server.Secrets[reference] = null;
        var delivery = await Tell(SampleAlerts.Rollback());
        delivery.State.ShouldBe(Told.Later);
        delivery.Message.ShouldNotBeNull().ShouldContain("${COMMANDER_SECRET_");
        (await Server.Channel(Entry(Server.Url)).Check(Cancel)).ShouldNotBeNull().ShouldContain("${COMMANDER_SECRET_");
        Server.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_check_of_what_is_right_finds_nothing_wrong_and_tells_nobody()
    {
        (await Server.Channel(Entry(Server.Url)).Check(Cancel)).ShouldBeNull();
        Server.Requests.ShouldAllBe(came => came.Method == "GET");
    }
}
