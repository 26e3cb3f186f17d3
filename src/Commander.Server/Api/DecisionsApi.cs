using System.Text.Json;
using Commander.Judging;
using Commander.Judging.Backtest;
using Commander.Judging.Verdicts;
using Commander.Server.Loop;

namespace Commander.Server.Api;

internal sealed record DecisionRequest(
    IReadOnlyDictionary<string, double>? Metrics = null,
    JsonElement? Case = null,
    string? Service = null,
    string? Environment = null,
    string? Policy = null,
    string? Judge = null,
    string? Model = null);

/// <summary>A verdict on evidence that the caller brings: a snapshot, or a recorded case. Nothing is stored.</summary>
internal static class DecisionsApi
{
    public static void MapDecisionsApi(this IEndpointRouteBuilder routes) =>
        routes.MapPost("/api/v1/decisions", Decide).Needs(Role.Viewer)
            .Accepts<DecisionRequest>("application/json")
            .Produces<Verdict>()
            .ProducesProblem(400)
            .ProducesProblem(429)
            .WithName("decide")
            .WithTags("decisions")
            .WithSummary("Judges a snapshot of metrics, or one line of the case file format; nothing is stored");

    private static async Task<IResult> Decide(HttpContext context, PinBook pins, TimeProvider clock, HeavyRequests heavy, CancellationToken cancel)
    {
        // Whoever sends slowly takes nobody's turn.
        if (await RequestBody.Buffer(context, RequestBody.Large, cancel) is { } tooLarge)
            return tooLarge;
        return await heavy.Run(context, () => Decided(context, pins, clock, cancel), cancel);
    }

    private static async Task<IResult> Decided(HttpContext context, PinBook pins, TimeProvider clock, CancellationToken cancel)
    {
        var started = clock.GetTimestamp();
        var (request, _, problem) = await RequestBody.Read<DecisionRequest>(context, RequestBody.Large, cancel);
        if (request is null)
            return problem!;
        if (request.Metrics is null == request.Case is null)
            return Problems.Invalid("give either metrics or case");
        IPinned pinned = pins;
        var policy = request.Policy switch
        {
            null => null,
            _ when request.Policy.StartsWith("sha256:", StringComparison.Ordinal) => pinned.Policy(request.Policy),
            _ => pins.Current.For(request.Policy, request.Environment ?? "prod"),
        };
        var model = request.Model switch
        {
            null => pins.Model,
            _ when request.Model == pins.Model.Version => pins.Model,
            _ => pinned.Model(request.Model),
        };
        if (request.Policy is not null && policy is null)
            return Problems.Invalid("policy: no policy with this hash is kept; name a service or a kept hash");
        if (model is null)
            return Problems.Invalid($"model: no such model is kept; the current one is {pins.Model.Version}");
        try
        {
            var judge = request.Judge ?? "commander";
            double Elapsed() => Math.Round(clock.GetElapsedTime(started).TotalMilliseconds, 3);
            if (request.Metrics is { } metrics)
            {
                var verdict = Snapshot.Judge(metrics, policy ?? pins.Current.For(request.Service ?? "default", request.Environment ?? "prod"), judge, clock.GetUtcNow(), Elapsed());
                return Results.Json(verdict with { ElapsedMs = Elapsed() });
            }

            var found = CaseFile.Parse(JsonSerializer.SerializeToUtf8Bytes(request.Case), 1);
            return Results.Json(Backtests.Decide(found.Recording, judge, policy, model).Verdict with { Final = true, DecidedAt = clock.GetUtcNow(), ElapsedMs = Elapsed() });
        }
        catch (RefusedException refused)
        {
            return Problems.Invalid(refused.Message);
        }
    }
}
