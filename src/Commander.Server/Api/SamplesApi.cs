using System.Text.Json;
using Commander.Judging;
using Commander.Server.Hosting;
using Commander.Server.Learning;
using Commander.Server.Loop;
using Commander.Server.Storage;

namespace Commander.Server.Api;

/// <summary>Training data: one JSON line per decision, newest first.</summary>
internal static class SamplesApi
{
    private const int Page = 200;
    private const int Most = 100_000;

    public static void MapSamplesApi(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/api/v1/samples", Export).WithTags("learning").WithName("samples").Needs(Role.Responder).Produces(200, contentType: "application/jsonl").ProducesProblem(400);

    private static async Task Export(HttpContext context, IDeployments deployments, IPinned pinned, CommanderOptions options, TimeProvider clock, string? format, CancellationToken cancel)
    {
        if (format is not (null or "raw"))
        {
            await Problems.Invalid("format: there is raw").ExecuteAsync(context);
            return;
        }

        context.Response.ContentType = "application/jsonl";
        string? cursor = null;
        // As long as the files.
        var since = clock.GetUtcNow() - options.KeepSamples;
        var written = 0;
        do
        {
            var page = await deployments.List(new DeploymentFilter(Since: since, BeforeId: cursor, Limit: Page), cancel);
            foreach (var deployment in page.Items)
            {
                if (Samples.Of(deployment, pinned.Policy(deployment.Policy.Version)?.Decide.FalseRollbackCost ?? 1) is not { } sample)
                    continue;
                await context.Response.WriteAsync(JsonSerializer.Serialize(sample, Json.Tolerant) + "\n", cancel);
                written++;
            }

            cursor = page.NextCursor;
        }
        while (cursor is not null && written < Most);
    }
}
