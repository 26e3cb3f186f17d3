using Commander.Server.Api;

namespace Commander.Server.Hosting.SelfChecks;

/// <summary>All checks.</summary>
/// <param name="Ok">Whether all of them hold.</param>
/// <param name="At">When they were looked at last; null before the first time.</param>
/// <param name="Node">Which node answers.</param>
/// <param name="Checks">In their order.</param>
internal sealed record DoctorAnswer(bool Ok, DateTimeOffset? At, string Node, IReadOnlyList<DoctorCheck> Checks);

internal sealed record DoctorCheck(string Name, bool Ok, string Message, DateTimeOffset Since, DateTimeOffset At, double TookMs);

/// <summary>What became of a test of all channels.</summary>
internal sealed record TestAlertsAnswer(bool Ok, IReadOnlyList<TestedChannel> Channels);

/// <summary>Whether the server itself is well, as JSON.</summary>
internal static class DoctorApi
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    public static void MapDoctorApi(this IEndpointRouteBuilder routes)
    {
        var group = routes.MapGroup("/api/v1/doctor").WithTags("doctor").Needs(Role.Responder);
        group.MapGet("", (SelfCheck self) => Results.Json(Answer(self, self.Shown))).Needs(Role.Viewer).Produces<DoctorAnswer>().WithName("checks");
        group.MapPost("", Run).Produces<DoctorAnswer>().ProducesProblem(503).WithName("check-now");
        group.MapPost("/test-alerts", Test).Needs(Role.Admin).Produces<TestAlertsAnswer>().ProducesProblem(429).WithName("test-alerts");
    }

    private static async Task<IResult> Run(SelfCheck self, TimeProvider clock, CancellationToken cancel)
    {
        try
        {
            return Results.Json(Answer(self, await self.Run(cancel).WaitAsync(Deadline, clock, cancel)));
        }
        catch (TimeoutException)
        {
            return Problems.Of(StatusCodes.Status503ServiceUnavailable, "The checks did not come to an end", $"They took more than {Deadline.TotalSeconds:0} s. GET /api/v1/doctor says how they stood before.");
        }
    }

    private static async Task<IResult> Test(HttpContext context, TestAlerts alerts, CancellationToken cancel)
    {
        var tested = await alerts.Send(context.User.Identity?.Name ?? "local", cancel);
        if (tested.Channels is { } channels)
            return Results.Json(new TestAlertsAnswer(channels.All(channel => channel.State == "done"), channels));
        var seconds = Math.Ceiling(tested.Wait.TotalSeconds);
        context.Response.Headers.RetryAfter = seconds.ToString("0");
        return Problems.Of(StatusCodes.Status429TooManyRequests, "A test was sent just now", $"One a minute at most. Try again in {seconds:0} s.");
    }

    private static DoctorAnswer Answer(SelfCheck self, IReadOnlyList<CheckState> states) => new(
        states.All(state => state.Ok), self.Looked ? self.Finished : null, self.Node,
        [.. states.Select(state => new DoctorCheck(state.Name, state.Ok, state.Message, state.Since, state.At, state.TookMs))]);
}
