using System.Diagnostics;
using System.Text;
using Commander.Server.Storage;
using Commander.Server.Storage.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Commander.Server.Tests.Storage;

/// <summary>What other tests start as a process of its own, to do to it what one does not do to oneself.</summary>
public sealed class StoreProcess
{
    /// <summary>How many streams the child writes side by side.</summary>
    internal const int Streams = 8;

    private const string FolderName = "COMMANDER_TEST_FOLDER";

    /// <summary>Starts one of this class's methods on a folder.</summary>
    internal static Process Start(string method, string folder)
    {
        var tests = Path.Combine(AppContext.BaseDirectory, typeof(StoreProcess).Assembly.GetName().Name!);
        // A shell in between, so that the limit on file sizes is an error of the write and not a signal that ends the process.
        var start = new ProcessStartInfo("/bin/sh", ["-c", "trap '' XFSZ; exec \"$@\"", "sh", tests, "-noLogo", "-noColor", "-explicit", "only", "-method", $"{typeof(StoreProcess).FullName}.{method}"])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment[FolderName] = folder;
        return Process.Start(start)!;
    }

    [Fact(Explicit = true)]
    public async Task Writes_until_it_is_killed()
    {
        // Whoever started it may be gone without having killed it.
        _ = Task.Run(() =>
        {
            Console.In.ReadToEnd();
            Environment.Exit(1);
        });
        await using var store = Open();
        await Task.WhenAll(Enumerable.Range(0, Streams).Select(async i =>
        {
            for (var fact = Written.Stream("policy/" + i, 1)[0]; ; fact = Written.Following(fact, 1)[0])
            {
                (await store.Append(new Append([fact], null), CancellationToken.None)).ShouldBeTrue();
                Console.Out.WriteLine($"stored {fact.Stream} {fact.Seq}");
            }
        }));
    }

    [Fact(Explicit = true)]
    public async Task Writes_through_a_full_disk()
    {
        await using var store = Open();
        var last = Written.Stream("model", 1)[0];
        (await store.Append(new Append([last], null), CancellationToken.None)).ShouldBeTrue();
        Console.Out.WriteLine("ready");
        Console.In.ReadLine();
        try
        {
            while (true)
            {
                await More();
            }
        }
        catch (StoreUnavailableException e)
        {
            Console.Out.WriteLine("unavailable " + e.Message);
        }

        Console.In.ReadLine();
        await More();
        Console.Out.WriteLine("again " + last.Seq);

        async Task More()
        {
            var next = Fact.After("model", last.Seq + 1, last.Hash, last.At, "noted", 1, Encoding.UTF8.GetBytes(new string('x', 20_000)));
            (await store.Append(new Append([next], null), CancellationToken.None)).ShouldBeTrue();
            last = next;
        }
    }

    private static SqliteStore Open() =>
        SqliteStore.Open(Environment.GetEnvironmentVariable(FolderName)!, TimeProvider.System, NullLogger.Instance);
}
