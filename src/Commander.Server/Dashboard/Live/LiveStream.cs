using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using Commander.Server.Loop;

namespace Commander.Server.Dashboard.Live;

/// <summary>
/// Tells open pages that something changed: ids only, the page fetches what it shows. Events lost on the way do no harm,
/// because the page fetches again whenever it connects.
/// </summary>
internal sealed class LiveStream(IDeployments deployments, TimeProvider time, IHostApplicationLifetime lifetime)
{
    /// <summary>Listeners cost memory; beyond this pages fall back to asking every five seconds.</summary>
    internal const int MaxListeners = 2000;

    /// <summary>Proxies close connections that are silent for longer.</summary>
    internal static readonly TimeSpan Quiet = TimeSpan.FromSeconds(15);

    private int _listeners;

    /// <summary>How many pages listen now.</summary>
    public int Listeners => Volatile.Read(ref _listeners);

    /// <summary>The stream of one deployment, or (id null) of all.</summary>
    public IResult Answer(string? deployment, HttpContext http)
    {
        if (deployment is not null && (deployment.Length > 64 || !deployment.All(static c => char.IsAsciiLetterOrDigit(c) || c == '-')))
        {
            return Results.Problem("deployment is no deployment id; leave it out for the events of all", statusCode: StatusCodes.Status400BadRequest);
        }

        if (Interlocked.Increment(ref _listeners) > MaxListeners)
        {
            Interlocked.Decrement(ref _listeners);
            http.Response.Headers.RetryAfter = "5";
            return Results.Problem($"{MaxListeners} pages listen already; ask again for the page itself every few seconds", statusCode: StatusCodes.Status503ServiceUnavailable);
        }

        http.Response.OnCompleted(() =>
        {
            Interlocked.Decrement(ref _listeners);
            return Task.CompletedTask;
        });
        http.Response.Headers["X-Accel-Buffering"] = "no";
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.ServerSentEvents(Events(deployment, http.RequestAborted));
    }

    /// <summary>The events, with one that says "alive" first and whenever it was quiet for long.</summary>
    internal async IAsyncEnumerable<SseItem<string>> Events(string? deployment, [EnumeratorCancellation] CancellationToken cancel)
    {
        // A server that stops must not wait for pages that stay open.
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancel, lifetime.ApplicationStopping);
        var events = deployments.Watch(deployment, both.Token).GetAsyncEnumerator(both.Token);
        Task<bool>? next = null;
        try
        {
            next = Next(events);
            // Subscribed: only now may the page take what it fetches for the present state.
            yield return new SseItem<string>("", "alive") { ReconnectionInterval = TimeSpan.FromSeconds(2) };
            while (true)
            {
                bool? more;
                try
                {
                    more = await next.WaitAsync(Quiet, time, both.Token);
                }
                catch (TimeoutException)
                {
                    more = null;
                }
                catch (OperationCanceledException)
                {
                    yield break;
                }

                if (more is null)
                {
                    yield return new SseItem<string>("", "alive");
                    continue;
                }

                if (more == false)
                {
                    yield break;
                }

                var live = events.Current;
                // For the list a tick changes nothing; a thousand watches would only keep its readers busy.
                if (deployment is not null || live.Kind != "tick")
                {
                    yield return new SseItem<string>(live.Id, live.Kind) { EventId = live.Seq.ToString(System.Globalization.CultureInfo.InvariantCulture) };
                }

                next = Next(events);
            }
        }
        finally
        {
            await both.CancelAsync();
            if (next is not null)
            {
                // An enumerator may be disposed only when no step of it is under way.
                await next.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            }

            await events.DisposeAsync();
        }
    }

    private static async Task<bool> Next(IAsyncEnumerator<LiveEvent> events) => await events.MoveNextAsync();
}
