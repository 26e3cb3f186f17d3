using System.Data.Common;
using System.Text;

namespace Commander.Server.Storage;

/// <summary>The questions to a store that both databases understand word by word, and how their rows are read. Instants are Unix milliseconds.</summary>
internal static class Questions
{
    /// <summary>A deployment's columns, in the order in which <see cref="Row"/> reads them.</summary>
    public const string RowColumns =
        """
        id, service, environment, version, state, closed_reason, decision,
        started_at, received_at, due_at, rolled_back_at, rolled_back_to, snapshot, document
        """;

    /// <summary>A stream's facts after one, in order.</summary>
    public const string Facts =
        "SELECT seq, at, kind, version, body, body_hash, hash FROM facts WHERE stream = $1 AND seq > $2 ORDER BY seq LIMIT $3";

    /// <summary>One deployment.</summary>
    public const string Deployment = $"SELECT {RowColumns} FROM deployments WHERE id = $1";

    /// <summary>The oldest id of a time.</summary>
    public const string FirstSince = "SELECT id FROM deployments WHERE received_at >= $1 ORDER BY received_at, id LIMIT 1";

    /// <summary>Who should be awake and may not be. Those of whom only something is to be told are in the way of none that is judged.</summary>
    public const string Overdue =
        "SELECT id FROM deployments WHERE due_at IS NOT NULL AND state <> 'queued' AND due_at <= $1 ORDER BY state = 'closed', due_at, id LIMIT $2";

    /// <summary>Who has not begun. Apart from those under way, who must not stand behind thousands that find no place.</summary>
    public const string Queued =
        "SELECT id FROM deployments WHERE due_at IS NOT NULL AND state = 'queued' AND due_at <= $1 ORDER BY due_at, id LIMIT $2";

    /// <summary>How many there are.</summary>
    public const string All = "SELECT count(*) FROM deployments";

    /// <summary>How many are open.</summary>
    public const string Opened = "SELECT count(*) FROM deployments WHERE state <> 'closed'";

    /// <summary>How many of a service are open, no further than is asked for.</summary>
    public const string OpenedOf = "SELECT count(*) FROM (SELECT 1 FROM deployments WHERE service = $1 AND state <> 'closed' LIMIT $2) AS counted";

    /// <summary>The key of a row that is in nobody's way: no header holds such a character.</summary>
    public const string ProbeKey = "\u0001probe";

    /// <summary>Writes that row.</summary>
    public const string Probe =
        """
        INSERT INTO idempotency(key, request_hash, deployment_id, at) VALUES ($1, $2, '', $3)
        ON CONFLICT(key) DO UPDATE SET request_hash = excluded.request_hash, at = excluded.at
        """;

    /// <summary>What a version is chosen by.</summary>
    public const string Past =
        $"""
        SELECT {RowColumns} FROM deployments
        WHERE service = $1 AND environment = $2 AND (rolled_back_at IS NOT NULL OR (state = 'closed' AND decision = 'CONTINUE'))
        ORDER BY id DESC LIMIT $3
        """;

    /// <summary>What is known of one version: the newest deployment that was rolled back or closed as CONTINUE.</summary>
    public const string NewestOfVersion =
        $"""
        SELECT {RowColumns} FROM deployments
        WHERE service = $1 AND environment = $2 AND version = $3 AND id <> $4
            AND (rolled_back_at IS NOT NULL OR (state = 'closed' AND decision = 'CONTINUE'))
        ORDER BY id DESC LIMIT 1
        """;

    /// <summary>Streams in their order.</summary>
    public const string StreamNames = "SELECT DISTINCT stream FROM facts WHERE stream > $1 ORDER BY stream LIMIT $2";

    /// <summary>Deployments of long ago, oldest first.</summary>
    public const string Announced = "SELECT id, state FROM deployments WHERE id > $1 AND received_at < $2 ORDER BY id LIMIT $3";

    /// <summary>Drops bodies of ticks of a closed deployment, and of what was read and asked about it: texts of others stand there.</summary>
    public const string DropTicks =
        """
        UPDATE facts SET body = NULL
        WHERE stream = $1 AND seq IN (SELECT seq FROM facts WHERE stream = $1 AND kind IN ('tick', 'opinion', 'diagnosis') AND body IS NOT NULL ORDER BY seq LIMIT $3)
            AND EXISTS (SELECT 1 FROM deployments WHERE id = $2 AND state = 'closed')
        """;

    /// <summary>Removes a row without facts.</summary>
    public const string RemoveRow = "DELETE FROM deployments WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM facts WHERE stream = $2)";

    /// <summary>The question for a list.</summary>
    /// <param name="filter">What is asked for.</param>
    /// <param name="oldest">
    /// The answer to <see cref="FirstSince"/> when the filter says since when. Ids sort by time: it ends the walk down the ids,
    /// which would otherwise go through the whole past when fewer rows match than were asked for.
    /// </param>
    public static (string Sql, object[] Values) List(DeploymentFilter filter, string? oldest)
    {
        List<object> values = [];
        var sql = new StringBuilder($"SELECT {RowColumns} FROM deployments WHERE true");
        And(filter.Service, "service = ");
        And(filter.Environment, "environment = ");
        And(filter.Decision, "decision = ");
        And(filter.BeforeId, "id < ");
        And(oldest, "id >= ");
        And(filter.Since?.ToUnixTimeMilliseconds(), "received_at >= ");
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

        return (sql.ToString(), [.. values]);

        void And(object? value, string condition)
        {
            if (value is not null)
            {
                values.Add(value);
                sql.Append(" AND ").Append(condition).Append('$').Append(values.Count);
            }
        }
    }

    /// <summary>A fact as <see cref="Facts"/> gives it.</summary>
    public static Fact Fact(DbDataReader reader, string stream) => new(
        stream,
        reader.GetInt64(0),
        Instant(reader, 1),
        reader.GetString(2),
        reader.GetInt32(3),
        reader.IsDBNull(4) ? null : reader.GetFieldValue<byte[]>(4),
        reader.GetFieldValue<byte[]>(5),
        reader.GetFieldValue<byte[]>(6));

    /// <summary>A deployment as <see cref="RowColumns"/> give it.</summary>
    public static DeploymentRow Row(DbDataReader reader) => new(
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
        reader.GetBoolean(12),
        reader.GetFieldValue<byte[]>(13));

    private static string? Text(DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    private static DateTimeOffset Instant(DbDataReader reader, int column) =>
        DateTimeOffset.FromUnixTimeMilliseconds(reader.GetInt64(column));
}
