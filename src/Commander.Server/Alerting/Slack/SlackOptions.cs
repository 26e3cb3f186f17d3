namespace Commander.Server.Alerting.Slack;

/// <summary>How Slack is spoken to, by the environment. What Slack signs with is one of the hooks' secrets and stands with them.</summary>
internal sealed record SlackOptions
{
    /// <summary>Slack's own; GovSlack has https://slack-gov.com/api/.</summary>
    public static readonly Uri Known = new("https://slack.com/api/");

    private const string Prefix = "COMMANDER_SLACK_";
    private const string Secret = Prefix + "SECRET";
    private const int MaxToken = 4096;
    private const int MaxResponders = 500;
    private static readonly string[] Variables = [Prefix + "TOKEN", Secret, Prefix + "RESPONDERS", Prefix + "URL"];
    private static readonly string[] Roles = ["responder", "admin"];

    /// <summary>The app's bot token, for channels whose policy names none of its own; null for none.</summary>
    public string? Token { get; init; }

    /// <summary>Who may press buttons: a person's id there and their role here, or * for everybody of the workspace.</summary>
    public IReadOnlyDictionary<string, string> Responders { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Where the methods of the Web API are, with a slash at the end.</summary>
    public Uri Url { get; init; } = Known;

    /// <summary>Whether messages have buttons that do something.</summary>
    public bool Buttons => Responders.Count > 0;

    /// <summary>Whether somebody may press buttons.</summary>
    /// <param name="user">Their id.</param>
    /// <param name="own">Whether they are of the workspace that the app is in, and not of one that shares a channel with it.</param>
    public bool MayPress(string user, bool own) => Responders.ContainsKey(user) || (own && Responders.ContainsKey("*"));

    /// <summary>Whether an address that Slack gave for an answer is Slack's.</summary>
    public bool IsTheirs(Uri address) =>
        address.IsAbsoluteUri && address.Scheme == Url.Scheme && address.UserInfo.Length == 0 && address.Port == Url.Port
        && (address.Host == Url.Host || address.Host.EndsWith("." + Url.Host, StringComparison.Ordinal));

    /// <summary>Without the token, wherever it may be written.</summary>
    public override string ToString() => $"{nameof(SlackOptions)} {{ Url = {Url}, Responders = {Responders.Count} }}";

    /// <summary>What the environment says, or what is wrong, in one sentence without a secret.</summary>
    /// <param name="names">The names of all variables there are.</param>
    /// <param name="environment">A variable's value.</param>
    /// <param name="resolve">A secret by its reference; null when there is none.</param>
    public static (SlackOptions Options, string? Wrong) Read(IEnumerable<string> names, Func<string, string?> environment, Func<string, string?> resolve)
    {
        if (names.FirstOrDefault(name => name.StartsWith(Prefix, StringComparison.Ordinal) && !Variables.Contains(name)) is { } unknown)
            return (new SlackOptions(), $"{unknown}: is no variable that is known; there are {string.Join(", ", Variables)}");
        string? Given(string name) => environment(Prefix + name)?.Trim() is { Length: > 0 } value ? value : null;
        var options = new SlackOptions();
        string? wrong = null;
        if (Given("TOKEN") is { } given)
        {
            var refers = IsReference(given);
            var token = refers ? resolve(given) : given;
            if (token is not { Length: > 0 and <= MaxToken } || token.Any(c => c is <= ' ' or > '~'))
                wrong ??= $"COMMANDER_SLACK_TOKEN: {(refers ? given : "the token")} is not there, too long, or has characters that cannot stand in a header; write the app's bot token (xoxb-...), or set the variable or file it refers to";
            else
                options = options with { Token = token };
        }

        if (Given("RESPONDERS") is { } responders)
        {
            var may = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var part in responders.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            {
                var at = part.IndexOf('=', StringComparison.Ordinal);
                var (who, role) = at < 0 ? (part, Roles[0]) : (part[..at].TrimEnd(), part[(at + 1)..].TrimStart());
                if ((who != "*" && !IsUser(who)) || !Roles.Contains(role))
                    wrong ??= $"COMMANDER_SLACK_RESPONDERS: '{Cut(part)}' is not like U012ABC, U012ABC=admin or *; a person's profile in Slack says their member ID";
                else
                    may[who] = role;
            }

            if (may.Count > MaxResponders)
                wrong ??= $"COMMANDER_SLACK_RESPONDERS: has more than {MaxResponders} people; write * for everybody of the workspace";
            if (environment(Secret) is not { Length: > 0 })
                wrong ??= $"COMMANDER_SLACK_RESPONDERS: needs {Secret}, the app's signing secret, without which no button does anything";
            options = options with { Responders = may };
        }

        if (Given("URL") is { } address)
        {
            if (!Uri.TryCreate(address.TrimEnd('/') + "/", UriKind.Absolute, out var url) || !IsSafe(url) || url is not { Query: "", Fragment: "", UserInfo: "" })
                wrong ??= $"COMMANDER_SLACK_URL: '{Cut(address)}' is no https address; write {Known}, or https://slack-gov.com/api/";
            else
                options = options with { Url = url };
        }

        return (options, wrong);
    }

    /// <summary>Whether a text is a reference to a secret and not the secret itself.</summary>
    public static bool IsReference(string text) => text.StartsWith("file:", StringComparison.Ordinal) || text.StartsWith("${", StringComparison.Ordinal);

    /// <summary>Encrypted, or to this machine.</summary>
    public static bool IsSafe(Uri url) => url.Scheme == Uri.UriSchemeHttps || url is { Scheme: "http", IsLoopback: true };

    /// <summary>Whether a text is a person's id there.</summary>
    public static bool IsUser(string text) => text.Length is >= 3 and <= 32 && text[0] is ('U' or 'W') && text.All(c => char.IsAsciiLetterUpper(c) || char.IsAsciiDigit(c));

    private static string Cut(string text) => text.Length <= 40 ? text : text[..40] + "...";
}
