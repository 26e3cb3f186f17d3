using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Commander.Charts;
using Commander.Judging;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;
using Commander.Judging.Verdicts;

namespace Commander.Cli;

/// <summary>What the verbs do once the command line is understood. Each answers the exit code.</summary>
internal sealed class Verbs(Terminal terminal, TimeProvider clock, bool json)
{
    public async Task<int> Verify(Server server, Announcement announcement, TimeSpan timeout, CancellationToken cancel)
    {
        var first = await server.Announce(announcement, cancel);
        // What was announced before may be decided already: then nothing is measured for this call.
        if (first.Joined)
            terminal.Progress($"joined deployment {first.Value.Id} announced {Figures.Duration(TimeSpan.FromSeconds(Math.Max(1, Math.Round(((first.At ?? clock.GetUtcNow()) - first.Value.ReceivedAt).TotalSeconds))))} ago: no new watch begins");
        terminal.Progress($"watching {Words.Name(first.Value)}: {first.Value.Url}");
        return await Follow(server, first, Until.Verdict, timeout, cancel);
    }

    public async Task<int> Watch(Server server, string id, Until until, TimeSpan timeout, CancellationToken cancel) =>
        await Follow(server, await server.Get(id, cancel), until, timeout, cancel);

    public async Task<int> Explain(Server server, string id, CancellationToken cancel)
    {
        var deployment = await server.Get(id, cancel);
        if (json)
            Print(deployment.Body);
        else
            Words.Explain(deployment.Value, terminal);
        return ExitCode.Done;
    }

    /// <summary>Whether the stored facts still give the stored verdict. With another policy or model a difference is an answer, not an error.</summary>
    public async Task<int> Replay(Server server, string id, string? policy, string? model, string? judge, CancellationToken cancel)
    {
        var replayed = await server.Replay(id, new Replaying(policy, model, judge), cancel);
        if (json)
            Print(replayed.Body);
        else
            Say(replayed.Value);
        return replayed.Value.Identical || policy is not null || model is not null ? ExitCode.Done : ExitCode.Error;

        void Say(Replayed answer)
        {
            var verdict = answer.Verdict is { } given ? $"{given.Decision}, P(BAD) {given.PBad:0.000}" : "no verdict";
            terminal.Out.WriteLine(Terminal.Safe($"{(answer.Identical ? "identical" : "different")}: {verdict}"));
            foreach (var difference in answer.Differences)
                terminal.Out.WriteLine(Terminal.Safe($"  {difference}"));
        }
    }

    public async Task<int> Outcome(Server server, string id, string label, string? note, CancellationToken cancel)
    {
        var answer = await server.Label(id, new Labelling(label.ToUpperInvariant(), note), cancel);
        if (json)
            Print(answer.Body);
        else
            terminal.Out.WriteLine(Terminal.Safe(Stands(answer) is { } stands ? $"{id} was {stands}" : $"{id} was {label.ToUpperInvariant()}"));
        return ExitCode.Done;
    }

    // Where a person is unsure, something else may stand. An older server answers with less.
    private static string? Stands(Answered<JsonElement> answer)
    {
        try
        {
            return JsonSerializer.Deserialize<Deployment>(answer.Body, Json.Tolerant) is { Outcomes: not null } deployment ? OutcomeWords.Standing(deployment) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Says what is frozen.</summary>
    public async Task<int> Freezes(Server server, CancellationToken cancel) => Say(await server.Freezes(cancel));

    /// <summary>Freezes all services, or one, or one environment.</summary>
    public async Task<int> Freeze(Server server, string reason, TimeSpan? span, string? service, string? environment, CancellationToken cancel) =>
        Say(await server.Freeze(new Freezing(reason, service, environment, span is { } length ? clock.GetUtcNow() + length : null), cancel));

    /// <summary>Lifts a freeze.</summary>
    public async Task<int> Lift(Server server, string? service, string? environment, CancellationToken cancel) => Say(await server.Lift(service, environment, cancel));

    private int Say(Answered<Frozen> answer)
    {
        if (json)
            Print(answer.Body);
        else if (answer.Value.Items.Count == 0)
            terminal.Out.WriteLine("nothing is frozen");
        else
            foreach (var freeze in answer.Value.Items)
                terminal.Out.WriteLine(Terminal.Safe($"{freeze.Scope}: {freeze.Sentence}"));
        return ExitCode.Done;
    }

    /// <summary>Says whether the server itself is well.</summary>
    public async Task<int> Doctor(Server server, bool now, CancellationToken cancel)
    {
        var answer = await server.Doctor(now, cancel);
        var checks = answer.Value.Checks;
        if (json)
            Print(answer.Body);
        else if (answer.Value.At is null)
            terminal.Out.WriteLine("nothing was looked at yet: the first look is 20 s after the start; or ask for one with --now");
        else
            terminal.Table(["check", "is", "since", "says"], [.. checks.Select(check => (IReadOnlyList<string>)[check.Name, check.Ok ? "ok" : "FAILS", $"{check.Since.UtcDateTime:yyyy-MM-dd HH:mm}", check.Message])]);
        var failing = checks.Count(check => !check.Ok);
        if (failing > 0)
            terminal.Progress($"{failing} of {checks.Count} checks {(failing == 1 ? "fails" : "fail")} on {answer.Value.Node}");
        return failing > 0 ? ExitCode.Error : ExitCode.Done;
    }

    /// <summary>Sends a test alert through every channel.</summary>
    public async Task<int> TestAlerts(Server server, CancellationToken cancel)
    {
        var answer = await server.TestAlerts(cancel);
        if (json)
            Print(answer.Body);
        else if (answer.Value.Channels.Count == 0)
            terminal.Out.WriteLine("the policies name no channel: nobody was told");
        else
            terminal.Table(["channel", "state", "took", "says"], [.. answer.Value.Channels.Select(channel => (IReadOnlyList<string>)[channel.Name, channel.State, $"{channel.TookMs:0} ms", channel.Message ?? ""])]);
        return answer.Value.Channels.All(channel => channel.State == "done") ? ExitCode.Done : ExitCode.Error;
    }

    /// <summary>Lists the tokens that hold.</summary>
    public async Task<int> Tokens(Server server, CancellationToken cancel)
    {
        var answer = await server.Tokens(cancel);
        if (json)
            Print(answer.Body);
        else if (answer.Value.Items.Count == 0)
            terminal.Out.WriteLine(answer.Value.Open == false
                ? "no token is stored; access is closed by COMMANDER_ADMIN_TOKEN or OpenID Connect where the server runs"
                : "no token was issued: everybody at the server's machine is admin, and nobody elsewhere is let in");
        else
            terminal.Table(["id", "name", "role", "bound to", "issued by", "issued", "ends"], [.. answer.Value.Items.Select(token => (IReadOnlyList<string>)
                [token.Id, token.Name, token.Role, Bounds(token), token.By, $"{token.At:yyyy-MM-dd HH:mm}", token.Until is { } until ? $"{until:yyyy-MM-dd HH:mm}" : "never"])]);
        return ExitCode.Done;

        static string Bounds(Tokens.Token token)
        {
            string[] bounds = [.. token.Services ?? [], .. (token.Environments ?? []).Select(environment => "in " + environment)];
            return bounds.Length > 0 ? string.Join(", ", bounds) : "all";
        }
    }

    /// <summary>Issues a token. Its text alone goes to where results go, so that it can be kept without being shown.</summary>
    public async Task<int> IssueToken(Server server, string name, string role, TimeSpan? span, IReadOnlyList<string> services, IReadOnlyList<string> environments, CancellationToken cancel)
    {
        var answer = await server.IssueToken(new Issuing(name, role, span is { } length ? clock.GetUtcNow() + length : null, services, environments), cancel);
        if (json)
            Print(answer.Body);
        else
            terminal.Out.WriteLine(Terminal.Safe(answer.Value.Token));
        terminal.Progress($"issued {answer.Value.Id}; the token is shown this once. Use it with: export COMMANDER_TOKEN=...   Revoke it with: commander token revoke {answer.Value.Id}");
        return ExitCode.Done;
    }

    /// <summary>Revokes a token.</summary>
    public async Task<int> RevokeToken(Server server, string id, CancellationToken cancel)
    {
        var answer = await server.RevokeToken(id, cancel);
        if (json)
            Print(answer.Body);
        else
            terminal.Out.WriteLine(Terminal.Safe($"revoked {id}"));
        return ExitCode.Done;
    }

    /// <summary>Reads a policy file or folder without any server.</summary>
    public async Task<int> CheckPolicy(string path, CancellationToken cancel)
    {
        var result = PolicyReader.Read(await Files(path, cancel));
        if (json)
        {
            Print(JsonSerializer.SerializeToUtf8Bytes(new { valid = result.Policies is not null, errors = result.Errors }, Json.Tolerant));
        }
        else if (result.Policies is { } policies)
        {
            var services = policies.Services.Keys.Count(key => !key.Contains('/', StringComparison.Ordinal));
            terminal.Out.WriteLine($"valid: {services} {(services == 1 ? "service" : "services")}, {policies.Sources.Count} {(policies.Sources.Count == 1 ? "source" : "sources")}");
            if (services == 0 && policies.Defaults.Metrics.Count == 0)
                terminal.Progress("it names no service and its defaults no metric: nothing is watched by it");
        }
        else
        {
            foreach (var error in result.Errors)
                terminal.Out.WriteLine(Terminal.Safe(error.ToString()));
        }

        return result.Policies is null ? ExitCode.Error : ExitCode.Done;
    }

    /// <summary>Prints the schema of policies.</summary>
    public async Task<int> PolicySchema(CancellationToken cancel)
    {
        await terminal.Out.WriteAsync(Judging.Policies.PolicySchema.Text.AsMemory(), cancel);
        return ExitCode.Done;
    }

    /// <summary>Reads a policy file, and lets the server run each of its queries once.</summary>
    public async Task<int> CheckPolicyLive(Server server, string path, string? service, string? version, CancellationToken cancel)
    {
        if (Directory.Exists(path))
            throw new Failure($"{path} is a folder, and --live checks one file", "name a policy file that has its sources in it", ExitCode.Usage);
        var text = (await Files(path, cancel))[0].Yaml;
        var answer = await terminal.Waiting($"asking the sources of {path}", _ => server.CheckLive(new LiveChecking(text, path, service, version), cancel));
        var queries = answer.Value.Queries ?? [];
        if (json)
            Print(answer.Body);
        else
            Say();
        return answer.Value.Valid && queries.All(query => query.Error is null) ? ExitCode.Done : ExitCode.Error;

        void Say()
        {
            foreach (var error in answer.Value.Errors)
                terminal.Out.WriteLine(Terminal.Safe(error));
            foreach (var query in queries)
            {
                var name = $"{query.Service} {query.Metric}{(query.Key == "query" ? "" : "." + query.Key)}";
                var age = query.NewestAgeSeconds is { } seconds ? $", newest {seconds:0.#} s ago" : "";
                var found = query.Series == 0 ? "" : $"{query.Series} series{age}, value {query.Value:0.####}";
                terminal.Out.WriteLine(Terminal.Safe($"{(query.Error is null ? "ok   " : "error")} {name}: {string.Join("; ", new[] { found, query.Error, query.Note }.Where(part => !string.IsNullOrEmpty(part)))}"));
            }

            foreach (var skipped in answer.Value.NotChecked ?? [])
                terminal.Out.WriteLine(Terminal.Safe($"not checked live: {skipped}"));
        }
    }

    /// <summary>Writes a first policy from what a Prometheus knows.</summary>
    public async Task<int> InitPolicy(MetricNames prometheus, string? service, string? output, CancellationToken cancel)
    {
        var text = await terminal.Waiting($"reading the metrics of {prometheus.Address}", _ => FirstPolicy.Write(prometheus, service, cancel));
        if (PolicyReader.Read([new PolicyFile("policy.yaml", text)]) is { Policies: null } wrong)
            throw new Failure($"no policy could be made of these metrics: {wrong.Errors[0]}", "write it by hand: docs/policy.md");
        if (output is null)
        {
            terminal.Out.Write(text);
            return ExitCode.Done;
        }

        try
        {
            await using var file = new FileStream(output, FileMode.CreateNew, FileAccess.Write);
            await file.WriteAsync(Encoding.UTF8.GetBytes(text), cancel);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new Failure($"{output} cannot be written: {exception.Message.TrimEnd('.')}", "name a file that does not exist yet");
        }

        if (json)
            Print(JsonSerializer.SerializeToUtf8Bytes(new { file = output }, Json.Tolerant));
        else
            terminal.Out.WriteLine(Terminal.Safe($"wrote {output}; try it with: commander policy check {output} --live"));
        return ExitCode.Done;
    }

    /// <summary>Replays case files without any server.</summary>
    /// <param name="order">What is asked for, but for the policy and the model.</param>
    /// <param name="policyPath">A policy file; null for none.</param>
    /// <param name="service">Whose policy of the file; null: that of its only service.</param>
    /// <param name="modelPath">Another model; null for the shipped one.</param>
    /// <param name="output">Where the verdicts go, a line a case; null for nowhere.</param>
    /// <param name="reportPath">Where the report goes; null for nowhere.</param>
    /// <param name="seed">Of the comparison's resamples.</param>
    /// <param name="cancel">Stops it.</param>
    public async Task<int> Backtest(BacktestOrder order, string? policyPath, string? service, string? modelPath, string? output, string? reportPath, ulong seed, CancellationToken cancel)
    {
        var named = new HashSet<string>(StringComparer.Ordinal);
        foreach (var file in order.Files)
        {
            Backtesting.NoFolder(file);
            if (!named.Add(Path.GetFullPath(file)))
                throw new Failure($"{file} is named twice: its cases would be counted twice", "name each file once", ExitCode.Usage);
        }

        foreach (var written in new[] { output, reportPath }.OfType<string>())
        {
            if (order.Files.Append(output == written ? reportPath : output).OfType<string>().Any(other => Path.GetFullPath(other) == Path.GetFullPath(written)))
                throw new Failure($"{written} is named twice: it would be written over", "name another file for --out and --report", ExitCode.Usage);
        }

        if (policyPath is not null && !order.Judges.Any(Rehearsal.Judges.Contains))
            throw new Failure("--policy goes with the judges " + string.Join(" and ", Rehearsal.Judges), "the rules have their thresholds fixed", ExitCode.Usage);
        if (modelPath is not null && !order.Judges.Contains(Judge.Name))
            throw new Failure($"--model goes with the judge {Judge.Name}", "no other judge has a model", ExitCode.Usage);
        foreach (var written in new[] { output, reportPath }.OfType<string>())
        {
            // Before all is judged, not after it.
            if (Path.GetDirectoryName(Path.GetFullPath(written)) is { } folder && !Directory.Exists(folder))
                throw new Failure($"{written} cannot be written: there is no folder {folder}", "make the folder, or name another file", ExitCode.Usage);
        }

        order = order with
        {
            Policy = policyPath is null ? null : await OnlyPolicy(policyPath, service, cancel),
            Model = modelPath is null ? null : await OnlyModel(modelPath, cancel),
        };
        var report = reportPath is null ? null : new BacktestReport(order.Judges);
        await using var verdicts = output is null ? null : new FileStream(output, FileMode.Create, FileAccess.Write, FileShare.Read, 1 << 16);
        var tested = await terminal.Measuring($"judging {string.Join(", ", order.Files)}",
            progress => Task.Run(() => Backtesting.Run(order, verdicts, report, Environment.ProcessorCount, clock, progress, cancel), cancel));
        terminal.Progress(tested.Said);
        if (tested.Unread.Count > 0)
            terminal.Progress($"no case has {string.Join(", ", tested.Unread)}, which the policy watches: such metrics are judged as missing");
        if (tested.Unknown.Count > 0)
            terminal.Progress($"not known are the units {string.Join(", ", tested.Unknown)}: such a metric is judged relative to its reference, like a number without a unit; known ones stand in docs/backtest.md");
        var differences = order.Judges.Count == 2 ? tested.Comparison.Rows(seed) : [];
        if (report is not null)
        {
            var html = report.Html([.. order.Files.Select(static file => Path.GetFileName(file))], order.Horizons.ToString(), tested.Summaries, differences);
            await File.WriteAllTextAsync(reportPath!, html, cancel);
            terminal.Progress($"wrote {reportPath}");
        }

        if (json && differences.Count > 0)
            Print(JsonSerializer.SerializeToUtf8Bytes(new { horizon = order.Horizons.All, horizons = order.Horizons.Named, seed, judges = order.Judges.Select((judge, at) => new { judge, rows = tested.Summaries[at].Rows, mean_over_sources = tested.Summaries[at].Mean }), differences }, Json.Tolerant));
        else if (json)
            Print(JsonSerializer.SerializeToUtf8Bytes(new { judge = order.Judges[0], horizon = order.Horizons.All, horizons = order.Horizons.Named, rows = tested.Summaries[0].Rows, mean_over_sources = tested.Summaries[0].Mean }, Json.Tolerant));
        else
            Backtesting.Print(order, tested, differences, terminal);
        return ExitCode.Done;
    }

    /// <summary>Lets the server measure its language model on a case file. Whoever interrupts it cancels the job.</summary>
    public async Task<int> EvaluateReasoning(Server server, EvaluationFile file, CancellationToken cancel)
    {
        // What is wrong with the files is said before the server is asked.
        if (file.Policy is { } path)
            await OnlyPolicy(path, null, cancel);
        var order = Evaluating.Read(file, file.Policy is null ? null : (await Files(file.Policy, cancel))[0].Yaml);
        var started = await server.StartJob(Evaluating.Kind, order, cancel);
        terminal.Progress($"{order.Cases.Count} cases; the job is {started.Value.Id}");
        Answered<JobProgress> ended;
        try
        {
            ended = await terminal.Measuring($"asking the language model about {file.Path}", progress => Evaluating.Follow(server, started, clock, progress, cancel));
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            await server.CancelJob(started.Value.Id, CancellationToken.None);
            terminal.Progress($"interrupted; {started.Value.Id} is cancelled");
            return ExitCode.Error;
        }

        if (json)
            Print(ended.Body);
        else if (ended.Value.Result is { } result)
            Evaluating.Print(Evaluating.Result(result), terminal);
        if (ended.Value.State == "done")
            return ExitCode.Done;
        terminal.Progress($"error: {started.Value.Id} is {ended.Value.State}: {ended.Value.Error}");
        return ExitCode.Error;
    }

    /// <summary>Judges simulated deployments without any server.</summary>
    public async Task<int> Simulate(string? wanted, int deployments, ulong seed, string judge, string? policyPath, string? service, CancellationToken cancel)
    {
        IReadOnlyList<Cell> cells;
        if (wanted is { } given && string.IsNullOrWhiteSpace(given))
            throw new Failure("--simulate names no cell", "leave its value out for all of them, or give false-alarms, faults, detection or parts of names", ExitCode.Usage);
        try
        {
            cells = Grid.Choose(wanted);
        }
        catch (RefusedException refused)
        {
            throw new Failure(refused.Problem, null, ExitCode.Usage);
        }

        var policy = policyPath is null ? null : await OnlyPolicy(policyPath, service, cancel);
        var budget = (policy ?? Grid.Policy).Decide.FalseAlarms;
        var results = await terminal.Waiting("watching simulated deployments",
            progress => Task.Run(() => Simulating.Run(cells, deployments, seed, judge, policy, clock, progress, cancel), cancel));
        if (json)
            Print(JsonSerializer.SerializeToUtf8Bytes(new { judge, seed, budget, cells = results }, Json.Tolerant));
        else
            Simulating.Print(results, budget, terminal);
        return ExitCode.Done;
    }

    /// <summary>The policy of a file's service; when none is named, the one that watches something: its only service's, else the defaults.</summary>
    private static async Task<Policy> OnlyPolicy(string path, string? service, CancellationToken cancel)
    {
        var result = PolicyReader.Read(await Files(path, cancel));
        if (result.Policies is not { } policies)
            throw new Failure($"{path} is no policy: {result.Errors[0]}", $"see: commander policy check {path}");
        string[] services = [.. policies.Services.Keys.Where(static key => !key.Contains('/', StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        if (service is null)
        {
            return policies.Only() ?? throw new Failure($"{path} has no single policy to judge by", services.Length > 1
                ? $"give --service with one of its services: {Some(services)}"
                : "give a file with a service that has metrics, or with metrics in its defaults");
        }

        if (!policies.Services.TryGetValue(service, out var policy))
        {
            throw new Failure($"{path} has no service {service}",
                Nearest.To(service, policies.Services.Keys) is { } near ? $"did you mean {near}?" : services.Length > 0 ? $"its services are {Some(services)}" : "leave --service out: it has defaults only", ExitCode.Usage);
        }

        return policy.Metrics.Count > 0 ? policy : throw new Failure($"{path}: {service} has no metrics to judge by", "name another service, or give it metrics");

        static string Some(string[] names) => string.Join(", ", names.Take(10)) + (names.Length > 10 ? $" and {names.Length - 10} more" : "");
    }

    private static async Task<Model> OnlyModel(string path, CancellationToken cancel)
    {
        try
        {
            return ModelFile.Read(Encoding.UTF8.GetBytes(await Text(path, cancel)));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new Failure($"{path} cannot be read: {exception.Message.TrimEnd('.')}", "name a model's file");
        }
        catch (RefusedException refused)
        {
            throw new Failure($"{path}: {refused.Message}");
        }
    }

    private async Task<int> Follow(Server server, Answered<Deployment> first, Until until, TimeSpan timeout, CancellationToken cancel)
    {
        var (newest, ended) = await terminal.Waiting(Words.Progress(first.Value),
            progress => Following.Follow(server, first, until, timeout, clock, progress, cancel));
        if (json)
            Print(newest.Body);
        else
            Words.Result(newest.Value, terminal);
        if (ended && Headline.NothingToJudge(newest.Value))
            terminal.Progress(Words.Unjudged(newest.Value));
        if (ended)
            return Following.Code(newest.Value);
        terminal.Progress($"no {(until == Until.Verdict ? "verdict" : "end")} within {Durations.Format(timeout)}; the watch goes on, follow it with: commander watch {newest.Value.Id}");
        return ExitCode.TimedOut;
    }

    private static async Task<IReadOnlyList<PolicyFile>> Files(string path, CancellationToken cancel)
    {
        try
        {
            string[] paths = [path];
            if (Directory.Exists(path))
            {
                paths = [.. Directory.EnumerateFiles(path).Where(file => Path.GetExtension(file) is ".yaml" or ".yml" or ".json").Order(StringComparer.Ordinal)];
                if (paths.Length == 0)
                    throw new Failure($"{path} has no .yaml, .yml or .json file", "name a policy file, or a folder of them");
            }

            var files = new List<PolicyFile>();
            foreach (var file in paths.Take(PolicyReader.MaxFiles + 1))
                files.Add(new PolicyFile(file, await Text(file, cancel)));
            return files;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new Failure($"{path} cannot be read: {exception.Message.TrimEnd('.')}", "name a policy file, or a folder of them");
        }
    }

    private static async Task<string> Text(string path, CancellationToken cancel)
    {
        await using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 4096, useAsync: true);
        // One byte more than the reader takes: it says so itself, with the file's name.
        var buffer = new byte[PolicyReader.MaxBytes + 1];
        var length = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancel);
        return Encoding.UTF8.GetString(buffer.AsSpan(0, length)).TrimStart('\ufeff');
    }

    private void Print(byte[] document) => terminal.Out.WriteLine(Encoding.UTF8.GetString(document));
}

/// <summary>What a live check is asked with.</summary>
internal sealed record LiveChecking(
    string Yaml,
    string File,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Service,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Version);

/// <summary>What verify announces. Fields that are not given are left out: the server knows the defaults.</summary>
internal sealed record Announcement(
    string Service,
    string Version,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Environment,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? PreviousVersion,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyDictionary<string, string>? Labels);

internal sealed record Replaying(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Policy,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Model,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Judge);

internal sealed record Freezing(
    string Reason,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Service,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Environment,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? Until);

internal sealed record Issuing(
    string Name,
    string Role,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? Until,
    IReadOnlyList<string> Services,
    IReadOnlyList<string> Environments);

internal sealed record Labelling(string Label, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Note);
