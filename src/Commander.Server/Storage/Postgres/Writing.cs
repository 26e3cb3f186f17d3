using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Npgsql;
using Write = Commander.Server.Storage.Write<object>;

namespace Commander.Server.Storage.Postgres;

/// <summary>
/// One group of announcements and appends in one transaction, in two steps to the server and back, however many they are: what
/// the database knows of all of them, and what is to be stored of all of them with the commit. In between they are decided.
/// No two of a group touch the same stream, the same idempotency key, or announce for the same service and environment
/// (<see cref="Touches"/>), so that each is decided as if it were alone.
/// </summary>
internal static class Writing
{
    private const string Begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

    private const string Commit = "COMMIT";

    // In the order of the numbers, so that two groups never wait for each other. Held to the end of the transaction.
    private const string Lock = "SELECT pg_advisory_xact_lock(number) FROM unnest($1::bigint[]) AS number";

    // What becomes of the transaction can be asked by it, even when the answer to the commit is lost.
    private const string Number = "SELECT pg_current_xact_id()::text";

    /// <summary>What is known of each announcement: its key, the watch it joins, the open ones it supersedes.</summary>
    internal const string KnownOf =
        """
        SELECT known.request_hash, known.deployment_id, coalesce(joinable.id, own.id),
            ARRAY(
                SELECT id FROM deployments
                WHERE service = asked.service AND environment = asked.environment AND version <> asked.version AND state <> 'closed'
                ORDER BY id),
            (SELECT count(*) FROM (SELECT 1 FROM deployments WHERE service = asked.service AND state <> 'closed' LIMIT asked.most) AS counted)
        FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::boolean[], $6::text[], $8::integer[])
            WITH ORDINALITY AS asked(service, environment, version, since, snapshot, key, most, position)
        LEFT JOIN LATERAL (SELECT request_hash, deployment_id FROM idempotency WHERE key = asked.key AND at > $7) known ON true
        LEFT JOIN LATERAL (
            SELECT id FROM deployments
            WHERE service = asked.service AND environment = asked.environment AND version = asked.version AND NOT snapshot
                AND (state <> 'closed' OR started_at >= asked.since)
            ORDER BY state = 'closed', id DESC
            LIMIT 1) joinable ON NOT asked.snapshot
        LEFT JOIN LATERAL (
            SELECT id FROM (
                SELECT id, state, rolled_back_at, rolled_back_to FROM deployments
                WHERE service = asked.service AND environment = asked.environment
                ORDER BY id DESC
                LIMIT 1) newest
            WHERE rolled_back_to = asked.version AND (state <> 'closed' OR rolled_back_at >= asked.since)) own ON NOT asked.snapshot
        ORDER BY asked.position
        """;

    /// <summary>The last fact of each stream.</summary>
    internal const string EndsOf =
        """
        SELECT last.seq, last.hash
        FROM unnest($1::text[]) WITH ORDINALITY AS asked(stream, position)
        LEFT JOIN LATERAL (SELECT seq, hash FROM facts WHERE stream = asked.stream ORDER BY seq DESC LIMIT 1) last ON true
        ORDER BY asked.position
        """;

    private const string InsertFacts =
        """
        INSERT INTO facts(stream, seq, at, kind, version, body, body_hash, hash)
        SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::integer[], $6::bytea[], $7::bytea[], $8::bytea[])
        """;

    private const string InsertRows =
        """
        INSERT INTO deployments(id, service, environment, version, state, closed_reason, decision,
            started_at, received_at, due_at, rolled_back_at, rolled_back_to, snapshot, document)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::boolean[], $14::bytea[])
        """;

    // Only what can change: indexes over the rest stay untouched.
    private const string UpdateRows = InsertRows +
        """

        ON CONFLICT(id) DO UPDATE SET state = excluded.state, closed_reason = excluded.closed_reason, decision = excluded.decision,
            due_at = excluded.due_at, rolled_back_at = excluded.rolled_back_at, rolled_back_to = excluded.rolled_back_to, document = excluded.document
        """;

    /// <summary>Puts one row, whatever stands in its place.</summary>
    public const string PutRow =
        """
        INSERT INTO deployments(id, service, environment, version, state, closed_reason, decision,
            started_at, received_at, due_at, rolled_back_at, rolled_back_to, snapshot, document)
        VALUES ($1, $2, $3, $4, $5, $6::text, $7::text, $8, $9, $10::bigint, $11::bigint, $12::text, $13, $14)
        ON CONFLICT(id) DO UPDATE SET service = excluded.service, environment = excluded.environment, version = excluded.version, state = excluded.state,
            closed_reason = excluded.closed_reason, decision = excluded.decision, started_at = excluded.started_at, received_at = excluded.received_at,
            due_at = excluded.due_at, rolled_back_at = excluded.rolled_back_at, rolled_back_to = excluded.rolled_back_to, snapshot = excluded.snapshot,
            document = excluded.document
        RETURNING id
        """;

    // A closed deployment stays without: nobody has to wake it any more.
    private const string UpdateDue =
        """
        UPDATE deployments SET due_at = changed.due_at FROM unnest($1::text[], $2::bigint[]) AS changed(id, due_at)
        WHERE deployments.id = changed.id AND state <> 'closed'
        """;

    // In the transaction that supersedes: whoever announced may be gone before it tells the owner, then the sweep wakes it.
    private const string DueNow =
        "UPDATE deployments SET due_at = least(coalesce(due_at, $2), $2) WHERE id = ANY($1::text[]) AND state <> 'closed'";

    // Replaces a key that has outlived its time and is not yet purged.
    private const string Remember =
        """
        INSERT INTO idempotency(key, request_hash, deployment_id, at)
        SELECT key, request_hash, deployment_id, $4 FROM unnest($1::text[], $2::bytea[], $3::text[]) AS told(key, request_hash, deployment_id)
        ON CONFLICT(key) DO UPDATE SET request_hash = excluded.request_hash, deployment_id = excluded.deployment_id, at = excluded.at
        """;

    private const string Purge =
        "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE at <= $1 ORDER BY at LIMIT 10000 FOR UPDATE SKIP LOCKED)";

    private const string Status = "SELECT pg_xact_status($1::text::xid8), pg_sleep(CASE WHEN pg_xact_status($1::text::xid8) = 'in progress' THEN 0.05 ELSE 0 END)";

    // By its writer too: after a crash a number may be given again, and another owner may write the same.
    private const string Written =
        "SELECT count(*) FROM facts WHERE stream = $1 AND seq = $2 AND hash = $3 AND xmin::text::bigint = $4::text::numeric % 4294967296";

    /// <summary>What a write must have for itself while it is decided.</summary>
    public static IEnumerable<string> Touches(object work)
    {
        if (work is Append append)
        {
            yield return "stream\0" + append.Facts[0].Stream;
            yield break;
        }

        foreach (var name in Names((Announcement)work))
        {
            yield return name;
        }
    }

    /// <summary>Begins the transaction and asks what is known; decides each write and collects what is to be stored.</summary>
    public static async Task<Changes> Decide(NpgsqlConnection connection, IReadOnlyList<Write> group, DateTimeOffset now, CancellationToken cancel)
    {
        Announcement[] announcements = [.. group.Select(write => write.Work).OfType<Announcement>()];
        Append[] appends = [.. group.Select(write => write.Work).OfType<Append>()];
        await using var batch = new NpgsqlBatch(connection);
        Add(batch, Begin);
        if (announcements.Length > 0)
        {
            Add(batch, Lock, One(announcements.SelectMany(Names).Select(NumberOf).Distinct().Order().ToArray()));
        }

        Add(batch, Number);
        if (announcements.Length > 0)
        {
            Add(
                batch,
                KnownOf,
                Column(announcements, a => a.Row.Service),
                Column(announcements, a => a.Row.Environment),
                Column(announcements, a => a.Row.Version),
                Column(announcements, a => (a.Row.ReceivedAt - a.JoinWindow).ToUnixTimeMilliseconds()),
                Column(announcements, a => a.Row.Snapshot),
                Column(announcements, a => a.IdempotencyKey),
                One((now - IdempotencyKeys.Life).ToUnixTimeMilliseconds()),
                Column(announcements, a => a.MaxOpen));
        }

        if (appends.Length > 0)
        {
            Add(batch, EndsOf, Column(appends, a => a.Facts[0].Stream));
        }

        await using var reader = await batch.ExecuteReaderAsync(cancel);
        if (announcements.Length > 0)
        {
            await reader.NextResultAsync(cancel);
        }

        await reader.ReadAsync(cancel);
        var changes = new Changes(reader.GetString(0), now);
        if (announcements.Length > 0)
        {
            await reader.NextResultAsync(cancel);
            foreach (var write in group.Where(write => write.Work is Announcement))
            {
                await reader.ReadAsync(cancel);
                write.Done(changes.Announce(
                    (Announcement)write.Work,
                    reader.IsDBNull(0) ? null : (reader.GetFieldValue<byte[]>(0), reader.GetString(1)),
                    reader.IsDBNull(2) ? null : reader.GetString(2),
                    reader.GetFieldValue<string[]>(3),
                    reader.GetInt64(4)));
            }
        }

        if (appends.Length > 0)
        {
            await reader.NextResultAsync(cancel);
            foreach (var write in group.Where(write => write.Work is Append))
            {
                await reader.ReadAsync(cancel);
                var append = (Append)write.Work;
                var end = reader.IsDBNull(0)
                    ? FactChain.Start(append.Facts[0].Stream)
                    : FactChain.After(append.Facts[0].Stream, reader.GetInt64(0), reader.GetFieldValue<byte[]>(1));
                write.Done(changes.Append(append, end));
            }
        }

        return changes;
    }

    /// <summary>Stores what was decided, and commits.</summary>
    public static async Task Store(NpgsqlConnection connection, Changes changes, bool purge, CancellationToken cancel)
    {
        await using var batch = new NpgsqlBatch(connection);
        if (changes.Facts.Count > 0)
        {
            // By their key: two nodes that collide do so in one order.
            var facts = changes.Facts.OrderBy(fact => fact.Stream, StringComparer.Ordinal).ThenBy(fact => fact.Seq).ToArray();
            Add(
                batch,
                InsertFacts,
                Column(facts, f => f.Stream),
                Column(facts, f => f.Seq),
                Column(facts, f => f.At.ToUnixTimeMilliseconds()),
                Column(facts, f => f.Kind),
                Column(facts, f => f.Version),
                Column(facts, f => f.Body),
                Column(facts, f => f.BodyHash),
                Column(facts, f => f.Hash));
        }

        AddRows(batch, InsertRows, changes.NewRows);
        AddRows(batch, UpdateRows, changes.Rows);
        if (changes.Due.Count > 0)
        {
            Add(batch, UpdateDue, Column(changes.Due, d => d.Id), Column(changes.Due, d => d.At.ToUnixTimeMilliseconds()));
        }

        if (changes.Superseded.Count > 0)
        {
            Add(batch, DueNow, Column(changes.Superseded, id => id), One(changes.Now.ToUnixTimeMilliseconds()));
        }

        if (changes.Keys.Count > 0)
        {
            Add(
                batch,
                Remember,
                Column(changes.Keys, k => k.Key),
                Column(changes.Keys, k => k.RequestHash),
                Column(changes.Keys, k => k.Id),
                One(changes.Now.ToUnixTimeMilliseconds()));
        }

        if (purge)
        {
            Add(batch, Purge, One((changes.Now - IdempotencyKeys.Life).ToUnixTimeMilliseconds()));
        }

        Add(batch, Commit);
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Whether a transaction whose commit was not answered took effect. It stores all or nothing: one of its facts tells.</summary>
    public static async Task<bool> IsStored(NpgsqlConnection connection, Changes changes, CancellationToken cancel)
    {
        try
        {
            // Its process may still be at it.
            while (await Scalar(Status, One(changes.Transaction)) is "in progress")
            {
            }
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidParameterValue)
        {
            // A crash has taken it, and its number was not given again yet.
            return false;
        }

        return changes.Facts is [var fact, ..] && await Scalar(Written, One(fact.Stream), One(fact.Seq), One(fact.Hash), One(changes.Transaction)) is 1L;

        async Task<object?> Scalar(string sql, params NpgsqlParameter[] values)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            command.Parameters.AddRange(values);
            return await command.ExecuteScalarAsync(cancel);
        }
    }

    private static void AddRows(NpgsqlBatch batch, string sql, List<DeploymentRow> unordered)
    {
        if (unordered.Count == 0)
        {
            return;
        }

        var rows = unordered.OrderBy(row => row.Id, StringComparer.Ordinal).ToArray();
        Add(
            batch,
            sql,
            Column(rows, r => r.Id),
            Column(rows, r => r.Service),
            Column(rows, r => r.Environment),
            Column(rows, r => r.Version),
            Column(rows, r => r.State),
            Column(rows, r => r.ClosedReason),
            Column(rows, r => r.Decision),
            Column(rows, r => r.StartedAt.ToUnixTimeMilliseconds()),
            Column(rows, r => r.ReceivedAt.ToUnixTimeMilliseconds()),
            Column(rows, r => r.DueAt?.ToUnixTimeMilliseconds()),
            Column(rows, r => r.RolledBackAt?.ToUnixTimeMilliseconds()),
            Column(rows, r => r.RolledBackTo),
            Column(rows, r => r.Snapshot),
            Column(rows, r => r.Document));
    }

    private static NpgsqlParameter<TColumn[]> Column<TRow, TColumn>(IEnumerable<TRow> rows, Func<TRow, TColumn> column) => One(rows.Select(column).ToArray());

    private static NpgsqlParameter<T> One<T>(T value) => new() { TypedValue = value };

    private static void Add(NpgsqlBatch batch, string sql, params ReadOnlySpan<NpgsqlParameter> values)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var value in values)
        {
            command.Parameters.Add(value);
        }

        batch.BatchCommands.Add(command);
    }

    private static IEnumerable<string> Names(Announcement announcement)
    {
        yield return $"service\0{announcement.Row.Service}\0{announcement.Row.Environment}";
        if (announcement.IdempotencyKey is { } key)
        {
            yield return "key\0" + key;
        }
    }

    // Two names with the same number wait for each other without need, no more.
    private static long NumberOf(string name) => BinaryPrimitives.ReadInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(name)));
}
