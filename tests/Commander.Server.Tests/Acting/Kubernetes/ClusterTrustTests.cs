using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Commander.Server.Connections.Kubernetes;

namespace Commander.Server.Tests.Acting.Kubernetes;

/// <summary>Which servers get the token: those whose certificate is trusted and says the server's name.</summary>
public sealed class ClusterTrustTests
{
    [Theory]
    [InlineData("127.0.0.1", true, true)]
    [InlineData("127.0.0.1", false, false)]
    [InlineData("10.9.8.7", true, false)]
    public async Task A_server_is_asked_when_its_certificate_is_of_the_authority_and_says_its_name(string address, bool authority, bool trusted)
    {
        using var certificate = Certificate(address);
        using var other = Certificate(address);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var seen = new List<string>();
        var serving = Serve(listener, certificate, seen, patience.Token);

        var pem = (authority ? certificate : other).ExportCertificatePem();
        using var cluster = new Cluster(
            new Connection($"https://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}", "file:token", "file:ca.pem", null),
            TimeProvider.System,
            reference => reference == "file:token" ? "t0ken" : pem);
        var reply = await cluster.Send(HttpMethod.Get, "apis/apps/v1", null, patience.Token, CancellationToken.None);

        (reply.Body is not null).ShouldBe(trusted, reply.Trouble?.Message);
        seen.Count(s => s.Contains("Bearer t0ken", StringComparison.Ordinal)).ShouldBe(trusted ? 1 : 0);
        if (!trusted)
            reply.Trouble!.ShouldSatisfyAllConditions(t => t.Final.ShouldBeFalse(), t => t.Message.ShouldContain("SSL"));
        listener.Stop();
        await serving;
    }

    [Fact]
    public async Task Certificates_that_are_not_there_are_said_by_their_reference()
    {
        using var cluster = new Cluster(new Connection("https://127.0.0.1:1", null, "file:ca.pem", null), TimeProvider.System, _ => null);
        var reply = await cluster.Send(HttpMethod.Get, "apis", null, CancellationToken.None, CancellationToken.None);
        reply.Trouble!.Message.ShouldBe("the API server https://127.0.0.1:1 cannot be used: its certificates (file:ca.pem) are not there");
    }

    // One connection: the handshake, a request's head, an answer.
    private static async Task Serve(TcpListener listener, X509Certificate2 certificate, List<string> seen, CancellationToken cancel)
    {
        try
        {
            using var connection = await listener.AcceptTcpClientAsync(cancel);
            await using var stream = new SslStream(connection.GetStream());
            await stream.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate }, cancel);
            var buffer = new byte[16 * 1024];
            var head = "";
            while (!head.Contains("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(buffer, cancel) is > 0 and var read)
                head += Encoding.ASCII.GetString(buffer, 0, read);
            if (head.Length > 0)
                seen.Add(head);
            await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"u8.ToArray(), cancel);
        }
        catch (Exception e) when (e is IOException or SocketException or System.Security.Authentication.AuthenticationException)
        {
            // The client did not like the certificate and went away.
        }
    }

    private static X509Certificate2 Certificate(string address)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=kubernetes " + address, key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Parse(address));
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var now = TimeProvider.System.GetUtcNow();
        using var made = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        // The key must be one that the TLS stack can use.
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }
}
