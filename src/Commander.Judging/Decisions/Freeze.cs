using System.Globalization;

namespace Commander.Judging.Decisions;

/// <summary>A switch that keeps rollbacks from starting by themselves. People may still roll back.</summary>
/// <param name="Service">The service it holds; null for all.</param>
/// <param name="Environment">The environment it holds; null for all.</param>
/// <param name="Reason">Why.</param>
/// <param name="By">Who switched it on.</param>
/// <param name="Since">When.</param>
/// <param name="Until">When it ends by itself; null when somebody must lift it.</param>
public sealed record Freeze(string? Service, string? Environment, string Reason, string By, DateTimeOffset Since, DateTimeOffset? Until)
{
    /// <summary>Whether it holds a service in an environment at an instant.</summary>
    public bool Holds(string service, string environment, DateTimeOffset now) =>
        (Service is null || Service == service) && (Environment is null || Environment == environment) && !Ended(now);

    /// <summary>Whether its time is over.</summary>
    public bool Ended(DateTimeOffset now) => Until <= now;

    /// <summary>Who froze it, until when and why, in one sentence without its end.</summary>
    public string Sentence => $"frozen by {By} until {(Until is { } until ? until.UtcDateTime.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture) : "it is lifted")}: {Reason}";

    /// <summary>What it holds, in words.</summary>
    public string Scope => (Service, Environment) switch
    {
        (null, null) => "all services",
        (null, { } environment) => $"all services in {environment}",
        ({ } service, null) => service,
        var (service, environment) => $"{service} in {environment}",
    };
}
