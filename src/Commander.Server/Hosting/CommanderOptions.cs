using System.Net;
using Commander.Server.Access;
using Commander.Server.Alerting.Mail;
using Commander.Server.Alerting.Slack;
using Commander.Server.Hosting.SelfChecks;
using Commander.Server.Reasoning;
using Commander.Server.Storage.Postgres;

namespace Commander.Server.Hosting;

/// <summary>What the command line and the environment say.</summary>
internal sealed record CommanderOptions
{
    /// <summary>Where to listen. The default value is http://127.0.0.1:5080.</summary>
    public Uri Url { get; init; } = new("http://127.0.0.1:5080");

    /// <summary>The folder of the store, of keys and of training samples. The default value is data, with --demo data/demo.</summary>
    public string Data { get; init; } = "data";

    /// <summary>A file with the connection string of the database that facts are stored in; null for COMMANDER_CLUSTER.</summary>
    public string? ClusterFile { get; init; }

    /// <summary>The database that facts are stored in; null for SQLite in the folder.</summary>
    public Database? Cluster { get; init; }

    /// <summary>With a database: the address by which other nodes reach this one, and on which it listens for them. The default value is the loopback address: all nodes on one machine.</summary>
    public IPAddress NodeAddress { get; init; } = IPAddress.Loopback;

    /// <summary>With a database: the port for other nodes; 0, the default value, for a free one.</summary>
    public int SiloPort { get; init; }

    /// <summary>A policy file or a folder of them; null for none.</summary>
    public string? Policy { get; init; }

    /// <summary>Whether the demo shop runs.</summary>
    public bool Demo { get; init; }

    /// <summary>The key of Kestra's webhook path, resolved; null for none: then the path answers 404.</summary>
    public string? WebhookKey { get; init; }

    /// <summary>Whether that key is the demo's, which everybody knows: it opens only while access is open.</summary>
    public bool IsDemoKey { get; init; }

    /// <summary>Watches beyond this stand queued. The default value is 2,000.</summary>
    public int MaxWatches { get; init; } = 2000;

    /// <summary>An admin's token that is not stored; null for none.</summary>
    public string? AdminToken { get; init; }

    /// <summary>By which people sign in; null for none.</summary>
    public OpenId? OpenId { get; init; }

    /// <summary>Any of which may have signed an announcement.</summary>
    public IReadOnlyList<byte[]> IntakeSecrets { get; init; } = [];

    /// <summary>Any of which may have signed what GitHub sends; none: its path answers 404.</summary>
    public IReadOnlyList<byte[]> GitHubSecrets { get; init; } = [];

    /// <summary>Any of which may have signed what GitLab sends; none: its path answers 404.</summary>
    public IReadOnlyList<byte[]> GitLabSecrets { get; init; } = [];

    /// <summary>Any of which may have signed what PagerDuty sends; none: its path answers 404.</summary>
    public IReadOnlyList<byte[]> PagerDutySecrets { get; init; } = [];

    /// <summary>Any of which may have signed what Slack sends; none: its path answers 404.</summary>
    public IReadOnlyList<byte[]> SlackSecrets { get; init; } = [];

    /// <summary>How Slack is spoken to, and who may press buttons there.</summary>
    public SlackOptions Slack { get; init; } = new();

    /// <summary>Which language model is asked; null for none.</summary>
    public ReasoningOptions? Reasoning { get; init; }

    /// <summary>By which mail server e-mail goes out; null for none.</summary>
    public MailOptions? Mail { get; init; }

    /// <summary>Who is told that this process lives; null for nobody.</summary>
    public HeartbeatOptions? Heartbeat { get; init; }

    /// <summary>The address that people and other pages know it by, behind a proxy; null for where it listens.</summary>
    public Uri? PublicUrl { get; init; }

    /// <summary>The proxies whose word for who a caller is counts (X-Forwarded-For, -Proto, -Host).</summary>
    public IReadOnlyList<IPNetwork> TrustedProxies { get; init; } = [];

    /// <summary>Requests a second of one caller; null for no limit. The default value is 500.</summary>
    public int? RateLimit { get; init; } = 500;

    /// <summary>How long ticks are kept after a deployment was announced, at least a day. The default value is 90 days; null for ever.</summary>
    public TimeSpan? KeepEvidence { get; init; } = TimeSpan.FromDays(90);

    /// <summary>How long training samples are kept after their deployment was announced, at least a day. The default value is 730 days; null for ever.</summary>
    public TimeSpan? KeepSamples { get; init; } = TimeSpan.FromDays(730);

    /// <summary>Without keys, tokens and secrets, wherever it may be written.</summary>
    public override string ToString() => $"{nameof(CommanderOptions)} {{ Url = {Url}, Data = {Data}, Cluster = {Cluster}, Policy = {Policy}, Demo = {Demo} }}";
}
