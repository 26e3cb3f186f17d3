using System.Text.Json.Serialization;

namespace Commander.Judging.Verdicts;

/// <summary>A deployment with all that became of it: the resource of the API, the value behind every page and report.</summary>
/// <param name="Id">dep- and a ULID.</param>
/// <param name="Service">The service.</param>
/// <param name="Environment">The environment.</param>
/// <param name="Version">The new version.</param>
/// <param name="PreviousVersion">The old version; null when nobody knows it.</param>
/// <param name="State">queued, watching, waiting_for_person, acting, verifying, observing or closed.</param>
/// <param name="ClosedReason">decided, on_hold, superseded, cancelled or failed; null while open.</param>
/// <param name="StartedAt">When the rollout began.</param>
/// <param name="ReceivedAt">When it was announced.</param>
/// <param name="EndsAt">When the watch ends as things stand.</param>
/// <param name="Policy">The pinned policy.</param>
/// <param name="Reference">The arm most metrics are compared with; null while none is chosen.</param>
/// <param name="Verdict">The newest judgement; null before the first.</param>
/// <param name="Verdicts">Every change of the judgement, oldest first.</param>
/// <param name="Actions">Every action, oldest first.</param>
/// <param name="Outcome">What it really was; null while unknown.</param>
/// <param name="Url">Where a person reads about it.</param>
public sealed record Deployment(
    string Id,
    string Service,
    string Environment,
    string Version,
    string? PreviousVersion,
    string State,
    string? ClosedReason,
    DateTimeOffset StartedAt,
    DateTimeOffset ReceivedAt,
    DateTimeOffset EndsAt,
    PolicyReference Policy,
    string? Reference,
    Verdict? Verdict,
    IReadOnlyList<VerdictEntry> Verdicts,
    IReadOnlyList<ActionEntry> Actions,
    Outcome? Outcome,
    string Url)
{
    /// <summary>Where the change can be read about, if the announcement said so.</summary>
    public string? ChangeUrl { get; init; }

    /// <summary>The commit, if the announcement said so.</summary>
    public string? Commit { get; init; }

    /// <summary>The repository, if the announcement said so.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Repository { get; init; }

    /// <summary>release, config, flag or infra.</summary>
    public string Kind { get; init; } = "release";

    /// <summary>Labels of the announcement.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The snapshot of metrics that came with the announcement; null for none.</summary>
    public IReadOnlyDictionary<string, double>? Metrics { get; init; }

    /// <summary>The health score behind the verdict's whole number, unrounded; null without a verdict or a value.</summary>
    public double? Health { get; init; }

    /// <summary>The newest question to the language model; null when none was asked.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ReasoningNote? Reasoning { get; init; }

    /// <summary>What kind of error a ROLLBACK looks like; null while nothing was rolled back.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DiagnosisNote? Diagnosis { get; init; }

    /// <summary>Everything that was ever said of what it really was, oldest first; one of it stands. Nothing is taken out. Null for nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<OutcomeLabel>? Outcomes { get; init; }

    /// <summary>Whether some say GOOD and others BAD.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Contested { get; init; }

    /// <summary>What a page must say beside the verdict: what is missing, what waits, what was refused.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
}

/// <summary>What came of a question to the language model, beside the opinion itself.</summary>
/// <param name="State">asked, answered or none.</param>
/// <param name="Purpose">advise, or explain: then it changes nothing.</param>
/// <param name="Model">Who was asked.</param>
/// <param name="At">When it was asked, and once there is an answer, when that came.</param>
/// <param name="Missing">Why there is no opinion, or why it is not grounded.</param>
/// <param name="ErrorType">What kind of error it names.</param>
/// <param name="PromptHash">SHA-256 of the question.</param>
/// <param name="TookMs">How long it took.</param>
/// <param name="Tokens">Of prompt and answer.</param>
/// <param name="Cost">In the currency of the configured price; null where there is none.</param>
/// <param name="Cached">Whether the same question had been answered before.</param>
/// <param name="Withheld">How many texts from outside read like an instruction and were kept from the model.</param>
public sealed record ReasoningNote(
    string State,
    string Purpose,
    string Model,
    DateTimeOffset At,
    string? Missing,
    string? ErrorType,
    string? PromptHash,
    double? TookMs,
    int Tokens,
    double? Cost,
    bool Cached,
    int Withheld);

/// <summary>What a bad deployment looks like to whoever mends it. What logs and commits say was written by others: it is data.</summary>
/// <param name="ErrorType">memory_leak, database_timeout, performance, dependency_failure, configuration, crash_loop, code_defect, traffic or unknown.</param>
/// <param name="By">rules, or model where the rules found nothing.</param>
/// <param name="Confidence">strong or weak.</param>
/// <param name="Evidence">What says so, the strongest first.</param>
/// <param name="Logs">The kinds of log lines, new in the candidate first.</param>
/// <param name="Commits">The commits since the previous version, newest first.</param>
/// <param name="Missing">What could not be read.</param>
public sealed record DiagnosisNote(
    string ErrorType,
    string By,
    string Confidence,
    IReadOnlyList<string> Evidence,
    IReadOnlyList<LogNote> Logs,
    IReadOnlyList<CommitNote> Commits,
    IReadOnlyList<string> Missing);

/// <summary>One kind of log line.</summary>
/// <param name="Id">l1, l2 ...</param>
/// <param name="Template">What its lines have in common.</param>
/// <param name="Candidate">How many lines of the candidate.</param>
/// <param name="Control">How many of the control.</param>
public sealed record LogNote(string Id, string Template, int Candidate, int Control);

/// <summary>One commit.</summary>
/// <param name="Id">c1, c2 ...</param>
/// <param name="Commit">The first digits of its hash.</param>
/// <param name="Title">The first line of its message.</param>
public sealed record CommitNote(string Id, string Commit, string Title);

/// <summary>The pinned policy: its name and content hash.</summary>
public sealed record PolicyReference(string Name, string Version);

/// <summary>One entry of the verdict's history.</summary>
public sealed record VerdictEntry(string Decision, bool Final, DateTimeOffset At, string Reason);

/// <summary>One action: intent first, result after.</summary>
/// <param name="Kind">rollback, keep, alert, status or fix.</param>
/// <param name="State">intended, running, done, failed or refused.</param>
/// <param name="Key">DEPLOYMENT/KIND/N.</param>
/// <param name="Target">Where it takes effect.</param>
/// <param name="By">policy, or the person.</param>
/// <param name="RequestedAt">When the intent was stored.</param>
/// <param name="FinishedAt">When the result was; null while it runs.</param>
/// <param name="ServingVersion">What the platform said serves afterwards.</param>
/// <param name="Recovered">Whether the metrics came back; null while that is not known.</param>
/// <param name="Message">One sentence for a person.</param>
public sealed record ActionEntry(
    string Kind,
    string State,
    string Key,
    string Target,
    string By,
    DateTimeOffset RequestedAt,
    DateTimeOffset? FinishedAt,
    string? ServingVersion,
    bool? Recovered,
    string? Message);

/// <summary>What a deployment really was, and how that is known.</summary>
/// <param name="Label">GOOD, BAD or UNKNOWN.</param>
/// <param name="Source">recovered-after-rollback, quiet-period, person ...</param>
/// <param name="At">When it was labelled.</param>
public sealed record Outcome(string Label, string Source, DateTimeOffset At);

/// <summary>What somebody or something said a deployment really was. Who and why are written by others: they are data.</summary>
/// <param name="Label">GOOD, BAD or UNKNOWN.</param>
/// <param name="Source">person, incident, revert-commit, fix-commit, redeployed-fine, recovered-after-rollback, quiet-period, unverified or superseded.</param>
/// <param name="Trust">How much the source is worth: 0, which says nothing, to 90, a person.</param>
/// <param name="At">When it was said.</param>
/// <param name="By">Who or what: a person, an incident, a commit, another deployment; null for Commander itself.</param>
/// <param name="Note">Why; null for none.</param>
/// <param name="Standing">Whether it is what holds.</param>
public sealed record OutcomeLabel(string Label, string Source, int Trust, DateTimeOffset At, string? By, string? Note, bool Standing);
