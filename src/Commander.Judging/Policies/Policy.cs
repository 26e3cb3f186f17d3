using System.Text.Json.Serialization;
using Commander.Judging.Evidence;

namespace Commander.Judging.Policies;

/// <summary>Which arm a candidate is compared with.</summary>
public enum Compare
{
    /// <summary>The best that exists: control, else seasonal (gauges), else before.</summary>
    Auto = 0,
    /// <summary>The old version in the same seconds.</summary>
    Control,
    /// <summary>The past.</summary>
    Before,
    /// <summary>The same clock time a day or week ago.</summary>
    Seasonal,
}

/// <summary>What it means when the candidate is silent while the control has traffic.</summary>
public enum NoData
{
    /// <summary>It is dead: an alarm.</summary>
    Rollback = 0,
    /// <summary>Not decided.</summary>
    Hold,
    /// <summary>Nothing.</summary>
    Ignore,
}

/// <summary>What the language model may do.</summary>
public enum Authority
{
    /// <summary>Never asked.</summary>
    Off = 0,
    /// <summary>Writes the reasoning, changes nothing.</summary>
    Explain,
    /// <summary>May turn CONTINUE or a mild ROLLBACK into HOLD.</summary>
    Advise,
    /// <summary>Chooses, within its bounds.</summary>
    Decide,
}

/// <summary>What Commander may do by itself.</summary>
public enum Autonomy
{
    /// <summary>Only record.</summary>
    Observe = 0,
    /// <summary>Ask a person.</summary>
    Recommend,
    /// <summary>Act.</summary>
    Enforce,
}

/// <summary>One service in one environment: what to watch, how to judge it, what may be done. Fully resolved: presets, defaults and environment overrides are already in it.</summary>
/// <param name="Name">The policy's name: the service's, or "defaults".</param>
/// <param name="Environment">The environment whose overrides are in it; null where there were none.</param>
/// <param name="Source">The name of the source; null when nothing can be measured.</param>
/// <param name="Metrics">What is watched; at most <see cref="MaxMetrics"/>.</param>
/// <param name="Compare">The reference.</param>
/// <param name="NoData">What a silent candidate means.</param>
/// <param name="Watch">Timing.</param>
/// <param name="Decide">Budget, cost and the language model's authority.</param>
/// <param name="Act">What may be done.</param>
/// <param name="Fix">Where a fix may be opened; null for none.</param>
/// <param name="Alert">Who is told.</param>
/// <param name="Learn">Exploration and training.</param>
public sealed record Policy(
    string Name,
    string? Environment,
    string? Source,
    IReadOnlyList<MetricPolicy> Metrics,
    Compare Compare,
    NoData NoData,
    WatchPolicy Watch,
    DecidePolicy Decide,
    ActPolicy Act,
    FixPolicy? Fix,
    IReadOnlyList<AlertPolicy> Alert,
    LearnPolicy Learn)
{
    /// <summary>Where the log lines of the service are read; null: nowhere.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ContextPolicy? Logs { get; init; }

    /// <summary>Where the commits between two versions are read; null: nowhere.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ContextPolicy? Changes { get; init; }

    /// <summary>More metrics than this would not fit into a watch's state of 16 KB.</summary>
    public const int MaxMetrics = 16;
}

/// <summary>One metric.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">How its numbers are to be read.</param>
/// <param name="Family">Which vote it belongs to.</param>
/// <param name="Direction">In which direction a difference is harm.</param>
/// <param name="Query">Histogram, gauge, count: the query template.</param>
/// <param name="Bad">Ratio: the query template of the bad events.</param>
/// <param name="Total">Ratio: the query template of all events.</param>
/// <param name="Quantile">Histogram: which quantile is shown and compared, 0..1.</param>
/// <param name="Tolerance">The smallest difference worth a rollback.</param>
/// <param name="Floor">In the metric's unit: added to both sides before a relative comparison, so that noise near zero is no difference.</param>
/// <param name="Objective">In the metric's unit: the level that must hold whatever the reference is; null for none.</param>
/// <param name="Critical">Whether CONTINUE needs its upper limit below the tolerance even when it is a gauge or count (ratios and histograms marked so always do).</param>
/// <param name="Unit">What levels are shown in: %, ms, count, MB ...</param>
/// <param name="Scale">Multiplies the source's numbers (and bucket edges) into <paramref name="Unit"/>: 1000 where the source has seconds and the unit is ms.</param>
/// <param name="Window">For queries that are rates already: the range that they look back; null otherwise.</param>
/// <param name="Warmup">How long after a restart its values are not judged.</param>
public sealed record MetricPolicy(
    string Name,
    MetricKind Kind,
    Family Family,
    Direction Direction,
    string? Query,
    string? Bad,
    string? Total,
    double Quantile,
    Tolerance Tolerance,
    double Floor,
    double? Objective,
    bool Critical,
    string Unit,
    double Scale,
    TimeSpan? Window,
    TimeSpan Warmup);

/// <summary>The smallest difference worth a rollback.</summary>
/// <param name="Amount">Absolute: in the metric's unit (percentage points for ratios). Relative: a fraction of the reference, 0.2 for 20 %. Above 0.</param>
/// <param name="Relative">Whether <paramref name="Amount"/> is a fraction of the reference.</param>
public readonly record struct Tolerance(double Amount, bool Relative);

/// <summary>Timing of a watch.</summary>
/// <param name="Step">Length of a tick.</param>
/// <param name="Lag">How long after a tick's end it is asked for.</param>
/// <param name="Min">CONTINUE is not given earlier.</param>
/// <param name="Max">A watch without a verdict ends then.</param>
/// <param name="Reference">How far back the arm before reaches.</param>
/// <param name="After">How long the watch goes on after a verdict.</param>
/// <param name="Slow">How long after CONTINUE the slow layer looks for leaks and late faults, at most as long as <paramref name="After"/>; zero: not at all.</param>
/// <param name="ExpectTraffic">Whether a service without any traffic is worth a word.</param>
/// <param name="OnHold">What happens when <paramref name="Max"/> is reached on HOLD: page, continue or rollback.</param>
public sealed record WatchPolicy(
    TimeSpan Step,
    TimeSpan Lag,
    TimeSpan Min,
    TimeSpan Max,
    TimeSpan Reference,
    TimeSpan After,
    TimeSpan Slow,
    bool ExpectTraffic,
    string OnHold)
{
    /// <summary>The candidate's intended share of the requests while both versions serve, above 0 and below 1; null: none is intended.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Share { get; init; }

    /// <summary>From this long after the verdict on, ticks cover <see cref="CoarseStep"/>.</summary>
    public static readonly TimeSpan CoarseAfter = TimeSpan.FromMinutes(5);

    /// <summary>The length of the later ticks.</summary>
    public static readonly TimeSpan CoarseStep = TimeSpan.FromMinutes(1);
}

/// <summary>How the judge decides.</summary>
/// <param name="FalseAlarms">The chance that a harmless deployment is ever rolled back, 0..1, exclusive.</param>
/// <param name="FalseRollbackCost">Cost of a rollback that was not needed, in any unit, above 0.</param>
/// <param name="MissedCost">Cost of a bad deployment left running, in the same unit, above 0.</param>
/// <param name="Reasoning">What the language model may do.</param>
public sealed record DecidePolicy(double FalseAlarms, double FalseRollbackCost, double MissedCost, Authority Reasoning)
{
    /// <summary>ROLLBACK needs P(BAD) of at least this.</summary>
    public double Threshold => FalseRollbackCost / (FalseRollbackCost + MissedCost);
}

/// <summary>What may be done.</summary>
/// <param name="Autonomy">How much Commander does by itself.</param>
/// <param name="Rollback">The rollback target; null when there is none.</param>
/// <param name="Late">The autonomy for an alarm after CONTINUE.</param>
/// <param name="AskFor">How long a person is waited for.</param>
/// <param name="Cooldown">After a rollback of the service none other starts for this long.</param>
/// <param name="MaxPerHour">At most so many rollbacks of the service an hour; null for no limit.</param>
/// <param name="Irreversible">Labels or kinds of deployments that cannot be undone: hold and page.</param>
public sealed record ActPolicy(
    Autonomy Autonomy,
    RollbackPolicy? Rollback,
    Autonomy Late,
    TimeSpan AskFor,
    TimeSpan Cooldown,
    int? MaxPerHour,
    IReadOnlyList<string> Irreversible);

/// <summary>A rollback target.</summary>
/// <param name="Type">kubernetes, argo, git, command or webhook.</param>
/// <param name="Settings">The target's own keys, as text; secrets are references, never values.</param>
/// <param name="Run">For type command: program and arguments.</param>
/// <param name="Timeout">How long one call may take.</param>
public sealed record RollbackPolicy(string Type, IReadOnlyDictionary<string, string> Settings, IReadOnlyList<string> Run, TimeSpan Timeout)
{
    /// <summary>For type command: program and arguments that print the serving version on the first line; empty when there is none.</summary>
    public IReadOnlyList<string> State { get; init; } = [];
}

/// <summary>Where a fix may be opened.</summary>
public sealed record FixPolicy(string Repository, string Agent, string? Test, bool AutoMerge);

/// <summary>Where something is read that explains a verdict and never makes one: log lines, commits.</summary>
/// <param name="Type">logs: loki, elasticsearch or kubernetes; changes: github, gitlab or git.</param>
/// <param name="Settings">The type's own keys, as text; secrets are references, never values.</param>
public sealed record ContextPolicy(string Type, IReadOnlyDictionary<string, string> Settings);

/// <summary>Who is told of what.</summary>
/// <param name="Channel">slack, pagerduty, teams, discord, email, webhook, github, grafana.</param>
/// <param name="To">The channel's address: a name of its own kind, a URL, or a reference to a secret.</param>
/// <param name="On">rollback, hold, continue, outcome, failed, system.</param>
public sealed record AlertPolicy(string Channel, string To, IReadOnlyList<string> On)
{
    /// <summary>The channel's own keys, as text; secrets are references, never values.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, string>? Settings { get; init; }

    /// <summary>What is less severe is not told: info, warning or critical; null for everything.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Severity { get; init; }

    /// <summary>A Liquid template in the place of the sentence that an alert says; null for Commander's own.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Template { get; init; }

    /// <summary>When what is not critical waits; null for never.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public QuietHours? Quiet { get; init; }
}

/// <summary>Hours of every day, by a clock on a wall somewhere, in which only what is critical is told at once.</summary>
/// <param name="From">When they begin.</param>
/// <param name="To">When they end; before <paramref name="From"/> for the next day.</param>
/// <param name="Zone">The time zone's name in the tz database: Europe/Berlin, or UTC.</param>
public sealed record QuietHours(TimeOnly From, TimeOnly To, string Zone);

/// <summary>Learning.</summary>
/// <param name="Explore">The share of mild alarms that become HOLD so that the truth is seen, 0..0.05.</param>
/// <param name="Train">off or daily.</param>
/// <param name="Oumi">off or on: write training files in its formats.</param>
public sealed record LearnPolicy(double Explore, string Train, string Oumi);

/// <summary>A source as the policy file names it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">prometheus, datadog, cloudwatch, scrape or json.</param>
/// <param name="Settings">The source's own keys, as text; secrets are references, never values. Nested keys are joined by a dot (targets.candidate).</param>
public sealed record SourceSettings(string Name, string Type, IReadOnlyDictionary<string, string> Settings);

/// <summary>A policy file or folder, read and valid.</summary>
/// <param name="Sources">By name.</param>
/// <param name="Defaults">For services that the file does not name.</param>
/// <param name="Services">By service name and environment; key is "service", "service/environment", or "*/environment" for the defaults with an environment's overrides.</param>
public sealed record PolicySet(
    IReadOnlyDictionary<string, SourceSettings> Sources,
    Policy Defaults,
    IReadOnlyDictionary<string, Policy> Services)
{
    /// <summary>Stands for every service that the file does not name.</summary>
    public const string AnyService = "*";

    /// <summary>The shipped policy, where there is no file: nothing can be measured, so everything is only recorded. Its values are the defaults of every key.</summary>
    public static readonly PolicySet Empty = new(
        new Dictionary<string, SourceSettings>(StringComparer.Ordinal),
        new Policy(
            "defaults",
            Environment: null,
            Source: null,
            Metrics: [],
            Compare.Auto,
            NoData.Rollback,
            new WatchPolicy(
                Step: TimeSpan.FromSeconds(15),
                Lag: TimeSpan.FromSeconds(30),
                Min: TimeSpan.FromMinutes(2),
                Max: TimeSpan.FromMinutes(30),
                Reference: TimeSpan.FromMinutes(30),
                After: TimeSpan.FromMinutes(30),
                Slow: TimeSpan.FromHours(6),
                ExpectTraffic: true,
                OnHold: "page"),
            new DecidePolicy(FalseAlarms: 0.01, FalseRollbackCost: 1, MissedCost: 9, Authority.Advise),
            new ActPolicy(
                Autonomy.Observe,
                Rollback: null,
                Late: Autonomy.Recommend,
                AskFor: TimeSpan.FromMinutes(15),
                Cooldown: TimeSpan.FromMinutes(30),
                MaxPerHour: 3,
                Irreversible: []),
            Fix: null,
            Alert: [],
            new LearnPolicy(Explore: 0, Train: "daily", Oumi: "off")),
        new Dictionary<string, Policy>(StringComparer.Ordinal));

    /// <summary>The policy of a service in an environment: its own with the environment's overrides, its own, the defaults with them, the defaults.</summary>
    public Policy For(string service, string environment)
    {
        if (Services.TryGetValue(service + "/" + environment, out var policy) || Services.TryGetValue(service, out policy))
            return policy;
        return Services.TryGetValue(AnyService + "/" + environment, out policy) ? policy : Defaults;
    }

    /// <summary>The one policy that watches something: its only service's, else the defaults; null when neither does.</summary>
    public Policy? Only()
    {
        Policy[] services = [.. Services.Where(static entry => !entry.Key.Contains('/', StringComparison.Ordinal)).Select(static entry => entry.Value)];
        var policy = services is [var only] ? only : Defaults;
        return policy.Metrics.Count > 0 ? policy : null;
    }
}
