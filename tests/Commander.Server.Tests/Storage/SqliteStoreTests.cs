using System.Diagnostics;
using Commander.Server.Storage;
using Commander.Server.Storage.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Commander.Server.Tests.Storage;

/// <summary>The SQLite store does what every store does, and what only a file on one machine can do.</summary>
public sealed class SqliteStoreTests : FactStoreCompliance
{
    private readonly TestFolder _folder = new();
    private int _others;

    private protected override Task<IFactStore> Open() => Task.FromResult<IFactStore>(Open(_folder.Path));

    private protected override Task<IFactStore> OpenAnother() => Task.FromResult<IFactStore>(Open(_folder["other-" + ++_others]));

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public void A_second_one_on_the_same_folder_refuses_and_names_the_first()
    {
        ((SqliteStore)Store).Serves("http://127.0.0.1:5080");

        var refused = Should.Throw<DataFolderInUseException>(() => Open(_folder.Path));

        refused.Message.ShouldContain(_folder.Path);
        refused.Message.ShouldContain($"process {Environment.ProcessId}, which serves http://127.0.0.1:5080");
        refused.Message.ShouldContain("--data");
    }

    [Fact]
    public async Task The_folder_is_free_after_closing()
    {
        await Store.DisposeAsync();

        File.Exists(_folder["commander.owner"]).ShouldBeFalse();
        await using var next = Open(_folder.Path);
        (await next.CountOpen(Cancel)).ShouldBe(0);
    }

    [Fact]
    public async Task Closing_leaves_one_database_file_without_a_log()
    {
        await Store.Append(new Append(Written.Stream("model", 3), null), Cancel);

        await Store.DisposeAsync();

        File.Exists(_folder["commander.db-wal"]).ShouldBeFalse();
        new FileInfo(_folder["commander.db"]).Length.ShouldBePositive();
    }

    [Fact]
    public async Task Every_commit_waits_for_the_disk()
    {
        using var session = Session.ToWrite(_folder["commander.db"]);

        session.Number("PRAGMA synchronous").ShouldBe(2, "FULL");
        using var mode = session.Query("PRAGMA journal_mode");
        mode.Read();
        mode.GetString(0).ShouldBe("wal");
        await Task.CompletedTask;
    }

    [Fact]
    public async Task A_database_of_a_newer_build_is_left_alone()
    {
        await Store.DisposeAsync();
        await Sql("INSERT INTO schema(version, at) VALUES (999, 0)");

        Should.Throw<InvalidDataException>(() => Open(_folder.Path)).Message.ShouldContain("999");
    }

    [Fact]
    public async Task A_file_that_is_no_database_is_named()
    {
        await Store.DisposeAsync();
        await File.WriteAllTextAsync(_folder["commander.db"], new string('x', 8_192), Cancel);

        Should.Throw<InvalidDataException>(() => Open(_folder.Path)).Message.ShouldContain(_folder["commander.db"]);
        // The folder is free again for whoever restores a backup.
        File.Delete(_folder["commander.db"]);
        await Open(_folder.Path).DisposeAsync();
    }

    [Fact]
    public async Task While_another_process_holds_the_database_locked_writes_are_refused_and_afterwards_they_go_on()
    {
        using (var other = Session.ToWrite(_folder["commander.db"]))
        {
            other.Script("BEGIN IMMEDIATE");

            var refused = await Should.ThrowAsync<StoreUnavailableException>(() => Store.Append(new Append(Written.Stream("model", 1), null), Cancel));

            refused.Message.ShouldContain("locked");
            (await Store.Read("model", 0, 10, Cancel)).ShouldBeEmpty("reading goes on");
            other.Script("ROLLBACK");
        }

        (await Store.Append(new Append(Written.Stream("model", 1), null), Cancel)).ShouldBeTrue();
    }

    [Fact]
    public async Task The_log_is_moved_beside_the_writer_and_begins_anew()
    {
        const int mib = 1 << 20;
        var (written, largest) = (0L, 0L);
        var body = new byte[60 * 1024];
        for (var number = 0; written < 250L * mib; number++)
        {
            // Ten writers share a flush, as under load.
            var facts = Enumerable.Range(0, 10).Select(n => Fact.After($"policy/{number}-{n}", 1, Fact.NoHash, Written.Start, "noted", 1, body)).ToArray();
            (await Task.WhenAll(facts.Select(fact => Store.Append(new Append([fact], null), Cancel)))).ShouldAllBe(stored => stored);
            written += facts.Length * body.Length;
            largest = Math.Max(largest, new FileInfo(_folder["commander.db-wal"]).Length);
        }

        // 32 MiB, what came while they were moved, and no more: the file is written from its beginning again.
        largest.ShouldBeInRange(32 * mib, 160 * mib);
        (await FactChain.Verify(Store, "policy/0-0", Cancel)).ShouldBeNull();
        await Store.DisposeAsync();
        new FileInfo(_folder["commander.db"]).Length.ShouldBeGreaterThan(240L * mib);
    }

    [Fact]
    public async Task Who_comes_when_the_queue_is_full_is_turned_away_at_once()
    {
        await using var small = SqliteStore.Open(_folder["small"], Clock, NullLogger.Instance, queueLength: 2);
        using var other = Session.ToWrite(_folder["small/commander.db"]);
        other.Script("BEGIN IMMEDIATE");
        // The writer waits for the lock; two may wait behind.
        var waiting = Enumerable.Range(0, 2).Select(i => small.Append(new Append(Written.Stream("policy/" + i, 1), null), Cancel)).ToArray();

        var refused = await Should.ThrowAsync<StoreUnavailableException>(() => small.Append(new Append(Written.Stream("model", 1), null), Cancel));

        refused.Message.ShouldContain("behind");
        other.Script("ROLLBACK");
        (await Task.WhenAll(waiting)).ShouldAllBe(stored => stored);
    }

    [Theory]
    [InlineData("SELECT document FROM deployments WHERE true AND service = $1 ORDER BY id DESC LIMIT $2", "deployments_of_service")]
    [InlineData("SELECT document FROM deployments WHERE true AND decision = $1 ORDER BY id DESC LIMIT $2", "deployments_decided")]
    [InlineData(Questions.FirstSince, "deployments_received")]
    [InlineData(Questions.Overdue, "deployments_overdue")]
    [InlineData(Questions.Queued, "deployments_queued")]
    [InlineData(Questions.Opened, "deployments_open")]
    [InlineData(Questions.Past, "deployments_history")]
    [InlineData(Questions.NewestOfVersion, "deployments_of_version")]
    [InlineData(Writing.OpenOthers, "deployments_open")]
    [InlineData(Writing.Joinable, "deployments_to_join")]
    public void Every_question_has_its_index(string question, string index)
    {
        using var session = Session.ToRead(_folder["commander.db"]);
        string[] values = [.. Enumerable.Range(1, 4).Where(i => question.Contains("$" + i, StringComparison.Ordinal)).Select(_ => "x")];
        using var plan = session.Query("EXPLAIN QUERY PLAN " + question, values);

        plan.Read().ShouldBeTrue();
        plan.GetString(3).ShouldContain(index);
    }

    [Fact(Timeout = 60_000)]
    public async Task After_kill_9_every_acknowledged_fact_is_there()
    {
        var cancel = TestContext.Current.CancellationToken;
        using var child = StoreProcess.Start(nameof(StoreProcess.Writes_until_it_is_killed), _folder["killed"]);
        var acknowledged = new Dictionary<string, long>(StringComparer.Ordinal);
        for (var lines = 0; (lines < 400 || acknowledged.Count < StoreProcess.Streams) && await child.StandardOutput.ReadLineAsync(cancel) is { } line;)
        {
            if (line.Split(' ') is ["stored", var stream, var seq])
            {
                acknowledged[stream] = long.Parse(seq);
                lines++;
            }
        }

        Should.Throw<DataFolderInUseException>(() => Open(_folder["killed"])).Message.ShouldContain($"process {child.Id}");
        child.Kill();
        // What it still printed was acknowledged too.
        while (await child.StandardOutput.ReadLineAsync(cancel) is { } line)
        {
            if (line.Split(' ') is ["stored", var stream, var seq])
            {
                acknowledged[stream] = long.Parse(seq);
            }
        }

        await child.WaitForExitAsync(cancel);

        acknowledged.Count.ShouldBe(StoreProcess.Streams);
        await using var store = Open(_folder["killed"]);
        foreach (var (stream, seq) in acknowledged)
        {
            (await store.Read(stream, 0, 100_000, cancel)).Count.ShouldBeGreaterThanOrEqualTo((int)seq);
            (await FactChain.Verify(store, stream, cancel)).ShouldBeNull();
        }
    }

    [Fact(Timeout = 60_000)]
    public async Task A_full_disk_refuses_writes_and_when_there_is_room_again_it_goes_on_by_itself()
    {
        var cancel = TestContext.Current.CancellationToken;
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Limits the size of files with prlimit.");
        using var child = StoreProcess.Start(nameof(StoreProcess.Writes_through_a_full_disk), _folder["full"]);
        await Until("ready");
        await Limit("2000000");
        await child.StandardInput.WriteLineAsync("limited");
        await Until("unavailable");
        await Limit("unlimited");
        await child.StandardInput.WriteLineAsync("free");
        var stored = long.Parse((await Until("again")).Split(' ')[1]);
        await child.WaitForExitAsync(cancel);

        await using var store = Open(_folder["full"]);
        (await store.Read("model", 0, 100_000, cancel)).Count.ShouldBe((int)stored);
        (await FactChain.Verify(store, "model", cancel)).ShouldBeNull();

        async Task<string> Until(string word)
        {
            List<string> seen = [];
            while (await child.StandardOutput.ReadLineAsync(cancel) is { } line)
            {
                if (line.StartsWith(word, StringComparison.Ordinal))
                {
                    return line;
                }

                seen.Add(line);
            }

            throw new InvalidOperationException($"The child ended before it said {word}:\n{string.Join('\n', seen)}");
        }

        async Task Limit(string bytes)
        {
            using var prlimit = Process.Start("prlimit", ["--pid", child.Id.ToString(), "--fsize=" + bytes + ":unlimited"]);
            await prlimit.WaitForExitAsync(cancel);
            prlimit.ExitCode.ShouldBe(0);
        }
    }

    private SqliteStore Open(string path) => SqliteStore.Open(path, Clock, NullLogger.Instance);

    private protected override Task<object?> Sql(string sql)
    {
        using var session = Session.ToWrite(_folder["commander.db"]);
        using var reader = session.Query(sql);
        return Task.FromResult(reader.Read() ? reader.GetValue(0) : null);
    }
}
