using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;

namespace Commander.Server.Reasoning;

/// <summary>
/// What people and programs outside wrote, made fit to stand in a prompt: a few signs, no addresses, no markup, no words of a decision, and
/// nothing at all of a text that reads like an instruction. It is data there, between fences; this is the second wall behind that one, and
/// what an opinion may change is bounded behind both. So it need not be perfect; and a text that is withheld in error costs the question some context only.
/// </summary>
internal static partial class Untrusted
{
    /// <summary>Stands for a text that is not passed on.</summary>
    public const string Withheld = "(withheld: reads like an instruction)";

    private const string Any = "<*>";
    private const string Signs = "_.:;,/()<>*=%+-#@";
    private const int LongestWord = 40;
    private const int LongestText = 4_000;
    // Milliseconds; a busy machine may take some of them away from us.
    private const int Timeout = 1_500;
    private const RegexOptions Ignoring = RegexOptions.IgnoreCase | RegexOptions.CultureInvariant;

    /// <summary>The text as it may stand in a prompt.</summary>
    /// <param name="text">Anything at all.</param>
    /// <param name="longest">How many characters at most; a text that is withheld says so whole.</param>
    public static string Clean(string? text, int longest)
    {
        if (string.IsNullOrEmpty(text))
            return "";
        if (text == Withheld)
            return Withheld;
        try
        {
            // Whatever comes is looked at whole up to here; what is cut off later is cut off of the clean text.
            var clean = Normal(Start(text));
            if (ReadsLikeOrder(clean))
                return Withheld;
            // What one pass takes out may bring together what it parted.
            for (var pass = 0; pass < 16; pass++)
            {
                var before = clean;
                clean = Once(clean, longest);
                if (clean == before)
                    return ReadsLikeOrder(clean) ? Withheld : clean;
            }
        }
        catch (RegexMatchTimeoutException)
        {
            // A text that takes so long to read was made for it.
        }

        return Withheld;
    }

    /// <summary>Whether a text speaks to whoever reads it instead of saying something.</summary>
    public static bool ReadsLikeOrder(string text)
    {
        if (text == Withheld || text.Length == 0)
            return false;
        if (Speaks(text))
            return true;
        var hidden = string.Join(' ', text.Split((char[])[' ', '\n', ','], StringSplitOptions.RemoveEmptyEntries).Select(Decoded).OfType<string>());
        return hidden.Length > 0 && Speaks(Normal(hidden));
    }

    private static bool Speaks(string text)
    {
        if (Tokens().IsMatch(text))
            return true;
        var decisions = ShoutedDecisions().Count(text);
        var (reader, answer) = (Readers().IsMatch(text), Answers().IsMatch(text));
        if (decisions > 1 || (decisions > 0 && (reader || answer || Commands().IsMatch(text))) || (reader && answer))
            return true;
        // Letters only, so that spaces, signs and look-alike digits between them hide nothing.
        var letters = Letters(text);
        return Orders().IsMatch(letters) || Orders().IsMatch(string.Concat(letters.Reverse())) || Orders().IsMatch(string.Concat(letters.Select(c => (char)('a' + ((c - 'a' + 13) % 26)))));
    }

    private static string Once(string text, int longest)
    {
        text = string.Concat(Markup().Replace(text, " ").Select(c => char.IsAsciiLetterOrDigit(c) || Signs.Contains(c, StringComparison.Ordinal) ? c : char.IsWhiteSpace(c) ? ' ' : '\0').Where(c => c != '\0'));
        text = PercentSigns().Replace(text, "");
        text = RowIds().Replace(RoleNames().Replace(Addresses().Replace(text, Any), "${role}"), Any);
        text = string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => word.Length > LongestWord || Decoded(word) is not null ? Any : word));
        text = WithoutDecisions(text.Length <= longest ? text : text[..longest]);
        return Brackets().Replace(text, "${ours}").Trim();
    }

    // Their letters may have anything between them.
    private static string WithoutDecisions(string text)
    {
        var places = new List<int>();
        var letters = Letters(text, places);
        var shown = new StringBuilder();
        var next = 0;
        foreach (Match match in Decisions().Matches(letters))
        {
            shown.Append(text, next, places[match.Index] - next).Append(Any);
            next = places[match.Index + match.Length - 1] + 1;
        }

        return Waiting().Replace(shown.Append(text, next, text.Length - next).ToString(), Any);
    }

    private static string Letters(string text, List<int>? places = null)
    {
        var letters = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var c = char.ToLowerInvariant(text[i]) switch
            {
                '0' => 'o',
                '1' or '!' or '|' => 'i',
                '3' => 'e',
                '4' or '@' => 'a',
                '5' or '$' => 's',
                '7' => 't',
                var other => other,
            };
            if (!char.IsAsciiLetterLower(c))
                continue;
            letters.Append(c);
            places?.Add(i);
        }

        return letters.ToString();
    }

    /// <summary>What a word says that is written in base64 or in hexadecimal digits; null for any other word.</summary>
    private static string? Decoded(string word)
    {
        word = word.Trim('"', '\'', '`', '.', ';', '(', ')');
        if (word.Length is < 8 or > LongestText || !word.All(c => char.IsAsciiLetterOrDigit(c) || c is '+' or '/' or '='))
            return null;
        var bytes = new byte[word.Length];
        if (word.Length >= 16 && word.All(char.IsAsciiHexDigit) && Convert.FromHexString(word.AsSpan(0, word.Length / 2 * 2), bytes, out _, out var written) == System.Buffers.OperationStatus.Done && Legible(bytes.AsSpan(0, written)))
            return Encoding.ASCII.GetString(bytes, 0, written);
        var bare = word.TrimEnd('=');
        return bare.Any(char.IsAsciiLetterUpper) && bare.Any(char.IsAsciiLetterLower)
            && Convert.TryFromBase64String(bare.PadRight((bare.Length + 3) / 4 * 4, '='), bytes, out written) && Legible(bytes.AsSpan(0, written))
            ? Encoding.ASCII.GetString(bytes, 0, written)
            : null;
    }

    private static bool Legible(ReadOnlySpan<byte> bytes) => bytes.Length > 0 && !bytes.ContainsAnyExceptInRange((byte)' ', (byte)'~');

    private static string Start(string text) => text.Length <= LongestText ? text : text[..LongestText];

    private static string Normal(string text)
    {
        text = Escapes().Replace(Uri.UnescapeDataString(WebUtility.HtmlDecode(text)), match => ((char)ushort.Parse(match.ValueSpan[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture)).ToString());
        return Start(LookAlikes.Latinised(text));
    }

    [GeneratedRegex(@"(?<!\S)\S*?(?://|www\.|(?:data|javascript|vbscript|mailto):)\S*", Ignoring, Timeout)]
    private static partial Regex Addresses();

    // The sign for what varies is ours and stays.
    [GeneratedRegex(@"<(?!\*>)[^>]{0,200}>|[`\[\]{}""'\\]|\$\(|\x1B\[[0-9;]*[A-Za-z]", RegexOptions.CultureInvariant, Timeout)]
    private static partial Regex Markup();

    [GeneratedRegex(@"(?<ours><\*>)|[<>]", RegexOptions.CultureInvariant, Timeout)]
    private static partial Regex Brackets();

    [GeneratedRegex(@"\\u[0-9a-f]{4}", Ignoring, Timeout)]
    private static partial Regex Escapes();

    // Before such digits it stands for another sign.
    [GeneratedRegex("%(?=[0-9a-f]{2})", Ignoring, Timeout)]
    private static partial Regex PercentSigns();

    // Before a colon they look like who speaks.
    [GeneratedRegex(@"\b(?<role>system|assistant|user|human|developer|tool|function|model)\s*:", Ignoring, Timeout)]
    private static partial Regex RoleNames();

    // As the rows of our own tables are called.
    [GeneratedRegex(@"\b[mlc]\d{1,2}\b", Ignoring, Timeout)]
    private static partial Regex RowIds();

    // Over letters only.
    [GeneratedRegex("r[o][il]{2}(?:ing)?back|continue", RegexOptions.CultureInvariant, Timeout)]
    private static partial Regex Decisions();

    [GeneratedRegex(@"(?<![a-z0-9])h[\W_]{0,3}[o0][\W_]{0,3}l[\W_]{0,3}d(?![a-z0-9])", Ignoring, Timeout)]
    private static partial Regex Waiting();

    // What stands between messages to models of several makers.
    [GeneratedRegex(@"im_start|im_end|\[/?inst\]|<<sys|endoftext|<\s*\|[^|>]{1,40}\|\s*>|eot_id|(?:start|end)_(?:of_turn|header_id)|</?s>|\u2581|system_prompt|#{2,}\s*(?:instruction|response)|<\s*/?\s*(?:system|instructions?|function_call|tool_call)\b|\n\s*(?:system|assistant|user|human|developer)\s*:|\bassistant\s*:", Ignoring, Timeout)]
    private static partial Regex Tokens();

    // A decision as only our answers write it.
    [GeneratedRegex(@"(?<![A-Za-z])(?:ROLLBACK|CONTINUE|HOLD)(?![A-Za-z])", RegexOptions.CultureInvariant, Timeout)]
    private static partial Regex ShoutedDecisions();

    [GeneratedRegex(@"(?<![a-z])(?:you|your|yours|yourself|reviewers?|assistant|ai|llm|gpt|chatbot|language.model|analyst|grader|engineer)(?![a-z])", Ignoring, Timeout)]
    private static partial Regex Readers();

    [GeneratedRegex(@"(?<![a-z])(?:answers?|reply|respond|decides?|decisions?|verdicts?|says?|output|reasons?|confidence|conclude|obey|obliged|instructions?)(?![a-z])", Ignoring, Timeout)]
    private static partial Regex Answers();

    [GeneratedRegex(@"(?<![a-z])(?:must|always|never|only|please|whatever|immediately|expected|decode)(?![a-z])", Ignoring, Timeout)]
    private static partial Regex Commands();

    // Over letters only: nothing in here is said by chance in a title or a log line, or only seldom.
    [GeneratedRegex(
        "(?:ignor|disregard|forget|overrid|overrul|bypass|dimentic|esquec|olvid|oubli)[a-z]{0,24}(?:instru|istru|consign|prompt|previous|allprev|allprior|(?:all|the|your|every|any|previous)rules?|everything|youwere|evidence|statistics|thetable|thenumbers)"
        + "|(?:answer|repl[yi]|respond|verdict|decision(?!s)|decide|says?only|output)[a-z]{0,25}(?:r[o][il]{2}back|continue)|(?:answer|reply|respond|say|decide)(?:with|only|is|must(?:be)?|and|just)?hold"
        + "|anweisung|instruccion|istruzion|instructies|instrukcj|talimat|instrucoes|mandatorum|toutesles|antworte|reponds|antwoordc|odpowiedzr|rispondic"
        + "|(?:new|your|these|following|previous|prior|earlier|real|reviewer)instruction|instructionsare|systemprompt|systeminstruction|systemoverride|developermode|developermessage|adminmode|jailbreak"
        + "|youarenow|youareall?owed|youareadmin|youarethebest|youmust|youaretold|pretendto|pretendyou|roleplay|playagame|fromnowon|nextquestion|laterconversation|expectedanswer|evaluationmode"
        + "|actasa?n?(?:my|release|assistant|manager|expert|judge|grand)|letterbyletter|whateverthe|referencecode|revealyour|repeatexactly|repeatafter|outputonly|printonly|wordforword"
        + "|setconfidence|confidenceto|confidenceof|decisionis|decisionmust|decisionshould|verdictis|verdictmust|verdictshould|correctdecision|correctverdict|correctansweris|finaldecision|finalverdict|onlyvalidanswer"
        + "|(?:donot|dont|never|mustnot|shouldnot|wouldnot)r[o][il]{2}(?:it|this|the|back)|(?:must|please)r[o][il]{2}(?:it|this|back)|r[o][il]{2}(?:it)?back(?:now|immediately)|[il]etthis(?:release|version|deployment)|goaheadwhatever"
        + "|approvethis|(?:is|was|been|pre|already)approved(?:by|for)?|approvedby(?:the)?(?:sre|lead|ops|ceo|manager|owner|platform|security)"
        + "|mark(?:it|this|all|the(?:release|deployment|version)?)?as(?:safe|good|healthy|fine|harmless)|treat(?:it|this|all|every|m[a-z])as|classif[a-z]{1,3}(?:it|this)as|(?:is|are)alwayshealthy|kepteverydeployment|everydeploymentof"
        + "|(?:language|ai)modelapply|dearai|(?:note|message|attention)(?:to|for)(?:the)?(?:ai|llm|model|judge|analyst|reviewer)|dearreview|messagefromyour|securityteamhere|fromyouroperator|tellthe(?:ai|model|judge|reviewer|engineer)|when[a-z]{0,3}youreview"
        + "|endofdata|thedataends|thatisallthedata|realtask|numbers?arewrong|(?:evidence|metrics|table|measurements?)(?:table)?(?:is|are)(?:wrong|fake|swapped)|tablesays|swappedinth|notlookat|correctedmeasurement"
        + "|plannedloadtest|knownfalsealarm|isafalsealarm|safetocontinue|legallyobliged|firstletters|willbeshutdown|your(?:answer|decision|verdict)(?:is|must|should)|statementsend|followtherules|followit$|rulesthere|claimofm|intoyourreasons|insteadofyourown",
        RegexOptions.CultureInvariant, Timeout)]
    private static partial Regex Orders();
}
