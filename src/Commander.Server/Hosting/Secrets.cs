using System.Collections.Concurrent;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Commander.Server.Hosting;

/// <summary>
/// Secrets by their reference in a policy: <c>${COMMANDER_SECRET_NAME}</c> from the environment, <c>file:PATH</c> below the secrets
/// folder (COMMANDER_SECRETS, default /run/secrets). Nothing else is expanded; a value never leaves for facts, logs or pages.
/// </summary>
internal sealed class Secrets(Func<string, string?> environment)
{
    private const int MaxSecret = 64 * 1024;
    private const string Prefix = "COMMANDER_SECRET_";
    // What is shorter stands in too many words that are no secrets.
    private const int LeastHidden = 6;
    private readonly Dictionary<string, string> _own = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, byte> _hidden = new(StringComparer.Ordinal);

    /// <summary>A secret that this process made itself, under a name like those of the environment.</summary>
    public void Add(string name, string value)
    {
        _own[name] = value;
        Hide(value);
    }

    /// <summary>From now on this text is in no line of the log, as it is or as it stands in an address or in JSON.</summary>
    public void Hide(string? value)
    {
        if (value is not { Length: >= LeastHidden })
            return;
        foreach (var form in (string[])[value, Uri.EscapeDataString(value), JsonEncodedText.Encode(value).ToString(), JsonEncodedText.Encode(value, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).ToString()])
            _hidden[form] = 0;
    }

    /// <summary>The text without any secret that was resolved here.</summary>
    public string Scrub(string text)
    {
        foreach (var (value, _) in _hidden)
            text = text.Replace(value, "(secret)", StringComparison.Ordinal);
        return text;
    }

    /// <summary>The secret's value; null when there is none.</summary>
    public string? Resolve(string reference)
    {
        var value = Read(reference);
        Hide(value);
        return value;
    }

    private string? Read(string reference)
    {
        if (reference.StartsWith("${" + Prefix, StringComparison.Ordinal) && reference.EndsWith('}'))
        {
            var name = reference[2..^1];
            return _own.GetValueOrDefault(name) ?? environment(name);
        }

        if (!reference.StartsWith("file:", StringComparison.Ordinal))
            return null;
        var folder = Path.GetFullPath(environment("COMMANDER_SECRETS") ?? "/run/secrets");
        var path = Path.GetFullPath(Path.Combine(folder, reference["file:".Length..]));
        if (!path.StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            return null;
        var file = new FileInfo(path);
        return file is { Exists: true, Length: <= MaxSecret } ? File.ReadAllText(path).TrimEnd('\r', '\n') : null;
    }
}
