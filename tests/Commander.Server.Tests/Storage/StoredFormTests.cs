using System.Text;
using Commander.Server.Storage;
using Commander.Server.Storage.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using static Commander.Server.Tests.Storage.Written;

namespace Commander.Server.Tests.Storage;

/// <summary>
/// Every stored form that was ever released, as a dump of a small database of its time. Each later build must open it.
/// A file here is never changed; a new form adds one.
/// </summary>
public sealed class StoredFormTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public static TheoryData<string> Forms =>
        [.. Directory.GetFiles(Repository.At("tests/Commander.Server.Tests/Storage/Stored"), "*.sql").Select(file => Path.GetFileName(file))];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Every_form_that_was_ever_stored_is_read(string form)
    {
        var cancel = TestContext.Current.CancellationToken;
        Restore(form);

        await using var store = Open();

        await ShouldHoldWhatWasStored(store, cancel);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Every_form_becomes_the_one_that_a_new_database_has(string form)
    {
        Restore(form);
        await Open().DisposeAsync();
        await SqliteStore.Open(_folder["new"], TimeProvider.System, NullLogger.Instance).DisposeAsync();

        Definition(_folder["commander.db"]).ShouldBe(Definition(_folder["new/commander.db"]));
    }

    /// <summary>What the small database of every form holds.</summary>
    internal static async Task ShouldHoldWhatWasStored(IFactStore store, CancellationToken cancel)
    {
        (await store.List(new DeploymentFilter(), cancel)).Select(row => $"{row.Id[^1]} {row.Service} {row.Environment} {row.Version} {row.State} {row.ClosedReason} {row.Decision} {row.Snapshot}").ShouldBe(
        [
            "3 cart staging 7 watching   True",
            "2 checkout prod 2.0.0 observing  ROLLBACK False",
            "1 checkout prod 1.9.0 closed decided CONTINUE False",
        ]);
        var rolledBack = (await store.Find(Id(2), cancel))!;
        rolledBack.ReceivedAt.ShouldBe(Start.AddHours(1));
        rolledBack.DueAt.ShouldBe(Start.AddHours(1).AddSeconds(15));
        rolledBack.RolledBackAt.ShouldBe(Start.AddHours(1).AddSeconds(9));
        rolledBack.RolledBackTo.ShouldBe("1.9.0");
        Encoding.UTF8.GetString(rolledBack.Document).ShouldBe($$"""{"id":"{{Id(2)}}"}""");
        (await store.History("checkout", "prod", 10, cancel)).Select(row => row.Version).ShouldBe(["2.0.0", "1.9.0"]);
        (await store.Due(Start.AddDays(1), 10, cancel)).ShouldBe([Id(2), Id(3)]);

        foreach (var (stream, count) in new[] { (Streams.Of(Id(1)), 4), (Streams.Of(Id(2)), 5), (Streams.Of(Id(3)), 1), ("policy/checkout", 2), ("model", 1) })
        {
            (await store.Read(stream, 0, 100, cancel)).Count.ShouldBe(count, stream);
            (await FactChain.Verify(store, stream, cancel)).ShouldBeNull(stream);
        }

        (await store.Read(Streams.Of(Id(1)), 1, 1, cancel))[0].Body.ShouldBeNull("compacted");
        var model = (await store.Read("model", 0, 1, cancel))[0];
        model.Version.ShouldBe(2);
        model.Body.ShouldBe([0, 1, 254, 255]);
        (await store.Announce(Announcement(Row(9), "first-key", "{\"service\":\"checkout\"}"), cancel)).ShouldBeEquivalentTo(new Announced(AnnounceResult.Repeated, Id(1), []));
    }

    private static List<string> Definition(string file)
    {
        using var session = Session.ToRead(file);
        using var reader = session.Query("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name");
        List<string> definition = [];
        while (reader.Read())
        {
            definition.Add(reader.GetString(0));
        }

        return definition;
    }

    private SqliteStore Open() => SqliteStore.Open(_folder.Path, new FakeTimeProvider(Start), NullLogger.Instance);

    private void Restore(string form)
    {
        using var session = Session.ToWrite(_folder["commander.db"]);
        session.Script(File.ReadAllText(Repository.At("tests/Commander.Server.Tests/Storage/Stored/" + form)));
    }
}
