using Commander.Server.Storage;
using Commander.Server.Storage.Postgres;
using CsCheck;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using static Commander.Server.Tests.Storage.Written;

namespace Commander.Server.Tests.Storage.Postgres;

/// <summary>Two nodes on one database at once.</summary>
public sealed class PostgresNodesTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private sealed record Asked(int Node, string Service, string Version, string? Key);

    [Fact]
    public async Task Whatever_nodes_announce_at_once_each_is_accepted_once_and_the_later_supersedes_the_earlier()
    {
        var server = await SharedPostgres.Server();
        var asked = Gen.Select(Gen.Int[0, 1], Gen.Int[0, 1], Gen.Int[1, 3], Gen.Int[0, 8], (node, service, version, key) =>
            new Asked(node, "service-" + service, "v" + version, key < 5 ? null : "key-" + key));

        await asked.Array[2, 60].SampleAsync(
            async all =>
            {
                await using var nodes = await Nodes.Open(server);

                var answers = await Task.WhenAll(all.Select((one, i) => Task.Run(async () =>
                    (one, Answer: await nodes.All[one.Node].Announce(Announcement(Row(i + 1, one.Service, version: one.Version), one.Key, one.Service + one.Version), Cancel)))));

                // A key is used once, by whoever came first.
                foreach (var keyed in answers.Where(a => a.one.Key is not null).GroupBy(a => a.one.Key))
                {
                    keyed.Count(a => a.Answer.Result is AnnounceResult.Accepted or AnnounceResult.Joined).ShouldBe(1);
                    keyed.Select(a => a.Answer.Id).Distinct().Count().ShouldBe(1);
                }

                var taken = answers.Where(a => a.Answer.Result is AnnounceResult.Accepted or AnnounceResult.Joined).ToArray();
                foreach (var same in taken.GroupBy(a => (a.one.Service, a.one.Version)))
                {
                    same.Count(a => a.Answer.Result == AnnounceResult.Accepted).ShouldBe(1);
                    same.Select(a => a.Answer.Id).Distinct().Count().ShouldBe(1);
                }

                // Of two accepted versions of a service exactly one supersedes the other: they came one after the other.
                foreach (var service in taken.Where(a => a.Answer.Result == AnnounceResult.Accepted).GroupBy(a => a.one.Service))
                {
                    var accepted = service.Select(a => a.Answer).OrderBy(a => a.Superseded.Count).ToArray();
                    for (var i = 0; i < accepted.Length; i++)
                    {
                        accepted[i].Superseded.ShouldBe(accepted[..i].Select(a => a.Id).Order(StringComparer.Ordinal));
                    }
                }

                var stored = await nodes.All[0].List(new DeploymentFilter(Limit: 500), Cancel);
                stored.Select(row => row.Id).ShouldBe(answers.Where(a => a.Answer.Result == AnnounceResult.Accepted).Select(a => a.Answer.Id), ignoreOrder: true);
            },
            iter: 15,
            threads: 1);
    }

    [Fact]
    public async Task Whatever_owners_append_at_once_from_two_nodes_no_stream_has_a_gap_or_a_fork_and_each_true_is_stored()
    {
        var server = await SharedPostgres.Server();

        // How many streams, how many owners of each on each node, how many facts each of them appends at once.
        await Gen.Select(Gen.Int[1, 4], Gen.Int[1, 3], Gen.Int[1, 3]).SampleAsync(
            async (streams, owners, length) =>
            {
                await using var nodes = await Nodes.Open(server);
                var rows = Enumerable.Range(1, streams).Select(i => Row(i, "service-" + i)).ToArray();
                foreach (var row in rows)
                {
                    await nodes.All[0].Announce(Announcement(row), Cancel);
                }

                var appended = await Task.WhenAll(rows.SelectMany(row => nodes.All.SelectMany(node => Enumerable.Range(0, owners).Select(owner => Task.Run(async () =>
                {
                    List<Fact> mine = [];
                    var name = $"owner-{owner}-{Array.IndexOf(nodes.All, node)}";
                    for (var tries = 0; tries < 12; tries++)
                    {
                        var last = (await node.Read(Streams.Of(row.Id), 0, 1_000, Cancel))[^1];
                        var next = Following(last, length, name);
                        if (await node.Append(new Append(next, row with { Document = next[^1].Hash }), Cancel))
                        {
                            mine.AddRange(next);
                        }
                    }

                    return (row, mine);
                })))));

                foreach (var row in rows)
                {
                    var stream = Streams.Of(row.Id);
                    (await FactChain.Verify(nodes.All[1], stream, Cancel)).ShouldBeNull();
                    var facts = await nodes.All[1].Read(stream, 0, 10_000, Cancel);
                    var told = appended.Where(a => a.row == row).SelectMany(a => a.mine).Select(fact => Convert.ToHexString(fact.Hash)).ToArray();
                    facts.Skip(1).Select(fact => Convert.ToHexString(fact.Hash)).ShouldBe(told, ignoreOrder: true);
                    told.Length.ShouldBeGreaterThanOrEqualTo(length * 12, "at least one of them gets on at each try");
                    // The row is of the last fact, not of who wrote last.
                    (await nodes.All[0].Find(row.Id, Cancel))!.Document.ShouldBe(facts[^1].Hash);
                }
            },
            iter: 8,
            threads: 1);
    }

    private sealed class Nodes(PostgresStore[] all) : IAsyncDisposable
    {
        public PostgresStore[] All => all;

        public static async Task<Nodes> Open(RealPostgres server)
        {
            var database = RealPostgres.Read(await server.Fresh());
            return new Nodes(await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => PostgresStore.Open(database, new FakeTimeProvider(Start), NullLogger.Instance, Cancel))));
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var store in all)
            {
                await store.DisposeAsync();
            }
        }
    }
}
