using Commander.Judging.Policies;

namespace Commander.Server.Alerting;

/// <summary>Who is told of what, and when. Pure.</summary>
internal static class Routing
{
    /// <summary>How urgent an occasion is.</summary>
    /// <param name="occasion">One of <see cref="Occasions"/>.</param>
    /// <param name="bad">For an outcome: whether a deployment that carried on turned out bad. For news of the server: whether the check failed.</param>
    public static Severity SeverityOf(string occasion, bool bad = false) => occasion switch
    {
        Occasions.Rollback or Occasions.Failed => Severity.Critical,
        Occasions.Hold => Severity.Warning,
        Occasions.Outcome or Occasions.System when bad => Severity.Warning,
        _ => Severity.Info,
    };

    /// <summary>Whether a policy's entry wants to hear of it.</summary>
    public static bool Wants(AlertPolicy to, string occasion, Severity severity) => to.On.Contains(occasion) && severity >= Least(to);

    /// <summary>From when on it may be told: now, or the end of the quiet hours.</summary>
    public static DateTimeOffset NotBefore(AlertPolicy to, Severity severity, DateTimeOffset now)
    {
        if (to.Quiet is not { } quiet || severity == Severity.Critical || !TimeZoneInfo.TryFindSystemTimeZoneById(quiet.Zone, out var zone))
            return now;
        var local = TimeZoneInfo.ConvertTime(now, zone);
        var time = TimeOnly.FromTimeSpan(local.TimeOfDay);
        // IsBetween goes over midnight where the end is before the beginning; a time equal to the end is outside.
        if (!time.IsBetween(quiet.From, quiet.To))
            return now;
        var day = DateOnly.FromDateTime(local.DateTime).AddDays(quiet.To > time ? 0 : 1);
        var ends = day.ToDateTime(quiet.To);
        // An hour that a change of the clocks leaves out begins when it would have.
        while (zone.IsInvalidTime(ends))
            ends = ends.AddMinutes(15);
        return new DateTimeOffset(ends, zone.GetUtcOffset(ends)).ToUniversalTime();
    }

    /// <summary>The channel as pages and facts name it: never a secret or an address with one.</summary>
    public static string NameOf(AlertPolicy to) => to.Channel switch
    {
        "slack" or "email" or "github" when !IsReference(to.To) => $"{to.Channel} {to.To}",
        "grafana" or "webhook" when Uri.TryCreate(to.To, UriKind.Absolute, out var url) => $"{to.Channel} {url.Host}",
        _ => to.Channel,
    };

    private static bool IsReference(string to) => to.StartsWith("${", StringComparison.Ordinal) || to.StartsWith("file:", StringComparison.Ordinal) || to.Contains("://", StringComparison.Ordinal);

    private static Severity Least(AlertPolicy to) => to.Severity switch
    {
        "critical" => Severity.Critical,
        "warning" => Severity.Warning,
        _ => Severity.Info,
    };
}
