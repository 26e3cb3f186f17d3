using Commander.Judging.Policies;
using Commander.Server.Alerting;

namespace Commander.Server.Hosting.SelfChecks;

/// <summary>What became of a test alert.</summary>
/// <param name="Name">The channel.</param>
/// <param name="State">done, later or refused.</param>
/// <param name="Message">Why it does not have it.</param>
/// <param name="TookMs">How long it took, in ms.</param>
internal sealed record TestedChannel(string Name, string State, string? Message, double TookMs);

/// <summary>A test of all channels, or how long to wait for one.</summary>
/// <param name="Channels">What became of it, in the order of the policies; null when there was none.</param>
/// <param name="Wait">When there was none: until there may be one.</param>
internal sealed record TestedAlerts(IReadOnlyList<TestedChannel>? Channels, TimeSpan Wait);

/// <summary>Sends one alert that means nothing through every channel of the policies, so that a person sees that it arrives. Once a minute at most.</summary>
internal sealed class TestAlerts(AlertBook alerting, PolicySet policies, Func<string, string> scrub, string url, TimeProvider clock, ILogger<TestAlerts> log)
{
    /// <summary>So long nobody may send another.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);

    // Whoever asked over HTTP waits for it.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);
    private readonly Lock _lock = new();
    private DateTimeOffset _next = DateTimeOffset.MinValue;

    public async Task<TestedAlerts> Send(string person, CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        lock (_lock)
        {
            if (_next > now)
                return new TestedAlerts(null, _next - now);
            _next = now + Pause;
        }

        var channels = Channels.Of(policies);
        log.TestAlerts(person, channels.Count);
        var alert = new Alert($"check/{SystemNews.Test}/{now.ToUnixTimeMilliseconds()}", Occasions.System, Severity.Info, now, null) { News = new SystemNews(SystemNews.Test, false, "This is a test of Commander's alerts.", url) };
        return new TestedAlerts(await Task.WhenAll(channels.Select(channel => Send(channel, alert, cancel))), TimeSpan.Zero);
    }

    private async Task<TestedChannel> Send(NamedChannel channel, Alert alert, CancellationToken cancel)
    {
        var began = clock.GetTimestamp();
        Delivery came;
        try
        {
            came = await alerting.Tell(channel.To, alert, cancel).WaitAsync(Deadline, clock, cancel);
        }
        catch (TimeoutException)
        {
            came = new Delivery(Told.Later, Message: $"did not answer within {Deadline.TotalSeconds:0} s");
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            came = new Delivery(Told.Later, Message: $"could not be told: {e.GetType().Name}");
        }

        return new TestedChannel(
            channel.Name,
            came.State switch { Told.Done => "done", Told.Later => "later", _ => "refused" },
            came.Message is { } why ? scrub(why) : null,
            Math.Round(clock.GetElapsedTime(began).TotalMilliseconds, 1));
    }
}
