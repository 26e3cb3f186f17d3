using Commander.Server.Storage;
using CsCheck;
using Microsoft.Extensions.Time.Testing;
using static Commander.Server.Tests.Storage.Written;

namespace Commander.Server.Tests.Storage;

/// <summary>What every store does, whatever it stores in. Each store's tests inherit all of it.</summary>
public abstract class FactStoreCompliance : IAsyncLifetime
{
    private IFactStore? _open;

    private protected FakeTimeProvider Clock { get; } = new(Start);

    private protected IFactStore Store => _open ?? throw new InvalidOperationException("The store is open while a test runs.");

    private protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Opens what was stored so far; at first an empty store.</summary>
    private protected abstract Task<IFactStore> Open();

    /// <summary>Opens an empty store beside the first.</summary>
    private protected abstract Task<IFactStore> OpenAnother();

    /// <summary>Runs a statement on what <see cref="Store"/> stores in, past it; the first column of the first row.</summary>
    private protected abstract Task<object?> Sql(string sql);

    public async ValueTask InitializeAsync() => _open = await Open();

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_open is not null)
        {
            await _open.DisposeAsync();
        }
    }

    private protected async Task Reopen()
    {
        await Store.DisposeAsync();
        _open = await Open();
    }

    // Appending and reading

    [Fact]
    public async Task What_is_appended_is_read_back_in_order_and_whole()
    {
        var facts = Written.Stream("policy/checkout", 3);

        (await Store.Append(new Append(facts, null), Cancel)).ShouldBeTrue();

        ShouldBeSame(await Store.Read("policy/checkout", 0, 10, Cancel), facts);
    }

    [Fact]
    public async Task A_stream_nobody_wrote_is_empty() => (await Store.Read("model", 0, 10, Cancel)).ShouldBeEmpty();

    [Fact]
    public async Task Reading_goes_on_after_a_seq_and_stops_at_the_limit()
    {
        var facts = Written.Stream("model", 10);
        await Store.Append(new Append(facts, null), Cancel);

        ShouldBeSame(await Store.Read("model", 3, 4, Cancel), facts[3..7]);
        ShouldBeSame(await Store.Read("model", 8, 100, Cancel), facts[8..]);
        (await Store.Read("model", 10, 100, Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Streams_do_not_see_each_other()
    {
        await Store.Append(new Append(Written.Stream("policy/a", 2), null), Cancel);
        await Store.Append(new Append(Written.Stream("policy/ab", 3), null), Cancel);

        (await Store.Read("policy/a", 0, 10, Cancel)).Count.ShouldBe(2);
    }

    [Fact]
    public async Task Bodies_may_be_empty_large_or_hold_any_byte()
    {
        byte[][] bodies = [[], [0], [.. Enumerable.Range(0, 256).Select(i => (byte)i)], new byte[300_000]];
        var last = Fact.NoHash;
        List<Fact> facts = [];
        foreach (var body in bodies)
        {
            facts.Add(Fact.After("system", facts.Count + 1, last, Start, "noted", 7, body));
            last = facts[^1].Hash;
        }

        await Store.Append(new Append(facts, null), Cancel);

        ShouldBeSame(await Store.Read("system", 0, 10, Cancel), facts);
    }

    [Fact]
    public async Task An_append_that_leaves_a_gap_is_refused_and_writes_nothing()
    {
        var facts = Written.Stream("model", 5);
        await Store.Append(new Append(facts[..2], null), Cancel);

        (await Store.Append(new Append(facts[3..], null), Cancel)).ShouldBeFalse();
        (await Store.Append(new Append(Written.Stream("access", 2)[1..], null), Cancel)).ShouldBeFalse();

        (await Store.Read("model", 0, 10, Cancel)).Count.ShouldBe(2);
        (await Store.Read("access", 0, 10, Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task An_append_to_a_stream_that_has_moved_on_is_refused_and_writes_nothing_of_it()
    {
        var row = Row(1);
        await Store.Announce(Announcement(row), Cancel);
        var mine = Following(First(row), 3, "mine");
        var theirs = Following(First(row), 1, "theirs");
        (await Store.Append(new Append(theirs, null), Cancel)).ShouldBeTrue();

        (await Store.Append(new Append(mine, row with { State = "closed" }), Cancel)).ShouldBeFalse();

        (await Store.Read(Streams.Of(row.Id), 0, 10, Cancel)).Select(f => f.Kind).ShouldBe(["received", "theirs"]);
        (await Store.Find(row.Id, Cancel))!.State.ShouldBe("watching");
    }

    [Fact]
    public async Task An_append_that_follows_another_past_is_refused_though_its_seq_fits()
    {
        await Store.Append(new Append(Written.Stream("model", 2), null), Cancel);
        var elsewhere = Fact.After("model", 3, Fact.NoHash, Start, "changed", 1, "{}"u8.ToArray());

        (await Store.Append(new Append([elsewhere], null), Cancel)).ShouldBeFalse();
    }

    [Fact]
    public async Task Of_many_who_append_the_same_seq_at_once_exactly_one_succeeds()
    {
        var row = Row(1);
        await Store.Announce(Announcement(row), Cancel);

        var results = await Task.WhenAll(Enumerable.Range(0, 32).Select(i =>
            Store.Append(new Append(Following(First(row), 1, "owner-" + i), null), Cancel)));

        results.Count(won => won).ShouldBe(1);
        var facts = await Store.Read(Streams.Of(row.Id), 0, 10, Cancel);
        facts[1].Kind.ShouldBe("owner-" + Array.IndexOf(results, true));
    }

    [Fact]
    public async Task One_refused_append_does_not_spoil_those_that_are_committed_with_it()
    {
        var results = await Task.WhenAll(Enumerable.Range(0, 100).Select(i =>
            Store.Append(new Append(Written.Stream("policy/" + i, 2)[(i % 2)..], null), Cancel)));

        results.ShouldBe(Enumerable.Range(0, 100).Select(i => i % 2 == 0));
    }

    [Fact]
    public async Task An_append_without_facts_or_with_facts_that_do_not_follow_each_other_is_the_callers_error()
    {
        var facts = Written.Stream("model", 3);

        await Should.ThrowAsync<ArgumentException>(() => Store.Append(new Append([], null), Cancel));
        await Should.ThrowAsync<ArgumentException>(() => Store.Append(new Append([facts[0], facts[2]], null), Cancel));
        await Should.ThrowAsync<ArgumentException>(() => Store.Append(new Append([facts[0], Written.Stream("access", 2)[1]], null), Cancel));
        await Should.ThrowAsync<ArgumentException>(() => Store.Append(new Append(facts, Row(1)), Cancel));
        (await Store.Read("model", 0, 10, Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_row_changes_with_the_facts()
    {
        var row = Row(1);
        await Store.Announce(Announcement(row), Cancel);
        var after = row with
        {
            State = "closed",
            ClosedReason = "decided",
            Decision = "ROLLBACK",
            DueAt = null,
            RolledBackAt = Start.AddSeconds(9),
            RolledBackTo = "1.9.0",
            Document = "{\"after\":true}"u8.ToArray(),
        };

        await Store.Append(new Append(Following(First(row), 1), after), Cancel);

        ShouldBeSame(await Store.Find(row.Id, Cancel), after);
    }

    [Fact]
    public async Task A_due_time_changes_with_the_facts_and_leaves_the_rest_of_the_row()
    {
        var row = Row(1, dueAt: Start.AddSeconds(1));
        await Store.Announce(Announcement(row), Cancel);

        await Store.Append(new Append(Following(First(row), 1), null, Start.AddSeconds(77)), Cancel);

        ShouldBeSame(await Store.Find(row.Id, Cancel), row with { DueAt = Start.AddSeconds(77) });
    }

    [Fact]
    public async Task A_cancelled_caller_is_told_at_once()
    {
        using var gone = new CancellationTokenSource();
        await gone.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => Store.Append(new Append(Written.Stream("model", 1), null), gone.Token));
        (await Store.Read("model", 0, 10, Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task What_was_acknowledged_is_there_after_closing_and_opening()
    {
        var row = Row(1);
        await Store.Announce(Announcement(row, key: "k"), Cancel);
        var facts = Following(First(row), 20);
        await Store.Append(new Append(facts, row with { Decision = "CONTINUE" }), Cancel);

        await Reopen();

        ShouldBeSame(await Store.Read(Streams.Of(row.Id), 1, 100, Cancel), facts);
        ShouldBeSame(await Store.Find(row.Id, Cancel), row with { Decision = "CONTINUE" });
        (await Store.Announce(Announcement(Row(2), key: "k"), Cancel)).Result.ShouldBe(AnnounceResult.Repeated);
    }

    // The chain

    [Fact]
    public async Task A_stream_that_nobody_touched_verifies()
    {
        await Store.Append(new Append(Written.Stream("model", 2_500), null), Cancel);

        (await FactChain.Verify(Store, "model", Cancel)).ShouldBeNull();
        (await FactChain.Verify(Store, "access", Cancel)).ShouldBeNull();
    }

    [Theory]
    [InlineData("UPDATE facts SET body = hash WHERE seq = 3", 3, "body")]
    [InlineData("UPDATE facts SET kind = 'verdict' WHERE seq = 3", 3, "hash")]
    [InlineData("UPDATE facts SET at = at + 1 WHERE seq = 4", 4, "hash")]
    [InlineData("DELETE FROM facts WHERE seq = 3", 4, "seq 4 stands where 3 is expected")]
    [InlineData("UPDATE facts SET body = NULL WHERE seq = 3", 0, null)]
    public async Task The_chain_names_the_first_fact_that_is_not_the_one_that_was_written(string tampering, long seq, string? reason)
    {
        await Store.Append(new Append(Written.Stream("model", 5), null), Cancel);
        await Sql(tampering);

        var fault = await FactChain.Verify(Store, "model", Cancel);

        if (reason is null)
        {
            fault.ShouldBeNull("compaction drops bodies and keeps their hashes");
            return;
        }

        fault.ShouldNotBeNull();
        fault.Seq.ShouldBe(seq);
        fault.Reason.ShouldContain(reason);
    }

    // Announcing

    [Fact]
    public async Task An_announcement_is_stored_with_its_first_fact()
    {
        var row = Row(1);

        var announced = await Store.Announce(Announcement(row), Cancel);

        announced.Result.ShouldBe(AnnounceResult.Accepted);
        announced.Id.ShouldBe(row.Id);
        announced.Superseded.ShouldBeEmpty();
        ShouldBeSame(await Store.Find(row.Id, Cancel), row);
        ShouldBeSame(await Store.Read(Streams.Of(row.Id), 0, 10, Cancel), [First(row)]);
    }

    [Fact]
    public async Task The_same_version_joins_the_watch_that_is_open_however_long_ago_it_began()
    {
        await Store.Announce(Announcement(Row(1)), Cancel);

        var again = await Store.Announce(Announcement(Row(2, at: Start.AddHours(5))), Cancel);

        again.Result.ShouldBe(AnnounceResult.Joined);
        again.Id.ShouldBe(Id(1));
        (await Store.Find(Id(2), Cancel)).ShouldBeNull();
        (await Store.Read(Streams.Of(Id(2)), 0, 10, Cancel)).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(600, AnnounceResult.Joined)]
    [InlineData(601, AnnounceResult.Accepted)]
    public async Task The_same_version_joins_a_closed_watch_only_within_the_window_after_its_start(int secondsLater, object expected)
    {
        await Closed(Row(1), "CONTINUE");

        var again = await Store.Announce(Announcement(Row(2, at: Start.AddSeconds(secondsLater))), Cancel);

        again.Result.ShouldBe((AnnounceResult)expected);
    }

    [Fact]
    public async Task The_window_begins_when_the_rollout_began_not_when_it_was_announced()
    {
        await Closed(Row(1, startedAt: Start.AddMinutes(-9)), "CONTINUE");

        (await Store.Announce(Announcement(Row(2, at: Start.AddMinutes(2))), Cancel)).Result.ShouldBe(AnnounceResult.Accepted);
    }

    [Theory]
    [InlineData("cart", "prod", "2.0.0")]
    [InlineData("checkout", "staging", "2.0.0")]
    [InlineData("checkout", "prod", "2.0.1")]
    public async Task Another_service_environment_or_version_does_not_join(string service, string environment, string version)
    {
        await Store.Announce(Announcement(Row(1)), Cancel);

        var other = await Store.Announce(Announcement(Row(2, service, environment, version)), Cancel);

        other.Result.ShouldBe(AnnounceResult.Accepted);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task Where_one_of_the_two_carries_a_snapshot_they_never_join(bool first, bool second)
    {
        await Store.Announce(Announcement(Row(1, snapshot: first)), Cancel);

        (await Store.Announce(Announcement(Row(2, snapshot: second)), Cancel)).Result.ShouldBe(AnnounceResult.Accepted);
    }

    [Fact]
    public async Task An_open_watch_is_joined_before_a_younger_closed_one()
    {
        await Store.Announce(Announcement(Row(1)), Cancel);
        // A snapshot does not join, and after closing it is no candidate either.
        await Closed(Row(2, snapshot: true), "CONTINUE");

        (await Store.Announce(Announcement(Row(3)), Cancel)).Id.ShouldBe(Id(1));
    }

    [Fact]
    public async Task Another_version_supersedes_every_open_watch_of_the_service_and_environment()
    {
        await Store.Announce(Announcement(Row(1, version: "1", dueAt: Start.AddHours(1))), Cancel);
        await Store.Announce(Announcement(Row(2, version: "2", dueAt: Start.AddHours(1))), Cancel);
        await Closed(Row(3, version: "3"), "CONTINUE");
        await Store.Announce(Announcement(Row(4, version: "4", environment: "staging")), Cancel);
        await Store.Announce(Announcement(Row(5, version: "5", service: "cart")), Cancel);

        var newest = await Store.Announce(Announcement(Row(6, version: "6", dueAt: Start.AddHours(1))), Cancel);

        newest.Superseded.ShouldBe([Id(1), Id(2)]);
        (await Store.Find(Id(1), Cancel))!.State.ShouldBe("watching", "the owner closes it, not the store");
    }

    [Fact]
    public async Task What_is_superseded_is_due_at_once_so_that_its_owner_wakes_even_after_a_crash()
    {
        await Store.Announce(Announcement(Row(1, version: "1", dueAt: Start.AddHours(1))), Cancel);
        Clock.Advance(TimeSpan.FromSeconds(3));

        await Store.Announce(Announcement(Row(2, version: "2", dueAt: Start.AddHours(1))), Cancel);

        (await Store.Due(Start.AddSeconds(2), 10, Cancel)).ShouldBeEmpty();
        (await Store.Due(Start.AddSeconds(3), 10, Cancel)).ShouldBe([Id(1)]);
    }

    [Fact]
    public async Task A_repeated_key_answers_with_the_first_deployment()
    {
        await Store.Announce(Announcement(Row(1), "key-1", "{\"a\":1}"), Cancel);

        // Another version: without the key it would have been a deployment of its own.
        var again = await Store.Announce(Announcement(Row(2, version: "9"), "key-1", "{\"a\":1}"), Cancel);

        again.Result.ShouldBe(AnnounceResult.Repeated);
        again.Id.ShouldBe(Id(1));
        again.Superseded.ShouldBeEmpty();
        (await Store.Find(Id(2), Cancel)).ShouldBeNull();
    }

    [Fact]
    public async Task A_key_that_comes_with_another_body_is_told_so()
    {
        await Store.Announce(Announcement(Row(1), "key-1", "{\"a\":1}"), Cancel);

        var again = await Store.Announce(Announcement(Row(2), "key-1", "{\"a\":2}"), Cancel);

        again.Result.ShouldBe(AnnounceResult.KeyReused);
        again.Id.ShouldBe(Id(1));
    }

    [Fact]
    public async Task A_key_is_remembered_for_an_announcement_that_joined_too()
    {
        await Store.Announce(Announcement(Row(1)), Cancel);
        await Store.Announce(Announcement(Row(2), "key-2"), Cancel);

        var again = await Store.Announce(Announcement(Row(3, version: "9"), "key-2"), Cancel);

        again.Result.ShouldBe(AnnounceResult.Repeated);
        again.Id.ShouldBe(Id(1));
    }

    [Fact]
    public async Task A_key_is_forgotten_after_a_day()
    {
        await Store.Announce(Announcement(Row(1), "key-1"), Cancel);

        Clock.Advance(TimeSpan.FromHours(24) - TimeSpan.FromMilliseconds(1));
        (await Store.Announce(Announcement(Row(2, version: "2"), "key-1"), Cancel)).Result.ShouldBe(AnnounceResult.Repeated);
        Clock.Advance(TimeSpan.FromMilliseconds(1));
        (await Store.Announce(Announcement(Row(3, version: "3"), "key-1", "{\"other\":1}"), Cancel)).Result.ShouldBe(AnnounceResult.Accepted);
        (await Store.Announce(Announcement(Row(4, version: "4"), "key-1", "{\"other\":1}"), Cancel)).Id.ShouldBe(Id(3));
    }

    [Fact]
    public async Task Keys_that_have_outlived_their_time_are_deleted()
    {
        await Store.Announce(Announcement(Row(1), "old"), Cancel);
        Clock.Advance(TimeSpan.FromHours(25));

        await Store.Announce(Announcement(Row(2, version: "2"), "new"), Cancel);

        (await Sql("SELECT count(*) FROM idempotency")).ShouldBe(1L);
    }

    [Fact]
    public async Task Of_many_identical_announcements_at_once_exactly_one_is_accepted_and_all_name_it()
    {
        var answers = await Task.WhenAll(Enumerable.Range(1, 64).Select(i => Task.Run(() => Store.Announce(Announcement(Row(i)), Cancel))));

        answers.Count(a => a.Result == AnnounceResult.Accepted).ShouldBe(1);
        answers.Count(a => a.Result == AnnounceResult.Joined).ShouldBe(63);
        answers.Select(a => a.Id).Distinct().Count().ShouldBe(1);
        (await Store.CountOpen(Cancel)).ShouldBe(1);
    }

    [Fact]
    public async Task Of_many_announcements_with_the_same_key_at_once_exactly_one_is_accepted()
    {
        var answers = await Task.WhenAll(Enumerable.Range(1, 64).Select(i =>
            Task.Run(() => Store.Announce(Announcement(Row(i, version: "v" + i), "same"), Cancel))));

        answers.Count(a => a.Result == AnnounceResult.Accepted).ShouldBe(1);
        answers.Count(a => a.Result == AnnounceResult.Repeated).ShouldBe(63);
        answers.Select(a => a.Id).Distinct().Count().ShouldBe(1);
    }

    [Fact]
    public async Task An_announcement_whose_fact_is_not_the_first_of_its_own_stream_is_the_callers_error()
    {
        var row = Row(1);

        await Should.ThrowAsync<ArgumentException>(() => Store.Announce(Announcement(row) with { Fact = First(Row(2)) }, Cancel));
        await Should.ThrowAsync<ArgumentException>(() => Store.Announce(Announcement(row) with { Fact = Following(First(row), 1)[0] }, Cancel));
    }

    [Fact]
    public async Task An_id_that_is_taken_is_refused_and_nothing_else_is_spoiled()
    {
        await Store.Announce(Announcement(Row(1)), Cancel);

        var taken = Store.Announce(Announcement(Row(1, version: "other"), "key"), Cancel);
        var fine = Store.Announce(Announcement(Row(2, service: "cart")), Cancel);

        await Should.ThrowAsync<InvalidOperationException>(() => taken);
        (await fine).Result.ShouldBe(AnnounceResult.Accepted);
        (await Store.Find(Id(1), Cancel))!.Version.ShouldBe("2.0.0");
        (await Store.Announce(Announcement(Row(3, service: "search"), "key"), Cancel)).Result.ShouldBe(AnnounceResult.Accepted);
    }

    // Lists

    [Fact]
    public async Task A_list_is_newest_first_and_its_pages_hold_every_row_once()
    {
        for (var i = 1; i <= 25; i++)
        {
            await Store.Announce(Announcement(Row(i, service: "s" + i)), Cancel);
        }

        List<string> seen = [];
        string? before = null;
        while (await Store.List(new DeploymentFilter(BeforeId: before, Limit: 10), Cancel) is { Count: > 0 } page)
        {
            seen.AddRange(page.Select(row => row.Id));
            before = seen[^1];
            // What arrives meanwhile is newer than every page still to come.
            await Store.Announce(Announcement(Row(100 + seen.Count, service: "late")), Cancel);
        }

        seen.ShouldBe(Enumerable.Range(1, 25).Reverse().Select(Id));
    }

    [Fact]
    public async Task A_list_is_narrowed_by_every_part_of_the_filter()
    {
        await Closed(Row(1, "checkout", "prod", "1", at: Start), "CONTINUE");
        await Closed(Row(2, "checkout", "staging", "1", at: Start.AddMinutes(1)), "ROLLBACK");
        await Closed(Row(3, "cart", "prod", "1", at: Start.AddMinutes(2)), "ROLLBACK");
        await Store.Announce(Announcement(Row(4, "cart", "prod", "2", at: Start.AddMinutes(3))), Cancel);

        (await Ids(new(Service: "checkout"))).ShouldBe([2, 1]);
        (await Ids(new(Environment: "prod"))).ShouldBe([4, 3, 1]);
        (await Ids(new(Service: "cart", Environment: "prod"))).ShouldBe([4, 3]);
        (await Ids(new(Decision: "ROLLBACK"))).ShouldBe([3, 2]);
        (await Ids(new(Open: true))).ShouldBe([4]);
        (await Ids(new(Open: false))).ShouldBe([3, 2, 1]);
        (await Ids(new(Since: Start.AddMinutes(1)))).ShouldBe([4, 3, 2]);
        (await Ids(new(Since: Start.AddMinutes(9)))).ShouldBeEmpty();
        (await Ids(new(Since: Start.AddMinutes(1), BeforeId: Id(4), Limit: 1))).ShouldBe([3]);
        (await Ids(new("cart", "prod", "ROLLBACK", false, Start, Id(9), 50))).ShouldBe([3]);
        (await Ids(new(Service: "'; DROP TABLE facts; --"))).ShouldBeEmpty();

        async Task<IEnumerable<int>> Ids(DeploymentFilter filter) =>
            (await Store.List(filter, Cancel)).Select(row => int.Parse(row.Id[4..]));
    }

    [Fact]
    public async Task What_is_overdue_comes_most_overdue_first_and_what_is_closed_never()
    {
        await Store.Announce(Announcement(Row(1, "a", dueAt: Start.AddSeconds(30))), Cancel);
        await Store.Announce(Announcement(Row(2, "b", dueAt: Start.AddSeconds(10))), Cancel);
        await Store.Announce(Announcement(Row(3, "c", dueAt: Start.AddSeconds(20))), Cancel);
        await Store.Announce(Announcement(Row(4, "d", dueAt: Start.AddSeconds(99))), Cancel);
        await Closed(Row(5, "e", dueAt: Start), "CONTINUE");

        (await Store.Due(Start.AddSeconds(30), 10, Cancel)).ShouldBe([Id(2), Id(3), Id(1)]);
        (await Store.Due(Start.AddSeconds(30), 2, Cancel)).ShouldBe([Id(2), Id(3)]);
        (await Store.Due(Start.AddSeconds(9), 10, Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Those_that_wait_for_a_place_are_in_nobodys_way()
    {
        await Store.Announce(Announcement(Row(1, "a", dueAt: Start.AddSeconds(30)) with { State = "queued" }), Cancel);
        await Store.Announce(Announcement(Row(2, "b", dueAt: Start.AddSeconds(10)) with { State = "queued" }), Cancel);
        await Store.Announce(Announcement(Row(3, "c", dueAt: Start.AddSeconds(40))), Cancel);

        (await Store.Due(Start.AddSeconds(50), 1, Cancel)).ShouldBe([Id(3)]);
        (await Store.Waiting(Start.AddSeconds(50), 10, Cancel)).ShouldBe([Id(2), Id(1)]);
        (await Store.Waiting(Start.AddSeconds(50), 1, Cancel)).ShouldBe([Id(2)]);
        (await Store.Waiting(Start.AddSeconds(9), 10, Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_closed_deployment_gets_no_due_time_any_more()
    {
        var row = Row(1);
        await Store.Announce(Announcement(row), Cancel);
        var last = Following(First(row), 2);
        await Store.Append(new Append([last[0]], row with { State = "closed", ClosedReason = "decided", DueAt = null }), Cancel);

        await Store.Append(new Append([last[1]], null, Start), Cancel);

        (await Store.Due(Start.AddDays(1), 10, Cancel)).ShouldBeEmpty();
        (await Store.CountOpen(Cancel)).ShouldBe(0);
    }

    [Fact]
    public async Task Of_whom_only_something_is_to_be_told_is_in_the_way_of_none_that_is_watched()
    {
        for (var n = 1; n <= 3; n++)
        {
            var closed = Row(n, "service-" + n);
            await Store.Announce(Announcement(closed), Cancel);
            await Store.Append(new Append(Following(First(closed), 1), closed with { State = "closed", ClosedReason = "decided", DueAt = Start.AddSeconds(n) }), Cancel);
        }

        await Store.Announce(Announcement(Row(4, "d", dueAt: Start.AddSeconds(20))), Cancel);

        (await Store.Due(Start.AddSeconds(30), 2, Cancel)).ShouldBe([Id(4), Id(1)]);
    }

    [Fact]
    public async Task A_closed_deployment_of_which_somebody_is_still_to_be_told_is_due()
    {
        var row = Row(1);
        await Store.Announce(Announcement(row), Cancel);
        await Store.Append(new Append(Following(First(row), 1), row with { State = "closed", ClosedReason = "decided", DueAt = Start.AddMinutes(5) }), Cancel);

        (await Store.Due(Start.AddMinutes(4), 10, Cancel)).ShouldBeEmpty();
        (await Store.Due(Start.AddMinutes(5), 10, Cancel)).ShouldBe([row.Id]);
        (await Store.Find(row.Id, Cancel))!.DueAt.ShouldBe(Start.AddMinutes(5));
        (await Store.CountOpen(Cancel)).ShouldBe(0);
    }

    [Fact]
    public async Task All_and_the_open_ones_are_counted_and_a_list_passes_over_the_newest()
    {
        (await Store.CountOpen(Cancel)).ShouldBe(0);
        (await Store.Count(Cancel)).ShouldBe(0);
        await Store.Announce(Announcement(Row(1, "a")), Cancel);
        await Store.Announce(Announcement(Row(2, "b")), Cancel);
        await Closed(Row(3, "c"), "HOLD");

        (await Store.CountOpen(Cancel)).ShouldBe(2);
        (await Store.Count(Cancel)).ShouldBe(3);
        (await Store.List(new DeploymentFilter(Limit: 1, Skip: 1), Cancel)).Select(row => row.Id).ShouldBe([Id(2)]);
        (await Store.List(new DeploymentFilter(Skip: 3), Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task The_history_holds_what_a_version_is_chosen_by_newest_first()
    {
        await Closed(Row(1, version: "1"), "CONTINUE");
        await Closed(Row(2, version: "2"), "ROLLBACK", rolledBackTo: "1");
        await Closed(Row(3, version: "3"), "HOLD");
        await Closed(Row(4, version: "4"), "CONTINUE");
        await Closed(Row(5, version: "5", environment: "staging"), "CONTINUE");
        await Store.Announce(Announcement(Row(6, version: "6")), Cancel);
        // Rolled back and still observed.
        await Store.Append(
            new Append(Following(First(Row(6, version: "6")), 1), Row(6, version: "6") with { State = "observing", RolledBackAt = Start, RolledBackTo = "4" }),
            Cancel);
        await Store.Announce(Announcement(Row(7, version: "7")), Cancel);

        (await Store.History("checkout", "prod", 10, Cancel)).Select(row => row.Version).ShouldBe(["6", "4", "2", "1"]);
        (await Store.History("checkout", "prod", 2, Cancel)).Select(row => row.Version).ShouldBe(["6", "4"]);
        (await Store.History("nobody", "prod", 2, Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_version_stays_rolled_back_behind_any_number_of_deployments_until_it_carries_on()
    {
        await Closed(Row(1, version: "1", at: Start.AddHours(1)), "ROLLBACK", rolledBackTo: "0");
        await Closed(Row(2, version: "2", at: Start.AddHours(2)), "ROLLBACK", rolledBackTo: "0");
        await Closed(Row(3, version: "2", at: Start.AddHours(3)), "CONTINUE");
        await Closed(Row(4, version: "3", at: Start.AddHours(4)), "CONTINUE");
        await Closed(Row(5, version: "3", at: Start.AddHours(5)), "ROLLBACK", rolledBackTo: "2");
        await Closed(Row(6, version: "4", environment: "staging", at: Start.AddHours(6)), "ROLLBACK", rolledBackTo: "0");
        for (var n = 7; n < 140; n++)
            await Closed(Row(n, version: "other" + n, at: Start.AddHours(n)), "CONTINUE");

        async Task<IEnumerable<string>> RolledBack(params string[] versions) =>
            (await Store.RolledBack("checkout", "prod", versions, Id(5), Cancel)).Select(row => $"{row.Version} {row.Id}");
        (await RolledBack("1", "2", "3", "4", "1", "nobody")).ShouldBe([$"1 {Id(1)}"]);
        (await Store.RolledBack("checkout", "prod", ["3"], Id(1), Cancel)).Select(row => row.Id).ShouldBe([Id(5)]);
        (await RolledBack()).ShouldBeEmpty();
        (await Store.History("checkout", "prod", 100, Cancel)).ShouldNotContain(row => row.Version == "1");
    }

    [Fact]
    public async Task At_its_limit_a_service_is_refused_new_watches_but_not_what_is_known_joins_or_supersedes()
    {
        Announcement Of(int n, string environment, string version, string? key = null, string service = "looping") =>
            Announcement(Row(n, service: service, version: version) with { Environment = environment }, key) with { MaxOpen = 2 };
        await Store.Announce(Of(1, "a", "1", "key-1"), Cancel);
        await Store.Announce(Of(2, "b", "1"), Cancel);

        (await Store.Announce(Of(3, "c", "1"), Cancel)).Result.ShouldBe(AnnounceResult.Crowded);
        (await Store.Find(Id(3), Cancel)).ShouldBeNull();
        (await Store.Announce(Of(4, "a", "1", "key-1"), Cancel)).Result.ShouldBe(AnnounceResult.Repeated);
        (await Store.Announce(Of(5, "b", "1"), Cancel)).Result.ShouldBe(AnnounceResult.Joined);
        (await Store.Announce(Of(6, "b", "2"), Cancel)).Result.ShouldBe(AnnounceResult.Accepted);
        (await Store.Announce(Of(7, "a", "1", service: "other"), Cancel)).Result.ShouldBe(AnnounceResult.Accepted);
    }

    // Upkeep

    private IStoreUpkeep Upkeep => (IStoreUpkeep)Store;

    [Fact]
    public async Task Streams_are_named_in_the_order_of_their_bytes_page_by_page()
    {
        foreach (var stream in new[] { "system", "model", "policy/b", "policy/B" })
            await Store.Append(new Append(Written.Stream(stream, 2), null), Cancel);
        await Store.Announce(Announcement(Row(1)), Cancel);

        var first = await Upkeep.StreamNames("", 3, Cancel);
        var rest = await Upkeep.StreamNames(first[^1], 3, Cancel);

        first.Concat(rest).ShouldBe([Streams.Of(Id(1)), "model", "policy/B", "policy/b", "system"]);
    }

    [Fact]
    public async Task Ticks_of_a_closed_deployment_lose_their_bodies_some_at_a_time_and_the_chain_holds()
    {
        var (open, closed) = (Row(1), Row(2, service: "other"));
        foreach (var row in new[] { open, closed })
        {
            await Store.Announce(Announcement(row), Cancel);
            var ticks = Following(First(row), 5, "tick");
            await Store.Append(new Append(ticks, null, Clock.GetUtcNow()), Cancel);
            if (row == closed)
            {
                // What others said goes with what was measured.
                var opinion = Following(ticks[^1], 1, "opinion");
                await Store.Append(new Append(opinion, null, Clock.GetUtcNow()), Cancel);
                await Store.Append(new Append(Following(opinion[^1], 1, "closed"), row with { State = "closed", DueAt = null }), Cancel);
            }
        }

        (await Upkeep.DropTicks(open.Id, 10, Cancel)).ShouldBe(0);
        (await Upkeep.DropTicks(closed.Id, 4, Cancel)).ShouldBe(4);
        (await Upkeep.DropTicks(closed.Id, 4, Cancel)).ShouldBe(2);
        (await Upkeep.DropTicks(closed.Id, 4, Cancel)).ShouldBe(0);

        var facts = await Store.Read(Streams.Of(closed.Id), 0, 10, Cancel);
        facts.Select(fact => fact.Body is null).ShouldBe([false, true, true, true, true, true, true, false]);
        (await FactChain.Verify(Store, Streams.Of(closed.Id), Cancel)).ShouldBeNull();
        (await Store.Read(Streams.Of(open.Id), 0, 10, Cancel)).ShouldAllBe(fact => fact.Body != null);
    }

    [Fact]
    public async Task Deployments_of_long_ago_are_named_oldest_first_with_whether_they_are_open()
    {
        await Store.Announce(Announcement(Row(1)), Cancel);
        await Store.Announce(Announcement(Row(2, service: "other", at: Start.AddHours(1))), Cancel);
        await Store.Announce(Announcement(Row(3, service: "third", at: Start.AddHours(2))), Cancel);
        await Store.Append(new Append(Following(First(Row(1)), 1, "closed"), Row(1) with { State = "closed", DueAt = null }), Cancel);

        (await Upkeep.Announced("", Start.AddHours(2), 10, Cancel)).ShouldBe([(Id(1), false), (Id(2), true)]);
        (await Upkeep.Announced(Id(1), Start.AddHours(3), 1, Cancel)).ShouldBe([(Id(2), true)]);
    }

    [Fact]
    public async Task A_row_is_put_in_the_place_of_another_and_removed_only_when_it_has_no_facts()
    {
        var row = Row(1);
        await Store.Announce(Announcement(row), Cancel);
        var other = row with { Version = "9", State = "closed", ClosedReason = "decided", Decision = "ROLLBACK", DueAt = null, RolledBackAt = Start, RolledBackTo = "8", Document = [1, 2] };

        await Upkeep.Put(other, Cancel);
        await Upkeep.Put(Row(2), Cancel);
        await Upkeep.RemoveRow(row.Id, Cancel);
        await Upkeep.RemoveRow(Id(2), Cancel);

        ShouldBeSame(await Store.Find(row.Id, Cancel), other);
        (await Store.Find(Id(2), Cancel)).ShouldBeNull();
    }

    // Closing

    [Fact]
    public async Task A_closed_store_says_that_it_is_unavailable()
    {
        await Store.DisposeAsync();

        await Should.ThrowAsync<StoreUnavailableException>(() => Store.Append(new Append(Written.Stream("model", 1), null), Cancel));
        await Should.ThrowAsync<StoreUnavailableException>(() => Store.Find(Id(1), Cancel));
        await Store.DisposeAsync();
    }

    [Fact]
    public async Task Closing_finishes_what_was_accepted()
    {
        var waiting = Enumerable.Range(0, 200).Select(i => Store.Append(new Append(Written.Stream("policy/" + i, 1), null), Cancel)).ToArray();

        await Reopen();

        (await Task.WhenAll(waiting)).ShouldAllBe(stored => stored);
        (await Store.Read("policy/199", 0, 10, Cancel)).Count.ShouldBe(1);
    }

    // Against a model

    [Fact]
    public async Task Any_sequence_of_operations_answers_as_the_model_does()
    {
        await Step.Histories.SampleAsync(
            async steps =>
            {
                await using var store = await OpenAnother();
                await new StoreModel(store, Clock.GetUtcNow()).Run(steps, Cancel);
            },
            iter: 40,
            threads: 1);
    }

    private protected async Task Closed(DeploymentRow row, string decision, string? rolledBackTo = null)
    {
        (await Store.Announce(Announcement(row), Cancel)).Result.ShouldBe(AnnounceResult.Accepted);
        var closed = row with
        {
            State = "closed",
            ClosedReason = "decided",
            Decision = decision,
            DueAt = null,
            RolledBackAt = rolledBackTo is null ? null : row.ReceivedAt,
            RolledBackTo = rolledBackTo,
        };
        (await Store.Append(new Append(Following(First(row), 1, "closed"), closed), Cancel)).ShouldBeTrue();
    }

    private protected static void ShouldBeSame(IReadOnlyList<Fact> facts, IReadOnlyList<Fact> expected)
    {
        facts.Select(Words).ShouldBe(expected.Select(Words));

        static string Words(Fact f) =>
            $"{f.Stream} {f.Seq} {f.At:O} {f.Kind} {f.Version} {(f.Body is null ? "none" : Convert.ToHexString(f.Body))} {Convert.ToHexString(f.BodyHash)} {Convert.ToHexString(f.Hash)}";
    }

    private protected static void ShouldBeSame(DeploymentRow? row, DeploymentRow expected)
    {
        row.ShouldNotBeNull();
        row.Document.ShouldBe(expected.Document);
        (row with { Document = expected.Document }).ShouldBe(expected);
    }
}
