namespace Commander.Server.Storage.Postgres;

/// <summary>What is to be stored of a group of writes, decided by what the database knew of them. Pure.</summary>
/// <param name="transaction">The number of the transaction that knew it and that stores it.</param>
/// <param name="now">When it is decided.</param>
internal sealed class Changes(string transaction, DateTimeOffset now)
{
    public string Transaction => transaction;

    public DateTimeOffset Now => now;

    public List<Fact> Facts { get; } = [];

    public List<DeploymentRow> NewRows { get; } = [];

    public List<DeploymentRow> Rows { get; } = [];

    public List<(string Id, DateTimeOffset At)> Due { get; } = [];

    public List<string> Superseded { get; } = [];

    public List<(string Key, byte[] RequestHash, string Id)> Keys { get; } = [];

    /// <summary>Accepts, joins or recognises an announcement.</summary>
    /// <param name="announcement">What asks to be accepted.</param>
    /// <param name="known">What its idempotency key was used for.</param>
    /// <param name="joins">The watch that it belongs to.</param>
    /// <param name="others">Open watches of other versions.</param>
    /// <param name="open">How many of its service are open.</param>
    public Announced Announce(Announcement announcement, (byte[] RequestHash, string Id)? known, string? joins, IReadOnlyList<string> others, long open)
    {
        if (known is var (requestHash, knownId))
        {
            var same = requestHash.AsSpan().SequenceEqual(announcement.RequestHash);
            return new Announced(same ? AnnounceResult.Repeated : AnnounceResult.KeyReused, knownId, []);
        }

        if (joins is null && others.Count == 0 && open >= announcement.MaxOpen)
        {
            return new Announced(AnnounceResult.Crowded, announcement.Row.Id, []);
        }

        var id = joins ?? announcement.Row.Id;
        if (announcement.IdempotencyKey is { } key)
        {
            Keys.Add((key, announcement.RequestHash, id));
        }

        if (joins is not null)
        {
            return new Announced(AnnounceResult.Joined, joins, []);
        }

        Facts.Add(announcement.Fact);
        NewRows.Add(announcement.Row);
        Superseded.AddRange(others);
        return new Announced(AnnounceResult.Accepted, id, others);
    }

    /// <summary>Appends when the facts follow the stream's last one; false, with nothing to store, when they do not.</summary>
    public bool Append(Append append, FactChain end)
    {
        if (end.Next(append.Facts[0]) is not null)
        {
            return false;
        }

        Facts.AddRange(append.Facts);
        if (append.Row is { } row)
        {
            Rows.Add(row);
        }
        else if (append.DueAt is { } due)
        {
            Due.Add((append.Facts[0].Stream[Streams.Deployment.Length..], due));
        }

        return true;
    }
}
