using System.Security.Cryptography;
using System.Threading.Channels;
using Microsoft.Data.Sqlite;
using Work = System.Func<Commander.Server.Storage.Sqlite.Session, object>;

namespace Commander.Server.Storage.Sqlite;

/// <summary>
/// Facts and read tables in one SQLite file. One thread writes: it takes whatever waits, runs it in one transaction, and
/// answers only after the commit has reached the disk, so that many callers share one flush. Reading goes beside it on
/// connections of its own and never waits for the writer.
/// </summary>
internal sealed class SqliteStore : IFactStore, IStoreUpkeep
{
    /// <summary>The database's name in the data folder.</summary>
    public const string FileName = "commander.db";

    // A group is bounded in number and in time, so that the first of it does not pay for all that came later.
    private static readonly TimeSpan GroupTime = TimeSpan.FromMilliseconds(4);

    private const int Readers = 4;

    private readonly DataFolder _folder;
    private readonly string _file;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly WriteQueue<Work> _queue;
    private readonly Channel<Session> _readers = Channel.CreateBounded<Session>(Readers);
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Only the writer's thread touches these.
    private readonly List<Write<Work>> _group = new(WriteQueue<Work>.GroupSize);
    private Session? _session;
    private string? _trouble;
    private DateTimeOffset _purgedAt;

    private SqliteStore(DataFolder folder, Session session, TimeProvider clock, ILogger logger, int queueLength)
    {
        _folder = folder;
        _session = session;
        _clock = clock;
        _logger = logger;
        _file = Path.Combine(folder.Path, FileName);
        // What continues is only the signal to the writer's own thread.
        _queue = new WriteQueue<Work>(queueLength, signalsInline: true);
    }

    /// <summary>Takes the folder, brings its database to this build's form, and starts the writer.</summary>
    /// <exception cref="DataFolderInUseException">Another process has the folder.</exception>
    /// <exception cref="InvalidDataException">A newer build has written the database, or the file is no database.</exception>
    public static SqliteStore Open(string dataDirectory, TimeProvider clock, ILogger logger) =>
        Open(dataDirectory, clock, logger, WriteQueue<Work>.Length);

    /// <summary>The same with another length of the queue.</summary>
    internal static SqliteStore Open(string dataDirectory, TimeProvider clock, ILogger logger, int queueLength)
    {
        var taken = DataFolder.Take(dataDirectory);
        var path = Path.Combine(taken.Path, FileName);
        List<Session> opened = [];
        try
        {
            opened.Add(Session.ToWrite(path));
            Schema.Migrate(opened[0], clock.GetUtcNow(), path);
            var store = new SqliteStore(taken, opened[0], clock, logger, queueLength);
            for (var i = 0; i < Readers; i++)
            {
                var reader = Session.ToRead(path);
                opened.Add(reader);
                store._readers.Writer.TryWrite(reader);
            }

            new Thread(store.Run) { IsBackground = true, Name = "commander store writer" }.Start();
            return store;
        }
        catch (Exception e)
        {
            opened.ForEach(one => one.Dispose());
            taken.Dispose();
            if (e is SqliteException { SqliteErrorCode: SQLitePCL.raw.SQLITE_NOTADB or SQLitePCL.raw.SQLITE_CORRUPT })
            {
                throw new InvalidDataException($"{path} is damaged or no database of Commander's: restore a backup, or start with another --data folder.", e);
            }

            throw;
        }
    }

    /// <summary>Notes the address that this process serves, for the error of a second process on the folder.</summary>
    public void Serves(string address) => _folder.Serves(address);

    /// <summary>How many writes were committed since the start, and how many flushes they shared.</summary>
    public (long Writes, long Groups) Committed => _queue.Committed;

    /// <inheritdoc/>
    public Task<Announced> Announce(Announcement announcement, CancellationToken cancel)
    {
        Callers.Check(announcement);
        return _queue.Add<Announced>(session => Writing.Announce(session, announcement, _clock.GetUtcNow()), cancel);
    }

    /// <inheritdoc/>
    public Task<bool> Append(Append append, CancellationToken cancel)
    {
        Callers.Check(append);
        return _queue.Add<bool>(session => (object)Writing.Append(session, append), cancel);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<Fact>> Read(string stream, long afterSeq, int limit, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return Ask(session => Reading.Facts(session, stream, afterSeq, limit), cancel);
    }

    /// <inheritdoc/>
    public Task<DeploymentRow?> Find(string id, CancellationToken cancel) => Ask(session => Reading.Find(session, id), cancel);

    /// <inheritdoc/>
    public Task<IReadOnlyList<DeploymentRow>> List(DeploymentFilter filter, CancellationToken cancel)
    {
        Callers.Check(filter);
        return Ask(session => Reading.List(session, filter), cancel);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> Due(DateTimeOffset now, int limit, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return Ask(session => Reading.Due(session, now, limit), cancel);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> Waiting(DateTimeOffset now, int limit, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return Ask(session => Reading.Waiting(session, now, limit), cancel);
    }

    /// <inheritdoc/>
    public Task<int> Count(CancellationToken cancel) => Ask(Reading.Count, cancel);

    /// <inheritdoc/>
    public Task<int> CountOpen(CancellationToken cancel) => Ask(Reading.CountOpen, cancel);

    /// <inheritdoc/>
    public Task<IReadOnlyList<DeploymentRow>> History(string service, string environment, int limit, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return Ask(session => Reading.History(session, service, environment, limit), cancel);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<DeploymentRow>> RolledBack(string service, string environment, IReadOnlyCollection<string> versions, string except, CancellationToken cancel) =>
        Ask(session => Reading.RolledBack(session, service, environment, versions, except), cancel);

    /// <inheritdoc/>
    public string? Trouble => Volatile.Read(ref _trouble);

    /// <inheritdoc/>
    public Task<DateTimeOffset?> Now(CancellationToken cancel) => Task.FromResult<DateTimeOffset?>(null);

    /// <inheritdoc/>
    public Task Probe(CancellationToken cancel) =>
        _queue.Add<int>(session => (object)session.Run(Questions.Probe, Questions.ProbeKey, RandomNumberGenerator.GetBytes(32), _clock.GetUtcNow().ToUnixTimeMilliseconds()), cancel);

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> StreamNames(string after, int limit, CancellationToken cancel) => Ask(session => Reading.StreamNames(session, after, limit), cancel);

    /// <inheritdoc/>
    public Task<IReadOnlyList<(string Id, bool Open)>> Announced(string after, DateTimeOffset before, int limit, CancellationToken cancel) =>
        Ask(session => Reading.Announced(session, after, before, limit), cancel);

    /// <inheritdoc/>
    public Task<int> DropTicks(string id, int limit, CancellationToken cancel) =>
        _queue.Add<int>(session => (object)session.Run(Questions.DropTicks, Streams.Of(id), id, limit), cancel);

    /// <inheritdoc/>
    public Task Put(DeploymentRow row, CancellationToken cancel) => _queue.Add<int>(
        session =>
        {
            session.Run("DELETE FROM deployments WHERE id = $1", row.Id);
            Writing.Insert(session, row);
            return 1;
        },
        cancel);

    /// <inheritdoc/>
    public Task RemoveRow(string id, CancellationToken cancel) =>
        _queue.Add<int>(session => (object)session.Run(Questions.RemoveRow, id, Streams.Of(id)), cancel);

    /// <summary>Finishes what was accepted, moves the log into the database, and gives the folder back.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_queue.Close())
        {
            return;
        }

        await _stopped.Task;
        // Each reader comes back from whoever has it; none is lent any more.
        for (var i = 0; i < Readers; i++)
        {
            (await _readers.Reader.ReadAsync()).Dispose();
        }

        _readers.Writer.TryComplete();
        _folder.Dispose();
    }

    private async Task<T> Ask<T>(Func<Session, T> question, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        Session? reader = null;
        try
        {
            reader = await _readers.Reader.ReadAsync(cancel);
            return question(reader);
        }
        catch (ChannelClosedException)
        {
            throw new StoreUnavailableException(WriteQueue<Work>.Closed);
        }
        catch (SqliteException e)
        {
            throw new StoreUnavailableException($"The store cannot be read: {e.Message}", e);
        }
        finally
        {
            if (reader is not null)
            {
                _readers.Writer.TryWrite(reader);
            }
        }
    }

    private void Run()
    {
        // A thread of its own: a flush blocks, and must not hold a thread that requests and timers need.
        using var more = new AutoResetEvent(false);
        using (var mover = new LogMover(_file, _logger))
        {
            while (Any(more))
            {
                CommitGroup(mover);
            }
        }

        try
        {
            _session?.Script("PRAGMA wal_checkpoint(TRUNCATE)");
        }
        catch (SqliteException e)
        {
            // Nothing is lost: the next start reads the log.
            _logger.LogWarning(e, "The log could not be moved into {File} at closing.", _file);
        }

        CloseSession();
        _stopped.SetResult();
    }

    // A task that is waited for with GetResult spins first: between two commits that is most of the time.
    private bool Any(AutoResetEvent more)
    {
        var any = _queue.Any().AsTask();
        if (!any.IsCompleted)
        {
            any.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(() => more.Set());
            more.WaitOne();
        }

        return any.GetAwaiter().GetResult();
    }

    private void CommitGroup(LogMover mover)
    {
        _group.Clear();
        try
        {
            _session ??= Session.ToWrite(_file);
            if (!Together(_session))
            {
                OneByOne(_session);
            }

            mover.After(_session);
        }
        catch (Exception e)
        {
            Fail(e);
        }
    }

    // The common case: all who wait in one transaction. False, with nothing stored, when one of them fails.
    private bool Together(Session session)
    {
        session.Run("BEGIN IMMEDIATE");
        var started = _clock.GetTimestamp();
        while (_group.Count < WriteQueue<Work>.GroupSize && _clock.GetElapsedTime(started) < GroupTime && _queue.TryTake(out var write))
        {
            if (!write.Wanted)
            {
                continue;
            }

            _group.Add(write);
            try
            {
                write.Done(write.Work(session));
            }
            catch (Exception e) when (!OfTheStore(e))
            {
                session.Run("ROLLBACK");
                return false;
            }
        }

        PurgeNowAndThen(session);
        session.Run("COMMIT");
        Volatile.Write(ref _trouble, null);
        _queue.Count(_group.Count);
        foreach (var write in _group)
        {
            write.Committed();
        }

        return true;
    }

    // After a failure the same again, each for itself, so that it takes nobody along. That is rare; a savepoint around
    // every request would cost all of them a copy of each page they touch.
    private void OneByOne(Session session)
    {
        foreach (var write in _group)
        {
            session.Run("BEGIN IMMEDIATE");
            try
            {
                write.Done(write.Work(session));
            }
            catch (Exception e) when (!OfTheStore(e))
            {
                session.Run("ROLLBACK");
                write.Refused(e is SqliteException ? new InvalidOperationException($"The store refuses this write: {e.Message}", e) : e);
                continue;
            }

            session.Run("COMMIT");
            _queue.Count(1);
            // At once: if the disk fails at a later one, this one is stored all the same.
            write.Committed();
        }
    }

    // What says something of disk, file or memory rather than of the request: then nothing of the group can be kept.
    private static bool OfTheStore(Exception e) =>
        e is OutOfMemoryException
        || (e is SqliteException s && s.SqliteErrorCode is not (SQLitePCL.raw.SQLITE_CONSTRAINT or SQLitePCL.raw.SQLITE_TOOBIG or SQLitePCL.raw.SQLITE_MISMATCH));

    private void PurgeNowAndThen(Session session)
    {
        var now = _clock.GetUtcNow();
        if (now - _purgedAt >= IdempotencyKeys.PurgeEvery)
        {
            Writing.Purge(session, now);
            _purgedAt = now;
        }
    }

    private void Fail(Exception e)
    {
        // A fresh connection for the next group: the old one's state after an error of the disk is nobody's to guess.
        CloseSession();
        if (_group.Count == 0)
        {
            // It failed before the first: all who wait would wait for the same.
            _group.AddRange(_queue.TakeAll());
        }

        _logger.LogError(e, "A group of {Count} writes to {File} failed; none of them is stored.", _group.Count, _file);
        var unavailable = new StoreUnavailableException($"The store cannot write: {Reason(e)}", e);
        Volatile.Write(ref _trouble, unavailable.Message);
        foreach (var write in _group)
        {
            write.Refused(unavailable);
        }
    }

    private static string Reason(Exception e) => e switch
    {
        SqliteException { SqliteErrorCode: SQLitePCL.raw.SQLITE_FULL } => "the disk is full. Free some space; it goes on by itself.",
        SqliteException { SqliteErrorCode: SQLitePCL.raw.SQLITE_BUSY or SQLitePCL.raw.SQLITE_LOCKED } => "another process holds the database locked (a backup or a shell?).",
        _ => e.Message,
    };

    private void CloseSession()
    {
        try
        {
            _session?.Dispose();
        }
        catch (SqliteException e)
        {
            _logger.LogWarning(e, "The connection to {File} did not close cleanly.", _file);
        }

        _session = null;
    }
}
