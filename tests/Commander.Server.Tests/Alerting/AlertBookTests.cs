using Commander.Judging.Policies;
using Commander.Server.Alerting;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Alerting;

/// <summary>What becomes of one alert, and of two hundred.</summary>
public sealed class AlertBookTests
{
    private static readonly AlertPolicy To = new("slack", "#deploys", ["rollback"]);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Alert Alert(int n) => Some.Rollback($"dep-{n}/alert/1");

    private static AlertBook Book(FakeTimeProvider clock, Recorder channel) => new(_ => channel, (_, alert) => AlertText.Of(alert), clock);

    [Fact]
    public async Task The_first_alert_goes_out_at_once()
    {
        var (clock, channel) = (new FakeTimeProvider(), new Recorder());
        (await Book(clock, channel).Tell(To, Alert(1), Cancel)).State.ShouldBe(Told.Done);
        channel.Messages.ShouldHaveSingleItem().Keys.ShouldBe(["dep-1/alert/1"]);
    }

    [Fact]
    public async Task Two_hundred_alerts_in_a_minute_are_a_handful_of_messages_that_name_all()
    {
        var clock = new FakeTimeProvider();
        var channel = new Recorder(clock);
        var book = Book(clock, channel);
        // Nothing happens between two steps of this clock: whatever is due is so much late.
        var step = TimeSpan.FromMilliseconds(300);
        var asked = new Dictionary<string, DateTimeOffset>();
        var told = new List<Task<Delivery>>();
        for (var n = 0; n < 200; n++)
        {
            asked[$"dep-{n}/alert/1"] = clock.GetUtcNow();
            told.Add(book.Tell(To, Alert(n), Cancel));
            await Pass(clock, channel, step);
        }

        for (var turn = 0; turn < 200; turn++)
            await Pass(clock, channel, step);
        (await Task.WhenAll(told).WaitAsync(TimeSpan.FromSeconds(20), Cancel)).ShouldAllBe(came => came.State == Told.Done);

        channel.Messages.Count.ShouldBeLessThanOrEqualTo(6);
        channel.Messages.SelectMany(message => message.Keys).ShouldBe(asked.Keys);
        foreach (var (at, keys) in channel.Messages)
            keys.ShouldAllBe(key => at - asked[key] <= AlertBook.Longest + step);

        // After calm the next one goes out at once, and again five seconds are enough for what comes after it.
        await Pass(clock, channel, TimeSpan.FromMinutes(10));
        var before = channel.Messages.Count;
        await book.Tell(To, Alert(1000), Cancel);
        channel.Messages.Count.ShouldBe(before + 1);
        var next = book.Tell(To, Alert(1001), Cancel);
        await Pass(clock, channel, AlertBook.Shortest);
        await next.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
    }

    [Fact]
    public async Task What_one_message_cannot_hold_does_not_wait_again()
    {
        var clock = new FakeTimeProvider();
        var channel = new Recorder(clock) { Most = 10 };
        var book = Book(clock, channel);
        await book.Tell(To, Alert(0), Cancel);
        var told = Enumerable.Range(1, 35).Select(n => book.Tell(To, Alert(n), Cancel)).ToList();
        await Pass(clock, channel, AlertBook.Shortest);
        await Task.WhenAll(told).WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        channel.Messages.Select(message => message.Keys.Count).ShouldBe([1, 10, 10, 10, 5]);
    }

    [Fact]
    public async Task A_channel_that_hangs_is_left_after_fifteen_seconds_and_everybody_hears_of_it()
    {
        var clock = new FakeTimeProvider();
        var channel = new Recorder(clock);
        var book = Book(clock, channel);
        await book.Tell(To, Alert(0), Cancel);
        channel.Does = async cancel =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel);
            return Delivery.Done;
        };
        var told = Enumerable.Range(1, 5).Select(n => book.Tell(To, Alert(n), Cancel)).ToList();
        await Pass(clock, channel, AlertBook.Shortest);
        await channel.Told(2);
        told.ShouldAllBe(one => !one.IsCompleted);
        clock.Advance(AlertBook.Deadline);
        foreach (var came in await Task.WhenAll(told).WaitAsync(TimeSpan.FromSeconds(20), Cancel))
        {
            came.State.ShouldBe(Told.Later);
            came.Message.ShouldBe("did not answer within 15 s");
        }

        await channel.Cancelled.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
    }

    [Fact]
    public async Task A_channel_that_throws_stops_nothing_and_its_secret_is_not_repeated()
    {
        var clock = new FakeTimeProvider();
        var channel = new Recorder(clock) { Does = _ => throw new InvalidOperationException("https://hooks.example.com/secret") };
        var book = Book(clock, channel);
        foreach (var alert in (Alert[])[Alert(1), Alert(2) with { Reference = "m-1" }])
        {
            var came = await book.Tell(To, alert, Cancel);
            came.State.ShouldBe(Told.Later);
            came.Message.ShouldBe("could not be told: InvalidOperationException");
        }

        // A time-out of the channel's own is no cancellation of ours.
        channel.Does = _ => Task.FromException<Delivery>(new TaskCanceledException());
        (await book.Tell(To, Alert(3) with { Reference = "m-1" }, Cancel)).State.ShouldBe(Told.Later);
        channel.Does = null;
        var next = book.Tell(To, Alert(4), Cancel);
        await Pass(clock, channel, AlertBook.Shortest);
        (await next.WaitAsync(TimeSpan.FromSeconds(20), Cancel)).State.ShouldBe(Told.Done);
    }

    [Fact]
    public async Task What_goes_on_in_a_conversation_and_what_stands_for_itself_is_not_grouped()
    {
        var clock = new FakeTimeProvider();
        var channel = new Recorder(clock);
        var book = Book(clock, channel);
        for (var n = 0; n < 3; n++)
            (await book.Tell(To, Alert(n) with { Reference = "m-1" }, Cancel)).State.ShouldBe(Told.Done);
        channel.Most = 1;
        for (var n = 3; n < 6; n++)
            (await book.Tell(To, Alert(n), Cancel)).State.ShouldBe(Told.Done);
        channel.Messages.Select(message => message.Keys.Count).ShouldBe([1, 1, 1, 1, 1, 1]);
    }

    [Fact]
    public async Task Who_waits_no_longer_is_not_told_of_later()
    {
        var clock = new FakeTimeProvider();
        var channel = new Recorder(clock);
        var book = Book(clock, channel);
        await book.Tell(To, Alert(0), Cancel);
        using var leaves = new CancellationTokenSource();
        var gone = book.Tell(To, Alert(1), leaves.Token);
        var stays = book.Tell(To, Alert(2), Cancel);
        await leaves.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => gone);
        await Pass(clock, channel, AlertBook.Shortest);
        await stays.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        channel.Messages.SelectMany(message => message.Keys).ShouldBe(["dep-0/alert/1", "dep-2/alert/1"]);
    }

    [Fact]
    public async Task A_channel_that_this_version_does_not_have_refuses() =>
        (await new AlertBook(_ => null, (_, alert) => AlertText.Of(alert), TimeProvider.System).Tell(To, Alert(1), Cancel)).State.ShouldBe(Told.Refused);

    [Fact]
    public async Task A_check_that_hangs_ends()
    {
        var clock = new FakeTimeProvider();
        var channel = new Recorder(clock) { Does = async cancel => { await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel); return Delivery.Done; } };
        var check = Book(clock, channel).Check(To, Cancel);
        clock.Advance(AlertBook.Deadline);
        (await check.WaitAsync(TimeSpan.FromSeconds(20), Cancel)).ShouldBe("did not answer within 15 s");
    }

    /// <summary>Time passes, and whoever waited for it has done what he does then.</summary>
    private static async Task Pass(FakeTimeProvider clock, Recorder channel, TimeSpan time)
    {
        clock.Advance(time);
        await channel.Settled();
    }

    private sealed class Recorder(FakeTimeProvider? clock = null) : IAlertChannel
    {
        private readonly Lock _lock = new();
        private readonly List<(DateTimeOffset At, IReadOnlyList<string> Keys)> _messages = [];

        public int Most { get; set; } = 500;

        public Func<CancellationToken, Task<Delivery>>? Does { get; set; }

        public TaskCompletionSource Cancelled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public IReadOnlyList<(DateTimeOffset At, IReadOnlyList<string> Keys)> Messages
        {
            get
            {
                lock (_lock)
                    return [.. _messages];
            }
        }

        public Task<Delivery> Tell(IReadOnlyList<Worded> alerts, CancellationToken cancel)
        {
            cancel.Register(() => Cancelled.TrySetResult());
            lock (_lock)
                _messages.Add((clock?.GetUtcNow() ?? default, [.. alerts.Select(one => one.Alert.Key)]));
            return Does?.Invoke(cancel) ?? Task.FromResult(Delivery.Done);
        }

        public async Task<string?> Check(CancellationToken cancel) => (await Does!.Invoke(cancel)).Message;

        /// <summary>Until so many messages have come.</summary>
        public async Task Told(int messages)
        {
            for (var turn = 0; Messages.Count < messages && turn < 1_000_000; turn++)
                await Task.Yield();
            Messages.Count.ShouldBe(messages);
        }

        /// <summary>What a timer of the fake clock began goes on in the thread pool: as long as it takes to come round there a few times.</summary>
        public async Task Settled()
        {
            for (var turn = 0; turn < 50; turn++)
                await Task.Run(() => { }, Cancel);
        }
    }
}
