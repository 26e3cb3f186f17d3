using System.Security.Cryptography;
using Npgsql;
using Write = Commander.Server.Storage.Write<object>;

namespace Commander.Server.Storage.Postgres;

/// <summary>
/// Facts and read tables in a PostgreSQL database that several nodes share. Each node writes on one connection: it takes
/// whatever waits, stores it in one transaction and answers after the commit, so that many callers share one flush. Questions
/// go beside it on connections of their own.
/// </summary>
internal sealed class PostgresStore : IFactStore, IStoreUpkeep
{
    // What a group of writes may take in all, with a second attempt on a new connection.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private const int Attempts = 3;
    private const string GoesOn = "It goes on by itself when the database does.";

    private readonly Database _database;
    private readonly NpgsqlDataSource _readers;
    private readonly NpgsqlDataSource _writers;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly WriteQueue<object> _queue;
    private readonly Task _writing;

    // Only the writer touches these.
    private readonly HashSet<string> _touched = new(StringComparer.Ordinal);
    private List<Write> _held = [];
    private NpgsqlConnection? _connection;
    private DateTimeOffset _purgedAt;
    private bool _failing;

    // Written by the writer, read by whoever asks.
    private string? _trouble;

    private PostgresStore(Database database, TimeProvider clock, ILogger logger, int queueLength)
    {
        _database = database;
        _clock = clock;
        _logger = logger;
        _readers = database.ToRead();
        _writers = database.ToWrite();
        _queue = new WriteQueue<object>(queueLength, signalsInline: false);
        _writing = Task.Run(Run);
    }

    /// <summary>Brings the database to this build's form and starts the writer.</summary>
    /// <exception cref="StoreUnavailableException">The database cannot be reached or does not let this in.</exception>
    /// <exception cref="InvalidDataException">A newer build has changed the database.</exception>
    public static Task<PostgresStore> Open(Database database, TimeProvider clock, ILogger logger, CancellationToken cancel) =>
        Open(database, clock, logger, WriteQueue<object>.Length, cancel);

    /// <summary>The same with another length of the queue.</summary>
    internal static async Task<PostgresStore> Open(Database database, TimeProvider clock, ILogger logger, int queueLength, CancellationToken cancel)
    {
        try
        {
            await Schema.Migrate(database, clock, cancel);
        }
        catch (Exception e) when (Failures.FromOutside(e) && !cancel.IsCancellationRequested)
        {
            throw new StoreUnavailableException($"The store cannot be opened: {Failures.Reason(e, database.Place)}", e);
        }

        return new PostgresStore(database, clock, logger, queueLength);
    }

    /// <summary>How many writes were committed since the start, and how many transactions they shared.</summary>
    public (long Writes, long Groups) Committed => _queue.Committed;

    /// <inheritdoc/>
    public Task<Announced> Announce(Announcement announcement, CancellationToken cancel)
    {
        Callers.Check(announcement);
        return _queue.Add<Announced>(announcement, cancel);
    }

    /// <inheritdoc/>
    public Task<bool> Append(Append append, CancellationToken cancel)
    {
        Callers.Check(append);
        return _queue.Add<bool>(append, cancel);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<Fact>> Read(string stream, long afterSeq, int limit, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return await Ask(Questions.Facts, reader => Questions.Fact(reader, stream), cancel, stream, afterSeq, limit);
    }

    /// <inheritdoc/>
    public async Task<DeploymentRow?> Find(string id, CancellationToken cancel) =>
        (await Ask(Questions.Deployment, Questions.Row, cancel, id)).FirstOrDefault();

    /// <inheritdoc/>
    public async Task<IReadOnlyList<DeploymentRow>> List(DeploymentFilter filter, CancellationToken cancel)
    {
        Callers.Check(filter);
        string? oldest = null;
        if (filter.Since is { } since)
        {
            oldest = (await Ask(Questions.FirstSince, Id, cancel, since.ToUnixTimeMilliseconds())).FirstOrDefault();
            if (oldest is null)
            {
                return [];
            }
        }

        var (sql, values) = Questions.List(filter, oldest);
        return await Ask(sql, Questions.Row, cancel, values);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> Due(DateTimeOffset now, int limit, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return await Ask(Questions.Overdue, Id, cancel, now.ToUnixTimeMilliseconds(), limit);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> Waiting(DateTimeOffset now, int limit, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return await Ask(Questions.Queued, Id, cancel, now.ToUnixTimeMilliseconds(), limit);
    }

    /// <inheritdoc/>
    public async Task<int> Count(CancellationToken cancel) => (await Ask(Questions.All, reader => (int)reader.GetInt64(0), cancel))[0];

    /// <inheritdoc/>
    public async Task<int> CountOpen(CancellationToken cancel) => (await Ask(Questions.Opened, reader => (int)reader.GetInt64(0), cancel))[0];

    /// <inheritdoc/>
    public async Task<IReadOnlyList<DeploymentRow>> History(string service, string environment, int limit, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return await Ask(Questions.Past, Questions.Row, cancel, service, environment, limit);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<DeploymentRow>> RolledBack(string service, string environment, IReadOnlyCollection<string> versions, string except, CancellationToken cancel)
    {
        List<DeploymentRow> rows = [];
        foreach (var version in versions.Distinct(StringComparer.Ordinal))
        {
            rows.AddRange((await Ask(Questions.NewestOfVersion, Questions.Row, cancel, service, environment, version, except)).Where(row => row.RolledBackAt is not null));
        }

        return rows;
    }

    /// <inheritdoc/>
    public string? Trouble => Volatile.Read(ref _trouble);

    /// <inheritdoc/>
    public async Task Probe(CancellationToken cancel)
    {
        await Ask(Questions.Probe + " RETURNING key", Id, cancel, Questions.ProbeKey, RandomNumberGenerator.GetBytes(32), _clock.GetUtcNow().ToUnixTimeMilliseconds());
        Volatile.Write(ref _trouble, null);
    }

    /// <inheritdoc/>
    public async Task<DateTimeOffset?> Now(CancellationToken cancel) =>
        (await Ask("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", reader => DateTimeOffset.FromUnixTimeMilliseconds(reader.GetInt64(0)), cancel)) is [var now] ? now : null;

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> StreamNames(string after, int limit, CancellationToken cancel) => await Ask(Questions.StreamNames, Id, cancel, after, limit);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<(string Id, bool Open)>> Announced(string after, DateTimeOffset before, int limit, CancellationToken cancel) =>
        await Ask(Questions.Announced, reader => (reader.GetString(0), reader.GetString(1) != "closed"), cancel, after, before.ToUnixTimeMilliseconds(), limit);

    /// <inheritdoc/>
    public async Task<int> DropTicks(string id, int limit, CancellationToken cancel) =>
        (await Ask(Questions.DropTicks + " RETURNING seq", reader => reader.GetInt64(0), cancel, Streams.Of(id), id, limit)).Count;

    /// <inheritdoc/>
    public async Task Put(DeploymentRow row, CancellationToken cancel) => await Ask(
        Writing.PutRow,
        Id,
        cancel,
        row.Id,
        row.Service,
        row.Environment,
        row.Version,
        row.State,
        (object?)row.ClosedReason ?? DBNull.Value,
        (object?)row.Decision ?? DBNull.Value,
        row.StartedAt.ToUnixTimeMilliseconds(),
        row.ReceivedAt.ToUnixTimeMilliseconds(),
        row.DueAt is { } due ? due.ToUnixTimeMilliseconds() : DBNull.Value,
        row.RolledBackAt is { } at ? at.ToUnixTimeMilliseconds() : DBNull.Value,
        (object?)row.RolledBackTo ?? DBNull.Value,
        row.Snapshot,
        row.Document);

    /// <inheritdoc/>
    public async Task RemoveRow(string id, CancellationToken cancel) => await Ask(Questions.RemoveRow + " RETURNING id", Id, cancel, id, Streams.Of(id));

    /// <summary>Finishes what was accepted and closes the connections.</summary>
    public async ValueTask DisposeAsync()
    {
        _queue.Close();
        await _writing;
        await _readers.DisposeAsync();
        await _writers.DisposeAsync();
    }

    private static string Id(NpgsqlDataReader reader) => reader.GetString(0);

    private async Task<List<T>> Ask<T>(string sql, Func<NpgsqlDataReader, T> read, CancellationToken cancel, params object[] values)
    {
        for (var attempt = 1; ; attempt++)
        {
            cancel.ThrowIfCancellationRequested();
            if (_queue.IsClosed)
            {
                throw new StoreUnavailableException(WriteQueue<object>.Closed);
            }

            try
            {
                await using var command = _readers.CreateCommand(sql);
                foreach (var value in values)
                {
                    command.Parameters.Add(new NpgsqlParameter { Value = value });
                }

                await using var reader = await command.ExecuteReaderAsync(cancel);
                List<T> rows = [];
                while (await reader.ReadAsync(cancel))
                {
                    rows.Add(read(reader));
                }

                return rows;
            }
            catch (Exception e) when (Failures.FromOutside(e) && !cancel.IsCancellationRequested)
            {
                switch (Failures.Of(e))
                {
                    case Failure.OfTheRequest:
                        // A text that no column can hold is nobody's name.
                        return [];
                    case Failure.Lost when attempt == 1:
                        // It may have been gone since the last question, as after a restart of the database.
                        continue;
                    default:
                        throw new StoreUnavailableException($"The store cannot be read: {Failures.Reason(e, _database.Place)}. {GoesOn}", e);
                }
            }
        }
    }

    private async Task Run()
    {
        while (_held.Count > 0 || await _queue.Any())
        {
            var group = TakeGroup();
            if (group.Count == 0)
            {
                continue;
            }

            using var deadline = new CancellationTokenSource(Deadline, _clock);
            try
            {
                await Commit(group, deadline.Token);
            }
            catch (Exception e)
            {
                // A mistake of ours: it must end neither the writer nor the waiting of those who asked.
                await Disconnect();
                Refuse(group, e, known: false);
            }
        }

        await Disconnect();
    }

    // What touches the same as another of the group waits for the next one, and so does what comes after it and touches that.
    private List<Write> TakeGroup()
    {
        List<Write> group = [];
        _touched.Clear();
        var waiting = _held;
        _held = [];
        foreach (var write in waiting)
        {
            Place(write);
        }

        while (group.Count < WriteQueue<object>.GroupSize && _held.Count < WriteQueue<object>.GroupSize && _queue.TryTake(out var write))
        {
            Place(write);
        }

        return group;

        void Place(Write write)
        {
            if (write.Wanted)
            {
                var free = true;
                foreach (var name in Writing.Touches(write.Work))
                {
                    free &= _touched.Add(name);
                }

                (free ? group : _held).Add(write);
            }
        }
    }

    private async Task Commit(List<Write> group, CancellationToken cancel)
    {
        for (var attempt = 1; ; attempt++)
        {
            Changes? committing = null;
            try
            {
                _connection ??= await _writers.OpenConnectionAsync(cancel);
                var now = _clock.GetUtcNow();
                var changes = await Writing.Decide(_connection, group, now, cancel);
                committing = changes;
                await Writing.Store(_connection, changes, now - _purgedAt >= IdempotencyKeys.PurgeEvery, cancel);
                _purgedAt = now - _purgedAt >= IdempotencyKeys.PurgeEvery ? now : _purgedAt;
                Answer(group);
                return;
            }
            catch (Exception e) when (Failures.FromOutside(e))
            {
                var failure = Failures.Of(e);
                // A fresh connection for the next attempt, whatever it was: what the driver and the server have each prepared of
                // a batch that failed in its middle is nobody's to guess.
                await Disconnect();

                var known = true;
                if (committing is not null && failure is Failure.Lost or Failure.TooLate)
                {
                    switch (await IsStored(committing, cancel))
                    {
                        case true:
                            Answer(group);
                            return;
                        case null:
                            known = false;
                            break;
                    }
                }

                if (failure is Failure.OfTheRequest)
                {
                    await Apart(group, e, cancel);
                    return;
                }

                if (failure is not (Failure.Again or Failure.Lost) || !known || attempt == Attempts || cancel.IsCancellationRequested)
                {
                    Refuse(group, e, known);
                    return;
                }
            }
        }
    }

    // One of them cannot be stored and must not take the others along: each half for itself, down to that one.
    private async Task Apart(List<Write> group, Exception e, CancellationToken cancel)
    {
        if (group is not [var alone])
        {
            var half = group.Count / 2;
            await Commit(group[..half], cancel);
            await Commit(group[half..], cancel);
        }
        else if (alone.Work is Append && e is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "facts_key" })
        {
            // Another node was there between the question and the answer.
            alone.Done(false);
            alone.Committed();
        }
        else
        {
            alone.Refused(new InvalidOperationException($"The store refuses this write: {(e as PostgresException)?.MessageText ?? e.Message}", e));
        }
    }

    private void Answer(List<Write> group)
    {
        _queue.Count(group.Count);
        foreach (var write in group)
        {
            write.Committed();
        }

        Volatile.Write(ref _trouble, null);
        if (_failing)
        {
            _failing = false;
            _logger.LogInformation("The database {Place} is written to again.", _database.Place);
        }
    }

    private void Refuse(List<Write> group, Exception e, bool known)
    {
        // All who wait would wait for the same.
        Write[] waiting = [.. _held, .. _queue.TakeAll()];
        _held.Clear();
        if (!_failing)
        {
            _failing = true;
            _logger.LogError(e, "A group of {Count} writes to the database {Place} failed; until it is written to again, no more is logged of it.", group.Count, _database.Place);
        }

        var reason = $"The store cannot write: {Failures.Reason(e, _database.Place)}. ";
        var unavailable = new StoreUnavailableException(reason + GoesOn, e);
        Volatile.Write(ref _trouble, unavailable.Message);
        var unknown = known ? unavailable : new StoreUnavailableException($"{reason}Whether this was stored is not known. {GoesOn}", e);
        group.ForEach(write => write.Refused(unknown));
        Array.ForEach(waiting, write => write.Refused(unavailable));
    }

    /// <summary>Whether a commit that was not answered took effect; null when the database cannot be asked.</summary>
    private async Task<bool?> IsStored(Changes changes, CancellationToken cancel)
    {
        try
        {
            _connection ??= await _writers.OpenConnectionAsync(cancel);
            return await Writing.IsStored(_connection, changes, cancel);
        }
        catch (Exception e) when (Failures.FromOutside(e))
        {
            await Disconnect();
            return null;
        }
    }

    private async Task Disconnect()
    {
        if (_connection is { } connection)
        {
            _connection = null;
            await connection.DisposeAsync();
        }
    }
}
