using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Commander.Judging.Verdicts;

namespace Commander.Server.Reasoning;

/// <summary>What a model's text says, checked against what it was told.</summary>
/// <param name="Opinion">The opinion; null when the text is none.</param>
/// <param name="ErrorType">What kind of error it names; null without an opinion.</param>
/// <param name="Wrong">Why there is no opinion, or why it is not grounded; null when nothing is wrong.</param>
/// <param name="Malformed">Whether the text was wrong in form, so that asking again may help.</param>
internal sealed record Heard(Opinion? Opinion, string? ErrorType, string? Wrong, bool Malformed);

/// <summary>Reads a model's answer: small faults of form are mended, everything it cites is looked up. Pure, and never throws for what the text is.</summary>
internal static partial class Answer
{
    /// <summary>A longer answer is none.</summary>
    public const int MaxText = 16 * 1024;

    private const int MaxReasons = 5;
    private const int MaxReason = 300;
    private const int MaxEvidence = 32;
    private const int MaxMarks = 2;
    private const double Near = 0.01;
    private const string Told = "the answer repeats what it was told never to write, so it follows somebody else";

    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static readonly IReadOnlyList<string> ErrorTypes = ["memory_leak", "database_timeout", "performance", "dependency_failure", "configuration", "crash_loop", "code_defect", "traffic", "unknown"];

    /// <summary>The form of an answer, for servers that hold a model to one.</summary>
    public static readonly JsonElement Schema = JsonDocument.Parse(
        """
        {"type":"object","additionalProperties":false,"required":["decision","confidence","reasons","evidence","error_type"],"properties":{
        "decision":{"type":"string","enum":["ROLLBACK","CONTINUE","HOLD"]},"confidence":{"type":"number"},"reasons":{"type":"array","items":{"type":"string"}},
        "evidence":{"type":"array","items":{"type":"object","additionalProperties":false,"required":["id","value","baseline","claim"],"properties":{"id":{"type":"string"},"value":{"type":["number","null"]},"baseline":{"type":["number","null"]},"claim":{"type":"string"}}}},
        "error_type":{"type":"string","enum":["memory_leak","database_timeout","performance","dependency_failure","configuration","crash_loop","code_defect","traffic","unknown"]}}}
        """).RootElement.Clone();

    public static Heard Read(string? text, Prompt prompt, string model)
    {
        try
        {
            return Checked(text, prompt, model);
        }
        catch (Exception e) when (e is InvalidOperationException or RegexMatchTimeoutException)
        {
            // JSON may hold half of a character by its escape, which no text can.
            return Bad("the answer cannot be read");
        }
    }

    private static Heard Checked(string? text, Prompt prompt, string model)
    {
        if (string.IsNullOrWhiteSpace(text))
            return Bad("the answer is empty");
        if (text.Length > MaxText)
            return Bad($"the answer has more than {MaxText} characters");
        if (Tells(text, prompt.Canary))
            return new Heard(null, null, Told, false);
        if (Mended(text) is not { } answer)
            return Bad("the answer is no JSON object");
        if (Tells(answer.ToJsonString(Readable), prompt.Canary))
            return new Heard(null, null, Told, false);
        if (Word(answer["decision"])?.Trim().ToUpperInvariant().Replace(' ', '_').Replace("ROLL_BACK", "ROLLBACK", StringComparison.Ordinal) is not { } word || !DecisionWords.TryDecision(word, out var decision))
            return Bad("decision is not ROLLBACK, CONTINUE or HOLD");
        if (Confidence(answer["confidence"]) is not { } confidence)
            return Bad("confidence is no number from 0 to 1");
        if (Reasons(answer["reasons"]) is not { Count: > 0 } reasons)
            return Bad("reasons is not a list of sentences");
        if (answer["evidence"] is not JsonArray { Count: <= MaxEvidence } cited)
            return Bad("evidence is not a list");
        var type = Word(answer["error_type"]) is { } named && ErrorTypes.Contains(named) ? named : "unknown";
        var said = Plain(string.Join(' ', reasons));
        var metrics = new List<string>();
        string? wrong = null;
        foreach (var entry in cited)
        {
            if (entry is not JsonObject claim || Word(claim["id"])?.Trim() is not { Length: > 0 } id)
                return Bad("an entry of evidence has no id");
            if (!prompt.Ids.Contains(id))
                return new Heard(null, null, $"it cites {Plain(id.Length <= 20 ? id : id[..20])}, which is not in the evidence", false);
            if (prompt.Rows.FirstOrDefault(row => row.Id == id) is not { } known)
                continue;
            if (!metrics.Contains(known.Metric))
                metrics.Add(known.Metric);
            wrong ??= Differs(claim["value"], known.Now, id, "value") ?? Differs(claim["baseline"], known.Reference, id, "baseline") ?? Invented(Word(claim["claim"]), prompt);
        }

        wrong ??= Invented(string.Join('\n', reasons), prompt);
        if (wrong is null && metrics.Count == 0)
            wrong = "it cites no row of the evidence";
        return new Heard(new Opinion(decision.Word(), confidence, said, wrong is null, model, metrics), type, wrong, false);
    }

    // Written with escapes, or with anything between its letters, it is the same.
    private static bool Tells(string text, string canary) => Bare(text).Contains(Bare(canary), StringComparison.OrdinalIgnoreCase);

    private static string Bare(string text) => string.Concat(text.Where(char.IsAsciiLetterOrDigit));

    private static Heard Bad(string why) => new(null, null, why, true);

    /// <summary>The object in the text: fences, words around it and commas too many are passed over.</summary>
    private static JsonObject? Mended(string text)
    {
        var (first, last) = (text.IndexOf('{', StringComparison.Ordinal), text.LastIndexOf('}'));
        if (first < 0 || last <= first)
            return null;
        var inner = text[first..(last + 1)];
        foreach (var attempt in (string[])[inner, Quoted(inner)])
        {
            try
            {
                if (JsonNode.Parse(attempt, null, new JsonDocumentOptions { AllowTrailingCommas = true, AllowDuplicateProperties = false, CommentHandling = JsonCommentHandling.Skip, MaxDepth = 8 }) is JsonObject found)
                    return found;
            }
            catch (JsonException)
            {
                // The next attempt, or none.
            }
        }

        return null;
    }

    // Typographic and single quotes for double ones; only tried when nothing else can be read.
    private static string Quoted(string text) =>
        SingleQuotes().Replace(text.Replace('“', '"').Replace('”', '"').Replace("True", "true", StringComparison.Ordinal).Replace("None", "null", StringComparison.Ordinal), "${before}\"${text}\"");

    private static string? Word(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var word) ? word : null;

    private static double? Confidence(JsonNode? node)
    {
        var value = Number(node, out var percent);
        if (value is not { } number || !double.IsFinite(number))
            return null;
        if (percent || number > 1)
            number /= 100;
        return number is >= 0 and <= 1 ? number : null;
    }

    private static double? Number(JsonNode? node, out bool percent)
    {
        percent = false;
        if (node is not JsonValue value)
            return null;
        if (value.TryGetValue<double>(out var number))
            return number;
        if (!value.TryGetValue<string>(out var text))
            return null;
        percent = text.TrimEnd().EndsWith('%');
        return Numbers().Match(text) is { Success: true } match && double.TryParse(match.Value, NumberStyles.Float | NumberStyles.AllowThousands, CultureInfo.InvariantCulture, out number) ? number : null;
    }

    private static List<string>? Reasons(JsonNode? node)
    {
        if (Word(node) is { } one)
            return [Cut(one)];
        if (node is not JsonArray list || list.Any(item => Word(item) is null))
            return null;
        return [.. list.Take(MaxReasons).Select(item => Cut(Word(item)!)).Where(reason => reason.Length > 0)];
    }

    private static string Cut(string reason)
    {
        var trimmed = reason.Trim();
        return trimmed.Length <= MaxReason ? trimmed : trimmed[..MaxReason];
    }

    private static string? Differs(JsonNode? cited, double? stored, string id, string what)
    {
        if (cited is null)
            return null;
        return Number(cited, out _) is not { } number ? $"the {what} that it cites of {id} is no number"
            : stored is not { } known || !IsNear(number, known) ? $"it cites {Text(number)} as the {what} of {id}, where {(stored is { } there ? Text(there) : "nothing")} stands"
            : null;
    }

    /// <summary>The first number of a text that is nowhere in what the model was told; null when there is none.</summary>
    private static string? Invented(string? text, Prompt prompt)
    {
        if (text is null)
            return null;
        // Names may have digits: they are no claims. Only whole ones: a version 9 excuses no 90.
        foreach (var name in prompt.Names.OrderByDescending(name => name.Length))
            text = Regex.Replace(text, $@"{(IsName(name) ? "" : @"\bversion\s+")}(?<![\w.,]){Regex.Escape(name)}(?![\w%]|[.,]\d)", " ", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, TimeSpan.FromMilliseconds(500));
        foreach (Match match in Numbers().Matches(text))
        {
            if (!double.TryParse(match.Value, NumberStyles.Float | NumberStyles.AllowThousands, CultureInfo.InvariantCulture, out var number) || !double.IsFinite(number))
                return "it writes a number that cannot be read";
            var digits = match.Value.IndexOf('.', StringComparison.Ordinal) is > 0 and var point ? match.Value.Length - point - 1 : 0;
            if (!prompt.Numbers.Any(known => IsNear(Math.Abs(number), Math.Abs(known)) || (Math.Abs(known) >= 10 && digits <= 4 && Math.Abs(number) == Math.Round(Math.Abs(known), digits, MidpointRounding.AwayFromZero)))
                && !CountsRows(text, match, number, prompt))
                return $"it writes {Text(number)}, which is nowhere in the evidence";
        }

        return null;
    }

    // A version that is a bare number would excuse that number: it is a name only where it is called a version.
    private static bool IsName(string name) => name.Any(char.IsAsciiLetter) || name.Count(c => c == '.') >= 2;

    // "two of 5 metrics": how many rows there are is in the evidence too, as long as no unit makes a measurement of it.
    private static bool CountsRows(string text, Match match, double number, Prompt prompt) =>
        number >= 1 && number <= prompt.Rows.Count && number == Math.Floor(number) && RowWords().IsMatch(text[(match.Index + match.Length)..]);

    private static bool IsNear(double number, double known) => known == 0 ? number == 0 : Math.Abs(number - known) <= Near * Math.Abs(known);

    private static string Text(double value) => value.ToString("G6", CultureInfo.InvariantCulture);

    /// <summary>For people: no addresses, no markup, no signs that nobody sees.</summary>
    private static string Plain(string text)
    {
        var plain = new StringBuilder();
        var marks = 0;
        foreach (var c in text)
        {
            var category = char.GetUnicodeCategory(c);
            marks = category is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.SpacingCombiningMark ? marks + 1 : 0;
            if (char.IsControl(c) || char.IsWhiteSpace(c))
                plain.Append(char.IsWhiteSpace(c) ? " " : "");
            else if (marks <= MaxMarks && !char.IsSurrogate(c) && category is not (UnicodeCategory.Format or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned) && c is not ('<' or '>' or '`' or '[' or ']'))
                plain.Append(c);
        }

        // Last: what was between the letters of an address is gone now.
        return Addresses().Replace(plain.ToString(), "(address)").Trim();
    }

    [GeneratedRegex(@"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 500)]
    private static partial Regex Numbers();

    [GeneratedRegex(@"^\s+(?:of|metrics?|rows?|findings?|log|signatures?|commits?)\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 500)]
    private static partial Regex RowWords();

    [GeneratedRegex(@"(?<before>[{\[,:]\s*)'(?<text>[^'""]*)'(?=\s*[,:}\]])", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 500)]
    private static partial Regex SingleQuotes();

    [GeneratedRegex(@"(?<!\S)\S*?(?://|\\\\|www\.|(?:data|javascript|vbscript|mailto):)\S*", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 500)]
    private static partial Regex Addresses();
}
