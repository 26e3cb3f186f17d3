using System.Text.Json.Serialization;
using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;

namespace Commander.Server.Alerting;

/// <summary>How urgent an alert is.</summary>
internal enum Severity
{
    /// <summary>Nobody has to do anything.</summary>
    Info = 0,
    /// <summary>Somebody should look today.</summary>
    Warning,
    /// <summary>Somebody is woken.</summary>
    Critical,
}

/// <summary>Something about the server itself: a check that failed, or holds again.</summary>
/// <param name="Check">What was checked: store, cluster, source prom ...</param>
/// <param name="Ok">Whether it holds again.</param>
/// <param name="Message">One sentence.</param>
/// <param name="Url">Where all checks are shown.</param>
internal sealed record SystemNews(string Check, bool Ok, string Message, string Url)
{
    /// <summary>A check that is none: somebody wants to see that alerts arrive.</summary>
    public const string Test = "test";
}

/// <summary>One thing to tell one channel. Crosses machines as JSON.</summary>
/// <param name="Key">DEPLOYMENT/alert/N: the same for every try, and for nothing else.</param>
/// <param name="Occasion">One of <see cref="Occasions"/>.</param>
/// <param name="Severity">How urgent.</param>
/// <param name="At">When it happened.</param>
/// <param name="Deployment">As it stands now; null for news of the server itself.</param>
internal sealed record Alert(string Key, string Occasion, Severity Severity, DateTimeOffset At, Deployment? Deployment)
{
    /// <summary>News of the server itself; null for a deployment's.</summary>
    public SystemNews? News { get; init; }

    /// <summary>What was measured, for a chart; null where nothing was.</summary>
    public EvidenceDocument? Evidence { get; init; }

    /// <summary>What this channel answered when it was last told of the same deployment (or check): a message's address there. Null the first time.</summary>
    public string? Reference { get; init; }

    /// <summary>Whether an earlier try may have arrived: the process ended between sending it and storing that it was sent.</summary>
    public bool InDoubt { get; init; }

    /// <summary>What follows on an earlier alert in the same conversation, and ends what that one began.</summary>
    [JsonIgnore]
    public bool Follows => Occasion == Occasions.Progress || Reference is not null;
}

/// <summary>What there is to tell.</summary>
internal static class Occasions
{
    /// <summary>A ROLLBACK verdict.</summary>
    public const string Rollback = "rollback";

    /// <summary>The watch ended on hold, or waits for a person.</summary>
    public const string Hold = "hold";

    /// <summary>A CONTINUE verdict.</summary>
    public const string Continue = "continue";

    /// <summary>What it really was is known, or known better.</summary>
    public const string Outcome = "outcome";

    /// <summary>A rollback failed or was refused, or the watch failed.</summary>
    public const string Failed = "failed";

    /// <summary>The server itself.</summary>
    public const string System = "system";

    /// <summary>To whoever was told of the beginning: a rollback is done, a person has decided. No policy names it.</summary>
    public const string Progress = "progress";
}

/// <summary>What became of a try to tell a channel.</summary>
internal enum Told
{
    /// <summary>It has it.</summary>
    Done = 0,
    /// <summary>Not now: it is down, too busy, or does not let us in. It is tried again, for a day.</summary>
    Later,
    /// <summary>It understood and said no to this message: it is not tried again.</summary>
    Refused,
}

/// <param name="State">What became of it.</param>
/// <param name="Reference">An address by which the channel knows the message again; null where it has none.</param>
/// <param name="Message">Why not, in one sentence without a secret; null when it has it.</param>
/// <param name="RetryAfter">When the channel said that it may be tried again; null when it did not.</param>
internal sealed record Delivery(Told State, string? Reference = null, string? Message = null, TimeSpan? RetryAfter = null)
{
    public static readonly Delivery Done = new(Told.Done);

    /// <summary>Whether it may have arrived although nothing says so: the channel did not answer to the end. Who tries again looks first.</summary>
    public bool MayHaveArrived { get; init; }
}

/// <summary>One place where people or programs are told. Made anew for every message; keeps nothing.</summary>
internal interface IAlertChannel
{
    /// <summary>How many alerts one message may name; 1 where each stands for itself (a page, a status), so that nothing is grouped.</summary>
    int Most { get; }

    /// <summary>Tells; never throws for what a network or the other side does. All alerts have the answer in common; a group's alerts have no reference.</summary>
    /// <param name="alerts">One, or up to <see cref="Most"/> of several deployments, oldest first.</param>
    /// <param name="cancel">Ends the try.</param>
    Task<Delivery> Tell(IReadOnlyList<Worded> alerts, CancellationToken cancel);

    /// <summary>Whether it could be told, without telling anything where that is possible: null, or what is wrong.</summary>
    Task<string?> Check(CancellationToken cancel);
}

/// <summary>An alert with its words.</summary>
internal sealed record Worded(Alert Alert, AlertText Text);
