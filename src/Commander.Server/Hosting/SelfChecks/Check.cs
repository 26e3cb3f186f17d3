namespace Commander.Server.Hosting.SelfChecks;

/// <summary>What one look found.</summary>
/// <param name="Ok">Whether it holds.</param>
/// <param name="Message">One sentence without a secret, either way.</param>
internal sealed record Found(bool Ok, string Message)
{
    public static Found Well(string message) => new(true, message);

    public static Found Not(string message) => new(false, message);
}

/// <summary>One thing of the server itself that is looked at.</summary>
/// <param name="Name">As people, facts and metrics name it. What is one node's alone carries its name where there are several.</param>
/// <param name="Look">Looks, once. May throw and may hang: whoever calls bounds it.</param>
/// <param name="AtOnce">Whether a single failure counts. Else it is looked at a second time.</param>
/// <param name="Last">Whether it is looked at once the others were: it reads what they found.</param>
internal sealed record Check(string Name, Func<CancellationToken, Task<Found>> Look, bool AtOnce = false, bool Last = false);

/// <summary>A check as it stands.</summary>
/// <param name="Name">What was checked.</param>
/// <param name="Ok">Whether it holds.</param>
/// <param name="Message">One sentence.</param>
/// <param name="Since">When it became so.</param>
/// <param name="At">When it was looked at last.</param>
/// <param name="TookMs">How long that took, in ms.</param>
/// <param name="Doubt">When it failed a first time and waits for its second look; null while it does not.</param>
internal sealed record CheckState(string Name, bool Ok, string Message, DateTimeOffset Since, DateTimeOffset At, double TookMs, DateTimeOffset? Doubt = null);
