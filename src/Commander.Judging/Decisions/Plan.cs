using Commander.Judging.Policies;

namespace Commander.Judging.Decisions;

/// <summary>What may be done now.</summary>
public enum Move
{
    /// <summary>Nothing.</summary>
    None = 0,
    /// <summary>A person is asked.</summary>
    Ask,
    /// <summary>Roll back.</summary>
    Rollback,
    /// <summary>A rollback is due and must not be: a person is told why.</summary>
    Refuse,
}

/// <summary>A deployment of the past, as far as it matters for what may be done now.</summary>
/// <param name="Version">Its version.</param>
/// <param name="StartedAt">When it began.</param>
/// <param name="Continued">Whether it closed with CONTINUE.</param>
/// <param name="RolledBackAt">When it was rolled back; null when it was not.</param>
public sealed record PastDeployment(string Version, DateTimeOffset StartedAt, bool Continued, DateTimeOffset? RolledBackAt);

/// <summary>A version that the platform itself could go back to.</summary>
/// <param name="Names">By what it may be called, the name to order it by first; never empty.</param>
/// <param name="Evidence">Why the platform takes it for healthy, in words that follow the version.</param>
public sealed record EarlierVersion(IReadOnlyList<string> Names, string Evidence);

/// <summary>What a ROLLBACK verdict meets.</summary>
/// <param name="Now">The instant of the decision.</param>
/// <param name="Version">The version that was judged.</param>
/// <param name="Kind">The deployment's kind: release, config, flag or infra.</param>
/// <param name="Labels">The deployment's labels.</param>
/// <param name="PreviousVersion">The version it replaced, if known.</param>
/// <param name="AfterContinue">Whether CONTINUE had been given before.</param>
/// <param name="ByPerson">Whether a person asked for it: autonomy, cool-down and hourly limit bind Commander, not people.</param>
/// <param name="History">Other deployments of the same service and environment, newest first.</param>
/// <param name="RolledBack">Versions of this service and environment that were rolled back by another deployment and not found good since, and when: at least those among all that are named here.</param>
/// <param name="Platform">What the platform offers to go back to, best first; empty when it offers nothing; null when it may offer something and has not been asked.</param>
/// <param name="Freeze">The freeze that holds the service now; null for none. It binds Commander, not people.</param>
public sealed record Situation(
    DateTimeOffset Now,
    string Version,
    string Kind,
    IReadOnlyDictionary<string, string> Labels,
    string? PreviousVersion,
    bool AfterContinue,
    bool ByPerson,
    IReadOnlyList<PastDeployment> History,
    IReadOnlyDictionary<string, DateTimeOffset> RolledBack,
    IReadOnlyList<EarlierVersion>? Platform,
    Freeze? Freeze = null);

/// <summary>What is allowed, and why.</summary>
/// <param name="Move">What may be done.</param>
/// <param name="TargetVersion">For <see cref="Move.Rollback"/> and <see cref="Move.Ask"/>: the version to go back to; null when the platform must be asked for it first.</param>
/// <param name="Reason">One sentence for a person.</param>
public sealed record Plan(Move Move, string? TargetVersion, string Reason)
{
    /// <summary>How long a rollback's order is tried again that the platform does not take, from the intent on; and how long the old version may take to serve.</summary>
    public static readonly TimeSpan OrderPatience = TimeSpan.FromMinutes(5);

    /// <summary>Step 6 of the loop for a ROLLBACK verdict: policy, autonomy and history say what is allowed. Pure.</summary>
    public static Plan For(ActPolicy act, Situation situation)
    {
        var autonomy = situation.AfterContinue ? act.Late : act.Autonomy;
        if (!situation.ByPerson && autonomy == Autonomy.Observe)
            return new(Move.None, Target(situation).Version, "autonomy is observe: recorded only");
        if (act.Rollback is null)
            return new(Move.Refuse, null, "the policy names no rollback target (act.rollback)");
        var (target, named) = Target(situation);
        if (target is null && situation.Platform is not null)
            return new(Move.Refuse, null, "no earlier version is known that was not itself rolled back");
        if (Irreversible(act, situation) is { } mark)
            return new(Move.Refuse, target, $"the deployment is marked '{mark}', which cannot be undone");
        if (situation.ByPerson)
            return new(Move.Rollback, target, $"back to {named}, asked for by a person");
        // What keeps Commander from acting does not keep a person from it: who is asked is told.
        var held = situation.Freeze?.Sentence ?? Throttled(act, situation);
        var again = RolledBackBefore(situation.Version, situation.RolledBack) is { } before ? $"; {before}" : "";
        if (autonomy == Autonomy.Recommend)
            return new(Move.Ask, target, $"recommended: back to {named}; waits for a person{(held is null ? "" : $" ({held})")}{again}");
        return held is null
            ? new(Move.Rollback, target, $"back to {named}{again}")
            : new(Move.Refuse, target, held + again);
    }

    /// <summary>What is to be said of a version that was rolled back before; null when it never was.</summary>
    /// <param name="version">The version.</param>
    /// <param name="rolledBack">The versions that were rolled back and not found good since, and when.</param>
    public static string? RolledBackBefore(string version, IReadOnlyDictionary<string, DateTimeOffset> rolledBack) =>
        rolledBack.TryGetValue(version, out var at)
            ? $"{version} was rolled back before, at {at.UtcDateTime:yyyy-MM-dd HH:mm} UTC"
            : null;

    // previous_version, else the last version that closed CONTINUE, else what the platform offers; never one that was rolled back itself.
    private static (string? Version, string Named) Target(Situation situation)
    {
        var past = situation.History;
        if (situation.PreviousVersion is { } previous && Free(previous))
            return (previous, previous);
        if (past.FirstOrDefault(p => p.Continued && Free(p.Version)) is { } continued)
            return (continued.Version, continued.Version);
        if (situation.Platform is null)
            return (null, "the platform's previous healthy version");
        return situation.Platform.FirstOrDefault(offered => offered.Names.All(Free)) is { } earlier
            ? (earlier.Names[0], $"{earlier.Names[0]}, which the platform offers: {earlier.Evidence}")
            : (null, "");

        bool Free(string version) => version != situation.Version && !situation.RolledBack.ContainsKey(version);
    }

    private static string? Irreversible(ActPolicy act, Situation situation) =>
        act.Irreversible.FirstOrDefault(mark => mark == situation.Kind || situation.Labels.ContainsKey(mark) || situation.Labels.Values.Contains(mark, StringComparer.Ordinal));

    private static string? Throttled(ActPolicy act, Situation situation)
    {
        var rollbacks = situation.History.Where(p => p.RolledBackAt is not null).Select(p => situation.Now - p.RolledBackAt!.Value).ToList();
        if (rollbacks.Count == 0)
            return null;
        if (rollbacks.Min() < act.Cooldown)
            return $"the last rollback of this service was {rollbacks.Min().TotalMinutes:0} min ago, the cool-down is {act.Cooldown.TotalMinutes:0} min";
        var lastHour = rollbacks.Count(age => age < TimeSpan.FromHours(1));
        return lastHour >= act.MaxPerHour ? $"{lastHour} rollbacks of this service in the last hour, the limit is {act.MaxPerHour}" : null;
    }
}
