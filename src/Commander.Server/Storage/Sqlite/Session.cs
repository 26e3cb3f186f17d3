using Microsoft.Data.Sqlite;

namespace Commander.Server.Storage.Sqlite;

/// <summary>One connection with the statements it has prepared. Used by one thread at a time.</summary>
internal sealed class Session : IDisposable
{
    // How long a lock of somebody else's (a backup, a shell) is waited for before the work is refused.
    private const int BusySeconds = 2;

    private readonly SqliteConnection _connection;
    private readonly Dictionary<string, SqliteCommand> _prepared = new(StringComparer.Ordinal);

    private Session(SqliteConnection connection) => _connection = connection;

    /// <summary>The one that writes; makes the file when there is none.</summary>
    public static Session ToWrite(string file)
    {
        var session = Open(file, SqliteOpenMode.ReadWriteCreate);
        try
        {
            // FULL: a commit has reached the disk before it is answered, not only the operating system.
            // The log is moved into the database by another thread.
            session.Script(
                """
                PRAGMA journal_mode = WAL;
                PRAGMA synchronous = FULL;
                PRAGMA foreign_keys = OFF;
                PRAGMA cache_size = -32768;
                PRAGMA wal_autocheckpoint = 0;
                """);
            return session;
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>One of those that read beside the writer.</summary>
    public static Session ToRead(string file) => Open(file, SqliteOpenMode.ReadOnly);

    /// <summary>How many pages were written to the log since they were last counted anew.</summary>
    public int PagesWritten
    {
        get
        {
            SQLitePCL.raw.sqlite3_db_status(_connection.Handle!, SQLitePCL.raw.SQLITE_DBSTATUS_CACHE_WRITE, out var pages, out _, 0);
            return pages;
        }
    }

    /// <summary>Counts from nothing.</summary>
    public void CountPagesAnew() => SQLitePCL.raw.sqlite3_db_status(_connection.Handle!, SQLitePCL.raw.SQLITE_DBSTATUS_CACHE_WRITE, out _, out _, 1);

    /// <summary>Runs statements without parameters.</summary>
    public void Script(string sql)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    /// <summary>Runs a statement; the number of rows it changed.</summary>
    public int Run(string sql, params ReadOnlySpan<object?> values) => Bound(sql, values).ExecuteNonQuery();

    /// <summary>The first column of the first row; 0 when there is none or it is null.</summary>
    public long Number(string sql, params ReadOnlySpan<object?> values) =>
        Bound(sql, values).ExecuteScalar() is long number ? number : 0;

    /// <summary>The rows. The reader is closed by the caller before the same statement runs again.</summary>
    public SqliteDataReader Query(string sql, params ReadOnlySpan<object?> values) => Bound(sql, values).ExecuteReader();

    public void Dispose()
    {
        foreach (var command in _prepared.Values)
        {
            command.Dispose();
        }

        _connection.Dispose();
    }

    private static Session Open(string file, SqliteOpenMode mode)
    {
        var opened = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = file,
            Mode = mode,
            Pooling = false,
            DefaultTimeout = BusySeconds,
        }.ToString());
        try
        {
            opened.Open();
            var session = new Session(opened);
            session.Script($"PRAGMA busy_timeout = {BusySeconds * 1000}");
            return session;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    private SqliteCommand Bound(string sql, ReadOnlySpan<object?> values)
    {
        if (!_prepared.TryGetValue(sql, out var command))
        {
            command = _connection.CreateCommand();
            command.CommandText = sql;
            for (var i = 1; i <= values.Length; i++)
            {
                command.Parameters.Add(new SqliteParameter { ParameterName = "$" + i });
            }

            command.Prepare();
            _prepared.Add(sql, command);
        }

        for (var i = 0; i < values.Length; i++)
        {
            command.Parameters[i].Value = values[i] ?? DBNull.Value;
        }

        return command;
    }
}
