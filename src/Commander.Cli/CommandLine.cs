using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Commander.Judging.Backtest;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;
using Commander.Judging.Verdicts;

namespace Commander.Cli;

/// <summary>The verbs, their options, and what the shell is told.</summary>
internal static class CommandLine
{
    public const string DefaultServer = "http://127.0.0.1:5080";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    private static readonly TimeSpan Longest = TimeSpan.FromDays(7);

    private static readonly TimeSpan LongestFreeze = TimeSpan.FromDays(89);

    private static readonly TimeSpan LongestToken = TimeSpan.FromDays(3_650);

    /// <summary>Runs one command line. Never throws for what a person, a file or a server does.</summary>
    public static async Task<int> Run(string[] args, Terminal terminal, TimeProvider clock, CancellationToken cancel)
    {
        var root = Root(terminal, clock);
        // No response files: an argument that begins with @ is a text like any other.
        var parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0 && parsed.Action is ParseErrorAction)
        {
            foreach (var error in parsed.Errors)
                await terminal.Error.WriteLineAsync(Terminal.Safe(error.Message));
            var verb = parsed.CommandResult.Command;
            foreach (var word in parsed.UnmatchedTokens.Take(3))
            {
                if (Near(word, verb) is { } near)
                    await terminal.Error.WriteLineAsync(Terminal.Safe($"'{word}': did you mean {near}?"));
            }

            await terminal.Error.WriteLineAsync($"see: commander {(verb is RootCommand ? "" : Path(verb) + " ")}--help");
            return ExitCode.Usage;
        }

        try
        {
            return await parsed.InvokeAsync(
                new InvocationConfiguration { Output = terminal.Out, Error = terminal.Error, EnableDefaultExceptionHandler = false }, cancel);
        }
        catch (Failure failure)
        {
            await terminal.Error.WriteLineAsync("error: " + Terminal.Safe(failure.Message));
            if (failure.Remedy is { } remedy)
                await terminal.Error.WriteLineAsync("  " + Terminal.Safe(remedy));
            return failure.Code;
        }
        catch (OperationCanceledException)
        {
            await terminal.Error.WriteLineAsync("interrupted; what the server watches goes on there");
            return ExitCode.Error;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            await terminal.Error.WriteLineAsync("error: " + Terminal.Safe(exception.Message));
            return ExitCode.Error;
        }
    }

    private static RootCommand Root(Terminal terminal, TimeProvider clock)
    {
        var server = new Option<string?>("--server")
        {
            Description = $"Commander's address; else COMMANDER_URL, else {DefaultServer}. A token is taken from COMMANDER_TOKEN.",
            HelpName = "URL",
            Recursive = true,
        };
        var json = new Option<bool>("--json") { Description = "Print the result as one JSON document.", Recursive = true };
        var root = new RootCommand("Watches deployments and says whether to roll back or carry on. " + ExitCode.Help) { server, json };

        Server At(ParseResult parsed) => new(Address(parsed.GetValue(server) ?? terminal.Variable("COMMANDER_URL")), Token(terminal));
        Verbs Do(ParseResult parsed) => new(terminal, clock, parsed.GetValue(json));

        root.Add(Verify(At, Do));
        root.Add(Watch(At, Do));
        root.Add(OfOne("explain", "Say why: the verdict, its findings, what was done and when.", At, (parsed, target, id, cancel) => Do(parsed).Explain(target, id, cancel)));
        root.Add(Replay(At, Do));
        root.Add(Outcome(At, Do));
        root.Add(Freeze(At, Do));
        root.Add(TokenCommand(At, Do));
        root.Add(Doctor(At, Do));
        root.Add(Backtest(Do));
        root.Add(EvaluateReasoning(At, Do));
        root.Add(Policy(At, Do, terminal));
        return root;
    }

    private static Command Verify(Func<ParseResult, Server> at, Func<ParseResult, Verbs> verbs)
    {
        var service = new Option<string>("--service") { Description = "The service.", HelpName = "S", Required = true };
        var version = new Option<string>("--version") { Description = "The new version.", HelpName = "V", Required = true };
        var environment = new Option<string?>("--environment") { Description = "The environment; else the server's default, prod.", HelpName = "E" };
        var previous = new Option<string?>("--previous") { Description = "The version that it replaces; else the last good one.", HelpName = "P" };
        var label = new Option<string[]>("--label") { Description = "A label as KEY=VALUE; may be repeated.", HelpName = "K=V" };
        label.Validators.Add(result =>
        {
            foreach (var token in result.Tokens.Where(token => token.Value.IndexOf('=', StringComparison.Ordinal) < 1))
                result.AddError($"--label {token.Value} is no label; write --label KEY=VALUE");
        });
        var timeout = Timeout();
        var command = new Command("verify", "Announce a deployment and wait for its verdict. The same version again joins a watch that is open or began up to 10 minutes ago: its verdict is the answer, and no new watch begins.") { service, version, environment, previous, label, timeout };
        command.SetAction(async (parsed, cancel) =>
        {
            var labels = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var text in parsed.GetValue(label) ?? [])
            {
                var equals = text.IndexOf('=', StringComparison.Ordinal);
                labels[text[..equals]] = text[(equals + 1)..];
            }

            using var server = at(parsed);
            var announcement = new Announcement(
                parsed.GetRequiredValue(service), parsed.GetRequiredValue(version), parsed.GetValue(environment), parsed.GetValue(previous), labels.Count > 0 ? labels : null);
            return await verbs(parsed).Verify(server, announcement, parsed.GetValue(timeout) ?? Patience, cancel);
        });
        return command;
    }

    private static Command Watch(Func<ParseResult, Server> at, Func<ParseResult, Verbs> verbs)
    {
        var timeout = Duration("--timeout", "How long to wait, such as 90s or 15m; as long as it lasts when not given.", Longest);
        var until = new Option<Until>("--until") { Description = "When to stop: when the watch is closed, with late judgement and recovery, or at the first verdict; closed when not given.", HelpName = "closed|verdict" };
        return OfOne("watch", "Follow a deployment to its end.", at,
            (parsed, server, id, cancel) => verbs(parsed).Watch(server, id, parsed.GetValue(until), parsed.GetValue(timeout) ?? Longest, cancel), timeout, until);
    }

    private static Command Replay(Func<ParseResult, Server> at, Func<ParseResult, Verbs> verbs)
    {
        var policy = new Option<string?>("--policy") { Description = "Judge by another policy that the server knows.", HelpName = "POLICY" };
        var model = new Option<string?>("--model") { Description = "Judge with another model.", HelpName = "MODEL" };
        var judge = new Option<string?>("--judge") { Description = $"Who judges; only {Judge.Name} can fold stored facts, and does when it is not given. backtest asks others.", HelpName = Judge.Name };
        judge.AcceptOnlyFromAmong(Judge.Name);
        return OfOne("replay", "Fold a deployment's stored facts again and compare the verdicts.", at,
            (parsed, server, id, cancel) => verbs(parsed).Replay(server, id, parsed.GetValue(policy), parsed.GetValue(model), parsed.GetValue(judge), cancel), policy, model, judge);
    }

    private static Command Outcome(Func<ParseResult, Server> at, Func<ParseResult, Verbs> verbs)
    {
        var label = new Argument<string>("good|bad|unknown") { Description = "What it was; unknown takes back what persons said." };
        label.AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, "good", "bad", "unknown");
        var note = new Option<string?>("--note") { Description = "How that is known.", HelpName = "TEXT" };
        var command = OfOne("outcome", "Say what a deployment really was; Commander learns from it.", at,
            (parsed, server, id, cancel) => verbs(parsed).Outcome(server, id, parsed.GetRequiredValue(label), parsed.GetValue(note), cancel), note);
        command.Add(label);
        return command;
    }

    private static Command Freeze(Func<ParseResult, Server> at, Func<ParseResult, Verbs> verbs)
    {
        var service = new Option<string?>("--service") { Description = "Only this service; else all.", HelpName = "S" };
        var environment = new Option<string?>("--environment") { Description = "Only this environment; else all.", HelpName = "E" };
        var reason = new Option<string>("--reason") { Description = "Why; whoever is refused a rollback reads it.", HelpName = "TEXT", Required = true };
        var span = Duration("--for", "For how long, such as 4h; else until it is lifted.", LongestFreeze);
        var on = new Command("on", "Let no rollback start by itself. People may still roll back.") { reason, span, service, environment };
        on.SetAction(async (parsed, cancel) =>
        {
            using var server = at(parsed);
            return await verbs(parsed).Freeze(server, parsed.GetRequiredValue(reason), parsed.GetValue(span), parsed.GetValue(service), parsed.GetValue(environment), cancel);
        });
        var off = new Command("off", "Lift the freeze of exactly this scope.") { service, environment };
        off.SetAction(async (parsed, cancel) =>
        {
            using var server = at(parsed);
            return await verbs(parsed).Lift(server, parsed.GetValue(service), parsed.GetValue(environment), cancel);
        });
        var command = new Command("freeze", "Say what is frozen; on and off change it.") { on, off };
        command.SetAction(async (parsed, cancel) =>
        {
            using var server = at(parsed);
            return await verbs(parsed).Freezes(server, cancel);
        });
        return command;
    }

    private static Command TokenCommand(Func<ParseResult, Server> at, Func<ParseResult, Verbs> verbs)
    {
        var name = new Option<string>("--name") { Description = "Whose it is, such as a pipeline's name.", HelpName = "TEXT", Required = true };
        var role = new Option<string>("--role") { Description = "What it may: announce deployments; look; press buttons too; everything.", HelpName = "intake|viewer|responder|admin", Required = true };
        role.AcceptOnlyFromAmong("intake", "viewer", "responder", "admin");
        var span = Duration("--for", "For how long, such as 90d; else until it is revoked.", LongestToken);
        var service = new Option<string[]>("--service") { Description = "Only for this service, or services that begin so (shop-*); may be repeated.", HelpName = "S" };
        var environment = new Option<string[]>("--environment") { Description = "Only for this environment; may be repeated.", HelpName = "E" };
        var issue = new Command("issue", "Issue a token, and print it this once.") { name, role, span, service, environment };
        issue.SetAction(async (parsed, cancel) =>
        {
            using var server = at(parsed);
            return await verbs(parsed).IssueToken(
                server, parsed.GetRequiredValue(name), parsed.GetRequiredValue(role), parsed.GetValue(span), parsed.GetValue(service) ?? [], parsed.GetValue(environment) ?? [], cancel);
        });
        var id = new Argument<string>("ID") { Description = "The token's id, as the list shows it." };
        var revoke = new Command("revoke", "Revoke a token: within a second it opens nothing any more.") { id };
        revoke.SetAction(async (parsed, cancel) =>
        {
            using var server = at(parsed);
            return await verbs(parsed).RevokeToken(server, parsed.GetRequiredValue(id), cancel);
        });
        var command = new Command("token", "List the tokens that let somebody in; issue and revoke change it. Needs the role admin.") { issue, revoke };
        command.SetAction(async (parsed, cancel) =>
        {
            using var server = at(parsed);
            return await verbs(parsed).Tokens(server, cancel);
        });
        return command;
    }

    private static Command Doctor(Func<ParseResult, Server> at, Func<ParseResult, Verbs> verbs)
    {
        var now = new Option<bool>("--now") { Description = "Look at everything now, instead of showing the last look. Needs the role responder." };
        var test = new Option<bool>("--test-alerts") { Description = "Send a test alert through every channel of the policies. Needs the role admin." };
        var command = new Command(
            "doctor", "Say whether Commander itself is well: its store, sources, channels, clock. Exit code 0 when all is well, 1 when a check fails. What is stored is examined by: Commander.Server doctor --data DIR, which needs no running server.")
        {
            now, test,
        };
        command.SetAction(async (parsed, cancel) =>
        {
            using var server = at(parsed);
            return parsed.GetValue(test) ? await verbs(parsed).TestAlerts(server, cancel) : await verbs(parsed).Doctor(server, parsed.GetValue(now), cancel);
        });
        command.Validators.Add(result =>
        {
            if (result.GetValue(now) && result.GetValue(test))
                result.AddError("--now and --test-alerts are two questions; ask one after the other");
        });
        return command;
    }

    private static Command Backtest(Func<ParseResult, Verbs> verbs)
    {
        var paths = new Argument<string[]>("CASES.jsonl") { Description = "Case files: one recorded deployment a line.", Arity = ArgumentArity.ZeroOrMore };
        paths.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
            {
                if (token.Value.StartsWith("--", StringComparison.Ordinal))
                    result.AddError($"'{token.Value}' is no option of backtest and no file; {(result.Parent is CommandResult verb && Near(token.Value, verb.Command) is { } near ? $"did you mean {near}?" : "commander backtest --help lists them")}");
            }
        });
        var judge = new Option<string>("--judge") { Description = "Who judges: Commander, the health score, or a known rule to compare with.", HelpName = string.Join('|', Backtests.Judges), DefaultValueFactory = _ => Backtests.Judges[0] };
        judge.AcceptOnlyFromAmong([.. Backtests.Judges]);
        var compare = new Option<string[]>("--compare") { Description = "Two judges on the same cases, and what they differ by.", HelpName = "A B", Arity = new ArgumentArity(2, 2), AllowMultipleArgumentsPerToken = true };
        compare.AcceptOnlyFromAmong([.. Backtests.Judges]);
        var horizon = new Option<string[]>("--horizon")
        {
            Description = "At most so many steps after the change; all when not given. SOURCE=N: for a source, or a file by its name without ending; may be repeated.",
            HelpName = "N|SOURCE=N",
        };
        horizon.Validators.Add(result =>
        {
            if (Horizons.Read(result.Tokens.Select(static token => token.Value), out var problem) is null)
                result.AddError(problem!);
        });
        var output = new Option<string?>("--out") { Description = "Write one verdict a line, for every case.", HelpName = "VERDICTS.jsonl" };
        var report = new Option<string?>("--report") { Description = "Write a report: figures, curves, and every case that was judged wrongly, in one HTML file.", HelpName = "FILE.html" };
        var simulate = new Option<string?>("--simulate")
        {
            Description = "Judge simulated deployments instead: all cells of the grid, or those named by false-alarms, faults, detection, whole names or parts of names, separated by semicolons. A whole name is that cell alone.",
            HelpName = "CELLS",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var deployments = new Option<int>("--deployments") { Description = "How many of each cell.", HelpName = "N", DefaultValueFactory = _ => 400 };
        deployments.Validators.Add(result =>
        {
            if (result.Tokens.Any(token => !int.TryParse(token.Value, out var count) || count is < 1 or > Simulating.Most))
                result.AddError($"--deployments {result.Tokens[^1].Value} is no number of deployments; write 1 to {Simulating.Most}");
        });
        var seed = new Option<ulong>("--seed") { Description = "Which deployments, or which resamples of --compare: the same seed gives the same.", HelpName = "S", DefaultValueFactory = _ => 1 };
        var policy = new Option<string?>("--policy") { Description = "Judge by this policy; else recorded cases by what they have, simulated ones by errors, response time, cpu, memory and traffic.", HelpName = "FILE" };
        var service = new Option<string?>("--service") { Description = "By which service of the --policy file, or SERVICE/ENVIRONMENT; its only service when not given.", HelpName = "NAME" };
        var model = new Option<string?>("--model") { Description = "Make P(BAD) by this model instead of the shipped one.", HelpName = "FILE.json" };
        var command = new Command("backtest", "Judge recorded or simulated deployments without a server, and count what was right.") { paths, judge, compare, horizon, output, report, simulate, deployments, seed, policy, service, model };
        command.Validators.Add(result =>
        {
            bool Given(Option option) => result.GetResult(option) is { Implicit: false };
            if (Given(simulate) == (result.GetResult(paths) is { Tokens.Count: > 0 }))
                result.AddError("give either case files or --simulate");
            else if (Given(simulate) && (Given(horizon) || Given(output) || Given(report) || Given(compare) || Given(model)))
                result.AddError("--compare, --horizon, --model, --out and --report go with case files");
            else if (Given(simulate) && result.GetValue(judge) is { } rule && !Rehearsal.Judges.Contains(rule))
                result.AddError($"{rule} judges recorded cases only; --simulate takes {string.Join(" and ", Rehearsal.Judges)}");
            else if (!Given(simulate) && Given(deployments))
                result.AddError("--deployments goes with --simulate");
            else if (Given(seed) && !Given(simulate) && !Given(compare))
                result.AddError("--seed goes with --simulate and --compare");
            else if (Given(service) && !Given(policy))
                result.AddError("--service goes with --policy");
            else if (Given(compare) && (Given(judge) || Given(output)))
                result.AddError("--judge and --out go with one judge, --compare with two");
        });
        command.SetAction((parsed, cancel) => parsed.GetValue(paths) is { Length: > 0 } files
            ? verbs(parsed).Backtest(
                new BacktestOrder(
                    files,
                    parsed.GetValue(compare) is { Length: 2 } two ? two : [parsed.GetRequiredValue(judge)],
                    null,
                    null,
                    Horizons.Read(parsed.GetValue(horizon) ?? [], out _)!),
                parsed.GetValue(policy), parsed.GetValue(service), parsed.GetValue(model), parsed.GetValue(output), parsed.GetValue(report), parsed.GetValue(seed), cancel)
            : verbs(parsed).Simulate(
                parsed.GetValue(simulate), parsed.GetValue(deployments), parsed.GetValue(seed), parsed.GetRequiredValue(judge), parsed.GetValue(policy), parsed.GetValue(service), cancel));
        return command;
    }

    private static Command EvaluateReasoning(Func<ParseResult, Server> at, Func<ParseResult, Verbs> verbs)
    {
        var path = new Argument<string>("CASES.jsonl") { Description = "A case file: one recorded deployment a line." };
        var authority = new Option<string>("--authority") { Description = "What the language model may do: advise, decide, or both, one after the other.", HelpName = "advise,decide", DefaultValueFactory = _ => "advise,decide" };
        authority.Validators.Add(result =>
        {
            if (result.Tokens.Any(static token => token.Value is not ("advise" or "decide" or "advise,decide" or "decide,advise")))
                result.AddError($"--authority {result.Tokens[^1].Value} is no authority; write advise, decide or advise,decide");
        });
        var policy = new Option<string?>("--policy") { Description = "Judge by this policy; else by what the cases have.", HelpName = "FILE" };
        var attacks = Whole("--attacks", "How many attacks are planted per case that is asked about; 0 for none.", 0, 60);
        var limit = Whole("--limit", "Only so many cases, from the beginning of the file.", 1, Evaluating.MostCases);
        var tokens = Whole("--max-tokens", "How many tokens all questions may take together.", 1, 1_000_000_000);
        var command = new Command("evaluate-reasoning", "Let the server measure on recorded deployments what its language model does to the verdicts. Needs the role admin.") { path, authority, policy, attacks, limit, tokens };
        command.SetAction(async (parsed, cancel) =>
        {
            using var server = at(parsed);
            var order = new EvaluationFile(
                parsed.GetRequiredValue(path), parsed.GetRequiredValue(authority).Split(','), parsed.GetValue(policy), parsed.GetValue(attacks), parsed.GetValue(limit), parsed.GetValue(tokens));
            return await verbs(parsed).EvaluateReasoning(server, order, cancel);
        });
        return command;
    }

    private static Option<int?> Whole(string name, string description, int least, int most)
    {
        var option = new Option<int?>(name) { Description = description, HelpName = "N" };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Any(token => !int.TryParse(token.Value, out var count) || count < least || count > most))
                result.AddError($"{name} {result.Tokens[^1].Value} is no number from {least} to {most}");
        });
        return option;
    }

    private static Command Policy(Func<ParseResult, Server> at, Func<ParseResult, Verbs> verbs, Terminal terminal)
    {
        var path = new Argument<string>("FILE|DIR") { Description = "A policy file, or a folder of them." };
        var live = new Option<bool>("--live") { Description = "Also let the server run every query now, and say what it gives." };
        var service = new Option<string?>("--service") { Description = "With --live: only this service.", HelpName = "S" };
        var version = new Option<string?>("--version") { Description = "With --live: what stands for {{version}}; else the newest that the source knows.", HelpName = "V" };
        var check = new Command("check", "Read a policy without a server and say everything that is wrong with it.") { path, live, service, version };
        check.SetAction(async (parsed, cancel) =>
        {
            if (!parsed.GetValue(live))
                return await verbs(parsed).CheckPolicy(parsed.GetRequiredValue(path), cancel);
            using var server = at(parsed);
            return await verbs(parsed).CheckPolicyLive(server, parsed.GetRequiredValue(path), parsed.GetValue(service), parsed.GetValue(version), cancel);
        });

        var prometheus = new Option<string>("--prometheus") { Description = "Prometheus' address. A bearer token is taken from PROMETHEUS_TOKEN.", HelpName = "URL", Required = true };
        prometheus.Validators.Add(result =>
        {
            if (result.Tokens.Any(token => !Uri.TryCreate(token.Value, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.UserInfo.Length > 0))
                result.AddError($"--prometheus {result.Tokens[^1].Value} is no address; write one such as http://localhost:9090");
        });
        var only = new Option<string?>("--service") { Description = "Only this service; else all that Prometheus knows.", HelpName = "S" };
        var output = new Option<string?>("--out") { Description = "Write the policy to this file, which must not exist yet; else to stdout.", HelpName = "FILE" };
        var init = new Command("init", "Write a first policy from the metrics that a Prometheus has. Needs no server.") { prometheus, only, output };
        init.SetAction(async (parsed, cancel) =>
        {
            using var asked = new MetricNames(new Uri(parsed.GetRequiredValue(prometheus)), terminal.Variable("PROMETHEUS_TOKEN"), TimeProvider.System);
            return await verbs(parsed).InitPolicy(asked, parsed.GetValue(only), parsed.GetValue(output), cancel);
        });
        var schema = new Command("schema", "Print the JSON schema of policies, for editors and pipelines.");
        schema.SetAction((parsed, cancel) => verbs(parsed).PolicySchema(cancel));
        return new Command("policy", "Work on policies.") { check, init, schema };
    }

    private static Command OfOne(
        string name, string description, Func<ParseResult, Server> at, Func<ParseResult, Server, string, CancellationToken, Task<int>> act, params IReadOnlyList<Option> options)
    {
        var id = new Argument<string>("ID") { Description = "The deployment's id." };
        id.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
            {
                if (token.Value.Length is 0 or > 64 || token.Value.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_')))
                    result.AddError($"'{token.Value}' is no id of a deployment; write it as verify prints it, dep-...");
            }
        });
        var command = new Command(name, description) { id };
        foreach (var option in options)
            command.Add(option);
        command.SetAction(async (parsed, cancel) =>
        {
            using var server = at(parsed);
            return await act(parsed, server, parsed.GetRequiredValue(id), cancel);
        });
        return command;
    }

    private static Option<TimeSpan?> Timeout() => Duration("--timeout", $"How long to wait, such as 90s or 15m; {Durations.Format(Patience)} when not given.", Longest);

    private static Option<TimeSpan?> Duration(string name, string description, TimeSpan longest) =>
        new(name)
        {
            Description = description,
            HelpName = "T",
            CustomParser = result =>
            {
                var text = result.Tokens.Count > 0 ? result.Tokens[^1].Value : "";
                if (!Durations.TryParse(text, out var duration) || duration > longest)
                    result.AddError($"{name} '{text}' is no duration up to {Durations.Format(longest)}; write 90s, 15m, 2h{(longest > TimeSpan.FromDays(30) ? ", 30d" : "")}");
                return duration;
            },
        };

    private static Uri Address(string? text)
    {
        if (string.IsNullOrEmpty(text))
            text = DefaultServer;
        return Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https" && address.UserInfo.Length == 0 && address.Query.Length == 0
            ? address
            : throw new Failure($"'{text}' is no address of a Commander", $"write --server {DefaultServer}", ExitCode.Usage);
    }

    private static string? Token(Terminal terminal)
    {
        var token = terminal.Variable("COMMANDER_TOKEN")?.Trim();
        return token is null || token.All(c => c is > ' ' and < '\u007f')
            ? token
            : throw new Failure("COMMANDER_TOKEN has characters that no token has", "copy it again, without spaces and line breaks", ExitCode.Usage);
    }

    // An option that is not known is taken for an argument; both are looked for.
    private static string? Near(string word, Command verb)
    {
        var options = verb.Options.Concat(verb.Parents.OfType<Command>().SelectMany(static parent => parent.Options.Where(static option => option.Recursive)));
        return Nearest.To(word, verb.Subcommands.Select(static one => one.Name).Concat(options.Select(static option => option.Name)));
    }

    private static string Path(Command command) =>
        command.Parents.OfType<Command>().FirstOrDefault() is { } parent and not RootCommand ? $"{Path(parent)} {command.Name}" : command.Name;
}
