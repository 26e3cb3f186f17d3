using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Commander.Judging;
using Commander.Judging.Backtest;

namespace Commander.Cli;

/// <summary>What is asked for on the command line.</summary>
/// <param name="Path">The case file.</param>
/// <param name="Authorities">advise, decide.</param>
/// <param name="Policy">A policy file; null for none.</param>
/// <param name="Attacks">How many attacks per case that is asked about; null: the server's default.</param>
/// <param name="Limit">Only so many cases; null: all.</param>
/// <param name="MaxTokens">How many tokens at most; null: the server's default.</param>
internal sealed record EvaluationFile(string Path, IReadOnlyList<string> Authorities, string? Policy, int? Attacks, int? Limit, int? MaxTokens);

/// <summary>What the server is sent.</summary>
internal sealed record EvaluationOrder(
    IReadOnlyList<string> Cases,
    IReadOnlyList<string> Authorities,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Policy,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? Attacks,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? MaxTokens);

/// <summary>Measures a server's language model on a case file: reads the file here, lets the server ask, shows what came of it.</summary>
internal static class Evaluating
{
    public const string Kind = "evaluate-reasoning";

    /// <summary>More cases in one job are refused by the server.</summary>
    public const int MostCases = 2000;

    private const int MaxBody = 8 << 20;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan SaidEvery = TimeSpan.FromSeconds(2);

    /// <summary>Reads and checks the file.</summary>
    /// <exception cref="Failure">It cannot be read, a line of it is no case, or it is too large for one job.</exception>
    public static EvaluationOrder Read(EvaluationFile file, string? policy)
    {
        var cases = new List<string>();
        // Quotation marks take two bytes in a body.
        long bytes = (policy?.Length ?? 0) * 2L;
        var ids = new CaseIds();
        Backtesting.NoFolder(file.Path);
        using var stream = new FileStream(file.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 1 << 16);
        foreach (var (number, line) in Backtesting.Lines(stream, file.Path))
        {
            try
            {
                ids.Add(Backtesting.Parse(line, number, file.Path), number);
            }
            catch (RefusedException refused)
            {
                throw new Failure($"{file.Path}: {refused.Message}");
            }

            bytes += line.Length + line.Count(static one => one is (byte)'"' or (byte)'\\') + 3;
            if (cases.Count == MostCases || bytes > MaxBody - 4096)
                throw new Failure($"{file.Path} has more than {cases.Count} cases, which is as many as fit into one job (at most {MostCases}, {MaxBody >> 20} MiB)", $"give --limit {cases.Count}, or cut the file");
            cases.Add(Encoding.UTF8.GetString(line));
            if (cases.Count == file.Limit)
                break;
        }

        return cases.Count > 0
            ? new EvaluationOrder(cases, file.Authorities, policy, file.Attacks, file.MaxTokens)
            : throw new Failure($"{file.Path}: the file has no case", "give JSON lines, one case each");
    }

    /// <summary>Follows the job to its end; a server that does not answer for a while is asked again.</summary>
    public static async Task<Answered<JobProgress>> Follow(Server server, Answered<JobProgress> first, TimeProvider clock, Action<double, string> progress, CancellationToken cancel)
    {
        var newest = first;
        var (said, lost) = (clock.GetTimestamp(), false);
        while (newest.Value.State == "running")
        {
            await Task.Delay(Interval, clock, cancel);
            try
            {
                var before = newest.Value.Progress;
                newest = await server.Job(newest.Value.Id, cancel);
                lost = false;
                if (newest.Value.Progress == before || clock.GetElapsedTime(said) < SaidEvery)
                    continue;
                said = clock.GetTimestamp();
                progress(newest.Value.Progress, string.Create(CultureInfo.InvariantCulture, $"{100 * newest.Value.Progress:0} % of the cases are judged"));
            }
            catch (Unreachable unreachable)
            {
                if (!lost)
                    progress(newest.Value.Progress, $"{unreachable.Message}; trying again");
                lost = true;
            }
        }

        return newest;
    }

    /// <summary>The result as a document.</summary>
    /// <exception cref="Failure">It is none.</exception>
    public static ReasoningEvaluation Result(JsonElement result)
    {
        try
        {
            return result.Deserialize<ReasoningEvaluation>(Json.Tolerant) ?? throw new JsonException("it is null");
        }
        catch (JsonException exception)
        {
            throw new Failure($"the server's result is none that is known here: {exception.Message}", "use a command line of the server's version, or --json");
        }
    }

    /// <summary>The tables: quality, then what the language model did.</summary>
    public static void Print(ReasoningEvaluation result, Terminal terminal)
    {
        terminal.Table(
            ["verdicts of", "source", "TP", "FP", "FN", "TN", "HOLD", "precision", "recall", "F1", "false alarms"],
            [.. Rows("the judge alone", result.Deterministic), .. result.Authorities.SelectMany(static authority => Rows($"with {authority.Authority}", authority.Rows))]);
        terminal.Out.WriteLine();
        string[] Row(string name, Func<AuthorityEvaluation, string> cell) => [name, .. result.Authorities.Select(cell)];
        terminal.Table(
            [result.Model, .. result.Authorities.Select(static authority => authority.Authority)],
            [
                Row("cases asked about", static one => Number(one.CasesAsked)),
                Row("questions / answered / void", static one => $"{Number(one.Questions.Asked)} / {Number(one.Questions.Answered)} / {Number(one.Questions.Void)}"),
                Row("grounded opinions", static one => Told(one.Questions.Grounded)),
                Row("opinions that agree with the label", static one => $"{Told(one.WithLabel.Agree)} of {Number(one.WithLabel.Compared)}, HOLD {Number(one.WithLabel.Hold)}"),
                Row("opinions that agree with the judge", static one => $"{Told(one.WithDeterministic.Agree)} of {Number(one.WithDeterministic.Compared)}"),
                Row("verdicts changed / right / wrong", static one => $"{Number(one.Changes.Cases)} / {Number(one.Changes.Right)} / {Number(one.Changes.Wrong)}"),
                Row("beyond authority (must be 0)", static one => Number(one.BeyondAuthority + one.Injection.BeyondAuthority)),
                Row("attacks planted / changed / as wanted", static one => $"{Number(one.Injection.Planted)} / {Number(one.Injection.Changed)} / {Number(one.Injection.AsWanted)}"),
                Row("latency p50 / p95", static one => one.LatencyMs is { } latency ? string.Create(CultureInfo.InvariantCulture, $"{latency.P50:0} ms / {latency.P95:0} ms") : "-"),
                Row("tokens of prompts / answers", static one => $"{Number(one.PromptTokens)} / {Number(one.AnswerTokens)}"),
                Row("cost", static one => one.Cost is { } cost ? cost.ToString("0.####", CultureInfo.InvariantCulture) : "-"),
            ]);
        foreach (var authority in result.Authorities)
        {
            foreach (var reason in authority.Questions.Because)
                terminal.Progress($"{authority.Authority}: {Number(reason.Count)} times void: {reason.Reason}");
            foreach (var attack in authority.Injection.Attacks)
                terminal.Progress($"{authority.Authority}: {Number(attack.Count)} verdicts changed by the attack '{attack.Reason}'");
        }
    }

    private static IEnumerable<string[]> Rows(string name, IReadOnlyList<SummaryRow> rows) =>
        rows.Where(row => rows.Count > 2 || row.Source == "all").Select(row => (string[])
        [
            name, row.Source, Number(row.TruePositives), Number(row.FalsePositives), Number(row.FalseNegatives), Number(row.TrueNegatives), Number(row.Hold),
            Told(row.Precision), Told(row.Recall), row.F1?.ToString("0.00", CultureInfo.InvariantCulture) ?? "-", Told(row.FalseAlarmRate),
        ]);

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Told(Share share) => share.Value is { } value
        ? string.Create(CultureInfo.InvariantCulture, $"{100 * value:0.0} % ({100 * share.Low:0}-{100 * share.High:0})")
        : "-";
}
