using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Exceptions;

namespace Commander.Server.Connections.Kubernetes;

/// <summary>How a cluster is reached, as a policy says it; equal for targets of one cluster.</summary>
/// <param name="Server">The API server's address; null for a kubeconfig or the cluster that Commander runs in.</param>
/// <param name="Token">With a server: the reference of its bearer token.</param>
/// <param name="Authority">With a server: the reference of the PEM certificates that it is trusted by; null for those of the machine.</param>
/// <param name="Context">A context of the kubeconfig; null for the cluster that Commander runs in, else the current context.</param>
internal sealed record Connection(string? Server, string? Token, string? Authority, string? Context);

/// <summary>Why an API server did not do what it was asked.</summary>
/// <param name="Status">The HTTP status; 0 without an answer.</param>
/// <param name="Final">Whether asking again will not help.</param>
/// <param name="Message">One sentence for a person.</param>
internal sealed record Trouble(int Status, bool Final, string Message);

/// <summary>What an API server answered: a body, or trouble.</summary>
internal sealed record Reply(JsonNode? Body, Trouble? Trouble);

/// <summary>One API server: connects when it is first asked, waits when it is told to wait, and answers with data.</summary>
internal sealed class Cluster(Connection connection, TimeProvider clock, Func<string, string?> secret) : IDisposable
{
    private const int MaxAnswer = 16 << 20;
    private static readonly TimeSpan MaxWait = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Renewal = TimeSpan.FromMinutes(1);
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 64 };

    private readonly SemaphoreSlim _gate = new(1, 1);
    private k8s.Kubernetes? _client;
    private string? _serverName;
    private DateTimeOffset _connectedAt;
    private long _notBefore;

    /// <summary>Asks once.</summary>
    /// <param name="method">The method.</param>
    /// <param name="path">Path and query, below the server's address.</param>
    /// <param name="patch">A JSON patch; null for none.</param>
    /// <param name="deadline">When the answer is no longer waited for.</param>
    /// <param name="cancel">Ends the caller's work; only this is thrown.</param>
    public Task<Reply> Send(HttpMethod method, string path, JsonArray? patch, CancellationToken deadline, CancellationToken cancel) =>
        Exchange(method, path, patch, Read, deadline, cancel);

    /// <summary>Asks once for what is no object of the API but text: a log.</summary>
    /// <param name="path">Path and query, below the server's address.</param>
    /// <param name="most">Bytes that are read of it; what follows is left.</param>
    /// <param name="deadline">When the answer is no longer waited for.</param>
    /// <param name="cancel">Ends the caller's work; only this is thrown.</param>
    public async Task<(byte[] Text, Trouble? Trouble)> Text(string path, int most, CancellationToken deadline, CancellationToken cancel)
    {
        byte[] text = [];
        var reply = await Exchange(HttpMethod.Get, path, null, ReadText, deadline, cancel);
        return (text, reply.Trouble);

        async Task<Reply> ReadText(HttpResponseMessage response, string? sent, CancellationToken until)
        {
            if (!response.IsSuccessStatusCode)
                return await Read(response, sent, until);
            await using var stream = await response.Content.ReadAsStreamAsync(until);
            using var bytes = new MemoryStream();
            var buffer = new byte[64 * 1024];
            for (int read; bytes.Length < most && (read = await stream.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, most - bytes.Length)), until)) > 0;)
                bytes.Write(buffer, 0, read);
            text = bytes.ToArray();
            return new Reply(null, null);
        }
    }

    private async Task<Reply> Exchange(HttpMethod method, string path, JsonArray? patch, Func<HttpResponseMessage, string?, CancellationToken, Task<Reply>> answer, CancellationToken deadline, CancellationToken cancel)
    {
        var notBefore = new DateTimeOffset(Volatile.Read(ref _notBefore), TimeSpan.Zero);
        if (clock.GetUtcNow() < notBefore)
            return Failed(429, false, $"the API server asked to be left alone until {notBefore:HH:mm:ss}Z");
        try
        {
            var (client, reason) = await Connect(deadline);
            if (client is null)
                return Failed(0, false, reason!);
            using var request = new HttpRequestMessage(method, new Uri(client.BaseUri, path));
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
            // A log is text, errors are JSON: both are taken, as kubectl takes them.
            if (answer != Read)
                request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("*/*", 0.5));
            if (patch is not null)
                request.Content = new StringContent(patch.ToJsonString(), new MediaTypeHeaderValue("application/json-patch+json"));
            // The name that the certificate is checked against.
            request.Headers.Host = string.IsNullOrWhiteSpace(_serverName) ? null : _serverName;
            if (await Authenticate(client, request, deadline) is { } missing)
                return Failed(0, true, missing);
            using var response = await client.HttpClient.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline);
            return await answer(response, request.Headers.Authorization?.Parameter, deadline);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return Failed(0, false, "the API server did not answer in time");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or KubeConfigException or KubernetesClientException or ObjectDisposedException)
        {
            return Failed(0, false, $"the API server cannot be reached: {Foreign.Text(e.Message)}");
        }
    }

    public void Dispose()
    {
        _client?.Dispose();
        _gate.Dispose();
    }

    private static Reply Failed(int status, bool final, string message) => new(null, new Trouble(status, final, message));

    // ---- Connecting ----

    private async Task<(k8s.Kubernetes? Client, string? Reason)> Connect(CancellationToken deadline)
    {
        if (_client is { } connected)
            return (connected, null);
        await _gate.WaitAsync(deadline);
        try
        {
            if (_client is not null)
                return (_client, null);
            // Reads files and may run a credential plugin: not on this thread, and never longer than the deadline.
            var configuration = await Task.Run(Configure, deadline).WaitAsync(deadline);
            // The library's own check of a private authority passes over the name in the certificate; the platform's does not.
            var authorities = configuration.SslCaCerts;
            configuration.SslCaCerts = null;
            configuration.FirstMessageHandlerSetup = handler =>
            {
                (handler.AllowAutoRedirect, handler.UseCookies, handler.ConnectCallback) = (false, false, Outgoing.Connect);
                if (authorities is null)
                    return;
                var trusted = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
                trusted.CustomTrustStore.AddRange(authorities);
                handler.SslOptions.CertificateChainPolicy = trusted;
            };
            _serverName = configuration.TlsServerName;
            (_client, _connectedAt) = (new k8s.Kubernetes(configuration), clock.GetUtcNow());
            return (_client, null);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // A library's own exceptions of any kind: whatever is wrong with a file or a plugin is for a person to mend.
            return (null, $"{Where} cannot be used: {Foreign.Text(e.Message)}");
        }
        finally
        {
            _gate.Release();
        }
    }

    private string Where => connection switch
    {
        { Server: { } server } => $"the API server {server}",
        { Context: { } context } => $"the context {context} of the kubeconfig",
        _ => "the kubeconfig (there is no server and no context in the policy, and Commander does not run in a cluster)",
    };

    private KubernetesClientConfiguration Configure()
    {
        if (connection.Server is { } server)
        {
            var configuration = new KubernetesClientConfiguration { Host = server };
            if (connection.Authority is { } reference)
            {
                var authority = new X509Certificate2Collection();
                authority.ImportFromPem(secret(reference) ?? throw new CryptographicException($"its certificates ({reference}) are not there"));
                configuration.SslCaCerts = authority;
            }

            return configuration;
        }

        if (connection.Context is null && KubernetesClientConfiguration.IsInCluster())
            return KubernetesClientConfiguration.InClusterConfig();
        var files = Environment.GetEnvironmentVariable("KUBECONFIG") is { Length: > 0 } named
            ? named.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            : [KubernetesClientConfiguration.KubeConfigDefaultLocation];
        // The library would take localhost:8080 then, which nobody meant.
        if (!Array.Exists(files, File.Exists))
            throw new KubeConfigException($"there is no file {string.Join(", ", files)}");
        if (connection.Context is null)
            return KubernetesClientConfiguration.BuildDefaultConfig();
        var kubeconfig = files.Select(file => KubernetesClientConfiguration.LoadKubeConfig(new FileInfo(file)))
            .FirstOrDefault(config => config.Contexts?.Any(c => c.Name == connection.Context) == true);
        return kubeconfig is null
            ? throw new KubeConfigException($"there is no such context in {string.Join(", ", files)}")
            : KubernetesClientConfiguration.BuildConfigFromConfigObject(kubeconfig, connection.Context);
    }

    // The sentence why it cannot be done; null when the request carries what the server asks for.
    private async Task<string?> Authenticate(k8s.Kubernetes client, HttpRequestMessage request, CancellationToken deadline)
    {
        if (connection.Server is null)
        {
            try
            {
                if (client.Credentials is { } credentials)
                    await credentials.ProcessHttpRequestAsync(request, deadline).WaitAsync(deadline);
                return null;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // A token file that is being renewed, a plugin that failed: of any type, and perhaps better in a moment.
                throw new HttpRequestException($"its credentials cannot be used: {e.Message}", e);
            }
        }

        if (connection.Token is not { } reference)
            return null;
        // Read each time, so that a token that is renewed in its file is used.
        if (secret(reference) is not { Length: > 0 } token)
            return $"the API server is not asked: the token that the policy refers to ({reference}) is not there";
        if (!token.All(c => c is > ' ' and <= '~'))
            return $"the API server is not asked: the token that the policy refers to ({reference}) has characters that no token has";
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return null;
    }

    // A kubeconfig's certificates and tokens may have been renewed since it was read.
    private void Renew()
    {
        if (clock.GetUtcNow() - _connectedAt >= Renewal)
            Interlocked.Exchange(ref _client, null)?.Dispose();
    }

    // ---- Answers ----

    private async Task<Reply> Read(HttpResponseMessage response, string? sent, CancellationToken deadline)
    {
        var status = (int)response.StatusCode;
        var body = await Body(response, deadline);
        if (response.IsSuccessStatusCode)
            return body is null ? Failed(status, false, "what answers is no Kubernetes API server, or its answer is too large") : new Reply(body, null);
        if (status == 429)
            Volatile.Write(ref _notBefore, (clock.GetUtcNow() + Wait(response.Headers.RetryAfter)).UtcTicks);
        if (status == 401)
            Renew();
        var said = body.Text("kind") == "Status" ? Foreign.Text(Masked(body.Text("message"), sent)) : "";
        return response.StatusCode switch
        {
            // Credentials are read again for the next try: they may have been renewed in between.
            HttpStatusCode.Unauthorized => Failed(status, false, $"the API server does not accept Commander's credentials{After(said)}"),
            HttpStatusCode.Forbidden => Failed(status, true, $"Commander may not do that: {(said.Length > 0 ? said : "the API server answered 403")}; give it the Role in deploy/kubernetes/rbac.yaml"),
            // Without a Status it is some other server's, or a proxy's, and may be back in a moment.
            HttpStatusCode.NotFound => Failed(status, said.Length > 0, said.Length > 0 ? said : "what answers with 404 is no Kubernetes API server"),
            HttpStatusCode.Conflict or HttpStatusCode.Gone or HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests =>
                Failed(status, false, $"the API server answered {status}{After(said)}"),
            _ => Failed(status, status is >= 400 and < 500, $"the API server answered {status}{After(said)}"),
        };

        static string After(string said) => said.Length > 0 ? ": " + said : "";
    }

    // Whatever the other side says, it must not hand the credential on into facts and pages. Before it is shortened: half a secret is one too.
    private static string? Masked(string? said, string? sent) => sent is { Length: > 0 } ? said?.Replace(sent, "***", StringComparison.Ordinal) : said;

    private static async Task<JsonNode?> Body(HttpResponseMessage response, CancellationToken deadline)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(deadline);
        using var bytes = new MemoryStream();
        var buffer = new byte[64 * 1024];
        for (int read; (read = await stream.ReadAsync(buffer, deadline)) > 0;)
        {
            bytes.Write(buffer, 0, read);
            if (bytes.Length > MaxAnswer)
                return null;
        }

        try
        {
            return JsonNode.Parse(bytes.GetBuffer().AsSpan(0, (int)bytes.Length), null, Strict);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private TimeSpan Wait(RetryConditionHeaderValue? header)
    {
        var asked = header?.Delta ?? (header?.Date is { } date ? date - clock.GetUtcNow() : TimeSpan.FromSeconds(1));
        return asked < TimeSpan.Zero ? TimeSpan.Zero : asked > MaxWait ? MaxWait : asked;
    }
}
