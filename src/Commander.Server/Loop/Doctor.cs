using System.Text.Json;
using Commander.Judging.Verdicts;
using Commander.Server.Storage;

namespace Commander.Server.Loop;

/// <summary>What was found in a store.</summary>
/// <param name="Streams">How many streams were read.</param>
/// <param name="Facts">How many facts.</param>
/// <param name="Dropped">How many of them are ticks without a body: their time of keeping has passed.</param>
/// <param name="Broken">Per broken chain a sentence: stream, seq, what is wrong. Nothing can mend it but a backup.</param>
/// <param name="Wrong">Per row that does not say what its facts say, or is missing or without facts, a sentence.</param>
/// <param name="Mended">How many of those rows were written anew.</param>
internal sealed record Examination(long Streams, long Facts, long Dropped, IReadOnlyList<string> Broken, IReadOnlyList<string> Wrong, int Mended);

/// <summary>Reads everything that is stored: whether the facts are the ones that were written, and whether the read tables say what they say.</summary>
internal sealed class Doctor(IFactStore store, IStoreUpkeep upkeep, PinBook pins, TimeProvider clock)
{
    private const int PageSize = 500;

    /// <summary>No more than so many sentences of a kind.</summary>
    private const int MostSaid = 100;

    /// <param name="rebuild">Whether rows that are wrong are written anew.</param>
    /// <param name="progress">Told the number of streams now and then.</param>
    /// <param name="cancel">Ends it; what was mended stays.</param>
    public async Task<Examination> Examine(bool rebuild, Action<long> progress, CancellationToken cancel)
    {
        var (streams, facts, dropped, mended) = (0L, 0L, 0L, 0);
        var (broken, wrong) = (new List<string>(), new List<string>());
        for (var after = ""; ;)
        {
            var page = await upkeep.StreamNames(after, PageSize, cancel);
            foreach (var stream in page)
            {
                after = stream;
                streams++;
                if (await FactChain.Verify(store, stream, cancel) is { } fault)
                {
                    Say(broken, $"{stream}: fact {fault.Seq}: {fault.Reason}");
                    continue;
                }

                var (read, without, fold) = await Fold(stream, cancel);
                facts += read;
                dropped += without;
                if (fold is null)
                    continue;
                var row = await store.Find(fold.Received.Id, cancel);
                // A chain without its last facts holds; the row remembers that there were more. Written anew, it would be watched and act again.
                if (fold.Open && row is { Open: false })
                {
                    Say(broken, $"{stream}: after fact {fold.Seq}: the row is closed, and the facts that closed it are missing");
                    continue;
                }

                if (Difference(fold, row, without > 0) is not { } difference)
                    continue;
                Say(wrong, $"{fold.Received.Id}: {difference}");
                if (rebuild)
                {
                    await upkeep.Put(Rebuilt(fold, row, without > 0), cancel);
                    mended++;
                }
            }

            progress(streams);
            if (page.Count < PageSize)
                break;
        }

        await foreach (var id in Orphans(cancel))
        {
            Say(wrong, $"{id}: the row has no facts");
            if (rebuild)
            {
                await upkeep.RemoveRow(id, cancel);
                mended++;
            }
        }

        return new Examination(streams, facts, dropped, broken, wrong, mended);
    }

    private static void Say(List<string> sentences, string sentence)
    {
        if (sentences.Count < MostSaid)
            sentences.Add(sentence);
        else if (sentences.Count == MostSaid)
            sentences.Add("and more");
    }

    // The row is as of the last fact that is no tick: those alone change only when it is due.
    private async Task<(long Facts, long Dropped, Watch? Watch)> Fold(string stream, CancellationToken cancel)
    {
        var (count, dropped) = (0L, 0L);
        Watch? watch = stream.StartsWith(Streams.Deployment, StringComparison.Ordinal) ? new Watch(pins) : null;
        var waiting = new List<Fact>();
        for (var seq = 0L; ;)
        {
            var page = await store.Read(stream, seq, PageSize, cancel);
            foreach (var fact in page)
            {
                seq = fact.Seq;
                count++;
                dropped += fact is { Kind: FactKind.Tick, Body: null } ? 1 : 0;
                if (watch is null)
                    continue;
                if (fact is { Kind: FactKind.Pinned, Body: { } body })
                    await pins.Know(FactBody.Read<PinnedBody>(body), cancel);
                waiting.Add(fact);
                if (fact.Kind == FactKind.Tick)
                    continue;
                waiting.ForEach(watch.Apply);
                waiting.Clear();
            }

            if (page.Count < PageSize)
                return (count, dropped, watch);
        }
    }

    /// <summary>What a row says otherwise than its facts, in a sentence; null when they agree.</summary>
    private static string? Difference(Watch fold, DeploymentRow? row, bool evidenceDropped)
    {
        if (row is null)
            return "there is no row";
        if (Url(row) is not { } url)
            return "the document cannot be read";
        var said = fold.Row(row.DueAt, _ => url);
        if (said with { Document = row.Document } != row)
            return $"the row says {Words(row)}, the facts {Words(said)}";
        if ((fold.Open || fold.Untold.Any()) != row.DueAt is not null)
            return fold.Open || fold.Untold.Any() ? "something is to be done and nobody is to wake it" : "it is closed and due";
        // Findings come from the ticks, by the judge of the time.
        return !Exact(fold, evidenceDropped) || said.Document.AsSpan().SequenceEqual(row.Document) || Before(said).AsSpan().SequenceEqual(row.Document) ? null : "the document does not say what the facts say";
    }

    // As documents were written before they listed all labels.
    private static byte[] Before(DeploymentRow row) => FactBody.Write(FactBody.Read<Deployment>(row.Document) with { Outcomes = null, Contested = false });

    private DeploymentRow Rebuilt(Watch fold, DeploymentRow? row, bool evidenceDropped)
    {
        var due = fold.Open || fold.Untold.Any() ? row?.DueAt ?? clock.GetUtcNow() : (DateTimeOffset?)null;
        var url = row is null ? null : Url(row);
        var said = fold.Row(due, id => url ?? "/d/" + id);
        return url is not null && !Exact(fold, evidenceDropped) ? said with { Document = row!.Document } : said;
    }

    private static bool Exact(Watch fold, bool evidenceDropped) => !evidenceDropped && (fold.Pinned is null || fold.Pinned.Judge == Judge.Version);

    /// <summary>The page that a row's document names; null when nothing can be made of the document.</summary>
    private static string? Url(DeploymentRow row)
    {
        try
        {
            return FactBody.Read<Deployment>(row.Document).Url;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Words(DeploymentRow row) =>
        $"{row.State} {row.ClosedReason ?? "-"} {row.Decision ?? "-"}{(row.RolledBackAt is { } at ? $" rolled back {at:u} to {row.RolledBackTo}" : "")}";

    private async IAsyncEnumerable<string> Orphans([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel)
    {
        for (var after = ""; ;)
        {
            var page = await upkeep.Announced(after, DateTimeOffset.MaxValue, PageSize, cancel);
            foreach (var (id, _) in page)
            {
                after = id;
                if ((await store.Read(Streams.Of(id), 0, 1, cancel)).Count == 0)
                    yield return id;
            }

            if (page.Count < PageSize)
                yield break;
        }
    }
}
