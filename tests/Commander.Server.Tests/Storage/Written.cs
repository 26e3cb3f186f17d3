using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Commander.Server.Storage;

namespace Commander.Server.Tests.Storage;

/// <summary>Announcements, rows and facts as the loop writes them, small.</summary>
internal static class Written
{
    public static readonly DateTimeOffset Start = new(2026, 11, 23, 10, 30, 0, TimeSpan.Zero);
    public static readonly TimeSpan JoinWindow = TimeSpan.FromMinutes(10);

    /// <summary>Ids sort by their number as real ones sort by time.</summary>
    public static string Id(int number) => "dep-" + number.ToString("D26", CultureInfo.InvariantCulture);

    public static DeploymentRow Row(
        int number,
        string service = "checkout",
        string environment = "prod",
        string version = "2.0.0",
        string state = "watching",
        DateTimeOffset? at = null,
        DateTimeOffset? startedAt = null,
        DateTimeOffset? dueAt = null,
        bool snapshot = false) => new(
            Id(number),
            service,
            environment,
            version,
            state,
            ClosedReason: null,
            Decision: null,
            startedAt ?? at ?? Start,
            at ?? Start,
            dueAt ?? (at ?? Start).AddSeconds(15),
            RolledBackAt: null,
            RolledBackTo: null,
            snapshot,
            Encoding.UTF8.GetBytes($$"""{"id":"{{Id(number)}}"}"""));

    public static Announcement Announcement(DeploymentRow row, string? key = null, string request = "{}") => new(
        First(row),
        row,
        key,
        SHA256.HashData(Encoding.UTF8.GetBytes(request)),
        JoinWindow);

    public static Fact First(DeploymentRow row) =>
        Fact.After(Streams.Of(row.Id), 1, Fact.NoHash, row.ReceivedAt, "received", 1, Encoding.UTF8.GetBytes($$"""{"version":"{{row.Version}}"}"""));

    /// <summary>As many facts as asked for, following one that is there.</summary>
    public static Fact[] Following(Fact last, int count, string kind = "tick")
    {
        var facts = new Fact[count];
        for (var i = 0; i < count; i++)
        {
            last = facts[i] = Fact.After(
                last.Stream, last.Seq + 1, last.Hash, last.At.AddSeconds(1), kind, 1, Encoding.UTF8.GetBytes($$"""{"n":{{last.Seq + 1}}}"""));
        }

        return facts;
    }

    /// <summary>Facts from a stream's beginning.</summary>
    public static Fact[] Stream(string stream, int count)
    {
        var first = Fact.After(stream, 1, Fact.NoHash, Start, "changed", 1, "{}"u8.ToArray());
        return [first, .. Following(first, count - 1)];
    }
}
