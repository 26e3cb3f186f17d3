using System.Net;
using Commander.Server.Connections;

namespace Commander.Server.Alerting.Slack;

/// <summary>One request to Slack with its answer, bounded in time and size. What is said of a failure never names the address: a webhook's is a secret.</summary>
/// <param name="Status">The answer's status; null when there was none.</param>
/// <param name="Body">What it said; empty when there was none.</param>
/// <param name="Failed">What becomes of the message when there is no answer that could be read; null when there is.</param>
internal readonly record struct SlackCall(HttpStatusCode? Status, byte[] Body, Delivery? Failed)
{
    /// <summary>What Slack answers to a message.</summary>
    public const int Small = 64 * 1024;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestWait = TimeSpan.FromHours(1);

    /// <summary>Sends, and reads the answer.</summary>
    /// <param name="http">The client.</param>
    /// <param name="request">What is asked.</param>
    /// <param name="most">The longest answer that is read, in bytes.</param>
    /// <param name="clock">Time.</param>
    /// <param name="cancel">Ends it; throws then.</param>
    public static async Task<SlackCall> Send(HttpClient http, HttpRequestMessage request, int most, TimeProvider clock, CancellationToken cancel)
    {
        using var late = new CancellationTokenSource(Deadline, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancel);
        try
        {
            using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            if (answer.StatusCode == HttpStatusCode.TooManyRequests)
                return Later("Slack is asked too much and wants to be left alone for a while", Wait(answer, clock));
            if ((int)answer.StatusCode >= 500)
                return Later($"Slack answered {(int)answer.StatusCode}", Wait(answer, clock), unsure: true);
            await using var stream = await answer.Content.ReadAsStreamAsync(either.Token);
            var body = new byte[most + 1];
            var read = await stream.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, either.Token);
            return read > most ? Later($"Slack answered more than {most / 1024} KiB") : new SlackCall(answer.StatusCode, body[..read], null);
        }
        catch (HttpRequestException e)
        {
            return Later($"Slack {Outgoing.Why(e)}", unsure: e.HttpRequestError is HttpRequestError.ResponseEnded);
        }
        catch (IOException)
        {
            return Later("Slack broke its answer off", unsure: true);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return Later($"Slack did not answer within {Deadline.TotalSeconds:0} s", unsure: true);
        }
    }

    private static SlackCall Later(string why, TimeSpan? after = null, bool unsure = false) => new(null, [], new Delivery(Told.Later, Message: why, RetryAfter: after) { MayHaveArrived = unsure });

    private static TimeSpan? Wait(HttpResponseMessage answer, TimeProvider clock)
    {
        var wait = answer.Headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } => date - clock.GetUtcNow(),
            _ => (TimeSpan?)null,
        };
        return wait is { } given ? TimeSpan.FromTicks(Math.Clamp(given.Ticks, TimeSpan.TicksPerSecond, LongestWait.Ticks)) : null;
    }
}
