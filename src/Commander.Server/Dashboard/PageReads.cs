using System.Text.Json;
using Commander.Charts;
using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Api;
using Commander.Server.Dashboard.Pages;
using Commander.Server.Loop;
using Microsoft.Extensions.Options;

namespace Commander.Server.Dashboard;

/// <summary>Every GET: asks the loop, fills the view, draws.</summary>
internal static class PageReads
{
    private const int PageSize = 50;

    /// <summary>Lists that the store cannot narrow by itself look at so many of the newest rows, then say where to go on.</summary>
    private const int Scanned = 500;

    /// <summary>A watch's facts are drawn up to this number; its evidence is bounded to 4 MiB anyway.</summary>
    private const int MaxFacts = 5000;

    public static async Task<IResult> List(HttpContext http)
    {
        await FillList(http);
        var list = Views(http).List;
        return PageAnswer.Page<ListPage>(http, list.Attention > 0 ? $"({list.Attention}) Deployments – Commander" : "Deployments – Commander", list.Attention > 0 ? Tone.Ask : Tone.Calm);
    }

    public static async Task<IResult> ListFragment(HttpContext http)
    {
        await FillList(http);
        // It is swapped into the page at the root, so its links are seen from there.
        Views(http).Page.Root = "./";
        return PageAnswer.Component<ListBody>(http);
    }

    public static async Task<IResult> ShopFragment(HttpContext http)
    {
        var views = Views(http);
        views.Page.Root = "./";
        views.List.Shop = await Shop(http);
        return PageAnswer.Component<ShopPanel>(http);
    }

    public static async Task<IResult> Verdict(HttpContext http)
    {
        if (await FillVerdict(http) is not { } view)
        {
            return await NotFound(http);
        }

        return PageAnswer.Page<VerdictPage>(http, Title(view.Head), view.Head.Tone);
    }

    public static async Task<IResult> VerdictFragment(HttpContext http)
    {
        if (await FillVerdict(http) is null)
        {
            return await NotFound(http);
        }

        // It is swapped into the page one level above.
        Views(http).Page.Root = "../";
        return PageAnswer.Component<VerdictBody>(http);
    }

    public static async Task<IResult> Json(HttpContext http) => await Deployment(http) is { } deployment
        ? Results.Text(JsonSerializer.Serialize(deployment, Judging.Json.Tolerant), "application/json; charset=utf-8")
        : await NotFound(http);

    public static async Task<IResult> Markdown(HttpContext http) => await Deployment(http) is { } deployment
        ? Results.Text(Charts.Report.Markdown(deployment), "text/markdown; charset=utf-8")
        : await NotFound(http);

    public static async Task<IResult> Report(HttpContext http)
    {
        if (await Deployment(http) is not { } deployment)
        {
            return await NotFound(http);
        }

        var evidence = await Loop(http).Evidence(deployment.Id, http.RequestAborted);
        var policy = await Pinned(http, deployment);
        // The report carries its own style sheet: exactly that one may pass.
        http.Response.Headers.ContentSecurityPolicy = $"default-src 'none'; style-src {Charts.Report.StyleSource}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        return Results.Text(Charts.Report.Html(deployment, evidence, policy), "text/html; charset=utf-8");
    }

    public static async Task<IResult> Spark(HttpContext http)
    {
        if (await Deployment(http) is not { } deployment)
        {
            return await NotFound(http);
        }

        var evidence = await Loop(http).Evidence(deployment.Id, http.RequestAborted);
        // Its address carries the verdict's time, so a new verdict is a new address.
        http.Response.Headers.CacheControl = deployment.State == "closed" ? "private, max-age=86400" : "private, max-age=5";
        return Results.Text(Sparkline.Draw(deployment, evidence ?? new EvidenceDocument(1, [])), "image/svg+xml; charset=utf-8");
    }

    public static async Task<IResult> Older(HttpContext http)
    {
        if (Id(http) is not { } id)
        {
            return await NotFound(http);
        }

        var page = await Loop(http).List(new(BeforeId: id, Limit: 1), http.RequestAborted);
        return page.Items.Count > 0
            ? Results.Redirect("../" + page.Items[0].Id)
            : Say(http, "This is the oldest deployment", "d/" + id);
    }

    public static async Task<IResult> Newer(HttpContext http)
    {
        if (Id(http) is not { } id)
        {
            return await NotFound(http);
        }

        string? cursor = null;
        string? newer = null;
        for (var looked = 0; looked < 2 * Scanned;)
        {
            var page = await Loop(http).List(new(BeforeId: cursor, Limit: 100), http.RequestAborted);
            foreach (var deployment in page.Items)
            {
                if (string.CompareOrdinal(deployment.Id, id) <= 0)
                {
                    return newer is null ? Say(http, "This is the newest deployment", "d/" + id) : Results.Redirect("../" + newer);
                }

                newer = deployment.Id;
            }

            looked += page.Items.Count;
            cursor = page.NextCursor;
            if (cursor is null)
            {
                break;
            }
        }

        return Say(http, "The next deployment is too far away; find it in the list", "d/" + id);
    }

    public static async Task<IResult> Replay(HttpContext http)
    {
        if (await Deployment(http) is not { } deployment || await Loop(http).Replay(deployment.Id, null, null, null, http.RequestAborted) is not { } replay)
        {
            return await NotFound(http);
        }

        var message = Views(http).Message;
        message.Back = "d/" + deployment.Id;
        return replay.Identical
            ? PageAnswer.Message(http, StatusCodes.Status200OK, "Replayed: identical", $"The stored facts, folded again, give the same verdict bit by bit: {replay.Verdict?.Decision ?? "none"}.", "A replay never acts.")
            : PageAnswer.Message(http, StatusCodes.Status200OK, "Replayed: different", ["The stored facts, folded again, give another verdict. A replay never acts.", .. replay.Differences]);
    }

    public static Task<IResult> Help(HttpContext http) => Task.FromResult(PageAnswer.Page<HelpPage>(http, "Help – Commander", Tone.Calm));

    public static async Task<IResult> Checks(HttpContext http) =>
        FillChecks(http) ? PageAnswer.Page<ChecksPage>(http, $"{Views(http).Checks.Shown!.Failing ?? "Checks"} – Commander", Views(http).Checks.Shown!.Failing is null ? Tone.Calm : Tone.Ask) : await NotFound(http);

    /// <summary>Fills the view of the checks; false where there are none.</summary>
    internal static bool FillChecks(HttpContext http)
    {
        if (http.RequestServices.GetService<Checked>() is not { } look)
            return false;
        var view = Views(http).Checks;
        view.Shown = look();
        view.MayTest = http.RequestServices.GetRequiredService<IOptions<DashboardOptions>>().Value.MayRule(http.User);
        return true;
    }

    public static Task<IResult> NotFound(HttpContext http)
    {
        // Programs that ask get an answer that programs read.
        if (!http.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase))
        {
            return Task.FromResult(Results.Problem($"Nothing is at {http.Request.Path}; /openapi/v1.json lists what there is.", statusCode: StatusCodes.Status404NotFound, title: "Not found"));
        }

        return Task.FromResult(PageAnswer.Message(http, StatusCodes.Status404NotFound, "Nothing is here", "There is no such page or deployment. Deployments are kept as long as retention says; an older one may be gone."));
    }

    /// <summary>The id in the address, when it can be one.</summary>
    internal static string? Id(HttpContext http) =>
        http.GetRouteValue("id") is string { Length: > 0 and <= 64 } id && id.All(static c => char.IsAsciiLetterOrDigit(c) || c == '-') ? id : null;

    internal static async Task<Deployment?> Deployment(HttpContext http) =>
        Id(http) is { } id ? await Loop(http).Get(id, http.RequestAborted) : null;

    internal static IDeployments Loop(HttpContext http) => http.RequestServices.GetRequiredService<IDeployments>();

    internal static Views Views(HttpContext http) => http.RequestServices.GetRequiredService<Views>();

    /// <summary>There is nothing further in that direction: an answer, not a mistake of whoever asked.</summary>
    private static IResult Say(HttpContext http, string heading, string back)
    {
        Views(http).Message.Back = back;
        return PageAnswer.Message(http, StatusCodes.Status200OK, heading);
    }

    private static string Title(Headline head) => $"{head.Word}: {head.What}";

    private static async Task<VerdictView?> FillVerdict(HttpContext http)
    {
        if (await Deployment(http) is not { } deployment)
        {
            return null;
        }

        var facts = await Loop(http).Facts(deployment.Id, 0, MaxFacts, http.RequestAborted);
        return Views(http).Deployment = new VerdictView
        {
            Outside = Scope.Reason(http.User, deployment.Service, deployment.Environment),
            Deployment = deployment,
            Evidence = await Loop(http).Evidence(deployment.Id, http.RequestAborted),
            Policy = await Pinned(http, deployment),
            Moments = Timeline.Of(deployment, facts),
        };
    }

    private static async Task<Policy?> Pinned(HttpContext http, Deployment deployment) =>
        http.RequestServices.GetService<PinnedPolicy>() is { } find ? await find(deployment.Policy, http.RequestAborted) : null;

    private static async ValueTask<ShopStatus?> Shop(HttpContext http) =>
        http.RequestServices.GetRequiredService<IOptions<DashboardOptions>>().Value.Demo && http.RequestServices.GetService<DemoStatus>() is { } status
            ? await status(http.RequestAborted)
            : null;

    private static async Task FillList(HttpContext http)
    {
        var query = http.Request.Query;
        var view = Views(http).List;
        view.Tab = query["tab"].ToString() switch { "attention" => Tab.Attention, "running" => Tab.Running, _ => Tab.All };
        view.Query = query["q"].ToString() is { Length: <= 200 } text ? text : query["q"].ToString()[..200];
        var filter = FilterText.Read(query["q"].ToString());
        view.Errors = filter.Errors;
        var cursor = query["cursor"].ToString() is { Length: > 0 and <= 64 } at && at.All(static c => char.IsAsciiLetterOrDigit(c) || c == '-') ? at : null;
        view.Later = cursor is not null;
        var now = http.RequestServices.GetRequiredService<TimeProvider>().GetUtcNow();
        var items = new List<Deployment>(PageSize);
        var looked = 0;
        do
        {
            var page = await Loop(http).List(filter.ForStore(view.Tab, now, cursor, filter.Narrows(view.Tab) ? 100 : PageSize), http.RequestAborted);
            looked += page.Items.Count;
            cursor = page.NextCursor;
            foreach (var deployment in page.Items)
            {
                if (filter.Matches(view.Tab, deployment))
                {
                    items.Add(deployment);
                    if (items.Count == PageSize)
                    {
                        // The page ends in the middle of what was read: the next one begins after the last row shown.
                        cursor = ReferenceEquals(deployment, page.Items[^1]) ? cursor : deployment.Id;
                        break;
                    }
                }
            }
        }
        while (items.Count < PageSize && cursor is not null && looked < Scanned);

        view.Items = items;
        view.Next = cursor;
        view.Attention = view is { Tab: Tab.All, Query: "", Later: false }
            ? items.Count(FilterText.NeedsAttention)
            : (await Loop(http).List(new(Limit: PageSize), http.RequestAborted)).Items.Count(FilterText.NeedsAttention);
        view.Empty = items.Count == 0 && view is { Tab: Tab.All, Query: "", Later: false };
        view.Address = $"{http.Request.Scheme}://{http.Request.Host}{http.Request.PathBase}";
        view.Shop = await Shop(http);
        view.Failing = http.RequestServices.GetService<Checked>()?.Invoke().Failing;
    }
}
