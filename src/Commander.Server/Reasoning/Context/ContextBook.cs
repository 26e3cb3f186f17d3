using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Reasoning.Context.Commits;
using Commander.Server.Reasoning.Context.Logs;

namespace Commander.Server.Reasoning.Context;

/// <summary>What may explain a verdict and never makes one.</summary>
/// <param name="Logs">What the logs say.</param>
/// <param name="Changes">What changed.</param>
internal sealed record Surroundings(Signatures Logs, ChangeList Changes)
{
    /// <summary>Nothing is configured, so nothing is missing.</summary>
    public static readonly Surroundings None = new(new Signatures([], null), new ChangeList([], 0, [], null));

    /// <summary>What could not be read, one sentence each.</summary>
    public IReadOnlyList<string> Missing => [.. new[] { Logs.Missing, Changes.Missing }.OfType<string>()];
}

/// <summary>Reads what a policy names for a deployment: the logs of both arms and the commits between the versions, side by side and within a deadline.</summary>
/// <param name="logs">Where logs are read.</param>
/// <param name="changes">Where commits are read.</param>
/// <param name="clock">The clock.</param>
/// <param name="scrub">Takes secrets out of what was read: services log them.</param>
internal sealed class ContextBook(LogBook logs, ChangeBook changes, TimeProvider clock, Func<string, string> scrub)
{
    // A first look must not wait for an hour's log: what went wrong is said at its end.
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(15);

    /// <summary>Never throws for what the outside does, and answers within <paramref name="patience"/>.</summary>
    /// <param name="deployment">The deployment.</param>
    /// <param name="policy">Its pinned policy.</param>
    /// <param name="now">Until when logs are read; from the start of the deployment on, at most 15 minutes.</param>
    /// <param name="patience">What is not there by then is missing.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<Surroundings> Gather(Deployment deployment, Policy policy, DateTimeOffset now, TimeSpan patience, CancellationToken cancel)
    {
        var (source, log) = (changes.Find(policy.Changes), logs.Find(policy.Logs));
        if (source is null && log is null)
            return Surroundings.None;
        using var deadline = new CancellationTokenSource(patience, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancel, deadline.Token);
        var said = log is null ? Task.FromResult(Surroundings.None.Logs) : Read(log, deployment, now, both.Token);
        var changed = source is null ? Task.FromResult(Surroundings.None.Changes) : source.Between(new ChangeQuestion(policy.Fix?.Repository, deployment.Version, deployment.PreviousVersion, deployment.Commit), both.Token);
        return new Surroundings(
            await Or(said, late => new Signatures([], "the logs " + late)),
            Scrubbed(await Or(changed, late => new ChangeList([], 0, [], "the changes " + late))));

        async Task<T> Or<T>(Task<T> read, Func<string, T> otherwise)
        {
            try
            {
                return await read.WaitAsync(both.Token);
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                return otherwise($"were not read within {patience.TotalSeconds:0.#} s");
            }
        }
    }

    private ChangeList Scrubbed(ChangeList list) => list with
    {
        Commits = [.. list.Commits.Select(change => change with { Title = scrub(change.Title) })],
        Files = [.. list.Files.Select(scrub)],
    };

    private async Task<Signatures> Read(ILogSource source, Deployment deployment, DateTimeOffset now, CancellationToken cancel)
    {
        var from = now - deployment.StartedAt > Longest ? now - Longest : deployment.StartedAt;
        LogQuestion Of(string version) => new(deployment.Service, deployment.Environment, version, deployment.Labels, from, now);
        var control = deployment.PreviousVersion is { } previous && previous != deployment.Version ? source.Read(Of(previous), cancel) : null;
        var candidate = await source.Read(Of(deployment.Version), cancel);
        return LogTemplates.Of(Scrubbed(candidate), control is null ? null : Scrubbed(await control));
        LogAnswer Scrubbed(LogAnswer answer) => answer with { Lines = [.. answer.Lines.Select(scrub)] };
    }
}
