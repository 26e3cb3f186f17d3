using System.Globalization;
using Commander.Judging.Verdicts;
using Commander.Server.Storage;

namespace Commander.Server.Dashboard;

/// <summary>Which of the three lists is looked at.</summary>
internal enum Tab
{
    All = 0,
    Attention,
    Running,
}

/// <summary>
/// The filter box, read: service:NAME env:NAME verdict:rollback|continue|hold is:open|closed|wrong|attention since:7d; a bare word is a service.
/// What is not understood is an error shown beside the box, never silently ignored.
/// </summary>
internal sealed record FilterText(string? Service, string? Environment, string? Verdict, IReadOnlyList<string> Is, TimeSpan? Since, IReadOnlyList<string> Errors)
{
    private const int MaxLength = 200;

    /// <summary>Reads the text.</summary>
    public static FilterText Read(string? text)
    {
        string? service = null, environment = null, verdict = null;
        TimeSpan? since = null;
        var states = new List<string>();
        var errors = new List<string>();
        if (text?.Length > MaxLength)
        {
            return new(null, null, null, [], null, [$"the filter is longer than {MaxLength} characters"]);
        }

        foreach (var word in (text ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var colon = word.IndexOf(':');
            var (key, value) = colon < 0 ? ("service", word) : (word[..colon].ToLowerInvariant(), word[(colon + 1)..]);
            switch (key)
            {
                case "service" when value.Length > 0:
                    service = value;
                    break;
                case "env" or "environment" when value.Length > 0:
                    environment = value;
                    break;
                case "verdict" when value.ToUpperInvariant() is "ROLLBACK" or "CONTINUE" or "HOLD":
                    verdict = value.ToUpperInvariant();
                    break;
                case "verdict":
                    errors.Add($"verdict:{value} is not known; write verdict:rollback, verdict:continue or verdict:hold");
                    break;
                case "is" when value.ToLowerInvariant() is "open" or "running" or "closed" or "wrong" or "attention":
                    states.Add(value.ToLowerInvariant());
                    break;
                case "is":
                    errors.Add($"is:{value} is not known; write is:open, is:closed, is:wrong or is:attention");
                    break;
                case "since" when Age(value) is { } age:
                    since = age;
                    break;
                case "since":
                    errors.Add($"since:{value} is no age; write since:30m, since:12h or since:7d");
                    break;
                default:
                    errors.Add($"{word} is not understood; write service:, env:, verdict:, is: or since:");
                    break;
            }
        }

        return new(service, environment, verdict, states, since, errors);
    }

    /// <summary>The part of it that the store can answer by itself.</summary>
    public DeploymentFilter ForStore(Tab tab, DateTimeOffset now, string? beforeId, int limit) => new(
        Service,
        Environment,
        Verdict,
        tab == Tab.Running || Is.Contains("open") || Is.Contains("running") ? true : Is.Contains("closed") ? false : null,
        Since is { } age ? now - age : null,
        beforeId,
        limit);

    /// <summary>Whether rows must be looked at one by one besides.</summary>
    public bool Narrows(Tab tab) => tab == Tab.Attention || Is.Contains("wrong") || Is.Contains("attention");

    /// <summary>Whether a deployment belongs into the list, beyond what the store has already seen to.</summary>
    public bool Matches(Tab tab, Deployment deployment) =>
        (tab != Tab.Attention && !Is.Contains("attention") || NeedsAttention(deployment))
        && (!Is.Contains("wrong") || IsWrong(deployment));

    /// <summary>Whether a person is wanted: asked, paged, or a rollback that did not help.</summary>
    public static bool NeedsAttention(Deployment deployment)
    {
        // Somebody has said what it was: dealt with.
        if (deployment.Outcome is { Source: "person" } || deployment.ClosedReason is "superseded" or "cancelled")
        {
            return false;
        }

        var rollback = deployment.Actions.LastOrDefault(a => a.Kind == "rollback");
        return deployment.State == "waiting_for_person"
            || deployment.ClosedReason is "on_hold" or "failed"
            || rollback is { State: "failed" or "refused" } or { Recovered: false }
            || (deployment.Verdict?.Decision == "ROLLBACK" && rollback is null);
    }

    /// <summary>Whether the verdict turned out to be wrong.</summary>
    public static bool IsWrong(Deployment deployment) =>
        (deployment.Verdict?.Decision, deployment.Outcome?.Label) is ("ROLLBACK", "GOOD") or ("CONTINUE", "BAD");

    private static TimeSpan? Age(string text)
    {
        if (text.Length is < 2 or > 6 || !int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return null;
        }

        return char.ToLowerInvariant(text[^1]) switch
        {
            'm' => TimeSpan.FromMinutes(number),
            'h' => TimeSpan.FromHours(number),
            'd' => TimeSpan.FromDays(Math.Min(number, 3650)),
            _ => null,
        };
    }
}
