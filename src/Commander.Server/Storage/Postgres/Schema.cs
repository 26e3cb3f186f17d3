using Npgsql;

namespace Commander.Server.Storage.Postgres;

/// <summary>A step that leads to a stored form.</summary>
/// <param name="Sql">What it does.</param>
/// <param name="Oldest">The oldest form whose builds may go on with the new one: a step that only adds leaves it as it was.</param>
internal sealed record SchemaStep(string Sql, int Oldest);

/// <summary>
/// The stored form, as the steps that lead to it. A step that has been released is never changed: a later build appends one.
/// Tables stand in the first schema of the connection's search path.
/// </summary>
internal static class Schema
{
    // Of all that is locked by number in a database, this is the migration.
    private const long MigrationLock = 0x436F6D6D616E6465;

    /// <summary>Step N (from 1) turns a database of form N - 1 into one of form N.</summary>
    public static readonly IReadOnlyList<SchemaStep> Steps =
    [
        // Names and ids compare byte by byte, as they do everywhere else: ids sort by time.
        new(
            """
            CREATE TABLE facts(
                stream text COLLATE "C" NOT NULL,
                seq bigint NOT NULL,
                at bigint NOT NULL,
                kind text NOT NULL,
                version integer NOT NULL,
                body bytea,
                body_hash bytea NOT NULL,
                hash bytea NOT NULL,
                CONSTRAINT facts_key PRIMARY KEY(stream, seq)
            );

            CREATE TABLE deployments(
                id text COLLATE "C" NOT NULL CONSTRAINT deployments_key PRIMARY KEY,
                service text COLLATE "C" NOT NULL,
                environment text COLLATE "C" NOT NULL,
                version text COLLATE "C" NOT NULL,
                state text COLLATE "C" NOT NULL,
                closed_reason text,
                decision text COLLATE "C",
                started_at bigint NOT NULL,
                received_at bigint NOT NULL,
                due_at bigint,
                rolled_back_at bigint,
                rolled_back_to text COLLATE "C",
                snapshot boolean NOT NULL,
                document bytea NOT NULL
            );

            CREATE INDEX deployments_of_service ON deployments(service, id);
            CREATE INDEX deployments_to_join ON deployments(service, environment, version, started_at) WHERE NOT snapshot;
            CREATE INDEX deployments_open ON deployments(service, environment, version) WHERE state <> 'closed';
            CREATE INDEX deployments_due ON deployments(due_at) WHERE due_at IS NOT NULL;
            CREATE INDEX deployments_received ON deployments(received_at);
            CREATE INDEX deployments_decided ON deployments(decision, id) WHERE decision IS NOT NULL;
            CREATE INDEX deployments_history ON deployments(service, environment, id)
                WHERE rolled_back_at IS NOT NULL OR (state = 'closed' AND decision = 'CONTINUE');
            CREATE INDEX deployments_of_version ON deployments(service, environment, version, id)
                WHERE rolled_back_at IS NOT NULL OR (state = 'closed' AND decision = 'CONTINUE');

            CREATE TABLE idempotency(
                key text COLLATE "C" NOT NULL CONSTRAINT idempotency_key PRIMARY KEY,
                request_hash bytea NOT NULL,
                deployment_id text NOT NULL,
                at bigint NOT NULL
            );

            CREATE INDEX idempotency_age ON idempotency(at);
            """,
            Oldest: 1),
        // What nodes that know of each other share: who is there, and the keys of the pages' forms.
        new(
            Membership.Tables +
            """
            CREATE TABLE form_keys(
                id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT form_keys_key PRIMARY KEY,
                name text NOT NULL,
                xml text NOT NULL
            );
            """,
            Oldest: 1),
        // Who is under way and who waits for a place, apart. Builds that ask for both at once only do it more slowly.
        new(
            """
            CREATE INDEX deployments_overdue ON deployments(due_at, id) WHERE due_at IS NOT NULL AND state <> 'queued';
            CREATE INDEX deployments_queued ON deployments(due_at, id) WHERE due_at IS NOT NULL AND state = 'queued';
            DROP INDEX deployments_due;
            """,
            Oldest: 1),
    ];

    /// <summary>
    /// Brings a database to the newest form. Of nodes that start at once one does it and the others wait; all steps are one
    /// transaction. A newer form that only added to a form that this build knows is left as it is.
    /// </summary>
    /// <exception cref="InvalidDataException">A newer build has changed the database in a way that this one does not know.</exception>
    public static async Task Migrate(Database database, TimeProvider clock, CancellationToken cancel) => await Migrate(database, Steps, clock, cancel);

    /// <summary>The same with the steps of another build.</summary>
    internal static async Task Migrate(Database database, IReadOnlyList<SchemaStep> steps, TimeProvider clock, CancellationToken cancel)
    {
        await using var source = database.ToMigrate();
        await using var connection = await source.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        await Run($"SELECT pg_advisory_xact_lock({MigrationLock})");
        await Run("CREATE TABLE IF NOT EXISTS commander_form(form integer NOT NULL PRIMARY KEY, oldest integer NOT NULL, at bigint NOT NULL)");
        var (form, oldest) = await Stored();
        if (oldest > steps.Count)
        {
            throw new InvalidDataException(
                $"The database {database.Place} has the stored form {form}, which builds may use that know form {oldest}; this build knows up to {steps.Count}: start the newer build again, or use another database.");
        }

        for (; form < steps.Count; form++)
        {
            await Run(steps[form].Sql);
            await Run($"INSERT INTO commander_form(form, oldest, at) VALUES ({form + 1}, {steps[form].Oldest}, {clock.GetUtcNow().ToUnixTimeMilliseconds()})");
        }

        await transaction.CommitAsync(cancel);

        async Task Run(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection, transaction);
            await command.ExecuteNonQueryAsync(cancel);
        }

        async Task<(int Form, int Oldest)> Stored()
        {
            await using var command = new NpgsqlCommand("SELECT coalesce(max(form), 0), coalesce(max(oldest), 0) FROM commander_form", connection, transaction);
            await using var reader = await command.ExecuteReaderAsync(cancel);
            await reader.ReadAsync(cancel);
            return (reader.GetInt32(0), reader.GetInt32(1));
        }
    }
}
