using Npgsql;

namespace Commander.Server.Storage.Postgres;

/// <summary>A PostgreSQL database and how it is spoken to. The connection string is a secret: what is shown of it is <see cref="Place"/>.</summary>
internal sealed class Database
{
    // How long a connection may take, and one step on it. A group of writes takes two steps.
    private const int ConnectSeconds = 3;
    private const int CommandSeconds = 5;

    // How long a step that took too long is waited for after it was cancelled, before its connection is given up.
    private const int CancelMilliseconds = 500;

    // Other nodes that start at the same time migrate first, and a step may have to go through every row.
    private const int MigrateSeconds = 600;

    // How often a connection that only listens asks whether the server is still there.
    private const int KeepAliveSeconds = 5;

    private const int Readers = 8;
    private const int Prepared = 64;

    // What a node that stalls or is cut off leaves behind, the server ends itself, so that its locks hold up nobody. A server
    // that is set to lose the last commits is not: an answer means that the commit is on the disk.
    private const string Session =
        """
        SET default_transaction_isolation = 'read committed';
        SET statement_timeout = '10s';
        SET idle_in_transaction_session_timeout = '10s';
        SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
        """;

    // The writer's statements go through arrays by their indexes. The planner knows the length neither of the arrays nor,
    // right after the first rows, of the tables, and must not choose to read whole tables.
    private const string Writer =
        """
        SET enable_seqscan = off;
        SET enable_hashjoin = off;
        SET enable_mergejoin = off;
        SET plan_cache_mode = 'force_generic_plan';
        """;

    private readonly string _connection;

    private Database(string connection, string place)
    {
        _connection = connection;
        Place = place;
    }

    /// <summary>Host, port and name: what people and logs may see.</summary>
    public string Place { get; }

    /// <summary>Reads a connection string; what is wrong never repeats a part of it.</summary>
    public static (Database? Database, string? Wrong) Read(string connection)
    {
        const string remedy = "write Host=HOST;Port=5432;Database=NAME;Username=USER;Password=PASSWORD";
        try
        {
            var parts = new NpgsqlConnectionStringBuilder(connection);
            return string.IsNullOrEmpty(parts.Host)
                ? (null, "names no host: " + remedy)
                : (new Database(connection, $"{parts.Host}:{parts.Port}/{parts.Database ?? parts.Username}"), null);
        }
        catch (Exception e) when (e is ArgumentException or FormatException or KeyNotFoundException or InvalidCastException or OverflowException)
        {
            return (null, "is no connection string: " + remedy);
        }
    }

    /// <summary>Connections that are kept and lent to questions.</summary>
    public NpgsqlDataSource ToRead() => Open(Session, pooled: true, CommandSeconds);

    /// <summary>For the one connection that writes: closing it closes it.</summary>
    public NpgsqlDataSource ToWrite() => Open(Session + Writer, pooled: false, CommandSeconds);

    /// <summary>For the connection that listens: it notices within seconds that nobody is there any more.</summary>
    public NpgsqlDataSource ToListen() => Open(Session, pooled: false, CommandSeconds, KeepAliveSeconds);

    /// <summary>For the connection that migrates.</summary>
    public NpgsqlDataSource ToMigrate() => Open("SET default_transaction_isolation = 'read committed'", pooled: false, MigrateSeconds);

    public override string ToString() => Place;

    private NpgsqlDataSource Open(string session, bool pooled, int seconds, int keepAlive = 0)
    {
        var parts = new NpgsqlConnectionStringBuilder(_connection)
        {
            Timeout = ConnectSeconds,
            CommandTimeout = seconds,
            CancellationTimeout = CancelMilliseconds,
            Pooling = pooled,
            MaxPoolSize = Readers,
            MinPoolSize = 0,
            MaxAutoPrepare = Prepared,
            AutoPrepareMinUsages = 2,
            TcpKeepAlive = true,
            KeepAlive = keepAlive,
            Enlist = false,
            // What a session is set to at its beginning stays.
            NoResetOnClose = true,
            PersistSecurityInfo = false,
            IncludeErrorDetail = false,
        };
        parts.ApplicationName ??= "commander";
        var builder = new NpgsqlDataSourceBuilder(parts.ToString());
        builder.UsePhysicalConnectionInitializer(
            connection =>
            {
                using var command = new NpgsqlCommand(session, connection);
                command.ExecuteNonQuery();
            },
            async connection =>
            {
                await using var command = new NpgsqlCommand(session, connection);
                await command.ExecuteNonQueryAsync();
            });
        return builder.Build();
    }

}
