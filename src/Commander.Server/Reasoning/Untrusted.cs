using System.Text;
using System.Text.RegularExpressions;

namespace Commander.Server.Reasoning;

/// <summary>
/// What people and programs outside wrote, made fit to stand in a prompt: a few signs, no addresses, no markup, no words of a decision, and
/// nothing at all of a text that reads like an instruction. It is data there, between fences; this is the second wall behind that one.
/// </summary>
internal static partial class Untrusted
{
    /// <summary>Stands for a text that is not passed on.</summary>
    public const string Withheld = "(withheld: reads like an instruction)";

    private const string Signs = "_.:;,/()<>*=%+-#@";
    private const int LongestWord = 40;

    // Letters only, so that spaces, signs and look-alike digits between them hide nothing.
    private static readonly string[] Orders =
    [
        "ignoreall", "ignoreprevious", "ignoreprior", "ignoreabove", "ignorethe", "ignoreany", "ignoreevery", "ignoreyour", "disregard", "forgetall", "forgetprevious", "forgetevery", "forgetyour",
        "overridethe", "overrideyour", "overrideall", "overrideprevious", "newinstruction", "yourinstruction", "theseinstruction", "followinginstruction", "previousinstruction", "priorinstruction", "instructionsare",
        "systemprompt", "systemmessage", "systeminstruction", "systemoverride", "developermode", "developermessage", "adminmode", "jailbreak", "youarenow", "youarea", "youmust", "youshould", "youwill", "actas", "pretend",
        "roleplay", "fromnowon", "respondwith", "respondonly", "replywith", "replyonly", "answerwith", "answeronly", "outputonly", "outputthe", "saythat", "returnthe", "setconfidence", "confidenceof", "confidenceis",
        "decisionis", "decisionmust", "decisionshould", "verdictis", "verdictmust", "verdictshould", "correctdecision", "correctverdict", "correctanswer", "finaldecision", "finalverdict", "finalanswer", "thedecision", "theverdict",
        "donotroll", "dontroll", "neverroll", "mustroll", "shouldroll", "rollbacknow", "rollbackimmediately", "approvethis", "approvedby", "isapproved", "preapproved", "markas", "treatas", "classifyas", "considerthis",
        "languagemodel", "assistantmessage", "toassistant", "aiassistant", "dearai", "heyai", "referencecode", "revealyour", "repeatthe", "printthe", "endofdata", "enddata", "begindata",
        "noteto", "attentionai", "importantinstruct", "importantnotice", "evidenceisfake", "evidenceiswrong", "metricsarewrong", "metricsarefake", "plannedloadtest", "knownfalsealarm", "isafalsealarm", "safetocontinue", "safetoignore",
    ];

    private static readonly string[] Roles = ["system:", "assistant:", "user:", "human:", "developer:", "tool:", "im_start", "im_end", "inst]", "<<sys", "endoftext", "### instruction", "### response"];

    /// <summary>The text as it may stand in a prompt.</summary>
    /// <param name="text">Anything at all.</param>
    /// <param name="longest">How many characters at most.</param>
    public static string Clean(string? text, int longest)
    {
        if (string.IsNullOrEmpty(text))
            return "";
        // Whatever comes is looked at whole up to here; what is cut off later is cut off of the clean text.
        var raw = text.Length <= 4_000 ? text : text[..4_000];
        raw = Normal(raw);
        if (ReadsLikeOrder(raw))
            return Withheld;
        var plain = new StringBuilder(raw.Length);
        foreach (var word in Addresses().Replace(Markup().Replace(raw, " "), "<*>").Split((char[])[' ', '\t', '\r', '\n'], StringSplitOptions.RemoveEmptyEntries))
        {
            var kept = word is "<*>" ? word : string.Concat(word.Where(c => char.IsAsciiLetterOrDigit(c) || Signs.Contains(c, StringComparison.Ordinal)));
            if (kept.Length == 0)
                continue;
            kept = kept.Length > LongestWord ? "<*>" : Decisions().Replace(kept, "<*>");
            plain.Append(plain.Length > 0 ? " " : "").Append(kept);
        }

        // Words of a decision may be told apart by spaces only.
        var clean = Decisions().Replace(plain.ToString(), "<*>");
        return clean.Length <= longest ? clean : clean[..longest];
    }

    /// <summary>Whether a text speaks to whoever reads it instead of saying something.</summary>
    public static bool ReadsLikeOrder(string text)
    {
        var lower = text.ToLowerInvariant();
        if (Array.Exists(Roles, role => lower.Contains(role, StringComparison.Ordinal)))
            return true;
        var letters = string.Concat(lower.Select(c => c switch
        {
            '0' => 'o',
            '1' or '!' or '|' => 'i',
            '3' => 'e',
            '4' or '@' => 'a',
            '5' or '$' => 's',
            '7' => 't',
            _ => c,
        }).Where(char.IsAsciiLetterLower));
        return Array.Exists(Orders, order => letters.Contains(order, StringComparison.Ordinal));
    }

    private static string Normal(string text)
    {
        // A lone surrogate cannot be normalised.
        var whole = string.Concat(text.Where(c => !char.IsSurrogate(c)));
        // Letters that only look like others are brought back to them; what joins and hides is dropped.
        return string.Concat(whole.Normalize(NormalizationForm.FormKD).Select(LookAlike).Where(c => c != '\0'));
    }

    private static char LookAlike(char c) => c switch
    {
        'а' or 'α' => 'a',
        'е' or 'ε' => 'e',
        'о' or 'ο' => 'o',
        'р' or 'ρ' => 'p',
        'с' => 'c',
        'у' or 'υ' => 'y',
        'х' or 'χ' => 'x',
        'і' or 'ι' => 'i',
        'ѕ' => 's',
        'ԁ' => 'd',
        'ν' => 'v',
        'А' or 'Α' => 'A',
        'В' or 'Β' => 'B',
        'Е' or 'Ε' => 'E',
        'К' or 'Κ' => 'K',
        'М' or 'Μ' => 'M',
        'Н' or 'Η' => 'H',
        'О' or 'Ο' => 'O',
        'Р' or 'Ρ' => 'P',
        'С' => 'C',
        'Т' or 'Τ' => 'T',
        'Ν' => 'N',
        'І' or 'Ι' => 'I',
        _ when char.GetUnicodeCategory(c) is System.Globalization.UnicodeCategory.Format or System.Globalization.UnicodeCategory.NonSpacingMark => '\0',
        _ when char.IsControl(c) || char.IsWhiteSpace(c) => ' ',
        _ => c,
    };

    [GeneratedRegex(@"\b[a-z][a-z0-9+.-]{1,15}://\S*|\bwww\.\S+|\b(?:data|javascript|mailto):\S+", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 500)]
    private static partial Regex Addresses();

    // The sign for what varies is ours and stays.
    [GeneratedRegex(@"<(?!\*>)[^>]{0,200}>|[`\[\]{}""'\\]|\$\(|\x1B\[[0-9;]*[A-Za-z]", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 500)]
    private static partial Regex Markup();

    [GeneratedRegex(@"r[\W_]{0,2}o[\W_]{0,2}l[\W_]{0,2}l[\W_]{0,2}(?:i[\W_]{0,2}n[\W_]{0,2}g[\W_]{0,2})?b[\W_]{0,2}a[\W_]{0,2}c[\W_]{0,2}k|c[\W_]{0,2}o[\W_]{0,2}n[\W_]{0,2}t[\W_]{0,2}i[\W_]{0,2}n[\W_]{0,2}u[\W_]{0,2}e|\bh[\W_]{0,2}o[\W_]{0,2}l[\W_]{0,2}d\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 500)]
    private static partial Regex Decisions();
}
