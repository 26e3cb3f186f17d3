using System.Security.Claims;
using Commander.Server.Api;

namespace Commander.Server.Access;

/// <summary>
/// A provider of OpenID Connect by which people sign in: where it is, what Commander is called there, and which of its groups have
/// which role. Of the roles of somebody's groups the highest counts; whoever the provider lets in may look.
/// </summary>
/// <param name="Authority">The provider's issuer.</param>
/// <param name="ClientId">What Commander is called there.</param>
/// <param name="ClientSecret">Its secret; null for a public client.</param>
/// <param name="GroupsClaim">The claim with somebody's groups.</param>
/// <param name="Groups">Per group its role.</param>
internal sealed record OpenId(Uri Authority, string ClientId, string? ClientSecret, string GroupsClaim, IReadOnlyDictionary<string, Role> Groups)
{
    /// <summary>The claim that says that somebody signed in there, with who they are there.</summary>
    public const string Subject = "openid";

    private const int MaxGroups = 100;

    /// <summary>Who signed in is asked about no more often than this. The default value is a minute.</summary>
    public TimeSpan AskedAtMost { get; init; } = TimeSpan.FromMinutes(1);

    private const string Prefix = "COMMANDER_OIDC_";
    private static readonly string[] Variables = ["AUTHORITY", "CLIENT_ID", "CLIENT_SECRET", "ROLES", "GROUPS_CLAIM", "OTHERS"];

    /// <summary>Whether who is in none of the named groups may look; else they are not let in. The default value is true.</summary>
    public bool OthersLook { get; init; } = true;

    /// <summary>What the environment says: COMMANDER_OIDC_AUTHORITY, _CLIENT_ID, _CLIENT_SECRET, _ROLES (admin=GROUP responder=GROUP), _GROUPS_CLAIM, _OTHERS; null for none, or what is wrong.</summary>
    /// <param name="names">The names of all variables.</param>
    /// <param name="environment">Variables by name.</param>
    /// <param name="secret">Resolves a reference.</param>
    public static (OpenId? Provider, string? Wrong) Read(IEnumerable<string> names, Func<string, string?> environment, Func<string, string?> secret)
    {
        string? Variable(string name) => environment(Prefix + name) is { Length: > 0 } value ? value : null;
        // A slip of the pen must not leave the door to the tokens alone.
        var given = names.Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)).ToArray();
        if (Array.Find(given, name => !Variables.Contains(name[Prefix.Length..])) is { } unknown)
            return (null, $"{Problems.Shown(unknown)} is not known; there are {string.Join(", ", Variables.Select(name => Prefix + name))}");
        if (Variable("AUTHORITY") is not { } address)
            return given.Length > 0 ? (null, $"COMMANDER_OIDC_AUTHORITY is missing, and {given[0]} is set: write the provider's issuer, such as https://login.example.org/realms/main") : (null, null);
        // What comes over the network in clear text can be anybody's word, but for what never leaves the machine.
        if (!Uri.TryCreate(address, UriKind.Absolute, out var authority) || !(authority.Scheme == Uri.UriSchemeHttps || (authority.Scheme == Uri.UriSchemeHttp && authority.IsLoopback)))
            return (null, $"COMMANDER_OIDC_AUTHORITY: '{Problems.Shown(address)}' is no https address; write the provider's issuer, such as https://login.example.org/realms/main");
        if (Variable("CLIENT_ID") is not { } client)
            return (null, "COMMANDER_OIDC_CLIENT_ID is missing: what Commander is called at the provider");
        var written = Variable("CLIENT_SECRET");
        var refers = written is not null && (written.StartsWith("file:", StringComparison.Ordinal) || written.StartsWith("${", StringComparison.Ordinal));
        var key = refers ? secret(written!) : written;
        if (refers && key is null)
            return (null, $"COMMANDER_OIDC_CLIENT_SECRET: {written} is not there; set the variable or write the file");
        var groups = new Dictionary<string, Role>(StringComparer.Ordinal);
        var roles = Variable("ROLES") ?? "";
        // Groups whose names have spaces are separated by semicolons.
        foreach (var pair in roles.Split(roles.Contains(';', StringComparison.Ordinal) ? [';'] : (char[]?)null, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Take(MaxGroups))
        {
            var at = pair.IndexOf('=', StringComparison.Ordinal);
            if (at <= 0 || at == pair.Length - 1 || !Roles.TryRead(pair[..at], out var role) || role == Role.Intake)
                return (null, $"COMMANDER_OIDC_ROLES: '{Problems.Shown(pair)}' is no ROLE=GROUP with the role viewer, responder or admin; write admin=platform responder=sre, or admin=Platform Team; responder=On Call");
            var group = Plain(pair[(at + 1)..].Trim());
            groups[group] = role > groups.GetValueOrDefault(group) ? role : groups[group];
        }

        if (Variable("OTHERS") is { } others && others is not ("viewer" or "none"))
            return (null, $"COMMANDER_OIDC_OTHERS: '{Problems.Shown(others)}' is neither viewer nor none: whether who is in none of the groups of COMMANDER_OIDC_ROLES may look");
        return (new OpenId(authority, client, key, Variable("GROUPS_CLAIM") ?? "groups", groups) { OthersLook = Variable("OTHERS") != "none" }, null);
    }

    // Keycloak writes groups as paths.
    private static string Plain(string group) => group.TrimStart('/');

    /// <summary>Who somebody is here whom the provider has let in; without one of the named groups a viewer, or nobody.</summary>
    public ClaimsPrincipal Person(ClaimsPrincipal there)
    {
        var role = OthersLook ? Role.Viewer : Role.None;
        foreach (var claim in there.FindAll(GroupsClaim))
            role = Groups.TryGetValue(Plain(claim.Value), out var its) && its > role ? its : role;
        var subject = there.FindFirstValue("sub") ?? "";
        // What people there write themselves names them only beside who they are.
        var email = string.Equals(there.FindFirstValue("email_verified"), "false", StringComparison.OrdinalIgnoreCase) ? null : there.FindFirstValue("email");
        var name = email ?? (there.FindFirstValue("preferred_username") ?? there.FindFirstValue("name")) switch { { } chosen => $"{chosen} ({subject})", null => subject };
        name = string.Concat(name.Select(c => char.IsControl(c) ? ' ' : c));
        return new ClaimsPrincipal(new ClaimsIdentity(
            [new Claim(ClaimTypes.Name, name.Length <= 128 ? name : name[..128]), new Claim(ClaimTypes.Role, role.Word()), new Claim(Subject, subject)], AccessGate.Session));
    }

    /// <summary>Without the secret.</summary>
    public override string ToString() => $"{nameof(OpenId)} {{ {Authority}, {ClientId} }}";
}
