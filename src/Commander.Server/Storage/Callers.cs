namespace Commander.Server.Storage;

/// <summary>What every store asks of its callers before it takes anything: whoever breaks it has a mistake, not bad luck.</summary>
internal static class Callers
{
    /// <exception cref="ArgumentException">The fact is not the first of the deployment's stream.</exception>
    public static void Check(Announcement announcement)
    {
        var (fact, row) = (announcement.Fact, announcement.Row);
        if (!string.Equals(fact.Stream, Streams.Of(row.Id), StringComparison.Ordinal) || FactChain.Start(fact.Stream).Next(fact) is not null)
        {
            throw new ArgumentException($"An announcement's fact is the first of {Streams.Of(row.Id)}; this one is seq {fact.Seq} of {fact.Stream}.", nameof(announcement));
        }
    }

    /// <exception cref="ArgumentException">There is no fact, they do not follow each other, or row or due time do not belong to them.</exception>
    public static void Check(Append append)
    {
        if (append.Facts.Count == 0)
        {
            throw new ArgumentException("An append holds at least one fact: without one nothing tells whether the caller still owns the stream.", nameof(append));
        }

        var first = append.Facts[0];
        var chain = FactChain.After(first.Stream, first.Seq, first.Hash);
        for (var i = 1; i < append.Facts.Count; i++)
        {
            if (chain.Next(append.Facts[i]) is { } fault)
            {
                throw new ArgumentException($"The facts of an append follow each other: {fault.Stream}, seq {fault.Seq}: {fault.Reason}.", nameof(append));
            }
        }

        if (append.Row is { } row && !string.Equals(first.Stream, Streams.Of(row.Id), StringComparison.Ordinal))
        {
            throw new ArgumentException($"The row is of {row.Id}, the facts are of {first.Stream}.", nameof(append));
        }

        if (append.DueAt is not null && (append.Row is not null || !first.Stream.StartsWith(Streams.Deployment, StringComparison.Ordinal)))
        {
            throw new ArgumentException("A due time alone goes with facts of a deployment and without its row, which has a due time of its own.", nameof(append));
        }
    }

    /// <exception cref="ArgumentOutOfRangeException">The limit is below 1, or less than none are skipped.</exception>
    public static void Check(DeploymentFilter filter)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(filter.Limit, 1, nameof(filter));
        ArgumentOutOfRangeException.ThrowIfNegative(filter.Skip, nameof(filter));
    }
}
