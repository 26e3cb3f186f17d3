using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Commander.Judging;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Fluid;
using Fluid.Ast;
using Fluid.Values;

namespace Commander.Server.Alerting;

/// <summary>
/// Liquid in the place of the sentence that an alert says. A template knows the values it is given and nothing else: no file, no clock, no
/// other template; steps, sizes and what may be nested are bounded, since whoever may check a policy may send one.
/// </summary>
internal sealed partial class Templates
{
    /// <summary>What a template says is cut there.</summary>
    public const int MaxOutput = 2_000;

    private const int MaxText = 4_000;
    private const int MaxSteps = 2_000;
    private const int MaxBetween = 4_000;
    private const int MaxItems = 1_000;
    private const int MaxKept = 256;
    private const int MaxErrors = 50;

    /// <summary>The names a template may begin with.</summary>
    private static readonly string[] Roots = ["deployment", "verdict", "findings", "alert", "outcome", "rollback", "news"];

    private const string Each = "findings[]";

    /// <summary>What stands directly below a name, by the API's own words. Deeper down everything goes: there are lists and labels.</summary>
    private static readonly Dictionary<string, IReadOnlyList<string>> Below = new(StringComparer.Ordinal)
    {
        ["deployment"] = NamesOf<Deployment>(),
        ["verdict"] = NamesOf<Verdict>(),
        ["outcome"] = NamesOf<Outcome>(),
        ["rollback"] = NamesOf<ActionEntry>(),
        ["news"] = NamesOf<SystemNews>(),
        ["alert"] = ["occasion", "severity", "at", "title", "sentence", "done", "next", "confidence", "url"],
        ["findings"] = ["size", "first", "last"],
        [Each] = [.. NamesOf<Finding>(), "says", "chart"],
    };

    private static readonly string[] Words = ["empty", "blank", "nil", "null", "true", "false", "forloop"];

    // Those whose result is about as long as what goes in, or that look first: a template of 4,000 characters shall not make a gigabyte.
    private static readonly string[] Filters =
    [
        "abs", "append", "at_least", "at_most", "capitalize", "ceil", "compact", "concat", "date", "default", "divided_by", "downcase", "find", "first", "floor", "has",
        "join", "last", "lstrip", "map", "minus", "modulo", "plus", "prepend", "reject", "remove", "remove_first", "replace", "replace_first", "reverse", "round", "rstrip",
        "size", "slice", "sort", "split", "strip", "strip_newlines", "sum", "time_zone", "times", "truncate", "truncatewords", "uniq", "upcase", "where",
    ];

    private static readonly string[] Tags = ["assign", "break", "capture", "case", "comment", "#", "continue", "cycle", "decrement", "for", "if", "ifchanged", "increment", "raw", "unless"];

    private static readonly FluidParser Parser = MakeParser();
    private static readonly TemplateOptions Options = MakeOptions();

    private readonly ConcurrentDictionary<string, IFluidTemplate> _kept = new(StringComparer.Ordinal);

    /// <summary>What an alert says: with the template's words where the policy has one, and where that cannot be used with Commander's own, which then say so.</summary>
    public AlertText Of(AlertPolicy to, Alert alert)
    {
        var own = AlertText.Of(alert);
        if (to.Template is not { } template)
            return own;
        try
        {
            var said = Plain(Parsed(template).Render(Context(alert, own), NullEncoder.Default));
            // A template that says nothing of this occasion leaves it to us.
            return said.Length == 0 ? own : own with { Sentence = AlertText.Cut(said, MaxOutput) };
        }
        catch (Exception e)
        {
            // Whatever a template does in a library that others wrote, the alert goes out.
            return own with { Sentence = $"{own.Sentence}\n(These are Commander's own words: the policy's template {Why(e)}.)" };
        }
    }

    /// <summary>What is wrong with the templates of all policies: sentences that name the place and what to write instead.</summary>
    public static IReadOnlyList<string> Check(PolicySet policies)
    {
        var (errors, said) = (new List<string>(), new HashSet<(int, string)>());
        // What is inherited is said once, where it stands.
        foreach (var (place, policy) in policies.Services.OrderBy(s => s.Key.Contains('/', StringComparison.Ordinal)).ThenBy(s => s.Key, StringComparer.Ordinal).Select(s => (PlaceOf(s.Key), s.Value)).Prepend(("defaults", policies.Defaults)))
        {
            for (var at = 0; at < policy.Alert.Count && errors.Count < MaxErrors; at++)
            {
                if (policy.Alert[at].Template is { } template && !said.Contains((at, template)) && Wrong(template) is { } wrong)
                {
                    said.Add((at, template));
                    errors.Add($"{place}.alert[{at}].template: {wrong}");
                }
            }
        }

        return errors;
    }

    private static string PlaceOf(string key) => key.Split('/', 2) switch
    {
        [PolicySet.AnyService, var environment] => $"defaults.environments.{environment}",
        [var service, var environment] => $"services.{service}.environments.{environment}",
        _ => $"services.{key}",
    };

    /// <summary>What is wrong with one template, and what to write instead; null for nothing.</summary>
    internal static string? Wrong(string template) => Read(template).Wrong;

    private static (IFluidTemplate? Template, string? Wrong) Read(string template)
    {
        if (template.Length > MaxText)
            return (null, $"has more than {MaxText} characters; say it shorter");
        if (TooNested(template) is { } nested)
            return (null, nested);
        if (!Parser.TryParse(template, out var parsed, out var error))
            return (null, Explain(error));
        var reading = new Reading();
        reading.VisitTemplate(parsed);
        string? wrong = null;
        if (reading.Ranges)
            wrong = $"line {LineOf(template, "..")}: counts from one number to another (..), which is not known here; write {{% for finding in findings %}}";
        else if (reading.Filters.Except(Filters, StringComparer.Ordinal).FirstOrDefault() is { } filter)
            wrong = $"line {LineOf(template, filter)}: there is no filter '{Quoted(filter)}'; write {(Nearest.To(filter, Filters) is { } near ? near : $"one of {string.Join(", ", Filters)}")}";
        else if (reading.Names.Except([.. Roots, .. Words, .. reading.Made], StringComparer.Ordinal).FirstOrDefault() is { } name)
            wrong = $"line {LineOf(template, name)}: there is no value '{Quoted(name)}'; write {(Nearest.To(name, Roots) is { } near ? near : $"one of {string.Join(", ", Roots)}")}";
        else if (reading.Paths.Select(reading.Resolved).FirstOrDefault(path => Below.TryGetValue(path.Name, out var known) && !known.Contains(path.Below)) is { Name: not null } path)
            wrong = $"line {LineOf(template, "." + path.Below)}: there is no '{Quoted(path.Below)}' in {(path.Name == Each ? "a finding" : path.Name)}; write {(Nearest.To(path.Below, Below[path.Name]) is { } near ? near : $"one of {string.Join(", ", Below[path.Name])}")}";
        return wrong is null ? (parsed, null) : (null, wrong);
    }

    private static string[] NamesOf<T>() => [.. Json.Tolerant.GetTypeInfo(typeof(T)).Properties.Select(property => property.Name)];

    // Read again, not believed: a watch may go on by a policy that an older version took.
    private IFluidTemplate Parsed(string template)
    {
        if (_kept.TryGetValue(template, out var kept))
            return kept;
        var (parsed, wrong) = Read(template);
        if (parsed is null)
            throw new InvalidDataException($"cannot be read: {wrong}");
        if (_kept.Count >= MaxKept)
            _kept.Clear();
        return _kept[template] = parsed;
    }

    // The parser calls itself for what is nested, and a stack that ends takes the whole process with it.
    private static string? TooNested(string template) =>
        template.Count(c => c == '[') > 40 ? "has more than 40 [; write names with dots"
        : template.AsSpan().Count("{%") > 200 ? "has more than 200 {%; say it shorter"
        : template.Count(c => c == '|') > 100 ? "has more than 100 filters; say it shorter"
        : template.Count(c => c == '(') > 20 ? "has more than 20 (; say it shorter"
        : Joined().Count(template) > 100 ? "has more than 100 and, or, contains or comparisons; say it shorter"
        : null;

    [GeneratedRegex(@"\b(and|or|contains|startswith|endswith)\b|[=<>]", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Joined();

    private static string Explain(string error)
    {
        // "... at (line:column)", and then the source.
        var line = Plain(error.Split('\n')[0]);
        var at = Position().Match(line);
        var what = AlertText.Cut(at.Success ? line[..at.Index].Trim() : line, 200).TrimEnd('.');
        var where = at.Success ? $"line {at.Groups["line"].ValueSpan}, column {at.Groups["column"].ValueSpan}: " : "line 1: ";
        var tag = what.StartsWith("Unknown tag", StringComparison.Ordinal);
        return $"{where}{(what.Length == 0 ? "is no Liquid" : char.ToLowerInvariant(what[0]) + what[1..])}; write {(tag ? $"one of {string.Join(", ", Tags.Where(t => t != "#"))}" : "it like {{ deployment.service }} or {% if verdict %} ... {% endif %}")}";
    }

    [GeneratedRegex(@" at \((?<line>\d+):(?<column>\d+)\)")]
    private static partial Regex Position();

    private static int LineOf(string template, string name)
    {
        var at = template.IndexOf(name, StringComparison.Ordinal);
        return at < 0 ? 1 : template.AsSpan(0, at).Count('\n') + 1;
    }

    private static string Quoted(string text) => AlertText.Cut(Plain(text), 60);

    private static string Why(Exception e) => e switch
    {
        InvalidDataException => OneLine(e.Message),
        InvalidOperationException when e.Message.Contains("recursion", StringComparison.Ordinal) => "takes too many steps",
        _ => $"failed ({OneLine(e.Message)})",
    };

    private static string OneLine(string text) => AlertText.Cut(Plain(text).Replace('\n', ' '), 160).TrimEnd('.');

    // Lines stay lines; what would steer a terminal or a header does not get out.
    private static string Plain(string text) => string.Concat(text.ReplaceLineEndings("\n").Select(c => c == '\n' || !char.IsControl(c) ? c : ' ')).Trim();

    private static TemplateContext Context(Alert alert, AlertText own)
    {
        var context = new TemplateContext(Options) { Now = () => alert.At };
        var deployment = JsonSerializer.SerializeToElement(alert.Deployment, Json.Tolerant);
        var verdict = Find(deployment, "verdict");
        context.SetValue("deployment", Value(deployment));
        context.SetValue("verdict", Value(verdict));
        context.SetValue("outcome", Value(Find(deployment, "outcome")));
        context.SetValue("rollback", Value(Find(deployment, "actions") is { ValueKind: JsonValueKind.Array } actions
            ? actions.EnumerateArray().LastOrDefault(action => action.GetProperty("kind").ValueEquals("rollback"))
            : default));
        context.SetValue("news", Value(JsonSerializer.SerializeToElement(alert.News, Json.Tolerant)));
        var alone = new Dictionary<string, FluidValue>(StringComparer.Ordinal)
        {
            ["occasion"] = StringValue.Create(alert.Occasion),
            ["severity"] = StringValue.Create(alert.Severity switch { Severity.Critical => "critical", Severity.Warning => "warning", _ => "info" }),
            ["at"] = Value(JsonSerializer.SerializeToElement(alert.At, Json.Tolerant)),
            ["title"] = StringValue.Create(own.Title),
            ["sentence"] = StringValue.Create(own.Sentence),
            ["done"] = Text(own.Done),
            ["next"] = Text(own.Next),
            ["confidence"] = Text(own.Confidence),
            ["url"] = StringValue.Create(own.Url),
        };
        context.SetValue("alert", Map(alone));
        context.SetValue("findings", new ArrayValue([.. own.Findings.Select(finding => Finding(finding, verdict))]));
        return context;
    }

    private static DictionaryValue Finding(AlertFinding finding, JsonElement verdict)
    {
        var values = new Dictionary<string, FluidValue>(StringComparer.Ordinal);
        var known = Find(verdict, "findings") is { ValueKind: JsonValueKind.Array } all
            ? all.EnumerateArray().FirstOrDefault(one => one.GetProperty("metric").ValueEquals(finding.Metric))
            : default;
        if (known.ValueKind == JsonValueKind.Object)
        {
            foreach (var property in known.EnumerateObject())
                values[property.Name] = Value(property.Value);
        }

        (values["metric"], values["says"], values["chart"]) = (StringValue.Create(finding.Metric), StringValue.Create(finding.Says), Text(finding.Chart));
        return Map(values);
    }

    private static JsonElement Find(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var found) ? found : default;

    private static FluidValue Text(string? text) => text is null ? NilValue.Instance : StringValue.Create(text);

    private static DictionaryValue Map(Dictionary<string, FluidValue> values) => new(new FluidValueDictionaryFluidIndexable(values));

    /// <summary>A value as the API writes it. Texts are values: what is in them is never read as a template.</summary>
    private static FluidValue Value(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => Map(element.EnumerateObject().ToDictionary(property => property.Name, property => Value(property.Value), StringComparer.Ordinal)),
        JsonValueKind.Array => new ArrayValue([.. element.EnumerateArray().Take(MaxItems).Select(Value)]),
        JsonValueKind.String => StringValue.Create(AlertText.Cut(element.GetString()!, MaxBetween)),
        JsonValueKind.Number when element.TryGetDecimal(out var number) => NumberValue.Create(number),
        JsonValueKind.Number => StringValue.Create(element.GetRawText()),
        JsonValueKind.True => BooleanValue.True,
        JsonValueKind.False => BooleanValue.False,
        _ => NilValue.Instance,
    };

    private static FluidParser MakeParser()
    {
        var parser = new FluidParser(new FluidParserOptions { AllowFunctions = false, AllowParentheses = false });
        foreach (var tag in parser.RegisteredTags.Keys.Except(Tags, StringComparer.Ordinal).ToList())
            parser.RegisteredTags.Remove(tag);
        return parser;
    }

    private static TemplateOptions MakeOptions()
    {
        var options = new TemplateOptions
        {
            MaxSteps = MaxSteps,
            MaxRecursion = 10,
            Assigned = static (_, value, _) => ValueTask.FromResult(Bounded(value)),
            Captured = static (_, value, _) => ValueTask.FromResult(Bounded(value)),
            StrictFilters = true,
            CultureInfo = CultureInfo.InvariantCulture,
            TimeZone = TimeZoneInfo.Utc,
        };
        foreach (var (name, filter) in options.Filters.ToList())
        {
            if (!Filters.Contains(name))
                options.Filters.Remove(name);
            else
                options.Filters.AddFilter(name, async (input, arguments, context) => TooMuch(name, input, arguments) ? throw new InvalidDataException($"asks too much of {name}") : Bounded(await filter(input, arguments, context)));
        }

        return options;
    }

    // Looked at before: a date may be told to be a thousand columns wide, and what is put between all letters may be long.
    private static bool TooMuch(string name, FluidValue input, FilterArguments arguments) => name switch
    {
        "date" => Wide().IsMatch(arguments.At(0).ToStringValue()),
        "replace" or "join" => (long)input.ToStringValue().Length * Math.Max(1, arguments.At(name == "join" ? 0 : 1).ToStringValue().Length) > 100 * MaxBetween,
        _ => false,
    };

    [GeneratedRegex(@"\d{3}|^.{100}", RegexOptions.NonBacktracking)]
    private static partial Regex Wide();

    // What is doubled twenty times is a million times as long.
    private static FluidValue Bounded(FluidValue value) => value switch
    {
        StringValue text when text.ToStringValue().Length > MaxBetween => throw new InvalidDataException("makes too much text"),
        ArrayValue items when items.Values.Count > MaxItems => throw new InvalidDataException("makes too long a list"),
        _ => value,
    };

    /// <summary>Which names a template uses, and which it makes.</summary>
    private sealed class Reading : AstVisitor
    {
        public List<string> Filters { get; } = [];
        public List<string> Names { get; } = [];
        public HashSet<string> Made { get; } = new(StringComparer.Ordinal);
        public List<(string Name, string Below)> Paths { get; } = [];
        private readonly Dictionary<string, bool> _each = new(StringComparer.Ordinal);

        /// <summary>A path by what its name is: a template's own name is a finding where it is nothing else, or nothing that is known.</summary>
        public (string Name, string Below) Resolved((string Name, string Below) path) =>
            !Made.Contains(path.Name) ? path : (_each.GetValueOrDefault(path.Name) ? Each : "", path.Below);

        public bool Ranges { get; private set; }

        // A list of a billion numbers is a short text.
        protected override Expression VisitRangeExpression(RangeExpression rangeExpression)
        {
            Ranges = true;
            return base.VisitRangeExpression(rangeExpression);
        }

        protected override Expression VisitFilterExpression(FilterExpression filterExpression)
        {
            Filters.Add(filterExpression.Name);
            return base.VisitFilterExpression(filterExpression);
        }

        protected override Expression VisitMemberExpression(MemberExpression memberExpression)
        {
            if (memberExpression.Segments[0] is IdentifierSegment first)
            {
                Names.Add(first.Identifier);
                if (memberExpression.Segments is [_, IdentifierSegment second, ..])
                    Paths.Add((first.Identifier, second.Identifier));
            }

            foreach (var segment in memberExpression.Segments.OfType<IndexerSegment>())
                Visit(segment.Expression);
            return base.VisitMemberExpression(memberExpression);
        }

        protected override Statement VisitAssignStatement(AssignStatement assignStatement)
        {
            Make(assignStatement.Identifier, finding: false);
            return base.VisitAssignStatement(assignStatement);
        }

        protected override Statement VisitCaptureStatement(CaptureStatement captureStatement)
        {
            Make(captureStatement.Identifier, finding: false);
            return base.VisitCaptureStatement(captureStatement);
        }

        protected override Statement VisitForStatement(ForStatement forStatement)
        {
            Make(forStatement.Identifier, forStatement.Source is MemberExpression { Segments: [IdentifierSegment { Identifier: "findings" }] });
            Ranges |= forStatement.Range is not null;
            return base.VisitForStatement(forStatement);
        }

        protected override Statement VisitIncrementStatement(IncrementStatement incrementStatement)
        {
            Make(incrementStatement.Identifier, finding: false);
            return base.VisitIncrementStatement(incrementStatement);
        }

        protected override Statement VisitDecrementStatement(DecrementStatement decrementStatement)
        {
            Make(decrementStatement.Identifier, finding: false);
            return base.VisitDecrementStatement(decrementStatement);
        }

        private void Make(string name, bool finding)
        {
            Made.Add(name);
            _each[name] = finding && _each.GetValueOrDefault(name, true);
        }
    }
}
