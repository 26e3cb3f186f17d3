using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MimeKit;
using SmtpServer;
using SmtpServer.Authentication;
using SmtpServer.ComponentModel;
using SmtpServer.Mail;
using SmtpServer.Net;
using SmtpServer.Protocol;
using SmtpServer.Storage;

namespace Commander.Server.Tests.Alerting.Mail;

/// <summary>A real SMTP server on a free port of this machine: keeps what it gets, and refuses what a test wants refused.</summary>
internal sealed class MailServer : IAsyncDisposable
{
    public const string User = "commander";
    public const string Password = "correct horse";

    private readonly CancellationTokenSource _stop = new();
    private Task _runs = Task.CompletedTask;

    public int Port { get; private set; }

    public ConcurrentQueue<MimeMessage> Messages { get; } = new();

    /// <summary>The messages as they came, for what a parser would forgive.</summary>
    public ConcurrentQueue<string> Texts { get; } = new();

    public ConcurrentQueue<string> SignedIn { get; } = new();

    /// <summary>What is answered to a recipient; null for yes.</summary>
    public Func<string, SmtpResponse?> Recipient { get; set; } = _ => null;

    /// <summary>What is answered to a sender; null for yes.</summary>
    public SmtpResponse? Sender { get; set; }

    /// <summary>What is answered to the message.</summary>
    public SmtpResponse Answer { get; set; } = SmtpResponse.Ok;

    /// <param name="certificate">With one: STARTTLS is offered.</param>
    /// <param name="fromTheStart">TLS from the first byte on.</param>
    /// <param name="authentication">Nobody sends who has not signed in.</param>
    public static MailServer Start(X509Certificate2? certificate = null, bool fromTheStart = false, bool authentication = false)
    {
        var server = new MailServer();
        var listeners = new EndpointListenerFactory();
        listeners.EndpointStarted += (_, started) => server.Port = ((IPEndPoint)started.LocalEndPoint).Port;
        var services = new ServiceProvider();
        services.Add(listeners);
        services.Add(new Store(server));
        services.Add((IMailboxFilter)new Filter(server));
        services.Add((IUserAuthenticator)new Door(server));
        var options = new SmtpServerOptionsBuilder().ServerName("mail.test").Endpoint(endpoint =>
        {
            endpoint.Endpoint(new IPEndPoint(IPAddress.Loopback, 0)).IsSecure(fromTheStart).AuthenticationRequired(authentication).AllowUnsecureAuthentication(certificate is null);
            if (certificate is not null)
                endpoint.Certificate(certificate);
        }).Build();
        // It listens before it waits for the first time.
        server._runs = new SmtpServer.SmtpServer(options, services).StartAsync(server._stop.Token);
        server.Port.ShouldBeGreaterThan(0);
        return server;
    }

    /// <summary>A certificate for localhost that nobody but a test trusts.</summary>
    public static X509Certificate2 Certificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        using var made = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _runs.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private sealed class Store(MailServer server) : MessageStore
    {
        public override async Task<SmtpResponse> SaveAsync(ISessionContext context, IMessageTransaction transaction, ReadOnlySequence<byte> buffer, CancellationToken cancellationToken)
        {
            if (server.Answer.ReplyCode == SmtpReplyCode.Ok)
            {
                server.Texts.Enqueue(System.Text.Encoding.Latin1.GetString(buffer.ToArray()));
                server.Messages.Enqueue(await MimeMessage.LoadAsync(new MemoryStream(buffer.ToArray()), cancellationToken));
            }

            return server.Answer;
        }
    }

    private sealed class Filter(MailServer server) : MailboxFilter
    {
        public override Task<bool> CanAcceptFromAsync(ISessionContext context, IMailbox from, int size, CancellationToken cancellationToken) =>
            server.Sender is { } no ? throw new SmtpResponseException(no) : Task.FromResult(true);

        public override Task<bool> CanDeliverToAsync(ISessionContext context, IMailbox to, IMailbox from, CancellationToken cancellationToken) =>
            server.Recipient(to.AsAddress()) is { } no ? throw new SmtpResponseException(no) : Task.FromResult(true);
    }

    private sealed class Door(MailServer server) : UserAuthenticator
    {
        public override Task<bool> AuthenticateAsync(ISessionContext context, string user, string password, CancellationToken cancellationToken)
        {
            if (user != User || password != Password)
                return Task.FromResult(false);
            server.SignedIn.Enqueue(user);
            return Task.FromResult(true);
        }
    }
}
