using Commander.Server.Storage;
using Commander.Server.Storage.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using static Commander.Server.Tests.Storage.Written;

namespace Commander.Server.Tests.Storage.Postgres;

/// <summary>A server to do harm to.</summary>
public sealed class DisturbedPostgres : IAsyncLifetime
{
    internal RealPostgres Server { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Server = await RealPostgres.Start();

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
        {
            await Server.DisposeAsync();
        }
    }
}

/// <summary>What becomes of writes when database or network fail under them.</summary>
public sealed class PostgresFaultTests(DisturbedPostgres disturbed) : IClassFixture<DisturbedPostgres>
{
    private const int Width = 8;

    // A group of writes has ten seconds; a cancelled step and a connection that is given up take a little longer.
    private static readonly TimeSpan InTime = TimeSpan.FromSeconds(15);

    private readonly RealPostgres _server = disturbed.Server;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact(Timeout = 120_000)]
    public async Task Connections_that_are_ended_cost_nobody_an_answer_and_nothing_is_stored_twice()
    {
        var cancel = TestContext.Current.CancellationToken;
        var connection = await _server.Fresh();
        await using var store = await Open(connection);
        using var owners = new Owners(store);

        for (var ended = 0; ended < 25; ended++)
        {
            await owners.More(20);
            await RealPostgres.Sql(connection, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'commander'");
            (await store.Count(cancel)).ShouldBe(0, "questions are asked again on a new connection");
        }

        await owners.Stop();
        owners.Refused.ShouldBe(0);
        await owners.ShouldBeStored(store, exactly: true);
    }

    [Fact(Timeout = 120_000)]
    public async Task After_the_server_was_killed_every_acknowledged_fact_is_there_and_the_store_goes_on_by_itself()
    {
        var cancel = TestContext.Current.CancellationToken;
        await using var store = await Open(await _server.Fresh());
        using var owners = new Owners(store);
        await owners.More(400);

        await _server.Kill();

        (await Refused(() => store.Append(new Append(Written.Stream("model", 1), null), cancel))).ShouldContain("cannot be reached");
        (await Refused(() => store.Announce(Announcement(Row(1)), cancel))).ShouldContain("goes on by itself");
        (await Refused(() => store.CountOpen(cancel))).ShouldContain("cannot be read");
        await _server.Run();
        await owners.More(400);
        await owners.Stop();
        owners.Refused.ShouldBeGreaterThan(0);
        await owners.ShouldBeStored(store, exactly: false);
    }

    [Fact(Timeout = 120_000)]
    public async Task While_the_server_does_not_answer_calls_fail_in_time_and_afterwards_they_go_on()
    {
        var cancel = TestContext.Current.CancellationToken;
        await using var store = await Open(await _server.Fresh());
        var facts = Written.Stream("model", 3);
        (await store.Append(new Append([facts[0]], null), cancel)).ShouldBeTrue();
        (await store.Count(cancel)).ShouldBe(0);

        await _server.Stop();
        try
        {
            var writing = Refused(() => store.Append(new Append([facts[1]], null), cancel));
            var reading = Refused(() => store.Count(cancel));
            var waiting = Refused(() => store.Append(new Append(Written.Stream("access", 1), null), cancel));
            (await writing).ShouldContain("does not answer in time");
            (await reading).ShouldContain("does not answer in time");
            await waiting;
        }
        finally
        {
            await _server.Continue();
        }

        (await store.Count(cancel)).ShouldBe(0);
        // Whether the one that was refused is there is for its owner to read.
        var last = (await store.Read("model", 0, 10, cancel))[^1];
        (await store.Append(new Append(Following(last, 1), null), cancel)).ShouldBeTrue();
        (await FactChain.Verify(store, "model", cancel)).ShouldBeNull();
    }

    [Theory(Timeout = 60_000)]
    [InlineData("COMMIT\0")]
    [InlineData("BEGIN\0")]
    public async Task What_was_under_way_when_the_connection_was_cut_is_done_once(string at)
    {
        var cancel = TestContext.Current.CancellationToken;
        var direct = await _server.Fresh();
        await using var wire = new Wire(_server.Port);
        await using var store = await Open(direct.Replace($"Port={_server.Port}", $"Port={wire.Port}", StringComparison.Ordinal));
        var row = Row(1);
        await store.Announce(Announcement(Row(2, version: "1.0.0")), cancel);

        wire.CutAt(at);
        var announced = await store.Announce(Announcement(row, "key"), cancel);
        wire.CutAt(at);
        var appended = await store.Append(new Append(Following(First(row), 2), row with { State = "closed", DueAt = null }), cancel);

        wire.Cuts.ShouldBe(2);
        // As if nothing had happened: accepted and not joined, followed and not collided.
        announced.Result.ShouldBe(AnnounceResult.Accepted);
        announced.Superseded.ShouldBe([Id(2)]);
        appended.ShouldBeTrue();
        (await store.Read(Streams.Of(row.Id), 0, 10, cancel)).Select(fact => fact.Kind).ShouldBe(["received", "tick", "tick"]);
        // Done once: what was committed is recognised, what was not is done again. Three transactions wrote facts.
        (await RealPostgres.Sql(direct, "SELECT count(DISTINCT xmin::text) FROM facts")).ShouldBe(3L);
    }

    [Fact]
    public async Task What_another_transaction_wrote_is_not_taken_for_the_one_whose_answer_was_lost()
    {
        var connection = await _server.Fresh();
        await using var store = await Open(connection);
        var facts = Written.Stream("model", 2);
        await store.Append(new Append([facts[0]], null), Cancel);
        var number = (string)(await RealPostgres.Sql(connection, "SELECT xmin::text FROM facts"))!;
        await using var source = RealPostgres.Read(connection).ToWrite();
        await using var asking = await source.OpenConnectionAsync(Cancel);

        (await IsStored(number, facts[0])).ShouldBeTrue();
        // The counter goes around after four billion.
        (await IsStored((long.Parse(number) + (1L << 32)).ToString(), facts[0])).ShouldBeFalse("that number was never given");
        // As after a crash that lost ours and gave its number again; as when another owner wrote the very same.
        (await IsStored(number, facts[1])).ShouldBeFalse();
        (await IsStored(number, Fact.After("model", 1, Fact.NoHash, Start, "other", 1, []))).ShouldBeFalse();
        (await IsStored((long.Parse(number) - 1).ToString(), facts[0])).ShouldBeFalse();

        async Task<bool> IsStored(string transaction, Fact fact)
        {
            var changes = new Changes(transaction, Start);
            changes.Append(new Append([fact], null), FactChain.After(fact.Stream, fact.Seq - 1, fact.Seq == 1 ? Fact.NoHash : facts[0].Hash)).ShouldBeTrue();
            return await Writing.IsStored(asking, changes, Cancel);
        }
    }

    [Theory]
    [InlineData("53100", "is full")]
    [InlineData("53300", "max_connections")]
    [InlineData("25006", "read-only")]
    [InlineData("57P03", "starting or stopping")]
    [InlineData("28P01", "pg_hba.conf")]
    [InlineData("3D000", "there is no database db:5432/facts")]
    [InlineData("42P01", "refuses: said by the server")]
    public void What_the_server_says_is_told_with_its_remedy(string state, string expected)
    {
        var said = new PostgresException("said by the server", "FATAL", "FATAL", state);

        Failures.Reason(said, "db:5432/facts").ShouldContain(expected);
        Failures.Reason(new NpgsqlException("wrapped", said), "db:5432/facts").ShouldContain(expected);
    }

    private static async Task<string> Refused(Func<Task> call)
    {
        var started = TimeProvider.System.GetTimestamp();
        var refused = await Should.ThrowAsync<StoreUnavailableException>(call);
        TimeProvider.System.GetElapsedTime(started).ShouldBeLessThan(InTime);
        refused.ToString().ShouldNotContain(RealPostgres.Password);
        return refused.Message;
    }

    private static Task<PostgresStore> Open(string connection) =>
        PostgresStore.Open(RealPostgres.Read(connection), TimeProvider.System, NullLogger.Instance, Cancel);

    /// <summary>As many owners as streams, each appending one fact after the other; who is refused reads again, as the loop does.</summary>
    private sealed class Owners : IDisposable
    {
        private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        private readonly Dictionary<string, (int Times, long Seq)> _acknowledged = new(StringComparer.Ordinal);
        private readonly SemaphoreSlim _stored = new(0);
        private readonly Task _all;
        private int _refused;

        public Owners(PostgresStore store) =>
            _all = Task.WhenAll(Enumerable.Range(0, Width).Select(i => Task.Run(() => Own(store, "policy/" + i))));

        /// <summary>How often one of them was told that the store is unavailable.</summary>
        public int Refused => Volatile.Read(ref _refused);

        /// <summary>Waits until so many more are acknowledged.</summary>
        public async Task More(int count)
        {
            while (_stored.CurrentCount > 0)
            {
                await _stored.WaitAsync(Cancel);
            }

            for (; count > 0; count--)
            {
                await _stored.WaitAsync(Cancel);
            }
        }

        public async Task Stop()
        {
            await _stop.CancelAsync();
            await _all;
        }

        public async Task ShouldBeStored(PostgresStore store, bool exactly)
        {
            _acknowledged.Count.ShouldBe(Width);
            foreach (var (stream, (times, seq)) in _acknowledged)
            {
                (await FactChain.Verify(store, stream, Cancel)).ShouldBeNull();
                var facts = await store.Read(stream, 0, 1_000_000, Cancel);
                facts.Count.ShouldBeGreaterThanOrEqualTo((int)seq);
                if (exactly)
                {
                    facts.Count.ShouldBe(times);
                }
            }
        }

        public void Dispose()
        {
            _stop.Dispose();
            _stored.Dispose();
        }

        private async Task Own(PostgresStore store, string stream)
        {
            Fact? last = null;
            while (!_stop.IsCancellationRequested)
            {
                try
                {
                    var next = last is null ? Written.Stream(stream, 1)[0] : Following(last, 1)[0];
                    if (await store.Append(new Append([next], null), CancellationToken.None))
                    {
                        last = next;
                        lock (_acknowledged)
                        {
                            _acknowledged[stream] = (_acknowledged.GetValueOrDefault(stream).Times + 1, next.Seq);
                        }

                        _stored.Release();
                        continue;
                    }
                }
                catch (StoreUnavailableException)
                {
                    Interlocked.Increment(ref _refused);
                }

                try
                {
                    var facts = await store.Read(stream, last is null ? 0 : last.Seq - 1, 1_000, CancellationToken.None);
                    last = facts.Count > 0 ? facts[^1] : last;
                }
                catch (StoreUnavailableException)
                {
                    Interlocked.Increment(ref _refused);
                }
            }
        }
    }
}
