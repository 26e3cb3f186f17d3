using System.Net;
using System.Net.Sockets;
using Commander.Judging.Policies;
using Commander.Server.Hosting;
using Microsoft.AspNetCore.Builder;
using static Microsoft.Playwright.Assertions;

namespace Commander.Browser.Tests;

/// <summary>The whole server with closed access, and somebody who signs in.</summary>
public sealed class SignInTests(Chromium chromium) : IAsyncLifetime
{
    private const string Admin = "an admin's token of the environment";
    private readonly string _folder = Directory.CreateTempSubdirectory("commander-signin-").FullName;
    private WebApplication _app = null!;
    private Uri _url = null!;

    public async ValueTask InitializeAsync()
    {
        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            _url = new Uri($"http://127.0.0.1:{((IPEndPoint)free.LocalEndpoint).Port}/");
        }

        _app = await Application.Build(new CommanderOptions { Url = _url, Data = _folder, AdminToken = Admin }, PolicySet.Empty, new Secrets(_ => null), null, TestContext.Current.CancellationToken);
        await _app.StartAsync(TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData(1280)]
    [InlineData(390)]
    public async Task Who_signs_in_comes_to_the_page_they_wanted_is_named_with_their_role_and_signs_out(int width)
    {
        await using var tab = await chromium.Open(_url + "help", width: width, height: 800);
        await Expect(tab.Page.Locator("h1")).ToHaveTextAsync("Sign in");
        (await tab.Page.EvaluateAsync<int>("document.documentElement.scrollWidth")).ShouldBeLessThanOrEqualTo(width);
        await Picture(tab, $"login-{width}");
        await tab.Page.GetByLabel("Token").FillAsync(Admin);
        await tab.Page.GetByRole(Microsoft.Playwright.AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await Expect(tab.Page).ToHaveURLAsync(_url + "help");
        await tab.Page.GotoAsync(_url.ToString());
        await Expect(tab.Page.Locator(".who")).ToHaveTextAsync("admin (admin)");
        await Expect(tab.Page.Locator("pre", new() { HasText = "curl" }).First).ToContainTextAsync("Authorization: Bearer $COMMANDER_TOKEN");
        await Picture(tab, $"list-{width}");
        (await tab.Page.EvaluateAsync<int>("document.documentElement.scrollWidth")).ShouldBeLessThanOrEqualTo(width);
        await tab.Page.GetByRole(Microsoft.Playwright.AriaRole.Button, new() { Name = "Sign out" }).ClickAsync();
        await Expect(tab.Page.Locator("h1")).ToHaveTextAsync("Sign in");
        // A page that needs nobody's name shows none.
        await Expect(tab.Page.Locator(".who")).ToHaveCountAsync(0);
    }

    private static async Task Picture(Tab tab, string name)
    {
        if (Environment.GetEnvironmentVariable("COMMANDER_PICTURES") is { Length: > 0 } folder)
            await tab.Page.ScreenshotAsync(new() { Path = Path.Combine(folder, name + ".png") });
    }
}
