namespace Commander.Server.Api;

/// <summary>What somebody may do. A viewer reads, a responder presses buttons as well, an admin may everything; intake only announces deployments.</summary>
internal enum Role
{
    /// <summary>Nobody knows who it is.</summary>
    None = 0,
    Intake,
    Viewer,
    Responder,
    Admin,
}

/// <summary>The roles as words.</summary>
internal static class Roles
{
    public static IReadOnlyList<string> Words { get; } = ["intake", "viewer", "responder", "admin"];

    public static string Word(this Role role) => role == Role.None ? "none" : Words[(int)role - 1];

    public static bool TryRead(string word, out Role role)
    {
        role = (Role)(Words.ToList().IndexOf(word) + 1);
        return role != Role.None;
    }
}

/// <summary>Who may use a route. Every route has one; what has none is an admin's.</summary>
/// <param name="Least">The least role; none: everybody.</param>
/// <param name="Announces">Whether it announces deployments, which intake and whoever acts may, but not who only looks.</param>
/// <param name="Follows">Whether it shows one deployment to whoever knows its id: intake too, which announced it.</param>
internal sealed record RoleRule(Role Least, bool Announces = false, bool Follows = false)
{
    public bool Allows(Role role) => Least == Role.None || (Announces ? role is Role.Intake or >= Role.Responder : (Follows || role != Role.Intake) && role >= (Follows ? Role.Intake : Least));

    /// <summary>The roles that are let in.</summary>
    public string Words => Announces ? "intake, responder or admin" : Least.Word();
}

/// <summary>A route whose answer goes on for as long as the caller stays: who it is, is asked again and again.</summary>
internal sealed record StreamRule;

/// <summary>Gives routes their rule.</summary>
internal static class RoleRules
{
    public static T Needs<T>(this T route, Role least)
        where T : IEndpointConventionBuilder
    {
        route.WithMetadata(new RoleRule(least));
        return route;
    }

    /// <summary>Its answer goes on for as long as the caller stays.</summary>
    public static T Streams<T>(this T route)
        where T : IEndpointConventionBuilder
    {
        route.WithMetadata(new StreamRule());
        return route;
    }

    /// <summary>For whoever may announce deployments.</summary>
    public static T NeedsToAnnounce<T>(this T route)
        where T : IEndpointConventionBuilder
    {
        route.WithMetadata(new RoleRule(Role.Intake, Announces: true));
        return route;
    }

    /// <summary>For whoever may look, and for who announced it.</summary>
    public static T NeedsToFollow<T>(this T route)
        where T : IEndpointConventionBuilder
    {
        route.WithMetadata(new RoleRule(Role.Viewer, Follows: true));
        return route;
    }

    /// <summary>For everybody: health, what a page is made of, and what has a credential of its own.</summary>
    public static T IsOpen<T>(this T route)
        where T : IEndpointConventionBuilder => route.Needs(Role.None);
}
