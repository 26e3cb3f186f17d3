using System.Text.Json;
using System.Text.Json.Serialization;
using Commander.Judging;
using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;
using Commander.Server.Alerting;
using Commander.Server.Fixing;
using Commander.Server.Learning;
using Commander.Server.Reasoning;
using Commander.Server.Reasoning.Context;

namespace Commander.Server.Loop;

/// <summary>The kinds of facts in a deployment's stream. All bodies are version 1; a changed form gets a new version and a reader for every old one.</summary>
internal static class FactKind
{
    /// <summary>Step 1: the announcement, always seq 1.</summary>
    public const string Received = "received";

    /// <summary>Another announcement of the same deployment added fields.</summary>
    public const string Joined = "joined";

    /// <summary>Step 2: the watch starts; policy, model and judge are pinned by content hash.</summary>
    public const string Pinned = "pinned";

    /// <summary>Step 3: everything measured for one interval; n &lt;= 0 is the past. Form: <see cref="TickCodec"/>.</summary>
    public const string Tick = "tick";

    /// <summary>Step 4: the reference, or what is judged, changed.</summary>
    public const string Reference = "reference";

    /// <summary>Step 5: which other deployments began shortly before the ROLLBACK that follows.</summary>
    public const string Neighbours = "neighbours";

    /// <summary>Step 5: the judgement changed.</summary>
    public const string Verdict = "verdict";

    /// <summary>Step 5: the language model is asked; whoever owns the watch until then hears the answer.</summary>
    public const string Asked = "asked";

    /// <summary>Step 5: what the language model said, or why it said nothing. Form: <see cref="OpinionBody"/>.</summary>
    public const string Opinion = "opinion";

    /// <summary>Step 5: what kind of error a ROLLBACK looks like, with what logs and commits say.</summary>
    public const string Diagnosis = "diagnosis";

    /// <summary>Step 6: the watch's state changed, with the reason where there is one.</summary>
    public const string State = "state";

    /// <summary>Step 6: a person decided.</summary>
    public const string Person = "person";

    /// <summary>Step 7: the intent, stored before anything is done.</summary>
    public const string Intent = "intent";

    /// <summary>Step 7: what became of the intent; the last one counts.</summary>
    public const string Result = "result";

    /// <summary>Step 7: somebody is to be told, stored with what they are told of.</summary>
    public const string Alert = "alert";

    /// <summary>Step 7: what came of telling them; the last one of a key counts.</summary>
    public const string Told = "told";

    /// <summary>Step 8: what the deployment really was.</summary>
    public const string Outcome = "outcome";

    /// <summary>Another version of the service was announced; the watch ends when no action of it is under way.</summary>
    public const string Superseded = "superseded";

    /// <summary>The end, with the final verdict.</summary>
    public const string Closed = "closed";
}

internal sealed record ReceivedBody(
    string Id,
    string Service,
    string Environment,
    string Version,
    string? PreviousVersion,
    DateTimeOffset StartedAt,
    string? Commit,
    string? Repository,
    string? ChangeUrl,
    IReadOnlyDictionary<string, string> Labels,
    string Kind,
    IReadOnlyDictionary<string, double>? Metrics,
    DateTimeOffset EndsAt,
    string Intake,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JsonElement? Trigger = null);

internal sealed record JoinedBody(
    string? PreviousVersion,
    string? Commit,
    string? Repository,
    string? ChangeUrl,
    IReadOnlyDictionary<string, string> Labels,
    string Intake);

internal sealed record PinnedBody(
    string Policy,
    string PolicyHash,
    string Model,
    string ModelHash,
    string Judge,
    string? PreviousVersion,
    bool Restarted,
    DateTimeOffset EndsAt,
    string? Missing);

internal sealed record ReferenceBody(Subject Subject, Arm To, string? Metric, string Reason);

/// <param name="State">The state from here on.</param>
/// <param name="EndsAt">When the watch ends as things stand.</param>
/// <param name="Note">What a person should know.</param>
/// <param name="Passing">Whether the note holds only until something else happens: a wait, a question, what could not be done.</param>
/// <param name="Verdict">The standing verdict with the numbers of this moment, where a question to a person ends.</param>
internal sealed record StateBody(
    string State,
    DateTimeOffset EndsAt,
    string? Note,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Passing = false,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Verdict? Verdict = null);

/// <param name="Purpose">What for.</param>
/// <param name="Model">Who is asked.</param>
/// <param name="Until">From then on the verdict stands without it.</param>
internal sealed record AskedBody(Purpose Purpose, string Model, DateTimeOffset Until);

/// <param name="Error">What kind of error it looks like, by rules.</param>
/// <param name="Around">What the logs say and what changed.</param>
internal sealed record DiagnosisBody(ErrorType Error, Surroundings Around)
{
    /// <summary>Whether there is anything to tell.</summary>
    [JsonIgnore]
    public bool Says => Error.Type != ErrorTypes.Unknown || Around.Logs.Lines.Count > 0 || Around.Changes.Commits.Count > 0 || Around.Missing.Count > 0;
}

internal sealed record PersonBody(string Decision, string By, string? Reason);

internal sealed record IntentBody(string Kind, string Key, string Target, string? TargetVersion, string By, string? Fence);

internal sealed record ResultBody(string Key, string State, string? ServingVersion, bool? Recovered, string? Message);

/// <param name="Key">DEPLOYMENT/alert/N.</param>
/// <param name="Entry">Which entry of the pinned policy's <c>alert</c>.</param>
/// <param name="Target">The channel as people know it, without a secret.</param>
/// <param name="Occasion">What happened.</param>
/// <param name="Severity">How urgent it is.</param>
internal sealed record AlertBody(string Key, int Entry, string Target, string Occasion, Severity Severity)
{
    /// <summary>When the quiet hours end; null for at once.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? NotBefore { get; init; }
}

/// <param name="Key">The alert's.</param>
/// <param name="State">done; running: not told yet, and tried again; failed: given up.</param>
/// <param name="Message">Why not.</param>
internal sealed record ToldBody(string Key, string State, string? Message)
{
    /// <summary>By what the channel knows it again.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Reference { get; init; }

    /// <summary>While it could not be told: when it is tried again.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? RetryAt { get; init; }
}

/// <param name="Label">GOOD, BAD or UNKNOWN.</param>
/// <param name="Source">One of <see cref="OutcomeSources"/>.</param>
/// <param name="By">Who or what says so.</param>
/// <param name="Note">Why.</param>
internal sealed record OutcomeBody(string Label, string Source, string? By, string? Note)
{
    /// <summary>The label that it is. How much a source is worth stands in no fact: it is what this version holds of it.</summary>
    public OutcomeLabel Said(DateTimeOffset at) => new(Label, Source, Outcomes.Trust(Source), at, By, Note, false);
}

internal sealed record SupersededBody(string By, string Version);

internal sealed record ClosedBody(string Reason, Verdict? Verdict);

/// <summary>Bodies to bytes and back.</summary>
internal static class FactBody
{
    public static byte[] Write<T>(T body) => JsonSerializer.SerializeToUtf8Bytes(body, Json.Tolerant);

    public static T Read<T>(ReadOnlySpan<byte> body) =>
        JsonSerializer.Deserialize<T>(body, Json.Tolerant) ?? throw new JsonException("a fact's body is null");
}
