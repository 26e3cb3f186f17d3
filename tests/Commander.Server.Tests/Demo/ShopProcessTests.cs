using System.Diagnostics;
using System.Text.Json;

namespace Commander.Server.Tests.Demo;

[Collection("shop processes")]
public class ShopProcessTests
{
    private static readonly string Executable = Path.Combine(AppContext.BaseDirectory, "Commander.Server");

    private static Process Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        return Process.Start(start)!;
    }

    private static async Task<string> Line(Process process)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(15));
        return await process.StandardOutput.ReadLineAsync(patience.Token) ?? await process.StandardError.ReadToEndAsync(patience.Token);
    }

    private static async Task Ended(Process process)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        await process.WaitForExitAsync(patience.Token);
    }

    [Fact]
    public async Task A_shop_says_its_port_serves_its_version_and_ends_with_its_parents_pipe()
    {
        using var shop = Start(Executable, "shop", "--version", "1.0.7", "--fault", "none", "--port", "0");
        try
        {
            using var said = JsonDocument.Parse(await Line(shop));
            said.RootElement.GetProperty("version").GetString().ShouldBe("1.0.7");
            var address = new Uri($"http://127.0.0.1:{said.RootElement.GetProperty("port").GetInt32()}/");
            using var http = new HttpClient();
            using var page = await http.GetAsync(new Uri(address, "?item=3"));
            page.Headers.GetValues("Shop-Version").ShouldBe(["1.0.7"]);
            using var body = JsonDocument.Parse(await page.Content.ReadAsStringAsync());
            body.RootElement.GetProperty("items").GetArrayLength().ShouldBe(4);
            (await http.GetStringAsync(new Uri(address, "metrics"))).ShouldContain("process_resident_memory_bytes ");
            (await http.GetAsync(new Uri(address, "nothing"))).StatusCode.ShouldBe(System.Net.HttpStatusCode.NotFound);
            shop.StandardInput.Close();
            await Ended(shop);
            shop.ExitCode.ShouldBe(0);
        }
        finally
        {
            shop.Kill();
        }
    }

    [Fact]
    public async Task A_parent_that_is_killed_leaves_no_shop()
    {
        // bash keeps the writing end of the coprocess' input, as the server does of its children's.
        using var parent = Start("bash", "-c", $"coproc SHOP {{ exec '{Executable}' shop --version 1.0.1 --fault none; }}; read -r line <&\"${{SHOP[0]}}\"; echo \"$SHOP_PID\"; read -r forever");
        using var shop = Process.GetProcessById(int.Parse(await Line(parent), System.Globalization.CultureInfo.InvariantCulture));
        try
        {
            shop.HasExited.ShouldBeFalse();
            parent.Kill();
            await Ended(parent);
            await Ended(shop);
        }
        finally
        {
            shop.Kill();
        }
    }

    [Theory]
    [InlineData("--version", "1", "--fault", "sleepy")]
    [InlineData("--version")]
    [InlineData("--fault", "none")]
    [InlineData("--version", "1", "--port", "70000")]
    public async Task Wrong_arguments_end_with_the_usage(params string[] arguments)
    {
        using var shop = Start(Executable, ["shop", .. arguments]);
        (await Line(shop)).ShouldStartWith("usage: Commander.Server shop");
        await Ended(shop);
        shop.ExitCode.ShouldBe(2);
    }
}
