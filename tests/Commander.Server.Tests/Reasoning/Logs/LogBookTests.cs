using Commander.Judging.Policies;
using Commander.Server.Connections;
using Commander.Server.Connections.Kubernetes;
using Commander.Server.Hosting;
using Commander.Server.Reasoning.Context;
using Commander.Server.Reasoning.Context.Logs;
using Microsoft.Extensions.DependencyInjection;

namespace Commander.Server.Tests.Reasoning.Logs;

public sealed class LogBookTests
{
    [Fact]
    public async Task What_the_policy_says_is_made_once_and_every_type_is_known()
    {
        var services = new ServiceCollection();
        services.AddSingleton(TimeProvider.System);
        services.AddReasoningContext(new Secrets(_ => null));
        await using var provider = services.BuildServiceProvider();
        var book = provider.GetRequiredService<LogBook>();

        book.Find(null).ShouldBeNull();
        book.Find(new ContextPolicy("paper", new Dictionary<string, string>())).ShouldBeNull();
        book.Find(Loki("http://a")).ShouldBeOfType<LokiLogs>().ShouldBeSameAs(book.Find(Loki("http://a")));
        book.Find(Loki("http://b")).ShouldNotBeSameAs(book.Find(Loki("http://a")));
        book.Find(new ContextPolicy("elasticsearch", new Dictionary<string, string> { ["url"] = "http://e", ["index"] = "a", ["query"] = "b" })).ShouldBeOfType<ElasticsearchLogs>();
        book.Find(new ContextPolicy("kubernetes", new Dictionary<string, string> { ["namespace"] = "a", ["selector"] = "b" })).ShouldBeOfType<KubernetesLogs>();
        provider.GetRequiredService<Clusters>().ShouldNotBeNull();
    }

    [Fact]
    public async Task A_metadata_address_is_never_asked()
    {
        using var http = Outgoing.Create();
        using var clusters = new Clusters(TimeProvider.System, _ => null);
        var source = LogBook.Over(http, clusters, TimeProvider.System, _ => null).Find(Loki("http://169.254.169.254"))!;
        var answer = await source.Read(new LogQuestion("s", "e", "1", new Dictionary<string, string>(), DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddMinutes(1)), CancellationToken.None);
        answer.Missing.ShouldBe("http://169.254.169.254 is a link-local or metadata address, which Commander never asks");
    }

    private static ContextPolicy Loki(string url) => new("loki", new Dictionary<string, string> { ["url"] = url, ["query"] = "{a=\"b\"}" });
}
