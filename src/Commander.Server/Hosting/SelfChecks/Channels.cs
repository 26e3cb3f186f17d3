using System.Security.Cryptography;
using System.Text;
using Commander.Judging.Policies;
using Commander.Server.Alerting;

namespace Commander.Server.Hosting.SelfChecks;

/// <summary>A channel of the policies.</summary>
/// <param name="Name">As people name it: distinct, and without a secret.</param>
/// <param name="To">One of the entries that speak to it.</param>
internal sealed record NamedChannel(string Name, AlertPolicy To);

/// <summary>The channels of policies, each once however many entries speak to it.</summary>
internal static class Channels
{
    /// <summary>Beyond this they are not looked at.</summary>
    public const int Most = 100;

    /// <summary>By what a channel is known in facts: the same across restarts and changes of what it wants to hear. Nothing of a secret address can be read from it.</summary>
    public static string IdOf(AlertPolicy to) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{to.Channel}\n{to.To}")).AsSpan(0, 6));

    /// <summary>All of them, in their order.</summary>
    public static IReadOnlyList<NamedChannel> Of(PolicySet policies)
    {
        var named = new List<NamedChannel>();
        var known = new HashSet<string>(StringComparer.Ordinal);
        var names = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var to in policies.Services.Values.Prepend(policies.Defaults).SelectMany(policy => policy.Alert))
        {
            if (named.Count == Most)
                break;
            if (!known.Add($"{IdOf(to)} {Settings(to)}"))
                continue;
            var name = Routing.NameOf(to);
            var times = names[name] = names.GetValueOrDefault(name) + 1;
            named.Add(new NamedChannel(times == 1 ? name : $"{name} ({times})", to));
        }

        return named;
    }

    private static string Settings(AlertPolicy to) => string.Join(' ', (to.Settings ?? new Dictionary<string, string>(StringComparer.Ordinal)).Select(setting => $"{setting.Key}={setting.Value}"));
}
