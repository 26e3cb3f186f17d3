using System.Threading.Channels;
using Commander.Server.Loop;
using Commander.Server.Storage.Sqlite;
using Commander.Server.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using static Commander.Server.Tests.Storage.Written;

namespace Commander.Server.Tests.Loop;

/// <summary>Who is woken, and in whose way nobody may stand.</summary>
public sealed class WakeQueueTests : IAsyncDisposable
{
    private readonly TestFolder _folder = new();
    private readonly SqliteStore _store;
    private readonly Woken _woken = new();

    public WakeQueueTests() => _store = SqliteStore.Open(_folder.Path, TimeProvider.System, NullLogger.Instance);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _folder.Dispose();
    }

    [Fact(Timeout = 60_000)]
    public async Task Three_thousand_that_find_no_place_keep_no_overdue_watch_from_being_woken()
    {
        var limits = new LoopLimits { MaxWatches = 1 };
        limits.Enter();
        var longAgo = TimeProvider.System.GetUtcNow().AddHours(-1);
        await Task.WhenAll(Enumerable.Range(1, 3000).Select(n => _store.Announce(Announcement(Row(n, $"s{n}", state: "queued", dueAt: longAgo)), TestContext.Current.CancellationToken)));
        await _store.Announce(Announcement(Row(9000, "under-way", dueAt: longAgo.AddMinutes(50))), Cancel);

        using var queue = new WakeQueue(_store, _woken, limits, TimeProvider.System, NullLogger<WakeQueue>.Instance);
        await queue.StartAsync(Cancel);
        (await _woken.Next(Cancel)).ShouldBe(Id(9000));

        // A place is free: the one that waited longest has it.
        limits.Leave();
        string next;
        while ((next = await _woken.Next(Cancel)) == Id(9000))
        {
        }

        next.ShouldBe(Id(1));
        await queue.StopAsync(CancellationToken.None);
    }

    [Fact(Timeout = 60_000)]
    public async Task No_more_than_four_begin_at_once()
    {
        _woken.Hold = true;
        using var queue = new WakeQueue(_store, _woken, new LoopLimits(), TimeProvider.System, NullLogger<WakeQueue>.Instance);
        await queue.StartAsync(TestContext.Current.CancellationToken);
        for (var n = 1; n <= 20; n++)
            queue.Add(Id(n));
        for (var n = 1; n <= 4; n++)
            await _woken.Next(Cancel);
        for (var n = 5; n <= 20; n++)
        {
            _woken.Count.ShouldBe(0);
            _woken.Release();
            await _woken.Next(Cancel);
        }

        _woken.Release(4);
        await queue.StopAsync(CancellationToken.None);
    }

    /// <summary>Owners that do nothing but say who was woken.</summary>
    private sealed class Woken : IOwners
    {
        private readonly Channel<string> _ids = Channel.CreateUnbounded<string>();
        private readonly Channel<bool> _held = Channel.CreateUnbounded<bool>();

        public bool Hold { get; set; }

        public int Count => _ids.Reader.Count;

        public IOwner Of(string deployment) => new One(this, deployment);

        public void Release(int number = 1)
        {
            for (var n = 0; n < number; n++)
                _held.Writer.TryWrite(true);
        }

        public ValueTask<string> Next(CancellationToken cancel) => _ids.Reader.ReadAsync(cancel);

        private sealed class One(Woken woken, string id) : IOwner
        {
            public Task Wake(CancellationToken cancel)
            {
                woken._ids.Writer.TryWrite(id);
                return woken.Hold ? woken._held.Reader.ReadAsync(cancel).AsTask() : Task.CompletedTask;
            }

            public Task<byte[]?> Document(CancellationToken cancel) => Task.FromResult<byte[]?>(null);

            public Task<byte[]> Ask(byte[] command, CancellationToken cancel) => throw new NotSupportedException();
        }
    }
}
