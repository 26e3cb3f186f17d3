using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;

namespace Commander.Server.Fixing;

/// <summary>What kind of error a bad deployment has, for those who mend it.</summary>
/// <param name="Type">One of <see cref="ErrorTypes.Words"/>.</param>
/// <param name="By">rules, or model where the rules found nothing and a language model named a type.</param>
/// <param name="Confidence">strong when several things say it or one says the cause and nothing else comes near; else weak.</param>
/// <param name="Evidence">What says so, the strongest first; at most <see cref="ErrorTypes.MaxEvidence"/>. Empty for unknown and for what a model named.</param>
internal sealed record ErrorType(string Type, string By, string Confidence, IReadOnlyList<ErrorEvidence> Evidence);

/// <summary>One thing that speaks for a type of error.</summary>
/// <param name="Id">A metric's name, a log signature's id (l1 ...), or verdict.</param>
/// <param name="Says">One sentence. A metric's reason may stand in it, a log line never.</param>
internal sealed record ErrorEvidence(string Id, string Says);

/// <summary>One kind of log line, as whoever read the logs found it.</summary>
/// <param name="Id">Its place in the list: l1, l2 ...</param>
/// <param name="Template">What its lines have in common; bounded by whoever read them.</param>
/// <param name="Candidate">How many lines of the candidate.</param>
/// <param name="Control">How many lines of the control in the same seconds.</param>
internal sealed record SaidLine(string Id, string Template, int Candidate, int Control)
{
    /// <summary>Whether only the candidate says it.</summary>
    public bool IsNew => Candidate > 0 && Control == 0;
}

/// <summary>
/// Decides the type of an error by rules: two tables, of what metrics and of what log lines say, each row with a weight. A type counts
/// as its heaviest piece of evidence, and one more for each of these: there is a second piece; both metrics and logs say it. The
/// heaviest type wins, of two alike the one nearer to the cause. What the control says as often is no evidence, and that a process ends is
/// none of its own where a line names the reason.
/// </summary>
internal static class ErrorTypes
{
    public const string MemoryLeak = "memory_leak";
    public const string DatabaseTimeout = "database_timeout";
    public const string Performance = "performance";
    public const string DependencyFailure = "dependency_failure";
    public const string Configuration = "configuration";
    public const string CrashLoop = "crash_loop";
    public const string CodeDefect = "code_defect";
    public const string Traffic = "traffic";
    public const string Unknown = "unknown";

    public const string Strong = "strong";
    public const string Weak = "weak";
    public const string Rules = "rules";
    public const string Model = "model";

    public const int MaxEvidence = 8;

    /// <summary>All types, nearest to the cause first: a wrong setting makes a database time out, which makes code fail, which makes a process end.</summary>
    public static readonly IReadOnlyList<string> Words =
        [Configuration, DatabaseTimeout, MemoryLeak, DependencyFailure, CodeDefect, CrashLoop, Performance, Traffic, Unknown];

    // Names a cause; names what a cause leads to; is true of several types.
    private const int Cause = 4;
    private const int Clear = 3;
    private const int Symptom = 2;
    private const int Hint = 1;

    // Lighter than this says nothing by itself.
    private const int Least = Symptom;

    private const string Verdict = "verdict";
    private const string Worse = "worse";
    private const string NoData = "no_data";
    // The judge's own sentences for what is no metric's finding.
    private const string FellSilent = "no data from the candidate for";
    private const string ShareIsOff = "(watch.share)";

    /// <summary>What all rules look at.</summary>
    private sealed record Case(Verdict Verdict)
    {
        public bool IsWorse(Family family) => Any(family, Worse);

        public bool Errors => IsWorse(Family.Error);

        /// <summary>Memory is known and not worse.</summary>
        public bool MemoryIsFine => Any(Family.Memory, "same") || Any(Family.Memory, "better");

        /// <summary>Nothing about requests ever came from the candidate, though the source answers.</summary>
        public bool NeverSpoke => Requests.Any() && Requests.All(f => f is { Verdict: NoData, Candidate: null, Quality: "empty" or "value" or "partial" });

        public bool IsSilent => NeverSpoke || Verdict.Reasoning.Contains(FellSilent, StringComparison.Ordinal);

        /// <summary>More requests than before, which no version is to blame for. A control has them as well: against one it is the routing.</summary>
        public bool LoadRose => Verdict.Findings.Any(f => IsLoad(f) && f.Verdict == "better" && f.ReferenceArm is "before" or "seasonal");

        private IEnumerable<Finding> Requests => Verdict.Findings.Where(f => Is(f, Family.Error) || Is(f, Family.Latency) || Is(f, Family.Traffic));

        private bool Any(Family family, string word) => Verdict.Findings.Any(f => Is(f, family) && f.Verdict == word);
    }

    /// <param name="Type">The type that it speaks for.</param>
    /// <param name="Weight">How much.</param>
    /// <param name="Holds">Whether the finding says it.</param>
    /// <param name="Says">Why it speaks for the type.</param>
    private sealed record MetricRule(string Type, int Weight, Func<Finding, Case, bool> Holds, string Says);

    private static readonly MetricRule[] MetricRules =
    [
        // Memory that grows with nothing else new is kept, not used; no log line tells of it until the kernel ends the process.
        new(MemoryLeak, Clear, (f, _) => Is(f, Family.Memory, Worse), "takes more memory"),
        // Measured at the calls to others: they fail or are slow, whatever this service makes of it.
        new(DependencyFailure, Cause, (f, _) => Is(f, Family.Downstream, Worse), "calls to other services got worse"),
        new(CrashLoop, Clear, (f, _) => f.Verdict == Worse && Named(f, "restart"), "the process is restarted more often"),
        new(CodeDefect, Symptom, (f, _) => f.Verdict == Worse && Named(f, "exception"), "more exceptions are thrown"),
        // Slow, or busy, and yet every answer is right: the way it is done has changed. With failures as well, slowness may be retries and time-outs.
        new(Performance, Symptom, (f, all) => Is(f, Family.Latency, Worse) && !all.Errors && !all.LoadRose, "slower without more errors"),
        new(Performance, Symptom, (f, all) => Is(f, Family.Cpu, Worse) && !all.Errors && !all.LoadRose, "takes more processor time without more errors"),
        // More requests than before: what is slow then is slow because of them.
        new(Traffic, Clear, (f, all) => IsLoad(f) && all.LoadRose && (all.IsWorse(Family.Latency) || all.IsWorse(Family.Cpu)), "more requests arrive than before"),
        // Fewer requests and none fails: they do not come here. Of a silent candidate this says nothing new.
        new(Traffic, Symptom, (f, all) => IsLoad(f) && f.Verdict == Worse && !all.Errors && !all.IsSilent, "fewer requests arrive"),
    ];

    // Whose harm is requests that fail: more errors are a second piece for what the logs say of these, and no evidence alone.
    private static readonly string[] FailRequests = [Configuration, DatabaseTimeout, DependencyFailure, CodeDefect];

    // A process says it once when it starts or ends; of the others every request says it again, so that few lines are few cases.
    private static readonly string[] SaidOnce = [Configuration, MemoryLeak, CrashLoop];

    /// <param name="Type">The type that it speaks for.</param>
    /// <param name="Weight">How much, when only the candidate says it.</param>
    /// <param name="Says">What the line says.</param>
    /// <param name="Phrases">Any of them, in any case, from the beginning of a word on; * stands for anything between.</param>
    /// <param name="When">Only then; null: always.</param>
    private sealed record LogRule(string Type, int Weight, string Says, string[] Phrases, Func<Case, bool>? When = null);

    // The first row that fits a line is the line's: what is special stands before what is general.
    private static readonly LogRule[] LogRules =
    [
        // A database that is reached and says no: who is let in, and with what, is set outside the code.
        new(Configuration, Cause, "credentials are refused",
            ["password authentication failed", "access denied for user", "login failed for user", "invalid api key", "invalid client secret"]),
        // The code expects a schema that is not there.
        new(CodeDefect, Cause, "the database has not the schema that the code expects",
            ["relation*does not exist", "column*does not exist", "unknown column", "invalid column name", "no such table", "no such column", "invalid object name", "doesn't exist in table"]),
        // Go's own deadlock is none of a database.
        new(CodeDefect, Cause, "all of its threads wait for each other",
            ["goroutines are asleep", "java-level deadlock"]),
        // Connections that are not given back, statements that got slow, locks that are held longer.
        new(DatabaseTimeout, Cause, "the database or its connections are waited for too long",
            ["pool*exhausted", "exhausted*pool", "connection from the pool", "queuepool limit", "connection is not available*timed out", "timeout acquiring*connection", "timeout*acquiring a connection",
             "too many connections", "too many clients", "remaining connection slots", "command timeout", "command timed out", "statement timeout", "query timeout", "query timed out", "query execution was interrupted",
             "canceling statement", "lock wait timeout", "deadlock", "database is locked", "sqlstate", "database*timeout", "database*timed out", "sql*timeout", "sql*timed out", "postgres*timeout", "postgres*timed out",
             "mysql*timeout", "mongo*timeout", "mongo*timed out", "serverselectiontimeout", "slow query"]),
        new(MemoryLeak, Cause, "memory ran out",
            ["oomkilled", "oom-kill", "oom_kill", "oom kill", "out of memory", "outofmemory", "java heap space", "gc overhead limit", "cannot allocate memory", "memory cgroup", "memoryerror", "bad_alloc", "memory limit exceeded"]),
        // 137 is 128 + SIGKILL: with memory that grows it is the kernel's doing, else anybody's.
        new(MemoryLeak, Symptom, "was killed from outside while its memory grew",
            ["exit code 137", "exited with code 137", "exited with 137", "exit status 137", "status 137", "code 137", "sigkill", "signal 9", "signal: killed"], all => all.IsWorse(Family.Memory)),
        // It does not start, or starts wrong, with what it was given.
        new(Configuration, Cause, "a setting is missing or wrong",
            ["missing env", "missing*environment variable", "environment variable*not set", "environment variable*missing", "environment variable*required", "environment variable*not defined", "env var*not set", "env var*missing",
             "cannot parse config", "could not parse config", "failed to parse config", "failed to load config", "error parsing config", "invalid config", "config*invalid", "config*not found", "config*no such file", "missing config", "missing required config", "configuration*missing",
             "invalid option", "unknown option", "unrecognized option", "unknown flag", "unrecognized argument", "optionsvalidationexception", "resolve placeholder", "validation error*settings", "unknown directive", "yaml: line", "yaml*mapping values", "secret*not found", "secret*missing", "find key*in secret", "find key*in configmap", "configmap*not found", "createcontainerconfigerror",
             "permission denied", "eacces", "address already in use", "eaddrinuse", "certificate*expired", "certificate signed by unknown", "certificate verify failed", "x509", "pkix path", "sslhandshake",
             "imagepullbackoff", "errimagepull", "manifest unknown", "exec format error", "no such bucket"]),
        // Whoever is called is not there, not found or not willing.
        new(DependencyFailure, Cause, "another service cannot be reached or refuses",
            ["econnrefused", "connection refused", "actively refused", "no such host", "enotfound", "eai_again", "name or service not known", "name resolution", "nodename nor servname", "getaddrinfo", "unknownhost",
             "breaker*open", "circuit*open", "brokencircuit", "callnotpermitted", "from upstream", "upstream*503", "upstream*502", "upstream*504", "upstream connect error", "no healthy upstream", "no live upstreams", "bad gateway", "service unavailable",
             "host unreachable", "ehostunreach", "no route to host", "network is unreachable", "dial tcp", "error while dialing", "could not connect", "unable to connect", "failed to connect", "not possible to connect", "communications link failure", "connectexception", "max retries exceeded", "statuscode.unavailable", "code = unavailable"]),
        new(DependencyFailure, Symptom, "connections to another service break",
            ["connection reset", "econnreset", "socket hang up", "etimedout", "broken pipe", "gateway timeout", "upstream", "connectionerror", "connectionexception", "socketexception", "sockettimeout", "redistimeout", "redisconnection"]),
        // The code does what no code should, whatever it is given.
        new(CodeDefect, Cause, "the code fails by itself",
            ["nullreference", "nullpointer", "nil pointer", "invalid memory address", "object reference not set", "typeerror", "referenceerror", "attributeerror", "keyerror", "nameerror", "indexerror", "importerror", "cannot read propert", "is not a function", "undefined method",
             "indexoutofrange", "index out of range", "index was outside", "indexoutofbounds", "argumentnull", "argumentoutofrange", "keynotfound", "invalidcast", "classcast", "stackoverflow", "stack overflow", "maximum call stack", "notimplemented", "missingmethod", "nosuchmethod", "noclassdeffound", "classnotfound",
             "could not load file or assembly", "cannot find module", "modulenotfound", "typeloadexception", "unable to resolve service for type", "divide by zero", "dividebyzero", "zerodivision", "assertion failed", "assertionerror", "segmentation fault", "sigsegv", "member function*on null", "stack exceeds"]),
        new(CodeDefect, Symptom, "an exception is not handled",
            ["unhandled exception", "uncaught exception", "unhandled rejection", "unhandledpromiserejection", "unhandled error", "traceback", "panic", "fatal exception", "an unhandled", "uncaught"]),
        // Refused by the code's own checks or those of its libraries: most often what it was written for has changed.
        new(CodeDefect, Symptom, "an exception that tells of wrong use or wrong data",
            ["illegalstate", "illegalargument", "invalidoperation", "unsupportedoperation", "notsupportedexception", "jsonexception", "jsondecodeerror", "jsonparse", "serializationexception", "deserialization", "formatexception", "numberformat", "valueerror", "runtimeerror", "arithmeticexception", "concurrentmodification"]),
        // It ends, and is started, and ends.
        new(CrashLoop, Cause, "the platform starts it again and again",
            ["crashloopbackoff", "back-off restarting", "back off restarting", "backoff restarting", "restarting failed container", "too many restarts"]),
        new(CrashLoop, Symptom, "the process ends",
            ["exit code", "exited with", "exit status", "terminated with", "core dumped", "liveness probe failed", "startup probe failed", "sigabrt", "sigkill", "main process exited", "application startup failed", "failed to start", "host terminated unexpectedly"]),
        new(Traffic, Symptom, "too many requests arrive",
            ["too many requests", "rate limit", "status 429", "http 429", "load shedding"]),
        new(Performance, Symptom, "work piles up",
            ["starvation", "queue is full", "queue full", "thread pool*exhausted", "event loop*blocked", "event loop lag", "gc pause"]),
        // True of everything that is slow: the service itself, its database, what it calls.
        new(Performance, Hint, "something takes too long",
            ["timed out", "timeout", "deadline exceeded", "took too long", "taskcanceled"]),
    ];

    // A process that ends as it should.
    private static readonly string[] NoFailure = ["exit code 0", "exited with 0", "exited with code 0", "exit status 0"];

    /// <summary>The type of error of a bad deployment.</summary>
    /// <param name="verdict">The verdict that called it bad, or the newest one.</param>
    /// <param name="lines">What its log lines say; empty where they are not read.</param>
    /// <param name="suggestion">What a language model named, if one was asked; used only where the rules say unknown, and only when it is one of the words.</param>
    public static ErrorType Of(Verdict verdict, IReadOnlyList<SaidLine> lines, string? suggestion = null)
    {
        var all = new Case(verdict);
        var pieces = Metrics(all).Concat(Logs(lines, all)).ToList();
        pieces = [.. Explained(pieces), .. Failing(pieces, all)];
        var ranked = pieces.GroupBy(p => p.Type, StringComparer.Ordinal)
            .Select(type => (Type: type.Key, Weight: Weight([.. type]), Pieces: type.OrderByDescending(p => p.Weight).ToArray()))
            .OrderByDescending(type => type.Weight)
            .ThenBy(type => Words.IndexOf(type.Type))
            .ToArray();
        if (ranked is not [var first, ..] || first.Weight < Least)
            return Suggested(suggestion) is { } named ? new ErrorType(named, Model, Weak, []) : new ErrorType(Unknown, Rules, Weak, []);
        var ahead = first.Weight - (ranked.Length > 1 ? ranked[1].Weight : 0);
        var strong = (first.Weight >= Cause && ahead >= 2) || (first.Weight >= Clear && first.Pieces.Length > 1 && ahead >= 1);
        return new ErrorType(first.Type, Rules, strong ? Strong : Weak, first.Pieces.Select(p => p.Evidence).Take(MaxEvidence).ToArray());
    }

    /// <param name="Type">The type that it speaks for.</param>
    /// <param name="Weight">How much.</param>
    /// <param name="IsLog">Whether a log line says it.</param>
    /// <param name="Evidence">What says it.</param>
    private sealed record Piece(string Type, int Weight, bool IsLog, ErrorEvidence Evidence);

    // A process that ends has a reason: where a line names it, the end is a second piece for the reason and no type of its own.
    private static IEnumerable<Piece> Explained(IReadOnlyList<Piece> pieces)
    {
        var reasons = pieces.Where(p => p is { IsLog: true, Weight: Cause } && p.Type != CrashLoop).Select(p => p.Type).Distinct(StringComparer.Ordinal).ToArray();
        var end = pieces.Where(p => p.Type == CrashLoop).MaxBy(p => p.Weight);
        return reasons.Length == 0 || end is null
            ? pieces
            : pieces.Select(p => p.Type == CrashLoop ? p with { Weight = Hint } : p)
                .Concat(reasons.Select(type => new Piece(type, Hint, false, end.Evidence)));
    }

    private static IEnumerable<Piece> Failing(IReadOnlyList<Piece> pieces, Case all)
    {
        if (!all.Errors)
            return [];
        var failing = all.Verdict.Findings.First(f => Is(f, Family.Error, Worse));
        return FailRequests.Where(type => pieces.Any(p => p.Type == type && p.IsLog))
            .Select(type => new Piece(type, Hint, false, new ErrorEvidence(failing.Metric, Sentence("more requests fail", failing))));
    }

    private static int Weight(IReadOnlyList<Piece> pieces) =>
        pieces.Max(p => p.Weight)
        + (pieces.Count > 1 ? 1 : 0)
        + (pieces.Any(p => p.IsLog) && pieces.Any(p => !p.IsLog) ? 1 : 0);

    private static IEnumerable<Piece> Metrics(Case all)
    {
        foreach (var finding in all.Verdict.Findings)
        {
            foreach (var rule in MetricRules)
            {
                if (rule.Holds(finding, all))
                    yield return new Piece(rule.Type, rule.Weight, false, new ErrorEvidence(finding.Metric, Sentence(rule.Says, finding)));
            }
        }

        // A version that never answered did not come up; one that stopped answering may also have been taken off by its platform.
        if (all.IsSilent)
            yield return new Piece(CrashLoop, all.NeverSpoke ? Clear : Symptom, false, new ErrorEvidence(Verdict, all.NeverSpoke ? "nothing came from the candidate since its first seconds" : "the candidate fell silent while the control has traffic"));
        if (all.Verdict.Reasoning.Contains(ShareIsOff, StringComparison.Ordinal))
            yield return new Piece(Traffic, Clear, false, new ErrorEvidence(Verdict, "the candidate has another share of the requests than intended"));
    }

    private static IEnumerable<Piece> Logs(IReadOnlyList<SaidLine> lines, Case all)
    {
        var told = lines.Select(line => (Line: line, Rule: Counts(line) ? Rule(line.Template, all) : null)).Where(t => t.Rule is not null).ToArray();
        var most = told.Select(t => t.Line.Candidate).DefaultIfEmpty().Max();
        foreach (var (line, found) in told)
        {
            var rule = found!;
            // A step less for each doubt: the control says it too, hardly any request does, or memory was looked at and is as before.
            var doubts = (line.IsNew ? 0 : 1)
                + (!SaidOnce.Contains(rule.Type) && (line.Candidate < 2 || line.Candidate * 10 < most) ? 1 : 0)
                + (rule.Type == MemoryLeak && all.MemoryIsFine ? 1 : 0);
            var weight = doubts == 0 ? rule.Weight : Math.Max(Hint, (rule.Weight == Cause ? Clear : rule.Weight) - doubts);
            var how = line.IsNew ? $"only the candidate says it, {line.Candidate} times" : $"{line.Candidate} times, the control {line.Control} times";
            yield return new Piece(rule.Type, weight, true, new ErrorEvidence(line.Id, $"{rule.Says} ({how})"));
        }
    }

    // What the control says about as often was there before, or is everybody's.
    private static bool Counts(SaidLine line) =>
        line.IsNew || (line.Candidate >= 3L * line.Control && line.Candidate - line.Control >= 5);

    private static LogRule? Rule(string template, Case all) =>
        Array.Exists(NoFailure, phrase => Has(template, phrase))
            ? null
            : Array.Find(LogRules, rule => rule.When?.Invoke(all) != false && Array.Exists(rule.Phrases, phrase => Has(template, phrase)));

    /// <summary>Whether the parts of a phrase stand in a text one after the other, each from the beginning of a word on.</summary>
    private static bool Has(string text, string phrase)
    {
        var from = 0;
        foreach (var part in phrase.Split('*'))
        {
            var at = Find(text, part, from);
            if (at < 0)
                return false;
            from = at + part.Length;
        }

        return true;
    }

    private static int Find(string text, string part, int from)
    {
        for (var at = text.IndexOf(part, from, StringComparison.OrdinalIgnoreCase); at >= 0; at = text.IndexOf(part, at + 1, StringComparison.OrdinalIgnoreCase))
        {
            // SqlTimeoutException has three words.
            var begins = at == 0 || !char.IsAsciiLetterOrDigit(text[at - 1]) || (char.IsAsciiLetterUpper(text[at]) && !char.IsAsciiLetterUpper(text[at - 1]));
            // 50 is not 503.
            var end = at + part.Length;
            var ends = !char.IsAsciiDigit(part[^1]) || end == text.Length || !char.IsAsciiDigit(text[end]);
            if (begins && ends)
                return at;
        }

        return -1;
    }

    private static string? Suggested(string? suggestion)
    {
        var word = suggestion?.Trim().ToLowerInvariant();
        return word is not null and not Unknown && Words.Contains(word) ? word : null;
    }

    private static string Sentence(string says, Finding finding) => finding.Reason.Length > 0 ? $"{says}: {finding.Reason}" : says;

    private static bool Is(Finding finding, Family family, string? word = null) => finding.Family == family.Word() && (word is null || finding.Verdict == word);

    private static bool Named(Finding finding, string part) => finding.Metric.Contains(part, StringComparison.OrdinalIgnoreCase);

    // Also of the whole service, where its name says that requests are counted.
    private static bool IsLoad(Finding finding) =>
        Is(finding, Family.Traffic) || (Is(finding, Family.Service) && (Named(finding, "request") || Named(finding, "throughput") || Named(finding, "traffic")));

    private static int IndexOf(this IReadOnlyList<string> words, string word)
    {
        for (var at = 0; at < words.Count; at++)
        {
            if (words[at] == word)
                return at;
        }

        return words.Count;
    }
}
