using System.Buffers;
using System.Text;

namespace Commander.Server.Reasoning.Context.Logs;

/// <summary>
/// What a line says without what is different every time: numbers, instants, addresses, paths, names of machines, whatever stands in
/// quotes. Of the rest only letters, digits and a few signs stay, so that a line can be shown and sent as what it is: data.
/// </summary>
internal static class LogMask
{
    /// <summary>Stands for what differs.</summary>
    public const string Any = "<*>";

    /// <summary>Of a line no more words are looked at.</summary>
    public const int MaxWords = 40;

    private const int MaxWord = 40;
    private const int MaxTag = 200;
    private const string Signs = "_.:;,/()=%+-";
    private static readonly SearchValues<char> OnlySigns = SearchValues.Create(Signs);
    private static readonly SearchValues<char> Allowed = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" + Signs);
    private static readonly SearchValues<char> Letters = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    // Digits that are part of a name.
    private static readonly HashSet<string> Names = new(["x509", "sha1", "sha256", "sha512", "md5", "ipv4", "ipv6", "utf8", "utf-8", "utf16", "http2", "http/2", "http/1.1", "http/1.0", "s3", "oauth2", "ec2", "log4j", "k8s", "base64", "p99", "p95", "int32", "int64", "uint32", "uint64", "float64"], StringComparer.OrdinalIgnoreCase);

    private static readonly SearchValues<char> Made = SearchValues.Create("-_0123456789+/=");
    private static readonly string[] Keys = ["sk-", "pk-", "rk-", "sk_", "pk_", "rk_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "xoxa-", "xapp-", "eyJ", "AIza", "ya29.", "dop_v1_", "npm_", "hf_", "cmd_"];

    private static readonly HashSet<string> Outcomes = new(["level", "lvl", "severity", "status", "state", "reason", "code", "error", "err", "kind", "type", "phase", "signal", "method", "result"], StringComparer.OrdinalIgnoreCase);

    /// <summary>The words of a line; none when nothing legible is in it.</summary>
    public static List<string> Words(string line)
    {
        var words = new List<string>();
        var (secret, named) = (false, false);
        foreach (var word in Unquoted(line).Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            // What stands behind such a name may be a secret that looks like a word.
            var masked = secret || (named && LooksMade(word)) ? Any : Clean(Mask(word));
            secret = word.Equals("bearer", StringComparison.OrdinalIgnoreCase) || (word[^1] is ':' or '=' && IsSecret(word[..^1])) || (named && word is "is" or "was" or "=" or ":");
            named = IsSecret(word);
            // One of many values in a row is as good as all of them; one at the beginning is when, not what.
            if (masked.Length == 0 || (masked == Any && (words.Count == 0 || words[^1] == Any)))
                continue;
            words.Add(masked);
            if (words.Count == MaxWords)
                break;
        }

        return words.Exists(word => word.AsSpan().ContainsAny(Letters)) ? words : [];
    }

    /// <summary>Only what a template may be made of, of a name that a line gives.</summary>
    public static string Clean(string word)
    {
        if (!word.AsSpan().ContainsAnyExcept(Allowed))
            return word.AsSpan().ContainsAnyExcept(OnlySigns) ? word : "";
        var text = new StringBuilder(word.Length);
        for (var i = 0; i < word.Length; i++)
        {
            if (word.AsSpan(i).StartsWith(Any))
            {
                text.Append(Any);
                i += Any.Length - 1;
            }
            else if (char.IsAsciiLetterOrDigit(word[i]) || Signs.Contains(word[i], StringComparison.Ordinal))
            {
                text.Append(word[i]);
            }
        }

        var clean = text.ToString();
        return clean.AsSpan().ContainsAnyExcept(OnlySigns) ? clean : "";
    }

    // Quoted texts and tags are out; what may not stand in a template and parts words is a space.
    private static string Unquoted(string line)
    {
        var text = new StringBuilder(line.Length);
        for (var i = 0; i < line.Length; i++)
        {
            var c = line[i];
            if (c is '"' or '`' or '\'' && Closing(line, i) is var end and > 0)
            {
                text.Append(end > i + 1 ? Any : "");
                i = end;
            }
            else if (c == '<')
            {
                var close = line.IndexOf('>', i, Math.Min(MaxTag, line.Length - i));
                text.Append(' ');
                i = close > 0 && (i + 1 < line.Length && (char.IsAsciiLetter(line[i + 1]) || line[i + 1] is '/' or '!' or '?')) ? close : i;
            }
            else if (c is '>' or '*' or '[' or ']' or '{' or '}' or '|' or '"' or '`' or '\u00a0' || char.IsWhiteSpace(c))
            {
                text.Append(' ');
            }
            else
            {
                text.Append(c);
            }
        }

        return text.ToString();
    }

    // An apostrophe inside of a word quotes nothing.
    private static int Closing(string line, int open)
    {
        var quote = line[open];
        if (quote == '\'' && open > 0 && char.IsLetterOrDigit(line[open - 1]))
            return -1;
        for (var i = open + 1; i < line.Length; i++)
        {
            if (line[i] == '\\')
                i++;
            else if (line[i] == quote && !(quote == '\'' && i + 1 < line.Length && char.IsLetterOrDigit(line[i + 1])))
                return i;
        }

        return -1;
    }

    private static string Mask(string word)
    {
        // What is a sign before and behind stays, so that "(5432)," and "5432" have the same middle.
        var from = 0;
        while (from < word.Length && word[from] is '(' or ',' or ';' or ':' or '=' or '-')
            from++;
        var to = word.Length;
        while (to > from && word[to - 1] is ')' or ',' or ';' or ':' or '.' or '!' or '?')
            to--;
        var core = word[from..to];
        return core.Length == 0 ? word : word[..from] + Core(core) + word[to..];
    }

    private static string Core(string core)
    {
        if (core == Any || Names.Contains(core))
            return core;
        // key=value keeps its key.
        if (core.IndexOf('=', StringComparison.Ordinal) is > 0 and var equals && !core.AsSpan(0, equals).ContainsAny("/@:"))
            return Keyed(core, equals);
        if (IsAddress(core) || core.Length > 2 * MaxWord || IsKey(core))
            return Any;
        if (core.AsSpan().ContainsAnyInRange('0', '9'))
            return Numbered(core);
        // Packages around a class tell less than the class.
        if (core.Length > MaxWord && core.LastIndexOf('.') is > 0 and var dot && core.Length - dot <= MaxWord + 1)
            return core[(dot + 1)..];
        return core.Length > MaxWord && !core.Contains(Any, StringComparison.Ordinal) ? Any : core;
    }

    private static string Keyed(string core, int equals)
    {
        var key = core[..equals];
        var value = core[(equals + 1)..];
        // What is a name or a secret differs too; the few that say how something went do not.
        return $"{(key.AsSpan().ContainsAnyInRange('0', '9') ? Numbered(key) : key)}={(Outcomes.Contains(key) && value.Length is > 0 and <= 40 && !value.AsSpan().ContainsAnyExcept(Letters) ? value : Any)}";
    }

    // "token expired" says something; "token sk-abcdef" and "client_secret correcthorsebattery" must not.
    private static bool LooksMade(string word) => word.Length >= 16 || word.AsSpan().ContainsAny(Made);

    // How well-known keys begin, whatever stands before them.
    private static bool IsKey(string core) =>
        core.Length >= 12 && (Array.Exists(Keys, key => core.StartsWith(key, StringComparison.Ordinal)) || (core.Length >= 16 && core.AsSpan(0, 4) is "AKIA" or "ASIA"));

    private static bool IsSecret(string name) =>
        name.EndsWith("password", StringComparison.OrdinalIgnoreCase) || name.EndsWith("passwd", StringComparison.OrdinalIgnoreCase) || name.EndsWith("secret", StringComparison.OrdinalIgnoreCase)
        || name.EndsWith("token", StringComparison.OrdinalIgnoreCase) || name.EndsWith("key", StringComparison.OrdinalIgnoreCase) || name.EndsWith("authorization", StringComparison.OrdinalIgnoreCase);

    private static bool IsAddress(string core)
    {
        if (core.Contains("://", StringComparison.Ordinal) || core.StartsWith("www.", StringComparison.OrdinalIgnoreCase) || core.Contains('\\', StringComparison.Ordinal) || core.StartsWith('~'))
            return true;
        if (core.IndexOf('@', StringComparison.Ordinal) is > 0 and var at && at < core.Length - 1)
            return true;
        var slashes = core.AsSpan().Count('/');
        if (slashes >= 2 || (slashes == 1 && (core[0] == '/' || core.Contains('.', StringComparison.Ordinal))))
            return true;
        // host.domain, perhaps with a port: no capital letter among small ones, as classes and methods have it, and a short last part.
        var host = core.IndexOf(':', StringComparison.Ordinal) is > 0 and var port ? core[..port] : core;
        var dot = host.LastIndexOf('.');
        return dot > 0 && host.Length - dot - 1 is >= 2 and <= 12 && host.AsSpan(dot + 1).ContainsAnyExceptInRange('A', 'Z') == host.AsSpan(dot + 1).ContainsAnyInRange('a', 'z')
            && host.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_')
            && (host.All(c => !char.IsAsciiLetterUpper(c)) || host.All(c => !char.IsAsciiLetterLower(c)));
    }

    // A number with its unit, an instant, a hash, an identifier are one value; of worker12 the number is.
    private static string Numbered(string core)
    {
        var letters = 0;
        var changes = 0;
        var hex = true;
        for (var i = 0; i < core.Length; i++)
        {
            var c = core[i];
            letters += char.IsLetter(c) ? 1 : 0;
            hex &= char.IsAsciiHexDigit(c) || c is '-' or ':' or 'x' or 'X';
            if (i > 0 && char.IsAsciiDigit(c) != char.IsAsciiDigit(core[i - 1]) && (char.IsLetter(c) || char.IsLetter(core[i - 1])))
                changes++;
        }

        if (hex || letters == 0 || changes > 2 || (char.IsAsciiDigit(core[0]) && letters <= 5))
            return Any;
        var text = new StringBuilder(core.Length);
        for (var i = 0; i < core.Length; i++)
        {
            if (!char.IsAsciiDigit(core[i]))
            {
                text.Append(core[i]);
                continue;
            }

            // 1.5 and 10:30 are one value each.
            while (i + 1 < core.Length && (char.IsAsciiDigit(core[i + 1]) || (core[i + 1] is '.' or ':' && i + 2 < core.Length && char.IsAsciiDigit(core[i + 2]))))
                i++;
            text.Append(Any);
        }

        return text.ToString();
    }
}
