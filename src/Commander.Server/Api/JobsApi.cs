using System.Text;
using System.Text.Json;
using Commander.Judging;

namespace Commander.Server.Api;

/// <summary>Work that takes minutes: started, followed, cancelled (design 5.2). One kind is one registration in <see cref="AddJobs"/>.</summary>
internal static class JobsApi
{
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan SaidEvery = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan EndsWithin = TimeSpan.FromSeconds(1);

    public static void AddJobs(this IServiceCollection services)
    {
        services.AddSingleton<JobBook>();
        services.AddHostedService(static provider => provider.GetRequiredService<JobBook>());
        services.AddSingleton(new JobKind(EvaluationJob.Name, EvaluationJob.Read));
    }

    public static void MapJobsApi(this IEndpointRouteBuilder routes)
    {
        var group = routes.MapGroup("/api/v1/jobs").WithTags("jobs").Needs(Role.Viewer);
        group.MapPost("/{kind}", Start).Needs(Role.Admin).Produces<JobDocument>(202).ProducesProblem(400).ProducesProblem(404).ProducesProblem(409).ProducesProblem(413).WithName("start-job");
        group.MapGet("/{id}", Get).Produces<JobDocument>().ProducesProblem(404).WithName("job");
        group.MapDelete("/{id}", Cancel).Needs(Role.Admin).Produces<JobDocument>(202).ProducesProblem(404).WithName("cancel-job");
        group.MapGet("/{id}/events", Events).Produces(200, contentType: "text/event-stream").Streams().ProducesProblem(404).WithName("job-events");
    }

    private static async Task<IResult> Start(string kind, HttpContext context, JobBook jobs, CancellationToken cancel)
    {
        if (jobs.Kind(kind) is not { } known)
            return Problems.NotFound($"There is no kind of job '{Problems.Shown(kind)}'; there is {string.Join(", ", jobs.Kinds)}.");
        // Before a large body is read for nothing; looked at again when it starts.
        if (jobs.Running(kind) is { } other)
            return Runs(other);
        var (work, problem) = await known.Read(context, cancel);
        if (work is null)
            return problem!;
        if (jobs.Start(kind, work) is not { } job)
            return Runs(jobs.Running(kind));
        var document = job.Now.Document;
        context.Response.Headers.Location = $"/api/v1/jobs/{document.Id}";
        return Results.Json(document, statusCode: StatusCodes.Status202Accepted);
    }

    private static IResult Runs(Job? other) => Problems.Of(
        StatusCodes.Status409Conflict,
        "A job of this kind runs already",
        other?.Now.Document is { } running ? $"{running.Id} began at {running.StartedAt:yyyy-MM-dd HH:mm:ss} UTC and is at {100 * running.Progress:0} %. Wait for it, or cancel it with DELETE /api/v1/jobs/{running.Id}." : "It has just ended: try again.");

    private static IResult Get(string id, JobBook jobs) => jobs.Find(id) is { } job ? Results.Json(job.Now.Document) : NoJob(id);

    private static async Task<IResult> Cancel(string id, JobBook jobs, TimeProvider clock, CancellationToken cancel)
    {
        if (jobs.Find(id) is not { } job)
            return NoJob(id);
        await job.Cancel();
        using var patience = new CancellationTokenSource(EndsWithin, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        for (var (document, changed) = job.Now; document.State == Job.Running && !either.IsCancellationRequested; (document, changed) = job.Now)
            await changed.WaitAsync(either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return Results.Json(job.Now.Document, statusCode: StatusCodes.Status202Accepted);
    }

    /// <summary>Server-sent events: how far it is, without a result, at every change; then, named by how it ended, the whole job.</summary>
    private static async Task Events(string id, HttpContext context, JobBook jobs, TimeProvider clock, CancellationToken cancel)
    {
        if (jobs.Find(id) is not { } job)
        {
            await NoJob(id).ExecuteAsync(context);
            return;
        }

        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers["X-Accel-Buffering"] = "no";
        while (true)
        {
            var (document, changed) = job.Now;
            var name = document.State == Job.Running ? "progress" : document.State;
            await context.Response.WriteAsync($"event: {name}\ndata: {JsonSerializer.Serialize(document, Json.Tolerant)}\n\n", Encoding.UTF8, cancel);
            await context.Response.Body.FlushAsync(cancel);
            if (document.State != Job.Running)
                return;
            while (!await Within(changed, Heartbeat))
            {
                await context.Response.WriteAsync(": still here\n\n", cancel);
                await context.Response.Body.FlushAsync(cancel);
            }

            // What changes many times a second is said a few times; the end at once.
            if (!job.Ended)
                await Within(Ended(), SaidEvery);
        }

        async Task<bool> Within(Task task, TimeSpan pause)
        {
            using var wait = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            var first = await Task.WhenAny(task, Task.Delay(pause, clock, wait.Token));
            cancel.ThrowIfCancellationRequested();
            await wait.CancelAsync();
            return first == task;
        }

        async Task Ended()
        {
            for (var (document, changed) = job.Now; document.State == Job.Running; (document, changed) = job.Now)
                await changed;
        }
    }

    private static IResult NoJob(string id) =>
        Problems.NotFound($"There is no job '{Problems.Shown(id)}'. The last {JobBook.Most} are kept, until the server ends, by the node that ran them; POST /api/v1/jobs/{{kind}} starts one.");
}
