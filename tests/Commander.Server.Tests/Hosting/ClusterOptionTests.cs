using Commander.Server.Hosting;
using Commander.Server.Tests.Storage;

namespace Commander.Server.Tests.Hosting;

public sealed class ClusterOptionTests : IDisposable
{
    private readonly TestFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_connection_string_comes_from_the_file_or_else_from_the_environment_and_is_never_repeated()
    {
        await File.WriteAllTextAsync(_folder["cluster"], "Host=from-file;Database=facts;Password=secret\n", Cancel);
        await File.WriteAllTextAsync(_folder["wrong"], "secret", Cancel);
        await File.WriteAllTextAsync(_folder["long"], new string(' ', 20_000), Cancel);

        Application.Cluster(_folder["cluster"], "Host=from-environment").Cluster!.Place.ShouldBe("from-file:5432/facts");
        Application.Cluster(null, "Host=from-environment;Username=u").Cluster!.Place.ShouldBe("from-environment:5432/u");
        Application.Cluster(null, null).ShouldBe((null, null));
        Application.Cluster(null, "").ShouldBe((null, null));
        Application.Cluster(null, "secret").Wrong.ShouldBe("COMMANDER_CLUSTER: is no connection string: write Host=HOST;Port=5432;Database=NAME;Username=USER;Password=PASSWORD");
        Application.Cluster(_folder["wrong"], null).Wrong.ShouldBe($"the cluster file {_folder["wrong"]}: is no connection string: write Host=HOST;Port=5432;Database=NAME;Username=USER;Password=PASSWORD");
        Application.Cluster(_folder["missing"], null).Wrong!.ShouldStartWith($"the cluster file {_folder["missing"]} cannot be read");
        Application.Cluster(_folder["long"], null).Wrong!.ShouldContain("more than 16384 bytes");
        new CommanderOptions { Cluster = Application.Cluster(_folder["cluster"], null).Cluster }.ToString().ShouldNotContain("secret");
    }
}
