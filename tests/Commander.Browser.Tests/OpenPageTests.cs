using System.Text.RegularExpressions;
using Commander.Samples;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Commander.Browser.Tests;

public class OpenPageTests(Chromium chromium)
{
    private const string Watching = "dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2E";
    private const string RolledBack = "dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C";

    [Theory]
    [InlineData(ColorScheme.Light)]
    [InlineData(ColorScheme.Dark)]
    public async Task No_page_has_an_accessibility_violation(ColorScheme theme)
    {
        await using var server = await SampleServer.Start(configure: o => o.Demo = true);
        await using var empty = await SampleServer.Start([], o => (o.HasPolicy, o.Missing) = (false, ["No policy: start with --policy FILE."]));
        var urls = Sample.All().Select(s => server.Address + "d/" + s.Deployment.Id)
            .Concat([server.Address, server.Address + "?tab=attention&q=nonsense:1", server.Address + "help", server.Address + "nowhere", empty.Address]);
        await using var tab = await chromium.Open(server.Address, theme);
        foreach (var url in urls)
        {
            await tab.Page.GotoAsync(url);
            foreach (var summary in await tab.Page.Locator("summary").AllAsync())
            {
                await summary.EvaluateAsync("s => s.parentElement.open = true");
            }

            // The other theme differs in nothing but colours.
            var found = await tab.Page.RunAxe(theme == ColorScheme.Light ? new AxeRunOptions() : new AxeRunOptions { RunOnly = RunOnlyOptions.Rules("color-contrast") });
            found.Violations.Select(v => $"{url}: {v.Id}: {v.Help}: {string.Join(" | ", v.Nodes.Take(3).Select(n => n.Html))}").ShouldBeEmpty();
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("d/" + RolledBack)]
    [InlineData("d/" + Watching)]
    [InlineData("help")]
    public async Task Nothing_is_wider_than_a_telephone(string path)
    {
        await using var server = await SampleServer.Start(configure: o => o.Demo = true);
        await using var tab = await chromium.Open(server.Address + path, width: 390, height: 800);

        (await tab.Page.EvaluateAsync<int>("document.documentElement.scrollWidth")).ShouldBeLessThanOrEqualTo(390);
    }

    [Fact]
    public async Task The_title_and_the_heading_say_the_state()
    {
        await using var server = await SampleServer.Start();
        await using var tab = await chromium.Open(server.Address + "d/" + RolledBack);

        await Expect(tab.Page).ToHaveTitleAsync("Rolled back: checkout 1.42.0 in prod");
        await Expect(tab.Page.Locator("h1")).ToHaveTextAsync("Rolled back");
        (await tab.Page.Locator("#icon").GetAttributeAsync("href"))!.ShouldContain("bad.svg");
    }

    [Fact]
    public async Task A_verdict_arrives_in_an_open_page_without_a_reload()
    {
        await using var server = await SampleServer.Start();
        await using var tab = await chromium.Open(server.Address + "d/" + Watching);
        await Connected(server, tab);
        await tab.Page.EvaluateAsync("window.sameDocument = true");
        var (watching, evidence) = Sample.Watching();

        server.Deployments.Put(watching with { Verdict = Sample.Rollback().Deployment.Verdict! with { Final = false }, Verdicts = Sample.Rollback().Deployment.Verdicts }, evidence, "verdict");

        await Expect(tab.Page.Locator("h1")).ToHaveTextAsync("Should roll back", new() { Timeout = 1000 });
        await Expect(tab.Page).ToHaveTitleAsync("Should roll back: payments 7.0.1 in prod");
        await Expect(tab.Page.Locator("#said")).ToContainTextAsync("Should roll back: payments 7.0.1 in prod");
        (await tab.Page.Locator("#icon").GetAttributeAsync("href"))!.ShouldContain("bad.svg");
        (await tab.Page.EvaluateAsync<bool>("window.sameDocument === true")).ShouldBeTrue();
    }

    [Fact]
    public async Task A_page_without_a_server_says_that_it_is_old_and_cannot_be_acted_on_until_there_is_one_again()
    {
        var server = await SampleServer.Start();
        await using var tab = await chromium.Open(server.Address + "d/" + Watching);
        await Connected(server, tab);
        await tab.Page.Locator("#ask-rollback > summary").ClickAsync();
        await Expect(tab.Page.Locator("#stale")).ToBeHiddenAsync();
        var port = new Uri(server.Address).Port;
        await server.DisposeAsync();

        await Expect(tab.Page.Locator("#stale")).ToContainTextAsync("No answer since", new() { Timeout = 30_000 });
        await Expect(tab.Page.Locator("#ask-rollback button")).ToBeDisabledAsync();
        if (Environment.GetEnvironmentVariable("COMMANDER_PICTURES") is { Length: > 0 } folder)
            await tab.Page.ScreenshotAsync(new() { Path = Path.Combine(folder, "stale.png") });

        await using var again = await SampleServer.Start(port: port);
        await Expect(tab.Page.Locator("#stale")).ToBeHiddenAsync(new() { Timeout = 30_000 });
        await Expect(tab.Page.Locator("#ask-rollback button")).ToBeEnabledAsync();
        // What could not be loaded meanwhile was what this is about.
        await tab.Page.GotoAsync("about:blank");
        tab.Faults.Clear();
    }

    [Fact]
    public async Task Nothing_is_lost_while_somebody_types_reads_or_has_the_focus()
    {
        await using var server = await SampleServer.Start();
        await using var tab = await chromium.Open(server.Address + "d/" + Watching);
        await Connected(server, tab);
        await tab.Page.Locator("#m-errors-v > summary").ClickAsync();
        await tab.Page.Locator("#ask-rollback > summary").ClickAsync();
        await tab.Page.Locator("#why-rollback").PressSequentiallyAsync("customers can");
        var (watching, evidence) = Sample.Watching();

        server.Deployments.Put(watching with { Verdict = watching.Verdict! with { Reasoning = "now something else" } }, Sample.Evidence(9, 0.2), "tick");
        await Expect(tab.Page.Locator(".reason")).ToHaveTextAsync("now something else");
        await tab.Page.Locator("#why-rollback").PressSequentiallyAsync("not pay");

        (await tab.Page.Locator("#why-rollback").InputValueAsync()).ShouldBe("customers cannot pay");
        (await tab.Page.EvaluateAsync<string>("document.activeElement.id")).ShouldBe("why-rollback");
        (await tab.Page.Locator("#m-errors-v").EvaluateAsync<bool>("d => d.open")).ShouldBeTrue();

        // Even when the form's reason to be is gone: the server will say so, the words stay.
        server.Deployments.Put(watching with { State = "closed", ClosedReason = "on_hold" }, evidence, "closed");
        await Expect(tab.Page.Locator("h1")).ToHaveTextAsync("No verdict");
        (await tab.Page.Locator("#why-rollback").InputValueAsync()).ShouldBe("customers cannot pay");
    }

    [Fact]
    public async Task A_change_of_verdict_is_announced_once_and_ticks_are_not()
    {
        await using var server = await SampleServer.Start();
        await using var tab = await chromium.Open(server.Address + "d/" + Watching);
        await Connected(server, tab);
        await tab.Page.EvaluateAsync("""
            () => {
                window.heard = [];
                new MutationObserver(() => window.heard.push(document.getElementById('said').textContent)).observe(document.getElementById('said'), { childList: true, characterData: true, subtree: true });
            }
            """);
        var (watching, evidence) = Sample.Watching();
        for (var i = 5; i < 8; i++)
        {
            server.Deployments.Put(watching, Sample.Evidence(i, 0), "tick");
        }

        var decided = watching with { Verdict = watching.Verdict! with { Decision = "CONTINUE", Reasoning = "no metric is worse" } };
        server.Deployments.Put(decided, evidence, "verdict");
        await Expect(tab.Page.Locator("h1")).ToHaveTextAsync("Continue");
        server.Deployments.Put(decided, Sample.Evidence(9, 0), "tick");
        await Expect(tab.Page.Locator("#m-errors-v tr").Last.Locator("td").First).ToHaveTextAsync("4.5");

        (await tab.Page.EvaluateAsync<string[]>("window.heard")).Length.ShouldBe(1);
    }

    [Fact]
    public async Task New_deployments_wait_behind_a_bar_and_known_rows_change_where_they_stand()
    {
        await using var server = await SampleServer.Start();
        await using var tab = await chromium.Open(server.Address);
        await Connected(server, tab);
        var row = tab.Page.Locator("#r-" + Watching);
        var (watching, evidence) = Sample.Watching();

        server.Deployments.Put(Sample.Deployment("dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2Z", "new-one", "1", null, "watching", null), evidence, "received");
        server.Deployments.Put(watching with { Verdict = watching.Verdict! with { Decision = "CONTINUE" } }, evidence, "verdict");

        await Expect(tab.Page.Locator("#new")).ToHaveTextAsync("1 new deployment: show");
        await Expect(row).ToContainTextAsync("Continue");
        await Expect(tab.Page.Locator(".row").First).Not.ToContainTextAsync("new-one");
        await tab.Page.Locator("#new").ClickAsync();
        await Expect(tab.Page.Locator(".row").First).ToContainTextAsync("new-one");
    }

    [Fact]
    public async Task Everything_can_be_reached_with_the_keyboard()
    {
        await using var server = await SampleServer.Start();
        await using var tab = await chromium.Open(server.Address);
        var page = tab.Page;

        await page.Keyboard.PressAsync("Tab");
        (await page.EvaluateAsync<string>("document.activeElement.className")).ShouldBe("skip");
        await page.Keyboard.PressAsync("j");
        await page.Keyboard.PressAsync("j");
        await page.Keyboard.PressAsync("k");
        await page.Keyboard.PressAsync("Enter");
        await page.WaitForURLAsync(new Regex("/d/dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2G$"));
        await page.Keyboard.PressAsync("[");
        await page.WaitForURLAsync(new Regex("/d/dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2F$"));
        await page.Keyboard.PressAsync("]");
        await page.WaitForURLAsync(new Regex("/d/dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2G$"));
        await page.Keyboard.PressAsync("y");
        // The clipboard is written by a promise: the page's own reader is asked until it is there, within the test's patience.
        (await page.EvaluateAsync<string>("async url => { for (let i = 0; i < 100 && await navigator.clipboard.readText() !== url; i++) await new Promise(r => setTimeout(r, 50)); return navigator.clipboard.readText(); }", page.Url)).ShouldBe(page.Url);
        await page.Keyboard.PressAsync("?");
        await page.WaitForURLAsync(new Regex("/help$"));
        await page.GotoAsync(server.Address);
        await page.Keyboard.PressAsync("/");
        await page.Keyboard.TypeAsync("is:j verdict:rollback");
        (await page.Locator("#q").InputValueAsync()).ShouldBe("is:j verdict:rollback");
    }

    [Fact]
    public async Task Without_scripts_a_person_can_roll_back_and_sees_before_what_will_change()
    {
        await using var server = await SampleServer.Start();
        await using var tab = await chromium.Open(server.Address, script: false);

        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "payments 7.0.1" }).ClickAsync();
        await tab.Page.Locator("#ask-rollback > summary").ClickAsync();
        await Expect(tab.Page.Locator("#ask-rollback")).ToContainTextAsync("payments in prod goes from 7.0.1 back to 7.0.0.");
        await tab.Page.Locator("#why-rollback").FillAsync("broken");
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Roll back to 7.0.0" }).ClickAsync();

        await Expect(tab.Page.Locator("h1")).ToHaveTextAsync("Rolling back");
        server.Deployments.Calls.ShouldBe([$"rollback {Watching} broken"]);
    }

    [Fact]
    public async Task A_person_says_what_it_was_and_sees_it_back()
    {
        await using var server = await SampleServer.Start();
        await using var tab = await chromium.Open(server.Address + "d/" + RolledBack);

        await tab.Page.Locator("#note").FillAsync("it was the database");
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Wrong" }).ClickAsync();

        await Expect(tab.Page.Locator(".outcome")).ToContainTextAsync("It was really good: the verdict was wrong.");
        server.Deployments.Calls.ShouldBe([$"GOOD {RolledBack} it was the database"]);
    }

    [Fact]
    public async Task Where_the_stream_does_not_get_through_the_page_asks_every_five_seconds()
    {
        await using var server = await SampleServer.Start();
        await using var tab = await chromium.Open("about:blank");
        await tab.Page.Context.RouteAsync("**/live?*", route => route.FulfillAsync(new() { Status = 503 }));
        await tab.Page.Clock.InstallAsync();
        await tab.Page.GotoAsync(server.Address + "d/" + Watching);
        await tab.Page.Locator("body[data-live=poll]").WaitForAsync();
        var (watching, evidence) = Sample.Watching();
        server.Deployments.Put(watching with { Verdict = watching.Verdict! with { Decision = "CONTINUE" } }, evidence, "verdict");

        await tab.Page.Clock.FastForwardAsync(5600);

        await Expect(tab.Page.Locator("h1")).ToHaveTextAsync("Continue");
    }

    [Fact]
    public async Task The_crosshair_shows_one_moment_in_all_charts()
    {
        await using var server = await SampleServer.Start();
        await using var tab = await chromium.Open(server.Address + "d/" + RolledBack, height: 2400);

        await tab.Page.Locator("#m-errors svg").Nth(1).HoverAsync();

        await Expect(tab.Page.Locator("#m-latency .o")).ToContainTextAsync(new Regex("^at [\\d.]+ s: new .+, old .+"));
        (await tab.Page.Locator(".m .x.on").CountAsync()).ShouldBe(8);
    }

    [Fact]
    public async Task A_demo_button_leads_to_the_deployment()
    {
        await using var server = await SampleServer.Start(configure: o => o.Demo = true);
        await using var tab = await chromium.Open(server.Address);

        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "errors" }).ClickAsync();

        await tab.Page.WaitForURLAsync(new Regex("/d/" + Watching + "$"));
    }

    /// <summary>Waits until the page's stream is open, so that what a test changes then is an event and not the first fetch.</summary>
    private static async Task Connected(SampleServer server, Tab tab)
    {
        await tab.Page.Locator("body[data-live=on]").WaitForAsync();
        server.Deployments.Listeners.ShouldBeGreaterThan(0);
    }
}
