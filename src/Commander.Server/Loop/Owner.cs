using Commander.Server.Learning;

namespace Commander.Server.Loop;

/// <summary>What others may want of a deployment's owner, as a document: it crosses machines and versions.</summary>
/// <param name="Kind">join, supersede, rollback, keep, outcome (a person's), or label (another source's: an owner of an earlier version, which knows persons alone, refuses it).</param>
/// <param name="By">The person, or for supersede the newer deployment's id.</param>
/// <param name="Reason">A person's reason or note.</param>
/// <param name="Label">For outcome and label: GOOD, BAD or UNKNOWN.</param>
/// <param name="Version">For supersede: the newer version.</param>
/// <param name="Joined">For join: what the other announcement adds.</param>
/// <param name="Source">For label: one of <see cref="OutcomeSources"/>.</param>
internal sealed record OwnerCommand(string Kind, string? By = null, string? Reason = null, string? Label = null, string? Version = null, JoinedBody? Joined = null, string? Source = null);

/// <summary>Whoever owns a deployment: a grain somewhere in the cluster, or the loop itself in a test.</summary>
internal interface IOwner
{
    /// <summary>Begins the watch, if it has not begun and finds a place, and goes on by itself from there.</summary>
    Task Wake(CancellationToken cancel);

    /// <summary>The deployment resource as JSON; null when there is no such deployment.</summary>
    Task<byte[]?> Document(CancellationToken cancel);

    /// <summary>An <see cref="OwnerCommand"/> in, an <see cref="Answer"/> out, both as JSON.</summary>
    Task<byte[]> Ask(byte[] command, CancellationToken cancel);
}

/// <summary>Finds owners by deployment.</summary>
internal interface IOwners
{
    IOwner Of(string deployment);
}

/// <summary>An owner's work without Orleans: one loop, its timer kept by the caller.</summary>
internal sealed class OwnedLoop(LoopParts parts, string id) : IAsyncDisposable
{
    private static readonly TimeSpan FinishDeadline = TimeSpan.FromSeconds(8);
    private VerificationLoop? _loop;

    /// <summary>Begins the watch, which asks no source; false when there is no place for it, or no such deployment.</summary>
    public async Task<bool> Begin(CancellationToken cancel) => await Loop(cancel) is { } loop && await loop.Begin(cancel);

    /// <summary>Does what is due; answers when to be woken next.</summary>
    public async Task<DateTimeOffset?> Wake(CancellationToken cancel) =>
        await Loop(cancel) is { } loop ? await loop.Wake(cancel) : null;

    /// <summary>The question to the language model that is under way; null for none.</summary>
    internal Task? Answer => _loop?.Answer;

    public async Task<byte[]?> Document(CancellationToken cancel) =>
        await Loop(cancel) is { } loop ? FactBody.Write(await loop.Document(cancel)) : null;

    /// <summary>Answers a command; never waits for a source or a platform.</summary>
    public async Task<byte[]> Ask(byte[] command, CancellationToken cancel)
    {
        if (await Loop(cancel) is not { } loop)
            return FactBody.Write(new Answer(404, "there is no such deployment", null));
        var asked = FactBody.Read<OwnerCommand>(command);
        var answer = asked.Kind switch
        {
            "rollback" or "keep" => await loop.Act(asked.Kind, asked.By ?? "unknown", asked.Reason, cancel),
            "outcome" => await loop.Label(asked.Label ?? Outcomes.Unknown, OutcomeSources.Person, asked.By ?? "unknown", asked.Reason, cancel),
            "label" => await loop.Label(asked.Label!, asked.Source!, asked.By ?? "unknown", asked.Reason, cancel),
            "join" => await Done(loop.Join(asked.Joined!, cancel)),
            "supersede" => await Done(loop.Supersede(asked.By!, asked.Version!, cancel)),
            _ => new Answer(400, $"an owner does not know '{asked.Kind}'", null),
        };
        return FactBody.Write(answer);
    }

    private static async Task<Answer> Done(Task task)
    {
        await task;
        return new Answer(202, null, null);
    }

    // Loaded once; a second caller that comes while it loads may load too, and the first to finish wins.
    private async Task<VerificationLoop?> Loop(CancellationToken cancel)
    {
        if (_loop is { } loaded)
            return loaded;
        if (await VerificationLoop.Open(parts, id, cancel) is not { } loop)
            return null;
        if (Interlocked.CompareExchange(ref _loop, loop, null) is { } first)
        {
            loop.Dispose();
            return first;
        }

        return loop;
    }

    public async ValueTask DisposeAsync()
    {
        if (_loop is not { } loop)
            return;
        using var deadline = new CancellationTokenSource(FinishDeadline, parts.Clock);
        try
        {
            await loop.Finish(deadline.Token);
        }
        catch (Exception e)
        {
            // Whoever comes next asks the channel again.
            parts.Log.Stumbled(id, 1, e);
        }

        loop.Dispose();
    }
}
