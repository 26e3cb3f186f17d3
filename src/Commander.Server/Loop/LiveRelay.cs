using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Commander.Server.Storage.Postgres;

namespace Commander.Server.Loop;

/// <summary>
/// Carries live events between nodes that share a database. They are hints, not facts: what is lost on the way (a node that died
/// between storing and telling, a connection that broke) is seen at the next event or when a page looks again.
/// </summary>
internal sealed class LiveRelay(LiveEvents live, Notices notices, TimeProvider clock, ILogger<LiveRelay> log) : BackgroundService
{
    // PostgreSQL takes less than 8,000 bytes a notice.
    private const int MostCharacters = 7000;

    // Many watches tick at once: a few notices a second carry them all.
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan AfterTrouble = TimeSpan.FromSeconds(1);

    private readonly string _node = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await Task.WhenAll(Tell(stoppingToken), Listen(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    /// <summary>What a notice says: the node, then a line for each event.</summary>
    internal static string Written(string node, IEnumerable<LiveEvent> events)
    {
        var text = new StringBuilder(node);
        foreach (var happened in events)
            text.Append('\n').Append(happened.Id).Append(' ').Append(happened.Seq.ToString(CultureInfo.InvariantCulture)).Append(' ').Append(happened.Kind);
        return text.ToString();
    }

    /// <summary>Reads a notice; what is no event, because a newer build wrote it or somebody else, is passed over.</summary>
    internal static (string Node, IReadOnlyList<LiveEvent> Events) Read(string notice)
    {
        var lines = notice.Split('\n');
        var events = new List<LiveEvent>(lines.Length - 1);
        foreach (var line in lines.Skip(1))
        {
            var parts = line.Split(' ');
            if (parts.Length >= 3 && DeploymentId.IsValid(parts[0]) && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var seq))
                events.Add(new LiveEvent(parts[0], seq, parts[2]));
        }

        return (lines[0], events);
    }

    private async Task Tell(CancellationToken cancel)
    {
        var happened = live.ToTell();
        var batch = new List<LiveEvent>();
        while (await happened.WaitToReadAsync(cancel))
        {
            await Task.Delay(Gather, clock, cancel);
            batch.Clear();
            var room = MostCharacters - _node.Length;
            while (room > 0 && happened.TryRead(out var next))
            {
                room -= next.Id.Length + next.Kind.Length + 22;
                batch.Add(next);
            }

            try
            {
                await notices.Send(Written(_node, batch), cancel);
            }
            catch (Exception e) when (!cancel.IsCancellationRequested)
            {
                log.NotTold(batch.Count, e);
                await Task.Delay(AfterTrouble, clock, cancel);
            }
        }
    }

    private async Task Listen(CancellationToken cancel)
    {
        while (true)
        {
            try
            {
                await foreach (var notice in notices.Listen(cancel))
                {
                    // The first says that it listens: until then others were not heard.
                    if (notice is null)
                        live.Missed();
                    else if (Read(notice) is var (node, events) && node != _node)
                        Hear(events);
                }
            }
            catch (Exception e) when (!cancel.IsCancellationRequested)
            {
                log.NotHeard(e);
            }

            await Task.Delay(AfterTrouble, clock, cancel);
        }
    }

    private void Hear(IReadOnlyList<LiveEvent> events)
    {
        foreach (var happened in events)
            live.Hear(happened);
    }
}
