using System.Security.Claims;
using Commander.Judging.Decisions;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Server.Dashboard;

/// <summary>What the pages need to know about how this process was started. Bound by Hosting before the first request.</summary>
internal sealed class DashboardOptions
{
    /// <summary>Whether the demo shop runs here: its six buttons are shown.</summary>
    public bool Demo { get; set; }

    /// <summary>Whether a policy was given; without one the first page tells what to do next.</summary>
    public bool HasPolicy { get; set; }

    /// <summary>The language model that is asked; null when none is configured.</summary>
    public string? Model { get; set; }

    /// <summary>What is missing before Commander can judge or act, one sentence each with its remedy.</summary>
    public IReadOnlyList<string> Missing { get; set; } = [];

    /// <summary>
    /// Whether somebody may press buttons. Who may come in at all is decided in Hosting; this decides whether the forms
    /// are drawn and obeyed. The default fits the embedded form: only loopback is served, and everyone there is admin.
    /// </summary>
    public Func<ClaimsPrincipal, bool> MayAct { get; set; } = static _ => true;

    /// <summary>Whether somebody may do what only admins may.</summary>
    public Func<ClaimsPrincipal, bool> MayRule { get; set; } = static _ => true;

    /// <summary>Whether somebody may read what goes on; on pages that everybody gets, nothing of it is shown to others.</summary>
    public Func<ClaimsPrincipal, bool> MayLook { get; set; } = static _ => true;
}

/// <summary>What is frozen now. Optional: without it no page speaks of it.</summary>
internal delegate Task<IReadOnlyList<Freeze>> Frozen(CancellationToken cancel);

/// <summary>How the server itself is: what was seen last, without looking. Optional: without it there is no page of it.</summary>
internal delegate ChecksShown Checked();

/// <summary>Looks whether the server itself is well, now.</summary>
internal delegate Task CheckNow(CancellationToken cancel);

/// <summary>Sends a test alert through every channel; null when one was sent less than a minute ago.</summary>
internal delegate Task<IReadOnlyList<ChannelTested>?> TestChannels(string person, CancellationToken cancel);

/// <summary>The checks of the server itself.</summary>
/// <param name="Node">Who looked.</param>
/// <param name="At">When; null before the first time.</param>
/// <param name="Items">In their order.</param>
internal sealed record ChecksShown(string Node, DateTimeOffset? At, IReadOnlyList<CheckShown> Items)
{
    /// <summary>What fails, in words: "1 check fails: source prom"; null when nothing does.</summary>
    public string? Failing
    {
        get
        {
            var names = Items.Where(item => !item.Ok).Select(item => item.Name).ToList();
            return names.Count == 0 ? null : $"{(names.Count == 1 ? "1 check fails" : $"{names.Count} checks fail")}: {string.Join(", ", names.Take(3))}{(names.Count > 3 ? $" and {names.Count - 3} more" : "")}";
        }
    }
}

/// <summary>One check of the server itself.</summary>
/// <param name="Name">What is checked.</param>
/// <param name="Ok">Whether it holds.</param>
/// <param name="Doubted">Whether it failed once and is looked at again.</param>
/// <param name="Message">One sentence.</param>
/// <param name="Since">When it became so.</param>
/// <param name="At">When it was looked at last.</param>
internal sealed record CheckShown(string Name, bool Ok, bool Doubted, string Message, DateTimeOffset Since, DateTimeOffset At);

/// <summary>What became of a test alert.</summary>
/// <param name="Name">The channel.</param>
/// <param name="State">done, later or refused.</param>
/// <param name="Message">Why it does not have it.</param>
internal sealed record ChannelTested(string Name, string State, string? Message);

/// <summary>Deploys the demo shop well or badly; registered by Demo.</summary>
/// <param name="kind">good, errors, slow, leak, crash or subtle.</param>
/// <param name="cancel">Ends the wait, not the deployment.</param>
internal delegate Task<Deployment> DemoDeploy(string kind, CancellationToken cancel);

/// <summary>What the demo shop does at this moment; registered by Demo. Null while it starts.</summary>
internal delegate ValueTask<ShopStatus?> DemoStatus(CancellationToken cancel);

/// <summary>The demo shop at this moment.</summary>
/// <param name="ShopUrl">Where it serves.</param>
/// <param name="Serving">The version that serves.</param>
/// <param name="Candidate">The version on trial; null for none.</param>
/// <param name="Share">The candidate's share of the traffic, 0 to 1.</param>
/// <param name="Requests">Requests of the last ten seconds.</param>
/// <param name="ErrorRate">Failed requests of the last ten seconds, in %.</param>
/// <param name="P95Ms">95th percentile of the duration over the last ten seconds, in ms.</param>
internal sealed record ShopStatus(string ShopUrl, string Serving, string? Candidate, double Share, long Requests, double ErrorRate, double P95Ms);

/// <summary>Finds the policy that a watch has pinned, for tolerances and what may be done; null when it is not kept. Optional: without it the pages leave those out.</summary>
internal delegate ValueTask<Policy?> PinnedPolicy(PolicyReference reference, CancellationToken cancel);
