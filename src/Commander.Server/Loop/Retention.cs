using Commander.Server.Storage;

namespace Commander.Server.Loop;

/// <summary>How far the evidence of old deployments has been dropped, as a fact in the stream system.</summary>
/// <param name="Until">The id up to which all closed deployments are without their ticks.</param>
/// <param name="Ticks">How many ticks this step dropped.</param>
internal sealed record CompactedBody(string Until, long Ticks);

/// <summary>
/// Drops what is kept only for a time: the ticks of deployments that were announced longer ago than the policy of the house says.
/// Their facts stay with their hashes, so that a chain that was cut is told from one that was tampered with; verdicts, actions and
/// outcomes stay whole, because versions are chosen by them. It goes in short steps with pauses, beside the work.
/// </summary>
internal sealed class Retention(IFactStore store, IStoreUpkeep upkeep, TimeSpan keep, TimeProvider clock, ILogger<Retention> log) : BackgroundService
{
    private const string Compacted = "compacted";
    private const int PageSize = 200;
    private const int TicksAtOnce = 200;
    private static readonly TimeSpan First = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Every = TimeSpan.FromHours(1);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            for (var wait = First; ; wait = Every)
            {
                await Task.Delay(wait, clock, stoppingToken);
                try
                {
                    await Run(stoppingToken);
                }
                catch (Exception e) when (!stoppingToken.IsCancellationRequested)
                {
                    log.NotCompacted(e);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    /// <summary>Drops all that is due now; how many ticks.</summary>
    internal async Task<long> Run(CancellationToken cancel)
    {
        var before = clock.GetUtcNow() - keep;
        var (until, end) = await Reached(cancel);
        var (reached, dropped, blocked) = (until, 0L, false);
        for (var after = until; ;)
        {
            var page = await upkeep.Announced(after, before, PageSize, cancel);
            foreach (var (id, open) in page)
            {
                after = id;
                // One that is still open is looked at again the next time, and so are those after it.
                blocked |= open;
                if (!blocked)
                    reached = id;
                for (var ticks = open ? 0 : TicksAtOnce; ticks == TicksAtOnce;)
                {
                    ticks = await upkeep.DropTicks(id, TicksAtOnce, cancel);
                    dropped += ticks;
                    if (ticks > 0)
                        await Task.Delay(Pause, clock, cancel);
                }
            }

            if (page.Count < PageSize)
                break;
        }

        if (dropped > 0)
        {
            log.Compacted(dropped, before);
            // When somebody else wrote to the stream meanwhile, the next time goes over the same deployments once more.
            await store.Append(new Append([Fact.After(Streams.System, end.Seq + 1, end.Hash, clock.GetUtcNow(), Compacted, 1, FactBody.Write(new CompactedBody(reached, dropped)))], null), cancel);
        }

        return dropped;
    }

    private async Task<(string Until, (long Seq, byte[] Hash) End)> Reached(CancellationToken cancel)
    {
        var (until, end) = ("", (Seq: 0L, Hash: Fact.NoHash));
        for (IReadOnlyList<Fact> page = []; ;)
        {
            page = await store.Read(Streams.System, end.Seq, PageSize, cancel);
            foreach (var fact in page)
            {
                end = (fact.Seq, fact.Hash);
                if (fact is { Kind: Compacted, Body: { } body })
                    until = FactBody.Read<CompactedBody>(body).Until;
            }

            if (page.Count < PageSize)
                return (until, end);
        }
    }
}
