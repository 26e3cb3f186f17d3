using System.Threading.Channels;
using Microsoft.Data.Sqlite;

namespace Commander.Server.Storage.Sqlite;

/// <summary>
/// Facts and read tables in one SQLite file. One thread writes: it takes whatever waits, runs it in one transaction, and
/// answers only after the commit has reached the disk, so that many callers share one flush. Reading goes beside it on
/// connections of its own and never waits for the writer.
/// </summary>
internal sealed class SqliteStore : IFactStore
{
    /// <summary>The database's name in the data folder.</summary>
    public const string FileName = "commander.db";

    // As many as may wait for the disk. More are turned away at once: what waits longer than its caller helps nobody.
    private const int QueueLength = 8_192;

    // A group is bounded in number and in time, so that the first of it does not pay for all that came later.
    private const int GroupSize = 256;
    private static readonly TimeSpan GroupTime = TimeSpan.FromMilliseconds(4);

    private const int Readers = 4;
    private const string Closed = "The store is closed.";
    private static readonly TimeSpan PurgeEvery = TimeSpan.FromMinutes(10);

    private readonly DataFolder _folder;
    private readonly string _file;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly Channel<Write> _queue;
    private readonly Channel<Session> _readers = Channel.CreateBounded<Session>(Readers);
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Only the writer's thread touches these.
    private readonly List<Write> _group = new(GroupSize);
    private Session? _session;
    private DateTimeOffset _purgedAt;

    private long _writes;
    private long _groups;
    private int _disposed;

    private SqliteStore(DataFolder folder, Session session, TimeProvider clock, ILogger logger, int queueLength)
    {
        _folder = folder;
        _session = session;
        _clock = clock;
        _logger = logger;
        _file = Path.Combine(folder.Path, FileName);
        _queue = Channel.CreateBounded<Write>(new BoundedChannelOptions(queueLength)
        {
            SingleReader = true,
            // What continues is only the signal to the writer's own thread.
            AllowSynchronousContinuations = true,
        });
    }

    /// <summary>Takes the folder, brings its database to this build's form, and starts the writer.</summary>
    /// <exception cref="DataFolderInUseException">Another process has the folder.</exception>
    /// <exception cref="InvalidDataException">A newer build has written the database, or the file is no database.</exception>
    public static SqliteStore Open(string dataDirectory, TimeProvider clock, ILogger logger) =>
        Open(dataDirectory, clock, logger, QueueLength);

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
    public (long Writes, long Groups) Committed => (Interlocked.Read(ref _writes), Interlocked.Read(ref _groups));

    /// <inheritdoc/>
    public Task<Announced> Announce(Announcement announcement, CancellationToken cancel)
    {
        var (fact, row) = (announcement.Fact, announcement.Row);
        if (!string.Equals(fact.Stream, Streams.Of(row.Id), StringComparison.Ordinal) || FactChain.Start(fact.Stream).Next(fact) is not null)
        {
            throw new ArgumentException($"An announcement's fact is the first of {Streams.Of(row.Id)}; this one is seq {fact.Seq} of {fact.Stream}.", nameof(announcement));
        }

        return Do(session => Writing.Announce(session, announcement, _clock.GetUtcNow()), cancel);
    }

    /// <inheritdoc/>
    public Task<bool> Append(Append append, CancellationToken cancel)
    {
        if (append.Facts.Count == 0)
        {
            throw new ArgumentException("An append holds at least one fact: without one nothing tells whether the caller still owns the stream.", nameof(append));
        }

        var first = append.Facts[0];
        var chain = FactChain.After(first.Stream, first.Seq, first.Hash);
        for (var i = 1; i < append.Facts.Count; i++)
        {
            if (chain.Next(append.Facts[i]) is { } fault)
            {
                throw new ArgumentException($"The facts of an append follow each other: {fault.Stream}, seq {fault.Seq}: {fault.Reason}.", nameof(append));
            }
        }

        if (append.Row is { } row && !string.Equals(first.Stream, Streams.Of(row.Id), StringComparison.Ordinal))
        {
            throw new ArgumentException($"The row is of {row.Id}, the facts are of {first.Stream}.", nameof(append));
        }

        if (append.DueAt is not null && (append.Row is not null || !first.Stream.StartsWith(Streams.Deployment, StringComparison.Ordinal)))
        {
            throw new ArgumentException("A due time alone goes with facts of a deployment and without its row, which has a due time of its own.", nameof(append));
        }

        return Do(session => Writing.Append(session, append), cancel);
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
        ArgumentOutOfRangeException.ThrowIfLessThan(filter.Limit, 1, nameof(filter));
        ArgumentOutOfRangeException.ThrowIfNegative(filter.Skip, nameof(filter));
        return Ask(session => Reading.List(session, filter), cancel);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> Due(DateTimeOffset now, int limit, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return Ask(session => Reading.Due(session, now, limit), cancel);
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

    /// <summary>Finishes what was accepted, moves the log into the database, and gives the folder back.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        _queue.Writer.TryComplete();
        await _stopped.Task;
        // Each reader comes back from whoever has it; none is lent any more.
        for (var i = 0; i < Readers; i++)
        {
            (await _readers.Reader.ReadAsync()).Dispose();
        }

        _readers.Writer.TryComplete();
        _folder.Dispose();
    }

    private async Task<T> Do<T>(Func<Session, T> work, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var write = new Write<T>(work, cancel);
        if (!_queue.Writer.TryWrite(write))
        {
            throw new StoreUnavailableException(Volatile.Read(ref _disposed) != 0
                ? Closed
                : "The store is behind: too many writes wait for the disk already. Try again in a moment.");
        }

        return await write.Answer.WaitAsync(cancel);
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
            throw new StoreUnavailableException(Closed);
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
        while (_queue.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            CommitGroup();
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

    private void CommitGroup()
    {
        _group.Clear();
        try
        {
            _session ??= Session.ToWrite(_file);
            if (!Together(_session))
            {
                OneByOne(_session);
            }
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
        while (_group.Count < GroupSize && _clock.GetElapsedTime(started) < GroupTime && _queue.Reader.TryRead(out var write))
        {
            if (!write.Wanted)
            {
                continue;
            }

            _group.Add(write);
            try
            {
                write.Execute(session);
            }
            catch (Exception e) when (!OfTheStore(e))
            {
                session.Run("ROLLBACK");
                return false;
            }
        }

        PurgeNowAndThen(session);
        session.Run("COMMIT");
        Count(_group.Count);
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
                write.Execute(session);
            }
            catch (Exception e) when (!OfTheStore(e))
            {
                session.Run("ROLLBACK");
                write.Refused(e is SqliteException ? new InvalidOperationException($"The store refuses this write: {e.Message}", e) : e);
                continue;
            }

            session.Run("COMMIT");
            Count(1);
            // At once: if the disk fails at a later one, this one is stored all the same.
            write.Committed();
        }
    }

    private void Count(int count)
    {
        Interlocked.Add(ref _writes, count);
        Interlocked.Increment(ref _groups);
    }

    // What says something of disk, file or memory rather than of the request: then nothing of the group can be kept.
    private static bool OfTheStore(Exception e) =>
        e is OutOfMemoryException
        || (e is SqliteException s && s.SqliteErrorCode is not (SQLitePCL.raw.SQLITE_CONSTRAINT or SQLitePCL.raw.SQLITE_TOOBIG or SQLitePCL.raw.SQLITE_MISMATCH));

    private void PurgeNowAndThen(Session session)
    {
        var now = _clock.GetUtcNow();
        if (now - _purgedAt >= PurgeEvery)
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
            for (var waiting = _queue.Reader.Count; waiting > 0 && _queue.Reader.TryRead(out var write); waiting--)
            {
                _group.Add(write);
            }
        }

        _logger.LogError(e, "A group of {Count} writes to {File} failed; none of them is stored.", _group.Count, _file);
        var unavailable = new StoreUnavailableException($"The store cannot write: {Reason(e)}", e);
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

    private abstract class Write(CancellationToken cancel)
    {
        /// <summary>Whether somebody still waits; asked before the work, never after: a commit is not undone.</summary>
        public bool Wanted => !cancel.IsCancellationRequested;

        public abstract void Execute(Session session);

        public abstract void Refused(Exception reason);

        public abstract void Committed();
    }

    private sealed class Write<T>(Func<Session, T> work, CancellationToken cancel) : Write(cancel)
    {
        private readonly TaskCompletionSource<T> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T _result = default!;

        public Task<T> Answer => _answer.Task;

        public override void Execute(Session session) => _result = work(session);

        public override void Refused(Exception reason) => _answer.TrySetException(reason);

        public override void Committed() => _answer.TrySetResult(_result);
    }
}
