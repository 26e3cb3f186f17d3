using System.Globalization;
using Commander.Judging.Policies;

namespace Commander.Server.Reasoning;

/// <summary>How much may be spent on a language model. Tokens are those of prompts and answers together.</summary>
/// <param name="Deployment">Of one deployment.</param>
/// <param name="Service">Of one service, a day (UTC).</param>
/// <param name="Day">In all, a day (UTC).</param>
internal readonly record struct Limits(double Deployment, double Service, double Day);

/// <summary>Which language model is asked, and how much. Everything by the environment, so that a model can be swapped without a policy.</summary>
/// <param name="Url">Where it speaks OpenAI's protocol, with the version: https://api.together.xyz/v1.</param>
/// <param name="Model">Its name there.</param>
internal sealed record ReasoningOptions(Uri Url, string Model)
{
    public const string Together = "https://api.together.xyz/v1";
    public const string TogetherModel = "meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo";

    /// <summary>Null for a server that asks for none.</summary>
    public string? Key { get; init; }

    /// <summary>From the question to the verdict without an opinion. The default value is 10 s.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether the answer is read as it is made.</summary>
    public bool Streams { get; init; }

    /// <summary>How many questions are under way at once, in this process. The default value is 8.</summary>
    public int AtOnce { get; init; } = 8;

    public Limits Tokens { get; init; } = new(40_000, 500_000, 5_000_000);

    /// <summary>In the currency of the price; only where there is one.</summary>
    public Limits Cost { get; init; } = new(0.1, 2, 20);

    /// <summary>Of a million tokens of prompt and of answer; null when nobody said.</summary>
    public (double Prompt, double Answer)? Price { get; init; }

    /// <summary>Without the key, wherever it may be written.</summary>
    public override string ToString() => $"{Model} at {Url.GetLeftPart(UriPartial.Path)}";

    private const string Prefix = "COMMANDER_REASONING_";

    private static readonly string[] Known = [.. new[] { "URL", "MODEL", "KEY", "TIMEOUT", "STREAM", "AT_ONCE", "TOKENS", "PRICE", "COST" }.Select(name => Prefix + name)];

    /// <summary>What the environment says; null for no model. Or what is wrong, in one sentence; also of what is not used.</summary>
    /// <param name="names">The names of all variables there are.</param>
    /// <param name="environment">A variable's value.</param>
    /// <param name="resolve">A secret by its reference; null when there is none.</param>
    public static (ReasoningOptions? Options, string? Wrong) Read(IEnumerable<string> names, Func<string, string?> environment, Func<string, string?> resolve)
    {
        if (names.FirstOrDefault(name => name.StartsWith(Prefix, StringComparison.Ordinal) && !Known.Contains(name)) is { } unknown)
            return (null, $"{unknown}: is no variable that is known; there are {string.Join(", ", Known)}");
        var (options, wrong) = Read(environment, resolve);
        // What is only wrong once a model is there is wrong today.
        return wrong is null && options is null && Known.Skip(3).Any(name => environment(name) is { Length: > 0 })
            ? (null, Read(name => name == Prefix + "URL" ? null : name == "TOGETHER_API_KEY" ? "none" : environment(name), resolve).Wrong)
            : (options, wrong);
    }

    private static (ReasoningOptions? Options, string? Wrong) Read(Func<string, string?> environment, Func<string, string?> resolve)
    {
        string? Given(string name) => environment(name)?.Trim() is { Length: > 0 } value ? value : null;
        var (url, model) = (Given("COMMANDER_REASONING_URL"), Given("COMMANDER_REASONING_MODEL"));
        var together = Given("TOGETHER_API_KEY");
        if (url is "off" || (url is null && model is null && together is null && Given("COMMANDER_REASONING_KEY") is null))
            return (null, null);
        if (!Uri.TryCreate((url ?? Together).TrimEnd('/') + "/", UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https") || address is not { Query: "", Fragment: "", UserInfo: "" })
            return (null, $"COMMANDER_REASONING_URL: '{url}' is no address; write {Together}, http://127.0.0.1:11434/v1, or off");
        var atTogether = address is { Scheme: "https", Host: "api.together.xyz" or "api.together.ai" };
        if (model is null && !atTogether)
            return (null, $"COMMANDER_REASONING_MODEL: is missing; write the name of the model that {address.Host} is to be asked for");
        var (key, wrong) = KeyOf(Given("COMMANDER_REASONING_KEY"), resolve);
        // A provider's own key goes to that provider and to nobody else.
        var own = Owner(address, atTogether) is { } its ? Given(its) : null;
        key ??= own;
        if (key is null && Owner(address, atTogether) is { } variable)
            wrong ??= $"{variable}: is missing, and {address.Host} answers nobody without a key; write it, or COMMANDER_REASONING_KEY";
        if (key is not null && key.Any(c => c is <= ' ' or > '~'))
            wrong ??= "the key of the language model: has characters that cannot stand in a header";
        var options = new ReasoningOptions(address, model ?? TogetherModel) { Key = key, Price = (model ?? TogetherModel) == TogetherModel && atTogether ? (0.18, 0.18) : null };
        if (Given("COMMANDER_REASONING_TIMEOUT") is { } patience)
        {
            if (Durations.TryParse(patience, out var timeout) && timeout >= TimeSpan.FromSeconds(1) && timeout <= TimeSpan.FromMinutes(2))
                options = options with { Timeout = timeout };
            else
                wrong ??= $"COMMANDER_REASONING_TIMEOUT: '{patience}' is no time from 1s to 2m; write 10s";
        }

        if (Given("COMMANDER_REASONING_STREAM") is { } streams)
        {
            if (streams is "on" or "off")
                options = options with { Streams = streams == "on" };
            else
                wrong ??= $"COMMANDER_REASONING_STREAM: '{streams}' is neither on nor off";
        }

        if (Given("COMMANDER_REASONING_AT_ONCE") is { } most)
        {
            if (int.TryParse(most, NumberStyles.None, CultureInfo.InvariantCulture, out var atOnce) && atOnce is >= 1 and <= 256)
                options = options with { AtOnce = atOnce };
            else
                wrong ??= $"COMMANDER_REASONING_AT_ONCE: '{most}' is no number from 1 to 256";
        }

        if (Given("COMMANDER_REASONING_TOKENS") is { } tokens)
        {
            if (Three(tokens, options.Tokens) is { } limits)
                options = options with { Tokens = limits };
            else
                wrong ??= $"COMMANDER_REASONING_TOKENS: '{tokens}' is not like deployment=40000,service=500000,day=5000000";
        }

        if (Given("COMMANDER_REASONING_PRICE") is { } price)
        {
            var parts = price.Split('/');
            if (parts.Length == 2 && Amount(parts[0]) is { } prompt && Amount(parts[1]) is { } answer)
                options = options with { Price = (prompt, answer) };
            else
                wrong ??= $"COMMANDER_REASONING_PRICE: '{price}' is not like 0.18/0.18, the price of a million tokens of prompt and of answer";
        }

        if (Given("COMMANDER_REASONING_COST") is { } cost)
        {
            if (options.Price is null)
                wrong ??= "COMMANDER_REASONING_COST: needs COMMANDER_REASONING_PRICE, such as 0.18/0.18 for a million tokens of prompt and of answer";
            else if (Three(cost, options.Cost) is { } limits)
                options = options with { Cost = limits };
            else
                wrong ??= $"COMMANDER_REASONING_COST: '{cost}' is not like deployment=0.1,service=2,day=20";
        }

        return wrong is null ? (options, null) : (null, wrong);
    }

    // Whose key a provider's own variable is.
    private static string? Owner(Uri address, bool atTogether) =>
        address.Scheme != "https" ? null : atTogether ? "TOGETHER_API_KEY" : address.Host is "api.openai.com" ? "OPENAI_API_KEY" : address.Host.EndsWith(".openai.azure.com", StringComparison.Ordinal) ? "AZURE_OPENAI_API_KEY" : null;

    private static (string? Key, string? Wrong) KeyOf(string? given, Func<string, string?> resolve)
    {
        if (given is null)
            return (null, null);
        var refers = given.StartsWith("file:", StringComparison.Ordinal) || given.StartsWith("${", StringComparison.Ordinal);
        return (refers ? resolve(given) : given) is { Length: > 0 and <= 4096 } key ? (key, null) : (null, $"COMMANDER_REASONING_KEY: {(refers ? given : "the key")} is not there or too long; set the variable or write the file");
    }

    private static Limits? Three(string text, Limits otherwise)
    {
        var limits = otherwise;
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            var at = part.IndexOf('=', StringComparison.Ordinal);
            if (at < 0 || Amount(part[(at + 1)..]) is not { } amount)
                return null;
            switch (part[..at])
            {
                case "deployment":
                    limits = limits with { Deployment = amount };
                    break;
                case "service":
                    limits = limits with { Service = amount };
                    break;
                case "day":
                    limits = limits with { Day = amount };
                    break;
                default:
                    return null;
            }
        }

        return limits;
    }

    private static double? Amount(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var amount) && amount is >= 0 and <= 1e12 ? amount : null;
}
