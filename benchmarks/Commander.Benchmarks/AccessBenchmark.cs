using System.Globalization;
using Commander.Server.Access;
using Commander.Server.Api;
using Commander.Server.Storage.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Commander.Benchmarks;

/// <summary>What the gate costs a request: whose token it is, among a thousand, and whether its caller has come too often.</summary>
internal static class AccessBenchmark
{
    private const int Checks = 200_000;
    private static readonly TimeProvider Clock = TimeProvider.System;

    public static async Task<int> Run()
    {
        var folder = Directory.CreateTempSubdirectory("commander-access-").FullName;
        await using (var store = SqliteStore.Open(folder, Clock, NullLogger.Instance))
        using (var book = new TokenBook(store, Clock, "an admin's token of the environment"))
        using (var limits = new AccessLimits(1_000_000))
        {
            var texts = new List<string>();
            for (var n = 0; n < TokenBook.MaxTokens; n++)
                texts.Add((await book.Issue($"token {n}", Role.Viewer, null, [], [], "benchmark", CancellationToken.None))!.Value.Text);
            foreach (var warm in (bool[])[true, false])
            {
                var from = Clock.GetTimestamp();
                for (var n = 0; n < Checks; n++)
                {
                    await book.Look(CancellationToken.None);
                    if (book.Find(texts[n % texts.Count]) is not { } token || limits.Take(token.Id) is not null)
                        throw new InvalidOperationException("A good token was refused.");
                }

                if (!warm)
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"a token's check and its caller's limit: {Clock.GetElapsedTime(from).TotalMicroseconds / Checks:F2} us, among {texts.Count} tokens"));
            }
        }

        // Six seconds at 5,000 requests a second of one caller whose limit is 500: the burst and what comes in that time, and no more.
        using (var limits = new AccessLimits(500))
        {
            var (from, asked, let) = (Clock.GetTimestamp(), 0, 0);
            while (Clock.GetElapsedTime(from) < TimeSpan.FromSeconds(6))
            {
                if (asked < 5_000 * Clock.GetElapsedTime(from).TotalSeconds)
                {
                    asked++;
                    let += limits.Take("caller") is null ? 1 : 0;
                }
            }

            Console.WriteLine($"of {asked} requests in 6 s at a limit of 500 a second {let} were let through; 5000 of the burst and 3000 are due");
        }

        Directory.Delete(folder, recursive: true);
        return 0;
    }
}
