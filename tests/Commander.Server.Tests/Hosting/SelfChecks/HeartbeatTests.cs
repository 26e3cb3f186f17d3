using Commander.Judging.Policies;
using Commander.Server.Connections;
using Commander.Server.Hosting.SelfChecks;
using Commander.Server.Tests.Sources;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Hosting.SelfChecks;

/// <summary>The heart beats while everything that it stands for does, and no longer.</summary>
public sealed class HeartbeatTests : IAsyncLifetime
{
    private readonly SelfCheckWorld _world = new();
    private readonly HttpClient _http = Outgoing.Create();
    private readonly Lines _log = new();
    private BrokenStore _store = null!;
    private Exporter _outside = null!;
    private SelfNode _node = null!;
    private Heartbeat _heart = null!;
    private string _seen = "";

    private HeartbeatOptions Options => new(new Uri(_outside.Url[..^"metrics".Length] + "ping/planted-secret"), TimeSpan.FromMinutes(1));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _store = new BrokenStore(_world.Store);
        _outside = await Exporter.Start();
        _outside.Answer = context =>
        {
            _seen = $"{context.Request.Method} {context.Request.Path} {context.Request.ContentLength}";
            return Task.CompletedTask;
        };
        _node = _world.Begin(PolicySet.Empty, checks: [new Check("store", async cancel =>
        {
            await _store.Probe(cancel);
            return Found.Well("takes writes");
        }, AtOnce: true)]);
        _heart = new Heartbeat(Options, _http, _store.Probe, () => _node.Self.Finished, _world.Clock, _log);
    }

    public async ValueTask DisposeAsync()
    {
        _heart.Dispose();
        _http.Dispose();
        await _store.DisposeAsync();
        await _world.DisposeAsync();
        await _outside.DisposeAsync();
    }

    [Fact(Timeout = 60_000)]
    public async Task It_posts_an_empty_body_every_minute_from_the_start()
    {
        var cancel = TestContext.Current.CancellationToken;
        using var clock = new PausingClock(TimeSpan.FromMinutes(1), _world.Clock.GetUtcNow());
        using var heart = new Heartbeat(Options, _http, _store.Probe, () => _node.Self.Finished, clock, _log);
        await heart.StartAsync(cancel);
        for (var beats = 1; beats <= 3; beats++)
        {
            await clock.Paused.WaitAsync(cancel);
            _outside.Requests.ShouldBe(beats);
            clock.Advance(TimeSpan.FromMinutes(1));
        }

        await clock.Paused.WaitAsync(cancel);
        await heart.StopAsync(cancel);
        _seen.ShouldBe("POST /ping/planted-secret 0");
        heart.Last.ShouldBe(new Found(true, "127.0.0.1 has the last one, of 10:03:00 UTC"));
        _log.All.ShouldBeEmpty();
    }

    [Fact]
    public async Task It_stops_while_the_store_takes_no_writes_and_goes_on_afterwards()
    {
        await _heart.Beat(Cancel);
        _store.Broken = true;
        await _heart.Beat(Cancel);
        await _heart.Beat(Cancel);
        _outside.Requests.ShouldBe(1);
        _heart.Last.ShouldBe(new Found(false, "withheld: the store takes no writes"));
        _store.Broken = false;
        await _heart.Beat(Cancel);
        _outside.Requests.ShouldBe(2);
        _log.All.ShouldBe(["no heartbeat: withheld: the store takes no writes", "the heartbeat goes out"]);
    }

    [Fact]
    public async Task It_stops_when_the_self_check_has_not_come_to_an_end_for_eleven_minutes()
    {
        _world.Clock.Advance(TimeSpan.FromMinutes(11) - TimeSpan.FromSeconds(1));
        await _heart.Beat(Cancel);
        _outside.Requests.ShouldBe(1);
        _world.Clock.Advance(TimeSpan.FromSeconds(1));
        await _heart.Beat(Cancel);
        _outside.Requests.ShouldBe(1);
        _heart.Last.Message.ShouldBe("withheld: the self-check has not come to an end for 11 min");
        await _node.Self.Run(Cancel);
        await _heart.Beat(Cancel);
        _outside.Requests.ShouldBe(2);
    }

    [Theory]
    [InlineData(404, "127.0.0.1 answered 404")]
    [InlineData(302, "127.0.0.1 answered 302: redirects are not followed, name the final address in COMMANDER_HEARTBEAT_URL")]
    public async Task What_the_other_side_says_no_to_is_logged_once_and_without_its_address(int status, string said)
    {
        _outside.Answer = context =>
        {
            context.Response.StatusCode = status;
            context.Response.Headers.Location = _outside.Url;
            return Task.CompletedTask;
        };
        await _heart.Beat(Cancel);
        await _heart.Beat(Cancel);
        _heart.Last.ShouldBe(new Found(false, said));
        _log.All.ShouldBe(["no heartbeat: " + said]);
        _outside.Requests.ShouldBe(2);
    }

    [Fact(Timeout = 60_000)]
    public async Task Who_is_gone_or_never_answers_is_waited_for_no_longer_than_ten_seconds()
    {
        var cancel = TestContext.Current.CancellationToken;
        using var arrived = new SemaphoreSlim(0);
        _outside.Answer = async context =>
        {
            arrived.Release();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        };
        var beat = _heart.Beat(cancel);
        await arrived.WaitAsync(cancel);
        _world.Clock.Advance(TimeSpan.FromSeconds(10));
        await beat;
        _heart.Last.ShouldBe(new Found(false, "127.0.0.1 did not answer within 10 s"));
        await _outside.DisposeAsync();
        await _heart.Beat(cancel);
        _heart.Last.ShouldBe(new Found(false, "127.0.0.1 refused the connection"));
    }

    /// <summary>Says when somebody begins to wait for just so long.</summary>
    private sealed class PausingClock(TimeSpan pause, DateTimeOffset now) : FakeTimeProvider(now), IDisposable
    {
        public SemaphoreSlim Paused { get; } = new(0);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            if (dueTime == pause)
                Paused.Release();
            return timer;
        }

        public void Dispose() => Paused.Dispose();
    }

    /// <summary>What was logged.</summary>
    private sealed class Lines : ILogger<Heartbeat>
    {
        public List<string> All { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => All.Add(formatter(state, exception));
    }
}
