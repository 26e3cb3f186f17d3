using Commander.Charts;
using Commander.Judging.Decisions;
using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Microsoft.AspNetCore.Antiforgery;

namespace Commander.Server.Dashboard;

/// <summary>What the pages of one request are drawn with. Filled by the endpoint, injected into the components: Razor makes those public, so their parameters could not have internal types.</summary>
internal sealed class Views
{
    public PageView Page { get; } = new();

    public ListView List { get; } = new();

    public MessageView Message { get; } = new();

    public VerdictView Verdict => Deployment ?? throw new InvalidOperationException("the endpoint has set no deployment to draw");

    public VerdictView? Deployment { get; set; }

    public SignInView SignIn { get; } = new();

    public ChecksView Checks { get; } = new();
}

/// <summary>The checks of the server itself.</summary>
internal sealed class ChecksView
{
    public ChecksShown? Shown { get; set; }

    /// <summary>Whether this person may send a test alert.</summary>
    public bool MayTest { get; set; }

    /// <summary>What became of a test alert that was just sent.</summary>
    public IReadOnlyList<ChannelTested>? Tested { get; set; }
}

/// <summary>The page where somebody shows a token.</summary>
internal sealed class SignInView
{
    /// <summary>Where to go then.</summary>
    public string To { get; set; } = "";

    /// <summary>Whether there is a provider to sign in by.</summary>
    public bool There { get; set; }

    /// <summary>Whether the token that was shown is none.</summary>
    public bool Wrong { get; set; }
}

/// <summary>What every page has.</summary>
internal sealed class PageView
{
    /// <summary>From the page back to the root, such as "./" or "../": links are relative, so that a proxy may put Commander under any path.</summary>
    public string Root { get; set; } = "./";

    /// <summary>The document's title.</summary>
    public string Title { get; set; } = "Commander";

    /// <summary>Which icon the tab shows.</summary>
    public Tone Tone { get; set; }

    /// <summary>The antiforgery field that every form carries.</summary>
    public AntiforgeryTokenSet? Token { get; set; }

    /// <summary>What is frozen, oldest first.</summary>
    public IReadOnlyList<Freeze> Frozen { get; set; } = [];

    /// <summary>Whether there is a page of the server's own checks.</summary>
    public bool HasChecks { get; set; }

    /// <summary>Whether this person may press buttons.</summary>
    public bool MayAct { get; set; }

    /// <summary>What who signed in may; empty while nobody has to.</summary>
    public string Role { get; set; } = "";

    /// <summary>Who signed in; null while nobody has to.</summary>
    public string? Person { get; set; }

    /// <summary>The way from a request's path back to the root.</summary>
    public static string RootOf(PathString path)
    {
        var depth = Math.Max(0, (path.Value ?? "").AsSpan().Count('/') - 1);
        return depth == 0 ? "./" : string.Concat(Enumerable.Repeat("../", Math.Min(depth, 32)));
    }
}

/// <summary>The list.</summary>
internal sealed class ListView
{
    public Tab Tab { get; set; }

    public string Query { get; set; } = "";

    public IReadOnlyList<string> Errors { get; set; } = [];

    public IReadOnlyList<Deployment> Items { get; set; } = [];

    /// <summary>Where the next page begins; null on the last.</summary>
    public string? Next { get; set; }

    /// <summary>Whether this is not the first page.</summary>
    public bool Later { get; set; }

    /// <summary>How many of the newest deployments want a person.</summary>
    public int Attention { get; set; }

    /// <summary>What fails of the server itself; null for nothing.</summary>
    public string? Failing { get; set; }

    /// <summary>Whether nothing was ever deployed.</summary>
    public bool Empty { get; set; }

    public ShopStatus? Shop { get; set; }

    /// <summary>The server's own address, for commands to copy.</summary>
    public string Address { get; set; } = "";
}

/// <summary>One deployment.</summary>
internal sealed class VerdictView
{
    public required Deployment Deployment { get; set; }

    public EvidenceDocument? Evidence { get; set; }

    public Policy? Policy { get; set; }

    public IReadOnlyList<Moment> Moments { get; set; } = [];

    /// <summary>Why this person may not act on this deployment though they may on others; null when they may.</summary>
    public string? Outside { get; set; }

    public Headline Head => Headline.Of(Deployment);

    public MetricPolicy? Metric(string name) => Policy?.Metrics.FirstOrDefault(m => m.Name == name);
}

/// <summary>A page that only says something: not found, refused, failed.</summary>
internal sealed class MessageView
{
    public int Status { get; set; }

    public string Heading { get; set; } = "";

    public IReadOnlyList<string> Lines { get; set; } = [];

    /// <summary>Where to go back to, relative to the root.</summary>
    public string Back { get; set; } = "";
}
