using Commander.Server.Storage;

namespace Commander.Server.Api;

/// <summary>Whether something the server needs is there. Checked by /health/ready.</summary>
/// <param name="Name">What is checked.</param>
/// <param name="Check">Null when it is ready, else what is missing.</param>
internal sealed record Readiness(string Name, Func<string?> Check);

internal sealed record HealthAnswer(string Status, IReadOnlyList<string> Missing);

/// <summary>/health/live says that the process answers; /health/ready that it can do its work.</summary>
internal static class HealthApi
{
    private static readonly TimeSpan StoreDeadline = TimeSpan.FromSeconds(2);

    public static void MapHealthApi(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/health/live", () => Results.Json(new HealthAnswer("live", []))).WithTags("health").WithName("live").IsOpen();
        routes.MapGet("/health/ready", Ready).WithTags("health").WithName("ready").IsOpen().Produces<HealthAnswer>().Produces<HealthAnswer>(503);
    }

    private static async Task<IResult> Ready(IFactStore store, IEnumerable<Readiness> readiness, CancellationToken cancel)
    {
        var missing = readiness.Select(r => r.Check() is { } why ? $"{r.Name}: {why}" : null).OfType<string>().ToList();
        try
        {
            await store.CountOpen(cancel).WaitAsync(StoreDeadline, cancel);
            // It reads; when the last write failed, nobody may come with another one before this says that it is ready.
            if (store is IStoreUpkeep { Trouble: not null } upkeep)
                await upkeep.Probe(cancel).WaitAsync(StoreDeadline, cancel);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancel.IsCancellationRequested)
        {
            missing.Add($"store: {e.Message}");
        }

        return Results.Json(new HealthAnswer(missing.Count == 0 ? "ready" : "not ready", missing), statusCode: missing.Count == 0 ? 200 : 503);
    }
}
