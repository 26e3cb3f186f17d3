using System.Security.Claims;

namespace Commander.Server.Api;

/// <summary>
/// What a token is bound to: services and environments, by name or by how the name begins (<c>shop-*</c>). Without any it holds for all.
/// It bounds what somebody changes; whoever may look sees everything.
/// </summary>
internal static class Scope
{
    /// <summary>Claims with a service, or the beginning of one.</summary>
    public const string Service = "scope:service";

    /// <summary>Claims with an environment, or the beginning of one.</summary>
    public const string Environment = "scope:environment";

    /// <summary>Why somebody may change nothing there; null when they may. Null for the service or the environment stands for all of them.</summary>
    public static IResult? Refusal(ClaimsPrincipal person, string? service, string? environment) =>
        Reason(person, service, environment) is { } why ? Problems.Of(StatusCodes.Status403Forbidden, "Your token is bound to something else", why) : null;

    /// <summary>The same as words.</summary>
    public static string? Reason(ClaimsPrincipal person, string? service, string? environment) =>
        Outside(person, Service, service) is { } services ? $"It may change the services {services}, and {(service is null ? "this asks for all services: name one of them" : $"this is {Problems.Shown(service)}")}."
        : Outside(person, Environment, environment) is { } environments ? $"It may change the environments {environments}, and {(environment is null ? "this asks for all environments: name one of them" : $"this is {Problems.Shown(environment)}")}."
        : null;

    private static string? Outside(ClaimsPrincipal person, string kind, string? name)
    {
        List<string>? bounds = null;
        foreach (var claim in person.FindAll(kind))
        {
            if (name is not null && Covers(claim.Value, name))
                return null;
            (bounds ??= []).Add(claim.Value);
        }

        return bounds is null ? null : string.Join(", ", bounds.Take(10));
    }

    private static bool Covers(string bound, string name) =>
        bound.EndsWith('*') ? name.StartsWith(bound[..^1], StringComparison.Ordinal) : name == bound;
}
