namespace Commander.Server.Storage.Sqlite;

/// <summary>The stored form, as the steps that lead to it. A step that has been released is never changed: a later build appends one.</summary>
internal static class Schema
{
    /// <summary>Step N (from 1) turns a database of version N - 1 into one of version N.</summary>
    public static readonly IReadOnlyList<string> Steps =
    [
        """
        CREATE TABLE facts(
            stream TEXT NOT NULL,
            seq INTEGER NOT NULL,
            at INTEGER NOT NULL,
            kind TEXT NOT NULL,
            version INTEGER NOT NULL,
            body BLOB,
            body_hash BLOB NOT NULL,
            hash BLOB NOT NULL,
            PRIMARY KEY(stream, seq)
        ) WITHOUT ROWID;

        CREATE TABLE deployments(
            id TEXT NOT NULL PRIMARY KEY,
            service TEXT NOT NULL,
            environment TEXT NOT NULL,
            version TEXT NOT NULL,
            state TEXT NOT NULL,
            closed_reason TEXT,
            decision TEXT,
            started_at INTEGER NOT NULL,
            received_at INTEGER NOT NULL,
            due_at INTEGER,
            rolled_back_at INTEGER,
            rolled_back_to TEXT,
            snapshot INTEGER NOT NULL,
            document BLOB NOT NULL
        ) WITHOUT ROWID;

        CREATE INDEX deployments_of_service ON deployments(service, id);
        CREATE INDEX deployments_to_join ON deployments(service, environment, version, started_at) WHERE snapshot = 0;
        CREATE INDEX deployments_open ON deployments(service, environment, version) WHERE state <> 'closed';
        CREATE INDEX deployments_due ON deployments(due_at) WHERE due_at IS NOT NULL;
        CREATE INDEX deployments_received ON deployments(received_at);
        CREATE INDEX deployments_decided ON deployments(decision, id) WHERE decision IS NOT NULL;
        CREATE INDEX deployments_history ON deployments(service, environment, id)
            WHERE rolled_back_at IS NOT NULL OR (state = 'closed' AND decision = 'CONTINUE');

        CREATE TABLE idempotency(
            key TEXT NOT NULL PRIMARY KEY,
            request_hash BLOB NOT NULL,
            deployment_id TEXT NOT NULL,
            at INTEGER NOT NULL
        ) WITHOUT ROWID;

        CREATE INDEX idempotency_age ON idempotency(at);
        """,
        """
        CREATE INDEX deployments_of_version ON deployments(service, environment, version, id)
            WHERE rolled_back_at IS NOT NULL OR (state = 'closed' AND decision = 'CONTINUE');
        """,
        // Who is under way and who waits for a place, apart.
        """
        CREATE INDEX deployments_overdue ON deployments(due_at, id) WHERE due_at IS NOT NULL AND state <> 'queued';
        CREATE INDEX deployments_queued ON deployments(due_at, id) WHERE due_at IS NOT NULL AND state = 'queued';
        DROP INDEX deployments_due;
        """,
    ];

    /// <summary>Brings a database to the newest version, one transaction a step.</summary>
    /// <exception cref="InvalidDataException">A newer build has written it.</exception>
    public static void Migrate(Session session, DateTimeOffset now, string file)
    {
        session.Script("CREATE TABLE IF NOT EXISTS schema(version INTEGER NOT NULL PRIMARY KEY, at INTEGER NOT NULL)");
        var version = (int)session.Number("SELECT coalesce(max(version), 0) FROM schema");
        if (version > Steps.Count)
        {
            throw new InvalidDataException(
                $"{file} has the stored form {version}, this build knows up to {Steps.Count}: start the newer build again, or another data folder.");
        }

        for (; version < Steps.Count; version++)
        {
            session.Script("BEGIN IMMEDIATE");
            session.Script(Steps[version]);
            session.Run("INSERT INTO schema(version, at) VALUES ($1, $2)", version + 1, now.ToUnixTimeMilliseconds());
            session.Script("COMMIT");
        }
    }
}
