using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Npgsql;

namespace Commander.Server.Storage.Postgres;

/// <summary>Short messages between those who share a database, by LISTEN and NOTIFY: to everybody who listens at the moment, kept nowhere.</summary>
internal sealed class Notices(Database database) : IAsyncDisposable
{
    private const string Name = "commander_live";
    private const int Pending = 1000;
    private readonly NpgsqlDataSource _senders = database.ToRead();

    /// <summary>Sends a message of less than 8,000 bytes.</summary>
    public async Task Send(string message, CancellationToken cancel)
    {
        await using var command = _senders.CreateCommand($"SELECT pg_notify('{Name}', $1)");
        command.Parameters.Add(new NpgsqlParameter { Value = message });
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>First null, when it listens; then every message, one's own too, until the connection breaks, which throws. Who reads slowly loses the oldest.</summary>
    public async IAsyncEnumerable<string?> Listen([EnumeratorCancellation] CancellationToken cancel)
    {
        await using var source = database.ToListen();
        await using var connection = await source.OpenConnectionAsync(cancel);
        var heard = Channel.CreateBounded<string>(new BoundedChannelOptions(Pending) { FullMode = BoundedChannelFullMode.DropOldest });
        connection.Notification += (_, notice) => heard.Writer.TryWrite(notice.Payload);
        await using (var command = new NpgsqlCommand($"LISTEN {Name}", connection))
            await command.ExecuteNonQueryAsync(cancel);
        yield return null;
        while (true)
        {
            while (heard.Reader.TryRead(out var message))
                yield return message;
            await connection.WaitAsync(cancel);
        }
    }

    public ValueTask DisposeAsync() => _senders.DisposeAsync();
}
