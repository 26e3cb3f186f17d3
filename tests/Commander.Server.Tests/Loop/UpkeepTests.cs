using Commander.Server.Loop;
using Commander.Server.Storage;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Commander.Server.Tests.Loop;

/// <summary>What is kept only for a time, and what a doctor finds in a store.</summary>
public class UpkeepTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ticks_are_dropped_after_their_time_and_everything_else_stays()
    {
        await using var world = await LoopWorld.Begin();
        world.Source.ErrorShare["2.0.0"] = 0.3;
        var bad = (await world.Announce("2.0.0")).Id;
        var before = await world.Run(bad, d => d.State == "closed");
        world.Clock.Advance(TimeSpan.FromDays(80));
        var young = (await world.Announce("2.0.1")).Id;
        await world.Run(young, d => d.State == "closed");
        world.Clock.Advance(TimeSpan.FromDays(11));

        (await Drop(world)).ShouldBeGreaterThan(10);

        (await world.Facts(bad)).Where(fact => fact.Body is null).ShouldAllBe(fact => fact.Kind == FactKind.Tick);
        (await world.Facts(bad)).Count(fact => fact is { Kind: FactKind.Tick, Body: not null }).ShouldBe(0);
        (await FactChain.Verify(world.Store, Streams.Of(bad), Cancel)).ShouldBeNull();
        (await world.Facts(young)).ShouldAllBe(fact => fact.Body != null);
        Json(await world.Get(bad)).ShouldBe(Json(before));
        (await world.Desk.Evidence(bad, Cancel))!.Ticks.ShouldBeEmpty();
        foreach (var policy in (string?[])[null, "current"])
        {
            var replayed = (await world.Desk.Replay(bad, policy, null, null, Cancel))!;
            replayed.Verdict.ShouldBeNull();
            replayed.Differences.ShouldContain(said => said.Contains("past its retention", StringComparison.Ordinal));
        }

        // What a version is chosen by is still known.
        var again = (await world.Announce("2.0.0")).Id;
        (await world.Run(again, d => d.Notes.Count > 0)).Notes.ShouldContain(note => note.Contains("rolled back before", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_was_dropped_is_not_gone_through_again_and_an_open_deployment_is_waited_for()
    {
        await using var world = await LoopWorld.Begin();
        var first = (await world.Announce("1", service: "checkout")).Id;
        await world.Run(first, d => d.State == "closed");
        var open = (await world.Announce("1", service: "other")).Id;
        world.Clock.Advance(TimeSpan.FromSeconds(1));
        var last = (await world.Announce("2", service: "checkout")).Id;
        await world.Run(last, d => d.State == "closed");
        world.Clock.Advance(TimeSpan.FromDays(91));

        (await Drop(world)).ShouldBeGreaterThan(0);
        (await Drop(world)).ShouldBe(0);

        var said = (await world.Store.Read(Streams.System, 0, 10, Cancel)).ShouldHaveSingleItem();
        FactBody.Read<CompactedBody>(said.Body).Until.ShouldBe(first);
        (await world.Store.Find(open, Cancel))!.Open.ShouldBeTrue();
        (await world.Facts(last)).ShouldContain(fact => fact.Kind == FactKind.Tick && fact.Body == null);
    }

    [Fact]
    public async Task A_doctor_finds_a_whole_store_whole_open_watches_too()
    {
        await using var world = await LoopWorld.Begin();
        await Lived(world);

        var found = await Examine(world, rebuild: false);

        found.Broken.ShouldBeEmpty();
        found.Wrong.ShouldBeEmpty();
        found.Facts.ShouldBeGreaterThan(50);
    }

    [Theory]
    [InlineData("UPDATE deployments SET state = 'watching', due_at = NULL WHERE decision = 'ROLLBACK'", "the row says watching")]
    [InlineData("UPDATE deployments SET document = replace(document, '2.0.0', '2.0.9') WHERE decision = 'ROLLBACK'", "the document does not say what the facts say")]
    [InlineData("UPDATE deployments SET document = x'00' WHERE decision = 'ROLLBACK'", "the document cannot be read")]
    [InlineData("UPDATE deployments SET rolled_back_at = NULL WHERE decision = 'ROLLBACK'", "the facts closed decided ROLLBACK rolled back")]
    [InlineData("UPDATE deployments SET due_at = NULL", "nobody is to wake it")]
    [InlineData("DELETE FROM deployments", "there is no row")]
    [InlineData("DELETE FROM facts WHERE stream = (SELECT 'deployment/' || id FROM deployments WHERE decision = 'ROLLBACK')", "the row has no facts")]
    public async Task A_row_that_does_not_say_what_its_facts_say_is_named_and_written_anew(string tampering, string said)
    {
        await using var world = await LoopWorld.Begin();
        await Lived(world);
        var before = await Rows(world);
        await Tamper(world, tampering);

        (await Examine(world, rebuild: false)).Wrong.ShouldContain(sentence => sentence.Contains(said, StringComparison.Ordinal));
        (await Examine(world, rebuild: true)).Mended.ShouldBeGreaterThan(0);

        (await Examine(world, rebuild: false)).Wrong.ShouldBeEmpty();
        if (!tampering.Contains("facts", StringComparison.Ordinal))
            (await Rows(world)).ShouldBe(before);
    }

    [Theory]
    [InlineData("UPDATE facts SET body = x'7b7d' WHERE kind = 'verdict'", "the body is not the one that was written")]
    [InlineData("DELETE FROM facts WHERE kind = 'verdict'", "stands where")]
    [InlineData("DELETE FROM facts WHERE kind = 'closed'", "the facts that closed it are missing")]
    public async Task A_chain_that_does_not_hold_is_named(string tampering, string said)
    {
        await using var world = await LoopWorld.Begin();
        await Lived(world);
        await Tamper(world, tampering);

        (await Examine(world, rebuild: true)).Broken.ShouldContain(sentence => sentence.StartsWith("deployment/dep-", StringComparison.Ordinal) && sentence.Contains(said, StringComparison.Ordinal));
    }

    private static async Task Lived(LoopWorld world)
    {
        world.Source.ErrorShare["2.0.0"] = 0.3;
        await world.Run((await world.Announce("2.0.0")).Id, d => d.State == "closed");
        await world.Run((await world.Announce("2.0.1")).Id, d => d.Verdict?.Decision == "CONTINUE");
        await world.Announce("1.0.0", service: "queued");
    }

    // Where the address of the page is the same; when an open one is due is not in its facts.
    private static async Task<string[]> Rows(LoopWorld world) =>
    [
        .. (await world.Store.List(new DeploymentFilter(), Cancel)).Select(row =>
            $"{row.Id} {row.Version} {row.State} {row.ClosedReason} {row.Decision} {row.RolledBackAt:O} {row.RolledBackTo} {row.Open == row.DueAt is not null} {System.Text.Encoding.UTF8.GetString(row.Document).Replace("http://127.0.0.1:5080", "", StringComparison.Ordinal)}"),
    ];

    private static string Json(Commander.Judging.Verdicts.Deployment deployment) => System.Text.Encoding.UTF8.GetString(FactBody.Write(deployment));

    private static Task<Examination> Examine(LoopWorld world, bool rebuild) =>
        new Doctor(world.Store, (IStoreUpkeep)world.Store, PinBook.ToRead(world.Store), world.Clock).Examine(rebuild, _ => { }, Cancel);

    private static async Task<long> Drop(LoopWorld world)
    {
        using var retention = new Retention(world.Store, (IStoreUpkeep)world.Store, TimeSpan.FromDays(90), world.Clock, NullLogger<Retention>.Instance);
        var dropping = retention.Run(Cancel);
        while (!dropping.IsCompleted)
        {
            world.Clock.Advance(TimeSpan.FromMilliseconds(50));
            await Task.Yield();
        }

        return await dropping;
    }

    private static async Task Tamper(LoopWorld world, string sql)
    {
        await using var connection = new SqliteConnection($"Data Source={Path.Combine(world.Folder, "commander.db")};Pooling=false");
        await connection.OpenAsync(Cancel);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(Cancel);
    }
}
