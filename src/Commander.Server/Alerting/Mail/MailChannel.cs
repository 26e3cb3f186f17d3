using System.Net.Security;
using System.Net.Sockets;
using Commander.Judging.Policies;
using Commander.Server.Connections;
using MailKit;
using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;

namespace Commander.Server.Alerting.Mail;

/// <summary>E-mail over SMTP. A connection a message: alerts are rare, and a connection that is kept is one that has ended when it is needed.</summary>
/// <param name="to">The policy's entry: an address, several with commas between, or a reference to a secret with them.</param>
/// <param name="options">The mail server; null when none is configured.</param>
/// <param name="clock">For the time that connecting may take.</param>
/// <param name="secret">A secret by its reference; null when there is none.</param>
internal sealed class MailChannel(AlertPolicy to, MailOptions? options, TimeProvider clock, Func<string, string?> secret) : IAlertChannel
{
    private const int MaxRecipients = 50;
    private const int MaxAnswer = 200;
    private static readonly TimeSpan ConnectDeadline = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan QuitDeadline = TimeSpan.FromSeconds(1);

    public int Most => 500;

    /// <summary>Which certificates are good: those without any fault, by what this machine trusts.</summary>
    internal RemoteCertificateValidationCallback Trusts { get; init; } = static (_, _, _, errors) => errors == SslPolicyErrors.None;

    public async Task<Delivery> Tell(IReadOnlyList<Worded> alerts, CancellationToken cancel)
    {
        var (recipients, wrong) = Recipients();
        if (options is null || wrong is not null)
            return new Delivery(Told.Later, Message: wrong ?? NoServer);
        var message = MailMessage.Of(alerts, options.From, recipients);
        using var client = new Client(Trusts);
        try
        {
            if (await Open(client, options, cancel) is { } unreachable)
                return new Delivery(Told.Later, Message: unreachable);
            await client.SendAsync(message, cancel);
            await Quit(client, cancel);
        }
        catch (Exception e) when (Meaning(e, client, cancel) is { } came)
        {
            return came;
        }

        // What a conversation goes on from is its first message, in whichever mail program.
        var reference = (alerts.Count == 1 ? MailMessage.First(alerts[0].Alert.Reference) : null) ?? message.MessageId;
        return new Delivery(Told.Done, $"<{reference}>", client.Refusals.Count == 0 ? null : $"{options.Host} took it for {recipients.Count - client.Refusals.Count} of {recipients.Count}: {Clean(client.Refusals[0].Answer)}");
    }

    public async Task<string?> Check(CancellationToken cancel)
    {
        if (options is null)
            return NoServer;
        if (Recipients().Wrong is { } wrong)
            return wrong;
        using var client = new Client(Trusts);
        try
        {
            if (await Open(client, options, cancel) is { } unreachable)
                return unreachable;
            await client.NoOpAsync(cancel);
            await Quit(client, cancel);
            return null;
        }
        catch (Exception e) when (Meaning(e, client, cancel) is { } came)
        {
            return came.Message;
        }
    }

    private const string NoServer = "no mail server is configured: start Commander with COMMANDER_SMTP=smtp://user@mail.example.com:587 and COMMANDER_SMTP_PASSWORD";

    private bool Hidden => to.To.StartsWith("${", StringComparison.Ordinal) || to.To.StartsWith("file:", StringComparison.Ordinal);

    private (IReadOnlyList<MailboxAddress> Addresses, string? Wrong) Recipients()
    {
        if ((Hidden ? secret(to.To) : to.To) is not { } text)
            return ([], $"the secret {to.To} is not there; set the variable or write the file");
        var parts = text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var addresses = new List<MailboxAddress>();
        foreach (var part in parts.Take(MaxRecipients + 1))
        {
            // A name from outside never gets here; an address that could be read in two ways is none.
            if (part.Length > 254 || part.Any(c => char.IsControl(c) || char.IsWhiteSpace(c) || c is '<' or '>' or '"' or ';') || !MailboxAddress.TryParse(part, out var address) || address is not { Domain.Length: > 0, LocalPart.Length: > 0 })
                return ([], Hidden ? $"what {to.To} says is no address; write oncall@example.com, or several with commas between" : $"'{MailMessage.Line(AlertText.Cut(part, 60))}' is no address; write oncall@example.com");
            addresses.Add(new MailboxAddress("", address.Address));
        }

        return addresses.Count switch
        {
            0 => ([], "there is no address; write oncall@example.com"),
            > MaxRecipients => ([], $"there are more than {MaxRecipients} addresses; write to a list of your mail server"),
            _ => (addresses, null),
        };
    }

    /// <summary>Connected, encrypted and signed in; or why not.</summary>
    private async Task<string?> Open(Client client, MailOptions server, CancellationToken cancel)
    {
        Stream stream;
        using (var deadline = new CancellationTokenSource(ConnectDeadline, clock))
        using (var both = CancellationTokenSource.CreateLinkedTokenSource(cancel, deadline.Token))
        {
            try
            {
                stream = await Outgoing.Connect(server.Host, server.Port, both.Token);
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                return $"{server} cannot be reached within {ConnectDeadline.TotalSeconds:0} s";
            }
        }

        try
        {
            // Takes the stream: from here on it ends with the client.
            await client.ConnectAsync(stream, server.Host, server.Port, server.Encryption switch
            {
                Encryption.FromTheStart => SecureSocketOptions.SslOnConnect,
                Encryption.Required => SecureSocketOptions.StartTls,
                Encryption.Optional => SecureSocketOptions.StartTlsWhenAvailable,
                _ => SecureSocketOptions.None,
            }, cancel);
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }

        if (server is not { User: { } user, Password: { } password })
            return null;
        // Whoever sits between takes the offer of TLS away and waits for the password.
        if (!client.IsSecure && !server.IsHere)
            return $"{server} offers no TLS, and the password is not sent in the clear; leave tls=optional out of COMMANDER_SMTP, or the user";
        await client.AuthenticateAsync(user, password, cancel);
        return null;
    }

    // It has the message or nothing more to say: what becomes of a farewell does not matter.
    private async Task Quit(Client client, CancellationToken cancel)
    {
        using var deadline = new CancellationTokenSource(QuitDeadline, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancel, deadline.Token);
        try
        {
            await client.DisconnectAsync(quit: true, both.Token);
        }
        catch (Exception)
        {
            // To say that it was not told would tell it twice.
        }
    }

    /// <summary>What an exception means; null for one that is none of the mail server's.</summary>
    private Delivery? Meaning(Exception e, Client client, CancellationToken cancel)
    {
        if (cancel.IsCancellationRequested || options is not { } server)
            return null;
        return e switch
        {
            ForbiddenAddressException forbidden => Later($"{server} {forbidden.Message}"),
            SocketException socket => Later($"{server} {Outgoing.Why(socket)}"),
            SslHandshakeException => Later($"{server} has no certificate that is trusted here: let this machine trust its authority (SSL_CERT_FILE), or write the name that the certificate has to COMMANDER_SMTP{(server.IsHere ? "; a server on this machine can do without: ?tls=off" : "")}"),
            AuthenticationException => Later($"{server} does not let {server.User} in: {Clean(e.Message)}; mend the user in COMMANDER_SMTP or COMMANDER_SMTP_PASSWORD"),
            ServiceNotAuthenticatedException => Later($"{server} lets nobody send who has not signed in; write COMMANDER_SMTP=smtp://user@{server} and COMMANDER_SMTP_PASSWORD"),
            NotSupportedException when !client.IsConnected || (!client.IsSecure && server.Encryption == Encryption.Required) => Later($"{server} offers no TLS; write smtps:// where it expects TLS from the first byte on{(server.User is null ? ", or ?tls=optional where it may be read on the way" : "")}"),
            NotSupportedException => Later($"{server} offers no way to sign in that is known here; leave the user out of COMMANDER_SMTP where it needs none"),
            // 4xx is for now, 5xx for this message; who it is from is no fault of the message's.
            SmtpCommandException refused when (int)refused.StatusCode is >= 500 && refused.ErrorCode is SmtpErrorCode.RecipientNotAccepted or SmtpErrorCode.MessageNotAccepted => Refused(refused, client, server),
            SmtpCommandException { ErrorCode: SmtpErrorCode.SenderNotAccepted } refused => Later($"{server} takes nothing from {server.From.Address} ({Answer(refused)}); write COMMANDER_SMTP_FROM"),
            SmtpCommandException refused => Later($"{server} says {Answer(refused)}"),
            SmtpProtocolException or ProtocolException => Later($"{server} does not speak SMTP, or closed the connection{(server.Encryption == Encryption.FromTheStart ? "" : "; where it expects TLS from the first byte on, write smtps://")}"),
            IOException => Later($"{server} closed the connection"),
            TimeoutException or OperationCanceledException => Later($"{server} did not answer in time"),
            _ => null,
        };

        static Delivery Later(string why) => new(Told.Later, Message: why);
    }

    // Nobody accepted: for good only if for all of them.
    private Delivery Refused(SmtpCommandException refused, Client client, MailOptions server) => client.Refusals switch
    {
        [] => new Delivery(Told.Refused, Message: $"{server} refused the message: {Answer(refused)}"),
        var all when all.All(one => (int)one.Code >= 500) => new Delivery(Told.Refused, Message: $"{server} refused the {(all.Count == 1 ? "recipient" : $"{all.Count} recipients")}: {(int)all[0].Code} {Clean(all[0].Answer)}"),
        var all when all.First(one => (int)one.Code < 500) is var (code, answer) => new Delivery(Told.Later, Message: $"{server} does not take it for the recipient now: {(int)code} {Clean(answer)}"),
        _ => new Delivery(Told.Refused, Message: $"{server} refused the message: {Answer(refused)}"),
    };

    private string Answer(SmtpCommandException refused) => $"{(int)refused.StatusCode} {Clean(refused.Message)}";

    /// <summary>What the server said: one line, bounded, without the password and without addresses that are a secret.</summary>
    private string Clean(string answer)
    {
        var text = AlertText.Cut(answer, 4 * MaxAnswer);
        if (options?.Password is { } password)
            text = text.Replace(password, "(secret)", StringComparison.Ordinal);
        foreach (var address in Hidden ? Recipients().Addresses : [])
            text = text.Replace(address.Address, "(recipient)", StringComparison.OrdinalIgnoreCase);
        return AlertText.Cut(MailMessage.Line(text), MaxAnswer).TrimEnd('.');
    }

    /// <summary>Goes on with those who are accepted, and remembers who was not.</summary>
    private sealed class Client : SmtpClient
    {
        public List<(SmtpStatusCode Code, string Answer)> Refusals { get; } = [];

        public Client(RemoteCertificateValidationCallback trusts)
        {
            ServerCertificateValidationCallback = trusts;
            // Asks the address that stands in a certificate, and where that is not reached refuses a good one.
            CheckCertificateRevocation = false;
            Timeout = (int)AlertBook.Deadline.TotalMilliseconds;
        }

        protected override void OnRecipientNotAccepted(MimeMessage message, MailboxAddress mailbox, SmtpResponse response) =>
            Refusals.Add((response.StatusCode, response.Response));
    }
}
