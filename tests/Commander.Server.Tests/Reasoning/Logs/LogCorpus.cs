using System.Globalization;

namespace Commander.Server.Tests.Reasoning.Logs;

/// <summary>Logs as services write them: each line with its own instants, identifiers and numbers, the same in every run.</summary>
internal static class LogCorpus
{
    private static readonly DateTimeOffset Start = new(2026, 11, 28, 11, 50, 0, TimeSpan.Zero);

    /// <summary>Requests that are served, and now and then a warning that nobody minds.</summary>
    public static List<string> Healthy(int count, int seed) =>
    [
        .. Enumerable.Range(0, count).Select(n => n % 25 == 7
            ? $"{At(n, seed)} warn: Shop.Catalogue[7] slow lookup of sku {n * seed * 37} took {120 + n % 80} ms"
            : $"{At(n, seed)} info: Shop.Api[1] GET /orders/{Id(n, seed)} 200 in {10 + n % 30} ms"),
    ];

    /// <summary>A service that cannot be put together, started again and again.</summary>
    public static List<string> CrashLoop(int count) =>
    [
        .. Enumerable.Range(0, count).SelectMany(n => new[]
        {
            $"{At(n, 5)} info: Microsoft.Hosting.Lifetime[14] Now listening on: http://[::]:8080",
            "Unhandled exception. System.InvalidOperationException: Unable to resolve service for type 'Shop.Payments.IGateway' while attempting to activate 'Shop.Payments.Checkout'.\n"
                + "   at Microsoft.Extensions.DependencyInjection.ActivatorUtilities.GetService(IServiceProvider sp, Type type)",
        }),
    ];

    /// <summary>A database that no longer answers in time.</summary>
    public static List<string> DatabaseTimeout(int count, int seed) =>
    [
        .. Enumerable.Range(0, count).Select(n =>
            $"{At(n, seed)} Npgsql.NpgsqlException: Exception while reading from stream ---> System.TimeoutException: Timeout during reading attempt\n   at Npgsql.Internal.NpgsqlConnector.ReadMessage(Boolean async)"),
    ];

    /// <summary>A cache that only grows, until the heap and then the limit of the container is full.</summary>
    public static List<string> MemoryLeak(int count) =>
    [
        .. Enumerable.Range(0, count).Select(n => (n % 3) switch
        {
            0 => $"java.lang.OutOfMemoryError: Java heap space\n\tat java.base/java.util.Arrays.copyOf(Arrays.java:3537)\n\tat com.shop.session.SessionCache.put(SessionCache.java:{40 + n})\n\t... 61 more",
            1 => $"[{At(n, 9)}] WARN  [gc-{n}] Pause Full (Allocation Failure) {500 + n}M->{499 + n}M(512M) {300 + n * 7}.21ms",
            _ => $"Memory cgroup out of memory: Killed process {4000 + n} (java) total-vm:{8_000_000 + n}kB, anon-rss:{524_000 + n}kB",
        }),
    ];

    private static string At(int n, int seed) => Start.AddMilliseconds(n * 173 + seed * 31).ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);

    private static string Id(int n, int seed) => (n * 2654435761L + seed * 40503L).ToString("x12", CultureInfo.InvariantCulture);
}
