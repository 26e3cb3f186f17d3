using System.Text.Json;
using Commander.Judging;
using Commander.Server.Loop;

namespace Commander.Server.Api;

/// <summary>How a job ended: with a result, with what was wrong, or, cut short, with both.</summary>
internal sealed record JobEnd(object? Result, string? Error);

/// <summary>The work of a job.</summary>
/// <param name="progress">To be told how far it is, 0..1.</param>
/// <param name="cancel">Ends it.</param>
internal delegate Task<JobEnd> JobWork(Action<double> progress, CancellationToken cancel);

/// <summary>A kind of job. One registration makes one.</summary>
/// <param name="Name">Its name in addresses.</param>
/// <param name="Read">Reads the request: the work, or the answer that says what is wrong with it.</param>
internal sealed record JobKind(string Name, Func<HttpContext, CancellationToken, Task<(JobWork? Work, IResult? Problem)>> Read);

/// <summary>A job as others see it.</summary>
/// <param name="Id">job- and a ULID.</param>
/// <param name="Kind">Its kind.</param>
/// <param name="State">running, done, failed or cancelled.</param>
/// <param name="Progress">How far it is, 0..1.</param>
/// <param name="StartedAt">When it began.</param>
/// <param name="FinishedAt">When it ended; null while it runs.</param>
/// <param name="Result">What came of it; null while there is nothing. Of a job that ended early it may be what there was by then.</param>
/// <param name="Error">Why it ended early; null otherwise.</param>
internal sealed record JobDocument(string Id, string Kind, string State, double Progress, DateTimeOffset StartedAt, DateTimeOffset? FinishedAt, JsonElement? Result, string? Error);

/// <summary>One job: runs beside everything else until it ends or is cancelled.</summary>
internal sealed class Job(string id, string kind, TimeProvider clock, CancellationToken stopping) : IDisposable
{
    // What is kept of twenty jobs must fit into the memory.
    private const int MaxResult = 1 << 20;

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _cancel = CancellationTokenSource.CreateLinkedTokenSource(stopping);
    private TaskCompletionSource _changed = New();
    private JobDocument _document = new(id, kind, Running, 0, clock.GetUtcNow(), null, null, null);

    public const string Running = "running";

    public string Kind => kind;

    /// <summary>The job as it stands, and what completes when that has changed.</summary>
    public (JobDocument Document, Task Changed) Now
    {
        get
        {
            lock (_lock)
                return (_document, _changed.Task);
        }
    }

    public bool Ended => Now.Document.State != Running;

    /// <summary>Runs to the end. Never throws.</summary>
    public async Task Run(JobWork work, ILogger log)
    {
        try
        {
            var end = await work(Progress, _cancel.Token);
            var result = end.Result is { } value ? JsonSerializer.SerializeToElement(value, value.GetType(), Json.Tolerant) : (JsonElement?)null;
            var fits = result is not { } element || element.GetRawText().Length <= MaxResult;
            Finish(end.Error is null && fits ? "done" : "failed", fits ? result : null, end.Error ?? (fits ? null : $"the result is larger than {MaxResult >> 10} KiB; give less to do"));
        }
        catch (OperationCanceledException) when (_cancel.IsCancellationRequested)
        {
            Finish("cancelled", null, stopping.IsCancellationRequested ? "the server ended" : "cancelled by a person");
        }
        catch (RefusedException refused)
        {
            Finish("failed", null, refused.Message);
        }
        catch (Exception e)
        {
            log.JobFailed(e, id, kind);
            Finish("failed", null, $"the job failed ({e.GetType().Name}); look for {id} in the server's log");
        }
    }

    /// <summary>Tells it to end; one that ended already stays as it is.</summary>
    public async Task Cancel()
    {
        if (!Ended)
            await _cancel.CancelAsync();
    }

    public void Dispose() => _cancel.Dispose();

    private void Progress(double share) => Change(document => document.State == Running && share > document.Progress ? document with { Progress = Math.Round(Math.Clamp(share, 0, 1), 4) } : document);

    private void Finish(string state, JsonElement? result, string? error) =>
        Change(document => document with { State = state, Progress = state == "done" ? 1 : document.Progress, FinishedAt = clock.GetUtcNow(), Result = result, Error = error });

    private void Change(Func<JobDocument, JobDocument> change)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            var next = change(_document);
            if (next == _document)
                return;
            _document = next;
            (changed, _changed) = (_changed, New());
        }

        changed.SetResult();
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>The jobs of this process: one of a kind at once, the last ones kept in memory, all of them ended with the server.</summary>
internal sealed class JobBook(IEnumerable<JobKind> kinds, DeploymentId ids, TimeProvider clock, IHostApplicationLifetime lifetime, ILogger<JobBook> log) : IHostedService, IDisposable
{
    /// <summary>So many are kept.</summary>
    public const int Most = 20;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, JobKind> _kinds = kinds.ToDictionary(static kind => kind.Name, StringComparer.Ordinal);
    private readonly List<(string Id, Job Job, Task Ended)> _jobs = [];
    // Before the server waits for its last answers: whoever follows a job is told its end.
    private readonly CancellationTokenSource _stopping = CancellationTokenSource.CreateLinkedTokenSource(lifetime.ApplicationStopping);

    /// <summary>The names of the kinds.</summary>
    public IEnumerable<string> Kinds => _kinds.Keys.Order(StringComparer.Ordinal);

    /// <summary>A kind by its name; null when there is none.</summary>
    public JobKind? Kind(string name) => _kinds.GetValueOrDefault(name);

    /// <summary>The job of a kind that runs; null when none does.</summary>
    public Job? Running(string kind)
    {
        lock (_lock)
            return _jobs.Find(entry => entry.Job.Kind == kind && !entry.Job.Ended).Job;
    }

    /// <summary>A job by its id; null when it is not kept.</summary>
    public Job? Find(string id)
    {
        lock (_lock)
            return _jobs.Find(entry => entry.Id == id).Job;
    }

    /// <summary>Starts a job; null while another one of its kind runs.</summary>
    public Job? Start(string kind, JobWork work)
    {
        lock (_lock)
        {
            if (Running(kind) is not null)
                return null;
            var id = "job-" + ids.Next()[4..];
            var job = new Job(id, kind, clock, _stopping.Token);
            _jobs.Add((id, job, Task.Run(() => job.Run(work, log), CancellationToken.None)));
            while (_jobs.Count > Most && _jobs.FindIndex(static entry => entry.Job.Ended) is >= 0 and var oldest)
            {
                _jobs[oldest].Job.Dispose();
                _jobs.RemoveAt(oldest);
            }

            return job;
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        Task[] ending;
        lock (_lock)
            ending = [.. _jobs.Select(static entry => entry.Ended)];
        await Task.WhenAll(ending).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose()
    {
        _jobs.ForEach(static entry => entry.Job.Dispose());
        _stopping.Dispose();
    }
}

/// <summary>What is logged of jobs.</summary>
internal static partial class JobLog
{
    [LoggerMessage(EventId = 700, Level = LogLevel.Error, Message = "Job {Id} ({Kind}) failed")]
    public static partial void JobFailed(this ILogger log, Exception error, string id, string kind);
}
