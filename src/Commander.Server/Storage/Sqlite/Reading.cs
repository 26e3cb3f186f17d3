using System.Text;
using Microsoft.Data.Sqlite;

namespace Commander.Server.Storage.Sqlite;

/// <summary>The questions to the store, each one statement on a reading connection.</summary>
internal static class Reading
{
    private const string RowColumns =
        """
        id, service, environment, version, state, closed_reason, decision,
        started_at, received_at, due_at, rolled_back_at, rolled_back_to, snapshot, document
        """;

    /// <summary>The oldest id of a time.</summary>
    internal const string FirstSince = "SELECT id FROM deployments WHERE received_at >= $1 ORDER BY received_at, id LIMIT 1";

    /// <summary>Who should be awake and may not be.</summary>
    internal const string Overdue =
        "SELECT id FROM deployments WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at, id LIMIT $2";

    /// <summary>How many are open.</summary>
    internal const string Opened = "SELECT count(*) FROM deployments WHERE state <> 'closed'";

    /// <summary>What a version is chosen by.</summary>
    internal const string Past =
        $"""
        SELECT {RowColumns} FROM deployments
        WHERE service = $1 AND environment = $2 AND (rolled_back_at IS NOT NULL OR (state = 'closed' AND decision = 'CONTINUE'))
        ORDER BY id DESC LIMIT $3
        """;

    /// <summary>What is known of one version: the newest deployment that was rolled back or closed as CONTINUE.</summary>
    internal const string NewestOfVersion =
        $"""
        SELECT {RowColumns} FROM deployments
        WHERE service = $1 AND environment = $2 AND version = $3 AND id <> $4
            AND (rolled_back_at IS NOT NULL OR (state = 'closed' AND decision = 'CONTINUE'))
        ORDER BY id DESC LIMIT 1
        """;

    public static IReadOnlyList<Fact> Facts(Session session, string stream, long afterSeq, int limit)
    {
        using var reader = session.Query(
            "SELECT seq, at, kind, version, body, body_hash, hash FROM facts WHERE stream = $1 AND seq > $2 ORDER BY seq LIMIT $3",
            stream,
            afterSeq,
            limit);
        var facts = new List<Fact>();
        while (reader.Read())
        {
            facts.Add(new Fact(
                stream,
                reader.GetInt64(0),
                Instant(reader, 1),
                reader.GetString(2),
                reader.GetInt32(3),
                reader.IsDBNull(4) ? null : reader.GetFieldValue<byte[]>(4),
                reader.GetFieldValue<byte[]>(5),
                reader.GetFieldValue<byte[]>(6)));
        }

        return facts;
    }

    public static DeploymentRow? Find(Session session, string id)
    {
        using var reader = session.Query($"SELECT {RowColumns} FROM deployments WHERE id = $1", id);
        return reader.Read() ? Row(reader) : null;
    }

    public static IReadOnlyList<DeploymentRow> List(Session session, DeploymentFilter filter)
    {
        List<object?> values = [];
        var sql = new StringBuilder($"SELECT {RowColumns} FROM deployments WHERE true");
        And(filter.Service, "service = ");
        And(filter.Environment, "environment = ");
        And(filter.Decision, "decision = ");
        And(filter.BeforeId, "id < ");
        if (filter.Since is { } since)
        {
            // Ids sort by time: the first one of the time asked for ends the walk down the ids, which would otherwise
            // go through the whole past when fewer rows match than were asked for.
            var from = since.ToUnixTimeMilliseconds();
            using var first = session.Query(FirstSince, from);
            if (!first.Read())
            {
                return [];
            }

            And(first.GetString(0), "id >= ");
            And(from, "received_at >= ");
        }

        if (filter.Open is { } open)
        {
            sql.Append(open ? " AND state <> 'closed'" : " AND state = 'closed'");
        }

        values.Add(filter.Limit);
        sql.Append(" ORDER BY id DESC LIMIT $").Append(values.Count);
        if (filter.Skip > 0)
        {
            values.Add(filter.Skip);
            sql.Append(" OFFSET $").Append(values.Count);
        }

        return Rows(session.Query(sql.ToString(), [.. values]));

        void And(object? value, string condition)
        {
            if (value is not null)
            {
                values.Add(value);
                sql.Append(" AND ").Append(condition).Append('$').Append(values.Count);
            }
        }
    }

    public static IReadOnlyList<string> Due(Session session, DateTimeOffset now, int limit)
    {
        using var reader = session.Query(Overdue, now.ToUnixTimeMilliseconds(), limit);
        var ids = new List<string>();
        while (reader.Read())
        {
            ids.Add(reader.GetString(0));
        }

        return ids;
    }

    public static int Count(Session session) => (int)session.Number("SELECT count(*) FROM deployments");

    public static int CountOpen(Session session) => (int)session.Number(Opened);

    public static IReadOnlyList<DeploymentRow> History(Session session, string service, string environment, int limit) =>
        Rows(session.Query(Past, service, environment, limit));

    public static IReadOnlyList<DeploymentRow> RolledBack(Session session, string service, string environment, IReadOnlyCollection<string> versions, string except) =>
    [
        .. versions.Distinct(StringComparer.Ordinal)
            .SelectMany(version => Rows(session.Query(NewestOfVersion, service, environment, version, except)))
            .Where(row => row.RolledBackAt is not null),
    ];

    private static List<DeploymentRow> Rows(SqliteDataReader reader)
    {
        using (reader)
        {
            var rows = new List<DeploymentRow>();
            while (reader.Read())
            {
                rows.Add(Row(reader));
            }

            return rows;
        }
    }

    private static DeploymentRow Row(SqliteDataReader reader) => new(
        reader.GetString(0),
        reader.GetString(1),
        reader.GetString(2),
        reader.GetString(3),
        reader.GetString(4),
        Text(reader, 5),
        Text(reader, 6),
        Instant(reader, 7),
        Instant(reader, 8),
        reader.IsDBNull(9) ? null : Instant(reader, 9),
        reader.IsDBNull(10) ? null : Instant(reader, 10),
        Text(reader, 11),
        reader.GetInt64(12) != 0,
        reader.GetFieldValue<byte[]>(13));

    private static string? Text(SqliteDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    private static DateTimeOffset Instant(SqliteDataReader reader, int column) =>
        DateTimeOffset.FromUnixTimeMilliseconds(reader.GetInt64(column));
}
