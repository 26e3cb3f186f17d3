using Commander.Server.Storage;
using Commander.Server.Storage.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using static Commander.Server.Tests.Storage.Written;

namespace Commander.Server.Tests.Storage.Postgres;

/// <summary>The PostgreSQL store does what every store does, and what only a database that several nodes share can do.</summary>
public sealed class PostgresStoreTests : FactStoreCompliance
{
    private RealPostgres _server = null!;
    private string? _connection;

    private protected override async Task<IFactStore> Open()
    {
        _server = await SharedPostgres.Server();
        return await Open(_connection ??= await _server.Fresh());
    }

    private protected override async Task<IFactStore> OpenAnother() => await Open(await _server.Fresh());

    private protected override Task<object?> Sql(string sql) => RealPostgres.Sql(_connection!, sql);

    private Task<PostgresStore> Open(string connection) =>
        PostgresStore.Open(RealPostgres.Read(connection), Clock, NullLogger.Instance, Cancel);

    // Only here

    [Fact]
    public async Task Every_commit_waits_for_the_disk_even_where_the_server_is_set_not_to()
    {
        var lax = _connection + ";Options=-c synchronous_commit=off";

        (await RealPostgres.Sql(lax, "SHOW synchronous_commit")).ShouldBe("off");
        await using var source = RealPostgres.Read(lax).ToWrite();
        await using var command = source.CreateCommand("SHOW synchronous_commit");
        (await command.ExecuteScalarAsync(Cancel)).ShouldBe("on");
    }

    [Fact]
    public async Task A_database_that_a_newer_build_changed_is_left_alone()
    {
        await Store.DisposeAsync();
        await Sql("INSERT INTO commander_form(form, oldest, at) VALUES (999, 998, 0)");

        var refused = await Should.ThrowAsync<InvalidDataException>(() => Open(_connection!));

        refused.Message.ShouldContain($"has the stored form 999, which builds may use that know form 998; this build knows up to {Schema.Steps.Count}");
        refused.Message.ShouldContain($"127.0.0.1:{_server.Port}/postgres");
        (await Sql("SELECT count(*) FROM commander_form")).ShouldBe(Schema.Steps.Count + 1L);
    }

    [Fact]
    public async Task A_build_goes_on_with_a_newer_form_that_only_added_to_its_own()
    {
        await Store.Announce(Announcement(Row(1)), Cancel);
        SchemaStep added = new("ALTER TABLE deployments ADD COLUMN note text; ALTER TABLE facts ADD COLUMN trace text; CREATE TABLE notes(id text)", Oldest: 1);
        await Schema.Migrate(RealPostgres.Read(_connection!), [.. Schema.Steps, added], Clock, Cancel);

        // The one that ran meanwhile, and one that starts.
        await Works((PostgresStore)Store, 2);
        await using var next = await Open(_connection!);
        await Works(next, 3);

        (await Sql("SELECT max(form) FROM commander_form")).ShouldBe(Schema.Steps.Count + 1);

        async Task Works(PostgresStore store, int number)
        {
            var row = Row(number, service: "service-" + number);
            (await store.Announce(Announcement(row, "key-" + number), Cancel)).Result.ShouldBe(AnnounceResult.Accepted);
            (await store.Append(new Append(Following(First(row), 1), row with { State = "closed", DueAt = null }), Cancel)).ShouldBeTrue();
            ShouldBeSame(await store.Find(row.Id, Cancel), row with { State = "closed", DueAt = null });
        }
    }

    [Fact]
    public async Task Nodes_that_start_at_once_migrate_once()
    {
        var connection = await _server.Fresh();

        var stores = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(() => Open(connection))));

        (await RealPostgres.Sql(connection, "SELECT count(*) FROM commander_form")).ShouldBe((long)Schema.Steps.Count);
        foreach (var store in stores)
        {
            (await store.CountOpen(Cancel)).ShouldBe(0);
            await store.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_full_disk_refuses_writes_and_when_there_is_room_again_it_goes_on_by_itself()
    {
        await Raising("'53100'");

        var refused = await Should.ThrowAsync<StoreUnavailableException>(() => Store.Append(new Append(Written.Stream("model", 1), null), Cancel));

        refused.Message.ShouldContain("is full");
        (await Store.Read("model", 0, 10, Cancel)).ShouldBeEmpty("reading goes on");
        await Sql("DROP TRIGGER raising ON facts");
        (await Store.Append(new Append(Written.Stream("model", 1), null), Cancel)).ShouldBeTrue();
    }

    [Theory]
    [InlineData("40P01")]
    [InlineData("40001")]
    public async Task Transactions_that_stood_in_each_others_way_are_done_again(string state)
    {
        await Sql("CREATE SEQUENCE tries");
        await Raising($"'{state}'", when: "nextval('tries') <= 2");

        (await Store.Append(new Append(Written.Stream("model", 2), null), Cancel)).ShouldBeTrue();

        (await Store.Read("model", 0, 10, Cancel)).Count.ShouldBe(2);
    }

    [Fact]
    public async Task Of_many_that_share_a_transaction_only_those_that_cannot_be_stored_are_refused()
    {
        // One text that no column holds, one fact that another node wrote since, one id that is taken.
        await Store.Announce(Announcement(Row(1)), Cancel);
        await Raising("'23505'", when: "NEW.stream = 'policy/7'", constraint: "facts_key");

        var appends = Enumerable.Range(0, 40).Select(i => Store.Append(new Append(Written.Stream("policy/" + i, 2), null), Cancel)).ToArray();
        var unwritable = Store.Announce(Announcement(Row(2, service: "nul\0")), Cancel);
        var broken = Store.Announce(Announcement(Row(3, service: "half \ud800")), Cancel);
        var taken = Store.Announce(Announcement(Row(1, service: "cart")), Cancel);
        var fine = Store.Announce(Announcement(Row(4, service: "search")), Cancel);

        (await Task.WhenAll(appends)).ShouldBe(Enumerable.Range(0, 40).Select(i => i != 7));
        await Should.ThrowAsync<InvalidOperationException>(() => unwritable);
        await Should.ThrowAsync<InvalidOperationException>(() => broken);
        await Should.ThrowAsync<InvalidOperationException>(() => taken);
        (await fine).Result.ShouldBe(AnnounceResult.Accepted);
        (await Store.Count(Cancel)).ShouldBe(2);
    }

    [Theory]
    [InlineData("nul\0")]
    [InlineData("half \ud800")]
    public async Task A_name_that_no_text_can_hold_is_nobodys(string name)
    {
        (await Store.List(new DeploymentFilter(Service: name), Cancel)).ShouldBeEmpty();
        (await Store.Find(name, Cancel)).ShouldBeNull();
        (await Store.Read(name, 0, 1, Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Who_comes_when_the_queue_is_full_is_turned_away_at_once()
    {
        await using var small = await PostgresStore.Open(RealPostgres.Read(_connection!), Clock, NullLogger.Instance, queueLength: 2, Cancel);
        await using var held = await Hold(small);
        // The writer waits for the lock; two may wait behind.
        var waiting = Enumerable.Range(0, 2).Select(i => small.Append(new Append(Written.Stream("policy/" + i, 1), null), Cancel)).ToArray();
        var refused = await Should.ThrowAsync<StoreUnavailableException>(() => small.Append(new Append(Written.Stream("model", 1), null), Cancel));

        refused.Message.ShouldContain("behind");
        await held.DisposeAsync();
        (await Task.WhenAll(waiting)).ShouldAllBe(stored => stored);
    }

    [Fact]
    public async Task What_closes_while_it_is_superseded_is_not_woken_any_more()
    {
        var row = Row(1, version: "1.0.0");
        await Store.Announce(Announcement(row), Cancel);
        await using var held = await Hold((PostgresStore)Store);

        // In one group, whichever of them comes first.
        var superseding = Store.Announce(Announcement(Row(2)), Cancel);
        var closing = Store.Append(new Append(Following(First(row), 1, "closed"), row with { State = "closed", DueAt = null }), Cancel);
        await held.DisposeAsync();

        (await superseding).Superseded.ShouldBe([row.Id]);
        (await closing).ShouldBeTrue();
        (await Store.Find(row.Id, Cancel))!.DueAt.ShouldBeNull();
        (await Store.Due(Start.AddDays(1), 10, Cancel)).ShouldBe([Id(2)]);
    }

    [Fact]
    public async Task The_password_is_in_no_error()
    {
        var wrong = RealPostgres.Read(_connection!.Replace(RealPostgres.Password, "wrong-secret", StringComparison.Ordinal));

        var refused = await Should.ThrowAsync<StoreUnavailableException>(() => PostgresStore.Open(wrong, Clock, NullLogger.Instance, Cancel));

        refused.Message.ShouldContain("pg_hba.conf");
        refused.ToString().ShouldNotContain("wrong-secret");
        wrong.ToString().ShouldBe($"127.0.0.1:{_server.Port}/postgres");
    }

    [Theory]
    [InlineData("postgres://user:secret@host/name", "is no connection string")]
    [InlineData("Host=h;Pasword=secret", "is no connection string")]
    [InlineData("Host=h;Port=secret", "is no connection string")]
    [InlineData("Password=secret", "names no host")]
    [InlineData("", "names no host")]
    public void What_is_no_connection_string_is_said_without_repeating_it(string text, string expected)
    {
        var (database, wrong) = Database.Read(text);

        database.ShouldBeNull();
        wrong.ShouldStartWith(expected);
        wrong.ShouldNotContain("secret");
    }

    public static TheoryData<string> Forms =>
        [.. Directory.GetFiles(Repository.At("tests/Commander.Server.Tests/Storage/Stored/Postgres"), "*.sql")];

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Every_form_that_was_ever_stored_is_read_and_becomes_the_one_that_a_new_database_has(string form)
    {
        var stored = await _server.Fresh();
        await RealPostgres.Sql(stored, await File.ReadAllTextAsync(form, Cancel));

        await using (var store = await Open(stored))
        {
            await StoredFormTests.ShouldHoldWhatWasStored(store, Cancel);
        }

        (await Definition(stored)).ShouldBe(await Definition(_connection!));

        static async Task<string> Definition(string connection) => (string)(await RealPostgres.Sql(
            connection,
            """
            SELECT replace(string_agg(line, E'\n' ORDER BY line), current_schema(), 'schema') FROM (
                SELECT indexdef AS line FROM pg_indexes WHERE schemaname = current_schema()
                UNION ALL
                SELECT concat_ws(' ', table_name, column_name, data_type, collation_name, is_nullable, column_default)
                FROM information_schema.columns WHERE table_schema = current_schema()) lines
            """))!;
    }

    // Every statement of theirs finds its rows by an index, whatever the planner knows of the tables.
    [Theory]
    [InlineData("SELECT document FROM deployments WHERE true AND service = $1 ORDER BY id DESC LIMIT $2::bigint", "deployments_of_service")]
    [InlineData("SELECT document FROM deployments WHERE true AND decision = $1 ORDER BY id DESC LIMIT $2::bigint", "deployments_decided")]
    [InlineData(Questions.FirstSince, "deployments_received")]
    [InlineData(Questions.Overdue, "deployments_overdue")]
    [InlineData(Questions.Queued, "deployments_queued")]
    [InlineData(Questions.Opened, "deployments_open", "deployments_to_join")]
    [InlineData(Questions.Past, "deployments_history")]
    [InlineData(Questions.NewestOfVersion, "deployments_of_version")]
    [InlineData(Questions.Facts, "facts_key")]
    [InlineData(Writing.KnownOf, "deployments_open", "deployments_to_join", "deployments_of_service", "idempotency_key")]
    [InlineData(Writing.EndsOf, "facts_key")]
    public async Task Every_question_has_its_index(string question, params string[] indexes)
    {
        await using var source = RealPostgres.Read(_connection!).ToWrite();
        await using var connection = await source.OpenConnectionAsync(Cancel);
        await using (var prepare = new Npgsql.NpgsqlCommand($"PREPARE asked AS {question}", connection))
        {
            await prepare.ExecuteNonQueryAsync(Cancel);
        }

        var values = Enumerable.Range(1, 9).Where(i => question.Contains("$" + i, StringComparison.Ordinal)).Select(_ => "NULL").ToArray();
        await using var explain = new Npgsql.NpgsqlCommand($"EXPLAIN EXECUTE asked{(values.Length > 0 ? $"({string.Join(", ", values)})" : "")}", connection);
        List<string> plan = [];
        await using var reader = await explain.ExecuteReaderAsync(Cancel);
        while (await reader.ReadAsync(Cancel))
        {
            plan.Add(reader.GetString(0));
        }

        var text = string.Join('\n', plan);
        indexes.ShouldContain(index => text.Contains(index, StringComparison.Ordinal), text);
        text.ShouldNotContain("Seq Scan");
    }

    // The writer waits with one append of a stream of its own, until this is disposed: what is asked for meanwhile is one group.
    private async Task<IAsyncDisposable> Hold(PostgresStore store)
    {
        var other = new Npgsql.NpgsqlConnection(_connection + ";Pooling=false");
        await other.OpenAsync(Cancel);
        await using var command = new Npgsql.NpgsqlCommand("BEGIN; LOCK TABLE facts IN ACCESS EXCLUSIVE MODE", other);
        await command.ExecuteNonQueryAsync(Cancel);
        var first = store.Append(new Append(Written.Stream("access", 1), null), Cancel);
        var waits = 0L;
        for (var asked = 0; asked < 200 && waits == 0; asked++)
        {
            waits = (long)(await Sql("SELECT count(*) FROM pg_locks, pg_sleep(0.02) WHERE NOT granted AND relation = to_regclass('facts')"))!;
        }

        waits.ShouldBe(1, "the writer waits for the lock");
        first.IsCompleted.ShouldBeFalse();
        return other;
    }

    // A trigger on facts that fails.
    private async Task Raising(string state, string when = "true", string constraint = "")
    {
        await Sql(
            $"""
            CREATE FUNCTION raising() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF {when} THEN
                    RAISE EXCEPTION 'raised by the test' USING ERRCODE = {state}, CONSTRAINT = '{constraint}';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER raising BEFORE INSERT ON facts FOR EACH ROW EXECUTE FUNCTION raising();
            """);
    }
}
