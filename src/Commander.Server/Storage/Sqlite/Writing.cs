namespace Commander.Server.Storage.Sqlite;

/// <summary>What the writer does inside one transaction, statement by statement. Nothing here begins or commits.</summary>
internal static class Writing
{
    private const string InsertFact =
        "INSERT INTO facts(stream, seq, at, kind, version, body, body_hash, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

    private const string InsertRow =
        """
        INSERT INTO deployments(id, service, environment, version, state, closed_reason, decision,
            started_at, received_at, due_at, rolled_back_at, rolled_back_to, snapshot, document)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        """;

    /// <summary>The watch that an announcement joins.</summary>
    internal const string Joinable =
        """
        SELECT id FROM deployments
        WHERE service = $1 AND environment = $2 AND version = $3 AND snapshot = 0
            AND (state <> 'closed' OR started_at >= $4)
        ORDER BY state = 'closed', id DESC
        LIMIT 1
        """;

    /// <summary>The newest watch of the service, when Commander itself goes or went back to this version: what announces that is no new deployment.</summary>
    internal const string OwnChange =
        """
        SELECT id FROM deployments
        WHERE id = (SELECT max(id) FROM deployments WHERE service = $1 AND environment = $2)
            AND rolled_back_to = $3 AND (state <> 'closed' OR rolled_back_at >= $4)
        """;

    /// <summary>Open watches of other versions. The index is named: the planner would rather walk all rows of the service in the order of ids.</summary>
    internal const string OpenOthers =
        """
        SELECT id FROM deployments INDEXED BY deployments_open
        WHERE service = $1 AND environment = $2 AND version <> $3 AND state <> 'closed'
        ORDER BY id
        """;

    /// <summary>Accepts, joins or recognises an announcement.</summary>
    public static Announced Announce(Session session, Announcement announcement, DateTimeOffset now)
    {
        var row = announcement.Row;
        var key = announcement.IdempotencyKey;
        if (key is not null && Known(session, key, now) is var (requestHash, knownId))
        {
            var same = requestHash.AsSpan().SequenceEqual(announcement.RequestHash);
            return new Announced(same ? AnnounceResult.Repeated : AnnounceResult.KeyReused, knownId, []);
        }

        if (!row.Snapshot && ToJoin(session, row, announcement.JoinWindow) is { } joined)
        {
            Remember(session, key, announcement.RequestHash, joined, now);
            return new Announced(AnnounceResult.Joined, joined, []);
        }

        var superseded = Supersede(session, row, now);
        if (superseded.Count == 0 && session.Number(Questions.OpenedOf, row.Service, announcement.MaxOpen) >= announcement.MaxOpen)
        {
            return new Announced(AnnounceResult.Crowded, row.Id, []);
        }

        Insert(session, announcement.Fact);
        Insert(session, row);
        Remember(session, key, announcement.RequestHash, row.Id, now);
        return new Announced(AnnounceResult.Accepted, row.Id, superseded);
    }

    /// <summary>Appends when the facts follow the stream's last one; false, with nothing written, when they do not.</summary>
    public static bool Append(Session session, Append append)
    {
        var first = append.Facts[0];
        if (End(session, first.Stream).Next(first) is not null)
        {
            return false;
        }

        foreach (var fact in append.Facts)
        {
            Insert(session, fact);
        }

        if (append.Row is { } row)
        {
            Update(session, row);
        }
        else if (append.DueAt is { } due)
        {
            // A closed deployment stays without: nobody has to wake it any more.
            session.Run(
                "UPDATE deployments SET due_at = $2 WHERE id = $1 AND state <> 'closed'",
                first.Stream[Streams.Deployment.Length..],
                due.ToUnixTimeMilliseconds());
        }

        return true;
    }

    /// <summary>Forgets idempotency keys that have outlived their time, a bounded number at once.</summary>
    public static void Purge(Session session, DateTimeOffset now) =>
        session.Run(
            "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE at <= $1 ORDER BY at LIMIT 10000)",
            (now - IdempotencyKeys.Life).ToUnixTimeMilliseconds());

    private static (byte[] RequestHash, string Id)? Known(Session session, string key, DateTimeOffset now)
    {
        using var reader = session.Query(
            "SELECT request_hash, deployment_id FROM idempotency WHERE key = $1 AND at > $2",
            key,
            (now - IdempotencyKeys.Life).ToUnixTimeMilliseconds());
        return reader.Read() ? (reader.GetFieldValue<byte[]>(0), reader.GetString(1)) : null;
    }

    private static void Remember(Session session, string? key, byte[] requestHash, string id, DateTimeOffset now)
    {
        if (key is not null)
        {
            // Replaces a key that has outlived its time and is not yet purged.
            session.Run(
                "INSERT OR REPLACE INTO idempotency(key, request_hash, deployment_id, at) VALUES ($1, $2, $3, $4)",
                key,
                requestHash,
                id,
                now.ToUnixTimeMilliseconds());
        }
    }

    private static string? ToJoin(Session session, DeploymentRow row, TimeSpan window)
    {
        var since = (row.ReceivedAt - window).ToUnixTimeMilliseconds();
        return First(Joinable) ?? First(OwnChange);

        string? First(string query)
        {
            using var reader = session.Query(query, row.Service, row.Environment, row.Version, since);
            return reader.Read() ? reader.GetString(0) : null;
        }
    }

    private static List<string> Supersede(Session session, DeploymentRow row, DateTimeOffset now)
    {
        List<string> ids = [];
        using (var reader = session.Query(OpenOthers, row.Service, row.Environment, row.Version))
        {
            while (reader.Read())
            {
                ids.Add(reader.GetString(0));
            }
        }

        foreach (var id in ids)
        {
            // In this transaction: whoever announced may be gone before it tells the owner, then the sweep wakes it.
            session.Run(
                "UPDATE deployments SET due_at = min(coalesce(due_at, $2), $2) WHERE id = $1", id, now.ToUnixTimeMilliseconds());
        }

        return ids;
    }

    private static FactChain End(Session session, string stream)
    {
        using var reader = session.Query("SELECT seq, hash FROM facts WHERE stream = $1 ORDER BY seq DESC LIMIT 1", stream);
        return reader.Read()
            ? FactChain.After(stream, reader.GetInt64(0), reader.GetFieldValue<byte[]>(1))
            : FactChain.Start(stream);
    }

    public static void Insert(Session session, Fact fact) =>
        session.Run(
            InsertFact,
            fact.Stream,
            fact.Seq,
            fact.At.ToUnixTimeMilliseconds(),
            fact.Kind,
            fact.Version,
            fact.Body,
            fact.BodyHash,
            fact.Hash);

    public static void Insert(Session session, DeploymentRow row) =>
        session.Run(
            InsertRow,
            row.Id,
            row.Service,
            row.Environment,
            row.Version,
            row.State,
            row.ClosedReason,
            row.Decision,
            row.StartedAt.ToUnixTimeMilliseconds(),
            row.ReceivedAt.ToUnixTimeMilliseconds(),
            row.DueAt?.ToUnixTimeMilliseconds(),
            row.RolledBackAt?.ToUnixTimeMilliseconds(),
            row.RolledBackTo,
            row.Snapshot ? 1 : 0,
            row.Document);

    private static void Update(Session session, DeploymentRow row)
    {
        // Only what can change: indexes over the rest stay untouched.
        var changed = session.Run(
            """
            UPDATE deployments SET state = $2, closed_reason = $3, decision = $4, due_at = $5,
                rolled_back_at = $6, rolled_back_to = $7, document = $8
            WHERE id = $1
            """,
            row.Id,
            row.State,
            row.ClosedReason,
            row.Decision,
            row.DueAt?.ToUnixTimeMilliseconds(),
            row.RolledBackAt?.ToUnixTimeMilliseconds(),
            row.RolledBackTo,
            row.Document);
        if (changed == 0)
        {
            Insert(session, row);
        }
    }
}
