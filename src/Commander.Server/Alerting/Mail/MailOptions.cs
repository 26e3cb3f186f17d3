using System.Net;
using MimeKit;

namespace Commander.Server.Alerting.Mail;

/// <summary>Whether the connection to the mail server is encrypted.</summary>
internal enum Encryption
{
    /// <summary>STARTTLS, and nothing is said without it.</summary>
    Required = 0,
    /// <summary>STARTTLS where the server offers it.</summary>
    Optional,
    /// <summary>In the clear.</summary>
    Off,
    /// <summary>TLS from the first byte on: smtps.</summary>
    FromTheStart,
}

/// <summary>By which mail server e-mail goes out. Everything by the environment: a policy only names who is told.</summary>
/// <param name="Host">The server's name.</param>
/// <param name="Port">Its port.</param>
/// <param name="Encryption">Whether what is said is encrypted.</param>
/// <param name="From">Who it is from.</param>
internal sealed record MailOptions(string Host, int Port, Encryption Encryption, MailboxAddress From)
{
    /// <summary>As whom Commander signs in; null for a server that lets everybody in.</summary>
    public string? User { get; init; }

    /// <summary>Null without a user.</summary>
    public string? Password { get; init; }

    /// <summary>Whether the server is this machine.</summary>
    public bool IsHere => Host is "localhost" || (IPAddress.TryParse(Host, out var address) && IPAddress.IsLoopback(address));

    /// <summary>Without the password, wherever it may be written.</summary>
    public override string ToString() => $"{Host}:{Port}";

    private const int MaxText = 1000;
    private const int Submission = 587;
    private const int Submissions = 465;
    private const string Prefix = "COMMANDER_SMTP";
    private const string Example = "smtp://user@mail.example.com:587";

    private static readonly string[] Known = [Prefix, Prefix + "_PASSWORD", Prefix + "_FROM"];

    /// <summary>What the environment says; null for no mail server. Or what is wrong, in one sentence; also of what is not used.</summary>
    /// <param name="names">The names of all variables there are.</param>
    /// <param name="environment">A variable's value.</param>
    /// <param name="resolve">A secret by its reference; null when there is none.</param>
    public static (MailOptions? Options, string? Wrong) Read(IEnumerable<string> names, Func<string, string?> environment, Func<string, string?> resolve)
    {
        if (names.FirstOrDefault(name => (name == Prefix || name.StartsWith(Prefix + "_", StringComparison.Ordinal)) && !Known.Contains(name)) is { } unknown)
            return (null, $"{unknown}: is no variable that is known; there are {string.Join(", ", Known)}");
        string? Given(string name) => environment(name)?.Trim() is { Length: > 0 } value ? value : null;
        if (Given(Prefix) is not { } given)
            return Known.Skip(1).FirstOrDefault(name => Given(name) is not null) is { } alone ? (null, $"{alone}: is of no use without {Prefix}; write {Prefix}={Example}") : (null, null);
        // The address is not repeated where a password may stand in it.
        if (given.Length > MaxText || !Uri.TryCreate(given, UriKind.Absolute, out var url) || url.Scheme is not ("smtp" or "smtps") || url.Host.Length == 0 || url is not { AbsolutePath: "" or "/", Fragment: "" })
            return (null, $"{Prefix}: is no address of a mail server; write {Example} or smtps://user@mail.example.com:465");
        if (url.UserInfo.Contains(':', StringComparison.Ordinal))
            return (null, $"{Prefix}: has a password in it; write it to {Prefix}_PASSWORD, as it is or as ${{COMMANDER_SECRET_NAME}} or file:NAME");
        var host = url.IdnHost;
        var here = new MailOptions(host, Submission, Encryption.Off, new MailboxAddress("", "none@localhost")).IsHere;
        var (encryption, wrong) = EncryptionOf(url, here);
        if (wrong is not null)
            return (null, wrong);
        var user = Uri.UnescapeDataString(url.UserInfo) is { Length: > 0 } name ? name : null;
        if (user?.Any(char.IsControl) == true)
            return (null, $"{Prefix}: the user has characters that no name has");
        (var password, wrong) = PasswordOf(Given(Prefix + "_PASSWORD"), user, resolve);
        if (wrong is null && encryption == Encryption.Off && user is not null && !here)
            wrong = $"{Prefix}: tls=off would send the password to {host} in the clear; leave tls=off out, or the user";
        (var from, var unlike) = FromOf(Given(Prefix + "_FROM"), host, here);
        wrong ??= unlike;
        return wrong is null
            ? (new MailOptions(host, url.Port > 0 ? url.Port : encryption == Encryption.FromTheStart ? Submissions : Submission, encryption, from!) { User = user, Password = password }, null)
            : (null, wrong);
    }

    private static (Encryption Encryption, string? Wrong) EncryptionOf(Uri url, bool here)
    {
        var implicitly = url.Scheme == "smtps";
        switch (url.Query)
        {
            case "" or "?":
                return (implicitly ? Encryption.FromTheStart : here ? Encryption.Optional : Encryption.Required, null);
            case "?tls=required":
                return (implicitly ? Encryption.FromTheStart : Encryption.Required, null);
            case "?tls=optional" or "?tls=off" when implicitly:
                return (default, $"{Prefix}: smtps is encrypted from its first byte on; write smtp:// with {url.Query[1..]}, or smtps:// without it");
            case "?tls=optional":
                return (Encryption.Optional, null);
            case "?tls=off":
                return (Encryption.Off, null);
            default:
                return (default, $"{Prefix}: there is nothing to say after the ? but tls=required, tls=optional or tls=off");
        }
    }

    private static (string? Password, string? Wrong) PasswordOf(string? given, string? user, Func<string, string?> resolve)
    {
        if (user is null)
            return (null, given is null ? null : $"{Prefix}_PASSWORD: is of no use without a user; write {Prefix}={Example}");
        if (given is null)
            return (null, $"{Prefix}_PASSWORD: is missing, and {Prefix} names a user; write it as ${{COMMANDER_SECRET_NAME}} or file:NAME");
        var refers = given.StartsWith("file:", StringComparison.Ordinal) || given.StartsWith("${", StringComparison.Ordinal);
        return (refers ? resolve(given) : given) is { Length: > 0 and <= 4096 } password && !password.Any(char.IsControl)
            ? (password, null)
            : (null, $"{Prefix}_PASSWORD: {(refers ? given : "the password")} is not there, too long or no text; set the variable or write the file");
    }

    private static (MailboxAddress? From, string? Wrong) FromOf(string? given, string host, bool here)
    {
        if (given is null)
        {
            var domain = here ? "localhost" : host;
            return Uri.CheckHostName(domain) is UriHostNameType.Dns
                ? (new MailboxAddress("Commander", $"commander@{domain}"), null)
                : (null, $"{Prefix}_FROM: is missing, and {host} is no name to make an address of; write commander@example.com");
        }

        return given.Length <= MaxText && !given.Any(char.IsControl) && MailboxAddress.TryParse(given, out var from) && from is { Domain.Length: > 0, LocalPart.Length: > 0 }
            && MailboxAddress.EncodeAddrspec(from.Address) is var address && address.All(char.IsAscii)
            ? (new MailboxAddress(from.Name is { Length: > 0 } name ? name : "Commander", address), null)
            : (null, $"{Prefix}_FROM: is no address; write commander@example.com");
    }
}
