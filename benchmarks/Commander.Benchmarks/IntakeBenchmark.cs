using System.Globalization;
using System.Text;
using Commander.Server.Storage;
using Commander.Server.Storage.Postgres;
using Commander.Server.Storage.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Commander.Benchmarks;

/// <summary>
/// How many announcements a second the SQLite store accepts durably with 64 callers at once, and how much of a bare loop
/// that is: the same rows in the same tables, as many in one transaction, as many flushes, nothing around them. With
/// COMMANDER_CLUSTER the PostgreSQL store beside it; the processor of its server is not counted.
/// </summary>
internal static class IntakeBenchmark
{
    private const int Callers = 64;
    private static readonly TimeProvider Clock = TimeProvider.System;

    public static async Task<int> Run(string[] args)
    {
        if (args.Length > 1 || (args.Length == 1 && (!int.TryParse(args[0], out var given) || given is < 1 or > 600)))
        {
            await Console.Error.WriteLineAsync("usage: intake [SECONDS], 1 to 600");
            return 2;
        }

        var time = TimeSpan.FromSeconds(args.Length == 1 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 10);
        var folder = Directory.CreateTempSubdirectory("commander-intake-").FullName;
        try
        {
            // Once unmeasured, for compilation and caches.
            await Sqlite(Path.Combine(folder, "warm"), TimeSpan.FromSeconds(1));
            var store = await Sqlite(Path.Combine(folder, "store"), time);
            var bare = BareLoop(Path.Combine(folder, "bare"), time, (int)Math.Max(1, Math.Round(store.GroupSize)));
            Print("store", store);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"bare loop  {bare.PerSecond,9:F0} a second   {bare.GroupSize,5:F1} a flush   {bare.Cpu,5:F1} us of processor each"));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"ratio      {store.PerSecond / bare.PerSecond,9:P0}"));
            if (Environment.GetEnvironmentVariable("COMMANDER_CLUSTER") is { Length: > 0 } cluster)
            {
                var database = Database.Read(cluster).Database ?? throw new InvalidOperationException("COMMANDER_CLUSTER is no connection string.");
                await Postgres(database, TimeSpan.FromSeconds(1));
                Print("postgres", await Postgres(database, time));
            }

            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Print(string name, Figures store) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-9}  {store.PerSecond,9:F0} a second   {store.GroupSize,5:F1} a flush   {store.Cpu,5:F1} us of processor each   p50 {store.P50,6:F2} ms   p99 {store.P99,6:F2} ms   longest {store.Longest,6:F2} ms"));

    private static async Task<Figures> Sqlite(string folder, TimeSpan time)
    {
        await using var store = SqliteStore.Open(folder, Clock, NullLogger.Instance);
        return await Store(store, () => store.Committed, time);
    }

    private static async Task<Figures> Postgres(Database database, TimeSpan time)
    {
        await using var store = await PostgresStore.Open(database, Clock, NullLogger.Instance, CancellationToken.None);
        return await Store(store, () => store.Committed, time);
    }

    private static async Task<Figures> Store(IFactStore store, Func<(long Writes, long Groups)> committed, TimeSpan time)
    {
        // What an earlier run left in the same database has other numbers.
        var number = Clock.GetUtcNow().ToUnixTimeMilliseconds() * 1_000;
        var cpu = Environment.CpuUsage.TotalTime;
        var started = Clock.GetTimestamp();
        var waits = await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
        {
            List<double> mine = [];
            while (Clock.GetElapsedTime(started) < time)
            {
                var announcement = Make(Interlocked.Increment(ref number));
                var asked = Clock.GetTimestamp();
                var announced = await store.Announce(announcement, CancellationToken.None);
                mine.Add(Clock.GetElapsedTime(asked).TotalMilliseconds);
                if (announced.Result != AnnounceResult.Accepted)
                {
                    throw new InvalidOperationException($"Announcement {announced.Id} was {announced.Result}.");
                }
            }

            return mine;
        })));
        var seconds = Clock.GetElapsedTime(started).TotalSeconds;
        var sorted = waits.SelectMany(mine => mine).Order().ToArray();
        var (writes, groups) = committed();
        return new Figures(sorted.Length / seconds, (double)writes / groups, (Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / sorted.Length, At(0.5), At(0.99), sorted[^1]);

        double At(double quantile) => sorted[(int)(quantile * (sorted.Length - 1))];
    }

    public static Figures BareLoop(string folder, TimeSpan time, int groupSize)
    {
        Directory.CreateDirectory(folder);
        var file = Path.Combine(folder, SqliteStore.FileName);
        using var session = Session.ToWrite(file);
        Commander.Server.Storage.Sqlite.Schema.Migrate(session, Clock.GetUtcNow(), file);
        using var mover = new LogMover(file, NullLogger.Instance);
        var number = 0;
        var cpu = Environment.CpuUsage.TotalTime;
        var started = Clock.GetTimestamp();
        while (Clock.GetElapsedTime(started) < time)
        {
            session.Run("BEGIN IMMEDIATE");
            for (var i = 0; i < groupSize; i++)
            {
                var announcement = Make(++number);
                Commander.Server.Storage.Sqlite.Writing.Insert(session, announcement.Fact);
                Commander.Server.Storage.Sqlite.Writing.Insert(session, announcement.Row);
            }

            session.Run("COMMIT");
            mover.After(session);
        }

        return new Figures(number / Clock.GetElapsedTime(started).TotalSeconds, groupSize, (Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / number, 0, 0, 0);
    }

    private static Announcement Make(long number)
    {
        var now = Clock.GetUtcNow();
        var id = "dep-" + number.ToString("D26", CultureInfo.InvariantCulture);
        var service = "service-" + number.ToString(CultureInfo.InvariantCulture);
        // About as long as a real one's.
        var document = Encoding.UTF8.GetBytes(
            $$"""
            {"id":"{{id}}","service":"{{service}}","environment":"prod","version":"2.0.0","previous_version":"1.9.0","state":"watching","closed_reason":null,"started_at":"2026-11-23T10:30:45.000Z","received_at":"2026-11-23T10:30:45.000Z","ends_at":"2026-11-23T11:00:45.000Z","policy":{"name":"{{service}}","version":"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},"reference":null,"verdict":null,"verdicts":[],"actions":[],"outcome":null,"url":"http://127.0.0.1:5080/deployments/{{id}}"}
            """);
        var row = new DeploymentRow(id, service, "prod", "2.0.0", "watching", null, null, now, now, now.AddSeconds(15), null, null, false, document);
        return new Announcement(Fact.After(Streams.Of(id), 1, Fact.NoHash, now, "received", 1, document), row, null, [], TimeSpan.FromMinutes(10));
    }

    public sealed record Figures(double PerSecond, double GroupSize, double Cpu, double P50, double P99, double Longest);
}
