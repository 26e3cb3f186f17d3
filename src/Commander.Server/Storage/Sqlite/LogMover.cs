using Microsoft.Data.Sqlite;

namespace Commander.Server.Storage.Sqlite;

/// <summary>
/// Moves the write-ahead log into the database beside the writer. Moved by the writer itself, as SQLite does when nothing is said, 32 MiB
/// of it kept everybody waiting for 25 ms, at nine thousand announcements a second nearly twice in each of them. What is written while
/// this one moves the most of it, the writer moves itself: a few pages, and then the log begins anew.
/// </summary>
internal sealed class LogMover : IDisposable
{
    /// <summary>The log is moved when so many pages of 4 KiB were written: by then most have changed several times, and each is moved once.</summary>
    private const int Due = 8_192;

    // Where it falls so far behind the writer waits, rather than let the log fill the disk.
    private const int Behind = 8 * Due;
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(2);
    private const string Move = "PRAGMA wal_checkpoint(PASSIVE)";

    private readonly string _file;
    private readonly ILogger _logger;
    private readonly AutoResetEvent _wanted = new(false);
    private readonly ManualResetEventSlim _moved = new(true);
    private readonly Thread _thread;
    private volatile bool _closed;

    // Only the writer's thread touches it.
    private bool _moving;

    public LogMover(string file, ILogger logger)
    {
        (_file, _logger) = (file, logger);
        _thread = new Thread(Run) { IsBackground = true, Name = "commander log mover" };
        _thread.Start();
    }

    /// <summary>By the writer, between two transactions.</summary>
    public void After(Session writer)
    {
        var written = writer.PagesWritten;
        if (_moving)
        {
            if (!_moved.IsSet && (written < Behind || !_moved.Wait(Longest)))
                return;
            TryMove(writer);
            writer.CountPagesAnew();
            _moving = false;
        }
        else if (written >= Due)
        {
            _moving = true;
            _moved.Reset();
            _wanted.Set();
        }
    }

    public void Dispose()
    {
        _closed = true;
        _wanted.Set();
        _thread.Join();
        _wanted.Dispose();
        _moved.Dispose();
    }

    private void Run()
    {
        while (true)
        {
            _wanted.WaitOne();
            if (_closed)
                return;
            try
            {
                using var session = Session.ToWrite(_file);
                TryMove(session);
            }
            catch (SqliteException e)
            {
                _logger.LogWarning(e, "The log of {File} could not be moved into it.", _file);
            }

            _moved.Set();
        }
    }

    // What fails here loses nothing: the log stays, and the next time both are moved.
    private void TryMove(Session session)
    {
        try
        {
            session.Script(Move);
        }
        catch (SqliteException e)
        {
            _logger.LogWarning(e, "The log of {File} could not be moved into it.", _file);
        }
    }
}
