namespace Commander.Browser.Tests;

public class ShowTests
{
    /// <summary>Serves the sample pages to look at, as long as the file named by COMMANDER_SHOW is missing: COMMANDER_SHOW=/tmp/stop, then http://127.0.0.1:5990.</summary>
    [Fact(Explicit = true)]
    public async Task The_sample_pages_are_served_to_be_looked_at()
    {
        var stop = Environment.GetEnvironmentVariable("COMMANDER_SHOW");
        Assert.SkipWhen(stop is null, "set COMMANDER_SHOW to the path of a file that ends the show once it exists");
        await using var full = await SampleServer.Start(configure: o => o.Demo = true, port: 5990);
        await using var empty = await SampleServer.Start([], o => (o.HasPolicy, o.Missing) = (false, ["No policy: start with --policy FILE; until then Commander only records."]), port: 5991);
        while (!File.Exists(stop))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }
}
